"""Groups of a table's rows: where draws of landmark spectral clustering agree, or else those of k-means."""

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from vade_tf.seeding import generator, several, subset
from vade_tf.training import parting, regions
from vade_tf.training.consensus import alike, vote
from vade_tf.training.landmark_starts import DRAWS, landmark

FOUND_AGAIN = 0.75  # mean ARI of the draws on a table from which on they have found the same regions
CLEAR = 1 / 3  # of the borders of k-means; draws that differ count if one has fewer
STRAY = 0.1  # of the largest group of k-means: where all others have fewer rows, it has cut nothing


def of_table(rows: np.ndarray, n_clusters: int, seed: int, tell: Callable[[], None] = lambda: None) -> np.ndarray:
    """Groups of a table's rows [n, D], each column of variance 1: by `landmark` where there are regions, else k-means.

    Regions are there if the draws find the same ones: columns of few values leave many rows at equal distances, and
    then every draw finds others. And they are more than pieces of one cloud if their borders part fewer rows from
    their neighbours than those of k-means, each measured by what groups of these sizes would part at random: one
    large group beside a few outlying rows has next to no borders, whatever it joins.

    Where a small group stands beside a large one, some draws find both and others cut the large one. So of draws that
    differ the one with the fewest borders is taken, if these are less than `CLEAR` of those of k-means, as no cut
    of a made cloud had; but not in a place with many equal numbers, see `parting.repeat`: between them are gaps. Nor
    where k-means has one group beside far rows, see `STRAY`: these have more borders than a cloud cut by chance.

    A column of few values, like a yes or no that says nothing of the groups, has gaps between these, along which the
    graph falls apart. So regions are sought among the numbers alone first, see `parting.places`, and none are taken
    that are those of such gaps, see `parting.are_of_gaps`. A number of two humps has such a gap, too: where the other
    columns have groups that it does not follow, k-means finds these without it, see `parting.beside_one`.

    Returns:
        Groups, [n].
    """
    if regions.is_beyond(n_clusters, len(rows)):
        return landmark([rows], n_clusters, seed, tell=tell)
    places, seeds = parting.places(rows), several(seed, DRAWS)
    draws = (  # in all columns only where those among the numbers are not taken; a bar waits for the first ones
        regions.landmark_draws([place], n_clusters, seeds, tell if place is places[0] else lambda: None)
        for place in places
    )
    found = of_draws(rows, draws, n_clusters, seed)
    asked = subset(len(rows), parting.ASKED, seed)
    others = parting.beside_one(rows[asked], found[asked])
    if others is None or alike([found, regions.kmeans(rows, n_clusters, seed)]) >= FOUND_AGAIN:
        return found  # k-means is not drawn to a gap as a graph is
    return regions.kmeans(rows[:, others], n_clusters, seed)


def of_answers(
    views: Sequence[np.ndarray], n_clusters: int, seed: int, tell: Callable[[], None] = lambda: None
) -> np.ndarray:
    """As `of_table`, of rows [n, D] that may have a second view: many answers or ratings, compared by their profile.

    Where some people say yes or rate highly more often than others, whatever they are asked, these are the groups among
    the answers themselves; the profile knows nothing of it, nor of groups that differ in nothing else. So its groups
    are taken only where their borders part clearly fewer neighbours in both views together.

    Returns:
        Groups, [n].
    """
    found = [of_table(view, n_clusters, seed, tell if view is views[0] else lambda: None) for view in views]
    if len(views) == 1:
        return found[0]
    asked = parting.looked_up(views, seed)
    return found[parting.clearly_fewer([parting.in_all(groups, *asked) for groups in found])]


def of_draws(
    rows: np.ndarray,
    draws: Iterable[list[np.ndarray]],
    n_clusters: int,
    seed: int,
    most: int = parting.ASKED,
) -> np.ndarray:
    """As `of_table`, with the groups [n] that draws in each of its places found; at most so many rows are asked."""
    means, asked = regions.kmeans(rows, n_clusters, seed), generator(seed).permutation(len(rows))[:most]
    near = parting.nearest(rows, asked)
    theirs = parting.beyond_chance(near, asked, means)
    second, first = np.sort(np.bincount(means, minlength=2))[-2:]
    for place, drawn in zip(parting.places(rows), draws, strict=False):  # draws may be of the first place alone
        limit = theirs
        if alike(drawn) >= FOUND_AGAIN:
            found = vote(drawn, n_clusters)
        elif second < STRAY * first or parting.repeat(place).any():
            continue
        else:
            found = min(drawn, key=lambda groups: parting.beyond_chance(near, asked, groups))
            limit = CLEAR * theirs
        fewer = parting.beyond_chance(near, asked, found) < limit
        if fewer and not parting.are_of_gaps(rows[asked], found[asked], means[asked]):
            return found
    return means
