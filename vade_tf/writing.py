"""Files that are whole or not there, also after a kill or a power cut."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


@contextmanager
def whole(path: Path) -> Iterator[BinaryIO]:
    """A stream whose content replaces a file once it is complete.

    It is written under a new name beside the file, one that nobody can have laid a link under, and then renamed; where
    something goes wrong nothing of it is left.

    Args:
        path: the file.
    """
    temporary = path.with_name(f".{secrets.token_hex(8)}.unfinished")
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
        with os.fdopen(os.open(temporary, flags, 0o666), "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_whole(path: Path, content) -> None:
    """Write a file whole or not at all.

    Args:
        path: the file.
        content: bytes, or anything that holds them.
    """
    with whole(path) as file:
        file.write(content)
