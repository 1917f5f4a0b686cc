"""The groups of a fit on a few rows: what VaDE is held to, epoch by epoch, and what a start finds them on."""

import dataclasses

import keras
import numpy as np
import pytest
import scipy.sparse
from scipy.spatial.distance import pdist
from small_fits import Steps, begin, sixty

from vade_tf.data import observing, pipeline
from vade_tf.data.sparse import SparseRows
from vade_tf.errors import InputError
from vade_tf.model import networks
from vade_tf.model.mixed import Mixed
from vade_tf.model.vade import VaDE
from vade_tf.training import callbacks, extension, guidance, loop, recipe
from vade_tf.training import groups as finding
from vade_tf.training import start as starts
from vade_tf.training.store import State
from vade_tf.training.views import feature_reader

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
        assert reporter.phases == [("init", starts.DRAWS if method == "landmark" else 1)]


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
    "form",
    [
        lambda x: x.reshape(60, 3, 3),
        lambda x: np.tile(x, 23),  # 207 columns
        lambda x: x / np.linalg.norm(x, axis=1, keepdims=True),
    ],
    ids=["images", "wide", "directions"],
)
def test_what_is_no_table(x, form):
    assert not finding.is_table(begin(form(x), init="landmark"))


@pytest.mark.parametrize(
    ("likelihood", "columns", "read"), [("gaussian", 9, "table"), ("counts", 9, "counts"), ("gaussian", 207, "wide")]
)
def test_rows_with_networks_of_ones_own_are_grouped_by_their_code(x, likelihood, columns, read):
    rows = np.tile(np.abs(x).round(), columns // 9)
    own = networks.build_encoder(columns, 2, (8,)), networks.build_decoder(columns, 2, (8,))
    kinds = [
        finding.kind(begin(rows, likelihood=likelihood, init="landmark", hidden=None, networks=given))
        for given in (None, own)
    ]
    assert kinds == [read, "code"]


def as_texts(x):
    """Rows of length 1, never below 0, and mostly 0."""
    large = np.where(abs(x) > np.quantile(abs(x), 0.6), abs(x), 0)
    return large / np.linalg.norm(large, axis=1, keepdims=True).clip(1e-9)


@pytest.mark.parametrize(
    ("form", "kind"),
    [
        (lambda x: np.tile(x, (4, 23)), "broad"),
        (lambda x: np.tile(x, (4, 23)) / np.linalg.norm(np.tile(x, (4, 23)), axis=1, keepdims=True), "broad"),
        (lambda x: as_texts(np.tile(x, (4, 23))), "code"),
        (lambda x: np.tile(x, (4, 25)).reshape(240, 15, 15), "code"),
    ],
    ids=["columns", "directions", "texts", "images"],
)
def test_what_many_columns_are_grouped_by(x, form, kind):
    assert finding.kind(begin(form(x), init="landmark")) == kind


def test_groups_that_are_found_anew_are_those_of_a_code(x, monkeypatch):
    """The columns of broad rows are read for the start; once VaDE is trained, only the code is."""
    seen, start = [], finding.starts.start
    monkeypatch.setattr(finding.halves, "groups", lambda *_: None)  # copies of columns have the same groups
    monkeypatch.setattr(finding.starts, "start", lambda *given: (seen.append(given[6]), start(*given))[1])
    fitting = begin(np.tile(x, (4, 23)), init="landmark")
    for phase in ("init", "regroup"):
        finding.found_groups(fitting, phase)
    assert seen == ["broad", "code"]


def test_principal_directions_of_columns_keep_their_distances_and_stand_by_their_spread(x):
    fitting = begin(np.tile(x, 23), init="landmark")  # 9 columns that differ, so 50 directions hold all
    columns = finding.reader(fitting, "init", fitting.data.x)(fitting.data.x)[-1]
    np.testing.assert_allclose(pdist(columns), pdist(np.tile(x / x.std(axis=0), 23)), rtol=1e-3)
    assert np.all(np.diff(columns.std(axis=0)) < 1e-3)


def test_columns_of_few_texts_are_not_read_and_not_scaled_against_the_callers_will(x):
    fitting = begin(
        as_texts(np.tile(x, 23)), init="landmark", pretrain_epochs=0
    )  # so that no further autoencoders vote
    assert (finding.kind(fitting), finding.found_on(fitting, "init")) == ("wide", "code")
    directions = x / np.linalg.norm(x, axis=1, keepdims=True)  # few columns of one length, which are no texts
    assert finding.kind(begin(directions, init="landmark")) == "broad"
    unscaled = observing.observe(np.abs(x), standardise=False)
    assert finding.kind(begin(unscaled, init="landmark", likelihood="gaussian")) == "code"


@pytest.mark.parametrize("init", ["kmeans", "gmm"])
def test_groups_of_a_table_that_are_found_on_the_code_are_found_anew(x, init):
    assert finding.kind(begin(x, likelihood="gaussian", init=init)) == "code"


def test_sparse_rows_that_a_start_has_not_read_stay_sparse_on_their_way_to_a_group(x, monkeypatch):
    dense, blocks, made = [], pipeline.blocks, SparseRows.__getitem__

    def noted(rows, numbers):
        dense.append(len(made(rows, numbers)))
        return made(rows, numbers)

    monkeypatch.setattr(extension, "READ", 40)
    fitting = begin(scipy.sparse.csr_matrix(np.tile(x, 23)), init="landmark", hidden=(4,))
    monkeypatch.setattr(pipeline, "blocks", lambda rows: blocks(rows, 7))
    monkeypatch.setattr(SparseRows, "__getitem__", noted)
    assert finding.found_groups(fitting, "init").groups.shape == (60,)
    assert 0 < max(dense) <= 7


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        (lambda x: np.tile(x, 23), [3]),  # 60 rows of 207 columns: kept
        (lambda x: np.tile(x, (4, 23)), [3, 1]),  # 240 rows: found anew in epoch 1
        (lambda x: np.tile(x, 8), [2, 1]),  # 72 columns: more than rows, but as few as are read themselves
        (lambda x: np.tile(x, 25).reshape(60, 15, 15), [2, 1]),
    ],
    ids=["wide", "broad", "narrow", "images"],
)
def test_many_columns_are_read_beside_the_code_and_the_groups_of_few_rows_are_kept(x, monkeypatch, form, expected):
    seen = []

    def of_views(views, *given):
        seen.append(len(views))
        return np.zeros(len(views[0]), "i4")

    def held(fitting, epoch, last, before):
        seen.append(epoch)
        return np.zeros(len(fitting.data.x), "i4"), False

    monkeypatch.setattr(finding.halves, "groups", lambda *_: None)
    monkeypatch.setattr(starts, "landmark", of_views)
    monkeypatch.setattr(starts, "of_either", of_views)
    monkeypatch.setattr(guidance, "_held_groups", held)
    monkeypatch.setattr(finding, "is_table", lambda fitting: False)
    fitting = begin(form(x), init="landmark", hidden=(4,))
    guidance.guide(fitting, recipe.start(fitting))
    assert seen == expected


