"""What VaDE is held to, epoch by epoch: P of the start, recomputed, and hints; and how a fit goes on with it."""

import dataclasses

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_fits import Steps, begin, sixty

from vade_tf.data import pipeline
from vade_tf.errors import InputError
from vade_tf.model import networks
from vade_tf.training import callbacks, guidance, loop, partitions, recipe, spectral
from vade_tf.training.store import Memory, State

pytestmark = pytest.mark.usefixtures("eager")


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

    def training_batches(x, batch_size, seed, epochs, *, hints=None, augmentation=None, **more):
        seen.append(((epochs.start, epochs.stop), seed, hints, augmentation))
        return made(x, batch_size, seed, epochs, hints=hints, augmentation=augmentation, **more)

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
    assert targets(asked) == [((0, 1), [0]), ((1, 4), [2])]
    kept = fitting.store.load("partition")
    assert (int(kept["epoch"]), kept["P"].dtype, fitting.seconds["init"] > 0) == (1, np.float16, True)
    assert [row["epoch"] for row in fitting.rows] == [1, 2, 3, 4]
    assert float(fitting.model.guide_weight.numpy()) == fitting.settings.guide_weight


def test_hints_are_rows_of_p_and_stay_when_the_start_is_let_go(x, asked, regrouped):
    hints = np.where(np.arange(60) < 10, np.arange(60) % 2, -1)
    guidance.guide(begin(x, hints), all_in(1))
    assert [span for span, *_ in asked] == [(0, 1), (1, 2), (2, 4)]
    for (_, _, P, _), others in zip(asked, (all_in(1), all_in(2), np.zeros((60, 3))), strict=True):
        np.testing.assert_array_equal(P[:10], np.eye(3)[hints[:10]])
        np.testing.assert_array_equal(P[10:], others[10:])


def test_images_are_augmented_where_and_as_they_are_to_be(x, asked, regrouped):
    images = x.reshape(60, 3, 3)
    for augment, kinds in (("digits", ["digits"]), ("photos", ["photos"]), ("none", [])):
        asked.clear()
        guidance.guide(begin(images, augment=augment, epochs=1), all_in(0))
        assert [how.kind for *_, how in asked if how] == kinds
    asked.clear()
    fitting = begin(x, augment="digits", epochs=1, seed=3, restart=2)
    guidance.guide(fitting, all_in(0))
    assert asked[0][1] == fitting.settings.start_seed != fitting.settings.seed
    assert asked[0][3] is None


def interrupted(fitting, done, epoch):
    """The fit as a process left it after so many epochs, which kept group 2 for all rows after one of them."""
    loop.prepare(fitting, "fit", fitting.model)
    callbacks.build_optimizer(fitting.model)
    rows = [{"phase": "fit", "epoch": e + 1, "loss": 1.0, "seconds": 0.0} for e in range(done)]
    state = State("fit", done, callbacks.state_arrays(fitting.model), rows)
    fitting.store.save("partition", {"epoch": np.array(epoch), "sharp": np.array(0), "P": all_in(2)})
    return dataclasses.replace(fitting, state=state, rows=rows)


@pytest.mark.parametrize(
    ("settings", "done", "kept", "expected"),
    [
        ({}, 1, 1, [((1, 4), [2])]),
        ({}, 3, 1, [((3, 4), [2])]),
        ({"regroups": 2, "guide_epochs": 5, "epochs": 6}, 2, 1, [((2, 3), [2]), ((3, 6), [1])]),
        ({"regroups": 2, "guide_epochs": 3}, 2, 1, [((2, 4), [1])]),  # a kill came before the second was kept
    ],
)
def test_a_resumed_phase_trains_what_is_left_with_the_partition_it_had(
    x, asked, monkeypatch, settings, done, kept, expected
):
    monkeypatch.setattr(partitions, "regrouped", lambda fitting: all_in(1))
    reporter = Steps()
    fitting = interrupted(begin(x, reporter=reporter, **settings), done, kept)
    guidance.guide(fitting, all_in(0))
    assert targets(asked) == expected
    epochs = fitting.settings.epochs
    assert [row["epoch"] for row in fitting.rows] == list(range(1, epochs + 1))
    assert ("vade", (epochs - done) * fitting.steps("fit")) in reporter.phases


