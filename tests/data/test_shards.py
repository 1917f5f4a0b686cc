"""Rows that stay in their file: what is read of them, the order of an epoch, a way back."""

import gc
import os
import weakref

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from vade_tf.data import pipeline, shards
from vade_tf.data.observations import observe
from vade_tf.data.shards import FileRows, Shuffle
from vade_tf.errors import InputError
from vade_tf.training import recipe
from vade_tf.training.settings import Settings

SMALL = {"hidden": (8,), "latent_dim": 2, "precision": "float32", "batch_size": 32, "pretrain_epochs": 2, "epochs": 2}


@pytest.fixture
def small(monkeypatch):
    """Shards of 8 rows of 5 float32, 8 of them in a buffer."""
    monkeypatch.setattr(shards, "SHARD_BYTES", 8 * 20)
    monkeypatch.setattr(shards, "BUFFER_BYTES", 64 * 20)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("kind", ["f8", "i2", "u1", ">f4", "?"])
def test_rows_of_a_file_are_indexed_as_their_array(tmp_path, rng, kind, order):
    x = np.asarray((rng.random((30, 2, 3)) * 200).astype(kind), order=order)
    np.save(tmp_path / "x.npy", x)
    found, expected = FileRows.open(tmp_path / "x.npy"), x.reshape(30, 6).astype("u1" if kind == "u1" else "f4")
    assert (len(found), found.shape, found.row_shape, found.dtype) == (30, (30, 6), (2, 3), expected.dtype)
    mask = rng.random(30) < 0.5
    few = np.array([20, 7], "u1")
    for rows in (slice(3, 9), slice(25, 99), slice(5, 2), slice(None, None, 4), mask, [7, 3, 4, 5, 5, 0], few, 5, []):
        np.testing.assert_array_equal(found[rows], expected[rows])
        assert (found[rows].dtype, found[rows].dtype.isnative) == (expected.dtype, True)
        assert type(found[rows]) is np.ndarray  # and no map, which would hold the file
    for cut in (slice(4, 20), slice(None, None, 3), slice(20, None, -2), slice(5, 2), mask, np.arange(1, 30, 2)):
        left = found.part(cut)
        assert left.shape == expected[cut].shape
        for rows in (slice(1, 4), slice(None, None, -1), [1, 0, 2] if len(left) > 2 else []):
            np.testing.assert_array_equal(left[rows], expected[cut][rows])
            again = left.part(rows if isinstance(rows, slice) else np.array(rows))
            np.testing.assert_array_equal(again[:], expected[cut][rows])
    with pytest.raises(IndexError):
        found[[2, 30]]


def test_what_a_map_maps_stays_in_its_file_and_other_arrays_do_not(tmp_path, rng):
    raw = rng.random(110).astype("f8")
    raw.tofile(tmp_path / "x.bin")
    whole = np.memmap(tmp_path / "x.bin", "f8", "r", offset=80, shape=(20, 5))
    found = observe(whole)
    assert isinstance(found.x, FileRows)
    np.testing.assert_array_equal(found.x[:], raw[10:].reshape(20, 5).astype("f4"))
    for other in (whole[3:], np.memmap(tmp_path / "x.bin", "f8", "c", shape=(22, 5))):  # views, and private changes
        assert isinstance(observe(other).x, np.ndarray)


@pytest.mark.parametrize("x", [np.zeros(3), np.zeros((0, 2)), np.array([["a"]])])
def test_what_holds_no_rows_of_numbers_is_refused(tmp_path, x):
    np.save(tmp_path / "x.npy", x)
    with pytest.raises(InputError, match="^data: expected numbers, n rows of D features"):
        FileRows.open(tmp_path / "x.npy")


@given(
    n=st.integers(1, 300),
    batch=st.integers(1, 40),
    row_bytes=st.sampled_from([1, 7, 100, 5000]),
    seed=st.integers(0, 9),
)
def test_every_pass_has_every_row_once_in_runs_of_the_file(n, batch, row_bytes, seed):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shards, "SHARD_BYTES", 1000)
        patch.setattr(shards, "BUFFER_BYTES", 8000)
        shuffle = Shuffle(n, row_bytes, batch, seed)
        found = [list(shuffle.buffers(number)) for number in (0, 1, 0)]
        for buffers in found:
            rows = np.concatenate([rows for rows, _ in buffers])
            np.testing.assert_array_equal(np.sort(rows), np.arange(n))
            runs = 1 + np.count_nonzero(np.diff(rows) != 1)
            assert runs <= -(-n // shuffle.shard) + len(buffers) + 1
            assert all(len(rows) <= shuffle.buffer for rows, _ in buffers)
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
        patch.setattr(shards, "SHARD_BYTES", 5)
        patch.setattr(shards, "BUFFER_BYTES", 100)
        patch.setattr(shards, "MAX_LOTS", lots)
        shuffle, slices = Shuffle(n, 1, 24, seed), []
        whole = [rows[batch[0]] for rows, picks in shuffle.buffers(2) for batch in picks]
        for first in range(0, of, 2):
            buffers = list(shuffle.buffers(2, range(first, first + 2), of))
            slices.append([rows[batch] for rows, picks in buffers for batch in picks])
            share = 2 / of if shuffle.lots % of == 0 else 1
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
    for (rows, _), alone in zip(batches, batches_of(found, range(1), passes=3), strict=True):
        np.testing.assert_array_equal(rows, alone)
    np.testing.assert_array_equal(np.concatenate(list(pipeline.ordered_batches(found, 30).as_numpy_iterator())), x)
    for rows, numbers in (few := batches_of(found, range(1), beside=[hints], numbers=hints[::3])):
        np.testing.assert_array_equal(rows, x[numbers])
    np.testing.assert_array_equal(np.sort(np.concatenate([numbers for _, numbers in few])), hints[::3])


def test_what_was_read_of_a_file_is_let_go_with_its_batches(blobs):
    """TensorFlow keeps every function that it was given to read with."""
    rows, hints = FileRows(blobs[0]), np.zeros(500, "i4")
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


def test_a_file_is_cut_open_elsewhere_by_every_seed_and_in_every_pass():
    """So the rows that are left for the last batch are others each time."""
    left = [list(Shuffle(200, 4, 32, seed).buffers(number))[-1][0] for seed, number in ((0, 0), (1, 0), (0, 1))]
    assert len(left[0]) == 200 % 32
    assert len({tuple(rows) for rows in left}) == 3


@pytest.mark.parametrize(("kind", "stays"), [("u1", False), ("f4", True)])
def test_rows_stay_in_their_file_by_the_memory_that_they_take(monkeypatch, kind, stays):
    monkeypatch.setattr(shards, "memory", lambda: 1000)
    assert shards.stays_in_file(20, 10, kind) == stays  # 200 bytes, or 800
