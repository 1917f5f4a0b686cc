"""What is asked of a file goes with its kind, or is refused before it is read."""

import zipfile

import numpy as np
import pytest

from vade_tf.data.files import KINDS, load_file
from vade_tf.errors import InputError


@pytest.fixture
def files(tmp_path):
    np.save(tmp_path / "rows.npy", np.random.default_rng(0).normal(size=(20, 3)))
    (tmp_path / "rows.csv").write_text("a,b\n" + "1,2\n3,4\n" * 10)
    (tmp_path / "rows.txt").write_text("one two\ntwo three\n" * 10)
    return tmp_path


@pytest.mark.parametrize(
    ("name", "option"),
    [
        ("rows.npy", {"columns": "a"}),
        ("rows.npy", {"drop": "a"}),
        ("rows.npy", {"id": "a"}),
        ("rows.npy", {"text": "a"}),
        ("rows.npy", {"layer": "counts"}),
        ("rows.csv", {"genes": 3}),
        ("rows.csv", {"batch": "a"}),
        ("rows.txt", {"id": "a", "text": "lines"}),
    ],
)
def test_an_option_of_another_kind_is_named(files, name, option):
    with pytest.raises(InputError, match=f"^{next(iter(option))}: expected a file that it goes with, got .*{name}"):
        load_file(str(files / name), **option)


def test_a_file_of_another_kind_is_refused(files):
    with pytest.raises(InputError, match="^data: expected a file ending in .npy, .*, got .*rows.docx"):
        load_file(str(files / "rows.docx"))


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_that_is_not_there_or_is_empty_is_an_error(tmp_path, kind):
    with pytest.raises((OSError, ValueError)):
        load_file(str(tmp_path / f"rows{kind}"))
    (tmp_path / f"rows{kind}").touch()
    with pytest.raises((OSError, ValueError, EOFError, zipfile.BadZipFile)):
        load_file(str(tmp_path / f"rows{kind}"))
