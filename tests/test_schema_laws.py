"""What a row becomes does not hang on the rows beside it: in a table, in a file of a few of them, block by block."""

import tracemalloc
from pathlib import Path

import numpy as np
import pandas
import pyarrow
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from small_tables import many, written

from vade_tf.data import converted, inferring, parquet
from vade_tf.data.cells import read_numbers
from vade_tf.data.dates import read_dates
from vade_tf.data.files import load_file
from vade_tf.data.schema import Schema
from vade_tf.data.stream import encoded
from vade_tf.errors import InputError, UnitsWarning
from vade_tf.runs.incoming import Incoming, _of_table

COLUMNS = {  # cells as they are written in a file
    "decimal comma": ["8,5", "2.683", "700", "0,25", "-1,125", "1.000,5", "3,000"],
    "thousands": ["1,500", "2.683", "700", "12,250.5", "-3,000"],
    "zeros before": ["01", "02", "03", "2A", "1"],
    "versions": ["1.10", "1.9", "1.1", "1.100", "beta"],
    "exponents": ["1E5", "2E3", "100000", "3A1"],
    "plain": ["1.5", "2.683", "-7", "1e3", ""],
    "german days": ["1.2.2021", "13.2.2021", "02.12.2021", ""],
    "american days": ["1/2/2021", "1/13/2021", "12/2/2021"],
    "iso": ["2021-02-01", "2021-02-13", "9999-01-01"],
    "spans": ["0 days 01:13:17", "4 days", "-1 days +23:00:00.5", ""],
    "truth": ["True", "False", "TRUE"],
    "signs": ["-", "+", "0"],
    "whole": ["0", "1"],
    "words": ["yes", "no", "NA"],
}
TABLE = pandas.DataFrame({name: many(cells) for name, cells in COLUMNS.items()})


@pytest.fixture(scope="module")
def schema(tmp_path_factory):
    """Of the table as a file."""
    return load_file(_saved(tmp_path_factory.mktemp("all"), TABLE)).schema


def _saved(folder, table) -> str:
    file = folder / "t.csv"
    table.to_csv(file, index=False)
    return str(file)


def test_the_columns_of_the_law_are_of_all_kinds(schema):
    kinds = {column.name: (column.kind, column.form) for column in schema.columns}
    assert kinds["decimal comma"] == ("number", "1.000,5")
    assert kinds["thousands"] == ("number", "1,000.5")
    assert kinds["spans"] == ("number", "0 days 01:13:17")
    assert kinds["german days"] == ("date", "%d.%m.%Y")
    assert [kind for kind, _ in kinds.values()].count("category") == 4
    assert set(COLUMNS) == set(kinds)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.integers(0, len(TABLE) - 1), min_size=1, max_size=8))
def test_a_row_is_coded_alike_whatever_stands_beside_it(schema, tmp_path, rows):
    expected = schema.encode(TABLE)[0]
    part = TABLE.iloc[rows]
    np.testing.assert_array_equal(schema.encode(part)[0], expected[rows])
    np.testing.assert_array_equal(load_file(_saved(tmp_path, part), schema=schema).x, expected[rows])


@pytest.mark.parametrize("size", [1, 7, 60])
def test_a_row_is_coded_alike_in_any_block(schema, tmp_path, monkeypatch, size):
    expected = schema.encode(TABLE)[0]
    TABLE.to_parquet(tmp_path / "t.parquet")
    monkeypatch.setattr(converted, "BLOCK", size)
    monkeypatch.setenv("VADE_TF_HOME", str(tmp_path / "cache"))
    np.testing.assert_array_equal(converted.converted(tmp_path / "t.parquet", schema)[0][:], expected)
    table = parquet.ParquetTable(tmp_path / "t.parquet")
    streamed = Incoming(encoded(table, schema, list), table)
    np.testing.assert_array_equal(np.concatenate([block.x for block in streamed.blocks(size)]), expected)


@pytest.mark.parametrize("row", range(0, 12))
def test_a_row_alone_in_a_file_for_predict(schema, tmp_path, row):
    """In both ways in which its other cells may be kept."""
    part, expected = TABLE.iloc[[row]], schema.encode(TABLE)[0]
    for typed in (False, True):
        found = _of_table(schema, Path(_saved(tmp_path, part)), ".csv", None, None, None, whole=True, typed=typed)
        np.testing.assert_array_equal(found.x, expected[[row]])


