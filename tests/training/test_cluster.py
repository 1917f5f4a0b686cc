"""Who is in a cluster, by TF_CONFIG or Slurm; and what cannot be shared among devices."""

import json

import pytest

from vade_tf.errors import InputError
from vade_tf.training import cluster, distribute

HOSTS = ["a:1", "b:1", "c:1"]


def told(hosts=None, kind="worker", index=1) -> str:
    return json.dumps(
        {
            "cluster": {"worker": HOSTS if hosts is None else hosts, "ps": ["d:1"]},
            "task": {"type": kind, "index": index},
        }
    )


def test_tf_config_names_the_workers_and_this_one(monkeypatch):
    monkeypatch.setenv("TF_CONFIG", told())
    found = cluster.find_cluster()
    assert found.cluster_spec().as_dict()["worker"] == HOSTS
    assert (found.task_type, found.task_id) == ("worker", 1)


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        "{}",
        told(index=3),
        told(kind="ps", index=0),
        told(hosts=3),
        told(kind="chief", index=0),
    ],
)
def test_a_malformed_tf_config_is_one_line(monkeypatch, text):
    monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(InputError, match="^distribute: expected TF_CONFIG") as error:
        cluster.find_cluster()
    assert "\n" not in str(error.value)


def test_a_slurm_step_names_the_workers(monkeypatch):
    step = {"PROCID": "2", "STEP_NODELIST": "n[1-2]", "STEP_NUM_TASKS": "4", "STEP_TASKS_PER_NODE": "2(x2)"}
    for name, value in step.items():
        monkeypatch.setenv(f"SLURM_{name}", value)
    monkeypatch.delenv("TF_CONFIG", raising=False)
    found = cluster.find_cluster()
    assert len(found.cluster_spec().as_dict()["worker"]) == 4


def test_without_a_cluster_multiworker_is_one_line(monkeypatch):
    for name in ("TF_CONFIG", "SLURM_STEP_NODELIST"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(InputError, match="^distribute: expected TF_CONFIG or a Slurm step"):
        cluster.strategy("multiworker")


def test_a_batch_that_devices_cannot_share_evenly_is_refused():
    class Two:
        num_replicas_in_sync = 2

    distribute.check_batch_size(Two(), 4)
    with pytest.raises(InputError, match="^batch_size: expected a multiple of the 2 devices"):
        distribute.check_batch_size(Two(), 5)
