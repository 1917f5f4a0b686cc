"""Groups of embeddings: rows averaged over a graph of nearest rows, then k-means. Knows no label, model or file.

Rows of length 1 are read in their principal directions. Each row is replaced several times by the mean of itself and
its nearest rows, which is a graph convolution without weights (Wu et al., SGC, ICML 2019; Zhang et al., AGC, IJCAI
2019). Groups become P by the shares of a row's nearest rows.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import scipy.sparse
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.neighbors import NearestNeighbors

# By benchmarks/embeddings_start.py
N_DIRECTIONS = 100
N_NEIGHBOURS = 30  # whose mean replaces a row
N_ROUNDS = 3
N_SHARED = 20  # nearest rows whose groups make P
FLOAT16_STEP = 2.0**-10  # between float16 numbers at 1; a length of rounded cells is off by less than half of it


class Neighbourhood(NamedTuple):
    """Rows in their principal directions, their nearest rows and their averages."""

    coordinates: np.ndarray  # float32 [n, d], of length 1
    neighbours: np.ndarray  # int32 [n, N_NEIGHBOURS], the nearest first, without the row itself
    averaged: np.ndarray  # float32 [n, d]


def have_length_one(x: np.ndarray) -> bool:
    """Whether dense rows [n, D] are of length 1, as far as float16 rounds: then they are embeddings.

    Rows of fewer than eight columns and rows of few distinct values, such as one-hot codes, are not.
    """
    x = np.asarray(x)
    if x.ndim != 2 or x.shape[1] < 8:
        return False
    length = np.linalg.norm(x.astype(np.float32), axis=1)
    return bool((np.abs(length - 1) < FLOAT16_STEP).all())


def of_length_one(x: np.ndarray) -> np.ndarray:
    """Rows [n, D] divided by their lengths, float32 [n, D]; a row of zeros stays."""
    x = np.asarray(x, np.float32)
    return x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)


def principal_directions(x: np.ndarray, seed: int, n: int = N_DIRECTIONS) -> Callable[[np.ndarray], np.ndarray]:
    """A reader from rows [m, D] to their coordinates of length 1 in n principal directions of x: float32 [m, n]."""
    found = PCA(min(n, *x.shape), random_state=seed).fit(of_length_one(x))
    return lambda rows: of_length_one(found.transform(of_length_one(rows)))


def neighbourhood(
    coordinates: np.ndarray, n_neighbours: int = N_NEIGHBOURS, n_rounds: int = N_ROUNDS
) -> Neighbourhood:
    """Nearest rows and averages of rows [n, d] of length 1. The search is exact: its time is quadratic in n."""
    n_nearest = min(n_neighbours, len(coordinates) - 1)
    search = NearestNeighbors(n_neighbors=n_nearest, algorithm="brute").fit(coordinates)
    neighbours = search.kneighbors(return_distance=False).astype(np.int32)
    return Neighbourhood(coordinates, neighbours, averages(coordinates, neighbours, n_rounds))


def averages(coordinates: np.ndarray, neighbours: np.ndarray, n_rounds: int = N_ROUNDS) -> np.ndarray:
    """Rows [n, d], each replaced n_rounds times by the mean of itself and its neighbours int [n, m]: float32 [n, d]."""
    n, m = neighbours.shape
    mean = scipy.sparse.csr_matrix((np.full(n * m, 1 / (m + 1), np.float32), neighbours.ravel(), np.arange(n + 1) * m))
    mean = mean + scipy.sparse.eye(n, dtype=np.float32, format="csr") / np.float32(m + 1)
    for _ in range(n_rounds):
        coordinates = mean @ coordinates
    return coordinates


def groups(averaged: np.ndarray, n_clusters: int, seed: int) -> np.ndarray:
    """Groups int32 [n] of averaged rows [n, d], by k-means, the best of ten starts."""
    return KMeans(n_clusters, n_init=10, random_state=seed).fit(averaged).labels_


def shares(labels: np.ndarray, neighbours: np.ndarray, n_clusters: int) -> np.ndarray:
    """P: the share of each group of int [n] among a row's `N_SHARED` nearest rows, float32 [n, K]."""
    return np.eye(n_clusters, dtype=np.float32)[labels[neighbours[:, :N_SHARED]]].mean(axis=1)
