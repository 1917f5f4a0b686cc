"""Files of tables, read by pandas and pyarrow -> a data set; new rows are coded as the first."""

import csv
import gzip
import reprlib
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas
import scipy.sparse

from vade_tf.data.cells import Genes
from vade_tf.data.columns import MISSING
from vade_tf.data.dataset import Coded, Dataset
from vade_tf.data.download import cache_folder
from vade_tf.data.observations import About, build
from vade_tf.data.options import Dialect, FileOptions
from vade_tf.data.rows import FileRows, TableRows, stays_in_file
from vade_tf.data.schema import AS_ASKED, Schema
from vade_tf.data.texts import load_texts
from vade_tf.data.vectors import rows_of
from vade_tf.errors import InputError

PLAIN_ENDINGS = (".csv", ".tsv", ".txt", ".data", ".dat")  # the last two as UCI has them
TEXTS = (*PLAIN_ENDINGS, *(f"{name}.gz" for name in PLAIN_ENDINGS))
SNIFFED_CHARACTERS = 1 << 16  # that say what separates cells
ROLES = {"labels": "labels for scoring", "id": "names of the rows", "text": "texts"}  # of columns that are no feature
SEPARATORS = "\t;|, "  # the first of several that might do is taken


def load(file: Path, options: FileOptions, schema: Coded | None, in_file: bool, about: About) -> Dataset:
    """The rows of a table's file.

    Args:
        file: of a kind of TEXTS, or .parquet.
        options, schema, in_file: as for `files.load_file`.
        about: what the data set is called.

    Raises:
        InputError: the table does not hold what is asked for, or its cells cannot be coded as `schema` says.
    """
    if options.column is not None:
        return _of_vectors(file, options, about)
    columns, drop = names_in(options.columns, "columns"), names_in(options.drop, "drop")
    others = {argument: getattr(options, argument) for argument in ("labels", "id", "text")}
    coded = [str(column.name) for column in schema.columns] if isinstance(schema, Schema) else []
    source = None
    if file.suffix.lower() == ".parquet":
        source = parquet_table(file, also=[*columns, *coded, *filter(None, others.values())])
        table = source.sampled()
    else:
        as_written = [name for name in others.values() if name is not None and name not in coded]
        table = read_text(file, options.dialect, schema, as_written)
    reasons = _left_out(table, columns, drop, others, file)

    def whole(name: str) -> pandas.Series:  # of a column of which only some rows may have been read
        return table[name] if source is None or len(source) == len(table) else parquet_table(file, [name])[:][name]

    y, ids = (None if others[key] is None else _complete(whole(others[key]), key, file) for key in ("labels", "id"))
    if options.text is not None:
        return replace(load_texts(whole(options.text), options.text, y, schema, about), ids=ids)
    x = table[[name for name in table if name not in reasons or name in coded]]
    if isinstance(schema, Genes):
        shape = options.image_shape
        return build(schema.of_table(x), y, kind=options.kind, image_shape=shape, schema=schema, ids=ids, **about)
    if not isinstance(schema, Schema | None):
        raise InputError("data", f"rows as in training ({schema.describe()[0]})", f"the table {file}")
    notes: list[str] = []
    if schema is None:
        schema = _seen(x, options)
        left_out = {**schema.dropped, **(source.dropped if source else {}), **reasons}
        schema = replace(schema, dropped=left_out)
        notes = schema.describe()
    if source is not None and (in_file or len(x) < len(source) or stays_in_file(len(x), len(schema.features), "f4")):
        features = _of_parquet(file, schema, in_file, notes)
        notes += [f"what the columns are was seen on {len(x):,} of the rows"] if len(x) < len(source) else []
    else:
        features, unseen = schema.encode(x, "data")
        notes += unseen
    how: dict = {"kind": options.kind, "image_shape": options.image_shape, "schema": schema}
    return build(features, y, notice="\n".join(notes), ids=ids, **how, **about)


