"""Rows set aside: the variance is that of their codes with noise, after an epoch and not in it; how few are enough."""

import keras
import numpy as np
import pandas
import pytest
import small_fits
import tensorflow as tf

from vade_tf.data.observations import observe
from vade_tf.model.counts import Counts
from vade_tf.model.observation import NOISE_RATE
from vade_tf.training import validation
from vade_tf.training.distribute import Replicas
from vade_tf.training.guidance import guide
from vade_tf.training.store import Memory


@pytest.fixture
def noisy(small_model):
    """A model whose q(z|x) has a variance far from 1."""
    model = small_model("gaussian")
    model.encoder.get_layer("z_log_var").bias.assign(np.full(3, 2.0))
    return model


def test_the_variance_after_an_epoch_is_the_error_of_codes_with_their_noise(noisy, rng):
    x, logs = rng.normal(size=(50, 12)).astype("f4"), {}

    def decoded(rows):
        m, log_s2 = (each.numpy() for each in noisy.encode(rows))
        return noisy.decode(m + np.sqrt(np.exp(log_s2)) * validation.noise(noisy, len(rows), 5))

    callback = validation.Noise(x[10:], x[:10], 5)
    callback.set_model(noisy)
    callback.on_epoch_end(0, logs)
    apart, trained = (np.mean((rows - decoded(rows)) ** 2, axis=0) for rows in (x[10:], x[:10]))
    np.testing.assert_allclose(np.exp(noisy.log_sigma2_x), np.maximum(apart, trained), rtol=1e-4)
    assert np.isfinite(logs["val_loss"])


def test_batches_leave_the_variance_to_the_rows_set_aside(small_model, rng, eager):
    model, x, seen = small_model("gaussian"), 3 * rng.normal(size=(30, 12)).astype("f4"), []
    see = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: seen.append(model.log_sigma2_x.numpy()))
    model.fit(x, batch_size=10, verbose=0, callbacks=[validation.Noise(x[:10], x[10:], 0), see])
    np.testing.assert_array_equal(seen, np.zeros((3, 12)))
    assert np.abs(model.log_sigma2_x).min() > 0
    assert model.noise_rate == NOISE_RATE


@pytest.mark.parametrize(("known", "found"), [(0, 100), (100, 50), (160, 20), (162, 0)])
def test_twenty_are_enough_of_however_many_were_asked_for(known, found):
    hints = np.where(np.arange(200) < known, 0, -1)
    assert len(validation.choose_rows(Memory(), 200, 100, 7, hints)) == found


def test_devices_leave_the_variance_to_the_rows_set_aside_as_well(small_model, rng):
    model, x = small_model("gaussian"), 3 * rng.normal(size=(8, 12)).astype("f4")
    model.noise_rate = 0.0
    Replicas(tf.distribute.MirroredStrategy(["CPU:0"]), model).train(
        range(1), 1, tf.data.Dataset.from_tensors(x), keras.callbacks.CallbackList(model=model)
    )
    np.testing.assert_array_equal(model.log_sigma2_x, np.zeros(12))


def test_a_value_that_only_rows_trained_on_have_is_as_uncertain_as_it_is_to_them(small_model, rng):
    """A word that three of a thousand texts have is in none of those set aside: they know nothing of its error."""
    model = small_model("gaussian")
    apart, trained = rng.normal(size=(20, 12)).astype("f4"), rng.normal(size=(90, 12)).astype("f4")
    apart[:, 4], trained[:, 4], trained[:3, 4] = 0, 0, 17
    trained[:, 7] *= 0.01
    found = validation.variance_of_both(model, apart, trained, 3)
    alone, own = (validation.variance(model, rows, validation.noise(model, len(rows), 3)) for rows in (apart, trained))
    assert own[4] > 5 > 1 > alone[4]
    np.testing.assert_array_equal(found[[4, 7]], [own[4], alone[7]])


def test_devices_hear_of_the_rows_set_aside_before_their_first_step(small_model, rng):
    """A callback says so when the training begins; the variance is looked at before it is set after the epoch."""
    model, x, seen = small_model("gaussian"), 3 * rng.normal(size=(30, 12)).astype("f4"), []
    see = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(model.log_sigma2_x.numpy()))
    own, batches = [see, validation.Noise(x[:10], x[10:], 0)], tf.data.Dataset.from_tensors(x[10:])
    Replicas(tf.distribute.MirroredStrategy(["CPU:0"]), model).train(
        range(1), 1, batches, keras.callbacks.CallbackList(own, model=model)
    )
    np.testing.assert_array_equal(seen, np.zeros((1, 12)))
    assert np.abs(model.log_sigma2_x).min() > 0


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_loss_of_the_rows_set_aside_that_is_no_number_does_not_count(value):
    """NaN would pass for the lowest of all, and end the training of the autoencoder."""
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)])
    store, logs = Memory(), {}
    rows = [{"phase": "pretrain", "epoch": 1, "val_loss": 3.0}]
    stop = validation.Stop(np.ones((4, 2), "f4"), lambda x, out: np.full(len(x), value), [model], store, rows, 1)
    stop.set_model(model)
    stop.on_epoch_end(1, logs)
    assert (logs, store.kept) == ({}, {})


