"""`Schema`: what the columns of a table are, so that new rows of it become the same features, and features its rows.

Knows no file and no model; every rule reads the values alone, never a label.
"""

from collections import Counter
from dataclasses import asdict, dataclass
from itertools import groupby
from typing import Any, ClassVar

import numpy as np
import pandas
from pandas.api import types

from vade_tf.data.columns import ISO, ISO_DAY, KINDS, Column, infer, is_texts, listed, shown, without_missing
from vade_tf.errors import InputError, warn_units

AS_ASKED = "as asked"  # begins the reason why a column is left out that the caller has named


@dataclass(frozen=True)
class Schema:
    """The columns that are used, in the order of their features, and why others are not."""

    kind: ClassVar[str] = "table"
    columns: tuple[Column, ...]  # at least one
    dropped: dict[str | int, str]  # name -> reason

    @classmethod
    def infer(
        cls, frame: pandas.DataFrame, argument: str = "x", transform: str | None = None, counts: bool = False
    ) -> "Schema":
        """The schema of a table, [n, any number of columns], by the rules of `columns.infer`.

        Args:
            frame: the table.
            argument: what an error names.
            transform: "power": numbers are brought nearer to a normal distribution, see `Column.power`; None: not.
            counts: whether the columns that are used are numbers, as they are.

        Raises:
            InputError: no rows, a name twice, no column of use, or an unknown transform.
        """
        if transform not in (None, "power"):
            raise InputError("transform", "'power' or None", repr(transform))
        cells = {name: frame.iloc[:, i] for i, name in enumerate(named(frame, argument))}
        found = {name: infer(name, values, argument) for name, values in cells.items()}
        columns = tuple(column for column in found.values() if isinstance(column, Column))
        dropped = {name: reason for name, reason in found.items() if isinstance(reason, str)}
        if not columns:
            reasons = "; ".join(f"{shown(name)}: {reason}" for name, reason in list(dropped.items())[:3])
            expected = "a column of numbers or categories that differ from row to row"
            raise InputError(argument, expected, f"none ({reasons})", "texts are clustered by text")
        if counts:
            columns = tuple(Column(column.name, "number") for column in columns)
        elif transform == "power":
            columns = tuple(column.with_power(cells[column.name]) for column in columns)
        return cls(columns, dropped)

    @classmethod
    def numbers(cls, frame: pandas.DataFrame, argument: str = "x") -> "Schema":
        """A schema that takes every column as a number, as it is."""
        return cls(tuple(Column(name, "number") for name in named(frame, argument)), {})

    @property
    def features(self) -> list[str]:
        """Names of the D features: "age", "colour=red"."""
        return [feature for column in self.columns for feature in column.features]

    @property
    def blocks(self) -> tuple[tuple[str, int], ...]:
        """Families and widths, (("gaussian", 9), ("categorical", 3)): neighbours are one block, but for categories."""
        found: list[tuple[str, int]] = []
        for block, columns in groupby(self.columns, lambda column: column.block):
            widths = [column.width for column in columns]
            found += [(block, width) for width in (widths if block == "categorical" else [sum(widths)])]
        return tuple(found)

    @property
    def measured(self) -> dict[int, str]:
        """Names of the columns of numbers by the places of their features. Dates, which go on, are none."""
        return {place.start: str(column.name) for column, place in self._places() if column.kind == "number"}

    def _places(self) -> list[tuple[Column, slice]]:
        ends = np.cumsum([column.width for column in self.columns]).tolist()
        return [(c, slice(end - c.width, end)) for c, end in zip(self.columns, ends, strict=True)]

    def encode(self, frame: pandas.DataFrame, argument: str = "x") -> tuple[np.ndarray, list[str]]:
        """Rows of a table, columns in any order -> x, float32 [n, D], NaN in all of a missing cell; and notes on cells.

        Raises:
            InputError: a column is not there, or a cell is none of its kind.
        """
        frame = as_frame(frame)
        names = named(frame, argument)
        cells = {name: frame.iloc[:, i] for i, name in enumerate(names)}
        if absent := [column.name for column in self.columns if column.name not in cells]:
            raise InputError(argument, "all columns of the training", f"none called {listed(absent)}")
        notes = self.ignored(names)
        x = np.empty((len(frame), len(self.features)), np.float32)
        for column, place in self._places():
            x[:, place], note = column.encode(cells[column.name], argument)
            notes += [note] if note else []
        if (unknown := np.isnan(x).all(axis=1)).any():
            notes.append(f"rows without one known cell: {unknown.sum():,}; their cluster and density say nothing")
        return x, notes

    def ignored(self, names: list[str | int]) -> list[str]:
        """A sentence where a table has columns of other names than the training had; else none."""
        extra = [name for name in names if name not in {column.name for column in self.columns} | set(self.dropped)]
        return [f"columns that training did not have are ignored: {listed(extra)}"] if extra else []

    def decode(self, x: np.ndarray) -> pandas.DataFrame:
        """Features [n, D] -> a table of n rows in the names, units and categories that came in, see `Column.decode`."""
        if np.ndim(x) != 2 or np.shape(x)[1] != len(self.features):
            raise InputError("x", f"rows of {len(self.features)} features", f"shape {np.shape(x)}")
        return pandas.DataFrame({column.name: column.decode(x[:, place]) for column, place in self._places()})

    def describe(self) -> list[str]:
        """What is done with the columns, a line a kind, and why others are left out."""
        columns, lines = self.columns, list[str]()
        for kind, meaning in KINDS.items():
            if found := [column for column in columns if column.kind == kind]:
                lines.append(f"{len(found):,} column{'s' * (len(found) > 1)}: {meaning} ({listed(found, _shown)})")
        said: dict[str, list] = {}
        for column in columns:
            if column.form.startswith(("%m", "%d")):
                first = "months" if column.form.startswith("%m") else "days"
                said.setdefault(f"dates are read with {first} first", []).append(column.name)
            if alike := column.levels_alike():
                said.setdefault(f"levels that differ in capitals alone, {listed(alike)}", []).append(column.name)
        if missing := [column.name for column in columns if column.missing]:
            said[f"{sum(c.missing for c in columns):,} empty cells are taken as missing"] = missing
        for name, reason in self.dropped.items():
            said.setdefault(f"left out, {reason}", []).append(name)
        return [*lines, *(f"{what}: {listed(names)}" for what, names in said.items())]

    def summary(self) -> dict:
        """The names of the columns that are used, and why others are left out."""
        return {"used": [column.name for column in self.columns], "left_out": self.dropped}

    def to_dict(self) -> dict:
        columns = [asdict(column) for column in self.columns]
        return {"form": "table", "columns": columns, "dropped": list(self.dropped.items())}

    @classmethod
    def from_dict(cls, values: dict) -> "Schema":
        columns = []
        for each in values["columns"]:
            known: dict[str, Any] = {key: tuple(v) if isinstance(v, list) else v for key, v in dict(each).items()}
            if not known.get("log", True):  # as an older version wrote it
                del known["log"]
            columns.append(Column(**known))
        if not columns or len({column.name for column in columns}) < len(columns):
            raise ValueError("expected columns with different names")
        return cls(tuple(columns), {name: str(reason) for name, reason in values["dropped"]})


