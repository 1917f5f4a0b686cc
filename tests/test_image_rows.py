"""Rows that are images, or are not, as the estimator is told."""

import keras
import numpy as np
import pandas
import pytest
from sklearn.metrics import adjusted_rand_score

import vade_tf
from vade_tf import VaDEClusterer
from vade_tf.model import networks

SHORT = {"n_clusters": 2, "hidden": (8,), "pretrain_epochs": 1, "epochs": 1, "regroups": 0, "random_state": 0}


def test_a_table_that_is_no_table_of_images_stays_a_table(rng):
    table = pandas.DataFrame({"size": rng.normal(size=60), "kind": ["a", "b", "c"] * 20})
    for image_shape in (None, ()):
        model = VaDEClusterer(image_shape=image_shape, **SHORT).fit(table)
        assert model.schema_.features == ["size", "kind=a", "kind=b", "kind=c"]


@pytest.mark.parametrize(
    "form",
    [list, pytest.param(lambda x: np.array([*x, None], object)[:-1], marks=pytest.mark.long)],
    ids=["list", "objects"],
)
def test_images_in_a_list_or_in_an_array_of_objects_are_images(rng, form):
    images = rng.integers(0, 256, (60, 5, 6)).astype("u1")
    model = VaDEClusterer(**SHORT).fit(form(list(images)))
    np.testing.assert_array_equal(model.labels_, VaDEClusterer(**SHORT).fit(images).labels_)
    assert model._image_shape == (5, 6)


def test_images_may_be_plain_rows(rng):
    images = rng.integers(0, 256, (60, 5, 6)).astype("u1")
    model = VaDEClusterer(image_shape=(), **SHORT).fit(images)
    assert model._image_shape is None
    np.testing.assert_array_equal(model.predict(images), model.labels_)


def test_images_in_other_units_are_told(rng):
    """Ink is a fifth of a digit's pixels, so most values of bytes are where those of fractions were."""
    images = np.where(rng.random((60, 12, 12)) < 0.2, rng.random((60, 12, 12)), 0).astype("f4")
    short = {"pretrain_epochs": 1, "epochs": 1, "hidden": (8,), "latent_dim": 2, "network": "dense", "random_state": 0}
    fitted = vade_tf.VaDEClusterer(2, likelihood="gaussian", **short).fit(images)
    with pytest.warns(UserWarning, match="expected values in the units of the training"):
        fitted.predict((255 * images).astype("u1"))
    words = vade_tf.VaDEClusterer(2, **short).fit((65535 * images).astype("u2"))
    with pytest.raises(ValueError, match="X: expected values from 0 to .*scale them as those"):
        words.predict((255 * images).astype("u1"))


def test_an_encoder_whose_sides_stand_in_another_order_is_refused(rng):
    own = networks.build_encoder(600, 2, (8,))
    turned = keras.Input((30, 20, 1))
    encoder = keras.Model(turned, own(keras.layers.Flatten()(turned)))
    settings = vade_tf.Settings(clusters=2, pretrain_epochs=1, epochs=1)
    with pytest.raises(ValueError, match=r"encoder: expected one of images of \(20, 30\), as x has"):
        vade_tf.fit(rng.random((40, 20, 30)), settings, networks=(encoder, networks.build_decoder(600, 2, (8,))))


@pytest.mark.parametrize("image_shape", [None, (50, 3)])
def test_series_are_rows_unless_somebody_says_that_they_are_images(rng, image_shape):
    """And so they are in what is predicted, whichever they were fitted as."""
    x = rng.normal(size=(60, 50, 3)) + np.repeat([0, 4], 30)[:, None, None]
    model = VaDEClusterer(image_shape=image_shape, **SHORT).fit(x)
    assert model._image_shape == image_shape
    np.testing.assert_array_equal(model.predict(x), model.labels_)
    np.testing.assert_array_equal(model.predict(x.reshape(60, -1)), model.labels_)
    assert adjusted_rand_score(model.labels_, np.repeat([0, 1], 30)) == 1
