"""Words of texts: those of scikit-learn, but marks such as vowels of Hindi are parts of them; texts that have none."""

import io
import json
import pkgutil
import re
import unicodedata
import warnings

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer

from vade_tf.data.coding import coded
from vade_tf.data.files import load_file
from vade_tf.data.texts import COMMON, RARE, WORDS, Texts, lines_of, word_pattern
from vade_tf.errors import InputError, UnitsWarning

HINDI = ["किताब", "कलम", "घर", "सूरज", "चाँद", "तारा", "समुद्र", "हिन्दी"]
THAI = ["บ้าน", "น้ำ", "แม่", "พ่อ", "เด็ก", "ต้นไม้"]
WAY_OUT = "spaces separate words: split Chinese, Japanese or Thai first"
FRENCH = [unicodedata.normalize("NFD", word) for word in ("été", "noël", "naïf", "à", "garçon", "élève")]


def english():
    """Docstrings of Python's own modules, and of what stands in them."""
    names = ["argparse", "collections", "datetime", "decimal", "email.message", "json", "pathlib", "random", "re"]
    found = [pkgutil.resolve_name(name) for name in names]
    inside = [getattr(module, name) for module in found for name in sorted(vars(module))]
    return sorted({each.__doc__ for each in (*found, *inside) if isinstance(each.__doc__, str)})


def sentences(words, n=40):
    """Of two words each."""
    return [f"{words[i % len(words)]} {words[(i + 1) % len(words)]}" for i in range(n)]


def test_words_of_english_are_those_of_scikit_learn():
    texts = english()
    assert len(texts) > 100
    found = TfidfVectorizer(max_features=WORDS, min_df=RARE, max_df=COMMON, sublinear_tf=True)
    x = found.fit_transform(texts)
    ours = Texts.infer(texts)
    assert list(ours.words) == found.get_feature_names_out().tolist()
    np.testing.assert_allclose(ours.encode(texts).toarray(), x.toarray(), rtol=1e-5, atol=1e-7)
    split, plain = re.compile(word_pattern()).findall, TfidfVectorizer().build_tokenizer()
    for text in (*texts, "naïve Straße ДОМ 今日は 12 _ a_ b1 x\u200dy 3.5e-7 don't"):
        assert split(text) == plain(text)


@pytest.mark.parametrize("words", [HINDI, THAI, FRENCH])
def test_words_with_marks_are_whole(words):
    assert any(unicodedata.category(letter)[0] == "M" for letter in "".join(words))
    assert set(Texts.infer(sentences(words)).words) == set(words)
    assert re.findall(word_pattern(), "\u0301ab, a\u0301") == ["ab", "a\u0301"]  # a word begins with a letter


def test_new_texts_of_an_older_run_are_read_by_its_words():
    """Those of a run whose schema says nothing of marks were found by scikit-learn's own pattern."""
    texts = sentences(HINDI)
    found = TfidfVectorizer(min_df=RARE, max_df=COMMON, sublinear_tf=True)
    x = found.fit_transform(texts)
    older = {"form": "texts", "column": "", "words": found.get_feature_names_out().tolist(), "idf": found.idf_.tolist()}
    np.testing.assert_allclose(coded(older).encode(texts).toarray(), x.toarray(), rtol=1e-5)
    now = Texts.infer(texts)
    again = coded(json.loads(json.dumps(now.to_dict())))
    assert again == now
    assert coded(json.loads(json.dumps(coded(older).to_dict()))) == coded(older)
    with pytest.raises(ValueError, match="expected a column, words and their idf"):
        coded({**older, "marks": 1})


@pytest.mark.parametrize("none", [0, 3, 4, 20])
def test_texts_without_any_of_the_words_are_counted(tmp_path, none):
    texts = sentences(["apple", "pear", "plum", "grape"], 40 - none) + [f"今日は天気{i}" for i in range(none)]
    (tmp_path / "t.txt").write_text("\n".join(texts), encoding="utf-8")
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", UnitsWarning)
        found = load_file(str(tmp_path / "t.txt"), text="lines")
    assert (np.asarray(found.x).sum(axis=1) == 0).sum() == none
    said = f"{none} of 40 texts have none of these words"
    assert (said in found.notice) is (0 < none <= 4)
    assert [str(each.message) for each in told if each.category is UnitsWarning] == (
        [f"text: {said}, so they are all alike; {WAY_OUT}, and leave out what is empty"] if none > 4 else []
    )


@pytest.mark.parametrize(
    ("text", "unspaced"),
    [("天気", True), ("てんき", True), ("テンキ", True), ("อากาศ", True), ("날씨", False), ("฿ ・ é", False)],
)
def test_only_of_scripts_without_spaces_it_is_said_to_split_them(tmp_path, text, unspaced):
    texts = sentences(["apple", "pear", "plum", "grape"], 30) + [f"{text}{i} zork{i}" for i in range(10)]
    (tmp_path / "t.csv").write_text("n,body\n" + "".join(f"{i},{each}\n" for i, each in enumerate(texts)), "utf-8")
    with pytest.warns(UnitsWarning, match="^text: 10 of 40 texts have none of these .* leave out what is") as told:
        load_file(str(tmp_path / "t.csv"), text="body")
    (said,) = (each for each in told if each.category is UnitsWarning)  # sockets of other tests may end here as well
    assert (WAY_OUT in str(said.message)) is unspaced
    assert said.filename == __file__


@pytest.mark.parametrize("other", ["labels", "id"])
def test_a_column_of_texts_is_nothing_else(tmp_path, other):
    (tmp_path / "t.csv").write_text("kind,body\n" + "".join(f"a,{text}\n" for text in sentences(FRENCH)))
    with pytest.raises(InputError, match=f"^text and {other}: expected different columns, got 'body' for both$"):
        load_file(str(tmp_path / "t.csv"), text="body", **{other: "body"})
    assert load_file(str(tmp_path / "t.csv"), text="body", **{other: "kind"}).x.shape == (40, 6)


def test_lines_go_with_a_text_file(tmp_path):
    (tmp_path / "t.csv").write_text("kind,body\n" + "".join(f"a,{text}\n" for text in sentences(FRENCH)))
    said = r"^text: expected one of the columns \['kind', 'body'\] of .*, got 'lines'; lines goes with a \.txt of"
    with pytest.raises(InputError, match=said):
        load_file(str(tmp_path / "t.csv"), text="lines")
    (tmp_path / "t.csv").write_text("kind,lines\n" + "".join(f"a,{text}\n" for text in sentences(FRENCH)))
    assert load_file(str(tmp_path / "t.csv"), text="lines").schema.column == "lines"


def test_texts_without_spaces_are_told_what_to_do():
    with pytest.raises(InputError, match=f"{WAY_OUT}$"):
        Texts.infer([f"今日は天気が{i}いいです" for i in range(30)])


@pytest.mark.parametrize("number", [1, 5, 6, 1007])
def test_five_texts_without_a_word_are_named_and_the_others_counted(number):
    texts = Texts("", ("red", "green"), (1.0, 1.0))
    (told,) = texts.unknown(texts.encode(["red", *["blue"] * number]))
    named = ", ".join(map(str, range(1, min(number, 5) + 1))) + {6: " and 1 more", 1007: " and 1,002 more"}.get(
        number, ""
    )
    assert f"{number:,} of {number + 1:,} texts" in told
    assert f"(row {named})" in told


def test_lines_without_a_letter_at_the_end_are_no_texts():
    assert lines_of(io.StringIO("red\n \n\ngreen\r\n  \n\t\n\n")) == ["red", " ", "", "green"]
