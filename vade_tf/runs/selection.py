"""How many clusters, and which of several runs: what speaks for each, from numbers alone. No labels, no model, no file.

Of several K, three criteria, which look at different things:

* the bound on rows kept from training: does another component explain new rows better;
* BIC of the starting mixtures on one code, which all K share: is it worth its parameters;
* prediction strength (`training.n_clusters`): are the groups found again on other rows.
"""

import numpy as np
from scipy.special import logsumexp
from sklearn.metrics import adjusted_rand_score

from vade_tf.training.initialization import Start
from vade_tf.training.n_clusters import MIN_STRENGTH

BLOCK = 16_384  # codes whose log densities are taken together


def n_parameters(n_clusters: int, latent_dim: int) -> int:
    """Free parameters of the mixture: K means and K variances of each dimension, K - 1 weights."""
    return 2 * latent_dim * n_clusters + n_clusters - 1


def bic(z: np.ndarray, start: Start) -> float:
    """Bayesian information criterion (Schwarz 1978) of a mixture on codes: the lower, the better.

    BIC = -2 sum_i log sum_c pi_c N(z_i; mu_c, diag sigma2_c) + (2 latent K + K - 1) log n

    Args:
        z: codes, [n, latent].
        start: the mixture.
    """
    total = 0.0
    for first in range(0, len(z), BLOCK):
        rows = z[first : first + BLOCK]
        log_joint = np.empty((len(start.pi), len(rows)))  # [K, rows]
        for c, (pi, mu, sigma2) in enumerate(zip(start.pi, start.mu, start.sigma2, strict=True)):
            log_joint[c] = np.log(pi) - 0.5 * np.sum((rows - mu) ** 2 / sigma2 + np.log(2 * np.pi * sigma2), axis=1)
        total += logsumexp(log_joint, axis=0).sum()
    return float(-2 * total + n_parameters(*start.mu.shape) * np.log(len(z)))


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


def behind(elbo: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How far each K is behind the one with the best bound, and the standard error of that, both [n_K] in nats a row.

    Args:
        elbo: bound of each row, the same rows for every K, [n_K, n]. Compared row by row, so that what makes one row
            harder than another does not count as error.
    """
    elbo = elbo.astype(np.float64)
    difference = elbo[elbo.mean(axis=1).argmax()] - elbo
    return difference.mean(axis=1), difference.std(axis=1, ddof=1) / np.sqrt(elbo.shape[1])


def recommend(rows: list[dict]) -> dict:
    """One K of those tried: the largest with a prediction strength of at least `MIN_STRENGTH`, else the strongest.

    The held-out bound names the smallest K within one standard error of the best, BIC the lowest; both rise with every
    component that a group's shape can use, so they are told and do not decide.

    Args:
        rows: for each K, ascending: n_clusters, behind, behind_se, bic and strength.

    Returns:
        n_clusters, named (K by criterion) and why, a sentence.
    """
    strong = [row["n_clusters"] for row in rows if row["strength"] >= MIN_STRENGTH]
    best = strong[-1] if strong else max(rows, key=lambda row: row["strength"])["n_clusters"]
    named = {
        "held-out bound": next(row["n_clusters"] for row in rows if row["behind"] <= row["behind_se"]),
        "BIC": min(rows, key=lambda row: row["bic"])["n_clusters"],
        "prediction strength": best,
    }
    why = f"the largest K with a prediction strength of at least {MIN_STRENGTH}"
    if not strong:
        why = f"no K has a prediction strength of {MIN_STRENGTH}; this one has the highest"
    if len(rows) > 1 and best in (rows[0]["n_clusters"], rows[-1]["n_clusters"]):
        why += "; it is at the end of the range: try a wider one"
    return {"n_clusters": best, "named": named, "why": why}
