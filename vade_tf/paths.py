"""Names of files and folders as people give them: what no file system takes is said before anything is done with it."""

import os
import unicodedata
from pathlib import Path

from vade_tf.errors import InputError

LONGEST_NAME = 255  # bytes between two slashes
LONGEST = 4095  # bytes of the whole


def usable(path, argument: str) -> Path:
    """A path that was given.

    Args:
        path: text, or an object of `pathlib`.
        argument: what an error names.

    Raises:
        InputError: it is empty, holds control characters or is not to be written in UTF-8, or is too long.
    """
    text = os.fspath(path) if isinstance(path, os.PathLike) else path
    if not isinstance(text, str):
        raise InputError(f"{argument}: expected the name of a file or folder, got {path!r}")
    if not text:
        raise InputError(f"{argument}: expected the name of a file or folder, got an empty one")
    if any(unicodedata.category(letter) in ("Cc", "Cs") for letter in text):
        raise InputError(f"{argument}: expected a name without control characters and in UTF-8, got {ascii(text)[:80]}")
    if len(text.encode()) > LONGEST or any(len(part.encode()) > LONGEST_NAME for part in text.split("/")):
        raise InputError(
            f"{argument}: expected a name of at most {LONGEST_NAME} bytes between two slashes and {LONGEST} in all, "
            f"got {len(text.encode())} bytes, {text[:40]}..."
        )
    return Path(text)
