"""The errors that a user is meant to read, and checks of what several rooms are given."""

import reprlib
import unicodedata
import warnings
from collections.abc import Iterable, Sequence
from numbers import Integral, Real

MAX_CITED = 300  # characters of another library's message that are cited
JOINERS = "\u200c\u200d"  # of letters and of emoji, in names of files, too


class InputError(ValueError):
    """Something the user gave cannot be used: which argument, what was expected, what came, what to do; one line.

    Args:
        argument: name of the argument as in Python; the command line shows it as a flag.
        expected: what it has to be.
        got: what came, in words or as `repr` of the value; "" where the rest says it.
        hint: what to do about it, in words that hold in Python and at the command line.
    """

    def __init__(self, argument: str, expected: str, got: str = "", hint: str = ""):
        self.argument, self.expected, self.got, self.hint = argument, expected, got, hint
        super().__init__(argument, expected, got, hint)

    def __str__(self) -> str:
        return self.worded(self.argument)

    def worded(self, name: str) -> str:
        """The error in one line, of an argument that is called by this name."""
        text = f"{name}: expected {self.expected}" + (f", got {self.got}" if self.got else "")
        return f"{text}; {self.hint}" if self.hint else text


class DivergedError(RuntimeError):
    """Training stopped because the loss is no longer a finite number."""


class ClusterError(RuntimeError):
    """Training among several processes stopped because another of them did, or cannot be reached."""


class UnitsWarning(UserWarning):
    """Rows are in other units than those a model was trained on, or hold what it has not seen."""


def warn_units(notes: Iterable[str], stacklevel: int) -> None:
    """Warn of each note on new rows, at a level as of `warnings.warn`: 1 is the function that calls."""
    for note in notes:
        warnings.warn(note, UnitsWarning, stacklevel=stacklevel + 1)


def whole_number(value, argument: str, least: int, most: int) -> int:
    """A whole number of Python or NumPy within bounds, else an InputError; True and False are none."""
    whole = isinstance(value, Integral) and not isinstance(value, bool)
    if not whole or not least <= value <= most:
        bounds = f"of at most {most:,}" if whole and value > most else f"of at least {least}"
        raise InputError(argument, f"a whole number {bounds}", reprlib.repr(value))
    return int(value)


def outlier_share(value: float, argument: str) -> float:
    """A share of rows that are outliers, above 0 and at most 0.5, else an InputError."""
    if not isinstance(value, Real) or not 0 < value <= 0.5:
        raise InputError(argument, "a share of the rows above 0 and at most 0.5", reprlib.repr(value))
    return float(value)


def check_form(found: Sequence[int], expected: Sequence[int] | None, argument: str) -> None:
    """Raise InputError where images have another shape than those trained on; None: those rows were no images.

    A row of one axis says nothing of images, nor does a side of 1.
    """
    if expected is None or len(found) < 2:
        return
    if [side for side in found if side != 1] != [side for side in expected if side != 1]:
        raise InputError(argument, f"images of {tuple(expected)}, as in training", f"{tuple(found)} in each row")


def cited(error: BaseException) -> str:
    """The message of another library's error, in one line of at most MAX_CITED characters."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= MAX_CITED else text[:MAX_CITED] + " ..."


def visible(text: str) -> str:
    """A text that cannot steer the terminal: what is not printable, but for spaces, is shown as an escape."""
    kept = (c if c.isprintable() or c in JOINERS or unicodedata.category(c) == "Zs" else ascii(c)[1:-1] for c in text)
    return "".join(kept)
