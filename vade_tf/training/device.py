"""What the processor can do, and what `auto` therefore means for precision and compilation."""

import functools
import pathlib

import keras
import tensorflow as tf

from vade_tf.errors import InputError
from vade_tf.training.settings import PRECISIONS


def resolve_precision(choice: str) -> str:
    """Keras dtype policy for the hidden layers.

    Args:
        choice: "auto" or a policy. auto is the global policy, `keras.config.dtype_policy()`, unless that is float32;
            then on GPUs, by the least able of those visible: bfloat16 from compute capability 8.0, float16 from 7.0
            (tensor cores), else float32; on a CPU: bfloat16 where it has instructions for it, else float32 (emulated
            bfloat16 is slower than float32).

    Raises:
        InputError: the global policy keeps the weights themselves in bfloat16, which NumPy's files do not give back.
    """
    if choice != "auto":
        return choice
    policy = keras.config.dtype_policy()
    if policy.variable_dtype == "bfloat16":
        hint = "call keras.config.set_dtype_policy('mixed_bfloat16')"
        raise InputError("precision", "a global policy of Keras that keeps weights in float32", policy.name, hint)
    if policy.name != "float32":
        return policy.name
    gpus = tf.config.get_visible_devices("GPU")
    if gpus:
        details = map(tf.config.experimental.get_device_details, gpus)
        return gpu_precision(min(each.get("compute_capability") or (0, 0) for each in details))
    return "mixed_bfloat16" if cpu_flags() & {"avx512_bf16", "amx_bf16"} else "float32"


def shared_precision(choice: str, strategy: tf.distribute.Strategy | None) -> str:
    """`resolve_precision` of a fit that a strategy shares among devices: float32 in place of float16.

    Keras 3 skips a step whose gradients have overflowed by what the first device of each process finds, before they are
    summed: the others would add theirs to the weights, or wait for it for ever.
    """
    found = resolve_precision(choice)
    return "float32" if strategy is not None and found == "mixed_float16" else found


def pinned(choice: str) -> str:
    """`resolve_precision`, as a run keeps it; a global policy that is no setting stays "auto"."""
    found = resolve_precision(choice)
    return found if found in PRECISIONS else choice


def gpu_precision(compute_capability: tuple[int, int]) -> str:
    """The fastest safe policy of a GPU of this compute capability ((0, 0): not known)."""
    if compute_capability < (7, 0):
        return "float32"
    return "mixed_bfloat16" if compute_capability >= (8, 0) else "mixed_float16"


def resolve_jit(choice: str) -> bool:
    """Whether XLA compiles the training step: "on", "off", or "auto": on a GPU (on a CPU its matmuls are slower)."""
    return choice == "on" or (choice == "auto" and bool(tf.config.get_visible_devices("GPU")))


@functools.cache
def cpu_flags() -> frozenset[str]:
    """Instruction sets of the processor as Linux names them; empty where that is not known."""
    info = pathlib.Path("/proc/cpuinfo")
    if not info.is_file():
        return frozenset()
    return frozenset(
        word for line in info.read_text().splitlines() if line.startswith("flags") for word in line.split()
    )


def describe() -> str:
    """Name of the device that trains, for the records."""
    gpus = tf.config.get_visible_devices("GPU")
    if gpus:
        return tf.config.experimental.get_device_details(gpus[0]).get("device_name", "GPU")
    special = sorted(cpu_flags() & {"avx2", "avx512f", "avx512_bf16", "amx_bf16"})
    return " ".join(["CPU", *special])
