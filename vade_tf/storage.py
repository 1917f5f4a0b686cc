"""Files that are whole or not there, also after a kill, a full disk or a power cut.

Each is written into a new folder beside it and then moved; where something goes wrong nothing of it is left. What a
kill leaves is called as `UNFINISHED` has it, see `remove_unfinished`.
"""

import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

UNFINISHED = re.compile(r"\.[0-9a-f]{16}\.unfinished")  # the names of these folders


@contextmanager
def whole_path(path: Path) -> Iterator[Path]:
    """A name under which another library writes a file or a folder, which is moved to its place once it is complete.

    Args:
        path: where it goes: a file, or a folder that is not there yet.

    Raises:
        OSError: it names a file, also where that of the system does not, as of a full disk.
    """
    folder = path.with_name(f".{secrets.token_hex(8)}.unfinished")
    try:
        folder.mkdir(mode=0o700)
        yield folder / path.name
        for written in filter(Path.is_file, folder.rglob("*")):
            with written.open("rb") as file:
                os.fsync(file.fileno())
        (folder / path.name).replace(path)
    except OSError as error:
        error.filename = error.filename or str(path)
        raise
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def whole(path: Path) -> Iterator[BinaryIO]:
    """A stream whose content replaces a file, with its rights, once it is complete."""
    with whole_path(path) as temporary:
        with temporary.open("xb") as file:
            yield file
        with suppress(FileNotFoundError, PermissionError):
            shutil.copymode(path, temporary)


def write_whole(path: Path, content) -> None:
    """Write bytes, or anything that holds them, into a file, which is whole or not there."""
    with whole(path) as file:
        file.write(content)


def remove_unfinished(folder: Path) -> None:
    """Remove what writers that were killed left in a folder; only for who knows that no other is at work there."""
    for left in folder.glob(".*.unfinished"):
        if UNFINISHED.fullmatch(left.name):
            shutil.rmtree(left, ignore_errors=True)
