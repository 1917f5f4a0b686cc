"""What each kind of input is taken for, its likelihood, and the sentence that says so."""

import numpy as np
import pandas
import pytest
import scipy.sparse
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.preprocessing import PowerTransformer
from small_cells import annotated

from vade_tf import VaDEClusterer
from vade_tf.data.files import load_file
from vade_tf.data.observing import observe
from vade_tf.data.schema import Schema
from vade_tf.model.choice import choose

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
        (GREY, {"image_shape": ()}, "rows", "bernoulli"),
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
        (np.abs(UNIT), {}, "rows", "gaussian"),
        (UNIT, {}, "rows", "gaussian"),
        (NORMAL, {}, "rows", "gaussian"),
        (NORMAL[:, :200], {}, "table", "gaussian"),
        (NORMAL[:, :201], {}, "rows", "gaussian"),
        (BITS[:, :20], {}, "table", "bernoulli"),
        (MIXED, {}, "table", "mixed"),
        (pandas.DataFrame(UNIT), {}, "table", "mixed"),
    ],
)
def test_what_rows_are_taken_for(x, asked, kind, likelihood):
    rows = observe(x, **asked)
    assert (rows.kind, choose(rows).name) == (kind, likelihood)
    assert rows.part(np.arange(30)).kind == kind


@pytest.mark.parametrize(
    ("name", "write", "more", "kind"),
    [
        ("x.csv", lambda file: MIXED.to_csv(file, index=False), {}, "table"),
        ("x.parquet", MIXED.to_parquet, {}, "table"),
        ("x.npy", lambda file: np.save(file, NORMAL), {}, "rows"),
        ("x.npy", lambda file: np.save(file, GREY), {}, "images"),
        ("x.npz", lambda file: scipy.sparse.save_npz(file, scipy.sparse.csr_array(COUNTS)), {}, "counts"),
        ("x.h5ad", lambda file: annotated(60).write_h5ad(file), {}, "counts"),
        ("x.txt", lambda file: file.write_text("\n".join(TEXTS)), {"text": "lines"}, "texts"),
    ],
)
def test_what_files_are_taken_for(tmp_path, name, write, more, kind):
    write(tmp_path / name)
    assert load_file(str(tmp_path / name), **more).kind == kind


@pytest.mark.usefixtures("eager")
def test_an_annotated_matrix_is_of_counts_where_its_numbers_are_whole():
    short = {"hidden": (8,), "latent_dim": 2, "pretrain_epochs": 1, "epochs": 1, "init": "kmeans", "random_state": 0}
    data = annotated(60)
    assert VaDEClusterer(2, **short).fit(data).likelihood_ == "counts"
    data.X = data.X.log1p()
    with pytest.warns(UserWarning, match="^X holds no counts, so its values are taken for numbers"):
        assert VaDEClusterer(2, **short).fit(data).likelihood_ == "gaussian"


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


def test_the_power_of_numbers_is_that_of_scikit_learn_and_comes_back():
    holes = MIXED.assign(d=np.where(np.arange(60) % 5, -np.exp(NORMAL[:, 2]), np.nan))
    rows = observe(holes, transform="power")
    expected = PowerTransformer().fit_transform(holes[["a", "c", "d"]])
    places = [rows.schema.features.index(name) for name in ("a", "c", "d")]
    np.testing.assert_allclose(rows.x[:, places], expected, atol=1e-5)
    schema = Schema.from_dict(rows.schema.to_dict() | {"columns": [
        {**column, "power": column["power"] and list(column["power"])} for column in rows.schema.to_dict()["columns"]
    ]})  # fmt: skip
    assert schema == rows.schema
    back = schema.decode(rows.x)
    np.testing.assert_allclose(back[["a", "c", "d"]], holes[["a", "c", "d"]], rtol=1e-4, atol=1e-6)
    assert np.isfinite(schema.decode(np.full((1, rows.x.shape[1]), 50.0))[["a", "c", "d"]].to_numpy()).all()
    assert observe(holes).schema.columns[0].power is None


@pytest.mark.parametrize("v", [1e9 + np.arange(60) ** 2, 2000 + np.arange(60) % 31 + 0.5, np.exp(20 * NORMAL[:, 0])])
def test_a_power_of_any_numbers_is_finite_and_comes_back(v):
    frame = pandas.DataFrame({"v": v, "w": NORMAL[:, 3]})
    rows = observe(frame, transform="power")
    assert np.abs(rows.x).max() < 100
    np.testing.assert_allclose(rows.schema.decode(rows.x)["v"], v, rtol=1e-2, atol=1e-4)
