"""Which of several runs, and which number of clusters: criteria from numbers alone. No labels, no model, no file."""

import numpy as np
from sklearn.metrics import adjusted_rand_score

from vade_tf.training.n_clusters import MIN_STRENGTH


def agreement(partitions: list[np.ndarray]) -> np.ndarray:
    """Mean ARI of each of R partitions of the same rows with all others, [R]; 1 where there is a single one.

    Where some have several groups, those of a single one, which have collapsed, agree with nothing.
    """
    ari, several = np.eye(len(partitions)), [len(np.unique(one)) > 1 for one in partitions]
    for i, one in enumerate(partitions):
        for j, other in enumerate(partitions[:i]):
            if several[i] or several[j] or not any(several):
                ari[i, j] = ari[j, i] = adjusted_rand_score(one, other)
    return (ari.sum(axis=1) - 1) / (len(ari) - 1) if len(ari) > 1 else np.ones(1)


def most_agreed(rows: list[dict]) -> int:
    """Place of the run to keep: the one the others agree with most; of equals, that with the highest ELBO.

    Args:
        rows: for each run: agreement (mean ARI with the others) and elbo (None: the run has no bound).
    """
    bounds = [float("-inf") if row["elbo"] is None else row["elbo"] for row in rows]
    return max(range(len(rows)), key=lambda i: (rows[i]["agreement"], bounds[i]))


def recommend(numbers: list[int], strength: list[float]) -> tuple[int, str]:
    """One K of those tried: the largest with a prediction strength of at least `MIN_STRENGTH`, else the strongest.

    Args:
        numbers: the K, ascending.
        strength: of each, see `training.n_clusters.prediction_strength`.

    Returns:
        K and why, a sentence.
    """
    strong = [k for k, value in zip(numbers, strength, strict=True) if value >= MIN_STRENGTH]
    best = strong[-1] if strong else numbers[int(np.argmax(strength))]
    why = f"the largest K with a prediction strength of at least {MIN_STRENGTH}"
    if not strong:
        why = f"no K has a prediction strength of {MIN_STRENGTH}; this one has the highest"
    if len(numbers) > 1 and best in (numbers[0], numbers[-1]):
        why += "; it is at the end of the range: try a wider one"
    return best, why
