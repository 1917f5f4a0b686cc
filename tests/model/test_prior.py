"""The mixture layer: its distribution, its samples, its errors."""

import keras
import numpy as np
import oracles
import pytest

from vade_tf.errors import InputError
from vade_tf.model.prior import GaussianMixturePrior, check_clusters

PI = np.array([0.2, 0.5, 0.3])
MU = np.array([[0.0, 0.0], [4.0, -1.0], [-3.0, 2.0]])


SIGMA2 = np.array([[1.0, 0.25], [0.5, 2.0], [0.1, 1.5]])


@pytest.fixture
def prior():
    layer = GaussianMixturePrior(3, 2)
    layer.assign(PI, MU, SIGMA2)
    return layer


def test_log_prob_and_posterior_equal_scipy(prior, rng):
    z = rng.normal(0, 3, (20, 2))
    want = [np.log(np.sum(PI * np.exp(oracles.log_normal(point, MU, SIGMA2)))) for point in z]
    np.testing.assert_allclose(prior.distribution.log_prob(z.astype("f4")), want, rtol=1e-4)
    gamma = [oracles.responsibilities(point, PI, MU, SIGMA2) for point in z]
    np.testing.assert_allclose(np.exp(prior(z)), gamma, atol=1e-5)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_stays_in_float32_under_a_mixed_policy(policy):
    layer = GaussianMixturePrior(3, 2, dtype=policy)
    layer.assign(PI, MU, SIGMA2)
    assert {v.dtype for v in layer.weights} == {"float32"}
    z = np.random.default_rng(0).normal(0, 3, (20, 2)).astype("f4")  # half precision would round it
    want = [oracles.responsibilities(point.astype("f8"), PI, MU, SIGMA2) for point in z]
    np.testing.assert_allclose(np.exp(layer(z)), want, atol=1e-5)


def test_config_round_trip():
    layer = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(GaussianMixturePrior(5, 4, 3)))
    assert (layer.n_components, layer.latent_dim) == (5, 4)
    np.testing.assert_array_equal(layer.mu, GaussianMixturePrior(5, 4, 3).mu)


def test_a_draw_is_the_mean_and_so_many_standard_deviations(prior, rng):
    clusters, noise = np.array([2, 0, 1, 1]), rng.normal(size=(4, 2)).astype("f4")
    np.testing.assert_allclose(prior.draw(clusters, noise), MU[clusters] + np.sqrt(SIGMA2[clusters]) * noise, rtol=1e-6)


@pytest.mark.parametrize("good", [[0], [2], [0, 2], [1, 1, 0], 2, [1.0, 2.0], np.array([0, 1], "u1"), []])
def test_clusters_that_are_there(good):
    found = check_clusters(good, 3)
    np.testing.assert_array_equal(found, np.atleast_1d(good))
    assert found.dtype == np.int32


@pytest.mark.parametrize(
    "bad", [[3], [-1], [0, 3], [-1, 2], [-1, 3], [1.5], [1.0, 0.5], [[0, 1]], [True], ["0"], [np.nan]]
)
def test_clusters_that_are_not(bad):
    with pytest.raises(
        InputError, match="^clusters: expected whole numbers from 0 to 2 in a list, one for each sample"
    ):
        check_clusters(bad, 3)
