"""`predict` says what a finished run says of new rows: clusters, codes, densities, filled cells and samples."""

import io

import numpy as np
import pandas
import promised
import pytest
from sklearn.metrics import adjusted_rand_score


@pytest.fixture(scope="module")
def new(tmp_path_factory):
    """A folder with new.csv and new.parquet, a hundred other rows of the table, and holes.csv."""
    folder = tmp_path_factory.mktemp("new")
    table = promised.table(100, seed=1)
    table[["weight", "colour", "name", "length", "width"]].to_csv(folder / "new.csv", index=False)
    table.to_parquet(folder / "new.parquet")
    promised.with_holes(table).to_csv(folder / "holes.csv", index=False)
    return folder


def predict(finished, *words) -> pandas.DataFrame:
    """The table that `predict` prints."""
    return pandas.read_csv(io.StringIO(promised.done("vade_tf", "predict", finished.run, *words)))


@pytest.fixture(scope="module")
def clusters(finished, new):
    return predict(finished, "--data", new / "new.csv")


def test_new_rows_get_a_cluster(clusters):
    """The columns are found by their names, in any order, and the rows keep their names."""
    table = promised.table(100, seed=1)
    assert list(clusters) == ["name", "cluster", "confidence"]
    assert clusters["name"].tolist() == table["name"].tolist()
    assert clusters["confidence"].between(1 / 3 - 1e-6, 1).all()
    assert adjusted_rand_score(table["kind"], clusters["cluster"]) > 0.9


def test_codes_and_densities_which_rank_unusual_rows(finished, new, tmp_path):
    rows = pandas.read_csv(new / "new.csv")
    rows.loc[40, ["length", "width", "weight"]] = [40.0, -40.0, 40.0]
    rows.to_csv(tmp_path / "one.csv", index=False)
    codes = predict(finished, "--data", tmp_path / "one.csv", "--encode")
    assert list(codes) == ["name", *(f"z{i}" for i in range(10))]
    assert np.isfinite(codes.iloc[:, 1:]).all(axis=None)
    found = predict(finished, "--data", tmp_path / "one.csv", "--score")
    assert list(found) == ["name", "log_density"]
    assert found["log_density"].idxmin() == 40


def test_missing_cells_are_filled_and_others_stay(finished, new):
    holes = pandas.read_csv(new / "holes.csv")
    full = predict(finished, "--data", new / "holes.csv", "--impute")
    assert list(full) == list(holes)
    assert full.notna().all(axis=None)
    assert set(full["colour"]) == {"red", "green", "blue"}
    empty = holes.isna()
    pandas.testing.assert_frame_equal(full.mask(empty), holes, check_dtype=False)
    true = promised.table(100, seed=1)
    assert (full["colour"] == true["colour"])[empty["colour"]].mean() > 0.9
    spread = np.abs(true["width"] - true["width"].mean())[empty["width"]].mean()
    assert np.abs(full["width"] - true["width"])[empty["width"]].mean() < 0.7 * spread


def test_samples_are_rows_of_the_table(finished, tmp_path):
    """The same seed gives the same rows, and most samples of a cluster are assigned to it."""
    found = predict(finished, "--sample", 50, "--cluster", 1, "--seed", 4)
    assert list(found) == ["length", "width", "weight", "colour"]
    assert len(found) == 50
    assert set(found["colour"]) <= {"red", "green", "blue"}
    pandas.testing.assert_frame_equal(predict(finished, "--sample", 50, "--cluster", 1, "--seed", 4), found)
    found.to_csv(tmp_path / "sample.csv", index=False)
    assert (predict(finished, "--data", tmp_path / "sample.csv")["cluster"] == 1).mean() > 0.9