def test_one_row_without_a_header_for_predict(tmp_path):
    first = load_file(written(tmp_path, "".join(f"{i / 4},{'red' if i % 3 else 'blue'}\n" for i in range(1, 30))))
    file = Path(written(tmp_path, "1.25,red\n", "new.csv"))
    with pytest.warns(UnitsWarning, match="has no header"):
        found = _of_table(first.schema, file, ".csv", None, None, None, whole=True, typed=False)
    assert (found.x.tolist(), found.table.to_numpy().tolist()) == ([[1.25, 1]], [["1.25", "red"]])


def test_decimal_commas_are_those_of_training_in_a_file_that_has_none(tmp_path):
    """ "2.683" is 2683 there, though pandas reads 2.683."""
    first = load_file(written(tmp_path, "a;b\n" + "".join(f"{i},5;{i % 7},25\n" for i in range(30))))
    new = load_file(written(tmp_path, "a;b\n2.683;1\n", "new.csv"), schema=first.schema)
    np.testing.assert_array_equal(new.x, [[2683, 1]])


@pytest.mark.parametrize(
    ("cell", "value"), [("1,5", 1.5), ("1.000,5", 1000.5), ("1,000.5", 1000.5), ("1,000,000", 1e6), ("1.500", 1.5)]
)
def test_plain_numbers_take_a_text_with_commas_where_it_has_one_meaning(cell, value):
    schema = Schema.infer(pandas.DataFrame({"v": [i / 4 for i in range(30)]}))
    assert schema.encode(pandas.DataFrame({"v": [cell, "2"]}))[0].ravel().tolist() == [value, 2]


def test_a_number_of_another_form_is_refused_and_the_form_named():
    schema = Schema.infer(pandas.DataFrame({"v": [f"{i},5" for i in range(30)]}))
    with pytest.raises(
        InputError, match=r"^x: expected a number \(as 1.000,5\) or an empty cell .* got '5.5' at row 1"
    ):
        schema.encode(pandas.DataFrame({"v": ["1,5", "5.5"]}))


@pytest.mark.parametrize(
    "cells", [["1,500"], ["1,5", "1,500"], ["1,5", "2.683"], ["1,5", "1,000.5"], ["1.5", "2", "1,5"]]
)
def test_plain_numbers_refuse_texts_with_commas_of_two_meanings(cells):
    schema = Schema.infer(pandas.DataFrame({"v": [i / 4 for i in range(30)]}))
    with pytest.raises(
        InputError, match=f"^x: expected a number .* column 'v', got '{cells[-1]}' at row {len(cells) - 1}"
    ):
        schema.encode(pandas.DataFrame({"v": [*cells, "3"] if len(cells) > 2 else cells}))


def test_numbers_among_texts_stay_as_they_are():
    found = read_numbers(pandas.Series([2.683, "2.683", 5, "1,5", None]), "1.000,5")
    np.testing.assert_array_equal(found[0], [2.683, 2683, 5, 1.5, np.nan])


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("w;s\n8,090;-0,028\n7,250;0,5\n", [8.09, -0.028, 7.25, 0.5]),  # the other column has decimal commas
        ("w;s\n8,090;7\n7,250;5\n", [8.09, 7, 7.25, 5]),  # so have files with semicolons
        ("w;s\n8,090;7.5\n7,250;5\n", [8090, 7.5, 7250, 5]),  # but this one has decimal points
        ("w;s\n8,090;1,000.5\n7,250;5\n", [8090, 1000.5, 7250, 5]),
        ('w,s\n"8,090",7\n"7,250",5\n', [8090, 7, 7250, 5]),
        ('w,s\n"8,090","0,5"\n"7,250",5\n', [8.09, 0.5, 7.25, 5]),
        ("w;s\n2.683;0,5\n7.250;5\n", [2683, 0.5, 7250, 5]),  # pandas reads 2.683
        ("w;s\n2.683;5\n7.250;6\n", [2683, 5, 7250, 6]),  # beside 3 and 4, which have three digits at most
        ("w;s\n2.683;5\n7.25;6\n", [2.683, 5, 7.25, 6]),
        ("w;s\n2.683;5.5\n7.250;6\n", [2.683, 5.5, 7.25, 6]),
        ("w,s\n2.683,5\n7.250,6\n", [2.683, 5, 7.25, 6]),
    ],
)
def test_three_digits_after_a_comma(tmp_path, text, values):
    """Two more rows, so that no column has two values only."""
    head, *lines = text.splitlines()
    for more in ("3;9", "4;8") if ";" in head else ("3,9", "4,8"):
        lines.append(more)
    data = load_file(written(tmp_path, "\n".join([head, *lines * 3]) + "\n"))
    np.testing.assert_allclose(data.x[:2].ravel(), values, rtol=1e-6)
    with_comma = "numbers are written with a decimal comma, as 1.000,5: " in data.notice
    assert with_comma == (values[0] in (8.09, 2683))
    assert ("with commas between thousands, as 1,000.5: 'w'" in data.notice) == (values[0] == 8090)


