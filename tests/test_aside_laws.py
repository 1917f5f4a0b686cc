"""Rows set aside: the variance is that of their codes with noise, after an epoch and not in it; how few are enough."""

import keras
import numpy as np
import pytest

from vade_tf.model.observation import NOISE_RATE
from vade_tf.training import aside


@pytest.fixture
def noisy(small_model):
    """A model whose q(z|x) has a variance far from 1."""
    model = small_model("gaussian")
    model.encoder.get_layer("z_log_var").bias.assign(np.full(3, 2.0))
    return model


def test_the_variance_after_an_epoch_is_the_error_of_codes_with_their_noise(noisy, rng):
    x, logs = rng.normal(size=(50, 12)).astype("f4"), {}
    m, log_s2 = (each.numpy() for each in noisy.encode(x))
    out = noisy.decode(m + np.sqrt(np.exp(log_s2)) * aside.noise(noisy, 50, 5))
    callback = aside.Noise(x, 5)
    callback.set_model(noisy)
    callback.on_epoch_end(0, logs)
    np.testing.assert_allclose(np.exp(noisy.log_sigma2_x), np.mean((x - out) ** 2, axis=0), rtol=1e-4)
    assert np.isfinite(logs["val_loss"])


def test_batches_leave_the_variance_to_the_rows_set_aside(small_model, rng, eager):
    model, x, seen = small_model("gaussian"), 3 * rng.normal(size=(30, 12)).astype("f4"), []
    see = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: seen.append(model.log_sigma2_x.numpy()))
    model.fit(x, batch_size=10, verbose=0, callbacks=[aside.Noise(x[:10], 0), see])
    np.testing.assert_array_equal(seen, np.zeros((3, 12)))
    assert np.abs(model.log_sigma2_x).min() > 0
    assert model.noise_rate == NOISE_RATE


@pytest.mark.parametrize(("known", "found"), [(0, 100), (100, 50), (160, 20), (162, 0)])
def test_twenty_are_enough_of_however_many_were_asked_for(known, found):
    hints = np.where(np.arange(200) < known, 0, -1)
    assert len(aside.set_aside(200, 100, 7, hints)) == found
