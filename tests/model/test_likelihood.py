"""A likelihood is one class: against SciPy's densities, by its name, and the units it gives."""

import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

from vade_tf.data.observations import observe
from vade_tf.errors import InputError
from vade_tf.model import likelihood
from vade_tf.model.likelihood import Bernoulli, Gaussian, Likelihood


@pytest.mark.parametrize("kind", [Bernoulli(), Gaussian()])
def test_the_fused_formulas_are_the_distribution_and_scipy(kind, rng):
    parameters = rng.normal(size=(5, 7))
    x = rng.integers(0, 2, (5, 7)).astype("f8") if kind.name == "bernoulli" else rng.normal(size=(5, 7))
    oracle = {
        "bernoulli": lambda: stats.bernoulli(1 / (1 + np.exp(-parameters))),
        "gaussian": lambda: stats.norm(parameters, 1),
    }[kind.name]()
    log_p = oracle.logpmf(x) if kind.name == "bernoulli" else oracle.logpdf(x)
    found = kind.distribution(tf.constant(parameters))
    np.testing.assert_allclose(kind.distortion(x, parameters), -log_p.sum(axis=1), rtol=1e-12)
    np.testing.assert_allclose(found.log_prob(x), log_p.sum(axis=1), rtol=1e-12)
    np.testing.assert_allclose(kind.mean(parameters), oracle.mean(), rtol=1e-12)
    np.testing.assert_allclose(found.mean(), oracle.mean(), rtol=1e-12)
    np.testing.assert_allclose(Likelihood.distortion(kind, x, tf.constant(parameters)), -log_p.sum(axis=1), rtol=1e-12)
    a_feature = -log_p.mean(axis=1) if kind.name == "bernoulli" else ((x - parameters) ** 2).mean(axis=1)
    np.testing.assert_allclose(kind.reconstruction(x, tf.constant(parameters)), a_feature, rtol=1e-6)


def test_each_feature_is_standardised_whatever_its_scale(rng):
    """A feature of 1e-9 is one; of one that moves by less than float32 can tell, like times, hardly any is left."""
    x = rng.normal(size=(400, 5)) * [1, 1e-9, 1e5, 0.02, 60] + [5, 3e-9, 0, 1e6, 1.7e9]
    scale, offset = Gaussian().units(observe(x.astype("f4")))
    scaled = x.astype("f4").astype("f8") * scale + offset
    np.testing.assert_allclose(scaled.mean(axis=0), 0, atol=0.1)
    np.testing.assert_allclose(scaled.std(axis=0)[:3], 1, rtol=1e-2)
    assert scaled[:, 3:].std(axis=0).max() < 0.1


def test_the_density_of_rows_is_at_the_variance_that_a_model_has(small_model, rng):
    model, x = small_model("gaussian"), rng.normal(size=(6, 12)).astype("f4")
    sigma2 = np.geomspace(0.05, 9, 12)
    model.set_variance(sigma2)
    mean = model.decode(model.encode(x)[0]).numpy()
    want = -stats.norm(mean, np.sqrt(sigma2)).logpdf(x).sum(axis=1)
    np.testing.assert_allclose(model.elbo_terms(x, np.zeros((6, 3), "f4"))["distortion"], want, rtol=1e-4)


def test_it_is_known_by_its_name_or_is_itself():
    own = Gaussian()
    assert likelihood.get(own) is own
    assert likelihood.get({"name": "gaussian", "shared": True}).shared
    for wrong in ("poisson", None, ["gaussian"], {"shared": True}):
        with pytest.raises(InputError, match="^likelihood: expected one of bernoulli, counts, gaussian"):
            likelihood.get(wrong)
    with pytest.raises(InputError, match="^likelihood: expected the arguments of "):
        likelihood.get("mixed")
