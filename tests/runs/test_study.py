"""A sweep over K: what its runs share, what they never see, that a kill costs nothing, what a person reads."""

import csv
import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from vade_tf.cli import train
from vade_tf.cli.terminal import Terminal
from vade_tf.errors import InputError
from vade_tf.report import evaluation as report_rows
from vade_tf.report import figures as sweep_figure
from vade_tf.runs import sweep
from vade_tf.runs.config import TrainConfig
from vade_tf.runs.folder import Run
from vade_tf.runs.load import load
from vade_tf.runs.rows import load_rows
from vade_tf.runs.study import Study
from vade_tf.training.n_clusters import prediction_strength

pytestmark = pytest.mark.usefixtures("eager_file")

ROOT = Path(__file__).resolve().parent.parent
SMALL = {"pretrain_epochs": 1, "epochs": 1, "batch_size": 64, "hidden": (16,), "precision": "float32", "seed": 3}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Three clear groups, each row with its number in the first column, so that rows can be told apart."""
    r = np.random.default_rng(0)
    y = np.arange(200) % 3
    x = (6 * np.eye(3, 8)[y] + r.normal(size=(200, 8))).astype("f4")
    x[:, 0] = np.arange(200)
    file = tmp_path_factory.mktemp("data") / "rows.npz"
    np.savez(file, x=x, y=y)
    return str(file)


@pytest.fixture(scope="module")
def config(data):
    return TrainConfig.create(data=data, **SMALL)


@pytest.fixture(scope="module")
def whole(config, tmp_path_factory):
    """(folder, summary) of a finished sweep over K = 2 and 4."""
    out = tmp_path_factory.mktemp("whole") / "sweep"
    return out, sweep.train_sweep(config, out, range(2, 5, 2), export=False)


@pytest.mark.long
def test_held_out_rows_are_a_tenth_that_no_run_reads(whole, config):
    out, summary = whole
    cut = load_rows(Run.open(out / "k-2").config)
    train, aside = cut.dataset, cut.aside
    assert (summary["n"], summary["n_held_out"]) == (180, 20)
    assert sorted([*train.x[:, 0], *aside.x[:, 0]]) == list(range(200))
    for k in (2, 4):
        one = Run.open(out / f"k-{k}")
        one.check_data(train.fingerprint, "test")  # raises unless it was trained on just these rows
        rows, seen, numbers = report_rows.load_rows(one, load(one.path))
        assert (rows.fingerprint, seen) == (train.fingerprint, 180)
        np.testing.assert_array_equal(numbers, train.x[:, 0])
    other = load_rows(dataclasses.replace(config, clusters=2, held_out=0.1, seed=4)).aside
    assert set(other.x[:, 0]) != set(aside.x[:, 0])


def test_all_k_share_one_autoencoder(whole):
    first, second = (Run.open(whole[0] / f"k-{k}").load("pretrained") for k in (2, 4))
    assert first.keys() == second.keys()
    for name, weight in first.items():
        np.testing.assert_array_equal(weight, second[name])
    assert json.loads((whole[0] / "k-4" / "metrics.json").read_text())["seconds"]["pretrain"] == 0


def test_codes_of_the_criteria_are_those_of_the_start(whole, config):
    """The start's means are those of the codes, weighted by its partition."""
    train = load_rows(Run.open(whole[0] / "k-2").config).dataset
    z = sweep.pretrained_codes(whole[0] / "k-4", train.x)
    start = Run.open(whole[0] / "k-4").load("start")
    P = start["P"].astype("f8")
    np.testing.assert_allclose(P.T @ z / P.sum(axis=0)[:, None], start["mu"], rtol=2e-2, atol=2e-2)


