"""`train --resume` ends with the weights of an undisturbed run, after SIGTERM and after SIGKILL."""

import os
import signal
import time

import numpy as np
import promised
import pytest

import vade_tf

LONG = f"{promised.BRIEF} --pretrain-epochs 20 --epochs 40 --no-export".split()


def stopped(running, run, lines: int, number: int) -> tuple[int, str]:
    """Send a signal once metrics.csv has so many lines; the exit code, and stderr."""
    file, end = run / "metrics.csv", time.monotonic() + 300
    while not (file.exists() and file.read_text().count("\n") >= lines):
        assert running.poll() is None, running.communicate()
        assert time.monotonic() < end
        time.sleep(0.005)
    os.kill(running.pid, number)
    err = running.communicate()[1]
    return running.returncode, err


@pytest.fixture(scope="module")
def runs(rows, tmp_path_factory):
    """Two runs of one command, one undisturbed, one stopped twice; how the other ended each time."""
    folder = tmp_path_factory.mktemp("runs")
    flags = ["--data", rows / "x.npy", "--clusters", 3, *LONG]
    undisturbed = promised.process("train.py", *flags, "--quiet", "--out", folder / "undisturbed")
    run = folder / "stopped"
    ends = [stopped(promised.process("train.py", *flags, "--out", run), run, 4, signal.SIGTERM)]
    ends.append(stopped(promised.process("train.py", "--resume", run, "--no-export"), run, 14, signal.SIGKILL))
    ends.append((run / "metrics.json").exists())
    last = promised.process("train.py", "--resume", run, "--no-export")
    assert (last.communicate(), last.returncode)[1] == 0
    assert (undisturbed.communicate(), undisturbed.returncode)[1] == 0
    return folder / "undisturbed", run, ends


def test_each_process_ends_as_readme_says(runs):
    (terminated, err), (killed, _), result = runs[2]
    assert terminated == 143
    assert err.count("\n") == 1
    assert "--resume" in err
    assert (killed, result) == (-signal.SIGKILL, False)


def test_weights_and_assignments_are_those_of_an_undisturbed_run(runs):
    undisturbed, resumed, _ = runs
    names = [{file.relative_to(run) for file in run.rglob("*")} for run in (undisturbed, resumed)]
    assert all("events" in file.name for file in names[0] ^ names[1])
    for one, two in zip(*(vade_tf.load(run).get_weights() for run in (undisturbed, resumed)), strict=True):
        np.testing.assert_array_equal(one, two)
    assert (undisturbed / "assignments.csv").read_bytes() == (resumed / "assignments.csv").read_bytes()
