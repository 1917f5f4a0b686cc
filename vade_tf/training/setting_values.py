"""The value of a setting in the type of its field, or an error that names the setting. No TensorFlow here."""

import math
import operator
import os
import reprlib
import typing

import numpy as np

from vade_tf.errors import InputError

MAX_WHOLE_NUMBER = 2**31 - 1  # TensorFlow's int32, in which seeds and counts are stored


def checked(name: str, value, hint, metadata):
    """A value of text, a number or a sequence in the type of its field.

    Raises:
        InputError: it cannot be one.
    """
    kinds = [hint] if typing.get_origin(hint) is tuple else typing.get_args(hint) or [hint]
    if value is None and type(None) in kinds:
        return None
    if isinstance(value, str) and value in metadata.get("words", ()):
        return value
    kind = kinds[0]
    if typing.Any in kinds and not isinstance(value, str):  # an object, which is checked where it is used
        return value
    convert = {int: _whole_number, float: _number, bool: _truth, str: _text}.get(kind, _whole_numbers)
    try:
        return convert(value, metadata)
    except (TypeError, ValueError) as error:
        raise InputError(name, _expected(kind, metadata), reprlib.repr(value)) from error


def _expected(kind, metadata) -> str:
    """What a field of a kind may hold, in words."""
    least = metadata.get("least")
    if kind is int:
        return " or ".join([f"a whole number of at least {least or 0}", *metadata.get("words", ())])
    if kind is float:
        return "a positive number" if least is None else f"a number of at least {least:g}"
    if kind is str:
        return f"one of {', '.join(metadata['choices'])}" if metadata.get("choices") else "text that is not empty"
    return "True or False" if kind is bool else f"whole numbers of at least 1, as in {metadata.get('example')}"


def _whole_number(value, metadata) -> int:
    number = operator.index(value)
    if isinstance(value, bool | np.bool_) or not metadata.get("least", 0) <= number <= MAX_WHOLE_NUMBER:
        raise ValueError(value)
    return number


def _number(value, metadata) -> float:
    number, least = float(value), metadata.get("least")
    wrong = isinstance(value, str | bool | np.bool_) or number == math.inf
    if wrong or not (number > 0 if least is None else number >= least):
        raise ValueError(value)
    return number


def _truth(value, metadata) -> bool:
    if not isinstance(value, bool | np.bool_):
        raise TypeError(value)
    return bool(value)


def _text(value, metadata) -> str:
    text = os.fspath(value)
    if not text or text not in (metadata.get("choices") or (text,)):
        raise ValueError(value)
    return text


def _whole_numbers(value, metadata) -> tuple[int, ...]:
    """A sequence of whole numbers, or their text as in the example; none only where a word says so."""
    if isinstance(value, str):
        value = [] if value == metadata.get("empty") else [int(part) for part in value.split(",")]
    found = tuple(_whole_number(part, {"least": 1}) for part in value)
    if not found and "empty" not in metadata:
        raise ValueError("no number")
    return found
