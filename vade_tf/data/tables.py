"""A table's file -> a DataFrame: .csv and its kin with any separator, .parquet; which columns of it are the rows.

pandas and pyarrow read; here is what they cannot know: whether there is a header, and what is cut off.
"""

import csv
import itertools
import reprlib
import warnings
from collections import Counter
from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

import pandas

from vade_tf.data.cells import MISSING, are_codes, row_of
from vade_tf.data.cutting import check_cells, check_lengths, check_quotes, cut, empty_at_end, opened
from vade_tf.data.headers import are_numbered, has_no_header, numbered, repeated
from vade_tf.errors import InputError

_PLAIN = (".csv", ".tsv", ".txt", ".data", ".dat")  # the last two as UCI has them
TEXTS = (*_PLAIN, *(f"{name}.gz" for name in _PLAIN))
MANY_CODES = 10  # columns; of more than so many most are no codes


def ending(file: Path) -> str:
    """What a file's name says that it is: ".csv", ".csv.gz", ..."""
    last = file.suffix.lower()
    return Path(file.stem).suffix.lower() + last if last == ".gz" else last


class TextTable(NamedTuple):
    """The table of a text file.

    Attributes:
        table: its rows, in columns that have different names.
        separator: what is between its cells.
        notice: what a person has to know of how it was read, or "".
        header: the names that its first line gives, some of which may be alike; none where it has no header.
    """

    table: pandas.DataFrame
    separator: str
    notice: str
    header: list[str]


def read_text(
    file: Path, texts: list[str] | None, coded: Collection[str] = (), known: Collection[str] = ()
) -> TextTable:
    """The table of a text file.

    Args:
        file: UTF-8; cells are separated by tabs, semicolons, bars, commas or spaces.
        texts: names of columns whose cells stay as they are written, and are missing only where they are empty; None:
            all do, and none of them is missing.
        coded: names of further such columns, of which a file may have none or several.
        known: names of the columns that the file is to have; a first line with all of them is a header, and where they
            are column_0, column_1, ..., no other line is. Default: the lines say whether there is one.

    Raises:
        InputError: one of `texts`, or any column of a header that leaves out the names of the rows, is there twice; or
            the header is.
        ValueError, OSError: as pandas raises them for what is damaged; a row of another length than the first.
    """
    cells = cut(file)
    separator, lines, skipped, named, quoting = cells
    if not lines:
        raise ValueError("it is empty")
    check_cells(file, separator)
    bare = not named and has_no_header(lines, known)
    check_once(() if bare else lines[0] if named else texts or (), lines[0], file)
    names = numbered(len(lines[0])) if bare else lines[0] if named else None
    alone, before, after, begun = len(lines[0]) == 1, skipped, 0, bare
    with opened(file) as stream:  # an empty line is an empty cell of an only column, unless it comes before its name
        for line in itertools.islice(stream, skipped, None) if alone else ():
            begun = begun or line.strip() != ""
            before += not begun
            after = 0 if line.strip() else after + 1
    how: dict = {"sep": r"\s+" if separator == " " else separator, "quoting": quoting}
    how |= {"encoding": "utf-8-sig", "index_col": False, "skipinitialspace": True, "low_memory": False}
    how |= {"header": None if bare else 0, "names": names, "skip_blank_lines": not alone, "skiprows": before}
    as_written = {*coded, *(texts or ())}
    if texts is None:
        first = {"dtype": str, "na_filter": False}
    else:
        first = {"dtype": dict.fromkeys(as_written, str), "keep_default_na": False, "na_values": sorted(MISSING)}
    with warnings.catch_warnings():
        warnings.simplefilter("error", pandas.errors.ParserWarning)  # rows longer than the header
        try:
            table = pandas.read_csv(file, **how, **first)
        except pandas.errors.ParserWarning:
            check_lengths(file, cells, len(lines[0]), bare)
            raise
    if quoting == csv.QUOTE_MINIMAL and separator != " " and not alone and _have_lines(table):
        check_quotes(file, cells)
    if texts is not None:
        as_written |= _codes(lines if bare else lines[1:], table)
    if own := [name for name in table.columns if name in as_written]:  # a row may be called NA, a class None
        again = pandas.read_csv(file, **how, usecols=own, dtype=str, keep_default_na=False, na_values=[""])
        table[own] = again[own]
    told = [f"{file.name} has no header: its columns are called column_0 to column_{len(lines[0]) - 1}"] if bare else []
    if len(table) and all(pandas.isna(cell) or str(cell).strip() == "" for cell in table.iloc[-1]) and not alone:
        after = empty_at_end(file, cells)
        told += [f"empty rows at the end of {file.name} are left out: {after:,}"] if after else []
    table = table.iloc[: len(table) - after]  # empty lines that end the file are no rows
    if table.iloc[:, -1].isna().any():  # pandas fills up short rows
        check_lengths(file, cells, len(table.columns), bare)
    if not bare and (row := repeated(lines[0], table)) is not None:
        raise InputError(f"data: expected one header in {file}, got it again as row {row}; remove that line")
    return TextTable(table, separator, "\n".join(told), [] if bare else lines[0])


def _have_lines(table: pandas.DataFrame) -> bool:
    """Whether a cell of a table has several lines."""
    texts = table.select_dtypes(exclude=["number", "bool"])
    cells = (cell for place in range(texts.shape[1]) for cell in texts.iloc[:, place] if isinstance(cell, str))
    return any("\n" in cell or "\r" in cell for cell in cells)


