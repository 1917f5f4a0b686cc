"""What a machine does to a run: full disks, kills, signals, other processes. Nothing is lost, and one line says it."""

import errno
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from vade_tf.cli import train
from vade_tf.data.observing import build
from vade_tf.errors import InputError, StorageError
from vade_tf.model.vade import VaDE
from vade_tf.report import files
from vade_tf.runs.config import TrainConfig
from vade_tf.runs.folder import Run
from vade_tf.runs.load import load
from vade_tf.runs.places import LOCK, held
from vade_tf.runs.tensorboard import Board, Views
from vade_tf.writing import UNFINISHED, sweep, whole, whole_path

pytestmark = pytest.mark.usefixtures("eager_file")

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def flags(tmp_path_factory):
    """A run of a second: its flags without --out."""
    file = tmp_path_factory.mktemp("rows") / "x.npy"
    np.save(file, np.random.default_rng(0).normal(size=(60, 5)).astype("f4"))
    small = ["--hidden", "8", "--pretrain-epochs", "1", "--epochs", "2", "--init", "kmeans"]
    return ["--data", str(file), "--clusters", "3", "--quiet", *small]


@pytest.fixture(scope="module")
def undisturbed(flags, tmp_path_factory):
    """Weights of that run, and how many files were made sure of on disk."""
    out, count = tmp_path_factory.mktemp("undisturbed") / "run", []
    with pytest.MonkeyPatch.context() as patch:
        sync = os.fsync
        patch.setattr(os, "fsync", lambda file: (count.append(file), sync(file)))
        assert train.main([*flags, "--out", str(out)]) == 0
    return load(out).get_weights(), len(count)


def full_at(number):
    """An os.fsync that finds the disk full at one of its calls."""
    calls, sync = [], os.fsync

    def fsync(file):
        calls.append(file)
        if len(calls) == number + 1:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        sync(file)

    return fsync


@pytest.mark.parametrize("share", [0.5, *(pytest.param(each, marks=pytest.mark.long) for each in (0.0, 0.9, 1.0))])
def test_a_full_disk_is_one_line_and_nothing_is_lost(share, flags, undisturbed, tmp_path, monkeypatch, capsys):
    weights, files = undisturbed
    out = tmp_path / "run"
    monkeypatch.setattr(os, "fsync", full_at(round(share * (files - 1))))
    assert train.main([*flags, "--out", str(out)]) == 2
    monkeypatch.undo()
    said = capsys.readouterr().err
    assert f"{out}" in said
    assert said.count("\n") == 1
    assert "No space left on device" in said
    assert "MB are free there); " in said
    assert not list(out.rglob(f"*{UNFINISHED}"))
    if not (out / "config.json").exists():
        assert said.endswith("nothing was written\n")
        assert train.main([*flags, "--out", str(out)]) == 0
    else:
        assert said.endswith(f"vade-tf train --resume {out} continues it\n")
        assert train.main(["--resume", str(out), "--quiet"]) == 0
    for found, expected in zip(load(out).get_weights(), weights, strict=True):
        np.testing.assert_array_equal(found, expected)


