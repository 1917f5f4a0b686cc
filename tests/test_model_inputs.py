"""What fit, predict and sample of VaDE take, rows, images, hints and networks, and what they refuse."""

import warnings

import keras
import numpy as np
import oracles
import pytest
import tensorflow as tf

from vade_tf.model import choice
from vade_tf.model.optimizer import FusedAdam
from vade_tf.model.vade import VaDE


def test_errors_say_what_to_do(small_model, eager):
    x = np.zeros((4, 12), "f4")
    with pytest.raises(ValueError, match="likelihood: expected one of .*got 'poisson'"):
        small_model("poisson")
    with pytest.raises(ValueError, match="sample_weight: expected none"):
        small_model().fit(x, hints=np.zeros(4, "i4"), sample_weight=np.ones(4), verbose=0)
    with pytest.raises(ValueError, match=r"hints: expected whole numbers from -1 \(unknown\) to 3, got float32"):
        small_model().fit(x, hints=np.zeros(4, "f4"), verbose=0)
    for wrong in (4, -2):
        with pytest.raises(ValueError, match=f"hints: expected groups from 0 to 3, or -1 for unknown, got {wrong} to"):
            small_model().fit(x, hints=np.full(4, wrong), verbose=0)
    batches = tf.data.Dataset.from_tensors((x, np.full(4, 4)))
    with pytest.raises(tf.errors.InvalidArgumentError, match="hints: expected groups from 0 to 3, or -1 for unknown"):
        small_model().fit(batches, hints=True, verbose=0, shuffle=False)
    with pytest.raises(ValueError, match=r"hints: expected whole numbers of shape \(batch,\), got float32"):
        small_model().fit(tf.data.Dataset.from_tensors((x, np.zeros(4, "f4"))), hints=True, verbose=0, shuffle=False)


def test_masked_and_infinite_rows_are_refused(small_model, rng):
    x = rng.random((6, 12))
    masked = np.ma.masked_array(x, mask=np.eye(6, 12, dtype=bool))
    for verb in ("fit", "predict"):
        with pytest.raises(ValueError, match="^x: expected rows without masked cells"):
            getattr(small_model(), verb)(masked, verbose=0)
    half = x.astype(np.float16)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        choice.check_units(small_model(), half)
        half[2, 3] = np.inf
        with pytest.raises(ValueError, match="^x: expected finite numbers below 1e30, got inf at row 2, column 3"):
            choice.check_units(small_model(), half)


def test_hints_in_a_column_are_hints(small_model, rng, eager):
    x, y = rng.random((32, 12)).astype("f4"), np.arange(32) % 4
    settings = {"batch_size": 8, "shuffle": False, "verbose": 0}
    losses = [small_model().fit(x, hints=each, **settings).history for each in (y, y[:, None])]
    assert losses[0] == losses[1]


def test_labels_are_no_hints_unless_one_says_so(small_model, rng, eager):
    """Labels of every row would make a clustering supervised; an array with a -1 can only be hints."""
    x, y = rng.random((32, 12)).astype("f4"), np.arange(32) % 4
    known = np.where(np.arange(32) < 5, y, -1)
    settings = {"batch_size": 8, "shuffle": False, "verbose": 0}
    model = small_model()
    for labels in (y, y.astype("f4"), y.astype(str)):
        with pytest.raises(ValueError, match="y: expected no labels, .* supervised, .* pass it as hints= to train"):
            model.fit(x, labels, **settings)
    with pytest.raises(ValueError, match="hints: expected hints or y, got both"):
        model.fit(x, known, hints=known, **settings)
    asked = [small_model().fit(x, **how, **settings).history for how in ({"y": known}, {"hints": known})]
    assert asked[0] == asked[1]
    assert asked[0]["guidance"][0] > 0
    assert small_model().fit(x, y, hints=True, **settings).history == small_model().fit(x, hints=y, **settings).history


