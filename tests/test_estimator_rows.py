"""Rows in forms that people have them in: far outliers, odd arrays, odd frames; and cells that keep their type."""

import re
from pathlib import Path

import numpy as np
import pandas
import pytest
import scipy.sparse
import tensorflow as tf
from sklearn.feature_extraction.text import TfidfVectorizer

from vade_tf import VaDEClusterer
from vade_tf.data.observations import observe
from vade_tf.data.schema import Schema
from vade_tf.data.sparse import SparseRows
from vade_tf.errors import InputError, UnitsWarning
from vade_tf.model import choice

pytestmark = [
    pytest.mark.usefixtures("eager_file"),
    pytest.mark.filterwarnings("ignore:X does not have valid feature names"),
    pytest.mark.filterwarnings("ignore:the matrix subclass"),
]

SHORTEST = {
    "n_clusters": 2, "hidden": (8,), "latent_dim": 2, "pretrain_epochs": 0, "epochs": 1, "precision": "float32",
    "init": "kmeans", "regroups": 0, "validation_rows": 0, "random_state": 0,
}  # fmt: skip


def clusterer(**more):
    return VaDEClusterer(**{**SHORTEST, **more})


@pytest.fixture(scope="module")
def x():
    r = np.random.default_rng(0)
    return (4 * (np.arange(40) % 2)[:, None] + r.normal(size=(40, 3))).astype("f4")


@pytest.fixture(scope="module")
def fitted(x):
    return clusterer().fit(x)


@pytest.fixture(scope="module")
def tabled(x):
    """A fit to the same rows as a table."""
    return clusterer().fit(pandas.DataFrame(x, columns=list("abc")))


@pytest.mark.parametrize("value", [5e3, -999_999, 1e22, -1e30])
def test_the_farther_a_row_the_lower_its_score_which_is_a_number(fitted, x, value):
    rows = x[:3].copy()
    rows[0, 1] = value
    scores = fitted.score_samples(rows)
    assert np.isfinite(scores).all()
    assert scores[0] < scores[1:].min() - 100
    assert np.isfinite(fitted.score(rows))
    np.testing.assert_allclose(fitted.predict_proba(rows).sum(axis=1), 1, rtol=1e-5)


@pytest.mark.parametrize("kind", ["u1", "u2", "i8", "f4"])
def test_bytes_in_a_sparse_matrix_are_counts_if_they_look_like_it(kind):
    rates = np.append(np.full(79, 0.2), 60)
    counts = np.random.default_rng(0).poisson(rates, (60, 80))
    assert choice.choose(observe(scipy.sparse.csr_array(counts.astype(kind)))).name == "counts"


def test_bytes_are_grey_values_and_whole_numbers_in_a_sparse_matrix_counts():
    grey = np.where(np.random.default_rng(0).random((60, 80)) < 0.2, 200, 0).astype("u1")
    assert choice.choose(observe(scipy.sparse.csr_array(grey))).name == "counts"
    assert choice.choose(observe(grey)).name == "bernoulli"


def test_a_sparse_matrix_of_the_caller_is_not_touched():
    parts = np.ones(8), np.array([1, 0] * 4), np.arange(0, 9, 2)
    matrix = scipy.sparse.csr_matrix(parts, shape=(4, 2))  # its columns are not in order
    for part in (matrix.data, matrix.indices, matrix.indptr):
        part.setflags(write=False)
    rows = SparseRows(matrix)
    np.testing.assert_array_equal(rows[:], np.ones((4, 2)))
    np.testing.assert_array_equal(matrix.indices, parts[1])


@pytest.mark.parametrize("names", [["b", 1, "c"], [2, 0, 1], [("a", 1), ("a", 2), ("b", 1)], [True, "b", 0.5]])
def test_an_array_is_read_in_the_order_of_the_columns_whatever_they_are_called(x, names, tmp_path):
    frame = pandas.DataFrame(x * [1, 50, 0.01])
    frame.columns = pandas.MultiIndex.from_tuples(names) if isinstance(names[0], tuple) else names
    model = clusterer().fit(frame)
    model.save(tmp_path / "model")
    for each in (model, VaDEClusterer.load(tmp_path / "model")):
        np.testing.assert_array_equal(each.predict(frame.to_numpy()), model.labels_)
        np.testing.assert_array_equal(each.predict(frame), model.labels_)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"a": [1, 2]}, "^X: expected a DataFrame, or an array of all its columns"),
        (np.ones(3), "^X: expected a DataFrame"),
        (np.ones((2, 4)), "^X: X has 4 features, but VaDEClusterer is expecting 3"),
    ],
)
def test_what_is_no_table_is_said_to_be_none(tabled, given, expected):
    with pytest.raises(InputError, match=expected):
        tabled.predict(given)


