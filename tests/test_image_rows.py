"""Rows that are images, or are not, as the estimator is told."""

import numpy as np
import pandas
import pytest

from vade_tf import VaDEClusterer

SHORT = {"n_clusters": 2, "hidden": (8,), "pretrain_epochs": 1, "epochs": 1, "regroups": 0, "random_state": 0}


def test_a_table_that_is_no_table_of_images_stays_a_table(rng):
    table = pandas.DataFrame({"size": rng.normal(size=60), "kind": ["a", "b", "c"] * 20})
    for image_shape in (None, ()):
        model = VaDEClusterer(image_shape=image_shape, **SHORT).fit(table)
        assert model.schema_.features == ["size", "kind=a", "kind=b", "kind=c"]


@pytest.mark.parametrize("form", [list, lambda x: np.array([*x, None], object)[:-1]], ids=["list", "objects"])
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
