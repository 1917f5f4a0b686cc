"""Several devices and machines: slices of batches, who is in a cluster, and fits that equal that of one device.

Two devices are two logical CPUs in a fresh process; two machines are two processes on the loopback.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import types
from pathlib import Path

import numpy as np
import pytest

import vade_tf
from vade_tf.cli import train
from vade_tf.data import pipeline
from vade_tf.data.shards import FileRows
from vade_tf.errors import ClusterError, InputError
from vade_tf.runs.config import TrainConfig
from vade_tf.runs.folder import Run
from vade_tf.training import cluster, distribute, loop
from vade_tf.training.reporter import Silent
from vade_tf.training.settings import Settings
from vade_tf.training.store import Memory

ROOT = Path(__file__).resolve().parent.parent
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
    more = {"hints": np.arange(24, dtype="i4"), "image_shape": (3, 4)}
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


# ------------------------------------------------------------------------------------------- clusters by environment

TWO = {"worker": ["a:1", "b:2"]}


@pytest.fixture
def environment(monkeypatch):
    """Sets the variables of a launcher, and no others that name a cluster."""
    for name in ("TF_CONFIG", *(name for name in os.environ if name.startswith(("SLURM", "KUBERNETES", "JOB_")))):
        monkeypatch.delenv(name, raising=False)

    def put(**variables):
        for name, value in variables.items():
            monkeypatch.setenv(name, value if isinstance(value, str) else json.dumps(value))

    return put


def found():
    resolver = cluster.cluster()
    return resolver.cluster_spec().as_dict(), resolver.task_type, resolver.task_id


def test_tf_config_names_the_cluster(environment):
    environment(TF_CONFIG={"cluster": {**TWO, "ps": ["c:3"]}, "task": {"type": "worker", "index": 1}})
    assert found() == (TWO, "worker", 1)
    environment(TF_CONFIG={"cluster": {"chief": ["c:3"], **TWO}, "task": {"type": "chief", "index": 0}})
    assert found() == ({"chief": ["c:3"], **TWO}, "chief", 0)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{", "no JSON"),
        ("[1]", "cluster or task is missing"),
        ({"cluster": TWO}, "cluster or task is missing"),
        ({"cluster": [], "task": {}}, "cluster or task is missing"),
        ({"cluster": {"worker": "a:1"}, "task": {"type": "worker", "index": 0}}, "worker is no list of host:port"),
        ({"cluster": {"worker": []}, "task": {"type": "worker", "index": 0}}, "worker is no list of host:port"),
        ({"cluster": {"worker": ["a"]}, "task": {"type": "worker", "index": 0}}, "worker is no list of host:port"),
        ({"cluster": {"worker": ["a:70000"]}, "task": {"type": "worker", "index": 0}}, "worker is no list of"),
        ({"cluster": TWO, "task": {"type": "ps", "index": 0}}, "task.type is 'ps', which is none of worker"),
        ({"cluster": {"ps": ["a:1"]}, "task": {"type": "ps", "index": 0}}, "task.type is 'ps', which is none of the"),
        ({"cluster": TWO, "task": {"type": "worker", "index": 2}}, "task.index is 2, of 2"),
        ({"cluster": TWO, "task": {"type": "worker", "index": -1}}, "task.index is -1, of 2"),
        ({"cluster": TWO, "task": {"type": "worker", "index": "0"}}, "task.index is '0', of 2"),
    ],
)
def test_a_malformed_tf_config_is_told(environment, text, why):
    environment(TF_CONFIG=text)
    with pytest.raises(InputError, match=r"^distribute: TF_CONFIG is malformed, ") as error:
        cluster.cluster()
    assert why in str(error.value)
    assert "expected {" in str(error.value)


STEP = {"SLURM_STEP_NUM_TASKS": "4", "SLURM_STEP_NODELIST": "n[01-02],m5", "SLURM_STEP_TASKS_PER_NODE": "1(x2),2"}


@pytest.mark.parametrize(("rank", "node"), [(0, "m5"), (1, "m5"), (2, "n01"), (3, "n02")])
def test_a_slurm_step_names_the_cluster(environment, rank, node):
    """Tasks in the order of their machines' names, each on a port of its own there."""
    environment(**STEP, SLURM_PROCID=str(rank), SLURMD_NODENAME=node)
    assert found() == ({"worker": ["m5:8888", "m5:8889", "n01:8888", "n02:8888"]}, "worker", rank)
    assert "CUDA_VISIBLE_DEVICES" not in os.environ


