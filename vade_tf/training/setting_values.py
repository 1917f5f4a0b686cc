"""The value of a setting in the type of its field, or an error that names the setting. No TensorFlow here."""

import math
import os
import reprlib
import typing

from vade_tf.errors import InputError, whole_number
from vade_tf.paths import usable

LARGEST = 2**31 - 1  # whole number that a setting may be


def checked(name: str, value, hint, metadata):
    """A value in the type of its field; an error that names the field."""
    kinds = typing.get_args(hint)
    if value is None and type(None) in kinds:
        return None
    if isinstance(value, str) and (words := metadata.get("words")):
        if value in words:
            return value
        least, choice = metadata["least"], " or ".join(words)
        raise InputError(f"{name}: expected a whole number of at least {least}, or {choice}, got {reprlib.repr(value)}")
    kind = hint if typing.get_origin(hint) is tuple else next((k for k in kinds if k is not type(None)), hint)
    if kind is int:
        return whole_number(value, name, metadata.get("least", 0), LARGEST)
    if kind is float:
        return _number(name, value, metadata.get("least"))
    if typing.get_origin(kind) is tuple:
        return _numbers(name, value, metadata.get("example", ""), metadata.get("empty"))
    if kind is bool:
        if type(value).__name__ not in ("bool", "bool_"):
            raise InputError(f"{name}: expected True or False, got {reprlib.repr(value)}")
        return bool(value)
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    if not isinstance(value, str):
        raise InputError(f"{name}: expected text, got {reprlib.repr(value)}")
    if value == "" or "\0" in value:
        raise InputError(f"{name}: expected text that is not empty and has no null byte, got {reprlib.repr(value)}")
    if metadata.get("path"):
        usable(value, name)
    choices = metadata.get("choices")
    if choices and value not in choices:
        raise InputError(f"{name}: expected one of {', '.join(choices)}, got {reprlib.repr(value)}")
    return value


def _number(name: str, value, least: float | None) -> float:
    """A finite number above 0, or from `least` where that is given."""
    text = "a positive number" if least is None else f"a number of at least {least:g}"
    usable = type(value).__name__ not in ("bool", "bool_", "str")
    try:
        number = float(value) if usable else math.nan
    except (TypeError, ValueError):
        number = math.nan
    if not (number > 0 if least is None else number >= least) or number == math.inf:
        raise InputError(f"{name}: expected {text}, got {reprlib.repr(value)}")
    return number


def _numbers(name: str, value, example: str, empty: str | None) -> tuple[int, ...]:
    """A sequence of whole numbers, or their text as in the example; none only where a word says so."""
    parts = value.split(",") if isinstance(value, str) else value
    try:
        if isinstance(value, str) and value == empty:
            return ()
        found = tuple(whole_number(int(part) if isinstance(part, str) else part, name, 1, LARGEST) for part in parts)
        if not found and empty is None:
            raise ValueError("no number")
        return found
    except (TypeError, ValueError) as error:
        example += "" if empty is None else f", or {empty}"
        raise InputError(
            f"{name}: expected whole numbers of at least 1, as in {example}, got {reprlib.repr(value)}"
        ) from error
