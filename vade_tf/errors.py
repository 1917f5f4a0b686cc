"""The errors that a user is meant to read."""

LONGEST = 300  # characters of another library's message that are cited


class InputError(ValueError):
    """Something the user gave cannot be used: which argument, what was expected, what came, what to do; one line."""


class StorageError(InputError):
    """A file cannot be written: the disk is full, the folder gone or not to be written to."""


class DivergedError(RuntimeError):
    """Training stopped because the loss is no longer a finite number."""


class UnitsWarning(UserWarning):
    """Rows are in other units than those a model was trained on."""


def cited(error: BaseException) -> str:
    """What an error of another library says, in one line of a length that a person reads."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= LONGEST else text[:LONGEST] + " ..."
