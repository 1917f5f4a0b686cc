"""The loop, the run folder, and the promise that a kill costs nothing."""

import csv
import dataclasses
import json
import shutil
import signal
import subprocess
import sys
import warnings

import keras
import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from vade_tf import metrics as scores
from vade_tf.cli.train import folder_name
from vade_tf.errors import DivergedError, InputError
from vade_tf.runs import restarts, seeds
from vade_tf.runs import train as training
from vade_tf.runs.config import TrainConfig
from vade_tf.runs.load import load
from vade_tf.serving.client import Served

SMALL = {
    "pretrain_epochs": 3,
    "epochs": 4,
    "guide_epochs": 3,
    "regroups": 2,
    "batch_size": 64,
    "clusters": 3,
    "learning_rate": 1e-3,
    "hidden": (64, 32),
}

DRIVER = """
import os, signal, sys
import keras
from vade_tf.training import callbacks
from vade_tf.training import partitions
from vade_tf.runs import train as training
from vade_tf.runs.config import TrainConfig
out, data, settings, phase, epoch, batch = sys.argv[1], sys.argv[2], eval(sys.argv[3]), *sys.argv[4:7]

callbacks.SAVE_SECONDS = 0

class Killer(keras.callbacks.Callback):
    def on_epoch_begin(self, number, logs=None):
        self.number = number
    def on_train_batch_end(self, number, logs=None):
        here = "fit" if hasattr(self.model, "prior") else "pretrain"
        if here == phase and self.number == int(epoch) and number == int(batch):
            os.kill(os.getpid(), signal.SIGKILL)

found = partitions.found_start
partitions.found_start = lambda fitting, at: os.kill(os.getpid(), signal.SIGKILL) if at == phase else found(fitting, at)
if phase == "save":
    training.summarise = lambda *a: os.kill(os.getpid(), signal.SIGKILL)
if os.path.exists(out):
    training.resume(out, extra=[Killer()])
else:
    training.train(TrainConfig.create(data=data, **settings), out, extra=[Killer()])
"""
KILLS = [("pretrain", 2, 1), ("init", 0, 0), ("regroup", 0, 0), ("fit", 3, 3), ("save", 0, 0)]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Three groups of 8 x 8 images, in a file with labels: the path of an .npz."""
    r = np.random.default_rng(0)
    y = np.arange(300) % 3
    images = np.zeros((300, 8, 8))
    for i, c in enumerate(y):
        images[i, 2 * c + 1 : 2 * c + 3, 1:7] = 1
    x = np.clip(0.8 * images + r.uniform(0, 0.2, images.shape), 0, 1)
    file = tmp_path_factory.mktemp("data") / "bars.npz"
    np.savez(file, x=(255 * x).astype("u1"), y=y)
    return str(file)


@pytest.fixture(scope="module")
def whole(data, tmp_path_factory, as_a_fresh_process):
    """A run that nobody disturbed."""
    out = tmp_path_factory.mktemp("whole") / "run"
    training.train(TrainConfig.create(data=data, **SMALL), out)
    return out


def weights(out):
    model = load(out)
    return model.get_weights() + [v.numpy() for v in model.optimizer.variables]


def rows_of(out):
    with (out / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        row.pop("seconds")
    return rows


@pytest.mark.long
def test_killed_again_and_again_and_resumed_it_ends_with_the_same_weights(data, whole, tmp_path):
    out = tmp_path / "run"
    for kill in KILLS:  # one after the other, each in the process that resumes what the kill before it left
        command = [sys.executable, "-c", DRIVER, str(out), data, repr(SMALL), *map(str, kill)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=180)
        assert done.returncode == -signal.SIGKILL, (kill, done.stderr[-2000:])
        assert not (out / "metrics.json").exists()
    result = training.resume(out)  # killed after the export
    assert (out / "export" / "1" / "saved_model.pb").exists()
    assert (out / "assignments.csv").read_bytes() == (whole / "assignments.csv").read_bytes()
    for mine, theirs in zip(weights(out), weights(whole), strict=True):
        np.testing.assert_array_equal(mine, theirs)
    assert rows_of(out) == rows_of(whole)
    expected = json.loads((whole / "metrics.json").read_text())
    assert {k: v for k, v in result.items() if k != "seconds"} == {k: v for k, v in expected.items() if k != "seconds"}


def test_the_run_folder_holds_what_it_promises(data, whole):
    files = [p.relative_to(whole) for p in whole.rglob("*") if p.is_file()]
    assert Served(whole / "export" / "1").predict(np.zeros((2, 64))).shape == (2, 3)
    names = {str(file) for file in files if file.parts[0] not in ("tensorboard", "export")}
    assert names == {
        "config.json",
        ".lock",
        "data.json",
        "assignments.csv",
        "metrics.csv",
        "metrics.json",
        "model.keras",
        "checkpoints/begun.npz",
        "checkpoints/pretrained.npz",
        "checkpoints/seconds.npz",
        "checkpoints/start.npz",
        "checkpoints/partition.npz",
        "checkpoints/guided.npz",
    }
    rows = rows_of(whole)
    assert [(r["phase"], r["epoch"]) for r in rows] == [
        *(("pretrain", str(e)) for e in (1, 2, 3)),
        *(("fit", str(e)) for e in (1, 2, 3, 4)),
    ]
    assert all(0 <= float(r["acc"]) <= 1 for r in rows if r["phase"] == "fit")
    assert float(rows[3]["loss"]) > -float(rows[3]["elbo"])  # guided
    assert float(rows[6]["loss"]) == pytest.approx(-float(rows[6]["elbo"]))  # let go
    metrics = json.loads((whole / "metrics.json").read_text())
    with np.load(data) as arrays:
        probabilities = load(whole).predict(arrays["x"].reshape(300, -1), verbose=0)
        groups = probabilities.argmax(axis=1)
        assert metrics["acc"] == pytest.approx(scores.accuracy(arrays["y"], groups))
    table = np.loadtxt(whole / "assignments.csv", delimiter=",", skiprows=1)
    assert (whole / "assignments.csv").read_text().startswith("row,cluster,confidence,log_density,typicality_rank\n")
    np.testing.assert_array_equal(table[:, :2], np.stack([np.arange(300), groups], axis=1))
    np.testing.assert_allclose(table[:, 2], probabilities.max(axis=1), atol=1e-3)
    assert (metrics["n"], metrics["n_features"], metrics["n_clusters"], metrics["source"][-8:]) == (
        300,
        64,
        3,
        "bars.npz",
    )
    assert set(metrics["seconds"]) == {"pretrain", "init", "fit", "total"}
    assert metrics["elbo"] == pytest.approx(-metrics["distortion"] - metrics["rate_z"] - metrics["rate_c"], rel=1e-5)


def test_tensorboard_has_every_column(whole):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(whole / "tensorboard" / "fit")).Reload()
    tags = set(events.Tags()["tensors"])
    assert {
        "loss",
        "elbo",
        "distortion",
        "rate_z",
        "rate_c",
        "acc",
        "nmi",
        "ari",
        "learning_rate",
        "gamma_entropy",
    } <= tags
    assert {"components_used", "active_units"} <= tags
    assert [event.step for event in events.Tensors("elbo")] == [1, 2, 3, 4]


@pytest.mark.long
def test_it_finds_groups_that_are_there(data, tmp_path):
    settings = {**SMALL, "pretrain_epochs": 60, "epochs": 40, "guide_epochs": 30, "augment": "none"}
    assert training.train(TrainConfig.create(data=data, **settings), tmp_path / "run", export=False)["acc"] > 0.98


def test_a_callback_that_is_refused_leaves_no_folder(data, tmp_path):
    with pytest.raises(InputError, match="^callbacks: .*ReduceLROnPlateau"):
        training.train(
            TrainConfig.create(data=data, **SMALL), tmp_path / "run", extra=[keras.callbacks.ReduceLROnPlateau()]
        )
    assert not (tmp_path / "run").exists()


@pytest.mark.long
def test_a_pretrained_autoencoder_can_be_shared(data, whole, tmp_path):
    """A run that takes another's autoencoder goes on exactly as that one did."""
    config = TrainConfig.create(data=data, pretrained=str(whole), **{**SMALL, "pretrain_epochs": None})
    result = training.train(config, tmp_path / "run", export=False)
    for mine, theirs in zip(weights(tmp_path / "run"), weights(whole), strict=True):
        np.testing.assert_array_equal(mine, theirs)
    assert (result["epochs"]["pretrain"], result["seconds"]["pretrain"]) == (SMALL["pretrain_epochs"], 0)
    for wrong, message in (
        ({"latent_dim": 3}, r"^pretrained: the networks of .* differ: expected 3; use latent_dim=10$"),
        ({"hidden": (32, 64)}, r"^pretrained: the networks of .* differ: expected \(32, 64\); use hidden=64,32$"),
        ({"limit": 200}, "^pretrained: .* began with other data"),
        ({"pretrained": str(tmp_path)}, "expected a run folder"),
    ):
        with pytest.raises(InputError, match=message):
            training.train(dataclasses.replace(config, **wrong), tmp_path / "other")
    assert not (tmp_path / "other").exists()


