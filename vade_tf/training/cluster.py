"""Which devices train together: a `tf.distribute.Strategy` from the setting `distribute` and the environment.

`multiworker` reads the cluster from TF_CONFIG, or from the variables of a Slurm step, by TensorFlow's own resolvers.
TensorFlow lets a process join a cluster only before it has used a device.
"""

import functools
import json
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
    found = cluster()
    try:
        return tf.distribute.MultiWorkerMirroredStrategy(found)
    except RuntimeError as error:
        raise InputError(
            f"distribute: multiworker cannot join its cluster ({cited(error)}); call "
            "vade_tf.training.cluster.strategy('multiworker') right after the imports, before a device is used"
        ) from error
    except tf.errors.OpError as error:
        raise ClusterError(f"distribute: the workers do not find each other ({cited(error)})") from error


def cluster() -> tf.distribute.cluster_resolver.ClusterResolver:
    """The cluster that the environment names, and the place of this process in it.

    Raises:
        InputError: it names none, or what it says is malformed.
    """
    if os.environ.get("TF_CONFIG"):
        return of_tf_config(os.environ["TF_CONFIG"])
    if "SLURM_STEP_NODELIST" not in os.environ:
        raise InputError(
            "distribute: multiworker needs TF_CONFIG or a Slurm step (srun), and the environment has neither; set "
            "TF_CONFIG on every machine, or use distribute='mirrored' for one"
        )
    try:
        tasks = int(os.environ["SLURM_STEP_NUM_TASKS"])  # bounds the ports of a machine
        return tf.distribute.cluster_resolver.SlurmClusterResolver(
            gpus_per_node=tasks, gpus_per_task=1, auto_set_gpu=False
        )
    except (RuntimeError, ValueError, KeyError) as error:
        raise InputError(
            f"distribute: the variables of the Slurm step cannot be used ({cited(error)}); set TF_CONFIG"
        ) from error


def of_tf_config(text: str) -> tf.distribute.cluster_resolver.ClusterResolver:
    """The cluster of TF_CONFIG.

    Raises:
        InputError: it is malformed.
    """
    try:
        found = json.loads(text)
        workers, task = found["cluster"], found["task"]
        kind, index = task["type"], task["index"]
        if kind not in ("chief", "worker") or index not in range(len(workers[kind])):
            raise ValueError(f"task {kind} {index} is none that trains")
        spec = tf.train.ClusterSpec({name: workers[name] for name in ("chief", "worker") if name in workers})
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"distribute: TF_CONFIG is malformed ({cited(error)}); expected {FORM}") from error
    gpus = len(tf.config.get_visible_devices("GPU"))
    return tf.distribute.cluster_resolver.SimpleClusterResolver(
        spec, task_type=kind, task_id=index, num_accelerators={"GPU": gpus}, rpc_layer="grpc"
    )