def named(frame: pandas.DataFrame, argument: str) -> list[str | int]:
    """The names of a table's columns, as texts or whole numbers; an InputError where it has none, or one twice."""
    if 0 in frame.shape:
        raise InputError(argument, "a table with rows and columns", f"shape {frame.shape}")
    names = [int(n) if isinstance(n, (int, np.integer)) and not isinstance(n, bool) else str(n) for n in frame.columns]
    if twice := [name for name, number in Counter(names).items() if number > 1]:
        raise InputError(argument, "columns with different names", f"{shown(twice[0])} twice", "rename one")
    return names


def as_frame(x):
    """A table of pyarrow or Polars as one of pandas, by its names; all else as it is."""
    table = hasattr(x, "to_pandas") and (hasattr(x, "columns") or hasattr(x, "column_names"))
    return x.to_pandas() if table and not isinstance(x, pandas.DataFrame) else x


def is_polars(x) -> bool:
    """Whether x is a DataFrame of Polars."""
    return type(x).__module__.partition(".")[0] == "polars"


def in_polars(frame: pandas.DataFrame):
    """A DataFrame of pandas as one of Polars."""
    import polars

    return polars.from_pandas(frame)


def coded_frame(frame, argument: str, counts: bool, transform: str | None) -> tuple[np.ndarray, Schema]:
    """A table of pandas, Polars or Arrow as features [n, D], and their schema; with `counts` numbers as they are."""
    frame = as_frame(frame)
    schema = Schema.infer(frame, argument, transform, counts)
    x, notes = schema.encode(frame, argument)
    warn_units(notes, 5)
    return x, schema


def filled(table: pandas.DataFrame, schema: Schema, x: np.ndarray) -> pandas.DataFrame:
    """A table with its missing cells filled in; every other cell stays as it came, as do types that can hold it.

    Args:
        table: rows [n, any columns], among them those of the schema.
        schema: of the columns to fill.
        x: what goes there, features [n, D], see `Schema.decode`; no cell is filled with "other".
    """
    x = np.array(x, np.float64)
    x[:, [place.stop - 1 for column, place in schema._places() if column.rest]] = -np.inf
    means = schema.decode(x).set_axis(table.index)
    whole = table.copy(deep=False)
    places = {str(name): place for place, name in enumerate(table.columns)}
    for column in schema.columns:
        place = places[str(column.name)]
        cells, found = without_missing(table.iloc[:, place]), means[column.name].astype(object)
        empty = cells.isna()
        if not empty.any():
            continue
        if column.kind == "date" and is_texts(cells):
            found = _as_written(column, means[column.name], types.infer_dtype(cells, skipna=True) == "date")
        elif isinstance(cells.dtype, pandas.CategoricalDtype):
            own = {str(level): level for level in cells.dtype.categories}
            found = found.map(lambda level, own=own: own.get(str(level), level))
        elif getattr(cells.dtype, "tz", None):
            found = means[column.name].dt.tz_localize("UTC").dt.tz_convert(cells.dtype.tz).astype(object)
        filled = cells.astype(object).where(~empty, found)
        try:
            whole.isetitem(place, filled.astype(cells.dtype))
        except (TypeError, ValueError):  # such as a fraction among whole numbers
            whole.isetitem(place, filled.infer_objects())
    return whole


def _as_written(column: Column, dates: pandas.Series, days: bool) -> pandas.Series:
    """Dates as those of the training were written, or as Python's days."""
    if days:
        return dates.dt.round("D").dt.date
    form = ISO_DAY if column.form in (ISO, "") else column.form
    return dates.dt.round("s" if "%S" in form else "min" if "%M" in form else "D").dt.strftime(form)


def _shown(column: Column) -> str:
    name = shown(column.name)  # in quotes it is no setting, whatever it is called
    levels = f", {column.width} levels{', the last for rarer ones' if column.rest else ''}"
    return name + levels * (column.kind == "category")
