"""The spaces of a start: the code, the layer before it, a code that ran away; what batches add to their rows."""

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
    fitting = fitting_of(model, x, Memory())
    fitting.store.save("start", vars(found))
    np.testing.assert_array_equal(recipe.start(fitting), found.P)
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


def test_a_third_batch_is_held_against_the_second_as_it_was_moved(rng):
    """It shares its only cloud with the second alone."""
    centres = np.array([[0.0, 0, 0], [0, 9, 0]])
    y, batch_index = np.repeat([0, 0, 1, 1], [600, 250, 250, 300]), np.repeat([0, 1, 2], [600, 500, 300])
    moved = np.array([[0, 0, 0], [1, -2, 2.5], [-2, 1, 1.5]])
    rows = centres[y] + rng.normal(size=(1400, 3)) + moved[batch_index]
    found = feature_spaces.batch_shifts(rows.astype("f4"), batch_index, 3)
    np.testing.assert_allclose(found - found[0], moved, atol=1)


def test_from_an_batch_without_rows_nothing_is_taken_away_and_the_mean_of_all_rows_stays(rng):
    """A start reads some of many rows, among which a small batch may be missing."""
    batch_index = np.repeat([0, 2], [300, 100])
    rows = (rng.normal(size=(400, 3)) + np.where(batch_index == 2, 1.5, 0)[:, None]).astype("f4")
    found = feature_spaces.batch_shifts(rows, batch_index, 4)
    assert np.abs(found[[0, 2]]).min() > 0.1
    np.testing.assert_array_equal(found[[1, 3]], np.zeros((2, 3)))
    np.testing.assert_allclose((rows - found[batch_index]).mean(axis=0), rows.mean(axis=0), atol=1e-5)


def test_clouds_that_an_batch_has_moved_come_together_though_it_has_others(rng):
    """Three clouds; the first batch has none of the last, which most of the second are of."""
    centres = np.array([[0.0, 0, 0], [9, 0, 0], [0, 9, 0]])
    y = np.concatenate([rng.choice(3, 900, p=[0.5, 0.5, 0.0]), rng.choice(3, 600, p=[0.1, 0.3, 0.6])])
    batch_index = np.repeat([0, 1], [900, 600])
    moved = np.array([1.0, -2.0, 2.5])
    rows = centres[y] + rng.normal(size=(1500, 3)) + moved * batch_index[:, None]
    found = feature_spaces.batch_shifts(rows.astype("f4"), batch_index, 2)
    np.testing.assert_allclose(found[1] - found[0], moved, atol=0.5)
    centred = rows[batch_index == 1].mean(axis=0) - rows[batch_index == 0].mean(axis=0)
    assert np.abs(centred - moved).max() > 2  # what means of whole batch_index would take away
    np.testing.assert_allclose(900 * found[0] + 600 * found[1], 0, atol=0.1)  # all rows together stay
