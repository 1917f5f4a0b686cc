"""What the columns of a table say of one another: whether all are counts, or pixels, and whether commas are decimal.

Knows no file; every rule reads the values alone, never a label.
"""

import math

import numpy as np
import pandas

from vade_tf.data.cells import COMMA, THOUSANDS, read_numbers, sign_of, without_blanks
from vade_tf.data.checks import SEEN_IMAGES, SIDES, side_of_images
from vade_tf.data.columns import Column

COUNTS = 0.5  # share of cells that are 0 in a table of counts
COUNTED, TAIL, MOST_OF_ALL = 20, 10.0, 0.2  # columns of counts that say that all are; see `are_counts`


def has_decimal_commas(frame: pandas.DataFrame, found: dict, semicolons: bool) -> bool:
    """Whether a table's numbers have decimal commas, so that "8,090" in one of its columns is 8.09.

    Args:
        frame: the table.
        found: what its columns were taken for, each by itself.
        semicolons: whether its file is cut by semicolons.
    """
    numbers = {i: c for i, c in enumerate(found.values()) if isinstance(c, Column) and c.kind == "number"}
    if any(column.form.endswith(COMMA) for column in numbers.values()):
        return True
    for i, column in numbers.items() if semicolons else ():
        sign = sign_of(column.form)
        commas = column.form != sign
        read = read_numbers(without_blanks(frame.iloc[:, i]), sign + (COMMA if commas else ""))
        if read is None or not (commas or bool(np.all(np.nan_to_num(read[0]) % 1 == 0))):
            return False  # decimal points
    return semicolons and any(column.form.endswith(THOUSANDS) for column in numbers.values())


def pixels(frame: pandas.DataFrame, names: list, found: dict) -> list:
    """Names of the columns that are the pixels of square grey images, a row each; none where the table is no such one.

    Args:
        frame: the table.
        names: of its columns.
        found: what they were taken for, each by itself: a column, or why it is left out.
    """
    used = {name: column for name, column in found.items() if isinstance(column, Column)}
    if any(column.missing for column in used.values()):
        return []
    numeric = [dtype.kind in "biuf" for dtype in frame.dtypes]
    places = [i for i, name in enumerate(names) if name in used or (numeric[i] and frame.iloc[:, i].nunique() == 1)]
    side = math.isqrt(len(places))
    if side**2 != len(places) or side not in SIDES or not all(numeric[i] for i in places):
        return []
    some = frame.iloc[:: -(-len(frame) // SEEN_IMAGES), places].to_numpy(np.float32)
    if np.isnan(some).any() or side_of_images(some, float(some.min()), float(some.max())) is None:
        return []
    return [names[i] for i in places]


def are_counts(frame: pandas.DataFrame, names: list, columns: tuple[Column, ...]) -> bool:
    """Whether a table holds counts or grey values: whole numbers from 0 up, mostly 0, many columns beyond 0 and 1.

    These are half of all; or COUNTED that are mostly 0 themselves, with a long tail, and no column has much of what was
    counted: most genes of few cells are seen once or never. Such columns belong together: none of them gets another
    family or a logarithm of its own.
    """
    many = sum(column.kind == "number" for column in columns)
    if many < min(len(columns) / 2, COUNTED) or len(columns) < 2:
        return False
    if any(column.kind not in ("number", "boolean") for column in columns):
        return False
    zeros, rare, largest, total = 0, 0, 0.0, np.zeros(len(columns))
    places = {name: i for i, name in enumerate(names)}
    for number, column in enumerate(columns):
        values = frame.iloc[:, places[column.name]]
        if values.dtype.kind not in "biuf":
            return False
        v = values.to_numpy()
        if column.missing or (v < 0).any() or (v.dtype.kind == "f" and (v % 1 != 0).any()):
            return False
        none = int((v == 0).sum())
        zeros, rare = zeros + none, rare + (column.kind == "number" and none > COUNTS * len(frame))
        largest, total[number] = max(largest, float(v.max())), float(v.sum(dtype=np.float64))
    if 2 * many < len(columns):  # unless counted, most of these columns are answers
        filled = len(frame) * len(columns) - zeros
        if rare < COUNTED or largest * filled < TAIL * total.sum() or total.max() > MOST_OF_ALL * total.sum():
            return False
    return zeros > COUNTS * len(frame) * len(columns)
