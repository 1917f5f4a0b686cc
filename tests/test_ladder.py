"""Where training lost its groups VaDE begins anew, held on to longer; what agrees best is kept, also after a pause."""

import copy
import json

import keras
import numpy as np
import pytest

from vade_tf.errors import DivergedError, InputError
from vade_tf.model.observation import NOISE_RATE
from vade_tf.training import callbacks, keep, ladder, loop, recipe
from vade_tf.training.reporter import Silent
from vade_tf.training.settings import Settings
from vade_tf.training.store import Memory, listed, numbered

pytestmark = pytest.mark.usefixtures("eager_file")

SMALL = {
    "clusters": 3, "hidden": (8,), "latent_dim": 2, "batch_size": 30, "pretrain_epochs": 0, "epochs": 3, "passes": 1,
    "precision": "float32", "init": "kmeans", "guide_epochs": 2, "regroups": 0,
    "learning_rate": 0.01, "validation_rows": 6,
}  # fmt: skip


@pytest.fixture(scope="module")
def x():
    rng = np.random.default_rng(1)
    return (6 * np.repeat(np.eye(3), 3, axis=1)[np.arange(60) % 3] + rng.normal(size=(60, 9))).astype("f4")


@pytest.fixture(scope="module")
def finished(x):
    """A fit none of whose trainings had the groups, and what it left in the store."""
    store = Memory()
    with pytest.MonkeyPatch.context() as monkeypatch:
        return fit(x, monkeypatch, [0.1, 0.2, 0.3], store=store), store