@pytest.mark.long
def test_paper_recipe_runs_through_the_same_path(data, tmp_path):
    config = TrainConfig.create(recipe="paper", data=data, clusters=3, pretrain_epochs=2, epochs=2)
    result = training.train(config, tmp_path / "run", export=False)
    assert not (tmp_path / "run" / "export").exists()
    assert result["recipe"] == "paper"
    assert np.isfinite(result["elbo"])


@pytest.mark.long
def test_hints_lead_instead_of_the_start(data, tmp_path):
    """Known groups that the start does not find (outer bars, middle bar): led to them, it knows them on other rows."""
    x = np.load(data)["x"].reshape(300, -1)
    middle = (np.load(data)["y"] == 1).astype(int)
    np.save(tmp_path / "hints.npy", np.where(np.arange(300) < 200, middle, -1))
    settings = {**SMALL, "clusters": 2, "epochs": 60, "learning_rate": 3e-3, "augment": "none", "guide_epochs": None}
    config = TrainConfig.create(data=data, hints=str(tmp_path / "hints.npy"), guide_weight=100.0, **settings)
    training.train(config, tmp_path / "run")
    right = load(tmp_path / "run").predict(x, verbose=0).argmax(axis=1) == middle
    assert right[:200].mean() > 0.95
    assert right[200:].mean() > 0.95
    with pytest.raises(
        InputError, match="^hints: cannot be combined with limit or held_out: it needs one entry for each row"
    ):
        dataclasses.replace(config, limit=100)
    np.save(tmp_path / "hints.npy", middle + 1)
    with pytest.raises(InputError, match="^hints: expected groups from 0 to 1, or -1 for unknown, got 1 to 2"):
        training.train(config, tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_a_finished_run_is_never_overwritten(data, whole):
    before = (whole / "metrics.json").read_bytes()
    with pytest.raises(InputError, match="holds a finished run; choose another folder"):
        training.train(TrainConfig.create(data=data, **SMALL), whole)
    with pytest.raises(InputError, match="holds a finished run; nothing is left to do"):
        training.resume(whole)
    assert (whole / "metrics.json").read_bytes() == before


@pytest.mark.long
@pytest.mark.parametrize(("precision", "scaled"), [("mixed_float16", True), ("float32", False)])
def test_in_float16_the_loss_is_scaled_so_that_small_gradients_are_not_zero(precision, scaled, data, tmp_path):
    class Look(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            seen.append(isinstance(self.model.optimizer, keras.optimizers.LossScaleOptimizer))

    seen = []
    config = TrainConfig.create(data=data, **SMALL, precision=precision)
    result = training.train(config, tmp_path / "run", extra=[Look()], export=False)
    assert seen == [scaled] * len(seen)
    assert np.isfinite(result["elbo"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # Keras warns where the optimizer it loads has other variables
        loaded = load(tmp_path / "run")
    assert loaded.predict(np.load(data)["x"].reshape(300, 64), verbose=0).shape == (300, 3)


def test_a_folder_with_other_things_in_it_is_left_alone(data, tmp_path):
    (tmp_path / "export").mkdir()
    (tmp_path / "export" / "thesis.txt").write_text("mine")
    config = TrainConfig.create(data=data, **SMALL)
    for train in (training.train, lambda *to: seeds.train_seeds(*to, 2), lambda *to: restarts.train_restarts(*to, 2)):
        with pytest.raises(InputError, match=r"^out: .* is not empty; choose another folder"):
            train(config, tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["export"]


def test_a_folder_that_cannot_be_written(data, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match=r"^out: .*run cannot be written \(Not a directory\)"):
        training.train(TrainConfig.create(data=data, **SMALL), tmp_path / "file" / "run")


def test_resume_refuses_other_data_and_damaged_folders(whole, data, tmp_path):
    for name, damage, message in (
        (
            "other",
            lambda d: (d / "data.json").write_text('{"source": "", "rows": 1, "features": 1, "crc32": 1}'),
            "began with other data",
        ),
        ("config", lambda d: (d / "config.json").write_text("{"), "config.json is damaged"),
        ("state", lambda d: (d / "checkpoints" / "state.npz").write_bytes(b"PK\x03\x04"), "state.npz is damaged"),
    ):
        out = tmp_path / name
        (out / "checkpoints").mkdir(parents=True)
        for file in ("config.json", "data.json"):
            (out / file).write_bytes((whole / file).read_bytes())
        damage(out)
        with pytest.raises(InputError, match=message):
            training.resume(out)
    with pytest.raises(InputError, match="expected a run folder"):
        training.resume(tmp_path / "nowhere")


def test_divergence_stops_the_run_with_a_reason(data, tmp_path):
    told = "pretrain: .* in epoch 3, after 2 steps back .*; train anew with a lower learning_rate, .* another folder$"
    with pytest.raises(DivergedError, match=told):
        training.train(TrainConfig.create(data=data, **{**SMALL, "learning_rate": 1e30}), tmp_path / "run")


def test_load_names_what_is_missing(whole, tmp_path):
    with pytest.raises(
        InputError, match="expected a finished run folder or a .keras file, found no model.keras there$"
    ):
        load(tmp_path)
    (tmp_path / "m.keras").write_bytes((whole / "model.keras").read_bytes()[:1000])
    with pytest.raises(InputError, match="m.keras is damaged"):
        load(tmp_path / "m.keras")
    assert isinstance(load(whole / "model.keras"), keras.Model)


@pytest.mark.parametrize(
    ("data", "name"),
    [(".", "cells"), ("..", "here"), ("/", "data"), ("a/rows.csv", "rows"), ("https://host/rows.csv", "rows")],
)
def test_a_run_is_called_by_its_data(tmp_path, monkeypatch, data, name):
    folder = tmp_path / "here" / "cells"
    folder.mkdir(parents=True)
    monkeypatch.chdir(folder)
    assert folder_name(TrainConfig(data=data, clusters=2), sweep=False) == name


@pytest.mark.long
def test_seeds_continue_where_they_stopped_and_choose_without_labels(data, tmp_path):
    config = TrainConfig.create(data=data, **{**SMALL, "pretrain_epochs": 1, "epochs": 1, "seed": 4})
    out = tmp_path / "study"
    summary = seeds.train_seeds(config, out, 2, export=False)
    figures = [json.loads((out / f"seed-{s}" / "metrics.json").read_text()) for s in (4, 5)]
    assert summary["acc"]["mean"] == pytest.approx(np.mean([f["acc"] for f in figures]))
    assert summary["acc"]["std"] == pytest.approx(np.std([f["acc"] for f in figures], ddof=1))
    x = np.load(data)["x"].reshape(300, 64)
    groups = [load(out / f"seed-{s}").predict(x, verbose=0).argmax(axis=1) for s in (4, 5)]
    agreement = [r["agreement"] for r in summary["runs"]]
    np.testing.assert_allclose(agreement, adjusted_rand_score(*groups))
    assert summary["selected"] == max(figures, key=lambda f: f["elbo"])["seed"]  # two agree alike: the bound decides
    shutil.rmtree(out / "seed-5")
    (out / "seed-5" / "checkpoints").mkdir(parents=True)  # killed before there was a config.json
    shutil.copy(out / "seed-4" / "data.json", out / "seed-5")
    kept = (out / "seed-4" / "model.keras").stat().st_mtime_ns
    again = seeds.resume_seeds(out, export=False)
    assert not list(out.glob("seed-*/export"))
    assert (out / "seed-4" / "model.keras").stat().st_mtime_ns == kept
    assert again["elbo"] == summary["elbo"]
    with pytest.raises(InputError, match="continue with resume="):
        seeds.train_seeds(config, out, 2)
