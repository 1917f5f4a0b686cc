"""What TensorBoard shows of a run: the columns of its history as scalars, and views of the clusters of a VaDE."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from vade_tf.data.dataset import Dataset
from vade_tf.data.pipeline import together
from vade_tf.model.vade import VaDE
from vade_tf.mosaic import mosaic
from vade_tf.runs.folder import Run
from vade_tf.seeding import generator, subset
from vade_tf.storage import write_whole


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
    """What TensorBoard shows of a VaDE besides the terms: its clusters, codes and pictures; once fitted the projector.

    Computed from a random subset of rows with fixed draws, so it costs about the same for any data set
    and leaves the training as it is.

    Args:
        board: whose event file of the phase "fit" they go into.
        dataset: the rows; labels, where there are any, only name points of the projector.
        seed: of the subset and the draws.
        epochs: of one training; where it begins anew, its epochs are numbered on.
    """

    ROWS = 500
    PROJECTOR_ROWS = 2000
    TIMES = 5  # in a training, the last epoch included
    SAMPLES = 10

    def __init__(self, board: Board, dataset: Dataset, seed: int, epochs: int):
        super().__init__()
        self.board = board
        rows = generator(seed).permutation(subset(len(dataset.x), together(dataset.x, self.PROJECTOR_ROWS), seed))
        self.x = dataset.x[rows]
        self.y = None if dataset.y is None else dataset.y[rows]
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
        m, log_s2 = model.encode(self.x[: self.ROWS])
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

    def project(self, model: VaDE) -> None:
        """Write the projector's files of a fitted model, which may not be that of the last epoch."""
        m, log_gamma = model.assignments(self.x)
        groups = log_gamma.numpy().argmax(axis=1)
        write_projector(self.board.folder("fit"), m.numpy(), groups, self.y, self._thumbnails(model))

    def _images(self, model, m, image_shape: tuple[int, ...]) -> dict[str, np.ndarray]:
        n_clusters = model.prior.n_components
        drawn = model.sample(np.repeat(np.arange(n_clusters), self.SAMPLES), self.seed)
        n = min(40, len(self.x))
        pairs = np.stack([model.scale(self.x[:n]), model.decode(m[:n])], axis=1)  # [n, 2, D]: data, reconstruction
        return {
            "components": _sheet(drawn, image_shape, self.SAMPLES),
            "reconstructions": _sheet(pairs.reshape(2 * n, -1), image_shape, 10),
        }

    def _thumbnails(self, model) -> np.ndarray | None:
        if self.image_shape is None:
            return None
        return _bytes(model.scale(self.x).numpy()).reshape(-1, *self.image_shape)


def _sheet(rows, image_shape: tuple[int, ...], columns: int) -> np.ndarray:
    """One image of many, uint8 [1, height, width, channels]: rows [n, D] in the units of the likelihood."""
    sheet = mosaic(_bytes(np.asarray(rows)).reshape(-1, *image_shape), columns, gap_value=255)
    return sheet.reshape(1, *sheet.shape[:2], -1)


def _bytes(x: np.ndarray) -> np.ndarray:
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
        thumbnails: uint8 images, [n, height, width] or [n, height, width, 3], or None.
    """
    write_whole(folder / "tensors.tsv", "".join("\t".join(f"{v:.5g}" for v in row) + "\n" for row in m).encode())
    if y is None:
        lines = [str(c) for c in groups]  # a single column has no header
    else:
        labels = (" ".join(str(label).split()) for label in y)  # a cell of a table may hold tabs and lines
        lines = ["cluster\tlabel", *(f"{c}\t{label}" for c, label in zip(groups, labels, strict=True))]
    write_whole(folder / "metadata.tsv", ("\n".join(lines) + "\n").encode())
    config = ['tensor_name: "code"', 'tensor_path: "tensors.tsv"', 'metadata_path: "metadata.tsv"']
    if thumbnails is not None:
        height, width = thumbnails.shape[1:3]
        sprite = mosaic(thumbnails, gap=0)
        write_whole(folder / "sprite.png", tf.io.encode_png(sprite.reshape(*sprite.shape[:2], -1)).numpy())
        config.append(f'sprite {{ image_path: "sprite.png" single_image_dim: {width} single_image_dim: {height} }}')
    write_whole(folder / "projector_config.pbtxt", ("embeddings {\n  " + "\n  ".join(config) + "\n}\n").encode())
