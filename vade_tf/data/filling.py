"""A table with its missing cells filled in; every other cell stays as it came."""

import re
from collections import Counter
from collections.abc import Callable, Iterable

import numpy as np
import pandas
from pandas.api import types

from vade_tf.data.cells import COMMA, key_of, read_numbers, short, sign_of, without_blanks
from vade_tf.data.columns import Column
from vade_tf.data.dates import (
    DAY,
    ISO,
    SPANS,
    are_iso,
    is_duration,
    iso_writer,
    read_dates,
    read_spans,
    without_categories,
)
from vade_tf.data.schema import Schema
from vade_tf.data.schema_words import NAMED

ZONED = r"(?:[+-]\d\d:?\d\d|[Zz])\s*$"  # a date with a time zone


def filled(table: pandas.DataFrame, schema: Schema, x: np.ndarray) -> pandas.DataFrame:
    """Fill the missing cells of a table.

    Args:
        table: rows [n, any columns], among them those of the schema; numbers and dates that are written as texts come
            out as plain ones. A column keeps its type where that can hold what is filled in.
        schema: of the columns to fill.
        x: what goes there, features [n, D], see `Schema.decode`.

    Returns:
        A table of the same rows and columns.
    """
    means, whole = _means(schema, x), table.copy(deep=False)
    places = _places(table)
    for column in schema.columns:
        place = places[str(column.name)]
        cells = _filled(column, without_blanks(table.iloc[:, place], column.levels), means[column.name])
        whole.isetitem(place, cells.set_axis(table.index))
    return whole


def left_empty(blocks: Iterable[pandas.DataFrame], schema: Schema) -> list[str]:
    """A sentence where rows of a table lack cells in columns that training left out, which nothing fills; else none."""
    dropped, empty = {str(name) for name in schema.dropped}, Counter[str]()
    for block in blocks:
        for name, place in _places(block).items():
            if name in dropped:
                empty[name] += int(without_blanks(block.iloc[:, place]).isna().sum())
    found = [f"{short(name)!r} ({count:,})" for name, count in empty.items() if count]
    more = f" and {len(found) - NAMED:,} more" if len(found) > NAMED else ""
    listed = ", ".join(found[:NAMED])
    return [f"missing cells stay in columns that training left out: {listed}{more}"] if found else []


def _places(table: pandas.DataFrame) -> dict[str, int]:
    """Where each column is, by its name as a text; of those called alike the first."""
    return {str(name): place for place, name in reversed(list(enumerate(table.columns)))}


def _means(schema: Schema, x: np.ndarray) -> pandas.DataFrame:
    """`Schema.decode` without the levels that only say that it is none of the others."""
    x, ends = np.array(x, np.float64), np.cumsum([column.width for column in schema.columns])
    x[:, [end - 1 for column, end in zip(schema.columns, ends, strict=True) if column.rest]] = -np.inf
    return schema.decode(x)


def _filled(column: Column, cells: pandas.Series, means: pandas.Series) -> pandas.Series:
    cells = without_categories(cells) if column.kind == "date" else cells
    empty, loose = cells.isna().to_numpy(), types.is_object_dtype(cells.dtype) or types.is_string_dtype(cells.dtype)
    texts = loose and any(isinstance(cell, str) for cell in cells)
    decimals = loose and types.infer_dtype(cells, skipna=True) == "decimal"  # real numbers, also where none is missing
    if not empty.any() and not (texts or decimals):
        return cells
    if column.kind == "number" and loose:
        return pandas.Series(np.where(empty, means, _read(column, cells)[0]))
    if column.kind == "date" and types.is_object_dtype(cells.dtype) and types.infer_dtype(cells, skipna=True) == "date":
        return cells.astype(object).where(~empty, means.dt.round("D").dt.date.set_axis(cells.index))
    if column.kind == "date" and (texts or (loose and _zone(cells) is None)):
        stamps = np.round(np.nan_to_num(_read(column, cells)[0]) * DAY).astype("int64").astype("M8[us]")
        days = pandas.Series(np.where(empty, means.to_numpy("M8[us]"), stamps))
        zoned = texts and cells.map(lambda cell: isinstance(cell, str) and bool(re.search(ZONED, cell))).any()
        return days.dt.tz_localize("UTC") if zoned else days
    if not empty.any():
        return cells
    if column.kind == "number" and is_duration(cells):
        means = pandas.Series(np.round(means.to_numpy(np.float64) * DAY).astype("int64").astype("m8[us]"))
    if column.kind == "date" and isinstance(cells.dtype, pandas.PeriodDtype):
        means = means.dt.to_period(cells.dtype.freq)
    elif column.kind == "date" and (zone := _zone(cells)) is not None:
        means = means.dt.tz_localize("UTC").dt.tz_convert(zone)
    if column.levels:
        means = _own(column, cells, means)
    whole = cells.astype(object).where(~empty, means.astype(object).set_axis(cells.index))
    measured = column.kind == "number" and not is_duration(cells)
    if measured and types.is_integer_dtype(cells.dtype) and (means[empty] % 1 != 0).any():  # Arrow would cut it off
        return whole.astype("float64")
    try:
        typed = whole.astype(cells.dtype)
    except (TypeError, ValueError, NotImplementedError):  # such as a mean between decimals; the last is Arrow's
        return whole.astype("float64") if measured else whole.infer_objects()
    return whole.infer_objects() if typed.isna().any() else typed  # a category that is none of the column's own


