"""Several seeds, restarts and numbers of clusters: each run is whole, and one is chosen without labels."""

import json

import promised
import pytest


@pytest.mark.parametrize(
    "several", [["--clusters", 3, "--seeds", 2], ["--clusters", 3, "--restarts", 2], ["--clusters", "2:3"]]
)
def test_a_study_trains_several_runs(rows, tmp_path, several):
    out, flags = tmp_path / "study", ["--data", rows / "x.npy", *several, "--no-export", "--out", tmp_path / "study"]
    promised.train(*flags)
    runs = [file.parent for file in out.glob("*/assignments.csv")]
    assert len(runs) == 2
    for run in runs:
        assert len(promised.assignments(run)) in (270, 300)  # of several K a tenth is held out
        assert json.loads((run / "metrics.json").read_text())["n_clusters"] in (2, 3)
    assert [*out.glob("*.csv")]
    ended = promised.command("train.py", *promised.SHORT, *flags)  # never overwritten
    assert (ended.code, ended.err.count("\n")) == (2, 1)


def test_the_number_of_clusters_is_chosen(rows, tmp_path):
    promised.train("--data", rows / "x.npy", "--clusters", "auto", "--no-export", "--out", tmp_path / "run")
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert metrics["n_clusters"] == 3
    assert metrics["choice"]["n_clusters"] == 3
    assert promised.assignments(tmp_path / "run")["cluster"].nunique() == 3


def test_a_run_begins_with_the_autoencoder_of_another(finished, tmp_path):
    """Without pretraining of its own."""
    promised.train(*finished.flags, "--pretrained", finished.run, "--seed", 1, "--no-export", "--out", tmp_path / "run")
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert metrics["seconds"]["pretrain"] == 0
    assert metrics["ari"] > 0.9
