"""Which devices train together, in which precision, and whether XLA compiles a step.

`multiworker` reads the cluster from TF_CONFIG, or from the variables of a Slurm step, by TensorFlow's own resolvers.
TensorFlow lets a process join a cluster only before it has used a device.
"""

import functools
import os
import pathlib

import keras
import tensorflow as tf

from vade_tf.errors import ClusterError, InputError, cited
from vade_tf.training.settings import PRECISIONS

BFLOAT16_FLAGS = {"avx512_bf16", "amx_bf16"}  # of a processor that has instructions for it


@functools.cache
def strategy(name: str) -> tf.distribute.Strategy | None:
    """The strategy of a setting `distribute`, one a process; None for "none".

    "mirrored" has all GPUs of this machine, or its CPUs; "multiworker" waits for the others of the cluster.

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
        hint = "call vade_tf.training.device.strategy('multiworker') right after the imports"
        raise InputError("distribute", "a process that can join its cluster", cited(error), hint) from error
    except tf.errors.OpError as error:
        raise ClusterError(f"distribute: the workers do not find each other ({cited(error)})") from error


def find_cluster() -> tf.distribute.cluster_resolver.ClusterResolver:
    """The cluster that the environment names, and the place of this process in it; an InputError if it names none."""
    resolvers, expected = tf.distribute.cluster_resolver, "TF_CONFIG of chief and workers, or a Slurm step"
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
        raise InputError("distribute", expected, cited(error)) from error
    raise InputError("distribute", expected, "neither", "set it to mirrored on one machine")


def resolve_precision(choice: str, shared: bool = False) -> str:
    """Keras dtype policy for the hidden layers, of "auto" or a policy.

    auto is the global policy, `keras.config.dtype_policy()`, unless that is float32; then on GPUs, by the least able of
    those visible: bfloat16 from compute capability 8.0, float16 from 7.0 (tensor cores), else float32; on a CPU:
    bfloat16 where it has instructions for it, else float32. Devices that share a step have float32 in place of float16:
    Keras 3 skips a step whose gradients have overflowed by what the first device finds; the others would add theirs.
    """
    found = choice
    if choice == "auto":
        policy, gpus = keras.config.dtype_policy().name, tf.config.get_visible_devices("GPU")
        if policy != "float32":
            found = policy
        elif not gpus:
            found = "mixed_bfloat16" if cpu_flags() & BFLOAT16_FLAGS else "float32"
        else:
            details = map(tf.config.experimental.get_device_details, gpus)
            capability = min(each.get("compute_capability") or (0, 0) for each in details)
            half = "mixed_bfloat16" if capability >= (8, 0) else "mixed_float16"
            found = half if capability >= (7, 0) else "float32"
    return "float32" if shared and found == "mixed_float16" else found


def pinned(choice: str) -> str:
    """`resolve_precision`, as a run keeps it; a global policy that is no setting stays "auto"."""
    found = resolve_precision(choice)
    return found if found in PRECISIONS else choice


def resolve_jit(choice: str) -> bool:
    """Whether XLA compiles the training step: "on", "off", or "auto": on a GPU (on a CPU its matmuls are slower)."""
    return choice == "on" or (choice == "auto" and bool(tf.config.get_visible_devices("GPU")))


@functools.cache
def cpu_flags() -> frozenset[str]:
    """Instruction sets of the processor as Linux names them; empty where that is not known."""
    info = pathlib.Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    return frozenset(word for line in lines if line.startswith("flags") for word in line.split())


def describe() -> str:
    """Name of the device that trains, for the records."""
    gpus = tf.config.get_visible_devices("GPU")
    if gpus:
        return tf.config.experimental.get_device_details(gpus[0]).get("device_name", "GPU")
    return " ".join(["CPU", *sorted(cpu_flags() & {"avx2", "avx512f", *BFLOAT16_FLAGS})])
