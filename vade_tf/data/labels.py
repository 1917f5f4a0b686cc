"""Labels of any type -> classes numbered from 0. They are for scoring only."""

from contextlib import suppress

import numpy as np

from vade_tf.errors import InputError


def numbered(y, n: int, source: str) -> np.ndarray | None:
    """Labels as int32 from 0 in sorted order, [n]: of texts without spaces around them, by size if all are numbers.

    Args:
        y: one a row, [n] or [n, 1], of any type, or None.
        n: number of the rows.
        source: where they come from.

    Raises:
        InputError: they have another length, one is missing, or -1 is the only number below 0, which says that a label
            is unknown (-1 and 1 alone are two classes).
    """
    if y is None:
        return None
    y = np.asarray(y)
    y = y[:, 0] if y.shape == (n, 1) else y  # as some files have it
    if y.shape != (n,):
        raise InputError(f"{source}: expected one label a row, got labels of shape {y.shape} for {n} rows")
    if y.dtype.kind in "fc" and np.isnan(y).any():
        raise InputError(f"labels: expected one a row, got none in row {int(np.isnan(y).argmax())} of {source}")
    levels, codes = np.unique(np.char.strip(y) if y.dtype.kind in "SU" else y, return_inverse=True)
    numbers = np.arange(len(levels))
    if levels.dtype.kind in "ifSU":
        with suppress(ValueError):  # texts
            numbers = levels.astype(np.float64)
    if numbers.min() == -1 and numbers.tolist() != [-1, 1]:
        raise InputError(
            f"labels: expected no -1 as the only number below 0, got it in row {int((numbers == -1)[codes].argmax())} "
            f"of {source}; leave out the rows without a label, or number the classes from 0"
        )
    return numbers.argsort(kind="stable").argsort()[codes].astype(np.int32)
