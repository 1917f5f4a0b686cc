"""Augmented images: moved by so much and no more, each by a map of its own; photos mirrored and in other light."""

import numpy as np
import pytest
import tensorflow as tf

from vade_tf.data import augmentation
from vade_tf.data.augmentation import Augmentation

BATCH = 400


def photos(images, seed=(0, 1), **more):
    shape = images.shape[1:]
    out = augmentation.augment(images.reshape(len(images), -1), Augmentation(shape, "photos", **more), seed).numpy()
    return out.reshape(len(images), *shape)


@pytest.fixture
def moved_only(monkeypatch):
    """No other light or colours."""
    for name in ("LIGHT", "CONTRAST", "SATURATION"):
        monkeypatch.setattr(augmentation, name, 0.0)


@pytest.mark.parametrize("side", [8, 28, 56])
def test_a_small_image_is_shifted_by_the_same_share_of_its_side(side, monkeypatch):
    monkeypatch.setattr(augmentation, "ROTATION", 0.0)
    monkeypatch.setattr(augmentation, "ZOOM", 0.0)
    x = np.broadcast_to(np.arange(side, dtype="f4"), (400, side, side)).reshape(
        400, -1
    )  # a pixel's value is its column
    moved = augmentation.augment(x, Augmentation((side, side)), seed=(0, 1)).numpy().reshape(400, side, side)
    shift = np.abs(moved[:, side // 2, side // 2] - side // 2) / side
    assert 0.9 / 14 < shift.max() <= 1 / 14 + 1e-4


@pytest.mark.parametrize("dtype", ["u1", "f4"])
def test_augmentation_moves_a_blob_a_little_and_keeps_it(dtype):
    """A dot right of the centre: stays within rotation, zoom and shift of where it was, and is not scaled in value."""
    images = np.zeros((500, 29, 29), dtype)
    images[:, 13:16, 21:24] = 200
    moved = (
        augmentation.augment(images.reshape(500, -1), Augmentation((29, 29)), seed=(1, 2))
        .numpy()
        .reshape(500, 29, 29)
        .astype("f8")
    )
    weight = moved.sum(axis=(1, 2))
    rows = (moved.sum(axis=2) @ np.arange(29)) / weight - 14  # centre of the dot, relative to the image's
    columns = (moved.sum(axis=1) @ np.arange(29)) / weight - 14
    reach = 8 * (1 + augmentation.ZOOM) / (1 - augmentation.ZOOM)
    assert np.all(
        np.hypot(rows, columns) < reach + np.sqrt(2) * augmentation.SHIFT * 29 / (1 - augmentation.ZOOM) + 0.5
    )
    assert np.abs(columns.mean() - 8) < 0.5
    assert np.abs(rows.mean()) < 0.5
    assert columns.std() > 0.8
    assert rows.std() > 0.8
    assert 150 < moved.max() <= 200


def test_each_image_is_turned_zoomed_and_shifted_by_so_much():
    """Ramps of columns and of rows tell the map: its matrix between neighbours, its shift in the middle.

    The images are half as long again as they are high, so they are turned by two thirds of ten degrees at most.
    """
    height, width = 28, 42
    down, right = np.mgrid[:height, :width].astype("f4")
    rows = np.broadcast_to(np.stack([right, down], axis=2), (BATCH, height, width, 2)).reshape(BATCH, -1)
    out = (
        augmentation.augment(rows, Augmentation((height, width, 2)), (0, 1))
        .numpy()
        .reshape(BATCH, height, width, 2)
        .astype("f8")
    )
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


def test_each_row_has_an_affine_map_of_its_own():
    images = np.tile(np.arange(64, dtype="f4"), (5, 1))
    out = augmentation.augment(images, Augmentation((8, 8)), seed=(0, 0)).numpy()
    assert len(np.unique(out, axis=0)) == 5


def test_the_channels_of_a_pixel_move_together(rng):
    grey = rng.integers(0, 256, (20, 9, 7, 1)).astype("u1")
    coloured = np.concatenate([grey, 255 - grey, grey // 2], axis=3)
    out = augmentation.augment(coloured.reshape(20, -1), Augmentation((9, 7, 3)), (3, 4)).numpy().reshape(20, 9, 7, 3)
    alone = augmentation.augment(grey.reshape(20, -1), Augmentation((9, 7)), (3, 4)).numpy().reshape(20, 9, 7)
    np.testing.assert_array_equal(out[..., 0], alone)
    assert not np.array_equal(out[..., 1], out[..., 0])


def test_half_of_the_photos_are_mirrored_and_none_is_upside_down(moved_only):
    ramp = np.broadcast_to(np.arange(32, dtype="f4"), (BATCH, 32, 32))
    right = np.stack([ramp, ramp, ramp], axis=3)
    columns = photos(right).mean(axis=(1, 3))
    mirrored = columns[:, 0] > columns[:, -1]
    assert 0.4 < mirrored.mean() < 0.6
    rows = photos(right.swapaxes(1, 2)).mean(axis=(2, 3))
    assert np.all(rows[:, 0] < rows[:, -1])


def test_a_photo_is_cropped_within_its_frame_by_a_fifth_at_most(moved_only):
    ramp = np.broadcast_to(np.arange(64, dtype="f4"), (BATCH, 8, 64))
    out = photos(np.stack([ramp, ramp, ramp], axis=3))
    width = out.max(axis=(1, 2, 3)) - out.min(axis=(1, 2, 3))
    assert out.min() >= 0
    assert out.max() <= 63
    assert 0.8 * 63 - 1e-3 <= width.min() < 0.82 * 63
    assert 0.98 * 63 < width.max() <= 63


def test_a_photo_is_cropped_along_its_height_too(moved_only):
    ramp = np.broadcast_to(np.arange(64, dtype="f4")[:, None], (BATCH, 64, 8))
    out = photos(np.stack([ramp, ramp, ramp], axis=3))
    low, high = out.min(axis=(1, 2, 3)), out.max(axis=(1, 2, 3))
    assert low.min() >= -1e-3
    assert high.max() <= 63 + 1e-3
    assert 0.8 * 63 - 1e-3 <= (high - low).min() < 0.82 * 63
    assert (high - low).max() > 0.98 * 63
    assert np.abs((low + high) / 2 - 31.5).max() > 3  # not from the middle alone


@pytest.mark.parametrize(("name", "left"), [("LIGHT", 0.2), ("CONTRAST", 0.2), ("SATURATION", 0.4)])
def test_light_contrast_and_saturation_change_by_so_much(name, left, moved_only, monkeypatch, rng):
    """Of each image, what is to change is the image's own figure times 1 - left to 1 + left."""
    monkeypatch.setattr(augmentation, "CROP", 0.0)
    monkeypatch.setattr(augmentation, name, left)
    images = np.broadcast_to(rng.uniform(0.2, 0.8, (1, 6, 6, 3)).astype("f4"), (BATCH, 6, 6, 3))
    figure = {
        "LIGHT": lambda x: x.mean(axis=(1, 2, 3)),
        "CONTRAST": lambda x: x.mean(axis=3).std(axis=(1, 2)),
        "SATURATION": lambda x: x.std(axis=3).mean(axis=(1, 2)),
    }[name]
    share = figure(photos(images)) / figure(images)
    assert 1 - left - 1e-4 <= share.min() < 1 - 0.95 * left
    assert 1 + 0.95 * left < share.max() <= 1 + left + 1e-4


def test_light_and_contrast_change_by_a_fifth_and_saturation_by_two_fifths(monkeypatch, rng):
    """All at once: light is seen in the mean, contrast in greys over the mean, and saturation in colours over these."""
    monkeypatch.setattr(augmentation, "CROP", 0.0)
    images = np.broadcast_to(rng.uniform(0.2, 0.8, (1, 6, 6, 3)).astype("f4"), (BATCH, 6, 6, 3))

    def figures(x):
        grey = x.mean(axis=3, keepdims=True)
        return x.mean(axis=(1, 2, 3)), grey.std(axis=(1, 2, 3)), (x - grey).std(axis=(1, 2, 3))

    mean, greys, colours = (found / own for found, own in zip(figures(photos(images)), figures(images), strict=True))
    for share, most in ((mean, 0.2), (greys / mean, 0.2), (colours / greys, 0.4)):
        assert 1 - most - 1e-4 <= share.min() < 1 - 0.95 * most
        assert 1 + 0.95 * most < share.max() <= 1 + most + 1e-4


def test_bytes_stay_bytes_and_do_not_wrap():
    white = np.full((BATCH, 4, 4, 3), 250, "u1")
    out = photos(white)
    assert out.dtype == np.uint8
    assert out.min() > 150
    assert out.max() == 255


@pytest.mark.parametrize("kind", ["digits", "photos"])
def test_a_row_of_a_slice_has_the_map_that_it_has_in_the_batch(kind, rng):
    rows = rng.uniform(size=(12, 5 * 4 * 3)).astype("f4")
    whole = augmentation.augment(rows, Augmentation((5, 4, 3), kind), (1, 2)).numpy()
    for number in range(3):
        part = slice(4 * number, 4 * number + 4)
        found = augmentation.augment(rows[part], Augmentation((5, 4, 3), kind), (1, 2), number, 3).numpy()
        np.testing.assert_array_equal(found, whole[part])


@pytest.mark.parametrize("kind", ["digits", "photos"])
def test_images_with_a_black_of_their_own_are_moved_as_those_from_0_up(rng, kind):
    x = rng.random((50, 6 * 7 * 3)).astype("f4")
    moved = augmentation.augment(x, Augmentation((6, 7, 3), kind, ends=(0.0, 1.0)), (1, 2)).numpy()
    other = augmentation.augment(x - 3, Augmentation((6, 7, 3), kind, -3.0, (-3.0, -2.0)), (1, 2)).numpy()
    np.testing.assert_allclose(other + 3, moved, atol=1e-5)


@pytest.mark.parametrize("kind", ["digits", "photos"])
@pytest.mark.parametrize("white", [3, 16, 255])
def test_bytes_are_moved_as_the_same_numbers(rng, kind, white):
    """Cut off instead of rounded, images of few grey values would be a tenth darker in training than they are."""
    x = rng.integers(0, white + 1, (60, 8 * 9 * 3)).astype("u1")
    how = Augmentation((8, 9, 3), kind, ends=(0.0, float(white)))
    moved = augmentation.augment(x, how, (1, 2)).numpy()
    exact = augmentation.augment(x.astype("f4"), how, (1, 2)).numpy()
    assert (moved.dtype, exact.dtype) == (np.uint8, np.float32)
    np.testing.assert_allclose(moved.astype("f4"), exact, atol=0.5 + 1e-4)
    assert abs(moved.mean() - exact.mean()) < 0.02
    assert exact.max() <= white


def test_outside_of_digits_is_paper(rng):
    """Turning black into white and back makes no difference."""
    x = rng.integers(0, 256, (50, 42)).astype("f4")
    moved = augmentation.augment(x, Augmentation((6, 7)), (1, 2)).numpy()
    other = augmentation.augment(255 - x, Augmentation((6, 7), paper=255.0), (1, 2)).numpy()
    np.testing.assert_allclose(255 - other, moved, atol=1e-3)


@pytest.mark.parametrize("shape", [(1, 128), (128, 1)])
def test_a_strip_is_not_turned_out_of_its_frame(shape):
    x = np.ones((300, 128), "f4")
    moved = augmentation.augment(x, Augmentation(shape), (1, 2)).numpy()
    assert moved[:, 20:108].mean() > 0.8


@pytest.mark.parametrize(("number", "axis", "factor"), [(4, None, 1.2), (5, (1, 2), 1.2), (6, 3, 1.4)])
def test_light_contrast_and_saturation_have_a_random_number_each(number, axis, factor, monkeypatch, rng):
    """They count from black, from the mean of a channel, and from grey."""
    monkeypatch.setattr(augmentation, "CROP", 0.0)
    images = rng.uniform(0.2, 0.8, (3, 6, 5, 3)).astype("f4")
    middle = 0 if axis is None else images.mean(axis=axis, keepdims=True)
    u = np.zeros((3, 7), "f4")
    u[:, number] = 1
    found = augmentation.photos(tf.constant(images), tf.constant(u))
    np.testing.assert_allclose(found, middle + factor * (images - middle), rtol=1e-4, atol=1e-5)
