"""Rows -> groups as connected regions: landmark spectral clustering, and what several draws of it agree on.

A row's similarity to others goes through landmarks (an anchor graph: Liu et al., ICML 2010; Chen and Cai, AAAI 2011),
so the graph Laplacian of n rows has the eigenvectors of a matrix between landmarks, and time is linear in n. Knows no
label, no model and no TensorFlow.
"""

import itertools
from collections.abc import Callable, Sequence

import numpy as np
import scipy.linalg
import scipy.sparse
from scipy.optimize import linear_sum_assignment
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import eigsh
from sklearn.cluster import KMeans, MiniBatchKMeans, kmeans_plusplus
from sklearn.metrics import adjusted_rand_score
from sklearn.neighbors import NearestNeighbors

from vade_tf.seeding import generator, several
from vade_tf.threads import in_threads

DRAWS = 8  # that vote; more changed no start of digits or R8 by 0.01 (docs/recipe.md)
LANDMARKS, TIES = 1000, 3  # landmarks of a space, and how many of them a row is tied to: Chen and Cai's r
EIGENVECTORS = 1.3  # in multiples of K; with K alone two classes can share a direction (docs/recipe.md)
DIFFUSION = 4  # steps of a diffusion map (Coifman and Lafon, 2006): what lies beyond K eigenvectors hardly counts
DENSE_SHARE = 10  # a graph of fewer landmarks than so many times the eigenvectors is solved as a dense matrix
KMEANS_RUNS, MANY_GROUPS = 5, 100  # runs of k-means on the eigenvectors; of so many groups on one


