"""What a column is taken for, and which are left out; cells become features and features cells, whatever their type."""

import datetime
import decimal

import numpy as np
import pandas
import pyarrow
import pytest
from sklearn.preprocessing import PowerTransformer
from small_tables import NUMBERS, many

from vade_tf.data.columns import Column, date_form, infer
from vade_tf.errors import InputError


def column(cells) -> Column:
    found = infer("v", pandas.Series(cells), "x")
    assert isinstance(found, Column), found
    return found


def encoded(of: Column, cells) -> np.ndarray:
    return of.encode(pandas.Series(cells), "x")[0]


DAY = datetime.date(2020, 1, 2)


@pytest.mark.parametrize(
    ("form", "cells"),
    [
        ("text", ["1.5", "2", "3"]),
        ("decimal", [decimal.Decimal("1.5"), decimal.Decimal(2), decimal.Decimal(3)]),
        ("nullable", pandas.array([1.5, 2, 3], "Float64")),
        ("arrow", pandas.array([1.5, 2, 3], "double[pyarrow]")),
        ("sparse", pandas.arrays.SparseArray([1.5, 2, 3])),
        ("categories", pandas.Categorical([1.5, 2, 3])),
    ],
)
def test_the_same_number_in_any_type(form, cells):
    np.testing.assert_array_equal(encoded(Column("v", "number"), cells)[:, 0], [1.5, 2, 3])


@pytest.mark.parametrize(
    "cells",
    [
        ["2020-01-02", None, "2021-05-06"],
        [DAY, None, datetime.date(2021, 5, 6)],
        [pandas.Timestamp(DAY), pandas.NaT, pandas.Timestamp("2021-05-06")],
        pandas.Series(pandas.to_datetime(["2020-01-02 01:00", None, "2021-05-06 02:00"])).dt.tz_localize(
            "Europe/Berlin"
        ),
        pandas.Series([DAY, None, datetime.date(2021, 5, 6)], dtype=pandas.ArrowDtype(pyarrow.date32())),
    ],
)
def test_the_same_day_in_any_type(cells):
    np.testing.assert_array_equal(encoded(Column("v", "date", offset=18_263), cells)[:, 0], [0, np.nan, 490])


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("1/2/2021", "%m/%d/%Y"),
        ("13/2/2021", "%d/%m/%Y"),
        ("1.2.2021", "%d.%m.%Y"),
        ("31-Dec-2020", "%d-%b-%Y"),
        ("May 3, 2020", "%B %d, %Y"),
        ("12/31/2020 8:26 PM", "%m/%d/%Y %I:%M %p"),
        ("2020-01-02", "ISO8601"),
        ("2020-01-02T03:04:05Z", "ISO8601"),
        *((text, "") for text in ("2020", "May", "10:30", "1.10", "today", "now", "2020-13-45", "3 weeks", "A1")),
    ],
)
def test_forms_of_dates(text, form):
    assert date_form([text]) == form


def test_other_cells_say_whether_months_or_days_come_first():
    assert date_form(["1/2/2021", "3/13/2021"]) == "%m/%d/%Y"
    assert date_form(["1/2/2021", "13/3/2021"]) == "%d/%m/%Y"
    assert date_form(["1/2/2021", "13/13/2021"]) == ""


@pytest.mark.parametrize(
    ("levels", "cell", "code"),
    [
        ((0, 1), "1.0", 1),
        ((0, 1), True, 1),
        ((False, True), 1, 1),
        ((False, True), "TRUE", 1),
        ((0.1, 0.2), np.float32(0.2), 1),
        (("1.1", "1.10"), "1.10", 1),
        (("01", "1"), 1, 1),
        (("no", "yes"), " yes ", 1),
        ((3, 2**53 + 1), 2**53 + 1, 1),
        (("no", "yes"), "maybe", np.nan),
        ((0, 1), 2**53 + 1, np.nan),
    ],
)
def test_the_same_level_however_it_is_stored(levels, cell, code):
    found = Column("v", "boolean", levels).encode(pandas.Series([cell], dtype=object), "x")
    np.testing.assert_array_equal(found[0], [[code]])
    assert bool(found[1]) == np.isnan(code)


def test_rare_levels_are_joined_and_unseen_ones_go_with_them():
    of = column([f"w{i}" for i in range(120) for _ in range(1 + (i < 99))] * 2)
    assert (of.width, of.levels[-1], of.rest) == (100, "other", True)
    x, note = of.encode(pandas.Series(["w0", "w110", "new", None]), "x")
    assert note == ""
    np.testing.assert_array_equal(x[:, -1], [0, 1, 1, np.nan])
    assert of.decode(x[:3]).tolist() == ["w0", "other", "other"]


@pytest.mark.parametrize(
    ("cell", "kind"), [("old", "number"), (2e30, "number"), ("soon", "date"), ("2020-02-30", "date")]
)
def test_a_cell_that_is_of_no_use_is_named(cell, kind):
    with pytest.raises(InputError, match=rf"^x: expected a .* column 'v', got '?{str(cell)[0]}.* at row 1"):
        Column("v", kind).encode(pandas.Series([None, cell], dtype=object), "x")


def test_a_models_means_become_cells():
    assert Column("v", "ordered", ("s", "m", "l")).decode([[-3], [0.6], [9]]).tolist() == ["s", "m", "l"]
    assert Column("v", "boolean", ("no", "yes")).decode([[0.49], [0.5]]).tolist() == ["no", "yes"]
    assert Column("v", "category", ("a", "b")).decode([[0.4, 0.3], [np.nan, 0]]).isna().tolist() == [False, True]
    assert Column("v", "date", offset=1.0).decode([[0.5], [np.nan]]).tolist() == [
        pandas.Timestamp("1970-01-02 12:00"),
        pandas.NaT,
    ]


