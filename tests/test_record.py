"""The callbacks of a fit one call at a time, without a training: what is recorded, kept and restored, and when."""

import math
from types import SimpleNamespace

import keras
import numpy as np
import pytest

from vade_tf.errors import DivergedError, InputError
from vade_tf.training import callbacks, execution
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


class Looks:
    """A watch that keeps what it is asked and finds a number."""

    def __init__(self):
        self.asked = []

    def after_epoch(self, model, rows, last_chance, say):
        self.asked.append((len(rows), last_chance))
        return {"components_used": 7}


@pytest.fixture
def record(small_model, monkeypatch):
    """Makes a `Record` of the phase "fit" of a small model, begun; every state that may be saved is."""
    monkeypatch.setattr(callbacks, "SAVE_SECONDS", 0.0)

    def make(epochs=4, rows=None, watch=None, ends=None):
        said, before = [], [{"seconds": 0.0, **row} for row in rows or []]
        one = callbacks.Record(Kept(), "fit", epochs, before, said.append, watch)
        one.said = said
        one.set_model(small_model())
        one.set_params({"epochs": ends or epochs})
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


def test_the_state_is_that_after_the_epoch(record):
    one = record()
    for number in (1, 2, 3):
        epoch(one, number)
        state = one.store.states[-1]
        assert (state.phase, state.epoch, len(state.rows)) == ("fit", number, number)
        assert_equal(state.arrays, callbacks.state_arrays(one.model))
    assert len(one.store.states) == 3


ROW = {"phase": "fit", "epoch": 1, "loss": 2.0, "seconds": 0.5}


@pytest.mark.parametrize(
    "row",
    [
        {**ROW, "colour": 1},
        {name: value for name, value in ROW.items() if name != "seconds"},
        {**ROW, "seconds": None},
        {**ROW, "seconds": math.nan},
        {**ROW, "phase": "start"},
        {**ROW, "epoch": 1.0},
        {**ROW, "epoch": 0},
        {**ROW, "loss": "2"},
        {**ROW, "loss": [2]},
        {**ROW, "acc": True},
        {**ROW, "acc": 10**400},
        {**ROW, "reseeded": "\ud800"},
        {**ROW, "reseeded": "1 a"},
        {**ROW, "reseeded": "1" * 5000},
        {**ROW, "reseeded": 1},
        {**ROW, "restored_epoch": "0"},
        [],
    ],
)
def test_a_row_that_no_fit_has_kept_is_refused(row):
    store = Memory()
    State("fit", 1, [], [ROW, row]).save(store)
    with pytest.raises(InputError, match="^store: state is damaged"):
        State.load(store)


def test_every_row_that_a_fit_keeps_comes_back():
    store = Memory()
    rows = [ROW, {**ROW, "loss": math.inf, "reseeded": "0 12", "components_used": 3}, {**ROW, "restored_epoch": 0}]
    State("fit", 1, [], rows).save(store)
    assert State.load(store).rows == rows


def test_between_two_states_so_many_seconds_pass_and_the_last_epoch_is_always_kept(record, monkeypatch):
    monkeypatch.setattr(callbacks, "SAVE_SECONDS", 10.0)
    now = 0.0
    monkeypatch.setattr(callbacks, "time", SimpleNamespace(monotonic=lambda: now, perf_counter=lambda: now))
    one = record(epochs=5)
    for number, now in enumerate((100.0, 109.9, 110.0, 119.0, 119.5), 1):  # noqa: B007
        epoch(one, number)
    assert [state.epoch for state in one.store.states] == [1, 3, 5]


@pytest.mark.parametrize(
    ("epochs", "looked_at"),
    [(49, list(range(1, 50))), (50, list(range(2, 51, 2))), (77, [*range(3, 76, 3), 77])],
)  # fmt: skip
def test_of_many_epochs_one_in_so_many_is_looked_at_and_the_last(record, epochs, looked_at):
    """At least 25 of them."""
    watch = Looks()
    one = record(epochs=epochs, watch=watch)
    for number in range(1, epochs + 1):
        epoch(one, number)
    assert [row["epoch"] for row in one.rows if row.get("components_used") == 7] == looked_at
    assert [rows + 1 for rows, _ in watch.asked] == looked_at
    assert [number for number, (_, late) in zip(looked_at, watch.asked, strict=True) if late] == [
        number for number in looked_at if number >= epochs / 2
    ]
    assert [state.epoch for state in one.store.states] == looked_at


