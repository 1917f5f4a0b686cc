"""Whether the mixture and the code of a VaDE are in use: signals that need no label, and findings in words."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse.csgraph import connected_components

from vade_tf.data.rows import Rows, part
from vade_tf.model import elbo
from vade_tf.model.vade import VaDE
from vade_tf.seeding import subset
from vade_tf.training import posterior
from vade_tf.training.settings import SAMPLE_ROWS

MIN_SHARE = 0.02  # of an even share 1/K, below which a component is unused; real groups can be a tenth of it
ONE_MODE_DISTANCE = 0.5  # Bhattacharyya distance of equal Gaussians two deviations apart, 2^2 / 8: closer ones merge
ACTIVE_VARIANCE = 0.01  # of the mean of an active unit whose prior has variance 1: Burda et al. (ICLR 2016)
MIN_RATE = 0.5  # nats of rate_z; a code that tells its rows apart has several, one that has collapsed about 0.1
CLUSTER_ALONE = "the code says next to nothing of a row beyond its cluster"  # nor need it, if there is no more


@dataclass(frozen=True)
class Signals:
    """What a mixture and its code look like on some rows."""

    share: np.ndarray  # mean responsibility of each component, [K]
    entropy: float  # mean entropy of the responsibilities of a row, nats
    distance: np.ndarray  # Bhattacharyya distance of each pair of components, [K, K]
    activity: np.ndarray  # share of each code dimension's variance that tells rows apart, [latent]
    rate_z: float = np.inf  # mean of this term of the bound, nats

    @property
    def used(self) -> np.ndarray:
        """Whether a component holds rows, bool [K]."""
        return self.share >= MIN_SHARE / len(self.share)

    @property
    def active_units(self) -> int:
        return int(np.sum(self.activity > ACTIVE_VARIANCE))

    def columns(self) -> dict:
        """What the history has of them."""
        used = int(self.used.sum())
        return {"gamma_entropy": self.entropy, "components_used": used, "active_units": self.active_units}


def sample(x: Rows, seed: int) -> Rows:
    """Some of raw rows [n, D], by which a model is looked at."""
    return part(x, subset(len(x), SAMPLE_ROWS, seed))


def signals(model: VaDE, x: Rows) -> Signals:
    """The signals of a model as it is, on raw rows x [n, D]."""
    _, mu, log_sigma2 = model.prior.parameters

    def of_batch(rows):  # block by block, for [n, K] is large for a K of thousands
        m, log_s2 = model.encode(rows)
        log_gamma = model.prior(m, log_s2)
        rate_z, log_gamma = elbo.rate_z(log_gamma, m, log_s2, mu, log_sigma2), np.asarray(log_gamma, np.float64)
        gamma = np.exp(log_gamma)
        entropy = -np.sum(gamma * np.where(gamma > 0, log_gamma, 0.0), axis=1)
        return m, log_s2, gamma.sum(axis=0)[None], entropy, rate_z

    m, log_s2, weight, entropy, rate_z = posterior.over_rows(of_batch, x)
    between, within = m.astype(np.float64).var(axis=0), np.exp(log_s2.astype(np.float64)).mean(axis=0)
    return Signals(
        weight.sum(axis=0) / len(entropy),
        float(np.mean(entropy)),
        bhattacharyya(mu.numpy(), log_sigma2.numpy()),
        between / np.maximum(between + within, np.finfo(float).tiny),
        float(np.mean(rate_z)),
    )


def bhattacharyya(mu, log_sigma2) -> np.ndarray:
    """Bhattacharyya distance of each pair of diagonal Gaussians, -log of their overlap: [K, latent] twice -> [K, K]."""
    mu, log_sigma2 = np.asarray(mu, np.float64), np.asarray(log_sigma2, np.float64)
    distance = np.empty((len(mu), len(mu)))
    for c in range(len(mu)):  # a row at a time: [K, K, latent] is large for a K of thousands
        log_mean = np.logaddexp(log_sigma2[c], log_sigma2) - np.log(2)  # [K, latent]
        squares = (mu[c] - mu) ** 2 * np.exp(-log_mean) / 8
        distance[c] = np.sum(squares + 0.5 * (log_mean - 0.5 * (log_sigma2[c] + log_sigma2)), axis=1)
    return distance


def findings(found: Signals) -> list[str]:
    """What is wrong by the signals, a sentence each; none for a model in good use."""
    used, k, width = np.flatnonzero(found.used), len(found.share), len(found.activity)
    share = found.share[used]
    max_entropy = -np.sum(share * np.log(share))  # nats: of rows that nothing is known about
    modes, mode = connected_components(found.distance[np.ix_(used, used)] < ONE_MODE_DISTANCE, directed=False)
    sentences = []
    if found.rate_z < MIN_RATE:
        sentences.append(f"{CLUSTER_ALONE} (rate_z {found.rate_z:.2f} nats): samples of a cluster are nearly alike")
    if len(used) < k:
        unused = _names(np.flatnonzero(~found.used))
        sentences.append(
            f"components {unused} hold almost no rows, {len(used)} are in use; if you expect all {k} clusters, "
            "pretrain longer (pretrain_epochs) or take another seed"
        )
    if len(used) > 1 and found.entropy >= 0.9 * max_entropy:
        sentences.append("the responsibilities are nearly the same for every row; pretrain longer (pretrain_epochs)")
    if modes < len(used):
        shared = used[np.bincount(mode, minlength=modes)[mode] > 1]
        advice = "compare their rows; if these should be apart, pretrain longer (pretrain_epochs)"
        sentences.append(f"components {_names(shared)} overlap in the code; {advice}")
    if found.active_units < width / 2:
        sentences.append(f"the code uses {found.active_units} of its {width} dimensions; give a smaller latent_dim")
    return sentences


def _names(components: np.ndarray) -> str:
    return ", ".join(map(str, components))


def remedies(rows: Sequence[dict]) -> list[str]:
    """The epochs that went back to earlier weights, a sentence each, from the rows of the history."""
    return [
        f"{row['phase']}, epoch {row['epoch']}: the loss was not finite; back to the weights of epoch "
        f"{row['restored_epoch']}, at half the learning rate"
        for row in rows
        if "restored_epoch" in row
    ]
