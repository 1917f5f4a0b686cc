"""The Gaussian mixture over codes, a Keras layer, and checks of hints and clusters, which name its components."""

import keras
import numpy as np
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from vade_tf.errors import InputError, whole_number
from vade_tf.model import elbo

MAX_INT32 = 2**31 - 1  # the most numbers of a weight


@keras.saving.register_keras_serializable("vade_tf")
class GaussianMixturePrior(keras.layers.Layer):
    """p(z) = sum_c pi_c N(z; mu_c, diag sigma2_c), trained with the rest of the model (paper, eqs. 1 to 3).

    The weights are logits of pi, mu and log sigma2, kept in float32 whatever the model's precision.

    Args:
        n_components: number of clusters K, at least 1.
        latent_dim: number of latent dimensions, at least 1.
        seed: of the initial means, standard normal; weights start equal and variances at 1.
    """

    def __init__(self, n_components: int, latent_dim: int, seed: int = 0, **kwargs):
        super().__init__(**{**kwargs, "dtype": "float32", "autocast": False})
        self.n_components = k = whole_number(n_components, "n_clusters", 1, MAX_INT32)
        self.latent_dim = width = whole_number(latent_dim, "latent_dim", 1, MAX_INT32 // k)
        self.seed = whole_number(seed, "seed", 0, MAX_INT32)
        normal = keras.initializers.RandomNormal(stddev=1.0, seed=self.seed)
        self.pi_logits = self.add_weight(name="pi_logits", shape=(k,), initializer="zeros", autocast=False)
        self.mu = self.add_weight(name="mu", shape=(k, width), initializer=normal, autocast=False)
        self.log_sigma2 = self.add_weight(name="log_sigma2", shape=(k, width), initializer="zeros", autocast=False)

    @property
    def parameters(self) -> tuple:
        """(log_pi [K], mu [K, latent], log_sigma2 [K, latent]) as float32 tensors."""
        log_pi = tf.nn.log_softmax(tf.convert_to_tensor(self.pi_logits))
        return log_pi, tf.convert_to_tensor(self.mu), tf.convert_to_tensor(self.log_sigma2)

    @property
    def distribution(self) -> tfd.MixtureSameFamily:
        """The mixture as a TFP distribution: log_prob, sample, posterior_marginal. Build it inside a gradient tape."""
        log_pi, mu, log_sigma2 = self.parameters
        components = tfd.Independent(tfd.Normal(mu, tf.exp(0.5 * log_sigma2)), reinterpreted_batch_ndims=1)
        return tfd.MixtureSameFamily(tfd.Categorical(logits=log_pi), components)

    def call(self, m, log_s2=None):
        """log p(c|z) of codes m; with log s2 log p(c|x) (eq. 16) of N(m, diag s2): [batch, latent] -> [batch, K]."""
        m = tf.cast(m, tf.float32)
        if log_s2 is None:
            return elbo.log_responsibilities(m, *self.parameters)
        return elbo.log_assignments(m, tf.cast(log_s2, tf.float32), *self.parameters)

    def draw(self, clusters, noise):
        """Codes of chosen components: clusters int [n], standard normal noise [n, latent] -> [n, latent]."""
        _, mu, log_sigma2 = self.parameters
        return tf.gather(mu, clusters) + tf.exp(0.5 * tf.gather(log_sigma2, clusters)) * noise

    def assign(self, pi, mu, sigma2) -> None:
        """Set the mixture: positive weights [K], which are normalised, means and variances [K, latent].

        Raises:
            ValueError: a shape is wrong.
        """
        self.pi_logits.assign(np.log(pi))
        self.mu.assign(mu)
        self.log_sigma2.assign(np.log(sigma2))

    def get_config(self):
        more = {"n_components": self.n_components, "latent_dim": self.latent_dim, "seed": self.seed}
        return {**super().get_config(), **more}


def check_clusters(clusters, n_components: int):
    """Clusters to draw from, int32 [n]; a single number counts as one. InputError unless they are from 0 to K - 1."""
    found = np.atleast_1d(np.asarray(clusters))
    whole = found.dtype.kind in "iu" or (found.dtype.kind == "f" and np.all(found % 1 == 0))
    if found.ndim != 1 or not whole or (found.size and not 0 <= found.min() <= found.max() < n_components):
        expected = f"whole numbers from 0 to {n_components - 1} in a list, one for each sample"
        raise InputError("clusters", expected, np.array2string(found, threshold=10))
    return found.astype(np.int32)


def given_hints(model, y, hints) -> np.ndarray | None:
    """The hints that a `VaDE` is given to train on, as hints or as y, checked; None where it is given none."""
    if hints is not None and not isinstance(hints, bool):
        if y is not None:
            raise InputError("hints", "hints or y", "both", "leave y out")
        y = hints
    elif y is not None and not hints:
        found = np.asarray(y)
        known = found[found != -1]
        if known.size == found.size or (known.size and np.all(known == 1)):  # -1 and 1 are labels of two classes
            hint = "leave y out, or pass it as hints= to train on it"
            raise InputError("y", "no labels, which would make the clustering supervised", "one for every row", hint)
    if y is None:
        return None
    if hints is not True and float(model.guide_weight.numpy()) == 0.0:
        hint = "call model.guide_weight.assign(20.0) first"
        raise InputError("guide_weight", "a weight above 0 for hints", "0, with which they change nothing", hint)
    return checked_hints(y, model.prior.n_components)


def checked_hints(hints, n_clusters: int) -> np.ndarray:
    """Hints given as groups, see `known_groups`, or as probabilities [n, K], whose rows sum to 1 or are all 0."""
    found = np.asarray(hints)
    if found.dtype.kind != "f" or found.ndim != 2 or found.shape[1] != n_clusters:
        return known_groups(hints, n_clusters)
    sums = found.sum(axis=1)
    if found.size and (found.min() < 0 or not (np.isclose(sums, 1, atol=1e-2) | (sums == 0)).all()):
        raise InputError("hints", "probabilities whose rows sum to 1, or are all 0 where nothing is known", "others")
    return found


def known_groups(hints, n_clusters: int) -> np.ndarray:
    """Hints given as an array [n] or [n, 1], checked: whole numbers from -1 to K - 1, [n]."""
    found = np.asarray(hints)
    expected = f"whole numbers from 0 to {n_clusters - 1}, or -1 for unknown, of shape (n,)"
    if found.shape[1:] not in ((), (1,)) or found.ndim == 0 or not np.issubdtype(found.dtype, np.integer):
        raise InputError("hints", expected, f"{found.dtype} of shape {found.shape}")
    if found.size and not -1 <= found.min() <= found.max() < n_clusters:
        raise InputError("hints", expected, f"{found.min()} to {found.max()}")
    return found.reshape(-1)


def hints_of_batch(hints, n_clusters: int) -> tf.Tensor:
    """Hints of a batch as P float32 [batch, K]: probabilities, or integers [batch] or [batch, 1], -1 for none.

    XLA drops the check of their range: a group beyond K makes NaN of its row.
    """
    hints = tf.convert_to_tensor(hints)
    if hints.dtype.is_floating and len(hints.shape) == 2 and hints.shape[1] == n_clusters:
        return tf.cast(hints, tf.float32)
    if not (hints.dtype.is_integer and len(hints.shape) in (1, 2)):
        raise InputError("hints", "whole numbers of shape (batch,)", f"{hints.dtype.name} of shape {hints.shape}")
    hints = tf.reshape(tf.cast(hints, tf.int32), (-1,))
    expected = f"hints: expected groups from 0 to {n_clusters - 1}, or -1 for unknown"
    tf.debugging.assert_less(hints, n_clusters, f"{expected}; the model has {n_clusters} components")
    return tf.one_hot(hints, n_clusters) + 0.0 / tf.cast(hints < n_clusters, tf.float32)[:, None]  # NaN where it is not
