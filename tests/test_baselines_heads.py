"""Heads and `Clustering`, what a fitted system is made of: against SciPy, and what their configs bring back."""

from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import stats
from scipy.spatial.distance import cdist

from vade_tf.errors import InputError
from vade_tf.model import networks, tracing
from vade_tf.model.vade import VaDE
from vade_tf.systems import models
from vade_tf.systems.gmvae import GMVAE
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
        with pytest.raises(InputError, match="^dec has no generative model: it cannot sample; use model='vade'"):
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


def test_encoders_that_read_no_rows_and_loops_are_refused_before_they_are_traced(monkeypatch):
    x, z, head = keras.Input((3, 3)), keras.Input((2,)), models.StudentT(3, 2)
    squares = keras.Model(x, keras.layers.Dense(2)(keras.layers.Flatten()(x)))
    both = keras.Model(x, [squares.output, squares.output])
    decoder = keras.Model(z, keras.layers.Dense(9)(z))
    for make in (
        lambda: models.Clustering("dec", head, encoder=squares),
        lambda: GMVAE(both, decoder, 3, "gaussian"),
    ):
        with pytest.raises(InputError, match=r"encoder: expected rows \[n, D\] as its input, got \(None, 3, 3\); "):
            make()
    models.Clustering("dec", head, encoder=models.of_rows(squares))
    monkeypatch.setattr(tracing, "CALLS", 8)
    steps = keras.layers.Reshape((9, 1))(row := keras.Input((9,)))
    looped = keras.Model(row, keras.layers.LSTM(2, unroll=True)(steps))
    with pytest.raises(InputError, match="encoder: expected layers that Python calls at most 8 times"):
        models.Clustering("dec", head, encoder=looped)
