"""The library's messages in the words of the command line: it speaks of Python's arguments, a person here of flags.

    batch_size: expected ...         ->  --batch-size: expected ...
    use likelihood='gaussian'        ->  use --likelihood gaussian
    export=False, limit=None         ->  --no-export, no --limit
    lower learning_rate              ->  lower --learning-rate
    limit or held_out                ->  --limit or --held-out

A name alone is translated where it cannot be prose: before the colon that begins an error, with an underscore, or in a
list beside one with an underscore. Paths and what stands in quotes stay as they are, and so do a message that speaks
of flags already and one that is longer than any of the library: the time that lists take grows with the square.
"""

import dataclasses
import re
import shlex
import typing
from collections.abc import Iterable

from vade_tf.runs.config import TrainConfig

KINDS = typing.get_type_hints(TrainConfig)
SWITCHES = [field.name for field in dataclasses.fields(TrainConfig) if KINDS[field.name] is bool]  # without a value
# no fields of TrainConfig
OTHERS = ("out", "resume", "seeds", "restarts", "export", "quiet", "test", "to", "version", "sample", "cluster")
NAMES = (*KINDS, *OTHERS)
LONGEST = 4000  # characters

_ANY = "|".join(sorted(NAMES, key=len, reverse=True))
_LONG = "|".join(name for name in NAMES if "_" in name)
_ALONE = r"(?<![\w./='\"-])"  # not inside a path, a quotation, a flag or a longer name
_BEGINNING = re.compile(rf"(?:{_ANY})(?:(?:, | and | or )(?:{_ANY}))*(?=: )")
_INSIDE = re.compile(rf"(?<=\()(?:{_ANY})(?=: )")  # the beginning of an error that another one cites
_VALUE = re.compile(rf"{_ALONE}({_ANY})=('[^']*'|\"[^\"]*\"|[\w+:-]+(?:\.\w+)*)(?![\w/=(\[])")
_JOINED = rf"(?:(?:{_ANY})(?:, | and | or ))*(?:{_LONG})(?:(?:, | and | or )(?:{_ANY}))*"
_NAME = re.compile(rf"{_ALONE}({_JOINED})(?![\w/='\"(-]|\.\w)")


def flag(name: str) -> str:
    """A setting's name as its flag: "batch_size" -> "--batch-size"."""
    return "--" + name.replace("_", "-")


def in_flags(text: str) -> str:
    """A sentence of the library with its settings as flags."""
    if len(text) > LONGEST:
        return text
    text = _INSIDE.sub(lambda match: flag(match[0]), text)
    return _NAME.sub(lambda match: _each(match[1]), _VALUE.sub(lambda match: _setting(*match.groups()), text))


def error_in_flags(text: str, paths: Iterable[str | None] = ()) -> str:
    """An error of the library, which begins with the arguments it is about, with these and its settings as flags.

    Args:
        text: one line.
        paths: words that stand for a run folder if the error begins with one of them: a folder may be called "model".
    """
    if text.startswith("x: "):  # no flag: the rows, wherever they come from
        return "rows" + in_flags(text[1:])
    beginning = _BEGINNING.match(text)
    if beginning is None or beginning[0] in paths:
        return in_flags(text)
    return _each(beginning[0]) + in_flags(text[beginning.end() :])


def _each(names: str) -> str:
    """A list of settings' names, in words, with each as its flag."""
    return re.sub(r"\w+", lambda word: flag(word[0]) if word[0] in NAMES else word[0], names)


def _setting(name: str, value: str) -> str:
    """name=value as it is typed."""
    if value == "None":
        return f"no {flag(name)}"
    if value == "False" and name == "export":
        return "--no-export"
    if value in ("True", "False") and name in SWITCHES:
        return flag(name) if value == "True" else f"no {flag(name)}"
    if value[0] in "'\"":
        value = shlex.quote(value[1:-1])
    return f"{flag(name)} {value}"
