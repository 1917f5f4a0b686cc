"""What VaDE is held to, epoch by epoch: P of the start, recomputed, and hints; and how a fit goes on with it."""

import dataclasses

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_fits import begin, sixty

from vade_tf.data import pipeline
from vade_tf.training import guidance, partitions, posterior, recipe, selftraining
from vade_tf.training.store import State


def all_in(group):
    """P of sixty rows that are all in one of three groups."""
    return np.eye(3, dtype=np.float16)[np.full(60, group)]


@pytest.fixture
def x(rng):
    return sixty(rng)


@pytest.fixture
def asked(monkeypatch):
    """What each span of VaDE is trained on: (epochs, seed, P, augmentation)."""
    seen, made = [], pipeline.training_batches

    def training_batches(x, batch_size, seed, epochs, *, beside=(), augmentation=None, **more):
        seen.append(((epochs.start, epochs.stop), seed, beside[0], augmentation))
        return made(x, batch_size, seed, epochs, beside=beside, augmentation=augmentation, **more)

    monkeypatch.setattr(recipe.pipeline, "training_batches", training_batches)
    return seen


@pytest.fixture
def regrouped(monkeypatch):
    """A recomputed P is told by its group: 2 for all rows."""
    monkeypatch.setattr(partitions, "regrouped", lambda fitting: all_in(2))


def targets(asked):
    """The spans, and the groups that P has in each."""
    return [(span, np.unique(P.argmax(axis=1)).tolist()) for span, _, P, _ in asked]


def test_spans_without_hints_are_those_between_new_partitions(x, asked, regrouped):
    """P of the start for an epoch, then the one found anew; the guide lets go after the second epoch."""
    fitting = begin(x)
    np.testing.assert_array_equal(guidance.guide(fitting, all_in(0)), all_in(2))
    assert targets(asked) == [((0, 1), [0]), ((1, 2), [2]), ((2, 4), [2])]
    kept = fitting.store.load("partition")
    assert (int(kept["epoch"]), kept["P"].dtype, fitting.seconds["init"] > 0) == (1, np.float16, True)
    assert [row["epoch"] for row in fitting.rows] == [1, 2, 3, 4]
    assert float(fitting.model.guide_weight.numpy()) == fitting.settings.guide_weight


@given(st.integers(0, 200), st.integers(0, 12))
def test_p_is_recomputed_at_even_distances_while_guided(guide_epochs, regroups):
    turns = guidance.regroup_epochs(guide_epochs, regroups)
    assert len(turns) == min(regroups, max(guide_epochs - 1, 0))
    gaps = np.diff([0, *turns, guide_epochs])
    assert np.all(gaps > 0) or not turns
    assert np.ptp(gaps) <= 1


class Weights(keras.callbacks.Callback):
    """Keeps the weight of P in each epoch of VaDE."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def on_epoch_end(self, epoch, logs=None):
        if hasattr(self.model, "guide_weight"):
            self.seen.append(float(self.model.guide_weight.numpy()))


@pytest.mark.parametrize(
    ("hinted", "guided", "weights"),
    [(False, None, [7.0] * 10), (False, 9, [7.0] * 9 + [0.0]), (True, None, [7.0] * 10), (True, 0, [7.0] * 10),
     (False, 0, [0.0] * 10)],
)  # fmt: skip
def test_p_holds_for_the_guided_epochs_and_hints_in_all(x, hinted, guided, weights, asked):
    hints, look = np.where(np.arange(60) < 6, np.arange(60) % 3, -1), Weights()
    more = {"epochs": 10, "guide_weight": 7.0, "guide_epochs": guided}
    fitted = recipe.fit(x, begin(x, **more).settings, hints if hinted else None, callbacks=[look])
    assert look.seen == weights
    assert float(fitted.model.guide_weight.numpy()) == 7.0  # for hints in a later training
    for (first, _), _, P, _ in asked:
        if hinted:
            np.testing.assert_array_equal(P[:6], np.eye(3)[hints[:6]])
            assert P[6:].any() == (first < (10 if guided is None else 0))


@pytest.mark.parametrize("lost", [False, True], ids=["moved", "lost"])
@pytest.mark.parametrize("hinted", [False, True], ids=["", "hints"])
def test_the_last_p_is_sharpened_and_weighs_more_or_stays_as_it_is(x, monkeypatch, lost, hinted):
    look, sharpened = Weights(), []
    hints = np.where(np.arange(60) < 9, np.arange(60) % 3, -1) if hinted else None
    more = {"epochs": 4, "guide_epochs": 3, "regroups": 2, "self_train_epochs": 12, "augment": "digits"}
    fitting = begin(x.reshape(60, 3, 3), hints, network="dense", callbacks=[look], **more)

    def sharpen(fitting, P):
        sharpened.append(P)
        return None if lost else np.roll(P, 1, axis=1)

    monkeypatch.setattr(partitions, "regrouped", lambda fitting: all_in(0))
    monkeypatch.setattr(selftraining, "sharpened", sharpen)
    held = guidance.guide(fitting, all_in(2))
    np.testing.assert_array_equal(held, all_in(0 if lost else 1))
    assert look.seen == [20.0, 20.0, 20.0 if lost else 100.0, 20.0 if hinted else 0.0]
    resumed = dataclasses.replace(fitting, state=State.load(fitting.store))
    np.testing.assert_array_equal(guidance.guide(resumed, all_in(0)), held)
    assert len(sharpened) == 1


def test_the_caller_s_callbacks_hear_of_one_training(x, regrouped):
    """It is made in two spans, over which a patience of two epochs counts."""
    heard, images = [], x.reshape(60, 3, 3)
    ends = keras.callbacks.LambdaCallback(
        on_train_begin=lambda logs: heard.append("begin"), on_train_end=lambda logs: heard.append("end")
    )
    early = keras.callbacks.EarlyStopping("loss", patience=2, min_delta=1e9)
    fitting = begin(images, epochs=8, guide_epochs=2, callbacks=[ends, early])
    guidance.guide(fitting, all_in(0))
    assert heard == ["begin", "end"]
    assert [row["epoch"] for row in fitting.rows] == [1, 2, 3]


Y = np.arange(60) % 3


@pytest.mark.parametrize(
    ("found", "told"), [((Y + 1) % 3, False), (np.zeros(60, int), True), (np.where(np.arange(60) < 12, 0, Y), True)]
)
def test_clusters_that_are_not_the_groups_of_p_are_told(x, monkeypatch, found, told):
    """Names are nothing."""
    monkeypatch.setattr(posterior, "model_groups", lambda model, rows: found)
    assert bool(guidance.lost_groups(begin(x), 0.7 * np.eye(3)[Y] + 0.1)) == told
