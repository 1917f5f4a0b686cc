"""The callbacks of a fit one call at a time, without a training: what is recorded, kept and restored, and when."""

import math

import numpy as np
import pytest

from vade_tf.training import callbacks
from vade_tf.training.store import Memory, State


class Kept(Memory):
    """A memory that counts what it is given."""

    def __init__(self):
        super().__init__()
        self.states, self.histories = [], []

    def save(self, name, arrays):
        super().save(name, arrays)
        if name == "state":
            self.states.append(State.load(self))

    def save_rows(self, rows, new):
        self.histories.append([dict(row) for row in rows])


@pytest.fixture
def record(small_model, monkeypatch):
    """Makes a `Record` of the phase "fit" of a small model, begun; every state that may be saved is."""
    monkeypatch.setattr(callbacks, "SAVE_SECONDS", 0.0)

    def make(epochs=4, rows=None, ends=None):
        said, before = [], [{"seconds": 0.0, **row} for row in rows or []]
        one = callbacks.Record(Kept(), "fit", epochs, before, said.append, None)
        one.said = said
        one.set_model(small_model())
        one.set_params({"epochs": ends or epochs, "kept_every": callbacks.kept_every(epochs, 1)})
        one.on_train_begin()
        return one

    return make


def epoch(one, number, loss=1.0, **logs):
    """An epoch, counted from 1, in which every weight moves a little."""
    one.on_epoch_begin(number - 1)
    for weight in one.model.trainable_variables:
        weight.assign_add(0.01 * np.ones(weight.shape))
    one.on_epoch_end(number - 1, {"loss": loss, **logs})
    return one.rows[-1]


def weights(one):
    return [weight.copy() for weight in one.model.get_weights()]


def assert_equal(mine, theirs):
    for a, b in zip(mine, theirs, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_row_has_the_columns_of_the_history_and_nothing_else(record):
    one = record()
    one.model.optimizer.learning_rate = 0.25
    row = dict(epoch(one, 1, loss=2.0, elbo=-3.0, noise=5.0, learning_rate=9.0))
    assert row.pop("seconds") >= 0
    assert row == {"phase": "fit", "epoch": 1, "learning_rate": 0.25, "loss": 2.0, "elbo": -3.0}
    epoch(one, 2)
    assert [len(history) for history in one.store.histories] == [1, 2]


@pytest.mark.parametrize("loss", [math.nan, math.inf, -math.inf])
def test_a_loss_that_is_no_number_brings_back_the_last_epoch_kept(record, loss):
    one = record(epochs=75)
    for number in (1, 2, 3):
        epoch(one, number)
    good, optimizer = weights(one), callbacks.state_arrays(one.model)
    epoch(one, 4)
    row = epoch(one, 5, loss=loss)
    assert (row["epoch"], row["restored_epoch"]) == (5, 3)
    assert "loss" not in row
    assert_equal(weights(one), good)
    assert_equal(callbacks.state_arrays(one.model), optimizer)
    assert one.store.states[-1].epoch == 5
    assert_equal(one.store.states[-1].arrays, optimizer)
    assert one.said == [
        "fit, epoch 5: the loss was not finite; back to the weights of epoch 3, at half the learning rate"
    ]


@pytest.mark.parametrize(
    ("before", "good"),
    [([], 0), ([{"phase": "pretrain", "epoch": 9}], 0), ([{"phase": "fit", "epoch": 2}], 2),
     ([{"phase": "fit", "epoch": 2}, {"phase": "fit", "epoch": 3, "restored_epoch": 2}], 2),
     ([{"phase": "fit", "epoch": 3, "restored_epoch": 2}, {"phase": "fit", "epoch": 4}], 4)],
)  # fmt: skip
def test_a_resumed_phase_steps_back_to_the_epoch_it_went_on_from(record, before, good):
    one = record(epochs=8, rows=before)
    assert epoch(one, 5, loss=math.nan)["restored_epoch"] == good


def test_progress_hears_of_all_batches_and_of_the_end_of_an_epoch():
    told = []
    one = callbacks.Progress(lambda batches, text: told.append((batches, text)), 3)
    one.set_params({"steps": 4})
    for number in (0, 1):
        one.on_epoch_begin(number)
        for batch in (0, 2, 3):  # the second and third at once
            one.on_train_batch_end(batch)
        one.on_epoch_end(number, {"loss": 2.25})
    first, second = "epoch 1/3, loss 2.25", "epoch 2/3, loss 2.25"
    assert told == [(1, ""), (2, ""), (1, first), (1, first), (2, first), (1, second)]
