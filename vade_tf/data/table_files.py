"""Files of tables, and of texts of one line each -> a data set. New rows are coded as the first."""

import csv
import re
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas
import scipy.sparse

from vade_tf.data import arrays, tables
from vade_tf.data.cells import COMMA
from vade_tf.data.dataset import COUNTS, Coded, Dataset
from vade_tf.data.genes import Genes
from vade_tf.data.headers import are_numbered
from vade_tf.data.inferring import infer
from vade_tf.data.joint import may_have_dots
from vade_tf.data.observing import build
from vade_tf.data.schema import Schema
from vade_tf.data.shards import FileRows, stays_in_file
from vade_tf.data.stream import NamedRows, check_columns, encoded
from vade_tf.data.texts import LINES, MANY, UNSPACED, Texts, lines_of, texts_of, wordless
from vade_tf.errors import InputError, UnitsWarning, cited
from vade_tf.machine import TooLarge, memory, padded

CELL = 48  # bytes that a number takes, at most, while a .parquet table is read and coded: it was measured


def load(
    file: Path, kind: str, labels, likelihood: str, asked: dict, declared, schema, plain: bool, in_file: bool
) -> Dataset:
    """The rows of a table's file.

    Args:
        file: of a kind of `tables.TEXTS`, or .parquet.
        kind: the ending of its name.
        labels, likelihood, declared, schema, plain, in_file: as for `files.load_file`.
        asked: what else it is told of the columns: {"columns", "drop", "id", "text", "transform"}.

    Raises:
        InputError: the table does not hold what is asked for, or its cells cannot be coded as `schema` says.
    """
    for argument, name in (("labels", labels), ("id", asked["id"])):
        if name is not None and name == asked["text"]:
            raise InputError(f"text and {argument}: expected different columns, got {name!r} for both")
    codable = kind == ".parquet" and asked["text"] is None and isinstance(schema, Schema | None)
    features = {str(column.name) for column in schema.columns} if isinstance(schema, Schema) else set()
    columns, drop = (tables.names_in(asked[name], name) for name in ("columns", "drop"))
    if codable and (in_file or _is_large(file, schema)):
        return _from_file(file, labels, likelihood, asked, declared, schema, plain, in_file)
    index: list[str] = []
    if kind == ".parquet":
        separator, notice, header = "", "", list[str]()
        wanted = {labels, asked["id"], asked["text"], *columns, *drop, *features} - {None}
        try:
            table, several, index = tables.read_parquet(file, wanted)
        except TooLarge:  # as it is, with objects of Python; its features may be much less
            if not codable:
                raise
            return _from_file(file, labels, likelihood, asked, declared, schema, plain, in_file)
    else:
        as_texts = [name for name in (labels, asked["id"], asked["text"]) if name is not None]
        read = [name for name in as_texts if name not in features]
        try:
            (table, separator, notice, header), several = as_coded(file, read, schema), []
        except ValueError as error:
            # rows of different lengths name a line
            if isinstance(error, InputError | TooLarge) or not re.search(r"\bline \d", str(error)):
                raise
            of_lines = kind.startswith(".txt") and schema is None
            todo = f"of one text a line, say text={LINES}" if of_lines else "cells with separators in them need quotes"
            raise InputError(f"data: {file} cannot be read as {kind} ({cited(error)}); is it whole? {todo}") from error
    written = list(table)
    tables.check_once([*columns, *drop], header, file)
    table, others, reasons = tables.pick(table, columns, drop, {"labels": labels, "id": asked["id"]}, file, several)
    y, ids = (None if others[each] is None else padded(others[each], each) for each in ("labels", "id"))
    both = [each for each in others.values() if each is not None and each.name in features]
    if both:
        table = table.assign(**{str(each.name): each for each in both})  # labels that the model reads as well
    about: dict = {"name": _name(file), "source": str(file), "likelihood": likelihood, "ids": ids}
    if asked["text"] is not None:
        if asked["text"] not in table:
            names = list(table)[:20]
            if schema is None:
                lines = f"; {LINES} goes with a .txt of one text a line" if asked["text"] == LINES else ""
                raise InputError(f"text: expected one of the columns {names} of {file}, got {asked['text']!r}{lines}")
            column = schema.column if isinstance(schema, Texts) else ""
            expected = f"the column {column!r} of texts, or " if column else ""
            todo = "rename the column of the texts" if column else "write the texts to such a file"
            raise InputError(
                f"data: expected {expected}a .txt with a text a line, as in training, got the columns {names} of "
                f"{file}; {todo}"
            )
        return _texts(texts_of(table[asked["text"]]), asked["text"], y, schema, notice, about)
    if plain and schema is None:
        table, numbers = as_numbers(file, table, separator)
        x, _ = numbers.encode(table, "data")
        return build(x, y, notice=notice, image_shape=declared, **about)
    if isinstance(schema, Schema):
        x, notes = schema.encode(table, "data")
    elif isinstance(schema, Genes):
        x, notes = schema.of_table(table), []
    elif schema is not None:
        raise InputError(f"data: expected rows as in training ({schema.describe()[0]}), got the table {file}")
    else:

        def found(table: pandas.DataFrame) -> Schema:
            return _inferred(table, likelihood, declared, several, separator == ";", asked["transform"])

        schema = found(table)
        if codable and stays_in_file(len(table), len(schema.features), "float32"):
            return _from_file(file, labels, likelihood, asked, declared, None, plain, in_file)
        table, schema = _as_written(file, table, separator, schema, found)
        try:
            x, told = schema.encode(table, "data")
        except InputError as error:  # of texts among what was said to be counts or pixels
            raise InputError(f"{error}, or leave the column out (drop)") from error
        schema = replace(schema, dropped={**schema.dropped, **dict.fromkeys(index, "an index of pandas"), **reasons})
        notes = [*_twice(header, written), *schema.describe(), *told]
    return build(x, y, schema=schema, notice=_notice(notice, notes), image_shape=declared, **about)


