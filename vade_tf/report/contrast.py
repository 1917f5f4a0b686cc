"""What sets each cluster apart, feature by feature: its mean against that of all other rows. Knows no model.

One pass over the rows, a few at a time; a sparse matrix is never made dense.
"""

from dataclasses import dataclass

import numpy as np
import scipy.sparse

from vade_tf.data.dataset import Dataset
from vade_tf.data.sparse import SparseRows

BLOCK = 2**20  # numbers looked at together: 8 MB of them
LEAST = 0.1  # standard deviations: what differs less sets nothing apart


@dataclass(frozen=True)
class Contrast:
    """Clusters against all other rows.

    Attributes:
        names: of the features, [D].
        kinds: "number"; "share", which is 0 or 1; or "word", which is there or not, [D]. Means of the last two are
            shares of rows.
        inside: mean over the rows of each cluster, [K, D]; NaN where it has none. Missing cells count nowhere.
        outside: mean over all other rows, [K, D].
        effect: (inside - outside) / standard deviation over all rows, [K, D]; 0 where one of them is not defined.
    """

    names: list[str]
    kinds: list[str]
    inside: np.ndarray
    outside: np.ndarray
    effect: np.ndarray

    def telling(self, c: int, most: int = 5) -> np.ndarray:
        """The features that set cluster c apart: up to `most` above and `most` below, the largest difference first."""
        effect = self.effect[c]
        order = np.argsort(-np.abs(effect), kind="stable")
        order = order[np.abs(effect[order]) >= LEAST]
        above, below = order[effect[order] > 0][:most], order[effect[order] < 0][:most]
        return np.concatenate([above, below])


def contrast(dataset: Dataset, groups: np.ndarray, n_clusters: int) -> Contrast:
    """Compare the clusters of a data set.

    Args:
        dataset: rows [n, D] with names for the features, see `names`.
        groups: the cluster of each row, int [n].
        n_clusters: K.
    """
    share, count, total, about, square = _sums(dataset, groups, n_clusters)
    all_count, all_total = count.sum(axis=0), total.sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        inside, outside = total / count, (all_total - total) / (all_count - count)
        variance = square / all_count - (all_total / all_count) ** 2
        constant = ~(variance > 1e-12 * np.maximum(about**2, square / all_count))
        effect = (inside - outside) / np.sqrt(np.where(constant, 1.0, variance))
    effect = np.where(constant | ~np.isfinite(effect), 0.0, effect)
    kinds = ["word" if dataset.words is not None else "share" if each else "number" for each in share]
    return Contrast(names(dataset), kinds, inside + about, outside + about, effect)


def names(dataset: Dataset) -> list[str]:
    """A name for each feature: its word, or x0, x1, ..."""
    if dataset.words is not None:
        return list(dataset.words)
    return [f"x{j}" for j in range(dataset.x.shape[1])]


def members(groups: np.ndarray, n_clusters: int) -> scipy.sparse.csr_array:
    """Which rows are in which cluster: 1 or 0, [K, n]."""
    n = len(groups)
    return scipy.sparse.csr_array((np.ones(n), (groups, np.arange(n))), shape=(n_clusters, n))


def _sums(dataset: Dataset, groups: np.ndarray, n_clusters: int) -> tuple[np.ndarray, ...]:
    """Share or not [D]; count and sum of each feature by cluster [K, D]; what it is summed about [D]; squares [D]."""
    words = dataset.words is not None
    if isinstance(dataset.x, SparseRows):
        return _sums_of_sparse(dataset.x.matrix, members(groups, n_clusters), words)
    x, width = dataset.x, dataset.x.shape[1]
    rows = max(1, BLOCK // width)
    share, square = np.ones(width, bool), np.zeros(width)
    count, total = np.zeros((n_clusters, width)), np.zeros((n_clusters, width))
    about = np.zeros(width)
    for start in range(0, len(x), rows):
        part = x[start : start + rows].astype(np.float64)
        there = ~np.isnan(part)
        if words:
            part = np.where(there, part > 0, np.nan)
        share &= ((part == 0) | (part == 1) | ~there).all(axis=0)
        if start == 0:  # squares about a value nearby lose no digits
            about = np.where(there, part, 0.0).sum(axis=0) / np.maximum(there.sum(axis=0), 1)
        part = np.where(there, part - about, 0.0)
        own = members(groups[start : start + rows], n_clusters)
        count += own @ there.astype(np.float64)
        total += own @ part
        square += np.einsum("nd,nd->d", part, part)
    return share, count, total, about, square


def _sums_of_sparse(matrix, own: scipy.sparse.csr_array, words: bool) -> tuple[np.ndarray, ...]:
    """`_sums` of stored numbers alone: a number that is not stored is 0."""
    width = matrix.shape[1]
    data = (matrix.data > 0 if words else matrix.data).astype(np.float64)
    missing = np.isnan(matrix.data)
    other = np.bincount(matrix.indices[(data != 0) & (data != 1) & ~missing], minlength=width)

    def of(values):
        return scipy.sparse.csr_array((values, matrix.indices, matrix.indptr), shape=matrix.shape)

    values = of(np.where(missing, 0.0, data))
    count = np.repeat(own.sum(axis=1)[:, None], width, axis=1)
    if missing.any():
        count = count - (own @ of(missing.astype(np.float64))).toarray()
    square = np.bincount(matrix.indices, values.data**2, minlength=width)
    return other == 0, count, (own @ values).toarray(), np.zeros(width), square
