"""Groups of rows of many columns that either half of the columns shows. No labels.

Where columns have one unit, as the logarithms of a thousand genes have, those that vary more say more. Divided by its
deviation each would weigh as much, and noise is most of them; an autoencoder of few rows finds other things as well.
Where some have a unit of their own, it is these that vary more, and they may say nothing. Either way is tried.
"""

import numpy as np
from sklearn.metrics import adjusted_rand_score
from sklearn.utils.extmath import randomized_svd

from vade_tf.data import pipeline
from vade_tf.data.sparse import Rows, part
from vade_tf.model.vade import VaDE
from vade_tf.seeding import generator, subset
from vade_tf.threads import one_openmp_thread
from vade_tf.training import regions
from vade_tf.training.views import SAMPLE_NUMBERS, view_reader

WIDTH = 10  # leading directions; noise that columns share by chance lies in further ones
SPLITS = 3  # of the columns into two halves
ASKED = 2000  # rows, at most, that these are tried on
SURE = 0.9  # mean ARI of the groups that halves show, from which on nearly all rows are in the same
MOST = 2  # times the median deviation that a column's own may weigh; one that varies more has another unit
FEWEST = 3  # rows of a group among these: fewer are rows that lie far out in any half
STREAM = 11  # of the seed: of the splits


def groups(model: VaDE, x: Rows, n_clusters: int, seed: int) -> np.ndarray | None:
    """Groups by k-means in the leading directions of the columns, if halves of the columns have the same groups.

    The noise of one half is not that of the other, so what both show is in the rows. Columns are as they are, but none
    varies more than `MOST` times as much as the usual one; or all have variance 1, if halves agree as well or better
    then. The code is asked as well, of rows whose other columns are hidden; where its groups come back as surely, there
    is nothing to put right. But rows too few for a graph have the groups on which halves agree more, however surely:
    their code is that of an autoencoder that knows them by heart.

    Args:
        model: a pretrained VaDE.
        x: raw rows, [n, D].
        n_clusters: K.
        seed: of the splits and of k-means.

    Returns:
        Groups, int [n], or None: those of the halves differ, or some are of hardly any rows, or the code's are as sure.
    """
    n, features = x.shape
    if features < 2 * WIDTH:
        return None
    some = np.concatenate(
        list(pipeline.blocks(part(x, subset(n, max(min(ASKED, SAMPLE_NUMBERS // features), n_clusters), seed, STREAM))))
    )
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
        best, chosen = -1.0, None
        for divisor in (np.where(spread > 0, spread, usual), np.maximum(spread, MOST * usual)):
            scaled = centred / divisor
            found = _of_halves(scaled, halves, n_clusters, seed)
            if found is not None and (agreed := _alike(found)) > best:
                best, chosen = agreed, (divisor, _axes(scaled))
        few = regions.is_beyond(n_clusters, n)
        if chosen is None or (best < SURE and not few):
            return None
        if not few:
            read = view_reader(model, x)

            def coded(half: np.ndarray) -> np.ndarray:
                seen = np.where(known, mean, np.float32(np.nan))
                seen[:, half] = some[:, half]
                views = [view for view in read(seen) if view is not None]
                return regions.landmark_draw(views, n_clusters, seed)

            if best <= _alike([[coded(half) for half in both] for both in halves]):
                return None
        divisor, axes = chosen
        leading = [np.where(np.isnan(block), 0, block - mean) / divisor @ axes for block in pipeline.blocks(x)]
        return regions.kmeans(np.concatenate(leading), n_clusters, seed)


def _axes(centred: np.ndarray) -> np.ndarray:
    """The leading directions of centred rows [n, D]: [D, at most WIDTH]."""
    return randomized_svd(centred, min(WIDTH, *centred.shape), random_state=0)[2].T


def _of_halves(scaled: np.ndarray, halves: list, n_clusters: int, seed: int) -> list[list[np.ndarray]] | None:
    """Groups [n] that k-means finds in each half of the columns; None as soon as one has hardly any rows."""
    found = []
    for both in halves:
        found.append([_kmeans(scaled[:, half], n_clusters, seed) for half in both])
        if min(np.bincount(groups, minlength=n_clusters).min() for groups in found[-1]) < FEWEST:
            return None
    return found


def _kmeans(centred: np.ndarray, n_clusters: int, seed: int) -> np.ndarray:
    """Groups [n] of centred rows [n, D] in their leading directions."""
    return regions.kmeans(centred @ _axes(centred), n_clusters, seed)


def _alike(pairs: list[list[np.ndarray]]) -> float:
    """Mean ARI of pairs of groupings [n]."""
    return float(np.mean([adjusted_rand_score(*pair) for pair in pairs]))
