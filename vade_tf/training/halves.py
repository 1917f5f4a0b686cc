"""Groups of rows of many columns that halves of the columns show of one another. No labels.

Where columns have one unit, as the logarithms of a thousand genes have, those that vary more say more. Divided by its
deviation each would weigh as much, and noise is most of them; an autoencoder of few rows finds other things as well.
Where some have a unit of their own, it is these that vary more, and they may say nothing. Where some rows are higher
than others in all columns, as darker spectra and samples of more protein are, that drowns the rest; or it is what tells
them apart. Each way is tried.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, partial
from itertools import chain, product

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
PIECE, JUMP = 0.15, 3  # borders beyond chance of a group that is a piece of another; times those before it was one
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
        most, fewest = _most_shown(list(_ways(x, n_clusters, seed)), n_clusters, seed)
        taken = fewest < parting.FEWER * most.borders(groups) or regions.is_beyond(n_clusters, n)
        if not taken or np.isinf(fewest):
            return groups
        return regions.kmeans(most.leading(x), n_clusters, seed)


def places(x: Rows, starts: np.ndarray, tried: Sequence[int], seed: int) -> list[np.ndarray | None]:
    """Where halves show groups more clearly than starts on some of the rows each have them, as `shown` asks of one.

    k-means cuts rows into more groups than there are at the same places each time, too. But then one group is a piece
    of another, and has many of its neighbours there. So a number of groups counts where none has, and one of the next
    number has far more.

    Args:
        x, seed: as for `shown`.
        starts: the groups of each start with each number of clusters, -1 of rows not read, int [K tried, starts, n].
        tried: the K.

    Returns:
        For each K the rows in the leading directions of the way in which halves show most, [n, d], or None where those
        of the starts stay.
    """
    n, features = x.shape
    if features < 2 * WIDTH:
        return [None] * len(tried)
    with one_openmp_thread():
        ways, leading = list(_ways(x, max(tried) + 1, seed)), cache(lambda way: way.leading(x))

        def place(n_clusters: int, of_k: np.ndarray) -> np.ndarray | None:
            most, fewest = _most_shown(ways, n_clusters, seed)
            theirs = np.median([most.borders(groups) for groups in of_k])
            taken = fewest < parting.FEWER * theirs or regions.is_beyond(n_clusters, n)
            if not taken:
                return None
            apart = most.least_apart(n_clusters, seed)
            pieces = apart > PIECE or most.least_apart(n_clusters + 1, seed) <= JUMP * apart
            return None if pieces else leading(most)

        return [place(k, of_k) for k, of_k in zip(tried, starts, strict=True)]


def is_worse(x: Rows, groups: np.ndarray, before: np.ndarray, n_clusters: int, seed: int) -> bool:
    """Whether groups part clearly more neighbours than those before them in the way in which halves show most.

    Args:
        x, n_clusters, seed: as for `shown`.
        groups, before: int [n] each.
    """
    if x.shape[1] < 2 * WIDTH:
        return False
    with one_openmp_thread():
        most, _ = _most_shown(list(_ways(x, n_clusters, seed)), n_clusters, seed)
        return parting.FEWER * most.borders(groups) > most.borders(before)


def show_nothing(x: Rows, n_clusters: int, seed: int) -> bool:
    """Whether halves of the columns part nearly as many neighbours of one another as chance would, in each way.

    Args:
        x, n_clusters, seed: as for `shown`.
    """
    with one_openmp_thread():
        least = np.inf
        for way in _ways(x, n_clusters, seed):
            fewest = way.held_out(n_clusters, seed)
            if fewest <= NOTHING:
                return False
            least = min(least, fewest)
    return least < np.inf


@dataclass(frozen=True, eq=False)
class _Way:
    """A way to compare rows, and what halves of the columns show of one another in it.

    Attributes:
        asked: numbers of the rows that it is tried on, [m].
        splits: of each split both halves, each as these rows in its leading directions, [m, d], and the numbers among
            them of their nearest neighbours there.
        reader: makes the function of raw rows [b, D] to their leading directions in all columns, [b, d].
    """

    asked: np.ndarray
    splits: list[list[tuple[np.ndarray, np.ndarray]]]
    reader: Callable[[], Callable[[np.ndarray], np.ndarray]]

    def held_out(self, n_clusters: int, seed: int) -> float:
        """Borders beyond chance in each half of k-means in the other: their mean; infinite with hardly any rows."""
        every, drawn = np.arange(len(self.asked)), self._drawn(n_clusters, seed)
        if min(np.bincount(groups, minlength=n_clusters).min() for _, groups in drawn) < FEWEST:
            return np.inf
        return float(np.mean([parting.beyond_chance(near, every, groups) for near, groups in drawn]))

    def least_apart(self, n_clusters: int, seed: int) -> float:
        """`held_out` of the group that has most, of as many neighbours as it has rows beside each: mean over halves."""
        worst = []
        for near, groups in self._drawn(n_clusters, seed):
            sizes = np.bincount(groups, minlength=n_clusters)
            if sizes.min() < FEWEST:
                return np.inf
            number = np.minimum(near.shape[1], sizes[groups] - 1)
            parted = (groups[near] != groups[:, None]) & (np.arange(near.shape[1]) < number[:, None])
            shares = np.bincount(groups, parted.sum(axis=1) / number) / sizes
            worst.append(np.max(shares / (1 - sizes / len(groups))))
        return float(np.mean(worst))

    def _drawn(self, n_clusters: int, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
        """Of each half the nearest neighbours, and the groups that k-means finds in the other."""
        found = []
        for halves in self.splits:
            groups = [regions.kmeans(rows, n_clusters, seed) for rows, _ in halves]
            found += [(near, other) for (_, near), other in zip(halves, reversed(groups), strict=True)]
        return found

    def borders(self, groups: np.ndarray) -> float:
        """Borders beyond chance of groups of all rows, int [n], in the halves: their mean; -1: of rows without one."""
        groups = groups[self.asked]
        known = np.flatnonzero(groups >= 0)
        chance = parting.mixed(groups[known])
        shares = []
        for _, near in chain(*self.splits):
            pairs = groups[near[known]] >= 0
            shares.append(np.mean((groups[near[known]] != groups[known, None])[pairs]) / chance if chance else np.inf)
        return float(np.mean(shares))

    def leading(self, x: Rows) -> np.ndarray:
        """Raw rows [n, D] in their leading directions in all columns, [n, d]."""
        read = self.reader()
        return np.concatenate([read(block) for block in pipeline.blocks(x)])


def _most_shown(ways: list[_Way], n_clusters: int, seed: int) -> tuple[_Way, float]:
    """The way in which halves of the columns show most, and the borders of what they show."""
    shown = [way.held_out(n_clusters, seed) for way in ways]
    return ways[int(np.argmin(shown))], min(shown)


def _ways(x: Rows, most_clusters: int, seed: int) -> Iterator[_Way]:
    """Four ways to compare raw rows [n, D], of which as many are asked as there are clusters, at least."""
    n, features = x.shape
    asked = subset(n, max(min(ASKED, SAMPLE_NUMBERS // features), most_clusters), seed, STREAM)
    some = np.concatenate(list(pipeline.blocks(part(x, asked))))
    known = ~np.isnan(some)
    number = np.maximum(known.sum(axis=0), 1)
    mean = (np.where(known, some, 0).sum(axis=0, dtype=np.float64) / number).astype(np.float32)
    centred = np.where(known, some - mean, np.float32(0))
    squares = np.einsum("ij,ij->j", centred, centred, dtype=np.float64)  # in float32 those of large numbers overflow
    spread = np.sqrt(squares / number).astype(np.float32)
    usual = np.median(spread[spread > 0]) if spread.any() else np.float32(1)
    orders = [generator(seed, STREAM, split).permutation(features) for split in range(SPLITS)]
    splits = [np.array_split(order, [features // 2]) for order in orders]

    def reader(unit: np.ndarray, profile: bool) -> Callable[[np.ndarray], np.ndarray]:
        read = _directions((some - mean) / unit, profile)
        return lambda rows: read((rows - mean) / unit)

    units = np.where(spread > 0, spread, usual), np.maximum(spread, MOST * usual)
    for unit, profile in product(units, (False, True)):
        scaled = (some - mean) / unit
        halved = [[_half(scaled[:, columns], profile) for columns in both] for both in splits]
        yield _Way(asked, halved, partial(reader, unit, profile))


def _half(scaled: np.ndarray, profile: bool) -> tuple[np.ndarray, np.ndarray]:
    """Scaled rows [m, D / 2] in their leading directions, [m, d], and their nearest neighbours there."""
    leading = _directions(scaled, profile)(scaled)
    return leading, parting.nearest(leading, np.arange(len(scaled)))


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
