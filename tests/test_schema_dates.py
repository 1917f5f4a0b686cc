"""Dates in a table: what is one, in any form, and how near and how far apart they may be."""

import re
import warnings
from datetime import datetime

import numpy as np
import pandas
import pytest
from small_tables import many

from vade_tf.data.columns import day_as
from vade_tf.data.filling import filled
from vade_tf.data.schema import Schema
from vade_tf.errors import InputError


def test_dates_are_days_in_any_form():
    stamps = pandas.date_range("2021-01-01", periods=60, freq="D")
    texts = {"iso": "%Y-%m-%d", "german": "%d.%m.%Y", "american": "%m/%d/%Y", "time": "%Y-%m-%dT%H:%M:%S+02:00"}
    frame = pandas.DataFrame({name: stamps.strftime(form) for name, form in texts.items()})
    frame["stamp"] = stamps.tz_localize("Europe/Berlin")
    schema = Schema.infer(frame)
    assert {column.kind for column in schema.columns} == {"date"}
    x, _ = schema.encode(frame)
    np.testing.assert_allclose(np.diff(x, axis=0), 1, atol=1e-5)
    np.testing.assert_array_equal(schema.decode(x)["german"], stamps)
    one = frame.iloc[[40]]
    np.testing.assert_array_equal(schema.encode(one)[0], x[[40]])


def as_written(form: str) -> list[str]:
    """Sixty times of day, a day and an hour and a half apart, without zeros in front of days, months and hours."""
    stamps = pandas.date_range("2020-01-05 08:26:00", periods=60, freq="25.5h").strftime(form)
    return [re.sub(r"(?<![0-9:])0(?=[0-9])", "", text) for text in stamps]


@pytest.mark.parametrize("time", ["", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p"])
@pytest.mark.parametrize("day", ["%m/%d/%Y", "%d.%m.%Y", "%Y/%m/%d", "%d-%m-%Y", "%Y-%m-%d"])
def test_a_day_may_have_a_time_however_both_are_written(day, time):
    cells = as_written(day + time)
    (column,) = Schema.infer(pandas.DataFrame({"v": cells})).columns
    assert column.kind == "date"
    x = Schema((column,), {}).encode(pandas.DataFrame({"v": cells}))[0][:, 0]
    stamps = pandas.to_datetime(pandas.Series(cells), format=day + time)
    np.testing.assert_allclose(np.diff(x), stamps.diff()[1:] / pandas.Timedelta("1D"), atol=1e-4)


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ("%m/%d/%Y %H:%M", "months first, as 12/31/2020"),
        ("%d/%m/%Y %I:%M %p", "days first, as 31/12/2020"),
        ("%d-%m-%Y", "days first, as 31-12-2020"),
        ("%m-%d-%Y %H:%M:%S", "months first, as 12-31-2020"),
    ],
)
def test_it_is_said_whether_months_or_days_come_first(form, said):
    schema = Schema.infer(pandas.DataFrame({"v": as_written(form)}))
    assert f"dates are read with {said}: 'v'" in schema.describe()


@pytest.mark.parametrize("cell", ["12/1/2010 8", "12/1/2010 25:10", "12/1/2010 13:10 PM", "1-2-2020-3", "12-34-5678"])
def test_what_has_no_such_form_is_no_date(cell):
    frame = pandas.DataFrame({"v": [cell, "red", "green", *as_written("%m/%d/%Y %H:%M")[:20]]})
    assert not any(column.kind == "date" for column in Schema.infer(frame.assign(w=range(3, 26))).columns)


def test_a_date_beyond_what_64_bits_hold_is_refused():
    values = Schema.infer(pandas.DataFrame({"v": pandas.date_range("2020-01-01", periods=30)})).to_dict()
    values["columns"][0]["offset"] = 1e9
    with pytest.raises(ValueError, match="expected a day as the offset of 'v'"):
        Schema.from_dict(values)


@pytest.mark.parametrize("cell", ["Today", "NOW", "now", "12", "12345", "202101", "12:30", "2021-W01"])
def test_words_and_bare_numbers_are_no_dates(cell):
    schema = Schema.infer(pandas.DataFrame({"v": [f"2021-03-{i:02d}" for i in range(1, 28)]}))
    with pytest.raises(InputError, match="^x: expected a date .* column 'v', got '[^']*' at row 1"):
        schema.encode(pandas.DataFrame({"v": ["2021-03-01", cell]}))
    days = [f"2021-03-{i:02d}" for i in range(1, 20)]
    assert not any(column.kind == "date" for column in Schema.infer(pandas.DataFrame({"v": [*days, cell]})).columns)


def test_dates_beyond_the_nanoseconds_of_pandas_are_dates():
    frame = pandas.DataFrame({"v": [f"{1000 * i:04d}-03-01" for i in range(1, 12)] + ["3000-01-01T12:00:00Z"]})
    x = Schema.infer(frame).encode(frame)[0][:, 0]
    np.testing.assert_allclose(np.diff(x[:11]), 365.2425 * 1000, rtol=1e-5)
    assert x[2] - x[11] == pytest.approx(58.5, abs=0.1)