def _of_vectors(file: Path, options: FileOptions, about: About) -> Dataset:
    """The vectors that are the cells of one column of a .parquet file."""
    for argument in ("columns", "drop", "text", "transform"):
        if getattr(options, argument) is not None:
            raise InputError(argument, "none beside column", repr(getattr(options, argument)), "leave one of them out")
    names = {"column": options.column, "labels": options.labels, "id": options.id}
    wanted = {argument: name for argument, name in names.items() if name is not None}
    table = parquet_table(file, list(wanted.values()))[:]
    check_columns(table, {argument: [name] for argument, name in wanted.items()}, file)
    y, ids = (_complete(table[wanted[key]], key, file) if key in wanted else None for key in ("labels", "id"))
    return build(rows_of(table[options.column], "column"), y, kind=options.kind, ids=ids, **about)


def _seen(x: pandas.DataFrame, options: FileOptions) -> Schema:
    """The schema of a table, by its values."""
    if options.image_shape:
        return Schema.numbers(x, "data")
    return Schema.infer(x, "data", options.transform, options.kind == "counts")


def _of_parquet(file: Path, schema: Schema, in_file: bool, notes: list[str]) -> np.ndarray | FileRows:
    """The features of a Parquet file, read a group of rows at a time; what is said of them is added to the notes."""
    rows = TableRows(parquet_table(file, [str(column.name) for column in schema.columns]), schema, notes.extend)
    if in_file or stays_in_file(*rows.shape, "f4"):
        return _in_a_file(rows)
    return rows.into(np.empty(rows.shape, np.float32))


def ending(file: Path) -> str:
    """The ending of a file's name: ".csv", ".csv.gz", ..."""
    last = file.suffix.lower()
    return Path(file.stem).suffix.lower() + last if last == ".gz" else last


def read_text(
    file: Path, dialect: Dialect, schema: Coded | None = None, as_written: Collection[str] = (), rows: int | None = None
) -> pandas.DataFrame:
    """The table of a text file in UTF-8.

    Args:
        file, dialect: the file, and how it is written.
        schema: its columns that held texts hold texts, even if all look like numbers.
        as_written: names of columns whose cells stay the texts they are, whatever they say.
        rows: how many to read; None: all.
    """
    sep = separator(file, dialect.decimal) if dialect.sep is None else dialect.sep
    how: dict = {"sep": r"\s+" if sep == " " else sep, "encoding": "utf-8-sig", "skipinitialspace": True, "nrows": rows}
    if dialect.header == "none":
        width = pandas.read_csv(file, **{**how, "header": None, "nrows": 1}).shape[1]
        how |= {"header": None, "names": [f"column_{number}" for number in range(width)]}
    elif dialect.header.isdecimal():
        how["header"] = int(dialect.header)
    else:
        raise InputError("header", "the number of the line with the names, counted from 0, or none", dialect.header)
    pairs = [pair.partition("=") for pair in names_in(dialect.dtype, "dtype")]
    if any(not kind for _, _, kind in pairs):
        raise InputError("dtype", "columns and their types, as in zip=str,year=category", repr(dialect.dtype))
    texts = [str(c.name) for c in schema.columns if c.has_texts] if isinstance(schema, Schema) else ()
    kinds = dict.fromkeys(texts, str) | {name: {"str": "category"}.get(kind, kind) for name, _, kind in pairs}
    table = pandas.read_csv(
        file,
        decimal=dialect.decimal,
        na_values=[*MISSING, *names_in(dialect.na_values, "na_values")],
        dtype={name: kind for name, kind in kinds.items() if name not in as_written},
        converters=dict.fromkeys(as_written, str),
        low_memory=False,
        **how,
    )
    if isinstance(table.index, pandas.RangeIndex):
        return table
    return table.reset_index(names="Unnamed: 0")  # rows of one more cell than the header, which names them


def separator(file: Path, decimal: str = ".") -> str:
    """What separates the cells of a text file, which is not its decimal point."""
    if file.name.lower().endswith((".tsv", ".tsv.gz")):
        return "\t"
    opened = gzip.open if ending(file).endswith(".gz") else open
    with opened(file, "rt", encoding="utf-8-sig") as stream:
        text = stream.read(SNIFFED_CHARACTERS)
    sniffer = csv.Sniffer()
    sniffer.preferred = list(SEPARATORS)
    try:
        found = sniffer.sniff(text[: text.rfind("\n") + 1] or text, SEPARATORS.replace(decimal, "")).delimiter
    except csv.Error:  # of one column
        return ","
    return found if found in text.partition("\n")[0] else ","  # such as the spaces of a column of texts


