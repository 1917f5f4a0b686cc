"""The schema of a table: rows into features and back, what new rows may hold, and the schema as JSON."""

import datetime
import json

import numpy as np
import pandas
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from small_tables import NUMBERS, many

from vade_tf.data.filling import Written
from vade_tf.data.observing import observe
from vade_tf.data.schema import Schema
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
    x, notes = schema.encode(mixed)
    assert (x.dtype, x.shape, notes) == (np.float32, (60, 8), [])
    np.testing.assert_array_equal(np.isnan(x).sum(axis=0), [1, 0, 0, 0, 15, 15, 15, 0])
    np.testing.assert_array_equal(x[:3, 1], [0, 2, 1])  # s, l, m
    np.testing.assert_array_equal(x[:2, 2], [0, 1])
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
    assert back["old"].dtype == bool
    assert ((back["born"] - mixed["born"]).abs() < pandas.Timedelta("1s")).all()


def test_a_models_means_become_cells():
    frame = pandas.DataFrame({"n": many([1.5, 2, 9]), "b": many(["n", "y"]), "c": many(list("uvw"))})
    frame["o"] = pandas.Categorical(many(["s", "m", "l"]), ["s", "m", "l"], ordered=True)
    rows = Schema.infer(frame).decode(np.array([[4.2, 0.5, 0.2, 0.5, 0.3, 7.7], [-1, 0.49, 0.1, 0.1, 0.8, 0.6]]))
    assert rows.values.tolist() == [[4.2, "y", "v", "l"], [-1, "n", "w", "m"]]


def test_new_rows_in_another_order_with_more_columns(mixed):
    schema = Schema.infer(mixed)
    new = mixed.iloc[5:9, ::-1].assign(more=1, still=2)
    x, notes = schema.encode(new)
    np.testing.assert_array_equal(x, schema.encode(mixed)[0][5:9])
    assert notes == ["columns that training did not have are ignored: 'more', 'still'"]
    with pytest.raises(InputError, match="^new: expected the columns .* got a table without 'sick'; its columns are"):
        schema.encode(mixed.drop(columns="sick"), "new")


def test_levels_that_training_did_not_see_are_missing_and_said(mixed):
    schema = Schema.infer(mixed)
    new = mixed.iloc[:6].copy()
    new["colour"] = ["red", "pink", "pink", "mauve", None, "blue"]
    new["sick"] = ["no", "yes", "perhaps", "no", "yes", None]
    x, notes = schema.encode(new)
    np.testing.assert_array_equal(np.isnan(x[:, 4:7]).all(axis=1), [False, True, True, True, True, False])
    np.testing.assert_array_equal(np.isnan(x[:, 2]), [False, False, True, False, False, True])
    assert notes == [
        "1 cell of 'sick' holds a value that training did not see: 'perhaps': taken as missing",
        "3 cells of 'colour' hold values that training did not see: 'pink', 'mauve': taken as missing",
    ]


def test_of_cells_in_many_columns_a_few_are_told(rng):
    frame = pandas.DataFrame(rng.integers(0, 2, (40, 12))).add_prefix("item ")
    frame["rate"] = [f"{share} %" for share in rng.integers(1, 90, 40)]
    new, rate = dict.fromkeys(frame.columns[:11], 7), rng.random(40)
    notes = Schema.infer(frame).encode(frame.assign(**new, rate=rate))[1]
    assert [note.split("'")[1] for note in notes[:-1]] == ["rate", *list(new)[:8]]  # that of numbers is always told
    assert notes[-1] == "there are such cells in 3 columns more"
    assert len(Schema.infer(frame).encode(frame.assign(**dict(list(new.items())[:8])))[1]) == 8


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("tall", "^new: expected a number or an empty cell .* 'height', got 'tall' at row 4"),
        (np.inf, "^new: expected finite numbers below 1e30 in column 'height', got inf at row 4"),
        (-1e31, "'height', got -1e.31 at row 4"),
    ],
)
def test_cells_that_are_no_numbers_are_named(mixed, cell, message):
    new = mixed.astype({"height": object})
    new.loc[4, "height"] = cell
    with pytest.raises(InputError, match=message):
        Schema.infer(mixed).encode(new, "new")