def test_days_with_slashes_of_which_nothing_is_known_are_not_guessed():
    """1/2/2021 is in January or in February; days that came as such have no form."""
    schema = Schema.infer(pandas.DataFrame({"v": pandas.date_range("2021-01-01", periods=30)}))
    expected = schema.encode(pandas.DataFrame({"v": ["2021-02-01"]}))[0]
    np.testing.assert_array_equal(schema.encode(pandas.DataFrame({"v": ["1.2.2021"]}))[0], expected)
    for cells in (["1/2/2021"], ["1/2/2021", "13/2/2021"]):
        with pytest.raises(InputError, match="expected a date .* got '1/2/2021' at row 0"):
            schema.encode(pandas.DataFrame({"v": cells}))


def test_times_near_one_another_are_told_apart():
    """Within a second, though they are counted in days; a schema that was kept with a whole day is read as it is."""
    stamps = pandas.Timestamp("2021-03-01 17:00") + pandas.to_timedelta(np.arange(300) * 3, "ms")
    frame = pandas.DataFrame({"v": stamps})
    schema = Schema.infer(frame)
    x, _ = schema.encode(frame)
    assert len(np.unique(x)) == 300
    assert (abs(schema.decode(x)["v"] - stamps.to_series(index=frame.index)) < pandas.Timedelta("1ms")).all()
    values = schema.to_dict()
    values["columns"][0]["offset"] = 18_687.0
    np.testing.assert_allclose(Schema.from_dict(values).encode(frame)[0], 17 / 24, atol=1e-4)


@pytest.mark.parametrize("form", ["%d-%b-%Y", "%d %b %Y", "%B %d, %Y", "%b %d, %Y", "%d-%b-%Y %H:%M"])
def test_days_with_the_name_of_a_month_are_dates(form):
    days = pandas.date_range("2020-01-25", periods=60, freq="D")
    schema = Schema.infer(pandas.DataFrame({"when": days.strftime(form), "w": np.arange(60) % 7}))
    column = schema.columns[0]
    assert (column.kind, column.form) == ("date", form)
    x = schema.encode(pandas.DataFrame({"when": days.strftime(form), "w": np.arange(60) % 7}))[0]
    np.testing.assert_allclose(np.diff(x[:, 0]), 1, rtol=1e-5)
    with pytest.raises(InputError, match=rf"expected a date \(as {re.escape(day_as(form))}\) or an empty cell"):
        schema.encode(pandas.DataFrame({"when": ["soon"], "w": [1]}))


def test_days_come_first_between_dashes_where_both_would_do():
    cells = [f"{1 + i % 12}-{1 + 5 * i % 12}-2021" for i in range(60)]
    assert Schema.infer(pandas.DataFrame({"v": cells})).columns[0].form == "%d-%m-%Y"


@pytest.mark.parametrize("place", [0, 5])
@pytest.mark.parametrize(
    ("form", "cell", "example"),
    [
        ("%Y-%m-%d", "0000-00-00", "2020-12-31"),
        ("%Y-%m-%d", "unknown", "2020-12-31"),
        ("%d.%m.%Y", "31.06.2020", "31.12.2020"),
        ("%m/%d/%Y %H:%M", "12/1/2010 25:10", "12/31/2020 23:59"),
    ],
)
def test_a_slip_among_dates_is_named(form, cell, example, place):
    """They had become a category, or a column that is left out with advice that cites a good cell."""
    cells = pandas.date_range("2019-01-01", periods=200, freq="37h").strftime(form).tolist()
    cells[place] = cell
    expected = rf"^x: expected a date \(as {example}\) in every row of column 'd', .* got '{cell}' at row {place} "
    with pytest.raises(InputError, match=expected):
        Schema.infer(pandas.DataFrame({"d": cells, "w": np.arange(200) % 7}))
    few = [*cells[:20], cell]  # days that come again and again may be a category
    assert Schema.infer(pandas.DataFrame({"d": many(few, 200), "w": np.arange(200) % 7})).columns[0].kind == "category"


def test_words_among_dates_are_named_and_no_date_is_cited_as_one_to_be_written_anew():
    cells = pandas.date_range("2019-01-01", periods=500).strftime("%Y/%m/%d").tolist()
    frame = pandas.DataFrame({"d": 3 * [*150 * ["unknown"], *cells[150:]], "w": np.arange(1500) % 7})
    with pytest.raises(InputError, match=r"a date \(as 2020/12/31\) .* got 'unknown' at row 0 \(450 such cells\)"):
        Schema.infer(frame)
    often = Schema.infer(frame.assign(d=3 * [*300 * ["unknown"], *cells[300:]])).dropped["d"]
    assert often.endswith(" (dates beside 'unknown'? write it as 2020/12/31, or leave such cells empty)")


