"""Rows that stay in their file are those of the file, however they are asked for; a table filled where it has holes."""

import tracemalloc

import numpy as np
import pytest

from vade_tf.data import stream
from vade_tf.data.shards import FileRows
from vade_tf.data.stream import NamedRows, TableRows
from vade_tf.errors import InputError
from vade_tf.runs import incoming


@pytest.mark.parametrize("kind", ["f8", "i2", "u1", ">f4"])
def test_the_rows_of_an_array_file(tmp_path, kind):
    x = (np.random.default_rng(0).random((30, 2, 3)) * 200).astype(kind)
    np.save(tmp_path / "x.npy", x)
    found, expected = FileRows.open(tmp_path / "x.npy"), x.reshape(30, 6).astype("u1" if kind == "u1" else "f4")
    assert (len(found), found.shape, found.dtype) == (30, (30, 6), expected.dtype)
    for rows in (slice(0, 7), slice(25, 90), slice(None, None, 4), np.array([3, 1])):
        np.testing.assert_array_equal(found[rows], expected[rows])
        assert (found[rows].dtype, found[rows].dtype.isnative) == (expected.dtype, True)


@pytest.mark.parametrize("kind", ["f8", "i8", ">f8"])
def test_cells_of_a_table_are_read_in_their_own_type(tmp_path, kind):
    """In float32 all times of a minute are one."""
    x = 1_764_000_000_000 + np.arange(60).reshape(20, 3)
    np.save(tmp_path / "x.npy", x.astype(kind))
    rows = FileRows.open(tmp_path / "x.npy")
    table = NamedRows(rows.as_stored(), list("abc"))
    np.testing.assert_array_equal(table[5:9].to_numpy(), x[5:9])
    assert rows.dtype == np.float32


def test_a_large_array_file_takes_the_memory_of_a_block(tmp_path):
    np.save(tmp_path / "x.npy", np.zeros((200_000, 10), "f4"))
    tracemalloc.start()
    found = FileRows.open(tmp_path / "x.npy")
    assert sum(len(found[start : start + 1000]) for start in range(0, len(found), 1000)) == 200_000
    assert tracemalloc.get_traced_memory()[1] < 1_000_000
    assert len(found[::1000]) == 200
    assert tracemalloc.get_traced_memory()[1] < 2_000_000
    tracemalloc.stop()


@pytest.mark.parametrize("x", [np.zeros(3), np.zeros((0, 2)), np.array([["a"]])])
def test_what_holds_no_rows_of_numbers_is_refused(tmp_path, x):
    np.save(tmp_path / "x.npy", x)
    with pytest.raises(InputError, match="^data: expected numbers, n rows of D features") as raised:
        FileRows.open(tmp_path / "x.npy")
    assert str(raised.value).endswith("; of a single row save x[None]") == (x.shape == (3,))


def test_coded_rows_with_a_stride(tmp_path, monkeypatch):
    monkeypatch.setattr(stream, "STRIDE", 5)
    x = np.arange(46, dtype="f4").reshape(23, 2)
    np.save(tmp_path / "x.npy", x)
    table = NamedRows(FileRows.open(tmp_path / "x.npy"), ["a", "b"])
    rows = TableRows(table, lambda part, start: part[["b", "a"]].to_numpy(), 2)
    for step in (1, 2, 3, 7, 50):
        np.testing.assert_array_equal(rows[::step], x[::step, ::-1])
    np.testing.assert_array_equal(rows[4:9], x[4:9, ::-1])


@pytest.mark.parametrize("size", [1, 4, 10, 11])
def test_rows_without_names_are_numbered_from_the_first_block_to_the_last(size):
    blocks = list(incoming.Incoming(np.zeros((10, 2), "f4")).blocks(size))
    assert [number for block in blocks for number in block.names] == list(range(10))
    assert [len(block.names) for block in blocks] == [len(block.x) for block in blocks]
