"""What a VaDE refuses before it trains: rows of other forms, labels, hints that mean nothing."""

import anndata
import keras
import numpy as np
import pandas
import pytest
import scipy.sparse
import tensorflow as tf

from vade_tf.errors import InputError
from vade_tf.model import inputs, networks
from vade_tf.model.optimizer import FusedAdam
from vade_tf.model.vade import VaDE

Y = np.arange(8) % 4


@pytest.fixture
def x(rng):
    return rng.uniform(size=(8, 12)).astype("f4")


OTHER_ROWS = {
    "none": lambda x: None,
    "a list": lambda x: x.tolist(),
    "a table": pandas.DataFrame,
    "sparse rows": scipy.sparse.csr_array,
    "an AnnData": anndata.AnnData,
    "masked cells": lambda x: np.ma.masked_array(x, x > 0.5),
    "another width": lambda x: x[:, 1:],
    "no rows": lambda x: x[:0],
}


@pytest.mark.parametrize("form", OTHER_ROWS.values(), ids=OTHER_ROWS.keys())
def test_rows_that_are_no_array_of_the_width_are_refused_by_every_verb(form, small_model, x):
    model = small_model()
    for verb in (model.fit, model.evaluate, model.predict):
        with pytest.raises(InputError, match=r"^x: expected an array of rows \[n, 12\]"):
            verb(form(x), verbose=0)


def test_images_of_other_sides_are_refused(x):
    pixels = keras.Input((3, 4, 1))
    flat = keras.layers.Flatten()(pixels)
    encoder = keras.Model(pixels, [keras.layers.Dense(2)(flat), keras.layers.Dense(2)(flat)])
    model = VaDE(encoder, networks.build_decoder(12, 2, (4,)), 3)
    assert model.predict(x.reshape(8, 3, 4), verbose=0).shape == (8, 3)
    with pytest.raises(InputError, match="^x: expected images of"):
        model.predict(x.reshape(8, 4, 3), verbose=0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"y": Y}, "^y: expected no labels"),
        ({"y": Y, "hints": False}, "^y: expected no labels"),
        ({"y": np.where(Y > 1, 1, -1)}, "^y: expected no labels"),  # labels of two classes
        ({"y": Y, "hints": Y}, "^hints: expected hints or y, got both"),
        ({"hints": np.array(["a"] * 8)}, "^hints: expected whole numbers"),
        ({"hints": np.eye(4)[Y].astype(int)}, "^hints: expected whole numbers"),
        ({"hints": Y + 1}, "^hints: expected .* got 1 to 4$"),
        ({"hints": Y - 2}, "^hints: expected .* got -2 to 1$"),
        ({"hints": np.full((8, 4), 0.5)}, "^hints: expected probabilities whose rows sum to 1"),
        ({"sample_weight": np.ones(8)}, "^sample_weight: expected none"),
        ({"validation_data": (np.zeros((8, 12)), Y)}, "^validation_data: expected rows alone"),
        (
            {"validation_data": tf.data.Dataset.from_tensors((np.zeros((8, 12)), Y))},
            "^validation_data: expected rows alone",
        ),
    ],
)
def test_labels_and_hints_that_cannot_be_used(small_model, x, arguments, message, eager):
    with pytest.raises(InputError, match=message):
        small_model().fit(x, verbose=0, **arguments)


@pytest.mark.parametrize("trained", [False, True])
def test_labels_in_batches_are_refused_unless_they_are_hints(trained, small_model, x, eager):
    model, pairs = small_model(), tf.data.Dataset.from_tensors((x, Y))
    if trained:
        model.fit(pairs, hints=True, verbose=0)
    with pytest.raises(InputError, match="^x: expected batches of x alone"):
        model.fit(pairs, verbose=0)
    with pytest.raises(InputError, match="^y: expected no labels"):
        model.train_on_batch(x, Y)


def test_hints_of_no_weight_are_refused(small_model, x):
    with pytest.raises(InputError, match="^guide_weight: expected a weight above 0"):
        small_model(guide_weight=0.0).fit(x, hints=Y, verbose=0)


@pytest.mark.parametrize("name", ["loss", "metrics"])
def test_a_loss_of_ones_own_is_refused(name, small_model):
    with pytest.raises(InputError, match=f"^{name}: expected none"):
        small_model().compile("adam", **{name: "mse"})


@pytest.mark.parametrize("kind", ["i8", "f4"])
def test_hints_become_probabilities(kind):
    """A group that is not known is a row of zeros."""
    found = inputs.hints_of_batch(np.array([2, -1]) if kind == "i8" else np.eye(3, dtype="f4")[:2], 3)
    np.testing.assert_array_equal(found, [[0, 0, 1], [0, 0, 0]] if kind == "i8" else np.eye(3)[:2])


def test_a_hint_beyond_the_components_is_no_number_where_nothing_checks_it(small_model, x, monkeypatch):
    """XLA drops the check, and one_hot makes such a hint none."""
    model = small_model(compiled=False)
    model.compile(FusedAdam(1e-3), run_eagerly=True)
    monkeypatch.setattr(tf.debugging, "assert_less", lambda *_: None)
    for hint, finite in ((3, True), (4, False)):
        batches = tf.data.Dataset.from_tensors((x, np.full(8, hint)))
        assert np.isfinite(model.fit(batches, hints=True, verbose=0).history["loss"]).all() == finite
