"""benchmarks/anomaly.py and tables.py: the protocols' splits, their scores against known cases, and their tables."""

import re

import anomaly
import anomaly_scores as scores
import csv_rows
import numpy as np
import pandas as pd
import pytest
import rivals
import tables
from scipy.spatial.distance import cdist


def numbered(n: int, anomalies: int):
    """Rows that are their own number, the anomalies scattered among them."""
    y = np.zeros(n, int)
    y[np.linspace(1, n - 2, anomalies).astype(int)] = 1
    return np.arange(n, dtype=float)[:, None], y


def test_normals_only_trains_on_the_first_half_of_the_normal_rows_and_scores_the_others():
    x, y = numbered(1200, 101)
    train, test, labels = anomaly.split(x, y, "normals_only", 3)
    normal = np.flatnonzero(y == 0)
    assert train[:, 0].tolist() == normal[: round(len(normal) / 2)].tolist()
    assert sorted([*train[:, 0], *test[:, 0]]) == list(range(1200))
    assert labels.tolist() == y[test[:, 0].astype(int)].tolist()


def test_the_published_protocols_copy_rows_of_small_sets_and_cut_large_ones(monkeypatch):
    x, y = numbered(80, 13)
    train, test, labels = anomaly.split(x, y, "unsupervised", 0)
    assert len(train) == len(test) == 1000
    assert set(train[:, 0]) <= set(test[:, 0]) <= set(range(80))
    assert labels.tolist() == y[test[:, 0].astype(int)].tolist()
    train, test, _ = anomaly.split(*numbered(1200, 101), "unsupervised", 0)
    assert test[:, 0].tolist() == list(range(1200))
    assert len(set(train[:, 0])) == pytest.approx(1200 * (1 - np.exp(-1)), rel=0.05)  # a bootstrap sample
    monkeypatch.setattr(anomaly, "MOST", 1500)
    train, test, _ = anomaly.split(*numbered(4000, 50), "unsupervised", 0)
    assert len(train) == len(test) == len(set(test[:, 0])) == 1500


@pytest.mark.parametrize("seed", [0, 1])
def test_the_clean_protocol_has_no_copies_and_trains_on_a_random_half_of_the_normal_rows(seed):
    x, y = numbered(80, 13)
    train, test, labels = anomaly.split(x, y, "clean", seed)
    assert sorted([*train[:, 0], *test[:, 0]]) == list(range(80))
    assert not y[train[:, 0].astype(int)].any()
    assert len(train) == 33
    assert labels.sum() == 13
    assert train[:, 0].tolist() != anomaly.split(x, y, "clean", seed + 1)[0][:, 0].tolist()


def test_the_ten_of_the_decision_are_every_third_file_by_number(tmp_path):
    files = ["10_a", "2_b", "1_c", "30_d"]
    for name in files:
        np.savez(tmp_path / f"{name}.npz", X=np.zeros((3, 1)), y=np.zeros(3))
    assert list(anomaly.sets(tmp_path)) == ["c", "b", "a", "d"]
    assert len(anomaly.DECIDE) == 10


