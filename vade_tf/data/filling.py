"""A table with its missing cells filled in; every other cell stays as it came."""

import numpy as np
import pandas

from vade_tf.data.cells import DAY, read_dates, read_numbers, without_blanks
from vade_tf.data.columns import Column
from vade_tf.data.schema import Schema


def filled(table: pandas.DataFrame, schema: Schema, x: np.ndarray) -> pandas.DataFrame:
    """Fill the missing cells of a table.

    Args:
        table: rows [n, any columns], among them those of the schema; numbers and dates that are written in a form of
            their own, such as with a decimal comma, come out as plain ones.
        schema: of the columns to fill.
        x: what goes there, features [n, D], see `Schema.decode`.

    Returns:
        A table of the same rows and columns.
    """
    means, whole = schema.decode(x), table.copy(deep=False)
    for column in schema.columns:
        place = [str(name) for name in table.columns].index(str(column.name))
        cells = _filled(column, without_blanks(table.iloc[:, place]), means[column.name])
        whole.isetitem(place, cells.set_axis(table.index))
    return whole


def _filled(column: Column, cells: pandas.Series, means: pandas.Series) -> pandas.Series:
    empty = cells.isna().to_numpy()
    if column.kind == "number" and cells.dtype.kind not in "iu":
        values = read_numbers(cells, column.form)
        assert values is not None  # it was encoded before
        return pandas.Series(np.where(empty, means, values[0]))
    if column.kind == "date":
        days = read_dates(cells, column.form)
        assert days is not None
        stamps = np.round(np.nan_to_num(days[0]) * DAY).astype("int64").astype("M8[us]")
        return pandas.Series(np.where(empty, means.to_numpy("M8[us]"), stamps))
    if not empty.any():
        return cells
    return cells.astype(object).where(~empty, means.astype(object).set_axis(cells.index)).infer_objects()