@pytest.mark.parametrize(("form", "taken"), [(np.tile, False), (lambda x, n: np.tile(x, 8), True)])
def test_new_groups_that_many_columns_show_less_than_those_held_are_refused(x, form, taken):
    """Of a code, or of few columns that are read themselves, they are what training goes on with."""
    y = np.arange(240) % 2
    rows = form(np.tile(x, (4, 1)) + 3.0 * y[:, None], 23)
    fitting = begin(rows.astype("f4"), init="landmark", hidden=(4,))
    mixed = np.random.default_rng(0).permutation(y)
    np.testing.assert_array_equal(finding.accepted(fitting, mixed, y), mixed if taken else y)
    np.testing.assert_array_equal(finding.accepted(fitting, y, mixed), y)


def test_missing_cells_of_a_table_count_as_the_mean_of_their_column(x):
    """And a category's levels stay 0 and 1, less their share; an answer of two is as far apart as two levels are."""
    x = np.column_stack([x[:, 0], np.eye(3)[np.arange(60) % 3], np.arange(60) % 2]).astype("f4")
    x[::7, 0] = np.nan
    own = networks.build_encoder(5, 2, (8,)), networks.build_decoder(5, 2, (8,))
    model = VaDE(*own, 3, Mixed([("gaussian", 1), ("categorical", 3), ("bernoulli", 1)]))
    found = feature_reader(model, x)(x)
    assert not found[::7, 0].any()
    known = x[~np.isnan(x[:, 0]), 0]
    filled = np.where(np.isnan(x[:, 0]), known.mean(), x[:, 0])
    np.testing.assert_allclose(found[:, 0], (filled - known.mean()) / known.std(), atol=1e-5)
    np.testing.assert_allclose(found[:, 1:4], x[:, 1:4] - 1 / 3, atol=1e-6)
    np.testing.assert_allclose(found[:, 4], np.sqrt(2) * (x[:, 4] - 0.5), atol=1e-6)


def test_a_column_that_float32_blurs_tells_a_start_next_to_nothing(rng):
    """Seconds of a day of 2023, in steps of 128: two values that rounding makes, no two groups."""
    x = np.stack([rng.normal(size=400), 1.7e9 + 64 + rng.normal(0, 5, 400)], axis=1)
    fitting = begin(x, likelihood="gaussian")
    found = feature_reader(fitting.model, fitting.data.x)(fitting.data.x)
    assert found[:, 0].std() == pytest.approx(1, abs=1e-3)
    assert found[:, 1].std() < 0.02


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

    def compared(z, tried, method, seed, views, kind, tell):
        seen.append([len(part) for part in (z, *views)])
        return np.ones(len(tried)), np.ones(len(tried))

    monkeypatch.setattr(extension, "READ", 40)
    monkeypatch.setattr(recipe.choosing, "compared", compared)
    recipe.choose(begin(x, clusters=1))
    assert seen == [[40, 40]]


@pytest.mark.parametrize(("step", "lost"), [(recipe.choose, "clusters"), (recipe.start, "start")])
def test_a_fit_does_not_go_on_with_other_groups_where_its_own_are_lost(x, step, lost):
    fitting = dataclasses.replace(begin(x), state=State("fit", 1, [], []))
    with pytest.raises(InputError, match=f"^store: state is damaged .it goes on from store: {lost}, which is not"):
        step(fitting)
