"""Who is in a cluster, by TF_CONFIG, Slurm or Kubernetes; and what cannot be shared among devices."""

import json
import os
import sys
import types

import numpy as np
import pytest
import tensorflow as tf

from vade_tf.cli import train
from vade_tf.data import pipeline
from vade_tf.errors import InputError
from vade_tf.runs.config import TrainConfig
from vade_tf.training import cluster, distribute
from vade_tf.training.fitting import begin
from vade_tf.training.reporter import Silent
from vade_tf.training.settings import Settings
from vade_tf.training.store import Memory

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
        ({"cluster": {"worker": ["a:" + "1" * 5000]}, "task": {"type": "worker", "index": 0}}, "worker is no list of"),
        ({"cluster": {"worker": ["a:\u0661"]}, "task": {"type": "worker", "index": 0}}, "worker is no list of"),
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


@pytest.mark.parametrize(("rank", "node"), [(0, "n01"), (1, "n02"), (2, "m5"), (3, "m5")])
def test_a_slurm_step_names_the_cluster(environment, rank, node):
    """Tasks in the order in which Slurm lists their machines, each on a port of its own there."""
    environment(**STEP, SLURM_PROCID=str(rank), SLURMD_NODENAME=node)
    assert found() == ({"worker": ["n01:8888", "n02:8888", "m5:8888", "m5:8889"]}, "worker", rank)
    assert "CUDA_VISIBLE_DEVICES" not in os.environ


def test_two_jobs_on_one_machine_listen_at_ports_of_their_own(environment):
    ports = []
    for job in ("700", "701"):
        environment(**STEP, SLURM_PROCID="3", SLURM_JOB_ID=job)
        ports.append({int(address.rpartition(":")[2]) for address in found()[0]["worker"]})
    assert ports[0].isdisjoint(ports[1])
    assert all(1024 < port < 32_768 for port in set().union(*ports))  # below those that a system gives away


def test_a_port_that_is_taken_is_named(environment, monkeypatch):
    def taken(cluster):
        raise tf.errors.UnknownError(None, None, "Could not start gRPC server")

    environment(TF_CONFIG={"cluster": TWO, "task": {"type": "worker", "index": 1}})
    monkeypatch.setattr(tf.distribute, "MultiWorkerMirroredStrategy", taken)
    cluster.strategy.cache_clear()
    with pytest.raises(InputError, match=f"^distribute: {TWO['worker'][1]} is not free on this machine"):
        cluster.strategy("multiworker")


@pytest.mark.parametrize(
    "given", [{"SLURM_PROCID": "2", "SLURMD_NODENAME": "n01"}, {"SLURM_PROCID": "0", "SLURM_DISTRIBUTION": "cyclic"}]
)
def test_a_slurm_step_whose_tasks_are_dealt_out_in_turn_is_told(environment, given):
    """By every task alike: one that went on would wait an hour for the others."""
    environment(**STEP, **given)
    with pytest.raises(InputError, match="expected the tasks of a machine one after the other, .*--distribution=block"):
        cluster.cluster()


