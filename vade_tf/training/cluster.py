"""Which devices train together: a `tf.distribute.Strategy` from the setting `distribute` and the environment.

`multiworker` reads the cluster from TF_CONFIG, or from the variables of a Slurm step, by TensorFlow's own resolvers.
TensorFlow lets a process join a cluster only before it has used a device.
"""

import functools
import os

import tensorflow as tf

from vade_tf.errors import ClusterError, InputError, cited

FORM = '{"cluster": {"worker": ["host:port", ...]}, "task": {"type": "worker", "index": 0}}'


@functools.cache
def strategy(name: str) -> tf.distribute.Strategy | None:
    """The strategy of a setting `distribute`, one a process; None for "none".

    Args:
        name: "none"; "mirrored", all devices of this machine: its GPUs, or its CPUs where there is none;
            "multiworker", those of every machine of the cluster that the environment names. It waits for the others.

    Raises:
        InputError: there is no cluster, what the environment says of one is malformed, or TensorFlow was used before.
        ClusterError: the other workers cannot be reached.
    """
    if name == "none":
        return None
    if name == "mirrored":
        devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
        return tf.distribute.MirroredStrategy([device.name for device in devices])
    resolver = find_cluster()
    try:
        return tf.distribute.MultiWorkerMirroredStrategy(resolver)
    except RuntimeError as error:
        hint = "call vade_tf.training.cluster.strategy('multiworker') right after the imports"
        raise InputError("distribute", "a process that can join its cluster", cited(error), hint) from error
    except tf.errors.OpError as error:
        raise ClusterError(f"distribute: the workers do not find each other ({cited(error)})") from error


def find_cluster() -> tf.distribute.cluster_resolver.ClusterResolver:
    """The cluster that the environment names, and the place of this process in it.

    Raises:
        InputError: it names none, or what it says is malformed.
    """
    resolvers = tf.distribute.cluster_resolver
    try:
        if os.environ.get("TF_CONFIG"):
            found = resolvers.TFConfigClusterResolver()
            if found.task_type not in ("chief", "worker"):
                raise ValueError(f"a task {found.task_type}, which trains nothing")
            found.cluster_spec().task_address(found.task_type, found.task_id)
            return found
        if "SLURM_STEP_NODELIST" in os.environ:
            tasks = int(os.environ["SLURM_STEP_NUM_TASKS"])  # bounds the ports of a machine
            return resolvers.SlurmClusterResolver(gpus_per_node=tasks, gpus_per_task=1, auto_set_gpu=False)
    except (AttributeError, KeyError, RuntimeError, TypeError, ValueError) as error:
        raise InputError("distribute", f"TF_CONFIG as in {FORM}, or a Slurm step", cited(error)) from error
    raise InputError("distribute", "TF_CONFIG or a Slurm step for multiworker", "neither", "or set it to mirrored")
