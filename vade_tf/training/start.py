"""Latent codes -> groups and a starting mixture. No labels, no TensorFlow.

A Gaussian is the wrong shape for a class in an autoencoder's code, so a mixture fitted to the codes cuts classes apart
(ACC about 0.7 on MNIST, wherever it starts). The classes are there as connected regions: `landmark` finds them on a
neighbourhood graph of the codes, and training then bends the regions into Gaussians.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.cluster import KMeans
from sklearn.mixture import GaussianMixture

from vade_tf.seeding import several
from vade_tf.threads import in_threads, one_openmp_thread
from vade_tf.training import parting, regions
from vade_tf.training.consensus import alike, naming, vote
from vade_tf.training.landmark_starts import DRAWS, SETTLED, landmark, tell_skipped, voted
from vade_tf.training.settings import METHODS
from vade_tf.training.table_starts import FOUND_AGAIN, of_answers, of_draws

COLUMNS = ("broad", "wide")  # kinds whose columns are read beside the code
KINDS = ("code", "texts", *COLUMNS, "directions", "table", "counts")
VARIANCE_FLOOR = 1e-4  # share of the code's overall variance that every component keeps at least
KEEP = 0.5  # share of its rows that a group of counts keeps in a vote: the draws agree on it, by majority
WIDTHS, RUNS = (15, 25, 50), 3  # leading directions of each view of counts, and runs of k-means on each of them


@dataclass(frozen=True)
class Start:
    """A partition of the rows and the mixture that describes it.

    Attributes:
        groups: group of each row, int [n].
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
    kind: str = "code",
    more: Callable[[], Sequence[np.ndarray]] | None = None,
    shown: Callable[[np.ndarray], np.ndarray] = lambda groups: groups,
) -> Start:
    """Group codes and describe the groups as a mixture.

    Args:
        z: codes, [n, latent].
        n_clusters: K, at most n.
        method: one of `METHODS`: "landmark", "gmm" (diagonal; the paper's way) or "kmeans".
        seed: same codes and seed, same start.
        views: the spaces, [n, d] each, that "landmark" reads; default: the code alone.
        tell: called `parts` times.
        kind: how "landmark" goes about it, one of `KINDS`: of the "code" it finds regions in all views at once; of
            "texts", too, and holds to them; of "broad" and "wide" rows, whose last view are the rows themselves, see
            `of_either`; of "directions", see `of_directions`; of a "table", whose views these are, see `of_table`
            and `of_answers`; of "counts", see `of_counts`.
        more: of "code" and "texts", see `landmark`.
        shown: of "broad" and "wide" rows and "directions", see `of_either`.

    Raises:
        ValueError: unknown method or kind, or K not in 1..n.
    """
    if method not in METHODS or kind not in KINDS:
        raise ValueError(f"method must be one of {METHODS}, kind of {KINDS}. Received: {method!r}, {kind!r}")
    if not 1 <= n_clusters <= len(z):
        raise ValueError(f"n_clusters must be from 1 to the number of rows, {len(z)}. Received: {n_clusters}")
    z = np.asarray(z, np.float64)
    with one_openmp_thread():  # sums over threads come in any order; a resumed run must be equal
        if method == "gmm":
            mixture = GaussianMixture(n_clusters, covariance_type="diag", n_init=3, random_state=seed).fit(z)
            groups, pi, mu, sigma2 = mixture.predict(z), mixture.weights_, mixture.means_, mixture.covariances_
        else:
            if method == "kmeans":
                groups = regions.kmeans(z, n_clusters, seed)
            else:
                views = [z] if views is None else views
                if kind == "table":
                    groups = of_answers(views, n_clusters, seed, tell)
                elif kind == "counts":
                    groups = of_counts(views, n_clusters, seed, tell)
                elif kind == "directions":
                    groups = of_directions(views, n_clusters, seed, tell, shown)
                elif kind in COLUMNS:
                    groups = of_either(views, n_clusters, seed, tell, shown)
                else:
                    groups = landmark(views, n_clusters, seed, tell, kind == "texts", more)
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


def renamed(found: Start, hints: np.ndarray) -> Start:
    """A start whose groups are named as hints say, as far as a one-to-one naming can; each hint is one vote.

    Args:
        found: the start.
        hints: known group of each row, -1 for none, int [n].
    """
    k, known = len(found.pi), hints >= 0
    name = naming(found.groups[known], hints[known], k)
    place = np.argsort(name)
    return Start(name.astype(found.groups.dtype)[found.groups], found.pi[place], found.mu[place], found.sigma2[place])


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


