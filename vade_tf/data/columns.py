"""`Column`: one column of a table: what its values are, and how they become float32 features and come back.

Every rule reads the values alone, never a label. Knows no file and no table.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
import pandas
from pandas.api import types

from vade_tf.data.cells import (
    DAY,
    PLAIN,
    Level,
    are_numbers,
    factorized,
    in_forms,
    key_of,
    number_key,
    plain,
    read_dates,
    read_numbers,
    row_of,
    short,
    unsigned,
    without_blanks,
)
from vade_tf.errors import InputError

KINDS = ("number", "ordered", "category", "boolean", "date")
MOST_LEVELS = 100  # of a category; the rarer ones are joined
REST = "other"  # the level that joins them
MANY_TEXTS = 50  # different texts, of more than half of the rows: names or sentences, no categories
COUNTED_ROWS = 10  # so many rows in steps of one are an index and no chance
IDENTIFYING = 0.9  # share of different values that a column called an identifier has
NEARLY = 0.9  # share of numbers in a column of numbers with slips, ...
FEW_WORDS, MANY_NUMBERS = 2, 40  # words such as "unknown", whatever their share, beside more different numbers
FEW_NUMBERS = 20  # ... which holds more different ones than a category such as 0, 1, 2, 3+
HEAVY = 12.0  # kurtosis of a heavy tail: a Gaussian has 3, an exponential distribution 9
MOST = 1e30  # value of a cell; float32 cannot square more
BLURRED = 1e-3  # between two numbers of float32, as a share of a column's standard deviation: more is too much
FAR = 170.0  # more than any logarithm of a cell over its scale
SHOWN = 3  # values that a note cites

_LIKE_A_NUMBER = re.compile(r"\W{0,2}\d[\d\s.,:/'-]*\D{0,4}")
_IDENTIFIER = re.compile(r"([iI][dD]|(?i:index|row_?id)|.*([_. -][iI][dD]|[a-z](Id|ID)))")


@dataclass(frozen=True)
class Column:
    """What a column holds, and how it is coded.

    Attributes:
        name: as in the table: a text, or a whole number.
        kind: "number" and "ordered" (the rank) are one feature each, "date" one in days, "boolean" one of 0 and 1,
            "category" one feature of 0 and 1 for each level.
        levels: of an ordered, category or boolean column, in the order of their codes; else ().
        missing: number of cells without a value when it was inferred.
        log: an amount with a heavy tail, coded as sign(v) log(1 + |v| / scale).
        scale: see `log`.
        offset: of a date: what counts as 0, in days since 1970-01-01; of a number: what is taken away from it.
        form: of numbers or dates that came as text: how they are written, "" for the usual way; a sign comes first.
        rest: whether the last level of a category stands for all that are not listed.
    """

    name: str | int
    kind: str
    levels: tuple[Level, ...] = ()
    missing: int = 0
    log: bool = False
    scale: float = 1.0
    offset: float = 0.0
    form: str = ""
    rest: bool = False

    @property
    def width(self) -> int:
        """Number of its features."""
        return len(self.levels) if self.kind == "category" else 1

    @property
    def features(self) -> list[str]:
        """Names of its features."""
        if self.kind == "category":
            return [f"{self.name}={level}" for level in self.levels]
        return [str(self.name)]

    @property
    def block(self) -> str:
        """The family of its features: "gaussian", "bernoulli" or "categorical"."""
        return {"boolean": "bernoulli", "category": "categorical"}.get(self.kind, "gaussian")

    def encode(self, values: pandas.Series, argument: str) -> tuple[np.ndarray, str]:
        """Cells -> features.

        Args:
            values: the column of any table, [n].
            argument: what an error names.

        Returns:
            float32 [n, width], NaN in all of a missing cell; and a note about cells that were taken as missing, or "".

        Raises:
            InputError: a cell that is no number where there should be one, or too large a number.
        """
        values = without_blanks(values, self.levels)
        if self.kind in ("number", "date"):
            return self._measured(values, argument), ""
        codes, unknown = self._codes(values, argument)
        note = ""
        if len(unknown) and not self.rest:
            cells = int(unknown.sum())
            note = (
                f"{_cells(cells)} of {self.name!r} hold{'s' if cells == 1 else ''} "
                f"{'a value' if unknown.size == 1 else 'values'} that training did not see: {_cited(unknown.index)}: "
                "taken as missing"
            )
        if self.kind != "category":
            coded = np.where(codes < 0, np.nan, codes)[:, None]
        else:
            coded = np.zeros((len(values), self.width), np.float32)
            coded[np.arange(len(values)), codes] = 1.0
            coded[codes < 0] = np.nan
        return coded.astype(np.float32), note

    def decode(self, x: np.ndarray) -> pandas.Series:
        """Features -> cells in the units and categories that came in: [n, width] -> [n]; NaN gives a missing cell."""
        x = np.asarray(x, np.float64)
        missing = np.isnan(x).any(axis=1)
        if self.kind == "number":
            v = x[:, 0]
            amount = np.sign(v) * self.scale * np.expm1(np.minimum(np.abs(v), FAR))
            return pandas.Series(amount if self.log else v + self.offset)
        if self.kind == "date":
            stamps = np.round(np.where(missing, 0.0, x[:, 0] + self.offset) * DAY).astype("int64").astype("M8[us]")
            return pandas.Series(np.where(missing, np.datetime64("NaT", "us"), stamps))
        if self.kind == "boolean":
            codes = (x[:, 0] >= 0.5).astype(int)
        elif self.kind == "ordered":
            codes = np.clip(np.rint(np.where(missing, 0.0, x[:, 0])), 0, len(self.levels) - 1).astype(int)
        else:
            codes = np.where(missing[:, None], 0.0, x).argmax(axis=1)
        if self.kind == "ordered":
            return pandas.Series(
                pandas.Categorical.from_codes(np.where(missing, -1, codes), list(self.levels), ordered=True)
            )
        cells = pandas.Series(list(self.levels)).take(codes).reset_index(drop=True)
        return cells.mask(missing) if missing.any() else cells

    def _measured(self, values: pandas.Series, argument: str) -> np.ndarray:
        """The feature of a number or a date, [n, 1]."""
        found = read_dates(values, self.form) if self.kind == "date" else read_numbers(values, self.form)
        if found is None:
            row, cell = self._stranger(values)
            what, form = ("a date", _day_as(self.form)) if self.kind == "date" else ("a number", self.form)
            what += f" (as {form})" if form else ""
            raise InputError(
                f"{argument}: expected {what} or an empty cell in every row of column {self.name!r}, got {cell!r} at "
                f"row {row}; correct it, or leave it empty"
            )
        v = found[0]
        if (unusable := np.abs(v) > MOST).any():
            row = int(unusable.argmax())
            raise InputError(
                f"{argument}: expected finite numbers below 1e30 in column {self.name!r}, got {v[row]} at row {row}; "
                "drop the row, or leave the cell empty"
            )
        v = np.sign(v) * np.log1p(np.abs(v) / self.scale) if self.log else v - self.offset
        return v.astype(np.float32)[:, None]

    def _stranger(self, values: pandas.Series) -> tuple[int, object]:
        """The first cell that is of no use, and its row."""
        read = read_dates if self.kind == "date" else read_numbers
        first, end = 0, len(values)
        while end - first > 1:  # by halves: the first of them that cannot be read
            middle = (first + end) // 2
            if read(values.iloc[:middle], self.form) is None:  # from the top: one form beside another may be of no use
                end = middle
            else:
                first = middle
        return first, short(values.iloc[first])

    def _codes(self, values: pandas.Series, argument: str) -> tuple[np.ndarray, pandas.Series]:
        """The number of each cell's level, -1 where it is missing; and how many cells hold each unknown value."""
        numbers, found = factorized(values, f"{argument}: column {self.name!r}")
        places = self.places(found)
        last = len(self.levels) - 1 if self.rest else -1
        codes = np.array([*(last if place < 0 else place for place in places), -1])
        counts = np.bincount(numbers[numbers >= 0], minlength=len(found))
        unknown = {key_of(v): int(c) for v, c, place in zip(found, counts, places, strict=True) if place < 0 and c}
        return codes[numbers], pandas.Series(unknown, dtype=int)

    def places(self, cells: Sequence) -> list[int]:
        """The number of each cell's level, -1 where it is none; of two levels 0 and 1 the first is false, too."""
        known = {key_of(level): code for code, level in enumerate(self.levels)}
        numbers = not any(isinstance(level, str) for level in self.levels)
        if set(known) in ({"false", "true"}, {"0", "1"}):
            numbers = True
            for word, digit in (("false", "0"), ("true", "1")):
                known[word] = known[digit] = known[word] if word in known else known[digit]
        codes = [known.get(key_of(cell), -1) for cell in cells]
        if numbers:  # "1.0" is 1 then
            codes = [
                known.get(number_key(cell), -1) if code < 0 else code for cell, code in zip(cells, codes, strict=True)
            ]
            fractions = [(code, np.float32(level)) for code, level in enumerate(self.levels) if _is_fraction(level)]
            single = {level: code for code, level in fractions}
            if len(single) == len(fractions):  # 0.1 in single precision is 0.1
                codes = [
                    single.get(np.float32(cell), -1) if code < 0 and _is_fraction(cell) else code
                    for cell, code in zip(cells, codes, strict=True)
                ]
        return codes