def test_labels_of_two_classes_are_no_hints_either(small_model, rng, eager):
    x, y = rng.random((32, 12)).astype("f4"), np.where(np.arange(32) % 2, 1, -1)
    with pytest.raises(ValueError, match="y: expected no labels"):
        small_model().fit(x, y, verbose=0)
    assert small_model().fit(x, hints=y, batch_size=32, verbose=0).history["guidance"][0] > 0


def test_a_model_that_was_never_fitted_takes_no_labels_batch_by_batch(small_model, rng, eager):
    model, x = small_model(), rng.random((8, 12)).astype("f4")
    with pytest.raises(ValueError, match="y: expected no labels"):
        model.train_on_batch(x, np.arange(8) % 4)
    assert np.isfinite(model.train_on_batch(x)).all()
    hints = np.array([0, 1, -1, -1, 2, 3, -1, -1])
    found = small_model().train_on_batch(x, hints, None, None, True)
    assert found["guidance"] > 0


def test_labels_of_a_batch_are_refused_whatever_the_model_was_trained_on(small_model, rng):
    model, x = small_model(), rng.random((8, 12)).astype("f4")
    hints, labels = np.array([0, 1, -1, -1, 2, 3, -1, -1]), np.arange(8) % 4
    model.fit(x, hints=hints, verbose=0)
    with pytest.raises(ValueError, match="y: expected no labels"):
        model.train_on_batch(x, labels)
    assert model.train_on_batch(x, hints=labels, return_dict=True)["guidance"] > 0
    model.fit(x, verbose=0)
    assert model.train_on_batch(x, hints, return_dict=True)["guidance"] > 0


class Pairs(keras.utils.PyDataset):
    """Batches of (x, y)."""

    def __init__(self, x, y):
        super().__init__()
        self.pair = (x, y)

    def __len__(self):
        return 1

    def __getitem__(self, index):
        return self.pair


def test_labels_to_validate_with_are_refused_in_every_form(small_model, rng, eager):
    x, y = rng.random((8, 12)).astype("f4"), np.arange(8) % 4
    with pytest.raises(ValueError, match="validation_data: expected rows alone"):
        small_model().fit(x, validation_data=Pairs(x, y), verbose=0)
    with pytest.raises(ValueError, match="validation_data: expected rows alone"):
        small_model().fit(x, None, 32, 1, 0, None, 0.0, (x, y))
    with pytest.raises(ValueError, match="validation_data: expected arrays, .* labels, got generator"):
        small_model().fit(x, validation_data=((x, y) for _ in range(9)), validation_steps=1, verbose=0)
    assert "val_loss" in small_model().fit(x, validation_data=(x, None), verbose=0).history
    assert "val_loss" in small_model().fit(x, validation_data=tf.constant(x), verbose=0).history


@pytest.mark.parametrize(
    ("setting", "value", "message"),
    [
        ("backend", "jax", "^KERAS_BACKEND: expected tensorflow, got jax"),
        ("image_data_format", "channels_first", "^image_data_format of Keras: expected channels_last"),
    ],
)
def test_keras_must_be_set_to_what_the_model_is_written_for(small_model, monkeypatch, setting, value, message):
    monkeypatch.setattr(keras.config, setting, lambda: value)
    with pytest.raises(ValueError, match=message):
        small_model()


def test_hints_of_which_none_is_known_are_hints(small_model, rng, eager):
    x = rng.random((32, 12)).astype("f4")
    assert small_model().fit(x, np.full(32, -1), batch_size=32, verbose=0).history["guidance"] == [0.0]


def test_images_of_other_sides_are_told_from_rows_that_an_encoder_reads_as_it_likes(rng, eager):
    x, z = keras.Input((4, 6, 1)), keras.Input((2,))
    h = keras.layers.Flatten()(x)
    model = VaDE(keras.Model(x, [keras.layers.Dense(2)(h)] * 2), keras.Model(z, keras.layers.Dense(24)(z)), 2)
    rows = rng.random((3, 24)).astype("f4")
    for form in ((24,), (4, 6), (4, 6, 1), (1, 4, 6), (2, 12)):
        assert model.predict(rows.reshape(3, *form), verbose=0).shape == (3, 2)
    for form in ((6, 4, 1), (6, 4)):
        with pytest.raises(ValueError, match=r"^x: expected images of \(4, 6, 1\), as in training, got \(6, 4"):
            model.predict(rows.reshape(3, *form), verbose=0)


