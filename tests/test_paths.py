"""Names of files and folders: which can be none, to the byte, and that all others are taken."""

from pathlib import Path

import pytest

from vade_tf.errors import InputError
from vade_tf.paths import usable

UNUSABLE = {
    "none": "",
    "lines": "a\nb",
    "an escape": "a\x1b[2J",
    "a null byte": "a\0b",
    "half of a letter": "\udc41",
    "256 bytes": "a" * 256,
    "256 bytes in 128 letters": "a/" + "ä" * 128,
    "4,096 bytes": "/" + "/".join(["a" * 255] * 16),
    "a path with lines": Path("a\nb"),
    "a number": 3,
}
USABLE = ["a b.csv", "日本語", "a\u200db", "a" * 255, "a/" + "ä" * 127, "/".join(["a" * 255] * 16)]


@pytest.mark.parametrize("name", UNUSABLE.values(), ids=UNUSABLE.keys())
def test_a_name_that_no_file_can_have_is_said_before_anything_is_done_with_it(name):
    with pytest.raises(InputError, match="^out: expected "):
        usable(name, "out")


@pytest.mark.parametrize("name", USABLE, ids=range(len(USABLE)))
def test_any_other_name_is_taken(name):
    assert usable(name, "out") == usable(Path(name), "out") == Path(name)
