"""How many clusters: prediction strength (Tibshirani and Walther, JCGS 2005). No labels, no model, no file.

The rows are halved. Each half is clustered by k-means, and the rows of one half are also assigned to the nearest centre
of the other. The strength of K is, for the cluster where it is least, the share of its pairs of rows that stay together
in the other half's clusters. K is the largest number with a strength of at least `MIN_STRENGTH`.

Of many clusters one is nearly always weak. So for embeddings, which may have many, K can also be the number whose mean
strength over the clusters is greatest, if that is at least `MIN_STRENGTH`; the larger of the two is taken.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from sklearn.cluster import KMeans

from vade_tf.seeding import Stream, generator, several

MIN_STRENGTH = 0.8  # the paper: "0.8 - 0.9 works well"


@dataclass(frozen=True)
class Choice:
    """How many clusters, and why."""

    n_clusters: int
    why: str  # a sentence
    tried: list[int]  # the K that were compared, ascending
    strength: list[float]  # of each, 0 to 1
    mean: list[float] | None = None  # of embeddings, its mean over the clusters


def numbers_tried(n: int, limit: int = 20) -> list[int]:
    """The numbers of clusters that are compared for n rows: each up to 20, then in steps of a tenth up to the limit.

    No number is larger than a tenth of n.
    """
    steps = [*range(1, 21)]
    while steps[-1] < limit:
        steps.append(round(1.1 * steps[-1]))
    return [k for k in steps if k == 1 or k <= min(limit, n // 10)]


class Strength(NamedTuple):
    """Prediction strengths of several numbers of clusters, 0 to 1, [numbers]."""

    weakest: np.ndarray  # of the cluster that is weakest
    mean: np.ndarray  # over the clusters


def prediction_strength(
    rows: np.ndarray, tried: Sequence[int], seed: int, read: Callable[[np.ndarray], np.ndarray] = np.asarray
) -> Strength:
    """The prediction strength of each K of `tried`.

    Five splits of at most 4,000 rows, as in benchmarks/n_clusters.py, which chose the criterion.

    Args:
        rows: [n, d].
        tried: ascending.
        seed: of the splits and of k-means.
        read: a half [m, d] -> the rows that are clustered, [m, any]; default: the half itself.

    Returns:
        Means over the splits; of K = 1 they are 1.
    """
    rows = np.ascontiguousarray(rows, np.float32)
    found = []
    for own in several(seed, 5, Stream.N_CLUSTERS):
        order = generator(own).permutation(len(rows))[:4000]
        half, other = read(rows[order[::2]]), read(rows[order[1::2]])
        found.append([_strength(half, other, k, own) for k in tried])
    return Strength(*np.mean(found, axis=0).T)


def _strength(half: np.ndarray, other: np.ndarray, k: int, seed: int) -> np.ndarray:
    """Strength of K for two halves of the rows, each clustered and predicted by the other: (weakest, mean), [2]."""
    one, two = (KMeans(k, n_init=5, random_state=seed).fit(rows) for rows in (half, other))
    kept = _kept(two.labels_, one.predict(other)), _kept(one.labels_, two.predict(half))
    return np.mean([(each.min(), each.mean()) for each in kept], axis=0)


def _kept(groups: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Of the pairs of rows in each of `groups` [n] the share that `others` [n] keeps together."""
    counts = np.zeros((groups.max() + 1, others.max() + 1))
    np.add.at(counts, (groups, others), 1)
    size = counts.sum(axis=1)
    kept = (counts * (counts - 1)).sum(axis=1) / np.maximum(size * (size - 1), 1)  # of a row alone 0: it has no pair
    return kept[size > 0]


def choose_number(tried: np.ndarray, strength: np.ndarray, mean: np.ndarray | None = None) -> Choice:
    """The largest K of `tried` with a strength of at least `MIN_STRENGTH`, or a larger one that is best in the mean."""
    best = int(np.flatnonzero(strength >= MIN_STRENGTH)[-1])
    value = strength[best]
    reason = f"the largest number up to {tried[-1]} with a prediction strength of at least {MIN_STRENGTH}"
    if mean is not None:
        strongest = int(np.argmax(np.where(tried > 1, mean, 0)))  # of one cluster it is always 1
        if strongest > best and mean[strongest] >= MIN_STRENGTH:
            best, value = strongest, mean[strongest]
            reason = f"of the numbers up to {tried[-1]} the one whose clusters are strongest in the mean"
    k = int(tried[best])
    why = f"{k} cluster{'' if k == 1 else 's'}: {reason} ({value:.2f})"
    return Choice(k, why, tried.tolist(), _rounded(strength), None if mean is None else _rounded(mean))


def _rounded(values: np.ndarray) -> list[float]:
    return [round(float(each), 4) for each in values]
