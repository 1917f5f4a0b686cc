"""New rows for a finished run: a file, checked against what the model was trained on, then read a block at a time.

A .npy or a .parquet file is never in memory as a whole; what other files hold is.
"""

import re
import reprlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import pandas

from vade_tf.data import tables
from vade_tf.data.cells import read_numbers, without_blanks
from vade_tf.data.checks import check_images
from vade_tf.data.dataset import Coded, Dataset
from vade_tf.data.files import load_file, readable
from vade_tf.data.filling import Written, left_empty
from vade_tf.data.gene_counts import check_alike
from vade_tf.data.genes import Genes
from vade_tf.data.schema import Schema
from vade_tf.data.shards import FileRows
from vade_tf.data.sparse import SparseRows
from vade_tf.data.stream import STRIDE, NamedRows, TableRows, check_columns, encoded
from vade_tf.data.table_files import as_coded, as_numbers
from vade_tf.data.texts import Texts
from vade_tf.errors import InputError, tell
from vade_tf.model.choice import check_units
from vade_tf.model.counts import Counts
from vade_tf.runs.assignments import numbered
from vade_tf.runs.folder import Run

_tell = partial(tell, stacklevel=2)  # of who calls the function that calls it


class Block(NamedTuple):
    """Some rows: what they are called, their raw features [m, D], and the table they came in, if it was one."""

    names: pandas.Series
    x: np.ndarray
    table: pandas.DataFrame | None


class Incoming(NamedTuple):
    """Rows that the model of a run can take.

    Attributes:
        x: raw features, [n, D], uint8 or float32; those of a `TableRows` are read when they are asked for.
        table: the rows as they came, or None where they were no table: a DataFrame, or what `TableRows` reads.
        names: what the rows are called, [n], or the column of the table that says it; None: they are numbered.
        written: the table as it is written in a text file, where that is asked for.
    """

    x: np.ndarray | SparseRows | FileRows | TableRows
    table: Any = None
    names: pandas.Series | str | None = None
    written: Written | None = None

    def blocks(self, size: int) -> Iterator[Block]:
        """All rows once, in their order."""
        for start in range(0, len(self.x), size):
            stop = min(start + size, len(self.x))
            table = None if self.table is None else self.table[start:stop]
            x = self.x.encode(table, start) if isinstance(self.x, TableRows) else np.asarray(self.x[start:stop])
            yield Block(self._names(table, start, stop), x, table)

    def _names(self, table: pandas.DataFrame | None, start: int, stop: int) -> pandas.Series | pandas.Index:
        if isinstance(self.names, pandas.Series):
            return self.names.iloc[start:stop]
        if self.names is None or table is None:
            return numbered(range(start, stop))
        return table[self.names]


def opened(
    run: Run,
    model: keras.Model,
    data: str,
    labels: str | None = None,
    id: str | None = None,
    whole: bool = False,
    typed: bool = False,
) -> Incoming:
    """The rows of a file for the model of a run.

    Args:
        run: finished; its schema says how a table is coded.
        model: that of the run.
        data: the file, see `data.files.load_file`.
        labels: column that is no feature, where the run has no schema.
        id: column that names the rows; default: that of the run, if the table has it.
        whole: keep all columns of a table, not only those that the model needs, and every cell as it came.
        typed: numbers of a text file's columns are numbers nevertheless, where the model needs them, or where they are
            written as pandas writes them.

    Raises:
        InputError: the rows cannot be read, or do not fit the model.
    """
    schema = run.schema
    with readable(data) as (file, kind):
        if kind == ".npy" and labels is None and id is None:
            found = _of_array(schema, file, run.data.get("image_shape"))
        elif kind in (*tables.TEXTS, ".parquet") and (schema is None or isinstance(schema, Schema)):
            found = _of_table(schema, file, kind, labels, id, run.config.id, whole, typed)
        else:
            likelihood, more = model.likelihood.name, as_in_training(run) | {"scored": False}
            if id is None and isinstance(schema, Texts) and schema.column:
                dataset = with_names(data, run, labels, likelihood, **more)
            else:
                dataset = load_file(data, labels, likelihood, id=id, **more)
            _tell(dataset.notice.splitlines())
            names = None if dataset.ids is None else pandas.Series(dataset.ids, name=id or run.config.id or "id")
            found = Incoming(dataset.x, None, names)
        check_rows(run, model, found.x, data)
    return found


def check_rows(run: Run, model: keras.Model, x, data: str) -> None:
    """Raises InputError unless rows of a file are as wide as those of a run; warns where they have other units."""
    width, schema = run.data["features"], run.schema
    if x.shape[1] != width:
        raise InputError(f"data: expected {width} features, as {run.path} has, got {x.shape[1]} in {data}")
    check_units(model, x, f"data: {data}", schema.measured if isinstance(schema, Schema) else None)
    if isinstance(schema, Genes) and not isinstance(model.likelihood, Counts):  # which tell it of every value
        check_alike(x, schema.counted, f"data: {data}")


