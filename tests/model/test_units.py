"""Rows in other units than those of the training: refused, or told, whatever stands beside them."""

import warnings

import numpy as np
import pytest
import scipy.sparse

from vade_tf.data.observing import observe
from vade_tf.data.sparse import SparseRows
from vade_tf.errors import InputError, UnitsWarning
from vade_tf.model import choice, networks
from vade_tf.model.likelihood import Bernoulli, far_from
from vade_tf.model.vade import VaDE


def model_of(x, asked="auto"):
    """An untrained VaDE of these rows, in their units."""
    rows = observe(x, asked)
    kind = choice.choose(rows)
    shape = {"n_features": rows.x.shape[1], "latent_dim": 2, "hidden": (4,)}
    networks_of = networks.build_encoder(**shape), networks.build_decoder(**shape)
    return VaDE(*networks_of, 2, kind, scaling=networks.build_scaling(*kind.units(rows)))


BYTES = np.random.default_rng(0).integers(0, 256, (30, 6)).astype("u1")
GREY = np.where(BYTES > 127, BYTES, 0).astype("u1")  # half of it black, as images often are


@pytest.mark.parametrize(
    ("trained_on", "given", "message"),
    [
        (BYTES, BYTES / 255, r"x: expected values from 0 to 255, .* got float64 from .* to 1; multiply them by 255"),
        (BYTES, (BYTES > 99).astype("f4"), "x: expected values from 0 to 255, .* multiply them by 255"),
        (BYTES, BYTES * 257.0, "x: expected values from 0 to 255, .* scale them as those it was trained on"),
        (BYTES, BYTES / -255, "x: expected values from 0 to 255, .* scale them as those it was trained on"),
        (GREY / 255, GREY, r"x: expected values from 0 to 1, .* got uint8 from .* to 255; divide them by 255"),
        (GREY / 255, GREY / 16, "x: expected values from 0 to 1, .* scale them as those it was trained on"),
        (GREY / 255, GREY / 255 + 0.6, "x: expected values from 0 to 1, .* scale them as those it was trained on"),
        (GREY / 255, GREY * (255.5 / GREY.max()), "x: expected values from 0 to 1, .* scale them as those"),
        (GREY / 255, GREY / 255 - 0.5, "x: expected values from 0 to 1, .* scale them as those it was trained on"),
    ],
)
def test_rows_in_other_units_are_refused(trained_on, given, message):
    model = model_of(trained_on)
    choice.check_units(model, trained_on)
    with pytest.raises(InputError, match=message):
        choice.check_units(model, given)
    with pytest.raises(ValueError, match=message):
        model.predict(given, verbose=0)


@pytest.mark.parametrize("given", [GREY / 250, GREY / 255 - 0.1])
def test_rows_a_little_beyond_those_of_the_training_are_taken_as_they_are(given):
    """As scikit-learn's MinMaxScaler leaves rows that it was not fitted to."""
    with pytest.warns(UserWarning, match="x: expected values from 0 to 1, .*; they are taken as they are$"):
        choice.check_units(model_of(GREY / 255), given)


@pytest.mark.parametrize("n", [1, 10, 29, 60])
def test_a_row_that_lies_far_out_is_taken_whatever_stands_beside_it(n, rng):
    """Of 40 columns one holds an income 2.5 times the largest in training; as bytes or standardised all are refused."""
    model, rows = model_of(rng.random((200, 40)), "bernoulli"), rng.random((n, 40))
    far = rows.copy()
    far[0, 3] = 2.5
    with pytest.warns(UnitsWarning, match="x: expected values from 0 to 1, .* got .* to 2.5; they are taken as they"):
        choice.check_units(model, far)
    far[0, 3] = 12
    for wrong in (
        255 * rows,
        rng.normal(size=(n, 40)),
        np.where(rows < 0.1, 255 * rows, 0),
        *((far, -far) if n < 20 else ()),
    ):
        with pytest.raises(InputError, match="x: expected values from 0 to 1"):
            choice.check_units(model, wrong)


