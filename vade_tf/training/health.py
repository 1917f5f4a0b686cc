"""Whether mixture and code are in use: findings from signals that need no label, and new starts for unused components.

Pure functions of arrays; `watch` brings the arrays of a model in training and acts on what is found.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from scipy.sparse.csgraph import connected_components

# A component that holds less than a fiftieth of an even share 1/K is unused. Real groups can be a tenth of it.
EMPTY = 0.02
# Responsibilities whose mean entropy is nine tenths of the entropy of the mean tell next to nothing about a row.
UNIFORM = 0.9
# Bhattacharyya distance of two equal Gaussians two standard deviations apart, 2^2 / 8: closer ones have a single mode.
ONE_MODE = 0.5
# Burda et al. (ICLR 2016) call a unit active whose mean varies by over 0.01 where its prior has variance 1.
ACTIVE = 0.01
# A code of which more than half is unused is wider than the data need, or has given up.
ACTIVE_SHARE = 0.5
CLUSTER_ALONE = "the code says next to nothing of a row beyond its cluster"  # nor need it, if there is no more
SILENT = 0.5  # nats of rate_z; a code that tells its rows apart has several, one that has collapsed about 0.1
NAMED = 5  # components that a sentence names, at most


@dataclass(frozen=True)
class Signals:
    """What a mixture and its code look like on some rows.

    Attributes:
        share: mean responsibility of each component, [K].
        entropy: mean entropy of the responsibilities of a row, nats.
        distance: Bhattacharyya distance of each pair of components, [K, K].
        activity: share of each code dimension's variance that tells rows apart, [latent].
    """

    share: np.ndarray
    entropy: float
    distance: np.ndarray
    activity: np.ndarray

    @property
    def used(self) -> np.ndarray:
        """Whether a component holds rows, bool [K]."""
        return self.share >= EMPTY / len(self.share)

    @property
    def active_units(self) -> int:
        return int(np.sum(self.activity > ACTIVE))


@dataclass(frozen=True)
class Finding:
    """A kind ("empty", "uniform", "one_mode", "inactive"), and a sentence with the components and the remedy."""

    kind: str
    text: str


def summed(log_gamma) -> tuple[np.ndarray, np.ndarray]:
    """Of log responsibilities [n, K] the sum of each component's, [K], and the entropy of each row's, nats [n]."""
    log_gamma = np.asarray(log_gamma, np.float64)
    gamma = np.exp(log_gamma)
    return gamma.sum(axis=0), -np.sum(gamma * np.where(gamma > 0, log_gamma, 0.0), axis=1)


def signals(weight, entropy, m, log_s2, mu, log_sigma2) -> Signals:
    """The signals of rows under a mixture.

    Args:
        weight, entropy: of their responsibilities, as `summed` gives them, [K] and [n].
        m, log_s2: mean and log variance of q(z|x), [n, latent].
        mu, log_sigma2: mean and log variance of the components, [K, latent].
    """
    m, log_s2 = (np.asarray(part, np.float64) for part in (m, log_s2))
    between, within = m.var(axis=0), np.exp(log_s2).mean(axis=0)  # [latent], variance of the mean and of the noise
    return Signals(
        share=weight / len(entropy),
        entropy=float(np.mean(entropy)),
        distance=bhattacharyya(mu, log_sigma2),
        activity=between / np.maximum(between + within, np.finfo(float).tiny),
    )


def bhattacharyya(mu, log_sigma2) -> np.ndarray:
    """Bhattacharyya distance of each pair of diagonal Gaussians, -log of their overlap: [K, latent] twice -> [K, K]."""
    mu, log_sigma2 = np.asarray(mu, np.float64), np.asarray(log_sigma2, np.float64)
    distance = np.empty((len(mu), len(mu)))
    for c in range(len(mu)):  # a row at a time: [K, K, latent] is large for a K of thousands
        log_mean = np.logaddexp(log_sigma2[c], log_sigma2) - np.log(2)  # [K, latent]
        apart = (mu[c] - mu) ** 2 * np.exp(-log_mean) / 8
        distance[c] = np.sum(apart + 0.5 * (log_mean - 0.5 * (log_sigma2[c] + log_sigma2)), axis=1)
    return distance


def findings(found: Signals) -> list[Finding]:
    """What is wrong, at most one finding a kind; none for a mixture and a code in good use."""
    return [finding for look in (_empty, _uniform, _one_mode, _inactive) if (finding := look(found)) is not None]


def _empty(found: Signals) -> Finding | None:
    unused, k = np.flatnonzero(~found.used), len(found.share)
    if not len(unused):
        return None
    text = f"{_names(unused)} of {k} {'hold' if len(unused) > 1 else 'holds'} almost no rows; {_fewer(k - len(unused))}"
    return Finding("empty", text)


def _uniform(found: Signals) -> Finding | None:
    used = found.share[found.used]
    most = -np.sum(used * np.log(used))  # nats: the entropy of rows that nothing is known about
    if len(used) < 2 or found.entropy < UNIFORM * most:
        return None
    return Finding(
        "uniform",
        f"the responsibilities are nearly the same for every row (entropy {found.entropy:.2f} of at most {most:.2f} "
        "nats); pretrain longer, or raise guide_epochs",
    )


def _one_mode(found: Signals) -> Finding | None:
    used = np.flatnonzero(found.used)
    close = found.distance[np.ix_(used, used)] < ONE_MODE
    modes, mode = connected_components(close, directed=False)
    if modes == len(used):
        return None
    shared = used[np.bincount(mode, minlength=modes)[mode] > 1]
    text = f"{_names(shared)} overlap; {_fewer(modes)}"
    return Finding("one_mode", text)


def _inactive(found: Signals) -> Finding | None:
    width = len(found.activity)
    if found.active_units >= ACTIVE_SHARE * width:
        return None
    return Finding(
        "inactive",
        f"the code uses {found.active_units} of its {width} dimensions; pretrain longer or lower learning_rate, or "
        "give a smaller latent_dim",
    )


def silent(rate_z: float) -> list[str]:
    """What is wrong with a code of so many nats a row (rate_z), a sentence or none."""
    if rate_z >= SILENT:
        return []
    return [
        f"{CLUSTER_ALONE} (rate_z {rate_z:.2f} nats): samples of a cluster are nearly alike; if its rows are not, give "
        "the columns one unit, or another likelihood"
    ]


def _fewer(k: int) -> str:
    """What to do where only k groups can be told apart."""
    enough = f"use clusters={k} if so few are enough; else " if k > 1 else ""
    return f"{enough}pretrain longer (pretrain_epochs) or try another seed"


def _names(components: Iterable[int]) -> str:
    names = [str(c) for c in components]
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"component{'s' if len(names) > 1 else ''} {', '.join(names[:NAMED])}{more}"


def movable(empty: list[int], n: int, k: int) -> list[int]:
    """Those of some components out of k that `reseed` moves on n rows: each takes half an even share of them."""
    return empty[: n // _rows_each(n, k)]


def _rows_each(n: int, k: int) -> int:
    return max(2, n // (2 * k))


def reseed(empty, pi, mu, sigma2, m, s2, misfit) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The mixture with unused components moved to where rows are explained worst; the others keep mean and variance.

    Each goes to the worst row left and its nearest neighbours in the code, half an even share of the rows, and takes
    their mean, variance (of q(z|x) as a whole, within and between rows) and share.

    Args:
        empty: components to move; while there are rows left, each gets some.
        pi, mu, sigma2: the mixture, [K], [K, latent] and [K, latent].
        m, s2: mean and variance of q(z|x) of some rows, [n, latent].
        misfit: -ELBO of these rows, nats, [n].

    Returns:
        pi, mu and sigma2 after it.
    """
    pi, mu, sigma2, m, s2 = (np.array(part, np.float64) for part in (pi, mu, sigma2, m, s2))
    size = _rows_each(len(m), len(pi))
    left = np.argsort(-np.asarray(misfit, np.float64), kind="stable")  # the worst row first
    moved = movable(list(empty), len(m), len(pi))
    for c in moved:
        apart = np.sum((m[left] - m[left[0]]) ** 2, axis=1)
        nearest = np.argsort(apart, kind="stable")[:size]
        rows, left = left[nearest], np.delete(left, nearest)
        mu[c] = m[rows].mean(axis=0)
        sigma2[c] = np.mean(s2[rows] + (m[rows] - mu[c]) ** 2, axis=0)
    pi[moved] = 0.0
    taken = len(moved) * size / len(m)
    pi *= max(1.0 - taken, 1e-3) / max(pi.sum(), np.finfo(float).tiny)
    pi[moved] = size / len(m)
    return pi / pi.sum(), mu, sigma2


def lost(rows: list[dict]) -> list[str]:
    """A sentence where the loss was not finite in half of VaDE's epochs or more, from the rows of the epochs."""
    back = ["restored_epoch" in row for row in rows if row["phase"] == "fit"]
    if 2 * sum(back) < max(len(back), 1):
        return []
    return [
        f"the loss was not finite in {sum(back)} of {len(back)} epochs of VaDE, and the weights are older; lower "
        "learning_rate, or look for rows far from all others"
    ]


def remedies(rows: list[dict]) -> list[str]:
    """What was done about it, a sentence each, from the rows of the epochs."""
    said = []
    for row in rows:
        where = f"{row['phase']}, epoch {row['epoch']}"
        if "restored_epoch" in row:
            said.append(
                f"{where}: the loss was not finite; back to the weights of epoch {row['restored_epoch']}, at half the "
                "learning rate"
            )
        if "reseeded" in row:
            components = _names(row["reseeded"].split())
            said.append(
                f"{where}: {components} held almost no rows; re-initialised at the rows with the lowest likelihood"
            )
    return said
