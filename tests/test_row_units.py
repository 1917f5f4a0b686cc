"""What rows say of their units: the scale of grey values, whether they have one length, and where that says nothing."""

import numpy as np
import pytest

from vade_tf.data import checks
from vade_tf.data.dataset import observe
from vade_tf.model import choice


@pytest.mark.parametrize(
    ("kind", "high", "white"),
    [
        ("f4", 0.09, 0.125),  # nearly black: a scale of its own
        ("f4", 0.11, 1),
        ("f4", 1.0, 1),
        ("f4", 1.5, 2),
        ("f4", 16, 16),
        ("f4", 200, 255),
        ("f4", 255, 255),
        ("u2", 4000, 4095),
        ("u1", 32, 32),
        ("u1", 33, 1),  # bytes, which are from 0 to 255
    ],
)
def test_white_is_the_next_power_of_two_or_one_before(kind, high, white):
    assert checks.grey_units(np.zeros((1, 1), kind), 0, high) == (1 / white, 0)


def test_the_contrast_of_images_does_not_hang_on_their_black_and_white(rng):
    """Of half black and half white it is 1."""
    x = rng.random((400, 3, 4))
    x[0], x[1], x[::2, 0, 0], x[1::2, 0, 0] = 0, 1, 0, 1
    mean = x.reshape(400, -1).mean(axis=0)
    expected = x.reshape(400, -1).var(axis=0) / (mean * (1 - mean))
    assert expected[0] == 1
    for images in (x, 2 * x - 1, 50 * x - 30):
        np.testing.assert_allclose(observe(images).contrast(), expected, rtol=1e-4)


@pytest.mark.parametrize(("contrast", "name"), [(0.08, "gaussian"), (0.12, "bernoulli")])
def test_grey_values_have_a_tenth_of_the_contrast_of_black_and_white(contrast, name):
    """Of most pixels: that of a single one, which makes the scale, is 1."""
    off = 0.5 * np.sqrt(contrast) * np.where(np.arange(40) % 2, 1, -1)
    x = np.repeat(0.5 + off, 20).reshape(40, 4, 5)
    x[:, 0, 0] = np.arange(40) % 2
    assert choice.choose(observe(255 * x)).name == name


@pytest.mark.parametrize(("shorter", "length"), [(0.3e-4, 1.0), (0.8e-4, 0.0)])
def test_rows_are_as_long_as_one_another_to_a_ten_thousandth_of_the_square(shorter, length):
    x = np.eye(8)
    x[3] *= 1 - shorter
    assert checks.common_length(x) == length


@pytest.mark.parametrize(("variance", "length"), [(0.012, 1.0), (0.008, 0.0)])
def test_rows_of_which_the_mean_is_all_but_a_hundredth_have_no_length(variance, length):
    x = np.sqrt(variance) * np.concatenate([np.eye(9)[1:], -np.eye(9)[1:]])
    x[:, 0] = np.sqrt(1 - variance)
    assert checks.common_length(x) == pytest.approx(length)
