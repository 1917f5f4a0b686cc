"""What TensorBoard shows of a run: the columns of its history as scalars, and views of the clusters of a VaDE."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from vade_tf.data.dataset import Dataset
from vade_tf.data.pipeline import together
from vade_tf.model.vade import VaDE
from vade_tf.runs.folder import Run
from vade_tf.seeding import generator, subset


class Board:
    """The store of a run that also writes every row of the history to tensorboard/PHASE, one event file a phase.

    Args:
        run: the run folder, which does the keeping.
    """

    def __init__(self, run: Run):
        self.run = run
        self.save = run.save
        self.load = run.load
        self.place = run.place
        self._writers: dict[str, tf.summary.SummaryWriter] = {}

    def folder(self, phase: str) -> Path:
        """That of the event file of a phase, which is made if it is not there."""
        folder = self.run.path / "tensorboard" / phase
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    @contextmanager
    def summaries(self, phase: str, step: int) -> Iterator[None]:
        """Summaries made inside go to the event file of a phase, at a step."""
        if phase not in self._writers:
            self._writers[phase] = tf.summary.create_file_writer(str(self.folder(phase)))
        with self._writers[phase].as_default(step=step):
            yield

    def save_rows(self, rows: list[dict], new: int) -> None:
        """Write metrics.csv, and the new rows as scalars."""
        self.run.save_rows(rows)
        for row in rows[len(rows) - new :]:
            with self.summaries(row["phase"], row["epoch"]):
                for name in row.keys() - {"phase", "epoch", "seconds"}:
                    tf.summary.scalar(name, row[name])


class Views(keras.callbacks.Callback):
    """What TensorBoard shows of a VaDE besides the terms: its clusters, codes and pictures.

    Computed from a random subset of rows with fixed draws, so it costs about the same for any data set
    and leaves the training as it is.

    Args:
        board: whose event file of the phase "fit" they go into.
        dataset: the rows.
        seed: of the subset and the draws.
        epochs: of one training; where it begins anew, its epochs are numbered on.
    """

    ROWS = 500
    TIMES = 5  # in a training, the last epoch included
    SAMPLES = 10

    def __init__(self, board: Board, dataset: Dataset, seed: int, epochs: int):
        super().__init__()
        self.board = board
        rows = generator(seed).permutation(subset(len(dataset.x), together(dataset.x, self.ROWS), seed))
        self.x = dataset.x[rows]
        self.image_shape = dataset.image_shape
        self.seed = seed
        self.epochs = epochs

    def on_epoch_end(self, epoch, logs=None):
        if isinstance(self.model, VaDE) and np.isfinite(logs["loss"]):
            self.write(self.model, epoch + 1)

    def write(self, model, epoch: int) -> None:
        """Write what there is to see of a model, if it is its turn."""
        if -epoch % self.epochs % max(1, self.epochs // self.TIMES) != 0:
            return
        m, log_s2 = model.encode(self.x)
        groups = model.prior(m, log_s2).numpy().argmax(axis=1)
        share = np.bincount(groups, minlength=model.prior.n_components) / len(groups)
        images = {} if self.image_shape is None else self._images(model, m, self.image_shape)
        with self.board.summaries("fit", epoch):
            for c, (weight, size) in enumerate(zip(np.exp(model.prior.parameters[0]), share, strict=True)):
                tf.summary.scalar(f"component_pi/{c}", weight)
                tf.summary.scalar(f"component_share/{c}", size)
            tf.summary.histogram("code/mean", m)
            tf.summary.histogram("code/log_variance", log_s2)
            for name, sheet in images.items():
                tf.summary.image(name, sheet)

    def _images(self, model, m, image_shape: tuple[int, ...]) -> dict[str, np.ndarray]:
        n_clusters = model.prior.n_components
        drawn = model.sample(np.repeat(np.arange(n_clusters), self.SAMPLES), self.seed)
        n = min(40, len(self.x))
        pairs = np.stack([model.scale(self.x[:n]), model.decode(m[:n])], axis=1)  # [n, 2, D]: data, reconstruction
        return {
            "components": _sheet(drawn, image_shape, self.SAMPLES),
            "reconstructions": _sheet(pairs.reshape(2 * n, -1), image_shape, 10),
        }


def _sheet(rows, image_shape: tuple[int, ...], columns: int) -> np.ndarray:
    """One image of many, uint8 [1, height, width, channels]: rows [n, D] in the units of the likelihood."""
    sheet = mosaic(_bytes(np.asarray(rows)).reshape(-1, *image_shape), columns, gap_value=255)
    return sheet.reshape(1, *sheet.shape[:2], -1)


def _bytes(x: np.ndarray) -> np.ndarray:
    """Values as uint8: [0, 1] as it is, anything else from its smallest to its largest."""
    low, high = min(float(x.min()), 0.0), max(float(x.max()), 1.0)
    return np.round(255 * (x - low) / (high - low)).astype(np.uint8)


def mosaic(images: np.ndarray, columns: int | None = None, gap: int = 1, gap_value: float = 1.0) -> np.ndarray:
    """Lay images [n, height, width] or [n, height, width, channels] out row by row, as one image.

    Args:
        columns: images side by side; default as many as make it about square.
        gap, gap_value: pixels between two images; their value, and that of places without an image.
    """
    n, height, width, *channels = images.shape
    columns = columns or math.ceil(math.sqrt(n))
    rows = math.ceil(n / columns)
    sheet = np.full((rows * columns, height + gap, width + gap, *channels), gap_value, images.dtype)
    sheet[:n, :height, :width] = images
    sheet = sheet.reshape(rows, columns, height + gap, width + gap, *channels).swapaxes(1, 2)
    return sheet.reshape(rows * (height + gap), columns * (width + gap), *channels)[: -gap or None, : -gap or None]
