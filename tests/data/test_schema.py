"""`Schema`: rows into features and back, row by row; what new rows may hold; and the schema as JSON."""

import datetime
import json

import numpy as np
import pandas
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from small_files import loaded
from small_tables import NUMBERS, many

from vade_tf.data.rows import TableRows
from vade_tf.data.schema import Schema, filled
from vade_tf.errors import InputError


@pytest.fixture
def mixed():
    """One column of each kind, and an index, with missing cells: [60, 7]."""
    return pandas.DataFrame(
        {
            "no": range(60),
            "height": [None, *NUMBERS[1:]],
            "size": pandas.Categorical(many(["s", "l", "m"]), ["s", "m", "l"], ordered=True),
            "sick": many(["no", "yes"]),
            "old": many([True, True, False]),
            "colour": many(["red", None, "green", "blue"]),
            "born": pandas.date_range("1990-05-05", periods=60, freq="36h"),
        }
    )


def test_features_and_their_blocks(mixed):
    schema = Schema.infer(mixed)
    assert schema.features == ["height", "size", "sick", "old", "colour=blue", "colour=green", "colour=red", "born"]
    assert schema.blocks == (("gaussian", 2), ("bernoulli", 2), ("categorical", 3), ("gaussian", 1))
    assert schema.measured == {0: "height"}
    x, notes = schema.encode(mixed)
    assert (x.dtype, x.shape, notes) == (np.float32, (60, 8), [])
    np.testing.assert_array_equal(np.isnan(x).sum(axis=0), [1, 0, 0, 0, 15, 15, 15, 0])
    np.testing.assert_array_equal(x[:3, 1], [0, 2, 1])  # s, l, m
    np.testing.assert_array_equal(x[[0, 2, 3], 4:7], [[0, 0, 1], [0, 1, 0], [1, 0, 0]])
    assert np.median(x[:, 7]) == pytest.approx(0, abs=1)
    two = pandas.DataFrame({"a": many(list("xyz")), "b": many(list("uvw"))})
    assert Schema.infer(two).blocks == (("categorical", 3), ("categorical", 3))


def test_rows_come_back_as_they_were(mixed):
    schema = Schema.infer(mixed)
    back = schema.decode(schema.encode(mixed)[0])
    assert list(back) == list(mixed)[1:]
    np.testing.assert_allclose(back["height"], mixed["height"], rtol=1e-6)
    pandas.testing.assert_series_equal(back["size"], mixed["size"])
    for name in ("sick", "old", "colour"):
        assert back[name].where(back[name].notna(), None).tolist() == mixed[name].tolist()
    assert ((back["born"] - mixed["born"]).abs() < pandas.Timedelta("1s")).all()


def test_what_is_said_names_every_column(mixed):
    said = Schema.infer(mixed.assign(us=many(["1/2/2021", "1/13/2021", "12/2/2021"]))).describe()
    assert said == [
        "1 column: a number each ('height')",
        "1 column: ordered levels, the rank as a number ('size')",
        "1 column: a category each, one feature a level ('colour', 3 levels)",
        "2 columns: two values each, as 0 and 1 ('sick', 'old')",
        "2 columns: dates, as days from their median ('born', 'us')",
        "dates are read with months first: 'us'",
        "16 empty cells are taken as missing: 'height', 'colour'",
        "left out, it counts the rows from 0: 'no'",
    ]


def test_levels_that_differ_in_capitals_alone_are_named():
    said = Schema.infer(pandas.DataFrame({"plan": many(["basic", "Basic ", "pro"]), "v": many([1, 2, 4])})).describe()
    assert "levels that differ in capitals alone, 'Basic', 'basic': 'plan'" in said


def test_new_rows_in_another_order_with_more_columns(mixed):
    schema = Schema.infer(mixed)
    x, notes = schema.encode(mixed.assign(extra=1).iloc[:, ::-1])
    np.testing.assert_array_equal(x, schema.encode(mixed)[0])
    assert notes == ["columns that training did not have are ignored: 'extra'"]
    with pytest.raises(InputError, match="^data: expected all columns of the training, got none called 'old'"):
        schema.encode(mixed.drop(columns="old"), "data")


