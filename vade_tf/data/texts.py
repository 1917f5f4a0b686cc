"""Texts -> rows of weighted words (TF-IDF), and the vocabulary that turns new texts into the same features."""

import re
import sys
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import IO, ClassVar

import numpy as np
import pandas
import scipy.sparse

from vade_tf.errors import InputError

LINES = "lines"  # --text of a .txt file of one text a line
WORDS = 2000
NAMED = 5  # rows that a sentence names
LONGEST = 1 << 26  # characters of a text
COMMON = 0.5  # share of the texts from which a word is too common to tell them apart, in any language
RARE = 2  # texts that a word must be in
MANY = 0.1  # share of texts without any of the words that is warned of
WITHOUT_MARKS = r"\b\w\w+\b"  # words as scikit-learn finds them
UNSPACED = re.compile(  # letters of Thai, Japanese and Chinese, whose words stand together
    "[\u0e01-\u0e2e\u3041-\u3096\u30a1-\u30fa\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9d\U00020000-\U0003ffff]"
)


@dataclass(frozen=True)
class Texts:
    """The words that count and their weights: 1 + log(count) times idf, every text of length 1.

    Attributes:
        column: of a table that holds the texts; "": each line of a file is one.
        words: the features, D of them.
        idf: the weight of each.
        marks: whether marks such as vowels of Hindi and Thai are parts of words; in older runs they end them.
    """

    column: str
    words: tuple[str, ...]
    kind: ClassVar[str] = "texts"
    idf: tuple[float, ...]
    marks: bool = True

    @classmethod
    def infer(cls, texts: Iterable[str], column: str = "") -> "Texts":
        """The vocabulary of texts: the 2,000 most frequent words of at least 2 texts and at most half of them.

        Raises:
            InputError: no such word is there.
        """
        from sklearn.feature_extraction.text import TfidfVectorizer

        how = {"min_df": RARE, "max_df": COMMON, "token_pattern": word_pattern()}
        vectorizer = TfidfVectorizer(max_features=WORDS, sublinear_tf=True, **how)
        try:
            vectorizer.fit(texts)
        except ValueError as error:
            raise InputError(
                f"text: expected texts that share words of two letters and more, got none that at least {RARE} "
                f"and at most {COMMON:.0%} of them have; spaces separate words: split Chinese, Japanese or Thai first"
            ) from error
        return cls(column, tuple(vectorizer.get_feature_names_out().tolist()), tuple(vectorizer.idf_.tolist()))

    @property
    def features(self) -> list[str]:
        return list(self.words)

    @property
    def blocks(self) -> tuple[tuple[str, int], ...]:
        return (("gaussian", len(self.words)),)

    def encode(self, texts: Iterable[str]) -> scipy.sparse.csr_array:
        """Texts -> rows, float32 [n, D], sparse; a text without any of the words is a row of zeros.

        Raises:
            InputError: a table, which would give its names, or a single text, which would give its letters.
        """
        if isinstance(texts, (pandas.DataFrame, str)):
            got = "a table; give its column" if isinstance(texts, pandas.DataFrame) else "one text; give [text]"
            raise InputError(f"texts: expected several texts, one a row, got {got}")
        from sklearn.feature_extraction.text import TfidfVectorizer

        how = {"dtype": np.float32, "token_pattern": word_pattern() if self.marks else WITHOUT_MARKS}
        vectorizer = TfidfVectorizer(vocabulary=list(self.words), sublinear_tf=True, **how)
        vectorizer.idf_ = np.asarray(self.idf, np.float32)
        return scipy.sparse.csr_array(vectorizer.transform(texts))

    def unknown(self, x: scipy.sparse.csr_array) -> list[str]:
        """A sentence where rows of `encode` [n, D] are texts without any of the words; else none."""
        rows = wordless(x)
        if not rows.size:
            return []
        named, more = ", ".join(map(str, rows[:NAMED].tolist())), f" and {rows.size - NAMED:,} more"
        return [
            f"{rows.size:,} of {x.shape[0]:,} texts have none of the {len(self.words):,} words of the training (row "
            f"{named}{more if rows.size > NAMED else ''}): their cluster and density say nothing"
        ]

    def describe(self) -> list[str]:
        where = f"column {self.column[:40]!r}" if self.column else "each line"
        shared = f"that at least {RARE} and at most {COMMON:.0%} of the texts have"
        return [f"{where} is a text: TF-IDF of its {len(self.words):,} most frequent words {shared}"]

    def describe_wordless(self, rows: scipy.sparse.csr_array) -> list[str]:
        """A sentence where some of the texts that the words were found in have none of them, as rows [n, D]."""
        none = wordless(rows).size
        return [f"{none:,} of {rows.shape[0]:,} texts have none of these words, so they are all alike"] if none else []

    def to_dict(self) -> dict:
        listed = {"words": list(self.words), "idf": list(self.idf)}
        return {"form": "texts", "column": self.column, **listed, "marks": self.marks}

    @classmethod
    def from_dict(cls, values: dict) -> "Texts":
        """The words whose `to_dict` gave these values, which may come from anywhere.

        Raises:
            ValueError: no `Texts` has such values.
        """
        words, idf = values["words"], values["idf"]
        if not all(isinstance(word, str) for word in words) or not all(isinstance(w, float) and w > 0 for w in idf):
            raise ValueError("expected words and their idf")
        if not words or len(set(words)) < len(words) or len(idf) != len(words):
            raise ValueError(f"{len(words)} words with {len(idf)} weights, or a word twice")
        return cls(values["column"], tuple(words), tuple(idf), values.get("marks", False))  # older runs have none


def texts_of(column: pandas.Series) -> pandas.Series:
    """The cells of a column of any type as texts, "" where one is missing."""
    return column.astype(object).fillna("").astype(str)


def wordless(rows: scipy.sparse.csr_array) -> np.ndarray:
    """The numbers of the rows of `Texts.encode` that are texts without any of the words."""
    return np.flatnonzero(np.diff(rows.indptr) == 0)


@cache
def word_pattern() -> str:
    """Words of two characters and more, as scikit-learn finds them, but for marks (Unicode's category M) inside."""
    marks = "".join(mark for mark in map(chr, range(sys.maxunicode + 1)) if unicodedata.category(mark)[0] == "M")
    return rf"\w(?:\w+|(?=[^\x00-\x7f])[{marks}])+"  # what is ASCII is no mark: looked at first it takes a sixth


def lines_of(stream: IO[str]) -> list[str]:
    """The texts of a file of one text a line; empty lines at its end are none.

    Raises:
        ValueError: one is too long to be a text, or holds null bytes.
    """
    lines: list[str] = []
    while line := stream.readline(LONGEST + len("\r\n")):
        text = line.rstrip("\r\n")
        if len(text) > LONGEST:
            raise ValueError(f"line {len(lines) + 1} is longer than {LONGEST:,} characters")
        if "\0" in text:
            raise ValueError(f"line {len(lines) + 1} holds null bytes, so it is no text in UTF-8")
        lines.append(text)
    while lines and not lines[-1].strip():
        lines.pop()
    return lines
