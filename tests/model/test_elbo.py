"""Each term of the bound against SciPy in float64, and the laws that tie the terms together."""

import numpy as np
import oracles
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.special import softmax
from tensorflow_probability import distributions as tfd

from vade_tf.model import elbo
from vade_tf.model.likelihood import Bernoulli, Gaussian


def draw(seed, batch=5, k=4, latent=3, features=7, spread=2.0):
    """Random tensors of a batch: names as in elbo.py, plus the plain (not log) forms for the oracles."""
    r = np.random.default_rng(seed)
    pi = r.dirichlet(np.ones(k))
    values = {
        "m": r.normal(0, spread, (batch, latent)),
        "log_s2": r.normal(-1, 1, (batch, latent)),
        "mu": r.normal(0, spread, (k, latent)),
        "log_sigma2": r.normal(0, 1, (k, latent)),
        "log_pi": np.log(pi),
        "x": r.uniform(0, 1, (batch, features)),
        "out": r.normal(0, 3, (batch, features)),
        "P": r.dirichlet(np.ones(k), batch) * (np.arange(batch) > 0)[:, None],
    }
    values["z"] = values["m"] + np.exp(values["log_s2"] / 2) * r.normal(size=(batch, latent))
    return values


def log_gamma_of(v):
    return elbo.log_responsibilities(v["z"], v["log_pi"], v["mu"], v["log_sigma2"])


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**31), k=st.integers(1, 6), latent=st.integers(1, 5), dtype=st.sampled_from(["f4", "f8"]))
def test_terms_equal_scipy(seed, k, latent, dtype):
    wide = draw(seed, k=k, latent=latent)
    v = {name: value.astype(dtype) for name, value in wide.items()}
    log_gamma = log_gamma_of(v)
    got = {
        "gamma": tf.exp(log_gamma),
        "rate_z": elbo.rate_z(log_gamma, v["m"], v["log_s2"], v["mu"], v["log_sigma2"]),
        "rate_c": elbo.rate_c(log_gamma, v["log_pi"]),
        "bernoulli": Bernoulli().distortion(v["x"], v["out"]),
        "gaussian": Gaussian().distortion(v["x"], v["out"]),
    }
    v = {name: value.astype("f8") for name, value in v.items()}  # the numbers the product code saw
    pi, sigma2, s2 = np.exp(v["log_pi"]), np.exp(v["log_sigma2"]), np.exp(v["log_s2"])
    for i in range(len(v["m"])):
        gamma = oracles.responsibilities(v["z"][i], pi / pi.sum(), v["mu"], sigma2)
        # rounding of a float32 gamma shows in the KL of a component that is 0 within rounding: an absolute floor
        close = {"rtol": 1e-5, "atol": 2e-5 if dtype == "f4" else 1e-12}
        np.testing.assert_allclose(got["gamma"][i], gamma, **close)
        np.testing.assert_allclose(got["rate_z"][i], oracles.rate_z(gamma, v["m"][i], s2[i], v["mu"], sigma2), **close)
        np.testing.assert_allclose(got["rate_c"][i], oracles.rate_c(gamma, pi), **close)
        np.testing.assert_allclose(got["bernoulli"][i], oracles.bernoulli_distortion(v["x"][i], v["out"][i]), **close)
        np.testing.assert_allclose(got["gaussian"][i], oracles.gaussian_distortion(v["x"][i], v["out"][i]), **close)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_gamma_of_a_point_a_thousand_deviations_away(dtype):
    mu = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 3.0]])
    sigma2 = np.array([[1.0, 1.0], [0.25, 1.0], [1.5, 4.0]])
    pi = np.array([0.2, 0.3, 0.5])
    for z in ([1000.0, 0.0], [-700.0, 700.0], [0.0, -2000.0]):
        log_gamma = elbo.log_responsibilities(
            tf.constant([z], dtype), *(tf.constant(a, dtype) for a in (np.log(pi), mu, np.log(sigma2)))
        )
        want = oracles.responsibilities(np.array(z), pi, mu, sigma2)
        assert np.all(np.isfinite(log_gamma))
        np.testing.assert_allclose(tf.exp(log_gamma)[0], want, atol=1e-6)
        assert np.max(want) > 0.99  # so a uniform fallback would be seen