def spectral_groups(
    spaces: Sequence[np.ndarray],
    n_clusters: int,
    seed: int,
    tell: Callable[[], None] = lambda: None,
    more: Sequence[np.ndarray] = (),
) -> np.ndarray:
    """Groups that `DRAWS` draws of landmark spectral clustering agree on.

    One draw is a lottery on data harder than digits: every row goes where most draws put it.

    Args:
        spaces: the same rows in one or more spaces, [n, d] each; neighbours count in all of them alike.
        n_clusters: K, at most a third of the landmarks; of more the groups are those of k-means on the first space.
        seed: of the landmarks and of k-means.
        tell: called after each draw.
        more: groups [n] of draws made elsewhere, which vote as well.

    Returns:
        Groups, [n].
    """
    spaces = [np.ascontiguousarray(space, np.float32) for space in spaces]
    if 3 * n_clusters > min(LANDMARKS, len(spaces[0]) // 5):
        groups = KMeans(n_clusters, n_init=1, random_state=seed).fit(spaces[0]).labels_
        for _ in range(DRAWS):
            tell()
        return groups
    draws = in_threads(lambda each: landmark_draw(spaces, n_clusters, each), several(seed, DRAWS), tell)
    return vote([*draws, *more], n_clusters)


def landmark_draw(spaces: Sequence[np.ndarray], n_clusters: int, seed: int) -> np.ndarray:
    """Groups [n] of one draw of the landmarks, of float32 rows in one or more spaces, [n, d] each."""
    n_landmarks = min(LANDMARKS, len(spaces[0]) // 5)
    m = round(EIGENVECTORS * n_clusters)
    ties = scipy.sparse.hstack([landmark_ties(space, seed, n_landmarks) for space in spaces], format="csr")
    degree = np.asarray(ties.sum(axis=0)).ravel()
    ties = ties @ scipy.sparse.diags_array(1 / np.sqrt(np.maximum(degree, 1e-12)))
    between = (ties.T @ ties).tocsr() / len(spaces)  # its largest eigenvalue is 1
    values, vectors = largest(between, m, seed, len(spaces))
    embedding = ties @ (vectors * np.maximum(values, 0) ** DIFFUSION)  # [n, m]
    embedding /= np.maximum(np.linalg.norm(embedding, axis=1, keepdims=True), 1e-12)
    runs = KMEANS_RUNS if n_clusters < MANY_GROUPS else 1
    return KMeans(n_clusters, n_init=runs, random_state=seed).fit(embedding.astype(np.float32)).labels_


def largest(between: scipy.sparse.csr_matrix, m: int, seed: int, n_spaces: int) -> tuple[np.ndarray, np.ndarray]:
    """The m largest eigenvalues and eigenvectors [M, m] of similarities between landmarks [M, M].

    Lanczos' method takes a twentieth of the time on a large graph in one piece; of equal eigenvalues, which a graph in
    several pieces has, it may find one alone.
    """
    size = between.shape[0]
    own = size // n_spaces
    apart = any(_in_pieces(between[at : at + own, at : at + own]) for at in range(0, size, own))
    if apart or size < DENSE_SHARE * m:
        return scipy.linalg.eigh(between.toarray(), subset_by_index=(size - m, size - 1))
    return eigsh(between, m, which="LA", v0=generator(seed).normal(size=size))


def _in_pieces(between: scipy.sparse.csr_matrix) -> bool:
    """Whether landmarks [M, M] are in parts that nothing ties; those without a row, whose diagonal is 0, are none."""
    return connected_components(between, directed=False)[0] - np.sum(between.diagonal() == 0) > 1


def landmark_ties(z: np.ndarray, seed: int, n_landmarks: int) -> scipy.sparse.csr_matrix:
    """Weights [n, M] that tie each row [n, d] to its nearest landmarks; a row's sum to 1."""
    return tied(z, NearestNeighbors(n_neighbors=TIES + 1).fit(landmarks(z, seed, n_landmarks)))


def landmarks(z: np.ndarray, seed: int, n_landmarks: int) -> np.ndarray:
    """The centres of a mini-batch k-means of rows [n, d]: [M, d]."""
    batch = min(4096, len(z))
    found = MiniBatchKMeans(n_landmarks, init=_spread, batch_size=batch, n_init=1, random_state=seed).fit(z)
    return found.cluster_centers_


def _spread(z: np.ndarray, n: int, random_state: np.random.RandomState) -> np.ndarray:
    """The first centres, by k-means++, [n, d]: of float32 it takes longer, and keeps other threads waiting."""
    return kmeans_plusplus(z.astype(np.float64), n, random_state=random_state)[0]


def tied(z: np.ndarray, nearest_landmarks: NearestNeighbors) -> scipy.sparse.csr_matrix:
    """Weights [n, M] of rows [n, d] by a search fitted to M landmarks, which finds one more than there are ties."""
    n, n_nearest = len(z), nearest_landmarks.n_neighbors - 1
    distance, nearest = nearest_landmarks.kneighbors(z)
    width = np.maximum(distance[:, -1:], 1e-12)
    weight = np.exp(-2 * (distance[:, :-1] / width) ** 2)  # [n, n_nearest]
    weight /= weight.sum(axis=1, keepdims=True)
    indptr = np.arange(n + 1) * n_nearest
    shape = n, nearest_landmarks.n_samples_fit_
    return scipy.sparse.csr_matrix((weight.ravel(), nearest[:, :-1].ravel(), indptr), shape)


def vote(draws: Sequence[np.ndarray], n_clusters: int) -> np.ndarray:
    """Groups [n] that most draws put each row in, named as in the draw that agrees best (ARI) with all others.

    A group that loses all its rows in the vote gets them back.
    """
    agreement = np.zeros(len(draws))
    for i, j in itertools.combinations(range(len(draws)), 2):
        agreement[[i, j]] += adjusted_rand_score(draws[i], draws[j])
    centre = draws[int(agreement.argmax())]
    votes = np.zeros((len(centre), n_clusters), np.int32)
    for draw in draws:
        votes[np.arange(len(centre)), naming(draw, centre, n_clusters)[draw]] += 1
    best = votes.argmax(axis=1)
    while (lost := np.setdiff1d(centre, best)).size:  # what gets its rows back may take the last ones of another
        best = np.where(np.isin(centre, lost), centre, best)
    return best


def naming(groups: np.ndarray, reference: np.ndarray, n_clusters: int) -> np.ndarray:
    """The one-to-one naming by which groups [n] agree best with a reference grouping [n]: old number -> new, [K]."""
    counts = np.zeros((n_clusters, n_clusters), np.int64)
    np.add.at(counts, (groups, reference), 1)
    return linear_sum_assignment(counts, maximize=True)[1]
