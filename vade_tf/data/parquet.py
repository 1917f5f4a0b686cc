"""A .parquet file as a table that stays in its file and is read in order, some rows at a time."""

from collections.abc import Collection, Iterator
from pathlib import Path

import pandas
import pyarrow
import pyarrow.parquet

from vade_tf.data.rows import STRIDE, check_unchanged, state
from vade_tf.machine import memory

BYTES_A_CELL = 48  # while a table is read and coded, at most: it was measured
MAX_ROWS_SAMPLED = 100_000  # that say what the columns of a large table are
NESTED = "it holds lists or records; --column clusters by the vectors of one"


class ParquetTable:
    """The rows of a .parquet file: `table[start:stop]` is a DataFrame; quick where each begins at the end of the last.

    Args:
        columns: names of those to read; None: all but lists, records and the index that pandas has written,
        also: unless they are among these.

    Attributes:
        dropped: {name: reason} of the columns that are not read unless they are asked for.
    """

    def __init__(self, file: Path, columns: list[str] | None = None, also: Collection[str] = ()):
        self.file = file
        with pyarrow.parquet.ParquetFile(file) as opened:
            self.length, self.schema = opened.metadata.num_rows, opened.schema_arrow
        nested = [field.name for field in self.schema if pyarrow.types.is_nested(field.type)]
        noted = (self.schema.pandas_metadata or {}).get("index_columns", ())
        index = [name for name in noted if isinstance(name, str)]
        reasons = dict.fromkeys(index, "an index of pandas") | dict.fromkeys(nested, NESTED)
        self.dropped = {name: reason for name, reason in reasons.items() if name not in also}
        wanted = [name for name in self.schema.names if name not in self.dropped] if columns is None else columns
        self.columns = [name for name in self.schema.names if name in wanted]
        self._empty = pyarrow.schema([self.schema.field(name) for name in self.columns]).empty_table()
        self._found = state(file)
        self._begin()

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, rows: slice) -> pandas.DataFrame:
        start, stop, _ = rows.indices(self.length)
        stop = max(start, stop)
        if start < self._at or start == 0:
            self._begin()
        self._take(start - self._at)
        found = self._take(stop - start).to_pandas(ignore_metadata=True, integer_object_nulls=True)
        return found.set_axis(pandas.RangeIndex(start, stop))

    def sampled(self) -> pandas.DataFrame:
        """All rows, or of more than fit in memory some at even distances; the index says which they are."""
        if BYTES_A_CELL * len(self) * len(self.columns) <= memory():
            return self[:]
        every = -(-len(self) // MAX_ROWS_SAMPLED)
        step = max(STRIDE // every, 1) * every
        parts = [self[i : i + step].iloc[::every].copy() for i in range(0, len(self), step)]  # a view would keep all
        found = pandas.concat(parts, ignore_index=True)
        return found.set_axis(pandas.RangeIndex(0, len(found) * every, every))

    def _begin(self) -> None:
        """Go to the first row."""
        opened = pyarrow.parquet.ParquetFile(self.file, pre_buffer=False)
        self._batches: Iterator[pyarrow.RecordBatch] = opened.iter_batches(STRIDE, columns=self.columns)
        self._at, self._rest = 0, self._empty  # the next row; what was read and not given yet

    def _take(self, number: int) -> pyarrow.Table:
        """The next rows."""
        parts = [self._empty]
        self._at += number
        while number:
            if not len(self._rest):
                check_unchanged(self.file, self._found)
                self._rest = pyarrow.Table.from_batches([next(self._batches)])
            parts.append(self._rest.slice(0, number))
            self._rest = self._rest.slice(len(parts[-1]))
            number -= len(parts[-1])
        return pyarrow.concat_tables(parts)
