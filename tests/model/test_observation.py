"""How a model reads and writes rows: forms, units, the learned variance, batch effects."""

from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf

from vade_tf.errors import InputError
from vade_tf.model import likelihood as likelihoods
from vade_tf.model import networks
from vade_tf.model.counts import Counts
from vade_tf.model.mixed import Mixed
from vade_tf.model.observation import MAX_LOG_S2, MIN_LOG_S2, MIN_NOISE, NOISE_RATE, bounded
from vade_tf.model.optimizer import FusedAdam
from vade_tf.model.vade import VaDE


@pytest.fixture
def x(rng):
    return rng.uniform(size=(8, 12)).astype("f4")


@pytest.mark.parametrize("form", [(8, 12), (8, 3, 4), (8, 3, 4, 1), (8, 12, 1)])
def test_rows_of_any_form_are_the_same_rows(small_model, x, form):
    model = small_model(scaling=keras.layers.Rescaling(2.0, 1.0, dtype="float32"))
    np.testing.assert_allclose(model.scale(x.reshape(form)), 2 * x + 1, rtol=1e-6)
    assert model.scale((255 * x).astype("u1").reshape(form)).dtype == tf.float32
    assert model.n_features == 12


def test_units_are_given_back(small_model, x):
    np.testing.assert_array_equal(small_model().unscale(x), x)
    for scaling in (keras.layers.Rescaling(0.5, -3.0), keras.layers.Rescaling(np.arange(1.0, 13), np.arange(12.0))):
        model = small_model(scaling=scaling)
        np.testing.assert_allclose(model.unscale(model.scale(x)), x, rtol=1e-5, atol=1e-5)
    with pytest.raises(InputError, match=r"^scaling: expected keras.layers.Rescaling, whose inverse is known"):
        small_model(scaling=keras.layers.Activation("tanh")).unscale(x)


@pytest.mark.parametrize("precision", ["float32", "mixed_float16"])
def test_a_row_far_away_has_a_cluster_and_a_low_score_in_any_precision(small_model, rng, precision):
    """Half precision ends at 65,504: sums of what is farther would be infinite, and their differences NaN."""
    model, x = small_model("gaussian", precision=precision), rng.normal(size=(3, 12)).astype("f4")
    x[1] = 1e6
    gamma, bound = model.predict(x, verbose=0), model.elbo(x).numpy()
    assert np.isfinite(gamma).all()
    assert np.isfinite(bound).all()
    assert bound.argmin() == 1
    assert np.isfinite(model.decode(np.full((1, 3), 1e6, "f4"))).all()


def test_a_row_whose_variance_ran_away_finds_back(small_model, x):
    """The bound of it is one that steps can be made from, and its gradient says which way."""
    model = small_model()
    head = model.encoder.get_layer("z_log_var")
    head.bias.assign(np.full(head.bias.shape, 41.0))
    with tf.GradientTape() as tape:
        terms = model.elbo_terms(x, np.ones((len(x), 3), "f4"))
        loss = tf.reduce_mean(terms["distortion"] + terms["rate_z"] + terms["rate_c"])
    assert float(loss) < 1e6
    assert np.all(tape.gradient(loss, head.bias).numpy() > 0)
    head.bias.assign(np.full(head.bias.shape, -3.0))
    log_s2 = model.encode(x)[1]
    np.testing.assert_array_equal(log_s2, model.encoder(x)[1])  # what is within reach stays as it is
    head.bias.assign(np.full(head.bias.shape, np.inf))
    assert np.all(np.isfinite(model.encode(x)[1]))


def test_the_log_variance_of_a_code_is_bounded_and_its_gradient_is_not():
    log_s2 = tf.constant([-1e30, MIN_LOG_S2 - 1, -3.0, 0.0, 5.0, MAX_LOG_S2 + 1, 1e30, np.inf])
    with tf.GradientTape() as tape:
        tape.watch(log_s2)
        found = bounded(log_s2)
    np.testing.assert_array_equal(found, np.clip(log_s2, MIN_LOG_S2, MAX_LOG_S2))
    np.testing.assert_array_equal(tape.gradient(found, log_s2)[:-1], np.ones(7))


