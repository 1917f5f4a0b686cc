"""Groups of rows of many columns that halves of the columns show of one another. No labels.

Where columns have one unit, as the logarithms of a thousand genes have, those that vary more say more. Divided by its
deviation each would weigh as much, and noise is most of them; an autoencoder of few rows finds other things as well.
Where some have a unit of their own, it is these that vary more, and they may say nothing. Where some rows are higher
than others in all columns, as darker spectra and samples of more protein are, that drowns the rest; or it is what tells
them apart. Each way is tried.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np
from sklearn.utils.extmath import randomized_svd

from vade_tf.data import pipeline
from vade_tf.data.sparse import Rows, part
from vade_tf.seeding import generator, subset
from vade_tf.threads import one_openmp_thread
from vade_tf.training import parting, regions
from vade_tf.training.views import SAMPLE_NUMBERS

WIDTH = 10  # leading directions; noise that columns share by chance lies in further ones
SPLITS = 3  # of the columns into two halves
ASKED = 2000  # rows, at most, that these are tried on
MOST = 2  # times the median deviation that a column's own may weigh; one that varies more has another unit
FAR = 1.5  # times the median distance from the mean at which a row stands at most
NOTHING = 0.9  # of the borders that chance would have: with more, halves show nothing of one another
FEWEST = 3  # rows of a group among these: fewer are rows that lie far out in any half
STREAM = 11  # of the seed: of the splits


def shown(x: Rows, groups: np.ndarray, n_clusters: int, seed: int) -> np.ndarray:
    """Groups by k-means in the leading directions of the columns where halves of these show them, or those given.

    The noise of one half is not that of the other, so what one shows of the other is in the rows: groups found in one
    half part few of the neighbours in the other. Columns are as they are, but none varies more than `MOST` times as
    much as the usual one, or all have variance 1; and rows are as they are, or each less its mean: the way in which
    halves show most of one another counts. A row far out is brought nearer. These groups take the place of those given
    where they part clearly fewer neighbours than these, to which no column was hidden. But rows too few for a graph
    have them in any case: an autoencoder knows such rows by heart.

    Args:
        x: raw rows, [n, D].
        groups: those found otherwise, int [n].
        n_clusters: K.
        seed: of the splits and of k-means.

    Returns:
        Groups, int [n]: those given where there are fewer than 2 * `WIDTH` columns, or halves show groups of hardly
        any rows.
    """
    n, features = x.shape
    if features < 2 * WIDTH:
        return groups
    with one_openmp_thread():
        most = _most_shown(x, [groups], n_clusters, seed)
        taken = most.fewest < parting.FEWER * most.given[0] or regions.is_beyond(n_clusters, n)
        if not taken or np.isinf(most.fewest):
            return groups
        read = most.reader()
        leading = [read(block) for block in pipeline.blocks(x)]
        return regions.kmeans(np.concatenate(leading), n_clusters, seed)


def is_worse(x: Rows, groups: np.ndarray, before: np.ndarray, n_clusters: int, seed: int) -> bool:
    """Whether groups part clearly more neighbours than those before them in the way in which halves show most.

    Args:
        x, n_clusters, seed: as for `shown`.
        groups, before: int [n] each.
    """
    if x.shape[1] < 2 * WIDTH:
        return False
    with one_openmp_thread():
        theirs, own = _most_shown(x, [groups, before], n_clusters, seed).given
    return parting.FEWER * theirs > own


def show_nothing(x: Rows, n_clusters: int, seed: int) -> bool:
    """Whether halves of the columns part nearly as many neighbours of one another as chance would, in each way.

    Args:
        x, n_clusters, seed: as for `shown`.
    """
    with one_openmp_thread():
        least = np.inf
        for way in _ways(x, [], n_clusters, seed):
            if way.fewest <= NOTHING:
                return False
            least = min(least, way.fewest)
    return least < np.inf


@dataclass(frozen=True)
class _Way:
    """A way to compare rows, and what halves of the columns show of one another in it.

    Attributes:
        fewest: borders beyond chance of k-means of one half in the other; infinite where groups have hardly any rows.
        given: those of other groups.
        reader: makes the function of raw rows [m, D] to their leading directions in it, [m, d].
    """

    fewest: float
    given: list[float]
    reader: Callable[[], Callable[[np.ndarray], np.ndarray]]


def _most_shown(x: Rows, given: list[np.ndarray], n_clusters: int, seed: int) -> _Way:
    """The way in which halves of the columns of raw rows [n, D] show most, and the borders in it of groups given."""
    return min(_ways(x, given, n_clusters, seed), key=lambda way: way.fewest)


def _ways(x: Rows, given: list[np.ndarray], n_clusters: int, seed: int) -> Iterator[_Way]:
    """Four ways to compare raw rows [n, D], each with the borders in it of groups given, int [n] each."""
    n, features = x.shape
    asked = subset(n, max(min(ASKED, SAMPLE_NUMBERS // features), n_clusters), seed, STREAM)
    some = np.concatenate(list(pipeline.blocks(part(x, asked))))
    known = ~np.isnan(some)
    number = np.maximum(known.sum(axis=0), 1)
    mean = (np.where(known, some, 0).sum(axis=0, dtype=np.float64) / number).astype(np.float32)
    centred = np.where(known, some - mean, np.float32(0))
    squares = np.einsum("ij,ij->j", centred, centred, dtype=np.float64)  # in float32 those of large numbers overflow
    spread = np.sqrt(squares / number).astype(np.float32)
    usual = np.median(spread[spread > 0]) if spread.any() else np.float32(1)
    splits = [generator(seed, STREAM, split).permutation(features) for split in range(SPLITS)]
    halves = [(order[: features // 2], order[features // 2 :]) for order in splits]
    given = [groups[asked] for groups in given]

    def tried(unit: np.ndarray, profile: bool) -> _Way:
        def reader() -> Callable[[np.ndarray], np.ndarray]:
            read = _directions((some - mean) / unit, profile)
            return lambda rows: read((rows - mean) / unit)

        return _Way(*_borders((some - mean) / unit, profile, halves, given, n_clusters, seed), reader)

    units = np.where(spread > 0, spread, usual), np.maximum(spread, MOST * usual)
    for unit, profile in product(units, (False, True)):
        yield tried(unit, profile)


def _directions(some: np.ndarray, profile: bool) -> Callable[[np.ndarray], np.ndarray]:
    """How scaled rows are compared: function of rows [m, D], NaN where missing, to their leading directions, [m, d].

    Args:
        some: rows [n, D] that say which these are.
        profile: whether each row is less its mean.
    """

    def whole(rows: np.ndarray) -> np.ndarray:
        known = ~np.isnan(rows)
        rows = np.where(known, rows, np.float32(0))
        if profile:
            level = rows.sum(axis=1, keepdims=True) / np.maximum(known.sum(axis=1, keepdims=True, dtype=rows.dtype), 1)
            rows = np.where(known, rows - level, np.float32(0))
        return rows

    def length(rows: np.ndarray) -> np.ndarray:
        return np.linalg.norm(rows, axis=1, keepdims=True)

    some = whole(some)
    reach = np.float32(FAR * np.median(length(some))) or np.float32(np.inf)

    def read(rows: np.ndarray) -> np.ndarray:
        return rows * np.minimum(1, reach / np.maximum(length(rows), 1e-12))

    axes = randomized_svd(read(some), min(WIDTH, *some.shape), random_state=0)[2].T
    return lambda rows: read(whole(rows)) @ axes


def _borders(
    scaled: np.ndarray, profile: bool, halves: list, given: list[np.ndarray], n_clusters: int, seed: int
) -> tuple[float, list[float]]:
    """Borders beyond chance, in halves of the columns, of k-means in the other half, and of groups given, int [n] each.

    Means over all halves; the first is infinite where a group has hardly any rows.
    """
    found, theirs, every = [], [], np.arange(len(scaled))
    for both in halves:
        leading = [_directions(scaled[:, half], profile)(scaled[:, half]) for half in both]
        drawn = [regions.kmeans(rows, n_clusters, seed) for rows in leading]
        for rows, other in zip(leading, reversed(drawn), strict=True):
            near = parting.nearest(rows, every)
            hardly = np.bincount(other, minlength=n_clusters).min() < FEWEST
            found.append(np.inf if hardly else parting.beyond_chance(near, every, other))
            theirs.append([parting.beyond_chance(near, every, groups) for groups in given])
    return float(np.mean(found)), np.mean(theirs, axis=0).tolist()
