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
from vade_tf.data.rows import FileRows, SparseRows, TableRows, plain_array
from vade_tf.data.schema import Schema
from vade_tf.data.tables import Dialect, read_like
from vade_tf.data.texts import Texts
from vade_tf.errors import InputError, check_form, warn_units
from vade_tf.model.choice import check_units
from vade_tf.runs.assignments import numbered
from vade_tf.runs.folder import Run

_tell = partial(warn_units, stacklevel=2)  # of who calls the function that calls it


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
    written: pandas.DataFrame | None = None

    def blocks(self, size: int) -> Iterator[Block]:
        """All rows once, in their order."""
        for start in range(0, len(self.x), size):
            stop = min(start + size, len(self.x))
            table = None if self.table is None else self.table[start:stop]
            x = self.x.encode(table) if isinstance(self.x, TableRows) else np.asarray(self.x[start:stop])
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
    file, kind = locate(data)
    if kind == ".npy" and labels is None and id is None:
        found = _of_array(schema, file, run.data.get("image_shape"))
    elif kind in (*tables.TEXTS, ".parquet") and (schema is None or isinstance(schema, Schema)):
        dialect = Dialect.of(run.config)
        found = _of_table(dialect, schema, file, kind, labels, id, run.config.id, whole, typed)
    else:
        likelihood, more = model.likelihood.name, as_in_training(run)
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
    dialect: Dialect,
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
    columns: list[str] = []
    if kind == ".parquet":
        stored = tables.parquet_table(file)
        asked = (labels, id, usual_id, *own)
        index = [name for name in stored.index if name in asked or (whole and not name.startswith("__index_level_"))]
        columns = [*stored.columns, *index]
        table = tables.parquet_table(file, columns)[:1]  # what there is to say of its columns
        if whole and (nested := [name for name in stored.dropped if name not in stored.index]):
            _tell([f"left out, as they hold lists or records: {nested}"])
    else:
        as_written = [name for name in (labels, id, usual_id) if name is not None and name not in own]
        table = read_like(file, dialect, schema, as_written)
    table = table.rename(columns=str)
    tables.check_columns(table, {"labels": [labels] if labels else [], "id": [id] if id else []}, file)
    id = usual_id if id is None and usual_id in table else id
    features = table.drop(columns={labels, id} - {None} - set(own))
    if schema is None:
        schema = Schema.numbers(features, "data")
    if kind == ".parquet":
        _tell(schema.ignored(list(features)))  # of its cells, when they are read
        needed = columns if whole else [str(column.name) for column in schema.columns] + ([id] if id else [])
        stored = tables.parquet_table(file, needed)
        return Incoming(TableRows(stored, schema, _tell), stored, id)
    x, notes = schema.encode(features, "data")
    _tell(notes)
    if not whole:
        return Incoming(x, table, id)
    cells = tables.read_text(file, dialect, as_written=list(table)).rename(columns=str)
    if typed:
        return Incoming(x, cells.assign(**{name: table[name] for name in own}), id)
    return Incoming(x, table, id, cells)


def as_in_training(run: Run) -> dict[str, Any]:
    """What `load_file` is told, so that new rows are read as those of a run."""
    declared = () if run.config.image_shape == () else None
    shape, dialect = run.data.get("image_shape"), Dialect.of(run.config)
    return {"schema": run.schema, "image_shape": shape, "declared": declared, "dialect": dialect}


def with_names(data: str, run: Run, labels: str | None, likelihood: str, **more) -> Dataset:
    """`load_file`, with the names that the run's column of them gives, where the file has it and it is complete."""
    usual, columns = run.config.id, list[str]()
    if usual is not None:
        file, kind = locate(data)
        if kind in (*tables.TEXTS, ".parquet"):
            columns = tables.column_names(file, more["dialect"])
    if usual in columns:
        try:
            return load_file(data, labels, likelihood, id=usual, **more)
        except InputError as error:
            if not str(error).startswith("id: "):
                raise
    return load_file(data, labels, likelihood, **more)