def test_the_same_cell_however_it_is_stored():
    """A file of new rows may bring numbers where training had text, or truth values as text."""
    frame = pandas.DataFrame({"c": many(["1", "2", "x"]), "b": many([True, False]), "v": NUMBERS, "g": many([1, 2])})
    schema = Schema.infer(frame)
    new = {"c": [1.0, 2.0, np.nan], "b": ["TRUE", "FALSE", "true"], "v": ["1.5", " 2", None], "g": ["1", "2", 1.0]}
    x, notes = schema.encode(pandas.DataFrame(new))
    np.testing.assert_array_equal(x, [[1, 0, 0, 1, 1.5, 0], [0, 1, 0, 0, 2, 1], [np.nan, np.nan, np.nan, 1, np.nan, 0]])
    assert notes == []


@pytest.mark.parametrize(
    ("texts", "numbers"),
    [
        (["1,5", "2", "-0,25", "1.000,5"], [1.5, 2, -0.25, 1000.5]),
        (["1,500", "2", "-12,250.5", "7,000,000"], [1500, 2, -12250.5, 7e6]),
    ],
)
def test_commas_in_numbers(texts, numbers):
    frame = pandas.DataFrame({"c": many(texts)})
    schema = Schema.infer(frame)
    np.testing.assert_allclose(schema.encode(frame.iloc[:4])[0][:, 0], numbers)
    np.testing.assert_allclose(schema.encode(frame.iloc[1:2])[0][:, 0], [2])


def test_numbers_with_commas_are_read_as_training_had_them():
    schema = Schema.infer(pandas.DataFrame({"c": [f"{i},{i % 10}5" for i in range(60)]}))
    assert schema.encode(pandas.DataFrame({"c": ["1,500"]}))[0].item() == 1.5


def test_tables_that_cannot_be_used():
    for frame, message in (
        (pandas.DataFrame({"a": []}), r"^t: expected a table with rows and columns, got shape \(0, 1\)"),
        (
            pandas.DataFrame({"a": [1, 1]}),
            r"^t: expected a column .* got none \('a': its value is always 1\)$",
        ),
        (pandas.DataFrame([[1, 2], [3, 4]], columns=["a", "a"]), "^t: expected columns with different names, got 'a'"),
        (
            pandas.DataFrame({"a": [[1], [2]]}),
            "^t: column 'a': expected numbers, .*; of vectors of one length give",
        ),
        (
            pandas.DataFrame({"a": [[[1], [2, 3]]] * 2}),
            r"^t: column 'a': expected numbers, .* \[\[1\], \[2, 3\]\]$",
        ),
    ):
        with pytest.raises(InputError, match=message):
            Schema.infer(frame, "t")


def test_what_is_said_names_every_column(mixed):
    said = "\n".join(Schema.infer(mixed).describe())
    assert all(name in said for name in mixed)
    assert "16 empty cells are taken as missing, in 'height', 'colour'" in said
    assert "left out, it counts the rows from 0: 'no'" in said
    odd = pandas.DataFrame({"\x1b[2J": NUMBERS, "a" * 500: NUMBERS})
    assert all(line.isprintable() and len(line) < 200 for line in Schema.infer(odd).describe())


def test_a_schema_survives_json(mixed):
    schema = Schema.infer(mixed)
    again = Schema.from_dict(json.loads(json.dumps(schema.to_dict())))
    assert again == schema
    np.testing.assert_array_equal(again.encode(mixed)[0], schema.encode(mixed)[0])


@pytest.mark.parametrize(
    "change",
    [
        {"columns": []},
        {"columns": {}},
        {"columns": None},
        {"dropped": [["a"]]},
        {"dropped": {"a": "b"}},
        {"name": None},
        {"name": True},
        {"kind": "text"},
        {"kind": []},
        {"kind": "category"},
        {"kind": "boolean"},
        {"levels": [1, 2]},
        {"levels": "ab"},
        {"levels": [[]]},
        {"missing": -1},
        {"log": 1},
        {"power": 1},
        {"power": [1.0, 0.0]},
        {"power": [1.0, 0.0, 0.0]},
        {"power": [1.0, 0.0, float("nan")]},
        {"power": [10**400, 0.0, 1.0]},
        {"offset": 1e300},
        {"form": "x" * 1000},
        {"rest": None},
    ],
)
def test_a_damaged_schema_is_refused(change):
    values = Schema.infer(pandas.DataFrame({"v": NUMBERS})).to_dict()
    part = values if set(change) <= {"columns", "dropped"} else values["columns"][0]
    part.update(change)
    with pytest.raises(ValueError, match="expected|levels|twice"):
        Schema.from_dict(values)


