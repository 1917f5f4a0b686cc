"""Tables out: whole or not there, also into pipes; what .csv and .parquet make of cells of every kind."""

import io
import os
import subprocess
import sys
from decimal import Decimal
from types import SimpleNamespace

import numpy as np
import pandas
import pyarrow.parquet
import pytest

from vade_tf.cli import predict
from vade_tf.errors import InputError
from vade_tf.runs import output


def test_what_stops_half_way_leaves_the_file_as_it_was(tmp_path):
    def blocks():
        yield pandas.DataFrame({"row": [0]})
        raise KeyboardInterrupt

    (tmp_path / "x.csv").write_text("of before")
    with pytest.raises(KeyboardInterrupt):
        output.write(tmp_path / "x.csv", blocks())
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("x.csv", "of before")]
    with pytest.raises(InputError, match=r"^/.*y.csv cannot be written \(No such file or directory\)"):
        output.write(tmp_path / "gone" / "y.csv", blocks())


def test_a_link_is_kept_and_a_pipe_is_written_to(tmp_path):
    (tmp_path / "real.csv").write_text("of before")
    (tmp_path / "link.csv").symlink_to("real.csv")
    output.write((tmp_path / "link.csv").resolve(), [pandas.DataFrame({"a": [1]})])
    assert (tmp_path / "link.csv").is_symlink()
    assert (tmp_path / "real.csv").read_text() == "a\n1\n"
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    output.write(tmp_path / "pipe", [pandas.DataFrame({"a": [1]})], "out")
    assert os.read(reader, 9) == b"a\n1\n"
    os.close(reader)


def test_a_name_of_another_kind_is_refused(tmp_path):
    for name in ("o.tsv", "o.zip", "o.csv.bz2", "o.csv.XZ", "o.csv.gz", "o.feather"):
        with pytest.raises(
            InputError, match=r"^out: expected a file ending in .csv, .parquet or .h5ad, got .*; name one"
        ):
            output.check(tmp_path / name, "out")
    for name in ("o.csv", "o.CSV", "o.txt", "o", "o.2024-01", "o.parquet", "o.h5ad"):
        output.check(tmp_path / name, "out")


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ([None, None], ["x", None], [None, None, "x", None]),
        ([None, None], [1.5, 2], [None, None, "1.5", "2.0"]),
        (["0", 1, "?"], ["1"], ["0", "1", "?", "1"]),
        (pandas.Series([0, 1], dtype=object), ["x"], ["0", "1", "x"]),
        ([True], pandas.Series([False], dtype=object), [True, False]),
        (pandas.Categorical(["a", "b"]), ["c"], ["a", "b", "c"]),
        ([[1, 2]], [[3]], [[1, 2], [3]]),
        ([Decimal(9)], [Decimal(10000)], [Decimal(9), Decimal(10000)]),
    ],
)
def test_a_column_of_parquet_holds_the_cells_of_every_block(tmp_path, first, second, expected):
    output.write(tmp_path / "x.parquet", [pandas.DataFrame({"a": each}) for each in (first, second)])
    found = pyarrow.parquet.read_table(tmp_path / "x.parquet")["a"].to_pylist()
    assert found == expected


NO_UTF_8 = pandas.Series(["\udc41"], dtype=object)  # a column of texts of pandas 3 would not hold it


@pytest.mark.parametrize(
    ("name", "blocks", "message"),
    [
        (
            "x.parquet",
            ([1], ["x"]),
            r"out: /.*x.parquet cannot hold the table \(column 'a' begins with int64.*write a",
        ),
        ("x.parquet", (NO_UTF_8,), r"out: /.*x.parquet cannot hold the table .*; give its texts in UTF-8$"),
        ("x.csv", (NO_UTF_8,), r"out: /.*x.csv cannot hold the table .*; give its texts in UTF-8$"),
    ],
)
def test_cells_that_a_file_cannot_hold_are_said(tmp_path, name, blocks, message):
    with pytest.raises(InputError, match=message):
        output.write(tmp_path / name, [pandas.DataFrame({"a": each}) for each in blocks], "out")
    assert not list(tmp_path.iterdir())


def test_a_table_on_the_screen_does_not_steer_it(monkeypatch):
    table = pandas.DataFrame({"a\x1b[2J": ["x\x07", "y\u3000z"]})
    for screen in (True, False):
        shown = io.StringIO()
        shown.isatty = lambda screen=screen: screen
        monkeypatch.setattr(sys, "stdout", shown)
        output.show([table])
        expected = "a\\x1b[2J\nx\\x07\ny\u3000z\n"
        assert shown.getvalue() == (expected if screen else "a\x1b[2J\nx\x07\ny\u3000z\n")


def test_only_a_person_has_a_pipe_written_to(tmp_path):
    """In the place of a file that the program writes by itself a pipe would be waited at for good."""
    os.mkfifo(tmp_path / "assignments.csv")
    output.write(tmp_path / "assignments.csv", [pandas.DataFrame({"a": [1]})])
    assert (tmp_path / "assignments.csv").read_text() == "a\n1\n"


PROGRAM = """
import sys, pandas
from vade_tf.cli import predict

predict._table = lambda options: (1, 1, lambda advance: iter([advance(1, ""), pandas.DataFrame({"a": [1]})][1:]))
sys.exit(sum(predict.main(["run", "--data", "x.csv", "--out", out]) for out in sys.argv[1:]))
"""


@pytest.mark.long
def test_what_stdout_writes_to_is_continued_and_holds_the_table_alone(tmp_path):
    file = tmp_path / "all.csv"
    file.write_text("of before\n")
    with file.open("a") as stdout:
        subprocess.run([sys.executable, "-c", PROGRAM, "/dev/stdout", str(file)], stdout=stdout, check=True)
    assert file.read_text() == "of before\n" + 2 * "a\n1\n"
    piped = subprocess.run([sys.executable, "-c", PROGRAM, "/dev/stdout"], stdout=subprocess.PIPE, check=True)
    assert piped.stdout == b"a\n1\n"


def test_a_carriage_return_in_a_cell_ends_no_row(tmp_path):
    blocks = [pandas.DataFrame({"id": ["a\rb", None], "group": [1, 2]}), pandas.DataFrame({"id": ["c"], "group": [3]})]
    blocks = [block.assign(share=np.float32(0.9)) for block in blocks]
    text = "".join(output.lines(blocks))
    found = pandas.read_csv(io.StringIO(text, newline=""))
    assert (found["group"].tolist(), text.count(",0.9\n")) == ([1, 2, 3], 3)
    assert found["id"].fillna("").tolist() == ["a\rb", "", "c"]


def test_a_link_named_for_a_table_is_kept_and_one_to_nothing_is_refused(tmp_path):
    """What it leads to is replaced."""
    file, link = tmp_path / "file.csv", tmp_path / "link.csv"
    file.touch()
    link.symlink_to(file)
    options = SimpleNamespace(out=str(link), data=None)
    assert predict._place(options) == file.resolve()
    file.unlink()
    with pytest.raises(InputError, match="^--out: .*link.csv is a link to nothing"):
        predict._place(options)
