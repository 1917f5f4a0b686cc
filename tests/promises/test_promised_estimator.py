"""`VaDEClusterer` is a scikit-learn clusterer of arrays, tables, sparse rows and images."""

import numpy as np
import pandas
import promised
import pytest
import scipy.sparse
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.metrics import adjusted_rand_score

from vade_tf import VaDEClusterer

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def clusterer(**more) -> VaDEClusterer:
    return VaDEClusterer(3, **promised.SETTINGS, random_state=0, **more)


@pytest.fixture(scope="module")
def rows():
    return promised.blobs()


@pytest.fixture(scope="module")
def fitted(rows, tmp_path_factory):
    """Fitted in an empty folder, in which nothing is written."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder := tmp_path_factory.mktemp("empty"))
        model = clusterer().fit(rows[0])
    assert not any(folder.iterdir())
    return model


def test_labels_are_those_of_predict(fitted, rows):
    x, y = rows
    assert adjusted_rand_score(y, fitted.labels_) > 0.9
    np.testing.assert_array_equal(fitted.predict(x), fitted.labels_)


def test_every_verb_has_its_shape(fitted, rows):
    """Probabilities sum to 1, and a row has its answer alone."""
    x = rows[0]
    probabilities, codes = fitted.predict_proba(x), fitted.transform(x)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    np.testing.assert_array_equal(probabilities.argmax(axis=1), fitted.labels_)
    np.testing.assert_allclose(fitted.predict_proba(x[:1]), probabilities[:1], atol=1e-4)
    assert (probabilities.shape, codes.shape) == ((300, 3), (300, 10))
    assert (fitted.inverse_transform(codes).shape, fitted.score_samples(x).shape) == ((300, 6), (300,))


def test_samples_are_in_the_units_of_the_rows(fitted):
    new, cluster = fitted.sample(40, cluster=2, random_state=0)
    assert new.shape == (40, 6)
    assert (cluster == 2).all()
    assert (fitted.predict(new) == 2).mean() > 0.9
    np.testing.assert_array_equal(new, fitted.sample(40, cluster=2, random_state=0)[0])


def test_a_clone_with_the_same_seed_ends_alike(fitted, rows):
    again = clone(fitted)
    with pytest.raises(NotFittedError):
        again.predict(rows[0])
    np.testing.assert_array_equal(again.fit_predict(rows[0]), fitted.labels_)
    np.testing.assert_array_equal(again.predict_proba(rows[0]), fitted.predict_proba(rows[0]))


def test_a_table_with_empty_cells():
    """Its empty cells are imputed, the others stay, and samples are such a table."""
    holes = promised.with_holes(promised.table()).drop(columns=["name", "kind"])
    model = clusterer().fit(holes)
    assert adjusted_rand_score(promised.table()["kind"], model.labels_) > 0.9
    full = model.impute(holes)
    assert full.notna().all(axis=None)
    pandas.testing.assert_frame_equal(full.mask(holes.isna()), holes, check_dtype=False)
    assert list(model.sample(5, random_state=0)[0]) == list(holes)


def test_sparse_rows(rows):
    x = scipy.sparse.csr_matrix(np.where(rows[0] > 4, rows[0], 0))
    model = clusterer().fit(x)
    assert adjusted_rand_score(rows[1], model.labels_) > 0.9
    np.testing.assert_allclose(model.predict_proba(x.toarray()), model.predict_proba(x), atol=1e-4)


@pytest.mark.parametrize("kind", ["bytes", "fractions", "colours"])
def test_images(kind):
    """Bytes run from 0 to 255, and samples are in their units."""
    images, y = promised.pictures(300)
    x = {"bytes": images, "fractions": images / 255, "colours": np.repeat(images[..., None], 3, axis=3)}[kind]
    model = clusterer().fit(x)
    assert adjusted_rand_score(y, model.predict(x)) > 0.9
    np.testing.assert_allclose(model.predict_proba(x).sum(axis=1), 1, atol=1e-5)
    sample, _ = model.sample(30, random_state=0)
    assert sample.shape == (30, 192 if kind == "colours" else 64)
    assert sample.min() >= 0
    assert sample.max() <= (1 if kind == "fractions" else 255)
    assert kind == "fractions" or sample.max() > 100


def test_hints_name_the_clusters(rows):
    x, y = rows
    hints = np.where(np.arange(300) < 60, (y + 1) % 3, -1)
    assert (clusterer(hints=hints).fit(x).labels_ == (y + 1) % 3).mean() > 0.9
