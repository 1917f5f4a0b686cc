"""What a network takes before a row is there: layers that loop in Python while it is traced, and tensors of any size.

Keras knows the shapes without the loops, so they are looked at first.
"""

import math

import keras

from vade_tf.errors import InputError

CALLS = 10**5  # of layers by Python, while a network is traced
LARGEST = 10**8  # numbers that a tensor of one row has


def check(network: keras.layers.Layer, argument: str, *shapes: tuple) -> None:
    """Whether a network can be traced in little time, and gives rows of a size that fits in memory.

    Args:
        network: a layer or a model.
        argument: what an error names.
        shapes: of its inputs, the batch first; default those that a functional model has.

    Raises:
        InputError: it cannot.
    """
    if _calls(network, list(shapes) or _shapes(network.inputs), argument) > CALLS:
        raise InputError(
            f"{argument}: expected layers that Python calls at most {CALLS:,} times, got TimeDistributed or "
            "unroll=True over a longer axis; use unroll=False, or a shorter axis"
        )


def _calls(layer, shapes: list[tuple], argument: str) -> int:
    """How many layers Python calls when one is traced on inputs of these shapes."""
    loops = isinstance(layer, keras.layers.TimeDistributed) or (isinstance(layer, keras.layers.RNN) and layer.unroll)
    times, *rest = shapes[0][1:] if loops and len(shapes[0]) > 1 else (None,)
    if isinstance(layer, keras.layers.TimeDistributed):
        return (times or 1) * _calls(layer.layer, [(shapes[0][0], *rest)], argument)
    if isinstance(layer, keras.layers.RNN):
        return times or 1
    if isinstance(layer, keras.layers.Bidirectional):
        return sum(_calls(each, shapes, argument) for each in (layer.forward_layer, layer.backward_layer))
    if isinstance(layer, keras.layers.Wrapper):
        return _calls(layer.layer, shapes, argument)
    model = getattr(layer, "_functional", None) or layer  # of a keras.Sequential
    if hasattr(model, "_nodes_by_depth"):
        known = all(one[1:] == other[1:] for one, other in zip(_shapes(model.inputs), shapes, strict=False))
        if known or not _may_loop(model):
            return sum(_of_node(node, argument) for nodes in model._nodes_by_depth.values() for node in nodes)
    elif not type(layer).__module__.startswith("keras.") or not _may_loop(layer):
        return 1
    raise InputError(
        f"{argument}: expected TimeDistributed and unroll=True on axes of known length, got {layer.name}; "
        "give its Input that length"
    )


def _of_node(node, argument: str) -> int:
    """`_calls` of one call in a functional model."""
    for shape in _shapes(node.output_tensors):
        if math.prod(size or 1 for size in shape) > LARGEST:
            raise InputError(
                f"{argument}: expected tensors of at most {LARGEST:,} numbers a row, got the shape {shape} of "
                f"{node.operation.name}"
            )
    return 1 if node.is_input else _calls(node.operation, _shapes(node.input_tensors), argument)


def _may_loop(layer) -> bool:
    """Whether a layer, or one inside it, loops over an axis in Python."""
    inside = layer._flatten_layers() if isinstance(layer, keras.layers.Layer) else ()
    return any(isinstance(each, keras.layers.TimeDistributed) or getattr(each, "unroll", False) for each in inside)


def _shapes(tensors) -> list[tuple]:
    return [tuple(tensor.shape) for tensor in tensors]
