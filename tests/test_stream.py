"""Rows that stay in their file are those of the file, however they are asked for; a table filled where it has holes."""

import tracemalloc
import warnings

import numpy as np
import pandas
import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vade_tf.data import parquet, stream
from vade_tf.data.columns import Column
from vade_tf.data.filling import Written, filled
from vade_tf.data.inferring import MOST_LEVELS
from vade_tf.data.parquet import ParquetTable
from vade_tf.data.schema import Schema
from vade_tf.data.shards import FileRows
from vade_tf.data.stream import NamedRows, TableRows
from vade_tf.errors import InputError
from vade_tf.runs import incoming

N = 23


@pytest.fixture(scope="module")
def table():
    r = np.random.default_rng(0)
    frame = pandas.DataFrame({"a": r.normal(size=N), "b": r.integers(0, 9, N), "c": list("xyzzy") * 4 + list("xyz")})
    frame["holed"] = pandas.array([None if i == 20 else i for i in range(N)], "Int64")  # only in the last row group
    frame["when"] = pandas.date_range("2020-01-01", periods=N)
    return frame


@pytest.fixture(scope="module")
def file(table, tmp_path_factory):
    """The table in row groups of 7, with one of no rows."""
    path = tmp_path_factory.mktemp("stream") / "table.parquet"
    content = pyarrow.Table.from_pandas(table, preserve_index=False)
    with pyarrow.parquet.ParquetWriter(path, content.schema) as writer:
        for start, stop in ((0, 7), (7, 7), (7, 14), (14, 21), (21, 23)):
            writer.write_table(content.slice(start, stop - start))
    return path


@given(st.lists(st.tuples(st.integers(0, N), st.integers(0, N)), min_size=1, max_size=6))
def test_any_rows_of_a_parquet_file_in_any_order(file, table, ranges):
    expected = table.astype({"holed": float, "c": object})
    found = ParquetTable(file)
    for start, stop in [(0, 4), (4, 9), *ranges]:
        part = found[start:stop]
        pandas.testing.assert_frame_equal(
            part.reset_index(drop=True), expected[start:stop].reset_index(drop=True), check_dtype=stop > start
        )


def test_numbers_that_name_rows_stay_whole(tmp_path):
    names, big = [2**53 + 1, None, 3], pyarrow.array([2**64 - 1, None, 3], pyarrow.uint64())
    table = pyarrow.table({"id": pyarrow.array(names, pyarrow.int64()), "n": pyarrow.array(names, pyarrow.int64())})
    table = table.append_column("big", big)
    pyarrow.parquet.write_table(table, tmp_path / "t.parquet", write_statistics=False)
    found = ParquetTable(tmp_path / "t.parquet", exact=("id", "big"))
    expected = {"id": pandas.array(names, "Int64"), "big": pandas.array([2**64 - 1, None, 3], "UInt64")}
    for parts in ([found[:3]], [found[i : i + 1] for i in range(3)]):
        whole = pandas.concat(parts, ignore_index=True)[["id", "big"]]
        pandas.testing.assert_frame_equal(whole, pandas.DataFrame(expected))
    np.testing.assert_array_equal(found[:3]["n"], [2.0**53, np.nan, 3.0])


def test_rows_that_follow_one_another_are_read_once(file, monkeypatch):
    monkeypatch.setattr(parquet, "BATCH", 4)
    found, begun = ParquetTable(file, ["b"]), []
    monkeypatch.setattr(
        ParquetTable, "_begin", lambda self, row, begin=ParquetTable._begin: (begun.append(row), begin(self, row))
    )
    assert [list(found[start : start + 5]) for start in range(0, N, 5)] == [["b"]] * 5
    assert begun == [0]
    found[0:5], found[10:15]
    assert begun == [0, 0, 10]


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


