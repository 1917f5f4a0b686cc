"""`train` on the command line: what is planned, printed and written; full disks and signals lose nothing."""

import errno
import json
import os
import signal
from pathlib import Path

import numpy as np
import pytest

from vade_tf.cli import train
from vade_tf.runs.config import TrainConfig
from vade_tf.runs.folder import load
from vade_tf.storage import UNFINISHED

pytestmark = pytest.mark.usefixtures("eager_file")
SMALL = ["--clusters", "3", "--hidden", "8", "--pretrain-epochs", "1", "--epochs", "2", "--init", "kmeans"]


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    """A file of 60 rows in three groups, with labels."""
    r = np.random.default_rng(0)
    y = np.arange(60) % 3
    file = tmp_path_factory.mktemp("rows") / "rows.npz"
    np.savez(file, x=(5 * np.eye(3, 6)[y] + r.normal(size=(60, 6))).astype("f4"), y=y)
    return str(file)


@pytest.fixture(scope="module")
def undisturbed(rows, tmp_path_factory):
    """Weights of a run, and how many files it made sure of on disk."""
    out, count, sync = tmp_path_factory.mktemp("undisturbed") / "run", [], os.fsync
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda file: (count.append(file), sync(file)))
        assert train.main(["--data", rows, *SMALL, "--quiet", "--out", str(out)]) == 0
    return load(out).get_weights(), len(count)


def test_a_normal_run_shows_progress_and_a_table_and_nothing_else(rows, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert train.main(["--data", rows, *SMALL], "train.py") == 0
    shown = capsys.readouterr()
    assert shown.err == ""
    for words in ("Autoencoder", "Starting mixture", "VaDE", "ACC   NMI   ARI", "nats a row", "written to"):
        assert words in shown.out
    assert "python evaluate.py runs/rows" in shown.out
    assert len(shown.out.splitlines()) <= 16
    assert train.main(["--data", rows, *SMALL, "--quiet", "--no-export"]) == 0
    assert capsys.readouterr() == ("", "")
    first, second = (json.loads(Path("runs", name, "metrics.json").read_text()) for name in ("rows", "rows-2"))
    assert first["elbo"] == second["elbo"]  # the same seed, twice, and no folder was overwritten
    assert Path("runs/rows/export/1/saved_model.pb").exists()
    assert not Path("runs/rows-2/export").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--data", "none.npy", "--clusters", "3"], "--data: expected an existing file or folder, got none.npy"),
        (["--resume", "none"], "--resume: expected a run folder, got none"),
        (["--resume", "a", "--epochs", "3"], "--resume: expected no other settings"),
        (["--seeds", "0"], "--seeds: expected a whole number of at least 1"),
        (["--clusters", "3:2"], "--clusters: expected a number, a range"),
        (["--clusters", "2:3", "--seeds", "2"], "--clusters: expected several of one of clusters, seeds and restarts"),
        (["--out", "used"], "--out: expected a new or empty folder, got used"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2_before_tensorflow_is_used(words, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("used").mkdir()
    Path("used/file").touch()
    monkeypatch.setattr(train, "starting", None)
    assert train.main(words, "train.py") == 2
    shown = capsys.readouterr()
    assert shown.err.startswith(f"train.py: {message}")
    assert (shown.out, shown.err.count("\n")) == ("", 1)
    assert [path.name for path in tmp_path.iterdir()] == ["used"]


def test_help_fits_two_screens_and_help_all_names_every_setting(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "120")
    with pytest.raises(SystemExit):
        train.main(["--help"])
    assert len(capsys.readouterr().out.splitlines()) <= 50
    assert train.main(["--help-all"]) == 0
    shown = capsys.readouterr().out
    for name in TrainConfig.__dataclass_fields__:
        assert f"--{name.replace('_', '-')} " in shown


@pytest.mark.parametrize("share", [0.5, *(pytest.param(each, marks=pytest.mark.long) for each in (0.0, 0.9, 1.0))])
def test_a_full_disk_is_one_line_and_nothing_is_lost(share, rows, undisturbed, tmp_path, monkeypatch, capsys):
    weights, files = undisturbed
    calls, sync, out = [], os.fsync, tmp_path / "run"

    def fsync(file):
        calls.append(file)
        if len(calls) == round(share * (files - 1)) + 1:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        sync(file)

    monkeypatch.setattr(os, "fsync", fsync)
    command = ["--data", rows, *SMALL, "--quiet", "--out", str(out)]
    assert train.main(command) == 2
    monkeypatch.undo()
    shown = capsys.readouterr().err
    assert (str(out) in shown, shown.count("\n"), "No space left on device" in shown) == (True, 1, True)
    assert not [file for file in out.rglob("*") if UNFINISHED.fullmatch(file.name)]
    assert train.main(["--resume", str(out)] if (out / "config.json").exists() else command) == 0
    for mine, theirs in zip(load(out).get_weights(), weights, strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_a_signal_names_the_folder_and_the_run_goes_on(rows, undisturbed, tmp_path, monkeypatch, capsys):
    out, sync, calls = tmp_path / "run", os.fsync, []

    def fsync(file):
        calls.append(sync(file))
        if len(calls) == undisturbed[1] // 2:
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(os, "fsync", fsync)
    assert train.main(["--data", rows, *SMALL, "--quiet", "--out", str(out)]) == 143
    monkeypatch.undo()
    assert capsys.readouterr().err == f"vade-tf train: stopped by SIGTERM; vade-tf train --resume {out} continues it\n"
    assert train.main(["--resume", str(out), "--quiet"]) == 0
    for mine, theirs in zip(load(out).get_weights(), undisturbed[0], strict=True):
        np.testing.assert_array_equal(mine, theirs)
    assert train.main(["--resume", str(out)]) == 2
    assert "in which nothing is left to do" in capsys.readouterr().err
