"""What a run says of itself: scores against labels, which are for reporting alone, and what metrics.json holds."""

import importlib.metadata
import platform

import keras
import numpy as np

from vade_tf import metrics
from vade_tf.data import pipeline
from vade_tf.data.dataset import Dataset
from vade_tf.data.rows import Rows, part
from vade_tf.runs.config import TrainConfig
from vade_tf.runs.folder import BOUND, SCORES
from vade_tf.training import callbacks, device, partitions
from vade_tf.training.autoencoder import AUTOENCODER
from vade_tf.training.fitting import Fitted
from vade_tf.training.loop import PLAIN_VAE
from vade_tf.training.posterior import model_groups

BATCHES = 10_000  # whose bound Keras takes the mean of


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


def means(model: keras.Model, x: Rows) -> dict[str, float]:
    """The metrics of a compiled model over all rows [n, D], by name.

    Keras adds up in float32, which loses sight of a batch after 10^5 others or so: parts of the rows are evaluated.
    """
    size = pipeline.together(x)
    total: dict[str, float] = {}
    with pipeline.reading(x):
        for start in range(0, len(x), BATCHES * size):
            rows = part(x, slice(start, min(start + BATCHES * size, len(x))))
            found = model.evaluate(pipeline.ordered_batches(rows), verbose=0, return_dict=True)
            for name, mean in found.items():
                total[name] = total.get(name, 0.0) + mean * (len(rows) / len(x))
    return total


def summarise(
    config: TrainConfig, dataset: Dataset, fitted: Fitted, found: dict[str, float], pretrained: int | None
) -> dict:
    """What metrics.json holds.

    Args:
        config, dataset, fitted: of the run.
        found: scores, where there are labels, and what `means` says of a model with a bound.
        pretrained: epochs of the autoencoder that it began with, its own or one that it was lent.
    """
    trained = sum(row["phase"] == "fit" for row in fitted.history) or None
    return {
        "dataset": dataset.name,
        "source": dataset.source,
        "n": len(dataset.x),
        "n_features": dataset.x.shape[1],
        "n_clusters": config.clusters,
        "model": config.model,
        "recipe": config.recipe,
        "likelihood": fitted.model.likelihood.name,
        "seed": config.seed,
        **{name: found.get(name) for name in (*SCORES, *BOUND)},
        **{name: found[name] for name in ("rate_w",) if name in found},
        **({} if fitted.choice is None else {"choice": vars(fitted.choice)}),
        "kind": fitted.kind,
        "start": fitted.start,
        "health": fitted.health,
        "remedies": fitted.remedies,
        "epochs": {"pretrain": pretrained or None, "fit": trained},
        "seconds": {name: round(value, 1) for name, value in fitted.seconds.items()},
        "device": device.describe(),
        "precision": device.resolve_precision(config.precision, shared=config.distribute != "none"),
        "jit": config.distribute == "none" and device.resolve_jit(config.jit),
        "versions": {
            "python": platform.python_version(),
            **{
                name: version(name)
                for name in ("tensorflow", "tensorflow-probability", "keras", "numpy", "scikit-learn")
            },
        },
    }


def version(name: str) -> str:
    """Of an installed package; "unknown" where a library came under another name, as tensorflow-cpu is one."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "unknown"
