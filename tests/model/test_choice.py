"""Rows in other units than those of the training are refused or told."""

import warnings

import keras
import numpy as np
import pytest
from small_files import chosen, taken

from vade_tf.errors import InputError, UnitsWarning
from vade_tf.model import networks, units
from vade_tf.model.vade import VaDE


def model_of(x, asked="auto"):
    """An untrained VaDE of these rows, in their units."""
    rows = taken(x, asked)
    kind = chosen(rows, asked)
    shape = {"n_features": rows.x.shape[1], "latent_dim": 2, "hidden": (4,)}
    networks_of = networks.build_encoder(**shape), networks.build_decoder(**shape)
    return VaDE(*networks_of, 2, kind, scaling=networks.build_scaling(*kind.units(rows)))


BYTES = np.random.default_rng(0).integers(0, 256, (30, 6)).astype("u1")
GREY = np.where(BYTES > 127, BYTES, 0).astype("u1")  # half of it black, as images often are


@pytest.mark.parametrize("given", [BYTES.astype("f4"), np.zeros((3, 6)), np.zeros((3, 6), "u1"), BYTES[:0]])
def test_bytes_may_come_as_floats_and_images_may_be_black(given):
    units.check_units(model_of(BYTES), given)


def test_of_rows_that_are_not_standardised_nothing_is_said(small_model, rng):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        units.check_units(small_model("gaussian"), rng.normal(500, 1, (50, 12)).astype("f4"))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_no_numbers_are_named(value):
    x = np.zeros((9000, 6), "f4")
    x[8500, 2] = value
    with pytest.raises(InputError, match="x: expected finite .*, got .* at row 8500, column 2 .*; drop or"):
        units.check_units(model_of(BYTES), x)
    with pytest.raises(InputError, match="x: expected numbers, got <U1"):
        units.check_units(model_of(BYTES), np.full((2, 6), "a"))


def test_a_feature_around_zero_does_not_hide_that_rows_are_standardised(rng):
    x = rng.normal(5, 2, (500, 4)).astype("f4")
    x[:, 0] = np.tile([-1, 1], 250)
    with pytest.warns(UserWarning, match="x: expected values in the units of the training"):
        units.check_units(model_of(x), 1000 * x)


SHADES = np.linspace(0, 1, 60).reshape(5, 12)


@pytest.mark.parametrize(
    ("trained_on", "given", "outcome"),
    [
        (255 * SHADES, 255 * SHADES, "taken"),
        (255 * SHADES, SHADES, "refused"),
        (SHADES, 255 * SHADES, "refused"),
        (SHADES, np.round(255 * SHADES).astype("u1"), "refused"),
        (255 * SHADES, 65535 * SHADES, "refused"),
        (SHADES, SHADES - 0.1, "warned"),
        (SHADES, 1.2 * SHADES, "warned"),
        (255 * SHADES, np.zeros((3, 12)), "taken"),
    ],
)
def test_grey_values_in_other_units(trained_on, given, outcome, small_model):
    top = trained_on.max()
    model = small_model(scaling=None if top == 1 else keras.layers.Rescaling(1 / top))
    if outcome == "refused":
        with pytest.raises(InputError, match="^x: expected values in the units of the training"):
            units.check_units(model, given)
    elif outcome == "warned":
        with pytest.warns(UnitsWarning, match="^x: expected values from 0 to 1 once scaled"):
            units.check_units(model, given)
    else:
        units.check_units(model, given)


@pytest.mark.parametrize("factor", [1, 1000])
def test_standardised_rows_in_other_units_are_warned_of(factor, small_model, rng):
    """One column of twelve in another unit is enough; few rows far out are not."""
    x = rng.normal(50, 5, (40, 12))
    model = small_model("gaussian", scaling=networks.build_scaling(np.full(12, 0.2), np.full(12, -10.0)))
    given = x * [factor, *11 * [1]]
    given[0] = 1e9
    if factor == 1:
        units.check_units(model, given)
    else:
        with pytest.warns(UnitsWarning, match="^x: expected values in the units of the training"):
            units.check_units(model, given)
