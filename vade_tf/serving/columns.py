"""The columns of a table -> features [n, D] by TensorFlow alone, as their schema codes them.

docs/guide/serving.md says in which form a program sends them.
"""

import re
from collections.abc import Callable
from datetime import datetime

import numpy as np
import tensorflow as tf

from vade_tf.data.columns import ISO, Column, key_of
from vade_tf.data.schema import Schema
from vade_tf.finite import MAX_VALUE

DIRECTIVES = {"%Y": "([0-9]{4})", **dict.fromkeys(("%m", "%d", "%H", "%M", "%S"), "([0-9]{1,2})")}
NAN = np.float64(np.nan)
DIRECTIVE = re.compile(r"%[A-Za-z]")
ISO_PATTERN = "([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})(?:[ T]([0-9]{1,2}):([0-9]{2})(?::([0-9]{2}))?.*)?"


def coder(schema: Schema) -> tuple[dict[str, tf.TensorSpec], Callable[[dict[str, tf.Tensor]], tf.Tensor]] | None:
    """What columns a graph takes, and the function that codes them.

    None where a graph cannot read the dates in the form they are written in, or tell the names of columns apart.
    """
    names = [re.sub("[^A-Za-z0-9_]", "_", str(column.name)) for column in schema.columns]
    if len(set(names)) < len(names) or not all(map(_readable, schema.columns)):
        return None
    of_columns = [_of_dates(column) if column.kind == "date" else _of_column(column) for column in schema.columns]
    specs = {name: tf.TensorSpec([None], dtype, name) for name, (dtype, _) in zip(names, of_columns, strict=True)}

    def encode(columns: dict[str, tf.Tensor]) -> tf.Tensor:
        parts = [code(columns[name]) for name, (_, code) in zip(specs, of_columns, strict=True)]
        return tf.cast(tf.concat(parts, axis=1), tf.float32)

    return specs, encode


def _of_column(column: Column):
    """(type of the cells, function of cells [n] to features float64 [n, width])."""
    if column.kind == "number":
        return tf.float64, lambda cells: _powered(cells - column.offset, column)[:, None]
    rest, levels = len(column.levels) - 1 if column.rest else -1, column.levels[: len(column.levels) - column.rest]
    if column.has_texts:
        known = tf.constant([key_of(level, True) for level in levels])
    else:
        known = tf.constant([float(level) for level in levels], tf.float64)

    def code(cells):
        cells = tf.strings.strip(cells) if column.has_texts else tf.cast(cells, tf.float64)
        missing = cells == "" if column.has_texts else tf.math.is_nan(cells)
        same = cells[:, None] == known
        found = tf.where(tf.reduce_any(same, axis=1), tf.argmax(tf.cast(same, tf.int8), axis=1), rest)
        codes = tf.where(missing, tf.constant(-1, tf.int64), found)  # of levels
        if column.kind != "category":
            return tf.where(codes < 0, NAN, tf.cast(codes, tf.float64))[:, None]
        return tf.where(codes[:, None] < 0, NAN, tf.one_hot(codes, column.width, dtype=tf.float64))

    return (tf.bool if all(isinstance(level, bool) for level in levels) else known.dtype), code


def _powered(v: tf.Tensor, column: Column) -> tf.Tensor:
    """The transform of Yeo and Johnson, see `Column.power`."""
    if column.power is None:
        return v
    power, mean, std = column.power
    p = tf.where(v < 0, tf.constant(2.0 - power, tf.float64), tf.constant(power, tf.float64))
    logs = tf.math.log1p(tf.abs(v))
    raised = tf.where(p == 0, logs, tf.math.expm1(p * logs) / tf.where(p == 0, tf.ones_like(p), p))
    return tf.clip_by_value((tf.sign(v) * raised - mean) / std, -MAX_VALUE, MAX_VALUE)


def _directives(column: Column) -> list[str]:
    """The parts of a date in the order they are written in."""
    return DIRECTIVE.findall("%Y-%m-%d %H:%M:%S" if column.form in ("", ISO) else column.form)


def _readable(column: Column) -> bool:
    """Whether a graph can read the cells of a column."""
    return column.kind != "date" or {"%Y", "%m", "%d"} <= set(_directives(column)) <= set(DIRECTIVES)


def _of_dates(column: Column):
    """As `_of_column`: texts as days since 1970-01-01 less the offset; NaN where they are written otherwise."""
    form, names = column.form or ISO, _directives(column)
    pattern, example = ISO_PATTERN, "2000-01-01"  # which stands where none can be read
    if form != ISO:
        example = datetime(2000, 1, 1).strftime(form)
        pattern = "".join(DIRECTIVES.get(part, re.escape(part)) for part in re.split(r"(%[A-Za-z])", form))

    def code(cells):
        cells = tf.strings.strip(cells)
        readable = tf.strings.regex_full_match(cells, pattern)
        cells = tf.where(readable, cells, tf.constant(example))
        parts = {
            name: tf.strings.to_number(tf.strings.regex_replace(cells, f"^{pattern}$", rf"0\{place}"), tf.float64)
            for place, name in enumerate(names, start=1)
        }
        time = parts.get("%H", 0.0) / 24 + parts.get("%M", 0.0) / 1440 + parts.get("%S", 0.0) / 86400
        days = _days(parts["%Y"], parts["%m"], parts["%d"]) + time
        return tf.where(readable, days - column.offset, NAN)[:, None]

    return tf.string, code


def _days(year: tf.Tensor, month: tf.Tensor, day: tf.Tensor) -> tf.Tensor:
    """Days since 1970-01-01 of dates of the Gregorian calendar, counted in years that begin in March."""
    year = year - tf.cast(month <= 2, tf.float64)
    era, of_era = year // 400, year % 400
    of_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    return era * 146_097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719_468
