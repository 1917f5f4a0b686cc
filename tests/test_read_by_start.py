"""What a start finds the groups of a few rows on: their columns, their code, or both."""

import numpy as np
import pytest
import scipy.sparse
from scipy.spatial.distance import pdist
from small_fits import begin, sixty

from vade_tf.data import observing, pipeline
from vade_tf.data.sparse import SparseRows
from vade_tf.model import networks
from vade_tf.model.mixed import Mixed
from vade_tf.model.vade import VaDE
from vade_tf.training import extension, guidance, recipe
from vade_tf.training import groups as finding
from vade_tf.training import start as starts
from vade_tf.training.views import feature_reader

pytestmark = pytest.mark.usefixtures("eager")


@pytest.fixture
def x(rng):
    return sixty(rng)


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


@pytest.mark.parametrize(("rows", "kind"), [(4, "code"), (1, "wide")])
def test_columns_of_counts_are_not_compared_where_the_start_is_on_the_code(x, rows, kind):
    """How much of it there is would say most of a row."""
    counts = np.tile(np.abs(x).round(), (rows, 23))
    assert finding.kind(begin(counts, likelihood="counts", init="kmeans")) == kind


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
    monkeypatch.setattr(
        finding.halves, "shown", lambda _, groups, **more: groups
    )  # copies of columns have the same groups
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

    monkeypatch.setattr(finding.halves, "shown", lambda _, groups, **more: groups)
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