def test_powers_survive_json(mixed):
    schema = Schema.infer(mixed, transform="power")
    assert Schema.from_dict(json.loads(json.dumps(schema.to_dict()))) == schema


@pytest.mark.parametrize(
    "change",
    [
        {"columns": []},
        {"columns": 3},
        {"columns": [{"name": "a"}]},
        {"columns": [{"name": "a", "kind": "number", "log": True}]},
        {"columns": [{"name": "a", "kind": "number"}] * 2},
        {"dropped": [["a"]]},
        {"dropped": 1},
    ],
)
def test_a_damaged_schema_is_refused(mixed, change):
    with pytest.raises((TypeError, ValueError), match=r"expected|log|kind|not iterable|unpack"):
        Schema.from_dict({**Schema.infer(mixed).to_dict(), **change})


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (pandas.DataFrame(), "a table with rows and columns, got shape"),
        (pandas.DataFrame({"a": []}), "a table with rows and columns, got shape"),
        (pandas.DataFrame([[1, 2]], columns=["a", "a"]), "columns with different names, got 'a' twice"),
        (pandas.DataFrame({"a": [1, 1], "b": [None, None]}), r"a column .* got none \('a': its value is always 1; 'b'"),
    ],
)
def test_tables_that_cannot_be_used(table, message):
    with pytest.raises(InputError, match=f"^x: expected {message}"):
        Schema.infer(table)


COLUMNS = {  # cells as they are written in a file
    "plain": ["1.5", "2.683", "-7", "1e3", ""],
    "zeros before": ["01", "02", "03", "2A", "1"],
    "versions": ["1.10", "1.9", "1.1", "1.100", "beta"],
    "exponents": ["1E5", "2E3", "100000", "3A1"],
    "german days": ["1.2.2021", "13.2.2021", "02.12.2021", ""],
    "american days": ["1/2/2021", "1/13/2021", "12/2/2021"],
    "iso": ["2021-02-01", "2021-02-13", "2021-01-01T10:00"],
    "truth": ["True", "False", "TRUE"],
    "signs": ["-", "+", "0"],
    "whole": ["0", "1", ""],
    "words": ["yes", "no", "NA"],
}
TABLE = pandas.DataFrame({name: many(cells) for name, cells in COLUMNS.items()})


def saved(folder, table) -> str:
    table.to_csv(folder / "t.csv", index=False)
    return str(folder / "t.csv")


@pytest.fixture(scope="module")
def law(tmp_path_factory):
    """The schema of a file with columns of all kinds, and its features."""
    found = loaded(saved(tmp_path_factory.mktemp("all"), TABLE))
    assert len(found.schema.columns) == len(COLUMNS)
    return found.schema, found.x


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.integers(0, len(TABLE) - 1), min_size=1, max_size=8))
def test_a_row_is_coded_alike_whatever_stands_beside_it(law, tmp_path, rows):
    schema, expected = law
    part = TABLE.iloc[rows]
    np.testing.assert_array_equal(schema.encode(part)[0], expected[rows])
    np.testing.assert_array_equal(loaded(saved(tmp_path, part), schema=schema).x, expected[rows])


@pytest.mark.parametrize("size", [1, 7, 60])
def test_a_row_is_coded_alike_in_any_block(law, size):
    schema, expected = law
    rows = TableRows(TABLE, schema, list)
    np.testing.assert_array_equal(np.concatenate([rows[i : i + size] for i in range(0, 60, size)]), expected)


CELLS = {
    "number": st.floats(-1e6, 1e6, width=32),
    "category": st.sampled_from(["red", "green", "Blue", "a,b", "x=y", "ü"]),
    "boolean": st.sampled_from(["yes", "no"]),
    "date": st.dates(datetime.date(1950, 1, 1), datetime.date(2050, 1, 1)).map(pandas.Timestamp),
}