def test_the_end_of_a_span_is_kept_before_the_end_of_the_phase(record):
    one = record(epochs=75, ends=4)  # the groups are recomputed after the fourth
    for number in (1, 2, 3, 4):
        epoch(one, number)
    assert [state.epoch for state in one.store.states] == [3, 4]


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


def test_one_weight_that_is_no_number_is_enough(record):
    one = record()
    epoch(one, 1)
    good = weights(one)
    kernel = one.model.encoder.get_layer("encoder_1").kernel
    kernel.assign(np.where(np.arange(128).reshape(16, 8) == 5, np.inf, kernel.numpy()))
    assert not callbacks.all_finite(one.model)
    assert epoch(one, 2)["restored_epoch"] == 1
    assert_equal(weights(one), good)
    assert callbacks.all_finite(one.model)


def test_a_variance_that_is_infinite_or_0_is_as_bad_though_its_logarithm_is_a_number(record):
    """A file of such a model would not be read again, nor is its bound a number."""
    one = record()
    log_sigma2 = one.model.prior.log_sigma2
    for logarithm, finite in ((80.0, True), (90.0, False), (-80.0, True), (-90.0, False)):
        log_sigma2.assign(np.where(np.arange(log_sigma2.numpy().size).reshape(log_sigma2.shape) == 1, logarithm, 0))
        assert callbacks.all_finite(one.model) is finite


def test_where_no_epoch_was_good_yet_it_is_the_beginning_that_is_brought_back(record):
    one = record()
    first = weights(one)
    assert epoch(one, 1, loss=math.nan)["restored_epoch"] == 0
    assert_equal(weights(one), first)
    assert "restored_epoch" not in epoch(one, 2)


def test_it_gives_up_at_the_fourth_step_back(record):
    one = record(epochs=9)
    epoch(one, 1)
    for number in (2, 3, 5):
        assert epoch(one, number, loss=math.nan)["restored_epoch"] == 1
    with pytest.raises(DivergedError, match="^fit: the loss became inf in epoch 6, after 3 steps back at half the"):
        epoch(one, 6, loss=math.inf)


def test_it_gives_up_in_the_last_epoch_if_none_was_good(record):
    one = record(epochs=2)
    epoch(one, 1, loss=math.nan)
    one.model.prior.mu.assign(np.full((4, 3), np.nan))
    with pytest.raises(DivergedError, match="^fit: a weight became NaN or infinite in epoch 2, after 1 steps back"):
        epoch(one, 2)
    again = record(epochs=2)
    epoch(again, 1)
    assert epoch(again, 2, loss=math.nan)["restored_epoch"] == 1


def test_steps_back_of_another_phase_do_not_count(record):
    rows = [{"phase": "pretrain", "epoch": e, "restored_epoch": 0} for e in (1, 2, 3)]
    assert callbacks.steps_back(rows, "pretrain") == 3
    one = record(rows=rows)
    assert epoch(one, 1, loss=math.nan)["restored_epoch"] == 0
    assert (callbacks.steps_back(one.rows, "pretrain"), callbacks.steps_back(one.rows, "fit")) == (3, 1)


@pytest.mark.parametrize(
    ("before", "good"),
    [([], 0), ([{"phase": "pretrain", "epoch": 9}], 0), ([{"phase": "fit", "epoch": 2}], 2),
     ([{"phase": "fit", "epoch": 2}, {"phase": "fit", "epoch": 3, "restored_epoch": 2}], 2),
     ([{"phase": "fit", "epoch": 3, "restored_epoch": 2}, {"phase": "fit", "epoch": 4}], 4)],
)  # fmt: skip
def test_a_resumed_phase_steps_back_to_the_epoch_it_went_on_from(record, before, good):
    one = record(epochs=8, rows=before)
    assert epoch(one, 5, loss=math.nan)["restored_epoch"] == good


