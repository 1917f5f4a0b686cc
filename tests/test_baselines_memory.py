"""Each system on a few rows in memory, without a run folder: against SciPy and the laws of what it fits."""

import numpy as np
import pytest
import tensorflow as tf
from scipy import stats
from scipy.spatial.distance import cdist

from vade_tf.data import pipeline
from vade_tf.errors import InputError
from vade_tf.systems import dec, gmvae, models, registry, shallow
from vade_tf.systems.models import Centres, StudentT
from vade_tf.training import fitting, loop
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


pytestmark = pytest.mark.usefixtures("eager")


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


@pytest.mark.parametrize("name", ["kmeans", "ae_kmeans", "ae_gmm"])
def test_a_seed_is_all_the_chance_there_is(name, x):
    first, again, other = (
        registry.fit(name, x, Settings(**{**SMALL, "clusters": 7, "seed": seed})).model.head.mu.numpy()
        for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(np.sort(first, axis=0), np.sort(other, axis=0), atol=1e-3)


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


@pytest.mark.parametrize("name", ["gmm", "ae_gmm", "vae_gmm"])
def test_a_mixture_takes_two_rows_and_refuses_one(name, rng):
    two = rng.normal(size=(2, 4)).astype("f4")
    model = registry.FUNCTIONS[name](fitting_of(two, system=name, clusters=1))
    np.testing.assert_array_equal(model.predict(two, verbose=0), np.ones((2, 1)))
    with pytest.raises(InputError, match=f"^x: {name} fits a Gaussian mixture to at least 2 rows, got 1"):
        registry.FUNCTIONS[name](fitting_of(two[:1], system=name, clusters=1))


def test_dec_and_idec_have_the_published_numbers():
    """Xie et al., section 4.3: rate and tolerance; Guo's code: momentum, interval and IDEC's rate; his paper: gamma."""
    assert (dec.SGD_RATE, dec.MOMENTUM, dec.TOLERANCE, dec.UPDATES) == (0.01, 0.9, 0.001, 140)
    assert (dec.ADAM_RATE, dec.GAMMA) == (0.001, 0.1)


def test_dec_makes_its_target_of_the_copy_of_the_rows_that_its_batches_are_from(x, monkeypatch):
    copies, hold = [], pipeline.hold
    monkeypatch.setattr(pipeline, "hold", lambda rows: copies.append(len(rows)) or hold(rows))
    registry.fit("kmeans", x, Settings(**SMALL))
    assert not copies  # it has no batches
    registry.fit("dec", x, Settings(**SMALL))
    assert copies == [60]


def test_dec_starts_at_the_centres_of_k_means(x, monkeypatch):
    monkeypatch.setattr(loop, "fit_keras", lambda *arguments, **more: None)
    start, model = shallow.ae_kmeans(fitting_of(x)), dec.dec(fitting_of(x, system="dec"))
    np.testing.assert_array_equal(model.head.mu, start.head.mu)
    assert isinstance(model.head, models.StudentT)
    np.testing.assert_array_equal(groups_of(model, x), groups_of(start, x))
    assert model.decoder is None
    idec = dec.idec(fitting_of(x, system="idec"))
    np.testing.assert_array_equal(idec.head.mu, start.head.mu)
    assert idec.decoder is not None


def test_a_gmvae_has_the_networks_of_the_settings(x):
    """Twice the width of the code for z and w; the same seed and precision as the networks of VaDE."""
    fitting = fitting_of(x, system="gmvae", precision="mixed_bfloat16")
    model = gmvae.fit(fitting)
    assert model.encoder.output_shape == [(None, 4), (None, 4)]
    assert (model.latent_dim, model.w_dim, model.n_clusters, model.seed) == (2, 2, 3, 1)
    assert model.encoder.get_layer("encoder_0").compute_dtype == "bfloat16"
    assert model.decoder is fitting.model.decoder
    assert [row["phase"] for row in fitting.rows] == ["fit"] * 2
    seeds = [fitting_of(x, system="gmvae", seed=seed, epochs=1) for seed in (1, 1, 2)]
    first, again, other = (gmvae.fit(each).encoder.get_weights()[0] for each in seeds)
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first, other, atol=0.1)


# ------------------------------------------------------------------------------------------------- what a system needs


@pytest.mark.parametrize("system", ["dec", "idec", "ae_kmeans", "kmeans"])
def test_a_system_keeps_the_likelihood_of_its_rows(x, system):
    grey = np.clip(25 * x, 0, 255).astype("u1")
    model = registry.fit(system, grey, Settings(**{**SMALL, "pretrain_epochs": 1, "epochs": 1})).model
    assert model.likelihood.name == "bernoulli"


def test_the_plain_vae_reads_rows_in_the_units_of_their_likelihood(x, monkeypatch):
    seen = []
    monkeypatch.setattr(loop, "fit_keras", lambda fitting, model, batches: seen.append(model))
    begun = fitting_of(x, system="vae_gmm")
    shallow.vae_gmm(begun)
    (vae,) = seen
    np.testing.assert_array_equal(vae.scale(x), begun.model.scale(x))
    assert np.abs(vae.scale(x).numpy() - x).max() > 1  # or the test would show nothing
    assert vae.likelihood is begun.model.likelihood
