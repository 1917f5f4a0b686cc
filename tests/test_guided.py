"""What the phases of a fit do besides training: the spaces of a start, its mixture, and the mixture's last word."""

import dataclasses
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from scipy.spatial.distance import pdist

from vade_tf.data import pipeline
from vade_tf.errors import DivergedError, InputError
from vade_tf.model.optimizer import FusedAdam
from vade_tf.training import autoencoder, feature_spaces, guidance, partitions, posterior, recipe
from vade_tf.training.fitting import begin
from vade_tf.training.initialization import Start
from vade_tf.training.settings import METHODS, Settings
from vade_tf.training.store import Memory

SMALL = {"clusters": 4, "latent_dim": 3, "hidden": (16, 8), "precision": "float32"}


def test_hints_without_weight_are_refused(rng):
    x, hints = rng.normal(size=(40, 3)), np.arange(40) % 4
    with pytest.raises(InputError, match="^guide_weight: expected a weight above 0 for hints, got 0"):
        begin(x, Settings(guide_weight=0.0, **SMALL), hints)
    begin(x, Settings(guide_weight=0.0, **SMALL), np.full(40, -1))  # none is known


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


def rates(model, x):
    """rate_z + rate_c a row at z = m, with gamma fixed by the caller's model at its present mixture."""
    terms = model.elbo_terms(x, np.zeros((len(x), 3), "f4"))
    return float(np.mean(terms["rate_z"] + terms["rate_c"]))


def test_the_autoencoder_is_made_of_the_models_own_networks(small_model, rng):
    model = small_model(scaling=keras.layers.Rescaling(1 / 255))
    raw = rng.integers(0, 256, (30, 12)).astype("u1")
    network = autoencoder.build_autoencoder(model)
    before = model.encode(raw)[0].numpy()
    np.testing.assert_allclose(network.predict(raw, verbose=0), model.decoder(before), rtol=1e-5, atol=1e-6)
    network.compile(FusedAdam(1e-2), loss=autoencoder.reconstruction_loss(model))
    history = network.fit(raw, raw, epochs=5, verbose=0).history["loss"]
    assert history[-1] < history[0]
    assert not np.allclose(model.encode(raw)[0], before)


@pytest.mark.parametrize("method", METHODS)
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


def test_views_of_a_wide_layer_keep_most_of_its_variance(trained, monkeypatch):
    model, x = trained
    monkeypatch.setattr(feature_spaces, "HIDDEN_DIRECTIONS", 3)
    _, hidden = feature_spaces.code(model, x)(x)
    layer = keras.Model(model.encoder.inputs, model.encoder.get_layer("encoder_1").output).predict(x, verbose=0)
    leading = np.linalg.svd(layer - layer.mean(axis=0), compute_uv=False)[:3] ** 2 / len(layer)
    np.testing.assert_allclose(hidden.var(axis=0), leading, rtol=1e-3)


def test_views_of_equal_rows_and_of_one(small_model):
    for rows in (np.full((5, 12), 0.5, "f4"), np.full((1, 12), 0.5, "f4")):
        for view in feature_spaces.code(small_model(), rows)(rows):
            assert np.all(np.isfinite(view))
            assert np.all(view == view[0])


def test_directions_of_a_layer_near_the_limit_are_those_of_the_layer(rng):
    sample = (rng.normal(size=(1000, 60)) * np.geomspace(1, 30, 60)).astype("f4")
    expected = feature_spaces._leading_directions(sample.copy())
    np.testing.assert_array_equal(feature_spaces._leading_directions(sample * np.float32(2.0**58)), expected)
    assert np.isfinite(feature_spaces._leading_directions(np.zeros((3, 60), "f4"))).all()


@pytest.mark.parametrize("hinted", [False, True])
def test_a_fit_killed_after_its_last_epoch_knows_what_it_was_held_to(trained, monkeypatch, hinted, eager):
    model, x = trained
    start, anew = (np.eye(4, dtype=np.float16)[each] for each in (np.arange(200) % 4, np.repeat(np.arange(4), 50)))
    monkeypatch.setattr(partitions, "regrouped", lambda fitting: anew)
    store = Memory()
    lengths = {"pretrain_epochs": 0, "epochs": 6, "guide_epochs": 4, "regroups": 1, "init": "kmeans"}
    hints = np.where(np.arange(200) < 3, np.arange(200) % 4, -1) if hinted else None

    def fitting():
        begun = begin(x, Settings(**SMALL, **lengths), hints, store)
        return dataclasses.replace(begun, model=model)

    np.testing.assert_array_equal(guidance.guide(fitting(), start), anew)
    monkeypatch.delattr(partitions, "regrouped")
    again = fitting()
    assert again.state.epoch == 6
    np.testing.assert_array_equal(guidance.guide(again, start), anew)


def test_the_groups_of_many_rows_are_those_of_their_nearest_components(small_model, rng, eager, monkeypatch):
    """Components of one width and weight; the model is asked of seven rows at a time."""
    blocks = pipeline.blocks
    monkeypatch.setattr(pipeline, "blocks", lambda rows, size=None: blocks(rows, 7))
    model, x = small_model(), rng.random((40, 12)).astype("f4")
    z = posterior.codes(model, x)
    mu = z[[0, 11, 22, 33]]
    model.encoder.get_layer("z_log_var").bias.assign(np.full(3, -30.0))  # q(z|x) has no noise
    model.prior.assign(np.ones(4), mu, np.full((4, 3), z.var()))
    nearest = ((z[:, None] - mu) ** 2).sum(axis=2).argmin(axis=1)
    assert set(nearest.tolist()) == {0, 1, 2, 3}
    np.testing.assert_array_equal(posterior.model_groups(model, x), nearest)


def test_of_several_outputs_the_first_one_tells_the_groups(rng):
    x = rng.random((9, 4)).astype("f4")
    model = SimpleNamespace(predict_on_batch=lambda rows: [rows, -rows])
    np.testing.assert_array_equal(posterior.model_groups(model, x), x.argmax(axis=1))
