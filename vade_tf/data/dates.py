"""Cells of a table as days, whatever type pandas gave them, or however a person wrote them.

Knows no column: what a cell is to be, the caller says.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

import numpy as np
import pandas
from pandas.api import types

DAY = np.timedelta64(1, "D") / np.timedelta64(1, "us")  # microseconds
_DAY_FORMS = {  # what the first text of a column begins with -> the forms that are tried, in this order
    r"\d{4}-\d{1,2}-\d{1,2}": ("%Y-%m-%d",),
    r"\d{4}/\d{1,2}/\d{1,2}": ("%Y/%m/%d",),
    r"\d{1,2}\.\d{1,2}\.\d{4}": ("%d.%m.%Y",),
    r"\d{1,2}/\d{1,2}/\d{4}": ("%m/%d/%Y", "%d/%m/%Y"),
    r"\d{1,2}-\d{1,2}-\d{4}": ("%d-%m-%Y", "%m-%d-%Y"),
    r"\d{1,2}-[A-Za-z]{3}-\d{4}": ("%d-%b-%Y",),
    r"\d{1,2} [A-Za-z]{3} \d{4}": ("%d %b %Y",),
    r"[A-Za-z]{3,9} \d{1,2}, \d{4}": ("%B %d, %Y", "%b %d, %Y"),
}
_TIME_FORMS = {  # what may follow
    "": "",
    r" \d{1,2}:\d{2}": " %H:%M",
    r" \d{1,2}:\d{2}:\d{2}": " %H:%M:%S",
    r" \d{1,2}:\d{2} [AaPp][Mm]": " %I:%M %p",
    r" \d{1,2}:\d{2}:\d{2} [AaPp][Mm]": " %I:%M:%S %p",
}
ISO = "ISO8601"  # the form of dates as ISO 8601 has them, as pandas calls it
SPANS = "0 days 01:13:17"  # the form of numbers that are spans of time, which may come as a number of days
FIRST = 10  # values of which one says what form the others may have
_ISO = re.compile(r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}.*)?")
_PARTS = re.compile(r"\d{4}-\d\d-\d\d(?:([T ])\d\d:\d\d(:\d\d(?:\.(\d+))?)?(\s?[Zz]|[+-]\d\d(?::?\d\d)?)?)?")
_SPAN = re.compile(r"-?[0-9]{1,5} days?( \+?[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?)?")
_FAR_DATE = re.compile(r"[+-]?[0-9]{4,5}-[0-9]{2}-[0-9]{2}([T ][0-9]{2}(:[0-9]{2}(:[0-9]{2}(\.[0-9]+)?)?)?)?")


def read_dates(values: pandas.Series, form: str | None = None) -> tuple[np.ndarray, str] | None:
    """Cells as days since 1970-01-01, float64 [n], NaN where they are missing, and how they are written; or None.

    Args:
        values: dates, or texts of dates.
        form: how they were written when the column was inferred, see `Column`; "" where they were no texts: then texts
            may have a form that has one meaning only. Default: found here.
    """
    held = values.notna().to_numpy()
    if not held.any():
        return np.full(len(values), np.nan), ""
    values = without_categories(values)
    if types.is_object_dtype(values.dtype) or types.is_string_dtype(values.dtype):
        values = values.map(_bare, na_action="ignore")  # among objects pandas sees days and periods here
        if values[held].isna().any():
            return None
    if types.is_datetime64_any_dtype(values.dtype):
        return _days(values), ""
    if types.is_numeric_dtype(values.dtype):
        return None
    if isinstance(values.dtype, pandas.PeriodDtype):
        return _first_days(values), ""
    cells = values[held]
    texts = (cell for cell in cells if isinstance(cell, str))  # other cells may be days, as openpyxl gives them
    first = next(texts, cells.iloc[0])
    if not isinstance(first, str):
        if types.infer_dtype(values, skipna=True) not in ("date", "datetime", "datetime64"):
            return None
        forms: tuple[str, ...] = (ISO,)
    else:
        forms = (form,) if form else _alone(first) if form == "" else _forms_of(first)
        if form == "" and not all(_alone(cell) for cell in cells.unique() if isinstance(cell, str)):
            return None
    if values.isin(("now", "today")).any():  # pandas would take the day on which it reads them
        return None
    for name in forms:
        days = _in_form(values, name)
        if not np.isnan(days[held]).any():
            return days, name if isinstance(first, str) else ""
    return None


def without_categories(values: pandas.Series) -> pandas.Series:
    """A column of pandas' categories as one of what these are; any other as it is."""
    categories = isinstance(values.dtype, pandas.CategoricalDtype)
    return values.astype(values.dtype.categories.dtype) if categories else values


def _bare(cell):
    """A text without spaces around it; no number, which pandas would take for a text or for seconds."""
    return cell.strip() if isinstance(cell, str) else None if isinstance(cell, (int, float, np.number)) else cell


def among(values: list) -> tuple[np.ndarray, str]:
    """Which of these values are dates in one form, bool [n], and this form: that of one of the first.

    Where this may have several forms, it is the one that most have; "" where none of the first looks like a date.
    """
    texts = pandas.Series([value.strip() if isinstance(value, str) else None for value in values], dtype=object)
    forms = next((forms for text in texts.dropna()[:FIRST] if (forms := _forms_of(text))), ())
    texts = texts.mask(texts.isin(("now", "today")))
    read = [(~np.isnan(_in_form(texts, form)), form) for form in forms]
    return max(read, key=lambda one: one[0].sum(), default=(np.zeros(len(values), bool), ""))


