"""A .parquet file of any length as a table that stays in its file: read in order, some rows at a time, by pyarrow."""

from collections.abc import Collection, Iterator
from pathlib import Path

import numpy as np
import pandas
import pyarrow
import pyarrow.parquet

BATCH = 65_536  # rows that are read together


class ParquetTable:
    """The rows of a .parquet file: `table[start:stop]` is a DataFrame; quick where each begins at the end of the last.

    Args:
        file: the file.
        columns: names of those to read; default all.
        exact: names of those whose whole numbers stay such where cells are missing; default none, they become real.

    Raises:
        pyarrow.ArrowException, OSError: it cannot be read.
    """

    def __init__(self, file: Path, columns: list[str] | None = None, exact: Collection[str] = ()):
        self.file = file
        with pyarrow.parquet.ParquetFile(file) as opened:
            self.length = opened.metadata.num_rows
            self.columns = [name for name in opened.schema_arrow.names if columns is None or name in columns]
            fields = [opened.schema_arrow.field(name) for name in self.columns]
            holes = _columns_with_holes(opened.metadata)
        # pandas makes whole numbers real ones where a cell is missing: in every block, if in any
        whole = ({field.name for field in fields if pyarrow.types.is_integer(field.type)} & holes).difference(exact)
        self.schema = pyarrow.schema([f.with_type(pyarrow.float64()) if f.name in whole else f for f in fields])
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
        read = pyarrow.Table.from_batches(parts, None if parts else self.schema)
        return read.cast(self.schema, safe=False).to_pandas(integer_object_nulls=True)

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


def _columns_with_holes(metadata: pyarrow.parquet.FileMetaData) -> set[str]:
    """Names of the columns that may lack a cell."""
    found = set()
    for group in (metadata.row_group(i) for i in range(metadata.num_row_groups)):
        for column in (group.column(j) for j in range(group.num_columns) if group.num_rows):
            if column.statistics is None or column.statistics.null_count != 0:
                found.add(column.path_in_schema)
    return found
