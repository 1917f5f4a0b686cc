"""The run folder, and the promise that a kill costs nothing."""

import csv
import json
import signal
import subprocess
import sys

import numpy as np
import pytest

from vade_tf import metrics as scores
from vade_tf.errors import InputError
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


def test_a_finished_run_is_never_overwritten(data, whole):
    before = (whole / "metrics.json").read_bytes()
    with pytest.raises(InputError, match="holds a finished run; choose another folder"):
        training.train(TrainConfig.create(data=data, **SMALL), whole)
    with pytest.raises(InputError, match="holds a finished run; nothing is left to do"):
        training.resume(whole)
    assert (whole / "metrics.json").read_bytes() == before


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
