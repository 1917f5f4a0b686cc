"""What TensorBoard shows of a run: its history as scalars."""

import numpy as np
import pandas
import pytest
import tensorflow as tf
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from vade_tf.runs import train as training
from vade_tf.runs.config import TrainConfig

SETTINGS = {
    "pretrain_epochs": 1,
    "epochs": 7,
    "guide_epochs": 7,
    "batch_size": 32,
    "clusters": 3,
    "hidden": (16, 8),
    "init": "kmeans",
    "augment": "none",
    "precision": "float32",  # in half precision a row depends a little on its batch
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run on images with labels."""
    folder = tmp_path_factory.mktemp("views")
    x = np.random.default_rng(0).integers(0, 256, (40, 6, 8)).astype("u1")
    np.savez(folder / "x.npz", x=x, y=np.arange(40) % 3)
    training.train(TrainConfig.create(data=str(folder / "x.npz"), **SETTINGS), folder / "run", export=False)
    return folder / "run"


@pytest.fixture(scope="module")
def events(trained):
    return EventAccumulator(str(trained / "tensorboard" / "fit")).Reload()


def values(events, tag):
    return {event.step: tf.make_ndarray(event.tensor_proto) for event in events.Tensors(tag)}


def test_every_column_of_the_history_is_a_curve(trained, events):
    rows = pandas.read_csv(trained / "metrics.csv").query("phase == 'fit'").drop(columns=["phase", "seconds"])
    shown = rows.dropna(axis=1).set_index("epoch")
    assert {"loss", "elbo", "acc", "gamma_entropy"} <= set(shown)
    for name in shown:
        assert values(events, name) == pytest.approx(shown[name].to_dict(), rel=1e-5)