def _is_fraction(value) -> bool:
    return isinstance(value, (float, np.floating)) and abs(float(value)) < MOST and float(value) % 1 != 0


def infer(
    name: str | int, values: pandas.Series, argument: str, first: bool = False, commas: bool = False
) -> Column | str:
    """The column that these values make.

    Args:
        name: of the column.
        values: all its cells, [n].
        argument: what an error names.
        first: whether it is the first of its table, where an index without a name stands.
        commas: whether a text such as "8,090" is rather a number with a decimal comma than thousands.

    Returns:
        The column, or why it is left out.

    Raises:
        InputError: cells that are neither numbers, texts, truth values nor dates; or a few that are no numbers among
            many that are.
    """
    values = without_blanks(values)
    missing = int(values.isna().sum())
    if missing == len(values):
        return "it has no value"
    if types.is_complex_dtype(values.dtype):
        raise InputError(f"{argument}: expected real numbers in column {name!r}, got complex ones; give their parts")
    if isinstance(values.dtype, pandas.CategoricalDtype) and values.dtype.ordered and values.nunique() > 1:
        ranks = {key_of(level): plain(level) for level in values.dtype.categories}
        return Column(name, "ordered", tuple(ranks.values()), missing)
    numbers, found = factorized(values, f"{argument}: column {name!r}")
    levels = {key_of(value): plain(value) for value in found}
    if len(levels) < 2:
        return f"its value is always {_cited(levels.values())}"
    categories = isinstance(values.dtype, pandas.CategoricalDtype)
    measured = None if categories else read_numbers(values, commas=commas)
    held = len(values) - missing
    step = values.index.step if isinstance(values.index, pandas.RangeIndex) else 1  # of rows at even distances
    if reason := _identifier(name, None if measured is None else measured[0], len(levels), held, first, step):
        return reason
    if len(levels) == 2 and not types.is_datetime64_any_dtype(values.dtype):
        return Column(name, "boolean", tuple(_in_order(levels.values())), missing)
    if measured is not None:
        number = Column(name, "number", missing=missing, form=measured[1])
        tailed = _with_tail(number, measured[0])
        return tailed if tailed.log else _with_offset(number, measured[0])
    if (dates := read_dates(values)) is not None:
        return Column(name, "date", missing=missing, offset=float(np.nanmedian(dates[0])), form=dates[1])
    if not categories:
        _check_nearly_numbers(name, values, found, argument)
    if len(levels) > max(MANY_TEXTS, held / 2):
        kind = "categories" if categories else "texts"
        return f"{len(levels):,} different {kind} in {held:,} rows{_like(levels.values())}"
    if len(levels) <= MOST_LEVELS:
        return Column(name, "category", tuple(_in_order(levels.values())), missing)
    if not categories and (like := _like(levels.values(), unread=True)):
        return f"{len(levels):,} different texts in {held:,} rows{like}"
    counts = pandas.Series(np.bincount(numbers[numbers >= 0]), [key_of(value) for value in found])
    common = list(counts.groupby(level=0).sum().sort_values(ascending=False, kind="stable").index)
    kept = [levels[key] for key in common[: MOST_LEVELS - 1] if key != REST]
    return Column(name, "category", (*_in_order(kept), REST), missing, rest=True)


