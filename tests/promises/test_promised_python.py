"""`vade_tf.fit`, `train`, `load` and the Keras class, as README calls them."""

import keras
import numpy as np
import promised
import pytest
from sklearn.metrics import adjusted_rand_score

import vade_tf


@pytest.fixture(scope="module")
def rows():
    return promised.blobs()


@pytest.fixture(scope="module")
def fitted(rows):
    """A fit with the known groups of sixty rows."""
    x, y = rows
    hints = np.full(len(x), -1)
    hints[:60] = y[:60]
    return vade_tf.fit(x, vade_tf.Settings(clusters=3, seed=0, **promised.SETTINGS), hints)


def test_fit_gives_model_history_and_health(fitted, rows):
    gamma = fitted.model.predict(rows[0], verbose=0)
    assert gamma.shape == (300, 3)
    assert (gamma.argmax(axis=1) == rows[1]).mean() > 0.9  # as the hints number the groups
    np.testing.assert_allclose(gamma.sum(axis=1), 1, atol=1e-5)
    assert np.isfinite(fitted.history[-1]["elbo"])
    assert isinstance(fitted.health, list)


def test_the_prior_is_a_distribution(fitted):
    mixture = fitted.model.prior.distribution
    z = mixture.sample(5, seed=0)
    assert z.shape == (5, 10)
    assert np.isfinite(mixture.log_prob(z)).all()
    np.testing.assert_allclose(mixture.posterior_marginal(z).probs_parameter().numpy().sum(axis=1), 1, atol=1e-5)


def test_networks_of_the_callers_own(rows):
    x, z = keras.Input((6,)), keras.Input((2,))
    h = keras.layers.Dense(16, activation="relu")(x)
    encoder = keras.Model(x, [keras.layers.Dense(2)(h), keras.layers.Dense(2)(h)])
    decoder = keras.Model(z, keras.layers.Dense(6)(keras.layers.Dense(16, activation="relu")(z)))
    settings = {name: value for name, value in promised.SETTINGS.items() if name != "hidden"}
    fitted = vade_tf.fit(rows[0], vade_tf.Settings(clusters=3, seed=0, **settings), networks=(encoder, decoder))
    assert adjusted_rand_score(rows[1], fitted.model.predict(rows[0], verbose=0).argmax(axis=1)) > 0.9


def test_train_writes_a_run_that_load_reads(rows, tmp_path):
    np.save(tmp_path / "my.npy", rows[0])
    config = vade_tf.TrainConfig(data=str(tmp_path / "my.npy"), clusters=3, **promised.SETTINGS)
    vade_tf.train(config, tmp_path / "run")
    own = promised.assignments(tmp_path / "run")
    gamma = vade_tf.load(tmp_path / "run").predict(rows[0], verbose=0)
    np.testing.assert_array_equal(gamma.argmax(axis=1), own["cluster"])
    np.testing.assert_allclose(gamma.max(axis=1), own["confidence"], atol=1e-3)


def test_the_keras_class_alone(tmp_path):
    x = promised.pictures(90)[0].reshape(90, 64).astype("f4") / 255
    networks = vade_tf.build_encoder(64, hidden=(16,)), vade_tf.build_decoder(64, hidden=(16,))
    vade = vade_tf.VaDE(*networks, n_clusters=3, likelihood="bernoulli")
    vade.compile(optimizer=vade_tf.FusedAdam(1e-3))
    vade.fit(x, epochs=2, verbose=0)
    with pytest.raises(ValueError, match="labels|hints"):
        vade.fit(x, np.zeros(90, int), epochs=1, verbose=0)
    vade.save(tmp_path / "vade.keras")
    again = keras.saving.load_model(tmp_path / "vade.keras")
    np.testing.assert_allclose(again.predict(x, verbose=0), vade.predict(x, verbose=0), atol=1e-6)
