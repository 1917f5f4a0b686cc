"""Latent codes -> groups and a starting mixture. No labels, no TensorFlow.

A Gaussian is the wrong shape for a class in an autoencoder's code, so a mixture fitted to the codes cuts classes apart
(ACC about 0.7 on MNIST, wherever it starts). The classes are there as connected regions: `landmark` finds them on a
neighbourhood graph of the codes, and training then bends the regions into Gaussians.
"""

import itertools
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import scipy.linalg
import scipy.sparse
from scipy.optimize import linear_sum_assignment
from sklearn.cluster import KMeans, MiniBatchKMeans
from sklearn.metrics import adjusted_rand_score, silhouette_score
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import NearestNeighbors
from threadpoolctl import threadpool_limits

from vade_tf.seeding import generator, several

METHODS = ("landmark", "gmm", "kmeans")
VARIANCE_FLOOR = 1e-4  # share of the code's overall variance that every component keeps at least
EIGENVECTORS = 1.3  # of the landmark graph, in multiples of K; with K alone two classes can share a direction
DIFFUSION = 4
DRAWS = 8  # that vote; ...
FIRST, SETTLED = 4, 0.97  # ... the first four alone where their mean ARI is such: further ones would change no row
MANY = 500  # groups, from which on k-means runs once
LANDMARKS, NEAREST = 1000, 3  # landmarks of a draw in each view, and how many of them a row is tied to
FOUND_AGAIN = 0.75  # mean ARI of the draws on a table from which on they have found the same regions
NEIGHBOURS, ASKED = 10, 5000  # of so many rows at most


@dataclass(frozen=True)
class Start:
    """A partition of the rows and the mixture that describes it.

    Attributes:
        groups: group of each row, int32 [n].
        pi: weights [K]. mu: means [K, latent]. sigma2: variances [K, latent]. All float32.
    """

    groups: np.ndarray
    pi: np.ndarray
    mu: np.ndarray
    sigma2: np.ndarray


def start(
    z: np.ndarray,
    n_clusters: int,
    method: str,
    seed: int,
    views: Sequence[np.ndarray] | None = None,
    tell: Callable[[], None] = lambda: None,
    own: np.ndarray | None = None,
    doubt: bool = False,
) -> Start:
    """Group codes and describe the groups as a mixture.

    Args:
        z: codes, [n, latent].
        n_clusters: K, at most n.
        method: one of `METHODS`: "landmark", "gmm" (diagonal; the paper's way) or "kmeans".
        seed: same codes and seed, same start.
        views: the spaces, [n, d] each, in which "landmark" looks for the neighbours of a row; default: the code alone.
        tell: called after each of `DRAWS` draws of "landmark", once for the other methods.
        own: the rows of a table themselves, each column of variance 1, [n, D]: "landmark" reads these in place of
            views, see `of_table`.
        doubt: whether "landmark" gives way to k-means on the code where its draws find different groups.

    Raises:
        ValueError: unknown method, or K not in 1..n.
    """
    if method not in METHODS:
        raise ValueError(f"method must be one of {METHODS}. Received: {method!r}")
    if not 1 <= n_clusters <= len(z):
        raise ValueError(f"n_clusters must be from 1 to the number of rows, {len(z)}. Received: {n_clusters}")
    z = np.asarray(z, np.float64)
    with threadpool_limits(1, user_api="openmp"):  # sums over threads come in any order; a resumed run must be equal
        if method == "gmm":
            mixture = GaussianMixture(n_clusters, covariance_type="diag", n_init=3, random_state=seed).fit(z)
            groups, pi, mu, sigma2 = mixture.predict(z), mixture.weights_, mixture.means_, mixture.covariances_
        else:
            if method == "kmeans":
                groups = kmeans(z, n_clusters, seed)
            elif own is not None:
                groups = of_table(own, n_clusters, seed, tell)
            else:
                groups = landmark([z] if views is None else views, n_clusters, seed, tell=tell, doubt=doubt)
            pi, mu, sigma2 = moments(z, groups, n_clusters)
    if method != "landmark":
        tell()
    floor = VARIANCE_FLOOR * z.var(axis=0).mean() + 1e-12
    return Start(
        groups.astype(np.int32),
        pi.astype(np.float32),
        mu.astype(np.float32),
        np.maximum(sigma2, floor).astype(np.float32),
    )


