"""A trained VaDE as a SavedModel that other programs load: no Python, no code of this package.

`export(load("runs/mnist"), "models/vade", version=3)` writes models/vade/3, the layout TensorFlow Serving watches. What
it answers stands in `signatures`; docs/guide/serving.md shows how to ask. A version appears whole or not at
all, and none is ever overwritten.
"""

import json
from functools import partial
from pathlib import Path

import keras
import tensorflow as tf

from vade_tf.data.dataset import Coded
from vade_tf.errors import InputError, whole_number
from vade_tf.model.networks import set_all
from vade_tf.model.vade import VaDE
from vade_tf.serving.signatures import SCHEMA, build_signatures
from vade_tf.storage import whole_path

WARMUP = Path("assets.extra") / "tf_serving_warmup_requests"  # where TensorFlow Serving looks


def export(model: VaDE, to: str | Path, version: int = 1, schema: Coded | None = None) -> Path:
    """Write a model as version `version` under the folder `to`, in float32 whatever precision it was trained in.

    Args:
        model: a `VaDE`, such as `vade_tf.load("runs/mnist")` returns.
        to: folder of all versions of this model; made if it is not there.
        version: whole number from 1; a server takes the highest.
        schema: how the rows were coded, such as the columns of a table (`load_schema`): the graph takes what comes of
            it. It is kept beside the graph, for `Served`. Default: they were numbers.

    Returns:
        The folder written, `to`/`version`.

    Raises:
        InputError: no VaDE, or a version that is there already.
        OSError, tf.errors.OpError: the folder cannot be written.
    """
    to = Path(to)
    if not isinstance(model, VaDE):
        raise InputError("model", "a VaDE, such as vade_tf.load of its run folder returns", repr(model))
    name = str(whole_number(version, "version", 1, 2**63 - 1))
    if (to / name).exists():
        free = 1 + max(int(path.name) for path in to.iterdir() if path.name.isdecimal())
        raise InputError("version", "a new one", f"{to / name}, which may be in use", f"give {free}")
    module, signatures = build_signatures(in_float32(model), schema)
    to.mkdir(parents=True, exist_ok=True)
    with whole_path(to / name) as folder:  # a server reads folders named by a number only
        tf.saved_model.save(module, str(folder), signatures)
        (folder / WARMUP).parent.mkdir()
        if schema is not None:
            (folder / SCHEMA).write_text(json.dumps(schema.to_dict()), encoding="utf-8")
        with tf.io.TFRecordWriter(str(folder / WARMUP)) as writer:
            for signature, function in signatures.items():
                positional, named = function.structured_input_signature
                writer.write(warmup_request(signature, [*positional, *named.values()]))
    return to / name


def _single(config: dict) -> dict:
    """The configuration of a layer, and of what it wraps, in float32."""
    if "dtype" in config:
        config["dtype"] = "float32"
    for name in ("layer", "backward_layer", "cell"):
        inner = config.get(name)
        if isinstance(inner, dict) and isinstance(inner.get("config"), dict):
            _single(inner["config"])
    return config


def in_float32(model):
    """A copy of a VaDE that computes in float32, with the same weights."""

    def layer(old):  # what is no layer, as an addition, computes in the type of what it gets
        config = old.get_config()
        return type(old).from_config(_single(config) if isinstance(old, keras.layers.Layer) else config)

    clone = partial(keras.models.clone_model, clone_function=layer, recursive=True)
    networks = {
        name: keras.saving.serialize_keras_object(clone(getattr(model, name))) for name in ("encoder", "decoder")
    }
    if model.scaling is not None and model.scaling.compute_dtype != "float32":
        scaling = layer(model.scaling)
        scaling.build((None, model.n_features))
        networks["scaling"] = keras.saving.serialize_keras_object(scaling)
    copy = type(model).from_config({**model.get_config(), **networks})
    set_all(copy, model.get_weights())
    return copy


def warmup_request(signature: str, inputs) -> bytes:
    """A request of one row of zeros that TensorFlow Serving sends itself before it takes a version into use.

    It is a tensorflow.serving.PredictionLog (prediction_log.proto: predict_log = 6, request = 1; predict.proto:
    model_spec = 1, inputs = 2; model.proto: signature_name = 3), put together here because those protos come only
    with tensorflow-serving-api, which nothing else needs.
    """
    request = _field(1, _field(3, signature.encode()))
    for tensor in inputs:  # TensorSpecs
        shape = [1] if tensor.shape.rank is None else [size or 1 for size in tensor.shape]
        zeros = tf.make_tensor_proto(tf.zeros(shape, tensor.dtype).numpy(), tensor.dtype, shape).SerializeToString()
        request += _field(2, _field(1, tensor.name.encode()) + _field(2, zeros))
    return _field(6, _field(1, request))


def _field(number: int, content: bytes) -> bytes:
    """A length-delimited protobuf field."""
    length, rest = b"", len(content)
    while rest > 127:
        length, rest = length + bytes([rest & 127 | 128]), rest >> 7
    return bytes([number << 3 | 2]) + length + bytes([rest]) + content
