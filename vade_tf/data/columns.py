"""`Column`: one column of a table: what its values are, and how they become float32 features and come back.

Knows no file and no table, nor by which rules a column is found: those are in `inferring`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
import pandas

from vade_tf.data.cells import (
    Level,
    are_codes,
    factorized,
    key_of,
    number_key,
    read_numbers,
    short,
    sign_of,
    without_blanks,
)
from vade_tf.data.dates import DAY, ISO, read_dates
from vade_tf.errors import InputError

KINDS = ("number", "ordered", "category", "boolean", "date")
MOST = 1e30  # value of a cell; float32 cannot square more
LEAST = 1e-12  # base of a power; what a model draws may lie beyond all that a power reaches
SHOWN = 3  # values that a note cites


@dataclass(frozen=True)
class Column:
    """What a column holds, and how it is coded.

    Attributes:
        name: as in the table: a text, or a whole number.
        kind: "number" and "ordered" (the rank) are one feature each, "date" one in days, "boolean" one of 0 and 1,
            "category" one feature of 0 and 1 for each level.
        levels: of an ordered, category or boolean column, in the order of their codes; else ().
        missing: number of cells without a value when it was inferred.
        power: (lambda, mean, standard deviation) of the transform of Yeo and Johnson (2000), as scikit-learn's
            `PowerTransformer` fits them to numbers; None: they are as they are.
        offset: of a date: what counts as 0, in days since 1970-01-01; of a number: what is taken away from it.
        form: of numbers or dates that came as text: how they are written, "" for the usual way; a sign comes first.
        rest: whether the last level of a category stands for all that are not listed.
    """

    name: str | int
    kind: str
    levels: tuple[Level, ...] = ()
    missing: int = 0
    power: tuple[float, ...] | None = None
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

    def encode(self, values: pandas.Series, argument: str) -> tuple[np.ndarray, str, int]:
        """Cells -> features.

        Args:
            values: the column of any table, [n].
            argument: what an error names.

        Returns:
            float32 [n, width], NaN in all of a missing cell; a note about cells that were taken as missing, or that may
            be in another unit, or ""; and how many were taken as missing.

        Raises:
            InputError: a cell that is no number where there should be one, or too large a number.
        """
        values = without_blanks(values, self.levels)
        if self.kind in ("number", "date"):
            note = self._may_be_fractions(values) if self.kind == "number" else ""
            return self._measured(values, argument), note, 0
        codes, unknown = self._codes(values, argument)
        note, cells = "", 0 if self.rest else int(unknown.sum())
        if cells:
            note = (
                f"{_cells(cells)} of {self.name!r} hold{'s' if cells == 1 else ''} "
                f"{'a value' if unknown.size == 1 else 'values'} that training did not see: {examples(unknown.index)}: "
                "taken as missing"
            )
        if self.kind != "category":
            coded = np.where(codes < 0, np.nan, codes)[:, None]
        else:
            coded = np.zeros((len(values), self.width), np.float32)
            coded[np.arange(len(values)), codes] = 1.0
            coded[codes < 0] = np.nan
        return coded.astype(np.float32), note, cells

    def decode(self, x: np.ndarray) -> pandas.Series:
        """Features -> cells in the units and categories that came in: [n, width] -> [n]; NaN gives a missing cell."""
        x = np.asarray(x, np.float64)
        missing = np.isnan(x).any(axis=1)
        if self.kind == "number":
            v = x[:, 0]
            return pandas.Series((v if self.power is None else _without_power(v, *self.power)) + self.offset)
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

    def with_power(self, values: pandas.Series) -> "Column":
        """The column with the power that makes its numbers [n] most like a normal distribution; others as they are."""
        if self.kind != "number":
            return self
        from sklearn.preprocessing import PowerTransformer

        v = self._measured(values, str(self.name)).astype(np.float64)
        with np.errstate(all="ignore"):  # numbers near one another and far from 0 have none
            power = float(PowerTransformer(standardize=False).fit(v).lambdas_[0])
            coded = _with_power(v, power)
            mean, std = float(np.nanmean(coded)), float(np.nanstd(coded))
        return replace(self, power=(power, mean, std)) if np.isfinite(power + mean + std) and std > 0 else self

    def _measured(self, values: pandas.Series, argument: str) -> np.ndarray:
        """The feature of a number or a date, [n, 1]."""
        found = read_dates(values, self.form) if self.kind == "date" else read_numbers(values, self.form)
        if found is None:
            row, cell = self._stranger(values)
            what, form = ("a date", day_as(self.form)) if self.kind == "date" else ("a number", self.form)
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
        v = v - self.offset if self.power is None else _with_power(v - self.offset, *self.power)
        return v.astype(np.float32)[:, None]

    def _may_be_fractions(self, values: pandas.Series) -> str:
        """A note where numbers are percent, and these have no sign of it and lie between -1 and 1; else ""."""
        if sign_of(self.form) != "%" or any(isinstance(cell, str) and "%" in cell for cell in values):
            return ""
        numbers = read_numbers(values, self.form)
        v = np.nan_to_num(numbers[0]) if numbers is not None else np.zeros(1)
        if not v.any() or np.abs(v).max() > 1:
            return ""
        return f"numbers of {self.name!r} lie between -1 and 1 and have no %, as those of training had: read as percent"

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
        """The number of each cell's level, -1 where it is none; of two levels 0 and 1 the first is false, too.

        A number is a code that is one without its 0s in front, as pandas reads 01067 where nobody tells it otherwise.
        """
        known = {key_of(level): code for code, level in enumerate(self.levels)}
        listed = self.levels[: len(self.levels) - self.rest]
        numbers = not any(isinstance(level, str) for level in listed)
        if len(known) == 2 and known.keys() & {"false", "0"} and known.keys() & {"true", "1"}:  # also True beside 0
            numbers = True
            for word, digit in (("false", "0"), ("true", "1")):
                known[word] = known[digit] = known[word] if word in known else known[digit]
        codes = [known.get(key_of(cell), -1) for cell in cells]
        short_codes = {number_key(level): code for code, level in enumerate(listed)} if are_codes(listed) else {}
        if len(short_codes) == len(listed):
            codes = [
                short_codes.get(key_of(cell), -1) if code < 0 and not isinstance(cell, str) else code
                for cell, code in zip(cells, codes, strict=True)
            ]
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


def _with_power(v: np.ndarray, power: float, mean: float = 0.0, std: float = 1.0) -> np.ndarray:
    """Yeo and Johnson's transform of numbers, NaN where they are."""
    p = np.where(v < 0, 2.0 - power, power)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        raised = np.where(np.abs(p) < LEAST, np.log1p(np.abs(v)), np.expm1(p * np.log1p(np.abs(v))) / p)
    return np.clip((np.sign(v) * raised - mean) / std, -MOST, MOST)


def _without_power(x: np.ndarray, power: float, mean: float, std: float) -> np.ndarray:
    """The numbers whose transform is x."""
    x = x * std + mean
    p = np.where(x < 0, 2.0 - power, power)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        logs = np.where(np.abs(p) < LEAST, np.abs(x), np.log(np.maximum(1 + p * np.abs(x), LEAST)) / p)
    return np.sign(x) * np.minimum(np.expm1(logs), MOST)


def _is_fraction(value) -> bool:
    return isinstance(value, (float, np.floating)) and abs(float(value)) < MOST and float(value) % 1 != 0


def day_as(form: str) -> str:
    """A day as dates of this form are written."""
    return datetime(2020, 12, 31, 23, 59).strftime("%Y-%m-%d" if form == ISO else form)


def _cells(number: int) -> str:
    return "1 cell" if number == 1 else f"{number:,} cells"


def examples(values) -> str:
    """The first of these values, as a note cites them."""
    found = list(values)
    return ", ".join(repr(short(value)) for value in found[:SHOWN]) + (", ..." if len(found) > SHOWN else "")
