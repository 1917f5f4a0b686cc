"""The memory of this machine: how much there is, and what may be taken of it at a time.

Knows no file of the user and no rows.
"""

import math
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np

PADDED = 1 / 8  # of the machine's memory, which texts that are made as wide as the longest may take
GROUP, GROUPS = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")  # limits of processes, and those of this one
CONTAINER = GROUP / "memory.max", GROUP / "memory" / "memory.limit_in_bytes"  # of a container, which sees itself alone
SPARSEST = 4  # times their own length that they may take in any case
TOGETHER = 1 << 24  # numbers of rows that are made dense together


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
        ValueError: one is so long that all take far more memory than they are long.
    """
    durations = getattr(getattr(values, "dtype", None), "kind", "") == "m"  # which NumPy cuts off
    values = np.asarray(values.astype(object) if durations else values)
    if values.dtype == object:
        lengths = [len(value) if isinstance(value, (str, bytes)) else len(str(value)) for value in values.flat]
        longest, most = max(lengths, default=0), max(PADDED * memory(), 4 * SPARSEST * sum(lengths))
        if 4 * longest * len(lengths) > most:
            raise ValueError(f"{name} holds a text of {longest:,} characters among shorter ones; leave it out")
    return values.astype(str)


def rows_together(width: int, most: int) -> int:
    """How many rows of so many numbers are made dense together, `most` of them or fewer: 64 MB of float32."""
    return max(1, min(most, TOGETHER // width))


def spans(n: int, width: int, most: int) -> Iterator[slice]:
    """All of n rows in their order, so many at a time as `rows_together` says; the last span may end beyond n."""
    size = rows_together(width, most)
    return (slice(start, start + size) for start in range(0, n, size))


def memory() -> float:
    """Bytes of memory of the machine, or of the container where it has less; infinite where nothing says how many."""
    try:
        found: float = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        found = math.inf
    for file in (*CONTAINER, *_own_limits()):
        with suppress(OSError, ValueError):  # it is not there, or says "max"
            found = min(found, int(file.read_text()))
    return found


def _own_limits() -> Iterator[Path]:
    """Files that say how much memory the control group of this process may take, and those above it."""
    with suppress(OSError, ValueError):
        for line in GROUPS.read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            if controllers in ("", "memory"):  # all of them in version 2
                root, name = (GROUP, "memory.max") if not controllers else (GROUP / "memory", "memory.limit_in_bytes")
                place = root / path.lstrip("/")
                yield from (folder / name for folder in (place, *place.parents) if folder.is_relative_to(root))
