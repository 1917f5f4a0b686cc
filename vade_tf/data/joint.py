"""What the columns of a table say of one another: whether all are counts, or pixels, and how numbers are written.

Knows no file; every rule reads the values alone, never a label.
"""

import math
import re
from collections.abc import Callable
from typing import TypeVar

import numpy as np
import pandas
from pandas.api import types

from vade_tf.counting import COUNTED, MOSTLY, Tally
from vade_tf.data.cells import COMMA, THOUSANDS, read_numbers, sign_of, unsigned, without_blanks
from vade_tf.data.checks import ALIKE, FEW_COLUMNS, SEEN_IMAGES, SIDES, common_length
from vade_tf.data.columns import Column
from vade_tf.data.components import are_components
from vade_tf.data.dataset import Observations
from vade_tf.data.dates import SPANS
from vade_tf.data.greys import but_one, recognised, side_beside

MOST_OF_ALL = 0.2  # of what was counted, in one column; see `are_counts`
SMALL = re.compile("[+-]?[0-9]{1,3}")  # whole numbers below 1,000
Read = TypeVar("Read")


def alike(
    frame: pandas.DataFrame, read: Callable[[int, bool], Read], form_of: Callable[[Read], str | None], semicolons: bool
) -> list[Read]:
    """What the columns of a table are read as: each by itself, and once more where the numbers of others say how.

    Args:
        frame: the table.
        read: (place of a column, whether its texts rather have decimal commas) -> what it is.
        form_of: how the numbers of a column are written, see `Column`; None where it holds none.
        semicolons: whether its file is cut by semicolons.
    """
    found = [read(i, False) for i in range(frame.shape[1])]
    forms = {i: form for i, one in enumerate(found) if (form := form_of(one)) not in (None, SPANS)}
    if _has_decimal_commas(frame, forms, semicolons):
        sure = semicolons and any(form.endswith(COMMA) for form in forms.values())
        for i in forms:
            values = frame.iloc[:, i]
            if _holds_texts(values) and (sure or not _have_thousands(without_blanks(values), ",", 3)):
                found[i] = read(i, True)
    return found


def _has_decimal_commas(frame: pandas.DataFrame, forms: dict[int, str], semicolons: bool) -> bool:
    """Whether a table's numbers have decimal commas, so that "8,090" is 8.09, or dots between thousands.

    forms: of the numbers, each by itself, by the places of their columns.
    """
    if any(form.endswith(COMMA) for form in forms.values()):
        return True
    dots = False
    for i, form in forms.items() if semicolons else ():
        values, sign = without_blanks(frame.iloc[:, i]), sign_of(form)
        commas = form != sign
        read = read_numbers(values, sign + (COMMA if commas else ""))
        if read is None or not (commas or bool(np.all(np.nan_to_num(read[0]) % 1 == 0))):
            if commas or not _have_thousands(values, "."):
                return False  # decimal points
            dots = True
    return semicolons and (dots or any(form.endswith(THOUSANDS) for form in forms.values()))


def _have_thousands(values: pandas.Series, mark: str, digits: int = 1) -> bool:
    """Whether texts are whole numbers: "4.854", with a mark between thousands, and others below 1,000, as "987".

    digits: that one of these others has, at least.
    """
    texts = {str(unsigned(cell)).strip() for cell in values.dropna() if isinstance(cell, str)}
    marked = {text for text in texts if mark in text}
    whole, thousands = texts - marked, re.compile(rf"[+-]?[1-9][0-9]{{0,2}}(\{mark}[0-9]{{3}})+")
    if not marked or not any(len(text.lstrip("+-")) >= digits for text in whole):
        return False
    return all(map(thousands.fullmatch, marked)) and all(map(SMALL.fullmatch, whole))


def may_have_dots(frame: pandas.DataFrame) -> list[int]:
    """Places of the columns of fractions, if all of these may be whole numbers with a dot between thousands."""
    places = []
    for i, dtype in enumerate(frame.dtypes):
        v = frame.iloc[:, i].dropna().to_numpy() if dtype.kind == "f" else np.zeros(0)
        whole = v % 1 == 0
        if whole.all():
            continue
        thousand = 1000 * v
        if not whole.any() or np.abs(v).max() >= 1000 or np.abs(thousand - np.rint(thousand)).max() > 1e-6:
            return []
        places.append(i)
    return places


def _holds_texts(values: pandas.Series) -> bool:
    texts = types.is_object_dtype(values.dtype) or types.is_string_dtype(values.dtype)
    return texts and any(isinstance(cell, str) for cell in values)


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
    if not np.isfinite(some).all() or recognised(Observations(some, float(some.min()), float(some.max()))) is None:
        return []
    return [names[i] for i in places]


def beside_pixels(frame: pandas.DataFrame) -> str | int | None:
    """The name of the first or the last column of a table of numbers, where all others are pixels; else None."""
    if side_beside(frame.shape[1]) is None or not all(dtype.kind in "biuf" for dtype in frame.dtypes.iloc[1:-1]):
        return None
    numbers = frame.iloc[:: -(-len(frame) // SEEN_IMAGES)].apply(pandas.to_numeric, errors="coerce")
    column = but_one(numbers.to_numpy(np.float32))
    return None if column is None else frame.columns.tolist()[column]


def have_one_unit(frame: pandas.DataFrame, names: list, columns: tuple[Column, ...]) -> bool:
    """Whether a table of numbers alone, of which some would have a logarithm, needs none of them.

    It holds principal components, or an embedding, whose rows have one length.
    """
    if not any(c.log for c in columns) or any(c.kind != "number" or c.missing for c in columns):
        return False
    places = {name: i for i, name in enumerate(names)}
    x = frame.iloc[:, [places[column.name] for column in columns]]
    if not all(dtype.kind == "f" for dtype in x.dtypes):
        return False
    numbers = x.to_numpy(np.float64)
    return are_components(numbers) or (len(columns) > FEW_COLUMNS and common_length(numbers, ALIKE) > 0)


def are_counts(frame: pandas.DataFrame, names: list, columns: tuple[Column, ...]) -> bool | None:
    """Whether a table holds counts or grey values: whole numbers from 0 up, mostly 0, many columns beyond 0 and 1.

    These are half of all; or COUNTED that are mostly 0 themselves, with a long tail, and no column has much of what was
    counted: most genes of few cells are seen once or never. With fewer zeros they have to be counts by what all columns
    say together, see `counting.Tally`; None: they may be. Such columns belong together: none of them gets another
    family or a logarithm of its own.
    """
    many = sum(column.kind == "number" for column in columns)
    if many < min(len(columns) / 2, COUNTED) or len(columns) < 2:
        return False
    if any(column.kind not in ("number", "boolean") for column in columns):
        return False
    rare, tally = 0, Tally(len(frame), len(columns))
    places = {name: i for i, name in enumerate(names)}
    for number, column in enumerate(columns):
        values = frame.iloc[:, places[column.name]]
        if values.dtype.kind not in "biuf":
            return False
        v = values.to_numpy()
        if column.missing or (v < 0).any() or (v.dtype.kind == "f" and (v % 1 != 0).any()):
            return False
        tally.add(v[:, None], slice(number, number + 1))
        rare += column.kind == "number" and tally.zeros[number] > MOSTLY * len(frame)
    spread = tally.has_tail and tally.sums.max() <= MOST_OF_ALL * tally.sums.sum()
    if 2 * many < len(columns) and (rare < COUNTED or not spread):  # unless counted, most of these are answers
        return False
    return True if tally.empty > MOSTLY else tally.are_counts()