def test_tasks_of_one_machine_that_all_see_its_gpus_are_told(environment, monkeypatch):
    monkeypatch.setattr(tf.config, "get_visible_devices", lambda kind: ["one", "two"])
    environment(**STEP, SLURM_PROCID="0")  # alone on its machine
    assert found()[2] == 0
    environment(SLURM_PROCID="2")
    with pytest.raises(InputError, match="GPUs of its own for each of 2 tasks on m5, got 2 .* --gpus-per-task$"):
        cluster.cluster()
    environment(SLURM_GPUS_PER_TASK="2")
    assert found()[2] == 2


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
        def list_pod_for_all_namespaces(self, label_selector, field_selector):
            assert label_selector == "job-name=fit"
            assert field_selector == "status.phase!=Failed,status.phase!=Succeeded"  # of pods that were lost
            if "FORBIDDEN" in os.environ:
                raise Forbidden("(403) Forbidden")
            return types.SimpleNamespace(items=[pod(index) for index in range(12)])

    class Forbidden(Exception):
        """As kubernetes.client.ApiException."""

    def load():
        if "TOKENLESS" in os.environ:
            raise Forbidden("Service token file does not exist.")

    config = types.SimpleNamespace(load_incluster_config=load, ConfigException=Forbidden)
    package = types.SimpleNamespace(client=types.SimpleNamespace(CoreV1Api=Api, ApiException=Forbidden), config=config)
    for name, part in {"kubernetes": package, "kubernetes.client": package.client, "kubernetes.config": config}.items():
        monkeypatch.setitem(sys.modules, name, part)
    monkeypatch.setattr(cluster, "POLL_SECONDS", 0.0)
    environment(KUBERNETES_SERVICE_HOST="10.1.1.1", JOB_NAME="fit", JOB_COMPLETIONS="12")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (
            {"FORBIDDEN": "1"},
            r"the pods of the Job fit cannot be listed \(\(403\) Forbidden\); let its service account",
        ),
        (
            {"TOKENLESS": "1"},
            r"the Job of Kubernetes cannot be read \(Service token file .*\); give its pods a service",
        ),
        ({"JOB_COMPLETIONS": "many"}, "the Job of Kubernetes cannot be read .*'many'"),
    ],
)
def test_what_a_job_may_not_see_is_told(environment, pods, wrong, message):
    environment(JOB_COMPLETION_INDEX="0", **wrong)
    with pytest.raises(InputError, match=f"^distribute: {message}"):
        cluster.cluster()


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
        begin(rng.normal(size=(9, 4)), Settings(clusters=3, distribute="mirrored"), system="dec")
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

    fitting = begin(rng.normal(size=(60, 9)), Settings(clusters=3, distribute="mirrored"), reporter=Heard())
    assert said == ["distribute: mirrored found one device"]
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


@pytest.mark.parametrize(
    ("nodes", "each", "hosts"),
    [("n[01-02]", "1(x2)", ["n01:8888", "n02:8888"]), ("m5", "2", ["m5:8888", "m5:8889"])],
)
def test_a_step_in_which_tasks_cannot_be_dealt_out_otherwise_may_be_cyclic(environment, nodes, each, hosts):
    environment(
        SLURM_STEP_NUM_TASKS="2",
        SLURM_STEP_NODELIST=nodes,
        SLURM_STEP_TASKS_PER_NODE=each,
        SLURM_PROCID="1",
        SLURM_DISTRIBUTION="cyclic",
    )
    assert found() == ({"worker": hosts}, "worker", 1)


def test_mirrored_takes_all_gpus_and_cpus_only_where_there_is_none(monkeypatch):
    at_hand = {"GPU": ["GPU:0", "GPU:1"], "CPU": ["CPU:0"]}

    def listed(kind):
        return [types.SimpleNamespace(name=name) for name in at_hand[kind]]

    monkeypatch.setattr(tf.config, "list_logical_devices", listed)
    monkeypatch.setattr(tf.distribute, "MirroredStrategy", list)
    assert cluster.strategy.__wrapped__("mirrored") == ["GPU:0", "GPU:1"]
    at_hand["GPU"] = []
    assert cluster.strategy.__wrapped__("mirrored") == ["CPU:0"]


def test_a_cluster_knows_the_gpus_of_this_machine(environment, monkeypatch):
    monkeypatch.setattr(tf.config, "get_visible_devices", lambda kind: ["one", "two"])
    environment(TF_CONFIG={"cluster": TWO, "task": {"type": "worker", "index": 0}})
    assert cluster.cluster().num_accelerators() == {"GPU": 2}


@pytest.mark.parametrize("dealt", ["cyclic:block", "plane", "plane=2", "arbitrary"])
def test_no_way_to_deal_out_tasks_but_machine_after_machine_is_taken(environment, dealt):
    """How the cores of a machine are dealt out is another matter."""
    environment(**STEP, SLURM_PROCID="0", SLURM_DISTRIBUTION=dealt)
    with pytest.raises(InputError, match="expected the tasks of a machine one after the other, .*--distribution=block"):
        cluster.cluster()
    environment(SLURM_DISTRIBUTION="block:cyclic")
    assert found()[2] == 0
