"""`Column`: what the cells of one column of a table hold, and how they become float32 features and features cells.

Every rule of `infer` reads the cells alone, never a label. Knows no file and no table.
"""

import re
import reprlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import numpy as np
import pandas
from pandas.api import types
from scipy import special

from vade_tf.errors import InputError
from vade_tf.finite import MAX_VALUE

KINDS = {
    "number": "a number each",
    "ordered": "ordered levels, the rank as a number",
    "category": "a category each, one feature a level",
    "boolean": "two values each, as 0 and 1",
    "date": "dates, as days from their median",
}
BLOCKS = {"boolean": "bernoulli", "category": "categorical"}  # all other kinds are gaussian
MISSING = {  # those of pandas, and "?"
    *("", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A", "NA"),
    *("NULL", "NaN", "None", "n/a", "nan", "null", "?"),
}
MIN_POWER_BASE = 1e-12  # what a model draws may lie beyond all that a power reaches
MICROSECONDS_PER_DAY = 86_400_000_000
MAX_LISTED = 8  # names or values that a message has
ISO = "ISO8601"  # as pandas calls it
ISO_DAY = "%Y-%m-%d"
DAYS = ("%m/%d/%Y", "%d/%m/%Y", "%d.%m.%Y", "%Y/%m/%d", "%d-%m-%Y", "%d-%b-%Y", "%d %b %Y", "%d %B %Y", "%B %d, %Y")
DATES = tuple(day + time for day in DAYS for time in ("", " %H:%M", " %H:%M:%S", " %I:%M %p"))
MAX_LEVELS = 100  # of a category; the rarer ones are joined
REST = "other"  # the level that joins them
MANY_TEXTS = 50  # different texts, of more than half of the rows: names or sentences, no categories
MIN_COUNTED_ROWS = 10  # so many rows in steps of one are an index and no chance
IDENTIFYING_SHARE = 0.9  # of different values that a column called an identifier has
DECORATED_NUMBER = r"\D{0,4}\d[\d., ']*\D{0,4}"  # such as $1,200.50 or 12 km
MAX_ROUNDING = 1e-3  # between two numbers of float32, as a share of a column's standard deviation
_IDENTIFIER = re.compile(r"|Unnamed: 0|(?i:index|(.*[_. -])?id)|.*[a-z]I[dD]")  # names of columns; "" is one
Level = str | int | float | bool


@dataclass(frozen=True)
class Column:
    """What a column holds, see KINDS: a category is one feature of 0 and 1 for each level, all else one feature."""

    name: str | int  # as in the table: a text, or a whole number
    kind: str
    levels: tuple[Level, ...] = ()  # of an ordered, category or boolean column, in the order of their codes
    missing: int = 0  # number of cells without a value when it was inferred
    power: tuple[float, ...] | None = None  # (lambda, mean, standard deviation) of Yeo and Johnson's transform (2000)
    offset: float = 0.0  # what is taken away from a number, or from a date in days since 1970-01-01
    form: str = ""  # the format of dates that came as texts, as `pandas.to_datetime` takes it; or `ISO_DAY`
    rest: bool = False  # whether the last level of a category stands for all that are not listed

    def __post_init__(self):
        # it may come from a damaged file
        scalars = (self.name, *self.levels)
        if not all(isinstance(each, str | int | float) for each in scalars) or not np.isfinite(self.offset):
            raise ValueError(f"expected names and levels that are texts or numbers, got {scalars}")
        if self.kind not in KINDS or (self.kind in ("number", "date")) != (len(self.levels) < 2):
            raise ValueError(f"expected no column {self.name!r} of the kind {self.kind!r} and these levels")

    @property
    def width(self) -> int:
        return len(self.levels) if self.kind == "category" else 1

    @property
    def features(self) -> list[str]:
        return [f"{self.name}={level}" for level in self.levels] if self.kind == "category" else [str(self.name)]

    @property
    def block(self) -> str:
        """The family of its features: "gaussian", "bernoulli" or "categorical"."""
        return BLOCKS.get(self.kind, "gaussian")

    def levels_alike(self) -> list[Level]:
        """The levels that another one equals but for capital letters."""
        folded = [str(level).casefold() for level in self.levels]
        return [level for level, each in zip(self.levels, folded, strict=True) if folded.count(each) > 1]

    @property
    def has_texts(self) -> bool:
        """Whether its levels are texts, though some may look like numbers."""
        return any(isinstance(level, str) for level in self.levels[: len(self.levels) - self.rest])

    def encode(self, values: pandas.Series, argument: str) -> tuple[np.ndarray, str]:
        """Cells [n] -> features, float32 [n, width], NaN in all of a missing cell; and a note of unseen levels, or "".

        Raises:
            InputError: a cell is no number or date where there should be one; it names column, row and value.
        """
        values = without_missing(values)
        if self.kind in ("number", "date"):
            return self._measured(values, argument).astype(np.float32)[:, None], ""
        numbers, found = pandas.factorize(values)
        known = {key_of(level, self.has_texts): code for code, level in enumerate(self.levels)}
        other = len(self.levels) - 1 if self.rest else -1
        of_found = [known.get(key_of(cell, self.has_texts), other) for cell in found]
        codes = np.array([*of_found, -1])[numbers]
        unseen = [value for value, code in zip(found, of_found, strict=True) if code < 0]
        note = f"values of {self.name!r} that training did not see are taken as missing: {listed(unseen)}"
        own = np.eye(self.width) if self.kind == "category" else np.arange(len(self.levels))[:, None]
        coded = np.vstack([own, np.full(self.width, np.nan)]).astype(np.float32)  # the last row is a missing cell's
        return coded[codes], note if unseen else ""

    def decode(self, x: np.ndarray) -> pandas.Series:
        """Features [n, width] -> cells [n] in the units and categories that came in; NaN gives a missing cell.

        A category is the level of the largest value, a boolean the second of its values from 0.5 on; a rank is rounded.
        """
        x = np.asarray(x, np.float64)
        missing = np.isnan(x).any(axis=1)
        if self.kind == "number":
            v = x[:, 0] if self.power is None else _without_power(x[:, 0], *self.power)
            return pandas.Series(v + self.offset)
        if self.kind == "date":
            days = np.where(missing, 0.0, x[:, 0] + self.offset)
            days = np.round(days) if self.form in (ISO_DAY, *DAYS) else days  # no time of day in the training
            stamps = np.round(days * MICROSECONDS_PER_DAY)
            return pandas.Series(stamps.astype("int64").astype("M8[us]")).mask(missing)
        known = np.where(missing[:, None], 0.0, x)
        if self.kind == "ordered":
            codes = np.where(missing, -1, np.clip(np.rint(known[:, 0]), 0, len(self.levels) - 1)).astype(int)
            return pandas.Series(pandas.Categorical.from_codes(codes, list(self.levels), ordered=True))
        codes = known.argmax(axis=1) if self.kind == "category" else (known[:, 0] >= 0.5).astype(int)
        cells = pandas.Series(list(self.levels)).take(codes).reset_index(drop=True)
        return cells.mask(missing) if missing.any() else cells

    def with_power(self, values: pandas.Series) -> "Column":
        """The column with the power that makes its numbers [n] most like a normal distribution; others as they are."""
        if self.kind != "number":
            return self
        from sklearn.preprocessing import PowerTransformer

        v = self._measured(without_missing(values), str(self.name)).astype(np.float32)[:, None].astype(np.float64)
        with np.errstate(all="ignore"):  # numbers near one another and far from 0 have none
            power = float(PowerTransformer(standardize=False).fit(v).lambdas_[0])
            coded = _with_power(v, power)
            mean, std = float(np.nanmean(coded)), float(np.nanstd(coded))
        return replace(self, power=(power, mean, std)) if np.isfinite(power + mean + std) and std > 0 else self

    def _measured(self, values: pandas.Series, argument: str) -> np.ndarray:
        """Numbers or days, float64 [n]."""
        v = read_dates(values, self.form) if self.kind == "date" else read_numbers(values)
        unusable = (np.isnan(v) & values.notna().to_numpy()) | (np.abs(v) > MAX_VALUE)
        if unusable.any():
            place = int(unusable.argmax())
            row = values.index[place] if isinstance(values.index, pandas.RangeIndex) else place  # in its whole table
            what = f"a date {self.form}".strip() if self.kind == "date" else "a finite number below 1e30"
            expected = f"{what} or an empty cell in every row of column {self.name!r}"
            raise InputError(argument, expected, f"{shown(values.iloc[place])} at row {row}")
        return v - self.offset if self.power is None else _with_power(v - self.offset, *self.power)


def infer(name: str | int, values: pandas.Series, argument: str) -> Column | str:
    """The column that these values [n] make, or why it is left out; an InputError where a number is not finite.

    Two values, but for dates, are 0 and 1; texts are categories of at most 100 levels; ordered categories their rank;
    dates days. Columns that are empty, constant, an index, an identifier or different texts are left out.
    """
    values = without_missing(values)
    missing = int(values.isna().sum())
    held = len(values) - missing
    if not held:
        return "it has no value"
    if isinstance(values.dtype, pandas.CategoricalDtype) and values.dtype.ordered and values.nunique() > 1:
        return Column(name, "ordered", tuple(map(plain, values.dtype.categories)), missing)
    numbers, found = pandas.factorize(values)
    if len(found) < 2:
        return f"its value is always {listed(found)}" if not missing else f"its only value is {listed(found)}"
    named = isinstance(values.dtype, pandas.CategoricalDtype)
    v = None if named or types.is_bool_dtype(values.dtype) else read_numbers(values)
    if v is not None and (np.isnan(v) & values.notna().to_numpy()).any():
        v = None  # one is no number
    if v is not None and held == len(v) >= MIN_COUNTED_ROWS and v[0] in (0, 1):
        step = values.index.step if isinstance(values.index, pandas.RangeIndex) else 1  # of rows at even distances
        if (np.diff(v) == step).all():
            return f"it counts the rows from {v[0]:g}"
    names = is_texts(values) if v is None else bool(np.all(np.nan_to_num(v) % 1 == 0))  # no fraction names a row
    if names and _IDENTIFIER.fullmatch(str(name).strip()) and len(found) >= IDENTIFYING_SHARE * held:
        return f"an identifier: {len(found):,} different values in {held:,} rows"
    if v is not None and (np.abs(v) > MAX_VALUE).any():
        raise InputError(argument, f"finite numbers below 1e30 in column {name!r}", repr(np.nanmax(np.abs(v))))
    texts = [value.strip() for value in found if isinstance(value, str)]
    form = date_form(texts) if len(texts) == len(found) and v is None and not named else ""
    if v is None and (form or types.infer_dtype(found, skipna=True) in ("date", "datetime", "datetime64")):
        days = read_dates(values, form)
        if form in ("", ISO) and not (np.nan_to_num(days) % 1).any():
            form = ISO_DAY
        return Column(name, "date", missing=missing, offset=float(np.nanmedian(days)), form=form)
    if len(found) == 2:
        return Column(name, "boolean", _in_order(found), missing)
    if v is not None:
        v = v[~np.isnan(v)]
        near = np.spacing(np.float32(np.abs(v).max())) > MAX_ROUNDING * v.std()  # times in milliseconds, say
        return Column(name, "number", missing=missing, offset=float(np.median(v)) if near else 0.0)
    if len(found) > max(MANY_TEXTS, held / 2):
        reason = f"{len(found):,} different {'categories' if named else 'texts'} in {held:,} rows"
        if texts and all(re.fullmatch(DECORATED_NUMBER, text) for text in texts):
            reason += f"; to use them, write numbers such as {shown(texts[0])} plainly, as in 1200.5"
        return reason
    if len(found) <= MAX_LEVELS:
        return Column(name, "category", _in_order(found), missing)
    counts = pandas.Series(np.bincount(numbers[numbers >= 0]), [key_of(value, True) for value in found])
    common = counts.groupby(level=0).sum().sort_values(ascending=False, kind="stable").index
    levels = {key_of(value, True): plain(value) for value in found}
    kept = [levels[key] for key in common[: MAX_LEVELS - 1] if key != REST]
    return Column(name, "category", (*_in_order(kept), REST), missing, rest=True)


def _in_order(values: list) -> tuple[Level, ...]:
    levels = list({key_of(value, True): plain(value) for value in values}.values())
    numbers = all(isinstance(level, int | float) for level in levels)
    return tuple(sorted(levels) if numbers else sorted(levels, key=str))


def without_missing(values: pandas.Series) -> pandas.Series:
    """A dense column in which texts of `MISSING` are missing cells."""
    if isinstance(values.dtype, pandas.SparseDtype):
        return values.sparse.to_dense()
    if not is_texts(values):
        return values
    return values.mask(values.map(lambda cell: isinstance(cell, str) and cell.strip() in MISSING).astype(bool))


def is_texts(values: pandas.Series) -> bool:
    return types.is_object_dtype(values.dtype) or types.is_string_dtype(values.dtype)


def read_numbers(values: pandas.Series) -> np.ndarray:
    """Cells as numbers, float64 [n]; NaN where they are missing or none."""
    if not types.is_numeric_dtype(values.dtype):
        values = pandas.to_numeric(values.astype(object), errors="coerce")
    if types.is_complex_dtype(values.dtype):
        return np.full(len(values), np.nan)
    return values.to_numpy(np.float64, na_value=np.nan)


def read_dates(values: pandas.Series, form: str) -> np.ndarray:
    """Cells as days since 1970-01-01, float64 [n]; NaN where they are missing, or no dates of this form.

    `ISO_DAY` and "" take a time of day, too.
    """
    if types.is_numeric_dtype(values.dtype):
        return np.full(len(values), np.nan)
    if is_texts(values):
        values = values.mask(values.isin(["now", "today"]).astype(bool))  # pandas would ask the clock
    if values.dtype.kind != "M" or getattr(values.dtype, "tz", None) or not isinstance(values.dtype, np.dtype):
        form = ISO if form in (ISO_DAY, "") else form
        values = pandas.to_datetime(values, format=form, errors="coerce", utc=True).dt.tz_localize(None)
    stamps = values.to_numpy("M8[us]")
    return np.where(np.isnat(stamps), np.nan, stamps.astype("int64") / MICROSECONDS_PER_DAY)


def date_form(texts: list[str]) -> str:
    """ISO, or the first of DATES, so months before days, in which all texts are dates; "" where there is none."""
    cells = pandas.Series(texts, dtype=object)
    forms = (ISO,) if all(re.match(r"\d{4}-\d\d-\d\d", text) for text in texts) else DATES
    likely = (form for form in forms if not np.isnan(read_dates(cells[:10], form)).any())
    return next((form for form in likely if not np.isnan(read_dates(cells, form)).any()), "")


def key_of(value, as_text: bool) -> str:
    """What two cells have in common that hold the same level: "1" for 1 and 1.0.

    as_text: whether levels are texts, of which "1.0" and "01" are others; else these are 1, too, and True is.
    """
    if isinstance(value, str):
        value = value.strip()
        if as_text:
            return value
        try:
            value = float({"true": "1", "false": "0"}.get(value.lower(), value))
        except ValueError:
            return value
    if isinstance(value, bool | np.bool_):
        value = str(value) if as_text else int(value)
    if isinstance(value, float | np.floating):
        return str(int(value)) if float(value).is_integer() else str(np.float32(value))
    return str(value).strip()


def plain(value) -> Level:
    """A level as JSON can hold it."""
    value = value.item() if isinstance(value, np.generic) else value
    return value if isinstance(value, bool | int | float) and np.isfinite(value) else str(value).strip()


def shown(value) -> str:
    """A cell or a name as a message has it."""
    return reprlib.repr(plain(value))


def listed(values: Iterable, form: Callable = shown) -> str:
    """The first of these values, and how many more there are."""
    found = list(values)
    more = f" and {len(found) - MAX_LISTED:,} more" if len(found) > MAX_LISTED else ""
    return ", ".join(map(form, found[:MAX_LISTED])) + more


def _with_power(v: np.ndarray, power: float, mean: float = 0.0, std: float = 1.0) -> np.ndarray:
    """Yeo and Johnson's transform of numbers, NaN where they are."""
    raised = np.sign(v) * special.boxcox1p(np.abs(v), np.where(v < 0, 2.0 - power, power))
    return np.clip((raised - mean) / std, -MAX_VALUE, MAX_VALUE)


def _without_power(x: np.ndarray, power: float, mean: float, std: float) -> np.ndarray:
    """The numbers whose transform is x."""
    x = x * std + mean
    p = np.where(x < 0, 2.0 - power, power)
    reach = np.divide(MIN_POWER_BASE - 1, p, where=p < 0, out=np.full_like(p, np.inf))
    return np.sign(x) * np.minimum(special.inv_boxcox1p(np.minimum(np.abs(x), reach), p), MAX_VALUE)