def load_lines(file: Path, labels, likelihood: str, schema) -> Dataset:
    """The texts of a file, one a line. Args and Raises: as for `load`."""
    with tables.opened(file) as stream:
        texts = pandas.Series(lines_of(stream), dtype=object)
    about: dict = {"name": _name(file), "source": str(file), "likelihood": likelihood}
    column = schema.column if isinstance(schema, Texts) else ""
    told = f"each line of {file.name} is taken for a text, as it has no column {column!r}" if column else ""
    return _texts(texts, "", arrays.read_labels(file, labels), schema, told, about)


def has_column(file: Path, name: str) -> bool:
    """Whether a text file is a table with a column of this name."""
    try:
        return name in tables.header(file, [name])
    except (ValueError, csv.Error):  # it is no table
        return False


def as_coded(file: Path, texts: list[str] | None, schema: Coded | None) -> tables.TextTable:
    """`tables.read_text` of rows that are coded as those of a run: what was text then is text, like numbers or not."""
    if not isinstance(schema, Schema):
        of_texts = [schema.column] if isinstance(schema, Texts) and schema.column else []
        return tables.read_text(file, texts, known=schema.names if isinstance(schema, Genes) else of_texts)
    columns = [str(column.name) for column in schema.columns]
    made_up = are_numbered(columns) and not are_numbered([*columns, *schema.dropped])
    return tables.read_text(file, texts, schema.written, () if made_up else columns)


def coded_array(x, schema: Schema, path: str) -> tuple[np.ndarray, list[str]]:
    """An array with a column for each of a run's columns, coded like these; and what there is to say of its cells.

    Images are rows of pixels.
    """
    x = x.reshape(len(x), -1) if isinstance(x, np.ndarray) and x.ndim > 2 else x
    check_columns(x.shape, schema, path)
    columns = [column.name for column in schema.columns]
    if isinstance(x, FileRows):
        told: list[str] = []
        return encoded(NamedRows(x.as_stored(), columns), schema, told.extend).whole(), told
    dense = x.toarray() if scipy.sparse.issparse(x) else x
    return schema.encode(pandas.DataFrame(dense, columns=columns), "data")


def _twice(header: list[str], names: list) -> list[str]:
    """A sentence where columns of a header are called alike, which pandas names anew: [D] each."""
    seen: set[str] = set()
    for name, told_apart in zip(header, names, strict=False):
        if name and name in seen and len(names) == len(header):
            return [f"columns called alike are told apart by their order: {name!r} and {told_apart!r}"]
        seen.add(name)
    return []


def as_numbers(file: Path, table: pandas.DataFrame, separator: str) -> tuple[pandas.DataFrame, Schema]:
    """A table whose columns are all numbers, read as its file writes them, and a schema that takes them as they are.

    Args:
        file: where it comes from.
        table: as it was read, or some of its columns.
        separator: between the cells of a text file, else "".
    """

    def found(table: pandas.DataFrame) -> Schema:
        return Schema.numbers(table, "data", separator == ";")

    return _as_written(file, table, separator, found(table), found)


def _as_written(
    file: Path, table: pandas.DataFrame, separator: str, schema: Schema, found: Callable[[pandas.DataFrame], Schema]
) -> tuple[pandas.DataFrame, Schema]:
    """A table and its schema, both anew where numbers with a dot may be thousands, whose texts say it.

    found: what gave this schema of the table.
    """
    dotted = [table.columns[place] for place in may_have_dots(table)] if separator == ";" else []
    if not separator or not (names := [str(name) for name in schema.plain_beside_commas or dotted]):
        return table, schema
    again = table.copy(deep=False)
    again[names] = tables.read_text(file, [], names).table[names]
    anew = found(again)
    read = any(column.name in names and column.form.endswith(COMMA) for column in anew.columns)
    return (again, anew) if read else (table, schema)


