"""Groups as connected regions of the rows: landmark spectral clustering, and the vote of several draws of it.

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

N_DRAWS = 8  # that vote; more changed no start of digits or R8 by 0.01
N_LANDMARKS = 1000  # of a space; the eigenvectors of so many take a second
N_TIES = 3  # landmarks that a row is tied to: Chen and Cai's r


def spectral_groups(
    spaces: Sequence[np.ndarray],
    n_clusters: int,
    seed: int,
    advance: Callable[[], None] = lambda: None,
    more: Sequence[np.ndarray] = (),
) -> np.ndarray:
    """Groups [n] that `N_DRAWS` draws of landmark spectral clustering agree on: each row goes where most put it.

    The rows are in one or more spaces, [n, d] each, whose neighbours count alike. `advance` is called after each draw;
    `more` are groups [n] of draws made elsewhere, which vote as well. More groups than a third of the landmarks are
    those of k-means on the first space.
    """
    spaces = [np.ascontiguousarray(space, np.float32) for space in spaces]
    if 3 * n_clusters > min(N_LANDMARKS, len(spaces[0]) // 5):
        return KMeans(n_clusters, n_init=1, random_state=seed).fit(spaces[0]).labels_
    draws = in_threads(lambda each: landmark_draw(spaces, n_clusters, each), several(seed, N_DRAWS), advance)
    return vote([*draws, *more], n_clusters)


def landmark_draw(spaces: Sequence[np.ndarray], n_clusters: int, seed: int) -> np.ndarray:
    """Groups [n] of one draw of the landmarks, of float32 rows in one or more spaces, [n, d] each."""
    n_landmarks = min(N_LANDMARKS, len(spaces[0]) // 5)
    searches = [nearest_landmarks(space, seed, n_landmarks) for space in spaces]
    ties = scipy.sparse.hstack(
        [landmark_ties(space, search) for space, search in zip(spaces, searches, strict=True)], format="csr"
    )
    degree = np.asarray(ties.sum(axis=0)).ravel()
    ties = ties @ scipy.sparse.diags_array(1 / np.sqrt(np.maximum(degree, 1e-12)))
    between = (ties.T @ ties).tocsr() / len(spaces)  # its largest eigenvalue is 1
    m = round(1.3 * n_clusters)  # eigenvectors; with one for each group, two can share a direction
    values, vectors = largest_eigenvectors(between, m, seed, len(spaces))
    embedding = ties @ (vectors * np.maximum(values, 0) ** 4)  # [n, m]; a diffusion map's (Coifman and Lafon, 2006)
    embedding /= np.maximum(np.linalg.norm(embedding, axis=1, keepdims=True), 1e-12)
    runs = 5 if n_clusters < 100 else 1  # of k-means on the eigenvectors
    return KMeans(n_clusters, n_init=runs, random_state=seed).fit(embedding.astype(np.float32)).labels_


def largest_eigenvectors(
    between: scipy.sparse.csr_matrix, m: int, seed: int, n_spaces: int
) -> tuple[np.ndarray, np.ndarray]:
    """The m largest eigenvalues and eigenvectors [M, m] of similarities between landmarks [M, M].

    Lanczos' method takes a twentieth of the time on a large connected graph. A graph in several pieces has equal
    eigenvalues, of which it may find one alone.
    """
    size = between.shape[0]
    own, n_pieces = size // n_spaces, []
    for at in range(0, size, own):  # the landmarks of a space; those without a row are no pieces
        block = between[at : at + own, at : at + own]
        n_pieces.append(connected_components(block, directed=False)[0] - int(np.sum(block.diagonal() == 0)))
    if max(n_pieces) > 1 or size < 10 * m:
        return scipy.linalg.eigh(between.toarray(), subset_by_index=(size - m, size - 1))
    return eigsh(between, m, which="LA", v0=generator(seed).normal(size=size))


def nearest_landmarks(rows: np.ndarray, seed: int, n_landmarks: int, **settings) -> NearestNeighbors:
    """A search for the nearest landmarks, which are the centres of a mini-batch k-means of rows [n, d]."""
    settings = {"n_neighbors": N_TIES + 1, **settings}
    batch = min(4096, len(rows))
    found = MiniBatchKMeans(n_landmarks, init=_spread, batch_size=batch, n_init=1, random_state=seed).fit(rows)
    return NearestNeighbors(**settings).fit(found.cluster_centers_)


def _spread(rows: np.ndarray, n: int, random_state: np.random.RandomState) -> np.ndarray:
    """The first centres, by k-means++, [n, d]: of float32 it takes longer, and keeps other threads waiting."""
    return kmeans_plusplus(rows.astype(np.float64), n, random_state=random_state)[0]


def landmark_ties(rows: np.ndarray, search: NearestNeighbors) -> scipy.sparse.csr_matrix:
    """Weights [n, M] that tie rows [n, d] to their nearest landmarks, one fewer than the search finds; sums are 1."""
    n, n_nearest = len(rows), search.n_neighbors - 1
    distance, nearest = search.kneighbors(rows)
    width = np.maximum(distance[:, -1:], 1e-12)
    weight = np.exp(-2 * (distance[:, :-1] / width) ** 2)  # [n, n_nearest]
    weight /= weight.sum(axis=1, keepdims=True)
    indptr = np.arange(n + 1) * n_nearest
    return scipy.sparse.csr_matrix((weight.ravel(), nearest[:, :-1].ravel(), indptr), (n, search.n_samples_fit_))


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
