"""Networks that come from outside, of one's own or from a file: checked, copied, saved and loaded.

Files are read in Keras' safe mode, which makes known classes and runs no program of the file.
"""

import itertools
import math
import reprlib
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import keras
import numpy as np

from vade_tf.errors import InputError
from vade_tf.seeding import Stream, fold

BOUNDED = ("sigmoid", "hard_sigmoid", "hardsigmoid", "softmax")  # functions and layers whose numbers lie in [0, 1]
SCALES = (keras.layers.Rescaling, keras.layers.Normalization)
MOVES = (keras.layers.Reshape, keras.layers.Flatten, keras.layers.Cropping2D)  # layers that change no number
MAX_SCALE = 10.0  # times that a first layer may make scaled rows larger or smaller; Rescaling(1 / 255) is 255
MEMBERS = ["config.json", "metadata.json", "model.weights.h5"]  # of a .keras file; assets would be unpacked to the disk


def check(encoder: keras.Model, decoder: keras.Model, each: int = 1) -> None:
    """Raises InputError unless two networks are those of a VaDE: x -> [m, log s2] and z -> parameters of p(x|z).

    x is of any shape with D values a row; m, log s2 and z are [batch, latent]; the parameters are D * `each` values.
    """
    for argument, network in (("encoder", encoder), ("decoder", decoder)):
        if not isinstance(network, keras.Model) or not getattr(network, "outputs", None):
            raise InputError(argument, "a functional keras.Model", reprlib.repr(network), "use keras 3, not tf_keras")
    rows, codes = _shapes(encoder.inputs), _shapes(encoder.outputs)
    pair = isinstance(_returned(encoder), (list, tuple)) and len(codes) == 2
    if len(rows) != 1 or None in rows[0] or not pair or codes[0] != codes[1] or len(codes[0]) != 1:
        expected = "one input and a list [m, log s2] of two outputs (batch, latent), of fixed shapes"
        raise InputError("encoder", expected, f"{rows} and {codes} a row")
    values, into, out = each * math.prod(rows[0]), _shapes(decoder.inputs), _shapes(decoder.outputs)
    if into != codes[:1]:
        raise InputError("decoder", f"one input of {codes[0]} a row, as the encoder gives", str(into))
    if isinstance(_returned(decoder), (list, tuple, dict)) or math.prod(out[0]) != values:
        raise InputError("decoder", f"one output of {values} values a row, by itself and in no list", str(out))
    _check_apart(encoder, decoder)


def _check_apart(encoder: keras.Model, decoder: keras.Model) -> None:
    """Raises InputError where two networks share weights: a copy has them twice, and Keras cannot load their file."""
    theirs = {id(layer) for layer in encoder._flatten_layers()}
    shared = [layer.name for layer in decoder._flatten_layers() if id(layer) in theirs and layer.weights]
    if shared:
        raise InputError("decoder", "no layer of the encoder", repr(shared[0]), "give each network layers of its own")


def _returned(network: keras.Model):
    """The outputs of a functional model as it returns them: a tensor, or a list, tuple or dict of them."""
    return (getattr(network, "_functional", None) or network)._outputs_struct


def _shapes(tensors) -> list[tuple]:
    """Shapes without the batch."""
    return [tuple(tensor.shape[1:]) for tensor in tensors]


def check_numbers(model, x) -> None:
    """Raises InputError where networks of a VaDE would find wrong clusters in silence of raw rows x [n, D].

    The decoder's end is no parameter of p(x|z), or a first layer of the encoder is made for raw rows.
    """
    end = _end(model.decoder)
    if model.likelihood.unbounded and end in BOUNDED:
        raise InputError("decoder", model.likelihood.unbounded, f"a {end} at its end", "leave it out")
    if not model.likelihood.compares_columns:  # counts are read as they are
        return
    rows = model.shaped(model.scale(x))
    for layer in itertools.takewhile(lambda layer: isinstance(layer, (*MOVES, *SCALES)), _layers(model.encoder)):
        read = layer(rows)
        before, after = (_spread(np.asarray(each, np.float64)) for each in (rows, read))
        if before and not before / MAX_SCALE <= after <= before * MAX_SCALE:
            got = f"{layer.name!r}, which brings their standard deviation from {before:.2g} to {after:.2g}"
            raise InputError("encoder", "to read rows that are scaled already", got, "leave this layer out")
        rows = read


