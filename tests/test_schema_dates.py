"""Dates in a table: what is one, in any form, and how near and how far apart they may be."""

import numpy as np
import pandas
import pytest

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
    days = [f"2021-03-{i:02d}" for i in range(1, 28)]
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
