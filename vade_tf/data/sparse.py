"""Rows that are no dense array: `SparseRows`, a large matrix that is mostly zeros, and `OriginRows`; and `Rows`."""

import numpy as np
import scipy.sparse

from vade_tf.data.shards import FileRows


class SparseRows:
    """A CSR matrix that is indexed as its dense copy would be: `len(x)`, `x.shape`, `x.dtype`, `x[rows]` -> dense rows.

    `np.asarray(x)` makes the whole dense copy, for methods that cannot do without.

    Args:
        matrix: any SciPy sparse matrix or array, [n, D].
    """

    def __init__(self, matrix):
        self.matrix = scipy.sparse.csr_array(matrix)
        if not self.matrix.has_canonical_format:
            self.matrix = self.matrix.copy()  # the caller's may be read-only, and is left as it is
            self.matrix.sum_duplicates()
        self.shape: tuple[int, int] = self.matrix.shape
        self.dtype: np.dtype = self.matrix.dtype

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows) -> np.ndarray:
        """Dense rows [len(rows), D]: of a slice, of numbers or of a mask; of a single number one row [D]."""
        return self.matrix[rows].toarray()

    def __array__(self, dtype=None, copy=None) -> np.ndarray:
        return self.matrix.toarray().astype(dtype or self.dtype, copy=False)

    def stored(self, rows: slice) -> np.ndarray:
        """The numbers of a range of rows with one zero for all that are not stored: their smallest, largest, worst."""
        return np.append(self.matrix[rows].data, self.dtype.type(0))

    def part(self, rows: np.ndarray | slice) -> "SparseRows":
        """The given rows, still sparse."""
        return SparseRows(self.matrix[rows])


Stored = np.ndarray | SparseRows | FileRows  # what a data set holds


def part(x, rows: np.ndarray | slice):
    """The given rows of x, kept as all of them are: in memory, sparse or in their file."""
    return x[rows] if isinstance(x, np.ndarray) else x.part(rows)


class OriginRows:
    """Rows [n, D] that are read as [n, D + 1], float32: the last column says which batch each is of (`model.origins`).

    Args:
        x: the rows.
        origins: number of the batch of each, from 0 up, int [n].
    """

    dtype = np.dtype(np.float32)

    def __init__(self, x: Stored, origins: np.ndarray):
        self.x = x
        self.origins = origins
        self.shape = (len(x), x.shape[1] + 1)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows) -> np.ndarray:
        """Dense rows [len(rows), D + 1]: of a slice, of numbers or of a mask."""
        return np.concatenate([self.x[rows], self.origins[rows, None]], axis=1, dtype=np.float32)

    def part(self, rows: np.ndarray | slice) -> "OriginRows":
        """The given rows, kept as all of them are."""
        return OriginRows(part(self.x, rows), self.origins[rows])


Rows = Stored | OriginRows