def test_bound_by_terms_equals_monte_carlo_through_the_mixture():
    """E_q[ log p(z) - log q(z|x) ] - KL(gamma || p(c|z)) = -(rate_z + rate_c): exact for any gamma."""
    v = draw(2, batch=3)
    log_gamma = log_gamma_of(v)
    rates = elbo.rate_z(log_gamma, v["m"], v["log_s2"], v["mu"], v["log_sigma2"]) + elbo.rate_c(log_gamma, v["log_pi"])
    components = tfd.Independent(tfd.Normal(v["mu"], np.exp(v["log_sigma2"] / 2)), 1)
    mixture = tfd.MixtureSameFamily(tfd.Categorical(logits=v["log_pi"]), components)
    q = tfd.Independent(tfd.Normal(v["m"], np.exp(v["log_s2"] / 2)), 1)
    z = q.sample(40_000, seed=3)  # [draws, batch, latent]
    posterior = tf.nn.log_softmax(mixture.posterior_marginal(z).logits_parameter())  # [draws, batch, K]
    gap = tf.reduce_sum(tf.exp(log_gamma) * (log_gamma - posterior), axis=-1)
    estimate = (mixture.log_prob(z) - q.log_prob(z) - gap).numpy()
    error = estimate.std(axis=0) / np.sqrt(len(estimate))
    assert np.all(np.abs(estimate.mean(axis=0) + rates) < 4 * error)
    assert np.all(rates >= (q.log_prob(z) - mixture.log_prob(z)).numpy().mean(axis=0) - 4 * error)  # a bound


def test_guidance_is_the_cross_entropy_of_p_and_lowest_where_gamma_is_p():
    """Its first row has no P. Towards the logits of gamma the gradient is gamma - P."""
    v = draw(6)
    logits, entropy = tf.constant(log_gamma_of(v).numpy()), -np.sum(v["P"][1:] * np.log(v["P"][1:]), axis=1)
    want = -np.sum(v["P"] * logits.numpy(), axis=1)
    np.testing.assert_allclose(elbo.guidance(logits, v["P"]), want)
    assert want[0] == 0
    with tf.GradientTape() as tape:
        tape.watch(at := tf.constant(np.log(v["P"][1:])))
        lowest = elbo.guidance(tf.nn.log_softmax(at), v["P"][1:])
    np.testing.assert_allclose(lowest, entropy)
    np.testing.assert_allclose(tape.gradient(lowest, at), 0, atol=1e-12)
    assert np.all(want[1:] > entropy)


def posterior_and_mixture(seed, k, latent, batch=15):
    """q(z|x) of rows drawn from a mixture whose components overlap: m, log s2, log pi, mu, log sigma2, float64."""
    r = np.random.default_rng(seed)
    mu, log_sigma2 = r.normal(0, 2.5 / latent**0.5, (k, latent)), r.normal(-0.2, 0.3, (k, latent))
    m = mu[r.integers(0, k, batch)] + r.normal(size=(batch, latent))
    return m, r.normal(-1.5, 1, (batch, latent)), np.log(r.dirichlet(np.full(k, 3.0))), mu, log_sigma2


@pytest.mark.parametrize(("k", "latent"), [(2, 2), (3, 10), (5, 5), (10, 2), (10, 10)])
def test_what_is_given_out_is_the_mean_of_gamma_over_draws_of_q(k, latent):
    """Eq. 16 by 10^5 draws."""
    m, log_s2, *mixture = posterior_and_mixture(k + latent, k, latent)
    found, r = np.exp(elbo.log_assignments(m, log_s2, *mixture)), np.random.default_rng(0)
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-12)
    pi, mu, sigma2 = np.exp(mixture[0]), mixture[1], np.exp(mixture[2])
    of_draws, at_mean = np.zeros((2, *found.shape))
    for i, (mean, std) in enumerate(zip(m, np.exp(log_s2 / 2), strict=True)):
        z = mean + std * r.normal(size=(100_000, latent))
        components = zip(mu, sigma2, strict=True)
        log = [stats.multivariate_normal(mean_c, np.diag(var)).logpdf(z) for mean_c, var in components]  # [K, draws]
        of_draws[i] = softmax(np.log(pi)[:, None] + log, axis=0).mean(axis=1)
        at_mean[i] = oracles.responsibilities(mean, pi, mu, sigma2)
    assert np.abs(found - of_draws).mean() <= 0.02
    assert np.abs(found - of_draws).mean() < 0.5 * np.abs(at_mean - of_draws).mean()


