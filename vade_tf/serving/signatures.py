"""What an exported VaDE answers: the functions that are served.

    serving_default   x float32 [n, D]           -> cluster (-1: not readable), probabilities, confidence, density
    classify_bytes    x uint8 [n, D]             -> the same, a quarter of the bytes on the wire
    encode            x float32 [n, D]           -> mean, log_variance of q(z|x)
    reconstruct       x float32 [n, D]           -> x, the mean of p(x|z = mean)
    score             x float32 [n, D]           -> elbo
    generate          cluster int64 [n], seed    -> x, one new observation each
    columns           of a table: each column [n] by its name -> as serving_default

x are raw features, as in training: the scaling is inside. Of a table they are what its schema makes of it. A row's
answer depends on that row alone, never on its neighbours, so a server may put requests together as it likes.
"""

import math
from pathlib import Path

import tensorflow as tf

from vade_tf.data.dataset import Coded
from vade_tf.data.schema import Schema
from vade_tf.finite import MAX_VALUE
from vade_tf.model import elbo, networks
from vade_tf.model.vade import VaDE
from vade_tf.serving import columns

SCHEMA = Path("assets.extra") / "schema.json"  # in the folder of a version


def build_signatures(model: VaDE, schema: Coded | None = None) -> tuple[tf.Module, dict]:
    """The module to save and its signatures.

    Args:
        model: a VaDE that computes in float32.
        schema: how its rows were coded; that of a table adds `columns`.

    Returns:
        A module that holds the weights, and {signature name: concrete function}.
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

    def encode(x):
        m, log_s2 = model.encode(x)
        return {"mean": m, "log_variance": log_s2}

    def reconstruct(x):
        return {"x": model.decode(model.encode(x)[0])}

    def score(x):
        return {"elbo": tf.where(whole(x), model.elbo(x), math.nan)}

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
    more = {}
    if isinstance(schema, Schema) and (coder := columns.coder(schema)) is not None:
        specs, code, module.tables = coder
        of_table = tf.function(lambda **cells: classify(code(cells)), autograph=False)
        more["columns"] = of_table.get_concrete_function(**specs)
    return module, {
        **more,
        "serving_default": concrete(classify, x=rows),
        "classify_bytes": concrete(classify, x=byte_rows),
        "encode": concrete(encode, x=rows),
        "reconstruct": concrete(reconstruct, x=rows),
        "score": concrete(score, x=rows),
        "generate": concrete(generate, cluster=([None], tf.int64), seed=(None, tf.int64)),
    }
