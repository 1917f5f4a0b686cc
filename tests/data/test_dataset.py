"""What each kind of input is taken for, its likelihood, and the sentence that says so."""

import numpy as np
import pandas
import pytest
import scipy.sparse
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from small_files import chosen, taken

from vade_tf.data.observations import observe

RNG = np.random.default_rng(0)
NORMAL = RNG.normal(size=(60, 300))
UNIT = NORMAL / np.linalg.norm(NORMAL, axis=1, keepdims=True)
GREY = RNG.integers(0, 256, (60, 28, 28)).astype("u1")
FLAT = GREY.reshape(60, 784)
COUNTS = RNG.poisson(0.5, (60, 300))
BITS = (RNG.random((60, 300)) < 0.3).astype(int)
TEXTS = [" ".join(RNG.choice([f"w{i}" for i in range(300)], 20)) for _ in range(60)]
TFIDF = TfidfVectorizer().fit_transform(TEXTS)
MIXED = pandas.DataFrame({"a": NORMAL[:, 0], "b": ["x", "y", "z"] * 20, "c": np.exp(NORMAL[:, 1])})


@pytest.mark.parametrize(
    ("x", "asked", "kind", "likelihood"),
    [
        (GREY, {}, "images", "bernoulli"),
        (GREY / 255, {}, "images", "bernoulli"),
        (2.0 * GREY / 255 - 1, {}, "images", "bernoulli"),
        (GREY[..., None].repeat(3, axis=3), {}, "images", "bernoulli"),
        (GREY, {"likelihood": "gaussian"}, "images", "gaussian"),
        (FLAT, {"image_shape": (28, 28)}, "images", "bernoulli"),
        (pandas.DataFrame(FLAT), {"image_shape": (28, 28)}, "images", "bernoulli"),
        (NORMAL.reshape(60, 100, 3), {}, "images", "bernoulli"),
        (GREY, {"kind": "rows"}, "rows", "bernoulli"),
        (FLAT, {}, "rows", "bernoulli"),
        (FLAT.astype(float), {}, "rows", "gaussian"),
        (pandas.DataFrame(FLAT), {}, "table", "mixed"),
        (COUNTS, {"likelihood": "counts"}, "counts", "counts"),
        (COUNTS, {"likelihood": "zinb"}, "counts", "zinb"),
        (pandas.DataFrame(COUNTS), {"likelihood": "counts"}, "counts", "counts"),
        (COUNTS, {}, "rows", "gaussian"),
        (scipy.sparse.csr_array(COUNTS), {}, "counts", "counts"),
        (scipy.sparse.coo_matrix(COUNTS.astype("u1")), {}, "counts", "counts"),
        (scipy.sparse.csr_array(COUNTS), {"likelihood": "gaussian"}, "rows", "gaussian"),
        (scipy.sparse.csr_array(-COUNTS), {}, "rows", "gaussian"),
        (CountVectorizer().fit_transform(TEXTS), {}, "counts", "counts"),
        (scipy.sparse.csr_array(BITS), {}, "rows", "bernoulli"),
        (BITS.astype("u1"), {}, "rows", "bernoulli"),
        (TFIDF, {}, "texts", "gaussian"),
        (TFIDF.toarray(), {}, "texts", "gaussian"),
        (TfidfVectorizer(norm=None).fit_transform(TEXTS), {}, "rows", "gaussian"),
        (np.abs(UNIT), {}, "embeddings", "gaussian"),
        (UNIT, {}, "embeddings", "gaussian"),
        (UNIT, {"kind": "rows"}, "rows", "gaussian"),
        (scipy.sparse.csr_array(UNIT), {}, "rows", "gaussian"),
        (NORMAL, {}, "rows", "gaussian"),
        (NORMAL[:, :200], {}, "table", "gaussian"),
        (NORMAL[:, :201], {}, "rows", "gaussian"),
        (BITS[:, :20], {}, "table", "bernoulli"),
        (MIXED, {}, "table", "mixed"),
        (pandas.DataFrame(UNIT), {}, "embeddings", "gaussian"),
    ],
)
def test_what_rows_are_taken_for(x, asked, kind, likelihood):
    rows = taken(x, **asked)
    assert (rows.kind, chosen(rows, asked.get("likelihood", "auto")).name) == (kind, likelihood)
    assert rows.part(np.arange(30)).kind == kind


@pytest.mark.parametrize(
    ("x", "said"),
    [
        (GREY, "images of 28 x 28 pixels"),
        (FLAT, "rows of 784 numbers; if they are images, say image_shape=(28, 28)"),
        (NORMAL[:, :64], "a table of 64 columns; if they are images, say image_shape=(8, 8)"),
        (NORMAL[:, :49], "a table of 49 columns"),
        (pandas.DataFrame(np.where(np.arange(784) % 7, FLAT, 0)),
         "a table of 672 columns; if they are images, say image_shape=(28, 28)"),
        (MIXED, "a table of 3 columns"),
        (scipy.sparse.csr_array(COUNTS), "counts of 300 features"),
        (TFIDF[:, :256], "rows of 256 numbers"),
        (TFIDF, f"texts, by the weights of {TFIDF.shape[1]} words"),
    ],
)  # fmt: skip
def test_what_rows_were_taken_for_is_said(x, said):
    assert observe(x).describe_kind() == f"rows are taken for {said}"
