"""The values of a column -> the `Column` that they make, or why it is left out.

Every rule reads the values alone, never a label. Knows no file and no table.
"""

import re
from collections.abc import Collection
from dataclasses import replace

import numpy as np
import pandas
from pandas.api import types

from vade_tf.data.cells import (
    COMPLEX,
    PLAIN,
    Level,
    are_codes,
    are_numbers,
    factorized,
    in_forms,
    key_of,
    plain,
    read_numbers,
    row_of,
    short,
    unsigned,
    without_blanks,
)
from vade_tf.data.columns import MOST, Column, day_as, examples
from vade_tf.data.dates import SPANS, among, read_dates, read_spans
from vade_tf.errors import InputError

MOST_LEVELS = 100  # of a category; the rarer ones are joined
REST = "other"  # the level that joins them
MANY_TEXTS = 50  # different texts, of more than half of the rows: names or sentences, no categories
COUNTED_ROWS = 10  # so many rows in steps of one are an index and no chance
IDENTIFYING = 0.9  # share of different values that a column called an identifier has
NEARLY = 0.9  # share of numbers in a column of numbers with slips, ...
FEW_WORDS, MANY_NUMBERS = 2, 40  # words such as "unknown", whatever their share, beside more different numbers
FEW_NUMBERS = 20  # ... which holds more different ones than a category such as 0, 1, 2, 3+
PARTS = 3  # dots or colons of a text at least that is an address or a version, and nobody's number or date
BLURRED = 1e-3  # between two numbers of float32, as a share of a column's standard deviation: more is too much

# Of a reason that goes on with how to write them
UNREAD = re.compile(r"[\d,]+ different texts in [\d,]+ rows \(|its only value is .* are empty; ")
_LIKE_A_NUMBER = re.compile(r"\W{0,2}\d[\d\s.,:/'-]*\D{0,4}")
_BOUND = re.compile(r"[<>≤≥]=?\s*[0-9]*[.,]?[0-9]+")  # of what is measured: below what can be detected, say
_CODE = re.compile(r"[A-Za-z]{1,3}[0-9][0-9.]*")  # as V45.1 among the diagnoses of ICD-9
_DATES = ("datetime64", "datetime", "date", "period")  # as pandas calls the types of an index
_IDENTIFIER = re.compile(r"([iI][dD]|(?i:index|row_?id)|.*([_. -][iI][dD]|[a-z](Id|ID)))")


