"""Several devices and machines: slices of batches, what the chief tells, and fits that equal that of one device.

Two devices are two logical CPUs in a fresh process; two machines are two processes on the loopback.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas
import pytest

import vade_tf
from vade_tf.data import pipeline
from vade_tf.data.rows import FileRows
from vade_tf.errors import InputError
from vade_tf.runs import assignments
from vade_tf.runs import train as results
from vade_tf.runs.folder import Run
from vade_tf.training import distribute
from vade_tf.training.store import Memory

ROOT = Path(__file__).resolve().parents[2]
DEADLINE = 300  # seconds; a busy machine fails nothing


# ----------------------------------------------------------------------------------------------- slices of a batch


def batches(x, size, slices=None, **more):
    return list(pipeline.training_batches(x, size, 3, range(1), slices=slices, **more).as_numpy_iterator())


@pytest.mark.parametrize("in_file", [False, True])
@pytest.mark.parametrize("local", [2, 4])  # devices of a process, of four
def test_the_slices_of_all_devices_are_the_batch_of_one(rng, local, in_file, tmp_path):
    x = rng.integers(0, 256, (24, 12)).astype("u1")
    if in_file:
        np.save(tmp_path / "x.npy", x)
        x = FileRows.open(tmp_path / "x.npy")
    more = {"beside": [np.arange(24, dtype="i4")], "augmentation": pipeline.Augmentation((3, 4))}
    whole = batches(x, 8, **more)
    parts = [batches(x, 8, pipeline.Slices(range(at, at + local), 4), **more) for at in range(0, 4, local)]
    for step, (rows, hints) in enumerate(whole):
        found = [part for process in parts for part in process[local * step : local * (step + 1)]]
        np.testing.assert_array_equal(np.concatenate([part[1] for part in found]), hints)
        for which in (0, 1):  # augmented, and as they are
            np.testing.assert_array_equal(np.concatenate([part[0][which] for part in found]), rows[which])
    assert all(len(process) == local * len(whole) for process in parts)


@pytest.mark.parametrize(("rows", "read"), [(9, [0, 0, 0, 0]), (11, [0, 1, 2, 0]), (13, [0, 1, 2, 3, 4, 0, 1, 2])])
def test_rows_that_cannot_be_shared_evenly_are_read_twice(rng, rows, read):
    x = rng.normal(size=(rows, 2)).astype("f4")
    last = batches(x, 8)[1]
    parts = batches(x, 8, pipeline.Slices(range(4), 4))[4:]
    assert [len(part) for part in parts] == [len(read) // 4] * 4  # each device the same number
    np.testing.assert_array_equal(np.concatenate(parts), last[read])


# ---------------------------------------------------------------------------------------------- what the chief tells


@pytest.fixture
def wire(monkeypatch):
    """What the chief adds to a sum, in turn, and the other worker reads there."""
    sent = []

    def summed(strategy, numbers):
        assert numbers.size  # a sum of nothing ends TensorFlow's process
        if strategy == "chief":
            sent.append(numbers)
            return numbers
        assert not numbers.any()
        assert numbers.shape == sent[0].shape
        return sent.pop(0)

    monkeypatch.setattr(distribute, "_sum", summed)
    monkeypatch.setattr(distribute, "workers", lambda strategy: 2)
    monkeypatch.setattr(distribute, "chief", lambda strategy: strategy == "chief")
    return sent


@pytest.mark.parametrize(
    "found",
    [None, {}, {"a": np.array([-0.0, np.nan, np.inf, 1e-40], "f4"), "b": np.array("text")}, {"a": np.arange(100_003)}],
)
def test_what_the_chief_finds_arrives_bit_for_bit(wire, found):
    assert distribute.from_chief("chief", lambda: found) is found
    heard = distribute.from_chief("worker", lambda: pytest.fail("only the chief is asked"))
    assert wire == []
    if found is None:
        assert heard is None
    else:
        assert {name: (part.dtype, part.tobytes()) for name, part in heard.items()} == {
            name: (part.dtype, part.tobytes()) for name, part in found.items()
        }


def test_only_the_chief_keeps_and_all_find_it(wire):
    kept, other = Memory(), Memory()
    chief, worker = distribute.Shared("chief", kept), distribute.Shared("worker", other)
    for store in (chief, worker):
        store.save("state", {"a": np.arange(3)})
        store.save_rows([{"phase": "fit"}], 1)
    assert (list(kept.kept), list(other.kept)) == (["state"], [])
    chief.load("state")
    np.testing.assert_array_equal(worker.load("state")["a"], np.arange(3))
    chief.load("groups")
    assert worker.load("groups") is None


def test_a_batch_that_devices_cannot_share_evenly_is_refused():
    class Two:
        num_replicas_in_sync = 2

    distribute.check_batch_size(Two(), 4)
    distribute.check_batch_size(None, 5)
    with pytest.raises(InputError, match="^batch_size: expected a multiple of the 2 devices"):
        distribute.check_batch_size(Two(), 5)


# ----------------------------------------------------------------------------------------- two devices, two machines

SETTINGS = {
    "clusters": 3, "likelihood": "gaussian", "hidden": (16, 8), "latent_dim": 2, "batch_size": 50, "pretrain_epochs": 2,
    "epochs": 4, "regroups": 1, "init": "kmeans", "precision": "float32", "learning_rate": 0.01, "validation_rows": 0,
}  # fmt: skip
FLAGS = [
    word
    for name, value in SETTINGS.items()
    for word in (f"--{name.replace('_', '-')}", ",".join(map(str, value)) if isinstance(value, tuple) else str(value))
]
# rows stay in their file, a start reads 90 of them, and workers score 25 at a time
LARGE = """
import sys
from vade_tf.cli.command import hushed
with hushed():
    from vade_tf.data import rows
    from vade_tf.runs import assignments
    from vade_tf.training import partitions
