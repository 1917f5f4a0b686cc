"""A fit of rows in memory: what goes in, what a store and callbacks may do, and that nothing but rows is needed."""

import dataclasses

import keras
import numpy as np
import pytest
import scipy.sparse
import tensorflow as tf

from vade_tf import Memory, Settings, VaDE, begin, fit, guide, pretrain, start
from vade_tf.data.observations import build
from vade_tf.training import callbacks

pytestmark = pytest.mark.usefixtures("eager_file")


SETTINGS = Settings(
    clusters=3, hidden=(16, 8), latent_dim=2, pretrain_epochs=3, epochs=6, batch_size=64, learning_rate=5e-3,
    precision="float32",
)  # fmt: skip


QUICK = dataclasses.replace(SETTINGS, pretrain_epochs=2, epochs=3, init="kmeans", regroups=0)


@pytest.fixture(scope="module")
def rows():
    """150 rows in three groups, a third of the values zero, and the group of each."""
    r = np.random.default_rng(0)
    y = np.arange(150) % 3
    x = 5 * np.repeat(np.eye(3), 3, axis=1)[y] + r.normal(size=(150, 9))
    return np.where(r.uniform(size=x.shape) < 0.3, 0, x).astype("f4"), y


@pytest.fixture(scope="module")
def whole(rows):
    return fit(rows[0], SETTINGS)


LET_GO = dataclasses.replace(SETTINGS, guide_epochs=4, regroups=2)  # of the start, not of the hints
HINTS = np.where(np.arange(150) < 25, np.arange(150) % 3, -1)


def assert_equal(one, other):
    for mine, theirs in zip(one.model.get_weights(), other.model.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)


FORMS = {
    "sparse": lambda x: scipy.sparse.csr_array(x),
    "rows of tf.data": lambda x: tf.data.Dataset.from_tensor_slices(x),
    "batches of tf.data": lambda x: tf.data.Dataset.from_tensor_slices(x).batch(40),
    "observations": lambda x: build(x, np.arange(150) % 3, "named", "somewhere").observations(),
    "with labels": lambda x: build(x, np.arange(150) % 2, "named", "somewhere"),
}


def test_the_same_rows_in_any_form_give_the_same_model(rows):
    short = dataclasses.replace(QUICK, pretrain_epochs=1, epochs=1)
    expected = fit(rows[0], short)
    for name, form in FORMS.items():
        found = fit(form(rows[0]), short)
        if name == "sparse":  # moments are added up in another order
            a, b = (np.asarray(each.model.predict(rows[0], verbose=0)) for each in (found, expected))
            np.testing.assert_allclose(a, b, atol=0.02)
        else:
            assert_equal(found, expected)


class Stop(keras.callbacks.Callback):
    """Ends the process, as far as a fit can tell, when an epoch of a phase begins."""

    def __init__(self, vade: bool, epoch: int):
        super().__init__()
        self.vade, self.epoch = vade, epoch

    def on_epoch_begin(self, epoch, logs=None):
        if isinstance(self.model, VaDE) == self.vade and epoch == self.epoch:
            raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("vade", "epoch", "hints"), [(False, 2, None), (True, 0, None), (True, 3, None), (True, 4, HINTS)]
)
def test_with_the_same_store_an_interrupted_fit_ends_as_if_it_was_not(vade, epoch, hints, rows, whole, monkeypatch):
    monkeypatch.setattr(callbacks, "SAVE_SECONDS", 0)
    settings, store, begun = SETTINGS if hints is None else LET_GO, Memory(), []
    whole = whole if hints is None else fit(rows[0], settings, hints)
    with pytest.raises(KeyboardInterrupt):
        fit(rows[0], settings, hints, store=store, callbacks=[Stop(vade, epoch)])
    heard = keras.callbacks.LambdaCallback(lambda e, logs: begun.append(e))
    again = fit(rows[0], settings, hints, store=store, callbacks=[heard])
    assert_equal(again, whole)
    assert len(begun) < 9
    plain = [[{k: v for k, v in row.items() if k != "seconds"} for row in each.history] for each in (again, whole)]
    assert plain[0] == plain[1]


def test_a_callback_can_end_a_phase(rows):
    class Enough(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.stop_training = epoch == 1

    settings = dataclasses.replace(QUICK, pretrain_epochs=3, epochs=6, regroups=2)  # three spans of VaDE
    phases = [row["phase"] for row in fit(rows[0], settings, callbacks=[Enough()]).history]
    assert phases == ["pretrain", "pretrain", "fit", "fit"]


def test_the_phases_one_by_one_are_the_fit(rows, whole):
    fitting = begin(rows[0], SETTINGS)
    pretrain(fitting)
    guide(fitting, start(fitting))
    for mine, theirs in zip(fitting.model.get_weights(), whole.model.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)
