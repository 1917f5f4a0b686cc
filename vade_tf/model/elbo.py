"""The terms of VaDE's evidence lower bound: pure functions of tensors, nothing else.

Symbols are those of Jiang et al. (IJCAI 2017, arXiv 1611.05148). A row x of a batch has the posterior
q(z|x) = N(m, diag s2) and one sample z of it; the mixture has weights pi_c and components N(mu_c, diag sigma2_c).

    gamma_c    = p(c|z) = softmax_c( log pi_c + log N(z; mu_c, sigma2_c) )           in the bound
    p(c|x)     = E_q[ gamma_c ]                                                      eq. 16, what is given out
    distortion = -E_q log p(x|z)                      `likelihood.Likelihood.distortion`
    rate_z     = sum_c gamma_c KL( q(z|x) || N(mu_c, sigma2_c) )
    rate_c     = KL( gamma || pi )
    -ELBO      = distortion + rate_z + rate_c                                        eq. 12

gamma is a log-softmax, so that a point far from every component has one, too. Shapes: m, s2 and z [batch, latent],
pi [K], mu and sigma2 [K, latent], gamma [batch, K]; terms are in nats, [batch], in the dtype that a function is given.
"""

import math

import numpy as np
import tensorflow as tf

LOG_2PI = math.log(2.0 * math.pi)
DIRECTIONS = 10  # of the code, at most, along which `cubature` goes both ways
WIDE = 4096  # numbers of the components' means, K times latent, from which on sums over them are matrix products


def log_normal(z, mu, log_sigma2):
    """Log density of each code under each component, log N(z; mu_c, diag sigma2_c): nats, [batch, K]."""
    if _wide(mu):
        log_volume = tf.reduce_sum(log_sigma2 + LOG_2PI, axis=-1)  # [K]
        return -0.5 * (_squares(z, tf.zeros_like(z), mu, log_sigma2) + log_volume)
    squared = (z[:, None, :] - mu) ** 2 * tf.exp(-log_sigma2)  # [batch, K, latent]
    return -0.5 * tf.reduce_sum(squared + log_sigma2 + LOG_2PI, axis=-1)


def log_responsibilities(z, log_pi, mu, log_sigma2):
    """log gamma_c = log p(c|z), [batch, K]."""
    return tf.nn.log_softmax(log_pi + log_normal(z, mu, log_sigma2), axis=-1)


def log_assignments(m, log_s2, log_pi, mu, log_sigma2):
    """log p(c|x) = log E_{q(z|x)}[ p(c|z) ] (eq. 16), by the draws of `cubature`: [batch, K], each row by itself."""
    draws = cubature(m.shape[-1])  # [draws, latent]
    z = m[:, None, :] + tf.exp(0.5 * log_s2)[:, None, :] * tf.cast(draws, m.dtype)  # [batch, draws, latent]
    flat = tf.reshape(z, (-1, m.shape[-1]))
    log_pi = tf.repeat(log_pi[None, :], tf.shape(flat)[0], axis=0)  # OpenVINO errs in sum + [K], openvino#23616
    log_gamma = log_responsibilities(flat, log_pi, mu, log_sigma2)  # [batch * draws, K]
    log_gamma = tf.reshape(log_gamma, (-1, len(draws), mu.shape[0]))
    return tf.reduce_logsumexp(log_gamma, axis=1) - math.log(len(draws))


def rate_z(log_gamma, m, log_s2, mu, log_sigma2):
    """sum_c gamma_c KL( N(m, diag s2) || N(mu_c, diag sigma2_c) ) in closed form: [batch]."""
    if _wide(mu):
        squares = _squares(m, tf.exp(log_s2), mu, log_sigma2)  # [batch, K]
        volumes = tf.reduce_sum(log_sigma2, axis=-1) - tf.reduce_sum(log_s2 + 1.0, axis=-1, keepdims=True)
        return tf.reduce_sum(tf.exp(log_gamma) * 0.5 * (volumes + squares), axis=-1)
    m, log_s2 = m[:, None, :], log_s2[:, None, :]  # [batch, 1, latent]
    ratio = tf.exp(log_s2 - log_sigma2) + (m - mu) ** 2 * tf.exp(-log_sigma2)  # [batch, K, latent]
    kl = 0.5 * tf.reduce_sum(log_sigma2 - log_s2 + ratio - 1.0, axis=-1)  # [batch, K]
    return tf.reduce_sum(tf.exp(log_gamma) * kl, axis=-1)


def _wide(mu) -> bool:
    """Whether components [K, latent] are so many that a tensor [batch, K, latent] is to be avoided.

    Those that depend on the row, [batch, K, latent] themselves (GMVAE), are not.
    """
    return len(mu.shape) == 2 and None not in mu.shape and math.prod(mu.shape) > WIDE


def _squares(m, s2, mu, log_sigma2):
    """sum_d ((m - mu_c)^2 + s2) / sigma2_c by two matrix products: [batch, K].

    m^2, 2 m mu_c and mu_c^2 cancel where a code lies near a narrow component, so they are summed in float64.
    """
    kind = m.dtype
    m, s2, mu, log_sigma2 = (tf.cast(part, tf.float64) for part in (m, s2, mu, log_sigma2))
    precision = tf.exp(-log_sigma2)  # [K, latent]
    products = tf.matmul(m**2 + s2, precision, transpose_b=True) - 2 * tf.matmul(m, mu * precision, transpose_b=True)
    return tf.cast(products + tf.reduce_sum(mu**2 * precision, axis=-1), kind)


def rate_c(log_gamma, log_pi):
    """KL( gamma || pi ): [batch]."""
    return tf.reduce_sum(tf.exp(log_gamma) * (log_gamma - log_pi), axis=-1)


def bound(terms):
    """ELBO = -(distortion + rate_z + rate_c) (eq. 12): the terms by name, nats [batch] each -> [batch]."""
    return -(terms["distortion"] + terms["rate_z"] + terms["rate_c"])


def guidance(log_gamma, P):
    """Cross-entropy with a soft partition P [batch, K]: -sum_c P_c log gamma_c, [batch]; at its optimum gamma = P.

    A row of zeros in P adds nothing, one of 0 and 1 is a known group.
    """
    return -tf.reduce_sum(P * log_gamma, axis=-1)


def cubature(latent: int) -> np.ndarray:
    """Draws that stand for N(0, I) in an expectation: both ways along orthogonal directions, sqrt(latent) far.

    Their mean is 0, and their mean square I where there are as many directions as the code has dimensions, which is
    exact for all that is quadratic in the noise (spherical-radial rule: Arasaratnam and Haykin, IEEE TAC 2009). A
    wider code has the right length of the noise, and some of its directions.

    Returns:
        float32 [2 min(latent, DIRECTIONS), latent], always the same.
    """
    drawn = np.random.default_rng(0).standard_normal((latent, min(latent, DIRECTIONS)))
    half = math.sqrt(latent) * np.linalg.qr(drawn)[0].T
    return np.concatenate([half, -half]).astype(np.float32)
