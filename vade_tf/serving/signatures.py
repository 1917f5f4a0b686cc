"""What an exported VaDE answers: the functions that are served, and `Served`, which calls them from Python.

    serving_default   x float32 [n, D]           -> cluster (-1: not readable), probabilities, confidence, density
    classify_bytes    x uint8 [n, D]             -> the same, a quarter of the bytes on the wire
    encode            x float32 [n, D]           -> mean, log_variance of q(z|x)
    reconstruct       x float32 [n, D]           -> x, the mean of p(x|z = mean)
    score             x float32 [n, D]           -> elbo
    generate          cluster int64 [n], seed    -> x, one new observation each

x are raw features, as in training: the scaling is inside. Of a table they are what its schema makes of it. A row's
answer depends on that row alone, never on its neighbours, so a server may put requests together as it likes.
"""

import math
import reprlib
from pathlib import Path

import numpy as np
import tensorflow as tf

from vade_tf.data import coding
from vade_tf.errors import InputError, cited
from vade_tf.finite import MOST
from vade_tf.model import elbo, networks
from vade_tf.model.prior import check_clusters
from vade_tf.model.vade import VaDE
from vade_tf.paths import usable
from vade_tf.serving.taken import features, version_in

SCHEMA = Path("assets.extra") / "schema.json"  # in the folder of a version
ROWS = 1024  # a call of `Served`: the widest layer of the paper's network then holds 8 MB


def build_signatures(model: VaDE) -> tuple[tf.Module, dict]:
    """The module to save and its signatures.

    Args:
        model: a VaDE that computes in float32.

    Returns:
        A module that holds the weights, and {signature name: concrete function}.
    """
    n_features, latent_dim = model.n_features, model.prior.latent_dim

    fills = model.likelihood.takes_missing and networks.fills(model.encoder)

    def whole(x):
        """Whether each row can be read, [n]: a processor may make 0 of NaN in a layer, and answer as if it could."""
        x = tf.cast(x, tf.float32)
        return tf.reduce_all((tf.abs(x) <= MOST) | (fills & tf.math.is_nan(x)), axis=-1)

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
    return module, {
        "serving_default": concrete(classify, x=rows),
        "classify_bytes": concrete(classify, x=byte_rows),
        "encode": concrete(encode, x=rows),
        "reconstruct": concrete(reconstruct, x=rows),
        "score": concrete(score, x=rows),
        "generate": concrete(generate, cluster=([None], tf.int64), seed=(None, tf.int64)),
    }


class Served:
    """An exported VaDE in Python: `VaDE`'s verbs over the served functions, NumPy in and out.

    Args:
        path: folder of one version, e.g. runs/mnist/export/1.

    Attributes:
        signatures: the served functions themselves, by name: TensorFlow tensors in and out.
        schema: of a table that was trained on, or how else its rows were coded; None where they were numbers. By it a
            DataFrame, an AnnData or texts are coded, which are refused without one.

    Raises:
        InputError: the folder holds no readable SavedModel, or not one of a VaDE.
    """

    def __init__(self, path: str | Path):
        path = usable(path, "path")
        try:
            self._module = tf.saved_model.load(str(path))  # owns the weights
            self.signatures = self._module.signatures
            schema = path / SCHEMA
            self.schema = coding.read(schema) if schema.exists() else None
            if not {"serving_default", "encode", "reconstruct", "score", "generate"} <= set(self.signatures):
                raise ValueError(f"its signatures are {sorted(self.signatures)}")
        except (OSError, ValueError, KeyError, tf.errors.OpError) as error:
            raise InputError(f"{path} is damaged or no export of a VaDE ({cited(error)}){version_in(path)}") from error

    def classify(self, x) -> dict[str, np.ndarray]:
        """x [n, D] -> cluster [n], probabilities [n, K], confidence (the highest of them) [n], density log p(z) [n]."""
        return self._rows("serving_default", x)

    def predict(self, x) -> np.ndarray:
        """p(c|x), as `VaDE.predict`: x [n, D] -> [n, K]."""
        return self.classify(x)["probabilities"]

    def encode(self, x) -> tuple[np.ndarray, np.ndarray]:
        """(m, log s2) of q(z|x): x [n, D] -> two arrays [n, latent]."""
        answer = self._rows("encode", x)
        return answer["mean"], answer["log_variance"]

    def reconstruct(self, x) -> np.ndarray:
        """Mean of p(x|z = m): x [n, D] -> [n, D], on the scale of the likelihood."""
        return self._rows("reconstruct", x)["x"]

    def score(self, x) -> np.ndarray:
        """Evidence lower bound in nats, the same at every call: x [n, D] -> [n]."""
        return self._rows("score", x)["elbo"]

    def sample(self, clusters, seed=0) -> np.ndarray:
        """New observations of chosen clusters.

        Args:
            clusters: component of each, int [n].
            seed: one number for the call, or one for each row, int [n].

        Returns:
            Means of p(x|z), [n, D]. Other draws than `VaDE.sample` makes from the same seed.
        """
        k = self.signatures["serving_default"].structured_outputs["probabilities"].shape[1]
        cluster = check_clusters(clusters, k).astype(np.int64)
        seeds = np.asarray(seed)
        if seeds.dtype.kind not in "iu" or seeds.shape not in ((), cluster.shape):
            raise InputError(f"seed: expected a whole number, or one for each row, got {reprlib.repr(seed)}")
        answer = self.signatures["generate"](cluster=tf.constant(cluster), seed=tf.constant(seeds.astype(np.int64)))
        return answer["x"].numpy()

    def _rows(self, name: str, x) -> dict[str, np.ndarray]:
        width = self.signatures[name].structured_input_signature[1]["x"].shape[1]
        x = features(x, self.schema, width)
        if (holes := np.isnan(x.sum(axis=1, dtype=np.float64))).any():
            row = int(holes.argmax())
            if self._block("serving_default", x[row : row + 1])["cluster"][0] < 0:
                raise InputError(
                    f"x: expected finite numbers, got NaN in row {row}; the model was trained without missing cells: "
                    "drop or impute such rows"
                )
        parts = [self._block(name, x[i : i + ROWS]) for i in range(0, max(x.shape[0], 1), ROWS)]
        return {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}

    def _block(self, name: str, x) -> dict[str, np.ndarray]:
        rows = x if isinstance(x, np.ndarray) else x.toarray()
        return {key: value.numpy() for key, value in self.signatures[name](x=tf.constant(rows, tf.float32)).items()}
