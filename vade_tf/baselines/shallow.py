"""k-means and Gaussian mixtures by scikit-learn, on raw features, on the autoencoder's code, on a plain VAE's code."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from sklearn.cluster import KMeans
from sklearn.mixture import GaussianMixture
from threadpoolctl import threadpool_limits

from vade_tf import phases
from vade_tf.baselines.models import Centres, Clustering, FullGaussians
from vade_tf.data import pipeline
from vade_tf.errors import InputError
from vade_tf.model import VaDE
from vade_tf.phases import Work
from vade_tf.prior import GaussianMixturePrior

STARTS = 3  # best of so many by the objective; a start on 70,000 x 784 takes k-means about ten seconds
FLOOR = 0.05  # share of the mean variance added to each: a pixel that is constant in a cluster must not decide alone


def kmeans(work: Work) -> Clustering:
    """k-means on x itself."""
    return _clustering(work, "kmeans", _centres(work, _scaled(work)))


def gmm(work: Work) -> Clustering:
    """A diagonal Gaussian mixture on x itself (full covariances of 784 pixels are singular)."""
    _several_rows(work)
    x = _scaled(work)
    k, floor = phases.filled(work.config.clusters), FLOOR * x.var(axis=0).mean() + 1e-12
    with _fitting(work):
        mixture = GaussianMixture(k, covariance_type="diag", reg_covar=floor, random_state=work.config.seed).fit(x)
    head = GaussianMixturePrior(*mixture.means_.shape)
    head.assign(mixture.weights_, mixture.means_, mixture.covariances_)
    return _clustering(work, "gmm", head)


def ae_kmeans(work: Work) -> Clustering:
    """k-means on the code of the pretrained autoencoder."""
    phases.pretrain(work)
    return _clustering(work, "ae_kmeans", _centres(work, phases.codes(work)), coded=True)


def ae_gmm(work: Work) -> Clustering:
    """A Gaussian mixture with full covariances on the code of the pretrained autoencoder."""
    _several_rows(work)
    phases.pretrain(work)
    return _clustering(work, "ae_gmm", _gaussians(work, phases.codes(work)), coded=True)


def vae_gmm(work: Work) -> Clustering:
    """A plain VAE, that is VaDE with the one component N(0, I), then a Gaussian mixture on its mean codes."""
    _several_rows(work)
    model, config = work.model, work.config
    vae = VaDE(model.encoder, model.decoder, 1, model.likelihood, scaling=model.scaling, seed=config.seed)
    vae.prior.mu.assign(np.zeros((1, config.latent_dim)))
    vae.prior.trainable = False
    rows = (work.dataset.x, config.batch_size, config.seed)
    phases.fit_keras(work, vae, lambda span: pipeline.training_batches(*rows, span))
    return _clustering(work, "vae_gmm", _gaussians(work, phases.codes(work)), coded=True)


def _several_rows(work: Work) -> None:
    if len(work.dataset.x) < 2:
        raise InputError(f"--model {work.config.model}: a Gaussian mixture is fitted to at least 2 rows, got 1")


@contextmanager
def _fitting(work: Work) -> Iterator[None]:
    """Counts the time; sums over threads come in any order, and a run done again must be equal."""
    with work.timed(), threadpool_limits(1, user_api="openmp"):
        yield


def _scaled(work: Work) -> np.ndarray:
    """x of every row, float32 [n, D]: dense, also where the rows are sparse."""
    x, at = np.empty(work.dataset.x.shape, np.float32), 0
    for rows in pipeline.ordered_batches(work.dataset.x):
        x[at : at + len(rows)] = work.model.scale(rows)
        at += len(rows)
    return x


def _centres(work: Work, z: np.ndarray) -> Centres:
    with _fitting(work):
        found = KMeans(phases.filled(work.config.clusters), n_init=STARTS, random_state=work.config.seed).fit(z)
    head = Centres(*found.cluster_centers_.shape)
    head.mu.assign(found.cluster_centers_)
    return head


def _gaussians(work: Work, z: np.ndarray) -> FullGaussians:
    z = z.astype(np.float64)
    floor = 1e-4 * z.var(axis=0).mean() + 1e-12
    k, seed = phases.filled(work.config.clusters), work.config.seed
    with _fitting(work):
        mixture = GaussianMixture(k, n_init=STARTS, reg_covar=floor, random_state=seed).fit(z)
    return FullGaussians.of(mixture)


def _clustering(work: Work, system: str, head, coded: bool = False) -> Clustering:
    """The fitted system; `coded`: on the code of the run's networks, else on x itself."""
    model = work.model
    networks = {"encoder": phases.mean_encoder(model), "decoder": model.decoder} if coded else {}
    return Clustering(system, head, **networks, likelihood=model.likelihood, scaling=model.scaling)