def _inferred(
    table: pandas.DataFrame,
    likelihood: str,
    declared: tuple[int, ...] | None,
    several: list[str],
    semicolons: bool = False,
    transform: str | None = None,
) -> Schema:
    """The schema of a table; of one that is said to hold counts or images, columns are numbers as they are.

    several: names of columns that were left out, as they hold lists or records.
    """
    if several and all(isinstance(infer(name, table[name], "data", name == table.columns[0]), str) for name in table):
        raise InputError(
            f"data: expected a table with columns of cells, got lists or records in {', '.join(several)[:40]}, which "
            f"are left out; give the .npy that numpy.save('x.npy', numpy.stack(table[{several[0][:40]!r}])) writes"
        )
    if declared:
        return Schema.numbers(table, "data", semicolons)
    if likelihood in COUNTS:
        return Schema.counted(table, "data", semicolons)
    return Schema.infer(table, "data", semicolons, transform)


def _is_large(file: Path, schema: Schema | None) -> bool:
    """Whether a .parquet table takes too much memory while it is read and coded, or its features do afterwards."""
    rows, columns = tables.parquet_reader().rows_and_columns(file)
    if CELL * rows * columns > memory():
        return True
    return schema is not None and stays_in_file(rows, len(schema.features), "float32")


def _from_file(
    file: Path, labels, likelihood: str, asked: dict, declared, schema: Schema | None, plain: bool, in_file: bool
) -> Dataset:
    """`load` of a .parquet file that is read in parts, as it does not fit in memory as a whole; its features may."""
    parquet = tables.parquet_reader()
    from vade_tf.data import converted

    others, coding = {"labels": labels, "id": asked["id"]}, schema
    columns, drop = (tables.names_in(asked[name], name) for name in ("columns", "drop"))
    n, width = parquet.rows_and_columns(file)
    converted.check_size(file, 4 * n * (len(columns) or width - len(drop)))  # before all of them are read
    table = converted.sampled(file, {labels, asked["id"], *columns, *drop} - {None})
    several = parquet.ParquetTable(file).left_out
    table, _, reasons = tables.pick(table, columns, drop, others, file, several)
    known = {each: None if name is None else converted.column(file, name) for each, name in others.items()}
    for each, values in known.items():
        if values is not None:
            tables.check_complete(values, each, file)  # what was picked is of some rows
    y, ids = (None if values is None else padded(values, each) for each, values in known.items())
    notes: list[str] = []
    if coding is None and not plain:
        coding = schema = _inferred(table, likelihood, declared, several, transform=asked["transform"])
        schema = replace(schema, dropped={**schema.dropped, **reasons})
        notes = [*schema.describe(), f"what the columns are was seen on {len(table):,} of the rows"]
    rows, (told, *of_cells) = converted.converted(file, coding or Schema.numbers(table, "data"))
    x = rows if in_file or stays_in_file(*rows.shape, "float32") else rows[:]
    about: dict = {"name": _name(file), "source": str(file), "likelihood": likelihood, "ids": ids}
    return build(x, y, schema=schema, notice=_notice(told, notes + of_cells), image_shape=declared, **about)


def _texts(texts: pandas.Series, column: str, y, schema, notice: str, about: dict) -> Dataset:
    if texts.empty:
        raise InputError(f"data: expected texts in {about['source']}, got none")
    if schema is None:
        schema = Texts.infer(texts, column)
        x = schema.encode(texts)
        told, none = schema.describe(), wordless(x)
        if none.size <= MANY * len(texts):
            told += schema.describe_wordless(x)
        else:
            unspaced = texts.iloc[none].str.contains(UNSPACED).any()
            split = "spaces separate words: split Chinese, Japanese or Thai first, and " if unspaced else ""
            said = f"text: {schema.describe_wordless(x)[0]}; {split}leave out what is empty"
            warnings.warn(said, UnitsWarning, stacklevel=4)
    elif isinstance(schema, Texts):
        x = schema.encode(texts)
        told = schema.unknown(x)
    else:
        raise InputError(f"text: {about['source']} is to be coded as the rows of the run, which are no texts")
    return build(x, y, schema=schema, notice=_notice(notice, told), **about)


def _name(file: Path) -> str:
    return file.name[: len(file.name) - len(tables.ending(file))]


def _notice(first: str, lines: list[str]) -> str:
    return "\n".join([first, *lines] if first else lines)
