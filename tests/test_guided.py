"""What happens between epochs: groups found anew, and the mixture's last word."""

from pathlib import Path

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import pdist

from vade_tf import guided, init, phases, run
from vade_tf.config import TrainConfig
from vade_tf.data.dataset import build
from vade_tf.errors import DivergedError
from vade_tf.optimizer import FusedAdam


@pytest.fixture
def trained(small_model, rng):
    """A small VaDE trained for a while, and its data set."""
    x = np.clip(np.repeat(np.eye(4, 12), 50, axis=0) + rng.uniform(0, 0.3, (200, 12)), 0, 1).astype("f4")
    dataset = build(x, None, "x", "x")
    model = small_model()
    model.fit(x, np.repeat(np.arange(4), 50).astype("i4"), batch_size=50, epochs=60, verbose=0)
    return model, dataset


def rates(model, x):
    """rate_z + rate_c a row at z = m, with gamma fixed by the caller's model at its present mixture."""
    terms = model.elbo_terms(x, np.zeros((len(x), 3), "f4"))
    return float(np.mean(terms["rate_z"] + terms["rate_c"]))


def test_settle_raises_the_bound_and_a_second_time_hardly(trained):
    model, dataset = trained
    model.prior.log_sigma2.assign_add(np.full((4, 3), 0.7))  # as after training on augmented rows: too wide
    model.prior.mu.assign_add(np.full((4, 3), 0.1))
    before = rates(model, dataset.x)
    guided.settle(model, dataset)
    after = rates(model, dataset.x)
    guided.settle(model, dataset)
    assert after < before - 0.5
    assert abs(rates(model, dataset.x) - after) < 0.05


def test_settle_leaves_a_component_without_rows_alone(trained):
    model, dataset = trained
    model.prior.mu.assign(np.concatenate([model.prior.mu.numpy()[:3], np.full((1, 3), 1e3)]))
    model.prior.log_sigma2.assign(np.concatenate([model.prior.log_sigma2.numpy()[:3], np.zeros((1, 3))]))
    guided.settle(model, dataset)
    np.testing.assert_allclose(model.prior.mu[3], 1e3)
    np.testing.assert_allclose(model.prior.log_sigma2[3], 0, atol=1e-6)
    assert all(np.isfinite(w).all() for w in model.get_weights())


def test_groups_found_anew_keep_the_names_of_the_components(trained, monkeypatch):
    model, dataset = trained
    by_model = phases.model_groups(model, dataset)
    by_regions = by_model.copy()
    by_regions[:7] = (by_regions[:7] + 1) % 4
    found = init.Start(np.array([2, 0, 3, 1])[by_regions], *(None,) * 3)
    monkeypatch.setattr(guided, "_group", lambda work: found)
    work = phases.Work(None, dataset, None, model, False, None, [], phases.Silent(), ())
    np.testing.assert_array_equal(guided.regrouped(work), by_regions)


@given(st.integers(0, 200), st.integers(0, 12))
def test_groups_are_found_anew_at_even_distances_while_guided(guide_epochs, regroups):
    turns = guided.regroup_epochs(guide_epochs, regroups)
    assert len(turns) == min(regroups, max(guide_epochs - 1, 0))
    gaps = np.diff([0, *turns, guide_epochs])
    assert np.all(gaps > 0) or not turns
    assert np.ptp(gaps) <= 1


def test_the_autoencoder_is_made_of_the_models_own_networks(small_model, rng):
    model = small_model(scaling=keras.layers.Rescaling(1 / 255))
    raw = rng.integers(0, 256, (30, 12)).astype("u1")
    autoencoder = phases.build_autoencoder(model)
    before = model.encode(raw)[0].numpy()
    np.testing.assert_allclose(autoencoder.predict(raw, verbose=0), model.decoder(before), rtol=1e-5, atol=1e-6)
    autoencoder.compile(FusedAdam(1e-2), loss=phases.reconstruction_loss(model))
    history = autoencoder.fit(raw, raw, epochs=5, verbose=0).history["loss"]
    assert history[-1] < history[0]
    assert not np.allclose(model.encode(raw)[0], before)


@pytest.mark.parametrize("method", init.METHODS)
@pytest.mark.parametrize("code", [1e19, np.nan, -np.inf])
def test_a_code_that_ran_away_is_no_start(trained, code, method):
    model, dataset = trained
    model.encoder.get_layer("z_mean").bias.assign(np.full(3, code))
    config = TrainConfig.create(data="x", clusters=4, init=method)
    work = phases.Work(run.Run(Path("run"), config), dataset, None, model, False, None, [], phases.Silent(), ())
    with pytest.raises(DivergedError, match="init: the code reaches (1e[+]19|nan|inf).*; lower --learning-rate"):
        guided._group(work)


def test_no_component_starts_narrower_than_the_noise_of_a_code(trained, monkeypatch):
    """Rows that are all equal have a code without variance; the bound would begin at minus 1e11 nats."""
    model, dataset = trained
    found = init.Start(
        np.zeros(200, "i4"), np.full(4, 0.25), np.zeros((4, 3)), np.geomspace(1e-12, 1e2, 12).reshape(4, 3)
    )
    monkeypatch.setattr(run.Run, "load_start", lambda self: found)
    folder = run.Run(Path("run"), TrainConfig.create(data="x", clusters=4))
    guided.start(phases.Work(folder, dataset, None, model, False, None, [], phases.Silent(), ()))
    noise = np.exp(model.encode(dataset.x)[1].numpy()).mean(axis=0)
    np.testing.assert_allclose(np.exp(model.prior.log_sigma2), np.maximum(found.sigma2, noise), rtol=0.02)


def test_views_are_the_code_and_the_layer_before_it(trained):
    """A layer narrower than DIRECTIONS is only turned: the distances between rows stay."""
    model, dataset = trained
    z, hidden = guided.row_views(model, dataset.x)
    np.testing.assert_allclose(z, model.encode(dataset.x)[0], rtol=1e-5, atol=1e-6)
    layer = keras.Model(model.encoder.inputs, model.encoder.get_layer("encoder_1").output).predict(dataset.x, verbose=0)
    assert hidden.shape == layer.shape
    np.testing.assert_allclose(pdist(hidden), pdist(layer), rtol=1e-3, atol=1e-4)


def test_views_of_a_wide_layer_keep_most_of_its_variance(trained, monkeypatch):
    model, dataset = trained
    monkeypatch.setattr(guided, "DIRECTIONS", 3)
    _, hidden = guided.row_views(model, dataset.x)
    layer = keras.Model(model.encoder.inputs, model.encoder.get_layer("encoder_1").output).predict(dataset.x, verbose=0)
    leading = np.linalg.svd(layer - layer.mean(axis=0), compute_uv=False)[:3] ** 2 / len(layer)
    np.testing.assert_allclose(hidden.var(axis=0), leading, rtol=1e-3)


def test_views_of_equal_rows_and_of_one(small_model):
    for rows in (np.full((5, 12), 0.5, "f4"), np.full((1, 12), 0.5, "f4")):
        for view in guided.row_views(small_model(), rows):
            assert np.all(np.isfinite(view))
            assert np.all(view == view[0])


def test_directions_of_a_layer_near_the_limit_are_those_of_the_layer(rng):
    sample = (rng.normal(size=(1000, 60)) * np.geomspace(1, 30, 60)).astype("f4")
    expected = guided._leading_directions(sample.copy())
    np.testing.assert_array_equal(guided._leading_directions(sample * np.float32(2.0**58)), expected)
    assert np.isfinite(guided._leading_directions(np.zeros((3, 60), "f4"))).all()
