"""The cells of a column -> the `Column` that they make, or the reason why it is left out.

Every rule reads the cells alone, never a label. Knows no file and no table.
"""

import re

import numpy as np
import pandas
from pandas.api import types

from vade_tf.data.columns import (
    ISO,
    MAX_VALUE,
    Column,
    Level,
    date_form,
    is_texts,
    key_of,
    listed,
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
_IDENTIFIER = re.compile(r"|Unnamed: 0|(?i:index|(.*[_. -])?id)|.*[a-z]I[dD]")  # names of columns; "" is one


def infer(name: str | int, values: pandas.Series, argument: str) -> Column | str:
    """The column that these values [n] make, or why it is left out; an InputError where a number is not finite."""
    values = without_missing(values)
    missing = int(values.isna().sum())
    held = len(values) - missing
    if not held:
        return "it has no value"
    if isinstance(values.dtype, pandas.CategoricalDtype) and values.dtype.ordered and values.nunique() > 1:
        return Column(name, "ordered", tuple(map(plain, values.dtype.categories)), missing)
    numbers, found = pandas.factorize(values)
    if len(found) < 2:
        return f"its value is always {listed(found)}" if not missing else f"its only value is {listed(found)}"
    named = isinstance(values.dtype, pandas.CategoricalDtype)
    v = None if named or types.is_bool_dtype(values.dtype) else read_numbers(values)
    if v is not None and (np.isnan(v) & values.notna().to_numpy()).any():
        v = None  # one is no number
    if v is not None and held == len(v) >= MIN_COUNTED_ROWS and v[0] in (0, 1):
        step = values.index.step if isinstance(values.index, pandas.RangeIndex) else 1  # of rows at even distances
        if (np.diff(v) == step).all():
            return f"it counts the rows from {v[0]:g}"
    names = is_texts(values) if v is None else bool(np.all(np.nan_to_num(v) % 1 == 0))  # no fraction names a row
    if names and _IDENTIFIER.fullmatch(str(name).strip()) and len(found) >= IDENTIFYING_SHARE * held:
        return f"an identifier: {len(found):,} different values in {held:,} rows"
    if v is not None and (np.abs(v) > MAX_VALUE).any():
        raise InputError(argument, f"finite numbers below 1e30 in column {name!r}", repr(np.nanmax(np.abs(v))))
    if len(found) == 2 and v is not None:
        return Column(name, "boolean", _in_order(found), missing)
    if v is not None:
        v = v[~np.isnan(v)]
        near = np.spacing(np.float32(np.abs(v).max())) > MAX_ROUNDING * v.std()  # times in milliseconds, say
        return Column(name, "number", missing=missing, offset=float(np.median(v)) if near else 0.0)
    texts = [value.strip() for value in found if isinstance(value, str)]
    form = date_form(texts) if len(texts) == len(found) and not named else ""
    if form or types.infer_dtype(found, skipna=True) in ("date", "datetime", "datetime64"):
        days = read_dates(values, form or ISO)
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


def _in_order(values: list) -> tuple[Level, ...]:
    """Different levels, numbers by their size, all else by their text."""
    levels = list({key_of(value, True): plain(value) for value in values}.values())
    numbers = all(isinstance(level, int | float) for level in levels)
    return tuple(sorted(levels) if numbers else sorted(levels, key=str))
