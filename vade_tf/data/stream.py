"""Rows that stay in their file: read in order, a block at a time, as often as asked.

What was read is given back at once: a memory map that is kept would count as memory of the process, page by page.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas

from vade_tf.reading import plain_array

STRIDE = 65_536  # rows that are read together where only some of them are wanted


class ArrayRows:
    """The rows of a .npy file: `x[rows]` as of the array itself, images as rows, uint8 or float32 [n, D].

    Args:
        file: the file, with an array [n, D] or [n, height, width, ...].

    Raises:
        ValueError, OSError: as `reading.plain_array`; or it is no array of rows of numbers.
    """

    def __init__(self, file: Path):
        self.file = file
        found = self._mapped()
        if found.ndim < 2 or 0 in found.shape or found.dtype.kind not in "biuf":
            raise ValueError(f"expected numbers, n rows of D features, got {found.dtype} of shape {found.shape}")
        self.shape = (len(found), int(np.prod(found.shape[1:])))
        self.dtype = np.dtype(np.uint8 if found.dtype == np.uint8 else np.float32)

    def _mapped(self) -> np.ndarray:
        return plain_array(self.file, mmap_mode="r")

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows) -> np.ndarray:
        if isinstance(rows, slice) and (rows.step or 1) > 1:
            return _strided(self, rows)
        part = self._mapped()[rows]
        return np.array(part.reshape(len(part), -1), self.dtype, order="C")


class NamedRows:
    """The rows of an array as a table: `table[start:stop]` is a DataFrame.

    Args:
        rows: [n, number of names].
        names: of its columns.
    """

    def __init__(self, rows: ArrayRows, names: list):
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
        return _strided(self, rows)


def _strided(x: ArrayRows | TableRows, rows: slice) -> np.ndarray:
    """Every so many rows, found among those read together: a map that is touched here and there stays as a whole."""
    start, stop, step = rows.indices(len(x))
    starts = range(start, stop, STRIDE // step * step or step)
    return np.concatenate([x[i : min(i + starts.step, stop)][::step].copy() for i in starts])  # no view of them all