def test_what_another_fit_kept_is_found_anew(x, asked, monkeypatch):
    monkeypatch.setattr(partitions, "regrouped", lambda fitting: all_in(1))
    fitting = begin(x)
    fitting.store.save("partition", {"epoch": np.array(1), "sharp": np.array(0), "P": all_in(2)})
    guidance.guide(fitting, all_in(0))
    assert targets(asked) == [((0, 1), [0]), ((1, 4), [1])]


class Stop(keras.callbacks.Callback):
    """Ends a fit, as Ctrl-C does, before the epoch of this number, counted over both phases."""

    def __init__(self, after):
        super().__init__()
        self.left = after

    def on_epoch_begin(self, epoch, logs=None):
        self.left -= 1
        if self.left < 0:
            raise KeyboardInterrupt


@pytest.mark.parametrize(("hinted", "stops"), [(False, (2, 4)), (True, (3,))])
def test_a_fit_that_was_cut_short_ends_with_the_same_weights(x, hinted, stops):
    hints = np.where(np.arange(60) < 10, np.arange(60) % 3, -1) if hinted else None
    settings = begin(x, pretrain_epochs=1, epochs=4, guide_epochs=3, regroups=2).settings
    whole = recipe.fit(x, settings, hints).model.get_weights()
    for after in stops:
        store = Memory()
        with pytest.raises(KeyboardInterrupt):
            recipe.fit(x, settings, hints, store, callbacks=[Stop(after)])
        for one, other in zip(recipe.fit(x, settings, hints, store).model.get_weights(), whole, strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("name", ["start", "partition"])
def test_groups_of_an_older_version_are_refused_in_one_line(x, name, regrouped):
    fitting = begin(x)
    fitting = interrupted(fitting, 1, 1)
    fitting.store.save(name, {"groups": np.zeros(60, "i4"), "epoch": np.array(1), "sharp": np.array(0)})
    with pytest.raises(InputError, match=f"^store: {name} is of an older version of vade_tf, .*; fit anew$"):
        guidance.guide(fitting, recipe.start(fitting) if name == "start" else all_in(0))


@pytest.mark.parametrize(("step", "lost"), [(recipe.choose, "clusters"), (recipe.start, "start")])
def test_a_fit_does_not_go_on_with_another_start_where_its_own_is_lost(x, step, lost):
    fitting = dataclasses.replace(begin(x), state=State("fit", 1, [], []))
    with pytest.raises(InputError, match=f"^store: state is damaged .it goes on from store: {lost}, which is not"):
        step(fitting)


@pytest.mark.parametrize("damage", [{"P": np.full((60, 3), 2.0)}, {"P": np.zeros((59, 3))}, {"pi": np.zeros(3)}])
def test_a_damaged_start_is_refused(x, damage):
    fitting = begin(x)
    recipe.start(fitting)
    fitting.store.save("start", {**fitting.store.load("start"), **damage})
    with pytest.raises(InputError, match="^store: start is damaged"):
        recipe.start(fitting)


def test_a_callback_that_stops_ends_the_phase(x, asked, regrouped):
    class Enough(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.stop_training = True

    fitting = begin(x, callbacks=[Enough()])
    guidance.guide(fitting, all_in(0))
    assert [row["epoch"] for row in fitting.rows] == [1]


@given(st.integers(0, 200), st.integers(0, 12))
def test_p_is_recomputed_at_even_distances_while_guided(guide_epochs, regroups):
    turns = guidance.regroup_epochs(guide_epochs, regroups)
    assert len(turns) == min(regroups, max(guide_epochs - 1, 0))
    gaps = np.diff([0, *turns, guide_epochs])
    assert np.all(gaps > 0) or not turns
    assert np.ptp(gaps) <= 1


@pytest.mark.parametrize("hinted", [False, True])
def test_more_guided_epochs_than_epochs_are_all_of_these(x, asked, regrouped, hinted):
    hints = np.where(np.arange(60) < 3, np.arange(60), -1) if hinted else None
    fitting = begin(x, hints, epochs=2, guide_epochs=10)
    guidance.guide(fitting, all_in(0))
    assert [span for span, *_ in asked] == [(0, 1), (1, 2)]
    assert [row["epoch"] for row in fitting.rows] == [1, 2]


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
    [
        (False, None, [7.0] * 10),
        (False, 9, [7.0] * 9 + [0.0]),
        (True, None, [7.0] * 10),
        (True, 0, [7.0] * 10),
        (False, 0, [0.0] * 10),
    ],
)
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


def test_int_hints_are_one_hot_rows_of_p(small_model, rng):
    x, hints = rng.random((40, 12)).astype("f4"), rng.integers(-1, 4, 40)
    P = (np.eye(4)[hints] * (hints >= 0)[:, None]).astype("f4")
    models = [small_model(), small_model()]
    for model, known in zip(models, (hints, P), strict=True):
        model.fit(x, hints=known, batch_size=10, epochs=3, shuffle=False, verbose=0)
    for one, other in zip(models[0].get_weights(), models[1].get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("P", [np.full((8, 4), 0.5), np.tile([1.5, -0.5, 0, 0], (8, 1)), np.full((8, 4), np.nan)])
def test_hints_that_are_no_probabilities_are_refused(small_model, rng, P):
    with pytest.raises(InputError, match="^hints: expected probabilities whose rows sum to 1"):
        small_model().fit(rng.random((8, 12)).astype("f4"), hints=P, verbose=0)


# ------------------------------------------------------------------------------------------------- the start of a fit


@pytest.mark.parametrize(
    ("init", "widths"), [("auto", [9]), ("gmm", [2]), ("kmeans", [2]), ("spectral", [2, 8])], ids=str
)
def test_each_start_reads_its_space(x, monkeypatch, init, widths):
    """A table's its standardised columns; else the code, and the layer before it."""
    seen, own = [], partitions.initialization.partition
    monkeypatch.setattr(
        partitions.initialization,
        "partition",
        lambda method, spaces, *more: seen.append(spaces) or own(method, spaces, *more),
    )
    reporter = Steps()
    fitting = begin(x, init=init, seed=6, restart=1, reporter=reporter, likelihood="gaussian")
    found = partitions.found_start(fitting, "init")
    (spaces,) = seen
    assert [space.shape[1] for space in spaces[: len(widths)]] == widths
    first = (x - x.mean(axis=0)) / x.std(axis=0) if init == "auto" else fitting.model.encode(x)[0]
    np.testing.assert_allclose(spaces[0], first, atol=1e-4)
    assert (found.P.shape, found.P.dtype) == ((60, 3), np.float16)
    z = fitting.model.encode(x)[0].numpy()  # the mixture is of the code, whatever the start reads
    np.testing.assert_allclose(
        found.mu, found.P.T.astype("f8") @ z / found.P.sum(axis=0, dtype="f8")[:, None], atol=0.01
    )
    assert reporter.phases == [("init", spectral.DRAWS if init == "spectral" else 1)]
    assert partitions.found_on_code(fitting) == (init != "auto")


def test_a_start_of_the_caller_s_own_is_what_the_fit_is_held_to(x, asked):
    groups = np.arange(60) % 3
    for init in (groups, lambda rows: np.eye(3)[groups]):
        asked.clear()
        fitted = recipe.fit(x, begin(x, init="auto", epochs=1).settings, init=init)
        assert all(np.array_equal(P, np.eye(3)[groups]) for _, _, P, _ in asked)
        assert fitted.start
    with pytest.raises(InputError, match="^init: expected groups from 0 to 2"):
        recipe.fit(x, begin(x).settings, init=groups + 1)


@pytest.mark.parametrize("network", ["conv", "dense"])
def test_networks_of_ones_own_and_a_kind_of_networks_are_too_many(x, network):
    own = networks.build_encoder(9, 2, (8,)), networks.build_decoder(9, 2, (8,))
    with pytest.raises(InputError, match="^network: expected 'auto' beside networks of your own"):
        begin(x, network=network, networks=own)