@pytest.mark.parametrize("digits", ["1e400", "\u0661,\u0665", "1,5e999"])
def test_what_only_looks_like_a_number_is_refused_by_its_column(digits):
    schema = Schema.infer(pandas.DataFrame({"v": [f"{i},5" for i in range(30)]}))
    with pytest.raises(InputError, match="^x: expected (a number|finite numbers) .* column 'v', got"):
        schema.encode(pandas.DataFrame({"v": ["1,5", digits]}))
    cells = [f"{i},5" for i in range(3)] + [digits]
    assert Schema.infer(pandas.DataFrame({"v": many(cells)})).columns[0].kind in ("category", "number")


@pytest.mark.parametrize(
    ("levels", "zeros", "ones"),
    [
        ([False, True], [0, 0.0, "0", "0.0", "False", "FALSE"], [1, 1.0, "1", "1.0", "true", True]),
        ([0, 1], [False, "false", "0.0", "00"], [True, "TRUE", "1.", 1.0]),
        (["false", "true"], [0, "0.0"], [1, "1.0"]),
        ([2, 5], [2, "2.0", "02"], [5.0, "5"]),
    ],
)
def test_truth_values_and_numbers_of_two_levels_in_any_writing(levels, zeros, ones):
    schema = Schema.infer(pandas.DataFrame({"b": many(levels)}))
    for code, cells in enumerate((zeros, ones)):
        x, notes = schema.encode(pandas.DataFrame({"b": pandas.Series(cells, dtype=object)}))
        assert (x.ravel().tolist(), notes) == ([code] * len(cells), [])
    if levels != [2, 5]:
        x, notes = schema.encode(pandas.DataFrame({"b": [0, 2]}))
        assert np.isnan(x[1, 0])
        assert "did not see: '2'" in notes[0]


CELLS = st.one_of(
    st.from_regex(r"[+-]?[0-9]{0,4}([.,][0-9]{0,3}){0,2}(e[0-9]{1,3})?", fullmatch=True),
    st.from_regex(r"[0-9]{1,4}[-./][0-9]{1,2}[-./][0-9]{1,4}( [0-9]{1,2}:[0-9]{2})?", fullmatch=True),
    st.sampled_from(
        [
            "3 days",
            "0 days 01:13:17",
            "-1 days +23:00:00",
            "now",
            " today",
            "NaT",
            "inf",
            "1e400",
            "2021",
            "20210305",
            "10000-01-01T12:00",
            "x",
        ]
    ),
    st.floats(-1e3, 1e3),
    st.none(),
)


@settings(max_examples=300, deadline=None)
@given(
    cells=st.lists(CELLS, min_size=1, max_size=3), form=st.sampled_from(["", "1.000,5", "1,000.5", "0 days 01:13:17"])
)
@example(["1.1.0001", "10000-01-01T12:00"], "")
@example(["10000-01-01T12:00", "2021"], "")
@example(["2020-01-01", "2021"], "")
@example(["1/2/2020", "13/2/2020"], "")
def test_what_is_read_together_is_read_alike_alone(cells, form):
    values = pandas.Series(cells, dtype=object)
    dates = {"": "", "1.000,5": "%d.%m.%Y", "1,000.5": "ISO8601"}
    for read, how in ((read_numbers, form), (read_dates, dates.get(form, ""))):
        if (found := read(values, how)) is None:
            continue
        alone = [read(values.iloc[[row]], how) for row in range(len(values))]
        np.testing.assert_array_equal(np.concatenate([one[0] for one in alone]), found[0])


