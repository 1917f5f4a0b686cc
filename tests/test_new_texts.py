"""New texts for a run on texts: those it knows no word of are told, and files of the other kind are taken or named."""

import json

import numpy as np
import pytest

from vade_tf.data.coding import coded
from vade_tf.data.files import load_file
from vade_tf.errors import InputError

SAYINGS = [f"{('cat purrs', 'dog barks')[i % 2]} number{i % 4} the the alone{i}" for i in range(20)]


@pytest.fixture
def of_column(tmp_path):
    """What a run on the column `saying` of a table knows."""
    (tmp_path / "t.tsv").write_text("kind\tsaying\n" + "".join(f"{i % 2}\t{text}\n" for i, text in enumerate(SAYINGS)))
    return again(load_file(str(tmp_path / "t.tsv"), text="saying").schema)


@pytest.fixture
def of_lines(tmp_path):
    """What a run on a file of one text a line knows."""
    (tmp_path / "t.txt").write_text("\n".join(SAYINGS) + "\n")
    return again(load_file(str(tmp_path / "t.txt"), text="lines").schema)


def again(schema):
    return coded(json.loads(json.dumps(schema.to_dict())))


def loaded(tmp_path, name, text, schema):
    (tmp_path / name).write_text(text)
    return load_file(str(tmp_path / name), schema=schema)


def test_texts_without_a_known_word_are_counted_and_named(tmp_path, of_lines):
    texts = ["the cat", "quux", "dog alone3", "", "zork zork", "barks", *["blorb"] * 4]
    strange = [i for i, text in enumerate(texts) if not {*text.split()} & {*of_lines.words}]
    new = loaded(tmp_path, "new.txt", "\n".join(texts) + "\n", of_lines)
    told = f"{len(strange)} of 10 texts have none of the 8 words of the training (row 1, 3, 4, 6, 7 and 2 more)"
    assert new.notice.startswith(told)
    np.testing.assert_array_equal(np.flatnonzero(~np.asarray(new.x).any(axis=1)), strange)
    one = loaded(tmp_path, "new.txt", "\n".join(texts[:3]) + "\n", of_lines).notice
    assert one == "1 of 3 texts have none of the 8 words of the training (row 1): their cluster and density say nothing"


def test_nothing_is_said_of_texts_that_are_known(tmp_path, of_column):
    new = loaded(tmp_path, "new.csv", "saying\n" + "\n".join(SAYINGS) + "\n", of_column)
    assert new.notice == ""


def test_a_run_on_a_column_takes_lines_and_tables_that_end_in_txt(tmp_path, of_column):
    want = np.asarray(loaded(tmp_path, "new.csv", "saying\n" + "\n".join(SAYINGS) + "\n", of_column).x)
    lines = loaded(tmp_path, "lines.txt", "\n".join(SAYINGS) + "\n", of_column)
    np.testing.assert_array_equal(np.asarray(lines.x), want)
    assert lines.notice == "each line of lines.txt is taken for a text, as it has no column 'saying'"
    table = "n\tsaying\n" + "".join(f"{i}\t{text}\n" for i, text in enumerate(SAYINGS))
    found = loaded(tmp_path, "table.txt", table, of_column)
    np.testing.assert_array_equal(np.asarray(found.x), want)
    assert found.notice == ""


def test_a_table_for_a_run_on_texts_says_what_is_expected(tmp_path, of_column, of_lines):
    with pytest.raises(InputError, match="^data: expected the column 'saying' of texts, or a .txt with .* rename the"):
        loaded(tmp_path, "new.csv", "n,said\n1,cat purrs\n", of_column)
    with pytest.raises(InputError, match="^data: expected a .txt with a text a line, as in training, got the columns"):
        loaded(tmp_path, "new.csv", "n,said\n1,cat purrs\n", of_lines)


def test_a_file_of_lines_is_told_how_texts_are_clustered(tmp_path):
    lines = [f"{text} beside{i}" + " or so" * (i % 3) for i, text in enumerate(3 * SAYINGS)]
    with pytest.raises(InputError, match="text=COLUMN clusters texts, text=lines those of a .txt, one a line$"):
        loaded(tmp_path, "new.txt", "\n".join(lines), None)


@pytest.mark.parametrize("first", ["a cat, purrs", "one, two, three, and four", "a cat purrs"])
def test_lines_with_commas_that_are_no_table_are_told_how_to_be_read(tmp_path, first):
    texts = [first, "the dog, barks", "a cat, a dog, barks", "the cat", "barks, and barks, and barks"] * 6
    for name, todo in (
        ("t.txt", "of one text a line, say text=lines"),
        ("t.csv", "cells with separators in them need quotes"),
    ):
        (tmp_path / name).write_text("\n".join(texts))
        with pytest.raises(InputError, match=f"^data: .*{name} cannot be read as .* is it whole[?] {todo}$"):
            load_file(str(tmp_path / name))
    assert len(load_file(str(tmp_path / "t.txt"), text="lines").x) == 30