def of_either(
    views: Sequence[np.ndarray],
    n_clusters: int,
    seed: int,
    tell: Callable[[], None] = lambda: None,
    shown: Callable[[np.ndarray], np.ndarray] = lambda groups: groups,
) -> np.ndarray:
    """Groups of rows of many columns: those that are found on the code, or those that are found in the columns.

    Where most columns say nothing of the groups, an autoencoder of few rows may leave out what does; where groups are
    bent, the code has unfolded them. Those of the columns are taken where their draws have found the same regions and
    those of the code have not, or they are clearer there than the latter on the code, see `parting.stand_out`; else see
    `parting.clearer`. In their place are those that halves of the columns show, where these are clearer still.

    Args:
        views: the code and the layer before it, and last the rows in their principal directions, [n, d] each.
        n_clusters, seed: as for `start`.
        tell: called 2 * DRAWS times.
        shown: gives groups that halves of the columns show for those found, or the latter (`halves.shown`).

    Returns:
        Groups, [n].
    """
    *coded, columns = views
    found, agreed = voted(coded, n_clusters, seed, tell)
    if regions.is_beyond(n_clusters, len(columns)):
        others, theirs = landmark([columns], n_clusters, seed, tell), 0.0
    else:
        draws = regions.landmark_draws([columns], n_clusters, several(seed, DRAWS), tell)
        others, theirs = of_draws(columns, [draws], n_clusters, seed), alike(draws)
    if agreed < FOUND_AGAIN <= theirs or parting.stand_out([columns], others, coded, found, seed):
        return shown(others)
    return shown(parting.clearer(coded, columns, found, others, seed))


def of_directions(
    views: Sequence[np.ndarray],
    n_clusters: int,
    seed: int,
    tell: Callable[[], None] = lambda: None,
    shown: Callable[[np.ndarray], np.ndarray] = lambda groups: groups,
) -> np.ndarray:
    """Groups of rows of one length: of the rows themselves, where all draws find the same there; else of all views.

    Whether the columns that vary most say most, or each as much as the others, differs from one embedding to the next,
    and the code's neighbours are others again. So a row's neighbours count in all of these places alike. But the code
    of few rows may show noise: those in both kinds of columns count alone where groups are clearer there than others
    on the code, see `parting.stand_out`, found on a graph or, where these part less of them, by k-means.

    Args:
        views: the code and the layer before it, and last the rows in their principal directions, [n, d] each: with
            each column of variance 1, and in one unit.
        n_clusters, seed: as for `start`.
        tell: called 4 * DRAWS times.
        shown: as for `of_either`.

    Returns:
        Groups, [n].
    """
    *coded, scaled, rows = views
    if regions.is_beyond(n_clusters, len(rows)):
        tell_skipped(tell, 2)
        return of_either([*coded, rows], n_clusters, seed, tell, shown)
    draws = regions.landmark_draws([rows], n_clusters, several(seed, DRAWS), tell)
    if alike(draws) >= SETTLED:
        tell_skipped(tell, 3)
        return of_draws(rows, [draws], n_clusters, seed)
    columns = [rows, scaled]
    on_code, in_columns = (landmark(each, n_clusters, seed, tell) for each in (coded, columns))
    asked = parting.looked_up(columns, seed)
    others = min(in_columns, regions.kmeans(rows, n_clusters, seed), key=lambda each: parting.in_all(each, *asked))
    if parting.stand_out(columns, others, coded, on_code, seed):
        tell_skipped(tell)
        return shown(others)
    return shown(landmark(views, n_clusters, seed, tell))


def of_counts(
    views: Sequence[np.ndarray], n_clusters: int, seed: int, tell: Callable[[], None] = lambda: None
) -> np.ndarray:
    """Groups of counts: k-means in several spaces, and every row goes where most of them put it.

    Cells of kinds that pass into one another lie in blobs of principal directions, which a graph joins. Which
    directions, and of which logarithms, is another choice on each data set; a vote of several does without it, as in
    SC3 (Kiselev et al., Nature Methods 2017).

    Args:
        views: the same rows in principal directions, the leading ones first, [n, d] each.
        n_clusters, seed: as for `start`.
        tell: called once a space.

    Returns:
        Groups, [n].
    """
    spaces = [np.ascontiguousarray(view[:, :width], np.float32) for view in views for width in WIDTHS]
    runs = RUNS if n_clusters <= regions.MANY else 1

    def run(number: int) -> list[np.ndarray]:
        own = [KMeans(n_clusters, n_init=runs, random_state=each) for each in several(seed, runs, number)]
        return [each.fit(spaces[number]).labels_ for each in own]

    draws = [draw for found in in_threads(run, range(len(spaces)), tell) for draw in found]
    return vote(draws, n_clusters, KEEP)


def parts(method: str, kind: str, n_views: int) -> int:
    """How often a start tells that a part of it is done."""
    if method != "landmark":
        return 1
    if kind == "counts":
        return n_views * len(WIDTHS)
    return DRAWS * (4 if kind == "directions" else 2 if kind in COLUMNS else 1)
