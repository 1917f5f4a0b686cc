"""What a fitted baseline is, and k-means and Gaussian mixtures by scikit-learn: of raw rows or of a network's code.

A `Clustering` has an optional encoder and a head that turns codes into log probabilities: `Centres` (k-means),
`FullGaussians` (a GMM), `StudentT` (DEC), or the prior of VaDE. A head that can draw codes of a cluster has `draw`;
without it a system does not generate.
"""

import keras
import numpy as np
import tensorflow as tf
from sklearn.cluster import KMeans
from sklearn.mixture import GaussianMixture

from vade_tf.data import pipeline
from vade_tf.errors import InputError
from vade_tf.model import elbo, networks
from vade_tf.model.observation import ObservationModel
from vade_tf.model.prior import GaussianMixturePrior, check_clusters
from vade_tf.model.vade import VaDE
from vade_tf.threads import one_openmp_thread
from vade_tf.training import autoencoder, loop
from vade_tf.training.fitting import Fitting
from vade_tf.training.posterior import codes

STARTS = 3  # best of so many by the objective; a start on 70,000 x 784 takes k-means about ten seconds
FLOOR = 0.05  # share of the mean variance added to each: a pixel that is constant in a cluster must not decide alone


class _Head(keras.layers.Layer):
    """K points of some width: `mu` [K, width], float32 in every precision."""

    def __init__(self, n_components: int, latent_dim: int, **kwargs):
        super().__init__(**{**kwargs, "dtype": "float32", "autocast": False})
        self.n_components = n_components
        self.latent_dim = latent_dim
        self.mu = self._weight("mu", (n_components, latent_dim))

    def _weight(self, name: str, shape: tuple[int, ...]):
        return self.add_weight(name=name, shape=shape, initializer="zeros", autocast=False)

    def _squared_distance(self, z):
        """|z - mu_c|^2: codes [n, width] -> [n, K]."""
        if self.n_components * self.latent_dim <= elbo.WIDE:
            return tf.reduce_sum((tf.cast(z, tf.float32)[:, None, :] - self.mu) ** 2, axis=-1)
        z, mu = tf.cast(z, tf.float64), tf.cast(self.mu, tf.float64)  # the terms cancel; no tensor [n, K, width]
        squares = tf.reduce_sum(z**2, axis=-1, keepdims=True) + tf.reduce_sum(mu**2, axis=-1)
        return tf.cast(tf.maximum(squares - 2 * tf.matmul(z, mu, transpose_b=True), 0), tf.float32)

    def get_config(self):
        return {**super().get_config(), "n_components": self.n_components, "latent_dim": self.latent_dim}


@keras.saving.register_keras_serializable("vade_tf")
class Centres(_Head):
    """k-means: a row belongs to the nearest centre, with probability 1 (log probabilities 0 and -inf)."""

    def call(self, z):
        nearest = tf.argmin(self._squared_distance(z), axis=-1)
        return tf.math.log(tf.one_hot(nearest, self.n_components))


@keras.saving.register_keras_serializable("vade_tf")
class StudentT(_Head):
    """log q of DEC's soft assignment, see `dec`."""

    def call(self, z):
        return tf.nn.log_softmax(-tf.math.log1p(self._squared_distance(z)), axis=-1)


@keras.saving.register_keras_serializable("vade_tf")
class FullGaussians(_Head):
    """The responsibilities of a Gaussian mixture with full covariances, as scikit-learn fitted it."""

    def __init__(self, n_components: int, latent_dim: int, **kwargs):
        super().__init__(n_components, latent_dim, **kwargs)
        self.log_pi = self._weight("log_pi", (n_components,))
        self.whiten = self._weight("whiten", (n_components, latent_dim, latent_dim))

    @classmethod
    def of(cls, mixture) -> "FullGaussians":
        """The head of a fitted `sklearn.mixture.GaussianMixture` with covariance_type "full"."""
        head = cls(*mixture.means_.shape)
        head.mu.assign(mixture.means_)
        head.log_pi.assign(np.log(mixture.weights_))
        head.whiten.assign(mixture.precisions_cholesky_)  # U of the precision U U^T: (z - mu) U is white
        return head

    def call(self, z):
        white = tf.einsum("nkd,kde->nke", tf.cast(z, tf.float32)[:, None, :] - self.mu, self.whiten)
        log_det = tf.reduce_sum(tf.math.log(tf.linalg.diag_part(self.whiten)), axis=-1)  # [K]
        log_density = log_det - 0.5 * tf.reduce_sum(white**2 + elbo.LOG_2PI, axis=-1)  # [n, K]
        return tf.nn.log_softmax(self.log_pi + log_density, axis=-1)

    def draw(self, clusters, noise):
        """Codes of chosen clusters: clusters int [n], standard normal noise [n, width] -> [n, width]."""
        colour = tf.linalg.inv(tf.convert_to_tensor(self.whiten))  # [K, width, width]
        return tf.gather(self.mu, clusters) + tf.einsum("nd,nde->ne", noise, tf.gather(colour, clusters))


