"""A table with its missing cells filled in; every other cell stays as it came."""

import numpy as np
import pandas
from pandas.api import types

from vade_tf.data.cells import DAY, is_duration, read_dates, read_numbers, without_blanks
from vade_tf.data.columns import Column
from vade_tf.data.schema import Schema


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
    means, whole = schema.decode(x), table.copy(deep=False)
    for column in schema.columns:
        place = [str(name) for name in table.columns].index(str(column.name))
        cells = _filled(column, without_blanks(table.iloc[:, place], column.levels), means[column.name])
        whole.isetitem(place, cells.set_axis(table.index))
    return whole


def _filled(column: Column, cells: pandas.Series, means: pandas.Series) -> pandas.Series:
    empty, written = cells.isna().to_numpy(), types.is_object_dtype(cells.dtype) or types.is_string_dtype(cells.dtype)
    if column.kind == "number" and written:
        values = read_numbers(cells, column.form)
        assert values is not None  # it was encoded before
        return pandas.Series(np.where(empty, means, values[0]))
    if column.kind == "date" and written:
        days = read_dates(cells, column.form)
        assert days is not None
        stamps = np.round(np.nan_to_num(days[0]) * DAY).astype("int64").astype("M8[us]")
        return pandas.Series(np.where(empty, means.to_numpy("M8[us]"), stamps))
    if not empty.any():
        return cells
    if column.kind == "number" and is_duration(cells):
        means = pandas.Series(np.round(means.to_numpy(np.float64) * DAY).astype("int64").astype("m8[us]"))
    if column.kind == "date" and isinstance(cells.dtype, pandas.PeriodDtype):
        means = means.dt.to_period(cells.dtype.freq)
    elif column.kind == "date" and (zone := getattr(cells.dtype, "tz", None)) is not None:
        means = means.dt.tz_localize("UTC").dt.tz_convert(zone)
    whole = cells.astype(object).where(~empty, means.astype(object).set_axis(cells.index))
    try:
        typed = whole.astype(cells.dtype)
    except (TypeError, ValueError):  # such as a mean between whole numbers
        return whole.infer_objects()
    return whole.infer_objects() if typed.isna().any() else typed  # a category that is none of the column's own
