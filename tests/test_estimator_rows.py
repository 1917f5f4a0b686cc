"""Rows in forms that people have them in: far outliers, odd arrays, odd frames; and cells that keep their type."""

import numpy as np
import pandas
import pytest
import scipy.sparse
from small_files import chosen

from vade_tf import VaDEClusterer
from vade_tf.data.observations import observe
from vade_tf.data.rows import SparseRows
from vade_tf.errors import InputError, UnitsWarning

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
    assert chosen(observe(scipy.sparse.csr_array(counts.astype(kind)))).name == "counts"


def test_a_sparse_matrix_of_the_caller_is_not_touched():
    parts = np.ones(8), np.array([1, 0] * 4), np.arange(0, 9, 2)
    matrix = scipy.sparse.csr_matrix(parts, shape=(4, 2))  # its columns are not in order
    for part in (matrix.data, matrix.indices, matrix.indptr):
        part.setflags(write=False)
    rows = SparseRows(matrix)
    np.testing.assert_array_equal(rows[:], np.ones((4, 2)))
    np.testing.assert_array_equal(matrix.indices, parts[1])


@pytest.mark.parametrize("names", [["b", "a", "c"], [2, 0, 1], [("a", 1), ("a", 2), ("b", 1)]])
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
        ({"a": [1, 2]}, "^X: expected a DataFrame"),
        (np.ones(3), "^X: expected a DataFrame"),
        (np.ones((2, 4)), "X has 4 features"),
    ],
)
def test_what_is_no_table_is_said_to_be_none(tabled, given, expected):
    with pytest.raises(ValueError, match=expected):
        tabled.predict(given)


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
    flat = clusterer(kind="table").fit(blocks.reshape(40, -1))
    np.testing.assert_array_equal(clusterer(kind="table").fit(blocks).predict(blocks), flat.labels_)


def test_cells_are_filled_where_a_table_was_fitted(x, fitted, tabled):
    frame = pandas.DataFrame(x, columns=list("abc"))
    with pytest.raises(InputError, match="^impute: expected a fit to a DataFrame, got one to an array"):
        fitted.impute(frame)
    pandas.testing.assert_frame_equal(tabled.impute(x), frame, check_dtype=False)


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
    with pytest.raises(ValueError, match="The feature names should match"):
        model.predict(drawn[["b", "a", "c"]])


def test_few_rows_beyond_the_range_of_the_others_are_taken_with_a_warning(rng):
    """Of rows that were scaled to [0, 1] by others' least and largest."""
    x = (rng.random((200, 12)) < 0.5).astype("f4")
    model = clusterer().fit(x)
    new = x.copy()
    new[:9, 3] = 7.0
    with pytest.warns(UnitsWarning, match="got 0 to 7"):
        assert len(model.predict(new)) == 200


def test_the_shape_of_images_may_be_an_array(rng):
    x = rng.integers(0, 256, (60, 30)).astype("u1")
    model = clusterer(image_shape=np.array([5, 6])).fit(x)
    assert model._image_shape == (5, 6)
    np.testing.assert_array_equal(model.predict(x.reshape(60, 5, 6)), model.labels_)
