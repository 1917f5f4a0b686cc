"""What fit, evaluate and predict of VaDE look at before Keras does: data sets, weights of rows, hints of any form."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from vade_tf.errors import InputError
from vade_tf.model import inputs
from vade_tf.training import recipe
from vade_tf.training.settings import Settings

QUIET = {"verbose": 0}


class Batches(keras.utils.PyDataset):
    """A data set of Keras of one batch, which counts how often it is asked."""

    def __init__(self, *batch):
        super().__init__()
        self.batch, self.asked = batch, 0

    def __len__(self):
        return 1

    def __getitem__(self, index):
        self.asked += 1
        return self.batch if len(self.batch) > 1 else self.batch[0]


def slices(x, y=None):
    return tf.data.Dataset.from_tensor_slices(x if y is None else (x, y)).batch(4)


FORMS = {
    "batches": slices,
    "batches of fixed size": lambda x: tf.data.Dataset.from_tensor_slices(x).batch(4, drop_remainder=True),
    "shuffled without end": lambda x: slices(x).shuffle(3).repeat(),
    "with hints": lambda x: slices(x, np.zeros(len(x), "i4")),
    "pairs of views": lambda x: tf.data.Dataset.from_tensor_slices(((x, x),)).batch(4),
    "of Keras": lambda x: Batches(x),
    "of Keras with hints": lambda x: Batches(x, np.zeros(len(x), "i4")),
}


@pytest.mark.parametrize("verb", ["fit", "evaluate", "predict"])
@pytest.mark.parametrize("form", FORMS)
def test_rows_of_a_data_set_in_other_units_are_refused(small_model, rng, verb, form):
    """Bytes, no numbers, and rows of another width; Keras would compute with the first two in silence."""
    more = {"steps_per_epoch": 1} if verb == "fit" else {"steps": 1}
    hinted = {"hints": True} if verb == "fit" and "hints" in form else {}
    x = rng.random((8, 12)).astype("f4")
    model = small_model()
    before = model.get_weights()
    for wrong, message in (
        ((255 * x).astype("u1"), "^x: expected values from 0 to 1, .* got uint8"),
        (np.where(x > 0.5, np.nan, x), "^x: expected finite numbers"),
        (x[:, :7], "^x: expected rows of 12 values, got shape"),
    ):
        with pytest.raises(InputError, match=message):
            getattr(model, verb)(FORMS[form](wrong), **more, **hinted, **QUIET)
        for mine, theirs in zip(model.get_weights(), before, strict=True):
            np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize("form", FORMS)
def test_the_rows_of_a_data_set_are_what_is_looked_at(rng, form):
    x = rng.random((8, 12)).astype("f4")
    found = inputs.first_batch(FORMS[form](x))
    found = found if isinstance(found, tuple) else (found,)
    for each in found:
        assert {tuple(row) for row in np.asarray(each)} <= {tuple(row) for row in x}
    assert len(found) == (2 if form == "pairs of views" else 1)


def test_no_row_is_lost_that_comes_once(small_model, rng):
    """Of a data set around a generator that begins but once a row that was looked at would be gone."""
    x = rng.random((12, 12)).astype("f4")
    expected = small_model().predict(x, **QUIET)
    spec = tf.TensorSpec((12,), tf.float32)

    def once():
        rows = iter(x)
        return tf.data.Dataset.from_generator(lambda: rows, output_signature=spec)

    asked = []

    def noted(row):
        asked.append(row)
        return row

    by_python = slices(x).unbatch().map(lambda row: tf.ensure_shape(tf.numpy_function(noted, [row], tf.float32), (12,)))
    for batches in (once().batch(4), tf.data.Dataset.range(1).flat_map(lambda _: once()).batch(4), by_python.batch(4)):
        np.testing.assert_allclose(small_model().predict(batches, **QUIET), expected, rtol=1e-5)
    assert len(asked) == len(x)
    parts = ((part,) for part in np.split(x, 3))
    np.testing.assert_allclose(small_model().predict(parts, **QUIET), expected, rtol=1e-5)


def test_a_data_set_that_is_empty_or_fails_is_for_keras_to_tell(small_model):
    assert inputs.first_batch(slices(np.zeros((0, 12), "f4"))) is None
    failing = slices(np.zeros((4, 12), "f4")).map(lambda x: tf.debugging.check_numerics(x / 0.0, "here"))
    assert inputs.first_batch(failing) is None
    ragged = tf.data.Dataset.from_tensors(tf.sparse.from_dense(np.eye(12, dtype="f4")))
    assert inputs.first_batch(ragged) is None
    with pytest.raises(tf.errors.InvalidArgumentError, match="here"):
        small_model().predict(failing, **QUIET)


def test_a_fit_of_the_package_looks_at_no_batches_of_its_own(monkeypatch, rng, eager):
    monkeypatch.setattr(inputs, "first_batch", lambda batches: pytest.fail("it was looked at"))
    x = (6 * np.eye(3, 9)[np.arange(60) % 3] + rng.normal(size=(60, 9))).astype("f4")
    settings = Settings(clusters=3, hidden=(8, 8), latent_dim=2, pretrain_epochs=1, epochs=2, init="kmeans")
    assert len(recipe.fit(x, settings).history) == 3


def test_weights_of_rows_are_refused_wherever_they_stand(small_model, rng):
    x, w = rng.random((8, 12)).astype("f4"), np.ones(8)
    model = small_model()
    for given in ((None, None, 0, w), (None, 8, 0, w)):
        with pytest.raises(InputError, match="^sample_weight: expected none"):
            model.evaluate(x, *given)
    with pytest.raises(InputError, match="^sample_weight: expected none"):
        model.evaluate(x, sample_weight=w, **QUIET)
    for name, weights in (("sample_weight", w), ("class_weight", {0: 1.0})):
        with pytest.raises(InputError, match=f"^{name}: expected none, every row counts alike"):
            model.train_on_batch(x, hints=np.zeros(8, int), **{name: weights})
    for more in ({}, {"hints": np.zeros(8, int)}):
        with pytest.raises(InputError, match="^validation_data: expected rows without sample_weight"):
            model.fit(x, validation_data=(x, None, w), **more, **QUIET)
        with pytest.raises(InputError, match="^class_weight: expected none"):
            model.fit(x, class_weight={0: 1.0, 1: 2.0}, **more, **QUIET)
    assert "val_loss" in model.fit(x, validation_data=(x, None, None), **QUIET).history


def test_hints_are_numbers_of_groups_and_no_indicators(small_model, rng):
    x, y = rng.random((8, 12)).astype("f4"), np.arange(8) % 4
    model, one_hot = small_model(), np.eye(4, dtype=int)[np.arange(8) % 4]
    said = r"^hints: expected the number of each row's group, of shape \(n,\), got shape \(8, 4\); .*argmax"
    with pytest.raises(InputError, match=said):
        model.fit(x, hints=one_hot, **QUIET)
    with pytest.raises(InputError, match=said):
        model.train_on_batch(x, hints=one_hot)
    with pytest.raises(InputError, match=said):
        model.evaluate(x, one_hot, **QUIET)
    with pytest.raises(InputError, match="^hints: expected groups from 0 to 3, or -1 for unknown, got 5 to 8$"):
        model.evaluate(x, y + 5, **QUIET)
    with pytest.raises(InputError, match="^hints: expected whole numbers from -1"):
        model.evaluate(x, y * 1.0, **QUIET)
    found = [model.evaluate(x, each, return_dict=True, **QUIET)["guidance"] for each in (y, y[:, None], list(y))]
    assert found[0] == found[1] == found[2] > 0


def of_hints(model, x, hints, **more):
    """The loss of rows and hints that a function of the hints computes."""
    step = tf.function(lambda hints: model._loss((x, hints), tf.constant(0)), autograph=False, **more)
    return float(step(tf.constant(np.array(hints, "i4"))))


def test_a_hint_beyond_the_components_is_no_number_where_xla_drops_its_check(small_model, rng):
    model, x = small_model(), rng.random((4, 12)).astype("f4")
    assert np.isfinite(of_hints(model, x, [0, 3, -1, 1], jit_compile=True))
    assert np.isnan(of_hints(model, x, [0, 4, -1, 1], jit_compile=True))


def test_a_training_on_hints_has_no_number_in_it_that_is_none(small_model, rng):
    """TensorFlow's own search for one would end every fit."""
    model, x = small_model(), rng.random((4, 12)).astype("f4")
    tf.debugging.enable_check_numerics()
    try:
        assert np.isfinite(of_hints(model, x, [0, 3, -1, 1]))
    finally:
        tf.debugging.disable_check_numerics()