def test_odd_arrays(x, fitted):
    long = x.astype(np.longdouble)
    np.testing.assert_array_equal(clusterer().fit(long).predict(long), fitted.labels_)
    with pytest.raises(InputError, match="got nan at row 1, column 2 .* give a DataFrame .*, in which NaN"):
        clusterer().fit(np.ma.masked_array(x, np.arange(120).reshape(40, 3) == 5))
    with pytest.raises(InputError, match="got nan at row 0, column 0.* fit a DataFrame that has some"):
        fitted.predict(np.full((2, 3), np.nan))
    with pytest.raises(InputError, match="^X: expected images of one size"):
        clusterer().fit([np.ones((2, 2)), np.ones((3, 3))])
    with pytest.raises(InputError, match="^cluster: expected one, or one for each of 3 samples, got 2"):
        fitted.sample(3, cluster=[0, 1])
    with pytest.raises(InputError, match="^X: Found array with 0 sample"):
        fitted.predict(np.ones((0, 3, 1)))
    for cells in (np.array([[pandas.Timestamp("2020-01-01"), 1.5]] * 4, object), np.asmatrix(x)):
        with pytest.raises(InputError, match="^X: .*; give numbers, or a DataFrame with its columns$"):
            clusterer().fit(cells)
    images = [np.full((2, 2), float(i % 2)) for i in range(20)]
    np.testing.assert_array_equal(clusterer().fit(images).labels_, clusterer().fit(np.array(images)).labels_)


def test_what_no_column_can_hold_is_named():
    for cells, said in (([1 + 2j, 3j, 4], "complex"), ([[1], [2, 3], [4]], "expected numbers, texts, truth values")):
        with pytest.raises(InputError, match=f"^x: .*{said}"):
            Schema.infer(pandas.DataFrame({"v": cells}))
    arrow = pytest.importorskip("pyarrow")
    cells = pandas.Series([[1], [2, 3]], dtype=pandas.ArrowDtype(arrow.list_(arrow.int64())))
    with pytest.raises(InputError, match="^x: column 'v': expected numbers, texts"):
        Schema.infer(pandas.DataFrame({"v": cells}))


def test_filled_cells_have_the_type_of_their_column(x):
    days = pandas.date_range("2020-01-01", periods=40, freq="MS")
    holes = np.arange(40) % 7 == 3
    frame = pandas.DataFrame(
        {
            "size": x[:, 0],
            "span": pandas.Series(days - days[0]),
            "zoned": pandas.Series(days.tz_localize("Europe/Paris")),
            "month": pandas.Series(days.to_period("M")),
            "two": pandas.Series(np.where(np.arange(40) % 2, days[0], days[1])),
            "level": pandas.Categorical(np.array(["a", "b", "c"])[np.arange(40) % 3]),
            "rank": pandas.Categorical(np.array(["low", "mid", "top"])[np.arange(40) % 3], ordered=True),
            "text": pandas.Series(np.array(["p", "q", "r"])[np.arange(40) % 3], dtype="string"),
            "whole": pandas.Series(np.arange(40) ** 2, dtype="Int64"),
        }
    )
    frame = frame.mask(np.outer(holes, np.ones(9, bool)))
    frame.loc[holes, "size"] = x[holes, 0]
    found = clusterer().fit(frame).impute(frame)
    assert not found.isna().any().any()
    kinds = {**frame.dtypes, "whole": np.dtype("f8")}  # the mean between whole numbers is none
    assert found.dtypes.to_dict() == kinds
    pandas.testing.assert_frame_equal(found[~holes], frame[~holes].astype({"whole": "f8"}))


def test_rows_that_are_said_to_be_no_images_may_have_any_shape(x):
    blocks = np.tile(x[:, :, None, None], (1, 1, 2, 4))  # of three channels first, if they were images
    flat = clusterer(image_shape=()).fit(blocks.reshape(40, -1))
    np.testing.assert_array_equal(clusterer(image_shape=()).fit(blocks).predict(blocks), flat.labels_)


def test_cells_are_filled_where_a_table_was_fitted(x, fitted, tabled):
    frame = pandas.DataFrame(x, columns=list("abc"))
    with pytest.raises(InputError, match="^impute: expected a fit to a DataFrame, got one to an array"):
        fitted.impute(frame)
    with pytest.raises(InputError, match="^X: expected a DataFrame, as was fitted, got an array"):
        tabled.impute(x)


def test_every_seed_that_scikit_learn_takes_is_one(x):
    high, again = (clusterer(random_state=2**32 - 1).fit(x) for _ in range(2))
    np.testing.assert_array_equal(high.means_, again.means_)
    assert not np.array_equal(high.means_, clusterer(random_state=2**31).fit(x).means_)
    with pytest.raises(InputError, match="^random_state: expected a whole number"):
        clusterer(random_state=2**32).fit(x)


def test_rows_as_the_model_gives_them_are_rows_that_it_takes(x):
    """Without the columns that were left out, in their order or none of them."""
    frame = pandas.DataFrame(x, columns=list("abc")).assign(id=range(1000, 1040))[["a", "id", "b", "c"]]
    model = clusterer().fit(frame)
    drawn = model.sample(3)[0]
    assert list(drawn) == ["a", "b", "c"]
    np.testing.assert_array_equal(model.predict(frame.drop(columns="id")), model.labels_)
    assert len(model.predict(drawn)) == 3
    with pytest.raises(InputError, match="^X: The feature names should match"):
        model.predict(drawn[["b", "a", "c"]])


