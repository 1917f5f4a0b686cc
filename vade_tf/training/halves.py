"""Groups of rows of many columns that either half of the columns shows. No labels, no TensorFlow.

Where columns have one unit, as the logarithms of a thousand genes have, those that vary more say more. Divided by its
deviation each would weigh as much, and noise is most of them; an autoencoder of few rows finds other things as well.
Where some have a unit of their own, it is these that vary more, and they may say nothing. Either way is tried.
"""

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
FEWEST = 3  # rows of a group among these: fewer are rows that lie far out in any half
STREAM = 11  # of the seed: of the splits


def shown(x: Rows, groups: np.ndarray, n_clusters: int, seed: int) -> np.ndarray:
    """Groups by k-means in the leading directions of the columns where halves of these show them, or those given.

    The noise of one half is not that of the other, so what one shows of the other is in the rows: groups found in one
    half part few of the neighbours in the other. Columns are as they are, but none varies more than `MOST` times as
    much as the usual one; or all have variance 1, if halves show more of one another then. They take the place of the
    groups given where they part fewer neighbours than these, to which no column was hidden. But rows too few for a
    graph have them in any case: an autoencoder knows such rows by heart.

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
    with one_openmp_thread():
        fewest, chosen = np.inf, None
        for divisor in (np.where(spread > 0, spread, usual), np.maximum(spread, MOST * usual)):
            scaled = centred / divisor
            borders, theirs = _borders(scaled, halves, groups[asked], n_clusters, seed)
            if borders < fewest:
                fewest, chosen = borders, (theirs, divisor, _axes(scaled))
        if chosen is None:
            return groups
        theirs, divisor, axes = chosen
        if fewest >= theirs and not regions.is_beyond(n_clusters, n):
            return groups
        leading = [np.where(np.isnan(block), 0, block - mean) / divisor @ axes for block in pipeline.blocks(x)]
        return regions.kmeans(np.concatenate(leading), n_clusters, seed)


def _axes(centred: np.ndarray) -> np.ndarray:
    """The leading directions of centred rows [n, D]: [D, at most WIDTH]."""
    return randomized_svd(centred, min(WIDTH, *centred.shape), random_state=0)[2].T


def _borders(scaled: np.ndarray, halves: list, groups: np.ndarray, n_clusters: int, seed: int) -> tuple[float, float]:
    """Borders beyond chance, in halves of the columns, of k-means in the other half, and of groups given, int [n].

    Means over all halves; the first is infinite as soon as a group has hardly any rows.
    """
    found, given = [], []
    for both in halves:
        leading = [scaled[:, half] @ _axes(scaled[:, half]) for half in both]
        drawn = [regions.kmeans(rows, n_clusters, seed) for rows in leading]
        if min(np.bincount(each, minlength=n_clusters).min() for each in drawn) < FEWEST:
            return np.inf, np.inf
        every = np.arange(len(scaled))
        for rows, other in zip(leading, reversed(drawn), strict=True):
            near = parting.nearest(rows, every)
            found.append(parting.beyond_chance(near, every, other))
            given.append(parting.beyond_chance(near, every, groups))
    return float(np.mean(found)), float(np.mean(given))
