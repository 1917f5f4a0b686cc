"""Groups of rows of many columns that halves of the columns show of one another. No labels.

Where columns have one unit, as the logarithms of a thousand genes have, those that vary more say more. Divided by its
deviation each would weigh as much, and noise is most of them; an autoencoder of few rows finds other things as well.
Where some have a unit of their own, it is these that vary more, and they may say nothing. Where some rows are higher
than others in all columns, as darker spectra and samples of more protein are, that drowns the rest; or it is what tells
them apart. Each way is tried.
"""

from collections.abc import Callable
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
    asked, some, mean, ways, halves = _asked(x, n_clusters, seed)
    with one_openmp_thread():
        borders = [
            _borders((some - mean) / unit, profile, halves, groups[asked], n_clusters, seed) for unit, profile in ways
        ]
        way = min(range(len(ways)), key=lambda number: borders[number][0])
        fewest, given = borders[way]
        taken = fewest < parting.FEWER * given or regions.is_beyond(n_clusters, n)
        if not taken or np.isinf(fewest):
            return groups
        unit, profile = ways[way]
        read = _directions((some - mean) / unit, profile)
        leading = [read((block - mean) / unit) for block in pipeline.blocks(x)]
        return regions.kmeans(np.concatenate(leading), n_clusters, seed)


def show_nothing(x: Rows, n_clusters: int, seed: int) -> bool:
    """Whether halves of the columns part nearly as many neighbours of one another as chance would, in each way.

    Args:
        x, n_clusters, seed: as for `shown`.
    """
    _, some, mean, ways, halves = _asked(x, n_clusters, seed)
    none = np.zeros(len(some), int)
    with one_openmp_thread():
        found = [_borders((some - mean) / unit, way, halves, none, n_clusters, seed)[0] for unit, way in ways]
    return NOTHING < min(found) < np.inf


def _asked(x: Rows, n_clusters: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, list, list]:
    """Numbers of some rows, these rows [m, D], the mean of each column, four ways to compare them, and the halves.

    A way is the unit of each column, [D], and whether rows are less their mean; halves are the numbers of columns.
    """
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
    units = np.where(spread > 0, spread, usual), np.maximum(spread, MOST * usual)
    splits = [generator(seed, STREAM, split).permutation(features) for split in range(SPLITS)]
    halves = [(order[: features // 2], order[features // 2 :]) for order in splits]
    return asked, some, mean, list(product(units, (False, True))), halves


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
            level = rows.sum(axis=1, keepdims=True) / np.maximum(known.sum(axis=1, keepdims=True), 1)
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
    scaled: np.ndarray, profile: bool, halves: list, groups: np.ndarray, n_clusters: int, seed: int
) -> tuple[float, float]:
    """Borders beyond chance, in halves of the columns, of k-means in the other half, and of groups given, int [n].

    Means over all halves; the first is infinite where a group has hardly any rows.
    """
    found, given, every = [], [], np.arange(len(scaled))
    for both in halves:
        leading = [_directions(scaled[:, half], profile)(scaled[:, half]) for half in both]
        drawn = [regions.kmeans(rows, n_clusters, seed) for rows in leading]
        for rows, other in zip(leading, reversed(drawn), strict=True):
            near = parting.nearest(rows, every)
            hardly = np.bincount(other, minlength=n_clusters).min() < FEWEST
            found.append(np.inf if hardly else parting.beyond_chance(near, every, other))
            given.append(parting.beyond_chance(near, every, groups))
    return float(np.mean(found)), float(np.mean(given))