@pytest.mark.parametrize("given", [BYTES.astype("f4"), np.zeros((3, 6)), np.zeros((3, 6), "u1"), BYTES[:0]])
def test_bytes_may_come_as_floats_and_images_may_be_black(given):
    choice.check_units(model_of(BYTES), given)


@pytest.mark.parametrize("form", [np.asarray, lambda x: SparseRows(scipy.sparse.csr_array(x))])
def test_gaussian_rows_far_from_those_of_the_training_are_warned_of(form, rng):
    x = rng.normal(5, 2, (500, 4)).astype("f4")
    model = model_of(x)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        choice.check_units(model, form(x))
        choice.check_units(model, form(np.where(rng.random(x.shape) < 0.4, 1e6, x)))  # outliers, not other units
        choice.check_units(model_of(1000 + 0 * x, "gaussian"), form(1000 + 0 * x))
    with pytest.warns(UserWarning, match="x: 100% of the values lie more than 10 standard deviations"):
        choice.check_units(model, form(1000 * x))


def test_missing_cells_say_nothing_of_the_units():
    rows = np.where(np.arange(100).reshape(10, 10) % 10 < 6, np.nan, 50.0)
    with pytest.warns(UserWarning, match="x: 100% of the values lie more than 10 standard deviations"):
        far_from(rows, 0, 1, "x")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        far_from(np.full((3, 3), np.nan), 0, 1, "x")


def test_of_rows_that_are_not_standardised_nothing_is_said(rng):
    x = rng.normal(500, 1, (50, 6)).astype("f4")
    shape = {"n_features": 6, "latent_dim": 2, "hidden": (4,)}
    model = VaDE(networks.build_encoder(**shape), networks.build_decoder(**shape), 2, "gaussian")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        choice.check_units(model, x)


def test_directions_of_another_length_are_warned_of(rng):
    """Their scaling moves no zero, but it knows how long they were."""
    rows = rng.normal(size=(200, 50)).astype("f4")
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    model = model_of(rows)
    assert not np.any(model.scale(np.zeros((1, 50), "f4")))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        choice.check_units(model, rows)
    with pytest.warns(UserWarning, match="^x: .* of the values lie more than 10 standard deviations"):
        choice.check_units(model, 30 * rows)


@pytest.mark.parametrize("value", [3000, -3000])
def test_a_value_in_other_units_is_seen_in_whatever_block_of_rows_it_stands(value):
    """They are looked at 8,192 together, and the last block has none."""
    x = np.zeros((9000, 6), "f4")
    x[0, 0] = value
    with pytest.raises(InputError, match="^x: expected values from 0 to 255, as the model was trained on"):
        choice.check_units(model_of(BYTES), x)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_no_numbers_are_named(value):
    x = np.zeros((9000, 6), "f4")
    x[8500, 2] = value
    with pytest.raises(InputError, match=f"x: expected finite .*, got {value} at row 8500, column 2 .*; drop or"):
        choice.check_units(model_of(BYTES), x)
    with pytest.raises(InputError, match="x: expected numbers, got <U1"):
        choice.check_units(model_of(BYTES), np.full((2, 6), "a"))


def test_of_bytes_a_two_hundred_and_fifty_fifth_is_taken_and_of_other_rows_nothing():
    assert Bernoulli().units(observe(BYTES, "auto")) == (1 / 255, 0)
    assert Bernoulli().units(observe(BYTES / 255, "auto")) == (1, 0)


def test_a_feature_around_zero_does_not_hide_that_rows_are_standardised(rng):
    x = rng.normal(5, 2, (500, 4)).astype("f4")
    x[:, 0] = np.tile([-1, 1], 250)
    with pytest.warns(UserWarning, match="x: .* of the values lie more than 10 standard deviations"):
        choice.check_units(model_of(x), 1000 * x)