@pytest.mark.parametrize("form", ["%Y-%m-%d", "%d.%m.%Y"])
def test_days_as_texts_and_as_cells_of_a_spreadsheet_may_stand_in_one_column(form):
    """As openpyxl reads them; whichever comes first."""
    stamps = pandas.Series(pandas.date_range("2021-01-25", periods=60, freq="D"))
    mixed = stamps.astype(object).where(np.arange(60) % 4 != 1, stamps.dt.strftime(form))
    frame = pandas.DataFrame({"v": mixed})
    schema = Schema.infer(frame)
    assert schema.columns[0].kind == "date"
    for first in range(4):
        x = schema.encode(frame.iloc[first:])[0][:, 0]
        np.testing.assert_array_equal(x - x[-1], np.arange(first, 60) - 59)
        assert Schema.infer(frame.iloc[first:]).columns[0].form == schema.columns[0].form


@pytest.mark.parametrize(
    ("form", "cell"), [("%d.%m.%Y", "31.12.9999"), ("%m/%d/%Y", "12/31/9999"), ("%Y/%m/%d", "9999/12/31")]
)
def test_a_date_for_never_is_one_in_every_form(form, cell):
    cells = [*pandas.date_range("2020-01-20", periods=59).strftime(form), cell]
    schema = Schema.infer(pandas.DataFrame({"v": cells}))
    assert (schema.columns[0].kind, schema.columns[0].form) == ("date", form)
    x = schema.encode(pandas.DataFrame({"v": cells}))[0][:, 0]
    np.testing.assert_array_equal(np.diff(x[:59]), 1)
    assert x[59] - x[0] == (datetime(9999, 12, 31) - datetime(2020, 1, 20)).days


@pytest.mark.parametrize("kind", ["date32", "date64"])
def test_days_of_arrow_may_be_missing(kind):
    pyarrow = pytest.importorskip("pyarrow")
    days = [None if i == 3 else datetime(2020, 1, 1 + i % 25).date() for i in range(60)]
    values = pyarrow.array(days, getattr(pyarrow, kind)())
    frame = pandas.DataFrame({"v": pandas.Series(values, dtype=pandas.ArrowDtype(values.type))})
    x = Schema.infer(frame).encode(frame)[0][:, 0]
    assert np.flatnonzero(np.isnan(x)).tolist() == [3]
    assert x[10] - x[0] == 10


def test_a_category_of_pandas_stays_one_though_its_levels_look_like_days():
    cells = pandas.Categorical(many(["2020-01-01", "2021-01-01", "2023-06-01"]))
    (column,) = Schema.infer(pandas.DataFrame({"season": cells})).columns
    assert (column.kind, column.levels) == ("category", ("2020-01-01", "2021-01-01", "2023-06-01"))


@pytest.mark.parametrize(
    "cells",
    [pandas.period_range("2020-01", periods=60, freq="M"), pandas.date_range("2020-01-01", periods=60, tz="UTC")],
)
def test_days_and_periods_among_objects_are_dates(cells):
    frame = pandas.DataFrame({"v": cells})
    schema, among_objects = Schema.infer(frame), frame.astype(object)
    assert Schema.infer(among_objects) == schema
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(schema.encode(among_objects)[0], schema.encode(frame)[0])


def test_days_as_iso_8601_has_them_are_known_in_a_column_of_any_form():
    schema = Schema.infer(pandas.DataFrame({"v": pandas.date_range("2020-01-20", periods=60).strftime("%d.%m.%Y")}))
    x = [schema.encode(pandas.DataFrame({"v": cells}))[0][:, 0] for cells in (["03.02.2020"] * 2, ["2020-02-03"] * 2)]
    np.testing.assert_array_equal(*x)


def test_numbers_among_days_are_no_days():
    def table(numbers: int) -> pandas.DataFrame:
        cells = [*range(numbers), *pandas.date_range("2020-01-01", periods=60 - numbers)]
        return pandas.DataFrame({"v": pandas.Series(cells, dtype=object), "w": many([1, 2, 4, 9])})

    assert "v" in Schema.infer(table(1)).dropped
    with pytest.raises(InputError, match="expected a number in every row of column 'v', .* got '2020-01-01 00:00:00'"):
        Schema.infer(table(59))


DAYS = pandas.Series(pandas.date_range("2021-01-01", periods=60, freq="D"))


@pytest.mark.parametrize(
    "cells", [DAYS, DAYS.dt.date, DAYS.dt.to_period("D"), DAYS.dt.tz_localize("UTC")], ids=["M", "date", "D", "UTC"]
)
def test_dates_in_categories_of_pandas_are_those_dates(cells):
    """As .parquet gives columns that are stored as a dictionary; texts are read where dates are expected."""
    frames = [pandas.DataFrame({"d": each, "w": np.arange(60) % 7}) for each in (cells, cells.astype("category"))]
    frames.append(frames[1].assign(d=DAYS.dt.strftime("%Y-%m-%d").astype("category")))
    schemas = [Schema.infer(frame) for frame in frames[:2]]
    assert schemas[0] == schemas[1]
    for frame in frames:
        np.testing.assert_array_equal(schemas[0].encode(frame)[0], schemas[0].encode(frames[0])[0])
    holes = [frame.assign(d=frame["d"].where(np.arange(60) != 7)) for frame in frames[:2]]
    plain, whole = (filled(frame, schemas[0], np.zeros((60, 2)))["d"] for frame in holes)
    pandas.testing.assert_series_equal(whole, plain)