def _identifier(name, v: np.ndarray | None, different: int, held: int, first: bool, step: int) -> str:
    """Why a column says which row it is and nothing of what is in it; "" where it does not."""
    whole = v is not None and bool(np.all(np.nan_to_num(v) % 1 == 0))
    if v is not None and held == len(v) >= COUNTED_ROWS and v[0] in (0, 1) and (np.diff(v) == step).all():
        return f"it counts the rows from {v[0]:g}"
    unnamed = first and (str(name).strip() == "" or str(name).startswith("Unnamed:"))
    called = isinstance(name, str) and (unnamed or _IDENTIFIER.fullmatch(name.strip()))
    if unnamed and different == held and (v is None or whole):
        return "an index: the first column, without a name, with another value in each row"
    if unnamed and whole and v is not None and held == len(v) >= COUNTED_ROWS and v[0] in (0, 1) and step == 1:
        again = np.flatnonzero(np.diff(v) != 1) + 1  # where another table was put below
        if (v[again] == v[0]).all() and len(again) * COUNTED_ROWS <= len(v):
            return f"an index: the first column, without a name, which counts from {v[0]:g} time and again"
    if called and not unnamed and (v is None or whole) and different >= IDENTIFYING * held:
        return f"an identifier: {different:,} different values in {held:,} rows"
    return ""


