"""What TensorBoard shows of a run: scalars, clusters and pictures."""

import numpy as np
import pytest
import tensorflow as tf
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from vade_tf.runs import train as training
from vade_tf.runs.config import TrainConfig
from vade_tf.runs.load import load
from vade_tf.runs.tensorboard import mosaic

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
    """A run on images with labels: (its folder, the file of its data)."""
    folder = tmp_path_factory.mktemp("views")
    x = np.random.default_rng(0).integers(0, 256, (40, 6, 8)).astype("u1")
    np.savez(folder / "x.npz", x=x, y=np.arange(40) % 3)
    training.train(TrainConfig.create(data=str(folder / "x.npz"), **SETTINGS), folder / "run", export=False)
    return folder / "run", folder / "x.npz"


@pytest.fixture(scope="module")
def events(trained):
    return EventAccumulator(str(trained[0] / "tensorboard" / "fit")).Reload()


def values(events, tag):
    return {event.step: tf.make_ndarray(event.tensor_proto) for event in events.Tensors(tag)}


def test_the_clusters_are_those_of_the_model(trained, events):
    model = load(trained[0])
    with np.load(trained[1]) as arrays:
        x = arrays["x"].reshape(40, 48)
    gamma = model.predict(x, verbose=0)
    assert set(values(events, "gamma_entropy")) == {1, 2, 3, 4, 5, 6, 7}  # seven epochs: each is shown
    entropy = -np.sum(gamma * np.log(np.maximum(gamma, 1e-38)), axis=1).mean()
    assert values(events, "gamma_entropy")[7] == pytest.approx(entropy, rel=1e-3, abs=1e-6)
    for c in range(3):
        assert values(events, f"component_share/{c}")[7] == pytest.approx(np.mean(gamma.argmax(axis=1) == c))
        assert values(events, f"component_pi/{c}")[7] == pytest.approx(np.exp(model.prior.parameters[0][c]), rel=1e-5)
    histogram = values(events, "code/mean")[7]
    assert histogram[:, 2].sum() == 40 * 10


@pytest.mark.parametrize(("n", "columns", "gap"), [(6, 3, 1), (5, 3, 1), (4, None, 0), (1, None, 2), (7, 4, 3)])
def test_every_image_is_whole_and_in_its_place(rng, n, columns, gap):
    images = rng.uniform(size=(n, 2, 3))
    sheet = mosaic(images, columns, gap, gap_value=-1.0)
    columns = columns or int(np.ceil(np.sqrt(n)))
    rows = -(-n // columns)
    assert sheet.shape == (rows * (2 + gap) - gap, columns * (3 + gap) - gap)
    for i, image in enumerate(images):
        top, left = i // columns * (2 + gap), i % columns * (3 + gap)
        np.testing.assert_array_equal(sheet[top : top + 2, left : left + 3], image)
    assert np.sum(sheet != -1.0) == images.size
