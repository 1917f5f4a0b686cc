"""A run folder: what it holds, and whose data it goes on with.

Other rows of the same number and width are told apart by their checksum, wherever a run folder meets data.
"""

import csv
import dataclasses
import json

import numpy as np
import pandas
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from vade_tf import metrics
from vade_tf.data import dataset, observations
from vade_tf.errors import InputError
from vade_tf.report import evaluation as report
from vade_tf.runs import train as training
from vade_tf.runs.config import TrainConfig
from vade_tf.runs.folder import Run, load
from vade_tf.runs.rows import load_rows
from vade_tf.serving.client import Served

X = np.random.default_rng(0).normal(size=(20, 4)).astype("f4")


@pytest.fixture
def run(tmp_path):
    """A run that has just begun on X; its file holds other rows of that shape by now."""
    file = tmp_path / "x.npy"
    np.save(file, X)
    config = TrainConfig(data=str(file), clusters=2, hidden=(8,), pretrain_epochs=1, epochs=1)
    begun = Run.create(tmp_path / "run", config, training.identity(load_rows(config)))
    np.save(file, np.where(np.arange(20)[:, None] == 13, X + 1, X))
    return begun


def test_a_run_goes_on_with_its_own_rows_alone(run):
    with pytest.raises(InputError, match="^resume: "):
        training.resume(run.path)


def test_a_run_goes_on_with_its_own_hints_alone(tmp_path):
    """The same hints of another type are its own."""
    data, hints = tmp_path / "x.npy", tmp_path / "hints.npy"
    np.save(data, X)
    np.save(hints, np.arange(20) % 2)
    config = TrainConfig(
        data=str(data), hints=str(hints), clusters=2, hidden=(8,), pretrain_epochs=1, epochs=1, guide_epochs=1
    )
    run = Run.create(tmp_path / "run", config, training.identity(load_rows(config)))
    np.save(hints, (np.arange(20) + 1) % 2)
    with pytest.raises(InputError, match="^resume: "):
        training.resume(run.path)
    np.save(hints, (np.arange(20) % 2).astype("i1"))
    assert training.resume(run.path, export=False)["n"] == 20


def test_an_autoencoder_is_lent_to_its_own_rows_alone(run, tmp_path):
    config = dataclasses.replace(run.config, pretrained=str(run.path))
    wide = tmp_path / "wide.npy"
    np.save(wide, np.ones((20, 5)))
    for changed in ({}, {"seed": 1}, {"limit": 18}, {"data": str(wide)}):
        with pytest.raises(InputError, match="^pretrained: "):
            training.train(dataclasses.replace(config, **changed), tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_a_run_is_evaluated_on_its_own_rows_alone(run):
    with pytest.raises(InputError, match="expected"):
        report.load_rows(run, None)


def test_its_own_rows_are_known_in_any_place(run, tmp_path):
    np.save(tmp_path / "moved.npy", X)
    config = dataclasses.replace(run.config, data=str(tmp_path / "moved.npy"))
    run.check_data(training.identity(load_rows(config)), "resume")
    assert report.load_rows(Run(run.path, config), None)[1] == 20
    with pytest.raises(InputError, match="^pretrained: "):
        training.train(dataclasses.replace(config, pretrained=str(run.path)), tmp_path / "other")


@given(st.integers(0, 19), st.integers(0, 3), st.booleans())
def test_every_value_of_every_row_counts(row, column, swap):
    """Also where the rows are looked at in parts; so does their order."""
    other = X.copy()
    if swap:
        other[[row, (row + 7) % 20]] = other[[(row + 7) % 20, row]]
    else:
        other[row, column] = np.nextafter(other[row, column], np.float32(9))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dataset, "MAX_ROWS_READ", 6)
        one, again, changed = (observations.build(x, None, "x", "here").fingerprint for x in (X, X.copy(), other))
    assert one == again
    assert {**one, "crc32": 0} == {**changed, "crc32": 0}
    assert one["crc32"] != changed["crc32"]


def test_a_run_that_was_copied_without_its_checkpoints_does_not_begin_anew(run):
    (run.path / "checkpoints").rmdir()
    with pytest.raises(InputError, match="^resume: "):
        training.resume(run.path)


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
def bars(tmp_path_factory):
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
def whole(bars, tmp_path_factory, as_a_fresh_process):
    """A run that nobody disturbed."""
    out = tmp_path_factory.mktemp("whole") / "run"
    training.train(TrainConfig(data=bars, **SMALL), out)
    return out


def rows_of(out):
    with (out / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        row.pop("seconds")
    return rows


def test_the_run_folder_holds_what_it_promises(bars, whole):
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
    result = json.loads((whole / "metrics.json").read_text())
    with np.load(bars) as arrays:
        probabilities = load(whole).predict(arrays["x"].reshape(300, -1), verbose=0)
        groups = probabilities.argmax(axis=1)
        assert result["acc"] == pytest.approx(metrics.accuracy(arrays["y"], groups))
    table = np.loadtxt(whole / "assignments.csv", delimiter=",", skiprows=1)
    assert (whole / "assignments.csv").read_text().startswith("row,cluster,confidence,log_density,typicality_rank\n")
    np.testing.assert_array_equal(table[:, :2], np.stack([np.arange(300), groups], axis=1))
    np.testing.assert_allclose(table[:, 2], probabilities.max(axis=1), atol=1e-3)
    assert (result["n"], result["n_features"], result["n_clusters"]) == (300, 64, 3)
    assert set(result["seconds"]) == {"pretrain", "init", "fit", "total"}
    assert result["elbo"] == pytest.approx(-result["distortion"] - result["rate_z"] - result["rate_c"], rel=1e-5)


def test_every_column_of_the_history_is_a_curve_in_tensorboard(whole):
    rows = pandas.read_csv(whole / "metrics.csv").query("phase == 'fit'").drop(columns=["phase", "seconds"])
    shown = rows.dropna(axis=1).set_index("epoch")
    events = EventAccumulator(str(whole / "tensorboard" / "fit")).Reload()
    assert {"loss", "elbo", "acc", "gamma_entropy"} <= set(shown)
    for name in shown:
        curve = {event.step: tf.make_ndarray(event.tensor_proto) for event in events.Tensors(name)}
        assert curve == pytest.approx(shown[name].to_dict(), rel=1e-5)
