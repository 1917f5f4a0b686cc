"""The memory of this machine: how much there is, and what may be taken of it at a time.

Knows no file of the user and no rows.
"""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

CONTAINER_LIMITS = "/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"  # cgroups 2 and 1
MAX_NUMBERS_DENSE = 1 << 24  # numbers of rows that are made dense together: 64 MB of float32


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
