"""The cells of a column -> the `Column` that they make, or the reason why it is left out.

Every rule reads the cells alone, never a label. Knows no file and no table.
"""

import re
from dataclasses import replace

import numpy as np
import pandas
from pandas.api import types

from vade_tf.data.columns import (
    MAX_VALUE,
    Column,
    Level,
    date_form,
    examples,
    is_texts,
    key_of,
    plain,
    read_dates,
    read_numbers,
    without_missing,
)
from vade_tf.errors import InputError

MAX_LEVELS = 100  # of a category; the rarer ones are joined
REST = "other"  # the level that joins them
MANY_TEXTS = 50  # different texts, of more than half of the rows: names or sentences, no categories
MIN_COUNTED_ROWS = 10  # so many rows in steps of one are an index and no chance
IDENTIFYING_SHARE = 0.9  # of different values that a column called an identifier has
MAX_ROUNDING = 1e-3  # between two numbers of float32, as a share of a column's standard deviation
_IDENTIFIER = re.compile(r"([iI][dD]|(?i:index|row_?id)|.*([_. -][iI][dD]|[a-z](Id|ID)))")


def infer(name: str | int, values: pandas.Series, argument: str, first: bool = False) -> Column | str:
    """The column that these values [n] make, or why it is left out.

    Args:
        name: of the column.
        values: all its cells, [n].
        argument: what an error names.
        first: whether it is the first of its table, where an index without a name stands.

    Raises:
        InputError: a number that is not finite.
    """
    values = without_missing(values)
    missing = int(values.isna().sum())
    held = len(values) - missing
    if not held:
        return "it has no value"
    if isinstance(values.dtype, pandas.CategoricalDtype) and values.dtype.ordered and values.nunique() > 1:
        return Column(name, "ordered", tuple(map(plain, values.dtype.categories)), missing)
    numbers, found = pandas.factorize(values)
    if len(found) < 2:
        return f"its value is always {examples(found)}" if not missing else f"its only value is {examples(found)}"
    named = isinstance(values.dtype, pandas.CategoricalDtype)
    v = None if named or types.is_bool_dtype(values.dtype) else _all_numbers(values)
    if reason := _identifier(name, values, v, len(found), held, first):
        return reason
    if v is not None and (np.abs(v) > MAX_VALUE).any():
        raise InputError(argument, f"finite numbers below 1e30 in column {name!r}", repr(np.nanmax(np.abs(v))))
    if len(found) == 2 and v is not None:
        return Column(name, "boolean", _in_order(found), missing)
    if v is not None:
        return _with_offset(Column(name, "number", missing=missing), v[~np.isnan(v)])
    form = _form_of_dates(values, found)
    if form is not None:
        days = read_dates(values, form or "ISO8601")
        return Column(name, "date", missing=missing, offset=float(np.nanmedian(days)), form=form)
    if len(found) == 2:
        return Column(name, "boolean", _in_order(found), missing)
    if len(found) > max(MANY_TEXTS, held / 2):
        return f"{len(found):,} different {'categories' if named else 'texts'} in {held:,} rows"
    if len(found) <= MAX_LEVELS:
        return Column(name, "category", _in_order(found), missing)
    counts = pandas.Series(np.bincount(numbers[numbers >= 0]), [key_of(value, True) for value in found])
    common = counts.groupby(level=0).sum().sort_values(ascending=False, kind="stable").index
    levels = {key_of(value, True): plain(value) for value in found}
    kept = [levels[key] for key in common[: MAX_LEVELS - 1] if key != REST]
    return Column(name, "category", (*_in_order(kept), REST), missing, rest=True)


def _all_numbers(values: pandas.Series) -> np.ndarray | None:
    """Cells as numbers, float64 [n], NaN where they are missing; None where one is no number."""
    v = read_numbers(values)
    return None if (np.isnan(v) & values.notna().to_numpy()).any() else v


def _form_of_dates(values: pandas.Series, found: list) -> str | None:
    """How dates are written, "" where they are no texts; None where cells are no dates."""
    texts = [value.strip() for value in found if isinstance(value, str)]
    if texts:
        plain_texts = len(texts) == len(found) and not isinstance(values.dtype, pandas.CategoricalDtype)
        return (date_form(texts) or None) if plain_texts else None
    return "" if types.infer_dtype(found, skipna=True) in ("date", "datetime", "datetime64", "period") else None


def _identifier(
    name: str | int, values: pandas.Series, v: np.ndarray | None, different: int, held: int, first: bool
) -> str:
    """Why a column says which row it is and nothing of what is in it; "" where it does not."""
    step = values.index.step if isinstance(values.index, pandas.RangeIndex) else 1  # of rows at even distances
    if v is not None and held == len(v) >= MIN_COUNTED_ROWS and v[0] in (0, 1) and (np.diff(v) == step).all():
        return f"it counts the rows from {v[0]:g}"
    names = is_texts(values) if v is None else bool(np.all(np.nan_to_num(v) % 1 == 0))
    unnamed = first and (str(name).strip() == "" or str(name).startswith("Unnamed:"))
    if unnamed and names and different == held:
        return "an index: the first column, without a name, with another value in each row"
    called = isinstance(name, str) and _IDENTIFIER.fullmatch(name.strip())
    if called and names and different >= IDENTIFYING_SHARE * held:
        return f"an identifier: {different:,} different values in {held:,} rows"
    return ""


def _with_offset(number: Column, v: np.ndarray) -> Column:
    """The column as it is, or counted from its median where float32 would round values: times in milliseconds, say."""
    if np.spacing(np.float32(np.abs(v).max())) <= MAX_ROUNDING * v.std():
        return number
    return replace(number, offset=float(np.median(v)))


def _in_order(values: list) -> tuple[Level, ...]:
    """Different levels, numbers by their size, all else by their text."""
    levels = list({key_of(value, True): plain(value) for value in values}.values())
    numbers = all(isinstance(level, int | float) for level in levels)
    return tuple(sorted(levels) if numbers else sorted(levels, key=str))