def test_only_missing_cells_are_filled():
    table = pandas.DataFrame(
        {
            "other": ["p", None, "q", "r"],
            "size": [1.5, None, 2.5, 4.0],
            "colour": pandas.Categorical(["red", "blue", None, "red"]),
            "member": ["yes", " ", "no", "yes"],
            "when": ["2020-01-05", "", "2020-01-07", "2020-01-09"],
            "count": [3, 4, 5, 6],
        },
        index=[9, 8, 7, 6],
    )
    schema = Schema.infer(table.drop(columns="other"))
    full = table.assign(
        size=[1.5, 7.25, 2.5, 4.0],
        colour=["red", "blue", "blue", "red"],
        member=["yes", "no", "no", "yes"],
        when=pandas.to_datetime(["2020-01-05", "2020-01-08", "2020-01-07", "2020-01-09"]),
    )
    means = full.assign(size=[0.0, 7.25, 0.0, 0.0], count=0)  # what is not missing stays, whatever the mean
    x, _ = schema.encode(means.assign(when=means["when"].dt.strftime("%Y-%m-%d")))
    found = filled(table, schema, x)
    pandas.testing.assert_frame_equal(found, full, check_dtype=False, check_categorical=False)
    assert table.isna().sum().sum() == 3  # the caller's own is left alone


def test_missing_cells_are_filled_as_their_column_is_written():
    written = pandas.DataFrame(
        {
            "age": ["30", "NA", "41", "52"],
            "size": ["1,50", "", "2,5", "1.000,25"],
            "colour": ["red", "?", "blue ", "red"],
            "member": ["TRUE", "FALSE", "", "TRUE"],
            "when": ["05.01.2020", "", "07.01.2020", "9.1.2020"],
            "at": ["2020-01-05 10:00", "2020-01-05T11:00:30", "", "2020-01-06 09:30"],
            "note": ["007", "-", "None", " "],
        }
    )
    read = written.assign(age=[30, np.nan, 41, 52], member=[True, False, None, True])
    schema = Schema.infer(read.drop(columns="note"))
    means = schema.encode(read)[0]
    full = read.assign(
        age=33.5, size="1234,75", colour="blue", member=True, when="08.01.2020", at="2020-01-05 10:30:00", note=""
    )
    means = np.where(np.isnan(means), schema.encode(full)[0], 0)  # what is not missing stays, whatever the mean
    found = Written(written, read, schema)
    whole = pandas.concat([found.filled(0, means[:3]), found.filled(3, means[3:])])
    expected = written.copy()
    filled_in = {"age": "33.5", "size": "1234,75", "colour": "blue ", "when": "08.01.2020"}
    expected.loc[1, list(filled_in)] = list(filled_in.values())
    expected.loc[2, ["member", "at"]] = ["TRUE", "2020-01-05 10:30:00"]
    pandas.testing.assert_frame_equal(whole, expected, check_dtype=False)


def test_the_level_of_all_others_is_filled_into_no_cell():
    """It is a name for none in particular; `decode` may give it, for rows that are drawn."""
    cells = [f"l{i}" for i in range(MOST_LEVELS + 20) for _ in range(3)]
    table = pandas.DataFrame({"c": [*cells, None], "v": np.arange(len(cells) + 1) % 7 / 4})
    schema = Schema.infer(table)
    x = np.zeros((len(table), len(schema.features)))
    x[:, MOST_LEVELS - 1], x[:, 5] = 0.6, 0.1
    assert schema.decode(x)["c"].iloc[-1] == "other"
    level = schema.columns[0].levels[5]
    assert filled(table, schema, x)["c"].tolist() == [*cells, level]
    written = table.fillna("").astype(str)
    assert Written(written, table, schema).filled(0, x)["c"].tolist() == [*cells, level]


