"""Keras callbacks of a run: schedules, the record of each epoch, the progress bar."""

import math
import time
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from vade_tf.errors import DivergedError
from vade_tf.run import COLUMNS, Run, State


def learning_rate(schedule: str, initial: float, epochs: int) -> Callable[[int], float]:
    """Learning rate of each epoch: "cosine" falls to 5 %, "step" is the paper's 0.9 every 10 epochs to a tenth."""
    if schedule == "step":
        return lambda epoch: max(initial * 0.9 ** (epoch // 10), initial / 10)
    return lambda epoch: initial * (0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * (epoch + 0.5) / epochs)))


SAVE_SECONDS = 10.0  # weights and optimizer are 40 MB for the paper's network: not after every epoch of a few rows


class Guide(keras.callbacks.Callback):
    """Holds a VaDE to its hints with the given weight for the first epochs, then lets go."""

    def __init__(self, weight: float, epochs: int):
        super().__init__()
        self.weight = weight
        self.epochs = epochs

    def on_epoch_begin(self, epoch, logs=None):
        self.model.guide_weight.assign(self.weight if epoch < self.epochs else 0.0)


class Record(keras.callbacks.Callback):
    """After each epoch: a row for metrics.csv and TensorBoard; every few seconds the state that a resume starts from.

    Args:
        run: the run folder.
        phase: "pretrain" or "fit".
        rows: rows of the epochs before; extended in place.
        score: gives further columns after an epoch, e.g. accuracy; they are written down and used for nothing.
    """

    def __init__(self, run: Run, phase: str, rows: list[dict], score: Callable[[], dict] = dict):
        super().__init__()
        self.run = run
        self.phase = phase
        self.rows = rows
        self.score = score
        self.saved = -math.inf
        self.writer = tf.summary.create_file_writer(str(run.path / "tensorboard" / phase))

    def on_epoch_begin(self, epoch, logs=None):
        self.begun = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        seconds = time.perf_counter() - self.begun
        if not np.isfinite(logs["loss"]):
            raise DivergedError(
                f"{self.phase}: the loss became {logs['loss']} in epoch {epoch + 1}; lower --learning-rate, or use "
                f"--precision float32"
            )
        row = {"learning_rate": float(self.model.optimizer.learning_rate), **logs, **self.score()}
        row = {name: float(value) for name, value in row.items() if name in COLUMNS}
        self.rows.append({"phase": self.phase, "epoch": epoch + 1, **row, "seconds": round(seconds, 3)})
        with self.writer.as_default(step=epoch + 1):
            for name, value in row.items():
                tf.summary.scalar(name, value)
        self.writer.flush()
        self.run.save_rows(self.rows)
        if time.monotonic() - self.saved >= SAVE_SECONDS or epoch + 1 == self.params["epochs"]:
            self.run.save_state(State(self.phase, epoch + 1, state_arrays(self.model), self.rows))
            self.saved = time.monotonic()


class Advance(keras.callbacks.Callback):
    """Moves the progress bar of a phase of so many epochs, by `advance(batches, text)` a few times a second."""

    def __init__(self, advance: Callable[[int, str], None], epochs: int):
        super().__init__()
        self.epochs = epochs
        self.advance = advance
        self.pending = 0
        self.text = ""

    def on_train_batch_end(self, batch, logs=None):
        self.pending += 1
        if self.pending == 20:
            self.flush()

    def on_epoch_end(self, epoch, logs=None):
        self.text = f"epoch {epoch + 1}/{self.epochs}, loss {logs['loss']:.1f}"
        self.flush()

    def flush(self):
        self.advance(self.pending, self.text)
        self.pending = 0


def state_arrays(model: keras.Model) -> list[np.ndarray]:
    """All weights of a model and of its optimizer."""
    return [v.numpy() for v in (*model.weights, *model.optimizer.variables)]


def restore_arrays(model: keras.Model, arrays: list[np.ndarray]) -> None:
    """The inverse of `state_arrays`, for a compiled model of the same configuration."""
    model.optimizer.build(model.trainable_variables)
    for variable, array in zip((*model.weights, *model.optimizer.variables), arrays, strict=True):
        variable.assign(array)
