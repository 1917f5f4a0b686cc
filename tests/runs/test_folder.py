"""What a run folder holds comes back; a damaged file is named."""

import json
import math

import numpy as np
import pytest

from vade_tf.errors import InputError
from vade_tf.runs.config import TrainConfig
from vade_tf.runs.folder import BOUND, SCORES, Run

METRICS = {
    **dict.fromkeys(("dataset", "source", "n", "n_features", "n_clusters", "seed", "epochs", "seconds"), 3),
    "health": [],
    "remedies": [],
}


@pytest.fixture
def run(tmp_path):
    config = TrainConfig(data="x.npy", clusters=3)
    return Run.create(tmp_path / "run", config, {"source": "x.npy", "rows": 3, "features": 3, "crc32": 1})


def test_what_was_not_measured_is_none(run):
    run.finish({**METRICS, "acc": 0.9})
    assert run.metrics == {**METRICS, **dict.fromkeys((*SCORES, *BOUND)), "acc": 0.9}


def test_a_history_comes_back_as_it_was_kept(run):
    rows = [{"phase": "fit", "epoch": 1.0, "elbo": value} for value in (-9.0, 1e30, math.inf)]
    run.save_rows(rows)
    assert run.load_rows() == rows


@pytest.mark.parametrize("content", ["", "{", "[" * 99_999, json.dumps({"dataset": "x"}), "\udc80"])
def test_a_damaged_file_is_named(run, content):
    (run.path / "metrics.json").write_bytes(content.encode(errors="surrogateescape"))
    with pytest.raises(InputError, match="metrics.json, which is damaged"):
        _ = run.metrics


def test_what_only_a_resume_needs_goes_and_what_others_may_ask_for_stays(run):
    for name in ("state", "pretrained", "start"):
        run.save(name, {"groups": np.arange(3)})
    run.finish(METRICS)
    assert [run.load(name) is None for name in ("state", "pretrained", "start")] == [True, False, False]
