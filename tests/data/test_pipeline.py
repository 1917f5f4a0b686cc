"""Batches: every row once an epoch, an order and an augmentation that depend on (seed, epoch) only."""

import gc
import weakref

import numpy as np
import pytest
import scipy.sparse
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from vade_tf.data import pipeline
from vade_tf.data.augmentation import Augmentation
from vade_tf.data.sparse import SparseRows


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


def test_an_epoch_of_several_passes_reads_every_row_so_often():
    """Each pass in an order of its own; the epochs after it go on where it stopped."""
    x = np.arange(10, dtype="f4")[:, None]
    whole = list(pipeline.training_batches(x, 4, 0, range(6)).as_numpy_iterator())
    parts = [list(pipeline.training_batches(x, 4, 0, range(e, e + 1), passes=3).as_numpy_iterator()) for e in (0, 1)]
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


def test_sparse_rows_are_let_go_with_their_batches(rng):
    """TensorFlow keeps the function that reads them until the process ends."""
    x = SparseRows(scipy.sparse.csr_array(rng.poisson(0.3, (30, 20)).astype("f4")))
    seen = weakref.ref(x)
    for batches in (pipeline.training_batches(x, 8, 0, range(1)), pipeline.ordered_batches(x, 8)):
        assert sum(len(batch) for batch in batches.as_numpy_iterator()) == 30
    del x, batches
    gc.collect()
    assert seen() is None
