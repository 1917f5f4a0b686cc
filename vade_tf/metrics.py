"""How a clustering compares with labels. Reporting only: no training code imports this module for a decision."""

import numpy as np
from scipy.optimize import linear_sum_assignment
from sklearn.metrics import adjusted_rand_score, homogeneity_completeness_v_measure, normalized_mutual_info_score

from vade_tf.errors import InputError


def _checked(y, groups) -> tuple[np.ndarray, np.ndarray]:
    """Labels and groups as int64 [n], of any arrays or lists of whole numbers; raises as `contingency` does."""
    y, groups = np.asarray(y), np.asarray(groups)
    if y.shape != groups.shape or y.ndim != 1 or not len(y):
        raise InputError("y", "one label for each row, [n] as groups", f"shapes {y.shape} and {groups.shape}")
    for name, numbers in (("y", y), ("groups", groups)):
        if numbers.dtype.kind not in "biu" or numbers.min() < 0:
            hint = "leave out rows without a label, and number others by numpy.unique(labels, return_inverse=True)[1]"
            raise InputError(name, "whole numbers from 0", f"{numbers.min()} ({numbers.dtype})", hint)
    return y.astype(np.int64), groups.astype(np.int64)


def contingency(y: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Counts of rows in group g with label c: [n_groups, n_labels].

    Here and below `y` and `groups` are label and group of each row, integers from 0, [n]; else an InputError.
    """
    y, groups = _checked(y, groups)
    counts = np.zeros((int(groups.max()) + 1, int(y.max()) + 1), np.int64)
    np.add.at(counts, (groups, y), 1)
    return counts


def accuracy(y: np.ndarray, groups: np.ndarray) -> float:
    """Unsupervised clustering accuracy in [0, 1] (Yang et al. 2010; paper, section 4.2).

    The share of rows whose group is matched to their label, under the best one-to-one matching of groups and labels
    (Hungarian algorithm). Groups without a partner, where there are more groups than labels, count as wrong.
    """
    counts = contingency(y, groups)
    return float(counts[linear_sum_assignment(counts, maximize=True)].sum() / counts.sum())


def matching(y: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Label of each group under the matching of `accuracy`, -1 without a partner: [groups.max() + 1]."""
    counts = contingency(y, groups)
    partner = np.full(len(counts), -1)
    rows, columns = linear_sum_assignment(counts, maximize=True)
    partner[rows] = columns
    return partner


def purity(y: np.ndarray, groups: np.ndarray) -> float:
    """Share of rows that have the commonest label of their group; many groups can share a label."""
    counts = contingency(y, groups)
    return float(counts.max(axis=1).sum() / counts.sum())


def most_confident_accuracy(y: np.ndarray, groups: np.ndarray, confidence: np.ndarray) -> float | None:
    """GMVAE's accuracy: each group takes the label of its most confident member (Makhzani et al. 2015, section 4.3).

    Groups may share a label, so it can lie on either side of `accuracy`. None if all rows are equally sure, as those
    of k-means are. `confidence` is how sure each row is, in any increasing measure, [n]; the first of equals counts.
    """
    y, groups = _checked(y, groups)
    confidence = np.asarray(confidence)
    if len(y) > 1 and np.all(confidence == confidence[0]):
        return None
    right = 0
    for group in np.unique(groups):
        members = np.flatnonzero(groups == group)
        right += int(np.sum(y[members] == y[members[confidence[members].argmax()]]))
    return right / len(y)


def calibration(correct: np.ndarray, confidence: np.ndarray, n_bins: int = 10) -> dict:
    """Whether a confidence of 0.9 is right nine times in ten: reliability bins and their expected error.

    Args:
        correct: whether each row's assignment is right, bool [n].
        confidence: probability it was given, in [0, 1], [n].
        n_bins: bins of equal width on [0, 1]; a value on an edge belongs to the bin below.

    Returns:
        "ece", sum over bins of count / n * |share correct - mean confidence| (Guo et al., ICML 2017), and "bins", one
        {"low", "high", "count", "confidence", "accuracy"} for each bin that holds a row.
    """
    correct, confidence = np.asarray(correct), np.asarray(confidence)
    place = np.clip(np.ceil(confidence * n_bins).astype(int) - 1, 0, n_bins - 1)
    bins = []
    for b in np.unique(place):
        inside = place == b
        bins.append(
            {
                "low": float(b / n_bins),
                "high": float((b + 1) / n_bins),
                "count": int(inside.sum()),
                "confidence": float(confidence[inside].mean(dtype=np.float64)),
                "accuracy": float(correct[inside].mean()),
            }
        )
    ece = sum(each["count"] * abs(each["accuracy"] - each["confidence"]) for each in bins) / len(correct)
    return {"ece": float(ece), "bins": bins}


def scores(y: np.ndarray, groups: np.ndarray) -> dict[str, float]:
    """{"acc", "nmi", "ari"}: accuracy, normalised mutual information (arithmetic mean), adjusted Rand index."""
    return {
        "acc": accuracy(y, groups),
        "nmi": float(normalized_mutual_info_score(y, groups)),
        "ari": float(adjusted_rand_score(y, groups)),
    }


def all_scores(y: np.ndarray, groups: np.ndarray, confidence: np.ndarray) -> dict[str, float | None]:
    """`scores` and "purity", "most_confident_acc", "homogeneity", "completeness"; arguments as above."""
    found = {
        **scores(y, groups),
        "purity": purity(y, groups),
        "most_confident_acc": most_confident_accuracy(y, groups, confidence),
    }
    found["homogeneity"], found["completeness"], _ = map(float, homogeneity_completeness_v_measure(y, groups))
    return found
