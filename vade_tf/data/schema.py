"""`Schema`: what the columns of a table are, so that new rows of it become the same features, and features its rows.

Knows no file and no model; every rule reads the values alone, never a label.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import numpy as np
import pandas

from vade_tf.data.columns import KINDS, Column, short
from vade_tf.data.inference import infer
from vade_tf.errors import InputError, warn_units

MAX_NAMES = 8  # columns that a line names


@dataclass(frozen=True)
class Schema:
    """The columns that are used, in the order of their features, and why others are not.

    Attributes:
        columns: those that are used, at least one.
        dropped: name -> reason, of the others.
    """

    kind: ClassVar[str] = "table"
    columns: tuple[Column, ...]
    dropped: dict[str | int, str]

    @classmethod
    def infer(cls, frame: pandas.DataFrame, argument: str = "x", transform: str | None = None) -> "Schema":
        """The schema of a table.

        Two values, but for dates, are 0 and 1; texts are categories of at most 100 levels; ordered categories their
        rank; dates days. Columns that are empty, constant, an index, an identifier or different texts are left out.

        Args:
            frame: the table, [n, any number of columns].
            argument: what an error names.
            transform: "power": numbers are brought nearer to a normal distribution, see `Column.power`; None: not.

        Raises:
            InputError: no rows, a name twice, a cell of no known type, no column of use, or an unknown transform.
        """
        if transform not in (None, "power"):
            raise InputError("transform", "'power' or None", repr(transform))
        names = named(frame, argument)
        found = {name: infer(name, frame.iloc[:, i], argument, i == 0) for i, name in enumerate(names)}
        columns = tuple(column for column in found.values() if isinstance(column, Column))
        dropped = {name: reason for name, reason in found.items() if isinstance(reason, str)}
        if not columns:
            reasons = "; ".join(f"{short(name)!r}: {reason}" for name, reason in list(dropped.items())[:3])
            expected = "a column of numbers or categories that differ from row to row"
            raise InputError(argument, expected, f"none ({reasons})", "texts are clustered by text")
        if transform == "power":
            columns = tuple(column.with_power(frame.iloc[:, names.index(column.name)]) for column in columns)
        return cls(columns, dropped)

    @classmethod
    def numbers(cls, frame: pandas.DataFrame, argument: str = "x") -> "Schema":
        """A schema that takes every column as a number, as it is."""
        return cls(tuple(Column(name, "number") for name in named(frame, argument)), {})

    @classmethod
    def counted(cls, frame: pandas.DataFrame, argument: str = "x") -> "Schema":
        """`numbers`, but for the columns that `infer` leaves out."""
        found = cls.infer(frame, argument)
        return cls(tuple(Column(column.name, "number") for column in found.columns), found.dropped)

    @property
    def features(self) -> list[str]:
        """Names of the D features: "age", "colour=red"."""
        return [feature for column in self.columns for feature in column.features]

    @property
    def blocks(self) -> tuple[tuple[str, int], ...]:
        """The families of the features, in their order: (("gaussian", 9), ("bernoulli", 1), ("categorical", 3)).

        Neighbours of one family are one block, but each category is one of its own. Widths add up to D.
        """
        found: list[tuple[str, int]] = []
        for column in self.columns:
            if found and found[-1][0] == column.block != "categorical":
                found[-1] = (column.block, found[-1][1] + column.width)
            else:
                found.append((column.block, column.width))
        return tuple(found)

    @property
    def measured(self) -> dict[int, str]:
        """Names of the columns of numbers by the places of their features. Dates, which go on, are none."""
        ends = np.cumsum([0, *(column.width for column in self.columns)])
        return {int(at): str(c.name) for at, c in zip(ends, self.columns, strict=False) if c.kind == "number"}

    def encode(self, frame: pandas.DataFrame, argument: str = "x") -> tuple[np.ndarray, list[str]]:
        """Rows of a table, its columns in any order -> features; and notes of what is ignored, missing or unknown.

        Returns:
            x, float32 [n, D], NaN in all features of a missing cell; and sentences.

        Raises:
            InputError: a column is not there, or a cell cannot be that column's.
        """
        frame = as_frame(frame)
        names = named(frame, argument)
        places = {name: i for i, name in enumerate(names)}
        if absent := [column.name for column in self.columns if column.name not in places]:
            raise InputError(argument, f"the columns of the training, among them {listed(absent)}", listed(names))
        notes = self.ignored(names)
        x, at = np.empty((len(frame), len(self.features)), np.float32), 0
        unknown = np.ones(len(frame), bool)
        for column in self.columns:
            coded, note = column.encode(frame.iloc[:, places[column.name]], argument)
            x[:, at : at + column.width] = coded
            at += column.width
            unknown &= np.isnan(coded[:, 0])
            notes += [note] if note else []
        if unknown.any():
            notes.append(f"rows without one known cell: {unknown.sum():,}; their cluster and density say nothing")
        return x, notes

    def ignored(self, names: list[str | int]) -> list[str]:
        """A sentence where a table has columns of other names than the training had; else none."""
        extra = [name for name in names if name not in {column.name for column in self.columns} | set(self.dropped)]
        return [f"columns that training did not have are ignored: {listed(extra)}"] if extra else []

    def decode(self, x: np.ndarray) -> pandas.DataFrame:
        """Features -> rows in the names, units and categories that came in: [n, D] -> a table of n rows.

        The level of a category is the one with the largest value, a boolean is the second of its values from 0.5 on, a
        rank is rounded. NaN gives a missing cell.
        """
        if np.ndim(x) != 2 or np.shape(x)[1] != len(self.features):
            raise InputError("x", f"rows of {len(self.features)} features", f"shape {np.shape(x)}")
        ends = np.cumsum([column.width for column in self.columns])
        parts = zip(self.columns, ends, strict=True)
        return pandas.DataFrame({column.name: column.decode(x[:, end - column.width : end]) for column, end in parts})

    def describe(self) -> list[str]:
        """What is done with the columns, a line a kind, and why others are left out."""
        columns, lines = self.columns, list[str]()
        for kind, meaning in KINDS.items():
            if names := [_shown(column) for column in columns if column.kind == kind]:
                lines.append(f"{len(names):,} column{'s' * (len(names) > 1)}: {meaning} ({listed(names, str)})")
        said = {
            "numbers whose power is taken (Yeo-Johnson)": [c.name for c in columns if c.power is not None],
            "dates are read with months first, as 12/31/2020": [c.name for c in columns if c.form == "%m/%d/%Y"],
            "dates are read with days first, as 31/12/2020": [c.name for c in columns if c.form == "%d/%m/%Y"],
            "far from 0 and near one another, so counted from their median": [
                c.name for c in columns if c.kind == "number" and c.offset
            ],
            f"{sum(c.missing for c in columns):,} empty cells are taken as missing": [
                c.name for c in columns if c.missing
            ],
        }
        lines += [f"{what}: {listed(names)}" for what, names in said.items() if names]
        reasons: dict[str, list] = {}
        for name, reason in self.dropped.items():
            reasons.setdefault(reason, []).append(name)
        return [*lines, *(f"left out, {reason}: {listed(names)}" for reason, names in reasons.items())]

    def to_dict(self) -> dict:
        """The schema as JSON can hold it; `from_dict` reads it."""
        columns = [asdict(column) for column in self.columns]
        return {"form": "table", "columns": columns, "dropped": list(self.dropped.items())}

    @classmethod
    def from_dict(cls, values: dict) -> "Schema":
        """The schema whose `to_dict` gave these values, which may come from anywhere.

        Raises:
            ValueError: no schema has such values.
        """
        try:
            tuples: list[dict[str, Any]] = [
                {key: tuple(v) if isinstance(v, list) else v for key, v in each.items() if (key, v) != ("log", False)}
                for each in values["columns"]  # older versions say that they took no logarithm
            ]
            columns = tuple(Column(**each) for each in tuples)
            dropped = {name: str(reason) for name, reason in values["dropped"]}
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"expected columns with name, kind and levels ({error!r})") from error
        if not columns or len({column.name for column in columns}) < len(columns):
            raise ValueError("expected columns with different names")
        return cls(columns, dropped)


def named(frame: pandas.DataFrame, argument: str) -> list[str | int]:
    """The names of a table's columns, as texts or whole numbers.

    Raises:
        InputError: it has no rows or columns, or a name twice.
    """
    if 0 in frame.shape:
        raise InputError(argument, "a table with rows and columns", f"shape {frame.shape}")
    names = [int(n) if isinstance(n, (int, np.integer)) and not isinstance(n, bool) else str(n) for n in frame.columns]
    if twice := [name for name, number in Counter(names).items() if number > 1]:
        raise InputError(argument, "columns with different names", f"{short(twice[0])!r} twice", "rename one")
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
    """A DataFrame of pandas, Polars or Arrow as features [n, D], and their schema; warns of what there is to say of it.

    counts: whether every column is a number, as it is.
    """
    frame = as_frame(frame)
    schema = Schema.counted(frame, argument) if counts else Schema.infer(frame, argument, transform)
    x, notes = schema.encode(frame, argument)
    warn_units(notes, 5)
    return x, schema


def listed(names: list, form: Callable = repr) -> str:
    """The first names, and how many more there are."""
    shown = ", ".join(form(short(name)) for name in names[:MAX_NAMES])
    return shown if len(names) <= MAX_NAMES else f"{shown} and {len(names) - MAX_NAMES:,} more"


def _shown(column: Column) -> str:
    name = repr(short(column.name))  # in quotes it is no setting, whatever it is called
    levels = f", {column.width} levels{', the last for rarer ones' if column.rest else ''}"
    return name + levels * (column.kind == "category")