@st.composite
def tables(draw):
    """Tables of 12 to 40 rows with columns of any kind, each cell missing now and then."""
    n = draw(st.integers(12, 40))
    columns = {}
    for number in range(draw(st.integers(1, 4))):
        cells = CELLS[draw(st.sampled_from(sorted(CELLS)))]
        columns[f"c{number}"] = draw(st.lists(st.one_of(cells, cells, st.none()), min_size=n, max_size=n))
    return pandas.DataFrame(columns)


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(tables())
def test_any_table_comes_back(frame):
    """Decoding undoes encoding and encoding decoding, blocks cover the features, and JSON changes nothing."""
    try:
        schema = Schema.infer(frame)
    except InputError:
        assert all(frame[name].nunique() < 2 for name in frame)
        return
    x, notes = schema.encode(frame)
    known = frame[[column.name for column in schema.columns]].notna().any(axis=1)
    said = [] if known.all() else [f"rows without one known cell: {(~known).sum()}"]
    assert [note.split(";")[0] for note in notes] == said
    assert sum(width for _, width in schema.blocks) == x.shape[1] == len(set(schema.features))
    assert Schema.from_dict(json.loads(json.dumps(schema.to_dict()))) == schema
    back = schema.decode(x)
    for column in schema.columns:
        before, after = frame[column.name], back[column.name]
        np.testing.assert_array_equal(before.isna(), after.isna())
        held = before.notna()
        if column.kind == "number":
            np.testing.assert_allclose(after[held].astype(float), before[held].astype(float), rtol=1e-4, atol=1e-4)
        elif column.kind == "date":
            apart = pandas.to_datetime(after[held]) - pandas.to_datetime(before[held])
            assert (apart.abs() < pandas.Timedelta("2min")).all()  # float32 days over a century
        elif len(before[held]) and isinstance(before[held].iloc[0], str):
            assert after[held].tolist() == before[held].tolist()
    np.testing.assert_allclose(schema.encode(back)[0], x, rtol=1e-3, atol=1e-2)


DAYS = [datetime.date(2020, 1, 1) + datetime.timedelta(7 * i % 300) for i in range(60)]
ZONED = pandas.date_range("2020-03-28", periods=60, freq="31min", tz="Europe/Berlin")


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        ([i / 4 for i in range(60)], "float64"),
        (pandas.array([i % 7 for i in range(60)], "Int64"), "Int64"),
        (pandas.Series(DAYS), "object"),
        (pandas.Series(DAYS).astype("date32[pyarrow]"), "date32[day][pyarrow]"),
        (ZONED, str(ZONED.dtype)),
        (many(["red", "green", "blue"]), "object"),
        (pandas.Categorical(many(["red", "green", "blue"])), "category"),
        (pandas.Categorical(many(["s", "l", "m"]), ["s", "m", "l"], ordered=True), "category"),
        (pandas.array(many([True, False]), "boolean"), "boolean"),
        (many(["1.2.2020", "13.12.2020", "02.03.2021"]), "object"),
        (many(["2020-01-02", "2020-01-03", "2020-01-05"]), "object"),
        (many(["01/02/2020 08:26 PM", "10/12/2020 10:00 AM"]), "object"),
    ],
)
def test_cells_of_every_kind_are_filled_in_their_kind(cells, kind):
    """With its own value, which each other cell then has, too."""
    table = pandas.DataFrame({"v": cells, "w": np.arange(60) % 7, "note": "x"})
    schema = Schema.infer(table)
    x = schema.encode(table)[0]
    pandas.testing.assert_frame_equal(filled(table, schema, x), table)  # nothing is missing
    holes = table.copy()
    holes.loc[3, "v"] = None
    found = filled(holes, schema, x)
    assert str(found["v"].dtype) == kind
    pandas.testing.assert_frame_equal(found.drop(3), table.drop(3))
    np.testing.assert_allclose(schema.encode(found)[0], x, atol=1e-3)


def test_no_cell_is_filled_with_other():
    table = pandas.DataFrame({"v": [f"w{i}" for i in range(120)] * 3})
    schema = Schema.infer(table)
    x = schema.encode(table)[0]
    x[:, -1] = 9
    assert "other" not in set(filled(table.mask(table == "w7"), schema, x)["v"])
