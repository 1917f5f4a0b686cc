"""The smallest and the largest value of rows, and where one stands that no model takes."""

import math

import numpy as np

from vade_tf.errors import InputError
from vade_tf.machine import spans

MAX_VALUE = 1e30  # of a row; float32 cannot square more
MAX_ROWS_TOGETHER = 8192


def finite_range(x, argument: str, holes: bool = False) -> tuple[float, float]:
    """Smallest and largest value of rows [n, D], such as `data.rows.Rows`; inf and -inf where all cells are missing.

    With `holes` NaN is a missing cell. An InputError names the first value that is no finite number below 1e30.
    """
    low, high = math.inf, -math.inf
    for rows in spans(len(x), x.shape[1], MAX_ROWS_TOGETHER):
        numbers = x.stored(rows) if hasattr(x, "stored") else np.asarray(x[rows])  # of a sparse matrix those it stores
        if numbers.dtype.kind not in "biuf":
            raise InputError(argument, "numbers", str(numbers.dtype), "encode text and categories first")
        if _unusable(numbers, holes).any():
            block = np.asarray(x[rows])
            row, column = np.argwhere(_unusable(block, holes))[0]
            value = block[row, column]
            got = f"{'NaN' if np.isnan(value) else value} at row {rows.start + row}, column {column} (from 0)"
            raise InputError(argument, "finite numbers below 1e30", got, "drop or impute such rows")
        numbers = numbers[~np.isnan(numbers)] if holes else numbers
        if numbers.size:
            low, high = min(low, float(numbers.min())), max(high, float(numbers.max()))
    return low, high


def _unusable(x: np.ndarray, holes: bool) -> np.ndarray:
    """Where x holds no number that float32 can square."""
    if x.dtype.kind != "f":
        return np.zeros(1, bool)
    wide = x.astype(np.float32) if x.dtype == np.float16 else x  # in which 1e30 is a number
    return ~((np.abs(wide) <= MAX_VALUE) | (holes & np.isnan(wide)))