@pytest.mark.parametrize("shared", [False, True])
def test_training_moves_the_variance_to_the_decoders_error(rng, shared):
    """One step: a share NOISE_RATE of the way, for each feature or for all alike; never below MIN_NOISE."""
    x = (rng.normal(size=(50, 4)) * [3, 1, 0.1, 0]).astype("f4")
    decoder = networks.build_decoder(4, 2, (4,))
    decoder.set_weights([np.zeros_like(w) for w in decoder.get_weights()])  # its mean is 0
    kind = likelihoods.Gaussian(shared=shared)
    model = VaDE(networks.build_encoder(4, 2, (4,)), decoder, 2, kind)
    model.compile(FusedAdam(0.0))
    model.fit(x, batch_size=50, epochs=1, verbose=0)
    error = (x**2).mean(axis=0)
    error = np.full(4, error.mean()) if shared else error
    np.testing.assert_allclose(np.exp(model.log_sigma2_x), 1 + NOISE_RATE * (error - 1), rtol=1e-4)
    for _ in range(600):
        model._learn_variance(x, np.zeros_like(x))
    np.testing.assert_allclose(np.exp(model.log_sigma2_x), np.maximum(error, MIN_NOISE), rtol=1e-2)
    before = np.array(model.log_sigma2_x)
    model.evaluate(x, verbose=0)
    np.testing.assert_array_equal(before, model.log_sigma2_x)


def test_devices_learn_the_mean_of_what_each_of_them_knows(small_model, monkeypatch):
    model, mine, theirs = small_model("gaussian"), np.full(12, 3.0, "f4"), np.full(12, 5.0, "f4")
    theirs[[1, 3]] = mine[[2, 3]] = np.nan
    other = np.stack([np.nan_to_num(theirs), ~np.isnan(theirs)]).astype("f4")
    context = SimpleNamespace(num_replicas_in_sync=2, all_reduce=lambda how, both: both + other)
    monkeypatch.setattr(tf.distribute, "get_replica_context", lambda: context)
    monkeypatch.setattr(likelihoods.Gaussian, "variance", lambda *given: tf.constant(mine))
    model.noise_rate = 1.0
    model._learn_variance(tf.zeros((1, 12)), tf.zeros((1, 12)))
    np.testing.assert_allclose(np.exp(model.log_sigma2_x)[:5], [4, 3, 5, 1, 4], rtol=1e-5)


def test_a_batch_that_knows_nothing_of_a_column_leaves_its_variance(rng):
    kind, encoder = Mixed([("gaussian", 3)]), networks.build_encoder(3, 2, (4,), first=networks.Filled([0, 0, 0], [1]))
    model = VaDE(encoder, networks.build_decoder(3, 2, (4,)), 2, kind)
    model.set_variance([0.2, 0.3, 0.4])
    x = rng.normal(size=(8, 3)).astype("f4")
    x[:, 1] = np.nan
    model.compile(FusedAdam(0.0))
    model.fit(x, batch_size=8, epochs=3, verbose=0)
    sigma2 = np.exp(model.log_sigma2_x.numpy())
    assert sigma2[1] == pytest.approx(0.3)
    assert sigma2[0] != pytest.approx(0.2)
    assert np.all(np.isfinite(sigma2))


def test_offsets_count_also_where_both_forms_of_rows_were_traced(rng):
    counts = rng.poisson(3, (8, 12)).astype("f4")
    model = VaDE(networks.build_encoder(12, 3, (8,)), networks.build_decoder(12, 3, (8,)), 4, Counts(30.0), origins=2)
    model.origins.offsets.assign(rng.normal(size=(2, 12)))
    told = np.concatenate([counts, np.arange(8)[:, None] % 2], axis=1).astype("f4")
    model.compile(FusedAdam(1e-3))
    expected = [model.evaluate(rows, verbose=0, return_dict=True)["elbo"] for rows in (counts, told)]

    @tf.function(input_signature=[tf.TensorSpec((None, None), tf.float32)])
    def bound(rows):
        return tf.reduce_mean(model.elbo(rows))

    fresh = VaDE.from_config(model.get_config())
    fresh.set_weights(model.get_weights())
    assert abs(float(bound(counts)) - float(bound(told))) > 1e-3
    np.testing.assert_allclose(bound(told), np.mean(model.elbo(told)), rtol=1e-5)
    np.testing.assert_allclose(bound(counts), np.mean(model.elbo(counts)), rtol=1e-5)
    assert abs(expected[0] - expected[1]) > 1e-3
