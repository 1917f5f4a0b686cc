"""`train` writes a run folder that says it all, never overwrites one, and gives the same result for the same seed."""

import json

import keras
import numpy as np
import pandas
import promised
import pytest
from sklearn.metrics import adjusted_rand_score

import vade_tf


def test_a_run_folder_holds_what_readme_lists(finished):
    for name in ("assignments.csv", "metrics.csv", "metrics.json", "config.json", "model.keras"):
        assert (finished.run / name).stat().st_size > 0
    for name in ("export/1", "tensorboard", "checkpoints"):
        assert any((finished.run / name).iterdir())
    epochs = pandas.read_csv(finished.run / "metrics.csv")
    assert epochs["phase"].value_counts().to_dict() == {"pretrain": 10, "fit": 10}
    assert np.isfinite(epochs["loss"]).all()
    config = json.loads((finished.run / "config.json").read_text())
    assert (config["clusters"], config["hidden"], config["epochs"], config["labels"]) == (3, [16, 16], 10, "kind")
    assert isinstance(keras.saving.load_model(finished.run / "model.keras"), vade_tf.VaDE)


def test_assignments_have_a_line_a_row(finished):
    found, rows = promised.assignments(finished.run), promised.table()
    assert list(found) == ["name", "cluster", "confidence", "log_density", "typicality_rank"]
    assert found["name"].tolist() == rows["name"].tolist()
    assert set(found["cluster"]) == {0, 1, 2}
    assert found["confidence"].between(1 / 3 - 1e-6, 1).all()
    assert np.isfinite(found["log_density"]).all()
    least = found["log_density"].rank(ascending=False, method="min")
    np.testing.assert_array_equal(found["typicality_rank"], least)
    assert adjusted_rand_score(rows["kind"], found["cluster"]) > 0.9


def test_metrics_say_the_result(finished):
    metrics = json.loads((finished.run / "metrics.json").read_text())
    found = promised.assignments(finished.run)
    assert (metrics["n"], metrics["n_clusters"], metrics["seed"], metrics["model"]) == (300, 3, 0, "vade")
    assert metrics["ari"] == pytest.approx(adjusted_rand_score(promised.table()["kind"], found["cluster"]))
    assert min(metrics["acc"], metrics["nmi"]) > 0.9
    assert np.isfinite([metrics["elbo"], metrics["seconds"]["total"]]).all()
    assert isinstance(metrics["health"], list)


def test_a_run_folder_is_never_overwritten(finished):
    before = {file: file.stat().st_mtime_ns for file in finished.run.rglob("*") if file.is_file()}
    ended = promised.command("train.py", *promised.SHORT, *finished.flags, "--out", finished.run)
    assert (ended.code, ended.err.count("\n")) == (2, 1)
    assert str(finished.run) in ended.err
    assert {file: file.stat().st_mtime_ns for file in finished.run.rglob("*") if file.is_file()} == before


def test_the_same_seed_gives_the_same_weights_and_labels_reach_nothing(finished, tmp_path):
    """The second run is started as `python -m vade_tf train`, and knows no labels."""
    flags = ["--data", finished.flags[1], "--clusters", 3, "--drop", "kind", "--id", "name", "--no-export"]
    promised.done("vade_tf", "train", *promised.SHORT, *flags, "--out", tmp_path / "run")
    assert promised.assignments(tmp_path / "run").equals(promised.assignments(finished.run))
    for one, two in zip(*(vade_tf.load(run).get_weights() for run in (finished.run, tmp_path / "run")), strict=True):
        np.testing.assert_array_equal(one, two)
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert metrics["acc"] is None
    assert not (tmp_path / "run" / "export").exists()


def test_hints_name_the_clusters(rows, tmp_path):
    """Sixty rows have a known group; the clusters then bear the numbers of these groups."""
    y = np.load(rows / "y.npy")
    hints = np.full(300, -1)
    hints[:60] = (y[:60] + 1) % 3
    np.save(tmp_path / "hints.npy", hints)
    run = tmp_path / "run"
    promised.train("--data", rows / "x.npy", "--clusters", 3, "--hints", tmp_path / "hints.npy", "--out", run)
    assert (promised.assignments(run)["cluster"] == (y + 1) % 3).mean() > 0.9
