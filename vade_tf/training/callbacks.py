"""Keras callbacks of a fit: the schedule, the record of each epoch and the way back from it, the progress."""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import keras
import numpy as np

from vade_tf.errors import DivergedError
from vade_tf.model import networks
from vade_tf.training import health
from vade_tf.training.store import COLUMNS, State, Store
from vade_tf.training.watch import Watch


def learning_rate(
    schedule: str, initial: float, epochs: int, decay: float = 0.9, decay_epochs: int = 10
) -> Callable[[int], float]:
    """Learning rate of each epoch: "cosine" falls to 5 %, "step" is the paper's decay every few epochs to a tenth."""
    if schedule == "step":
        return lambda epoch: max(initial * decay ** (epoch // decay_epochs), initial / 10)
    return lambda epoch: initial * (0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * (epoch + 0.5) / epochs)))


def steps_back(rows: list[dict], phase: str) -> int:
    """How often a phase had to return to earlier weights; each time halves its learning rate."""
    return sum(row["phase"] == phase and "restored_epoch" in row for row in rows)


STEPS_BACK = 3  # in a phase; an eighth of the learning rate that still diverges has another reason
KEPT = 25  # times in a phase that an epoch is looked at and its state kept, at least
SAVE_SECONDS = 10.0  # weights and optimizer are 40 MB for the paper's network: not after every epoch of a few rows
SHARP = 5.0  # times the weight, so that VaDE loses less of them
TELL_SECONDS = 1.0  # a file of all rows, made sure of on disk, takes as long as an epoch of a few rows


class Guide(keras.callbacks.Callback):
    """Holds a VaDE to its target groups for the first epochs, then lets go.

    Args:
        weight: of the groups in the loss.
        epochs: that it is held.

    Attributes:
        sharp: whether the groups are sharper than those of the start, and weigh `SHARP` times as much; False at first.
    """

    def __init__(self, weight: float, epochs: int):
        super().__init__()
        self.weight = weight
        self.epochs = epochs
        self.sharp = False

    def on_epoch_begin(self, epoch, logs=None):
        weight = self.weight * (SHARP if self.sharp else 1)
        self.model.guide_weight.assign(weight if epoch < self.epochs else 0.0)


