"""Files that are whole or not there, also after a kill, a full disk or a power cut.

Each is written under a new name beside it and then renamed; where something goes wrong nothing of it is left. What a
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

UNFINISHED = re.compile(r"\.[0-9a-f]{16}\.unfinished")  # the names that `_unfinished` gives


@contextmanager
def whole(path: Path) -> Iterator[BinaryIO]:
    """A stream whose content replaces a file, with its rights, once it is complete."""
    temporary = _unfinished(path)
    with writing(path):
        try:
            with temporary.open("xb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            with suppress(FileNotFoundError, PermissionError):
                shutil.copymode(path, temporary)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def whole_path(path: Path) -> Iterator[Path]:
    """A name under which another library writes a file or a folder, which is moved to its place once it is complete.

    Args:
        path: where it goes: a file, or a folder that is not there yet.
    """
    folder = _unfinished(path)
    with writing(path):
        folder.mkdir(mode=0o700)
        try:
            yield folder / path.name
            for written in filter(Path.is_file, folder.rglob("*")):
                with written.open("rb") as file:
                    os.fsync(file.fileno())
            (folder / path.name).replace(path)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def write_whole(path: Path, content) -> None:
    """Write bytes, or anything that holds them, into a file, which is whole or not there."""
    with whole(path) as file:
        file.write(content)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Gives an OSError that names no file, such as that of a full disk, the name of the file that is written."""
    try:
        yield
    except OSError as error:
        error.filename = error.filename or str(path)
        raise


def _unfinished(path: Path) -> Path:
    """A new name beside a file."""
    return path.with_name(f".{secrets.token_hex(8)}.unfinished")


def remove_unfinished(folder: Path) -> None:
    """Remove what writers that were killed left in a folder; only for who knows that no other is at work there."""
    for file in folder.glob(".*.unfinished"):
        if UNFINISHED.fullmatch(file.name):
            shutil.rmtree(file, ignore_errors=True) if file.is_dir() and not file.is_symlink() else file.unlink()
