"""Files of tables -> DataFrames, by pandas and pyarrow; which of their columns are the rows."""

import csv
import gzip
import reprlib
from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

import pandas

from vade_tf.data.columns import MISSING
from vade_tf.errors import InputError

PLAIN_ENDINGS = (".csv", ".tsv", ".txt", ".data", ".dat")  # the last two as UCI has them
TEXTS = (*PLAIN_ENDINGS, *(f"{name}.gz" for name in PLAIN_ENDINGS))
SNIFFED_CHARACTERS = 1 << 16  # that say what separates cells
SEPARATORS = "\t;|, "  # the first of several that might do is taken


class Dialect(NamedTuple):
    """How a text file is written, as `pandas.read_csv` takes it; fields are those of `TrainConfig`.

    Attributes:
        sep: what separates cells; None: `csv.Sniffer` finds it.
        decimal: the decimal point.
        header: number of the line with the names of the columns, counted from 0, or "none": there is none.
        na_values: texts that mean a missing cell besides the usual ones, with commas between them.
        dtype: types of columns, as in "zip=str,year=category".
    """

    sep: str | None = None
    decimal: str = "."
    header: str = "0"
    na_values: str | None = None
    dtype: str | None = None

    @classmethod
    def of(cls, config) -> "Dialect":
        """The fields of this name of a configuration."""
        return cls(*(getattr(config, name) for name in cls._fields))


def ending(file: Path) -> str:
    """What a file's name says that it is: ".csv", ".csv.gz", ..."""
    last = file.suffix.lower()
    return Path(file.stem).suffix.lower() + last if last == ".gz" else last


def read_text(
    file: Path,
    dialect: Dialect,
    levels: Collection[str] = (),
    as_written: Collection[str] = (),
    rows: int | None = None,
) -> pandas.DataFrame:
    """The table of a text file in UTF-8.

    Args:
        file: the file.
        dialect: how it is written.
        levels: names of columns that hold texts, even if all look like numbers.
        as_written: names of columns whose cells stay the texts they are, whatever they say.
        rows: how many to read; None: all.

    Raises:
        InputError: `dialect` cannot be understood.
        ValueError, OSError: as pandas raises them for what is damaged.
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
    kinds = dict.fromkeys(levels, str) | {name: {"str": "category"}.get(kind, kind) for name, _, kind in pairs}
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


def parquet_table(file: Path, columns: list[str] | None = None):
    """The `parquet.ParquetTable` of a file.

    Raises:
        InputError: pyarrow is not installed.
    """
    try:
        from vade_tf.data.parquet import ParquetTable
    except ImportError as error:
        raise InputError("data", "pyarrow for a .parquet", "none", "pip install 'vade-tf[files]' brings it") from error
    return ParquetTable(file, columns)


def column_names(file: Path, dialect: Dialect) -> list[str]:
    """The names of the columns of a table's file."""
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


def pick(
    table: pandas.DataFrame, columns: list[str], drop: list[str], others: dict[str, str | None], file: Path
) -> tuple[pandas.DataFrame, dict[str | int, str]]:
    """The columns to cluster by, and why others are left out: {name: reason}.

    Args:
        table: all columns, called by texts.
        columns: those to use; none: all.
        drop: those to leave out.
        others: what else a column is, by argument: {"labels": name or None, "id": name or None}.
        file: what errors name.

    Raises:
        InputError: there is no such column, or one is to be two things.
    """
    known = {argument: name for argument, name in others.items() if name is not None}
    check_columns(table, {"columns": columns, "drop": drop, **{key: [name] for key, name in known.items()}}, file)
    meaning = {"labels": "labels for scoring", "id": "names of the rows"}
    reasons: dict[str | int, str] = {name: meaning[argument] for argument, name in known.items()}
    if twice := [name for name in columns if name in reasons or name in drop]:
        raise InputError("columns", "other columns than those named elsewhere", repr(twice[0]))
    left = [name for name in table if name in drop or (columns and name not in columns)]
    reasons = {**dict.fromkeys(left, "as asked"), **reasons}
    return table[[name for name in table if name not in reasons]], reasons


def complete(values: pandas.Series, argument: str, file: Path) -> pandas.Series:
    """A column that has a value for every row.

    Raises:
        InputError: it has none for one.
    """
    empty = (values.isna() | (values.astype(str) == "")).to_numpy(bool)
    if empty.any():
        raise InputError(argument, f"a value in every row of {file}", f"none in row {int(empty.argmax())}")
    return values
