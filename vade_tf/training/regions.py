"""Rows -> groups, one draw of it: by k-means, or as regions of a neighbourhood graph. No labels, no TensorFlow."""

from collections.abc import Callable, Sequence

import numpy as np
import scipy.linalg
import scipy.sparse
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import eigsh
from sklearn.cluster import KMeans, MiniBatchKMeans, kmeans_plusplus
from sklearn.neighbors import NearestNeighbors

from vade_tf.seeding import generator
from vade_tf.threads import in_threads

EIGENVECTORS = 1.3  # of the landmark graph, in multiples of K; with K alone two classes can share a direction
DIFFUSION = 4
DENSE = 10  # times the eigenvectors that are asked for: a graph of fewer landmarks is solved as a dense matrix
MANY = 500  # groups, from which on k-means runs once; ...
RUNS, MANY_REGIONS = 5, 100  # ... and on eigenvectors, where it runs so often: from so many groups on once
EACH = 3  # landmarks for each group at least: with 2, k-means found more of 500 groups, with 3.3 fewer of 300
LANDMARKS, NEAREST = 1000, 3  # landmarks of a draw in each view, and how many of them a row is tied to


def kmeans(z: np.ndarray, n_clusters: int, seed: int) -> np.ndarray:
    """Groups by k-means, best of 10 runs by inertia (of many groups one run): [n]."""
    return KMeans(n_clusters, n_init=10 if n_clusters <= MANY else 1, random_state=seed).fit(z).labels_


def is_beyond(n_clusters: int, n_rows: int) -> bool:
    """Whether so many groups are more than a graph of rows' landmarks is cut into: each has some of them."""
    return EACH * n_clusters > most_landmarks(n_rows)