@pytest.mark.parametrize(
    "cells",
    [
        pandas.cut(pandas.Series([1.0, 4.0, 8.0, None] * 9), [0, 2, 5, 9]),
        pandas.Series(pandas.Categorical([*pandas.date_range("2021-01-01", periods=3), None] * 9)),
        pandas.Series(pandas.Categorical([1, 5, 7, None] * 9)),
        pandas.Series([0, 1, 1, None] * 9, dtype=object),
        pandas.Series([0.0, 1.0, 1.0, None] * 9),
        pandas.Series([True, False, True, None] * 9, dtype="boolean"),
    ],
)
def test_a_level_is_filled_in_as_the_value_of_its_column(cells):
    table = pandas.DataFrame({"c": cells})
    schema = Schema.infer(table)
    x = np.repeat(np.nan_to_num(schema.encode(table)[0][[2]]), len(table), axis=0)
    found = filled(table, schema, x)["c"]
    expected = cells.where(cells.notna(), cells[2])
    assert found.tolist() == expected.tolist()
    dates = isinstance(cells.dtype, pandas.CategoricalDtype) and cells.dtype.categories.dtype.kind == "M"
    assert found.dtype == (cells.dtype.categories.dtype if dates else cells.dtype) or cells.dtype == object


def test_spans_and_stamps_of_a_time_zone_are_filled_with_those_of_another_row():
    days = pandas.DatetimeIndex(["2021-07-01", "2021-07-02", "2021-07-05", None] * 9)
    span = pandas.Series(pandas.to_timedelta([24, 60, 216, None] * 9, unit="h"))
    table = pandas.DataFrame({"span": span, "at": days.tz_localize("Europe/Paris")})
    schema = Schema.infer(table)
    found = filled(table, schema, np.repeat(schema.encode(table)[0][[1]], 36, axis=0))
    for name in table:
        assert found[name].dtype == table[name].dtype
        assert (found[name] - table[name].fillna(table[name][1])).abs().max() < pandas.Timedelta("1s")


def test_truth_values_are_filled_in_as_the_numbers_that_new_rows_have():
    schema = Schema.infer(pandas.DataFrame({"b": [True, False] * 20}))
    new = pandas.DataFrame({"b": [0.0, 1.0, None]})
    assert filled(new, schema, np.ones((3, 1)))["b"].tolist() == [0, 1, 1]
    texts = pandas.DataFrame({"b": ["0", "1", ""]})
    assert Written(texts, new, schema).filled(0, np.ones((3, 1)))["b"].tolist() == ["0", "1", "1"]


def test_numbers_and_days_are_filled_in_as_training_had_them_where_new_rows_have_none_to_see():
    first = pandas.DataFrame({"v": [f"{i},5" for i in range(30)], "d": [f"{i % 28 + 1}.3.2021" for i in range(30)]})
    schema = Schema.infer(first)
    texts = pandas.DataFrame({"v": ["7", ""], "d": ["", ""]})
    read = pandas.DataFrame({"v": [7, np.nan], "d": [None, None]})
    x = schema.encode(pandas.DataFrame({"v": ["2,25"] * 2, "d": ["5.3.2021"] * 2}))[0]
    assert Written(texts, read, schema).filled(0, x).to_numpy().tolist() == [
        ["7", "05.03.2021"],
        ["2,25", "05.03.2021"],
    ]


@pytest.mark.parametrize(
    ("cells", "value", "expected"),
    [
        ([f"{i}.5%" for i in range(30)], "13.25%", "13.25%"),
        ([f"{i},5 €" for i in range(30)], "13,25 €", "13,25 €"),
        ([f"${i}.5" for i in range(30)], "-$3.25", "-$3.25"),
        (
            [f"2020-01-{i + 1:02}T10:00:00+02:00" for i in range(30)],
            "2020-02-03T12:30:00+02:00",
            "2020-02-03T12:30:00+02:00",
        ),
    ],
)
def test_a_sign_and_a_time_zone_are_filled_in_as_well(cells, value, expected):
    first = pandas.DataFrame({"v": cells, "w": np.arange(30) % 7})
    schema = Schema.infer(first)
    texts = pandas.DataFrame({"v": [cells[3], ""], "w": ["1", "2"]})
    read = pandas.DataFrame({"v": [cells[3], None], "w": [1, 2]})
    x = schema.encode(pandas.DataFrame({"v": [value] * 2, "w": [1, 2]}))[0]
    assert Written(texts, read, schema).filled(0, x)["v"].tolist() == [cells[3], expected]
    again = pandas.DataFrame({"v": [expected], "w": [2]})
    np.testing.assert_allclose(schema.encode(again)[0][:, 0], x[1:, 0], rtol=1e-6)