def _end(network: keras.Model) -> str:
    """The name of the function or layer that a network ends with."""
    operations = (getattr(network, "_functional", None) or network).operations  # _functional: of a keras.Sequential
    for operation in reversed(operations):
        name = getattr(getattr(operation, "activation", None), "__name__", type(operation).__name__).lower()
        if isinstance(operation, keras.Model):
            return _end(operation)
        if not isinstance(operation, MOVES) and name != "linear":
            return name
    return ""


def _layers(network: keras.Model) -> Iterator[keras.layers.Layer]:
    """The layers of a network in their order, those of models within it in their place."""
    for layer in network.layers:
        if isinstance(layer, keras.Model):
            yield from _layers(layer)
        elif not isinstance(layer, keras.layers.InputLayer):
            yield layer


def _spread(rows: np.ndarray) -> float:
    """The standard deviation of the features that vary, [n, ...]: their median, 0 where none does."""
    std = np.std(rows.reshape(len(rows), -1), axis=0)
    return float(np.median(std[std > 0])) if (std > 0).any() else 0.0


def check_layers(model: keras.Model, why: str) -> None:
    """Raises InputError where a config would not give a model back: Keras makes known classes and functions alone.

    `why` says what is the matter with such a class or function.
    """
    for layer in model._flatten_layers():
        runs = isinstance(layer, keras.layers.Lambda)
        kind = layer.function if runs else type(layer)
        name = getattr(kind, "__name__", "")
        known = name and keras.saving.get_registered_object(keras.saving.get_registered_name(kind)) is kind
        if not known and (runs or kind.__module__.partition(".")[0] not in ("keras", "vade_tf")):
            expected = "layers that Keras can make again, of both networks"
            got = f"{layer.name!r} of a class or function that {why}, {name or repr(kind)}"
            raise InputError("encoder", expected, got, "put @keras.saving.register_keras_serializable() above it")


def copied(
    encoder: keras.Model | None, decoder: keras.Model | None, seed: int
) -> tuple[keras.Model, keras.Model] | None:
    """Copies of two networks with their weights; None of none. Layers such as dropout are seeded by the seed."""
    if encoder is None and decoder is None:
        return None
    if encoder is None or decoder is None:
        raise InputError("encoder", "an encoder and a decoder, or none of them", "one of them")
    _check_apart(encoder, decoder)
    copies = []
    for number, network in enumerate((encoder, decoder), start=1):
        copy = keras.models.clone_model(network)
        set_all(copy, network.get_weights())
        states = [each for each in copy.variables if each.path.endswith("seed_generator_state")]
        for i, state in enumerate(states):
            state.assign([fold(seed, Stream.OWN_LAYERS, number, i), 0])
        copies.append(copy)
    return copies[0], copies[1]


def set_all(network: keras.Model, weights: Sequence[np.ndarray]) -> None:
    """Set the weights of a network, and what its layers have computed from theirs."""
    network.set_weights(weights)
    take_up(network)


def take_up(model: keras.Model) -> None:
    """Let layers such as `Normalization`, which compute with copies of their weights, copy them anew."""
    for layer in model._flatten_layers():
        if hasattr(layer, "finalize_state"):
            layer.finalize_state()


def load(file: Path) -> keras.Model:
    """The model of a .keras file; an InputError where it has other members, or weights that are not finite.

    What is damaged raises whatever zipfile, Keras and h5py raise.
    """
    with zipfile.ZipFile(file) as archive:
        members = sorted(archive.namelist())
    if members != MEMBERS:
        raise InputError("path", f"a .keras file of {', '.join(MEMBERS)}", f"other members in {file}")
    model = keras.saving.load_model(file, safe_mode=True)
    if not all(np.isfinite(weight).all() for weight in model.get_weights()):
        raise InputError("path", "finite weights", f"some that are NaN or infinite in {file}")
    return model
