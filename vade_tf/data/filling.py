"""A table with its missing cells filled in; every other cell stays as it came."""

from collections.abc import Iterable

import numpy as np
import pandas
from pandas.api import types

from vade_tf.data.columns import ISO, Column, is_texts, short, without_missing
from vade_tf.data.schema import Schema


def filled(
    table: pandas.DataFrame, schema: Schema, x: np.ndarray, written: pandas.DataFrame | None = None
) -> pandas.DataFrame:
    """Fill the missing cells of a table.

    Args:
        table: rows [n, any columns], among them those of the schema. A column keeps its type where that can hold what
            is filled in.
        schema: of the columns to fill.
        x: what goes there, features [n, D], see `Schema.decode`; no cell is filled with "other".
        written: the same cells as the texts that a file has; None: there is none.

    Returns:
        A table of the same rows and columns, of texts where `written` is given.
    """
    x, ends = np.array(x, np.float64), np.cumsum([column.width for column in schema.columns])
    x[:, [end - 1 for column, end in zip(schema.columns, ends, strict=True) if column.rest]] = -np.inf
    means = schema.decode(x).set_axis(table.index)
    whole = (table if written is None else written).copy(deep=False)
    places = {str(name): place for place, name in enumerate(table.columns)}
    for column in schema.columns:
        place, mean = places[str(column.name)], means[column.name]
        cells = without_missing(table.iloc[:, place])
        if (empty := cells.isna().to_numpy()).any():
            texts = None if written is None else written.iloc[:, place].where(~empty, _as_texts(column, mean))
            whole.isetitem(place, _filled(column, cells, empty, mean) if texts is None else texts)
    return whole


def _filled(column: Column, cells: pandas.Series, empty: np.ndarray, means: pandas.Series) -> pandas.Series:
    if isinstance(cells.dtype, pandas.CategoricalDtype):
        own = {str(level): level for level in cells.dtype.categories}
        means = means.astype(object).map(lambda level: own.get(str(level), level))
    elif column.kind == "number" and cells.dtype.kind == "m":
        means = pandas.to_timedelta(means, unit="D")
    elif column.kind == "date" and getattr(cells.dtype, "tz", None):
        means = means.dt.tz_localize("UTC").dt.tz_convert(cells.dtype.tz)
    elif column.kind == "date" and is_texts(cells):
        days = types.infer_dtype(cells, skipna=True) == "date"
        means = means.dt.round("D").dt.date if days else _as_texts(column, means)
    whole = cells.astype(object).where(~empty, means.astype(object))
    try:
        return whole.astype(cells.dtype)
    except (TypeError, ValueError):  # such as a fraction among whole numbers
        return whole.infer_objects()


def _as_texts(column: Column, means: pandas.Series) -> pandas.Series:
    """What is filled in, as texts: dates as those of the training were written."""
    if column.kind != "date":
        return means.astype(object).map(str)
    form = "%Y-%m-%d" if column.form in (ISO, "") else column.form
    return means.dt.round("s" if "%S" in form else "min" if "%M" in form else "D").dt.strftime(form)


def left_empty(blocks: Iterable[pandas.DataFrame], schema: Schema) -> list[str]:
    """A sentence where rows of a table lack cells in columns that training left out, which nothing fills; else none."""
    empty = dict.fromkeys(map(str, schema.dropped), 0)
    for block in blocks:
        for name in empty.keys() & set(block):
            empty[name] += int(without_missing(block[name]).isna().sum())
    found = ", ".join(f"{short(name)!r} ({count:,})" for name, count in empty.items() if count)
    return [f"missing cells stay in columns that training left out: {found}"] if found else []
