"""Cells of a table as numbers or levels, whatever type pandas or a person gave them.

Knows no column: what a cell is to be, the caller says.
"""

import re
from collections.abc import Collection, Iterable
from decimal import Decimal

import numpy as np
import pandas
from pandas.api import types

from vade_tf.data.dates import SPANS, in_days, is_duration, read_spans
from vade_tf.errors import InputError

MISSING = {  # and "-" without a "+"
    *("", "NA", "N/A", "n/a", "#N/A", "#N/A N/A", "#NA", "<NA>", "NULL", "null", "None", "?"),
    *("NaN", "nan", "-NaN", "-nan", "1.#IND", "-1.#IND", "1.#QNAN", "-1.#QNAN"),  # as programs in C write NaN
    *("na", "n.a.", "N.A.", "NaT", ".", "..", "\\N"),  # "." is that of SAS and Stata, the last MySQL's
    *("#DIV/0!", "#VALUE!", "#REF!", "#NUM!", "#NAME?", "#NULL!"),  # what Excel cannot calculate
}
PLAIN = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")
_DIGITS, _CODE = re.compile("[0-9]+"), re.compile("0[0-9]{4}")  # of fewer digits are hours and padded readings
_CLOCK = re.compile("([01][0-9]|2[0-3])[0-5][0-9][0-5][0-9]")
_ADDRESS = re.compile(
    r"(?:(?:25[0-5]|2[0-4][0-9]|1?[0-9]{1,2})(?:\.(?!$)|$)){4}"
)  # 192.168.178.121: no 192,168,178,121
COMMA, THOUSANDS = "1.000,5", "1,000.5"  # the forms of numbers with commas
SIGNS = "%$€£"  # that numbers may have in front or behind; the first character of their form then
SIGNED = 0.9  # of the cells, at least, have it
_COMMAS = {  # what a text of each looks like
    THOUSANDS: r"[+-]?([0-9]+|[1-9][0-9]{0,2}(,[0-9]{3})+)(\.[0-9]*)?",
    COMMA: r"[+-]?([1-9][0-9]{0,2}(\.[0-9]{3})+|([0-9]+|([0-9]{1,3}(\.[0-9]{3})*|[0-9]*),[0-9]+)([eE][+-]?[0-9]+)?)",
}

COMPLEX = complex, np.complexfloating
Level = str | int | float | bool


def without_blanks(values: pandas.Series, levels: Collection[Level] | None = None) -> pandas.Series:
    """Cells with a text that says that there is no value, one of `MISSING`, or with NaN, as missing; sparse ones dense.

    Bytes, as `scipy.io.arff.loadarff` gives them, become texts, durations among objects a column of them, and a column
    of empty dates, as pandas makes one of `NaT` alone, one of empty cells.

    Args:
        values: a column.
        levels: texts that it is known to hold, which are values whatever they say, and no others; default: a "-" is a
            value where the column has a "+".
    """
    if isinstance(values.dtype, pandas.SparseDtype):
        values = values.sparse.to_dense()
    if types.is_float_dtype(values.dtype) and types.is_extension_array_dtype(values.dtype):
        values = values.mask(np.isnan(values.to_numpy(np.float64, na_value=np.nan)))  # 0 / 0 is a value to pandas
    if types.is_datetime64_any_dtype(values.dtype) and not values.notna().any():
        return pandas.Series(np.full(len(values), None, object), values.index, name=values.name)
    kind = types.infer_dtype(values, skipna=True)
    if kind in ("timedelta", "timedelta64") and types.is_object_dtype(values.dtype):
        try:
            return pandas.to_timedelta(values)
        except pandas.errors.OutOfBoundsTimedelta:  # nanoseconds reach 292 years
            spans = [None if pandas.isna(cell) else cell for cell in values]
            return pandas.Series(np.array(spans, "m8[us]"), values.index, name=values.name)
    if kind == "bytes":
        values = values.map(lambda cell: cell.decode(errors="backslashreplace"), na_action="ignore")
    if types.is_object_dtype(values.dtype) or types.is_string_dtype(values.dtype):
        texts = values.map(lambda cell: cell.strip() if isinstance(cell, str) else None).astype(object)
        signs = set() if levels is None and texts.eq("+").any() else {"-"}
        blank = texts.isin((MISSING | signs).difference(levels or ())).to_numpy(bool)
        values = values.mask(blank) if blank.any() else values
    return values


