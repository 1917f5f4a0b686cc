"""Augmented images: moved by so much and no more, each by a map of its own."""

import numpy as np
import pytest

from vade_tf.data import augmentation
from vade_tf.data.augmentation import Augmentation

BATCH = 400


def moved(images, seed=(0, 1), **more):
    """Images [n, height, width, ...] of any values, augmented."""
    how = Augmentation(images.shape[1:], **more)
    return augmentation.augment(images.reshape(len(images), -1), how, seed).numpy().reshape(images.shape)


def test_each_image_is_turned_zoomed_and_shifted_by_so_much():
    """Ramps of columns and of rows tell the map: its matrix between neighbours, its shift in the middle.

    The images are half as long again as they are high, so they are turned by two thirds of ten degrees at most.
    """
    height, width = 28, 42
    down, right = np.mgrid[:height, :width].astype("f4")
    out = moved(np.broadcast_to(np.stack([right, down], axis=2), (BATCH, height, width, 2))).astype("f8")
    y, x = height // 2, width // 2
    at = out[:, y, x]
    matrix = np.stack([out[:, y, x + 1] - at, out[:, y + 1, x] - at], axis=2)
    zoom, angle = np.sqrt(np.linalg.det(matrix)), np.degrees(np.arctan2(matrix[:, 1, 0], matrix[:, 0, 0]))
    np.testing.assert_allclose(matrix @ matrix.swapaxes(1, 2), zoom[:, None, None] ** 2 * np.eye(2), atol=1e-3)
    middle = np.array([(width - 1) / 2, (height - 1) / 2])
    shift = (at - middle - matrix @ ([x, y] - middle)) / [width, height]
    for found, most in ((angle, 10 / 1.5), (zoom - 1, 0.1), (shift[:, 0], 1 / 14), (shift[:, 1], 1 / 14)):
        assert 0.95 * most < found.max() <= 1.01 * most
        assert -1.01 * most <= found.min() < -0.95 * most
    draws = np.corrcoef([angle, zoom, *shift.T])
    assert np.abs(draws - np.eye(4)).max() < 0.2  # each has a random number of its own


def test_a_row_of_a_slice_has_the_map_that_it_has_in_the_batch(rng):
    rows = rng.uniform(size=(12, 5 * 4 * 3)).astype("f4")
    whole = augmentation.augment(rows, Augmentation((5, 4, 3)), (1, 2)).numpy()
    for number in range(3):
        part = slice(4 * number, 4 * number + 4)
        found = augmentation.augment(rows[part], Augmentation((5, 4, 3)), (1, 2), number, 3).numpy()
        np.testing.assert_array_equal(found, whole[part])


def test_images_with_a_black_of_their_own_are_moved_as_those_from_0_up(rng):
    x = rng.random((50, 6, 7, 3)).astype("f4")
    other = moved(x - 3, paper=-3.0)
    np.testing.assert_allclose(other + 3, moved(x), atol=1e-5)


@pytest.mark.parametrize("white", [3, 16, 255])
def test_bytes_are_moved_as_the_same_numbers(rng, white):
    """Cut off instead of rounded, images of few grey values would be a tenth darker in training than they are."""
    x = rng.integers(0, white + 1, (60, 8, 9, 3)).astype("u1")
    found, exact = (moved(x.astype(dtype)) for dtype in ("u1", "f4"))
    assert (found.dtype, exact.dtype) == (np.uint8, np.float32)
    np.testing.assert_allclose(found.astype("f4"), exact, atol=0.5 + 1e-4)
    assert abs(found.mean() - exact.mean()) < 0.02
    assert exact.max() <= white


@pytest.mark.parametrize("shape", [(1, 128), (128, 1)])
def test_a_strip_is_not_turned_out_of_its_frame(shape):
    assert moved(np.ones((300, *shape), "f4")).reshape(300, 128)[:, 20:108].mean() > 0.8
