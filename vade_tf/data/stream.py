"""Rows that stay in their file: read in order, a block at a time, as often as asked; .npy and .parquet of any length.

What was read is given back at once: a memory map that is kept would count as memory of the process, page by page.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas
import pyarrow
import pyarrow.parquet

from vade_tf.reading import plain_array

BATCH = 65_536  # rows of a .parquet file that are read together


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
        part = self._mapped()[rows]
        return np.array(part.reshape(len(part), -1), self.dtype, order="C")


class ParquetTable:
    """The rows of a .parquet file: `table[start:stop]` is a DataFrame; quick where each begins at the end of the last.

    Args:
        file: the file.
        columns: names of those to read; default all.

    Raises:
        pyarrow.ArrowException, OSError: it cannot be read.
    """

    def __init__(self, file: Path, columns: list[str] | None = None):
        self.file = file
        with pyarrow.parquet.ParquetFile(file) as opened:
            self.length = opened.metadata.num_rows
            self.columns = [name for name in opened.schema_arrow.names if columns is None or name in columns]
        self.at = 0
        self.batches: Iterator[pyarrow.RecordBatch] = iter(())
        self.rest: pyarrow.RecordBatch | None = None  # read, and not given yet

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, rows: slice) -> pandas.DataFrame:
        start, stop, _ = rows.indices(self.length)
        if start != self.at or start == 0:
            self._begin(start)
        parts, wanted = [], max(stop - start, 0)
        while wanted > 0:
            if self.rest is None or not self.rest.num_rows:
                self.rest = next(self.batches)
            parts.append(self.rest.slice(0, wanted))
            self.rest = self.rest.slice(parts[-1].num_rows)
            wanted -= parts[-1].num_rows
        self.at = max(start, stop)
        return pyarrow.Table.from_batches(parts).to_pandas()

    def _begin(self, row: int) -> None:
        """Go to a row: the next batch begins there."""
        opened = pyarrow.parquet.ParquetFile(self.file, pre_buffer=False, buffer_size=1 << 20)
        sizes = [opened.metadata.row_group(i).num_rows for i in range(opened.num_row_groups)]
        first = int(np.searchsorted(np.cumsum(sizes), row, side="right"))
        self.batches = opened.iter_batches(BATCH, row_groups=range(first, len(sizes)), columns=self.columns)
        skipped, self.rest = row - sum(sizes[:first]), None
        while skipped > 0:
            self.rest = next(self.batches)
            self.rest, skipped = self.rest.slice(skipped), skipped - self.rest.num_rows


class TableRows:
    """The features of a table, [n, D] float32, made when they are asked for: `x[start:stop]`, `x[::step]`.

    Args:
        table: has a length, and `table[start:stop]` gives a DataFrame: one itself, or a `ParquetTable`.
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
        starts = range(start, stop, BATCH // step * step or step)
        return np.concatenate([self[i : min(i + starts.step, stop)][::step] for i in starts])