def test_a_schema_with_a_column_twice_or_a_level_twice_is_refused():
    values = Schema.infer(pandas.DataFrame({"v": many(list("abc"))})).to_dict()
    with pytest.raises(ValueError, match="twice"):
        Schema.from_dict({**values, "columns": values["columns"] * 2})
    values["columns"][0]["levels"] = ["a", "b", "a"]
    with pytest.raises(ValueError, match="levels of 'v'"):
        Schema.from_dict(values)
    values["columns"][0]["levels"] = [True, 1]
    Schema.from_dict(values)
    values["columns"][0]["kind"] = "ordered"
    with pytest.raises(ValueError, match="levels of 'v'"):
        Schema.from_dict(values)


def test_observations_of_a_table_with_holes(mixed):
    data = observe(mixed)
    assert data.schema.features[0] == "height"
    assert data.has_holes
    assert np.isfinite([data.low, data.high]).all()
    x = data.x.astype(np.float64)
    mean, std = data.moments()
    np.testing.assert_allclose(mean, np.nanmean(x, axis=0), rtol=1e-6)
    np.testing.assert_allclose(std, np.nanstd(x, axis=0), rtol=1e-5)
    assert (data.low, data.high) == (np.nanmin(data.x), np.nanmax(data.x))
    assert data.part(np.arange(3)).schema is data.schema


def test_a_column_without_a_value_in_a_part_has_a_mean():
    data = observe(pandas.DataFrame({"a": [None, None, 1, 2, 4], "b": [1.0, 2, 3, 5, 4]})).part(np.arange(2))
    mean, std = data.moments()
    np.testing.assert_array_equal([mean, std], [[0, 1.5], [0, 0.5]])


def test_arrays_with_holes_are_refused_with_advice():
    with pytest.raises(InputError, match="got nan at row 1, column 0 .* or give a DataFrame .*, in which NaN is"):
        observe(np.array([[1.0], [np.nan]]))
    with pytest.raises(InputError, match="got inf .*impute such rows$"):
        observe(np.array([[1.0], [np.inf]]))
    schema = Schema.infer(pandas.DataFrame({"a": [1.0, 2, 3]}))
    with pytest.raises(InputError, match="got inf at row 2, column 0"):
        observe(np.array([[1.0], [np.nan], [np.inf]]), schema=schema)
    with pytest.raises(InputError, match="only missing cells"):
        observe(np.array([[np.nan]]), schema=schema)


@pytest.mark.long
def test_a_million_rows_take_seconds(rng):
    n = 1_000_000
    frame = pandas.DataFrame(
        {
            "v": rng.normal(size=n),
            "c": np.array(["red", "green", "blue"])[rng.integers(0, 3, n)],
            "b": rng.random(n) < 0.5,
        }
    )
    schema = Schema.infer(frame)
    x, _ = schema.encode(frame)
    np.testing.assert_array_equal(schema.decode(x)["c"], frame["c"])


