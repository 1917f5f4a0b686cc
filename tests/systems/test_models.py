"""Heads and `Clustering`, what a fitted system is made of: against SciPy, and what their configs bring back."""

from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import stats
from scipy.spatial.distance import cdist
from sklearn.mixture import GaussianMixture

from vade_tf.errors import InputError
from vade_tf.model import networks
from vade_tf.model.vade import VaDE
from vade_tf.systems import models
from vade_tf.systems.models import Centres, StudentT
from vade_tf.training import autoencoder


@pytest.fixture
def half_precision():
    keras.config.set_dtype_policy("mixed_bfloat16")
    yield
    keras.config.set_dtype_policy("float32")


def test_heads_are_float32_under_any_policy_and_start_at_zero(half_precision, rng):
    heads = [kind(3, 2) for kind in (models.Centres, models.StudentT, models.FullGaussians)]
    for head in heads:
        assert {weight.dtype for weight in head.weights} == {"float32"}
        assert all(np.all(weight == 0) for weight in head.get_weights())
        assert head.mu.shape == (3, 2)
        again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(head))
        assert (again.n_components, again.latent_dim) == (3, 2)
    z, mu = (1000 + rng.normal(size=(9, 2))).astype("f4"), 1000 + rng.normal(size=(3, 2)).astype("f4")
    for head in heads[:2]:  # bfloat16 has eight bits for 1000 and what is added
        head.mu.assign(mu)
        np.testing.assert_array_equal(np.argmax(head(z), axis=1), cdist(z, mu).argmin(axis=1))


@pytest.mark.parametrize("scaling", [None, keras.layers.Rescaling(2.0, 1.0, dtype="float32")])
@pytest.mark.parametrize("coded", [False, True])
def test_a_clustering_is_scaling_encoder_and_head_and_its_config_has_them_all(scaling, coded, rng):
    x, head = rng.normal(size=(5, 4)).astype("f4"), models.StudentT(3, 2 if coded else 4)
    head.mu.assign(rng.normal(size=head.mu.shape))
    parts = {"scaling": scaling}
    if coded:
        parts["encoder"] = autoencoder.mean_encoder(
            VaDE(networks.build_encoder(4, 2, (5,)), networks.build_decoder(4, 2, (5,)), 3)
        )
        parts["decoder"] = networks.build_decoder(4, 2, (5,))
    model = models.Clustering("dec", head, likelihood="bernoulli", **parts)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(model))
    again.set_weights(model.get_weights())
    scaled = x if scaling is None else 2 * x + 1
    code = parts["encoder"](scaled).numpy() if coded else scaled
    for one in (model, again):
        got = one.assignments(x)
        np.testing.assert_allclose(got[0], code, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(one(x), np.exp(head(code)), rtol=1e-5)
        np.testing.assert_allclose(one.predict(x, verbose=0), np.exp(got[1]), rtol=1e-5)
        decoded = np.asarray(one.decode(code))
        want = 1 / (1 + np.exp(-parts["decoder"](code).numpy())) if coded else code
        np.testing.assert_allclose(decoded, want, rtol=1e-5, atol=1e-6)
        assert (one.system, one.likelihood.name) == ("dec", "bernoulli")
        with pytest.raises(InputError, match="^model: expected a generative model"):
            one.sample([0])


def test_samples_of_full_gaussians_are_mean_and_coloured_noise(rng):
    """Decoded as they are without a decoder; seed 0 unless another is given."""
    factors = rng.normal(size=(2, 3, 3)) + 3 * np.eye(3)
    means, covariances = rng.normal(size=(2, 3)), factors @ factors.transpose(0, 2, 1)
    mixture = SimpleNamespace(
        means_=means, weights_=np.array([0.3, 0.7]),
        precisions_cholesky_=np.linalg.inv(np.linalg.cholesky(covariances)).transpose(0, 2, 1),
    )  # fmt: skip
    model = models.Clustering("gmm", models.FullGaussians.of(mixture))
    noise = tf.random.stateless_normal((3, 3), seed=[0, 4]).numpy()
    want = [means[c] + np.linalg.cholesky(covariances[c]) @ one for c, one in zip((1, 0, 1), noise, strict=True)]
    np.testing.assert_allclose(model.sample([1, 0, 1], seed=4), want, rtol=1e-3, atol=1e-4)
    np.testing.assert_array_equal(model.sample([1, 0]), model.sample([1, 0], seed=0))
    assert not np.array_equal(model.sample([1, 0]), model.sample([1, 0], seed=1))
    z = rng.normal(size=(6, 3))
    density = np.stack(
        [w * stats.multivariate_normal(m, c).pdf(z) for w, m, c in zip((0.3, 0.7), means, covariances, strict=True)],
        axis=1,
    )
    np.testing.assert_allclose(
        model(z.astype("f4")), density / density.sum(axis=1, keepdims=True), rtol=1e-3, atol=1e-5
    )


def test_dec_assigns_by_a_student_t_kernel(rng):
    """Xie et al., eq. 1, written out; far away too, where a Gaussian kernel is 0/0."""
    z, mu = rng.normal(size=(5, 3)), rng.normal(size=(4, 3))
    z[0] += 1e4
    head = models.StudentT(4, 3)
    head.mu.assign(mu)
    expected = np.array([[1 / (1 + np.sum((a - b) ** 2)) for b in mu] for a in z])
    expected /= expected.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(np.exp(head(z)), expected, rtol=1e-4)


def test_full_gaussians_are_scikit_learns(rng):
    z = rng.normal(size=(200, 3)) @ rng.normal(size=(3, 3)) + np.repeat(np.eye(4, 3) * 6, 50, axis=0)
    mixture = GaussianMixture(4, random_state=0).fit(z)
    head = models.FullGaussians.of(mixture)
    np.testing.assert_allclose(np.exp(head(z)), mixture.predict_proba(z), atol=1e-4)
    drawn = np.asarray(head.draw(np.full(20_000, 2), rng.normal(size=(20_000, 3)).astype("f4")))
    np.testing.assert_allclose(drawn.mean(axis=0), mixture.means_[2], atol=0.1)
    np.testing.assert_allclose(np.cov(drawn.T), mixture.covariances_[2], rtol=0.1, atol=0.1)


@pytest.mark.parametrize("head", [Centres, StudentT])
def test_many_wide_centres_take_no_tensor_of_all_differences(head, rng):
    z, mu = rng.normal(size=(40, 50)) + 100, rng.normal(size=(90, 50)) + 100
    layer = head(90, 50)
    layer.mu.assign(mu)
    expected = cdist(z, mu, "sqeuclidean")
    shapes = {
        tuple(op.outputs[0].shape)
        for op in tf.function(layer.call)
        .get_concrete_function(tf.TensorSpec((40, 50), "float32"))
        .graph.get_operations()
        if op.outputs and op.outputs[0].shape.rank is not None
    }
    assert max(np.prod(shape) for shape in shapes) <= 90 * 50
    found = layer(tf.constant(z, "float32")).numpy()
    np.testing.assert_array_equal(found.argmax(axis=1), expected.argmin(axis=1))
    if head is StudentT:
        q = 1 / (1 + expected)
        np.testing.assert_allclose(np.exp(found), q / q.sum(axis=1, keepdims=True), rtol=1e-4)
