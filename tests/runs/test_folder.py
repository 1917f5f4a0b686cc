"""What a run folder holds is checked when it is read: figures and histories that no run writes are refused."""

import json
import math

import numpy as np
import pytest

from vade_tf.errors import InputError
from vade_tf.runs.config import TrainConfig
from vade_tf.runs.folder import Run

CHOICE = {"n_clusters": 3, "why": "it is", "tried": [2, 3], "strength": [0.5, 0.9]}
BOUND = {"elbo": -9.0, "distortion": 8.0, "rate_z": 0.5, "rate_c": 0.5}
SCORES = {"acc": 0.9, "nmi": 0.8, "ari": 0.7}
METRICS = {
    **dict.fromkeys(("dataset", "source", "device", "precision", "kind", "start"), "x"),
    **dict.fromkeys(("n", "n_features", "n_clusters", "seed"), 3),
    **{"health": [], "remedies": [], "epochs": {"fit": 2}, "seconds": {"fit": 0.5}, "versions": {}},
    **BOUND,
    **SCORES,
    "choice": CHOICE,
}
NONE = dict.fromkeys(BOUND)


@pytest.fixture
def run(tmp_path):
    """Makes a run folder with a metrics.json."""

    def make(metrics=METRICS, model="vade"):
        config = TrainConfig(data="x.npy", clusters=3, model=model)
        one = Run.create(tmp_path / model, config, {"source": "x.npy", "rows": 3, "features": 3, "crc32": 1})
        (one.path / "metrics.json").write_text(json.dumps(metrics))
        return one

    return make


@pytest.mark.parametrize(
    ("model", "values"),
    [
        ("vade", {}),
        ("vade", {"choice": None}),
        ("vade", dict.fromkeys(SCORES)),
        ("dec", NONE),
        ("gmvae", {"rate_w": 1.0}),
    ],
)
def test_what_a_run_has_measured_comes_back(run, model, values):
    assert run({**METRICS, **values}, model).metrics == {**METRICS, **values}


def test_what_was_not_measured_is_none(run):
    found = {name: value for name, value in METRICS.items() if name not in (*SCORES, *BOUND)}
    assert run(found, "dec").metrics == {**found, **dict.fromkeys(SCORES), **NONE}


@pytest.mark.parametrize(
    ("model", "values", "message"),
    [
        ("vade", {"distortion": None}, "distortion: expected a number, got none"),
        ("dec", {**NONE, "elbo": -9.0}, "distortion: expected a number, got none"),
        ("vade", NONE, "elbo: expected a number, got none"),
        ("vade", {"nmi": None}, "nmi: expected a number, got none"),
        ("dec", {"acc": None, "nmi": None}, "acc: expected a number, got none"),
        *(("vade", {"choice": {**CHOICE, name: CHOICE[name][:1]}}, "choice: got") for name in ("tried", "strength")),
        *(("vade", {name: ["x" * 150_000] * 2}, f"{name}: got") for name in ("health", "remedies")),
        *(("vade", {name: "x" * 200_001}, f"{name}: got") for name in ("dataset", "source", "device", "precision")),
        ("vade", {"choice": {**CHOICE, "why": "x" * 200_001}}, "choice: got"),
        *(("vade", {name: {"x" * 200_001: 1}}, f"{name}: got") for name in ("epochs", "seconds")),
        ("vade", {"versions": {"keras": "x" * 200_001}}, "versions: got"),
    ],
)
def test_figures_that_no_run_writes_are_refused(run, model, values, message):
    with pytest.raises(InputError, match=rf"metrics.json is (missing or )?damaged \({message}.*\); copy the run"):
        _ = run({**METRICS, **values}, model).metrics


@pytest.mark.parametrize("value", [1e308, -1e308, 1.1e30])
def test_a_number_that_cannot_be_drawn_is_refused(run, value):
    one = run()
    one.save_rows([{"phase": "fit", "epoch": 1, "elbo": -9.0}, {"phase": "fit", "epoch": 2, "elbo": value}])
    with pytest.raises(InputError, match=r"metrics.csv is .*damaged \(expected numbers up to 1e\+30, got -?1.*e\+30"):
        one.load_rows()


def test_a_history_comes_back_as_it_was_kept(run):
    rows = [{"phase": "fit", "epoch": 1.0, "elbo": value} for value in (-9.0, 1e30, math.inf)]
    one = run()
    one.save_rows(rows)
    assert one.load_rows() == rows


def test_a_history_of_more_epochs_than_any_run_makes_is_refused(run, monkeypatch):
    monkeypatch.setattr("vade_tf.runs.folder.MOST_EPOCHS", 2)
    one, rows = run(), [{"phase": "fit", "epoch": float(i), "elbo": -9.0} for i in range(3)]
    one.save_rows(rows[:2])
    assert one.load_rows() == rows[:2]
    one.save_rows(rows)
    with pytest.raises(InputError, match=r"metrics.csv is .*damaged \(it has more than 2 rows\)"):
        one.load_rows()


def test_what_only_a_resume_needs_goes_and_what_others_may_ask_for_stays(run):
    one = run()
    for name in ("state", "pretrained", "start"):
        one.save(name, {"groups": np.arange(3)})
    one.finish(METRICS)
    assert one.finished
    assert [one.load(name) is None for name in ("state", "pretrained", "start")] == [True, False, False]
