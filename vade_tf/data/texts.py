"""Texts -> rows of weighted words (TF-IDF of scikit-learn), and the vocabulary that codes new texts alike."""

import gzip
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas
import scipy.sparse

from vade_tf.data.dataset import Dataset
from vade_tf.data.observations import About, build
from vade_tf.data.rows import SparseRows
from vade_tf.errors import InputError

LINES = "lines"  # --text of a .txt file of one text a line
MAX_WORDS = 2000
MAX_SHARE = 0.5  # of the texts; a word of more is too common to tell them apart, in any language
MIN_TEXTS = 2  # that a word must be in


@dataclass(frozen=True)
class Texts:
    """The words that count and their weights: 1 + log(count) times idf, every text of length 1."""

    kind: ClassVar[str] = "texts"
    blocks: ClassVar[tuple] = ()
    column: str  # of a table that holds the texts; "": each line of a file is one
    words: tuple[str, ...]  # the features, D of them
    idf: tuple[float, ...]

    @classmethod
    def infer(cls, texts: Iterable[str], column: str = "", argument: str = "text") -> "Texts":
        """The vocabulary of texts: the 2,000 most frequent words of at least 2 texts and at most half of them.

        Raises:
            InputError: no such word is there.
        """
        try:
            vectorizer = _vectorizer(min_df=MIN_TEXTS, max_df=MAX_SHARE, max_features=MAX_WORDS).fit(texts)
        except ValueError as error:  # scikit-learn's names settings that nobody has here
            expected = f"texts that share words, which {MIN_TEXTS} to {MAX_SHARE:.0%} of them have"
            raise InputError(argument, expected, "none", "separate words by spaces") from error
        return cls(column, tuple(vectorizer.get_feature_names_out().tolist()), tuple(vectorizer.idf_.tolist()))

    @property
    def features(self) -> list[str]:
        return list(self.words)

    def encode(self, texts: Iterable[str]) -> scipy.sparse.csr_array:
        """Texts -> rows, float32 [n, D], sparse; a text without any of the words is a row of zeros."""
        vectorizer = _vectorizer(vocabulary=list(self.words), dtype=np.float32)
        vectorizer.idf_ = np.asarray(self.idf, np.float32)
        return scipy.sparse.csr_array(vectorizer.transform(texts))

    def unknown(self, x: scipy.sparse.csr_array) -> list[str]:
        """A sentence where rows of `encode` [n, D] are texts without any of the words; else none."""
        rows = np.flatnonzero(np.diff(x.indptr) == 0)
        said = f"{rows.size:,} of {x.shape[0]:,} texts have none of the {len(self.words):,} words of the training"
        return [f"{said}: their cluster and density say nothing"] if rows.size else []

    def describe(self) -> list[str]:
        where = f"column {self.column[:40]!r}" if self.column else "each line"
        shared = f"that at least {MIN_TEXTS} and at most {MAX_SHARE:.0%} of the texts have"
        return [f"{where} is a text: TF-IDF of its {len(self.words):,} most frequent words {shared}"]

    def to_dict(self) -> dict:
        return {"form": "texts", "column": self.column, "words": list(self.words), "idf": list(self.idf)}

    @classmethod
    def from_dict(cls, values: dict) -> "Texts":
        return cls(str(values["column"]), tuple(map(str, values["words"])), tuple(map(float, values["idf"])))


def load_texts(texts: pandas.Series, column: str, y, schema, about: About) -> Dataset:
    """The data set of texts [n], cells of any type, a missing one without words; arguments as of `tables.load`."""
    if texts.empty:
        raise InputError("data", "texts", f"none in {about['source']}")
    if not isinstance(schema, Texts | None):
        raise InputError("text", "a run on texts", f"one on other rows, for {about['source']}")
    found = schema or Texts.infer(texts_of(texts), column)
    x = found.encode(texts_of(texts))
    notes = ([] if schema else found.describe()) + found.unknown(x)
    return build(x, y, schema=found, notice="\n".join(notes), **about)


def read_lines(file: Path) -> pandas.Series:
    """The lines of a text file in UTF-8, packed or not; empty ones at its end are none."""
    content = file.read_bytes()
    text = (gzip.decompress(content) if file.suffix.lower() == ".gz" else content).decode("utf-8-sig")
    lines = text.rstrip().split("\n") if text.strip() else []
    return pandas.Series([line.rstrip("\r") for line in lines], dtype=object)


def texts_beside(texts: Iterable, n: int) -> np.ndarray:
    """The text of each of n rows, any cells, as texts [n], "" where one is missing; they name the clusters.

    Raises:
        InputError: there are more or fewer of them, or they share no words.
    """
    found = texts_of(pandas.Series(list(texts), dtype=object))
    if len(found) != n:
        raise InputError("texts", f"one for each of the {n:,} rows", f"{len(found):,}")
    Texts.infer(found, argument="texts")
    return found.to_numpy(object)


def in_words(dataset: Dataset) -> Dataset:
    """The same rows with the words of their texts as features."""
    assert dataset.texts is not None
    found = Texts.infer(dataset.texts)
    return replace(dataset, x=SparseRows(found.encode(dataset.texts)), schema=None, words=found.words)


def texts_of(column: pandas.Series) -> pandas.Series:
    """The cells of a column of any type as texts, "" where one is missing."""
    return column.astype(object).fillna("").astype(str)


def _vectorizer(**how):
    from sklearn.feature_extraction.text import TfidfVectorizer

    return TfidfVectorizer(sublinear_tf=True, **how)
