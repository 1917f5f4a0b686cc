"""The errors that a user is meant to read."""


class InputError(ValueError):
    """Something the user gave cannot be used: which argument, what was expected, what came, what to do; one line."""


class DivergedError(RuntimeError):
    """Training stopped because the loss is no longer a finite number."""
