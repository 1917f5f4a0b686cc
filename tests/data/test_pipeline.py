"""Batches: every row once an epoch, an order and an augmentation that depend on (seed, epoch) only."""

import gc
import math
import os
import weakref

import numpy as np
import pytest
import scipy.sparse
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from vade_tf.data import pipeline
from vade_tf.data.observations import observe
from vade_tf.data.pipeline import Augmentation, Slices
from vade_tf.data.rows import FileRows, SparseRows
from vade_tf.errors import InputError
from vade_tf.training import recipe
from vade_tf.training.settings import Settings


def epochs_of(x, batch_size, seed, epochs, **more):
    """The batches of each epoch as lists of arrays."""
    batches = list(pipeline.training_batches(x, batch_size, seed, epochs, **more).as_numpy_iterator())
    steps = pipeline.steps_per_epoch(len(x), batch_size)
    assert len(batches) == steps * len(epochs)
    return [batches[i : i + steps] for i in range(0, len(batches), steps)]


@settings(max_examples=15, deadline=None)
@given(n=st.integers(1, 40), batch_size=st.integers(1, 50), seed=st.integers(0, 2**31 - 1))
def test_every_row_once_an_epoch_in_an_order_of_its_own(n, batch_size, seed):
    x = np.arange(n, dtype="f4")[:, None]
    first, second = (np.concatenate(epoch).ravel() for epoch in epochs_of(x, batch_size, seed, range(2)))
    np.testing.assert_array_equal(np.sort(first), x.ravel())
    np.testing.assert_array_equal(np.sort(second), x.ravel())
    if n > 20:
        assert not np.array_equal(first, second)
        assert not np.array_equal(first, x.ravel())


