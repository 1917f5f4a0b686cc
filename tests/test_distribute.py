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
import tensorflow as tf

from vade_tf.cli import train
from vade_tf.data import pipeline
from vade_tf.data.sparse import SparseRows
from vade_tf.errors import InputError
from vade_tf.model.vade import VaDE
from vade_tf.runs.config import TrainConfig
from vade_tf.runs.folder import Run
from vade_tf.training import cluster, distribute, loop
from vade_tf.training.settings import Settings
from vade_tf.training.store import Memory

ROOT = Path(__file__).resolve().parent.parent
DEADLINE = 120  # seconds; a busy machine fails nothing


# ----------------------------------------------------------------------------------------------- slices of a batch


def batches(x, size, slices=None, **more):
    return list(pipeline.training_batches(x, size, 3, range(2), slices=slices, **more).as_numpy_iterator())


@pytest.mark.parametrize("local", [1, 2, 4])  # devices of a process, of four
@pytest.mark.parametrize("augmented", [False, True])
def test_the_slices_of_all_devices_are_the_batch_of_one(rng, local, augmented):
    x = rng.integers(0, 256, (24, 12)).astype("u1")
    more = {"hints": np.arange(24, dtype="i4"), "image_shape": (3, 4) if augmented else None}
    whole = batches(x, 8, **more)
    parts = [batches(x, 8, pipeline.Slices(range(at, at + local), 4), **more) for at in range(0, 4, local)]
    for step, (rows, hints) in enumerate(whole):
        found = [part for process in parts for part in process[local * step : local * (step + 1)]]
        np.testing.assert_array_equal(np.concatenate([part[1] for part in found]), hints)
        for own, all_rows in zip(zip(*(tf.nest.flatten(part[0]) for part in found), strict=True), tf.nest.flatten(rows)):
            np.testing.assert_array_equal(np.concatenate(own), all_rows)
    assert all(len(process) == local * len(whole) for process in parts)


@pytest.mark.parametrize("n", [9, 10, 11])  # the last batch of 8 holds 1, 2 and 3 rows, of which four devices get one each
def test_rows_that_cannot_be_shared_evenly_are_read_twice(rng, n):
    x = rng.normal(size=(n, 2)).astype("f4")
    whole = batches(x, 8)
    parts = [batches(x, 8, pipeline.Slices(range(at, at + 1), 4)) for at in range(4)]
    assert [len(part[1]) for part in parts] == [1, 1, 1, 1]
    last = np.concatenate([part[1] for part in parts])
    np.testing.assert_array_equal(last[: len(whole[1])], whole[1])
    np.testing.assert_array_equal(last[len(whole[1]) :], np.resize(whole[1], (4, 2))[len(whole[1]) :])


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
    with pytest.raises(InputError, match="distribute: expected 13 running pods of the Job fit, got 12; look at its pods"):
        cluster.cluster()


def test_a_job_without_what_is_needed_is_told(environment, monkeypatch):
    environment(KUBERNETES_SERVICE_HOST="10.1.1.1", JOB_COMPLETION_INDEX="0", JOB_NAME="fit")
    with pytest.raises(InputError, match="needs JOB_COMPLETIONS in the environment of its pods; set them in its manif"):
        cluster.cluster()
    environment(JOB_COMPLETIONS="2")
    monkeypatch.setitem(sys.modules, "kubernetes", None)
    with pytest.raises(InputError, match="pip install kubernetes, or set TF_CONFIG"):
        cluster.cluster()