@pytest.mark.parametrize("midnight", ["", "T00:00:00"])
def test_dates_without_a_time_of_day_get_none(midnight):
    days = column([f"2021-03-{day:02}{midnight}" for day in range(1, 20)])
    assert days.decode([[0.4]]).tolist() == [pandas.Timestamp("2021-03-10")]
    times = column([f"2021-03-{day:02}T06:00:00" for day in range(1, 20)])
    assert times.decode([[0.5]]).tolist() == [pandas.Timestamp("2021-03-10 18:00")]


def test_powers_are_those_of_scikit_learn(rng):
    v = rng.lognormal(3, 2, 200).astype("f4").astype(float)
    of = Column("v", "number").with_power(pandas.Series(v))
    expected = PowerTransformer().fit_transform(v[:, None])
    found = encoded(of, v)
    np.testing.assert_allclose(found, expected, atol=1e-4)
    np.testing.assert_allclose(of.decode(found), v, rtol=1e-3)


def test_numbers_far_from_0_and_near_one_another_are_told_apart(rng):
    """Times in milliseconds within a minute: float32 has two numbers there. Years stay as they are."""
    times = 1_764_000_000_000 + np.sort(rng.integers(0, 60_000, 300))
    of = column(times)
    x = encoded(of, times)
    assert len(np.unique(x)) == len(np.unique(times))
    np.testing.assert_allclose(of.decode(x), times, atol=0.01)
    assert column(rng.integers(1990, 2020, 300)).offset == 0


def test_missing_cells_are_those_of_pandas_and_a_question_mark():
    cells = pandas.Series(["a", "NA", "?", " nan ", "", None, "b"])
    np.testing.assert_array_equal(encoded(Column("v", "boolean", ("a", "b")), cells)[:, 0], [0, *[np.nan] * 5, 1])


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        (NUMBERS, "number"),
        ([str(number) for number in NUMBERS], "number"),
        (many([1, 2, 3]), "number"),
        (many([0, 1]), "boolean"),
        (many(["no", "yes", None]), "boolean"),
        (many([True, False, None]), "boolean"),
        (many(["red", "green", "blue"]), "category"),
        (many(["1", "2", "3+"]), "category"),
        (many([True, "yes", 3]), "category"),
        (many(["192.168.1.1", "192.168.1.2", "10.0.0.1"]), "category"),
        (pandas.Categorical(many([1, 2, 3])), "category"),
        (pandas.Categorical(many(["2020-01-02", "2020-01-03", "2020-01-04"])), "category"),
        (pandas.Categorical(many(["s", "l"]), ["s", "m", "l"], ordered=True), "ordered"),
        (pandas.date_range("2020-01-01", periods=60), "date"),
        (many(["2020-01-02", "2021-05-06"]), "date"),
        (many([pandas.Timestamp(2020, 1, 2).date(), pandas.Timestamp(2021, 1, 2).date()]), "date"),
        (pandas.array(many([1, 2, 3, None]), "Int64"), "number"),
        (pandas.array(many(["a", "b", "c"]), "string[pyarrow]"), "category"),
        (many([1 + 2j, 2, 3]), "category"),
    ],
)
def test_what_a_column_is_taken_for(cells, kind):
    found = infer("v", pandas.Series(cells), "x")
    assert isinstance(found, Column), found
    assert found.kind == kind


@pytest.mark.parametrize(
    ("name", "cells", "reason"),
    [
        ("v", [None] * 60, "it has no value"),
        ("v", many(["", "NA"]), "it has no value"),
        ("v", [7] * 60, "its value is always 7"),
        ("v", many(["x", None]), "its only value is 'x'"),
        ("v", range(60), "it counts the rows from 0"),
        ("v", range(1, 61), "it counts the rows from 1"),
        ("Unnamed: 0", range(100, 160), "an identifier: 60"),
        ("", [f"row {i}" for i in range(60)], "an identifier: 60"),
        *(
            (name, [7 * i for i in range(60)], "an identifier: 60")
            for name in ("id", "ID", "user_id", "userId", "index")
        ),
        ("v", [f"name {i}" for i in range(60)], "60 different texts in 60 rows"),
        ("v", [f"$1,2{i}.50" for i in range(10, 70)], "60 different texts in 60 rows; to use them, write numbers"),
        ("v", pandas.Categorical([f"name {i}" for i in range(60)]), "60 different categories in 60 rows"),
    ],
)
def test_what_is_left_out_and_why(name, cells, reason):
    found = infer(name, pandas.Series(cells), "x")
    assert isinstance(found, str), found
    assert found.startswith(reason)


@pytest.mark.parametrize(
    ("name", "cells"),
    [
        ("covid", [7 * i for i in range(60)]),  # by a chance ending
        ("id", many([1, 2, 3])),  # few values
        ("id", [i / 7 for i in range(60)]),  # fractions name nothing
        ("v", [0, 1, 2, 3]),  # few rows
        ("v", [f"name {i}" for i in range(50)]),  # few levels
    ],
)
def test_what_stays(name, cells):
    assert isinstance(infer(name, pandas.Series(cells), "x"), Column)


def test_rows_at_even_distances_are_counted_by_their_index():
    rows = np.arange(0, 600, 10)
    assert infer("v", pandas.Series(rows, pandas.RangeIndex(0, 600, 10)), "x") == "it counts the rows from 0"
    assert isinstance(infer("v", pandas.Series(rows), "x"), Column)


@pytest.mark.parametrize("cells", [many([1, 2, np.inf]), many([1, np.inf]), many([1, 2, 1e31])])
def test_numbers_are_finite(cells):
    with pytest.raises(InputError, match="^data: expected finite numbers below 1e30 in column 'v'"):
        infer("v", pandas.Series(cells), "data")
