"""Restarts: what they share, that no label chooses between them, and that a kill costs nothing."""

import csv
import dataclasses
import json

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import adjusted_rand_score

from vade_tf.cli import train
from vade_tf.errors import DivergedError, InputError
from vade_tf.runs import restarts, seeds, selection, sweep
from vade_tf.runs import train as training
from vade_tf.runs.config import TrainConfig
from vade_tf.runs.folder import Run
from vade_tf.runs.load import load
from vade_tf.runs.places import LOCK
from vade_tf.runs.study import Study
from vade_tf.training import n_clusters, recipe
from vade_tf.training.reporter import Silent

pytestmark = pytest.mark.usefixtures("eager_file", "loaded_once")

SMALL = {
    "clusters": 5,
    "pretrain_epochs": 1,
    "epochs": 1,
    "batch_size": 64,
    "hidden": (8,),
    "latent_dim": 2,
    "init": "kmeans",
    "limit": 150,
}


@pytest.fixture
def data(tmp_path):
    """Four groups that a mixture of five can cut in several ways."""
    r = np.random.default_rng(0)
    y = np.arange(200) % 4
    x = (3 * np.eye(4, 8)[y] + r.normal(size=(200, 8))).astype("f4")
    np.savez(tmp_path / "rows.npz", x=x, y=y)
    return tmp_path / "rows.npz"


@pytest.fixture
def config(data):
    return TrainConfig.create(data=str(data), **SMALL)


def test_the_kept_run_is_the_one_the_others_agree_with(config, data, tmp_path):
    result = restarts.train_restarts(config, tmp_path / "run", 3, export=False)
    folders = [tmp_path / "run" / f"restart-{i}" for i in range(3)]
    pretrained = [json.loads((f / "metrics.json").read_text())["seconds"]["pretrain"] > 0 for f in folders]
    assert pretrained == [True, False, False]
    first = Run.open(folders[0]).load("pretrained")
    for folder in folders[1:]:
        mine = Run.open(folder).load("pretrained")
        assert mine.keys() == first.keys()
        for name, theirs in first.items():
            np.testing.assert_array_equal(mine[name], theirs)
    models = [load(folder) for folder in folders]
    for model in models[1:]:
        pairs = zip(model.get_weights(), models[0].get_weights(), strict=True)
        assert any(not np.array_equal(a, b) for a, b in pairs)
    with np.load(data) as arrays:
        x = arrays["x"][np.sort(np.random.default_rng(0).choice(200, 150, replace=False))]
    groups = [model.predict(x, verbose=0).argmax(axis=1) for model in models]
    ari = [np.mean([adjusted_rand_score(groups[i], groups[j]) for j in range(3) if j != i]) for i in range(3)]
    with (tmp_path / "run" / "restarts.csv").open() as file:
        rows = list(csv.DictReader(file))
    np.testing.assert_allclose([float(row["agreement"]) for row in rows], ari, atol=1e-9)
    assert [row["acc"] for row in rows] == [str(json.loads((f / "metrics.json").read_text())["acc"]) for f in folders]
    kept = selection.most_agreed(result["restarts"])
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert summary == {"restarts": result["restarts"], "selected": kept, "diverged": []}
    assert Run.open(tmp_path / "run").config == Run.open(folders[kept]).config
    for mine, theirs in zip(load(tmp_path / "run").get_weights(), models[kept].get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)
    with pytest.raises(InputError, match="holds finished runs"):
        restarts.resume_restarts(tmp_path / "run")
    with pytest.raises(InputError, match="holds a finished run"):
        restarts.train_restarts(config, tmp_path / "run", 3)


def test_agreement_leads_and_the_bound_decides_between_equals():
    rows = [{"agreement": 0.9, "elbo": -5.0}, {"agreement": 0.8, "elbo": -1.0}, {"agreement": 0.9, "elbo": -4.0}]
    assert selection.most_agreed(rows) == 2
    assert selection.most_agreed([{**row, "elbo": None} for row in rows[1:]]) == 1  # a system without a bound


def test_agreement_of_partitions_that_differ_in_names_only():
    one = np.arange(12) % 3
    odd = np.repeat([0, 1, 2], 4)
    ari = adjusted_rand_score(one, odd)
    np.testing.assert_allclose(selection.agreement([one, (one + 1) % 3, odd]), [(1 + ari) / 2, (1 + ari) / 2, ari])
    np.testing.assert_array_equal(selection.agreement([one]), [1.0])


@pytest.mark.long
def test_what_a_kill_left_is_finished_and_nothing_is_trained_twice(config, tmp_path, monkeypatch):
    whole = restarts.train_restarts(config, tmp_path / "whole", 2, export=False)
    train, trained = training.train, []

    def one_only(config, out, **more):
        if trained:
            raise KeyboardInterrupt
        trained.append(out)
        return train(config, out, **more)

    monkeypatch.setattr(training, "train", one_only)
    with pytest.raises(KeyboardInterrupt):
        restarts.train_restarts(config, tmp_path / "run", 2, export=False)
    monkeypatch.setattr(training, "train", train)
    again = restarts.resume_restarts(tmp_path / "run", export=False)
    assert again["restarts"] == whole["restarts"]


