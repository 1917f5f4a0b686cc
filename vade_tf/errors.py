"""The errors that a user is meant to read, and checks of what several rooms are given."""

import operator
import reprlib
import unicodedata
import warnings
from collections.abc import Iterable, Sequence

LONGEST = 300  # characters of another library's message that are cited
JOINERS = "\u200c\u200d"  # of letters and of emoji, in names of files, too


class InputError(ValueError):
    """Something the user gave cannot be used: which argument, what was expected, what came, what to do; one line.

    Args:
        argument: name of the argument as in Python; the command line shows it as a flag.
        expected: what it has to be.
        got: what came, in words or as `repr` of the value; "" where the rest says it.
        hint: what to do about it, in words that hold in Python and at the command line.
    """

    def __init__(self, argument: str, expected: str = "", got: str = "", hint: str = ""):
        self.argument, self.expected, self.got, self.hint = argument, expected, got, hint
        super().__init__(argument, expected, got, hint)

    def __str__(self) -> str:
        return self.worded(self.argument) if self.expected else self.argument

    def worded(self, name: str) -> str:
        """The error in one line, of an argument that is called by this name."""
        text = f"{name}: expected {self.expected}" + (f", got {self.got}" if self.got else "")
        return f"{text}; {self.hint}" if self.hint else text


class KindError(InputError, TypeError):
    """Cells are of a kind that no number is made of; scikit-learn has a TypeError there."""


class StorageError(InputError):
    """A file cannot be written: the disk is full, the folder gone or not to be written to."""


class DivergedError(RuntimeError):
    """Training stopped because the loss is no longer a finite number."""


class ClusterError(RuntimeError):
    """Training among several processes stopped because another of them did, or cannot be reached."""


class UnitsWarning(UserWarning):
    """Rows are in other units than those a model was trained on, or hold what it has not seen."""


def tell(notes: Iterable[str], stacklevel: int) -> None:
    """Warns of what a person has to know of rows, at a level as of `warnings.warn`; 1 is the function that calls."""
    for note in notes:
        warnings.warn(note, UnitsWarning, stacklevel=stacklevel + 1)


def whole_number(value, argument: str, least: int, most: int) -> int:
    """A whole number that was given.

    Args:
        value: of Python or NumPy; True and False are none.
        argument: what an error names.
        least, most: what it may be.

    Raises:
        InputError: it is another.
    """
    try:
        number = None if type(value).__name__ in ("bool", "bool_") else operator.index(value)
    except TypeError:
        number = None
    if number is None or not least <= number <= most:
        bounds = f"of at least {least}" if number is None or number < least else f"of at most {most:,}"
        raise InputError(f"{argument}: expected a whole number {bounds}, got {reprlib.repr(value)}")
    return number


def check_form(found: Sequence[int], expected: Sequence[int] | None, argument: str) -> None:
    """Raises InputError where new images have another form than those that a model was trained on.

    Args:
        found: shape of a row; one number says nothing of images.
        expected: shape of the images trained on, (height, width) or with channels; None where they were none.
        argument: what the error names.
    """
    if expected is None or len(found) < 2:
        return
    if [side for side in found if side != 1] != [side for side in expected if side != 1]:
        raise InputError(
            f"{argument}: expected images of {tuple(expected)}, as in training, got {tuple(found)} in each row"
        )


def cited(error: BaseException) -> str:
    """What an error of another library says, in one line of a length that a person reads."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= LONGEST else text[:LONGEST] + " ..."


def visible(text: str) -> str:
    """A text of which nothing steers the terminal: what cannot be printed, but for spaces, is shown as an escape."""
    kept = (c if c.isprintable() or c in JOINERS or unicodedata.category(c) == "Zs" else ascii(c)[1:-1] for c in text)
    return "".join(kept)
