"""What a fit is given besides its rows, and is refused before anything is trained."""

import dataclasses

import keras
import numpy as np
import pytest
import small_fits
import tensorflow as tf
from keras import layers

from vade_tf import Lines, Memory, Settings, TrainConfig, VaDE, fit
from vade_tf.errors import InputError
from vade_tf.training import given
from vade_tf.training.fitting import begin

pytestmark = pytest.mark.usefixtures("eager_file")

SMALL = Settings(**{**small_fits.SMALL, "epochs": 1, "regroups": 0, "guide_epochs": 0})


@pytest.fixture
def x(rng):
    return small_fits.sixty(rng)


def pair(dtype="float32"):
    """An encoder and a decoder of nine columns with a code of two."""
    rows, z = keras.Input((9,)), keras.Input((2,))
    h = layers.Dense(8, activation="relu", dtype=dtype)(rows)
    code = [layers.Dense(2, dtype="float32")(h), layers.Dense(2, dtype="float32")(h)]
    return keras.Model(rows, code), keras.Model(z, layers.Dense(9, dtype="float32")(z))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"reporter": print}, "^reporter: expected one such as Lines.., got <built-in function print>$"),
        ({"reporter": Lines}, "^reporter: expected one such as Lines.., got <class"),
        ({"store": Memory}, "^store: expected an object, such as Memory.., got the class Memory$"),
        ({"callbacks": [keras.callbacks.ReduceLROnPlateau()]}, "^callbacks: .*ReduceLROnPlateau, which has no effect"),
    ],
)
def test_what_would_end_later_or_do_nothing_is_refused(x, given, message):
    with pytest.raises(InputError, match=message):
        fit(x, SMALL, **given)


def test_a_rate_that_would_rise_is_refused_and_one_that_stays_is_not(x):
    with pytest.raises(InputError, match="^decay: expected a number above 0 and at most 1, got 1.01$"):
        fit(x, dataclasses.replace(SMALL, decay=1.01))
    begin(x, dataclasses.replace(SMALL, decay=1.0))


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"model": "dec"}, "^settings: .* got TrainConfig with model='dec', which a fit of rows does not read"),
        ({"hints": "known.npy"}, "^settings: .* got TrainConfig with hints='known.npy', which"),
        ({"pretrained": "run", "limit": 50}, "^settings: .* with pretrained='run', limit=50, which"),
    ],
)
def test_settings_of_a_run_that_a_fit_does_not_read_are_refused(x, more, message):
    with pytest.raises(InputError, match=message):
        fit(x, TrainConfig(clusters=3, **more))


def test_a_run_s_settings_that_say_nothing_more_are_those_of_the_fit(x):
    values = {name: getattr(SMALL, name) for name in Settings.__dataclass_fields__}
    config = TrainConfig(data="x.npy", **values)
    assert config.plain() == SMALL
    found = [fit(x, each).model.predict(x, verbose=0) for each in (config, SMALL)]
    np.testing.assert_array_equal(*found)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"latent_dim": 7}, "^latent_dim: expected 2, the width of the code of networks of your own, got 7; leave it"),
        ({"precision": "mixed_float16"}, "^precision: expected 'auto' .* in float32, got 'mixed_float16'; leave it"),
    ],
)
def test_settings_that_networks_of_ones_own_contradict_are_refused(x, more, message):
    with pytest.raises(InputError, match=message):
        fit(x, Settings(clusters=3, **more), networks=pair())


@pytest.mark.parametrize(
    ("more", "dtype"),
    [
        ({}, "float32"),
        ({"latent_dim": 2, "precision": "float32"}, "float32"),
        ({"precision": "mixed_bfloat16"}, "mixed_bfloat16"),
    ],
)
def test_settings_that_say_what_networks_of_ones_own_are_anyway_are_taken(x, more, dtype):
    fitting = small_fits.fitting.begin(x, Settings(clusters=3, **more), networks=pair(dtype))
    assert isinstance(fitting.model, VaDE)


def test_a_fit_inside_of_a_strategy_is_refused_and_on_one_device_it_is_the_same(x):
    said = pytest.raises(InputError, match="^distribute: .* inside that of MirroredStrategy; leave it, and say distrib")
    with tf.distribute.MirroredStrategy(["CPU:0"]).scope(), said:
        fit(x, SMALL)
    with tf.distribute.OneDeviceStrategy("CPU:0").scope():
        found = fit(x, SMALL).model.predict(x, verbose=0)
    np.testing.assert_array_equal(found, fit(x, SMALL).model.predict(x, verbose=0))


def test_a_data_set_of_rows_whose_length_is_not_told_is_one_of_rows():
    """As `from_generator` of a signature without it makes them: one axis is that of a row, not of a batch."""
    rows = np.arange(12, dtype="f4").reshape(4, 3)
    made = tf.data.Dataset.from_generator(lambda: rows, output_signature=tf.TensorSpec((None,), tf.float32))
    np.testing.assert_array_equal(given.read_data_set(made), rows)
