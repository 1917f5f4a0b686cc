"""The smallest and the largest value of rows, and where one stands that no model takes."""

import math

import numpy as np

from vade_tf.errors import InputError
from vade_tf.machine import spans

MOST = 1e30  # value of a row; float32 cannot square more
BLOCK = 8192  # rows looked at together, at most: keeps the check of a large memory-mapped file small


def finite_range(x, argument: str, holes: bool = False, hint: str = "") -> tuple[float, float]:
    """Smallest and largest value of rows; inf and -inf where all cells are missing.

    Args:
        x: [n, D]: an array, rows in a file, or `data.sparse.SparseRows`.
        argument: what an error names.
        holes: whether NaN is a missing cell.
        hint: what else there is to do about NaN.

    Raises:
        InputError: a value is no number, or not a finite one below 1e30: it names the first place.
    """
    low, high = math.inf, -math.inf
    for rows in spans(len(x), x.shape[1], BLOCK):
        numbers = x.stored(rows) if hasattr(x, "stored") else np.asarray(x[rows])  # of a sparse matrix those it stores
        if numbers.dtype.kind not in "biuf":
            raise InputError(f"{argument}: expected numbers, got {numbers.dtype}; encode text and categories first")
        if (wrong := _unusable(numbers, holes)).any():
            block = np.asarray(x[rows])
            row, column = np.argwhere(_unusable(block, holes))[0]
            value, nearby = block[row, column], int(wrong.sum())
            raise InputError(
                f"{argument}: expected finite numbers below 1e30, got {value} at row {rows.start + row}, column "
                f"{column} ({nearby} such values nearby); drop or impute such rows{hint * bool(np.isnan(value))}"
            )
        numbers = numbers[~np.isnan(numbers)] if holes else numbers
        if numbers.size:
            low, high = min(low, float(numbers.min())), max(high, float(numbers.max()))
    return low, high


def _unusable(x: np.ndarray, holes: bool) -> np.ndarray:
    """Where x holds no number that float32 can square."""
    if x.dtype.kind != "f":
        return np.zeros(1, bool)
    wide = x.astype(np.float32) if x.dtype == np.float16 else x  # in which 1e30 is a number
    return ~((np.abs(wide) <= MOST) | (holes & np.isnan(wide)))