def test_pairs_of_a_data_set_are_refused_unless_they_are_hints(small_model, rng):
    """Also where the same model has just been trained on such pairs as hints, and its step is compiled for them."""
    x, y = rng.random((32, 12)).astype("f4"), np.arange(32) % 4
    pairs = tf.data.Dataset.from_tensor_slices((x, y)).batch(8)

    def generator():
        yield from pairs.as_numpy_iterator()

    model, settings = small_model(), {"shuffle": False, "verbose": 0}
    before = model.get_weights()
    for batches in (pairs, generator()):
        with pytest.raises(ValueError, match=r"x: expected batches of x alone, got pairs \(x, y\).* pass hints=True"):
            model.fit(batches, **settings)
    for mine, theirs in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(mine, theirs)
    model.fit(pairs, hints=True, **settings)
    with pytest.raises(ValueError, match="x: expected batches of x alone"):
        model.fit(pairs, **settings)
    model.fit(pairs.map(lambda x, y: x), **settings)
    model.fit(generator(), hints=True, steps_per_epoch=4, **settings)


def test_hints_of_no_weight_are_refused(small_model, rng, tmp_path, eager):
    """A model that was trained by the recipe has let go of its hints, and keeps that weight in its file."""
    x, known = rng.random((8, 12)).astype("f4"), np.array([0, 1, -1, -1, 2, 3, -1, -1])
    trained = small_model(guide_weight=0.0)
    trained.fit(x, verbose=0)
    trained.save(tmp_path / "m.keras")
    model = keras.saving.load_model(tmp_path / "m.keras")
    for how in ({"y": known}, {"hints": known}):
        with pytest.raises(ValueError, match=r"guide_weight: expected a weight above 0 .* model.guide_weight.assign"):
            model.fit(x, **how, verbose=0)
    model.fit(x, verbose=0)
    model.guide_weight.assign(20.0)
    model.fit(x, hints=known, verbose=0)


@pytest.mark.parametrize(
    ("name", "value"),
    [("loss", "mse"), ("loss_weights", [1.0]), ("metrics", ["accuracy"]), ("weighted_metrics", ["accuracy"])],
)
def test_a_loss_of_ones_own_is_refused(small_model, name, value):
    with pytest.raises(ValueError, match=f"^{name}: VaDE trains on -ELBO .* leave {name} out"):
        small_model().compile("adam", **{name: value})


def test_rows_and_clusters_that_cannot_be_used_are_named(small_model, eager):
    model, x = small_model(), np.zeros((4, 12), "f4")
    x[2, 3] = np.nan
    for verb in (model.fit, model.evaluate, model.predict):
        with pytest.raises(ValueError, match="x: expected finite numbers below 1e30, got nan at row 2, column 3"):
            verb(x, verbose=0)
        with pytest.raises(ValueError, match=r"x: expected rows of 12 values, got shape \(4, 11\)"):
            verb(x[:, 1:], verbose=0)
    for wrong in ([4], [-1], [0.5], ["a"], [[0, 1]], [True]):
        with pytest.raises(ValueError, match="clusters: expected whole numbers from 0 to 3"):
            model.sample(wrong)
    assert model.sample(3).shape == (1, 12)
    np.testing.assert_array_equal(model.sample(np.array([1.0, 2.0])), model.sample([1, 2]))
    inside = tf.function(lambda clusters: model.sample(clusters))(tf.constant([1, 2]))
    np.testing.assert_allclose(inside, model.sample([1, 2]), rtol=1e-5)


