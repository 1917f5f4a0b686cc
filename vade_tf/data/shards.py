"""Rows that stay in their file: read by position, a block at a time; and the order in which an epoch reads them.

A row alone is slow to fetch from a file, so an epoch is shuffled in two steps: the file is cut into shards of rows that
follow one another, the shards are put in another order, and some of them at a time are mixed in a buffer. The order is
a pure function of (seed, number of the pass), so a fit that was stopped goes on with the batches it would have had.
A buffer is cut into lots, of which every batch has as many rows each: so a device that takes a slice of every batch
reads some of the lots, and the batches are the same whatever the number of devices.
"""

import copy
import math
import mmap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vade_tf.errors import InputError
from vade_tf.machine import memory
from vade_tf.reading import plain_array
from vade_tf.seeding import generator

MAX_SHARE = 0.5  # of the memory: rows that take more than this as uint8 or float32 stay in their file
SHARD_BYTES = 1 << 18  # of rows that are read together
BUFFER_BYTES = 1 << 25  # of rows that are mixed
MAX_LOTS = 64  # that a buffer is cut into; so many devices can read what they train on and no more
ORDER = 3  # names the stream of random numbers; a path that ends in 0 would be that without it


class FileRows:
    """The rows of a .npy file or of a memory map, indexed as their array: `x[rows]` is dense, uint8 or float32 [m, D].

    Other numbers become float32 as they are read; images become rows. The file is mapped for each read alone, since the
    pages of a map that is kept count as memory of the process.

    Args:
        found: the map, [n, D] or [n, height, width, ...]; only its place in the file is kept.
        argument: what an error names.

    Raises:
        InputError: it holds no rows of numbers.
    """

    def __init__(self, found: np.memmap, argument: str = "data"):
        if found.ndim < 2 or 0 in found.shape or found.dtype.kind not in "biuf":
            got = f"{found.dtype} of shape {found.shape} in {found.filename}"
            raise InputError(argument, "numbers, n rows of D features", got)
        assert found.filename is not None
        self.file, self.argument = Path(found.filename), argument
        self.row_shape = found.shape[1:]
        self.shape = (len(found), math.prod(self.row_shape))
        self.dtype = as_read(found.dtype)
        order = "C" if found.flags.c_contiguous else "F"
        self._place: dict = {"dtype": found.dtype, "offset": found.offset, "shape": found.shape, "order": order}
        self._numbers: range | np.ndarray = range(len(found))  # of the rows among those of the file
        self._found = state(self.file)

    @classmethod
    def open(cls, file: Path) -> "FileRows":
        """The rows of a .npy file."""
        return cls(plain_array(file, mapped=True))

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows) -> np.ndarray:
        """Dense rows [m, D]: of a slice, of numbers from 0 up in any order or of a mask; of a number one row [D]."""
        if not isinstance(rows, slice) and np.ndim(rows) == 0:
            return self[np.asarray(rows)[None]][0]
        self.check()
        numbers = self._among(rows)
        found = np.asarray(np.memmap(self.file, mode="r", **self._place))
        if isinstance(numbers, range):
            found = found[numbers.start : numbers.stop if numbers.stop >= 0 else None : numbers.step]
        else:
            found = found[numbers]
        with np.errstate(over="ignore", invalid="ignore"):  # infinite in float32: the check of values reports it
            return np.array(found.reshape(-1, self.shape[1]), self.dtype, order="C")

    def part(self, rows: np.ndarray | slice) -> "FileRows":
        """The given rows, still in the file."""
        found = copy.copy(self)
        found._numbers = self._among(rows)
        found.shape = (len(found._numbers), self.shape[1])
        return found

    def _among(self, rows) -> range | np.ndarray:
        """The numbers, among those of the file, of a slice of the rows, of their numbers or of a mask."""
        if isinstance(rows, slice):
            return self._numbers[rows]
        numbers = np.asarray(rows)
        numbers = np.flatnonzero(numbers) if numbers.dtype == bool else numbers.astype(np.int64)
        if isinstance(self._numbers, np.ndarray):
            return self._numbers[numbers]
        return self._numbers.start + self._numbers.step * numbers

    def astype(self, dtype) -> "FileRows":
        """The same rows, read as another type."""
        found = copy.copy(self)
        found.dtype = np.dtype(dtype)
        return found

    def as_stored(self) -> "FileRows":
        """The same rows, read in the type that the file has, in the byte order of this machine."""
        return self.astype(self._place["dtype"].newbyteorder("="))

    def check(self) -> None:
        """Raises InputError where the file is no longer what it was when it was opened."""
        check_unchanged(self.file, self._found, self.argument)


