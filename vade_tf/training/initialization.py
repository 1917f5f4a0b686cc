"""The start of a fit: a soft partition P [n, K] of the rows, and the mixture that it makes of their codes. No labels.

Groups become P by their neighbours: the share of a row's nearest rows that each group has. Training holds gamma to P
(`model.elbo.guidance`), so what the start is unsure of stays unsure.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import softmax
from scipy.stats import multivariate_normal
from sklearn.base import clone
from sklearn.cluster import KMeans
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import NearestNeighbors

from vade_tf.errors import InputError
from vade_tf.seeding import generator
from vade_tf.training import embeddings, spectral

# 20 neighbours on starts of digits and MNIST's 5,000: expected calibration error 0.02 (10: 0.04, 50: 0.007 to 0.04)
N_NEIGHBOURS = 20
MAX_ROWS_SEARCHED = 20_000  # for neighbours, and a block of rows: more change P by chance alone
RIDGE = 1e-2  # added to variances of standardised columns; 0.001 to 0.3 give 17 tables the same ARI within 0.02
SPACE_OF_KIND = {"table": "columns", "counts": "directions", "embeddings": "embeddings"}  # of all other rows: "code"
METHOD_OF_SPACE = {"columns": "tied", "directions": "kmeans", "embeddings": "averaged", "code": "spectral"}
SPACES = {
    "columns": "the standardised columns",
    "directions": "principal directions of log counts",
    "embeddings": "principal directions",
    "code": "the code",
}
METHODS = {
    "tied": "posterior of a Gaussian mixture with one covariance",
    "kmeans": "k-means",
    "averaged": "k-means of rows averaged over their nearest rows",
    "spectral": "landmark spectral clustering",
    "gmm": "posterior of a diagonal Gaussian mixture",
}


@dataclass(frozen=True)
class Start:
    """A soft partition of the rows and the mixture that describes it."""

    P: np.ndarray  # probability of each group for each row, float16 [n, K]; a row of zeros is held to nothing
    pi: np.ndarray  # weights, float32 [K]
    mu: np.ndarray  # means, float32 [K, latent]
    sigma2: np.ndarray  # variances, float32 [K, latent]

    @classmethod
    def of(cls, P: np.ndarray, z: np.ndarray, sample_weight: np.ndarray | None = None) -> "Start":
        """P [n, K] with its weighted moments on codes z [n, latent]; an empty group gets those of all rows."""
        P, z = P.astype(np.float64), z.astype(np.float64)
        weighted = P if sample_weight is None else P * sample_weight[:, None]
        weight = weighted.sum(axis=0)  # [K]
        mu = (weighted.T @ z) / np.maximum(weight, 1e-12)[:, None]
        sigma2 = (weighted.T @ z**2) / np.maximum(weight, 1e-12)[:, None] - mu**2
        floor = 1e-4 * z.var(axis=0).mean() + 1e-12
        few = weight < 1e-3
        mu[few], sigma2[few], weight[few] = z.mean(axis=0), z.var(axis=0), 1.0
        mixture = weight / weight.sum(), mu, np.maximum(sigma2, floor)
        return cls(P.astype(np.float16), *(part.astype(np.float32) for part in mixture))

    def named(self, hints: np.ndarray) -> "Start":
        """The same with its groups named as hints say (int [n], -1: none), as far as a one-to-one naming can."""
        known = hints >= 0
        order = np.argsort(spectral.naming(self.P[known].argmax(axis=1), hints[known], len(self.pi)))
        return Start(self.P[:, order], self.pi[order], self.mu[order], self.sigma2[order])


def rule(space: str, init: Any) -> tuple[str, Any]:
    """The space that a start reads and its method there: a name of `METHODS` or a scikit-learn clusterer.

    `space` is that of the rows. `init` is "auto", "gmm", "kmeans" or "spectral", a clusterer or mixture of
    scikit-learn, or an array or a function of the rows, whose space is called "given".
    """
    if not isinstance(init, str) and not hasattr(init, "fit"):
        return "given", init
    if init == "auto":
        return space, METHOD_OF_SPACE[space]
    return ("code", init) if isinstance(init, str) else (space, init)


def described(space: str, method: Any) -> str:
    """The start in words."""
    if space == "given":
        return "the function given" if callable(method) else "the array given"
    name = METHODS[method] if isinstance(method, str) else type(method).__name__
    return f"{name} on {SPACES[space]}" + (" and the last hidden layer" if method == "spectral" else "")


def partition(
    method: Any,
    spaces: Sequence[np.ndarray],
    n_clusters: int,
    seed: int,
    advance: Callable[[], None] = lambda: None,
    more: Callable[[], Sequence[np.ndarray]] = tuple,
    sample_weight: np.ndarray | None = None,
) -> np.ndarray:
    """P [n, K] of rows in one or more spaces, [n, d] each, by a method that `rule` gave; its rows sum to 1.

    A method reads the first space, "tied" the last, "spectral" all. Of "spectral" `advance` is called after each draw,
    and `more` gives the groups of further draws, which vote. Weights, [n], count in k-means and mixtures.
    """
    first = np.asarray(spaces[0], np.float64)
    if n_clusters == 1:
        return np.ones((len(first), 1))
    if method == "tied":
        rows = np.asarray(spaces[-1], np.float64)
        return _mixture(rows, n_clusters, seed, sample_weight, covariance_type="tied", reg_covar=RIDGE)
    if method == "gmm":
        return _mixture(first, n_clusters, seed, sample_weight, covariance_type="diag")
    if method == "kmeans":
        groups = KMeans(n_clusters, n_init=10, random_state=seed).fit(spaces[0], sample_weight=sample_weight).labels_
        return neighbour_shares(spaces[:1], groups, n_clusters, seed)
    if method == "averaged":
        return embeddings.partition(spaces[0], n_clusters, seed, sample_weight)
    if method == "spectral":
        groups = spectral.spectral_groups(spaces, n_clusters, seed, advance, more())
        return neighbour_shares(spaces, groups, n_clusters, seed)
    found = fit_clusterer(method, first, n_clusters, seed)
    return neighbour_shares(spaces[:1], found, n_clusters, seed) if found.ndim == 1 else found


def _mixture(rows: np.ndarray, n_clusters: int, seed: int, sample_weight: np.ndarray | None, **settings) -> np.ndarray:
    """The posterior of a Gaussian mixture, the best of three, of rows [n, d]: [n, K]."""
    some = rows
    if sample_weight is not None:  # scikit-learn's has none; their sum, moved at random, says how often a row is read
        passed = np.floor(np.cumsum(sample_weight, dtype=np.float64) + generator(seed).uniform())
        some = np.repeat(rows, np.diff(passed, prepend=0.0).astype(int), axis=0)
    mixture = GaussianMixture(n_clusters, n_init=3, random_state=seed, **settings).fit(np.nan_to_num(some))
    return marginal_posterior(mixture, rows) if np.isnan(rows).any() else mixture.predict_proba(rows)


def marginal_posterior(mixture: GaussianMixture, rows: np.ndarray) -> np.ndarray:
    """p(c | known cells) of a mixture with one covariance, [n, K]: rows [n, d] have NaN in missing cells."""
    patterns, pattern_of = np.unique(~np.isnan(rows), axis=0, return_inverse=True)
    log_joint = np.tile(np.log(mixture.weights_), (len(rows), 1))
    for number, known in enumerate(patterns):
        if known.any():
            own = np.flatnonzero(pattern_of.ravel() == number)
            covariance = mixture.covariances_[np.ix_(known, known)]
            for c, mean in enumerate(mixture.means_[:, known]):
                log_joint[own, c] += multivariate_normal(mean, covariance).logpdf(rows[np.ix_(own, known)])
    return softmax(log_joint, axis=1)


def neighbour_shares(spaces: Sequence[np.ndarray], groups: np.ndarray, n_clusters: int, seed: int) -> np.ndarray:
    """P of groups int [n]: the share of each group among a row's nearest rows, the mean over spaces [n, d]: [n, K].

    Of few rows a group has fewer neighbours of its own: a fifth of an even share is asked at most.
    """
    n = len(groups)
    n_nearest = min(N_NEIGHBOURS, max(n // (5 * n_clusters), 1))
    known = generator(seed).permutation(n)[:MAX_ROWS_SEARCHED]
    one_hot = np.eye(n_clusters, dtype=np.float32)[groups[known]]  # [searched, K]
    P = np.zeros((n, n_clusters))
    for space in spaces:
        space = np.ascontiguousarray(space, np.float32)
        search = NearestNeighbors(n_neighbors=n_nearest, algorithm="brute").fit(space[known])
        for first in range(0, n, MAX_ROWS_SEARCHED):
            block = slice(first, first + MAX_ROWS_SEARCHED)
            P[block] += one_hot[search.kneighbors(space[block], return_distance=False)].mean(axis=1)
    return P / len(spaces)


def fit_clusterer(method: Any, rows: np.ndarray, n_clusters: int, seed: int) -> np.ndarray:
    """P [n, K] that a mixture of scikit-learn, or groups [n] that a clusterer, finds in rows [n, d].

    Where it leaves rows out, as DBSCAN does, it is P with zeros. More groups than K are an InputError.
    """
    method = clone(method)
    parameters = method.get_params()
    settings: dict = {name: n_clusters for name in ("n_clusters", "n_components") if name in parameters}
    settings |= {"random_state": seed} if parameters.get("random_state", 0) is None else {}
    method.set_params(**settings)
    if hasattr(method, "predict_proba"):
        return as_partition(method.fit(rows).predict_proba(rows), len(rows), n_clusters)
    groups = np.asarray(method.fit_predict(rows))
    P = as_partition(groups, len(rows), n_clusters)
    return P if groups.min() < 0 else groups


def as_partition(found: Any, n: int, n_clusters: int) -> np.ndarray:
    """Groups int [n], -1 for none, or probabilities [n, K], as P float64 [n, K]; an InputError of anything else."""
    found = np.asarray(found)
    if found.shape == (n,) and found.dtype.kind in "iu" and -1 <= found.min() <= found.max() < n_clusters:
        return np.eye(n_clusters)[found] * (found >= 0)[:, None]
    sums = found.sum(axis=1) if found.shape == (n, n_clusters) and found.dtype.kind == "f" else np.array([np.nan])
    if not (np.isclose(sums, 1, atol=1e-3) | (sums == 0)).all() or found.min() < 0:
        raise InputError(
            "init",
            f"groups from 0 to {n_clusters - 1} (or -1) of shape ({n},), or probabilities of shape "
            f"({n}, {n_clusters}) whose rows sum to 1",
            f"{found.dtype} of shape {found.shape}",
        )
    return found.astype(np.float64)