@pytest.fixture(autouse=True, scope="module")
def short():
    """Fits of six updates have rungs."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(keep, "UPDATES", 6)
        yield


class Told(Silent):
    def __init__(self):
        self.texts = []

    def say(self, text):
        self.texts.append(text)


class Notes(keras.callbacks.Callback):
    """Learning rate, weight of the guidance, weights and updates done, at the beginning of each epoch of VaDE."""

    def __init__(self, stop_at=None):
        super().__init__()
        self.seen, self.stop_at = [], stop_at

    def on_epoch_begin(self, epoch, logs=None):
        if hasattr(self.model, "guide_weight"):
            rate = float(self.model.optimizer.learning_rate)
            weights, updates = self.model.get_weights(), int(self.model.optimizer.iterations)
            self.seen.append((epoch, rate, float(self.model.guide_weight.numpy()), weights, updates))
            if epoch == self.stop_at:
                raise KeyboardInterrupt

    def on_epoch_end(self, epoch, logs=None):
        self.last = self.model.get_weights()


def fit(x, monkeypatch, agreements, notes=None, store=None, reporter=None, hints=None, **more):
    """A fit after whose trainings the agreement with the groups is found to be so much."""
    monkeypatch.setattr(keep, "agreement", lambda fitting, groups: agreements[0])
    left = iter(agreements if store is None or store.load("rungs") is None else agreements[1:])
    monkeypatch.setattr(ladder, "agreement", lambda fitting, groups: next(left))
    callbacks = [] if notes is None else [notes]
    return recipe.fit(x, Settings(**{**SMALL, **more}), hints, store, reporter, callbacks)


def test_a_rung_begins_at_the_start_and_is_held_throughout(x, monkeypatch):
    notes, told, store = Notes(), Told(), Memory()
    fitted = fit(x, monkeypatch, [0.3, 0.2, 0.8], notes, store, told)
    assert [epoch for epoch, *_ in notes.seen] == list(range(9))
    assert [weight for _, _, weight, *_ in notes.seen] == [20, 20, 0, *6 * [20]]
    assert [updates for *_, updates in notes.seen] == 3 * [0, 2, 4]  # an optimizer of its own each
    rates = np.array([rate for _, rate, *_ in notes.seen]).reshape(3, 3)
    np.testing.assert_allclose(rates / rates[0], np.array([[1, 1, 1], [1, 1, 1], [0.1, 0.1, 0.1]]), rtol=1e-5)
    first, second, third = (notes.seen[at][3] for at in (0, 3, 6))
    for weights in (second, third):
        for found, expected in zip(weights, first, strict=True):
            np.testing.assert_array_equal(found, expected)
    for found, expected in zip(fitted.model.get_weights(), notes.last, strict=True):
        np.testing.assert_array_equal(found, expected)
    assert [row["epoch"] for row in fitted.history if row["phase"] == "fit"] == list(range(1, 10))
    (remedy,) = fitted.remedies
    assert remedy.startswith("fit, epochs 4 to 9: VaDE began anew")
    assert "one training after the other: 0.30, 0.20, 0.80)" in remedy
    assert not any("not the groups" in finding for finding in fitted.health)
    assert [text for text in told.texts if "begins anew" in text][1].endswith("at 0.1 of the learning rate")


def test_the_first_rung_that_has_the_groups_is_the_last(x, monkeypatch):
    fitted = fit(x, monkeypatch, [0.3, 0.5])
    assert [row["epoch"] for row in fitted.history if row["phase"] == "fit"] == list(range(1, 7))


def test_where_no_rung_has_them_what_agrees_best_is_kept_and_said(x, monkeypatch):
    notes, store = Notes(), Memory()
    fitted = fit(x, monkeypatch, [0.1, 0.4, 0.3], notes, store)
    best = listed(store.load("rungs"))
    for found, expected in zip(fitted.model.get_weights(), best, strict=True):
        np.testing.assert_array_equal(found, expected)
    assert any(not np.array_equal(a, b) for a, b in zip(best, notes.last, strict=True))
    assert fitted.health[0].startswith("the clusters are not the groups that the start found (agreement 0.40 of 1)")


def test_the_first_training_is_kept_where_it_agrees_best(x, monkeypatch):
    notes = Notes()
    fitted = fit(x, monkeypatch, [0.4, 0.1, 0.3], notes)
    assert float(fitted.model.guide_weight.numpy()) == 20  # for hints in a later training, though it ended at 0
    after = [weight for weight in fitted.model.get_weights() if weight.shape == (9, 8)]
    assert not any(np.array_equal(weight, other) for weight in after for other in notes.last)


@pytest.mark.parametrize(
    "more",
    [
        {"guide_epochs": 0},
        {"hints": np.where(np.arange(60) < 6, np.arange(60) % 3, -1)},
        {"epochs": 2, "guide_epochs": 1},  # four updates
    ],
    ids=["not held", "hints", "short"],
)
def test_what_nothing_held_what_hints_hold_and_what_is_short_has_no_rungs(x, monkeypatch, more):
    fitted = fit(x, monkeypatch, [0.1, 0.1], **more)
    assert len([row for row in fitted.history if row["phase"] == "fit"]) == more.get("epochs", 3)
    assert fitted.health[0].startswith("the clusters are not the groups")


def test_rows_that_are_all_alike_have_one_group_and_nothing_is_wrong_with_that(monkeypatch):
    fitted = fit(np.ones((60, 9), "f4"), monkeypatch, [0.0, 0.0, 0.0])
    assert len([row for row in fitted.history if row["phase"] == "fit"]) == 3
    assert not any("groups that the start found" in text for text in fitted.health)


def test_hints_of_one_group_that_the_start_has_as_well_hide_nothing(x, monkeypatch):
    """One of them lies elsewhere: by the adjusted Rand index, 0 for a single group, none would agree."""
    hints = np.where((np.arange(60) % 3 == 0) | (np.arange(60) == 1), 0, -1)
    fitted = fit(x, monkeypatch, [0.1, 0.1], hints=hints)
    assert fitted.health[0].startswith("the clusters are not the groups")


@pytest.mark.parametrize("stop_at", [6, *(pytest.param(each, marks=pytest.mark.long) for each in (3, 8))])
def test_an_interrupted_rung_goes_on_bit_for_bit(x, finished, monkeypatch, stop_at):
    whole, store = finished[0], Memory()
    monkeypatch.setattr("vade_tf.training.callbacks.SAVE_SECONDS", 0.0)
    with pytest.raises(KeyboardInterrupt):
        fit(x, monkeypatch, [0.1, 0.2, 0.3], Notes(stop_at), store)
    monkeypatch.undo()
    fitted = fit(x, monkeypatch, [0.1, 0.2, 0.3] if stop_at < 6 else [0.1, 0.3], store=store)
    for found, expected in zip(fitted.model.get_weights(), whole.model.get_weights(), strict=True):
        np.testing.assert_array_equal(found, expected)
    assert (fitted.remedies, fitted.health) == (whole.remedies, whole.health)
    assert json.dumps([row["loss"] for row in fitted.history]) == json.dumps([row["loss"] for row in whole.history])


def test_a_rung_that_was_trained_whole_is_not_trained_again(x, finished, monkeypatch):
    """The process ended after its last epoch, and before the next rung."""
    whole, store = finished[0], Memory()
    left = iter([0.1])
    monkeypatch.setattr(keep, "agreement", lambda fitting, groups: 0.1)
    monkeypatch.setattr(ladder, "agreement", lambda fitting, groups: next(left))
    with pytest.raises(StopIteration):
        recipe.fit(x, Settings(**SMALL), store=store)
    fitted = fit(x, monkeypatch, [0.1, 0.2, 0.3], store=store)
    assert [row["loss"] for row in fitted.history] == [row["loss"] for row in whole.history]


@pytest.mark.parametrize(
    "change",
    [
        lambda kept: kept | {"agreement": np.array([0.1, 0.2, 0.3])},
        lambda kept: kept | {"agreement": np.array(["a"])},
        lambda kept: {name: array for name, array in kept.items() if name != "agreement"},
        lambda kept: kept | {"array_001": kept["array_001"][:-1]},
        lambda kept: kept | {"array_001": np.nan * kept["array_001"]},
        lambda kept: kept | {"array_001": np.full(kept["array_001"].shape, "a")},
    ],
)
def test_damaged_rungs_are_refused(x, finished, monkeypatch, change):
    store = copy.deepcopy(finished[1])
    store.save("rungs", change(dict(store.load("rungs"))))
    with pytest.raises(InputError, match="store: rungs is damaged"):
        fit(x, monkeypatch, [0.1, 0.2, 0.3], store=store)


def test_rungs_without_their_autoencoder_are_refused(x, monkeypatch):
    store = Memory()
    monkeypatch.setattr(ladder, "agreement", lambda fitting, groups: 0.1)
    monkeypatch.setattr(keep, "agreement", lambda fitting, groups: 0.1)
    fitting = recipe.begin(x, Settings(**SMALL), store=store)
    with pytest.raises(InputError, match="store: pretrained is damaged"):
        recipe.return_to_start(fitting)
    store.save("pretrained", numbered(fitting.model.encoder.get_weights()))
    with pytest.raises(InputError, match="layers of other shapes"):
        recipe.return_to_start(fitting)


def test_rungs_are_held_to_the_groups_of_the_start_and_measured_by_them(x, monkeypatch):
    asked = []
    monkeypatch.setattr(ladder, "back_to_held", lambda f, g: asked.append(("keep", g[0])) or ([], ["lost"]))
    monkeypatch.setattr(ladder, "agreement", lambda f, g: asked.append(("agree", g[0])) or 0.1)
    monkeypatch.setattr(ladder, "_train", lambda f, rung, g, *more: asked.append(("train", g[0])))
    recipe.keep_groups(recipe.begin(x, Settings(**SMALL)), np.arange(60) % 3, np.arange(1, 61) % 3)
    assert asked == [("keep", 1), ("agree", 1), *2 * [("train", 0), ("agree", 0)]]


def test_a_fit_asks_for_the_groups_of_its_start_and_those_held_last(x, monkeypatch):
    asked = []
    monkeypatch.setattr(recipe, "pretrain", lambda f: None)
    monkeypatch.setattr(recipe, "start", lambda f: np.zeros(60, "i4"))
    monkeypatch.setattr(recipe, "guide", lambda f, groups: np.ones(60, "i4"))
    monkeypatch.setattr(recipe, "keep_groups", lambda f, a, b: asked.append((a[0], b[0])) or ([], []))
    recipe.fit(x, Settings(**SMALL))
    assert asked == [(0, 1)]


def test_a_rung_that_diverges_leaves_the_fit_as_it_was_before_it(x, monkeypatch):
    """Its rate was too high; the next has another, and the first training is finite."""
    found = iter([0.1, 0.3])
    monkeypatch.setattr(ladder, "back_to_held", lambda f, g: ([], ["lost"]))
    monkeypatch.setattr(ladder, "agreement", lambda f, g: next(found))

    def train(fitting, rung, *more):
        fitting.model.set_weights([np.full_like(each, rung) for each in fitting.model.get_weights()])
        if rung == 1:
            raise DivergedError("not finite")

    monkeypatch.setattr(ladder, "_train", train)
    monkeypatch.setattr(recipe, "return_to_start", lambda fitting: None)
    fitting = recipe.begin(x, Settings(**SMALL))
    fitting.model.noise_rate = 0.0  # as a training leaves it that Keras did not end
    (remedy,), _ = recipe.keep_groups(fitting, np.arange(60) % 3, np.ones(60, "i4"))
    assert "0.10, 0.00, 0.30" in remedy
    assert fitting.model.get_weights()[0].max() == 2
    assert fitting.model.noise_rate == NOISE_RATE


def test_a_rung_is_measured_by_rows_set_aside_and_looked_at_like_the_first_training(finished):
    rows = [row for row in finished[0].history if row["phase"] == "fit"]
    assert len(rows) == 9
    for row in rows:
        assert {"val_loss", "components_used"} <= set(row)


@pytest.mark.parametrize(("start", "held", "told"), [(1, 0, True), (0, 1, False)])
def test_hints_are_compared_with_the_groups_held_last(x, monkeypatch, start, held, told):
    """Ten rows are known to be of group 0: where the groups held last have them in another, others were asked for."""
    monkeypatch.setattr(ladder, "back_to_held", lambda f, g: ([], ["lost"]))
    hints, groups = np.where(np.arange(60) < 10, 0, -1), np.arange(60) % 3
    of_start, of_last = (np.where(hints == 0, first, groups) for first in (start, held))
    fitting = recipe.begin(x, Settings(**SMALL), hints)
    assert recipe.keep_groups(fitting, of_start, of_last) == ([], ["lost"] if told else [])


def test_what_agrees_best_is_kept_for_a_fit_that_is_interrupted_on_the_last_rung(x, monkeypatch):
    """The first training here: the rung between them agreed less."""
    store = Memory()
    fitted = fit(x, monkeypatch, [0.4, 0.1, 0.3], store=store)
    for found, expected in zip(listed(store.load("rungs")), fitted.model.get_weights(), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_a_last_rung_that_diverges_leaves_nothing_of_it_in_the_optimizer(x, monkeypatch):
    def train(fitting, *more):
        fitting.model.optimizer.iterations.assign(7)
        raise DivergedError("not finite")

    monkeypatch.setattr(ladder, "back_to_held", lambda f, g: ([], ["lost"]))
    monkeypatch.setattr(ladder, "agreement", lambda f, g: 0.1)
    monkeypatch.setattr(ladder, "_train", train)
    monkeypatch.setattr(recipe, "return_to_start", lambda fitting: None)
    fitting = recipe.begin(x, Settings(**SMALL))
    loop.prepare(fitting, "fit", fitting.model)
    callbacks.build_optimizer(fitting.model)
    recipe.keep_groups(fitting, np.arange(60) % 3, np.ones(60, "i4"))
    assert int(fitting.model.optimizer.iterations) == 0
