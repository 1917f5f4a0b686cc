"""Keras callbacks of a fit: the record of each epoch with the way back from it, and the progress; the learning rate."""

import math
import time
from collections.abc import Callable, Sequence

import keras
import numpy as np

from vade_tf.data.rows import Rows
from vade_tf.errors import DivergedError
from vade_tf.model import own_networks
from vade_tf.training import health
from vade_tf.training.store import COLUMNS, State, Store

MAX_RETRIES = 3  # of a phase, each at half the rate; an eighth of it that still diverges has another reason
STATES_KEPT = 25  # in a phase, at least: a copy of weights and optimizer takes longer than an epoch of a few rows
SAVE_SECONDS = 10.0  # between two states in the store: they are 40 MB for the paper's networks


def learning_rate(
    schedule: str, initial: float, epochs: int, decay: float = 0.9, decay_epochs: int = 10, interval: int = 1
) -> Callable[[int], float]:
    """Learning rate of each epoch.

    "cosine" falls to 5 % and changes every `interval` epochs; "step" is the paper's decay every few epochs to a tenth.
    """
    blocks = math.ceil(epochs / interval)
    if schedule == "constant":
        return lambda epoch: initial
    if schedule == "step":
        return lambda epoch: max(initial * decay ** (epoch // decay_epochs), initial / 10)
    return lambda epoch: initial * (0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * (epoch // interval + 0.5) / blocks)))


def kept_every(epochs: int, interval: int) -> int:
    """Epochs between two whose state is kept, of a phase that is recorded every `interval` epochs."""
    return interval * max(1, epochs // (interval * STATES_KEPT))


def retries(rows: list[dict], phase: str) -> int:
    """How often a phase had to return to earlier weights; each time halves its learning rate."""
    return sum(row["phase"] == phase and "restored_epoch" in row for row in rows)


class Record(keras.callbacks.Callback):
    """After each block of epochs a row of the history, `rows`; every few seconds the state that a fit goes on from.

    Where loss or weights are no longer finite, it goes back to the last good epoch at half the learning rate, at most
    `MAX_RETRIES` times; then it raises a DivergedError. A resumed fit does the same by its history. Of many short
    epochs only some are kept (`kept_every`), and looked at by the raw rows `seen`, if any (`health.signals`).
    """

    def __init__(self, store: Store, phase: str, epochs: int, rows: list[dict], say, seen: Rows | None):
        super().__init__()
        self.store, self.phase, self.epochs, self.rows, self.say, self.seen = store, phase, epochs, rows, say, seen
        self.state_saved = self.rows_saved = -math.inf
        self.n_rows_saved = len(rows)

    def on_train_begin(self, logs=None):
        build_optimizer(self.model)
        self.good = state_arrays(self.model)
        done = [row for row in self.rows if row["phase"] == self.phase][-1:]
        self.good_epoch = done[0].get("restored_epoch", done[0]["epoch"]) if done else 0

    def on_epoch_begin(self, epoch, logs=None):
        self.started = time.perf_counter()
        self.rate = float(self.model.optimizer.learning_rate)  # that a callback sets after the epoch is of the next

    def on_epoch_end(self, epoch, logs=None):
        seconds = time.perf_counter() - self.started
        columns: dict = {"learning_rate": self.rate}
        last = epoch + 1 == self.params["epochs"] or self.model.stop_training
        kept = (epoch + 1) % self.params["kept_every"] == 0 or last
        if np.isfinite(logs["loss"]) and (not kept or all_finite(self.model)):
            columns |= {name: float(logs[name]) for name in COLUMNS if name in logs and name not in columns}
            if kept and self.seen is not None:
                columns |= health.signals(self.model, self.seen).columns()
            if kept:
                self.good, self.good_epoch = state_arrays(self.model), epoch + 1
        else:
            columns["restored_epoch"] = self._go_back(epoch + 1, logs["loss"])
            kept = True
        self.rows.append({"phase": self.phase, "epoch": epoch + 1, **columns, "seconds": round(seconds, 3)})
        for remedy in health.remedies(self.rows[-1:]):
            self.say(remedy)
        if kept or time.monotonic() - self.rows_saved >= 1:  # a file of all rows takes as long as a short epoch
            self._save_rows()
        if kept and (last or time.monotonic() - self.state_saved >= SAVE_SECONDS):
            State(self.phase, epoch + 1, self.good, self.rows).save(self.store)
            self.state_saved = time.monotonic()

    def on_train_end(self, logs=None):
        self._save_rows()

    def _save_rows(self) -> None:
        if len(self.rows) > self.n_rows_saved:
            self.store.save_rows(self.rows, len(self.rows) - self.n_rows_saved)
            self.n_rows_saved, self.rows_saved = len(self.rows), time.monotonic()

    def _go_back(self, epoch: int, loss: float) -> int:
        """Restore the last good epoch that was kept; returns its number."""
        self._save_rows()
        done = retries(self.rows, self.phase)
        if done == MAX_RETRIES or (epoch == self.epochs and self.good_epoch == 0):
            what = "a weight became NaN or infinite" if np.isfinite(loss) else f"the loss became {loss}"
            tried = f", after {done} steps back at half the learning rate each" if done else ""
            raise DivergedError(
                f"{self.phase}: {what} in epoch {epoch}{tried}; train anew with a lower learning_rate, or with "
                "precision='float32', a run into another folder"
            )
        assign(self.model, self.good)
        return self.good_epoch


class Progress(keras.callbacks.Callback):
    """Tells a reporter's `advance` of the batches of a phase of so many epochs."""

    def __init__(self, advance: Callable[[int, str], None], epochs: int):
        super().__init__()
        self.advance, self.epochs, self.text, self.shown = advance, epochs, "", 0

    def on_train_batch_end(self, batch, logs=None):  # of several steps at once the number of the last is heard
        if batch + 1 < self.params["steps"]:
            self.advance(batch + 1 - self.shown, self.text)
            self.shown = batch + 1

    def on_epoch_end(self, epoch, logs=None):
        self.text = f"epoch {epoch + 1}/{self.epochs}, loss {logs['loss']:.4g}"
        self.advance(self.params["steps"] - self.shown, self.text)
        self.shown = 0


class SpanCallbacks(keras.callbacks.CallbackList):
    """The callbacks of a span of epochs. The caller's hear of the begin of the first span and the end of the last.

    So `EarlyStopping` counts over all spans between which P is recomputed. What Keras calls an epoch is a block of
    epochs, each a pass over the rows. Callbacks hear of a block's first epoch when it begins, of its last when it ends.
    `blocks` has the first epoch of each block; its step is their length.
    """

    callbacks: list[keras.callbacks.Callback]

    def __init__(
        self,
        own: list,
        callers: Sequence[keras.callbacks.Callback],
        blocks: range,
        first: bool,
        last: bool,
        **settings,
    ):
        super().__init__(own, add_history=True, **settings)
        self.callers, self.blocks, self.first, self.last = callers, blocks, first, last

    def on_epoch_begin(self, epoch, logs=None):
        super().on_epoch_begin(self.blocks[epoch], logs)

    def on_epoch_end(self, epoch, logs=None):
        super().on_epoch_end(self.blocks[epoch] + self.blocks.step - 1, logs)

    def on_train_begin(self, logs=None):
        self._tell(super().on_train_begin, self.first, logs)

    def on_train_end(self, logs=None):
        self._tell(super().on_train_end, self.last or self.model.stop_training, logs)

    def _tell(self, tell: Callable, callers: bool, logs) -> None:
        every = self.callbacks
        self.callbacks = [each for each in every if callers or each not in self.callers]
        tell(logs)
        self.callbacks = every


def state_arrays(model: keras.Model) -> list[np.ndarray]:
    """All weights of a model and of its optimizer, and where the random numbers of its layers have come to."""
    return [v.numpy() for v in _variables(model)]


def _variables(model: keras.Model) -> list[keras.Variable]:
    """What `state_arrays` are of. Keras counts the states of random numbers (of dropout) among no weights."""
    others = {id(v) for v in (*model.weights, *model.metrics_variables)}
    states = [v for v in model.variables if id(v) not in others]
    return [*model.weights, *model.optimizer.variables, *states]


def all_finite(model: keras.Model) -> bool:
    """Whether every weight is a finite number, and so is every variance that one is the logarithm of, and 1 by it."""
    weights = [(weight.path.rsplit("/", 1)[-1], np.asarray(weight)) for weight in model.weights]
    with np.errstate(over="ignore"):
        variances = [np.exp([weight, -weight]) for name, weight in weights if name.startswith("log_sigma2")]
    return all(np.isfinite(values).all() for values in (*variances, *(weight for _, weight in weights)))


def assign(model: keras.Model, arrays: list[np.ndarray]) -> None:
    """The inverse of `state_arrays`, for a compiled model; a ValueError where they are of another one."""
    build_optimizer(model)
    for variable, array in zip(_variables(model), arrays, strict=True):
        variable.assign(array)
    own_networks.take_up(model)


def build_optimizer(model: keras.Model) -> None:
    """Make the optimizer's variables, once: `LossScaleOptimizer.build` would add its own again."""
    if not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)
