"""Every system, from rows to a run folder that loads."""

import csv
import json

import keras
import numpy as np
import pytest
from sklearn.datasets import load_digits
from small_files import loaded as read

from vade_tf import metrics, systems
from vade_tf.errors import InputError
from vade_tf.runs import train as training
from vade_tf.runs.config import TrainConfig
from vade_tf.runs.folder import load
from vade_tf.systems import dec, registry
from vade_tf.training.settings import Settings

OTHERS = [name for name in systems.SYSTEMS if name != "dec_da"]  # which is of images alone: test_systems_images.py
GENERATIVE = {"gmm", "ae_gmm", "vae_gmm", "gmvae"}
SMALL = {
    "clusters": 3,
    "batch_size": 64,
    "pretrain_epochs": 15,
    "epochs": 10,
    "latent_dim": 3,
    "hidden": (64, 32),
    "learning_rate": 1e-2,
    "precision": "float32",
}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """240 rows of three groups that any method must find, with labels: the path of an .npz."""
    r = np.random.default_rng(0)
    y = np.arange(240) % 3
    x = np.repeat(np.eye(3), 4, axis=1)[y] * 12 + r.normal(size=(240, 12))
    file = tmp_path_factory.mktemp("data") / "groups.npz"
    np.savez(file, x=x.astype("f4"), y=y)
    return str(file)


@pytest.fixture(scope="module")
def vade_run(data, tmp_path_factory):
    """A VaDE run whose autoencoder the others start from."""
    out = tmp_path_factory.mktemp("vade") / "run"
    training.train(TrainConfig(data=data, **SMALL), out, export=False)
    return out


@pytest.fixture(scope="module")
def trained(data, vade_run, tmp_path_factory):
    """Run folder of each system."""
    folder = tmp_path_factory.mktemp("systems")
    for name in OTHERS:
        shared = {"pretrained": str(vade_run)} if systems.SYSTEMS[name].pretrains else {}
        training.train(TrainConfig(data=data, model=name, **SMALL, **shared), folder / name)
    return folder


@pytest.fixture(scope="module")
def loaded(trained):
    """The model each run folder gives back."""
    return {name: load(trained / name) for name in OTHERS}


@pytest.mark.parametrize("name", OTHERS)
def test_a_system_finds_the_groups_and_its_run_folder_gives_it_back(name, trained, loaded, data):
    model, dataset = loaded[name], read(data)
    probabilities = model.predict(dataset.x, verbose=0)
    assert probabilities.shape == (240, 3)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
    kept = json.loads((trained / name / "metrics.json").read_text())
    assert kept["model"] == name
    assert kept["acc"] == metrics.accuracy(dataset.y, probabilities.argmax(axis=1))
    if name != "gmvae":  # nothing makes 40 updates of a GMVAE find groups
        assert kept["acc"] == 1
    assert (kept["elbo"] is not None) == (name == "gmvae")
    assert not (trained / name / "export").exists()


@pytest.mark.parametrize("name", OTHERS)
def test_what_has_no_generative_model_says_so(name, loaded, data):
    model = loaded[name]
    clusters = model.predict(np.load(data)["x"], verbose=0)[:3].argmax(axis=1)  # of labels 0, 1, 2
    if name in GENERATIVE:
        drawn = np.asarray(model.sample(np.repeat(clusters, 200), seed=1))
        assert drawn.shape == (600, 12)
        np.testing.assert_array_equal(drawn, model.sample(np.repeat(clusters, 200), seed=1))
        with pytest.raises(ValueError, match="clusters: expected whole numbers from 0 to 2"):
            model.sample([3])
        if name != "gmvae":  # the rows drawn for a cluster are high where the rows of its label are
            means = drawn.reshape(3, 200, 3, 4).mean(axis=(1, 3))
            np.testing.assert_array_equal(means.argmax(axis=1), [0, 1, 2])
    else:
        with pytest.raises(InputError, match=f"^model: expected a generative model, .* got {name}"):
            model.sample(clusters)


@pytest.mark.long
@pytest.mark.parametrize("name", ["dec", "idec"])
def test_a_resumed_run_keeps_its_pretraining_and_ends_with_the_same_weights(
    name, data, vade_run, tmp_path, monkeypatch
):
    """Four updates an epoch. Stopped after the target of update 18, when the state is still that of update 16."""

    class Stop(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if epoch == 4:
                raise KeyboardInterrupt

    monkeypatch.setattr(dec, "UPDATES", 6)
    monkeypatch.setattr(dec, "TOLERANCE", 0.0)
    monkeypatch.setattr("vade_tf.training.callbacks.SAVE_SECONDS", 0)
    settings = {**SMALL, "epochs": 6, "pretrained": str(vade_run)}
    config = TrainConfig(data=data, model=name, **settings)
    training.train(config, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        training.train(config, tmp_path / "run", extra=[Stop()])
    monkeypatch.setattr(training, "pretrained_by", None)  # what was taken from another run is kept
    result = training.resume(tmp_path / "run")
    assert result["epochs"]["fit"] == 6
    for mine, theirs in zip(*(load(tmp_path / each).get_weights() for each in ("run", "whole")), strict=True):
        np.testing.assert_array_equal(mine, theirs)
    with (tmp_path / "run" / "metrics.csv").open(newline="") as lines:
        assert [int(row["epoch"]) for row in csv.DictReader(lines)] == list(range(1, 7))


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize(
    "system",
    [
        "ae_kmeans",
        "dec_da",
        *(pytest.param(s, marks=pytest.mark.long) for s in ("ae_gmm", "vae_gmm", "dec", "idec", "gmvae")),
    ],
)
def test_every_system_takes_convolutional_networks(system, images, tmp_path):
    more = {"network": "conv", "latent_dim": 4, "pretrain_epochs": 1, "epochs": 1, "batch_size": 60}
    model = registry.fit(system, images[:120], Settings(clusters=10, precision="float32", **more)).model
    rows = images[:120].reshape(120, 64)
    q = model.predict(rows, verbose=0)
    np.testing.assert_allclose(q.sum(axis=1), 1, rtol=1e-5)
    model.save(tmp_path / "model.keras")
    np.testing.assert_allclose(keras.saving.load_model(tmp_path / "model.keras").predict(rows, verbose=0), q, atol=1e-6)
    if model.decoder is not None:
        assert model.decode(np.zeros((2, 4), "f4")).shape == (2, 64)


@pytest.fixture(scope="module")
def images():
    return load_digits().images[:600].astype("u1") * 15
