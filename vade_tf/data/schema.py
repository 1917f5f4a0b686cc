"""`Schema`: what the columns of a table are, so that new rows of it become the same features, and features its rows.

Knows no file and no model; every rule reads the values alone, never a label.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import ClassVar

import numpy as np
import pandas

from vade_tf.data.cells import COMMA, as_frame, key_of, read_numbers, short, without_blanks
from vade_tf.data.columns import KINDS, MOST, Column
from vade_tf.data.inferring import infer
from vade_tf.data.joint import alike
from vade_tf.data.schema_words import NAMED, described, how_many, listed, unknown_rows, unread
from vade_tf.errors import InputError, tell
from vade_tf.machine import TooLarge, check_memory
from vade_tf.reading import LARGEST_JSON, each, finite, record

LAST_DAY = 1e8  # microseconds since 1970 still are a 64-bit number

_LEVELS: dict[str, Callable[[tuple], bool]] = {
    "number": lambda levels: not levels,
    "date": lambda levels: not levels,
    "ordered": lambda levels: len(levels) > 1,
    "category": lambda levels: len(levels) > 1,
    "boolean": lambda levels: len(levels) == 2,
}
_COLUMN = {
    "name": (str, int),
    "kind": lambda kind: isinstance(kind, str) and kind in KINDS,
    "levels": each(list, lambda level: isinstance(level, (str, bool)) or finite(level)),
    "missing": lambda missing: isinstance(missing, int) and missing >= 0,
    "power": lambda power: power is None or (each(list, finite)(power) and len(power) == 3 and power[2] > 0),
    "offset": lambda offset: finite(offset) and abs(offset) <= MOST,
    "form": lambda form: isinstance(form, str) and len(form) < 40,
    "rest": bool,
}


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
    def infer(
        cls, frame: pandas.DataFrame, argument: str = "x", semicolons: bool = False, transform: str | None = None
    ) -> "Schema":
        """The schema of a table.

        Numbers, also as text with decimal commas, are numbers; two values, but for dates, are 0 and 1; texts are
        categories of at most 100 levels; ordered categories their rank; dates days. Columns that are empty, constant,
        an index, an identifier or different texts are left out.

        Args:
            frame: the table, [n, any number of columns].
            argument: what an error names.
            semicolons: whether its file is cut by semicolons. A text "8,090" is then 8.09, unless other columns have
                decimal points; otherwise it is 8090, unless another column has decimal commas. A text "8.090" is then
                8090 in a column of such texts and whole numbers below 1,000; "8,090" always, if one has three digits,
                unless semicolons and decimal commas of another column say otherwise.
            transform: "power": numbers are brought nearer to a normal distribution, see `Column.power`; None: not.

        Raises:
            InputError: no rows, a name twice, a cell of no known type, no column of use, or an unknown transform.
        """
        if transform not in (None, "power"):
            raise InputError(f"transform: expected 'power' or None, got {transform!r}")
        names = named(frame, argument)

        def read(i: int, commas: bool) -> Column | str:
            return infer(names[i], frame.iloc[:, i], argument, i == 0, commas)

        def form_of(column: Column | str) -> str | None:
            return column.form if isinstance(column, Column) and column.kind == "number" else None

        found = dict(zip(names, alike(frame, read, form_of, semicolons), strict=True))
        columns = tuple(column for column in found.values() if isinstance(column, Column))
        dropped = {name: column for name, column in found.items() if isinstance(column, str)}
        if not columns:
            reasons = "; ".join(f"{short(name)!r}: {reason}" for name, reason in list(dropped.items())[:3])
            several = argument == "data" and " different texts in " in reasons
            texts = "; text=COLUMN clusters texts, text=lines those of a .txt, one a line" if several else ""
            raise InputError(
                f"{argument}: expected a column of numbers or categories that differ from row to row, got none "
                f"({reasons}){texts}"
            )
        if transform == "power":
            columns = tuple(c.with_power(frame.iloc[:, names.index(c.name)]) for c in columns)
        return cls(columns, dropped)

    @classmethod
    def numbers(cls, frame: pandas.DataFrame, argument: str = "x", semicolons: bool = False) -> "Schema":
        """A schema that takes every column as a number, as it is, written as in this table; for `infer`'s arguments."""

        def read(i: int, commas: bool) -> str | None:
            numbers = read_numbers(without_blanks(frame.iloc[:, i]), commas=commas)
            return None if numbers is None else numbers[1]

        names, forms = named(frame, argument), alike(frame, read, lambda form: form, semicolons)
        return cls(tuple(Column(n, "number", form=form or "") for n, form in zip(names, forms, strict=True)), {})

    @classmethod
    def counted(cls, frame: pandas.DataFrame, argument: str = "x", semicolons: bool = False) -> "Schema":
        """`numbers`, but for the columns that only say which row it is."""
        found = cls.infer(frame, argument, semicolons)
        kept = {column.name for column in found.columns}
        numbers = cls.numbers(frame, argument, semicolons).columns
        return cls(tuple(column for column in numbers if column.name in kept), found.dropped)

    @property
    def written(self) -> list[str]:
        """Names of the columns whose cells are to be taken as they are written, though they may look like numbers."""
        texts = [any(isinstance(level, str) for level in column.levels) for column in self.columns]
        return [str(column.name) for column, text in zip(self.columns, texts, strict=True) if text or column.form]

    @property
    def plain_beside_commas(self) -> list[str | int]:
        """Names of numbers without a form in a table where others have decimal commas: "2.683" may be 2683 there."""
        numbers = [column for column in self.columns if column.kind == "number"]
        commas = any(column.form.endswith(COMMA) for column in numbers)
        return [column.name for column in numbers if commas and not column.form]

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
        """Rows of a table -> features.

        Args:
            frame: columns of the same names in any order, [n, any number]; further ones are ignored.
            argument: what an error names.

        Returns:
            x, float32 [n, D], NaN in all features of a missing cell; and notes: what was ignored or taken as missing,
            and of how many rows nothing is known.

        Raises:
            InputError: a column is not there, or a cell cannot be that column's; it names column, row and value.
        """
        frame = as_frame(frame)
        x, notes, unknown, _ = self.coded(frame, argument)
        return x, [*self.ignored(named(frame, argument)), *notes, *unknown_rows(unknown)]

    def ignored(self, names: list[str | int]) -> list[str]:
        """What there is to say of a table whose columns have these names, all different: at most a sentence."""
        used = {column.name for column in self.columns} | set(self.dropped)
        extra = [name for name in names if name not in used]
        return [f"columns that training did not have are ignored: {listed(extra)}"] if extra else []

    def coded(self, frame: pandas.DataFrame, argument: str = "x") -> tuple[np.ndarray, list[str], int, Counter]:
        """`encode` of some rows of a table: notes of their cells alone; how many rows have no known cell; and how many
        cells of each column hold what training did not see.
        """
        names = named(frame, argument)
        places = {name: i for i, name in enumerate(names)}
        absent = [column.name for column in self.columns if column.name not in places]
        if absent:
            raise InputError(
                f"{argument}: expected the columns that training had, got a table without {listed(absent)}; its "
                f"columns are {listed(names)}"
            )
        notes, unseen, width = list[str](), list[str](), sum(column.width for column in self.columns)
        try:
            check_memory(4 * len(frame) * width, f"{len(frame):,} rows of {width:,} features")
        except TooLarge as error:
            raise InputError(f"{argument}: expected what fits in memory, got more ({error}); choose columns") from error
        x, at, unknown = np.empty((len(frame), width), np.float32), 0, np.ones(len(frame), bool)
        strange = Counter[str | int]()
        for column in self.columns:
            coded, note, cells = column.encode(frame.iloc[:, places[column.name]], argument)
            strange[column.name] += cells
            x[:, at : at + column.width] = coded
            at += column.width
            unknown &= np.isnan(coded[:, 0])
            told = notes if column.kind in ("number", "date") else unseen
            told += [note] if note else []
        more = [f"there are such cells in {how_many(unseen[NAMED:])} more"] if len(unseen) > NAMED else []
        return x, [*notes, *unseen[:NAMED], *more], int(unknown.sum()), strange

    def decode(self, x: np.ndarray) -> pandas.DataFrame:
        """Features -> rows in the names, units and categories that came in: [n, D] -> a table of n rows.

        The level of a category is the one with the largest value, a boolean is the second of its values from 0.5 on, a
        rank is rounded. NaN gives a missing cell.
        """
        if np.ndim(x) != 2 or np.shape(x)[1] != len(self.features):
            raise InputError(f"x: expected rows of {len(self.features)} features, got shape {np.shape(x)}")
        found, at = {}, 0
        for column in self.columns:
            found[column.name] = column.decode(x[:, at : at + column.width])
            at += column.width
        return pandas.DataFrame(found)

    def describe(self) -> list[str]:
        """What is done with the columns, a line a kind."""
        return described(self.columns, self.dropped)

    @property
    def unread(self) -> list[str]:
        """What there is to say of columns that are left out, of texts like numbers or of one value: a sentence."""
        return unread(self.dropped)

    def to_dict(self) -> dict:
        """The schema as JSON can hold it; `from_dict` reads it."""
        columns = [{**asdict(column), "levels": list(column.levels)} for column in self.columns]
        return {"form": "table", "columns": columns, "dropped": [list(pair) for pair in self.dropped.items()]}

    @classmethod
    def from_dict(cls, values: dict) -> "Schema":
        """The schema whose `to_dict` gave these values, which may come from anywhere.

        Raises:
            ValueError: no schema has such values.
        """
        kinds = {"columns": each(list, record(_COLUMN)), "dropped": each(list, each(list, (str, int)))}
        if not record(kinds)(values) or not values["columns"]:
            raise ValueError("expected columns with name, kind and levels")
        if any(column.get("log") for column in values["columns"]):
            raise ValueError("expected no logarithms, which older versions took of amounts; fit the table anew")
        fields = [{name: column.get(name) for name in _COLUMN} for column in values["columns"]]
        for values_of in fields:
            values_of["levels"] = tuple(values_of["levels"])
            values_of["power"] = None if values_of["power"] is None else tuple(values_of["power"])
        columns = tuple(Column(**values_of) for values_of in fields)
        for column in columns:
            # pandas, which orders levels, takes true for 1
            keys = set(column.levels) if column.kind == "ordered" else {key_of(level) for level in column.levels}
            if not _LEVELS[column.kind](column.levels) or len(keys) < len(column.levels):
                raise ValueError(f"levels of {column.name!r}: {str(column.levels)[:40]}")
            if column.kind == "date" and abs(column.offset) >= LAST_DAY:
                raise ValueError(f"expected a day as the offset of {column.name!r}, got {column.offset}")
        if sum(len(str(column.name)) * column.width for column in columns) > LARGEST_JSON:
            raise ValueError("names that are too long, for each level has one")
        if len({column.name for column in columns}) < len(columns) or any(len(pair) != 2 for pair in values["dropped"]):
            raise ValueError("a column stands there twice, or one that is dropped has no reason")
        return cls(columns, {name: str(reason) for name, reason in values["dropped"]})