def convolutional():
    """A small encoder and decoder of images [4, 6, 1]."""
    x, z = keras.Input((4, 6, 1)), keras.Input((3,))
    h = keras.layers.Flatten()(keras.layers.Conv2D(4, 3, strides=2, padding="same", activation="relu")(x))
    encoder = keras.Model(x, [keras.layers.Dense(3)(h), keras.layers.Dense(3, bias_initializer="ones")(h)])
    h = keras.layers.Reshape((2, 3, 4))(keras.layers.Dense(24, activation="relu")(z))
    return encoder, keras.Model(z, keras.layers.Conv2DTranspose(1, 3, strides=2, padding="same")(h))


@pytest.mark.parametrize("scaling", [None, keras.layers.Rescaling([1 / 255] * 24, [0.0] * 24, dtype="float32")])
def test_networks_of_images_take_rows_and_images(rng, tmp_path, scaling, eager):
    """Against the networks themselves, which read images: rows are the same numbers in the same order."""
    raw = rng.integers(0, 256, (16, 4, 6)).astype("u1") if scaling else rng.random((16, 4, 6)).astype("f4")
    x = (raw / 255 if scaling else raw).astype("f4")
    encoder, decoder = convolutional()
    model = VaDE(encoder, decoder, 4, scaling=scaling)
    model.compile(FusedAdam(1e-2))
    forms = [raw.reshape(16, 24), raw, raw[..., None]]
    model.fit(forms[0], batch_size=8, verbose=0)
    m, log_s2 = encoder(x[..., None])
    for form in forms:
        np.testing.assert_allclose(model.encode(form)[0], m, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(model.predict(form, verbose=0), np.exp(model.prior(m, log_s2)), rtol=1e-4, atol=1e-6)
    noise = rng.normal(size=(16, 3)).astype("f4")
    logits = decoder(m + np.exp(log_s2 / 2) * noise).numpy().reshape(16, 24)
    want = [oracles.bernoulli_distortion(*row) for row in zip(x.reshape(16, 24).astype("f8"), logits, strict=True)]
    np.testing.assert_allclose(model.elbo_terms(forms[1], noise)["distortion"], want, rtol=1e-4)
    assert model.decode(m).shape == model.sample(np.zeros(16, "i4")).shape == (16, 24)
    assert model.evaluate(forms[0], verbose=0) == pytest.approx(model.evaluate(forms[2], verbose=0), rel=1e-5)
    model.save(tmp_path / "m.keras")
    loaded = keras.saving.load_model(tmp_path / "m.keras")
    np.testing.assert_array_equal(loaded.predict(raw, verbose=0), model.predict(raw, verbose=0))


def test_networks_that_do_not_fit_are_named():
    def dense(width, *heads):
        x = keras.Input((width,))
        ends = [keras.layers.Dense(head)(x) for head in heads]
        return keras.Model(x, ends if len(ends) > 1 else ends[0])

    class Own(keras.Model):
        pass

    good = dense(12, 3, 3), dense(3, 12)
    for encoder, decoder, message in (
        (dense(12, 3), good[1], r"encoder: expected one input and two outputs \(m, log s2\)"),
        (dense(12, 3, 4), good[1], "encoder: expected one input and two outputs"),
        (Own(), good[1], "encoder: expected a functional keras.Model"),
        (good[0], dense(2, 12), r"decoder: expected one input of shape \(3,\) a row, .* got \[\(2,\)\]"),
        (good[0], dense(3, 11), r"decoder: expected one output of 12 values a row, .* got \[\(11,\)\]"),
        (good[0], dense(3, 12, 12), "decoder: expected one output by itself, got a list of 2"),
        (good[0], keras.Sequential([keras.layers.Dense(12)]), "decoder: expected a functional keras.Model"),
    ):
        with pytest.raises(ValueError, match=message):
            VaDE(encoder, decoder, 4)
    VaDE(good[0], keras.Sequential([keras.Input((3,)), keras.layers.Dense(12)]), 4)
