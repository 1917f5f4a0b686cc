"""Words of texts: those of scikit-learn, but marks such as vowels of Hindi are parts of them; texts that have none."""

import io
import json
import pkgutil
import re
import unicodedata

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer

from vade_tf.data.coding import coded
from vade_tf.data.files import load_file
from vade_tf.data.texts import MAX_SHARE, MAX_WORDS, MIN_TEXTS, Texts, lines_of, word_pattern
from vade_tf.errors import InputError

HINDI = ["किताब", "कलम", "घर", "सूरज", "चाँद", "तारा", "समुद्र", "हिन्दी"]
FRENCH = [unicodedata.normalize("NFD", word) for word in ("été", "noël", "naïf", "à", "garçon", "élève")]
SAYINGS = [f"{('cat purrs', 'dog barks')[i % 2]} number{i % 4} the the alone{i}" for i in range(20)]


def english():
    """Docstrings of Python's own modules, and of what stands in them."""
    found = [pkgutil.resolve_name(name) for name in ("argparse", "collections", "datetime", "decimal", "json", "re")]
    inside = [getattr(module, name) for module in found for name in sorted(vars(module))]
    return sorted({each.__doc__ for each in (*found, *inside) if isinstance(each.__doc__, str)})


def test_words_of_english_and_their_weights_are_those_of_scikit_learn():
    texts = english()
    found = TfidfVectorizer(max_features=MAX_WORDS, min_df=MIN_TEXTS, max_df=MAX_SHARE, sublinear_tf=True)
    x = found.fit_transform(texts)
    ours = Texts.infer(texts)
    assert list(ours.words) == found.get_feature_names_out().tolist()
    np.testing.assert_allclose(ours.encode(texts).toarray(), x.toarray(), rtol=1e-5, atol=1e-7)
    split, plain = re.compile(word_pattern()).findall, TfidfVectorizer().build_tokenizer()
    for text in (*texts, "naïve Straße ДОМ 今日は 12 _ a_ b1 x\u200dy 3.5e-7 don't"):
        assert split(text) == plain(text)


@pytest.mark.parametrize("words", [HINDI, FRENCH])
def test_words_with_marks_are_whole(words):
    sentences = [f"{words[i % len(words)]} {words[(i + 1) % len(words)]}" for i in range(40)]
    assert set(Texts.infer(sentences).words) == set(words)


def test_texts_that_share_no_words_are_refused():
    with pytest.raises(InputError, match="^text: expected texts that share words"):
        Texts.infer([f"今日は天気が{i}いいです" for i in range(30)])


def test_new_texts_are_coded_alike_and_those_without_a_known_word_are_said(tmp_path):
    (tmp_path / "t.txt").write_text("\n".join(SAYINGS) + "\n\n")
    known = load_file(str(tmp_path / "t.txt"), text="lines")
    assert known.x.shape == (20, 8)
    schema = coded(json.loads(json.dumps(known.schema.to_dict())))
    assert schema == known.schema
    (tmp_path / "new.txt").write_text("\n".join([SAYINGS[3], "quux", "", *["zork"] * 8, SAYINGS[4]]))
    new = load_file(str(tmp_path / "new.txt"), schema=schema)
    np.testing.assert_array_equal(new.x[np.array([0, 11])], known.x[np.array([3, 4])])
    assert new.notice.startswith("10 of 12 texts have none of the 8 words of the training (row 1, 2, 3, 4, 5, ...)")


def test_a_run_on_a_column_takes_tables_and_lines(tmp_path):
    (tmp_path / "t.tsv").write_text("kind\tsaying\n" + "".join(f"{i % 2}\t{text}\n" for i, text in enumerate(SAYINGS)))
    known = load_file(str(tmp_path / "t.tsv"), text="saying")
    (tmp_path / "lines.txt").write_text("\n".join(SAYINGS))
    for name in ("t.tsv", "lines.txt"):
        new = load_file(str(tmp_path / name), schema=known.schema)
        np.testing.assert_array_equal(new.x[:], known.x[:])
        assert new.notice == ""


def test_lines_without_a_letter_at_the_end_are_no_texts():
    assert lines_of(io.StringIO("red\n \n\ngreen\r\n  \n\t\n\n")) == ["red", " ", "", "green"]
