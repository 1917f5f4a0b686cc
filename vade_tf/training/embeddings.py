"""Groups of embeddings: rows averaged over a graph of nearest rows, then k-means. Knows no label, model or file.

Rows of length 1 are read in their principal directions. Each row is replaced several times by the mean of itself and
its nearest rows: a graph convolution without weights (Wu et al., SGC, ICML 2019; Zhang et al., AGC, IJCAI 2019).
k-means of the averages gives groups; once more in the directions that tell these apart, as Ding and Li do (ICML 2007).
Groups become P by the shares of a row's nearest rows.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import scipy.linalg
import scipy.sparse
from sklearn.cluster import KMeans
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.neighbors import NearestNeighbors

from vade_tf.data.rows import Rows
from vade_tf.seeding import Stream, subset
from vade_tf.threads import one_thread

# Chosen by benchmarks/embeddings_start.py
MAX_DIRECTIONS = 100
MIN_DIRECTIONS = 10
N_NEIGHBOURS = 30  # whose mean replaces a row
N_ROUNDS = 3
N_SHARED = 20  # nearest rows whose groups make P

MAX_ROWS_SAMPLED = 20_000  # that principal directions are found on


class Neighbourhood(NamedTuple):
    """Rows in their principal directions, their nearest rows and their averages."""

    coordinates: np.ndarray  # float32 [n, d], of length 1
    neighbours: np.ndarray  # int32 [n, N_NEIGHBOURS], the nearest first, without the row itself
    averaged: np.ndarray  # float32 [n, d], of length 1


def of_length_one(x: np.ndarray) -> np.ndarray:
    """Rows [n, D] divided by their lengths, float32 [n, D]; a row of zeros stays."""
    x = np.asarray(x, np.float32)
    return x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)


def principal_directions(
    x: Rows, seed: int, n_clusters: int = 1, n: int | None = None
) -> Callable[[np.ndarray], np.ndarray]:
    """A reader from rows [m, D] to their coordinates in the principal directions of x, float32 [m, d] of length 1.

    There are n directions, or as many as are `above_noise`, but at least n_clusters - 1, which the centres of so many
    clusters span, and from `MIN_DIRECTIONS` to `MAX_DIRECTIONS`.
    """
    sample = of_length_one(x[subset(len(x), MAX_ROWS_SAMPLED, seed, Stream.SPACES)])
    mean = sample.mean(axis=0)
    sample -= mean
    few = len(sample) < sample.shape[1]  # then the directions are sums of rows, and products between rows say which
    products = sample @ sample.T if few else sample.T @ sample
    with one_thread():  # sums over several threads come in any order
        if n is None:
            found = above_noise(scipy.linalg.eigvalsh(products), sample.shape)
            n = int(np.clip(max(found, n_clusters - 1), MIN_DIRECTIONS, MAX_DIRECTIONS))
        largest = max(len(products) - n, 0), len(products) - 1
        axes = scipy.linalg.eigh(products, subset_by_index=largest)[1][:, ::-1]
    if few:
        axes = sample.T @ axes
        axes /= np.maximum(np.linalg.norm(axes, axis=0), 1e-12)
    return lambda rows: of_length_one((of_length_one(rows) - mean) @ axes)


def above_noise(eigenvalues: np.ndarray, shape: tuple[int, int]) -> int:
    """How many eigenvalues [min(shape)] of a matrix' products are larger than those of noise alone.

    Those of noise end at an edge (Marchenko and Pastur, 1967). The median says how strong the noise is (Gavish and
    Donoho, IEEE Transactions on Information Theory 2014).
    """
    ratio = min(shape) / max(shape)
    low, high = (1 - ratio**0.5) ** 2, (1 + ratio**0.5) ** 2
    values = np.linspace(low, high, 10_001)[1:-1]
    cumulative = np.cumsum(np.sqrt((high - values) * (values - low)) / values)
    median = values[np.searchsorted(cumulative, cumulative[-1] / 2)]
    return int(np.sum(eigenvalues > np.median(eigenvalues) * high / median))


def neighbourhood(coordinates: np.ndarray, n_neighbours: int = N_NEIGHBOURS, n_rounds: int = N_ROUNDS) -> Neighbourhood:
    """Nearest rows and averages of rows [n, d] of length 1. The search is exact, so its time is quadratic in n."""
    n_nearest = min(n_neighbours, len(coordinates) - 1)
    search = NearestNeighbors(n_neighbors=n_nearest, algorithm="brute").fit(coordinates)
    neighbours = search.kneighbors(return_distance=False).astype(np.int32)
    return Neighbourhood(coordinates, neighbours, averages(coordinates, neighbours, n_rounds))


def average(coordinates: np.ndarray) -> np.ndarray:
    """The averages of rows [n, d] of length 1, as a start makes them, [n, d]."""
    return neighbourhood(coordinates).averaged


def averages(coordinates: np.ndarray, neighbours: np.ndarray, n_rounds: int = N_ROUNDS) -> np.ndarray:
    """Rows [n, d], each replaced n_rounds times by the mean of itself and its neighbours, int [n, m].

    The averages are brought to length 1, float32 [n, d]. Without it k-means finds worse groups.
    """
    n, m = neighbours.shape
    ends = np.arange(n + 1) * m
    total = scipy.sparse.csr_matrix((np.ones(n * m, np.float32), neighbours.ravel(), ends), (n, n))
    for _ in range(n_rounds):
        coordinates = (coordinates + total @ coordinates) / (m + 1)
    return of_length_one(coordinates)


def partition(
    coordinates: np.ndarray, n_clusters: int, seed: int, sample_weight: np.ndarray | None = None
) -> np.ndarray:
    """P [n, K] of rows [n, d] of length 1; weights [n] count in k-means.

    Groups are found twice: a second time where the first are told apart best. P is that of the second groups among the
    neighbours of the first space, since in the second rows seem surer of their group than they are.
    """
    near = neighbourhood(coordinates)
    first = group(near.averaged, n_clusters, seed, sample_weight)
    again = neighbourhood(discriminants(coordinates, first))
    groups = group(again.averaged, n_clusters, seed, sample_weight)
    return shares(groups, near.neighbours, n_clusters)


def group(averaged: np.ndarray, n_clusters: int, seed: int, sample_weight: np.ndarray | None = None) -> np.ndarray:
    """Groups int32 [n] by k-means of averaged rows [n, d], the best of ten starts."""
    return KMeans(n_clusters, n_init=10, random_state=seed).fit(averaged, sample_weight=sample_weight).labels_


def discriminants(coordinates: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Rows [n, d] in the directions that tell groups int [n] apart, [n, at most K - 1] of length 1 (Fisher, 1936)."""
    fisher = LinearDiscriminantAnalysis(solver="eigen", shrinkage="auto")
    try:
        return of_length_one(fisher.fit(coordinates, groups).transform(coordinates))
    except (ValueError, np.linalg.LinAlgError):  # the rows of a group are all the same
        return coordinates


def shares(labels: np.ndarray, neighbours: np.ndarray, n_clusters: int) -> np.ndarray:
    """P: the share of each group, of labels int [n], among a row's `N_SHARED` nearest rows, float32 [n, K]."""
    return np.eye(n_clusters, dtype=np.float32)[labels[neighbours[:, :N_SHARED]]].mean(axis=1)