rows.MAX_SHARE, partitions.MAX_ROWS_READ, assignments.MAX_ROWS_TOGETHER = 0, 90, 25
"""
TRAIN = f"""{LARGE}
import runpy
sys.argv[0] = {str(ROOT / "train.py")!r}
runpy.run_path(sys.argv[0], run_name="__main__")
"""
# the same fit on one device and on two
MIRRORED = f"""{LARGE}
import numpy as np, tensorflow as tf
two = [tf.config.LogicalDeviceConfiguration()] * 2
tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], two)
import vade_tf
x = np.load(sys.argv[1], mmap_mode="r")
for name in ("none", "mirrored"):
    found = vade_tf.fit(x, vade_tf.Settings(**{SETTINGS!r}, distribute=name))
    assert not found.model.weights[0].value.__class__.__name__.startswith("Mirrored")
    loss = [row["loss"] for row in found.history]
    np.savez(f"{{sys.argv[2]}}/{{name}}.npz", loss, *found.model.get_weights())
"""
# a worker that is killed in the third epoch of VaDE, after its second batch
KILLED = f"""{LARGE}
import os, signal, keras
from vade_tf.runs.config import TrainConfig
from vade_tf.runs.train import train
class Killer(keras.callbacks.Callback):
    batches = iter(range(1, 100))
    def on_train_batch_end(self, batch, logs=None):
        if next(self.batches) == 2 * 3 + 2 * 3 + 2:
            os.kill(os.getpid(), signal.SIGKILL)
