"""A fit on several devices and machines: who does what, what the chief tells the others, and the steps of a training.

Every process has a plain model, and all that is no training step is done with it as on one device. A copy of it under
the strategy makes the steps (`Replicas`): it gets the chief's weights, optimizer and rate at the beginning of an epoch,
and gives them back at its end. A batch is the same as on one device; each replica takes its slice of it.

Knows no variable of the environment: that is the business of `device`.
"""

import functools
import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from vade_tf.data import pipeline
from vade_tf.errors import ClusterError, InputError
from vade_tf.model.vade import VaDE
from vade_tf.training import callbacks
from vade_tf.training.store import Store, listed, numbered

Arrays = dict[str, np.ndarray]


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


def check_batch_size(strategy: tf.distribute.Strategy | None, batch_size: int) -> None:
    """Raises InputError unless every replica can take the same number of rows of a batch."""
    number = 1 if strategy is None else strategy.num_replicas_in_sync
    if batch_size % number:
        raise InputError("batch_size", f"a multiple of the {number} devices that share a batch", str(batch_size))


def from_chief(strategy: tf.distribute.Strategy | None, find: Callable[[], Arrays | None]) -> Any:
    """What the chief's `find` gives, bit for bit, on every worker; a ClusterError where one is gone.

    All workers call this in the same order.
    """
    if strategy is None or workers(strategy) == 1:
        return find()
    if chief(strategy):
        found = find()
        _broadcast(strategy, _packed(found))
        return found
    content = _broadcast(strategy, b"")
    return dict(np.load(io.BytesIO(content), allow_pickle=False)) if content else None


class Shared:
    """The chief's store on every worker: what is loaded is what the chief loads, and only the chief saves."""

    def __init__(self, strategy: tf.distribute.Strategy, store: Store):
        self.strategy, self.store, self.place = strategy, store, store.place

    def save(self, name: str, arrays: Arrays) -> None:
        if chief(self.strategy):
            self.store.save(name, arrays)

    def load(self, name: str) -> Arrays | None:
        return from_chief(self.strategy, lambda: self.store.load(name))

    def save_rows(self, rows: list[dict], new: int) -> None:
        if chief(self.strategy):
            self.store.save_rows(rows, new)


class Replicas:
    """A copy of a compiled `VaDE` or functional model on every device, which makes the model's training steps."""

    def __init__(self, strategy: tf.distribute.Strategy, model: keras.Model):
        self.strategy, self.model = strategy, model
        callbacks.build_optimizer(model)
        optimizer = keras.optimizers.serialize(model.optimizer)
        with strategy.scope():
            self.copy = type(model).from_config(model.get_config())
            loss = {} if model.loss is None else {"loss": model.loss}
            own = keras.optimizers.deserialize(optimizer)
            self.copy.compile(own, **loss, jit_compile=False, auto_scale_loss=False)
            callbacks.build_optimizer(self.copy)
        self._step = tf.function(self._on_all, reduce_retracing=True, autograph=False)

    def _on_all(self, batch):
        found = self.strategy.run(self.copy.train_step, args=(batch,))
        return {name: self.strategy.experimental_local_results(value)[0] for name, value in found.items()}

    def train(self, span: range, steps: int, batches: tf.data.Dataset, calls: keras.callbacks.CallbackList) -> None:
        """As `keras.Model.fit` of the model: its epochs, with the callbacks and their logs.

        The logs of an epoch are means over all rows, those of a batch over the slices of the first device here. The
        model's own weights change after an epoch. What callbacks do to model and optimizer counts on the chief.
        `batches` are this worker's slices of the batches, one for each device after the other.
        """
        model, logs = self.model, {}
        slices = iter(self.strategy.distribute_datasets_from_function(lambda context: batches.repeat()))
        model.stop_training = False
        calls.on_train_begin()
        if isinstance(model, VaDE):
            self.copy.noise_rate = model.noise_rate  # before the first step is traced
        for epoch in span:
            calls.on_epoch_begin(epoch)
            callbacks.assign(self.copy, listed(self._chief()))
            with collective():
                self.copy.reset_metrics()
            for step in range(steps):
                calls.on_train_batch_begin(step)
                with collective():
                    logs = self._step(next(slices))
                calls.on_train_batch_end(step, logs)
            with collective():
                logs = {name: float(value) for name, value in self.copy.get_metrics_result().items()}
            callbacks.assign(model, callbacks.state_arrays(self.copy))
            calls.on_epoch_end(epoch, logs)
            found = self._chief()
            callbacks.assign(model, listed(found))
            model.stop_training = bool(found["stop"])
            if model.stop_training:
                break
        calls.on_train_end(logs)

    def _chief(self) -> Arrays:
        """The state of the chief's model, and whether a callback stops it."""
        return from_chief(
            self.strategy,
            lambda: {"stop": np.array(self.model.stop_training), **numbered(callbacks.state_arrays(self.model))},
        )


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


def _packed(arrays: Arrays | None) -> bytes:
    buffer = io.BytesIO()
    if arrays is not None:
        np.savez(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def _broadcast(strategy: tf.distribute.Strategy, content: bytes) -> bytes:
    """The chief's bytes on every worker; the others give none. They travel as float32, which holds bytes exactly."""
    length = np.frombuffer(len(content).to_bytes(8, "little"), np.uint8)
    size = int.from_bytes(_sum(strategy, length.astype(np.float32)).astype(np.uint8).tobytes(), "little")
    if size == 0:  # a sum of nothing ends TensorFlow's process
        return b""
    numbers = np.zeros(size, np.float32)
    numbers[: len(content)] = np.frombuffer(content, np.uint8)
    return _sum(strategy, numbers).astype(np.uint8).tobytes()


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

    return tf.function(on_all, input_signature=[tf.TensorSpec([None], tf.float32)], autograph=False)
