"""The autoencoder made of a VaDE's own networks: its loss, what it keeps, and the epochs of its training."""

import dataclasses

import keras
import numpy as np
import pytest
from small_fits import begin, sixty

from vade_tf.model.vade import VaDE
from vade_tf.training import autoencoder, posterior
from vade_tf.training.autoencoder import build_autoencoder, reconstruction_loss
from vade_tf.training.store import Memory, State

pytestmark = pytest.mark.usefixtures("eager")


@pytest.fixture
def x(rng):
    return sixty(rng)


def test_pretraining_lowers_the_reconstruction_and_no_epoch_of_it_changes_nothing(x):
    for epochs in (0, 1, 3):
        store = Memory()
        fitting = begin(x, pretrain_epochs=epochs, store=store)
        before = [*fitting.model.encoder.get_weights(), *fitting.model.decoder.get_weights()]
        autoencoder.pretrain(fitting)
        after = [*fitting.model.encoder.get_weights(), *fitting.model.decoder.get_weights()]
        assert np.array_equal(before[0], after[0]) == (epochs == 0)
        assert [(row["phase"], row["epoch"]) for row in fitting.rows] == [("pretrain", e) for e in range(1, epochs + 1)]
        for kept, weight in zip(autoencoder.listed(store.load("pretrained")), after, strict=True):
            np.testing.assert_array_equal(kept, weight)
    assert fitting.rows[-1]["loss"] < fitting.rows[0]["loss"]


def test_a_kept_autoencoder_is_taken_and_one_of_other_networks_refused(x):
    first, store = Memory(), Memory()
    autoencoder.pretrain(begin(x, store=first))
    store.save("pretrained", first.load("pretrained"))
    fitting = begin(x, pretrain_epochs=2, store=store, seed=8)
    autoencoder.pretrain(fitting)
    assert fitting.rows == []
    np.testing.assert_array_equal(fitting.model.encoder.get_weights()[0], store.load("pretrained")["array_000"])
    with pytest.raises(ValueError, match="shape"):
        autoencoder.pretrain(begin(x, store=store, hidden=(8, 9)))
    state = State("fit", 1, [], [])
    untouched = dataclasses.replace(begin(x, store=store, seed=8), state=state)
    before = untouched.model.encoder.get_weights()
    autoencoder.pretrain(untouched)
    np.testing.assert_array_equal(untouched.model.encoder.get_weights()[0], before[0])


@pytest.mark.parametrize("form", [(12,), (3, 4), (3, 4, 1)])
def test_the_autoencoder_gives_rows_whatever_form_its_decoder_has(rng, form):
    inputs, z = keras.Input((12,)), keras.Input((3,))
    encoder = keras.Model(inputs, [keras.layers.Dense(3)(inputs), keras.layers.Dense(3)(inputs)])
    h = keras.layers.Dense(12)(z)
    decoder = keras.Model(z, h if len(form) == 1 else keras.layers.Reshape(form)(h))
    model = VaDE(encoder, decoder, 2, scaling=keras.layers.Rescaling(0.5, dtype="float32"))
    raw = 2 * rng.uniform(size=(5, 12)).astype("f4")
    out = autoencoder.build_autoencoder(model)(raw)
    m = encoder(raw / 2)[0]
    np.testing.assert_allclose(out, decoder(m).numpy().reshape(5, 12), rtol=1e-5, atol=1e-6)
    logits = out.numpy().astype("f8")
    want = np.sum(np.log1p(np.exp(logits)) - raw / 2 * logits, axis=1)
    np.testing.assert_allclose(autoencoder.reconstruction_loss(model)(raw, out), want, rtol=1e-5)
    np.testing.assert_allclose(posterior.codes(model, raw), m, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(posterior.model_groups(model, raw), model.predict(raw, verbose=0).argmax(axis=1))


@pytest.mark.parametrize("likelihood", ["gaussian", "counts", "bernoulli"])
def test_a_file_of_the_autoencoder_loads_and_goes_on(rng, tmp_path, likelihood):
    x = rng.integers(0, 2, (60, 9)).astype("f4") if likelihood == "bernoulli" else rng.poisson(2.0, (60, 9))
    save = keras.callbacks.ModelCheckpoint(tmp_path / "{epoch}.keras")
    fitting = begin(x, likelihood=likelihood, pretrain_epochs=1, callbacks=[save])
    autoencoder.pretrain(fitting)
    loaded = keras.saving.load_model(tmp_path / "1.keras")
    rows = np.asarray(fitting.data.x, "f4")
    expected = build_autoencoder(fitting.model)
    np.testing.assert_allclose(loaded.predict(rows, verbose=0), expected(rows), rtol=1e-5, atol=1e-6)
    loss = np.mean(reconstruction_loss(fitting.model)(rows, expected(rows)))
    assert loaded.evaluate(rows, rows, verbose=0) == pytest.approx(loss, rel=1e-5)
    loaded.fit(rows, rows, epochs=1, verbose=0)
