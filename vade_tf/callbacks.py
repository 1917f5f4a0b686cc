"""Keras callbacks of a run: schedules, the record of each epoch, what TensorBoard shows of it, the progress bar."""

import math
import time
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from vade_tf import health
from vade_tf.data.dataset import Dataset
from vade_tf.errors import DivergedError
from vade_tf.mosaic import mosaic
from vade_tf.run import COLUMNS, Run, State, write_whole
from vade_tf.watch import Watch


def learning_rate(
    schedule: str, initial: float, epochs: int, decay: float = 0.9, decay_epochs: int = 10
) -> Callable[[int], float]:
    """Learning rate of each epoch: "cosine" falls to 5 %, "step" is the paper's decay every few epochs to a tenth."""
    if schedule == "step":
        return lambda epoch: max(initial * decay ** (epoch // decay_epochs), initial / 10)
    return lambda epoch: initial * (0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * (epoch + 0.5) / epochs)))


def steps_back(rows: list[dict], phase: str) -> int:
    """How often a phase had to return to the weights of an earlier epoch; each time halves its learning rate."""
    return sum(row["phase"] == phase and "restored_epoch" in row for row in rows)


STEPS_BACK = 3  # in a phase; an eighth of the learning rate that still diverges has another reason
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

    Where loss or weights are no longer finite, it steps back to the end of the last good epoch and halves the learning
    rate; `rows` hold all it needs for that, so a resumed run does the same.

    Args:
        run: the run folder.
        phase: "pretrain" or "fit".
        epochs: number of the phase's last epoch.
        rows: rows of the epochs before; extended in place.
        say: shows a sentence to a person.
        score: gives further columns after an epoch, e.g. accuracy; they are written down and used for nothing.
        views: further summaries, written to TensorBoard beside the scalars; default none.
        watch: signals, warnings and remedies of a VaDE; default none.

    Raises:
        DivergedError: after `STEPS_BACK` of them, or if no epoch of the phase was good.
    """

    def __init__(
        self,
        run: Run,
        phase: str,
        epochs: int,
        rows: list[dict],
        say: Callable[[str], None],
        score: Callable[[], dict] = dict,
        views: "Views | None" = None,
        watch: Watch | None = None,
    ):
        super().__init__()
        self.run = run
        self.phase = phase
        self.epochs = epochs
        self.rows = rows
        self.say = say
        self.score = score
        self.views = views
        self.watch = watch
        self.saved = -math.inf
        self.folder = run.path / "tensorboard" / phase
        self.writer = tf.summary.create_file_writer(str(self.folder))

    def on_train_begin(self, logs=None):
        _build_optimizer(self.model)
        self.good = state_arrays(self.model)

    def on_epoch_begin(self, epoch, logs=None):
        self.begun = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        seconds = time.perf_counter() - self.begun
        columns: dict = {"learning_rate": float(self.model.optimizer.learning_rate)}
        if np.isfinite(logs["loss"]) and all(np.isfinite(weight).all() for weight in self.model.get_weights()):
            columns |= {name: float(value) for name, value in {**logs, **self.score()}.items() if name in COLUMNS}
            if self.watch is not None:
                late = 2 * (epoch + 1) >= self.epochs
                columns |= self.watch.after_epoch(self.model, self.rows, late, self.say)
            self.good = state_arrays(self.model)
        else:
            columns["restored_epoch"] = self._step_back(epoch + 1, logs["loss"])
        self.rows.append({"phase": self.phase, "epoch": epoch + 1, **columns, "seconds": round(seconds, 3)})
        for remedy in health.remedies(self.rows[-1:]):
            self.say(remedy)
        with self.writer.as_default(step=epoch + 1):
            for name in columns.keys() - {"reseeded"}:
                tf.summary.scalar(name, columns[name])
            if self.views is not None:
                self.views.write(self.model, epoch + 1, self.folder)
        self.writer.flush()
        self.run.save_rows(self.rows)
        if time.monotonic() - self.saved >= SAVE_SECONDS or epoch + 1 == self.params["epochs"]:
            self.run.save_state(State(self.phase, epoch + 1, self.good, self.rows))
            self.saved = time.monotonic()

    def _step_back(self, epoch: int, loss: float) -> int:
        """Restore the end of the last good epoch; returns its number."""
        good = [row["epoch"] for row in self.rows if row["phase"] == self.phase and "restored_epoch" not in row]
        done = steps_back(self.rows, self.phase)
        if done == STEPS_BACK or (epoch == self.epochs and not good):
            what = "a weight became NaN or infinite" if np.isfinite(loss) else f"the loss became {loss}"
            tried = f", after {done} steps back at half the learning rate each" if done else ""
            raise DivergedError(
                f"{self.phase}: {what} in epoch {epoch}{tried}; lower --learning-rate, or use --precision float32"
            )
        restore_arrays(self.model, self.good)
        return max(good, default=0)


class Views:
    """What TensorBoard shows of a VaDE besides the terms: its clusters, codes and pictures; in the end the projector.

    Computed from a random subset of rows with fixed draws, so it costs about the same for any data set
    and leaves the training as it is.

    Args:
        dataset: the rows; labels, where there are any, only name points of the projector.
        seed: of the subset and the draws.
        epochs: number of the last epoch.
    """

    ROWS = 500
    PROJECTOR_ROWS = 2000
    TIMES = 5  # in a run, the last epoch included
    SAMPLES = 10

    def __init__(self, dataset: Dataset, seed: int, epochs: int):
        rows = np.random.default_rng(seed).permutation(len(dataset.x))[: self.PROJECTOR_ROWS]
        self.x = dataset.x[rows]
        self.y = None if dataset.y is None else dataset.y[rows]
        self.image_shape = dataset.image_shape
        self.seed = seed
        self.epochs = epochs

    def write(self, model, epoch: int, folder: Path) -> None:
        """Summaries to the default writer at its step, if it is their turn; after the last epoch the projector too."""
        if (self.epochs - epoch) % max(1, self.epochs // self.TIMES) != 0:
            return
        x = self.x if epoch == self.epochs else self.x[: self.ROWS]
        m, log_s2 = model.encode(x)
        log_gamma = model.prior(m).numpy()
        groups = log_gamma.argmax(axis=1)
        share = np.bincount(groups, minlength=log_gamma.shape[1]) / len(groups)
        for c, (weight, size) in enumerate(zip(np.exp(model.prior.parameters[0]), share, strict=True)):
            tf.summary.scalar(f"component_pi/{c}", weight)
            tf.summary.scalar(f"component_share/{c}", size)
        tf.summary.histogram("code/mean", m)
        tf.summary.histogram("code/log_variance", log_s2)
        if self.image_shape is not None:
            self._write_images(model, m, self.image_shape)
        if epoch == self.epochs:
            write_projector(folder, m.numpy(), groups, self.y, self._thumbnails(model))

    def _write_images(self, model, m, image_shape: tuple[int, int]) -> None:
        n_clusters = model.prior.n_components
        drawn = model.sample(np.repeat(np.arange(n_clusters), self.SAMPLES), self.seed)
        _image("components", drawn, image_shape, self.SAMPLES)
        n = min(40, len(self.x))
        pairs = np.stack([model.scale(self.x[:n]), model.decode(m[:n])], axis=1)  # [n, 2, D]: data, reconstruction
        _image("reconstructions", pairs.reshape(2 * n, -1), image_shape, 10)

    def _thumbnails(self, model) -> np.ndarray | None:
        if self.image_shape is None:
            return None
        return _grey(model.scale(self.x).numpy()).reshape(-1, *self.image_shape)


def _image(name: str, rows, image_shape: tuple[int, int], columns: int) -> None:
    """One summary image of many: rows [n, D] in the units of the likelihood."""
    sheet = mosaic(_grey(np.asarray(rows)).reshape(-1, *image_shape), columns, gap_value=255)
    tf.summary.image(name, sheet[None, :, :, None])


def _grey(x: np.ndarray) -> np.ndarray:
    """Values as uint8: [0, 1] as it is, anything else from its smallest to its largest."""
    low, high = min(float(x.min()), 0.0), max(float(x.max()), 1.0)
    return np.round(255 * (x - low) / (high - low)).astype(np.uint8)


def write_projector(folder: Path, m: np.ndarray, groups: np.ndarray, y, thumbnails: np.ndarray | None) -> None:
    """Files for TensorBoard's embedding projector: the codes, what each belongs to, and its picture.

    Args:
        folder: a folder of event files.
        m: codes, [n, latent].
        groups: cluster of each, [n].
        y: label of each, [n], or None.
        thumbnails: uint8 images, [n, height, width], or None.
    """
    write_whole(folder / "tensors.tsv", "".join("\t".join(f"{v:.5g}" for v in row) + "\n" for row in m).encode())
    if y is None:
        lines = [str(c) for c in groups]  # a single column has no header
    else:
        lines = ["cluster\tlabel", *(f"{c}\t{label}" for c, label in zip(groups, y, strict=True))]
    write_whole(folder / "metadata.tsv", ("\n".join(lines) + "\n").encode())
    config = ['tensor_name: "code"', 'tensor_path: "tensors.tsv"', 'metadata_path: "metadata.tsv"']
    if thumbnails is not None:
        height, width = thumbnails.shape[1:]
        sprite = mosaic(thumbnails, gap=0)
        write_whole(folder / "sprite.png", tf.io.encode_png(sprite[:, :, None]).numpy())
        config.append(f'sprite {{ image_path: "sprite.png" single_image_dim: {width} single_image_dim: {height} }}')
    write_whole(folder / "projector_config.pbtxt", ("embeddings {\n  " + "\n  ".join(config) + "\n}\n").encode())


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
    _build_optimizer(model)
    for variable, array in zip((*model.weights, *model.optimizer.variables), arrays, strict=True):
        variable.assign(array)


def _build_optimizer(model: keras.Model) -> None:
    """Make the optimizer's variables, once: `LossScaleOptimizer.build` would add its own again."""
    if not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)
