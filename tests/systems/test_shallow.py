"""k-means and mixtures: groups of rows, of counts and of codes."""

import numpy as np
import pytest
from scipy import stats
from scipy.spatial.distance import cdist

from vade_tf.data import pipeline
from vade_tf.errors import InputError
from vade_tf.systems import registry, shallow
from vade_tf.training import fitting
from vade_tf.training.settings import Settings

SMALL = {
    "clusters": 3,
    "hidden": (8,),
    "latent_dim": 2,
    "pretrain_epochs": 0,
    "epochs": 2,
    "batch_size": 30,
    "learning_rate": 1e-2,
    "precision": "float32",
    "seed": 1,
}


@pytest.fixture
def x(rng):
    """60 rows of no clear groups, of unequal widths: what a fit finds there depends on its settings."""
    return (rng.normal(size=(60, 9)) * np.linspace(1, 4, 9) + 5).astype("f4")


def fitting_of(x, system="kmeans", epochs=1, **settings):
    return fitting.begin(x, Settings(**{**SMALL, **settings}), system=system, epochs=epochs)


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
    model = shallow.kmeans(fitting)
    z, centres = standardised(x), model.head.mu.numpy()
    groups = cdist(z, centres).argmin(axis=1)
    np.testing.assert_array_equal(model.predict(x, verbose=0), np.eye(3)[groups])
    for c in range(3):
        np.testing.assert_allclose(z[groups == c].mean(axis=0), centres[c], atol=1e-3)
    assert model.encoder is model.decoder is None
    assert fitting.seconds["init"] > 0


def test_a_diagonal_mixture_of_x_is_at_rest_above_its_floor(x):
    model = shallow.gmm(fitting_of(x))
    log_pi, means, log_sigma2 = (part.numpy().astype("f8") for part in model.head.parameters)
    z, sigma2 = standardised(x), np.exp(log_sigma2)
    floor = shallow.FLOOR * z.var(axis=0).mean()
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
    model = shallow.vae_gmm(fitting)
    assert not np.array_equal(before[0], fitting.model.encoder.get_weights()[0])
    assert [row["phase"] for row in fitting.rows] == ["fit"] * 2
    code = fitting.model.encode(x)[0].numpy().astype("f8")
    np.testing.assert_allclose(model.assignments(x)[0], code, rtol=1e-5, atol=1e-6)
    gamma = assert_mixture_at_rest(code, *full(model.head), 1e-4 * code.var(axis=0).mean(), diagonal=False)
    np.testing.assert_allclose(model.predict(x, verbose=0), gamma, atol=1e-2)
    np.testing.assert_array_equal(model.sample([0, 2]), model.sample([0, 2], seed=0))
    assert not np.array_equal(model.sample([0, 2]), model.sample([0, 2], seed=1))
    with pytest.raises(InputError, match="clusters: expected whole numbers from 0 to 2"):
        model.sample([3])