def matched(groups: np.ndarray, reference: np.ndarray, rows: np.ndarray | slice = slice(None)) -> np.ndarray:
    """Groups renamed so that they agree with a reference grouping as far as a one-to-one naming can: int32 [n].

    Args:
        groups: int [n].
        reference: the other grouping, of the given rows.
        rows: their numbers; default all.
    """
    k = max(groups.max(), reference.max()) + 1
    counts = np.zeros((k, k), np.int64)
    np.add.at(counts, (groups[rows], reference), 1)
    return linear_sum_assignment(counts, maximize=True)[1][groups].astype(np.int32)


def renamed(found: Start, hints: np.ndarray) -> Start:
    """A start whose groups are named as hints say, as far as a one-to-one naming can; each hint is one vote.

    Args:
        found: the start.
        hints: known group of each row, -1 for none, int [n].
    """
    k, known = len(found.pi), hints >= 0
    counts = np.zeros((k, k), np.int64)
    np.add.at(counts, (found.groups[known], hints[known]), 1)
    name = linear_sum_assignment(counts, maximize=True)[1]  # [K]: old number -> new
    place = np.argsort(name)
    return Start(name[found.groups].astype(np.int32), found.pi[place], found.mu[place], found.sigma2[place])


def moments(z: np.ndarray, groups: np.ndarray, n_clusters: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Share [K], mean [K, latent] and variance [K, latent] of each group; an empty one gets those of all rows."""
    pi = np.full(n_clusters, 1.0)
    mu = np.tile(z.mean(axis=0), (n_clusters, 1))
    sigma2 = np.tile(z.var(axis=0), (n_clusters, 1))
    for c in range(n_clusters):
        members = z[groups == c]
        if len(members):
            pi[c], mu[c] = len(members), members.mean(axis=0)
        if len(members) > 1:
            sigma2[c] = members.var(axis=0)
    return pi / pi.sum(), mu, sigma2


def kmeans(z: np.ndarray, n_clusters: int, seed: int) -> np.ndarray:
    """Groups by k-means, best of 10 runs by inertia (of many groups one run): [n]."""
    return KMeans(n_clusters, n_init=10 if n_clusters <= MANY else 1, random_state=seed).fit(z).labels_


def of_table(rows: np.ndarray, n_clusters: int, seed: int, tell: Callable[[], None] = lambda: None) -> np.ndarray:
    """Groups of a table's rows [n, D], each column of variance 1: by `landmark` where there are regions, else k-means.

    Regions are there if the draws find the same ones: columns of few values leave many rows at equal distances, and
    then every draw finds others. And they are more than pieces of one cloud if their borders part fewer rows from
    their neighbours than those of k-means, by more than they lose in silhouette (Rousseeuw 1987).

    Returns:
        Groups, [n].
    """
    if is_beyond(n_clusters):
        return landmark([rows], n_clusters, seed, tell=tell)
    return of_draws(rows, landmark_draws([rows], n_clusters, several(seed, DRAWS), tell=tell), n_clusters, seed)


def is_beyond(n_clusters: int, n_landmarks: int = LANDMARKS) -> bool:
    """Whether so many groups are more than a graph of landmarks is cut into."""
    return round(EIGENVECTORS * n_clusters) >= n_landmarks


def of_draws(rows: np.ndarray, draws: list[np.ndarray], n_clusters: int, seed: int, most: int = ASKED) -> np.ndarray:
    """As `of_table`, with the groups [n] that draws of `landmark` found; at most so many rows are asked."""
    regions, means = vote(draws, n_clusters), kmeans(rows, n_clusters, seed)
    if alike(draws) < FOUND_AGAIN:
        return means
    asked = generator(seed).permutation(len(rows))[:most]
    parts, compact = parted(rows, asked, regions), silhouette(rows[asked], regions[asked])
    return regions if parts * silhouette(rows[asked], means[asked]) < parted(rows, asked, means) * compact else means


def parted(rows: np.ndarray, asked: np.ndarray, groups: np.ndarray) -> float:
    """Share of the nearest neighbours of some rows, by their numbers, that are in another group than the row."""
    near = min(NEIGHBOURS + 1, len(rows))
    nearest = NearestNeighbors(n_neighbors=near).fit(rows).kneighbors(rows[asked], return_distance=False)[:, 1:]
    return float(np.mean(groups[nearest] != groups[asked, None]))


def silhouette(rows: np.ndarray, groups: np.ndarray) -> float:
    """Mean silhouette of rows [n, D] in groups [n], from -1 to 1; 0 where there is one group, or one row in each."""
    return float(silhouette_score(rows, groups)) if 1 < len(np.unique(groups)) < len(rows) else 0.0


def landmark(
    views: Sequence[np.ndarray],
    n_clusters: int,
    seed: int,
    n_draws: int = DRAWS,
    n_landmarks: int = LANDMARKS,
    n_nearest: int = NEAREST,
    tell: Callable[[], None] = lambda: None,
    doubt: bool = False,
) -> np.ndarray:
    """Groups that draws of landmark spectral clustering agree on.

    Groups that are more than a graph of so many landmarks is cut into are those of k-means on the first view.

    One draw is a lottery on data that is harder than digits. So several are made, each renamed to fit the one that
    agrees best with all others (adjusted Rand index), and every row goes where most of them put it. Where the first
    ones agree already, they are all.

    Args:
        views: the same rows in one or more spaces, [n, d] each; a row's neighbours count in all of them alike.
        n_clusters: K.
        seed: of the draws.
        n_draws: draws that vote, at most.
        n_landmarks, n_nearest: see `landmark_draw`.
        tell: called `n_draws` times, after each draw that was made and for each that was not needed.
        doubt: whether draws that find different groups, below `FOUND_AGAIN`, are given up for k-means on the first
            view. Texts have few draws alike, and groups that are better than those of k-means; few wide rows have not.

    Returns:
        Groups, [n].
    """
    if is_beyond(n_clusters, n_landmarks):
        tell()
        return kmeans(np.ascontiguousarray(views[0], np.float32), n_clusters, seed)
    seeds = several(seed, n_draws)
    draws = landmark_draws(views, n_clusters, seeds[:FIRST], n_landmarks, n_nearest, tell)
    if alike(draws) < SETTLED:
        draws += landmark_draws(views, n_clusters, seeds[FIRST:], n_landmarks, n_nearest, tell)
    for _ in seeds[len(draws) :]:
        tell()
    if doubt and alike(draws) < FOUND_AGAIN:
        return kmeans(np.ascontiguousarray(views[0], np.float32), n_clusters, seed)
    return vote(draws, n_clusters)


def landmark_draws(
    views: Sequence[np.ndarray],
    n_clusters: int,
    seeds: Sequence[int],
    n_landmarks: int = LANDMARKS,
    n_nearest: int = NEAREST,
    tell: Callable[[], None] = lambda: None,
) -> list[np.ndarray]:
    """The groups that a draw with each of the seeds finds, see `landmark`: [n] each."""
    views = [np.ascontiguousarray(view, np.float32) for view in views]

    def draw(number: int) -> np.ndarray:
        with threadpool_limits(1, user_api="openmp"):  # counts for this thread alone
            return landmark_draw(views, n_clusters, number, n_landmarks, n_nearest)

    with threadpool_limits(1), ThreadPoolExecutor(os.cpu_count()) as pool:
        draws = []
        for found in pool.map(draw, seeds):
            draws.append(found)
            tell()
    return draws


def alike(draws: Sequence[np.ndarray]) -> float:
    """Mean adjusted Rand index of all pairs of groupings [n]; 1 of a single one."""
    pairs = [adjusted_rand_score(one, other) for one, other in itertools.combinations(draws, 2)]
    return float(np.mean(pairs)) if pairs else 1.0


def vote(draws: list[np.ndarray], n_clusters: int) -> np.ndarray:
    """Groups that most draws put each row in, named as in the draw that agrees best with all others: [n]."""
    agreement = [sum(adjusted_rand_score(one, other) for other in draws) for one in draws]
    centre = draws[int(np.argmax(agreement))]
    votes = np.zeros((len(centre), n_clusters), np.int32)
    for one in draws:
        votes[np.arange(len(centre)), matched(one, centre)] += 1
    return votes.argmax(axis=1)


def landmark_draw(
    views: Sequence[np.ndarray], n_clusters: int, seed: int, n_landmarks: int, n_nearest: int
) -> np.ndarray:
    """Groups by landmark spectral clustering: regions of a neighbourhood graph, in time linear in n.

    The rows' similarities go through landmarks (an anchor graph: Liu et al., ICML 2010; Chen & Cai, AAAI 2011), so the
    graph Laplacian of n rows has the eigenvectors of a matrix between landmarks. Each is weighted by its eigenvalue to
    the power of `DIFFUSION` (a diffusion map: Coifman & Lafon, ACHA 2006), so that what lies beyond K hardly counts.

    Args:
        views: as for `landmark`; each has landmarks of its own.
        n_clusters: K.
        seed: of the landmarks and of k-means.
        n_landmarks: M, of each view; at most a fifth of the rows.
        n_nearest: landmarks a row is tied to, in each view.

    Returns:
        Groups, [n].
    """
    return landmark_cuts(views, [n_clusters], seed, n_landmarks, n_nearest)[0]


def landmark_cuts(
    views: Sequence[np.ndarray],
    counts: Sequence[int],
    seed: int,
    n_landmarks: int = LANDMARKS,
    n_nearest: int = NEAREST,
    n_init: int = 5,
) -> list[np.ndarray]:
    """One graph of landmarks, cut into each of several numbers of groups: [n] for each of `counts`.

    Args:
        views, seed, n_landmarks, n_nearest: as for `landmark_draw`.
        counts: the K.
        n_init: runs of k-means on the eigenvectors, of which the best by inertia counts.
    """
    n_landmarks = min(n_landmarks, len(views[0]) // 5)
    widths = [round(EIGENVECTORS * k) for k in counts]
    possible = [m for m in widths if n_landmarks > max(m, n_nearest)]
    if possible:
        ties = scipy.sparse.hstack([landmark_ties(view, seed, n_landmarks, n_nearest) for view in views], format="csr")
        degree = np.asarray(ties.sum(axis=0)).ravel()
        ties = ties @ scipy.sparse.diags_array(1 / np.sqrt(np.maximum(degree, 1e-12)))
        between = (ties.T @ ties).toarray() / len(views)  # its largest eigenvalue is 1
        size = len(between)
        values, vectors = scipy.linalg.eigh(between, subset_by_index=(size - max(possible), size - 1))
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


def landmark_ties(z: np.ndarray, seed: int, n_landmarks: int, n_nearest: int) -> scipy.sparse.csr_matrix:
    """Weights [n, M] that tie each row [n, d] to its nearest landmarks, the centres of a k-means; a row's sum to 1."""
    centres = landmarks(z, seed, n_landmarks)
    return tied(z, NearestNeighbors(n_neighbors=n_nearest + 1).fit(centres))


def landmarks(z: np.ndarray, seed: int, n_landmarks: int) -> np.ndarray:
    """The centres of a k-means of rows [n, d]: [M, d]."""
    batch = min(4096, len(z))
    return MiniBatchKMeans(n_landmarks, batch_size=batch, n_init=1, random_state=seed).fit(z).cluster_centers_


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
