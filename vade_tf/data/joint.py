"""What the columns of a table say of one another: how their numbers are written.

Knows no file; every rule reads the values alone, never a label.
"""

import re
from collections.abc import Callable
from typing import TypeVar

import numpy as np
import pandas
from pandas.api import types

from vade_tf.data.cells import COMMA, THOUSANDS, read_numbers, sign_of, unsigned, without_blanks
from vade_tf.data.dates import SPANS

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
