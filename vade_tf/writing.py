"""Files that are whole or not there, also after a kill, a full disk or a power cut.

Each is written under a new name beside it, one that nobody can have laid a link under, and then renamed; where
something goes wrong nothing of it is left. What a kill leaves is called as `LEFT` has it, see `sweep`. A file that
replaces another has its rights.
"""

import errno
import os
import re
import secrets
import shutil
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from vade_tf.errors import StorageError

UNFINISHED = ".unfinished"
LEFT = re.compile(rf"\.[0-9a-f]{{16}}{re.escape(UNFINISHED)}")  # the names that `_unfinished` gives
YEARS = range(1980, 2108)  # of a zip
FULL = {errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)}


@contextmanager
def whole(path: Path) -> Iterator[BinaryIO]:
    """A stream whose content replaces a file, with its rights, once it is complete.

    Args:
        path: the file.

    Raises:
        StorageError: it cannot be written.
    """
    with writing(path):
        temporary, rights = _unfinished(path), _rights(path)
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
            with os.fdopen(os.open(temporary, flags, 0o666 if rights is None else rights), "wb") as file:
                _give(temporary, rights)  # before there is anything to read
                yield file
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def whole_path(path: Path) -> Iterator[Path]:
    """A name under which another library writes a file or a folder, which is moved to its place once it is complete.

    Args:
        path: where it goes: a file, or a folder that is not there yet.

    Raises:
        StorageError: it cannot be written.
    """
    with writing(path):
        folder, rights = _unfinished(path), _rights(path)
        folder.mkdir(mode=0o700)
        try:
            yield folder / path.name
            if (folder / path.name).is_file():
                _give(folder / path.name, rights)
            for written in filter(Path.is_file, folder.rglob("*")):
                with written.open("rb+" if os.name == "nt" else "rb") as file:  # Windows takes a writable one alone
                    os.fsync(file.fileno())
            (folder / path.name).replace(path)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _unfinished(path: Path) -> Path:
    """A new name beside a file."""
    return path.with_name(f".{secrets.token_hex(8)}{UNFINISHED}")


def _rights(path: Path) -> int | None:
    """Who may read and write a file; None where there is none yet."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return None
    return stat.S_IMODE(found.st_mode) & 0o777 if stat.S_ISREG(found.st_mode) else None


def _give(path: Path, rights: int | None) -> None:
    """Give a new file these rights; not where it has them, for some file systems know no others."""
    if rights is not None and stat.S_IMODE(path.stat().st_mode) != rights:
        path.chmod(rights)


def write_whole(path: Path, content) -> None:
    """Write a file whole or not at all.

    Args:
        path: the file.
        content: bytes, or anything that holds them.

    Raises:
        StorageError: it cannot be written.
    """
    with whole(path) as file:
        file.write(content)


@contextmanager
def writing(path: Path, argument: str = "") -> Iterator[None]:
    """Turns what the machine says against writing a file into a StorageError, of an argument if one named the file.

    Not that of a pipe whose reader has seen enough, which is no fault of a file.
    """
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        named = f"{argument}: " if argument else ""
        raise StorageError(f"{named}{path} cannot be written ({reason(error, path)})") from error


def check_clock() -> None:
    """Raises StorageError where the clock says what no zip can hold, into which Keras writes a model.

    A board without a battery begins at 1970 and may have no network that tells it the time.
    """
    if (year := time.localtime(time.time()).tm_year) not in YEARS:
        raise StorageError(
            f"the clock of this machine is in the year {year}, and a model's file holds times from {YEARS[0]} to "
            f"{YEARS[-1]}; set the clock"
        )


def reason(error: OSError, path: Path) -> str:
    """What the machine says; where there is no room for a file, how much is free: "..., 12 MB are free there"."""
    text = error.strerror or str(error)
    if error.errno not in FULL:
        return text
    try:
        there = next(folder for folder in path.absolute().parents if folder.is_dir())
        return f"{text}, {shutil.disk_usage(there).free // 10**6:,} MB are free there"
    except OSError:
        return text


def sweep(folder: Path) -> None:
    """Remove what writers that were killed left in a folder; only for who knows that no other is at work there."""
    for file in folder.glob(f".*{UNFINISHED}"):
        if LEFT.fullmatch(file.name) is None:  # somebody's own
            continue
        shutil.rmtree(file, ignore_errors=True) if file.is_dir() and not file.is_symlink() else file.unlink()
