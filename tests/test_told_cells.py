"""What is said of the cells of a table that is read block by block: where, once, and how many in all."""

import warnings
from collections import Counter

import numpy as np
import pandas
import pytest

from vade_tf.data import stream
from vade_tf.data.schema import Schema
from vade_tf.data.schema_words import NAMED, unseen_cells
from vade_tf.data.stream import encoded
from vade_tf.runs import incoming


@pytest.fixture
def strange():
    """Features of a table that has an unknown level in each five rows, and what is told as they are read."""
    frame = pandas.DataFrame({"c": list("xyzzy") * 20, "n": np.arange(100) ** 2 % 17 / 4})
    schema, told = Schema.infer(frame, "data"), []
    frame.loc[::5, "c"] = [f"new {i}" for i in range(20)]
    return encoded(frame, schema, told.extend), told


def read(x, blocks):
    for start in range(0, 5 * blocks, 5):
        x[start : start + 5]


def test_cells_of_a_block_are_told_by_the_row_where_it_begins(strange):
    x, told = strange
    read(x, 3)
    assert [text.split(":")[0] for text in told[1:]] == ["from row 5 on", "from row 10 on"]
    assert "new 0" in told[0]
    assert "from row" not in told[0]
    assert "new 2" in told[2]


def test_what_predict_reads_tells_of_the_cells_of_its_later_blocks_too(strange):
    x, told = strange
    blocks = list(incoming.Incoming(x, x.table).blocks(5))
    assert [text.split(":")[0] for text in told[1:3]] == ["from row 5 on", "from row 10 on"]
    np.testing.assert_array_equal(np.concatenate([block.x for block in blocks]), x[:])


def test_cells_of_a_table_are_told_once_however_often_it_is_read(strange):
    x, told = strange
    read(x, 3)
    first = list(told)
    read(x, 3)
    assert told == first


def test_of_very_many_blocks_a_few_are_told_and_then_how_many_cells_there_were_in_all(strange):
    x, told = strange
    x.table.loc[95:, "c"] = "x"  # of the last block none is to be told
    read(x, 19)
    assert len(told) == stream.NOTES < 19
    read(x, 20)
    assert told[stream.NOTES :] == ["cells of values that training did not see, in all: 19 of 'c': taken as missing"]


def test_cells_that_have_all_been_told_are_not_counted_at_the_end(strange):
    x, told = strange
    x.table.loc[5 * stream.NOTES :, "c"] = "x"
    read(x, 20)
    assert len(told) == stream.NOTES
    assert "in all" not in " ".join(told)


@pytest.mark.parametrize("whole", [True, False])
def test_what_many_blocks_have_in_common_is_told_once(tmp_path, whole):
    """The rows of which nothing is known, as a number of all, and further columns; the cells of the first row, too."""
    frame = pandas.DataFrame({"c": list("xyzzy") * 20, "n": np.arange(100) ** 2 % 17 / 4, "id": np.arange(100)})
    schema = Schema.infer(frame[["c", "n"]], "data")
    frame.loc[[i for i in range(1, 100) if i % 5 < 3], ["c", "n"]] = None
    frame.loc[[0, 97]] = [["first", 1.0, 0], ["last", 1.0, 97]]
    frame.assign(more=1).to_parquet(tmp_path / "new.parquet")
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        found = incoming._of_table(schema, tmp_path / "new.parquet", ".parquet", None, "id", None, whole, False)
        assert len([*found.blocks(5)]) == 20
    said = [str(each.message) for each in told]
    number = int(frame[["c", "n"]].isna().all(axis=1).sum())
    assert [len([1 for note in said if words in note]) for words in ("'first'", "'last'", "more", "without one")] == [
        1
    ] * 4
    assert said[-1].startswith(f"rows without one known cell: {number};")
    assert len(said) == 4


def test_of_very_many_columns_a_few_are_named_with_their_cells(strange):
    """Those with most first; a column that has a number as its name is told by it."""
    some = Counter({"all": 0, 7: 9, **{f"c{i}": 8 - i % 2 for i in range(20)}})
    (told,) = unseen_cells(some)
    assert told.startswith("cells of values that training did not see, in all: 9 of 7, 8 of 'c0', 8 of 'c2'")
    assert told.endswith(f" and of {21 - NAMED} columns more: taken as missing")
    assert unseen_cells(Counter({"a": 2})) == [f"{told.split(' 9 of')[0]} 2 of 'a': taken as missing"]
    assert unseen_cells(Counter({"a": 0})) == []
