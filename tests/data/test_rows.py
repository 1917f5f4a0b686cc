"""Rows in a file, sparse or of a table, are those of their array, never a dense whole; damaged files of NumPy."""

import pickle
import tracemalloc
import zipfile
from types import SimpleNamespace

import numpy as np
import pandas
import pytest
import scipy.sparse
from small_files import chosen

from vade_tf.data import pipeline
from vade_tf.data import rows as module
from vade_tf.data.observations import observe
from vade_tf.data.rows import FileRows, SparseRows, TableRows
from vade_tf.data.schema import Schema
from vade_tf.errors import InputError
from vade_tf.model import units
from vade_tf.training import health


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("kind", ["f8", "i2", "u1", ">f4", "?"])
def test_rows_of_a_file_are_indexed_as_their_array(tmp_path, rng, kind, order):
    x = np.asarray((rng.random((30, 2, 3)) * 200).astype(kind), order=order)
    np.save(tmp_path / "x.npy", x)
    found, expected = FileRows.open(tmp_path / "x.npy"), x.reshape(30, 6).astype("u1" if kind == "u1" else "f4")
    assert (len(found), found.shape, found.row_shape, found.dtype) == (30, (30, 6), (2, 3), expected.dtype)
    mask = rng.random(30) < 0.5
    few = np.array([20, 7], "u1")
    for rows in (slice(3, 9), slice(25, 99), slice(5, 2), slice(None, None, 4), mask, [7, 3, 4, 5, 5, 0], few, []):
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


@pytest.mark.parametrize(("kind", "stays"), [("u1", False), ("f4", True)])
def test_rows_stay_in_their_file_by_the_memory_that_they_take(monkeypatch, kind, stays):
    monkeypatch.setattr(module, "memory", lambda: 1000)
    assert module.stays_in_file(20, 10, kind) == stays  # 200 bytes, or 800


def test_very_wide_rows_are_made_dense_a_few_at_a_time():
    """Words of texts: 1,000 of them as dense rows of float32 would be 400 MB."""
    n, d = 3000, 100_000
    r = np.random.default_rng(0)
    matrix = scipy.sparse.csr_array((r.integers(1, 5, 20 * n).astype("f8"), r.integers(0, d, 20 * n),
                                     np.arange(n + 1) * 20), (n, d))  # fmt: skip
    matrix.data[7] = 60.0
    tracemalloc.start()
    try:
        data = observe(matrix)
        counts = chosen(data)
        model = SimpleNamespace(likelihood=counts, scale=lambda rows: rows)
        units.check_units(model, data.x)
        sizes = [len(rows) for rows in pipeline.blocks(data.x)]
        looked_at = health.sample(data.x, seed=0)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert counts.name == "counts"
    assert counts.size == np.median(matrix.sum(axis=1))
    assert (max(sizes) * d <= 1 << 24, sum(sizes), looked_at.shape) == (True, n, (3000, d))
    assert peak < 5 * 4 * (1 << 24)
    matrix.data[20 * 2000] = np.inf
    with pytest.raises(InputError, match=rf"got inf at row 2000, column {matrix.indices[20 * 2000]} "):
        units.check_units(model, SparseRows(matrix))


@pytest.mark.parametrize("step", [1, 2, 3, 7, 50])
def test_coded_rows_of_a_table_with_a_stride(monkeypatch, step):
    monkeypatch.setattr(module, "STRIDE", 5)
    x = np.arange(46, dtype="f4").reshape(23, 2)
    table = pandas.DataFrame(x, columns=["a", "b"])
    notes: list[str] = []
    found = TableRows(table.assign(c=1), Schema.numbers(table), notes.extend)
    np.testing.assert_array_equal(found[::step], x[::step])
    np.testing.assert_array_equal(found[4:9], x[4:9])
    np.testing.assert_array_equal(found.into(np.empty((23, 2))), x)
    assert notes == ["columns that training did not have are ignored: 'c'"]


class Trap:
    def __reduce__(self):
        return (pytest.fail, ("a file has run a program",))


@pytest.mark.parametrize("read", [module.plain_array, lambda file: module.plain_array(file, True)])
@pytest.mark.parametrize("damage", ["objects", "cut", "empty", "another kind", "a large claim"])
def test_a_damaged_array_is_refused(tmp_path, read, damage):
    np.save(tmp_path / "x.npy", np.array([Trap()], object) if damage == "objects" else np.ones((40, 3)))
    content = (tmp_path / "x.npy").read_bytes()
    damaged = {"cut": content[:-8], "empty": b"", "another kind": pickle.dumps(Trap())}
    damaged["a large claim"] = content.replace(b"(40, 3), }" + b" " * 10, b"(4000000000, 3), }  ")
    (tmp_path / "x.npy").write_bytes(damaged.get(damage, content))
    with pytest.raises((ValueError, EOFError)):
        read(tmp_path / "x.npy")


def test_an_archive_of_too_much_or_of_objects_is_refused(tmp_path, monkeypatch):
    np.savez_compressed(tmp_path / "x.npz", x=np.zeros(1000), y=np.array([Trap()], object))
    np.testing.assert_array_equal(module.archive_arrays(tmp_path / "x.npz", ["x"])["x"], np.zeros(1000))
    with pytest.raises(ValueError, match="allow_pickle"):
        module.archive_arrays(tmp_path / "x.npz", ["y"])
    with pytest.raises(KeyError):
        module.archive_arrays(tmp_path / "x.npz", ["z"])
    monkeypatch.setattr(module, "memory", lambda: 8000)
    with pytest.raises(ValueError, match="more than this machine can hold"):
        module.archive_arrays(tmp_path / "x.npz", ["x"])
    (tmp_path / "x.npz").write_bytes((tmp_path / "x.npz").read_bytes()[:-30])
    with pytest.raises(zipfile.BadZipFile):
        module.archive_arrays(tmp_path / "x.npz", ["y"])