def test_an_epoch_is_the_same_wherever_the_run_began(rng):
    images = rng.integers(0, 256, (30, 64)).astype("u1")
    hints = np.arange(30, dtype="i4")
    whole = epochs_of(images, 8, 3, range(4), beside=[hints], augmentation=Augmentation((8, 8)))
    resumed = epochs_of(images, 8, 3, range(2, 4), beside=[hints], augmentation=Augmentation((8, 8)))
    for (view, rows), some in whole[2]:
        np.testing.assert_array_equal(rows, images[some])
        assert not np.array_equal(view, rows)
    for a, b in zip(whole[2] + whole[3], resumed[0] + resumed[1], strict=True):
        for one, other in zip((*a[0], a[1]), (*b[0], b[1]), strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("n", [1, 7, 8, 20])
def test_ordered_batches_are_all_rows_in_order(n):
    x = np.arange(3 * n, dtype="u1").reshape(n, 3)
    batches = list(pipeline.ordered_batches(x, 8).as_numpy_iterator())
    np.testing.assert_array_equal(np.concatenate(batches), x)


@pytest.fixture
def sparse_and_dense(rng):
    """The same rows twice: as a matrix that is kept sparse and as an array. One row and one column are all zeros."""
    dense = rng.integers(1, 256, (37, 64)).astype("u1") * (rng.random((37, 64)) < 0.1)
    dense[5], dense[:, 7] = 0, 0
    return SparseRows(scipy.sparse.coo_matrix(dense)), dense


def test_sparse_rows_come_in_the_batches_of_their_dense_copy(sparse_and_dense):
    more = {"beside": [np.arange(37, dtype="i4")], "augmentation": Augmentation((8, 8))}
    one, other = (epochs_of(x, 8, 3, range(1, 3), **more) for x in sparse_and_dense)
    for a, b in zip(one[0] + one[1], other[0] + other[1], strict=True):
        for left, right in zip((*a[0], a[1]), (*b[0], b[1]), strict=True):
            np.testing.assert_array_equal(left, right)
            assert left.dtype == right.dtype
    one, other = (list(pipeline.ordered_batches(x, 8).as_numpy_iterator()) for x in sparse_and_dense)
    assert [len(batch) for batch in one] == [8, 8, 8, 8, 5]
    np.testing.assert_array_equal(np.concatenate(one), np.concatenate(other))


def test_an_epoch_reads_every_row_once():
    """Each in an order of its own; the epochs after it go on where it stopped."""
    x = np.arange(10, dtype="f4")[:, None]
    whole = list(pipeline.training_batches(x, 4, 0, range(6)).as_numpy_iterator())
    parts = [list(pipeline.training_batches(x, 4, 0, range(e, e + 3)).as_numpy_iterator()) for e in (0, 3)]
    assert [len(part) for part in parts] == [9, 9]
    for batch, other in zip([*parts[0], *parts[1]], whole, strict=True):
        np.testing.assert_array_equal(batch, other)
    assert all((np.sort(np.concatenate(parts[0][i : i + 3]).ravel()) == np.arange(10)).all() for i in (0, 3, 6))


def test_the_maps_of_images_and_the_noise_of_a_step_share_no_random_numbers(monkeypatch):
    """Noise is drawn by (seed, step): were the maps, too, it would be a function of what the encoder reads."""
    monkeypatch.setattr(pipeline, "augment", lambda batch, how, seed, *more: tf.stack([seed]))
    batches = pipeline.training_batches(np.zeros((8, 4), "u1"), 4, 3, range(2), augmentation=Augmentation((2, 2)))
    seeds = [tuple(seed[0]) for seed, _ in batches.as_numpy_iterator()]
    assert [step for _, step in seeds] == [0, 1, 2, 3]
    assert {first for first, _ in seeds} != {3}
    assert len({first for first, _ in seeds}) == 1


SMALL = {"hidden": (8,), "latent_dim": 2, "precision": "float32", "batch_size": 32, "pretrain_epochs": 2, "epochs": 2}


@pytest.fixture
def small(monkeypatch):
    """Shards of 8 rows of 5 float32, 8 of them in a buffer."""
    monkeypatch.setattr(pipeline, "SHARD_BYTES", 8 * 20)
    monkeypatch.setattr(pipeline, "BUFFER_BYTES", 64 * 20)


@given(
    n=st.integers(1, 300),
    batch=st.integers(1, 40),
    row_bytes=st.sampled_from([1, 7, 100, 5000]),
    seed=st.integers(0, 9),
)
def test_every_pass_has_every_row_once_in_runs_of_the_file(n, batch, row_bytes, seed):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipeline, "SHARD_BYTES", 1000)
        patch.setattr(pipeline, "BUFFER_BYTES", 8000)
        found = [list(pipeline.buffers(n, row_bytes, batch, seed, number)) for number in (0, 1, 0)]
        for buffers in found:
            rows = np.concatenate([rows for rows, _ in buffers])
            np.testing.assert_array_equal(np.sort(rows), np.arange(n))
            runs = 1 + np.count_nonzero(np.diff(rows) != 1)
            assert runs <= -(-n // max(1, 1000 // row_bytes)) + len(buffers) + 1
            assert all(len(rows) <= max(batch, 8000 // row_bytes) for rows, _ in buffers)
            assert all((np.sort(picks.ravel()) == np.arange(len(rows))).all() for rows, picks in buffers)
            sizes = [size for _, picks in buffers for size in [picks.shape[2]] * len(picks)]
            assert sizes == [batch] * (n // batch) + [n % batch] * (n % batch > 0)
    for (one, picks), (other, again) in zip(found[0], found[2], strict=True):
        np.testing.assert_array_equal(one, other)
        np.testing.assert_array_equal(picks, again)
    if n > 40:
        assert not all(np.array_equal(one, other) for (one, _), (other, _) in zip(*found[:2], strict=True))


@given(n=st.integers(1, 300), lots=st.sampled_from([1, 2, 3, 8]), of=st.sampled_from([2, 4]), seed=st.integers(0, 9))
def test_a_device_reads_its_slices_of_the_batches_and_no_more(n, lots, of, seed):
    """Batches of 24 rows, two devices in each process; where the lots cannot be shared, all is read."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipeline, "SHARD_BYTES", 5)
        patch.setattr(pipeline, "BUFFER_BYTES", 100)
        patch.setattr(pipeline, "MAX_LOTS", lots)
        slices = []
        whole = [rows[batch[0]] for rows, picks in pipeline.buffers(n, 1, 24, seed, 2) for batch in picks]
        for first in range(0, of, 2):
            buffers = list(pipeline.buffers(n, 1, 24, seed, 2, Slices(range(first, first + 2), of)))
            slices.append([rows[batch] for rows, picks in buffers for batch in picks])
            share = 2 / of if math.gcd(24, lots) % of == 0 else 1
            assert sum(len(rows) for rows, _ in buffers) == (n - n % 24) * share + n % 24
    for number, batch in enumerate(whole):
        found = np.concatenate([process[number] for process in slices])
        assert found.shape == (of, -(-len(batch) // of))
        np.testing.assert_array_equal(found.ravel()[: len(batch)], batch)
        assert set(found.ravel()) == set(batch)


def batches_of(x, epochs, **more):
    return list(pipeline.training_batches(x, 32, 3, epochs, **more).as_numpy_iterator())


def test_batches_of_a_file(small, blobs):
    found, x, _ = observe(blobs[0]).x, *blobs[1:]
    hints = np.arange(500, dtype="i4")
    batches = batches_of(found, range(3), beside=[hints])
    assert [len(rows) for rows, _ in batches] == 3 * ([32] * 15 + [20])
    for rows, numbers in batches:
        np.testing.assert_array_equal(rows, x[numbers])
    epochs = [np.concatenate([numbers for _, numbers in batches[i : i + 16]]) for i in (0, 16, 32)]
    assert all((np.sort(numbers) == hints).all() for numbers in epochs)
    assert not np.array_equal(epochs[0], epochs[1])
    resumed = batches_of(found, range(2, 3), beside=[hints])
    for (rows, numbers), (again, same) in zip(batches[32:], resumed, strict=True):
        np.testing.assert_array_equal(rows, again)
        np.testing.assert_array_equal(numbers, same)
    for (rows, _), alone in zip(batches, batches_of(found, range(3)), strict=True):
        np.testing.assert_array_equal(rows, alone)
    np.testing.assert_array_equal(np.concatenate(list(pipeline.ordered_batches(found, 30).as_numpy_iterator())), x)
    for rows, numbers in (few := batches_of(found, range(1), beside=[hints], numbers=hints[::3])):
        np.testing.assert_array_equal(rows, x[numbers])
    np.testing.assert_array_equal(np.sort(np.concatenate([numbers for _, numbers in few])), hints[::3])


@pytest.mark.parametrize("form", [FileRows, lambda x: SparseRows(scipy.sparse.csr_array(x))], ids=["file", "sparse"])
def test_rows_are_let_go_with_their_batches(blobs, form):
    """TensorFlow keeps every function that it was given to read with."""
    rows, hints = form(blobs[0]), np.zeros(500, "i4")
    assert len(list(pipeline.ordered_batches(rows, 32))) == 16
    batches = pipeline.training_batches(rows, 32, 0, range(2), beside=[hints])
    assert len(list(batches)) == 32
    held = [weakref.ref(rows), weakref.ref(hints)]
    del rows, hints, batches
    gc.collect()
    assert [each() for each in held] == [None, None]


def test_a_file_that_changes_while_it_is_read_is_named(small, blobs, tmp_path):
    class Change(tf.keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            os.utime(tmp_path / "x.npy", (0, 0))

    with pytest.raises(InputError, match=r"^x: .*x\.npy, which has changed"):
        recipe.fit(blobs[0], Settings(clusters=3, **SMALL), callbacks=[Change()])


BATCH = 400


def moved(images, seed=(0, 1), **more):
    """Images [n, height, width, ...] of any values, augmented."""
    how = Augmentation(images.shape[1:], **more)
    return pipeline.augment(images.reshape(len(images), -1), how, seed).numpy().reshape(images.shape)


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
    whole = pipeline.augment(rows, Augmentation((5, 4, 3)), (1, 2)).numpy()
    for number in range(3):
        part = slice(4 * number, 4 * number + 4)
        found = pipeline.augment(rows[part], Augmentation((5, 4, 3)), (1, 2), number, 3).numpy()
        np.testing.assert_array_equal(found, whole[part])


def test_images_with_a_black_of_their_own_are_moved_as_those_from_0_up(rng):
    x = rng.random((50, 6, 7, 3)).astype("f4")
    other = moved(x - 3, background=-3.0)
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
