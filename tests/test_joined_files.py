"""Files that were joined, an index of pandas that is asked for, and what is said of cells that may be wrong."""

from pathlib import Path

import numpy as np
import pandas
import pytest
from small_tables import NUMBERS, many, written

from vade_tf.data import tables
from vade_tf.data.files import load_file
from vade_tf.data.filling import filled
from vade_tf.data.schema import Schema
from vade_tf.errors import InputError
from vade_tf.runs import assignments

pytest.importorskip("pyarrow")


@pytest.mark.parametrize(("rows", "again"), [(60, 60), (60_000, 60_000)])
def test_a_header_in_the_middle_of_a_file_is_named(tmp_path, rows, again):
    """Also beyond the lines that are looked at first."""
    lines = "".join(f"{i / 7:.2f},{i % 7},{'xyz'[i % 3]}\n" for i in range(rows))
    file = written(tmp_path, f"a,b,g\n{lines}a,b,g\n{lines}")
    with pytest.raises(InputError, match=f"^data: expected one header in .*t.csv, got it again as row {again}; remove"):
        load_file(file)


def test_a_row_without_a_header_may_come_again(tmp_path):
    text = "".join(f"{('red', 'blue', 'red')[i % 3]},{i % 5},{'xy'[i % 2]}\n" for i in range(60))
    assert load_file(written(tmp_path, text)).x.shape[0] == 60
    alone = Path(written(tmp_path, "word\n" + "word\nroot\nstem\n" * 20))
    assert len(tables.read_text(alone, ["word"], known=["word"]).table) == 60


@pytest.fixture
def indexed(tmp_path):
    frame = pandas.DataFrame({"a": NUMBERS, "b": many([3.5, 1.25, 0.5]), "site": many(["u", "v"])})
    frame = frame.assign(cust=[f"c{i}" for i in range(60)], visit=range(60, 120)).set_index(["cust", "site", "visit"])
    frame.to_parquet(tmp_path / "t.parquet")
    return str(tmp_path / "t.parquet")


@pytest.mark.parametrize("in_file", [False, True])
def test_an_index_of_pandas_may_name_the_rows_or_score_them(indexed, in_file, tmp_path, monkeypatch):
    monkeypatch.setenv("VADE_TF_HOME", str(tmp_path))
    data = load_file(indexed, "site", id="cust", in_file=in_file)
    assert data.ids.tolist() == [f"c{i}" for i in range(60)]
    assert data.y.tolist() == many([0, 1])
    assert data.schema.features == ["a", "b"]
    if not in_file:
        assert "left out, an index of pandas: 'visit'" in data.notice
    assert load_file(indexed, columns="a,visit", in_file=in_file).schema.dropped["b"] == "as asked"
    again = load_file(indexed, "site", schema=data.schema)
    np.testing.assert_array_equal(again.x, data.x[:])


def test_names_that_are_whole_numbers_stay_such_where_one_is_missing():
    names = pandas.Series([12345678901234567, None], dtype="Int64", name="acct")
    table = assignments.beside(names, {"cluster": np.array([0, 1])})
    assert table["acct"].tolist() == [12345678901234567, pandas.NA]
    assert table.to_csv(index=False) == "acct,cluster\n12345678901234567,0\n,1\n"


def test_what_is_filled_into_whole_numbers_of_arrow_is_not_cut_off():
    table = pandas.DataFrame({"v": pandas.array(range(60), "int64[pyarrow]"), "w": many([1.5, 2, 4])})
    schema = Schema.infer(table.iloc[10:].reset_index(drop=True))
    holes = table.assign(v=pandas.array([None, *range(1, 60)], "int64[pyarrow]"))
    x = schema.encode(table)[0]
    for value, kind in ((7.5, "float64"), (7, "int64[pyarrow]")):
        x[0, 0] = value
        found = filled(holes, schema, x)["v"]
        assert (found[0], str(found.dtype)) == (value, kind)


def test_a_time_with_a_zone_that_is_written_as_text_stays_the_same_moment():
    stamps = pandas.date_range("2020-03-01 23:30", periods=60, freq="25h", tz="America/New_York")
    table = pandas.DataFrame({"when": stamps.strftime("%Y-%m-%dT%H:%M:%S%z"), "w": many([1.5, 2, 4])})
    schema = Schema.infer(table)
    x = schema.encode(table)[0]
    found = filled(table, schema, x)["when"]
    assert str(found.dt.tz) == "UTC"
    assert (found.to_numpy() == stamps.tz_convert("UTC").to_numpy()).all()
    plain = table.assign(when=stamps.strftime("%Y-%m-%d %H:%M"))
    assert filled(plain, schema, x)["when"].dt.tz is None


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        ([0.05, 0.5, None], True),
        (["0.05", "-1", ""], True),
        (["0.05%", "0.5", "1"], False),
        ([5, 0.5, 1], False),
        ([0, 0, None], False),
    ],
)
def test_fractions_in_a_column_of_percent_are_told(cells, said):
    schema = Schema.infer(pandas.DataFrame({"share": [f"{i + 0.5}%" for i in range(60)]}))
    x, notes = schema.encode(pandas.DataFrame({"share": cells}))
    expected = "numbers of 'share' lie between -1 and 1 and have no %, as those of training had: read as percent"
    empty = [note for note in notes if "without one known cell" in note]  # told of the one cell of some rows
    assert notes == [*([expected] if said else []), *empty]
    assert x[1, 0] == {"-1": -1, 0: 0}.get(cells[1], 0.5)


@pytest.mark.parametrize("how", [{"likelihood": "counts"}, {"declared": (1, 3)}])
def test_a_column_of_texts_among_counts_or_pixels_may_be_left_out(tmp_path, how):
    text = "a,b,g\n" + "".join(f"{i % 11},{i % 7},{'xyz'[i % 3]}\n" for i in range(60))
    with pytest.raises(InputError, match=r"'g', got 'x' at row 0; .* or leave the column out \(drop\)$"):
        load_file(written(tmp_path, text), **how)
