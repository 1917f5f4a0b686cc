"""GMVAE's four terms against sampling in float64, its cut, its way through training and a file."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

from vade_tf.model import networks
from vade_tf.model.likelihood import Bernoulli
from vade_tf.model.networks import FusedAdam
from vade_tf.systems import gmvae

DRAWS = 200_000


@pytest.fixture
def model():
    """z of two dimensions, w of three."""
    return gmvae.GMVAE(networks.build_encoder(6, 5, (8,)), networks.build_decoder(6, 2, (8,)), 3, "bernoulli", seed=1)


def within_noise(value, draws):
    """Whether a closed form agrees with the mean of its draws to five standard errors."""
    error = np.std(draws) / np.sqrt(len(draws))
    assert abs(float(value) - np.mean(draws)) < 5 * error + 1e-9, (float(value), np.mean(draws), error)


def test_the_four_terms_against_sampling(rng):
    """One row of float64 numbers; each expectation is estimated from its definition with SciPy's densities."""
    z_m, z_log_s2, w_m, w_log_s2, z = (rng.normal(size=2) for _ in range(5))
    mu, log_sigma2 = rng.normal(size=(3, 2)), rng.normal(size=(3, 2))  # of p(z|w,c) for the w drawn
    x, logits = rng.uniform(size=6).round(), rng.normal(size=6)
    row = [tf.constant(part[None]) for part in (x, logits, z, z_m, z_log_s2, w_m, w_log_s2, mu, log_sigma2)]
    x_, out, z_, *q, mu_, log_sigma2_ = row
    found = gmvae.terms(x_, out, z_, q[:2], q[2:], (mu_, log_sigma2_), Bernoulli().distortion)
    assert all(term.dtype == tf.float64 for term in found.values())

    def log_density(points, mean, log_variance):
        return stats.norm(mean, np.exp(0.5 * log_variance)).logpdf(points).sum(axis=-1)

    p = 1 / (1 + np.exp(-logits))
    np.testing.assert_allclose(found["distortion"], -np.log(np.where(x == 1, p, 1 - p)).sum())
    joint = np.exp([log_density(z, mean, variance) for mean, variance in zip(mu, log_sigma2, strict=True)])
    gamma = joint / joint.sum()  # Bayes' rule with p(c) = 1/3
    draws = z_m + np.exp(0.5 * z_log_s2) * rng.normal(size=(DRAWS, 2))
    clusters = rng.choice(3, DRAWS, p=gamma)
    log_prior = np.empty(DRAWS)
    for c in range(3):
        log_prior[clusters == c] = log_density(draws[clusters == c], mu[c], log_sigma2[c])
    within_noise(found["rate_z"][0], log_density(draws, z_m, z_log_s2) - log_prior)
    within_noise(found["rate_c"][0], np.log(gamma[clusters]) - np.log(1 / 3))
    w = w_m + np.exp(0.5 * w_log_s2) * rng.normal(size=(DRAWS, 2))
    within_noise(found["rate_w"][0], log_density(w, w_m, w_log_s2) - log_density(w, 0, np.zeros(2)))


def test_z_and_w_are_the_two_parts_of_the_code(model, rng):
    """The model's own terms are those of its networks' outputs, w moves the components and z does not."""
    x, noise = rng.uniform(size=(5, 6)).astype("f4"), rng.normal(size=(5, 5)).astype("f4")
    m, log_s2 = (part.numpy() for part in model.encoder(x))
    draw = m + np.exp(0.5 * log_s2) * noise
    components = model.prior(draw[:, 2:])
    z, w = (m[:, :2], log_s2[:, :2]), (m[:, 2:], log_s2[:, 2:])
    expected = gmvae.terms(x, model.decoder(draw[:, :2]), draw[:, :2], z, w, components, Bernoulli().distortion)
    for name, term in model.elbo_terms(x, noise).items():
        np.testing.assert_allclose(term, expected[name], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(model.predict(x, verbose=0), np.exp(model.assignments(x)[1]), rtol=1e-4)


def test_below_the_cut_the_c_prior_has_no_gradient(model, rng, monkeypatch):
    x = rng.uniform(size=(8, 6)).astype("f4")

    def gradient():
        with tf.GradientTape() as tape:
            loss = model._loss(x, tf.constant(3))
        return loss, tape.gradient(loss, model.prior.trainable_variables)

    noise = tf.random.stateless_normal((8, 5), [1, 3])
    with tf.GradientTape(persistent=True) as tape:
        means = {name: tf.reduce_mean(term) for name, term in model.elbo_terms(x, noise).items()}
        others = means["distortion"] + means["rate_z"] + means["rate_w"]
        whole = others + means["rate_c"]
    rate_c = float(means["rate_c"])
    for cut, expected, value in ((rate_c + 1, others, others + rate_c + 1), (rate_c - 1, whole, whole)):
        monkeypatch.setattr(gmvae, "CUT", cut)
        loss, found = gradient()
        np.testing.assert_allclose(loss, value, rtol=1e-5)
        for a, b in zip(found, tape.gradient(expected, model.prior.trainable_variables), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-6)


def test_training_raises_the_bound_and_a_file_gives_the_model_back(model, rng, tmp_path, eager):
    x = np.repeat(np.eye(3, 6), 40, axis=0).astype("f4")
    model.compile(FusedAdam(1e-2))
    before = model.evaluate(x, verbose=0, return_dict=True)["elbo"]
    model.fit(x, epochs=6, verbose=0)
    after = model.evaluate(x, verbose=0, return_dict=True)
    assert after["elbo"] > before
    assert after["elbo"] == pytest.approx(-sum(after[name] for name in gmvae.TERMS), rel=1e-5)
    model.save(tmp_path / "m.keras")
    again = keras.models.load_model(tmp_path / "m.keras")
    np.testing.assert_array_equal(again.predict(x, verbose=0), model.predict(x, verbose=0))
    np.testing.assert_array_equal(again.sample([0, 2, 1], seed=3), model.sample([0, 2, 1], seed=3))
    assert again.sample([0, 2, 1], seed=3).shape == (3, 6)


def test_a_gmvae_evaluates_on_fixed_noise_and_draws_other_noise_in_each_step(model, rng):
    """Evaluation and the steps of a training have noise of their own: step t from (seed, t), evaluation from -1."""
    x = rng.uniform(size=(8, 6)).astype("f4")
    model.compile(keras.optimizers.SGD(0.0))
    evaluated = [model.evaluate(x, verbose=0, return_dict=True) for _ in range(2)]
    assert evaluated[0] == evaluated[1]
    losses = model.fit(x, batch_size=8, epochs=3, verbose=0).history["loss"]
    assert len({*losses, evaluated[0]["loss"]}) == 4
    assert set(evaluated[0]) == {"loss", "elbo", *gmvae.TERMS}
    noise = tf.random.stateless_normal((8, 5), [1, -1])
    terms = {name: float(tf.reduce_mean(term)) for name, term in model.elbo_terms(x, noise).items()}
    for name, value in terms.items():
        assert evaluated[0][name] == pytest.approx(value, rel=1e-5)
    assert evaluated[0]["elbo"] == pytest.approx(-sum(terms.values()), rel=1e-5)
    others = terms["distortion"] + terms["rate_z"] + terms["rate_w"]
    assert evaluated[0]["loss"] == pytest.approx(others + max(0.5, terms["rate_c"]), rel=1e-5)
