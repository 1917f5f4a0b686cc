"""Tables out: whole or not there, also into pipes; what .csv and .parquet make of cells of every kind."""

import os

import pandas
import pyarrow.parquet
import pytest

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


def test_a_link_is_kept_and_a_pipe_is_written_to(tmp_path):
    (tmp_path / "real.csv").write_text("of before")
    (tmp_path / "link.csv").symlink_to("real.csv")
    output.write((tmp_path / "link.csv").resolve(), [pandas.DataFrame({"a": [1]})])
    assert (tmp_path / "link.csv").is_symlink()
    assert (tmp_path / "real.csv").read_text() == "a\n1\n"
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    output.write(tmp_path / "pipe", [pandas.DataFrame({"a": [1]})])
    assert os.read(reader, 9) == b"a\n1\n"
    os.close(reader)


def test_a_name_of_another_kind_is_refused(tmp_path):
    for name in ("o.tsv", "o.csv.gz", "o"):
        with pytest.raises(InputError, match=r"^out: "):
            output.check(tmp_path / name)
    for name in ("o.csv", "o.CSV", "o.parquet", "o.h5ad"):
        output.check(tmp_path / name)


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ([None, None], ["x", None], [None, None, "x", None]),
        (["0", 1, "?"], ["1"], ["0", "1", "?", "1"]),
        ([True], pandas.Series([False], dtype=object), [True, False]),
        (pandas.Categorical(["a", "b"]), ["c"], ["a", "b", "c"]),
        ([[1, 2]], [[3]], [[1, 2], [3]]),
    ],
)
def test_a_column_of_parquet_holds_the_cells_of_every_block(tmp_path, first, second, expected):
    output.write(tmp_path / "x.parquet", [pandas.DataFrame({"a": each}) for each in (first, second)])
    found = pyarrow.parquet.read_table(tmp_path / "x.parquet")["a"].to_pylist()
    assert found == expected