@pytest.fixture
def diverges(monkeypatch):
    """Runs of these folders' names diverge, as often as they are trained."""
    names, real = [], training.train

    def one(config, out, **more):
        if out.name in names:
            raise DivergedError("fit: the loss became nan in epoch 1; lower learning_rate")
        return real(config, out, **more)

    monkeypatch.setattr(training, "train", one)
    return names


def test_a_seed_that_diverges_is_named_and_the_others_are_concluded(data, tmp_path, diverges, capsys):
    out = tmp_path / "study"
    diverges.append("seed-3")
    command = f"--data {data} --model kmeans --clusters 4 --seed 3 --seeds 3 --no-export --out {out}"
    for again in (command, f"--resume {out}"):
        assert train.main(again.split()) == 1
        shown = capsys.readouterr()
        assert f"{out / 'seed-3'}: fit: the loss became nan in epoch 1; lower --learning-rate" in shown.out
        assert "2 seeds" in shown.out
        assert shown.err.startswith(f"vade-tf train: {out / 'seed-3'}: training diverged, the others are finished")
        summary = json.loads((out / "summary.json").read_text())
        assert ([run["seed"] for run in summary["runs"]], summary["diverged"]) == ([4, 5], [3])
    diverges.clear()
    assert train.main(["--resume", str(out)]) == 0
    assert json.loads((out / "summary.json").read_text())["diverged"] == []


def test_where_no_run_can_be_left_out_the_one_that_diverged_is_named(config, data, tmp_path, diverges):
    diverges += ["restart-0", "k-3", "seed-0", "seed-1"]
    for study, more in ((restarts.train_restarts, 2), (sweep.train_sweep, (3, 4)), (seeds.train_seeds, 2)):
        with pytest.raises(DivergedError, match=r"study/(restart-0|k-3|seed-1): fit: the loss became nan"):
            study(config, tmp_path / study.__name__ / "study", more)


def test_of_runs_that_share_an_autoencoder_the_others_are_concluded(config, tmp_path, diverges):
    """One K of a sweep, or one restart, that diverges leaves the others with their summary."""
    diverges += ["restart-1", "k-4"]
    kept = restarts.train_restarts(config, tmp_path / "restarts", 2, export=False)
    assert ([row["restart"] for row in kept["restarts"]], kept["diverged"]) == ([0], [1])
    summary = sweep.train_sweep(config, tmp_path / "sweep", (3, 4), export=False)
    assert ([row["n_clusters"] for row in summary["rows"]], summary["diverged"]) == ([3], [4])
    assert sweep.finished_sweep(tmp_path / "sweep") == summary
    diverges.clear()  # and they may be tried again
    again = sweep.resume_sweep(tmp_path / "sweep", export=False)
    assert ([row["n_clusters"] for row in again["rows"]], again["diverged"]) == ([3, 4], [])
    assert restarts.resume_restarts(tmp_path / "restarts", export=False)["diverged"] == []
    for resume, folder in ((sweep.resume_sweep, "sweep"), (restarts.resume_restarts, "restarts")):
        with pytest.raises(InputError, match="nothing is left to do"):
            resume(tmp_path / folder)


def test_where_the_first_run_diverges_after_its_autoencoder_the_others_go_on_from_that(config, tmp_path, monkeypatch):
    def guide(fitting, groups):
        if fitting.settings.restart == 0:
            raise DivergedError("fit: the loss became nan in epoch 1; lower learning_rate")
        return real(fitting, groups)

    real = recipe.guide
    monkeypatch.setattr(recipe, "guide", guide)
    kept = restarts.train_restarts(config, tmp_path / "restarts", 2, export=False)
    assert ([row["restart"] for row in kept["restarts"]], kept["diverged"]) == ([1], [0])


def test_where_the_first_seed_diverges_the_next_one_chooses_k(config, data, tmp_path, diverges, monkeypatch):
    diverges.append("seed-0")
    monkeypatch.setattr(n_clusters, "numbers_tried", lambda n: [1, 2])
    config = dataclasses.replace(config, clusters="auto", epochs=1, pretrain_epochs=1)
    summary = seeds.train_seeds(config, tmp_path / "study", 3, export=False)
    assert len({run["n_clusters"] for run in summary["runs"]}) == 1