def _read(column: Column, cells: pandas.Series) -> tuple[np.ndarray, str]:
    """Cells of a column of numbers or dates, which were encoded before, as such, and how they are written."""
    found = (read_dates if column.kind == "date" else read_numbers)(cells, column.form)
    assert found is not None
    return found[0], column.form or found[1]


def _zone(cells: pandas.Series):
    """The time zone of dates, or of the first of them among objects; None where they have none."""
    first = cells[cells.notna()].iloc[:1].tolist() if types.is_object_dtype(cells.dtype) else [cells.dtype]
    return next((getattr(each, "tz", None) or getattr(each, "tzinfo", None) for each in first), None)


def _own(column: Column, cells: pandas.Series, means: pandas.Series) -> pandas.Series:
    """Levels as the values that stand for them in a column where these are no texts: intervals, days, 0 and 1."""
    found = cells.dtype.categories if isinstance(cells.dtype, pandas.CategoricalDtype) else cells.dropna().unique()
    values = [value for value in found if not isinstance(value, str)]
    own, levels = dict(zip(column.places(values), values, strict=True)), means.tolist()
    places = column.places(levels)
    return pandas.Series([own.get(place, level) for place, level in zip(places, levels, strict=True)], dtype=object)


def as_written(table: pandas.DataFrame, schema: Schema) -> pandas.DataFrame:
    """What `Schema.decode` gives, its numbers with decimal commas where new ones are read so: 2.683 would be 2683."""
    for column in schema.columns:
        if column.kind == "number" and column.form.endswith(COMMA):
            table[column.name] = [_number(value, column.form) for value in table[column.name]]
    return table


class Written:
    """The cells of a table as they are written in its file, to be filled where they are missing.

    Args:
        cells: texts [n, any columns], among them those of the schema.
        table: the same rows and columns as pandas read them.
        schema: of the columns to fill.
    """

    def __init__(self, cells: pandas.DataFrame, table: pandas.DataFrame, schema: Schema):
        self.cells, self.schema = cells, schema
        self.holes: dict[int, np.ndarray] = {}  # of the columns by their places, bool [n]
        self.write: dict[int, Callable[[pandas.Series], list[str]]] = {}
        places = _places(table)
        for column in schema.columns:
            place = places[str(column.name)]
            values = without_blanks(table.iloc[:, place], column.levels)
            self.holes[place] = values.isna().to_numpy()
            self.write[place] = _writer(column, values, cells.iloc[:, place])

    def filled(self, start: int, x: np.ndarray) -> pandas.DataFrame:
        """Rows from `start` on, filled by features [rows, D] (see `Schema.decode`) as their column is written."""
        whole, means = self.cells[start : start + len(x)].copy(), _means(self.schema, x)
        for (place, holes), column in zip(self.holes.items(), self.schema.columns, strict=True):
            empty = holes[start : start + len(x)]
            texts = whole.iloc[:, place].to_numpy(object, copy=True)
            texts[empty] = self.write[place](means[column.name][empty])
            whole.isetitem(place, texts)
        return whole


def _writer(column: Column, values: pandas.Series, texts: pandas.Series) -> Callable[[pandas.Series], list[str]]:
    """What writes cells of a column as its file does, whose cells were read as `values` and are `texts` there."""
    form = _read(column, values)[1] if column.kind in ("number", "date") else ""
    if form == SPANS and not np.isnan(read_spans(texts[values.notna()])).any():
        return lambda means: [str(pandas.Timedelta(float(mean), "D").round("us")) for mean in means]
    if column.kind == "number":
        signed = _signed(sign_of(form), texts[values.notna()])
        return lambda means: [signed(_number(float(mean), form)) for mean in means]
    if column.kind == "date":
        known = texts[values.notna()]
        if form in ("", ISO) or are_iso(known):  # which other forms may stand in for
            return iso_writer(known)
        step = "s" if "%S" in form else "min" if "%M" in form else "D"
        return lambda means: means.dt.round(step).dt.strftime(form).tolist()
    levels = values.drop_duplicates().dropna()
    written = dict(zip(column.places(levels.tolist()), texts.loc[levels.index], strict=True))
    return lambda means: [
        written.get(place, key_of(level)) for place, level in zip(column.places(list(means)), means, strict=True)
    ]


def _signed(sign: str, texts: pandas.Series) -> Callable[[str], str]:
    """What puts the sign of a column's form, if it has one, where the first text with it has it."""
    text = next((text.strip() for text in texts if sign and sign in text), "")
    if not text:
        return lambda number: number
    if text.endswith(sign):
        behind = text[len(text[:-1].rstrip()) :]
        return lambda number: number + behind
    return lambda number: ("-" if number.startswith("-") else "") + sign + number.removeprefix("-")


def _number(value: float, form: str) -> str:
    """A number as text, with a decimal comma where the form has one."""
    text = np.format_float_positional(value, trim="-") if form else str(value)
    return text.replace(".", ",") if form.endswith(COMMA) else text