def wide(kind, k=80, latent=64, batch=32):
    """Codes near and far from many components, some of them narrow; small noise in q(z|x)."""
    r = np.random.default_rng(5)
    mu = r.normal(0, 5, (k, latent))
    log_sigma2 = r.uniform(np.log(1e-3), np.log(2.0), (k, 1)) + r.normal(0, 0.3, (k, latent))
    z = mu[r.integers(0, k, batch)] + r.normal(0, 0.1, (batch, latent))
    z[0] = 300.0
    v = {"z": z, "m": z, "log_s2": r.normal(-4, 1, (batch, latent)), "mu": mu, "log_sigma2": log_sigma2}
    v["log_pi"] = np.log(r.dirichlet(np.ones(k)))
    return {name: value.astype(kind) for name, value in v.items()}


def test_many_components_by_matrix_products_are_as_exact_as_one_by_one(monkeypatch):
    v = wide("f4")
    exact = {name: value.astype("f8") for name, value in v.items()}

    def terms(v):
        log_gamma = log_gamma_of(v)
        rate = elbo.rate_z(log_gamma, v["m"], v["log_s2"], v["mu"], v["log_sigma2"])
        return [np.asarray(each, "f8") for each in (elbo.log_normal(v["z"], v["mu"], v["log_sigma2"]), log_gamma, rate)]

    assert v["mu"].size > elbo.WIDE
    products = terms(v)
    monkeypatch.setattr(elbo, "WIDE", v["mu"].size)
    singly, want = terms(v), terms(exact)
    for found, plain, expected in zip(products, singly, want, strict=True):
        scale = 1 + np.abs(expected)
        assert np.max(np.abs(found - expected) / scale) <= 1.1 * np.max(np.abs(plain - expected) / scale) + 1e-6
    near = np.s_[1:]  # rows near a component: what a softmax is made of
    np.testing.assert_allclose(np.exp(products[1][near]), np.exp(want[1][near]), atol=2e-4)


def test_components_that_depend_on_the_row_are_taken_one_by_one_however_many(rng):
    """As GMVAE has them: [batch, K, latent]."""
    z, log_s2, mu, log_sigma2 = (rng.normal(size=shape) for shape in ((40, 8), (40, 8), (40, 16, 8), (40, 16, 8)))
    assert mu.size > elbo.WIDE
    want = [oracles.log_normal(*row) for row in zip(z, mu, np.exp(log_sigma2), strict=True)]
    np.testing.assert_allclose(elbo.log_normal(z, mu, log_sigma2), want, rtol=1e-9)
    gamma = rng.dirichlet(np.ones(16), 40)
    want = [oracles.rate_z(*row) for row in zip(gamma, z, np.exp(log_s2), mu, np.exp(log_sigma2), strict=True)]
    np.testing.assert_allclose(elbo.rate_z(np.log(gamma), z, log_s2, mu, log_sigma2), want, rtol=1e-9)


@pytest.mark.parametrize("latent", [1, 2, 7, 10])
def test_draws_of_an_expectation_have_the_moments_of_noise(latent):
    """Of N(0, I): mean 0, mean square I, and third moments 0."""
    draws = elbo.cubature(latent).astype("f8")
    np.testing.assert_allclose(draws.mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(draws.T @ draws / len(draws), np.eye(latent), atol=1e-6)
    np.testing.assert_array_equal(draws, elbo.cubature(latent))


def test_draws_of_a_wide_code_are_twenty_of_the_length_of_noise():
    draws = elbo.cubature(64)
    assert draws.shape == (20, 64)
    np.testing.assert_allclose((draws**2).sum(axis=1), 64, rtol=1e-5)
    np.testing.assert_allclose(draws.mean(axis=0), 0, atol=1e-6)