def names_in(text: str | None, argument: str) -> list[str]:
    """Names of columns as a person lists them: "age,height", and in quotes where a name has a comma in it."""
    names = [] if text is None else next(csv.reader([text or ","], skipinitialspace=True))
    if not all(names):
        raise InputError(argument, "names with commas between them", repr(text))
    return [name.strip() for name in names]


def parquet_table(file: Path, columns: list[str] | None = None, also: Collection[str] = ()):
    """The `parquet.ParquetTable` of a file; an InputError where pyarrow is not installed."""
    try:
        from vade_tf.data.parquet import ParquetTable
    except ImportError as error:
        raise InputError("data", "pyarrow for a .parquet", "none", "pip install 'vade-tf[files]' brings it") from error
    return ParquetTable(file, columns, also)


def column_names(file: Path, dialect: Dialect) -> list[str]:
    if ending(file) == ".parquet":
        return parquet_table(file).columns
    return list(map(str, read_text(file, dialect, rows=0)))


def check_columns(table: pandas.DataFrame, asked: dict[str, list[str]], file: Path) -> None:
    """Raises InputError where a column of a file that an argument asks for is not there: {argument: names}."""
    for argument, names in asked.items():
        for name in names:
            if name not in table:
                expected = f"one of the columns {reprlib.repr(list(map(str, table)))} of {file}"
                raise InputError(argument, expected, repr(name))


def _left_out(
    table: pandas.DataFrame, columns: list[str], drop: list[str], others: dict[str, str | None], file: Path
) -> dict[str | int, str]:
    """Why columns of a table are not clustered by, {name: reason}; others: what else they are, {argument: name}."""
    known = {argument: name for argument, name in others.items() if name is not None}
    check_columns(table, {"columns": columns, "drop": drop, **{key: [name] for key, name in known.items()}}, file)
    reasons: dict[str | int, str] = {name: f"{AS_ASKED}, {ROLES[argument]}" for argument, name in known.items()}
    if twice := [name for name in columns if name in reasons or name in drop]:
        raise InputError("columns", "other columns than those named elsewhere", repr(twice[0]))
    return dict.fromkeys((n for n in table if n in drop or (columns and n not in columns)), AS_ASKED) | reasons


def _complete(values: pandas.Series, argument: str, file: Path) -> np.ndarray:
    """The texts of a column that has a value for every row; an InputError where it has none for one."""
    empty = (values.isna() | (values.astype(str) == "")).to_numpy(bool)
    if empty.any():
        raise InputError(argument, f"a value in every row of {file}", f"none in row {int(empty.argmax())}")
    return values.to_numpy(str)


def named_columns(x, schema: Schema, file: Path | str) -> pandas.DataFrame:
    """The array of a file, dense or sparse, as a table with the columns of a run, whose number it has to have."""
    if np.prod(x.shape[1:]) != len(schema.columns):
        expected = f"a table, or an array with its {len(schema.columns)} columns"
        raise InputError("data", expected, f"an array of shape {x.shape} in {file}")
    dense = x.toarray() if scipy.sparse.issparse(x) else x.reshape(len(x), -1)
    return pandas.DataFrame(dense, columns=[column.name for column in schema.columns])


def _in_a_file(rows: TableRows) -> FileRows:
    """Features that do not fit in memory, in a file of the cache folder that is gone when they are."""
    cache_folder().mkdir(parents=True, exist_ok=True)
    folder = TemporaryDirectory(prefix="rows-", dir=cache_folder())
    file = Path(folder.name) / "x.npy"
    found = np.lib.format.open_memmap(file, "w+", "<f4", rows.shape)
    rows.into(found)
    found.flush()
    stored = FileRows.open(file)
    vars(stored)["folder"] = folder  # which lives as long as they do
    return stored
