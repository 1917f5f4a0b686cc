"""Tables out: DataFrames, a block of rows after the other, into a .csv or .parquet file that is whole or not there."""

import sys
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import IO

import pandas

from vade_tf.errors import InputError
from vade_tf.storage import whole

ENDINGS = (".csv", ".parquet", ".h5ad")  # of files that are written; `annotated` writes the last


def check(path: Path) -> None:
    """Raises InputError where a file of this name is of a kind that is not written."""
    special = path.exists() and not (path.is_file() or path.is_dir())  # a pipe, a device
    if path.is_dir() or not (special or path.suffix.lower() in ENDINGS):
        raise InputError("out", f"a file ending in {', '.join(ENDINGS)}", str(path))


def write(path: Path, blocks: Iterable[pandas.DataFrame]) -> None:
    """Write the blocks of a table into one file; what it held before stays until it is complete.

    Args:
        path: the file, .parquet or, by any other name, .csv with a header; a device or a pipe is written to.
        blocks: rows with the same columns, in their order; read as they are written.
    """
    stream: AbstractContextManager[IO[bytes]] = whole(path)
    if path.exists() and not path.is_file():
        stream = path.open("wb")
    with stream as file:
        if path.suffix.lower() == ".parquet":
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


def _write_parquet(file: IO[bytes], blocks: Iterable[pandas.DataFrame]) -> None:
    """Cells of a column that are of several kinds, or none in the first block, become texts."""
    import pyarrow
    import pyarrow.parquet

    writer = None
    with ExitStack() as stack:
        for block in blocks:
            block = block.copy(deep=False)
            for name, cells in block.select_dtypes("object").items():
                kinds = set(map(type, cells.dropna()))
                if len(kinds) != 1 or (writer is not None and pyarrow.types.is_string(writer.schema.field(name).type)):
                    block[name] = cells.map(str, na_action="ignore").astype("string")
            found = pyarrow.Table.from_pandas(block, writer and writer.schema, preserve_index=False)
            if writer is None:
                writer = stack.enter_context(pyarrow.parquet.ParquetWriter(file, found.schema))
            writer.write_table(found)