@keras.saving.register_keras_serializable("vade_tf")
class Clustering(ObservationModel):
    """A fitted system without a bound: scaling, encoder, head; `predict` gives probabilities [n, K] of raw rows.

    Args:
        system: its name, for messages.
        head: layer from codes [n, width] to log probabilities [n, K].
        encoder: model from x, rows or images, to codes; default none, the code is x.
        decoder: model from codes to parameters of p(x|code); default none, x is the code.
        likelihood, scaling: as for `VaDE`.
    """

    PARTS = (*ObservationModel.PARTS, "head")

    def __init__(self, system, head, *, encoder=None, decoder=None, likelihood="gaussian", scaling=None, **kwargs):
        super().__init__(encoder, decoder, likelihood, scaling, **kwargs)
        self.system = system
        self.head = head
        self(keras.Input((self.n_features,)))

    @property
    def n_features(self) -> int:
        return self.head.latent_dim if self.encoder is None else super().n_features

    def assignments(self, x):
        """Raw x [n, D] -> (codes [n, width], log probabilities [n, K])."""
        code = self.scale(x) if self.encoder is None else self.encoded(x)
        return code, self.head(code)

    def decode(self, z):
        """Codes [n, width] -> mean of p(x|code), [n, D]; without a decoder the codes, InputError if these are no x."""
        if self.decoder is not None:
            return super().decode(z)
        if z.shape[-1] != self.n_features or self.likelihood.reads_counts:
            raise InputError("model", "a system with a decoder, that makes rows of codes", self.system)
        return z

    def sample(self, clusters, seed: int = 0):
        """As `VaDE.sample`; an InputError where the system has no generative model."""
        if not hasattr(self.head, "draw") or (self.likelihood.reads_counts and self.decoder is None):
            raise InputError("model", "a generative model, that can sample", self.system, "set model to vade")
        clusters = check_clusters(clusters, self.head.n_components)
        noise = tf.random.stateless_normal((len(clusters), self.head.latent_dim), seed=[0, seed])
        return self.decode(self.head.draw(clusters, noise))

    def get_config(self):
        return {**super().get_config(), "system": self.system}


def kmeans(fitting: Fitting) -> Clustering:
    """k-means on x itself."""
    return _clustering(fitting, _centres(fitting, _scaled(fitting)))


def gmm(fitting: Fitting) -> Clustering:
    """A diagonal Gaussian mixture on x itself (full covariances of 784 pixels are singular)."""
    x = _scaled(fitting)
    k, floor = fitting.settings.clusters, FLOOR * x.var(axis=0).mean() + 1e-12
    with fitting.timed(), one_openmp_thread():  # of several, sums come in any order, and a run done again must be equal
        mixture = GaussianMixture(k, covariance_type="diag", reg_covar=floor, random_state=fitting.settings.seed).fit(x)
    head = GaussianMixturePrior(*mixture.means_.shape)
    head.assign(mixture.weights_, mixture.means_, mixture.covariances_)
    return _clustering(fitting, head)


def ae_kmeans(fitting: Fitting) -> Clustering:
    """k-means on the code of the pretrained autoencoder."""
    autoencoder.pretrain(fitting)
    return _clustering(fitting, _centres(fitting, codes(fitting.model, fitting.data.x)), coded=True)


def ae_gmm(fitting: Fitting) -> Clustering:
    """A Gaussian mixture with full covariances on the code of the pretrained autoencoder."""
    autoencoder.pretrain(fitting)
    return _clustering(fitting, _gaussians(fitting, codes(fitting.model, fitting.data.x)), coded=True)


def vae_gmm(fitting: Fitting) -> Clustering:
    """A plain VAE, that is VaDE with the one component N(0, I), then a Gaussian mixture on its mean codes."""
    model, settings = fitting.model, fitting.settings
    more: dict = {"scaling": model.scaling, "seed": settings.seed, "name": loop.PLAIN_VAE}
    vae = VaDE(model.encoder, model.decoder, 1, model.likelihood, **more)
    vae.prior.mu.assign(np.zeros((1, model.prior.latent_dim)))
    vae.prior.trainable = False
    loop.fit_keras(fitting, vae, lambda span: fitting.batches("fit", span))
    return _clustering(fitting, _gaussians(fitting, codes(fitting.model, fitting.data.x)), coded=True)


def _scaled(fitting: Fitting) -> np.ndarray:
    """x of every row, float32 [n, D]: dense, also where they are sparse; a missing cell is the mean of its column."""
    x, at, known = np.empty(fitting.data.x.shape, np.float32), 0, _known(fitting)
    for rows in pipeline.blocks(fitting.data.x):
        scaled = fitting.model.scale(rows)
        x[at : at + len(rows)] = scaled if known is None else known(scaled)
        at += len(rows)
    return x


def _known(fitting: Fitting) -> keras.Model | None:
    """What fills the missing cells of x [n, D], or takes logarithms of counts; None where there is nothing to do."""
    found = fitting.model.likelihood.first_layer(fitting.data)
    if found is None:
        return None
    x = keras.Input((fitting.model.n_features,))
    return keras.Model(x, networks.Filled(found.fill)(x) if isinstance(found, networks.Filled) else found(x))


def _centres(fitting: Fitting, z: np.ndarray) -> Centres:
    with fitting.timed(), one_openmp_thread():
        found = KMeans(fitting.settings.clusters, n_init=STARTS, random_state=fitting.settings.seed).fit(z)
    head = Centres(*found.cluster_centers_.shape)
    head.mu.assign(found.cluster_centers_)
    return head


def _gaussians(fitting: Fitting, z: np.ndarray) -> FullGaussians:
    z, k, seed = z.astype(np.float64), fitting.settings.clusters, fitting.settings.seed
    floor = 1e-4 * z.var(axis=0).mean() + 1e-12
    with fitting.timed(), one_openmp_thread():
        mixture = GaussianMixture(k, n_init=STARTS, reg_covar=floor, random_state=seed).fit(z)
    return FullGaussians.of(mixture)


def _clustering(fitting: Fitting, head, coded: bool = False) -> Clustering:
    """The fitted system; `coded`: on the code of the run's networks, else on x itself."""
    model = fitting.model
    encoder, decoder = (autoencoder.mean_encoder(model), model.decoder) if coded else (_known(fitting), None)
    parts = {"encoder": encoder, "decoder": decoder, "likelihood": model.likelihood, "scaling": model.scaling}
    return Clustering(fitting.system, head, **parts)