def infer(
    name: str | int, values: pandas.Series, argument: str, first: bool = False, commas: bool = False
) -> Column | str:
    """The column that these values make.

    Args:
        name: of the column.
        values: all its cells, [n].
        argument: what an error names.
        first: whether it is the first of its table, where an index without a name stands.
        commas: whether a text such as "8,090" is rather a number with a decimal comma than thousands.

    Returns:
        The column, or why it is left out.

    Raises:
        InputError: cells that are neither numbers, texts, truth values nor dates; or a few that are no numbers among
            many that are.
    """
    values = without_blanks(values)
    missing = int(values.isna().sum())
    if missing == len(values):
        return "it has no value"
    if isinstance(values.dtype, pandas.CategoricalDtype) and values.dtype.ordered and values.nunique() > 1:
        ranks = {key_of(level): plain(level) for level in values.dtype.categories}
        return Column(name, "ordered", tuple(ranks.values()), missing)
    measures = isinstance(values.dtype, np.dtype) and values.dtype.kind in "iuf"  # millions of levels, which none reads
    shown = values.dropna().drop_duplicates().iloc[:3] if measures else values
    numbers, found = factorized(shown, f"{argument}: column {name!r}")
    if types.is_complex_dtype(values.dtype) or any(isinstance(value, COMPLEX) for value in found):
        raise InputError(f"{argument}: expected real numbers in column {name!r}, got complex ones; give their parts")
    levels = {key_of(value): plain(value) for value in found}
    if len(levels) < 2 and missing:  # as of what is ticked
        return f"its only value is {examples(levels.values())}, the others are empty; where that means no, write 0"
    if len(levels) < 2:
        return f"its value is always {examples(levels.values())}"
    categories = isinstance(values.dtype, pandas.CategoricalDtype)
    categories = categories and values.dtype.categories.inferred_type not in _DATES  # which are dates in any form
    named = categories or are_codes(found)
    measured = None if categories else read_numbers(values, commas=commas)
    held = len(values) - missing
    step = values.index.step if isinstance(values.index, pandas.RangeIndex) else 1  # of rows at even distances
    different = values.nunique() if measures else len(levels)
    if reason := _identifier(name, None if measured is None else measured[0], different, held, first, step):
        return reason
    if len(levels) == 2 and measured is not None and np.isinf(measured[0]).any():
        place = int(np.isinf(measured[0]).argmax())
        raise InputError(
            f"{argument}: expected finite numbers below 1e30 in column {name!r}, got {measured[0][place]} at row "
            f"{row_of(values, place)}; drop the row, or leave the cell empty"
        )
    if len(levels) == 2 and (measured is not None or named or not _are_two_times(values)):
        return Column(name, "boolean", tuple(_in_order(levels.values())), missing)
    if measured is not None and not named:
        number = Column(name, "number", missing=missing, form=measured[1])
        cells = measured[0][np.isfinite(measured[0]) & (np.abs(measured[0]) <= MOST)]
        return _with_offset(number, cells)
    if not named and (dates := read_dates(values)) is not None:
        return Column(name, "date", missing=missing, offset=float(np.nanmedian(dates[0])), form=dates[1])
    if not named:
        _check_nearly_numbers(name, values, found, argument)
        _check_nearly_times(name, values, found, argument)
    if len(levels) > max(MANY_TEXTS, held / 2):
        kind = "categories" if categories else "codes with a 0 in front" if named else "texts"
        hint = "" if categories or not named else " (amounts? write them without the 0)"
        return f"{len(levels):,} different {kind} in {held:,} rows{hint or _like(levels.values())}"
    if len(levels) <= MOST_LEVELS:
        return Column(name, "category", tuple(_in_order(levels.values())), missing)
    if not categories and (like := _like(levels.values(), unread=True)):
        return f"{len(levels):,} different texts in {held:,} rows{like}"
    counts = pandas.Series(np.bincount(numbers[numbers >= 0]), [key_of(value) for value in found])
    common = list(counts.groupby(level=0).sum().sort_values(ascending=False, kind="stable").index)
    kept = [levels[key] for key in common[: MOST_LEVELS - 1] if key != REST]
    return Column(name, "category", (*_in_order(kept), REST), missing, rest=True)


def _are_two_times(values: pandas.Series) -> bool:
    """Whether two different cells are two points in time, between which there are others, and not one."""
    dates = read_dates(values)
    return dates is not None and len(np.unique(dates[0][~np.isnan(dates[0])])) == 2


def _identifier(name, v: np.ndarray | None, different: int, held: int, first: bool, step: int) -> str:
    """Why a column says which row it is and nothing of what is in it; "" where it does not."""
    whole = v is not None and bool(np.all(np.nan_to_num(v) % 1 == 0))
    if v is not None and held == len(v) >= COUNTED_ROWS and v[0] in (0, 1) and (np.diff(v) == step).all():
        return f"it counts the rows from {v[0]:g}"
    unnamed = first and (str(name).strip() == "" or str(name).startswith("Unnamed:"))
    called = isinstance(name, str) and (unnamed or _IDENTIFIER.fullmatch(name.strip()))
    if unnamed and different == held and (v is None or whole):
        return "an index: the first column, without a name, with another value in each row"
    if unnamed and whole and v is not None and held == len(v) >= COUNTED_ROWS and v[0] in (0, 1) and step == 1:
        again = np.flatnonzero(np.diff(v) != 1) + 1  # where another table was put below
        if (v[again] == v[0]).all() and len(again) * COUNTED_ROWS <= len(v):
            return f"an index: the first column, without a name, which counts from {v[0]:g} time and again"
    if called and not unnamed and (v is None or whole) and different >= IDENTIFYING * held:
        return f"an identifier: {different:,} different values in {held:,} rows"
    return ""