def test_the_state_of_an_optimizer_that_made_no_step_can_be_restored(small_model):
    """Its variables are made first, once."""
    one, other = small_model(), small_model(seed=3)
    for model in (one, other):
        callbacks.build_optimizer(model)
    number = len(one.optimizer.variables)
    callbacks.restore_arrays(other, callbacks.state_arrays(one))
    callbacks.build_optimizer(other)
    assert len(other.optimizer.variables) == number
    assert_equal(callbacks.state_arrays(other), callbacks.state_arrays(one))
    fresh = small_model()
    callbacks.restore_arrays(fresh, callbacks.state_arrays(one))
    assert_equal(callbacks.state_arrays(fresh), callbacks.state_arrays(one))


def test_progress_is_told_every_twenty_batches_and_at_the_end_of_an_epoch():
    told = []
    one = callbacks.Advance(lambda batches, text: told.append((batches, text)), 3)
    for number in (0, 1):
        one.on_epoch_begin(number)
        for batch in range(45):
            one.on_train_batch_end(batch)
        one.on_epoch_end(number, {"loss": 2.25})
    first, second = "epoch 1/3, loss 2.25", "epoch 2/3, loss 2.25"
    assert told == [(20, ""), (20, ""), (5, first), (20, first), (20, first), (5, second)]
    told.clear()
    one.on_epoch_begin(2)
    for last in (8, 17, 26, 35, 44):  # nine batches at once
        one.on_train_batch_end(last)
    one.on_epoch_end(2, {"loss": 2.25})
    assert told == [(27, second), (18, "epoch 3/3, loss 2.25")]


@pytest.mark.parametrize(
    ("callback", "hears"),
    [
        (keras.callbacks.Callback(), False),
        (keras.callbacks.LearningRateScheduler(lambda epoch: 1.0), False),
        (keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: None), False),
        (callbacks.Advance(lambda batches, text: None, 3), False),
        (keras.callbacks.LambdaCallback(on_train_batch_begin=lambda batch, logs: None), True),
        (keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: None), True),
        (type("", (keras.callbacks.Callback,), {"on_batch_begin": lambda self, batch, logs=None: None})(), True),
        (type("", (keras.callbacks.Callback,), {"on_batch_end": lambda self, batch, logs=None: None})(), True),
        (type("", (keras.callbacks.ProgbarLogger,), {})(), True),
    ],
)
def test_who_wants_to_hear_of_every_batch(callback, hears):
    assert execution.hears_batches(callback) is hears


def test_rates_of_both_schedules():
    """Cosine from 1 to 1/20, read in the middle of each epoch; the step of the paper's recipe by default."""
    cosine = callbacks.learning_rate("cosine", 2.0, 4)
    middle = [0.05 + 0.95 * math.cos(math.pi * (e + 0.5) / 8) ** 2 for e in range(4)]  # half-angle formula
    assert [cosine(e) for e in range(4)] == pytest.approx([2 * share for share in middle])
    step = callbacks.learning_rate("step", 1.0, 1000)
    assert [step(e) for e in (0, 9, 10, 19, 20, 500)] == pytest.approx([1, 1, 0.9, 0.9, 0.81, 0.1])
    assert callbacks.learning_rate("step", 1.0, 9, 0.5, 2)(2) == pytest.approx(0.5)


@pytest.mark.parametrize("held", [0, 1, 3])
def test_the_guide_holds_for_just_so_many_epochs(small_model, held):
    guide = callbacks.Guide(5.0, held)
    guide.set_model(small_model())
    weights = []
    for number in range(4):
        guide.on_epoch_begin(number)
        weights.append(float(guide.model.guide_weight.numpy()))
    assert weights == [5.0] * held + [0.0] * (4 - held)


def test_a_phase_that_was_stopped_early_is_kept_with_all_its_rows(record):
    one = record(epochs=75)  # of which every third is kept
    for number in (1, 2, 3, 4):
        one.model.stop_training = number == 4
        epoch(one, number)
    assert [state.epoch for state in one.store.states] == [3, 4]
    assert len(one.store.states[-1].rows) == 4
