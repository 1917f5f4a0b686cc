"""Systems on images: with convolutional networks; and DEC-DA, what it reads, aims at, gains and refuses."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from sklearn.datasets import load_digits

from vade_tf.data.augmentation import Augmentation, augment
from vade_tf.errors import InputError
from vade_tf.model import convolutional
from vade_tf.runs import train as training
from vade_tf.runs.config import TrainConfig
from vade_tf.runs.load import load
from vade_tf.systems import dec, models, registry
from vade_tf.training.settings import Settings
from vade_tf.training.store import Memory

SMALL = {"clusters": 10, "latent_dim": 4, "hidden": (32, 16), "precision": "float32"}


def moved(images):
    """Images [n, 8, 8], moved at random, as rows [n, 64]."""
    flat = tf.constant(images.reshape(len(images), 64))
    return augment(flat, Augmentation((8, 8)), tf.constant([7, 7], tf.int64)).numpy()


@pytest.fixture(scope="module")
def images():
    return load_digits().images[:600].astype("u1") * 15


@pytest.fixture(scope="module")
def pretrained(images):
    """The autoencoder that DEC and DEC-DA start from."""
    store = Memory()
    settings = Settings(pretrain_epochs=20, batch_size=50, learning_rate=5e-3, **SMALL)
    registry.fit("ae_kmeans", images, settings, store=store)
    return store.load("pretrained")


def fitted(system, images, pretrained, **more):
    store = Memory()
    store.save("pretrained", pretrained)
    settings = Settings(batch_size=50, learning_rate=5e-3, **{"pretrain_epochs": 20, **SMALL, **more})
    return registry.fit(system, images, settings, store=store)


def test_networks_of_images_take_and_give_rows(images):
    """The first of a row is the upper left pixel, the next the one to its right."""
    encoder, decoder = convolutional.build_encoder((8, 8), 3), convolutional.build_decoder((8, 8), 3)
    rows, z = images[:5].reshape(5, 64) / 255, np.eye(3, dtype="f4")
    np.testing.assert_allclose(models.of_rows(encoder)(rows)[0], encoder(images[:5, :, :, None] / 255)[0], atol=1e-6)
    np.testing.assert_array_equal(models.to_rows(decoder)(z), np.reshape(decoder(z), (3, 64)))


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
    settings = {name: value for name, value in SMALL.items() if name != "hidden"}
    more = {"network": "conv", "pretrain_epochs": 1, "epochs": 1, "batch_size": 60}
    model = registry.fit(system, images[:120], Settings(**settings, **more)).model
    rows = images[:120].reshape(120, 64)
    q = model.predict(rows, verbose=0)
    np.testing.assert_allclose(q.sum(axis=1), 1, rtol=1e-5)
    model.save(tmp_path / "model.keras")
    np.testing.assert_allclose(keras.saving.load_model(tmp_path / "model.keras").predict(rows, verbose=0), q, atol=1e-6)
    if model.decoder is not None:
        assert model.decode(np.zeros((2, 4), "f4")).shape == (2, 64)


@pytest.mark.long
def test_images_that_are_moved_stay_in_their_groups_more_often_than_by_dec(images, pretrained, monkeypatch):
    monkeypatch.setattr(dec, "TOLERANCE", 0.0)
    stay = {}
    for system in ("dec", "dec_da"):
        model = fitted(system, images, pretrained, epochs=15).model
        rows = images.reshape(600, 64)
        groups, after = (model.predict(each, verbose=0).argmax(axis=1) for each in (rows, moved(images)))
        stay[system] = np.mean(groups == after)
    assert stay["dec_da"] > stay["dec"] + 0.05


@pytest.mark.usefixtures("eager")
def test_the_network_reads_moved_images_and_the_target_is_of_those_as_they_are(images, monkeypatch):
    """At a rate of 0 a batch is all there is to see."""
    seen, aims = [], []

    def read(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        seen.append((x.numpy(), y.numpy()))
        return tf.reduce_sum(y_pred)

    aim = dec.SelfTraining.aim

    def aimed(self, q):
        aims.append(q)
        return aim(self, q)

    monkeypatch.setattr(dec, "SGD_RATE", 0.0)
    monkeypatch.setattr(dec.SelfTraining, "compute_loss", read)
    monkeypatch.setattr(dec.SelfTraining, "aim", aimed)
    model = registry.fit("dec_da", images, Settings(batch_size=50, pretrain_epochs=0, epochs=1, **SMALL)).model
    x, numbers = (np.concatenate(part) for part in zip(*seen, strict=True))
    rows = images.reshape(600, 64)
    np.testing.assert_array_equal(np.sort(numbers), np.arange(600))
    assert np.mean(np.any(x != rows[numbers], axis=1)) > 0.9
    ink, own = x.astype("f8").sum(axis=1), rows[numbers].sum(axis=1)
    assert np.corrcoef(ink, own)[0, 1] > 0.7  # of the row of its number: moving hardly changes the ink
    np.testing.assert_allclose(aims[0], model.predict(rows, verbose=0), atol=1e-5)


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize(("network", "kind"), [("dense", keras.optimizers.SGD), ("conv", keras.optimizers.Adam)])
def test_dense_networks_descend_by_sgd_and_convolutional_ones_by_adam(network, kind, images, monkeypatch):
    """Guo's code of DEC-DA, run_exp.py and main.py: rates 0.01, with momentum 0.9, and 0.001."""
    used = []
    monkeypatch.setattr(dec.loop, "fit_keras", lambda *arguments, **more: used.append(more["optimizer"]))
    own = {name: value for name, value in SMALL.items() if network == "dense" or name != "hidden"}
    registry.fit("dec_da", images[:60], Settings(network=network, pretrain_epochs=1, **own))
    (optimizer,) = used
    assert type(optimizer) is kind
    assert float(optimizer.learning_rate) == pytest.approx(0.01 if network == "dense" else 0.001)
    assert getattr(optimizer, "momentum", 0.9) == 0.9


@pytest.mark.usefixtures("eager")
def test_a_run_folder_gives_the_fitted_model_back(images, tmp_path):
    np.save(tmp_path / "images.npy", images[:200])
    config = TrainConfig.create(
        data=str(tmp_path / "images.npy"), model="dec_da", batch_size=50, pretrain_epochs=2, epochs=2, **SMALL
    )
    result = training.train(config, tmp_path / "run")
    assert (result["model"], result["epochs"]) == ("dec_da", {"pretrain": 2, "fit": 2})
    q = load(tmp_path / "run").predict(images[:200].reshape(200, 64), verbose=0)
    np.testing.assert_allclose(q.sum(axis=1), 1, rtol=1e-5)


@pytest.mark.parametrize(("more", "got"), [({"augment": "none"}, "augment='none'"), ({}, "rows that are no images")])
def test_what_is_not_augmented_is_refused_before_anything_is_trained(more, got, images, rng):
    x = images if more else rng.normal(size=(60, 7))
    with pytest.raises(InputError, match=f"^model: dec_da reads augmented images, got {got}; use dec$"):
        registry.fit("dec_da", x, Settings(**{**SMALL, "clusters": 3}, **more))


@pytest.mark.parametrize("system", ["kmeans", "gmm"])
def test_centres_of_images_on_white_are_white(system, images):
    """Networks read their negatives; these systems have none."""
    white = 255 - images
    settings = Settings(clusters=3, **{name: value for name, value in SMALL.items() if name != "clusters"})
    model = registry.fit(system, white, settings).model
    np.testing.assert_allclose(model.decode(model.head.mu).numpy().mean(), white.mean() / 255, atol=0.1)