def _of_array(schema: Coded | None, file: Path, image_shape: list[int] | None) -> Incoming:
    rows = FileRows.open(file)
    check_images((len(rows), *rows.row_shape), image_shape, f"data: {file}")
    if not isinstance(schema, Schema):
        return Incoming(rows)
    check_columns(rows.shape, schema, file)
    table = NamedRows(rows.as_stored(), [column.name for column in schema.columns])
    return Incoming(encoded(table, schema, _tell), table)


def _of_table(
    schema: Schema | None,
    file: Path,
    kind: str,
    labels: str | None,
    id: str | None,
    usual_id: str | None,
    whole: bool,
    typed: bool,
) -> Incoming:
    own = [str(column.name) for column in schema.columns] if schema else []
    if kind == ".parquet":
        read = tables.parquet_reader().ParquetTable
        stored = read(file)
        kept = [name for name in stored.index if name in (labels, id, usual_id, *own) or (whole and not _made_up(name))]
        columns = stored.columns + kept
        if whole and stored.left_out:
            _tell([f"left out, as they hold lists or records: {reprlib.repr(stored.left_out)}"])
        stored = read(file, columns) if kept else stored
        table, separator = stored[: min(len(stored), 1)], ""  # what there is to say of its columns
    else:
        texts = [name for name in (labels, id, usual_id) if name is not None]
        table, separator, notice, _ = as_coded(file, texts, schema)
        _tell(notice.splitlines())
    table = table.rename(columns=str)
    for argument, name in (("labels", labels), ("id", id)):
        if name is not None and name not in table:
            names = reprlib.repr(list(table))
            raise InputError(f"{argument}: expected one of the columns {names} of {file}, got {name!r}")
    id = usual_id if id is None and usual_id in table else id
    others = {labels, id} - {None} - set(own)
    features = table.drop(columns=others)
    if schema is None:
        features, schema = as_numbers(file, features, separator)
        x, notes = _numbers(features, schema)
    else:
        x, notes = schema.encode(features, "data")
    _tell(schema.ignored(list(features)) if kind == ".parquet" else notes)  # of its cells, when they are read
    if kind != ".parquet" and whole:
        _tell(left_empty([table], schema))
        cells = as_coded(file, None, schema).table.rename(columns=str)
        if typed:
            return Incoming(x, _with_types(cells, table, own), id)
        return Incoming(x, cells, id, Written(cells, table, schema))
    if kind != ".parquet":
        return Incoming(x, table, id)
    if whole and (out := [name for name in columns if name in {str(each) for each in schema.dropped}]):
        unused = read(file, out)
        _tell(left_empty((unused[i : i + STRIDE] for i in range(0, len(unused), STRIDE)), schema))
    needed = columns if whole else [str(column.name) for column in schema.columns] + ([id] if id else [])
    exact = tuple(name for name in needed if name not in own) if whole else () if id is None else (id,)
    stored = tables.parquet_reader().ParquetTable(file, needed, exact)
    return Incoming(encoded(stored, schema, _tell), stored, id)


def _numbers(table: pandas.DataFrame, schema: Schema) -> tuple[np.ndarray, list[str]]:
    """`Schema.encode` of a table that is all numbers; what an error tells to do where a column of it holds texts."""
    try:
        return schema.encode(table, "data")
    except InputError as error:
        if all(read_numbers(without_blanks(cells)) is not None for _, cells in table.items()):
            raise
        todo = "if the column names the rows or holds labels, say id=COLUMN or labels=COLUMN"
        raise InputError(f"{error}; {todo}") from error


def _with_types(cells: pandas.DataFrame, table: pandas.DataFrame, own: list[str]) -> pandas.DataFrame:
    """The texts of a table with what pandas read in place of those that lose nothing by it, and of the model's own."""
    found = table.copy(deep=False)
    for place, name in enumerate(table.columns):
        as_read = table.iloc[:, place].astype(object).map(str, na_action="ignore").astype(object).fillna("")
        if name not in own and not as_read.equals(cells.iloc[:, place].astype(object)):
            found.isetitem(place, cells.iloc[:, place])
    return found


def _made_up(name: str) -> bool:
    """Whether pandas has given this name to an index that had none."""
    return re.fullmatch(r"__index_level_\d+__", name) is not None


def as_in_training(run: Run) -> dict[str, Any]:
    """What `load_file` is told, so that new rows are read as those of a run."""
    declared = () if run.config.image_shape == () else None
    return {"schema": run.schema, "plain": True, "image_shape": run.data.get("image_shape"), "declared": declared}


def with_names(data: str, run: Run, labels: str | None, likelihood: str, **more) -> Dataset:
    """`load_file`, with the names that the run's column of them gives, where the file has it and it is complete."""
    usual, columns = run.config.id, list[str]()
    if usual is not None:
        with readable(data) as (file, kind):
            if kind == ".parquet":
                columns = tables.parquet_reader().ParquetTable(file).columns
            elif kind in tables.TEXTS:
                columns = tables.header(file, [usual])
    if usual in columns:
        try:
            return load_file(data, labels, likelihood, id=usual, **more)
        except InputError as error:
            if not str(error).startswith("id: "):
                raise
    return load_file(data, labels, likelihood, **more)