def test_a_slurm_step_whose_tasks_lie_elsewhere_than_tensorflow_thinks_is_told(environment):
    environment(**STEP, SLURM_PROCID="0", SLURMD_NODENAME="n01")
    with pytest.raises(InputError, match="expected task 0 of the Slurm step on m5, got n01; list the machines in the"):
        cluster.cluster()


@pytest.mark.parametrize("wrong", [{"SLURM_STEP_TASKS_PER_NODE": "x"}, {"SLURM_STEP_NUM_TASKS": "x"}, {}])
def test_a_slurm_step_that_cannot_be_read_is_told(environment, wrong):
    environment(**STEP, **({"SLURM_PROCID": "0"} if wrong else {}))
    environment(**wrong)
    with pytest.raises(InputError, match="distribute: the variables of the Slurm step cannot be used"):
        cluster.cluster()


@pytest.fixture
def pods(environment, monkeypatch):
    """A Job of Kubernetes of twelve pods, each on a machine of its own; the first look at them finds one starting."""
    phases = iter(["Pending"])

    def pod(index):
        status = types.SimpleNamespace(phase="Running" if index else next(phases, "Running"), host_ip=f"10.0.0.{index}")
        return types.SimpleNamespace(metadata=types.SimpleNamespace(name=f"fit-{index}-x{index % 3}z"), status=status)

    class Api:
        def list_pod_for_all_namespaces(self, label_selector):
            assert label_selector == "job-name=fit"
            return types.SimpleNamespace(items=[pod(index) for index in range(12)])

    config = types.SimpleNamespace(load_incluster_config=lambda: None)
    package = types.SimpleNamespace(client=types.SimpleNamespace(CoreV1Api=Api), config=config)
    for name, part in {"kubernetes": package, "kubernetes.client": package.client, "kubernetes.config": config}.items():
        monkeypatch.setitem(sys.modules, name, part)
    monkeypatch.setattr(cluster, "POLL_SECONDS", 0.0)
    environment(KUBERNETES_SERVICE_HOST="10.1.1.1", JOB_NAME="fit", JOB_COMPLETIONS="12")


@pytest.mark.parametrize("index", [0, 1, 2, 10, 11])
def test_the_pods_of_a_job_are_the_cluster_once_all_of_them_run(environment, pods, index):
    environment(JOB_COMPLETION_INDEX=str(index))
    workers, kind, task = found()
    assert (kind, workers["worker"][task]) == ("worker", f"10.0.0.{index}:8888")
    assert len(workers["worker"]) == 12


def test_pods_that_do_not_run_in_time_are_told(environment, pods, monkeypatch):
    environment(JOB_COMPLETION_INDEX="0", JOB_COMPLETIONS="13")
    monkeypatch.setattr(cluster, "PODS_SECONDS", 0.05)
    with pytest.raises(
        InputError, match="distribute: expected 13 running pods of the Job fit, got 12; look at its pods"
    ):
        cluster.cluster()


def test_a_job_without_what_is_needed_is_told(environment, monkeypatch):
    environment(KUBERNETES_SERVICE_HOST="10.1.1.1", JOB_COMPLETION_INDEX="0", JOB_NAME="fit")
    with pytest.raises(InputError, match="needs JOB_COMPLETIONS in the environment of its pods; set them in its manif"):
        cluster.cluster()
    environment(JOB_COMPLETIONS="2")
    monkeypatch.setitem(sys.modules, "kubernetes", None)
    with pytest.raises(InputError, match="pip install kubernetes, or set TF_CONFIG"):
        cluster.cluster()


