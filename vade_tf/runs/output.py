"""Tables out: DataFrames, a block of rows after the other, into a .csv or .parquet file that is whole or not there."""

import csv
import importlib.util
import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO

import pandas
from pandas.api import types

from vade_tf.errors import InputError, cited, visible
from vade_tf.writing import whole, writing

PARQUET, CELLS = ".parquet", ".h5ad"  # which `annotated` writes
OTHERS = (  # kinds of files that a table could be meant to be; a name of no kind, and .txt, hold what .csv does
    *(".tsv", ".tab", ".xlsx", ".xls", ".ods", ".json", ".jsonl", ".ndjson", ".html", ".xml", ".md"),
    *(".gz", ".tgz", ".zip", ".bz2", ".xz", ".zst", ".lz4", ".7z", ".rar", ".tar"),
    *(".npy", ".npz", ".h5", ".hdf5", ".keras", ".pkl", ".pickle", ".mat"),
    *(".feather", ".arrow", ".orc", ".avro", ".dta", ".sav", ".sas7bdat", ".db", ".sqlite"),
)


def check(path: Path, argument: str) -> None:
    """Raises InputError where a file of this name is of a kind that is not written, or for want of a library."""
    kind = path.suffix.lower()
    if kind in OTHERS:
        raise InputError(f"{argument}: expected a file ending in .csv, {PARQUET} or {CELLS}, got {path}; name one")
    if kind == PARQUET and importlib.util.find_spec("pyarrow") is None:
        raise InputError(f"{argument}: .parquet needs pyarrow; pip install 'vade-tf[files]' brings it")


def write(path: Path, blocks: Iterable[pandas.DataFrame], argument: str = "") -> None:
    """Write the blocks of a table into one file; what it held before stays until it is complete.

    Args:
        path: the file, .parquet or, by any other name, .csv with a header; a link is replaced, and a device or a pipe
            that an argument names is written to as it stands.
        blocks: rows with the same columns, in their order; read as they are written.
        argument: that gave the file's name, if one did.

    Raises:
        StorageError: it cannot be written.
        InputError: it cannot hold these cells.
    """
    try:
        with writing(path, argument), _opened(path) if argument else whole(path) as file:
            if path.suffix.lower() == PARQUET:
                _write_parquet(file, blocks)
            else:
                file.writelines(text.encode() for text in lines(blocks))
    except (_Unfit, UnicodeError) as error:
        named = f"{argument}: " if argument else ""
        todo = "give its texts in UTF-8" if isinstance(error, UnicodeError) else "write a .csv file"
        raise InputError(f"{named}{path} cannot hold the table ({cited(error)}); {todo}") from error


class _Unfit(ValueError):
    """Cells that a .parquet file cannot hold in one column."""


def show(blocks: Iterable[pandas.DataFrame]) -> None:
    """Write a table to stdout, as .csv.

    Raises:
        InputError: stdout is closed.
    """
    if sys.stdout is None:
        raise InputError("out: expected a file, for stdout is closed, got none; name one")
    told = lines(blocks)
    sys.stdout.writelines(told if not sys.stdout.isatty() else map(_on_screen, told))


def _on_screen(text: str) -> str:
    """Lines of a table of which none steers the terminal."""
    return "\n".join(map(visible, text.split("\n")))


def lines(blocks: Iterable[pandas.DataFrame]) -> Iterator[str]:
    """A table as .csv, a text for each block; numbers in the fewest digits that give them back.

    Cells that end a line are in quotes, which Python before 3.11.9 leaves out around a carriage return.
    """
    for number, block in enumerate(blocks):
        how: dict = {"index": False, "header": number == 0, "lineterminator": "\n"}
        text = block.to_csv(**how)
        if "\r" in text:  # in quotes pandas writes single precision with the digits of double
            block = block.copy(deep=False)
            for name, cells in block.select_dtypes("float32").items():
                block[name] = cells.astype(str).astype("f8")
            text = block.to_csv(**how, quoting=csv.QUOTE_NONNUMERIC)
        yield text


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    if path.exists() and not path.is_file():
        with path.open("wb") as stream:
            yield stream
    else:
        with whole(path) as file:
            yield file


def _write_parquet(file: BinaryIO, blocks: Iterable[pandas.DataFrame]) -> None:
    import pyarrow
    import pyarrow.parquet

    with ExitStack() as stack:
        writer = None
        for block in blocks:
            if writer is None:
                fields = [pyarrow.field(str(name), _arrow_type(cells)) for name, cells in block.items()]
                writer = stack.enter_context(pyarrow.parquet.ParquetWriter(file, pyarrow.schema(fields)))
            cells = zip(writer.schema, (block.iloc[:, i] for i in range(block.shape[1])), strict=True)
            columns = [_arrow_array(field, column) for field, column in cells]
            writer.write_table(pyarrow.Table.from_arrays(columns, schema=writer.schema))


def _arrow_type(cells: pandas.Series):
    """The type of a column in a .parquet file, by its first block: text where cells are of several kinds, or none."""
    import pyarrow

    try:
        found = pyarrow.array(cells, from_pandas=True).type
    except (pyarrow.ArrowException, OverflowError):
        return pyarrow.string()
    if pyarrow.types.is_decimal(found):
        return pyarrow.decimal128(38, found.scale)  # the largest, whatever the first block holds
    mixed = types.is_object_dtype(cells.dtype) and (pyarrow.types.is_integer(found) or pyarrow.types.is_floating(found))
    return pyarrow.string() if mixed or pyarrow.types.is_null(found) else found


def _arrow_array(field, cells: pandas.Series):
    """Cells as a column of a .parquet file."""
    import pyarrow

    if pyarrow.types.is_string(field.type):
        cells = cells.astype(object).map(str, na_action="ignore")
    try:
        return pyarrow.array(cells, field.type, from_pandas=True)
    except (pyarrow.ArrowException, OverflowError) as error:
        raise _Unfit(f"column {field.name!r} begins with {field.type} and goes on otherwise: {cited(error)}") from error
