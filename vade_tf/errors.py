"""The one error a user is meant to read."""


class InputError(ValueError):
    """Something the user gave cannot be used: which argument, what was expected, what came, what to do; one line."""