def test_the_table_says_what_the_models_say(whole):
    out, summary = whole
    aside = load_rows(Run.open(out / "k-2").config).aside
    with (out / "clusters.csv").open() as file:
        table = list(csv.DictReader(file))
    for row, line in zip(summary["rows"], table, strict=True):
        model = load(out / f"k-{row['n_clusters']}")
        assert row["held_out_elbo"] == pytest.approx(
            model.evaluate(aside.x, verbose=0, return_dict=True)["elbo"], rel=1e-4
        )
        assert len(row["shares"]) == row["n_clusters"]
        assert sum(row["shares"]) == pytest.approx(1, abs=1e-4)
        assert row["components_used"] == sum(share >= 0.1 / row["n_clusters"] for share in row["shares"])
        assert float(line["bic"]) == row["bic"]
        x = load_rows(Run.open(out / "k-2").config).dataset.x
        shares = np.sort(model.predict(x, verbose=0).mean(axis=0))[::-1]
        np.testing.assert_allclose(row["shares"], shares, atol=1e-4)
        assert float(line["least_share"]) == min(row["shares"])
    assert json.loads((out / "summary.json").read_text()) == summary
    assert {path.name for path in out.iterdir()} == {
        ".lock",
        "clusters.json",
        "k-2",
        "k-4",
        "clusters.csv",
        "summary.json",
    }


def test_bic_and_strength_in_the_table_are_those_of_the_codes(whole):
    """BIC by SciPy from each K's own start on the shared code of the rows that were trained on."""
    out, summary = whole
    z = sweep.pretrained_codes(out / "k-2", load_rows(Run.open(out / "k-2").config).dataset.x)
    for row in summary["rows"]:
        k = row["n_clusters"]
        start = Run.open(out / f"k-{k}").load("start")
        density = sum(
            pi * stats.multivariate_normal(mu, np.diag(sigma2)).pdf(z)
            for pi, mu, sigma2 in zip(start["pi"], start["mu"], start["sigma2"], strict=True)
        )
        free = k - 1 + 2 * k * z.shape[1]
        assert row["bic"] == pytest.approx(free * np.log(180) - 2 * np.log(density).sum(), rel=1e-5)
    assert [row["strength"] for row in summary["rows"]] == prediction_strength(z, [2, 4], 3).tolist()


@pytest.mark.parametrize(
    ("name", "part", "change", "message"),
    [
        ("start", "pi", np.zeros_like, "expected pi above 0, and sigma2 not below"),
        ("start", "sigma2", np.negative, "expected pi above 0, and sigma2 not below"),
        ("start", "mu", np.transpose, "mu: expected f of shape"),
        ("pretrained", "array_000", np.transpose, "expected the weights of this model, all finite"),
    ],
)
def test_a_comparison_with_damaged_starts_and_autoencoders_is_refused(whole, tmp_path, name, part, change, message):
    out = tmp_path / "sweep"
    shutil.copytree(whole[0], out)
    runs = {k: Run.open(out / f"k-{k}") for k in (2, 4)}
    for run in runs.values():
        kept = run.load(name)
        run.save(name, {**kept, part: change(kept[part])})
    with pytest.raises(InputError, match=rf"k-[24]/checkpoints/{name}.npz is damaged \({message}"):
        sweep.compare(Study.open(out, "clusters"), {k: run.metrics for k, run in runs.items()})


@pytest.mark.long
def test_a_sweep_continues_and_comes_to_the_same(whole, tmp_path):
    out, summary = whole
    again = tmp_path / "again"
    again.mkdir()
    (again / "clusters.json").write_bytes((out / "clusters.json").read_bytes())
    shutil.copytree(out / "k-2", again / "k-2")  # as after a kill between two runs
    kept = (again / "k-2" / "model.keras").stat().st_mtime_ns
    assert sweep.resume_sweep(again, export=False) == summary
    assert (again / "k-2" / "model.keras").stat().st_mtime_ns == kept
    with pytest.raises(InputError, match="holds finished runs; nothing is left to do"):
        sweep.resume_sweep(again)


def test_what_does_not_go_with_a_sweep_is_named_and_nothing_is_written(whole, config, tmp_path):
    for wrong, clusters, message in (
        ({"hints": "known.npy"}, range(2, 4), "^hints: names groups of one number of clusters"),
        ({"model": "kmeans"}, range(2, 4), "^clusters: several go with model='vade' alone, got 'kmeans'"),
        ({"limit": 10}, range(2, 4), "^held_out: a sweep needs at least 2 rows aside"),
        ({}, range(170, 190), "^clusters: expected at most the number of rows, 180, got 189"),
        ({"held_out": 0.001}, range(2, 4), "^held_out: 0.001 of 200 rows leaves one side empty"),
    ):
        with pytest.raises(InputError, match=message):
            sweep.train_sweep(dataclasses.replace(config, **wrong), tmp_path / "out", clusters)
    assert not (tmp_path / "out").exists()
    with pytest.raises(InputError, match=r"is not empty; .* several runs already, continue with resume="):
        sweep.train_sweep(config, whole[0], range(2, 4))


