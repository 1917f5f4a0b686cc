"""Several numbers of clusters: what their runs share, that a kill costs nothing, and which K is recommended."""

import csv
import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from vade_tf.cli import train
from vade_tf.errors import InputError
from vade_tf.runs import study
from vade_tf.runs.config import TrainConfig
from vade_tf.runs.folder import Run, load
from vade_tf.runs.rows import load_rows
from vade_tf.training.n_clusters import prediction_strength

pytestmark = pytest.mark.usefixtures("eager_file")

SMALL = {"pretrain_epochs": 1, "epochs": 1, "batch_size": 64, "hidden": (16,), "precision": "float32", "seed": 3}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Three clear groups."""
    y = np.arange(200) % 3
    x = (6 * np.eye(3, 8)[y] + np.random.default_rng(0).normal(size=(200, 8))).astype("f4")
    file = tmp_path_factory.mktemp("data") / "rows.npz"
    np.savez(file, x=x, y=y)
    return str(file)


@pytest.fixture(scope="module")
def config(data):
    return TrainConfig(data=data, **SMALL)


@pytest.fixture(scope="module")
def whole(config, tmp_path_factory):
    """(folder, summary) of a finished study of K = 2 and 4."""
    out = tmp_path_factory.mktemp("whole") / "sweep"
    return out, study.train_study("clusters", config, out, (4, 2, 4), export=False)


def test_all_k_share_one_autoencoder(whole):
    first, second = (Run.open(whole[0] / f"k-{k}").load("pretrained") for k in (2, 4))
    assert first.keys() == second.keys()
    for name, weight in first.items():
        np.testing.assert_array_equal(weight, second[name])
    assert json.loads((whole[0] / "k-4" / "metrics.json").read_text())["seconds"]["pretrain"] == 0


def test_strength_is_that_of_the_codes_that_the_starts_are_made_of(whole):
    """The start's means are those of the codes, weighted by its partition."""
    out, summary = whole
    z = study.pretrained_codes(out / "k-4", load_rows(Run.open(out / "k-2").config).dataset.x)
    start = Run.open(out / "k-4").load("start")
    P = start["P"].astype("f8")
    np.testing.assert_allclose(P.T @ z / P.sum(axis=0)[:, None], start["mu"], rtol=2e-2, atol=2e-2)
    assert [row["strength"] for row in summary["rows"]] == prediction_strength(z, [2, 4], 3).weakest.tolist()


def test_the_table_says_what_the_models_say(whole):
    out, summary = whole
    with (out / "clusters.csv").open() as file:
        table = list(csv.DictReader(file))
    x = load_rows(Run.open(out / "k-2").config).dataset.x
    for k, row, line in zip((2, 4), summary["rows"], table, strict=True):
        elbo = load(out / f"k-{k}").evaluate(x, verbose=0, return_dict=True)["elbo"]
        assert row["elbo"] == pytest.approx(elbo, rel=5e-3)  # of other draws of the code
        assert {name: float(value) for name, value in line.items()} == row
    assert json.loads((out / "summary.json").read_text()) == summary


@pytest.mark.long
def test_a_study_continues_and_comes_to_the_same(whole, tmp_path):
    out, summary = whole
    again = tmp_path / "again"
    again.mkdir()
    (again / "clusters.json").write_bytes((out / "clusters.json").read_bytes())
    shutil.copytree(out / "k-2", again / "k-2")  # as after a kill between two runs
    kept = (again / "k-2" / "model.keras").stat().st_mtime_ns
    assert study.resume_study(again, export=False) == summary
    assert (again / "k-2" / "model.keras").stat().st_mtime_ns == kept
    with pytest.raises(InputError, match="nothing is left to do"):
        study.resume_study(again)


@pytest.mark.parametrize(
    ("kind", "wrong", "values", "argument"),
    [
        ("clusters", {"hints": "known.npy"}, (2, 3), "hints"),
        ("clusters", {"model": "kmeans"}, (2, 3), "clusters"),
        ("clusters", {}, (170, 201), "clusters"),
        ("seeds", {"clusters": 3, "pretrained": "run", "limit": 9}, (0, 1), "pretrained"),
        ("seeds", {"clusters": 3, "distribute": "multiworker"}, (0, 1), "distribute"),
    ],
)
def test_what_does_not_go_with_several_runs_is_named_and_nothing_is_written(
    config, tmp_path, kind, wrong, values, argument
):
    with pytest.raises(InputError) as refused:
        study.train_study(kind, dataclasses.replace(config, **wrong), tmp_path / "out", values)
    assert refused.value.argument == argument
    assert not (tmp_path / "out").exists()


@pytest.mark.long
def test_a_range_on_the_command_line_is_a_study_and_resume_knows_it(data, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    more = ["--pretrain-epochs", "0", "--epochs", "1", "--hidden", "16,8", "--no-export", "--quiet"]
    assert train.main(["--data", data, "--clusters", "2:3", *more]) == 0
    assert capsys.readouterr().out == ""
    out = Path("runs/rows-sweep")
    (out / "summary.json").unlink()
    assert train.main(["--resume", str(out), "--no-export"]) == 0
    assert "* recommended: " in capsys.readouterr().out


def test_runs_that_collapsed_agree_with_nothing():
    """Not with one another either: three of five would be the ones that others agree with most."""
    one, good = np.zeros(12, int), np.arange(12) % 3
    found = study.mean_ari([one, good, one, np.roll(good, 1), one])
    np.testing.assert_allclose(found, [0, 0.25, 0, 0.25, 0])
    np.testing.assert_array_equal(study.mean_ari([one, one]), [1, 1])  # where one cluster was asked for


def test_the_largest_strong_k_is_recommended_or_else_the_strongest():
    assert study.recommend([1, 4, 5, 6], [1.0, 0.9, 0.3, 0.1])[0] == 4
    assert study.recommend([2, 3, 4], [0.4, 0.5, 0.3])[0] == 3
