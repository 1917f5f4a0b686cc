"""Several seeds, restarts and numbers of clusters: each run is whole, and one is chosen without labels."""

import json

import promised
import pytest


@pytest.mark.parametrize(
    ("flags", "runs"),
    [
        (["--clusters", 3, "--seeds", 2], {"seed-0", "seed-1"}),
        (["--clusters", 3, "--restarts", 2], {"restart-0", "restart-1"}),
        (["--clusters", "2:3"], {"k-2", "k-3"}),
    ],
)
def test_a_study_trains_several_runs(rows, tmp_path, flags, runs):
    out = tmp_path / "study"
    ended = promised.command("train.py", *promised.SHORT, "--data", rows / "x.npy", *flags, "--no-export", "--out", out)
    assert ended.code == 0, ended.err
    folders = {folder.name: folder for folder in out.iterdir() if folder.is_dir() and folder.name in runs}
    assert folders.keys() == runs, sorted(out.iterdir())
    for folder in folders.values():
        assert len(promised.assignments(folder)) == 300
        assert json.loads((folder / "metrics.json").read_text())["n_clusters"] in (2, 3)
    assert [*out.glob("*.csv")]
    ended = promised.command("train.py", *promised.SHORT, "--data", rows / "x.npy", *flags, "--out", out)
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
    assert not metrics["epochs"].get("pretrain")
    assert metrics["ari"] > 0.9
