"""What is recorded of a run while it trains: scores against labels, and its history for TensorBoard."""

import keras
import numpy as np
import tensorflow as tf

from vade_tf import metrics
from vade_tf.data.dataset import Dataset
from vade_tf.runs.folder import Run
from vade_tf.training import callbacks, partitions
from vade_tf.training.autoencoder import AUTOENCODER
from vade_tf.training.loop import PLAIN_VAE
from vade_tf.training.posterior import model_groups


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

    def save_rows(self, rows: list[dict], new: int) -> None:
        """Write metrics.csv, and the new rows as scalars."""
        self.run.save_rows(rows)
        for row in rows[len(rows) - new :]:
            phase = row["phase"]
            if phase not in self._writers:
                self._writers[phase] = tf.summary.create_file_writer(str(self.run.path / "tensorboard" / phase))
            with self._writers[phase].as_default(step=row["epoch"]):
                for name in row.keys() - {"phase", "epoch", "seconds"}:
                    tf.summary.scalar(name, row[name])


class Scores(keras.callbacks.Callback):
    """ACC, NMI and ARI after an epoch, into `logs`, from where they go into the history; used for nothing.

    Args:
        dataset: rows with labels; of many some, drawn, are scored.
        epochs: of one training, its last is scored; of many short ones only some are (as `callbacks.Record` keeps only
            some).
    """

    def __init__(self, dataset: Dataset, epochs: int):
        super().__init__()
        rows = partitions.rows_read(len(dataset.x), seed=0)
        some = dataset if rows is None else dataset.part(rows)
        assert some.y is not None
        self.x, self.y = some.x, some.y
        self.epochs = epochs
        self.every = max(1, epochs // callbacks.STATES_KEPT)

    def on_epoch_end(self, epoch, logs=None):
        due = (epoch + 1) % self.every == 0 or (epoch + 1) % self.epochs == 0
        if due and self.model.name not in (AUTOENCODER, PLAIN_VAE) and np.isfinite(logs["loss"]):
            logs.update(metrics.scores(self.y, model_groups(self.model, self.x)))
