"""The bound and the metrics a second time, in NumPy/SciPy float64, from the definitions; imports no vade_tf."""

import collections
import itertools

import numpy as np
from scipy import stats
from scipy.special import expit, logsumexp


def log_normal(z, mu, sigma2):
    """[K]: log density of one code z [latent] under each component, from SciPy."""
    return np.array(
        [stats.multivariate_normal(mean, np.diag(var)).logpdf(z) for mean, var in zip(mu, sigma2, strict=True)]
    )


def responsibilities(z, pi, mu, sigma2):
    """[K]: p(c|z) by Bayes' rule with SciPy's logsumexp."""
    joint = np.log(pi) + log_normal(z, mu, sigma2)
    return np.exp(joint - logsumexp(joint))


def kl_normal(m, s2, mu, sigma2):
    """KL between two diagonal normals, via traces and determinants of full matrices."""
    a, b = np.diag(s2), np.diag(sigma2)
    inverse = np.linalg.inv(b)
    d = mu - m
    return 0.5 * (np.trace(inverse @ a) + d @ inverse @ d - len(m) + np.linalg.slogdet(b)[1] - np.linalg.slogdet(a)[1])


def rate_z(gamma, m, s2, mu, sigma2):
    return sum(g * kl_normal(m, s2, mean, var) for g, mean, var in zip(gamma, mu, sigma2, strict=True))


def rate_c(gamma, pi):
    return stats.entropy(gamma, pi)


def bernoulli_distortion(x, logits):
    p = expit(np.asarray(logits, np.float64))
    return -np.sum(x * np.log(p) + (1 - x) * np.log1p(-p))


def gaussian_distortion(x, mean):
    return -stats.norm(mean, 1.0).logpdf(x).sum()


def accuracy(y, groups, k):
    """Best share of agreement over all ways to name k groups: tried one by one."""
    return max(np.mean(np.asarray(names)[groups] == y) for names in itertools.permutations(range(k)))


def nmi(y, groups):
    """Mutual information by the entropies of labels, groups and both, over the arithmetic mean of the first two."""
    n = len(y)
    h_y, h_groups, h_both = (
        -sum(count / n * np.log(count / n) for count in collections.Counter(names).values())
        for names in (y.tolist(), groups.tolist(), list(zip(y.tolist(), groups.tolist(), strict=True)))
    )
    return (h_y + h_groups - h_both) / ((h_y + h_groups) / 2)


def ari(y, groups):
    """Hubert & Arabie (1985) by looking at every pair of rows: together in both, beyond chance."""
    pairs = list(itertools.combinations(range(len(y)), 2))
    same_y, same_groups, both = (
        sum(test(i, j) for i, j in pairs)
        for test in (
            lambda i, j: y[i] == y[j],
            lambda i, j: groups[i] == groups[j],
            lambda i, j: y[i] == y[j] and groups[i] == groups[j],
        )
    )
    chance = same_y * same_groups / len(pairs)
    return (both - chance) / ((same_y + same_groups) / 2 - chance)
