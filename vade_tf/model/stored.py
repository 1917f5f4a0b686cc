"""A model in a .keras file, which is looked at before Keras makes anything of it, in its safe mode."""

import contextlib
import inspect
import io
import math
import zipfile
from collections.abc import Iterator
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from vade_tf import hdf5
from vade_tf.model import stored_config
from vade_tf.reading import LARGEST_JSON, check_members, parsed

CONFIG, WEIGHTS = "config.json", "model.weights.h5"
MEMBERS, DEEPEST = 1000, 20  # files in it, and folders that one lies in, at most
SPARE = 4  # times the stored bytes that variables may take: an optimizer that has not begun stores none of its own


def load(file: Path) -> keras.Model:
    """The model of a .keras file.

    Keras makes all weights that the configuration asks for before it looks at those that are there. So they are counted
    as they are made, and are to be no more than what is stored.

    Args:
        file: a regular file.

    Raises:
        ValueError: it would take far more memory than it is long, leads to another file, or has weights that are not
            finite.
        Exception: whatever Keras, h5py and TensorFlow raise for what is damaged.
    """
    with zipfile.ZipFile(file) as archive:
        check_members(archive, file.stat().st_size)
        members = {member.filename: member for member in archive.infolist()}
        if len(members) > MEMBERS or any(name.count("/") > DEEPEST for name in members):
            raise ValueError("it holds more files than a model has")  # Keras unpacks them all
        if members[CONFIG].file_size > LARGEST_JSON:
            raise ValueError("its configuration is too long")
        stored_config.check(parsed(archive.read(CONFIG).decode()))
        with hdf5.opened(io.BytesIO(archive.read(WEIGHTS))) as weights:
            weights.visititems(_check_whole)
        stored_bytes = members[WEIGHTS].file_size
    with _no_more_than(SPARE * stored_bytes, stored_bytes):
        model = keras.saving.load_model(file)
    if not all(np.isfinite(weight).all() for weight in model.get_weights()):
        raise ValueError("weights that are not finite")
    return model


def _check_whole(name: str, item) -> None:
    for attribute in map(item.attrs.get_id, item.attrs):
        if attribute.dtype.hasobject and attribute.shape:
            raise ValueError(f"{name} has a list of texts beside it")  # each may be the same long one
    if hdf5.is_array(item):
        if item.dtype.hasobject:
            raise ValueError(f"{name} holds texts or objects, which no layer has")
        if item.chunks is not None:  # a part may be packed, or shorter than it is to be
            raise ValueError(f"{name} is in parts, which no layer is")
        if item.nbytes > item.id.get_storage_size():
            raise ValueError(f"{name} claims {item.nbytes:,} bytes and has {item.id.get_storage_size():,}")


@contextlib.contextmanager
def _no_more_than(most: int, stored: int) -> Iterator[None]:
    """Variables made inside take together no more than so many bytes: ValueError before one that would.

    Keras knows the shape of a variable before its values. What another starts with is made in a graph first, where
    nothing has a value but its shape.
    """
    with keras.StatelessScope():
        keras.random.uniform(
            ()
        )  # Keras' generator, which all share: if it is not there yet, it must not be the graph's
    graph, total = tf.Graph(), 0

    def counted(make, **given):
        nonlocal total
        shape, dtype = _form(given["initial_value"], given.get("dtype"), graph)
        total += math.prod(shape) * dtype.size
        if total > most:
            raise ValueError(f"its weights are to take more than {most:,} bytes, and {stored:,} are stored")
        return make(**given)

    with tf.variable_creator_scope(counted):
        yield


def _form(begin, dtype, graph: tf.Graph) -> tuple[tf.TensorShape, tf.DType]:
    """Shape and type of a variable that begins with a tensor, or with what a function will make."""
    variable = inspect.getclosurevars(begin).nonlocals.get("self") if inspect.isfunction(begin) else None
    if isinstance(variable, keras.Variable) and dtype is not None:  # which calls an initializer with its own shape
        return variable.shape, tf.as_dtype(dtype)
    first = _symbolic(begin, graph)
    return first.shape, first.dtype


def _symbolic(begin, graph: tf.Graph):
    """What a variable begins with, as a tensor of that shape and type; in a graph, where it takes no memory yet."""
    if not callable(begin):
        return tf.convert_to_tensor(begin)
    try:
        with graph.as_default():
            return tf.convert_to_tensor(begin())
    except RuntimeError:  # it reads a tensor that is there already, which functions may and plain graphs may not
        return tf.function(begin, autograph=False).get_concrete_function().outputs[0]