def most_landmarks(n_rows: int) -> int:
    """Landmarks of a draw in each view: at most a fifth of the rows."""
    return min(LANDMARKS, n_rows // 5)


def landmark_draws(
    views: Sequence[np.ndarray],
    n_clusters: int,
    seeds: Sequence[int],
    tell: Callable[[], None] = lambda: None,
) -> list[np.ndarray]:
    """The groups that a draw with each of the seeds finds, see `landmark_draw`: [n] each."""
    views = [np.ascontiguousarray(view, np.float32) for view in views]
    return in_threads(lambda seed: landmark_draw(views, n_clusters, seed), seeds, tell)


def landmark_draw(views: Sequence[np.ndarray], n_clusters: int, seed: int) -> np.ndarray:
    """Groups by landmark spectral clustering: regions of a neighbourhood graph, in time linear in n.

    The rows' similarities go through landmarks (an anchor graph: Liu et al., ICML 2010; Chen & Cai, AAAI 2011), so the
    graph Laplacian of n rows has the eigenvectors of a matrix between landmarks. Each is weighted by its eigenvalue to
    the power of `DIFFUSION` + 1/2 (a diffusion map: Coifman & Lafon, ACHA 2006), so that what lies beyond K hardly
    counts.

    Args:
        views: as for `landmark_starts.landmark`; each has landmarks of its own.
        n_clusters: K.
        seed: of the landmarks and of k-means.

    Returns:
        Groups, [n].
    """
    runs = RUNS if n_clusters < MANY_REGIONS else 1
    return landmark_cuts(views, [n_clusters], seed, runs)[0]


def landmark_cuts(views: Sequence[np.ndarray], counts: Sequence[int], seed: int, n_init: int) -> list[np.ndarray]:
    """One graph of landmarks, cut into each of several numbers of groups: [n] for each of `counts`.

    Args:
        views, seed: as for `landmark_draw`.
        counts: the K.
        n_init: runs of k-means on the eigenvectors, of which the best by inertia counts.
    """
    n_landmarks = most_landmarks(len(views[0]))
    widths = [round(EIGENVECTORS * k) for k in counts]
    possible = [m for m in widths if n_landmarks > max(m, NEAREST)]
    if possible:
        ties = scipy.sparse.hstack([landmark_ties(view, seed, n_landmarks) for view in views], format="csr")
        degree = np.asarray(ties.sum(axis=0)).ravel()
        ties = ties @ scipy.sparse.diags_array(1 / np.sqrt(np.maximum(degree, 1e-12)))
        between = (ties.T @ ties).tocsr() / len(views)  # its largest eigenvalue is 1
        values, vectors = largest(between, max(possible), seed, len(views))
        embedding = ties @ (vectors * np.maximum(values, 0) ** DIFFUSION)  # [n, most], the leading ones last
    found = []
    for k, m in zip(counts, widths, strict=True):
        if m not in possible:  # too few rows for a graph of landmarks
            found.append(kmeans(views[0], k, seed))
            continue
        leading = embedding[:, -m:]
        leading = leading / np.maximum(np.linalg.norm(leading, axis=1, keepdims=True), 1e-12)
        found.append(KMeans(k, n_init=n_init, random_state=seed).fit(leading.astype(np.float32)).labels_)
    return found


def largest(between: scipy.sparse.csr_matrix, m: int, seed: int, n_views: int) -> tuple[np.ndarray, np.ndarray]:
    """The largest eigenvalues [m] and their eigenvectors [M, m] of a graph of landmarks [M, M], the largest one last.

    Lanczos' method takes a twentieth of the time where few are asked for of a graph of several views. Of equal
    eigenvalues it may find one alone, and each part of a view that is not tied to its others can have the same.

    Args:
        between: similarities of landmarks, those of a view side by side.
        m: how many.
        seed: of the first vector.
        n_views: of as many landmarks each.
    """
    size = between.shape[0]
    own = size // n_views
    apart = any(_in_pieces(between[at : at + own, at : at + own]) for at in range(0, size, own))
    if apart or size < DENSE * m:
        return scipy.linalg.eigh(between.toarray(), subset_by_index=(size - m, size - 1))
    values, vectors = eigsh(between, m, which="LA", v0=generator(seed).normal(size=size))
    order = np.argsort(values)
    return values[order], vectors[:, order]


def _in_pieces(between: scipy.sparse.csr_matrix) -> bool:
    """Whether landmarks [M, M] are in parts that nothing ties; those without a row, whose diagonal is 0, are none."""
    return connected_components(between, directed=False)[0] - np.sum(between.diagonal() == 0) > 1


def landmark_ties(z: np.ndarray, seed: int, n_landmarks: int) -> scipy.sparse.csr_matrix:
    """Weights [n, M] that tie each row [n, d] to its nearest landmarks, the centres of a k-means; a row's sum to 1."""
    centres = landmarks(z, seed, n_landmarks)
    return tied(z, NearestNeighbors(n_neighbors=NEAREST + 1).fit(centres))


def landmarks(z: np.ndarray, seed: int, n_landmarks: int) -> np.ndarray:
    """The centres of a k-means of rows [n, d]: [M, d]."""
    batch = min(4096, len(z))
    return (
        MiniBatchKMeans(n_landmarks, init=_spread, batch_size=batch, n_init=1, random_state=seed)
        .fit(z)
        .cluster_centers_
    )


def _spread(z: np.ndarray, n: int, random_state: np.random.RandomState) -> np.ndarray:
    """The first centres, by k-means++, [n, d]: of float32 it takes longer, and keeps other threads waiting."""
    return kmeans_plusplus(z.astype(np.float64), n, random_state=random_state)[0]


def tied(z: np.ndarray, nearest_landmarks: NearestNeighbors) -> scipy.sparse.csr_matrix:
    """As `landmark_ties`, to landmarks [M, d] that a search is fitted to, which finds one more than there are ties."""
    n, n_nearest = len(z), nearest_landmarks.n_neighbors - 1
    distance, nearest = nearest_landmarks.kneighbors(z)
    width = np.maximum(distance[:, -1:], 1e-12)
    weight = np.exp(-2 * (distance[:, :-1] / width) ** 2)  # [n, n_nearest]
    weight /= weight.sum(axis=1, keepdims=True)
    indptr = np.arange(n + 1) * n_nearest
    shape = n, nearest_landmarks.n_samples_fit_
    return scipy.sparse.csr_matrix((weight.ravel(), nearest[:, :-1].ravel(), indptr), shape)
