"""A saved clusterer: all of it comes back, and a file that was altered is one error."""

import io
import json
import zipfile

import numpy as np
import pandas
import pytest

from vade_tf import VaDEClusterer
from vade_tf.errors import InputError

SMALL = {"hidden": (8,), "latent_dim": 2, "pretrain_epochs": 1, "epochs": 1, "random_state": 0}
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


class Fixed(VaDEClusterer):
    """A subclass that lets its user choose the number of clusters alone."""

    def __init__(self, n_clusters=3):
        super().__init__(n_clusters, **SMALL)


@pytest.fixture(scope="module")
def rows():
    return np.random.default_rng(0).normal(size=(60, 5)).astype("f4")


@pytest.fixture(scope="module")
def fitted(rows):
    return VaDEClusterer(3, **SMALL).fit(rows)


def test_everything_comes_back(fitted, rows, tmp_path):
    fitted.save(tmp_path / "c.vade")
    found = VaDEClusterer.load(tmp_path / "c.vade")
    assert found.get_params() == fitted.get_params()
    for name, value in vars(fitted).items():
        if name not in ("model_", "_genes"):
            np.testing.assert_equal(getattr(found, name), value, err_msg=name)
    np.testing.assert_array_equal(found.predict_proba(rows), fitted.predict_proba(rows))
    np.testing.assert_array_equal(found.transform(rows), fitted.transform(rows))


def test_a_table_keeps_its_columns_and_a_choice_of_k_its_reason(rows, tmp_path):
    table = pandas.DataFrame(rows).add_prefix("c").assign(kind=np.array(["a", "b", "c"])[np.arange(60) % 3])
    fitted = VaDEClusterer("auto", **SMALL).fit(table)
    fitted.save(tmp_path / "c.vade")
    found = VaDEClusterer.load(tmp_path / "c.vade")
    assert (found.schema_, found.choice_) == (fitted.schema_, fitted.choice_)
    assert found.feature_names_in_.dtype == object  # as scikit-learn has them
    np.testing.assert_array_equal(found.predict(table), fitted.labels_)


def test_a_subclass_is_given_back(rows, tmp_path):
    Fixed().fit(rows).save(tmp_path / "c.vade")
    assert type(Fixed.load(tmp_path / "c.vade")) is Fixed


def about(**values):
    """Changes values of clusterer.json."""

    def change(members):
        return {**members, "clusterer.json": json.dumps({**json.loads(members["clusterer.json"]), **values}).encode()}

    return change


def pickled(members):
    content = io.BytesIO()
    np.savez(content, labels_=np.array([print], object))
    return {**members, "arrays.npz": content.getvalue()}


ALTERED = {
    "no parameters": about(parameters=None),
    "a schema in a list": about(schema=[1]),
    "JSON that is a list": lambda members: {**members, "clusterer.json": b"[]"},
    "no JSON": lambda members: {**members, "clusterer.json": b"{"},
    "a pickle": pickled,
    "no model": lambda members: {**members, "model.keras": b""},
    "a member less": lambda members: {"clusterer.json": members["clusterer.json"]},
}


def alter(file, change):
    with zipfile.ZipFile(file) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in change(members).items():
            archive.writestr(name, content)


@pytest.mark.parametrize("change", ALTERED.values(), ids=ALTERED.keys())
def test_what_was_altered_is_refused(change, fitted, tmp_path):
    fitted.save(tmp_path / "c.vade")
    alter(tmp_path / "c.vade", change)
    with pytest.raises(InputError, match=r"^path: expected a file that VaDEClusterer\.save wrote, got .*c\.vade"):
        VaDEClusterer.load(tmp_path / "c.vade")


def test_parameters_that_a_version_does_not_know_are_left_out(fitted, tmp_path):
    """A file of an older version may have some."""
    fitted.save(tmp_path / "c.vade")
    alter(tmp_path / "c.vade", about(parameters={**fitted.get_params(), "once": 1}))
    assert VaDEClusterer.load(tmp_path / "c.vade").get_params() == fitted.get_params()
