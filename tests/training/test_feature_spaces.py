"""The spaces of a start: the code, the layer before it, and a code that ran away."""

import dataclasses

import keras
import numpy as np
import pytest
from scipy.spatial.distance import pdist

from vade_tf.errors import DivergedError
from vade_tf.training import feature_spaces, recipe
from vade_tf.training.fitting import begin
from vade_tf.training.initialization import Start
from vade_tf.training.settings import Settings
from vade_tf.training.store import Memory

SMALL = {"clusters": 4, "latent_dim": 3, "hidden": (16, 8), "precision": "float32"}


@pytest.fixture(scope="module")
def learned(small_model):
    """The weights of a small VaDE after a training, and its rows."""
    r = np.random.default_rng(0)
    x = np.clip(np.repeat(np.eye(4, 12), 50, axis=0) + r.uniform(0, 0.3, (200, 12)), 0, 1).astype("f4")
    model = small_model()
    model.fit(x, hints=np.repeat(np.arange(4), 50), batch_size=50, epochs=60, verbose=0)
    return model.get_weights(), x


@pytest.fixture
def trained(small_model, learned):
    """A small VaDE trained for a while, and its rows."""
    model = small_model()
    model.set_weights(learned[0])
    return model, learned[1]


def fitting_of(model, x, store=None, **settings):
    """A fit under way whose model is this one."""
    return dataclasses.replace(begin(x, Settings(**{**SMALL, **settings}), store=store), model=model)


@pytest.mark.parametrize("method", ["gmm", "spectral"])
@pytest.mark.parametrize("code", [1e19, np.nan, -np.inf])
def test_a_code_that_ran_away_is_no_start(trained, code, method):
    model, x = trained
    model.encoder.get_layer("z_mean").bias.assign(np.full(3, code))
    told = "^training diverged: the code reaches (1e[+]19|nan|inf).*; .* lower learning_rate, .* another folder$"
    with pytest.raises(DivergedError, match=told):
        recipe.start(fitting_of(model, x, init=method))


def test_no_component_starts_narrower_than_the_noise_of_a_code(trained):
    """Rows that are all equal have a code without variance; the bound would begin at minus 1e11 nats."""
    model, x = trained
    sigma2 = np.geomspace(1e-12, 1e2, 12).reshape(4, 3)
    found = Start(np.full((200, 4), 0.25, np.float16), np.full(4, 0.25), np.zeros((4, 3)), sigma2)
    store = Memory()
    store.save("start", vars(found))
    np.testing.assert_array_equal(recipe.start(fitting_of(model, x, store)), found.P)
    noise = np.exp(np.minimum(model.encode(x)[1].numpy(), 0)).mean(axis=0)  # what is wider counts as one
    np.testing.assert_allclose(np.exp(model.prior.log_sigma2), np.maximum(found.sigma2, noise), rtol=0.02)


def test_views_are_the_code_and_the_layer_before_it(trained):
    """A layer narrower than HIDDEN_DIRECTIONS is only turned: the distances between rows stay."""
    model, x = trained
    z, hidden = feature_spaces.code(model, x)(x)
    np.testing.assert_allclose(z, model.encode(x)[0], rtol=1e-5, atol=1e-6)
    layer = keras.Model(model.encoder.inputs, model.encoder.get_layer("encoder_1").output).predict(x, verbose=0)
    assert hidden.shape == layer.shape
    np.testing.assert_allclose(pdist(hidden), pdist(layer), rtol=1e-3, atol=1e-4)