def _check_nearly_numbers(name, values: pandas.Series, found: list, argument: str) -> None:
    """Raises InputError where a column of numbers has a few other cells: a slip, which is not guessed away."""
    forms = in_forms([unsigned(value) for value in found])
    numbers = forms[forms.sum(axis=1).argmax()]  # in the form that most have
    if numbers.sum() <= FEW_NUMBERS:
        return
    if numbers.all():
        with_sign = next(value for value in found if unsigned(value) is not value)
        raise InputError(
            f"{argument}: expected numbers with one sign, in nine of ten cells, or without any in column {name!r}, got "
            f"{short(with_sign)!r} beside others; write them in one way, or leave the column out"
        )
    words = [value for value, number in zip(found, numbers, strict=True) if not number]
    others = [word for word in words if not _BOUND.fullmatch(str(unsigned(word)).strip())]
    bound = next((word for word in words if word not in others), None)
    share = 1.0 if bound is not None and _are_few_words(others) else _share(others, numbers)
    todo = "" if bound is None else f"; give a bound such as {short(bound)!r} a value"
    if any(_CODE.fullmatch(str(word).strip()) for word in words):
        todo = f"{todo}; if all are codes, write a letter before the others, too"
    _check_few(name, values, words, argument, "a number", share, todo)


def _check_nearly_times(name, values: pandas.Series, found: list, argument: str) -> None:
    """Raises InputError where a column of dates or spans of time has a few other cells, as days that there are not."""
    dates, form = among(found)
    spans = ~np.isnan(read_spans(found))
    for times, what in ((dates, f"a date (as {day_as(form)})"), (spans, f"a span of time (as {SPANS})")):
        if times.sum() > FEW_NUMBERS:
            others = [value for value, time in zip(found, times, strict=True) if not time]
            _check_few(name, values, others, argument, what, _share(others, times))


def _share(others: list, read: np.ndarray) -> float:
    """The share of cells, at most, which these others are beside those that are read, bool [n], if they are slips."""
    return 0.5 if _are_few_words(others) and read.sum() > MANY_NUMBERS else 1 - NEARLY


def _are_few_words(cells: list) -> bool:
    return len(cells) <= FEW_WORDS and not re.search(r"\d", "".join(map(str, cells)))


def _check_few(
    name, values: pandas.Series, others: list, argument: str, what: str, share: float, todo: str = ""
) -> None:
    """Raises InputError where at most this share of the cells are these others, which are not what the rest is."""
    strange = values.isin(others)
    if strange.sum() <= share * values.notna().sum():
        place = int(strange.to_numpy().argmax())
        raise InputError(
            f"{argument}: expected {what} in every row of column {name!r}, as in most of them, got "
            f"{short(values.iloc[place])!r} at row {row_of(values, place)} ({int(strange.sum()):,} such cells); "
            f"correct them, leave them empty, or leave the column out{todo}"
        )


def _like(levels: Collection, unread: bool = False) -> str:
    """What most of these texts look like though they are not read as it; "" where they are just texts.

    unread: those that are numbers, in whatever form, do not count.
    """
    dates, form = among(list(levels))
    if len(levels) / 2 < dates.sum() < len(levels):
        other = next(level for level, date in zip(levels, dates, strict=True) if not date)
        return f" (dates beside {short(other)!r}? write it as {day_as(form)}, or leave such cells empty)"
    like = [level for level in levels if isinstance(level, str) and _LIKE_A_NUMBER.fullmatch(level)]
    like = [level for level in like if max(map(level.count, ".:")) < PARTS]
    if unread and like:
        like = [level for level, number in zip(like, are_numbers(like), strict=True) if not number]
    strange = next((level for level in like if not PLAIN.fullmatch(level.strip())), None)
    if strange is None or len(like) <= len(levels) / 2:
        return ""
    return f" (numbers or dates? write {short(strange)!r} as 1234.5 or 2020-12-31)"


def _with_offset(number: Column, v: np.ndarray) -> Column:
    """The column as it is, or counted from its median where float32 would blur values: times in milliseconds, say."""
    if not len(v) or np.spacing(np.float32(np.abs(v).max())) <= BLURRED * v.std():
        return number
    return replace(number, offset=float(np.median(v)))


def _in_order(levels) -> list[Level]:
    levels = list(levels)
    numbers = all(isinstance(level, (int, float)) for level in levels)
    return sorted(levels) if numbers else sorted(levels, key=str)
