"""The groups of a fit on a few rows: what VaDE is held to, epoch by epoch, and when they are found anew."""

import dataclasses

import keras
import numpy as np
import pytest
from small_fits import Steps, begin, sixty

from vade_tf.data import pipeline
from vade_tf.errors import InputError
from vade_tf.model import networks
from vade_tf.training import callbacks, extension, guidance, landmark_starts, loop, recipe
from vade_tf.training import groups as finding
from vade_tf.training import start as starts
from vade_tf.training.store import State

pytestmark = pytest.mark.usefixtures("eager")


@pytest.fixture
def x(rng):
    return sixty(rng)


@pytest.fixture
def asked(monkeypatch):
    """What each span of VaDE is trained on: (epochs, seed, target groups, augmentation)."""
    seen, made = [], pipeline.training_batches

    def training_batches(x, batch_size, seed, epochs, *, hints=None, augmentation=None, **more):
        seen.append(((epochs.start, epochs.stop), seed, hints, augmentation))
        return made(x, batch_size, seed, epochs, hints=hints, augmentation=augmentation, **more)

    monkeypatch.setattr(recipe.pipeline, "training_batches", training_batches)
    monkeypatch.setattr(finding, "is_table", lambda fitting: False)
    return seen


@pytest.fixture
def regrouped(monkeypatch):
    """Recomputed groups are told by their number: 2 for all rows."""
    monkeypatch.setattr(finding, "regrouped", lambda fitting: np.full(60, 2, np.int32))


def targets(asked):
    return [(span, np.unique(groups).tolist()) for span, _, groups, _ in asked]


def test_spans_without_hints_are_those_between_new_groups(x, asked, regrouped):
    """Groups 0 of the start for an epoch, then those found anew; the guide lets go after the second epoch."""
    fitting = begin(x)
    guidance.guide(fitting, np.zeros(60, "i4"))
    assert targets(asked) == [((0, 1), [0]), ((1, 4), [2])]
    assert (int(fitting.store.load("groups")["epoch"]), fitting.seconds["init"] > 0) == (1, True)
    np.testing.assert_array_equal(fitting.store.load("groups")["groups"], np.full(60, 2))
    assert [row["epoch"] for row in fitting.rows] == [1, 2, 3, 4]
    assert all(row["components_used"] >= 1 for row in fitting.rows)  # looked at
    assert float(fitting.model.guide_weight.numpy()) == fitting.settings.guide_weight


def test_hints_lie_over_the_groups_and_stay_when_these_are_let_go(x, asked, regrouped):
    hints = np.where(np.arange(60) < 10, np.arange(60) % 2, -1)
    guidance.guide(begin(x, hints), np.full(60, 1, "i4"))
    assert [span for span, *_ in asked] == [(0, 1), (1, 2), (2, 4)]
    for (_, _, groups, _), others in zip(asked, (1, 2, -1), strict=True):
        np.testing.assert_array_equal(groups, np.where(hints >= 0, hints, others))


def test_images_are_augmented_where_they_are_to_be(x, asked, regrouped):
    images = x.reshape(60, 3, 3)
    for augment, shape in (("digits", (3, 3)), ("none", None)):
        asked.clear()
        guidance.guide(begin(images, augment=augment, epochs=1), np.zeros(60, "i4"))
        assert [how and how.image_shape for *_, how in asked] == [shape]
    asked.clear()
    guidance.guide(begin(x, augment="digits", epochs=1, seed=3, restart=2), np.zeros(60, "i4"))
    assert asked[0][1] == begin(x, seed=3, restart=2).settings.start_seed
    assert asked[0][3] is None


@pytest.mark.parametrize("kind", ["digits", "photos"])
def test_a_fit_moves_its_images_in_the_way_that_is_asked_for(x, kind):
    assert begin(x.reshape(60, 3, 3), augment=kind).seen("fit").kind == kind


@pytest.mark.parametrize("done", [1, 2, 3])
def test_a_resumed_phase_trains_what_is_left_with_the_groups_it_had(x, asked, monkeypatch, done):
    """The groups kept for epoch 1 are taken; found anew they would be others."""
    monkeypatch.setattr(finding, "regrouped", lambda fitting: np.full(60, 1, np.int32))
    fitting = begin(x)
    loop.prepare(fitting, "fit", fitting.model)
    callbacks.build_optimizer(fitting.model)
    rows = [{"phase": "fit", "epoch": e + 1, "loss": 1.0, "seconds": 0.0} for e in range(done)]
    state = State("fit", done, callbacks.state_arrays(fitting.model), rows)
    fitting.store.save("groups", {"epoch": np.array(1), "sharp": np.array(0), "groups": np.full(60, 2, np.int32)})
    guidance.guide(dataclasses.replace(fitting, state=state, rows=rows), np.zeros(60, "i4"))
    assert targets(asked) == [((done, 4), [2])]
    assert [row["epoch"] for row in rows] == [1, 2, 3, 4]