def _day_as(form: str) -> str:
    """A day as dates of this form are written."""
    return datetime(2020, 12, 31, 23, 59).strftime("%Y-%m-%d" if form == "ISO8601" else form)


def _check_nearly_numbers(name, values: pandas.Series, found: list, argument: str) -> None:
    """Raises InputError where a column of numbers has a few other cells: a slip, which is not guessed away."""
    forms = in_forms([unsigned(value) for value in found])
    numbers = forms[forms.sum(axis=1).argmax()]  # in the form that most have
    if numbers.sum() <= FEW_NUMBERS:
        return
    if numbers.all():
        with_sign = next(value for value in found if unsigned(value) is not value)
        raise InputError(
            f"{argument}: expected numbers with one sign, in nine of ten cells, or without any in column {name!r}, got "
            f"{short(with_sign)!r} beside others; write them in one way, or leave the column out"
        )
    strange = values.isin([value for value, number in zip(found, numbers, strict=True) if not number])
    words = [str(value) for value, number in zip(found, numbers, strict=True) if not number]
    unknown = len(words) <= FEW_WORDS and numbers.sum() > MANY_NUMBERS and not re.search(r"\d", "".join(words))
    if (unknown and strange.sum() <= values.notna().sum() / 2) or strange.sum() <= (1 - NEARLY) * values.notna().sum():
        place = int(strange.to_numpy().argmax())
        raise InputError(
            f"{argument}: expected a number in every row of column {name!r}, as in most of them, got "
            f"{short(values.iloc[place])!r} at row {row_of(values, place)} ({int(strange.sum()):,} such cells); "
            "correct them, leave them empty, or leave the column out"
        )


def _like(levels: Collection, unread: bool = False) -> str:
    """What most of these texts look like though they are not read as it; "" where they are just texts.

    unread: those that are numbers, in whatever form, do not count.
    """
    like = [level for level in levels if isinstance(level, str) and _LIKE_A_NUMBER.fullmatch(level)]
    if unread and like:
        like = [level for level, number in zip(like, are_numbers(like), strict=True) if not number]
    strange = next((level for level in like if not PLAIN.fullmatch(level.strip())), None)
    if strange is None or len(like) <= len(levels) / 2:
        return ""
    return f" (numbers or dates? write {short(strange)!r} as 1234.5 or 2020-12-31)"


def _with_tail(number: Column, v: np.ndarray) -> Column:
    """The column with a log where it holds amounts, never below 0, whose tail is heavy and with a log much less so."""
    v = v[np.isfinite(v)]
    if len(v) < COUNTED_ROWS or v.min() < 0 or not (kurtosis := _kurtosis(v)) > HEAVY:
        return number
    scale = float(np.median(np.abs(v[v != 0])))
    if not np.finfo(np.float32).tiny < scale < MOST:
        return number
    if _kurtosis(np.sign(v) * np.log1p(np.abs(v) / scale)) > kurtosis / 2:
        return number
    return Column(number.name, "number", missing=number.missing, log=True, scale=scale, form=number.form)


def _with_offset(number: Column, v: np.ndarray) -> Column:
    """The column as it is, or counted from its median where float32 would blur values: times in milliseconds, say."""
    v = v[np.isfinite(v) & (np.abs(v) <= MOST)]
    if not len(v) or np.spacing(np.float32(np.abs(v).max())) <= BLURRED * v.std():
        return number
    return replace(number, offset=float(np.median(v)))


def _kurtosis(v: np.ndarray) -> float:
    spread = v / max(np.abs(v).max(), np.finfo(float).tiny)
    spread = spread - spread.mean()
    square = float(np.mean(spread**2))
    return float(np.mean(spread**4)) / square**2 if square**2 > 0 else 0.0


def _in_order(levels) -> list[Level]:
    levels = list(levels)
    numbers = all(isinstance(level, (int, float)) for level in levels)
    return sorted(levels) if numbers else sorted(levels, key=str)


def _cells(number: int) -> str:
    return "1 cell" if number == 1 else f"{number:,} cells"


def _cited(values) -> str:
    found = list(values)
    return ", ".join(repr(short(value)) for value in found[:SHOWN]) + (", ..." if len(found) > SHOWN else "")
