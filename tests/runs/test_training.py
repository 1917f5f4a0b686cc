"""The run folder: what it holds, and whose data it goes on with."""

import csv
import json

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


def rows_of(out):
    with (out / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        row.pop("seconds")
    return rows


def test_the_run_folder_holds_what_it_promises(data, whole):
    files = [p.relative_to(whole) for p in whole.rglob("*") if p.is_file()]
    assert Served(whole / "export" / "1").predict(np.zeros((2, 64))).shape == (2, 3)
    names = {str(file) for file in files if file.parts[0] not in ("tensorboard", "export")}
    kept = {f"checkpoints/{name}.npz" for name in ("fingerprint", "pretrained", "seconds", "start", "partition")}
    written = {"config.json", "data.json", "assignments.csv", "metrics.csv", "metrics.json", "model.keras"}
    assert names == kept | written | {".lock"}
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
    assert (metrics["n"], metrics["n_features"], metrics["n_clusters"]) == (300, 64, 3)
    assert set(metrics["seconds"]) == {"pretrain", "init", "fit", "total"}
    assert metrics["elbo"] == pytest.approx(-metrics["distortion"] - metrics["rate_z"] - metrics["rate_c"], rel=1e-5)


def test_a_finished_run_is_never_overwritten(data, whole):
    before = (whole / "metrics.json").read_bytes()
    with pytest.raises(InputError, match="^out: "):
        training.train(TrainConfig.create(data=data, **SMALL), whole)
    with pytest.raises(InputError, match="^resume: "):
        training.resume(whole)
    assert (whole / "metrics.json").read_bytes() == before
