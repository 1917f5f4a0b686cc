"""Groups that draws of landmark spectral clustering agree on: a start on the code, or on any places of the rows."""

from collections.abc import Callable, Sequence

import numpy as np

from vade_tf.seeding import several
from vade_tf.training import parting, regions
from vade_tf.training.consensus import alike, vote

DRAWS = 8  # that vote; ...
FIRST, SETTLED = 4, 0.97  # ... the first four alone where their mean ARI is such: further ones would change no row


def landmark(
    views: Sequence[np.ndarray],
    n_clusters: int,
    seed: int,
    tell: Callable[[], None] = lambda: None,
    holds: bool = False,
    more: Callable[[], Sequence[np.ndarray]] | None = None,
) -> np.ndarray:
    """Groups that draws of landmark spectral clustering agree on.

    Groups that are more than a graph of so many landmarks is cut into are those of k-means on the first view.

    One draw is a lottery on data that is harder than digits. So several are made, each renamed to fit the one that
    agrees best with all others (adjusted Rand index), and every row goes where most of them put it. Where the first
    ones agree already, they are all. Where they do not, the graph may have cut a large group and joined small ones:
    if its borders part more rows from their neighbours than those of k-means on the first view, the latter are taken.

    Args:
        views: the same rows in one or more spaces, [n, d] each; a row's neighbours count in all of them alike.
        n_clusters: K.
        seed: of the draws.
        tell: called `DRAWS` times, after each draw that was made and for each that was not needed.
        holds: whether nothing is given up, as texts have few draws alike, and groups better than those of k-means.
        more: gives the groups [n] of draws made elsewhere, which vote with these where the first ones do not agree.

    Returns:
        Groups, [n].
    """
    return voted(views, n_clusters, seed, tell, holds, more)[0]


def voted(
    views: Sequence[np.ndarray], n_clusters: int, seed: int, tell: Callable, holds=False, more: Callable | None = None
) -> tuple[np.ndarray, float]:
    """As `landmark`: its groups, and the mean ARI of its own draws; 1 of k-means in their place."""
    if regions.is_beyond(n_clusters, len(views[0])):
        found = regions.kmeans(np.ascontiguousarray(views[0], np.float32), n_clusters, seed)
        tell_skipped(tell)
        return found, 1.0
    seeds = several(seed, DRAWS)
    draws, others = regions.landmark_draws(views, n_clusters, seeds[:FIRST], tell), []
    if alike(draws) < SETTLED:
        draws += regions.landmark_draws(views, n_clusters, seeds[FIRST:], tell)
        others = [] if more is None else list(more())
    for _ in seeds[len(draws) :]:
        tell()
    found, agreed = vote([*draws, *others], n_clusters), alike(draws)
    if agreed >= SETTLED or holds:
        return found, agreed
    if parting.are_no_regions(views, found, n_clusters, seed):
        found = regions.kmeans(np.ascontiguousarray(views[0], np.float32), n_clusters, seed)
    return found, agreed


def tell_skipped(tell: Callable[[], None], times: int = 1) -> None:
    """Of the draws in so many places, which are not made."""
    for _ in range(times * DRAWS):
        tell()
