"""Images in bytes or from 0 to 1 of which next to no pixel is black or white: their pixels are standardised."""

import numpy as np
import pytest

from vade_tf.data.observing import observe
from vade_tf.model import choice


@pytest.mark.parametrize("form", [lambda x: (115 + 20 * x).astype("u1"), lambda x: 0.45 + 0.08 * x])
def test_pale_images_are_standardised_unless_a_likelihood_is_asked_for(rng, form):
    pale = form(rng.random((40, 10, 10)))
    data = observe(pale)
    assert choice.choose(data).name == "gaussian"
    assert np.ndim(choice.choose(data).units(data)[0]) == 1
    assert choice.choose(observe(pale, "bernoulli")).name == "bernoulli"


@pytest.mark.parametrize("colours", [(), (3,)])
@pytest.mark.parametrize("likelihood", ["auto", "gaussian", "bernoulli"])
def test_pale_images_in_a_dark_field_or_in_one_colour_stay_images(rng, colours, likelihood):
    """However far their margin, or a channel, lies from the other pixels: black and white are known."""
    pale = (115 + 10 * rng.random((40, 10, 10, *colours))).astype("u1")
    pale[:, :, :2] = 0
    for images in (pale, pale / 255):
        assert observe(images, likelihood).image_shape == (10, 10, *colours)


@pytest.mark.parametrize(
    "images", [np.full((20, 10, 10), 115, "u1"), np.arange(100, 200, dtype="u1").reshape(1, 10, 10)]
)
def test_images_that_do_not_differ_are_not_pale(images):
    data = observe(images)
    assert (data.image_shape, choice.choose(data).name) == ((10, 10), "bernoulli")


@pytest.mark.parametrize(("bright", "name"), [(4, "gaussian"), (6, "bernoulli")])
@pytest.mark.parametrize("kind", ["u1", "f4"])
def test_images_are_not_pale_where_one_pixel_in_twenty_is_black_or_white(rng, bright, name, kind):
    """Standardised, the noise around a small bright spot would be as loud as the spot."""
    images = rng.integers(100, 110, (40, 100))
    images[:, :bright] = 255 * rng.integers(0, 2, (40, bright))
    images = images.reshape(40, 10, 10).astype(kind)
    assert choice.choose(observe(images if kind == "u1" else images / 255)).name == name


def test_bytes_in_rows_of_next_to_no_contrast_are_numbers_as_those_of_other_types_are(rng, tmp_path):
    pale = (115 + 20 * rng.random((40, 7))).astype("u1")
    data, wider = observe(pale), observe(pale.astype("i2"))
    assert data.x.dtype == np.uint8
    assert choice.choose(data).name == choice.choose(wider).name == "gaussian"
    for own, theirs in zip(choice.choose(data).units(data), choice.choose(wider).units(wider), strict=True):
        np.testing.assert_allclose(own, theirs, rtol=1e-6)
    assert choice.choose(observe(pale, "bernoulli")).name == "bernoulli"
    np.save(tmp_path / "x.npy", pale)
    assert choice.choose(observe(np.load(tmp_path / "x.npy", mmap_mode="r"))).name == "gaussian"


@pytest.mark.parametrize("high", [7, 255])
def test_bytes_in_rows_that_go_from_black_to_white_are_grey_values(rng, high):
    data = observe(rng.integers(0, high + 1, (40, 7)).astype("u1"))
    assert choice.choose(data).name == "bernoulli"
    assert data.grey == pytest.approx((1 / high, 0.0))
