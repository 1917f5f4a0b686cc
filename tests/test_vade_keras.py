"""`VaDE` as Keras' own tools use it: loss scaling, accumulated gradients, XLA, frozen parts, layers of a subclass."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from vade_tf.errors import InputError
from vade_tf.model import networks
from vade_tf.model.counts import Counts
from vade_tf.model.optimizer import FusedAdam
from vade_tf.model.vade import VaDE


@pytest.fixture
def x(rng):
    return rng.uniform(size=(16, 12)).astype("f4")


def parts(**more):
    return networks.build_encoder(12, 3, (8,), **more), networks.build_decoder(12, 3, (8,), **more)


def within(precision):
    """An encoder whose hidden layer stands in a model within it, in a precision of its own."""
    x = keras.Input((12,))
    h = keras.Sequential([keras.Input((12,)), keras.layers.Dense(8, "relu", dtype=precision)])(x)
    return keras.Model(x, [keras.layers.Dense(3, dtype="float32", name=name)(h) for name in ("m", "s")])


@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16", "mixed_float16"])
def test_networks_in_float16_have_their_loss_scaled(precision):
    for encoder in (parts(precision=precision)[0], within(precision)):
        model = VaDE(encoder, parts(precision=precision)[1], 4)
        model.compile("adam")
        scaled = isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer)
        assert scaled == (precision == "mixed_float16")


def test_a_row_far_away_has_a_cluster_also_where_float16_is_in_a_model_within():
    model = VaDE(within("mixed_float16"), parts()[1], 4, "gaussian")
    assert np.isfinite(model.predict(np.full((2, 12), 1e6, "f4"), verbose=0)).all()


def test_batches_whose_gradients_are_put_together_have_noise_of_their_own(x, monkeypatch):
    model, seen = VaDE(*parts(), 4), []
    draw = tf.random.stateless_normal

    def heard(shape, seed, *more, **named):
        seen.append(int(seed[1]))
        return draw(shape, seed, *more, **named)

    model.compile(FusedAdam(1e-3, gradient_accumulation_steps=2), run_eagerly=True)
    monkeypatch.setattr(tf.random, "stateless_normal", heard)
    model.fit(x, batch_size=4, verbose=0)
    assert seen == [0, 1, 2, 3]


def test_hints_beyond_the_components_show_where_nothing_checks_them(x, monkeypatch):
    """XLA drops the check, and one_hot makes such a hint none."""
    model = VaDE(*parts(), 4)
    model.compile(FusedAdam(1e-3), run_eagerly=True)
    monkeypatch.setattr(tf.debugging, "assert_less", lambda *_: None)
    for hint, finite in ((3, True), (4, False)):
        batches = tf.data.Dataset.from_tensors((x, np.full(16, hint)))
        loss = model.fit(batches, hints=True, verbose=0).history["loss"]
        assert np.isfinite(loss).all() == finite


def test_a_part_that_is_not_trained_stays_so_in_a_file(x, tmp_path):
    model = VaDE(*parts(), 4)
    assert "frozen" not in model.get_config()
    model.prior.trainable = False
    model.compile(FusedAdam(1e-3))
    model.fit(x, verbose=0)
    model.save(tmp_path / "v.keras")
    found = keras.saving.load_model(tmp_path / "v.keras")
    assert not found.prior.trainable
    for ours, theirs in zip(found.optimizer.variables, model.optimizer.variables, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_a_model_is_saved_as_keras_or_not_at_all(x, tmp_path, eager):
    """Keras' older format failed halfway, and took the optimizer from what was saved after it."""
    model = VaDE(*parts(), 4)
    model.compile("adam")
    model.fit(x, batch_size=8, verbose=0)
    for name in ("m.h5", "m.hdf5", "m", "m.weights.h5"):
        with pytest.raises(InputError, match=r"^filepath: expected a name that ends in \.keras, got "):
            model.save(tmp_path / name)
    assert not list(tmp_path.iterdir())
    model.save(tmp_path / "m.keras")
    loaded = keras.models.load_model(tmp_path / "m.keras")
    assert (type(loaded.optimizer), int(loaded.optimizer.iterations)) == (keras.optimizers.Adam, 2)
    model.save(tmp_path / "folder", zipped=False)
    np.testing.assert_array_equal(keras.models.load_model(tmp_path / "folder").predict(x), loaded.predict(x))


def test_a_model_without_an_optimizer_is_measured_and_not_trained(x):
    model = VaDE(*parts(), 4)
    model.compile(optimizer=None)
    assert np.isfinite(model.evaluate(x, verbose=0)).all()
    for train in (model.fit, model.train_on_batch):
        with pytest.raises(InputError, match="^optimizer: expected one"):
            train(x)


@pytest.mark.parametrize("seed", [3, np.int64(3), np.uint8(3)])
def test_a_seed_of_numpy_is_a_seed(seed):
    np.testing.assert_array_equal(VaDE(*parts(), 4, seed=seed).prior.mu, VaDE(*parts(), 4, seed=3).prior.mu)


def test_betas_of_numpy_are_numbers(x):
    model = VaDE(*parts(), 4)
    model.compile(FusedAdam(1e-3, beta_1=np.float64(0.9)))
    model.fit(x, verbose=0)


def test_layers_of_a_subclass_may_be_built_by_their_first_step(x):
    class More(VaDE):
        def __init__(self, *arguments, **more):
            super().__init__(*arguments, **more)
            self.head = keras.layers.Dense(1)

        def elbo_terms(self, x, noise, view=None, hints=None, training=False):
            terms = super().elbo_terms(x, noise, view, hints, training)
            return {**terms, "guidance": terms["guidance"] + self.head(x)[:, 0] ** 2}

    model = More(*parts(), 4)
    model.compile(FusedAdam(1e-3))
    before = [None]
    model.fit(x, verbose=0, callbacks=[keras.callbacks.LambdaCallback(on_epoch_end=lambda *_: before.append(1))])
    assert len(model.head.get_weights()) == 2


def test_offsets_count_also_where_both_forms_of_rows_were_traced(rng):
    counts = rng.poisson(3, (8, 12)).astype("f4")
    model = VaDE(*parts(), 4, Counts(30.0), origins=2)
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


def test_what_keras_lets_one_choose_about_the_loss_can_be_chosen(tmp_path):
    model = VaDE(*parts(precision="mixed_float16"), 4)
    model.compile(FusedAdam(1e-3), auto_scale_loss=False)
    assert isinstance(model.optimizer, FusedAdam)
    model.save(tmp_path / "v.keras")
    assert isinstance(keras.saving.load_model(tmp_path / "v.keras").optimizer, FusedAdam)  # as it was
    model.compile(None)
    assert model.optimizer is None
