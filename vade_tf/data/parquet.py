"""A .parquet file -> a table, as a whole, or of any length as one that stays in its file and is read in order.

A text is held once, however many cells have it: pyarrow would write it anew for each of them.
"""

import json
import re
from collections.abc import Collection, Iterator
from pathlib import Path

import numpy as np
import pandas
import pyarrow
import pyarrow.compute
import pyarrow.parquet

from vade_tf.data.shards import check_unchanged, state
from vade_tf.machine import check_memory, memory, rows_together

BATCH = 65_536  # rows that are read together, at most
BYTES = {"BOOLEAN": 1, "INT32": 4, "FLOAT": 4}  # of a value in memory; of all others 8 at least
OBJECTS = {"DECIMAL": 112, "DATE": 16, "TIME": 16}  # bytes of a cell for which pandas has an object of Python
TEXTS = 1 / 8  # of the machine's memory, which the texts of all cells may take, ...
LITTLE, EXPANDED = 1 << 28, 2000  # ... but no more than so many bytes, or times the length of the file


def read(file: Path, columns: list[str] | None = None) -> pandas.DataFrame:
    """The table of a file.

    Args:
        file: the file.
        columns: names of those to read; default all but those of lists and records.

    Raises:
        ValueError: it takes more memory than this machine has, or the texts of its cells far more than is stored, or a
            column holds lists or records.
        pyarrow.ArrowException, OSError: it cannot be read.
    """
    with pyarrow.parquet.ParquetFile(file) as opened:
        columns = _of_cells(opened.schema_arrow, columns)
        texts, size = _texts(opened.schema_arrow), _size(opened.metadata, columns)
        _check_packing(opened, columns)
    check_memory(size, file.name)
    table = pyarrow.parquet.read_table(file, columns=columns, read_dictionary=texts, pre_buffer=False)
    return _frame(table, texts, _most(file, size))


def rows_and_columns(file: Path) -> tuple[int, int]:
    """How many of each a .parquet file has."""
    about = pyarrow.parquet.read_metadata(file)
    return about.num_rows, about.num_columns


class ParquetTable:
    """The rows of a .parquet file: `table[start:stop]` is a DataFrame; quick where each begins at the end of the last.

    Args:
        file: the file.
        columns: names of those to read; default those that `read` gives and that are no index of pandas.
        exact: names of those whose whole numbers stay such where cells are missing, in a type of pandas that has such
            cells; default none, they become real.

    Attributes:
        index: names of the columns in which pandas has written the index of a table.
        left_out: names of the columns of lists and records, which are not read.

    Raises:
        ValueError: one of `columns` holds lists or records.
        pyarrow.ArrowException, OSError: it cannot be read.
    """

    def __init__(self, file: Path, columns: list[str] | None = None, exact: Collection[str] = ()):
        self.file, self._found = file, state(file.stat())
        with pyarrow.parquet.ParquetFile(file) as opened:
            self.length = opened.metadata.num_rows
            names, self.index = _of_cells(opened.schema_arrow, columns), _index(opened.schema_arrow)
            self.left_out = _no_cells(opened.schema_arrow)
            self.columns = [name for name in names if columns is not None or name not in self.index]
            self.texts, self.most = _texts(opened.schema_arrow), _most(file, _size(opened.metadata, names))
            _check_packing(opened, names)
            holes = _columns_with_holes(opened.metadata)
        with pyarrow.parquet.ParquetFile(file, read_dictionary=self.texts) as opened:
            schema = opened.schema_arrow  # which is made anew each time
        fields = [schema.field(name) for name in self.columns]
        # pandas makes whole numbers real ones where a cell is missing: in every block, if in any
        holed = [field for field in fields if pyarrow.types.is_integer(field.type) and field.name in holes]
        self.exact = {f.name: _with_holes(f.type) for f in holed if f.name in exact}
        whole = {f.name for f in holed}.difference(exact)
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
                self.rest = self._next()
            parts.append(self.rest.slice(0, wanted))
            self.rest = self.rest.slice(parts[-1].num_rows)
            wanted -= parts[-1].num_rows
        self.at = max(start, stop)
        read = pyarrow.Table.from_batches(parts, None if parts else self.schema)
        frame = _frame(read.cast(self.schema, safe=False), self.texts, self.most, integer_object_nulls=True)
        for name, kind in self.exact.items():
            frame[name] = frame[name].astype(kind)
        return frame

    def _next(self) -> pyarrow.RecordBatch:
        check_unchanged(self.file, self._found)
        return next(self.batches)

    def _begin(self, row: int) -> None:
        """Go to a row: the next batch begins there."""
        check_unchanged(self.file, self._found)
        how = {"read_dictionary": self.texts, "pre_buffer": False, "buffer_size": 1 << 20}
        opened = pyarrow.parquet.ParquetFile(self.file, **how)
        sizes = [opened.metadata.row_group(i).num_rows for i in range(opened.num_row_groups)]
        first = int(np.searchsorted(np.cumsum(sizes), row, side="right"))
        batch = rows_together(len(self.columns) or 1, BATCH)
        self.batches = opened.iter_batches(batch, row_groups=range(first, len(sizes)), columns=self.columns)
        skipped, self.rest = row - sum(sizes[:first]), None
        while skipped > 0:
            self.rest = self._next()
            self.rest, skipped = self.rest.slice(skipped), skipped - self.rest.num_rows


def _no_cells(schema: pyarrow.Schema) -> list[str]:
    """Names of the columns of lists and records: what all have in common is stored once, so their size is not known."""
    found = []
    for field in schema:
        kind = getattr(field.type, "storage_type", field.type)  # of a type that somebody added
        if pyarrow.types.is_nested(kind) or (kind is not field.type and _texts(pyarrow.schema([("", kind)]))):
            found.append(field.name)
    return found


