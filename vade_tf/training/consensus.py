"""Groupings of the same rows: how alike they are, and what most of them say."""

import itertools
from collections.abc import Sequence

import numpy as np
from scipy.optimize import linear_sum_assignment
from sklearn.metrics import adjusted_rand_score


def alike(draws: Sequence[np.ndarray]) -> float:
    """Mean adjusted Rand index of all pairs of groupings [n]; 1 of a single one."""
    pairs = [adjusted_rand_score(one, other) for one, other in itertools.combinations(draws, 2)]
    return float(np.mean(pairs)) if pairs else 1.0


def vote(draws: Sequence[np.ndarray], n_clusters: int, keep: float = 0.0) -> np.ndarray:
    """Groups that most draws put each row in, named as in the draw that agrees best with all others.

    Args:
        draws: groups of the same rows, int [n] each.
        n_clusters: K.
        keep: share of its rows that each group of the draw that names them is to keep, or the vote is not one for K
            groups. Where one loses more, the draw that agrees next best names them; if one does with each draw, that
            one whose poorest group keeps most. Default 0: it may lose nearly all of them. Those of a group that has
            lost all are given back to it.

    Returns:
        Groups, [n].
    """
    agreement = np.zeros(len(draws))
    for i, j in itertools.combinations(range(len(draws)), 2):
        agreement[[i, j]] += adjusted_rand_score(draws[i], draws[j])
    most, best, names = -1.0, draws[0], draws[0]
    for number in np.argsort(-agreement, kind="stable"):
        centre = draws[number]
        votes = np.zeros((len(centre), n_clusters), np.int32)
        for one in draws:
            votes[np.arange(len(centre)), matched(one, centre)] += 1
        found = votes.argmax(axis=1)
        sizes = np.bincount(centre, minlength=n_clusters)
        kept = float((np.bincount(centre[found == centre], minlength=n_clusters) / np.maximum(sizes, 1)).min())
        if kept > most:
            most, best, names = kept, found, centre
        if kept >= keep:
            break
    while (lost := np.setdiff1d(names, best)).size:  # what gets its rows back may take the last ones of another
        best = np.where(np.isin(names, lost), names, best)
    return best


def matched(groups: np.ndarray, reference: np.ndarray, rows: np.ndarray | slice = slice(None)) -> np.ndarray:
    """Groups renamed so that they agree with a reference grouping as far as a one-to-one naming can: int [n].

    Args:
        groups: int [n].
        reference: the other grouping, of the given rows.
        rows: their numbers; default all.
    """
    k = int(max(groups.max(), reference.max())) + 1
    return naming(groups[rows], reference, k).astype(groups.dtype)[groups]


def naming(groups: np.ndarray, reference: np.ndarray, n_clusters: int) -> np.ndarray:
    """The one-to-one naming by which groups agree best with a reference grouping [n]: old number -> new, [K]."""
    counts = np.zeros((n_clusters, n_clusters), np.int64)
    np.add.at(counts, (groups, reference), 1)
    return linear_sum_assignment(counts, maximize=True)[1]
