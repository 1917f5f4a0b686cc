"""Images as rows: what is black and white in them, whether flattened ones are known, and what lies outside."""

import numpy as np
import pytest

from vade_tf.data import dataset
from vade_tf.data.observing import observe
from vade_tf.model import choice
from vade_tf.training import build
from vade_tf.training.fitting import begin
from vade_tf.training.reporter import Silent
from vade_tf.training.settings import Settings


@pytest.mark.parametrize(
    ("high", "unit"), [(16, 16), (15, 15), (255, 255), (200, 255), (100, 127), (3, 3), (2, 2), (1, 1)]
)
@pytest.mark.parametrize("kind", ["f4", "f8", "i8", "u2"])
def test_images_of_whole_numbers_are_grey_whatever_their_type(rng, high, unit, kind):
    """Standardised pixel by pixel, the border of a digit would be hundreds of deviations away."""
    x = rng.integers(0, high + 1, (40, 4, 5))
    x[0, 0, 0] = high
    data = observe(x.astype(kind))
    found = choice.choose(data)
    assert (found.name, found.units(data)) == ("bernoulli", (1 / unit, 0.0))
    np.testing.assert_array_equal(data.x, x.reshape(40, 20))
    gaussian = observe(x.astype(kind), "gaussian")
    scale, offset = choice.choose(gaussian).units(gaussian)  # a Gaussian has one as well, that of their spread
    assert offset == 0
    assert (scale * x.reshape(40, 20)).var(axis=0).mean() == pytest.approx(1)


@pytest.mark.parametrize(
    ("form", "black", "white"),
    [
        (lambda x: 2 * x - 1, -1, 1),
        (lambda x: 0.01 * x, 0, 2**-6),
        (lambda x: np.round(16 * x).astype("u1"), 0, 16),
        (lambda x: (x - 0.1307) / 0.3081, -0.1307 / 0.3081, 0.8693 / 0.3081),
        (lambda x: -x, -1, 0),
        (lambda x: 2.5 * x, 0, 3),
        (lambda x: 1.5 * x, 0, 2),
        (lambda x: 254.3 * x, 0, 255),
        (lambda x: np.round(3000 * x), 0, 4095),
        (lambda x: np.round(65535 * x).astype("u2"), 0, 65535),
    ],
)
def test_images_of_any_range_are_grey_values(rng, form, black, white):
    """Standardised pixel by pixel, the border of a digit would be hundreds of deviations away."""
    grey = rng.random((40, 4, 5))
    grey[0, 0, :2] = 0, 1
    data = observe(form(grey))
    found = choice.choose(data)
    model = build.build_model(data, choice.choose(data), Settings(clusters=2).resolve(40, 20), "float32")
    ends = np.outer([black, white], np.ones(20)).astype("f4")
    np.testing.assert_allclose(model.scale(ends), [[0] * 20, [1] * 20], atol=1e-6)
    np.testing.assert_allclose(model.unscale(model.scale(ends)), ends, rtol=1e-5, atol=1e-5 * (white - black))
    assert (found.name, data.ends) == ("bernoulli", pytest.approx((black, white), abs=1e-6))
    rows = observe(form(grey).reshape(40, 20))  # no images
    assert rows.grey == ((1 / 16, 0.0) if rows.x.dtype == "u1" else (1.0, 0.0))


@pytest.mark.parametrize(("ink", "paper"), [(255, 0), (0, 255), (200, 30)])
@pytest.mark.parametrize("kind", ["u1", "f4"])
def test_outside_of_images_is_what_most_have_at_their_edges(rng, ink, paper, kind):
    x = np.full((41, 8, 9), paper, kind)
    x[:, 2:6, 3:7] = ink
    x[:12, 0] = ink  # some touch it
    data = observe(x)
    assert data.paper == paper
    fitting = begin(data, Settings(clusters=2, augment="digits"), reporter=Silent())
    views = np.concatenate(
        [view for view, _ in fitting.batches("fit", range(1), augmentation=fitting.augmentation("fit"))]
    )
    corners = views.reshape(-1, 8, 9)[:, -1, [0, -1]]
    np.testing.assert_allclose(corners.astype(float), paper, atol=1e-4)


def test_outside_of_images_in_colour_is_the_colour_at_their_edges(rng):
    """Red has a median of its own: that of all channels would be a grey that no image has."""
    x = np.tile(np.array([250, 20, 20], "u1"), (60, 8, 8, 1))
    x[:, 3:5, 3:5] = rng.integers(0, 256, (60, 2, 2, 3))
    fitting = begin(observe(x), Settings(clusters=2, augment="digits"), reporter=Silent())
    views = np.concatenate(
        [view for view, _ in fitting.batches("fit", range(1), augmentation=fitting.augmentation("fit"))]
    )
    corners = views.reshape(-1, 8, 8, 3)[:, [0, 0, -1, -1], [0, -1, 0, -1]].reshape(-1, 3)
    np.testing.assert_array_equal(np.unique(corners, axis=0), [[250, 20, 20]])


# What is seen of images is seen on some of all of them, whatever stands first.


def test_outside_of_images_is_not_what_the_first_have_at_their_edges(monkeypatch):
    monkeypatch.setattr(dataset, "EDGES", 20)
    x = np.zeros((200, 6, 7), "u1")
    x[:, 2:4, 2:5] = 255
    x[:20] = 200
    assert [observe(images).paper for images in (x, x[::-1])] == [0, 0]