def is_file(x) -> bool:
    """Whether an array is the map of a file as a whole, and what is written to it goes there."""
    return isinstance(x, np.memmap) and isinstance(x.base, mmap.mmap) and x.mode != "c" and x.filename is not None


def as_read(dtype) -> np.dtype:
    """The type in which numbers of a file are read."""
    return np.dtype(np.uint8 if dtype == np.uint8 else np.float32)


def stays_in_file(n: int, width: int, dtype) -> bool:
    """Whether n rows [n, width] take so much of the memory that they are better left in their file."""
    return n * width * np.dtype(dtype).itemsize > MAX_SHARE * memory()


def state(file: Path) -> tuple[int, int]:
    """What changes where a file is written anew: its size in bytes, and when it was written."""
    found = file.stat()
    return found.st_size, found.st_mtime_ns


def check_unchanged(file: Path, found: tuple[int, int], argument: str = "data") -> None:
    """Raises InputError where the `state` of a file is no longer that which was found when it was opened."""
    if state(file) != found:
        raise InputError(argument, "a file as it was when its rows were first read", f"{file}, which has changed")


@dataclass(frozen=True)
class Shuffle:
    """The order in which every pass reads rows of a file, each row once.

    A pass takes the rows as a ring and cuts it open at a place of its own, so that shards begin elsewhere each time.

    Args:
        n: rows.
        row_bytes: of a row.
        batch_size: rows a batch; a buffer holds whole batches, the last one of a pass excepted.
        seed: of the order.
    """

    n: int
    row_bytes: int
    batch_size: int
    seed: int

    @property
    def shard(self) -> int:
        """Rows of a shard."""
        return max(1, SHARD_BYTES // self.row_bytes)

    @property
    def buffer(self) -> int:
        """Rows of a buffer."""
        return max(1, BUFFER_BYTES // (self.row_bytes * self.batch_size)) * self.batch_size

    @property
    def lots(self) -> int:
        """Lots of a buffer."""
        return math.gcd(self.batch_size, MAX_LOTS)

    def buffers(self, number: int, own: range = range(1), of: int = 1) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """The buffers of a pass, by its number: what is in the given slices of its batches.

        The rows that are left after the last whole batch are a buffer of their own, which all slices read; where they
        cannot be shared evenly, its first rows are in two slices. If the lots cannot be shared by so many slices, every
        buffer is read whole.

        Args:
            number: of the pass.
            own: numbers of the slices.
            of: how many slices a batch has; a divisor of the batch size.

        Yields:
            Numbers of rows, int [m], in runs that follow one another in the file; and where the rows of each batch and
            slice are among them, int [batches, slices, rows].
        """
        random = generator(self.seed, ORDER, number + 1)
        cut, count = int(random.integers(self.n)), math.ceil(self.n / self.shard)
        shards = np.append(random.permutation(count - 1), count - 1)  # the last one may be shorter

        def at(places: np.ndarray) -> np.ndarray:
            ring = shards[places // self.shard] * self.shard + places % self.shard
            return (cut + ring) % self.n

        shared = self.lots % of == 0
        lots = np.arange(own.start * self.lots // of, own.stop * self.lots // of) if shared else np.arange(self.lots)
        for i, start in enumerate(range(0, self.n, self.buffer)):
            batches, left = divmod(min(self.buffer, self.n - start), self.batch_size)
            each = batches * self.batch_size // self.lots  # rows of a lot
            if batches:
                orders = [
                    place * each + generator(self.seed, ORDER, number + 1, i + 1, int(lot) + 1).permutation(each)
                    for place, lot in enumerate(lots)
                ]
                picks = np.stack(orders).reshape(len(lots), batches, -1).transpose(1, 0, 2)
                picks = picks.reshape(batches, len(own) if shared else of, -1)
                first = start + int(lots[0]) * each
                yield at(np.arange(first, first + len(lots) * each)), picks if shared else picks[:, own]
            if left:
                order = generator(self.seed, ORDER, number + 1, i + 1).permutation(left)
                size = math.ceil(left / of)
                picks = order[(np.array(own)[:, None] * size + np.arange(size)) % left]
                yield at(np.arange(self.n - left, self.n)), picks[None]
