"""A column whose cells are vectors, as vector stores and Hugging Face data sets have them -> rows [n, D]."""

from typing import Any

import numpy as np

from vade_tf.errors import InputError

VECTOR = (list, tuple, np.ndarray)


def holds_vectors(cells) -> bool:
    """Whether the cells of a column, [n], are vectors: the first that is not missing says it."""
    if getattr(getattr(cells, "dtype", None), "kind", "") != "O":
        return False
    first = next((cell for cell in cells if isinstance(cell, VECTOR) or (cell is not None and cell == cell)), None)
    return isinstance(first, VECTOR)


def unpacked(x: Any, argument: str) -> Any:
    """The rows [n, D] of a Series of vectors, or of a DataFrame of pandas with such a column alone; else x as it is."""
    if hasattr(x, "iloc") and x.ndim == 2:
        places = [place for place in range(x.shape[1]) if holds_vectors(x.iloc[:, place])]
        if places and x.shape[1] > 1:
            name = x.columns[places[0]]
            hint = f"give X[{name!r}], or set column to it for a file"
            raise InputError(argument, "columns of numbers and categories", f"vectors in column {name!r}", hint)
        x = x.iloc[:, 0] if places else x
    cells = x.to_numpy() if hasattr(x, "to_numpy") and len(x.shape) == 1 else x
    return rows_of(cells, argument) if isinstance(cells, np.ndarray) and cells.ndim == 1 and holds_vectors(cells) else x


def rows_of(cells, argument: str) -> np.ndarray:
    """Vectors [n] of D numbers each as rows [n, D]; an InputError names the first cell that is another."""
    lengths = [len(cell) if isinstance(cell, VECTOR) else 0 for cell in cells]
    width = max(set(lengths), key=lengths.count)
    for row, length in enumerate(lengths):
        if length != width or length == 0:
            got = f"{length or 'no'} numbers in row {row} (from 0)"
            raise InputError(argument, f"vectors of one length, such as {width}", got, "leave such rows out")
    return np.stack([np.asarray(cell) for cell in cells])
