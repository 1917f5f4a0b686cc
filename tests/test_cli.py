"""The command line in fresh processes: what is printed, what the exit code is, what is written."""

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from vade_tf.terminal import Terminal

ROOT = Path(__file__).resolve().parent.parent
WITH_ROOT = {**os.environ, "PYTHONPATH": str(ROOT)}


def command(*arguments, cwd=ROOT):
    program = [sys.executable, str(ROOT / "train.py"), *map(str, arguments)]
    return subprocess.run(program, capture_output=True, text=True, timeout=240, cwd=cwd)


@pytest.fixture
def rows(tmp_path):
    r = np.random.default_rng(0)
    y = np.arange(60) % 3
    np.savez(tmp_path / "rows.npz", x=(5 * np.eye(3, 6)[y] + r.normal(size=(60, 6))).astype("f4"), y=y)
    return tmp_path / "rows.npz"


def test_a_normal_run_shows_progress_and_a_table_and_nothing_else(rows, tmp_path):
    settings = ("--data", rows, "--clusters", 3, "--pretrain-epochs", 2, "--epochs", 2)
    done = command(*settings, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    for words in ("Autoencoder", "Starting mixture", "VaDE", "ACC   NMI   ARI", "nats a row", "next", "runs/rows"):
        assert words in done.stdout
    assert len(done.stdout.splitlines()) <= 12
    quiet = command(*settings, "--quiet", "--no-export", cwd=tmp_path)
    assert (quiet.returncode, quiet.stdout, quiet.stderr) == (0, "", "")
    first, second = (json.loads((tmp_path / "runs" / n / "metrics.json").read_text()) for n in ("rows", "rows-2"))
    assert (tmp_path / "runs" / "rows" / "export" / "1" / "saved_model.pb").exists()
    assert not (tmp_path / "runs" / "rows-2" / "export").exists()
    assert first["elbo"] == second["elbo"]  # the same seed, twice, and no folder was overwritten
    code = "import sys, keras; from vade_tf import VaDE; print(type(keras.models.load_model(sys.argv[1]).optimizer))"
    fresh = subprocess.run(
        [sys.executable, "-c", code, "runs/rows/model.keras"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=WITH_ROOT,
    )
    assert "FusedAdam" in fresh.stdout, fresh.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--dataset", "imagenet"], "--dataset: expected one of"),
        (["--data", "none.npy", "--clusters", "3"], "--data: expected an existing file, got none.npy"),
        (["--clusters", "0"], "--clusters: expected a whole number of at least 1, got 0"),
        (["--resume", "none"], "none: expected a run folder"),
        (["--resume", "runs/a", "--epochs", "3"], "--resume: takes every setting from the run folder"),
        (["--seeds", "0"], "--seeds: expected a whole number of at least 1"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(arguments, message, tmp_path):
    done = command(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert done.stdout.strip() == ""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("error", [None, KeyboardInterrupt])
def test_the_bar_of_a_phase_that_ends_early_is_full_unless_the_run_was_stopped(error):
    with contextlib.suppress(KeyboardInterrupt), Terminal() as reporter:
        reporter.phase("dec", 10)(3, "epoch 3/10")
        if error is not None:
            raise error
    assert reporter.progress.tasks[0].percentage == (100 if error is None else 30)


def test_help_names_every_setting_without_loading_tensorflow():
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "train.py", "--help"], capture_output=True, text=True, cwd=ROOT
    )
    assert done.returncode == 0
    assert "tensorflow" not in done.stderr
    for words in ("--pretrain-epochs", "default: 0.002", "robust", "--no-augment"):
        assert words in done.stdout