def test_rows_that_are_asked_in_blocks_have_noise_of_their_own_and_count_alike(noisy, rng, monkeypatch):
    """A last block of a single row weighs no more than that row, and a later one has not the noise of the first."""
    x = rng.normal(size=(50, 12)).astype("f4") * np.linspace(0.1, 9, 50)[:, None].astype("f4")
    draw = validation.noise(noisy, 50, 5)
    terms = noisy.elbo_terms(x, draw)
    loss = np.mean(terms["distortion"] + terms["rate_z"] + terms["rate_c"])
    expected = validation.variance(noisy, x, draw)
    monkeypatch.setattr(validation.pipeline, "blocks", lambda rows: (rows[i : i + 7] for i in range(0, len(rows), 7)))
    np.testing.assert_allclose(validation.variance(noisy, x, draw), expected, rtol=1e-5)
    noise, logs = validation.Noise(x, x, 5), {}
    noise.set_model(noisy)
    monkeypatch.setattr(noisy, "set_variance", lambda found: None)
    noise.on_epoch_end(0, logs)
    assert logs["val_loss"] == pytest.approx(loss, rel=1e-5)
    stop = validation.Stop(x, lambda rows, out: np.sum(rows**2, axis=1), [noisy], Memory(), [], 0)
    stop.set_model(lambda rows, training: rows)
    stop.on_epoch_end(0, logs)
    assert logs["val_loss"] == pytest.approx(np.mean(np.sum(x**2, axis=1)), rel=1e-5)


def test_the_dispersion_of_counts_is_by_the_rows_set_aside_alone(small_model, rng):
    model = small_model(Counts(60.0))
    apart, trained = rng.poisson(5, (40, 12)).astype("f4"), rng.negative_binomial(0.3, 0.06, (90, 12)).astype("f4")
    alone, own = (validation.variance(model, rows, validation.noise(model, len(rows), 3)) for rows in (apart, trained))
    assert (own > alone).all()
    np.testing.assert_array_equal(validation.variance_of_both(model, apart, trained, 3), alone)


def test_a_column_that_no_row_set_aside_knows_has_the_variance_of_the_others(rng):
    """What nobody knows is NaN, and one NaN in the variance would be the end of the fit."""
    table = pandas.DataFrame(rng.normal(size=(60, 4)), columns=list("abcd"))
    table.loc[:29, "c"] = np.nan
    data = observe(table)
    model = small_fits.begin(data, init="kmeans").model
    apart, trained = data.x[:30], data.x[30:]
    alone, own = (validation.variance(model, rows, validation.noise(model, 30, 3)) for rows in (apart, trained))
    assert np.flatnonzero(np.isnan(alone)).tolist() == [2]
    found = validation.variance_of_both(model, apart, trained, 3)
    assert (np.isfinite(found).all(), found[2]) == (True, own[2])


@pytest.mark.parametrize(
    ("values", "epochs"),
    [
        ([8, 5, 4, 3.8, 3.6, 3.5, 3.4], None),  # it falls
        ([8, 5, 4, 4.5, 4.5, 4.5, 4.5], 7),  # it rises
        ([8, 5, 4, 4, 4, 3.99, 3.99], 7),  # by less than 1 % of what it fell before
        ([8, 9, 9, 9, 9], 5),  # it never fell
    ],
)
def test_the_autoencoder_stops_after_four_epochs_of_no_gain_or_next_to_none(values, epochs):
    model, rows = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)]), []
    told = iter(values)
    stop = validation.Stop(np.ones((4, 2), "f4"), lambda x, out: np.full(4, next(told)), [model], Memory(), rows, 4)
    stop.set_model(model)
    model.stop_training = False
    while not model.stop_training and len(rows) < len(values):
        stop.on_epoch_end(len(rows), logs := {})
        rows.append({"phase": "pretrain", **logs})
    assert (len(rows) if model.stop_training else None) == epochs


@pytest.mark.parametrize(("patience", "kept"), [(0, set()), (3, {"best"})])
def test_weights_are_written_for_who_goes_back_to_them_alone(patience, kept):
    """An autoencoder that never stops keeps its last ones."""
    model, store = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)]), Memory()
    stop = validation.Stop(np.ones((4, 2), "f4"), lambda x, out: np.ones(len(x)), [model], store, [], patience)
    stop.set_model(model)
    stop.on_epoch_end(0, logs := {})
    assert (logs, set(store.kept)) == ({"val_loss": 1.0}, kept)


def test_a_later_training_is_traced_anew_and_learns_the_variance_by_its_batches(rng):
    """The step that was traced beside rows set aside leaves it as it is."""
    x, groups = small_fits.sixty(rng), np.arange(60, dtype="i4") % 3
    fitting = small_fits.begin(x, validation_rows=20, epochs=2)
    assert len(fitting.validation)
    guide(fitting, np.eye(3)[groups])
    before = fitting.model.log_sigma2_x.numpy()
    fitting.model.fit(x, groups, hints=True, batch_size=30, verbose=0)  # batches of the same form
    assert (fitting.model.log_sigma2_x.numpy() != before).all()