# ------------------------------------------------------------------------------------------------ what is refused


def test_without_a_cluster_multiworker_is_one_line(environment, tmp_path, capsys):
    np.save(tmp_path / "rows.npy", np.eye(6, dtype="f4"))
    flags = ["--data", str(tmp_path / "rows.npy"), "--clusters", "2", "--out", str(tmp_path / "run")]
    assert train.main([*flags, "--distribute", "multiworker"]) == 2
    out, said = capsys.readouterr()
    assert out == ""
    assert said == (
        "vade-tf train: --distribute: multiworker needs TF_CONFIG, a Slurm step (srun) or an Indexed Job of "
        "Kubernetes, and the environment has none; set TF_CONFIG on every machine, or use --distribute mirrored for "
        "one\n"
    )
    environment(TF_CONFIG="{")
    assert train.main([*flags, "--distribute", "multiworker"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("vade-tf train: --distribute: TF_CONFIG is malformed, no JSON")
    assert said.count("\n") == 1
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("study", [["--seeds", "2"], ["--restarts", "2"], ["--clusters", "2:3"]])
def test_several_workers_train_one_run(study, capsys):
    assert train.main(["--clusters", "3", *study, "--distribute", "multiworker"]) == 2
    assert capsys.readouterr().err.startswith("vade-tf train: --distribute: multiworker trains one run; ")


def test_other_systems_and_xla_do_not_share_batches(rng):
    for name in ("dec", "kmeans", "gmvae"):
        with pytest.raises(InputError, match=f"^distribute: expected model='vade', .* got '{name}'"):
            TrainConfig(model=name, clusters=3, distribute="mirrored")
    with pytest.raises(InputError, match="^distribute: expected 'none', several devices train VaDE alone"):
        loop.begin(rng.normal(size=(9, 4)), Settings(clusters=3, distribute="mirrored"), system="dec")
    for name in ("mirrored", "multiworker"):
        with pytest.raises(InputError, match="^jit: XLA cannot compile a step that devices share; use jit='off'"):
            Settings(clusters=3, distribute=name, jit="on")
    with pytest.raises(InputError, match="^distribute: expected one of none, mirrored, multiworker, got 'two'"):
        Settings(clusters=3, distribute="two")


def test_a_cluster_is_joined_before_tensorflow_uses_a_device(environment):
    """Here it was used long ago."""
    environment(TF_CONFIG={"cluster": TWO, "task": {"type": "worker", "index": 0}})
    with pytest.raises(InputError, match="joins its cluster before TensorFlow uses a device, and it was used already"):
        cluster.strategy("multiworker")


def test_one_device_is_told_and_trains_as_without(rng):
    said = []

    class Heard(Silent):
        def say(self, text):
            said.append(text)

    fitting = loop.begin(rng.normal(size=(60, 9)), Settings(clusters=3, distribute="mirrored"), reporter=Heard())
    assert said == ["distribute: mirrored found one device, which trains as without it"]
    assert (fitting.jit, distribute.workers(fitting.strategy), distribute.chief(fitting.strategy)) == (False, 1, True)
    assert distribute.slices(fitting.strategy) == pipeline.Slices()
    assert isinstance(fitting.store, Memory)


def test_every_device_needs_the_same_number_of_rows():
    devices = types.SimpleNamespace(num_replicas_in_sync=3)
    distribute.check(devices, 255)
    with pytest.raises(InputError, match="batch_size: expected a multiple of the 3 devices .* 256; use batch_size=255"):
        distribute.check(devices, 256)
    with pytest.raises(InputError, match="got 2; use batch_size=3"):
        distribute.check(devices, 2)


# ---------------------------------------------------------------------------------------------- what the chief tells


@pytest.fixture
def wire(monkeypatch):
    """What the chief adds to a sum, in turn, and the other worker reads there."""
    sent = []

    def summed(strategy, numbers):
        if strategy == "chief":
            sent.append(numbers)
            return numbers
        assert not numbers.any()
        assert numbers.shape == sent[0].shape
        return sent.pop(0)

    monkeypatch.setattr(distribute, "_summed", summed)
    monkeypatch.setattr(distribute, "CHUNK", 64)
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


def test_a_chief_that_fails_tells_so(wire):
    with pytest.raises(ZeroDivisionError):
        distribute.from_chief("chief", lambda: 1 / 0)
    with pytest.raises(ClusterError, match="the chief has stopped; its own message says why"):
        distribute.from_chief("worker", dict)


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
# the same fit on one device and on two
MIRRORED = """
import sys, numpy as np, tensorflow as tf
two = [tf.config.LogicalDeviceConfiguration()] * 2
tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], two)
import vade_tf
x = np.load(sys.argv[1])
for name in ("none", "mirrored"):
    found = vade_tf.fit(x, vade_tf.Settings(**SETTINGS, distribute=name))
    assert not found.model.weights[0].value.__class__.__name__.startswith("Mirrored")
    loss = [row["loss"] for row in found.history]
    np.savez(f"{sys.argv[2]}/{name}.npz", loss, *found.model.get_weights())
"""
# a worker that is killed in the third epoch of VaDE, after its second batch
KILLED = """
import os, signal, sys, keras
from vade_tf.cli.train import main
batches, told = iter(range(1, 100)), keras.callbacks.CallbackList.on_train_batch_end
def on_train_batch_end(self, *arguments):
    told(self, *arguments)
    if next(batches) == 2 * 3 + 2 * 3 + 2:
        os.kill(os.getpid(), signal.SIGKILL)
keras.callbacks.CallbackList.on_train_batch_end = on_train_batch_end
main(sys.argv[1:])
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
    """Chief and worker of `train.py`; `second`: code of the worker's program instead."""
    sockets = [socket.socket() for _ in range(2)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    hosts = [f"127.0.0.1:{each.getsockname()[1]}" for each in sockets]
    for each in sockets:
        each.close()
    programs = [[ROOT / "train.py"], [ROOT / "train.py"] if second is None else ["-c", second]]
    return [
        started(program, *flags, TF_CONFIG=json.dumps({"cluster": {"worker": hosts}, "task": task}))
        for program, task in zip(programs, [{"type": "worker", "index": i} for i in range(2)], strict=True)
    ]


def ended(*processes):
    """(exit code, stdout, stderr) of each."""
    said = [process.communicate(timeout=DEADLINE) for process in processes]
    return [(process.returncode, *each) for process, each in zip(processes, said, strict=True)]


def arrays(file):
    with np.load(file) as found:
        return [found[f"arr_{i}"] for i in range(len(found.files))]


def test_a_fit_is_the_same_on_one_device_on_two_and_on_two_machines_one_of_which_is_killed(images, tmp_path, started):
    flags = ["--data", images, *FLAGS, "--distribute", "multiworker", "--no-export"]
    cut = two_workers(started, *flags, "--out", tmp_path / "cut", second=KILLED)
    code = MIRRORED.replace("**SETTINGS", f"**{SETTINGS!r}")
    mirrored = started(["-c", code], images, tmp_path)  # while the chief has yet to notice

    cut[1].wait(DEADLINE)
    killed = time.monotonic()
    ((code, _, said),) = ended(cut[0])
    assert time.monotonic() - killed < 30
    assert code == 75
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
    none, two = arrays(tmp_path / "none.npz"), arrays(tmp_path / "mirrored.npz")
    machines = [np.array(rows[0]), *weights[0]]
    assert len(none[0]) == 6
    for one, on_two, on_machines in zip(none, two, machines, strict=True):
        np.testing.assert_allclose(on_two, one, rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(on_machines, on_two, rtol=1e-6, atol=1e-6)
