"""How many clusters: prediction strength (Tibshirani and Walther, JCGS 2005). No labels, no model, no file.

The rows are halved. Each half is clustered by k-means, and the rows of one half are also assigned to the nearest centre
of the other. The strength of K is, for the cluster where it is least, the share of its pairs of rows that stay together
in the other half's clusters. K is the largest number with a strength of at least `MIN_STRENGTH`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

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


def numbers_tried(n: int) -> list[int]:
    """The numbers of clusters that are compared for n rows: up to 20, of ten rows each on average."""
    return list(range(1, max(1, min(20, n // 10)) + 1))


def prediction_strength(rows: np.ndarray, tried: Sequence[int], seed: int) -> np.ndarray:
    """The prediction strength of each K of `tried` for rows [n, d], mean over splits, [len(tried)]; of 1 it is 1.

    Five splits of at most 4,000 rows, as in benchmarks/n_clusters.py, which chose the criterion.
    """
    rows = np.ascontiguousarray(rows, np.float32)
    found = []
    for own in several(seed, 5, Stream.N_CLUSTERS):
        order = generator(own).permutation(len(rows))[:4000]
        found.append([_strength(rows[order[::2]], rows[order[1::2]], k, own) for k in tried])
    return np.mean(found, axis=0)


def _strength(half: np.ndarray, other: np.ndarray, k: int, seed: int) -> float:
    """The prediction strength of K for two halves of the rows, each clustered and predicted by the other."""
    one, two = (KMeans(k, n_init=5, random_state=seed).fit(rows) for rows in (half, other))
    return float(np.mean([_kept(two.labels_, one.predict(other)), _kept(one.labels_, two.predict(half))]))


def _kept(groups: np.ndarray, others: np.ndarray) -> float:
    """Of the pairs of rows in one of `groups` [n] the share that `others` [n] keeps together, least over the groups."""
    counts = np.zeros((groups.max() + 1, others.max() + 1))
    np.add.at(counts, (groups, others), 1)
    size = counts.sum(axis=1)
    kept = (counts * (counts - 1)).sum(axis=1) / np.maximum(size * (size - 1), 1)  # of a row alone 0: it has no pair
    return float(kept[size > 0].min())


def choose_number(tried: np.ndarray, strength: np.ndarray) -> Choice:
    """The largest K of `tried` with a strength of at least `MIN_STRENGTH`."""
    best = int(np.flatnonzero(strength >= MIN_STRENGTH)[-1])
    k, numbers = int(tried[best]), [int(each) for each in tried]
    named = "1 cluster" if k == 1 else f"{k} clusters"
    why = f"{named}: the largest number up to {numbers[-1]} with a prediction strength of at least {MIN_STRENGTH}"
    return Choice(k, f"{why} ({strength[best]:.2f})", numbers, [round(float(each), 4) for each in strength])
