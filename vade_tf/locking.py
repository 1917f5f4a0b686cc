"""Locks of files, which the operating system lets go of when a process ends, however it does."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import filelock


class Busy(Exception):
    """Another process holds the lock."""


@contextmanager
def locked(file: Path, wait: bool = False) -> Iterator[None]:
    """Keeps a file locked for this process.

    Args:
        file: made where it is not there.
        wait: for a process that holds it.

    Raises:
        Busy: another process holds it.
    """
    try:
        lock = filelock.FileLock(file, timeout=-1 if wait else 0).acquire()
    except filelock.Timeout as error:
        raise Busy(str(file)) from error
    with lock:
        yield