def test_rows_are_standardised_on_the_training_rows(tmp_path):
    r = np.random.default_rng(0)
    np.savez(tmp_path / "s.npz", X=r.normal(5, 3, (1200, 2)), y=np.r_[np.zeros(1100), np.ones(100)])
    train, test, _ = anomaly.prepared(tmp_path / "s.npz", "clean", 0)
    np.testing.assert_allclose(train.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(train.std(axis=0), 1, atol=1e-12)
    assert np.abs(test.mean(axis=0)).max() > 1e-6


def test_nearest_neighbours_are_those_of_all_distances():
    r = np.random.default_rng(0)
    train, test = r.normal(size=(40, 3)), r.normal(size=(9, 3))
    found = scores.knn(train, test, 0)
    every = np.sort(cdist(test, train), axis=1)
    np.testing.assert_allclose(found["distance 5"], every[:, 4])
    np.testing.assert_allclose(found["distance 32"], every[:, 31])


@pytest.mark.parametrize("system", ["iforest", "knn", "pca", "gmm"])
def test_a_far_row_scores_highest(system):
    train = np.random.default_rng(0).normal(size=(300, 4)) * [1, 2, 1, 3]
    test = np.vstack([train[:50], [[9, -9, 9, -12]]])
    for values in anomaly.SYSTEMS[system](train, test, 0).values():
        assert values.argmax() == 50


def test_the_parts_of_the_joined_score_are_their_definitions():
    r = np.random.default_rng(0)
    train, rows = r.normal(size=(50, 3)) @ r.normal(size=(3, 3)), r.normal(size=(7, 3))
    covariance = np.cov(train.T) + 1e-3 * np.eye(3)
    distances = 0.5 * cdist(rows, train.mean(axis=0)[None], "mahalanobis", VI=np.linalg.inv(covariance))[:, 0] ** 2
    np.testing.assert_allclose(scores.mahalanobis(train, rows), distances)
    ordered = np.arange(99.0)[:, None]  # 49 is the median: no tail
    tails = scores.column_tails(ordered, np.array([[49.0], [-5.0], [500.0], [9.0]]))
    np.testing.assert_allclose(tails, -np.log([1.0, 0.01, 0.01, 0.21]), atol=1e-9)
    surprises = scores.surprise(ordered[:, 0], np.array([97.5, 200.0, 300.0]))
    np.testing.assert_allclose(surprises, -np.log([0.015, 0.005, 0.005]), atol=0.02)
    assert surprises[1] < surprises[2]  # beyond every training row, still in order


def result(name, system, seed, value, module=anomaly):
    row = dict.fromkeys(module.COLUMNS, "1")
    column = "auroc" if module is anomaly else "ari"
    return {**row, "protocol": "clean", "set": name, "system": system, "score": "s", "seed": str(seed), column: value}


def test_rows_are_kept_as_they_come_and_the_table_is_the_mean_of_the_sets_means(tmp_path):
    rows = [result("ALOI", "knn", 0, "60"), result("ALOI", "knn", 1, "70"), result("Pima", "knn", 0, "85")]
    for some in (rows[:1], rows[1:]):
        csv_rows.append(some, tmp_path / "a.csv", anomaly.COLUMNS, "a command")
    assert csv_rows.read(tmp_path / "a.csv") == rows
    assert (tmp_path / "a.csv").read_text().startswith("# a command\nprotocol,set,")
    (tmp_path / "published_clean.csv").write_text("dataset,KNN\naloi,64\npima,72\n")
    last = anomaly.summary(rows, anomaly.published(tmp_path, "clean")).splitlines()[-1]
    assert last == "| kNN | s | 2 | 75.0 | 65.0 | 85.0 | 68.0 |"


def test_rivals_get_numbers_imputed_and_standardised_and_text_one_hot():
    frame = pd.DataFrame({"a": [1.0, 3.0, np.nan, 100.0], "b": ["x", np.nan, "y", "x"], "c": [True, False, True, True]})
    a = np.array([1, 3, 3, 100.0])
    expected = np.c_[(a - a.mean()) / a.std(), [1, 1, 0, 1], [0, 0, 1, 0], [0, 1, 0, 0], [1, 0, 1, 1]]
    np.testing.assert_allclose(tables.numbers(frame), expected, rtol=1e-6)


def test_no_seed_is_added_to_rows_of_systems_that_were_given_something_else():
    older = set(tables.NAMES) - set(tables.SYSTEMS)
    assert older == {"ae_gmm", "dec"}  # were given numbers
    assert {row["system"] for row in csv_rows.read(tables.RESULTS)} <= set(tables.NAMES)


def test_the_packages_systems_are_given_a_table_as_it_is(monkeypatch):
    from vade_tf.systems import registry

    class Given(Exception):
        pass

    def fit(name, rows, settings):
        raise Given(name, rows.schema is not None)

    monkeypatch.setattr(registry, "fit", fit)
    frame = pd.DataFrame({"a": [1.0, np.nan, 2.0], "b": ["x", "y", None]})
    for raw, is_table in ((frame, True), (tables.numbers(frame), False)):
        data = tables.Set(raw, tables.numbers(frame), np.zeros(3, int), 2)
        with pytest.raises(Given) as given:
            tables.SYSTEMS["dec_table"](data, 0, None)
        assert given.value.args == ("dec", is_table)


def test_the_last_line_counts_only_sets_that_every_system_has():
    cases = [("iris", "vade", 0, "0.8"), ("iris", "vade", 1, "0.6"), ("iris", "kmeans", 0, "0.5")]
    rows = [result(*case, rivals) for case in [*cases, ("wine", "kmeans", 0, "0.9")]]
    lines = rivals.table(rows, "ari", tables.NAMES).splitlines()
    assert lines[0] == "| set | VaDE | k-means |"
    assert lines[2:] == ["| iris | 0.700 | 0.500 |", "| wine |  | 0.900 |", "| **mean of 1 sets** | 0.700 | 0.500 |"]


def test_a_fit_without_scores_is_made_again_and_the_table_says_that_it_is_missing():
    cases = [("iris", "vade", 0, "0.8"), ("iris", "vade", 1, ""), ("iris", "kmeans", 0, "0.5"), ("wine", "vade", 0, "")]
    rows = [result(*case, rivals) for case in cases]
    assert rivals.done(rows) == rivals.done(rows, "1") == {("iris", "vade", "0"), ("iris", "kmeans", "0")}
    assert rivals.done(rows, "another commit") == {("iris", "kmeans", "0")}
    for column, mean in (("ari", "0.800"), ("seconds", "1.0")):
        lines = rivals.table(rows, column, tables.NAMES).splitlines()
        assert lines[2].startswith(f"| iris | {mean} (1 of 2 seeds) | ")
        assert lines[3] == "| wine | (0 of 1 seeds) |  |"
    again = rivals.table([*rows, result("iris", "vade", 1, "0.6", rivals)], "ari", tables.NAMES)
    assert again.splitlines()[2] == "| iris | 0.700 | 0.500 |"


def test_a_fit_that_fails_or_takes_too_long_has_a_row_without_scores(monkeypatch, capfd):
    data = tables.Set(None, np.zeros((4, 2)), np.array([0, 0, 1, 1]), 2)

    def fails(data, seed, options):
        raise RuntimeError("no such thing")

    def endless(data, seed, options):
        while True:
            pass

    right = {"found": 2, "acc": "1.0000", "ari": "1.0000", "nmi": "1.0000"}
    monkeypatch.setattr(rivals, "LIMIT", 0.5)

    def row(system):
        (found,) = rivals.clustered(system, ("known",), data, 0, None)
        return found

    assert set(row(fails)) == {"system", "n", "features", "clusters", "seconds", "commit"}
    assert "no such thing" in capfd.readouterr().err
    slow = row(endless)
    assert "acc" not in slow
    assert re.fullmatch(r"0\.[5-9]|[1-9].\d", slow["seconds"])
    assert right.items() <= row(lambda data, *_: data.y - 1).items()


def test_a_fit_may_give_the_groups_of_several_systems_and_its_own_seconds():
    data = tables.Set(None, np.zeros((4, 2)), np.array([0, 0, 1, 1]), 2)
    groups = {"one": data.y, "other": np.array([0, 1, 0, 1])}
    one, other = rivals.clustered(lambda *_: (groups, 12.34), ("one", "other"), data, 0, None)
    assert (one["system"], one["acc"], one["seconds"]) == ("one", "1.0000", "12.3")
    assert (other["system"], other["acc"], other["seconds"]) == ("other", "0.5000", "12.3")