def _of_cells(schema: pyarrow.Schema, columns: Collection[str] | None) -> list[str]:
    """Names of the columns that are asked for, default all of cells, in the order of the table.

    Raises:
        ValueError: one that is asked for holds lists or records.
    """
    several, asked = set(_no_cells(schema)), None if columns is None else set(columns)
    if asked is not None and (wrong := sorted(asked & several)):
        raise ValueError(f"{wrong[0][:40]} holds lists or records, which are no cells")
    return [name for name in schema.names if (name not in several if asked is None else name in asked)]


def _with_holes(kind: pyarrow.DataType) -> str:
    """The type of pandas for these whole numbers and missing cells: int64 -> Int64, uint8 -> UInt8."""
    return str(kind).replace("int", "Int").replace("u", "U")


def _columns_with_holes(metadata: pyarrow.parquet.FileMetaData) -> set[str]:
    """Names of the columns that may lack a cell."""
    found = set()
    for group in (metadata.row_group(i) for i in range(metadata.num_row_groups)):
        for column in (group.column(j) for j in range(group.num_columns) if group.num_rows):
            if column.statistics is None or column.statistics.null_count != 0:
                found.add(column.path_in_schema)
    return found


def _index(schema: pyarrow.Schema) -> list[str]:
    """Names of the columns in which pandas has written the index of a table; none where its note is damaged."""
    try:
        noted = (schema.pandas_metadata or {}).get("index_columns")
    except (ValueError, AttributeError):
        return []
    return [name for name in noted if isinstance(name, str)] if isinstance(noted, list) else []


def _texts(schema: pyarrow.Schema) -> list[str]:
    """Names of the columns of texts or bytes."""
    return [field.name for field in schema if re.fullmatch("(large_)?(string|binary)(_view)?", str(field.type))]


def _size(metadata: pyarrow.parquet.FileMetaData, columns: Collection[str] | None = None) -> int:
    """Bytes of a file's columns, unpacked, and of as many numbers; of those of these names alone, default all."""
    size, wanted = 0, None if columns is None else set(columns)
    for place in range(metadata.num_columns):
        kind = metadata.schema.column(place)
        each = kind.length if kind.physical_type == "FIXED_LEN_BYTE_ARRAY" else BYTES.get(kind.physical_type, 8)
        each = max(each, OBJECTS.get(kind.logical_type.type, 0))
        if wanted is None or kind.path in wanted:
            parts = (metadata.row_group(i).column(place) for i in range(metadata.num_row_groups))
            size += sum(max(part.total_uncompressed_size, each * part.num_values) for part in parts)
    return size


def _check_packing(opened: pyarrow.parquet.ParquetFile, columns: Collection[str]) -> None:
    """Raises ValueError where pyarrow cannot hold the texts of one of these columns once each, see the top."""
    schema, metadata = opened.schema_arrow, opened.metadata
    levels = [field.name for field in schema if pyarrow.types.is_dictionary(field.type)]
    texts = {*_texts(schema), *levels}.intersection(columns)
    for group in map(metadata.row_group, range(metadata.num_row_groups)):
        for column in map(group.column, range(group.num_columns)):
            kind = next((each for each in column.encodings if each.startswith("DELTA")), None)
            if kind is not None and column.path_in_schema in texts:
                raise ValueError(
                    f"texts of {column.path_in_schema!r} are packed as {kind}, which is not read; write the file again "
                    "by pandas.read_parquet(file).to_parquet(file)"
                )


def _most(file: Path, unpacked: int) -> int:
    """Bytes that the texts of all cells may take, of a file whose columns take so many unpacked."""
    return min(max(int(TEXTS * memory()), unpacked), max(LITTLE, EXPANDED * file.stat().st_size))


def _frame(table: pyarrow.Table, texts: Collection[str], most: int, **how) -> pandas.DataFrame:
    """A table of pyarrow, whose texts were read as numbers of different ones, with plain texts of so many bytes."""
    texts = set(texts)
    columns = [table.column(i) for i, name in enumerate(table.column_names) if name in texts]
    length = sum(_length(chunk) for column in columns for chunk in column.chunks)
    if length > most:
        raise ValueError(
            f"the texts of its cells take {length:,} bytes, expected {most:,} at most, by its "
            "length and this machine's memory"
        )
    frame = _with_texts(table).to_pandas(**how)
    for place, name in enumerate(frame.columns):
        if str(name) in texts:  # pandas had noted that names are whole numbers
            cells = frame.iloc[:, place]
            frame.isetitem(place, cells.astype(object).where(cells.notna(), None))
    return frame


def _with_texts(table: pyarrow.Table) -> pyarrow.Table:
    """A table whose columns are called by the texts that are stored, unless pandas has noted that these are numbers.

    Other notes it cannot read, as of periods, or makes tuples of several levels, which no one can ask for.
    """
    try:
        noted = table.schema.pandas_metadata or {}
        kinds = [level["pandas_type"] for level in noted.get("column_indexes", ())]
    except (ValueError, AttributeError, TypeError, KeyError):  # a damaged note
        return table
    if not kinds or (len(kinds) == 1 and str(kinds[0]).startswith(("int", "uint"))):
        return table
    return table.replace_schema_metadata({b"pandas": json.dumps({**noted, "column_indexes": []})})


def _length(cells: pyarrow.DictionaryArray) -> int:
    """Bytes of the texts of all cells."""
    lengths = pyarrow.compute.binary_length(cells.dictionary)
    return pyarrow.compute.sum(lengths.take(cells.indices)).as_py() or 0