class Record(keras.callbacks.Callback):
    """After each epoch a row of the history; every few seconds the state that a fit goes on from.

    Where loss or weights are no longer finite, it steps back to the last good epoch it kept and halves the learning
    rate; `rows` hold all it needs for that, so a resumed fit does the same.

    Of many short epochs only every (epochs // KEPT)th is looked at and kept: a copy of weights and optimizer takes
    longer than an epoch of a few rows.

    Args:
        store: keeps rows and state.
        phase: "pretrain" or "fit".
        epochs: number of the phase's last epoch.
        rows: rows of the epochs before; extended in place.
        say: shows a sentence to a person.
        watch: signals, warnings and remedies of a VaDE, or None.

    Raises:
        DivergedError: after `STEPS_BACK` of them, or if no epoch of the phase was good.
    """

    def __init__(
        self,
        store: Store,
        phase: str,
        epochs: int,
        rows: list[dict],
        say: Callable[[str], None],
        watch: Watch | None,
    ):
        super().__init__()
        self.store = store
        self.phase = phase
        self.epochs = epochs
        self.rows = rows
        self.say = say
        self.watch = watch
        self.every = max(1, epochs // KEPT)
        self.saved = self.told_at = -math.inf
        self.told = len(rows)

    def on_train_begin(self, logs=None):
        build_optimizer(self.model)
        self.good = state_arrays(self.model)
        done = [row for row in self.rows if row["phase"] == self.phase][-1:]
        self.good_epoch = done[0].get("restored_epoch", done[0]["epoch"]) if done else 0

    def on_epoch_begin(self, epoch, logs=None):
        self.begun = time.perf_counter()
        self.rate = float(self.model.optimizer.learning_rate)  # that a callback sets after the epoch is of the next

    def on_epoch_end(self, epoch, logs=None):
        seconds = time.perf_counter() - self.begun
        columns: dict = {"learning_rate": self.rate}
        last = epoch + 1 == self.params["epochs"] or self.model.stop_training
        kept = (epoch + 1) % self.every == 0 or last
        if np.isfinite(logs["loss"]) and (not kept or all_finite(self.model)):
            columns |= {name: float(logs[name]) for name in COLUMNS if name in logs and name not in columns}
            if kept and self.watch is not None:
                late = 2 * (epoch + 1) >= self.epochs
                columns |= self.watch.after_epoch(self.model, self.rows, late, self.say)
            if kept:
                self.good, self.good_epoch = state_arrays(self.model), epoch + 1
        else:
            columns["restored_epoch"] = self._step_back(epoch + 1, logs["loss"])
            kept = True
        self.rows.append({"phase": self.phase, "epoch": epoch + 1, **columns, "seconds": round(seconds, 3)})
        for remedy in health.remedies(self.rows[-1:]):
            self.say(remedy)
        if kept or time.monotonic() - self.told_at >= TELL_SECONDS:
            self._tell()
        if kept and (last or time.monotonic() - self.saved >= SAVE_SECONDS):
            State(self.phase, epoch + 1, self.good, self.rows).save(self.store)
            self.saved = time.monotonic()

    def on_train_end(self, logs=None):
        self._tell()

    def _tell(self) -> None:
        """Hand the rows that are new to the store."""
        if len(self.rows) > self.told:
            self.store.save_rows(self.rows, len(self.rows) - self.told)
            self.told, self.told_at = len(self.rows), time.monotonic()

    def _step_back(self, epoch: int, loss: float) -> int:
        """Restore the last good epoch that was kept; returns its number."""
        self._tell()
        done = steps_back(self.rows, self.phase)
        if done == STEPS_BACK or (epoch == self.epochs and self.good_epoch == 0):
            what = "a weight became NaN or infinite" if np.isfinite(loss) else f"the loss became {loss}"
            tried = f", after {done} steps back at half the learning rate each" if done else ""
            raise DivergedError(
                f"{self.phase}: {what} in epoch {epoch}{tried}; train anew with a lower learning_rate, or with "
                "precision='float32', a run into another folder"
            )
        restore_arrays(self.model, self.good)
        return self.good_epoch


class Advance(keras.callbacks.Callback):
    """Moves the progress bar of a phase of so many epochs, by `advance(batches, text)` a few times a second."""

    def __init__(self, advance: Callable[[int, str], None], epochs: int):
        super().__init__()
        self.epochs = epochs
        self.advance = advance
        self.pending = 0
        self.seen = 0  # batches of the epoch
        self.text = ""

    def on_epoch_begin(self, epoch, logs=None):
        self.seen = 0

    def on_train_batch_end(self, batch, logs=None):
        self.pending += batch + 1 - self.seen  # several at once are told by the number of the last
        self.seen = batch + 1
        if self.pending >= 20 and self.seen != (self.params or {}).get("steps"):  # the end of an epoch flushes
            self.flush()

    def on_epoch_end(self, epoch, logs=None):
        loss = logs["loss"]
        shown = f"{loss:.4g}" if abs(loss) < 1e4 else f"{loss:.0f}"
        self.text = f"epoch {epoch + 1}/{self.epochs}, loss {shown}"
        self.flush()

    def flush(self):
        self.advance(self.pending, self.text)
        self.pending = 0


class Calls(keras.callbacks.CallbackList):
    """The callbacks of one span of a training: those of the caller hear of one begin and one end of all its spans.

    Args:
        callbacks: all of them.
        heard: those of the caller among them.
        bests: what is set back at the begin of the training: callbacks with the `best` that they had before the fit. A
            training has another model than the one before, whose loss says nothing of its own.
        first, last: whether the span is the training's first, or last but for a stop.
        model: that is trained.
        ends: number of the span's last epoch.
        steps: of an epoch.
    """

    callbacks: list[keras.callbacks.Callback]

    def __init__(
        self,
        callbacks: Sequence[keras.callbacks.Callback],
        heard: Sequence[keras.callbacks.Callback],
        bests: Sequence[tuple[keras.callbacks.ModelCheckpoint, float | None]],
        *,
        first: bool,
        last: bool,
        model: keras.Model,
        ends: int,
        steps: int,
    ):
        self.apart = {id(each) for each in heard}
        self.bests, self.first, self.last = bests, first, last
        super().__init__(list(callbacks), add_history=True, model=model, epochs=ends, steps=steps, verbose=0)

    def on_train_begin(self, logs=None):
        if self.first:
            for callback, best in self.bests:
                callback.best = best
        with self._without_callers(not self.first):
            super().on_train_begin(logs)

    def on_train_end(self, logs=None):
        with self._without_callers(not (self.last or self.model.stop_training)):
            super().on_train_end(logs)

    @contextmanager
    def _without_callers(self, without: bool) -> Iterator[None]:
        """Inside, the caller's callbacks are not called, if so."""
        every = self.callbacks
        if without:
            self.callbacks = [each for each in every if id(each) not in self.apart]
        yield
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


def restore_arrays(model: keras.Model, arrays: list[np.ndarray]) -> None:
    """The inverse of `state_arrays`, for a compiled model of the same configuration.

    Raises:
        ValueError: they are of another one, or weights among them are not finite.
    """
    build_optimizer(model)
    variables = _variables(model)
    forms = [(tuple(variable.shape), variable.dtype) for variable in variables]
    found = [(array.shape, array.dtype.name) for array in arrays]
    if found != forms:
        other = next((pair for pair in zip(found, forms, strict=False) if pair[0] != pair[1]), (len(found), len(forms)))
        raise ValueError(f"expected the arrays of this model, got {other[0]} instead of {other[1]}")
    if not all(np.isfinite(array).all() for array in arrays[: len(model.weights)]):
        raise ValueError("weights that are not finite")
    assign(model, arrays)


def assign(model: keras.Model, arrays: list[np.ndarray]) -> None:
    """As `restore_arrays`, of what is known to be of such a model, also where it is not finite."""
    for variable, array in zip(_variables(model), arrays, strict=True):
        variable.assign(array)
    networks.take_up(model)


def build_optimizer(model: keras.Model) -> None:
    """Make the optimizer's variables, once: `LossScaleOptimizer.build` would add its own again."""
    if not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)
