"""The memory of this machine: how much there is, and what may be taken of it at a time.

Knows no file of the user and no rows.
"""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np

CONTAINER_LIMITS = "/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"  # cgroups 2 and 1
MAX_NUMBERS_DENSE = 1 << 24  # numbers of rows that are made dense together: 64 MB of float32


class TooLarge(ValueError):
    """More memory is needed than this machine has."""


def check_memory(size: int, name: str) -> None:
    """Raises TooLarge where so many bytes are more than this machine has."""
    most = memory()
    if size > most:
        raise TooLarge(f"{name} needs {size / 2**30:,.1f} GiB, this machine has {most / 2**30:,.1f} GiB")


def padded(values, name: str) -> np.ndarray:
    """Values as texts, [n]: NumPy makes each as wide as the longest.

    Args:
        values: an array, a column of a table or an index.
        name: what an error names.

    Raises:
        TooLarge: one is so long that all take more memory than the machine has.
    """
    durations = getattr(getattr(values, "dtype", None), "kind", "") == "m"  # which NumPy cuts off
    values = np.asarray(values.astype(object) if durations else values)
    if values.dtype == object:
        lengths = (len(value) if isinstance(value, (str, bytes)) else len(str(value)) for value in values.flat)
        check_memory(4 * max(lengths, default=0) * values.size, name)
    return values.astype(str)


def rows_together(width: int, most: int) -> int:
    """How many rows of so many numbers are made dense together, `most` of them or fewer."""
    return max(1, min(most, MAX_NUMBERS_DENSE // width))


def spans(n: int, width: int, most: int) -> Iterator[slice]:
    """All of n rows in their order, so many at a time as `rows_together` says; the last span may end beyond n."""
    size = rows_together(width, most)
    return (slice(start, start + size) for start in range(0, n, size))


def memory() -> float:
    """Bytes of memory of the machine, or of the container where it has less."""
    found: float = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for file in CONTAINER_LIMITS:
        with suppress(OSError, ValueError):  # it is not there, or says "max"
            found = min(found, int(Path(file).read_text()))
    return found
