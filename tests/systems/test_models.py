"""Heads and `Clustering` against SciPy and their configs; k-means and mixtures of rows, of counts and of codes."""

from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import stats
from scipy.spatial.distance import cdist
from sklearn.mixture import GaussianMixture

from vade_tf.data import pipeline
from vade_tf.errors import InputError
from vade_tf.model import networks
from vade_tf.model.vade import VaDE
from vade_tf.systems import models, registry
from vade_tf.training import autoencoder, fitting
from vade_tf.training.settings import Phases, Settings


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


SMALL = {
    "clusters": 3, "hidden": (8,), "latent_dim": 2, "pretrain_epochs": 0, "epochs": 2, "batch_size": 30,
    "learning_rate": 1e-2, "precision": "float32", "seed": 1,
}  # fmt: skip


@pytest.fixture
def x(rng):
    """60 rows of no clear groups, of unequal widths: what a fit finds there depends on its settings."""
    return (rng.normal(size=(60, 9)) * np.linspace(1, 4, 9) + 5).astype("f4")


def fitting_of(x, system="kmeans", epochs=1, **settings):
    return fitting.begin(
        x, Settings(**{**SMALL, **settings}), system=system, phases=Phases(pretrains=True, epochs=epochs)
    )


def standardised(x):
    x = x.astype("f8")
    return (x - x.mean(axis=0)) / x.std(axis=0)


def groups_of(model, x):
    return model.predict(x, verbose=0).argmax(axis=1)


def full(head):
    """(pi, means, covariances) of a `FullGaussians`, of whose precisions it keeps a factor."""
    whiten = head.whiten.numpy().astype("f8")
    covariances = np.linalg.inv(whiten @ whiten.transpose(0, 2, 1))
    return np.exp(head.log_pi.numpy()), head.mu.numpy(), covariances


def assert_mixture_at_rest(z, pi, means, covariances, floor, diagonal):
    """A fitted mixture is where an EM step, written out with SciPy, leaves it; the floor is added to each variance."""
    densities = [stats.multivariate_normal(mean, cov).pdf(z) for mean, cov in zip(means, covariances, strict=True)]
    joint = pi * np.stack(densities, axis=1)
    gamma = joint / joint.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(gamma.mean(axis=0), pi, atol=0.02)
    for c, mean in enumerate(means):
        np.testing.assert_allclose(np.average(z, axis=0, weights=gamma[:, c]), mean, atol=0.1)
        covariance = np.cov(z.T, aweights=gamma[:, c], bias=True) + floor * np.eye(z.shape[1])
        want = np.diag(np.diag(covariance)) if diagonal else covariance
        np.testing.assert_allclose(covariances[c], want, atol=0.1 * np.diag(want).max())
    return gamma


def test_k_means_of_x_puts_a_row_to_the_nearest_mean(x, monkeypatch):
    """Blocks of 7 rows: what is read block by block is all of x, in its order."""
    blocks = pipeline.blocks
    monkeypatch.setattr(pipeline, "blocks", lambda rows: blocks(rows, 7))
    fitting = fitting_of(x)
    model = models.kmeans(fitting)
    z, centres = standardised(x), model.head.mu.numpy()
    groups = cdist(z, centres).argmin(axis=1)
    np.testing.assert_array_equal(model.predict(x, verbose=0), np.eye(3)[groups])
    for c in range(3):
        np.testing.assert_allclose(z[groups == c].mean(axis=0), centres[c], atol=1e-3)
    assert model.encoder is model.decoder is None
    assert fitting.seconds["init"] > 0


def test_a_diagonal_mixture_of_x_is_at_rest_above_its_floor(x):
    model = models.gmm(fitting_of(x))
    log_pi, means, log_sigma2 = (part.numpy().astype("f8") for part in model.head.parameters)
    z, sigma2 = standardised(x), np.exp(log_sigma2)
    floor = models.FLOOR * z.var(axis=0).mean()
    assert sigma2.min() >= floor
    gamma = assert_mixture_at_rest(z, np.exp(log_pi), means, [np.diag(each) for each in sigma2], floor, diagonal=True)
    np.testing.assert_allclose(model.predict(x, verbose=0), gamma, atol=1e-3)


@pytest.mark.parametrize("name", ["ae_kmeans", "ae_gmm"])
def test_on_the_code_is_on_that_of_the_pretrained_encoder(name, x):
    untrained, fitting = fitting_of(x), fitting_of(x, system=name, pretrain_epochs=2)
    model = registry.FUNCTIONS[name](fitting)
    code = fitting.model.encode(x)[0].numpy()
    np.testing.assert_allclose(model.assignments(x)[0], code, rtol=1e-5, atol=1e-6)
    assert not np.allclose(code, untrained.model.encode(x)[0], atol=1e-3)  # pretrained
    assert [row["phase"] for row in fitting.rows] == ["pretrain"] * 2
    np.testing.assert_allclose(model.decode(code), fitting.model.decode(code), rtol=1e-5, atol=1e-6)
    if name == "ae_kmeans":
        np.testing.assert_array_equal(groups_of(model, x), cdist(code, model.head.mu.numpy()).argmin(axis=1))
    else:
        z = code.astype("f8")
        gamma = assert_mixture_at_rest(z, *full(model.head), 1e-4 * z.var(axis=0).mean(), diagonal=False)
        np.testing.assert_allclose(model.predict(x, verbose=0), gamma, atol=1e-2)


def test_vae_gmm_is_a_mixture_on_the_code_of_the_networks_that_were_trained(x):
    fitting = fitting_of(x, system="vae_gmm")
    before = fitting.model.encoder.get_weights()
    model = models.vae_gmm(fitting)
    assert not np.array_equal(before[0], fitting.model.encoder.get_weights()[0])
    assert [row["phase"] for row in fitting.rows] == ["fit"] * 2
    code = fitting.model.encode(x)[0].numpy().astype("f8")
    np.testing.assert_allclose(model.assignments(x)[0], code, rtol=1e-5, atol=1e-6)
    gamma = assert_mixture_at_rest(code, *full(model.head), 1e-4 * code.var(axis=0).mean(), diagonal=False)
    np.testing.assert_allclose(model.predict(x, verbose=0), gamma, atol=1e-2)