def as_frame(x):
    """A table of pyarrow or Polars as one of pandas, by its names; all else as it is."""
    table = hasattr(x, "to_pandas") and (hasattr(x, "columns") or hasattr(x, "column_names"))
    try:
        return x.to_pandas() if table and not isinstance(x, pandas.DataFrame) else x
    except ImportError as error:
        raise InputError(
            "X: a table of Polars needs pyarrow; pip install 'vade-tf[files]' brings it, or give X.to_numpy()"
        ) from error


def factorized(values: pandas.Series, argument: str) -> tuple[np.ndarray, list]:
    """A number for each cell, -1 where it is missing, and the value of each number."""
    try:
        numbers, found = pandas.factorize(values)
    except (TypeError, NotImplementedError) as error:  # cells that are lists; the second is Arrow's word for that
        cell = values.dropna().iloc[0]
        vector = types.is_list_like(cell) and not any(map(types.is_list_like, cell))
        todo = "; of vectors of one length give numpy.stack(column)" if vector else ""
        raise InputError(
            f"{argument}: expected numbers, texts, truth values or dates, got {short(cell)}{todo}"
        ) from error
    return numbers, list(found)


def row_of(values: pandas.Series, place: int) -> int:
    """Which row of its table a cell is of: of rows at even distances their index says it."""
    index = values.index
    return int(index[place]) if isinstance(index, pandas.RangeIndex) and index.step > 1 else int(place)


def read_numbers(values: pandas.Series, form: str | None = None, commas: bool = False) -> tuple[np.ndarray, str] | None:
    """Cells as numbers, float64 [n], NaN where they are missing, and how they are written; None: they are no numbers.

    Args:
        values: of any type; texts may have decimal commas, or commas between thousands. What is no text stays.
        form: how texts were written when the column was inferred, see `Column`: then each is read like this, whatever
            stands beside it, and with "" also one with commas that has one meaning only, such as "20,5". Default: found
            here, one for all; a sign that nearly all have belongs to it.
        commas: where it is found here, a decimal comma is tried first.
    """
    if types.is_datetime64_any_dtype(values.dtype) or (form is None and types.is_bool_dtype(values.dtype)):
        return None
    if is_duration(values):
        return in_days(values.to_numpy("m8[us]")), SPANS
    if types.is_complex_dtype(values.dtype):
        return None
    if types.is_numeric_dtype(values.dtype):
        return values.to_numpy(np.float64, na_value=np.nan), ""
    held = values.notna().to_numpy()
    cells = values[held].astype(object).reset_index(drop=True)
    others = ("boolean", "datetime", "date", "datetime64")
    if form is None and (types.infer_dtype(cells, skipna=True) in others or _addresses(cells).any()):
        return None
    if form is None and len(cells) and not np.isnan(read_spans(cells)).any():
        form = SPANS
    if sign := _common_sign(cells) if form is None else sign_of(form):
        unsigned = read_numbers(values.astype(object).map(lambda cell: _without(sign, cell)), form and form[1:], commas)
        return unsigned and (unsigned[0], sign + unsigned[1])
    for name in (COMMA, "", THOUSANDS) if commas else ("", THOUSANDS, COMMA) if form is None else (form,):
        numbers = _as_written(cells, name)
        if form == "" and np.isnan(numbers).any():
            name = _add_unambiguous(numbers, cells)
        if not np.isnan(numbers).any():
            found = np.full(len(values), np.nan)
            found[held] = numbers
            return found, name
    return None


def sign_of(form: str) -> str:
    """The sign that numbers of a form have, or ""."""
    return form[:1] if form[:1] in SIGNS else ""


def _common_sign(cells: pandas.Series) -> str:
    """The sign that nearly all texts have, or ""."""
    texts = [cell for cell in cells if isinstance(cell, str)]
    often = {sign: sum(sign in text for text in texts) for sign in SIGNS}
    first = max(often, key=lambda sign: often[sign])
    if not often[first] or often[first] < SIGNED * len(cells):
        return ""
    return first if np.mean([_without(first, cell) != cell for cell in cells]) >= SIGNED else ""


def _without(sign: str, cell):
    """A cell without the sign in front of its number or behind it."""
    if not isinstance(cell, str):
        return cell
    text = cell.strip()
    if found := re.match(rf"([+-]?)\{sign}\s*", text):
        return found[1] + text[found.end() :]
    return text[:-1].rstrip() if text.endswith(sign) else cell


