"""Rows of a table that stay in their file: read and coded in order, a block at a time, as often as asked."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas

from vade_tf.data.schema import Schema
from vade_tf.data.shards import FileRows
from vade_tf.errors import InputError
from vade_tf.machine import rows_together, spans

STRIDE = 65_536  # rows that are read together where only some of them are wanted, or one after the other all
MAX_NOTES = 5  # on the cells of a table


class NamedRows:
    """The rows of an array as a table: `table[start:stop]` is a DataFrame with these names of columns."""

    def __init__(self, rows: FileRows, names: list):
        self.rows = rows
        self.names = names

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, rows: slice) -> pandas.DataFrame:
        return pandas.DataFrame(self.rows[rows], columns=self.names)


class TableRows:
    """The features of a table, [n, D] float32, made when they are asked for: `x[start:stop]`, `x[::step]`.

    Args:
        table: has a length, and `table[start:stop]` gives a DataFrame: a `ParquetTable`, or a `NamedRows`.
        encode: (rows of the table, number of the first) -> their features.
        width: D.
    """

    dtype = np.dtype(np.float32)

    def __init__(self, table, encode: Callable[[pandas.DataFrame, int], np.ndarray], width: int):
        self.table = table
        self.encode = encode
        self.shape = (len(table), width)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice) -> np.ndarray:
        start, stop, step = rows.indices(len(self))
        if step == 1:
            return self.encode(self.table[start:stop], start)
        starts = range(start, stop, rows_together(self.shape[1], STRIDE) // step * step or step)
        return np.concatenate([self[i : min(i + starts.step, stop)][::step].copy() for i in starts])  # no view of all

    def whole(self) -> np.ndarray:
        """All of them, in memory."""
        found = np.empty(self.shape, self.dtype)
        for rows in spans(*self.shape, STRIDE):
            found[rows] = self[rows]
        return found


def encoded(table, schema: Schema, report: Callable[[list[str]], object]) -> TableRows:
    """The features of a table, each block coded by a schema when it is asked for.

    Args:
        table: as for `TableRows`.
        schema: how it is coded.
        report: is given notes on the cells of a block, each once, and no more than MAX_NOTES.
    """
    given: list[str] = []

    def encode(rows: pandas.DataFrame, start: int) -> np.ndarray:
        x, notes = schema.encode(rows.set_axis(pandas.RangeIndex(start, start + len(rows))), "data")
        new = [note for note in dict.fromkeys(notes) if note not in given][: MAX_NOTES - len(given)]
        given.extend(new)
        report(new)
        return x

    return TableRows(table, encode, len(schema.features))


def check_columns(shape: tuple[int, ...], schema: Schema, file: Path | str) -> None:
    """Raises InputError unless the array of a file has a column for each of a schema's."""
    if shape[1:] != (len(schema.columns),):
        expected = f"a table, or an array with its {len(schema.columns)} columns"
        raise InputError("data", expected, f"an array of shape {shape} in {file}")
