"""k-means and Gaussian mixtures by scikit-learn, on raw features, on the autoencoder's code, on a plain VAE's code."""

from collections.abc import Iterator
from contextlib import contextmanager

import keras
import numpy as np
from sklearn.cluster import KMeans
from sklearn.mixture import GaussianMixture

from vade_tf.data import pipeline
from vade_tf.errors import InputError
from vade_tf.model import networks
from vade_tf.model.prior import GaussianMixturePrior
from vade_tf.model.vade import VaDE
from vade_tf.systems.models import Centres, Clustering, FullGaussians, of_rows, to_rows
from vade_tf.threads import one_openmp_thread
from vade_tf.training import autoencoder, build, loop
from vade_tf.training.fitting import Fitting
from vade_tf.training.posterior import codes

STARTS = 3  # best of so many by the objective; a start on 70,000 x 784 takes k-means about ten seconds
FLOOR = 0.05  # share of the mean variance added to each: a pixel that is constant in a cluster must not decide alone


def kmeans(fitting: Fitting) -> Clustering:
    """k-means on x itself."""
    return _clustering(fitting, "kmeans", _centres(fitting, _scaled(fitting)))


def gmm(fitting: Fitting) -> Clustering:
    """A diagonal Gaussian mixture on x itself (full covariances of 784 pixels are singular)."""
    _several_rows(fitting)
    x = _scaled(fitting)
    k, floor = fitting.settings.clusters, FLOOR * x.var(axis=0).mean() + 1e-12
    with _fitting(fitting):
        mixture = GaussianMixture(k, covariance_type="diag", reg_covar=floor, random_state=fitting.settings.seed).fit(x)
    head = GaussianMixturePrior(*mixture.means_.shape)
    head.assign(mixture.weights_, mixture.means_, mixture.covariances_)
    return _clustering(fitting, "gmm", head)


def ae_kmeans(fitting: Fitting) -> Clustering:
    """k-means on the code of the pretrained autoencoder."""
    autoencoder.pretrain(fitting)
    return _clustering(fitting, "ae_kmeans", _centres(fitting, codes(fitting.model, fitting.data.x)), coded=True)


def ae_gmm(fitting: Fitting) -> Clustering:
    """A Gaussian mixture with full covariances on the code of the pretrained autoencoder."""
    _several_rows(fitting)
    autoencoder.pretrain(fitting)
    return _clustering(fitting, "ae_gmm", _gaussians(fitting, codes(fitting.model, fitting.data.x)), coded=True)


def vae_gmm(fitting: Fitting) -> Clustering:
    """A plain VAE, that is VaDE with the one component N(0, I), then a Gaussian mixture on its mean codes."""
    _several_rows(fitting)
    model, settings = fitting.model, fitting.settings
    vae = VaDE(
        model.encoder,
        model.decoder,
        1,
        model.likelihood,
        scaling=model.scaling,
        seed=settings.seed,
        name=loop.PLAIN_VAE,
    )
    vae.prior.mu.assign(np.zeros((1, model.prior.latent_dim)))
    vae.prior.trainable = False
    loop.fit_keras(fitting, vae, lambda span: fitting.batches("fit", span))
    return _clustering(fitting, "vae_gmm", _gaussians(fitting, codes(fitting.model, fitting.data.x)), coded=True)


def _several_rows(fitting: Fitting) -> None:
    if len(fitting.data.x) < 2:
        raise InputError("x", f"at least 2 rows, to which {fitting.system} fits a Gaussian mixture", "1")


@contextmanager
def _fitting(fitting: Fitting) -> Iterator[None]:
    """Counts the time; sums over threads come in any order, and a run done again must be equal."""
    with fitting.timed(), one_openmp_thread():
        yield


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
    found = build.first_layer(fitting.data, fitting.model.likelihood)
    if found is None:
        return None
    x = keras.Input((fitting.model.n_features,))
    return keras.Model(x, networks.Filled(found.fill)(x) if isinstance(found, networks.Filled) else found(x))


def _centres(fitting: Fitting, z: np.ndarray) -> Centres:
    with _fitting(fitting):
        found = KMeans(fitting.settings.clusters, n_init=STARTS, random_state=fitting.settings.seed).fit(z)
    head = Centres(*found.cluster_centers_.shape)
    head.mu.assign(found.cluster_centers_)
    return head


def _gaussians(fitting: Fitting, z: np.ndarray) -> FullGaussians:
    z = z.astype(np.float64)
    floor = 1e-4 * z.var(axis=0).mean() + 1e-12
    k, seed = fitting.settings.clusters, fitting.settings.seed
    with _fitting(fitting):
        mixture = GaussianMixture(k, n_init=STARTS, reg_covar=floor, random_state=seed).fit(z)
    return FullGaussians.of(mixture)


def _clustering(fitting: Fitting, system: str, head, coded: bool = False) -> Clustering:
    """The fitted system; `coded`: on the code of the run's networks, else on x itself."""
    model = fitting.model
    encoder = of_rows(autoencoder.mean_encoder(model)) if coded else _known(fitting)
    parts = {"encoder": encoder, "decoder": to_rows(model.decoder) if coded else None}
    return Clustering(system, head, **parts, likelihood=model.likelihood, scaling=model.scaling)
