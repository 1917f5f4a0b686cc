"""Tables out: DataFrames, a block of rows after the other, into a .csv or .parquet file that is whole or not there."""

import importlib.util
import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO

import pandas

from vade_tf.errors import InputError
from vade_tf.writing import whole, writing

PARQUET = ".parquet"


def check(path: Path, argument: str) -> None:
    """Raises InputError where a file of this name cannot be written for want of a library."""
    if path.suffix == PARQUET and importlib.util.find_spec("pyarrow") is None:
        raise InputError(f"{argument}: .parquet needs pyarrow; pip install 'vade-tf[files]' brings it")


def write(path: Path, blocks: Iterable[pandas.DataFrame], argument: str = "") -> None:
    """Write the blocks of a table into one file; what it held before stays until it is complete.

    Args:
        path: the file, .parquet or, by any other name, .csv with a header; a link is replaced, and a device or a pipe
            is written to as it stands.
        blocks: rows with the same columns, in their order; read as they are written.
        argument: that gave the file's name, if one did.

    Raises:
        StorageError: it cannot be written.
    """
    with writing(path, argument), _opened(path) as file:
        if path.suffix == PARQUET:
            _write_parquet(file, blocks)
        else:
            file.writelines(text.encode() for text in lines(blocks))


def show(blocks: Iterable[pandas.DataFrame]) -> None:
    """Write a table to stdout, as .csv."""
    sys.stdout.writelines(lines(blocks))


def lines(blocks: Iterable[pandas.DataFrame]) -> Iterator[str]:
    """A table as .csv, a text for each block; numbers in the fewest digits that give them back."""
    for number, block in enumerate(blocks):
        yield block.to_csv(index=False, header=number == 0, lineterminator="\n")


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
            table = pyarrow.Table.from_pandas(block, writer and writer.schema, preserve_index=False)
            if writer is None:
                writer = stack.enter_context(pyarrow.parquet.ParquetWriter(file, table.schema))
            writer.write_table(table)