def _forms_of(text: str) -> tuple[str, ...]:
    """The forms that a text of a date may have."""
    found: tuple[str, ...] = (ISO,) if _ISO.fullmatch(text) else ()
    for day, forms in _DAY_FORMS.items():
        for time, clock in _TIME_FORMS.items():
            if re.fullmatch(day + time, text):
                found += tuple(form + clock for form in forms)
    return found


def _alone(text: str) -> tuple[str, ...]:
    """The form of a text of a date that has one meaning only, whatever stands beside it; () of any other."""
    forms = _forms_of(text)
    if _FAR_DATE.fullmatch(text.removesuffix("Z")) or ISO in forms:
        return (ISO,)
    return forms if len(forms) == 1 else ()


def _in_form(values: pandas.Series, form: str) -> np.ndarray:
    """Cells as days, NaN where they are missing, or no dates of this form or of ISO 8601, which has one meaning."""
    stamps = pandas.to_datetime(values, format=form, errors="coerce", utc=True)
    days = _days(stamps)
    strange = (stamps.isna() & values.notna()).to_numpy()  # pandas 2 counts nanoseconds, to the year 2262
    numbers, found = pandas.factorize(values[strange])
    days[strange] = np.array([_far(cell, form) for cell in found], np.float64)[numbers]
    return days


def _far(cell, form: str) -> float:
    """A date of this form, or of ISO 8601, in whatever year, as days; NaN where it is none."""
    try:
        if isinstance(cell, str) and _FAR_DATE.fullmatch(cell.removesuffix("Z")):
            cell = cell.removesuffix("Z")
        elif isinstance(cell, str):  # NumPy takes "12" for a year and "Today" for today
            cell = datetime.strptime(cell, form)
        return float(in_days(np.array([cell], "M8[us]").astype("m8[us]"))[0])
    except (TypeError, ValueError):
        return np.nan


def _days(stamps: pandas.Series) -> np.ndarray:
    if getattr(stamps.dtype, "tz", None) is not None:
        stamps = stamps.dt.tz_convert("UTC").dt.tz_localize(None)
    if str(stamps.dtype).startswith(("date32", "date64")):  # of Arrow, whose empty cells NumPy does not know
        stamps = stamps.astype("datetime64[us]")
    return in_days(stamps.to_numpy("M8[us]").astype("m8[us]"))


def _first_days(periods: pandas.Series) -> np.ndarray:
    """Where each period begins; by the day, if nanoseconds do not reach it, as the year 9999 for what has no end."""
    try:
        return _days(periods.dt.to_timestamp())
    except pandas.errors.OutOfBoundsDatetime:
        days = periods.dt.asfreq("D", how="start")
        return np.array([np.nan if pandas.isna(day) else float(day.ordinal) for day in days])


def is_duration(values: pandas.Series) -> bool:
    """Whether cells are spans of time, which count as days."""
    return getattr(values.dtype, "kind", "") == "m"


def read_spans(values: pandas.Series) -> np.ndarray:
    """Texts of spans of time, as pandas writes them (see `SPANS`), as days, float64 [n]; NaN: it is none."""
    spans = [cell.strip() if isinstance(cell, str) and _SPAN.fullmatch(cell.strip()) else None for cell in values]
    return in_days(pandas.to_timedelta(pandas.Series(spans, dtype=object)).to_numpy("m8[us]"))


def in_days(micros: np.ndarray) -> np.ndarray:
    """Spans of time, m8[us], as days, float64; NaN where they are missing."""
    return np.where(np.isnat(micros), np.nan, micros.astype("int64") / DAY)


def are_iso(texts: Iterable[str]) -> bool:
    """Whether most of these texts, which are dates, are such of ISO 8601."""
    found = [_PARTS.fullmatch(text.strip()) is not None for text in texts]
    return 2 * sum(found) > len(found)


def iso_writer(texts: Iterable[str]) -> Callable[[pandas.Series], list[str]]:
    """What writes stamps in UTC, M8[us] [n], as the dates of a column in ISO 8601 are written.

    Args:
        texts: these dates: days where none has a time; else with the letter between day and time that most of them
            have, seconds where one has them, the most digits of a fraction, and the zone of the first that has one.
    """
    parts = [match.groups() for text in texts if (match := _PARTS.fullmatch(text.strip())) and match[1]]
    if not parts:
        return lambda stamps: stamps.dt.round("D").dt.strftime("%Y-%m-%d").tolist()
    letter = Counter(part[0] for part in parts).most_common(1)[0][0]
    clock, digits = "%H:%M:%S" if any(part[1] for part in parts) else "%H:%M", max(len(part[2] or "") for part in parts)
    zone = next((part[3] for part in parts if part[3]), "")
    step = f"{10 ** max(6 - digits, 0)}us" if "%S" in clock else "min"

    def write(stamps: pandas.Series) -> list[str]:
        stamps = stamps.dt.round(step) + _ahead(zone)
        whole = stamps.dt.strftime(f"%Y-%m-%d{letter}{clock}")
        if digits:
            whole += "." + stamps.dt.microsecond.map("{:06}".format).str[:digits].str.ljust(digits, "0")
        return (whole + zone).tolist()

    return write


def _ahead(zone: str) -> timedelta:
    """How far a zone as "+05:30" is ahead of UTC."""
    digits = re.sub(r"\D", "", zone).ljust(4, "0")
    ahead = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return -ahead if zone.startswith("-") else ahead
