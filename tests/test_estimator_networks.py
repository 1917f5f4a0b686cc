"""The clusterer with networks of one's own."""

import keras
import numpy as np
import pytest
from sklearn.datasets import load_digits

from vade_tf import VaDEClusterer
from vade_tf.metrics import accuracy

SHORT = {"pretrain_epochs": 1, "epochs": 1, "batch_size": 80, "init": "kmeans", "regroups": 0, "latent_dim": 2}


def two_networks():
    """A convolutional pair on [8, 8, 1]."""
    keras.utils.set_random_seed(0)
    layers, z, x = keras.layers, keras.Input((4,)), keras.Input((8, 8, 1))
    h = layers.Conv2D(16, 3, strides=2, padding="same", activation="relu")(x)
    h = layers.Dense(64, activation="relu")(layers.Flatten()(h))
    g = layers.Reshape((4, 4, 16))(layers.Dense(256, activation="relu")(z))
    out = layers.Conv2DTranspose(1, 3, strides=2, padding="same")(g)
    return keras.Model(x, [layers.Dense(4)(h), layers.Dense(4)(h)]), keras.Model(z, out)


@pytest.mark.long
def test_own_networks_get_the_whole_recipe():
    images, y = load_digits().images[:600] / 16, load_digits().target[:600]
    encoder, decoder = two_networks()
    before = encoder.get_weights()
    model = VaDEClusterer(
        n_clusters=10,
        encoder=encoder,
        decoder=decoder,
        pretrain_epochs=100,
        epochs=40,
        regroups=1,
        batch_size=64,
        random_state=0,
    ).fit(images)
    for mine, theirs in zip(before, encoder.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)  # a copy was trained
    assert {row["phase"] for row in model.history_} == {"pretrain", "fit"}
    assert accuracy(y, model.labels_) > 0.7
    assert model.sample(3)[0].shape == (3, 64)


@pytest.mark.usefixtures("eager")
def test_dropout_of_own_networks_is_of_the_seed(rng):
    x_rows = rng.normal(size=(240, 5)).astype("f4")
    z, x = keras.Input((2,)), keras.Input((5,))
    h = keras.layers.Dropout(0.5)(keras.layers.Dense(16)(x))
    decoder = keras.Model(z, keras.layers.Dense(5)(keras.layers.Dropout(0.1)(z)))
    networks = {"encoder": keras.Model(x, [keras.layers.Dense(2)(h), keras.layers.Dense(2)(h)]), "decoder": decoder}
    short = {**SHORT, **networks}
    one, two, other = (VaDEClusterer(3, random_state=seed, **short).fit(x_rows) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one.transform(x_rows), two.transform(x_rows))
    assert one.history_[0]["loss"] == two.history_[0]["loss"] != other.history_[0]["loss"]
