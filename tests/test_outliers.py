"""Outliers: rows of the lowest density get the label -1, in Python and on the command line."""

import io

import calibration
import numpy as np
import pandas
import pytest

from vade_tf import VaDEClusterer
from vade_tf.cli.main import main
from vade_tf.errors import InputError

SHORT = {"pretrain_epochs": 10, "epochs": 5, "hidden": (32, 16), "latent_dim": 3, "random_state": 0, "init": "kmeans"}


@pytest.fixture(scope="module")
def rows():
    """300 rows in three groups that overlap, of which the first five lie far out in every column."""
    r = np.random.default_rng(0)
    x = 3 * np.eye(3, 6)[np.arange(300) % 3] + r.normal(size=(300, 6))
    x[:5] = 60 + r.normal(size=(5, 6))
    return x.astype("f4")


@pytest.fixture(scope="module")
def fitted(rows):
    return VaDEClusterer(3, contamination=5 / 300, **SHORT).fit(rows)


def test_the_rarest_rows_are_outliers_and_keep_their_probabilities(rows, fitted, tmp_path):
    np.testing.assert_array_equal(np.flatnonzero(fitted.labels_ == -1), np.arange(5))
    density = fitted.score_samples(rows)
    density[np.isinf(fitted.limits_)[fitted.predict_proba(rows).argmax(axis=1)]] = -np.inf  # of tiny clusters
    np.testing.assert_allclose(fitted.typicality_, [(density <= each).mean() for each in density])
    np.testing.assert_allclose(fitted.outlier_score_, 1 - fitted.typicality_)
    np.testing.assert_array_equal(fitted.labels_[5:], fitted.predict_proba(rows)[5:].argmax(axis=1))
    fitted.save(tmp_path / "a.vade")
    found = VaDEClusterer.load(tmp_path / "a.vade")
    for each in (fitted, found):
        np.testing.assert_array_equal(each.predict(rows), fitted.labels_)
    np.testing.assert_array_equal(found.outlier_score_, fitted.outlier_score_)


@pytest.mark.long
@pytest.mark.parametrize("name", calibration.MADE)
def test_five_rows_far_out_in_every_column_are_found_on_the_made_sets(name, rng):
    """They are a group of their own, which the model explains well."""
    data = calibration.load(name, 0, None, None)
    x = np.vstack([data.x, 60 + rng.normal(size=(5, data.x.shape[1]))]).astype("f4")
    found = VaDEClusterer(data.y.max() + 1, contamination=10 / len(x), random_state=0).fit(x).labels_ == -1
    assert (found[-5:].sum(), found.sum()) == (5, 10)


@pytest.mark.parametrize("share", [0, 0.6, "few"])
def test_a_share_that_is_none_is_named(rows, share):
    with pytest.raises(InputError, match="^contamination: "):
        VaDEClusterer(3, contamination=share, **SHORT).fit(rows)


@pytest.mark.usefixtures("eager_file")
def test_a_run_and_predict_mark_the_same_rows(rows, tmp_path, capsys):
    np.save(tmp_path / "x.npy", rows)
    flags = ["--clusters", "3", "--hidden", "16,8", "--pretrain-epochs", "5", "--epochs", "3", "--init", "kmeans"]
    flags += ["--quiet", "--no-export"]
    data, run = ["--data", str(tmp_path / "x.npy")], str(tmp_path / "run")
    assert main(["train", *data, *flags, "--outliers", "0.02", "--out", run]) == 0

    def predicted(*more):
        assert main(["predict", run, *data, *more]) == 0
        return pandas.read_csv(io.StringIO(capsys.readouterr().out))

    own = pandas.read_csv(tmp_path / "run" / "assignments.csv")
    rare = own["log_density"].rank() <= 6
    np.testing.assert_array_equal(own["cluster"] == -1, rare)
    pandas.testing.assert_series_equal(predicted()["cluster"], own["cluster"])
    assert (predicted("--outliers", "0.1")["cluster"] == -1).sum() == 30
    three = predicted("--top", "3")
    shares = three[["confidence", "confidence_2", "confidence_3"]].to_numpy()
    np.testing.assert_allclose(shares.sum(axis=1), 1, atol=1e-5)
    assert (np.diff(shares, axis=1) <= 0).all()
    assert (three[~rare][["cluster", "cluster_2", "cluster_3"]].nunique(axis=1) == 3).all()
    for wrong in (["--top", "4"], ["--outliers", "0"]):
        assert main(["predict", run, *data, *wrong]) == 2
        assert capsys.readouterr().err.count("\n") == 1
