"""Rows that are no array in memory: of a file, sparse, coded as they are read, with a batch; and the files of NumPy.

Files may be damaged or made to harm: they are read without pickles, no larger than the memory.
"""

import copy
import math
import mmap
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse

from vade_tf.errors import InputError
from vade_tf.machine import memory, rows_together, spans

MAX_SHARE = 0.5  # of the memory: rows that take more than this as uint8 or float32 stay in their file
STRIDE = 65_536  # rows of a table that are read together
MAX_NOTES = 5  # on the cells of a table


class _Lazy:
    """Rows [n, D] that are no array; `part` gives some of them, kept as all are."""

    shape: tuple[int, int]

    def __len__(self) -> int:
        return self.shape[0]


class FileRows(_Lazy):
    """The rows of a map of a file, [n, D] or [n, height, width, ...]: `x[rows]` is dense, uint8 or float32 [m, D].

    Other numbers become float32 as they are read; images become rows. The file is mapped for each read alone, since the
    pages of a map that is kept count as memory of the process.
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

    def __getitem__(self, rows) -> np.ndarray:
        """Dense rows [m, D]: of a slice, of numbers from 0 up in any order or of a mask."""
        self.check()
        numbers: Any = self._among(rows)
        if isinstance(numbers, range):
            numbers = slice(numbers.start, numbers.stop if numbers.stop >= 0 else None, numbers.step)
        found = np.asarray(np.memmap(self.file, mode="r", **self._place))[numbers]
        with np.errstate(over="ignore", invalid="ignore"):  # infinite in float32: the check of values reports it
            return np.array(found.reshape(-1, self.shape[1]), self.dtype, order="C")

    def part(self, rows: np.ndarray | slice) -> "FileRows":
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

    def check(self) -> None:
        check_unchanged(self.file, self._found, self.argument)


class SparseRows(_Lazy):
    """Any sparse matrix of SciPy, [n, D], as CSR that is indexed as its dense copy: `x.shape`, `x.dtype`, `x[rows]`.

    `np.asarray(x)` makes the whole dense copy, for methods that cannot do without.
    """

    def __init__(self, matrix):
        self.matrix = scipy.sparse.csr_array(matrix)
        if not self.matrix.has_canonical_format:
            self.matrix = self.matrix.copy()  # the caller's may be read-only, and is left as it is
            self.matrix.sum_duplicates()
        self.shape = self.matrix.shape
        self.dtype: np.dtype = self.matrix.dtype

    def __getitem__(self, rows) -> np.ndarray:
        return self.matrix[rows].toarray()

    def __array__(self, dtype=None, copy=None) -> np.ndarray:
        return self.matrix.toarray().astype(dtype or self.dtype, copy=False)

    def stored(self, rows: slice) -> np.ndarray:
        """The numbers of a range of rows with one zero for all that are not stored: their smallest, largest, worst."""
        return np.append(self.matrix[rows].data, self.dtype.type(0))

    def part(self, rows: np.ndarray | slice) -> "SparseRows":
        return SparseRows(self.matrix[rows])


class TableRows(_Lazy):
    """Features [n, D], float32, of a table like `ParquetTable`, coded as they are read: `x[start:stop]`, `x[::step]`.

    `report` is given notes on the cells of a block, each once, and no more than MAX_NOTES.
    """

    dtype = np.dtype(np.float32)

    def __init__(self, table, schema, report: Callable[[list[str]], object]):
        self.table, self.schema, self.report = table, schema, report
        self.shape = (len(table), len(schema.features))
        self._given: list[str] = []

    def __getitem__(self, rows: slice) -> np.ndarray:
        start, stop, step = rows.indices(len(self))
        if step == 1:
            return self.encode(self.table[start:stop])
        starts = range(start, stop, rows_together(self.shape[1], STRIDE) // step * step or step)
        return np.concatenate([self[i : min(i + starts.step, stop)][::step].copy() for i in starts])  # no view of all

    def encode(self, table) -> np.ndarray:
        x, notes = self.schema.encode(table, "data")
        new = [note for note in dict.fromkeys(notes) if note not in self._given][: MAX_NOTES - len(self._given)]
        self._given.extend(new)
        self.report(new)
        return x

    def into(self, found: np.ndarray) -> np.ndarray:
        """All of them, in an array [n, D]."""
        for rows in spans(*self.shape, STRIDE):
            found[rows] = self[rows]
        return found


Stored = np.ndarray | SparseRows | FileRows  # what a data set holds


def part(x, rows: np.ndarray | slice):
    """The given rows of x, kept as all of them are: in memory, sparse or in their file."""
    return x[rows] if isinstance(x, np.ndarray) else x.part(rows)


class RowsWithBatch(_Lazy):
    """Rows x, [n, D], read as [n, D + 1], float32: the last column is the batch of each, from 0 up, int [n]."""

    dtype = np.dtype(np.float32)

    def __init__(self, x: Stored, batch_index: np.ndarray):
        self.x, self.batch_index = x, batch_index
        self.shape = (len(x), x.shape[1] + 1)

    def __getitem__(self, rows) -> np.ndarray:
        return np.concatenate([self.x[rows], self.batch_index[rows, None]], axis=1, dtype=np.float32)

    def part(self, rows: np.ndarray | slice) -> "RowsWithBatch":
        return RowsWithBatch(part(self.x, rows), self.batch_index[rows])


Rows = Stored | RowsWithBatch


def is_file(x) -> bool:
    """Whether an array is the map of a file as a whole, and what is written to it goes there."""
    return isinstance(x, np.memmap) and isinstance(x.base, mmap.mmap) and x.mode != "c" and x.filename is not None


def as_read(dtype) -> np.dtype:
    return np.dtype(np.uint8 if dtype == np.uint8 else np.float32)


def stays_in_file(n: int, width: int, dtype) -> bool:
    """Whether rows [n, width] take so much of the memory that they are better left in their file."""
    return n * width * np.dtype(dtype).itemsize > MAX_SHARE * memory()


def state(file: Path) -> tuple[int, int]:
    """What changes where a file is written anew: its size in bytes, and when it was written."""
    found = file.stat()
    return found.st_size, found.st_mtime_ns


def check_unchanged(file: Path, found: tuple[int, int], argument: str = "data") -> None:
    """Raises InputError where the `state` of a file is no longer that which was found when it was opened."""
    if state(file) != found:
        raise InputError(argument, "a file as it was when its rows were first read", f"{file}, which has changed")


def plain_array(file: Path | str, mapped: bool = False):
    """The array of a .npy file, in memory; with `mapped` a `numpy.memmap` that reads its values as they are used."""
    try:
        found = np.lib.format.open_memmap(file, mode="r")  # which holds the header against the size of the file
    except ValueError as error:  # "mmap length is greater than file size"
        raise ValueError(f"{file} is damaged ({error})") from error
    return found if mapped else np.array(found)


def archive_arrays(file: Path, names: list[str]) -> dict[str, np.ndarray]:
    """Arrays of an .npz file by name; a ValueError where it is larger than the memory, or holds Python objects."""
    with zipfile.ZipFile(file) as archive:
        members = archive.infolist()
        size = sum(member.file_size for member in members)
        if size > memory():
            raise ValueError(f"{file} has {len(members):,} members of {size:,} bytes, more than this machine can hold")
    with np.load(file, allow_pickle=False) as stored:
        return {name: stored[name] for name in names}
