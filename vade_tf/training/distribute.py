"""A fit on several devices and machines: who of them does what, and how what the chief has found reaches the others.

Knows no variable of the environment: that is the business of `cluster`. `replicas` has the steps of a training.
"""

import functools
import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import tensorflow as tf

from vade_tf.data import pipeline
from vade_tf.errors import ClusterError, InputError
from vade_tf.training.store import Store

CHUNK = 2**20  # numbers that are summed together: 4 MB of float32
HALF = 2**16  # bytes travel in pairs, as whole numbers below this, which float32 holds exactly


def chief(strategy: tf.distribute.Strategy | None) -> bool:
    """Whether this process is the one that keeps and writes; alone it is."""
    return strategy is None or strategy.extended.should_checkpoint


def workers(strategy: tf.distribute.Strategy | None) -> int:
    """Number of processes that train together."""
    return 1 if strategy is None else strategy.num_replicas_in_sync // len(strategy.extended.worker_devices)


@functools.cache
def slices(strategy: tf.distribute.Strategy) -> pipeline.Slices:
    """Which slices of every batch the devices of this process read."""

    def number():
        return tf.convert_to_tensor(tf.distribute.get_replica_context().replica_id_in_sync_group)

    found = tf.function(lambda: strategy.experimental_local_results(strategy.run(number)), autograph=False)()
    own = [int(each) for each in found]
    return pipeline.Slices(range(own[0], own[-1] + 1), strategy.num_replicas_in_sync)


def check_batch_size(strategy: tf.distribute.Strategy, batch_size: int) -> None:
    """Raises InputError unless every replica can take the same number of rows of a batch."""
    number = strategy.num_replicas_in_sync
    if batch_size % number:
        raise InputError("batch_size", f"a multiple of the {number} devices that share a batch", str(batch_size))


def from_chief(
    strategy: tf.distribute.Strategy | None, find: Callable[[], dict[str, np.ndarray] | None]
) -> dict[str, np.ndarray] | None:
    """What the chief finds, on every worker, bit for bit. All workers call this in the same order.

    Args:
        strategy: that of the fit; None, or one of a single process: it is found here.
        find: gives arrays by name, or None; asked on the chief alone.

    Raises:
        ClusterError: a worker is gone.
    """
    if strategy is None or workers(strategy) == 1:
        return find()
    if not chief(strategy):
        return _unpack(_broadcast(strategy, b""))
    found = find()
    _broadcast(strategy, _pack(found))
    return found


class Shared:
    """The chief's store on every worker: what is loaded is what the chief loads, and only the chief saves.

    Args:
        strategy: that of the fit.
        store: the chief's; another worker's is not asked.
    """

    def __init__(self, strategy: tf.distribute.Strategy, store: Store):
        self.strategy = strategy
        self.store = store
        self.place = store.place

    def save(self, name: str, arrays: dict[str, np.ndarray]) -> None:
        if chief(self.strategy):
            self.store.save(name, arrays)

    def load(self, name: str) -> dict[str, np.ndarray] | None:
        return from_chief(self.strategy, lambda: self.store.load(name))

    def save_rows(self, rows: list[dict], new: int) -> None:
        if chief(self.strategy):
            self.store.save_rows(rows, new)


@contextmanager
def collective() -> Iterator[None]:
    """Turns TensorFlow's errors about a worker that is gone into a ClusterError."""
    gone = tf.errors.UnavailableError, tf.errors.AbortedError, tf.errors.CancelledError, tf.errors.DeadlineExceededError
    try:
        yield
    except tf.errors.OpError as error:
        if not isinstance(error, gone) and "ollective" not in str(error):
            raise
        raise ClusterError(
            "distribute: another worker has stopped, and so do all; its own message says why, else start all again"
        ) from error


def _pack(arrays: dict[str, np.ndarray] | None) -> bytes:
    buffer = io.BytesIO()
    if arrays is not None:
        np.savez(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def _unpack(content: bytes) -> dict[str, np.ndarray] | None:
    if not content:
        return None
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}


def _broadcast(strategy: tf.distribute.Strategy, content: bytes) -> bytes:
    """The chief's bytes on every worker; the others give none. Their length comes first."""
    size = np.array([len(content) // HALF**i % HALF for i in range(3)], np.float32)
    length = sum(int(part) * HALF**i for i, part in enumerate(_sum(strategy, size)))
    pairs = np.frombuffer(content + b"\0" * (len(content) % 2), "<u2").astype(np.float32)
    found = bytearray()
    for start in range(0, (length + 1) // 2, CHUNK):
        part = pairs[start : start + CHUNK]
        found += _sum(strategy, np.pad(part, (0, CHUNK - len(part)))).astype("<u2").tobytes()
    return bytes(found[:length])


def _sum(strategy: tf.distribute.Strategy, numbers: np.ndarray) -> np.ndarray:
    """The sum over all processes of their numbers, float32, on each of them."""
    with collective():
        return _sum_function(strategy)(tf.constant(numbers)).numpy()


@functools.cache
def _sum_function(strategy: tf.distribute.Strategy) -> Callable[[tf.Tensor], tf.Tensor]:
    devices = strategy.num_replicas_in_sync // workers(strategy)

    def of_replica(numbers):
        context = tf.distribute.get_replica_context()
        first = tf.equal(context.replica_id_in_sync_group % devices, 0)
        return context.all_reduce(tf.distribute.ReduceOp.SUM, tf.where(first, numbers, tf.zeros_like(numbers)))

    def on_all(numbers):
        return strategy.experimental_local_results(strategy.run(of_replica, (numbers,)))[0]

    return tf.function(on_all, autograph=False)