CELLS = {
    "number": st.floats(-1e6, 1e6, width=32),
    "category": st.sampled_from(["red", "green", "Blue", "a,b", "x=y", "ü"]),
    "boolean": st.sampled_from(["yes", "no"]),
    "date": st.datetimes(datetime.datetime(1950, 1, 1), datetime.datetime(2050, 1, 1)).map(
        lambda stamp: stamp.replace(hour=0, minute=0, second=0, microsecond=0)
    ),
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
    told = [] if known.all() else [f"rows without one known cell: {(~known).sum()}"]
    assert [note.split(";")[0] for note in notes] == told
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


def test_numbers_far_from_0_and_near_one_another_are_told_apart():
    """Times in milliseconds within a minute: float32 has two numbers there. Years and prices stay as they are."""
    r = np.random.default_rng(0)
    times = 1_764_000_000_000 + np.sort(r.integers(0, 60_000, 300))
    frame = pandas.DataFrame({"time": times, "year": r.integers(1990, 2020, 300), "price": r.normal(100, 10, 300)})
    schema = Schema.infer(frame)
    time, year, price = schema.columns
    assert time.offset == pytest.approx(np.median(times))
    assert (year.offset, price.offset) == (0.0, 0.0)
    x, _ = schema.encode(frame)
    assert len(np.unique(x[:, 0])) == len(np.unique(times))
    np.testing.assert_allclose(schema.decode(x)["time"], times, atol=0.01)
    assert any(line.startswith("far from 0") and "'time'" in line for line in schema.describe())
    assert Schema.from_dict(schema.to_dict()) == schema
    data = observe(frame)
    assert data.moments()[1][0] == pytest.approx(times.std(), rel=1e-3)


@pytest.mark.parametrize(
    ("form", "sign"),
    [("{}%", "%"), ("{} %", "%"), ("${}", "$"), ("$ {}", "$"), ("{} \u20ac", "\u20ac"), ("\u00a3{}", "\u00a3")],
)
@pytest.mark.parametrize("commas", ["", "1,000.5", "1.000,5"])
def test_numbers_with_a_sign_are_numbers(form, sign, commas):
    values = [37.5 + 41.25 * i for i in range(60)]
    written = [f"{v:,.2f}" if commas else f"{v:.2f}" for v in values]
    if commas == "1.000,5":
        written = [text.translate({44: 46, 46: 44}) for text in written]
    cells = [text if i % 15 == 7 else form.format(text) for i, text in enumerate(written)]
    frame = pandas.DataFrame({"v": [*cells, "?"], "w": range(3, 64)})
    schema = Schema.infer(frame)
    column = schema.columns[0]
    assert (column.kind, column.form, column.missing) == ("number", sign + commas, 1)
    assert f"numbers are read without their {sign}: 'v'" in schema.describe()
    x, _ = schema.encode(frame)
    np.testing.assert_allclose(x[:60, 0], values, rtol=1e-6)
    np.testing.assert_allclose(schema.decode(x)["v"][:60], values, rtol=1e-6)
    x[:, 0] = np.nan_to_num(x[:, 0], nan=1234.5)
    whole = Written(frame.astype(str), frame, schema).filled(0, x)
    np.testing.assert_allclose(schema.encode(whole)[0][:, 0], [*values, 1234.5], rtol=1e-6)
    assert whole["v"].tolist()[:60] == cells
    with pytest.raises(InputError, match=f"a number .as .*got '5[{sign}]5' at row 1"):
        schema.encode(pandas.DataFrame({"v": ["7", f"5{sign}5"], "w": [1, 2]}))


@pytest.mark.parametrize("cells", [["5%", "$7", "8%"], ["5%", "7", "8"], ["5%5", "7%7", "8%8"], ["5%", "7%", "n%"]])
def test_other_signs_make_levels(cells):
    frame = pandas.DataFrame({"v": cells * 20, "w": range(3, 63)})
    assert [column.kind for column in Schema.infer(frame).columns] == ["category", "number"]


def test_a_sign_does_not_hide_whether_commas_are_decimal():
    frame = pandas.DataFrame({"v": [f"{i},{90 + i:03d}" for i in range(1, 61)], "w": [f"{i * i}%" for i in range(60)]})
    x = Schema.infer(frame, semicolons=True).encode(frame)[0]
    np.testing.assert_allclose(x[0], [1.091, 0], rtol=1e-6)
    euros = frame.assign(w=[f"{i * i},5 \u20ac" for i in range(60)])
    np.testing.assert_allclose(Schema.infer(euros).encode(euros)[0][0], [1.091, 0.5], rtol=1e-6)
    points = frame.assign(w=[f"{i * i}.5%" for i in range(60)])
    np.testing.assert_allclose(Schema.infer(points, semicolons=True).encode(points)[0][0], [1091, 0.5], rtol=1e-6)
