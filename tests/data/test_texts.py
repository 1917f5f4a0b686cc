"""Texts become the words that they share; those that have none are said; lines of a file."""

import json

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from small_files import loaded

from vade_tf.data.texts import Texts, read_lines
from vade_tf.errors import InputError

SAYINGS = [f"{('cat purrs', 'dog barks')[i % 2]} number{i % 4} the the alone{i}" for i in range(20)]


def test_weights_are_those_of_scikit_learn():
    found = TfidfVectorizer(max_features=2000, min_df=2, max_df=0.5, sublinear_tf=True)
    x = found.fit_transform(SAYINGS)
    ours = Texts.infer(SAYINGS)
    assert list(ours.words) == found.get_feature_names_out().tolist()
    np.testing.assert_allclose(ours.encode(SAYINGS).toarray(), x.toarray(), rtol=1e-5, atol=1e-7)


def test_texts_that_share_no_words_are_refused():
    with pytest.raises(InputError, match="^text: expected texts that share words"):
        Texts.infer([f"今日は天気が{i}いいです" for i in range(30)])


def test_new_texts_are_coded_alike_and_those_without_a_known_word_are_said(tmp_path):
    (tmp_path / "t.txt").write_text("\n".join(SAYINGS) + "\n\n")
    known = loaded(str(tmp_path / "t.txt"), text="lines")
    assert known.x.shape == (20, 8)
    schema = Texts.from_dict(json.loads(json.dumps(known.schema.to_dict())))
    assert schema == known.schema
    (tmp_path / "new.txt").write_text("\n".join([SAYINGS[3], "quux", "", *["zork"] * 8, SAYINGS[4]]))
    new = loaded(str(tmp_path / "new.txt"), schema=schema)
    np.testing.assert_array_equal(new.x[np.array([0, 11])], known.x[np.array([3, 4])])
    assert new.notice.startswith("10 of 12 texts have none of the 8 words of the training")


def test_a_run_on_a_column_takes_tables_with_it(tmp_path):
    (tmp_path / "t.tsv").write_text("kind\tsaying\n" + "".join(f"{i % 2}\t{text}\n" for i, text in enumerate(SAYINGS)))
    known = loaded(str(tmp_path / "t.tsv"), text="saying", labels="kind")
    assert (known.kind, known.y.tolist()) == ("texts", [0, 1] * 10)
    (tmp_path / "t.txt").write_bytes((tmp_path / "t.tsv").read_bytes())
    new = loaded(str(tmp_path / "t.txt"), schema=known.schema)
    np.testing.assert_array_equal(new.x[:], known.x[:])
    assert new.notice == ""


def test_lines_without_a_letter_at_the_end_are_no_texts(tmp_path):
    (tmp_path / "t.txt").write_text("red\n \n\ngreen\r\n  \n\t\n\n", newline="")
    assert read_lines(tmp_path / "t.txt").tolist() == ["red", " ", "", "green"]