def _add_unambiguous(numbers: np.ndarray, cells: pandas.Series) -> str:
    """Put into plain numbers those of texts with commas that have one meaning only; gives their form, "" for none."""
    strange = np.isnan(numbers)
    left = cells[strange].reset_index(drop=True)
    thousands, comma = _as_written(left, THOUSANDS), _as_written(left, COMMA)
    with_comma, with_thousands = ~np.isnan(comma) & np.isnan(thousands), ~np.isnan(thousands) & np.isnan(comma)
    points = any(isinstance(cell, str) and "." in cell for cell in cells[~strange])
    if with_comma.any() and (points or with_thousands.any()):
        return ""  # two forms in one column
    numbers[strange] = np.select([with_comma, with_thousands], [comma, thousands], np.nan)
    return COMMA if with_comma.any() else THOUSANDS if with_thousands.any() else ""


def are_numbers(texts: list[str]) -> list[bool]:
    """Whether each text is a number in any form."""
    return [bool(any(of_forms)) for of_forms in in_forms(texts).T]


def are_codes(texts: Iterable) -> bool:
    """Whether all are digits alone and one has a 0 in front of four more, as 01067: names of something, no amounts.

    Times of a day, such as 080000, are amounts.
    """
    cells = [text.strip() if isinstance(text, str) else "" for text in texts]
    codes = any(map(_CODE.match, cells)) and all(map(_DIGITS.fullmatch, cells))
    return codes and not all(map(_CLOCK.fullmatch, cells))


def _addresses(cells: pandas.Series) -> np.ndarray:
    """Which cells are addresses of IP, bool [n], if most are: one alone is a number with dots between thousands."""
    found = [isinstance(cell, str) and _ADDRESS.fullmatch(cell.strip()) is not None for cell in cells]
    return np.array(found, bool) & (2 * sum(found) > len(found))


def unsigned(value):
    """A text without the sign of `SIGNS` that its number may have; what is no text stays."""
    return next((_without(sign, value) for sign in SIGNS if isinstance(value, str) and sign in value), value)


def in_forms(values: list) -> np.ndarray:
    """Whether each value is a number in a form, [3, n]: plain, commas between thousands, a decimal comma."""
    cells = pandas.Series(values, dtype=object)
    forms = np.stack([~np.isnan(_as_written(cells, form)) for form in ("", *_COMMAS)])
    return forms & ~_addresses(cells)


def _as_written(cells: pandas.Series, form: str) -> np.ndarray:
    """Cells as numbers, float64 [n], where texts have a form; NaN: it is no such text."""
    if form not in ("", SPANS):
        texts = cells[np.array([isinstance(cell, str) for cell in cells], bool)].str.strip()
        plain_texts = texts.str.replace("," if form == THOUSANDS else ".", "", regex=False)
        plain_texts = plain_texts.str.replace(",", ".", regex=False)
        cells = cells.copy()
        cells[texts.index] = plain_texts.where(texts.str.fullmatch(_COMMAS.get(form, "")).astype(bool), "")
    if any(isinstance(cell, COMPLEX) for cell in cells):
        cells = cells.map(lambda cell: None if isinstance(cell, COMPLEX) else cell)
    numbers = pandas.to_numeric(cells, errors="coerce").to_numpy(np.float64, copy=True, na_value=np.nan)
    return np.where(np.isnan(numbers), read_spans(cells), numbers) if form == SPANS else numbers


def key_of(value) -> str:
    """What two cells have in common that hold the same level: "1" for 1, 1.0 and "1 ", "true" for True."""
    if isinstance(value, (bool, np.bool_)):
        return str(bool(value)).lower()
    value = float(value) if isinstance(value, np.floating) else value  # float32's text is shorter than its value
    value = _by_value(value) if isinstance(value, Decimal) else value
    if isinstance(value, float) and float(value).is_integer() and abs(float(value)) < 2**53:
        return str(int(value))
    text = str(value).strip()
    return text.lower() if text in ("True", "TRUE", "False", "FALSE") else text


def _by_value(number: Decimal) -> float | str:
    """A float where its text says all of a decimal, as of 1.10; else the digits."""
    return float(number) if Decimal(repr(float(number))) == number else format(number.normalize(), "f")


def number_key(value) -> str:
    """`key_of`, also of a number that is written as text: "1" for "1.0" and "01"."""
    return key_of(float(value)) if isinstance(value, str) and PLAIN.fullmatch(value.strip()) else key_of(value)


def plain(value) -> Level:
    """A level as JSON can hold it."""
    value = value.item() if isinstance(value, np.generic) else value
    value = _by_value(value) if isinstance(value, Decimal) else value
    if isinstance(value, float) and not np.isfinite(value):
        return str(value)
    if isinstance(value, (bool, int, float)):
        return value
    return str(value).strip()


def short(value):
    """A cell as a message shows it."""
    if isinstance(value, (bool, int, float, np.generic)):
        return plain(value)
    text = str(value)
    return text if len(text) <= 40 else text[:40] + "..."
