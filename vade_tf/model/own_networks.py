"""Networks of one's own that fit by their shapes, and read or give other numbers than a VaDE's.

What `networks.check` refuses cannot be trained. This can, and the clusters are wrong in silence: so it is refused where
networks are given to a fit, but not where a model is loaded.
"""

import reprlib

import keras
import numpy as np
import tensorflow as tf

from vade_tf.errors import InputError
from vade_tf.model.likelihood import Likelihood
from vade_tf.model.vade import VaDE

SQUASHES = {"sigmoid": "sigmoid", "hardsigmoid": "hard_sigmoid", "softmax": "softmax"}
SCALES = (keras.layers.Rescaling, keras.layers.Normalization)
MOVES = (
    keras.layers.Reshape,
    keras.layers.Flatten,
    keras.layers.Permute,
    keras.layers.Cropping1D,
    keras.layers.Cropping2D,
    keras.layers.Cropping3D,
)  # which leave numbers what they are
FAR = 5.0  # standard deviations that the mean of what a first layer gives may lie from 0, where that is more than 1
TIMES = 10.0  # that its standard deviation may be larger, or smaller


def check(encoder: keras.Model, decoder: keras.Model, likelihood: Likelihood) -> None:
    """Raises InputError where networks take whole numbers, or a decoder's end is no parameter of p(x|z)."""
    for argument, network in (("encoder", encoder), ("decoder", decoder)):
        if "float" not in (dtype := str(network.inputs[0].dtype)):
            raise InputError(
                f"{argument}: expected an Input of real numbers, got {dtype}, which cuts off their digits; leave its "
                "dtype out"
            )
    end = _end(decoder)
    squash = None if end is None else _squash(end)
    if likelihood.unbounded and squash is not None:
        raise InputError(f"decoder: expected {likelihood.unbounded}, got a {squash} at its end; leave it out")


def scales(encoder: keras.Model) -> bool:
    """Whether an encoder begins with layers that scale numbers."""
    return any(isinstance(layer, SCALES) for layer in _first(encoder)[0])


def check_reading(model: VaDE, x) -> None:
    """Raises InputError where the first layers of an encoder are made for raw rows: it reads them scaled already.

    Args:
        model: its encoder is the caller's, and `scales`.
        x: raw rows, [n, D].
    """
    read = rows = model.shaped(model.scale(x))
    layers = _first(model.encoder)[0]
    for layer in layers:
        read = layer(read)
    last = next(layer for layer in reversed(layers) if isinstance(layer, SCALES))
    (away, before), (mean, std) = _moments(rows), _moments(read)
    least = 1.0 if isinstance(last, keras.layers.Normalization) else min(1.0, before)
    kept = least / TIMES <= std <= TIMES * max(1.0, before)
    same = abs(std - before) <= before / TIMES and abs(mean - away) <= before / TIMES
    if same or (kept and mean <= max(1.0, FAR * std, 2.0 * away * std / before)):
        return
    raise InputError(
        f"encoder: expected to read rows that are scaled already, from 0 to 1 or to variance 1, got {last.name!r}, "
        f"which brings them {mean:.2g} away from 0 with a standard deviation of {std:.2g}; leave this layer out"
    )


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
                f"encoder and decoder: layer {layer.name!r} has a class or a function that {why}, "
                f"{name or reprlib.repr(kind)}; put @keras.saving.register_keras_serializable() above it"
            )


def _moments(rows) -> tuple[float, float]:
    """How far features lie from 0 and their standard deviation, medians of those that vary; NaN aside: [n, ...]."""
    flat = np.ma.masked_invalid(np.asarray(tf.cast(rows, tf.float32), np.float64).reshape(len(rows), -1))
    mean, std = flat.mean(axis=0).filled(0.0), flat.std(axis=0).filled(0.0)
    if not (std > 0).any():
        return 0.0, 1.0
    return float(np.median(np.abs(mean[std > 0]))), float(np.median(std[std > 0]))


def _first(network: keras.Model) -> tuple[list[keras.layers.Layer], bool]:
    """The layers one after the other that only move and scale what a network reads; and whether it has no others."""
    model = getattr(network, "_functional", None) or network  # of a keras.Sequential
    if not hasattr(model, "_nodes_by_depth"):
        return [], False  # a layer or a model of the caller's own, of which nothing is known
    layers: list[keras.layers.Layer] = []
    tensor = model.inputs[0]
    while tensor is not model.outputs[0]:
        nodes = [node for depth in model._nodes_by_depth.values() for node in depth]
        readers = [node for node in nodes if any(each is tensor for each in node.input_tensors)]
        if len(readers) != 1:
            return layers, False
        layer = readers[0].operation
        if isinstance(layer, keras.Model):
            inside, whole = _first(layer)
            layers += inside
            if not whole:
                return layers, False
        elif isinstance(layer, SCALES + MOVES):
            layers.append(layer)
        else:
            return layers, False
        tensor = readers[0].outputs[0]
    return layers, True


def _end(network: keras.Model) -> keras.Operation | None:
    """The last layer or operation of a network that does more than move numbers; None where there is none."""
    tensor = network.outputs[0]
    while not isinstance((made := tensor._keras_history).operation, keras.layers.InputLayer):
        end = made.operation
        if isinstance(end, keras.Model) and getattr(end, "outputs", None):
            end = _end(end)
        elif isinstance(end, MOVES) or _is_linear(end):
            end = None
        if end is not None:
            return end
        tensor = made.operation._inbound_nodes[made.node_index].input_tensors[0]
    return None


def _is_linear(layer) -> bool:
    """Whether a layer is an activation that changes nothing."""
    return isinstance(layer, keras.layers.Activation) and layer.activation is keras.activations.linear


def _squash(end: keras.Operation) -> str | None:
    """The name of what brings a layer's numbers between 0 and 1, or None."""
    if not type(end).__module__.startswith("keras."):
        return None  # of the caller's own nothing is known
    name = getattr(getattr(end, "activation", None), "__name__", type(end).__name__)
    return SQUASHES.get(name.lower().replace("_", ""))