def test_one_image_alone_is_told_how_to_be_given(x):
    images = np.repeat((x[:, :, None] > 2).astype("f4"), 2, axis=2)
    model = clusterer(network="dense").fit(images)
    with pytest.raises(InputError, match=r"^X: expected several images, got one of shape \(3, 2\); give X\[None\]$"):
        model.predict(images[0])
    np.testing.assert_array_equal(model.predict(images[:1]), model.labels_[:1])
    with pytest.raises(InputError, match="use n_clusters=K instead of 'auto'$"):
        clusterer(n_clusters="auto").fit(images, hints=np.full(40, -1))


def test_few_rows_beyond_the_range_of_the_others_are_taken_with_a_warning(rng):
    """Of rows that were scaled to [0, 1] by others' least and largest."""
    x = (rng.random((200, 12)) < 0.5).astype("f4")
    model = clusterer().fit(x)
    new = x.copy()
    new[:9, 3] = 7.0
    with pytest.warns(UnitsWarning, match="expected values from 0 to 1, as the model was trained on, got 0 to 7"):
        assert len(model.predict(new)) == 200
    new[:10, 3] = 7.0
    with pytest.raises(InputError, match="expected values from 0 to 1"):
        model.predict(new)


def columns(x):
    return {"a": x[:, 0], "b": x[:, 1]}


NO_ARRAYS = [
    (lambda x: tf.data.Dataset.from_tensor_slices(x).batch(8), "_BatchDataset; use vade_tf.fit, which takes one"),
    (lambda x: (row for row in x), r"generator; give numpy.stack\(list\(X\)\)"),
    (iter, r"iterator; give numpy.stack\(list\(X\)\)"),
    (columns, r"dict of columns; give pandas.DataFrame\(X\)"),
    (lambda x: pandas.DataFrame(columns(x)).to_records(), r"recarray of columns; give pandas.DataFrame\(X\)"),
    (lambda x: Path("x.csv"), "PosixPath; read the file first, .* vade-tf train --data FILE"),
    (lambda x: "x.csv", "str; read the file first, .* vade-tf train --data FILE"),
    (lambda x: None, "NoneType$"),
]


@pytest.mark.parametrize(("form", "said"), NO_ARRAYS)
def test_who_gives_no_array_is_told_what_to_give(x, fitted, tabled, form, said):
    with pytest.raises(InputError, match=f"^X: expected an array, a sparse matrix, .* or an AnnData, got {said}"):
        clusterer().fit(form(x))
    said = said.replace("vade_tf.fit", "model_.predict").replace(", .* vade-tf train --data FILE", r", [^:]*$")
    with pytest.raises(InputError, match=f"^X: expected an array, a sparse matrix, .* or an AnnData, got {said}"):
        fitted.predict(form(x))
    with pytest.raises(InputError, match=f"^X: expected a DataFrame, or an array of all its columns, got {said}"):
        tabled.predict(form(x))


TEXTS = ["a good room", "bad food"]
SAID = {"TfidfVectorizer().fit_transform(texts)": "texts", "a DataFrame": "(texts|dates|spans of time)"}


@pytest.mark.parametrize(
    ("rows", "todo"),
    [
        *((kind(TEXTS), "TfidfVectorizer().fit_transform(texts)") for kind in (list, np.array, pandas.Series)),
        *((np.array([TEXTS, TEXTS], kind), "a DataFrame") for kind in ("U", "S", object)),
        *((np.arange(6).reshape(2, 3).astype(kind), "a DataFrame") for kind in ("M8[D]", "m8[s]")),
        (pandas.Series(np.arange(6).astype("M8[s]")), "a DataFrame"),
    ],
)
def test_who_has_texts_or_dates_is_told_what_takes_them(rows, todo):
    with pytest.raises(InputError, match=f"^X: expected numbers, got {SAID[todo]}; give {re.escape(todo)}, "):
        clusterer().fit(rows)


def test_texts_for_a_fitted_model_become_rows_as_those_that_were_fitted(rng):
    """Of a vectorizer that is fitted anew each column is another word."""
    vectorizer = TfidfVectorizer().fit(TEXTS)
    model = clusterer().fit(np.abs(rng.normal(size=(60, len(vectorizer.vocabulary_)))))
    with pytest.raises(InputError, match="^X: expected numbers, got texts; give transform") as caught:
        model.predict(TEXTS)
    assert "fit_transform" not in str(caught.value)


def test_the_shape_of_images_may_be_an_array(rng):
    x = rng.integers(0, 256, (60, 30)).astype("u1")
    model = clusterer(image_shape=np.array([5, 6])).fit(x)
    assert model._image_shape == (5, 6)
    np.testing.assert_array_equal(model.predict(x.reshape(60, 5, 6)), model.labels_)


def test_sparse_rows_of_another_width_are_told_so(rng):
    model = clusterer().fit(scipy.sparse.csr_matrix(np.abs(rng.normal(size=(60, 8)))))
    with pytest.raises(ValueError, match="5 features.*expecting 8 features"):
        model.predict(scipy.sparse.csr_matrix(np.ones((3, 5))))