def test_kept_groups_of_another_epoch_are_found_anew(x, asked, monkeypatch):
    monkeypatch.setattr(finding, "regrouped", lambda fitting: np.full(60, 1, np.int32))
    fitting = begin(x)
    fitting.store.save("groups", {"epoch": np.array(2), "sharp": np.array(0), "groups": np.full(60, 2, np.int32)})
    guidance.guide(fitting, np.zeros(60, "i4"))
    assert targets(asked) == [((0, 1), [0]), ((1, 4), [1])]


@pytest.mark.parametrize("refused", [False, True])
def test_a_resumed_phase_takes_the_groups_of_the_turn_before_where_new_ones_are_refused(x, asked, monkeypatch, refused):
    """A kill came after the epoch at which they are found anew, and before they were kept."""
    monkeypatch.setattr(finding, "regrouped", lambda fitting: np.full(60, 1, np.int32))
    monkeypatch.setattr(finding, "accepted", lambda fitting, groups, before: before if refused else groups)
    fitting = begin(x, regroups=2, guide_epochs=3)
    loop.prepare(fitting, "fit", fitting.model)
    callbacks.build_optimizer(fitting.model)
    rows = [{"phase": "fit", "epoch": e, "loss": 1.0, "seconds": 0.0} for e in (1, 2)]
    state = State("fit", 2, callbacks.state_arrays(fitting.model), rows)
    fitting.store.save("groups", {"epoch": np.array(1), "sharp": np.array(0), "groups": np.full(60, 2, np.int32)})
    guidance.guide(dataclasses.replace(fitting, state=state, rows=rows), np.zeros(60, "i4"))
    assert targets(asked) == [((2, 4), [2 if refused else 1])]