train(TrainConfig(data=sys.argv[2], clusters=3, distribute="multiworker"), "nowhere", extra=[Killer()])
"""


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    r, y = np.random.default_rng(0), np.arange(120) % 3
    file = tmp_path_factory.mktemp("images") / "images.npy"
    np.save(file, (255 * np.kron(np.eye(3), np.ones(12))[y] * r.random((120, 36))).astype("u1").reshape(120, 6, 6))
    return file


@pytest.fixture
def started():
    """Starts a fresh process; none is left when the test ends."""
    processes = []

    def start(program, *arguments, **variables):
        processes.append(process(program, *arguments, **variables))
        return processes[-1]

    yield start
    for each in processes:
        with each:  # closes its pipes and waits
            each.kill()


def process(program, *arguments, **variables):
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("TF_CONFIG", "SLURM"))}
    environment |= {"PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": "-1", **variables}
    command = [sys.executable, *program, *map(str, arguments)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def two_workers(started, *flags, second=None):
    """Chief and worker of `train.py`; `second`: the worker's program instead."""
    sockets = [socket.socket() for _ in range(2)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    hosts = [f"127.0.0.1:{each.getsockname()[1]}" for each in sockets]
    for each in sockets:
        each.close()
    programs = [TRAIN, second or TRAIN]
    return [
        started(["-c", program], *flags, TF_CONFIG=json.dumps({"cluster": {"worker": hosts}, "task": task}))
        for program, task in zip(programs, [{"type": "worker", "index": i} for i in range(2)], strict=True)
    ]


def ended(*processes):
    """(exit code, stdout, stderr) of each."""
    said = [process.communicate(timeout=DEADLINE) for process in processes]
    return [(process.returncode, *each) for process, each in zip(processes, said, strict=True)]


def arrays(file):
    with np.load(file) as found:
        return [found[f"arr_{i}"] for i in range(len(found.files))]


@pytest.mark.long
def test_a_fit_is_the_same_on_one_device_on_two_and_on_two_machines_one_of_which_is_killed(images, tmp_path, started):
    flags = ["--data", images, *FLAGS, "--distribute", "multiworker", "--no-export"]
    cut = two_workers(started, *flags, "--out", tmp_path / "cut", second=KILLED)
    mirrored = started(["-c", MIRRORED], images, tmp_path)  # while the chief has yet to notice

    cut[1].wait(DEADLINE)
    killed = time.monotonic()
    ((code, _, said),) = ended(cut[0])
    assert time.monotonic() - killed < 30
    assert code == 75, said
    line = "train.py: --distribute: another worker has stopped, and so do all; its own message says why, else start "
    assert said == f"{line}all again; python train.py --resume {tmp_path / 'cut'} continues it\n"
    assert cut[1].returncode == -signal.SIGKILL
    state = json.loads(str(Run.open(tmp_path / "cut").load("state")["meta"]))
    assert (state["phase"], state["epoch"] < 3) == ("fit", True)  # the third was under way

    assert ended(mirrored)[0][0] == 0
    whole = ended(*two_workers(started, *flags, "--out", tmp_path / "whole"))
    again = ended(*two_workers(started, "--resume", tmp_path / "cut", "--no-export"))
    for code, _, said in (*whole, *again):
        assert (code, said) == (0, "")
    assert "VaDE" in whole[0][1]
    assert whole[1][1] == "one of 2 workers; the chief tells of the training and writes the run\n"

    weights = [vade_tf.load(tmp_path / name).get_weights() for name in ("whole", "cut")]
    for one, other in zip(*weights, strict=True):
        np.testing.assert_array_equal(one, other)  # bit for bit
    rows = [[row["loss"] for row in Run.open(tmp_path / name).load_rows()] for name in ("whole", "cut")]
    assert rows[0] == rows[1]
    model, x = vade_tf.load(tmp_path / "whole"), np.load(images).reshape(120, 36)
    written = pandas.read_csv(tmp_path / "whole" / "assignments.csv")
    expected = assignments.found(model, x, lambda done, text: None)
    pandas.testing.assert_frame_equal(written.drop(columns="row"), expected, rtol=1e-4, check_dtype=False)
    scored = Run.open(tmp_path / "whole").metrics
    for name, mean in results.means(model, x).items():
        if name in scored:
            assert scored[name] == pytest.approx(mean, rel=1e-5)
    none, two = arrays(tmp_path / "none.npz"), arrays(tmp_path / "mirrored.npz")
    machines = [np.array(rows[0]), *weights[0]]
    assert len(none[0]) == 6
    for one, on_two, on_machines in zip(none, two, machines, strict=True):
        np.testing.assert_allclose(on_two, one, rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(on_machines, on_two, rtol=1e-6, atol=1e-6)
