"""Files of tables, and of texts of one line each -> a data set. New rows are coded as the first."""

import gzip
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas
import scipy.sparse

from vade_tf.data import arrays, tables
from vade_tf.data.dataset import COUNTS, Coded, Dataset
from vade_tf.data.download import cache_folder
from vade_tf.data.genes import Genes
from vade_tf.data.observations import build
from vade_tf.data.schema import Schema
from vade_tf.data.shards import FileRows, stays_in_file
from vade_tf.data.stream import NamedRows, TableRows, check_columns, encoded
from vade_tf.data.tables import Dialect
from vade_tf.data.texts import Texts, lines_of, texts_of
from vade_tf.errors import InputError
from vade_tf.machine import spans

MAX_ROWS_CODED = 65_536  # together


def load(
    file: Path, kind: str, labels, likelihood: str, asked: dict, declared, schema, plain: bool, in_file: bool
) -> Dataset:
    """The rows of a table's file.

    Args:
        file: of a kind of `tables.TEXTS`, or .parquet.
        kind: the ending of its name.
        labels, likelihood, declared, schema, plain, in_file: as for `files.load_file`.
        asked: what else it is told of the columns: {"columns", "drop", "id", "text", "transform", "dialect"}.

    Raises:
        InputError: the table does not hold what is asked for, or its cells cannot be coded as `schema` says.
    """
    columns, drop = (tables.names_in(asked[name], name) for name in ("columns", "drop"))
    others = {"labels": labels, "id": asked["id"]}
    own = [str(column.name) for column in schema.columns] if isinstance(schema, Schema) else []
    source, dropped = None, {}
    if kind == ".parquet":
        source = tables.parquet_table(file)
        dropped = source.dropped
        if flagged := {*columns, *own, labels, asked["id"], asked["text"]}.intersection(dropped):
            source = tables.parquet_table(file, [*source.columns, *flagged])
        table = source.sampled()
    else:
        as_written = [name for name in (labels, asked["id"], asked["text"]) if name is not None and name not in own]
        table = read_like(file, asked["dialect"], schema, as_written)
    about: dict = {"name": file.name.removesuffix(tables.ending(file)), "source": str(file), "likelihood": likelihood}
    x, reasons = tables.pick(table, columns, drop, others, file)
    found = {
        argument: None if name is None else _column(file, source, table, name) for argument, name in others.items()
    }
    y, ids = (None if v is None else tables.complete(v, k, file).to_numpy(str) for k, v in found.items())
    if asked["text"] is not None:
        tables.check_columns(table, {"text": [asked["text"]]}, file)
        texts = texts_of(_column(file, source, table, asked["text"]))
        return _texts(texts, asked["text"], y, schema, {**about, "ids": ids})
    x = x.assign(**{name: table[name] for name in own if name in reasons and name in table})
    about |= {"ids": ids, "image_shape": declared}
    if isinstance(schema, Genes):
        return build(schema.of_table(x), y, schema=schema, **about)
    if not isinstance(schema, Schema | None):
        raise InputError("data", f"rows as in training ({schema.describe()[0]})", f"the table {file}")
    notes: list[str] = []
    if schema is not None:
        coding = schema
    else:
        if declared or plain:
            coding = Schema.numbers(x, "data")
        elif likelihood in COUNTS:
            coding = Schema.counted(x, "data")
        else:
            coding = Schema.infer(x, "data", asked["transform"])
        coding = replace(coding, dropped={**coding.dropped, **dropped, **reasons})
        notes = [] if plain else coding.describe()
    schema = None if plain and schema is None else coding
    if source is not None and (in_file or len(x) < len(source) or stays_in_file(len(x), len(coding.features), "f4")):
        needed = [str(column.name) for column in coding.columns]
        rows = encoded(tables.parquet_table(file, needed), coding, notes.extend)
        features = in_a_file(rows) if in_file or stays_in_file(*rows.shape, "f4") else rows.whole()
        notes.append(f"what the columns are was seen on {len(x):,} of the rows" if len(x) < len(source) else "")
    else:
        features, more = coding.encode(x, "data")
        notes += more
    return build(features, y, schema=schema, notice="\n".join(filter(None, notes)), **about)


def read_like(file: Path, dialect: Dialect | None, schema: Coded | None, as_written: list[str]) -> pandas.DataFrame:
    """A text file's table, in which columns that held texts in the training hold texts. Args: as `tables.read_text`."""
    columns = schema.columns if isinstance(schema, Schema) else ()
    levels = [str(column.name) for column in columns if column.has_texts]
    return tables.read_text(file, dialect or Dialect(), levels, as_written)


def load_lines(file: Path, labels, likelihood: str, schema) -> Dataset:
    """The texts of a file, one a line. Args and Raises: as for `load`."""
    opened: Any = gzip.open if file.suffix.lower() == ".gz" else open
    with opened(file, "rt", encoding="utf-8-sig", newline="\n") as stream:
        texts = pandas.Series(lines_of(stream), dtype=object)
    about: dict = {"name": file.name.removesuffix(tables.ending(file)), "source": str(file), "likelihood": likelihood}
    return _texts(texts, "", arrays.read_labels(labels), schema, about)


def has_column(file: Path, name: str) -> bool:
    """Whether a text file is a table with a column of this name."""
    try:
        return name in tables.column_names(file, Dialect())
    except ValueError:  # it is no table
        return False


def coded_array(x, schema: Schema, path: str) -> tuple[np.ndarray, list[str]]:
    """An array with a column for each of a run's columns, coded like these; and what there is to say of its cells."""
    x = x.reshape(len(x), -1) if isinstance(x, np.ndarray) and x.ndim > 2 else x
    check_columns(x.shape, schema, path)
    columns = [column.name for column in schema.columns]
    if isinstance(x, FileRows):
        notes: list[str] = []
        return encoded(NamedRows(x.as_stored(), columns), schema, notes.extend).whole(), notes
    dense = x.toarray() if scipy.sparse.issparse(x) else x
    return schema.encode(pandas.DataFrame(dense, columns=columns), "data")


def in_a_file(rows: TableRows) -> FileRows:
    """Features that do not fit in memory, in a file of the cache folder that is gone when they are."""
    cache_folder().mkdir(parents=True, exist_ok=True)
    folder = TemporaryDirectory(prefix="rows-", dir=cache_folder())
    file = Path(folder.name) / "x.npy"
    found = np.lib.format.open_memmap(file, "w+", "<f4", rows.shape)
    for some in spans(*rows.shape, MAX_ROWS_CODED):
        found[some] = rows[some]
    found.flush()
    stored = FileRows.open(file)
    vars(stored)["folder"] = folder  # which lives as long as they do
    return stored


def _column(file: Path, source, table: pandas.DataFrame, name: str) -> pandas.Series:
    """A whole column of a table, of which only some rows may have been read."""
    return table[name] if source is None or len(source) == len(table) else tables.parquet_table(file, [name])[:][name]


def _texts(texts: pandas.Series, column: str, y, schema, about: dict) -> Dataset:
    if texts.empty:
        raise InputError("data", "texts", f"none in {about['source']}")
    if schema is None:
        schema = Texts.infer(texts, column)
        x = schema.encode(texts)
        notes = schema.describe() + schema.unknown(x)
    elif isinstance(schema, Texts):
        x = schema.encode(texts)
        notes = schema.unknown(x)
    else:
        raise InputError("text", "a run on texts", f"one on other rows, for {about['source']}")
    return build(x, y, schema=schema, notice="\n".join(notes), **about)