def test_a_callback_that_stops_ends_the_phase(x, asked, regrouped):
    class Enough(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.stop_training = True

    fitting = begin(x, callbacks=[Enough()])
    guidance.guide(fitting, np.zeros(60, "i4"))
    assert [row["epoch"] for row in fitting.rows] == [1]


@pytest.mark.parametrize(
    ("guided", "regroups", "turns"),
    [(10, 1, [5]), (10, 3, [2, 5, 7]), (10, 0, []), (1, 3, []), (2, 3, [1]), (0, 2, [])],
)
def test_groups_are_found_anew_after_equal_parts(guided, regroups, turns):
    assert guidance.regroup_epochs(guided, regroups) == turns


def test_each_way_to_start_reads_the_code_and_landmark_the_layer_before_it(x, monkeypatch):
    seen = {}

    def start(z, n_clusters, method, seed, views, tell, kind, *more):
        assert kind == "code"
        seen[method] = (z, n_clusters, seed, views)
        return starts.Start(np.zeros(60, "i4"), *(None,) * 3)

    monkeypatch.setattr(starts, "start", start)
    monkeypatch.setattr(finding, "is_table", lambda fitting: False)
    for method in starts.METHODS:
        reporter = Steps()
        fitting = begin(x, init=method, seed=6, restart=1, reporter=reporter)
        assert finding.found_groups(fitting, "init").groups.shape == (60,)
        z, n_clusters, seed, views = seen[method]
        np.testing.assert_allclose(z, fitting.model.encode(x)[0], rtol=1e-5, atol=1e-6)
        assert (n_clusters, seed) == (3, fitting.settings.start_seed)
        assert len(views) == (2 if method == "landmark" else 1)
        assert views[0] is z
        assert reporter.phases == [("init", landmark_starts.DRAWS if method == "landmark" else 1)]


@pytest.mark.parametrize("network", ["conv", "dense"])
def test_networks_of_ones_own_and_a_kind_of_networks_are_too_many(x, network):
    own = networks.build_encoder(9, 2, (8,)), networks.build_decoder(9, 2, (8,))
    with pytest.raises(InputError, match="^network: expected 'auto' beside networks of your own"):
        begin(x, network=network, networks=own)


# ------------------------------------------------------------------------------------------------- tables


def test_a_table_starts_from_its_own_columns_and_keeps_these_groups(x, asked, monkeypatch):
    monkeypatch.undo()
    seen = []

    def start(z, n_clusters, method, seed, views, tell, kind, *more):
        seen.append((views, kind))
        return starts.Start(np.zeros(60, "i4"), *(None,) * 3)

    monkeypatch.setattr(starts, "start", start)
    fitting = begin(x, likelihood="gaussian", init="landmark")
    assert finding.is_table(fitting)
    finding.found_groups(fitting, "init")
    ((own,), kind), *_ = seen
    assert kind == "table"
    np.testing.assert_allclose(own, (x - x.mean(axis=0)) / x.std(axis=0), atol=1e-4)
    monkeypatch.setattr(finding, "regrouped", lambda fitting: pytest.fail("a table's groups are not recomputed"))
    guidance.guide(fitting, np.zeros(60, "i4"))


@pytest.mark.parametrize(
    ("shape", "augment", "settled"), [((3, 3), "digits", True), ((3, 3), "none", False), ((9,), "digits", False)]
)
def test_the_mixture_is_settled_where_training_read_other_images_alone(x, monkeypatch, shape, augment, settled):
    """On the rows that a start reads; elsewhere it is the one that was trained."""
    rows, asked = x.reshape(60, *shape), []
    monkeypatch.setattr(extension, "READ", 40)
    monkeypatch.setattr(recipe, "pretrain", lambda fitting: None)
    monkeypatch.setattr(recipe, "start", lambda fitting: np.zeros(60, "i4"))
    monkeypatch.setattr(recipe, "guide", lambda fitting, groups: groups)
    monkeypatch.setattr(recipe, "keep_groups", lambda *given: ([], []))
    monkeypatch.setattr(recipe, "settle", lambda model, some: asked.append(len(some)))
    recipe.fit(rows, begin(rows, augment=augment).settings)
    assert asked == ([40] if settled else [])


def test_numbers_of_clusters_are_compared_on_the_rows_that_a_start_reads(x, monkeypatch):
    """Codes of all rows, where there are very many, would not fit in memory."""
    seen = []

    def compared(z, tried, method, seed, views, kind, tell, places):
        seen.append([len(part) for part in (z, *views)])
        return np.ones(len(tried)), np.ones(len(tried)), [None] * len(tried)

    monkeypatch.setattr(extension, "READ", 40)
    monkeypatch.setattr(recipe.choosing, "compared", compared)
    recipe.choose(begin(x, clusters=1))
    assert seen == [[40, 40]]


@pytest.mark.parametrize(("step", "lost"), [(recipe.choose, "clusters"), (recipe.start, "start")])
def test_a_fit_does_not_go_on_with_other_groups_where_its_own_are_lost(x, step, lost):
    fitting = dataclasses.replace(begin(x), state=State("fit", 1, [], []))
    with pytest.raises(InputError, match=f"^store: state is damaged .it goes on from store: {lost}, which is not"):
        step(fitting)


def interrupted(fitting, done, epoch):
    """The fit as a process left it after so many epochs, which kept groups 2 for all rows after one of them."""
    loop.prepare(fitting, "fit", fitting.model)
    callbacks.build_optimizer(fitting.model)
    rows = [{"phase": "fit", "epoch": e + 1, "loss": 1.0, "seconds": 0.0} for e in range(done)]
    state = State("fit", done, callbacks.state_arrays(fitting.model), rows)
    fitting.store.save("groups", {"epoch": np.array(epoch), "sharp": np.array(0), "groups": np.full(60, 2, np.int32)})
    return dataclasses.replace(fitting, state=state, rows=rows)


@pytest.mark.parametrize("hinted", [False, True])
def test_more_guided_epochs_than_epochs_are_all_of_these(x, asked, regrouped, hinted):
    """Groups are found anew in the middle of them, and none is trained beyond the last."""
    hints = np.where(np.arange(60) < 3, np.arange(60), -1) if hinted else None
    fitting = begin(x, hints, epochs=2, guide_epochs=10)
    guidance.guide(fitting, np.zeros(60, "i4"))
    assert [span for span, *_ in asked] == [(0, 1), (1, 2)]
    assert [row["epoch"] for row in fitting.rows] == [1, 2]


def test_a_phase_that_stopped_between_two_turns_has_the_groups_of_the_first_until_the_second(x, asked, monkeypatch):
    monkeypatch.setattr(finding, "regrouped", lambda fitting: np.full(60, 1, np.int32))
    fitting = begin(x, regroups=2, guide_epochs=5, epochs=6)
    guidance.guide(interrupted(fitting, 2, 1), np.zeros(60, "i4"))
    assert targets(asked) == [((2, 3), [2]), ((3, 6), [1])]


def test_a_resumed_phase_announces_what_is_left(x, asked, regrouped):
    reporter = Steps()
    fitting = begin(x, reporter=reporter)
    guidance.guide(interrupted(fitting, 3, 1), np.zeros(60, "i4"))
    assert reporter.phases == [("vade", fitting.steps("fit"))]


def test_new_groups_that_are_refused_leave_those_of_the_turn_before(x, asked, monkeypatch):
    """Not those of the start."""
    found = iter([np.full(60, 1, np.int32), np.full(60, 2, np.int32)])
    monkeypatch.setattr(finding, "regrouped", lambda fitting: next(found))
    monkeypatch.setattr(finding, "accepted", lambda fitting, groups, before: before if groups[0] == 2 else groups)
    guidance.guide(begin(x, regroups=2, guide_epochs=3), np.zeros(60, "i4"))
    assert targets(asked) == [((0, 1), [0]), ((1, 2), [1]), ((2, 4), [1])]
