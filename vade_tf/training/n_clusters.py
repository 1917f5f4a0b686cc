"""How many clusters: prediction strength (Tibshirani and Walther, JCGS 2005). No labels, no model, no file.

The rows are halved. Each half is clustered by k-means, and the rows of one half are also assigned to the nearest centre
of the other. The strength of K is, for the cluster where it is least, the share of its pairs of rows that stay together
in the other half's clusters. K is the largest number with a strength of at least `STRONG`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.cluster import KMeans

from vade_tf.seeding import Stream, generator, several
from vade_tf.training.store import Store, damaged, kept

STRONG = 0.8  # the paper: "0.8 - 0.9 works well"
MOST, ROWS_EACH = 20, 10  # K that are tried, at most; and rows for each cluster, at least
SPLITS = 5  # into halves, whose mean is taken; the paper: 2-fold cross-validation, repeated
ROWS = 4000  # that are halved, at most, as in benchmarks/n_clusters.py, which chose the criterion
RUNS = 5  # of k-means


@dataclass(frozen=True)
class Choice:
    """How many clusters, and why.

    Attributes:
        n_clusters: K.
        why: a sentence.
        tried: the K that were compared, ascending.
        strength: of each, 0 to 1.
    """

    n_clusters: int
    why: str
    tried: list[int]
    strength: list[float]


def numbers_tried(n: int) -> list[int]:
    """The numbers of clusters that are compared for n rows."""
    return list(range(1, max(1, min(MOST, n // ROWS_EACH)) + 1))


def prediction_strength(rows: np.ndarray, tried: Sequence[int], seed: int) -> np.ndarray:
    """The prediction strength of each K of `tried` for rows [n, d], [len(tried)]; that of 1 is 1."""
    rows = np.ascontiguousarray(rows, np.float32)
    found = np.zeros((SPLITS, len(tried)))
    for split, own in enumerate(several(seed, SPLITS, Stream.N_CLUSTERS)):
        order = generator(own).permutation(len(rows))[:ROWS]
        halves = rows[order[::2]], rows[order[1::2]]
        for i, k in enumerate(tried):
            fits = [KMeans(k, n_init=RUNS, random_state=own).fit(half) for half in halves]
            ways = ((fits[0], fits[1], halves[1]), (fits[1], fits[0], halves[0]))
            found[split, i] = np.mean([_kept_together(fit.labels_, other.predict(x)) for other, fit, x in ways])
    return found.mean(axis=0)


def _kept_together(groups: np.ndarray, others: np.ndarray) -> float:
    """Of the pairs of rows in one of `groups` [n] the share that `others` [n] keeps together, least over the groups."""
    counts = np.zeros((groups.max() + 1, others.max() + 1))
    np.add.at(counts, (groups, others), 1)
    size = counts.sum(axis=1)
    kept = (counts * (counts - 1)).sum(axis=1) / np.maximum(size * (size - 1), 1)  # of a row alone 0: it has no pair
    return float(kept[size > 0].min())


def chosen(tried: np.ndarray, strength: np.ndarray) -> Choice:
    """The largest K of `tried` with a strength of at least `STRONG`."""
    best = int(np.flatnonzero(strength >= STRONG)[-1])
    k, numbers = int(tried[best]), [int(each) for each in tried]
    named = "1 cluster" if k == 1 else f"{k} clusters"
    why = f"{named}: the largest number up to {numbers[-1]} with a prediction strength of at least {STRONG}"
    return Choice(k, f"{why} ({strength[best]:.2f})", numbers, [round(float(each), 4) for each in strength])


def kept_choice(store: Store, n: int) -> Choice | None:
    """The choice for n rows that a store has, or None.

    Raises:
        InputError: what it has is no choice.
    """
    tried = numbers_tried(n)
    arrays = kept(store, "clusters", {"tried": ("i", (len(tried),)), "strength": ("f", (len(tried),))})
    if arrays is None:
        return None
    if arrays["tried"].tolist() != tried or arrays["strength"].max() < STRONG:
        raise damaged(store, "clusters", f"expected the numbers from {tried[0]} to {tried[-1]}, and a strength of each")
    return chosen(**arrays)
