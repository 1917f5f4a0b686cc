"""A .parquet file is a table that is read in order, some rows at a time."""

import datetime

import numpy as np
import pandas
import pyarrow
import pyarrow.parquet
import pytest

from vade_tf.data import parquet
from vade_tf.data.parquet import NESTED, ParquetTable
from vade_tf.errors import InputError


@pytest.fixture
def table(rng):
    """A thousand rows of any kind, without missing numbers."""
    return pandas.DataFrame(
        {
            "a": rng.normal(size=1000),
            "b": rng.integers(0, 9, 1000),
            "c": rng.choice(["x", "y", None], 1000),
            "d": pandas.Categorical(rng.choice(["s", "l"], 1000), ["s", "l"], ordered=True),
            "e": pandas.date_range("2020-01-01", periods=1000, tz="Europe/Berlin"),
        }
    )


@pytest.mark.parametrize("groups", [7, 100, 5000])
@pytest.mark.parametrize("together", [3, 64, 5000])
def test_any_part_is_as_pandas_reads_it(table, tmp_path, monkeypatch, groups, together):
    monkeypatch.setattr(parquet, "STRIDE", together)
    table.to_parquet(tmp_path / "t.parquet", row_group_size=groups)
    found = ParquetTable(tmp_path / "t.parquet")
    assert (len(found), found.columns, found.dropped) == (1000, list(table), {})
    for start, stop in ((0, 10), (10, 500), (500, 501), (3, 5), (999, 1000), (0, 1000), (990, 2000)):
        pandas.testing.assert_frame_equal(found[start:stop], table[start:stop], check_dtype=False)


def test_whole_numbers_stay_such_where_some_are_missing(tmp_path):
    pyarrow.parquet.write_table(pyarrow.table({"n": [1, None, 2**60 + 1], "m": [1, 2, 3]}), tmp_path / "t.parquet")
    found = ParquetTable(tmp_path / "t.parquet")[:]
    assert found["n"].tolist() == [1, None, 2**60 + 1]
    assert found["m"].dtype == "int64"


@pytest.mark.parametrize("name", [None, "key"])
def test_an_index_of_pandas_and_lists_are_no_columns_unless_asked_for(tmp_path, name):
    table = pandas.DataFrame({"a": [1, 2], "b": [[1], [2]]}, index=pandas.Index(["x", "y"], name=name))
    table.to_parquet(tmp_path / "t.parquet")
    found, called = ParquetTable(tmp_path / "t.parquet"), name or "__index_level_0__"
    assert found.columns == ["a"]
    assert found.dropped == {called: "an index of pandas", "b": NESTED}
    assert ParquetTable(tmp_path / "t.parquet", [called])[:][called].tolist() == ["x", "y"]


def test_days_are_days(tmp_path):
    pandas.DataFrame({"d": [datetime.date(2020, 1, 2), None]}).to_parquet(tmp_path / "t.parquet")
    assert ParquetTable(tmp_path / "t.parquet")[:]["d"].tolist() == [datetime.date(2020, 1, 2), None]


def test_a_sample_is_at_even_distances_and_knows_its_rows(table, tmp_path, monkeypatch):
    table.to_parquet(tmp_path / "t.parquet", row_group_size=64)
    found = ParquetTable(tmp_path / "t.parquet")
    assert len(found.sampled()) == 1000  # which fit in memory
    monkeypatch.setattr(parquet, "memory", lambda: 1000)
    monkeypatch.setattr(parquet, "MAX_ROWS_SAMPLED", 300)
    some = found.sampled()
    assert some.index.tolist() == list(range(0, 1000, 4))
    pandas.testing.assert_frame_equal(some, table.iloc[::4], check_dtype=False, check_index_type=False)


def test_a_file_that_changes_while_it_is_read_is_named(table, tmp_path):
    table.to_parquet(tmp_path / "t.parquet")
    found = ParquetTable(tmp_path / "t.parquet")
    assert len(found[:10]) == 10
    table[:500].to_parquet(tmp_path / "t.parquet")
    with pytest.raises(InputError, match=r"t\.parquet"):
        found[:10]


def test_a_damaged_file_is_none(tmp_path):
    (tmp_path / "t.parquet").write_bytes(b"PAR1" + np.random.default_rng(0).bytes(100))
    with pytest.raises(pyarrow.ArrowException):
        ParquetTable(tmp_path / "t.parquet")
