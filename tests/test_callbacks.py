"""What TensorBoard shows of the clusters during training, and that showing it changes nothing."""

import numpy as np
import pytest
import tensorflow as tf
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.projector import ProjectorConfig

from vade_tf.data.observing import build
from vade_tf.runs import tensorboard
from vade_tf.runs import train as training
from vade_tf.runs.config import TrainConfig
from vade_tf.runs.folder import Run
from vade_tf.runs.load import load
from vade_tf.runs.result import Scores
from vade_tf.training import callbacks, partitions

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

pytestmark = pytest.mark.usefixtures("eager_file", "loaded_once")


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


SHOWN = np.random.default_rng(0).permutation(40)  # the rows, in the order they are shown


def values(events, tag):
    return {event.step: tf.make_ndarray(event.tensor_proto) for event in events.Tensors(tag)}


def png_of(events, tag, step):
    """(height, width, pixels) of an image summary."""
    width, height, content = values(events, tag)[step]
    return int(height), int(width), tf.io.decode_png(content).numpy()[:, :, 0]


@pytest.mark.long
def test_training_is_the_same_to_the_bit_without_it(trained, tmp_path, monkeypatch):
    folder, data = trained
    for name in ("write", "project"):
        monkeypatch.setattr(tensorboard.Views, name, lambda *a: None)
    training.train(TrainConfig.create(data=str(data), **SETTINGS), tmp_path / "run", export=False)
    mine, theirs = load(folder), load(tmp_path / "run")
    for a, b in zip(mine.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert not (tmp_path / "run" / "tensorboard" / "fit" / "tensors.tsv").exists()


def test_every_row_of_many_short_epochs_is_shown(tmp_path, monkeypatch):
    monkeypatch.setattr(callbacks, "KEPT", 5)
    np.save(tmp_path / "x.npy", np.random.default_rng(0).normal(size=(20, 4)).astype("f4"))
    short = {**SETTINGS, "pretrain_epochs": 12, "epochs": 17, "regroups": 0}
    training.train(TrainConfig.create(data=str(tmp_path / "x.npy"), **short), tmp_path / "run", export=False)
    for phase, epochs in (("pretrain", 12), ("fit", 17)):
        folder = str(tmp_path / "run" / "tensorboard" / phase)
        shown = EventAccumulator(folder, size_guidance={"tensors": 0}).Reload()
        assert sorted(values(shown, "loss")) == list(range(1, epochs + 1))
    assert len((tmp_path / "run" / "metrics.csv").read_text().splitlines()) == 30


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


def test_pictures_are_samples_and_reconstructions(trained, events):
    model = load(trained[0])
    height, width, pixels = png_of(events, "components", 7)
    assert (height, width) == (3 * 7 - 1, 10 * 9 - 1)
    drawn = model.sample(np.repeat(np.arange(3), 10), 0).numpy().reshape(30, 6, 8)
    np.testing.assert_allclose(pixels[7:13, 9:17], 255 * drawn[11], atol=1)
    height, width, pixels = png_of(events, "reconstructions", 7)
    assert (height, width) == (8 * 7 - 1, 10 * 9 - 1)
    with np.load(trained[1]) as arrays:
        np.testing.assert_array_equal(pixels[:6, :8], arrays["x"][SHOWN[0]])
        want = model.decode(model.encode(arrays["x"][SHOWN[:1]].reshape(1, 48))[0]).numpy().reshape(6, 8)
    np.testing.assert_allclose(pixels[:6, 9:17], 255 * want, atol=1)


def test_the_projector_reads_its_files(trained):
    """Codes, names and thumbnails belong together, row by row; the config is one that TensorBoard parses."""
    from google.protobuf import text_format

    folder = trained[0] / "tensorboard" / "fit"
    config = text_format.Parse((folder / "projector_config.pbtxt").read_text(), ProjectorConfig())
    (embedding,) = config.embeddings
    codes = np.loadtxt(folder / embedding.tensor_path, delimiter="\t")
    lines = (folder / embedding.metadata_path).read_text().splitlines()
    model = load(trained[0])
    with np.load(trained[1]) as arrays:
        x, y = arrays["x"][SHOWN], arrays["y"][SHOWN]
    np.testing.assert_allclose(codes, model.encode(x.reshape(40, 48))[0], rtol=1e-3, atol=1e-4)
    groups = model.predict(x.reshape(40, 48), verbose=0).argmax(axis=1)
    assert lines == ["cluster\tlabel", *(f"{c}\t{label}" for c, label in zip(groups, y, strict=True))]
    sprite = tf.io.decode_png((folder / embedding.sprite.image_path).read_bytes()).numpy()[:, :, 0]
    width, height = embedding.sprite.single_image_dim
    assert sprite.shape == (6 * height, 7 * width)  # TensorBoard wants as many columns as make it square
    np.testing.assert_array_equal(sprite[height : 2 * height, width : 2 * width], x[8])


def test_the_projector_shows_the_model_that_is_kept(tmp_path, rng, monkeypatch):
    """It may be another than that of the last epoch: of a rung, or of weights that training went back to."""
    fit = training.recipe.fit

    def other(*arguments, **more):
        fitted = fit(*arguments, **more)
        fitted.model.set_weights([0.5 * weight for weight in fitted.model.get_weights()])
        return fitted

    monkeypatch.setattr(training.recipe, "fit", other)
    x = rng.normal(size=(20, 4)).astype("f4")
    np.save(tmp_path / "x.npy", x)
    few = {**SETTINGS, "pretrain_epochs": 0, "epochs": 1, "regroups": 0}
    training.train(TrainConfig.create(data=str(tmp_path / "x.npy"), **few), tmp_path / "run", export=False)
    codes = np.loadtxt(tmp_path / "run" / "tensorboard" / "fit" / "tensors.tsv", delimiter="\t")
    kept = load(tmp_path / "run").encode(x)[0].numpy()[np.random.default_rng(0).permutation(20)]
    np.testing.assert_allclose(codes, kept, rtol=1e-3, atol=1e-4)


def test_the_last_epoch_of_each_training_is_scored(small_model, rng, monkeypatch):
    monkeypatch.setattr(callbacks, "KEPT", 2)
    scores = Scores(build(rng.uniform(size=(9, 12)).astype("f4"), np.arange(9) % 3, "x", "memory"), epochs=5)
    scores.set_model(small_model())
    logs = {epoch: {"loss": 1.0} for epoch in range(1, 16)}
    for epoch in logs:
        scores.on_epoch_end(epoch - 1, logs[epoch])
    assert [epoch for epoch in logs if "acc" in logs[epoch]] == [2, 4, 5, 6, 8, 10, 12, 14, 15]
    for logs in ({"loss": np.nan}, {"loss": np.inf}):  # of an epoch that is done again
        scores.on_epoch_end(4, logs)
        assert set(logs) == {"loss"}


def test_of_many_rows_some_are_scored_with_their_labels(rng, monkeypatch):
    monkeypatch.setattr(partitions, "READ", 20)
    x, y = rng.uniform(size=(100, 12)).astype("f4"), np.arange(100) % 3
    x[:, 0] = y / 2
    scores = Scores(build(x, y, "x", "memory"), epochs=1)
    assert scores.x.shape == (20, 12)
    np.testing.assert_array_equal(scores.y, 2 * scores.x[:, 0])


def test_of_many_rows_some_of_all_are_shown(monkeypatch):
    monkeypatch.setattr(tensorboard.Views, "PROJECTOR_ROWS", 40)
    x = np.repeat(np.arange(200.0)[:, None], 12, axis=1)
    views = tensorboard.Views(None, build(x, np.arange(200) // 50, "x", "memory"), seed=0, epochs=1)
    assert len(np.unique(views.x[:, 0])) == len(views.x) == 40
    np.testing.assert_array_equal(views.y, views.x[:, 0] // 50)
    assert set(views.y) == {0, 1, 2, 3}


def test_rows_that_are_no_images_have_no_pictures(small_model, rng, tmp_path):
    data = build(rng.normal(size=(30, 12)).astype("f4"), None, "x", "memory")
    board = tensorboard.Board(Run(tmp_path, TrainConfig(clusters=4)))
    views = tensorboard.Views(board, data, seed=0, epochs=5)
    views.write(small_model("gaussian"), 5)
    views.project(small_model("gaussian"))
    tmp_path = board.folder("fit")
    tags = EventAccumulator(str(tmp_path)).Reload().Tags()["tensors"]
    assert "component_pi/0" in tags
    assert not {"components", "reconstructions"} & set(tags)
    assert not (tmp_path / "sprite.png").exists()
    lines = (tmp_path / "metadata.tsv").read_text().splitlines()
    assert len(lines) == 30
    assert set(lines) <= set("0123")


def test_a_label_of_several_lines_is_one_cell_of_the_projector(tmp_path):
    tensorboard.write_projector(tmp_path, np.zeros((2, 2)), np.array([0, 1]), np.array(["a\tb", "c\nd e"]), None)
    lines = (tmp_path / "metadata.tsv").read_text().splitlines()
    assert lines == ["cluster\tlabel", "0\ta b", "1\tc d e"]


def test_a_long_run_is_shown_a_few_times_and_at_its_end(small_model, rng, tmp_path):
    data = build(rng.uniform(size=(9, 12)).astype("f4"), None, "x", "memory")
    board = tensorboard.Board(Run(tmp_path, TrainConfig(clusters=4)))
    views = tensorboard.Views(board, data, seed=0, epochs=103)
    model = small_model()
    for epoch in range(1, 104):
        views.write(model, epoch)
    steps = set(values(EventAccumulator(str(board.folder("fit"))).Reload(), "component_pi/0"))
    assert steps == {3, 23, 43, 63, 83, 103}


@pytest.mark.parametrize(("x", "want"), [([0.0, 0.5, 1.0], [0, 128, 255]), ([-1.0, 0.0, 3.0], [0, 64, 255])])
def test_bytes_keep_zero_to_one_and_stretches_anything_else(x, want):
    np.testing.assert_array_equal(tensorboard._bytes(np.array(x)), want)


def test_learning_rates_of_the_recipes():
    paper = callbacks.learning_rate("step", 0.002, 300)
    assert [paper(e) for e in (0, 9, 10, 25)] == pytest.approx([0.002, 0.002, 0.0018, 0.00162])
    assert paper(299) == pytest.approx(0.0002)
    text = callbacks.learning_rate("step", 0.002, 15, decay=0.5, decay_epochs=5)
    assert [text(e) for e in (4, 5, 14)] == pytest.approx([0.002, 0.001, 0.0005])
    cosine = [callbacks.learning_rate("cosine", 0.002, 40)(e) for e in range(40)]
    assert cosine == sorted(cosine, reverse=True)
    assert cosine[0] == pytest.approx(0.002, rel=0.01)
    assert cosine[-1] == pytest.approx(0.0001, rel=0.05)


def test_guide_holds_for_its_epochs_and_to_sharper_groups_more(small_model):
    guide, model = callbacks.Guide(20.0, 3), small_model()
    guide.set_model(model)
    weights = []
    for epoch, sharp in enumerate([False, True, False, True]):
        guide.sharp = sharp
        guide.on_epoch_begin(epoch)
        weights.append(float(model.guide_weight.numpy()))
    assert weights == [20.0, 100.0, 20.0, 0.0]
