"""Rows in other units than those of the training: refused, or told, whatever stands beside them."""

import warnings

import numpy as np
import pytest

from vade_tf.data.observations import observe
from vade_tf.errors import InputError
from vade_tf.model import choice, networks
from vade_tf.model.likelihood import Bernoulli
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


@pytest.mark.parametrize("given", [BYTES.astype("f4"), np.zeros((3, 6)), np.zeros((3, 6), "u1"), BYTES[:0]])
def test_bytes_may_come_as_floats_and_images_may_be_black(given):
    choice.check_units(model_of(BYTES), given)


def test_of_rows_that_are_not_standardised_nothing_is_said(rng):
    x = rng.normal(500, 1, (50, 6)).astype("f4")
    shape = {"n_features": 6, "latent_dim": 2, "hidden": (4,)}
    model = VaDE(networks.build_encoder(**shape), networks.build_decoder(**shape), 2, "gaussian")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        choice.check_units(model, x)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_no_numbers_are_named(value):
    x = np.zeros((9000, 6), "f4")
    x[8500, 2] = value
    with pytest.raises(InputError, match="x: expected finite .*, got .* at row 8500, column 2 .*; drop or"):
        choice.check_units(model_of(BYTES), x)
    with pytest.raises(InputError, match="x: expected numbers, got <U1"):
        choice.check_units(model_of(BYTES), np.full((2, 6), "a"))


def test_of_bytes_a_two_hundred_and_fifty_fifth_is_taken_and_of_other_rows_nothing():
    assert Bernoulli().units(observe(BYTES, "auto")) == (1 / 255, 0)
    assert Bernoulli().units(observe(BYTES / 255, "auto")) == (1, 0)


def test_a_feature_around_zero_does_not_hide_that_rows_are_standardised(rng):
    x = rng.normal(5, 2, (500, 4)).astype("f4")
    x[:, 0] = np.tile([-1, 1], 250)
    with pytest.warns(UserWarning, match="x: expected values in the units of the training"):
        choice.check_units(model_of(x), 1000 * x)
