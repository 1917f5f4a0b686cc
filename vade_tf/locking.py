"""Locks of files, which the operating system lets go of when a process ends, however it does."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import filelock

NO_LOCKS = {errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP}  # what a file system without them says


class Busy(Exception):
    """Another process holds the lock."""


@contextmanager
def locked(file: Path, wait: bool = False) -> Iterator[None]:
    """Keeps a file locked for this process; where the file system has no locks, nothing is.

    No marker is left in place of a lock: a kill would leave it for ever.

    Args:
        file: made where it is not there.
        wait: for a process that holds it.

    Raises:
        Busy: another process holds it.
        OSError: it cannot be written.
    """
    lock = filelock.FileLock(file, timeout=-1 if wait else 0, fallback_to_soft=False)
    try:
        lock.acquire()
    except filelock.Timeout as error:
        raise Busy(str(file)) from error
    except NotImplementedError:  # filelock's word for a file system without locks, of some systems
        pass
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
    try:
        yield
    finally:
        lock.release()