def test_cells_that_are_read_alone_are_read_together():
    """A number in a column of spans is one of days, as `Schema.decode` gives them; plain numbers have no spans."""
    spans = Schema.infer(pandas.DataFrame({"v": pandas.to_timedelta(many(range(9)), unit="h")}))
    texts = Schema.infer(pandas.DataFrame({"v": [f"{i} days" for i in many(range(9))]}))
    for schema in (spans, texts):
        x = schema.encode(pandas.DataFrame({"v": ["3", "4 days", None, "0 days 06:00:00"]}))[0]
        np.testing.assert_array_equal(x.ravel(), [3, 4, np.nan, 0.25])
    plain = Schema.infer(pandas.DataFrame({"v": [i / 4 for i in range(30)]}))
    for cells in (["3 days", "4 days"], ["3 days"], ["3 days", "4"]):
        with pytest.raises(InputError, match="^x: expected a number .* column 'v', got '3 days' at row 0"):
            plain.encode(pandas.DataFrame({"v": cells}))


def test_spans_say_nothing_of_the_commas_of_other_columns(tmp_path):
    """As fractions of days they would be decimal points."""
    text = "w;t\n" + "".join(f"{i % 9 + 1},{i * 37 % 900 + 100};{i % 8} days 01:13:17\n" for i in range(30))
    assert load_file(written(tmp_path, text)).x[:2, 0].tolist() == pytest.approx([1.1, 2.137])


@pytest.mark.parametrize("dtype", [object, "string", "string[pyarrow]", pandas.ArrowDtype(pyarrow.string())])
def test_a_decimal_comma_beside_another_column_counts_in_every_type_of_text(dtype):
    cells = pandas.Series(["8,090", "7,250", "6,125"] * 20, dtype=dtype)
    half = pandas.Series(["0,5", "1,5", "2,25"] * 20, dtype=dtype)
    frame = pandas.DataFrame({"a": cells, "b": half})
    schema = Schema.infer(frame, "x")
    found = dict(zip(schema.features, schema.encode(frame, "x")[0][0], strict=True))
    assert found["a"] == pytest.approx(8.09)


def test_three_digits_behind_a_0_are_a_fraction():
    """Nobody writes 0,125 for 125: it says that the commas of its column are decimal."""
    cells = [f"{i // 10},{37 * i % 1000:03}" for i in range(60)]
    schema = Schema.infer(pandas.DataFrame({"v": cells}))
    assert schema.columns[0].form == "1.000,5"
    x = schema.encode(pandas.DataFrame({"v": ["0,125", "1,250"]}))[0]
    np.testing.assert_array_equal(x[:, 0], [0.125, 1.25])


def test_a_point_behind_a_0_is_none_between_thousands():
    """Where commas are decimal 1.500 is 1500, and 0.500 a number of another form."""
    schema = Schema.infer(pandas.DataFrame({"v": [f"{i},5" for i in range(30)]}))
    assert schema.encode(pandas.DataFrame({"v": ["1.500"]}))[0].item() == 1500
    with pytest.raises(InputError, match=r"^x: expected a number \(as 1.000,5\) .* got '0.500' at row 0"):
        schema.encode(pandas.DataFrame({"v": ["0.500"]}))


@pytest.mark.parametrize("form", [" {}", "{} "])
def test_blanks_around_numbers_with_commas_do_not_count(form):
    cells = [f"{i},{i % 10}5" for i in range(60)]
    padded = pandas.DataFrame({"v": [form.format(cell) if i % 4 else cell for i, cell in enumerate(cells)]})
    schema = Schema.infer(padded)
    assert (schema.columns[0].kind, schema.columns[0].form) == ("number", "1.000,5")
    np.testing.assert_array_equal(schema.encode(padded)[0], schema.encode(pandas.DataFrame({"v": cells}))[0])


@pytest.mark.parametrize("name", ["x", "id", "Unnamed: 0"])
@pytest.mark.parametrize(
    "cells",
    [
        [7.5],
        [0.0, -0.0],
        [1, 0],
        [np.nan, 2.5, -1.0],
        [1.0, np.inf, -np.inf],
        range(1, 13),
        np.arange(60) / 8,
        [8] * 9 + [2],
    ],
    ids=str,
)
def test_numbers_make_the_column_that_the_same_objects_make(name, cells):
    numbers = pandas.Series(list(cells) * 3 if len(cells) < 12 else cells)
    expected = inferring.infer(name, numbers.astype(object), "x", first=True)
    assert inferring.infer(name, numbers, "x", first=True) == expected


def test_a_column_of_different_numbers_takes_a_few_times_their_bytes():
    """Each as an object of Python took twenty times as many: 5 GB for 30 million rows."""
    numbers = pandas.Series(np.random.default_rng(0).normal(size=100_000))
    tracemalloc.start()
    inferring.infer("x", numbers, "x")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10 * numbers.nbytes