def test_a_level_that_the_categories_of_new_rows_lack_is_filled_in():
    schema = Schema.infer(pandas.DataFrame({"c": ["red", "blue", "green"] * 20}))
    x = schema.encode(pandas.DataFrame({"c": ["red", "blue"]}))[0]
    new = pandas.DataFrame({"c": pandas.Categorical(["red", None])})
    assert filled(new, schema, x)["c"].tolist() == ["red", "blue"]


def test_a_time_without_seconds_is_filled_in_to_the_minute():
    cells = [f"{1 + i % 28:02}.03.2021 {i % 24:02}:{7 * i % 60:02}" for i in range(60)]
    schema = Schema.infer(pandas.DataFrame({"at": cells, "w": np.arange(60) % 7}))
    x = schema.encode(pandas.DataFrame({"at": ["05.03.2021 10:41"] * 2, "w": [1, 2]}))[0]
    texts = pandas.DataFrame({"at": [cells[0], ""], "w": ["1", "2"]})
    read = pandas.DataFrame({"at": [cells[0], None], "w": [1, 2]})
    assert Written(texts, read, schema).filled(0, x)["at"].tolist() == [cells[0], "05.03.2021 10:41"]


def test_new_rows_are_called_by_whole_numbers_also_where_one_has_none(tmp_path):
    """As real numbers, large ones would become those of other rows."""
    ids = pyarrow.array([2**53 + 1, None, 3], pyarrow.int64())
    pyarrow.parquet.write_table(pyarrow.table({"id": ids, "v": [1.0, 2.5, 4.0]}), tmp_path / "t.parquet")
    schema = Schema((Column("v", "number"),), {"id": "it names the rows"})
    found = incoming._of_table(schema, tmp_path / "t.parquet", ".parquet", None, "id", None, False, False)
    (block,) = found.blocks(9)
    assert (block.names.name, block.names.tolist()[::2]) == ("id", [2**53 + 1, 3])


def test_among_days_a_day_is_filled_in_without_a_time_and_is_the_nearest():
    cells = [f"2021-03-{i + 1:02}" for i in range(30)]
    schema = Schema.infer(pandas.DataFrame({"at": cells, "w": np.arange(30) % 7}))
    x = schema.encode(pandas.DataFrame({"at": ["2021-03-05"] * 2, "w": [1, 2]}))[0]
    x[:, 0] += 0.75
    texts = pandas.DataFrame({"at": [cells[0], ""], "w": ["1", "2"]})
    read = pandas.DataFrame({"at": [cells[0], None], "w": [1, 2]})
    assert Written(texts, read, schema).filled(0, x)["at"].tolist() == [cells[0], "2021-03-06"]


@pytest.mark.parametrize("size", [1, 4, 10, 11])
def test_rows_without_names_are_numbered_from_the_first_block_to_the_last(size):
    blocks = list(incoming.Incoming(np.zeros((10, 2), "f4")).blocks(size))
    assert [number for block in blocks for number in block.names] == list(range(10))
    assert [len(block.names) for block in blocks] == [len(block.x) for block in blocks]


@pytest.mark.parametrize("whole", [False, True])
def test_columns_of_lists_are_told_where_the_whole_table_is_given_back(tmp_path, whole):
    rows = pandas.DataFrame({"a": np.arange(9.0) ** 2, "tags": [[1, 2]] * 9})
    rows.to_parquet(tmp_path / "t.parquet")
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        schema = Schema.infer(rows[["a"]])
        incoming._of_table(schema, tmp_path / "t.parquet", ".parquet", None, None, None, whole, typed=False)
    assert ["left out, as they hold lists or records: ['tags']" in str(each.message) for each in told] == [True] * whole
