"""Files that somebody writes anew while they are used: rows that were read stay, and others are not taken for them."""

import os

import numpy as np
import pandas
import pytest

from vade_tf.data.files import load_file
from vade_tf.data.shards import FileRows
from vade_tf.errors import InputError


def test_rows_of_a_small_array_are_in_memory(tmp_path, rng):
    x = rng.random((5, 3)).astype("f4")
    np.save(tmp_path / "x.npy", x)
    found = load_file(str(tmp_path / "x.npy")).x
    with (tmp_path / "x.npy").open("r+b") as file:  # in place, as numpy.save writes
        np.save(file, np.zeros_like(x))
    np.testing.assert_array_equal(found, x)


@pytest.mark.parametrize("rows", [3, 10, "half", None])
def test_a_table_that_is_read_twice_is_the_same_table(tmp_path, rows):
    parquet = pytest.importorskip("vade_tf.data.parquet")
    file = tmp_path / "t.parquet"
    pandas.DataFrame({"a": np.arange(10.0)}).to_parquet(file)
    table = parquet.ParquetTable(file)
    assert table[0:10]["a"].tolist() == list(range(10))
    assert table[0:2]["a"].tolist() == [0, 1]
    if rows is None:
        file.unlink()
    elif rows == "half":
        file.write_bytes(file.read_bytes()[:-50])
    else:
        pandas.DataFrame({"a": -np.arange(float(rows)), "b": 1}).to_parquet(file)
    with pytest.raises(InputError, match=r"t.parquet has changed since its rows were first read"):
        table[0:2]


def test_an_array_written_anew_at_the_same_length_is_another(tmp_path):
    file = tmp_path / "x.npy"
    np.save(file, np.zeros((30, 2)))
    rows = FileRows.open(file)
    np.save(file, np.ones((30, 2)))
    os.utime(file, (1, 1))
    with pytest.raises(InputError, match="has changed since its rows were first read"):
        rows[0:2]