def named(frame: pandas.DataFrame, argument: str) -> list[str | int]:
    """The names of a table's columns, as texts or whole numbers.

    Raises:
        InputError: it has no rows or columns, or a name twice.
    """
    if 0 in frame.shape:
        raise InputError(f"{argument}: expected a table with rows and columns, got shape {frame.shape}")
    names = [int(n) if isinstance(n, (int, np.integer)) and not isinstance(n, bool) else str(n) for n in frame.columns]
    twice = next((name for name, number in Counter(names).items() if number > 1), None)
    if twice is not None:
        raise InputError(f"{argument}: expected columns with different names, got {short(twice)!r} twice; rename one")
    return names


def coded_frame(frame, argument: str, counts: bool, transform: str | None) -> tuple[np.ndarray, Schema]:
    """A DataFrame of pandas, Polars or Arrow as features [n, D], and their schema; says what there is to say of it.

    Args:
        frame: the table.
        argument: what an error names.
        counts: whether every column is a number, as it is.
        transform: see `Schema.infer`.
    """
    frame = as_frame(frame)
    schema = Schema.counted(frame, argument) if counts else Schema.infer(frame, argument, transform=transform)
    try:
        x, notes = schema.encode(frame, argument)
    except InputError as error:
        raise InputError(f"{error}, or give {argument}.drop(columns=...)" if counts else str(error)) from error
    tell([*(f"{argument}: {line}" for line in schema.unread), *notes], 5)
    return x, schema
