"""How a clustering compares with labels. Reporting only: no training code imports this module for a decision."""

import numpy as np
from scipy.optimize import linear_sum_assignment
from sklearn.metrics import adjusted_rand_score, homogeneity_completeness_v_measure, normalized_mutual_info_score

from vade_tf.errors import InputError


def _checked(y, groups) -> tuple[np.ndarray, np.ndarray]:
    """Labels and groups as int64 [n], of any arrays or lists of whole numbers; raises as `contingency` does."""
    given = {"y": np.asarray(y), "groups": np.asarray(groups)}
    form, other = (each.shape for each in given.values())
    if form != other or len(form) != 1 or not form[0]:
        expected = "one number each for every row, [n] of at least 1 row, as groups has"
        raise InputError("y", expected, f"shapes {form} and {other}", "give columns [n, 1] as y.ravel()")
    for name, numbers in given.items():
        with np.errstate(invalid="ignore"):  # NaN becomes some number
            whole = numbers.astype(np.int64) if numbers.dtype.kind in "biuf" else np.full(numbers.shape, -1)
        wrong = (whole < 0) | (whole != numbers)
        if wrong.any():
            hint = "leave out rows without a label, and number others by numpy.unique(labels, return_inverse=True)[1]"
            raise InputError(name, "whole numbers from 0", f"{numbers[wrong][0]} ({numbers.dtype})", hint)
        given[name] = whole
    return given["y"], given["groups"]


def _sure(confidence, n: int) -> np.ndarray:
    """How sure each of n rows is, as an array [n]; InputError where there are none, or one is NaN."""
    confidence = np.asarray(confidence)
    if confidence.shape != (n,) or not n or np.isnan(confidence).any():
        got = f"shape {confidence.shape} for {n} rows, with {np.isnan(confidence).sum()} NaN"
        raise InputError("confidence", "a number, and no NaN, for each of at least 1 row", got)
    return confidence


def contingency(y: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Counts of rows in group g with label c: [n_groups, n_labels], from integers that start at 0.

    Raises:
        InputError: these are not one of each a row, or a number is no whole one from 0, as -1 for an unknown label.
    """
    y, groups = _checked(y, groups)
    counts = np.zeros((int(groups.max()) + 1, int(y.max()) + 1), np.int64)
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
    return float(counts[linear_sum_assignment(counts, maximize=True)].sum() / counts.sum())


def matching(y: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Label of each group under the best one-to-one matching (Hungarian), -1 without a partner: [groups.max() + 1]."""
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

    Reads one label a group where `accuracy` reads all, and lets groups share a label, so it can lie on either side.

    Args:
        y: labels, integers from 0, [n].
        groups: assignments, integers from 0, [n].
        confidence: how sure each row is of its group, in any increasing measure, [n]; the first of equals counts.

    Returns:
        Accuracy in [0, 1]; None if all rows are equally sure, as those of k-means are: no member is the surest.
    """
    y, groups = _checked(y, groups)
    confidence = _sure(confidence, len(y))
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
    correct = np.asarray(correct)
    confidence = _sure(confidence, len(correct))
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
    y, groups = _checked(y, groups)
    return {
        "acc": accuracy(y, groups),
        "nmi": float(normalized_mutual_info_score(y, groups)),
        "ari": float(adjusted_rand_score(y, groups)),
    }


def all_scores(y: np.ndarray, groups: np.ndarray, confidence: np.ndarray) -> dict[str, float | None]:
    """`scores` and "purity", "most_confident_acc", "homogeneity", "completeness"; arguments as above."""
    y, groups = _checked(y, groups)
    homogeneity, completeness, _ = homogeneity_completeness_v_measure(y, groups)
    return {
        **scores(y, groups),
        "purity": purity(y, groups),
        "most_confident_acc": most_confident_accuracy(y, groups, confidence),
        "homogeneity": float(homogeneity),
        "completeness": float(completeness),
    }