def test_an_autoencoder_that_does_not_fit_is_said_before_anything_is_written(config, tmp_path):
    wrong = dataclasses.replace(config, pretrained=str(tmp_path))
    with pytest.raises(InputError, match="expected a run folder"):
        restarts.train_restarts(wrong, tmp_path / "run", 2)
    other = dataclasses.replace(config, model="dec")
    with pytest.raises(InputError, match="^restarts: expected model='vade', got 'dec'; seeds go with every system"):
        restarts.train_restarts(other, tmp_path / "run", 2)
    with pytest.raises(InputError, match="expected a run folder"):
        sweep.train_sweep(wrong, tmp_path / "run", (3, 4))
    assert not (tmp_path / "run").exists()


def test_mistakes_at_the_command_line(capsys):
    assert train.main(["--restarts", "0"]) == 2
    assert "--restarts: expected a whole number of at least 1, got 0" in capsys.readouterr().err
    assert train.main(["--restarts", "2", "--seeds", "3"]) == 2
    assert (
        "--clusters, --seeds and --restarts: expected several of one of them, got 1, 3 and 2" in capsys.readouterr().err
    )
    assert train.main(["--restarts", "2", "--hints", "known.npy"]) == 2
    assert "--restarts: cannot be combined with hints, which a restart does not change" in capsys.readouterr().err


def test_a_chosen_number_of_clusters_is_said_of_any_restart_that_is_kept(config, tmp_path, monkeypatch):
    """The first run has chosen it; the others were given its number."""
    study = Study.begin("restarts", config, tmp_path / "run", range(2))
    choice = {"n_clusters": 5, "why": "it is", "tried": [], "strength": []}
    runs = {
        0: {"choice": choice, "health": ["component 3 is empty"], "agreement": 0.5, "elbo": -2.0, "acc": None},
        1: {"choice": None, "health": ["component 1 is empty"], "agreement": 0.5, "elbo": -1.0, "acc": None},
    }
    monkeypatch.setattr(Study, "run", lambda *a: runs)
    monkeypatch.setattr(restarts, "_copy", lambda *a: None)
    result = restarts._conclude(study, Silent(), False)
    assert result["choice"] == choice
    assert result["health"] == ["component 1 is empty"]


def test_a_full_disk_at_the_copy_is_one_line(tmp_path, monkeypatch):
    (tmp_path / "restart-0" / "checkpoints" / "inner").mkdir(parents=True)
    for name in ("a.npz", "inner/b.npz"):
        (tmp_path / "restart-0" / "checkpoints" / name).write_bytes(b"x")
    restarts._copy(tmp_path / "restart-0", tmp_path)
    assert (tmp_path / "checkpoints" / "inner" / "b.npz").read_bytes() == b"x"

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("shutil.copyfile", full)
    said = r"checkpoints cannot be written \(No space left on device, .* are free there\)$"
    with pytest.raises(InputError, match=said):
        restarts._copy(tmp_path / "restart-0", tmp_path)


@pytest.mark.parametrize("begin", [lambda *a: training.train(*a), lambda *a: restarts.train_restarts(*a, 2)])
def test_no_run_lies_in_the_folder_of_images_that_it_reads(tmp_path, begin):
    for i in range(4):
        Image.new("L", (4, 4), 60 * i).save(tmp_path / f"{i}.png")
    config = TrainConfig.create(data=str(tmp_path), **{**SMALL, "clusters": 2, "limit": None})
    with pytest.raises(InputError, match="^out: .* lies in .*; choose another$"):
        begin(config, tmp_path / "runs" / "run")
    assert not (tmp_path / "runs").exists()


def test_a_copy_follows_no_links(tmp_path):
    """A study of somebody else's, which is resumed here, could have files of this machine copied into it."""
    outside, run, to = (tmp_path / name for name in ("outside", "restart-0", "study"))
    for folder in (outside, run / "checkpoints", to):
        folder.mkdir(parents=True)
    (outside / "secret").write_text("x")
    (run / "config.json").write_text("{}")
    (run / "data.json").symlink_to(outside / "secret")
    (run / "figures").symlink_to(outside)
    (run / "checkpoints" / "start.npz").symlink_to(outside / "secret")
    restarts._copy(run, to)
    assert sorted(path.relative_to(to).as_posix() for path in to.rglob("*")) == ["checkpoints", "config.json"]


def test_a_copy_takes_the_place_of_an_older_one_and_finishes_nothing(tmp_path):
    """A kill after the copy leaves a study to be continued; its lock stays the file that is locked."""
    run, to = tmp_path / "restart-0", tmp_path / "study"
    for folder in (run, to):
        (folder / "checkpoints").mkdir(parents=True)
    for name in ("config.json", "metrics.json", LOCK, "checkpoints/start.npz"):
        (run / name).write_text("new")
    for name in ("config.json", LOCK, "checkpoints/older.npz"):
        (to / name).write_text("old")
    restarts._copy(run, to)
    found = {file.relative_to(to).as_posix(): file.read_text() for file in to.rglob("*") if file.is_file()}
    assert found == {LOCK: "old", "checkpoints/start.npz": "new", "config.json": "new"}
