"""New rows for a finished run: a file, checked against what the model was trained on, then read a block at a time.

A .npy or a .parquet file is never in memory as a whole; what other files hold is.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import pandas

from vade_tf.data import tables
from vade_tf.data.dataset import Coded, Dataset
from vade_tf.data.files import load_file, locate
from vade_tf.data.options import Dialect, FileOptions
from vade_tf.data.rows import FileRows, SparseRows, TableRows, plain_array
from vade_tf.data.schema import Schema
from vade_tf.data.tables import read_text
from vade_tf.errors import InputError, check_form, warn_units
from vade_tf.machine import rows_together
from vade_tf.model.units import check_units
from vade_tf.runs import assignments
from vade_tf.runs.folder import Run

_tell = partial(warn_units, stacklevel=2)  # of who calls the function that calls it


class Incoming(NamedTuple):
    """Rows that the model of a run can take."""

    x: np.ndarray | SparseRows | FileRows | TableRows  # raw features [n, D], uint8 or float32
    table: Any = None  # the rows as they came: a DataFrame, what `TableRows` reads, or None where they were no table
    names: pandas.Series | str | None = None  # of the rows [n], or their column in the table; None: numbers

    def blocks(self) -> Iterator[tuple[pandas.Series | pandas.Index, np.ndarray, pandas.DataFrame | None]]:
        """All rows once, in their order: what they are called, raw features [m, D], and the table if it was one."""
        size = rows_together(self.x.shape[1], assignments.MAX_ROWS_TOGETHER)
        for start in range(0, len(self.x), size):
            stop = min(start + size, len(self.x))
            table = None if self.table is None else self.table[start:stop]
            x = self.x.encode(table) if isinstance(self.x, TableRows) else np.asarray(self.x[start:stop])
            if isinstance(self.names, pandas.Series):
                names = self.names.iloc[start:stop]
            else:
                numbers = pandas.RangeIndex(start, stop, name="row")
                names = numbers if self.names is None or table is None else table[self.names]
            yield names, x, table


def opened(
    run: Run, model: keras.Model, data: str, labels: str | None = None, id: str | None = None, whole: bool = False
) -> Incoming:
    """The rows of a file for the model of a finished run, coded by its schema.

    Args:
        run, model: of the run.
        data: the file, see `data.files.load_file`.
        labels: column that is no feature, where the run has no schema.
        id: column that names the rows; default: that of the run, if the table has it.
        whole: keep all columns of a table, not only those that the model needs.

    Raises:
        InputError: the rows cannot be read, or do not fit the model.
    """
    schema = run.schema
    file, kind = locate(data)
    if kind == ".npy" and labels is None and id is None:
        found = _of_array(schema, file, run.data.get("image_shape"))
    elif (
        run.config.column is None
        and kind in (*tables.TEXTS, ".parquet")
        and (schema is None or isinstance(schema, Schema))
    ):
        found = _of_table(run, schema, file, kind, labels, id, whole)
    else:
        dataset = load_new(run, data, labels, id)
        _tell(dataset.notice.splitlines())
        names = None if dataset.ids is None else pandas.Series(dataset.ids, name=id or run.config.id or "id")
        found = Incoming(dataset.x, None, names)
    check_rows(run, model, found.x, data)
    return found


def check_rows(run: Run, model: keras.Model, x, data: str) -> None:
    """Raises InputError unless rows of a file are as wide as those of a run; warns where they have other units."""
    width, schema = run.data["features"], run.schema
    if x.shape[1] != width:
        raise InputError("data", f"{width} features, as {run.path} has", f"{x.shape[1]} in {data}")
    check_units(model, x, f"data: {data}", schema.measured if isinstance(schema, Schema) else None)


def _of_array(schema: Coded | None, file: Path, image_shape: list[int] | None) -> Incoming:
    rows = FileRows.open(file)
    check_form(rows.row_shape, image_shape, f"data: {file}")
    if not isinstance(schema, Schema):
        return Incoming(rows)
    table = tables.named_columns(plain_array(file), schema, file)
    x, notes = schema.encode(table, "data")
    _tell(notes)
    return Incoming(x, table)


def _of_table(
    run: Run, schema: Schema | None, file: Path, kind: str, labels: str | None, id: str | None, whole: bool
) -> Incoming:
    own = [str(column.name) for column in schema.columns] if schema else []
    dialect, usual = Dialect.of(run.config), run.config.id
    if kind == ".parquet":
        stored = tables.parquet_table(file)
        columns = [*stored.columns, *{labels, id, usual, *own}.intersection(stored.dropped)]
        table = tables.parquet_table(file, columns)[:1]  # what there is to say of its columns
    else:
        others = tables.column_names(file, dialect) if whole else [labels, id, usual]
        table = read_text(file, dialect, schema, [name for name in others if name is not None and name not in own])
    table = table.rename(columns=str)
    tables.check_columns(table, {"labels": [labels] if labels else [], "id": [id] if id else []}, file)
    id = usual if id is None and usual in table else id
    features = table.drop(columns={labels, id} - {None} - set(own))
    if schema is None:
        schema = Schema.numbers(features, "data")
    if kind != ".parquet":
        x, notes = schema.encode(features, "data")
        _tell(notes)
        return Incoming(x, table, id)
    _tell(schema.ignored(list(features)))  # of its cells, when they are read
    needed = columns if whole else [str(column.name) for column in schema.columns] + ([id] if id else [])
    rows = tables.parquet_table(file, needed)
    return Incoming(TableRows(rows, schema, _tell), rows, id)


def load_new(run: Run, data: str, labels: str | None, id: str | None = None) -> Dataset:
    """`load_file` for rows that are read as those of a run; its column of names is used where the file has it."""
    dialect, usual = Dialect.of(run.config), run.config.id
    if id is None and usual is not None:
        file, kind = locate(data)
        if kind in (*tables.TEXTS, ".parquet") and usual in tables.column_names(file, dialect):
            id = usual
    shape = run.data["image_shape"]
    image_shape = None if shape is None else tuple(shape)
    column = run.config.column if Path(data).suffix.lower() == ".parquet" else None
    options = FileOptions(labels, run.data["kind"], column=column, id=id, image_shape=image_shape, dialect=dialect)
    return load_file(data, options, schema=run.schema, trained_shape=shape)
