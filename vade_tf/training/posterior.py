"""What a fitted model says of rows: codes, responsibilities, and the terms of the bound of each row."""

from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf
from scipy.special import logsumexp

from vade_tf.data import pipeline
from vade_tf.data.rows import Rows
from vade_tf.model import elbo
from vade_tf.model.vade import VaDE


@dataclass(frozen=True)
class Assignments:
    """The cluster of each row."""

    m: np.ndarray  # mean codes, [n, latent]
    log_gamma: np.ndarray  # log p(c|x) (eq. 16), [n, K]

    @property
    def groups(self) -> np.ndarray:
        """Most probable cluster of each row, [n]."""
        return self.log_gamma.argmax(axis=1)

    @property
    def confidence(self) -> np.ndarray:
        """Probability of that cluster, [n]."""
        return np.exp(self.log_gamma.max(axis=1))

    @property
    def log_odds(self) -> np.ndarray:
        """Log odds of that cluster against all others, [n]: orders rows whose probability rounds to 1."""
        others = self.log_gamma.copy()
        np.put_along_axis(others, self.groups[:, None], -np.inf, axis=1)
        with np.errstate(divide="ignore"):  # one cluster has no others
            return self.log_gamma.max(axis=1) - logsumexp(others, axis=1)


@dataclass(frozen=True)
class Posterior(Assignments):
    """What a VaDE says of each row, besides its cluster: nats, each [n].

    The terms of the bound are of one draw of z, which depends on the place of a row, so they are for means.
    """

    distortion: np.ndarray
    rate_z: np.ndarray
    rate_c: np.ndarray
    log_density: np.ndarray  # `VaDE.elbo`, whose draws are the same for every row: it compares rows

    @property
    def elbo(self) -> np.ndarray:
        """Evidence lower bound of each row with the one draw of its terms, nats, [n]."""
        return elbo.bound(vars(self))


def posterior(model: VaDE, x: Rows) -> Posterior:
    """Everything about raw rows x [n, D] in one pass; its mean bound is `evaluate`'s in batches of the same size."""

    @tf.function(reduce_retracing=True, autograph=False)
    def of_batch(rows):
        m, log_gamma = model.assignments(rows)
        noise = tf.random.stateless_normal(tf.shape(m), seed=[model.seed, -1])  # that of VaDE.test_step
        terms = model.elbo_terms(rows, noise)
        return m, log_gamma, terms["distortion"], terms["rate_z"], terms["rate_c"], model.elbo(rows)

    return Posterior(*over_rows(of_batch, x))


def assignments(model: keras.Model, x: Rows) -> Assignments:
    """What a fitted system of `systems` says about raw rows x [n, D]; it has no bound that compares with VaDE's."""
    return Assignments(*over_rows(tf.function(model.assignments, reduce_retracing=True, autograph=False), x))


def codes(model: VaDE, x: Rows) -> np.ndarray:
    """The mean code of every raw row of x [n, D] as the networks are now, [n, latent]."""
    return over_rows(lambda rows: model.encode(rows)[:1], x)[0]


def model_groups(model: keras.Model, x: Rows) -> np.ndarray:
    """The most probable cluster of every raw row of x [n, D], int32 [n]; of several outputs the first is asked."""

    def of_batch(rows):
        found = model.predict_on_batch(rows)
        gamma = found[0] if isinstance(found, list) else found  # [block, K]
        return (gamma.argmax(axis=1).astype(np.int32),)

    return over_rows(of_batch, x)[0]


def outlier_limits(groups: np.ndarray, log_density: np.ndarray, share: float, n_clusters: int) -> np.ndarray:
    """The log density below which a row of each cluster is an outlier, nats, [K]: as many rows are as `share` says.

    A cluster of at most that share of the rows is made of outliers, however well the model explains it: infinity. The
    rows have groups, int [n], -1 of a known outlier, and log_density, nats, [n]; share is above 0 and at most 0.5.
    """
    small = np.bincount(groups[groups >= 0], minlength=n_clusters) <= share * len(groups)
    density = np.where((groups < 0) | small[groups], -np.inf, log_density)
    return np.where(small, np.inf, np.sort(density)[int(np.ceil(share * len(groups)))])


def over_rows(function, x: Rows, size: int = pipeline.BATCH) -> list[np.ndarray]:
    """What a function of blocks of so many rows says about all rows, output by output."""
    parts = [[np.asarray(part) for part in function(rows)] for rows in pipeline.blocks(x, size)]
    return [np.concatenate(column) for column in zip(*parts, strict=True)]
