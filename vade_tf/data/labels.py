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
        InputError: they have another length, one is missing, or -1 among others says that a label is unknown.
    """
    if y is None:
        return None
    y = np.asarray(y)
    y = y[:, 0] if y.shape == (n, 1) else y  # as some files have it
    if y.shape != (n,) or (y.dtype.kind in "fc" and np.isnan(y).any()):
        raise InputError("labels", f"a label for each of {n} rows of {source}", f"shape {y.shape}, or one is missing")
    levels, codes = np.unique(np.char.strip(y) if y.dtype.kind in "SU" else y, return_inverse=True)
    numbers = np.arange(len(levels))
    with suppress(ValueError, TypeError):  # texts
        numbers = levels.astype(np.float64)
    if numbers.min() == -1 and numbers.tolist() != [-1, 1]:  # which are two classes
        hint = "leave out the rows without a label, or number the classes from 0"
        raise InputError("labels", "no -1 as the only number below 0", f"it in {source}", hint)
    return numbers.argsort(kind="stable").argsort()[codes].astype(np.int32)
