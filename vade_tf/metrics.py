"""How a clustering compares with labels. Reporting only: no training code imports this module for a decision."""

import numpy as np
from scipy.optimize import linear_sum_assignment
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score


def contingency(y: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Counts of rows in group g with label c: [n_groups, n_labels], from integers that start at 0."""
    counts = np.zeros((groups.max() + 1, y.max() + 1), np.int64)
    np.add.at(counts, (groups, y), 1)
    return counts


def accuracy(y: np.ndarray, groups: np.ndarray) -> float:
    """Unsupervised clustering accuracy (Yang et al. 2010; paper, section 4.2).

    The share of rows whose group is matched to their label, under the best one-to-one matching of groups and labels
    (Hungarian algorithm). Groups without a partner, where there are more groups than labels, count as wrong.

    Args:
        y: labels, integers from 0, [n].
        groups: assignments, integers from 0, [n].

    Returns:
        Accuracy in [0, 1].
    """
    counts = contingency(y, groups)
    return float(counts[linear_sum_assignment(counts, maximize=True)].sum() / len(y))


def scores(y: np.ndarray, groups: np.ndarray) -> dict[str, float]:
    """{"acc", "nmi", "ari"}: accuracy, normalised mutual information (arithmetic mean), adjusted Rand index."""
    return {
        "acc": accuracy(y, groups),
        "nmi": float(normalized_mutual_info_score(y, groups)),
        "ari": float(adjusted_rand_score(y, groups)),
    }
