"""A fit on several devices and machines: who of them does what, and what one of them has found told to all.

Knows no variable of the environment: that is `cluster`'s business. The steps of a training are those of `replicas`.
"""

import functools
import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TypeVar

import numpy as np
import tensorflow as tf

from vade_tf.data import pipeline
from vade_tf.errors import ClusterError, InputError
from vade_tf.training.store import Store

CHUNK = 2**20  # numbers that are told together
HEADER = 4  # numbers told before them: whether the chief has failed, or found something, and how many bytes that is
FAILED, REFUSED = 1.0, 2.0  # how it has failed: as a worker is gone, or for a reason that a new start will meet again
GONE = (tf.errors.UnavailableError, tf.errors.AbortedError, tf.errors.CancelledError, tf.errors.DeadlineExceededError)
HALF = 2**16  # bytes travel in pairs, as whole numbers below this, which float32 holds exactly
T = TypeVar("T")


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


def check(strategy: tf.distribute.Strategy, batch_size: int) -> None:
    """Raises InputError unless every replica can take the same number of rows of a batch."""
    number = strategy.num_replicas_in_sync
    if batch_size % number:
        nearest = max(number, batch_size // number * number)
        raise InputError(
            f"batch_size: expected a multiple of the {number} devices that share a batch, got {batch_size}; use "
            f"batch_size={nearest}, or as many devices as divide it"
        )


def from_chief(
    strategy: tf.distribute.Strategy | None, find: Callable[[], dict[str, np.ndarray] | None]
) -> dict[str, np.ndarray] | None:
    """What the chief finds, on every worker, bit for bit. All workers call this in the same order.

    Args:
        strategy: that of the fit; None, or one of a single process: it is found here.
        find: gives arrays by name, or None; asked on the chief alone.

    Raises:
        InputError: the chief cannot go on: what it was given, or what it found, is of no use.
        ClusterError: a worker is gone.
    """
    if workers(strategy) == 1:
        return find()
    assert strategy is not None
    if not chief(strategy):
        return _unpacked(_hear(strategy))
    with telling(strategy):
        found = find()
    _tell(strategy, _packed(found))
    return found


@contextmanager
def telling(strategy: tf.distribute.Strategy | None) -> Iterator[None]:
    """On the chief: what fails inside is told to the workers, who wait for an answer, and would for good."""
    try:
        yield
    except Exception as error:
        if workers(strategy) > 1:
            assert strategy is not None
            with suppress(ClusterError):  # a worker that is gone is not what went wrong here
                _tell(strategy, None, FAILED if isinstance(error, ClusterError) else REFUSED)
        raise


def all_can(strategy: tf.distribute.Strategy | None, prepare: Callable[[], T]) -> T:
    """What each process prepares for itself. All processes call this in the same order.

    Raises:
        InputError: this process, or another, cannot use what it was given.
        ClusterError: a worker is gone.
    """
    if workers(strategy) == 1:
        return prepare()
    assert strategy is not None
    try:
        found = prepare()
    except InputError:
        with suppress(ClusterError):
            _summed(strategy, np.ones(1, np.float32))
            _leave(strategy)
        raise
    if _summed(strategy, np.zeros(1, np.float32))[0]:
        _leave(strategy)
        raise InputError("distribute: another worker cannot use what it was given; its own message says why")
    return found


def share(strategy: tf.distribute.Strategy | None, n: int) -> range:
    """Of n rows those that this process does what is done for each row alone; the processes' shares are all rows."""
    if workers(strategy) == 1:
        return range(n)
    assert strategy is not None
    found = slices(strategy)
    return range(n * found.own.start // found.of, n * found.own.stop // found.of)


def joined(strategy: tf.distribute.Strategy | None, found: np.ndarray, own: range, n: int) -> np.ndarray:
    """What all processes have found for their shares of n rows: numbers from 0 to 2^24, int [n] of the type found.

    Args:
        strategy: that of the fit.
        found: of this process, [len(own)].
        own: its share.
        n: number of all rows.

    Raises:
        ClusterError: a worker is gone.
    """
    if workers(strategy) == 1:
        return found
    assert strategy is not None
    whole = np.empty(n, found.dtype)
    for at in range(0, n, CHUNK):
        part, first, end = np.zeros(CHUNK, np.float32), max(at, own.start), min(at + CHUNK, own.stop)
        if first < end:
            part[first - at : end - at] = found[first - own.start : end - own.start]
        whole[at : at + CHUNK] = _summed(strategy, part)[: n - at]
    return whole


def by_turns(
    strategy: tf.distribute.Strategy | None, n: int, size: int, find: Callable[[int], dict[str, np.ndarray]]
) -> Iterator[dict[str, np.ndarray]]:
    """What is found of each of n blocks of rows, in their order: every process finds its turn's, and all hear of all.

    Args:
        strategy: that of the fit.
        n: number of blocks.
        size: rows of a block, at most.
        find: from the number of a block to arrays by name, [rows] each: float32, or whole numbers from 0 to 2^24.

    Raises:
        ClusterError: a worker is gone.
    """
    of = workers(strategy)
    if of == 1:
        yield from map(find, range(n))
        return
    assert strategy is not None
    own = slices(strategy).own
    turn = own.start // len(own)
    for first in range(0, n, of):
        mine = find(min(first + turn, n - 1))  # whose turn is beyond the last block learns from it what is found
        rows = len(next(iter(mine.values())))
        told = np.zeros((of, len(mine), size + 1), np.float32)
        if first + turn < n:
            told[turn, :, :rows] = list(mine.values())
            told[turn, :, size] = rows
        told = _summed(strategy, told)
        for values, _ in zip(told, range(first, n), strict=False):
            pairs = zip(mine.items(), values, strict=True)
            yield {name: value[: int(value[size])].astype(found.dtype) for (name, found), value in pairs}


def mean_of_shares(strategy: tf.distribute.Strategy | None, found: dict[str, float], share: float) -> dict[str, float]:
    """Means over all rows, of which this process has found those over a share (from 0 to 1), by name.

    Raises:
        ClusterError: a worker is gone.
    """
    if workers(strategy) == 1:
        return found
    assert strategy is not None
    total = _summed(strategy, np.array([share * mean for mean in found.values()], np.float32))
    return dict(zip(found, total.tolist(), strict=True))


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
def together() -> Iterator[None]:
    """Turns what TensorFlow says of a worker that is gone into a ClusterError."""
    try:
        yield
    except tf.errors.OpError as error:
        if not isinstance(error, GONE) and "ollective" not in str(error):
            raise
        raise ClusterError(
            "distribute: another worker has stopped, and so do all; its own message says why, else start all again"
        ) from error


def _packed(arrays: dict[str, np.ndarray] | None) -> bytes:
    buffer = io.BytesIO()
    if arrays is not None:
        np.savez(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def _unpacked(content: bytes) -> dict[str, np.ndarray] | None:
    if not content:
        return None
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}


def _tell(strategy: tf.distribute.Strategy, content: bytes | None, failed: float = 0.0) -> None:
    """The chief tells all workers bytes, or how it has failed."""
    size = 0 if content is None else len(content)
    header = [failed, *(size // HALF**i % HALF for i in range(HEADER - 1))]
    _summed(strategy, np.array(header, np.float32))
    if failed:
        _leave(strategy)
        return
    pairs = np.frombuffer((content or b"") + b"\0" * (size % 2), "<u2")
    for at in range(0, len(pairs), CHUNK):
        part = np.zeros(CHUNK, np.float32)
        part[: len(pairs) - at] = pairs[at : at + CHUNK]
        _summed(strategy, part)


def _hear(strategy: tf.distribute.Strategy) -> bytes:
    """What the chief tells."""
    failed, *parts = _summed(strategy, np.zeros(HEADER, np.float32))
    if failed:
        _leave(strategy)
    if failed == REFUSED:
        raise InputError("distribute: the chief cannot go on; its own message says why")
    if failed:
        raise ClusterError("distribute: the chief has stopped; its own message says why")
    size = sum(int(part) * HALF**i for i, part in enumerate(parts))
    content = bytearray()
    for _ in range(0, (size + 1) // 2, CHUNK):
        content += _summed(strategy, np.zeros(CHUNK, np.float32)).astype("<u2").tobytes()
    return bytes(memoryview(content)[:size])


def _leave(strategy: tf.distribute.Strategy) -> None:
    """Where all are about to end: nobody does before the others have read the sum before."""
    with suppress(ClusterError):
        _summed(strategy, np.zeros(1, np.float32))


def _summed(strategy: tf.distribute.Strategy, numbers: np.ndarray) -> np.ndarray:
    """The sum over all processes of their numbers, float32, on each of them. Those who only listen add zeros."""
    with together():
        return _sum_of(strategy)(tf.constant(numbers)).numpy()


@functools.cache
def _sum_of(strategy: tf.distribute.Strategy) -> Callable[[tf.Tensor], tf.Tensor]:
    devices = strategy.num_replicas_in_sync // workers(strategy)

    def of_replica(numbers):
        context = tf.distribute.get_replica_context()
        first = tf.equal(context.replica_id_in_sync_group % devices, 0)
        told = tf.where(first, numbers, tf.zeros_like(numbers))  # a product with 0 would make NaN of infinity
        return context.all_reduce(tf.distribute.ReduceOp.SUM, told)

    def on_all(numbers):
        return strategy.experimental_local_results(strategy.run(of_replica, (numbers,)))[0]

    return tf.function(on_all, autograph=False)
