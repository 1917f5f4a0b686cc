"""Dates that are filled in stand as the others of their column do, so that pandas reads the column again."""

import datetime
import re

import numpy as np
import pandas
import pytest

from vade_tf.data.filling import Written, filled
from vade_tf.data.schema import Schema

STAMPS = pandas.date_range("2022-05-27 08:26:31.123456", periods=60, freq="31h")


def as_iso(timespec: str, letter: str = "T", end: str = "") -> list[str]:
    return [stamp.isoformat(letter, timespec) + end for stamp in STAMPS]


FORMS = {
    "days": [f"{stamp:%Y-%m-%d}" for stamp in STAMPS],
    "T": as_iso("seconds"),
    "midnights": [f"{stamp:%Y-%m-%d}T00:00:00" for stamp in STAMPS],
    "Z": as_iso("seconds", end="Z"),
    "UTC": as_iso("seconds", " ", "+00:00"),
    "zone": as_iso("seconds", end="+05:30"),
    "zone without a colon": as_iso("seconds", " ", "-0330"),
    "minutes": as_iso("minutes", " "),
    "minutes and T": as_iso("minutes"),
    "milliseconds": as_iso("milliseconds", " "),
    "microseconds": as_iso("microseconds"),
    "nanoseconds": as_iso("microseconds", end="000Z"),
    "tenths": [text[:-5] for text in as_iso("microseconds")],
    "days with points": [f"{stamp:%d.%m.%Y %H:%M:%S}" for stamp in STAMPS],
}


def holes_filled(texts, schema, values):
    """The column of these texts with every third cell missing, filled with the given values."""
    holes = np.arange(60) % 3 == 1
    read = pandas.DataFrame({"at": np.where(holes, None, texts), "w": np.arange(60) % 7})
    written = read.fillna("").astype(str)
    x = schema.encode(pandas.DataFrame({"at": values, "w": np.arange(60) % 7}))[0].astype(float)
    return Written(written, read, schema).filled(0, x)["at"], holes


@pytest.mark.parametrize("form", FORMS)
def test_a_filled_column_is_read_as_dates_and_its_known_cells_are_as_they_were(form):
    texts = FORMS[form]
    schema = Schema.infer(pandas.DataFrame({"at": texts, "w": np.arange(60) % 7}))
    found, holes = holes_filled(texts, schema, texts)
    assert found[~holes].tolist() == np.array(texts)[~holes].tolist()
    dayfirst = form == "days with points"
    (again, want) = (pandas.to_datetime(pandas.Series(each), dayfirst=dayfirst) for each in (found.tolist(), texts))
    assert again.dtype == want.dtype
    assert (again - want).abs().max() < pandas.Timedelta("1min 1s")  # of float32
    assert found.str.len().nunique() == 1


def test_dates_of_another_form_than_those_of_the_training_are_filled_in_theirs():
    schema = Schema.infer(pandas.DataFrame({"at": FORMS["days with points"], "w": np.arange(60) % 7}))
    found, _ = holes_filled(FORMS["T"], schema, FORMS["T"])
    assert pandas.to_datetime(found).notna().all()


def test_days_of_python_stay_such():
    days = [stamp.date() for stamp in STAMPS]
    table = pandas.DataFrame({"at": days, "w": np.arange(60) % 7})
    schema = Schema.infer(table)
    x = schema.encode(table)[0]
    table.loc[[3, 59], "at"] = None
    found = filled(table, schema, x)["at"]
    assert {type(day) for day in found} == {datetime.date}
    assert found.tolist() == days


MIXED = {  # Python writes no fraction of 0; some programs no seconds, or another letter by hand
    "letter": (as_iso("seconds", " ")[:1] + as_iso("seconds")[1:], r"[\d-]{10}T[\d:]{8}"),
    "seconds": (as_iso("minutes")[:1] + as_iso("seconds")[1:], r"[\d-]{10}T[\d:]{8}"),
    "fraction": (as_iso("seconds")[:1] + as_iso("milliseconds")[1:], r"[\d-]{10}T[\d:]{8}\.\d{3}"),
    "zone": (as_iso("seconds")[:1] + as_iso("seconds", end="+05:30")[1:], r"[\d-]{10}T[\d:]{8}\+05:30"),
}


@pytest.mark.parametrize("kind", MIXED)
def test_dates_are_filled_as_most_of_a_column_are_written_and_not_as_its_first(kind):
    texts, form = MIXED[kind]
    schema = Schema.infer(pandas.DataFrame({"at": texts, "w": np.arange(60) % 7}))
    found, holes = holes_filled(texts, schema, texts)
    assert [text for text in found[holes] if not re.fullmatch(form, text)] == []
    again, want = (pandas.to_datetime(pandas.Series(each)[holes], utc=True) for each in (found.tolist(), texts))
    assert (again - want).abs().max() < pandas.Timedelta("1min 1s")  # of float32
