"""A .parquet table that does not fit in memory -> its features in a .npy file of the cache, written once.

The columns are looked at on rows at even distances (`SAMPLE` of them), then the table is coded a block at a time.
"""

import hashlib
import json
import shutil
from collections.abc import Collection
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pandas

from vade_tf.data import parquet
from vade_tf.data.fetch import cache_folder, sweep
from vade_tf.data.parquet import ParquetTable
from vade_tf.data.schema import Schema
from vade_tf.data.shards import FileRows
from vade_tf.data.stream import encoded
from vade_tf.errors import InputError, StorageError
from vade_tf.machine import rows_together, spans
from vade_tf.storage import locked, whole, write_whole, writing

SAMPLE = 100_000  # rows that say what the columns are
BLOCK = 65_536  # rows coded together, at most
RESERVE = 1 << 26  # bytes of a disk that a copy leaves free
LARGEST, DENSEST = 10**9, 10_000  # bytes of a copy, in all or for each byte of the file: one of these has to do
CODING = 3  # of the rules by which a schema codes rows; copies that were made by others are not used


def sampled(file: Path, asked: Collection[str] = ()) -> pandas.DataFrame:
    """Rows of a table at even distances, at most SAMPLE; their index says which they are.

    asked: names of columns that are read even where pandas has written its index in them.
    """
    table = ParquetTable(file)
    if asked and (index := [name for name in table.index if name in asked]):
        table = ParquetTable(file, [*table.columns, *index])
    every = -(-len(table) // SAMPLE)
    together = rows_together(len(table.columns) or 1, BLOCK)
    starts = range(0, len(table), max(together // every, 1) * every)
    parts = [table[i : i + starts.step].iloc[::every].copy() for i in starts]  # a view would keep the whole block
    found = pandas.concat(parts, ignore_index=True)
    return found.set_axis(pandas.RangeIndex(0, len(found) * every, every))


def column(file: Path, name: str) -> pandas.Series:
    """One column of a table, as a whole."""
    return parquet.read(file, [name]).reset_index().iloc[:, -1]  # pandas may call it by a number, or it is its index


def converted(file: Path, schema: Schema) -> tuple[FileRows, list[str]]:
    """The features of a table, and what there is to say: first where they are, then of its cells.

    Args:
        file: the .parquet file.
        schema: how it is coded.

    Raises:
        InputError: a cell cannot be that column's, or the file claims far more rows than it has bytes for.
        StorageError: the cache cannot be written, or has no room.
    """
    found = file.stat()
    facts = [CODING, str(file.resolve()), found.st_size, found.st_mtime_ns, schema.to_dict()["columns"]]
    name = hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]
    target = cache_folder() / "converted" / f"{name}.npy"
    beside = target.with_suffix(".json")  # what was said of the cells when they were coded

    def is_there() -> bool:
        return target.is_file() and beside.is_file()

    if not is_there():
        with ExitStack() as stack:
            with writing(target.parent):
                target.parent.mkdir(parents=True, exist_ok=True)
                stack.enter_context(locked(target.parent / ".lock", wait=True))  # or one sweeps another's work away
            sweep(target.parent)
            if not is_there():
                write_whole(beside, json.dumps(_write(file, schema, target)).encode())
    rows = FileRows.open(target)
    size = target.stat().st_size / 1e9
    told = f"{file.name}: its {len(rows):,} rows are read from a copy in float32, {target} ({size:.1f} GB)"
    return rows, [told, *json.loads(beside.read_bytes())]


def _write(file: Path, schema: Schema, target: Path) -> list[str]:
    """Writes the features of a table; what there is to say of its cells."""
    table = ParquetTable(file, [str(column.name) for column in schema.columns])
    shape = (len(table), len(schema.features))
    check_size(file, size := 4 * shape[0] * shape[1])
    _check_room(file, target.parent, size)
    header = {"descr": "<f4", "fortran_order": False, "shape": shape}
    notes: list[str] = []
    x = encoded(table, schema, notes.extend)
    with whole(target) as stream:
        np.lib.format.write_array_header_1_0(stream, header)
        for rows in spans(*shape, BLOCK):
            stream.write(np.ascontiguousarray(x[rows], "<f4").data)
    return notes


def check_size(file: Path, size: int) -> None:
    """Raises InputError where a copy of so many bytes would be far more than its file holds."""
    stored = file.stat().st_size
    if size > (most := max(LARGEST, DENSEST * stored)):
        raise InputError(
            f"data: expected a table of at most {most / 1e9:,.1f} GB in float32, as {file} has {stored:,} bytes, "
            f"got one of {size / 1e9:,.1f} GB; choose columns"
        )


def _check_room(file: Path, folder: Path, size: int) -> None:
    """Raises StorageError where a copy of so many bytes would fill the disk."""
    free = shutil.disk_usage(folder).free
    if size > free - RESERVE:
        raise StorageError(
            f"data: {file} takes {size / 1e9:,.1f} GB as float32 in {folder}, where {free / 1e9:,.1f} GB are free; "
            "make room there, or name another folder by VADE_TF_HOME"
        )