def test_a_folder_that_is_gone_is_one_line(flags, tmp_path, capsys):
    (tmp_path / "file").touch()
    assert train.main([*flags, "--out", str(tmp_path / "file" / "run")]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert f"{tmp_path}/file/run cannot be written (Not a directory" in said


def test_what_another_library_could_not_write_leaves_nothing(tmp_path):
    def write():
        with whole_path(tmp_path / "model") as place:
            place.write_bytes(b"half")
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(
        StorageError, match=r"model cannot be written \(No space left on device, [\d,]+ MB are free there"
    ):
        write()
    assert not list(tmp_path.iterdir())


def test_a_disk_that_is_full_while_tensorboard_is_written_is_no_traceback(small_model, tmp_path, monkeypatch):
    """TensorFlow writes its event files itself, and says so in errors of its own."""

    def full(*arguments, **more):
        raise tf.errors.ResourceExhaustedError(None, None, "No space left on device")

    board = Board(Run(tmp_path, TrainConfig(clusters=2)))
    views = Views(board, build(np.zeros((4, 12), "f4"), None, "x", "memory"), 0, 1)
    views.set_model(small_model())
    for at in ("histogram", "create_file_writer"):
        monkeypatch.setattr(tf.summary, at, full)
        with pytest.raises(StorageError, match=r"tensorboard cannot be written \(No space left on device"):
            views.on_epoch_end(0, {"loss": 1.0})
    with pytest.raises(StorageError, match=r"tensorboard cannot be written \(No space left on device"):
        board.save_rows([{"phase": "pretrain", "epoch": 1, "loss": 1.0, "seconds": 0.1}], 1)


def test_a_memory_that_is_full_is_not_the_disk(small_model, tmp_path, monkeypatch):
    model = small_model()

    def full(*_):  # TensorFlow itself looks for the memory for ten seconds before it says so
        raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor with shape[10000000,10000000]")

    monkeypatch.setattr(VaDE, "encode", full)
    views = Views(Board(Run(tmp_path, TrainConfig(clusters=2))), build(np.zeros((4, 12), "f4"), None, "x", "m"), 0, 1)
    with pytest.raises(tf.errors.ResourceExhaustedError, match="OOM"):
        views.write(model, 1)


def test_all_files_of_a_folder_are_on_the_disk_before_it_has_its_name(tmp_path, monkeypatch):
    seen, sync = [], os.fsync
    monkeypatch.setattr(
        os, "fsync", lambda file: (seen.append(str(Path(f"/proc/self/fd/{file}").readlink())), sync(file))
    )
    with whole_path(tmp_path / "model") as place:
        (place / "variables").mkdir(parents=True)
        for name in ("saved_model.pb", "variables/data"):
            (place / name).write_bytes(b"x")
    assert {Path(name).name for name in seen} == {"saved_model.pb", "data"}
    assert not any(name.startswith(str(tmp_path / "model")) for name in seen)


def test_what_a_kill_left_is_swept_away_and_nothing_else(tmp_path):
    with whole(tmp_path / "mine"):
        (file,) = tmp_path.iterdir()
    (tmp_path / "mine").unlink()
    with whole_path(tmp_path / "mine") as place:
        (folder,) = tmp_path.iterdir()
        place.mkdir()
    (tmp_path / "mine").rmdir()
    file.touch()
    folder.mkdir()
    mine = {"mine", *(f".{name}{UNFINISHED}" for name in ("mine", "12345678", "x" * 16, "0" * 17))}
    for name in mine:
        (tmp_path / name).mkdir()
    (tmp_path / f".{'3' * 16}{UNFINISHED}").symlink_to(tmp_path / "mine")
    (tmp_path / "mine" / "a").touch()
    sweep(tmp_path)
    assert {file.name for file in tmp_path.iterdir()} == mine
    assert (tmp_path / "mine" / "a").exists()


def test_a_run_in_use_is_refused_and_free_again_after(flags, tmp_path, capsys):
    out = tmp_path / "run"
    with held(out, "out", new=True):
        assert train.main([*flags, "--out", str(out)]) == 2
        assert capsys.readouterr().err == (
            f"vade-tf train: --out: {out} is in use by another process; wait for it, or choose another folder\n"
        )
        assert [file.name for file in out.iterdir()] == [LOCK]
    assert train.main([*flags, "--out", str(out)]) == 0
    assert (out / "metrics.json").exists()


@pytest.mark.parametrize("place", ["checkpoints", "export", "tensorboard", "tensorboard/vade", "figures"])
def test_nothing_is_written_or_cleared_where_a_link_in_a_run_leads(tmp_path, place):
    link, other = tmp_path / "run" / place, tmp_path / "other"
    other.mkdir()
    (other / f".mine{UNFINISHED}").touch()
    link.parent.mkdir(parents=True)
    link.symlink_to(other)
    said = pytest.raises(InputError, match=f"^resume: expected a folder of the run, got a link at {link}; remove it")
    with said, held(tmp_path / "run", "resume"):
        pass
    assert list(other.iterdir()) == [other / f".mine{UNFINISHED}"]
    if place == "figures":
        with pytest.raises(InputError, match="figures cannot be written .it is a link.; move it away"):
            files.prepare(tmp_path / "run", [tmp_path / "run"])


def test_of_two_that_make_a_folder_at_once_one_wins(tmp_path):
    winners, losers = [], []

    def make(number, out, ready, over):
        ready.wait()
        try:
            with held(out, "out", new=True):
                winners.append(number)
                over.wait()
        except InputError as error:
            losers.append(str(error))
            over.wait()

    for number in range(30):
        ready, over = threading.Barrier(2), threading.Barrier(2)
        threads = [threading.Thread(target=make, args=(number, tmp_path / str(number), ready, over)) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert winners == list(range(30))
    assert len(losers) == 30
    assert all("is in use by another process" in error for error in losers)


@pytest.mark.parametrize(("number", "word"), [(signal.SIGINT, "stopped"), (signal.SIGTERM, "terminated")])
def test_a_signal_in_the_first_second_is_one_line(number, word):
    slow = f"from vade_tf.cli.signals import at_once\nimport os, time\nwith at_once():\n os.kill(os.getpid(), {number})"
    ended = subprocess.run(
        [sys.executable, "-c", f"{slow}\n time.sleep(600)"], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert ended.returncode == 128 + number
    assert ended.stderr == f"-c: {word} before anything was written\n"


def test_sigterm_names_the_folder_and_the_run_goes_on(flags, undisturbed, tmp_path, monkeypatch, capsys):
    out = tmp_path / "run"
    with monkeypatch.context() as patch:
        patch.setattr(Views, "on_epoch_end", lambda *_: signal.raise_signal(signal.SIGTERM))
        assert train.main([*flags, "--out", str(out)], "train.py") == 143
    assert capsys.readouterr().err == f"train.py: terminated; python train.py --resume {out} continues it\n"
    assert not list(out.rglob(f"*{UNFINISHED}"))
    assert train.main(["--resume", str(out), "--quiet"]) == 0
    for mine, theirs in zip(load(out).get_weights(), undisturbed[0], strict=True):
        np.testing.assert_array_equal(mine, theirs)


@pytest.mark.long
def test_sigterm_ends_a_process_of_its_own_at_any_moment(flags, tmp_path):
    out = tmp_path / "run"
    loud = [flag for flag in flags if flag != "--quiet"]
    endless = [*loud, "--out", str(out), "--epochs", "100000", "--guide-epochs", "0"]
    with subprocess.Popen(
        [sys.executable, "train.py", *endless], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as running:
        while "VaDE" not in running.stdout.readline():
            pass
        running.terminate()
        said = running.stderr.read()
        running.stdout.read()
    assert running.returncode == 143
    assert said == f"train.py: terminated; python train.py --resume {out} continues it\n"
    assert not list(out.rglob(f"*{UNFINISHED}"))
