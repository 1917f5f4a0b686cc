"""Networks of one's own that fit by their shapes, and read or give other numbers than a VaDE's.

What `networks.check` refuses cannot be trained. This can, and the clusters are wrong in silence: so it is refused where
networks are given to a fit, but not where a model is loaded.
"""

import itertools
from collections.abc import Iterator

import keras
import numpy as np

from vade_tf.errors import InputError
from vade_tf.model.likelihood import Likelihood
from vade_tf.model.networks import check_apart, set_all
from vade_tf.model.vade import VaDE
from vade_tf.seeding import Stream, fold

BOUNDED = ("sigmoid", "hard_sigmoid", "hardsigmoid", "softmax")  # functions and layers whose numbers lie in [0, 1]
SCALES = (keras.layers.Rescaling, keras.layers.Normalization)
MOVES = (keras.layers.Reshape, keras.layers.Flatten, keras.layers.Cropping2D)  # layers that change no number
MAX_SCALE = 10.0  # times that a first layer may make scaled rows larger or smaller; Rescaling(1 / 255) is 255


def check(encoder: keras.Model, decoder: keras.Model, likelihood: Likelihood) -> None:
    """Raises InputError where networks take whole numbers, or a decoder's end is no parameter of p(x|z)."""
    for argument, network in (("encoder", encoder), ("decoder", decoder)):
        if "float" not in (dtype := str(network.inputs[0].dtype)):
            raise InputError(argument, "an Input of real numbers", f"{dtype}, which cuts off their digits")
    end = _end(decoder)
    if likelihood.unbounded and end in BOUNDED:
        raise InputError("decoder", likelihood.unbounded, f"a {end} at its end", "leave it out")


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


def scales(encoder: keras.Model) -> bool:
    """Whether an encoder begins with layers that scale numbers."""
    return any(isinstance(layer, SCALES) for layer in _first_layers(encoder))


def _first_layers(encoder: keras.Model) -> list[keras.layers.Layer]:
    """The layers that scale or move numbers before any other layer computes."""
    known = (keras.layers.InputLayer, *MOVES, *SCALES)
    return list(itertools.takewhile(lambda layer: isinstance(layer, known), _flat(encoder)))


def _flat(network: keras.Model) -> Iterator[keras.layers.Layer]:
    """The layers of a network in their order, those of models within it in their place."""
    for layer in network.layers:
        yield from _flat(layer) if isinstance(layer, keras.Model) else (layer,)


def check_reading(model: VaDE, x) -> None:
    """Raises InputError where a first layer of an encoder is made for raw rows: it reads them scaled already.

    Args:
        model: its encoder is the caller's, and `scales`.
        x: raw rows, [n, D].
    """
    rows = model.shaped(model.scale(x))
    for layer in _first_layers(model.encoder):
        if isinstance(layer, keras.layers.InputLayer):
            continue
        read = layer(rows)
        before, after = (_spread(np.asarray(each, np.float64)) for each in (rows, read))
        if before and not before / MAX_SCALE <= after <= before * MAX_SCALE:
            got = f"{layer.name!r}, which brings their standard deviation from {before:.2g} to {after:.2g}"
            raise InputError("encoder", "to read rows that are scaled already", got, "leave this layer out")
        rows = read


def _spread(rows: np.ndarray) -> float:
    """The standard deviation of the features that vary, [n, ...]: their median, 0 where none does."""
    std = np.std(rows.reshape(len(rows), -1), axis=0)
    return float(np.median(std[std > 0])) if (std > 0).any() else 0.0


def check_layers(model: keras.Model, why: str) -> None:
    """Raises InputError where a config would not give a model back: Keras makes known classes and functions alone.

    Args:
        model: with the caller's networks.
        why: what is the matter with such a class or function.
    """
    for layer in model._flatten_layers():
        runs = isinstance(layer, keras.layers.Lambda)
        kind = layer.function if runs else type(layer)
        name = getattr(kind, "__name__", "")
        known = name and keras.saving.get_registered_object(keras.saving.get_registered_name(kind)) is kind
        if not known and (runs or kind.__module__.partition(".")[0] not in ("keras", "vade_tf")):
            raise InputError(
                "encoder",
                "layers that Keras can make again, of both networks",
                f"{layer.name!r} of a class or function that {why}, {name or repr(kind)}",
                "put @keras.saving.register_keras_serializable() above it",
            )


def copied(
    encoder: keras.Model | None, decoder: keras.Model | None, seed: int
) -> tuple[keras.Model, keras.Model] | None:
    """Copies of two networks with their weights; None of none. Layers such as dropout are seeded by the seed.

    Raises:
        InputError: there is one without the other, or they share weights.
    """
    if encoder is None and decoder is None:
        return None
    if encoder is None or decoder is None:
        raise InputError("encoder", "an encoder and a decoder, or none of them", "one of them")
    check_apart(encoder, decoder)
    copies = []
    for number, network in enumerate((encoder, decoder), start=1):
        copy = keras.models.clone_model(network)
        set_all(copy, network.get_weights())
        states = [each for each in copy.variables if each.path.endswith("seed_generator_state")]
        for i, state in enumerate(states):
            state.assign([fold(seed, Stream.OWN_LAYERS, number, i), 0])
        copies.append(copy)
    return copies[0], copies[1]
