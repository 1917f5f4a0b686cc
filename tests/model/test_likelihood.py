"""A likelihood is one class: against SciPy's densities, by its name, the data it takes and the units it gives."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import stats
from tensorflow_probability import distributions as tfd

from vade_tf.data.observations import observe
from vade_tf.errors import InputError, UnitsWarning
from vade_tf.model import choice, likelihood, networks
from vade_tf.model.likelihood import Bernoulli, Gaussian, Likelihood
from vade_tf.model.vade import VaDE


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


@pytest.fixture
def counts(monkeypatch):
    """A likelihood of somebody's own, known for the length of a test."""
    monkeypatch.setattr(likelihood, "FAMILIES", dict(likelihood.FAMILIES))

    @likelihood.register
    class Poisson(Likelihood):
        name = "poisson"

        def distribution(self, parameters):
            return tfd.Independent(tfd.Poisson(log_rate=parameters), reinterpreted_batch_ndims=1)

    return Poisson


@pytest.mark.long
def test_a_new_one_is_one_class(counts, rng, tmp_path):
    """Its distribution is enough to train, decode, save and load: SciPy's density says what the distortion is."""
    x = rng.poisson(3.0, (64, 5)).astype("f4")
    shape = {"n_features": 5, "latent_dim": 2, "hidden": (8,)}
    model = VaDE(networks.build_encoder(**shape), networks.build_decoder(**shape), 3, "poisson")
    model.compile(keras.optimizers.Adam(1e-2))
    losses = model.fit(x, batch_size=16, epochs=40, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
    noise = np.zeros((64, 2), "f4")
    rate = model.decode(model.encode(x)[0]).numpy().astype("f8")
    np.testing.assert_allclose(
        model.elbo_terms(x, noise)["distortion"], -stats.poisson(rate).logpmf(x).sum(axis=1), rtol=1e-4
    )
    model.save(tmp_path / "m.keras")
    assert isinstance(keras.saving.load_model(tmp_path / "m.keras").likelihood, counts)


@pytest.mark.parametrize(
    ("x", "asked", "name"),
    [
        (np.array([[0.0, 1.0], [0.5, 0.25]]), "auto", "bernoulli"),
        (np.array([[0, 255], [3, 4]], "u1"), "auto", "bernoulli"),
        (np.array([[0, 7], [3, 4]], "u1"), "auto", "bernoulli"),
        (np.array([[1, 0], [0, 0], [1, 1]], bool), "auto", "bernoulli"),
        (np.linspace(0, 1, 40).reshape(20, 2), "auto", "gaussian"),  # as much as any value of a table
        (np.linspace(0, 1, 40).reshape(10, 2, 2), "auto", "bernoulli"),  # images of 2 x 2 pixels
        (np.linspace(0, 0.1, 40).reshape(20, 2), "auto", "gaussian"),
        (np.array([[0, 255], [3, 4]], "i4"), "auto", "gaussian"),
        (np.array([[0.0, 1.01], [0.5, 0.25]]), "auto", "gaussian"),
        (np.array([[-0.1, 1.0], [0.5, 0.25]]), "auto", "gaussian"),
        (np.array([[0.0, 1.0], [0.5, 0.25]]), "gaussian", "gaussian"),
        (np.array([[0, 255], [3, 4]], "u1"), "gaussian", "gaussian"),
    ],
)
def test_what_rows_get(x, asked, name):
    assert choice.choose(observe(x, asked)).name == name


WORDS = ["ant", "bee", "cat", "dog", "elk", "fox", "gnu", "hen", "ibis", "jay"]


@pytest.mark.parametrize(
    ("settings", "name", "standardised"),
    [
        ({}, "gaussian", False),
        ({"sublinear_tf": True, "norm": None}, "gaussian", True),
        ({"binary": True, "use_idf": False, "norm": None}, "bernoulli", None),
        ({"norm": "l1"}, "gaussian", True),
    ],
)
def test_texts_as_scikit_learn_counts_them(settings, name, standardised, rng):
    """Weights of words are no probabilities; rows of one length are directions, whose features have one unit."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    texts = [" ".join(rng.choice(WORDS, 6)) for _ in range(200)]
    x = TfidfVectorizer(**settings).fit_transform(texts)
    found = observe(x)
    kind = choice.choose(found)
    assert kind.name == name
    assert choice.choose(observe(x.toarray())).name == name
    if standardised is not None:
        scale, offset = kind.units(found)
        assert (np.ndim(scale) == 1) == standardised
        scaled = x.toarray() * scale + offset
        np.testing.assert_allclose(np.mean(scaled**2), 1.0, rtol=1e-3)  # unit variance, or the square on average


def test_each_feature_is_standardised_whatever_its_scale(rng):
    """A feature of 1e-9 is one; of one that moves by less than float32 can tell, like times, hardly any is left."""
    x = rng.normal(size=(400, 5)) * [1, 1e-9, 1e5, 0.02, 60] + [5, 3e-9, 0, 1e6, 1.7e9]
    scale, offset = Gaussian().units(observe(x.astype("f4"), "gaussian"))
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


def test_weights_of_few_words_are_no_answers(rng):
    """A title of four words has weights around a half, which vary nearly as much as on and off."""
    words = np.array([rng.permutation(200)[:4] for _ in range(1000)])
    weights = np.zeros((1000, 200))
    np.put_along_axis(weights, words, rng.uniform(0.8, 1.2, (1000, 4)), axis=1)
    weights /= np.linalg.norm(weights, axis=1, keepdims=True)
    assert isinstance(choice.choose(observe(weights)), Gaussian)
    assert isinstance(choice.choose(observe(np.sign(weights))), Bernoulli)  # the same number of words in each


def test_it_is_known_by_its_name_or_is_itself():
    own = Gaussian()
    assert likelihood.get(own) is own
    assert likelihood.get({"name": "gaussian", "shared": True}).shared
    for wrong in ("poisson", None, ["gaussian"], {"shared": True}):
        with pytest.raises(InputError, match="^likelihood: expected one of bernoulli, counts, gaussian"):
            likelihood.get(wrong)
    for wrong in ("mixed", {"name": "counts", "size": -1}):
        with pytest.raises(InputError, match="^likelihood: expected the arguments of "):
            likelihood.get(wrong)


GREY = np.linspace(0, 1, 60).reshape(10, 6)


@pytest.mark.parametrize(
    ("trained_on", "given", "outcome"),
    [
        (255 * GREY, 255 * GREY, "taken"),
        (255 * GREY, GREY, "refused"),
        (GREY, 255 * GREY, "refused"),
        (GREY, np.round(255 * GREY).astype("u1"), "refused"),
        (255 * GREY, 65535 * GREY, "refused"),
        (GREY, GREY - 0.1, "warned"),
        (GREY, 1.2 * GREY, "warned"),
        (255 * GREY, np.zeros((3, 6)), "taken"),
    ],
)
def test_grey_values_in_other_units(trained_on, given, outcome):
    top = trained_on.max()
    scaling = None if top == 1 else keras.layers.Rescaling(1 / top)
    shape = {"n_features": 6, "latent_dim": 2, "hidden": (4,)}
    model = VaDE(networks.build_encoder(**shape), networks.build_decoder(**shape), 2, scaling=scaling)
    if outcome == "refused":
        with pytest.raises(InputError, match="^x: expected values in the units of the training"):
            choice.check_units(model, given)
    elif outcome == "warned":
        with pytest.warns(UnitsWarning, match="^x: expected values from 0 to 1 once scaled"):
            choice.check_units(model, given)
    else:
        choice.check_units(model, given)


@pytest.mark.parametrize("factor", [1, 1000])
def test_standardised_rows_in_other_units_are_warned_of(factor, small_model, rng):
    """One column of twelve in another unit is enough; few rows far out are not."""
    x = rng.normal(50, 5, (40, 12))
    model = small_model("gaussian", scaling=networks.build_scaling(np.full(12, 0.2), np.full(12, -10.0)))
    given = x * [factor, *11 * [1]]
    given[0] = 1e9
    if factor == 1:
        choice.check_units(model, given)
    else:
        with pytest.warns(UnitsWarning, match="^x: expected values in the units of the training"):
            choice.check_units(model, given)


def test_rows_that_a_likelihood_cannot_take():
    with pytest.raises(InputError, match="^likelihood: expected values .* got values from 0 to 2"):
        choice.choose(observe(np.eye(3) * 2, "bernoulli"))
    with pytest.raises(InputError, match="^likelihood: expected whole numbers from 0 up for counts"):
        choice.choose(observe(np.eye(3) / 2, "counts"))
