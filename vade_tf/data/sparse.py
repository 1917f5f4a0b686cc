"""`SparseRows`: a large matrix that is mostly zeros, kept as it is and read a few dense rows at a time; and `Rows`."""

import numpy as np
import scipy.sparse

from vade_tf.data.shards import FileRows


class SparseRows:
    """A CSR matrix that is indexed as its dense copy would be: `len(x)`, `x.shape`, `x.dtype`, `x[rows]` -> dense rows.

    Whoever takes batches or samples of `Dataset.x` need not know which of the two it holds; `np.asarray(x)` makes the
    whole dense copy, for methods that cannot do without.

    Args:
        matrix: any SciPy sparse matrix or array, [n, D].
    """

    def __init__(self, matrix):
        self.matrix = scipy.sparse.csr_array(matrix)
        self.matrix.sum_duplicates()

    @property
    def shape(self) -> tuple[int, int]:
        return self.matrix.shape

    @property
    def dtype(self) -> np.dtype:
        return self.matrix.dtype

    def __len__(self) -> int:
        return self.matrix.shape[0]

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


Rows = np.ndarray | SparseRows | FileRows


def part(x: Rows, rows: np.ndarray | slice) -> Rows:
    """The given rows, kept as all of them are: in memory, sparse or in their file."""
    return x[rows] if isinstance(x, np.ndarray) else x.part(rows)
