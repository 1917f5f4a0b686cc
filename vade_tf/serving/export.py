"""A trained VaDE as a SavedModel that other programs load: no Python, no code of this package.

docs/guide/serving.md lists its signatures. A row's answer depends on that row alone: a server may batch as it likes.
"""

import json
import math
from pathlib import Path

import tensorflow as tf

from vade_tf.data.dataset import Coded
from vade_tf.data.schema import Schema
from vade_tf.errors import InputError, whole_number
from vade_tf.finite import MAX_VALUE
from vade_tf.model import elbo, networks
from vade_tf.model.own_networks import set_all
from vade_tf.model.vade import VaDE
from vade_tf.serving import columns
from vade_tf.storage import whole_path, write_whole

SCHEMA = Path("assets.extra") / "schema.json"  # in the folder of a version
FORMATS = {"saved_model": "", "onnx": ".onnx"}  # and the ending of a version
ONNX_OPSET = 18  # the latest that tf2onnx 1.17 writes
WARMUP = Path("assets.extra") / "tf_serving_warmup_requests"  # where TensorFlow Serving looks


def export(
    model: VaDE, to: str | Path, version: int = 1, schema: Coded | None = None, format: str = "saved_model"
) -> Path:
    """Write a model as version `version` under the folder `to`, in float32 whatever precision it was trained in.

    The version appears whole or not at all, and none is ever overwritten.

    Args:
        model: a `VaDE`, such as `vade_tf.load("runs/mnist")` returns.
        to: folder of all versions of this model; made if it is not there.
        version: whole number from 1; a server takes the highest.
        schema: how the rows were coded, such as the columns of a table (`load_schema`): the graph takes what comes of
            it. It is kept beside the graph, for `Served`. Default: they were numbers.
        format: "saved_model" (default), or "onnx": one file with what the signature serving_default answers.

    Returns:
        The folder written, `to`/`version`, or the file, `to`/`version`.onnx.

    Raises:
        InputError: no VaDE, or a version that is there already.
        OSError, tf.errors.OpError: the folder cannot be written.
    """
    to = Path(to)
    if not isinstance(model, VaDE):
        raise InputError("model", "a VaDE, such as vade_tf.load of its run folder returns", repr(model))
    if format not in FORMATS:
        raise InputError("format", f"one of {', '.join(FORMATS)}", repr(format))
    name = str(whole_number(version, "version", 1, 2**63 - 1)) + FORMATS[format]
    if (to / name).exists():
        free = 1 + max(int(path.stem) for path in to.iterdir() if path.stem.isdecimal())
        raise InputError("version", "a new one", f"{to / name}, which may be in use", f"give {free}")
    module, signatures = build_signatures(in_float32(model), schema)
    to.mkdir(parents=True, exist_ok=True)
    if format == "onnx":
        write_whole(to / name, in_onnx(signatures["serving_default"], model.n_features))
        return to / name
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


def in_onnx(classify, n_features: int) -> bytes:
    """The signature serving_default as a model of ONNX."""
    try:
        import tf2onnx
    except ImportError as error:
        raise InputError("format", "tf2onnx for 'onnx'", "none", "pip install 'vade-tf[onnx]' brings it") from error
    function = tf.function(lambda x: classify(x=x), autograph=False)
    rows = tf.TensorSpec([None, n_features], tf.float32, "x")
    return tf2onnx.convert.from_function(function, [rows], opset=ONNX_OPSET)[0].SerializeToString()


def build_signatures(model: VaDE, schema: Coded | None = None) -> tuple[tf.Module, dict]:
    """A module that holds the weights of a VaDE in float32, and {signature name: concrete function}.

    The schema of a table adds `columns`. x are raw features, as in training: the scaling is inside.
    """
    n_features, latent_dim = model.n_features, model.prior.latent_dim
    fills = model.likelihood.takes_missing and networks.fills(model.encoder)

    def whole(x):
        """Whether each row can be read, [n]: a processor may make 0 of NaN in a layer, and answer as if it could."""
        x = tf.cast(x, tf.float32)
        return tf.reduce_all((tf.abs(x) <= MAX_VALUE) | (fills & tf.math.is_nan(x)), axis=-1)

    def classify(x):
        m, log_s2 = model.encode(x)
        log_pi, mu, log_sigma2 = model.prior.parameters
        log_pi = tf.repeat(log_pi[None, :], tf.shape(m)[0], axis=0)  # OpenVINO errs in sum + [K], openvino#23616
        log_joint = log_pi + elbo.log_normal(m, mu, log_sigma2)  # log p(c, z = m), [n, K]
        gamma = tf.exp(model.prior(m, log_s2))
        best, known = tf.argmax(gamma, axis=-1), whole(x) & tf.math.is_finite(tf.reduce_max(log_joint, axis=-1))
        return {
            "cluster": tf.where(known, best, -tf.ones_like(best)),
            "probabilities": tf.where(known[:, None], gamma, math.nan),
            "confidence": tf.where(known, tf.reduce_max(gamma, axis=-1), math.nan),
            "density": tf.where(known, tf.reduce_logsumexp(log_joint, axis=-1), math.nan),
        }

    def generate(cluster, seed):
        n = tf.shape(cluster)[0]
        number = tf.where(tf.size(seed) == 1, tf.range(n, dtype=tf.int64), tf.zeros(n, tf.int64))
        seeds = tf.stack([tf.broadcast_to(seed, [n]), number], axis=1)  # [n, 2]
        draws = tf.map_fn(lambda s: tf.random.stateless_normal([latent_dim], s), seeds, fn_output_signature=tf.float32)
        known = (cluster >= 0) & (cluster < model.prior.n_components)  # a GPU gathers zeros where there is nothing
        return {"x": tf.where(known[:, None], model.decode(model.prior.draw(cluster, draws)), math.nan)}

    def concrete(function, **inputs):
        specs = {name: tf.TensorSpec(shape, dtype, name) for name, (shape, dtype) in inputs.items()}
        return tf.function(function, autograph=False).get_concrete_function(**specs)

    rows, byte_rows = ([None, n_features], tf.float32), ([None, n_features], tf.uint8)
    module = tf.Module()
    module.weights = [weight.value for weight in model.weights]
    signatures = {
        "serving_default": concrete(classify, x=rows),
        "classify_bytes": concrete(classify, x=byte_rows),
        "encode": concrete(lambda x: dict(zip(("mean", "log_variance"), model.encode(x), strict=True)), x=rows),
        "reconstruct": concrete(lambda x: {"x": model.decode(model.encode(x)[0])}, x=rows),
        "score": concrete(lambda x: {"elbo": tf.where(whole(x), model.elbo(x), math.nan)}, x=rows),
        "generate": concrete(generate, cluster=([None], tf.int64), seed=(None, tf.int64)),
    }
    if isinstance(schema, Schema) and (coder := columns.coder(schema)) is not None:
        specs, code = coder
        of_table = tf.function(lambda **cells: classify(code(cells)), autograph=False)
        signatures["columns"] = of_table.get_concrete_function(**specs)
    return module, signatures


def in_float32(model: VaDE) -> VaDE:
    """A copy of a VaDE that computes in float32, with the same weights."""
    copy = type(model).from_config(model.get_config())
    set_all(copy, model.get_weights())
    networks.compute_in_float32(copy)
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