def test_the_recommended_k_is_marked(whole, capsys):
    Terminal().sweep({**whole[1], "n_clusters": 4, "why": "BECAUSE"}, "runs/x")
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines if "  *  " in line] == ["4"]
    assert max(map(len, lines[:4])) <= 80
    assert any("* recommended: 4 clusters, BECAUSE" in line for line in lines)


@pytest.mark.parametrize(
    "change",
    [
        lambda rows: rows[1].update(acc=None),
        lambda rows: [row.update(ari=None) for row in rows],
        lambda rows: rows[0].pop("nmi"),
        lambda rows: rows[0].update(behind_se=-0.1),
        lambda rows: rows[0].update(n_clusters=0, shares=[]),
        lambda rows: rows[0].update(n_clusters=4),
        lambda rows: rows[0].update(shares=[1.0]),
        lambda rows: rows[0].update(held_out_elbo=1e299),
        lambda rows: rows[0].update(bic=-1e31),
        lambda rows: rows.reverse(),
        lambda rows: rows.clear(),
    ],
)
def test_a_summary_that_no_sweep_writes_is_refused(whole, change, tmp_path):
    assert sweep.finished_sweep(whole[0]) == whole[1]
    summary = json.loads(json.dumps(whole[1]))
    change(summary["rows"])
    (tmp_path / "summary.json").write_text(json.dumps(summary))
    with pytest.raises(InputError, match=r"summary.json is .*damaged \(rows: .*\); remove it to compare the runs anew"):
        sweep.finished_sweep(tmp_path)


@pytest.mark.parametrize(
    "values",
    [
        {"n": 0},
        {"n_clusters": 0},
        {"n_clusters": 3},
        *({name: "x" * 200_001} for name in ("dataset", "why")),
        {"named": {"x" * 200_001: 2}},
    ],
)
def test_a_summary_of_what_was_not_tried_or_nobody_reads_is_refused(whole, values, tmp_path):
    (tmp_path / "summary.json").write_text(json.dumps({**whole[1], **values}))
    with pytest.raises(InputError, match="summary.json is .*damaged .*; remove it to compare the runs anew"):
        sweep.finished_sweep(tmp_path)


def test_a_file_may_have_any_name(whole, tmp_path):
    for name in ("$US_$EU", "$a^$"):
        sweep_figure.write_sweep({**whole[1], "dataset": name}, tmp_path / "clusters.png")
        assert (tmp_path / "clusters.png").read_bytes()[:4] == b"\x89PNG"


@pytest.mark.long
def test_a_range_on_the_command_line_is_a_sweep_and_resume_knows_it(data, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    more = ["--pretrain-epochs", "0", "--epochs", "1", "--hidden", "16,8", "--no-export", "--quiet"]
    assert train.main(["--data", data, "--clusters", "2:3", *more]) == 0
    assert capsys.readouterr().out == ""
    out = Path("runs/rows-sweep")
    assert {path.name for path in out.iterdir()} == {
        ".lock", "clusters.json", "k-2", "k-3", "clusters.csv", "summary.json", "clusters.png",
    }  # fmt: skip
    assert (out / "clusters.png").read_bytes()[:4] == b"\x89PNG"
    (out / "summary.json").unlink()
    assert train.main(["--resume", str(out), "--no-export"]) == 0
    assert "* recommended: " in capsys.readouterr().out
    assert train.main(["--data", data, "--clusters", "2:3", "--seeds", "2"]) == 2
    assert "--clusters, --seeds and --restarts: expected several of one of them" in capsys.readouterr().err


def test_each_number_of_clusters_is_trained_once_in_ascending_order(config, tmp_path, monkeypatch):
    """Else the plan is one that resume takes for damaged."""
    monkeypatch.setattr(sweep, "_conclude", lambda study, *_: study)
    study = sweep.train_sweep(config, tmp_path / "out", (4, 2, 4))
    assert (study.values, study.config.clusters) == ([2, 4], 4)
    assert Study.open(tmp_path / "out", "clusters").values == [2, 4]