def _codes(lines: list[list[str]], table: pandas.DataFrame) -> set[str]:
    """Names of a table's columns of whole numbers that its first lines write as codes.

    None where all columns are, or most of many: padded numbers, such as grey values.
    """
    found = set()
    for place, (name, dtype) in enumerate(table.dtypes.items()):
        cells = {line[place].strip() for line in lines if place < len(line)} - MISSING
        if dtype.kind in "iuf" and are_codes(cells):
            found.add(name)
    padded = len(found) == len(table.columns) or len(found) > max(MANY_CODES, len(table.columns) / 2)
    return set() if padded else found


def header(file: Path, known: Collection[str]) -> list[str]:
    """Names of the columns of a text file's table; without a header those it gets where such are known, else none."""
    _, lines, _, named, _ = cut(file)
    if named or (lines and not has_no_header(lines, known)):
        return lines[0]
    return numbered(len(lines[0])) if lines and are_numbered(known) else []


def check_once(names: Collection[str], columns: list[str], file: Path) -> None:
    """Raises InputError where one of these names is that of several columns of a file."""
    number = Counter(columns)
    if (twice := next((name for name in names if number[name] > 1), None)) is not None:
        raise InputError(f"data: expected one column {reprlib.repr(twice)} in {file}, got several; rename them")


def read_parquet(file: Path, asked: Collection[str]) -> tuple[pandas.DataFrame, list[str], list[str]]:
    """The table of a .parquet file, and the names of what is left out: columns of lists or records, and an index.

    asked: names of columns that are used even where pandas has written its index in them.

    Raises:
        InputError: pyarrow is not installed.
        Exception: whatever pyarrow raises for what is damaged.
    """
    parquet = parquet_reader()
    table, several = parquet.read(file), parquet.ParquetTable(file).left_out
    columns = set(map(str, table.columns))
    index = [name for name in table.index.names if name is not None and str(name) not in columns]
    table = table.reset_index([name for name in index if str(name) in asked])
    return table, several, [str(name) for name in index if str(name) not in asked]


def parquet_reader():
    """The module that reads .parquet files.

    Raises:
        InputError: pyarrow is not installed.
    """
    try:
        from vade_tf.data import parquet
    except ImportError as error:
        raise InputError("data: .parquet needs pyarrow; pip install 'vade-tf[files]' brings it") from error
    return parquet


def names_in(text: str | None, argument: str) -> list[str]:
    """Names of columns as a person lists them: "age,height", and in quotes where a name has a comma in it."""
    try:
        names = [] if text is None else [name.strip() for name in next(csv.reader([text], skipinitialspace=True), [])]
    except csv.Error:  # lines
        names = [""]
    if text is not None and not all(names):
        raise InputError(f"{argument}: expected names of columns with commas between them, got {text!r}")
    return names


def pick(
    table: pandas.DataFrame,
    columns: list[str],
    drop: list[str],
    others: dict[str, str | None],
    file: Path,
    several: Collection[str],
):
    """The columns to cluster by, the columns that are something else, and why columns are left out.

    Args:
        table: all columns.
        columns: those to use; none: all.
        drop: those to leave out.
        others: what else a column is, by argument: {"labels": name or None, "id": name or None}.
        file: what errors name.
        several: names of columns that were not read, as they hold lists or records.

    Returns:
        (table, {argument: column or None}, {name: reason}).

    Raises:
        InputError: there is no such column, or one is to be two things.
    """
    names = table.iloc[:0].rename(columns=str).columns  # of the whole table it would copy every cell
    table = table.copy(deep=False)
    table.columns = names
    columns, drop = ([_called(name, list(table)) for name in names] for names in (columns, drop))
    asked = [("columns", columns), ("drop", drop), *((name, [one]) for name, one in others.items() if one is not None)]
    for argument, names in asked:
        for name in names:
            if name in several and argument != "drop":
                raise InputError(f"{argument}: {name!r} of {file} holds lists or records, which are no cells")
            if name not in table.columns and name not in several:
                raise InputError(
                    f"{argument}: expected one of the columns {reprlib.repr(list(table))} of {file}, got {name!r}"
                )
    found = {name: None if one is None else table[one] for name, one in others.items()}
    for name, values in found.items():
        if values is not None:
            check_complete(values, name, file)
    reasons = {
        one: {"labels": "labels for scoring", "id": "names of the rows"}[name] for name, one in others.items() if one
    }
    for name in columns:
        if name in reasons or name in drop:
            raise InputError(f"columns: {name!r} is named as something else, too; leave it out")
    left = [name for name in table.columns if name in drop or (columns and name not in columns)]
    unread = {name: "as asked" if name in drop or columns else "it holds lists or records" for name in several}
    reasons = {**dict.fromkeys(left, "as asked"), **unread, **reasons}
    kept = [name for name in table.columns if name not in reasons]
    return table if len(kept) == len(table.columns) else table[kept], found, reasons


def _called(name: str, columns: list[str]) -> str:
    """The only column of a name but for spaces around it, which nobody sees; else the name as it was typed."""
    found = [column for column in columns if column.strip() == name.strip()]
    return found[0] if name not in columns and len(found) == 1 else name


def check_complete(values: pandas.Series, argument: str, file: Path) -> None:
    """Raises InputError where a column that has a value for every row has none for one."""
    if values.isna().any():
        row = row_of(values, values.isna().to_numpy().argmax())
        raise InputError(f"{argument}: expected one a row, got none in row {row} of {file}")
