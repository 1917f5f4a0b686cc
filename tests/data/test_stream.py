"""Rows of a table that stay in their file are those of the file, however they are asked for."""

import numpy as np
import pytest

from vade_tf.data import stream
from vade_tf.data.shards import FileRows
from vade_tf.data.stream import NamedRows, TableRows


@pytest.mark.parametrize("kind", ["f8", "i8", ">f8"])
def test_cells_of_a_table_are_read_in_their_own_type(tmp_path, kind):
    """In float32 all times of a minute are one."""
    x = 1_764_000_000_000 + np.arange(60).reshape(20, 3)
    np.save(tmp_path / "x.npy", x.astype(kind))
    rows = FileRows.open(tmp_path / "x.npy")
    table = NamedRows(rows.as_stored(), list("abc"))
    np.testing.assert_array_equal(table[5:9].to_numpy(), x[5:9])
    assert table[5:9].dtypes.iloc[0].isnative
    assert rows.dtype == np.float32


def test_coded_rows_with_a_stride(tmp_path, monkeypatch):
    monkeypatch.setattr(stream, "STRIDE", 5)
    x = np.arange(46, dtype="f4").reshape(23, 2)
    np.save(tmp_path / "x.npy", x)
    table = NamedRows(FileRows.open(tmp_path / "x.npy"), ["a", "b"])
    rows = TableRows(table, lambda part, start: part[["b", "a"]].to_numpy(), 2)
    for step in (1, 2, 3, 7, 50):
        np.testing.assert_array_equal(rows[::step], x[::step, ::-1])
    np.testing.assert_array_equal(rows[4:9], x[4:9, ::-1])
    np.testing.assert_array_equal(rows.whole(), x[:, ::-1])
