"""How far apart values are where a start compares rows themselves: alike for an array and for a table of the same."""

import numpy as np
import pandas
import pytest
from scipy.spatial.distance import cdist, pdist
from scipy.stats import norm
from sklearn.neighbors import NearestNeighbors

from vade_tf.training import groups as finding
from vade_tf.training import parting, regions, views
from vade_tf.training.fitting import begin
from vade_tf.training.settings import Settings


@pytest.mark.parametrize("form", [np.asarray, pandas.DataFrame])
def test_yes_and_no_lie_as_far_apart_in_an_array_as_in_a_table(rng, form):
    answers = (rng.random((500, 6)) < [0.5, 0.5, 0.3, 0.02, 0.02, 0.02]).astype("u1")
    fitting = begin(form(answers), Settings(clusters=2, hidden=(4,), latent_dim=2, precision="float32"))
    rows = views.feature_reader(fitting.model, fitting.data.x)(fitting.data.x)
    np.testing.assert_allclose(np.ptp(rows, axis=0), 1 / views.YES_AND_NO, rtol=1e-5)


@pytest.mark.parametrize("form", [np.asarray, pandas.DataFrame])
def test_answers_of_more_columns_than_a_table_has_are_of_variance_1(rng, form):
    """Else the items that most baskets hold are all that the leading directions of 300 items show."""
    answers = (rng.random((400, 201)) < rng.uniform(0.05, 0.5, 201)).astype("u1")
    fitting = begin(form(answers), Settings(clusters=2, hidden=(4,), latent_dim=2, precision="float32"))
    rows = views.feature_reader(fitting.model, fitting.data.x)(fitting.data.x)
    np.testing.assert_allclose(rows.std(axis=0), 1, rtol=1e-4)


def molecules(rng, n=400, width=400):
    """Three scaffolds of twenty bits, and three bits of its own for each two rows: these are what is rare."""
    groups = np.arange(n) % 3
    bits = np.zeros((n, width), "u1")
    bits[:, :60] = (np.arange(60) // 20 == groups[:, None]) & (rng.random((n, 60)) < 0.6)
    for i in range(n):
        bits[i, 60 + (i // 2 * 3 + np.arange(3)) % (width - 60)] = 1
    return bits, groups


def baskets(rng, n=400, width=250):
    """Three groups that buy sixty rare things each, among forty that half of all baskets hold."""
    groups, share = np.arange(n) % 3, np.full((3, width), 0.01)
    share[:, :40] = 0.5
    for group in range(3):
        share[group, 40 + 60 * group : 100 + 60 * group] = 0.18
    return (rng.random((n, width)) < share[groups]).astype("u1"), groups


@pytest.mark.parametrize("form", [np.asarray, pandas.DataFrame])
@pytest.mark.parametrize(("made", "shared"), [(molecules, True), (baskets, False)])
def test_many_answers_have_the_unit_in_which_draws_agree_more(made, shared, form, rng):
    rows, _ = made(rng)
    fitting = begin(form(rows), Settings(clusters=3, hidden=(4,), latent_dim=2, precision="float32"))
    assert finding.shares_unit(fitting, fitting.data.x) == shared
    reader = views.direction_reader(fitting.model, fitting.data.x, shared)
    columns = finding.reader(fitting, "init", fitting.data.x)(fitting.data.x)[-1]
    np.testing.assert_array_equal(columns, reader(fitting.data.x))


def test_draws_that_find_nothing_choose_no_unit(rng):
    """Whichever of the two agrees more then does so by chance."""
    for noise in rng.random((5, 200, 250)) < 0.1:
        fitting = begin(noise, Settings(clusters=3, hidden=(4,), latent_dim=2, precision="float32"))
        assert not finding.shares_unit(fitting, fitting.data.x)


def test_answers_beside_numbers_have_no_unit_of_their_own(rng):
    rows = pandas.DataFrame(molecules(rng)[0]).assign(size=rng.normal(size=400))
    fitting = begin(rows, Settings(clusters=3, hidden=(4,), latent_dim=2, precision="float32"))
    assert not finding.shares_unit(fitting, fitting.data.x)


@pytest.mark.parametrize("kind", ["rows of one length", "columns"])
def test_groups_found_anew_are_judged_by_how_far_apart_rows_of_one_unit_are(kind, rng, monkeypatch):
    """In columns of variance 1 each, the last of these directions would weigh as much as the first."""
    rows, unit = rng.normal(size=(300, 20)) * np.geomspace(1, 0.01, 20), np.sqrt(20)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    if kind == "columns":  # of bits
        rows, unit = molecules(rng, 300, 220)[0].astype(float), 1
        monkeypatch.setattr(views, "COLUMN_DIRECTIONS", 220)
    fitting = begin(rows, Settings(clusters=2, hidden=(4,), latent_dim=2, precision="float32"))
    judged = []
    monkeypatch.setattr(parting, "is_worse", lambda columns, *of: judged.append(pdist(columns)) or False)
    finding.accepted(fitting, np.zeros(300, int), np.zeros(300, int))
    np.testing.assert_allclose(np.sort(judged[0]), np.sort(unit * pdist(rows)), rtol=2e-2)


def test_hints_that_name_other_groups_than_the_start_are_no_fault(rng, monkeypatch):
    """They are what was asked for; the start's groups are not, and advice to hold on to these would work against it."""
    from vade_tf.training import ladder, recipe

    monkeypatch.setattr(ladder, "back_to_held", lambda fitting, held: ([], ["the clusters are not the groups"]))
    x, hints = rng.normal(size=(60, 4)).astype("f4"), np.arange(60) % 2
    fitting = begin(x, Settings(clusters=2, hidden=(4,), latent_dim=2, precision="float32"), hints)
    others = np.arange(60, dtype="i4") // 30
    assert recipe.keep_groups(fitting, others, others) == ([], [])
    assert recipe.keep_groups(fitting, hints, hints) == ([], ["the clusters are not the groups"])


@pytest.mark.parametrize("number", [60, 15])
@pytest.mark.parametrize("scale", [1e-25, 1e25])
def test_directions_do_not_hang_on_the_size_of_a_layer(rng, number, scale):
    """float32 holds a layer of 1e25, as one that diverges is, but not its square, nor that of 1e-25."""
    sample = (rng.normal(size=(number, 30)) * np.geomspace(1, 9, 30)).astype("f4")
    found = views._leading_directions(sample.copy())
    scaled = views._leading_directions((scale * sample).astype("f4"))
    assert np.isfinite(scaled).all()
    leading = np.abs(np.sum(scaled[:, :5] * found[:, :5], axis=0))  # a direction has no sign
    np.testing.assert_allclose(leading, 1, atol=1e-3)


@pytest.mark.parametrize("group", [np.arange(1000) // 100, np.arange(1000) % 10], ids=["in blocks", "in turn"])
def test_directions_are_found_on_rows_of_all_groups_however_these_stand(group):
    found = views._sample(group[:, None], 100, 0)
    assert len(found) == 100
    counts = np.bincount(found[:, 0], minlength=10)
    assert 1 < counts.min() <= counts.max() < 25


def test_a_column_of_ten_values_has_few_and_one_of_eleven_many():
    np.testing.assert_array_equal(parting.are_many(np.arange(220)[:, None] % [10, 11]), [False, True])


def test_a_row_alone_is_parted_from_no_neighbour():
    alone = np.zeros(1, int)
    assert parting.parted(parting.nearest(np.zeros((1, 2)), alone), alone, alone) == 0


def test_one_number_beside_answers_is_a_place_of_its_own(rng):
    rows = np.hstack([rng.integers(2, size=(220, 3)), np.arange(220)[:, None] % 22]) * 1.0
    assert [place.shape for place in parting.places(rows)] == [(220, 1), (220, 4)]


def test_groups_without_a_border_are_no_worse_than_others_without_one():
    """Far groups, or one group for all rows, which at random would have none either."""
    far, one = 100.0 * (np.arange(60) // 30) + np.arange(60), np.zeros(60, int)
    for groups in (np.arange(60) // 30, one):
        assert not parting.is_worse(far[:, None], groups, groups)


@pytest.mark.parametrize(("k", "runs"), [(500, 10), (501, 1)])
def test_k_means_of_more_than_five_hundred_groups_runs_once(k, runs, monkeypatch):
    monkeypatch.setattr(regions, "KMeans", lambda k, **more: pytest.fail(str(more)))
    with pytest.raises(pytest.fail.Exception, match=f"'n_init': {runs},"):
        regions.kmeans(np.zeros((600, 1)), k, 0)


@pytest.mark.parametrize(("k", "runs"), [(2, 5), (99, 5), (100, 1)])
def test_k_means_on_eigenvectors_runs_once_from_a_hundred_groups_on(k, runs, rng, monkeypatch):
    asked = []
    monkeypatch.setattr(regions, "landmark_cuts", lambda views, counts, seed, n_init: asked.append(n_init) or [None])
    regions.landmark_draw([rng.normal(size=(40, 2))], k, 0)
    assert asked == [runs]


def test_the_share_of_a_column_between_groups_is_what_is_not_within_them(rng):
    groups = np.repeat([0, 1, 2], (300, 90, 10))
    rows = np.column_stack([groups, rng.normal(size=400), groups + rng.normal(size=400), np.full(400, 5.0)])
    within = sum(rows[groups == c].var(axis=0) * np.sum(groups == c) for c in range(3)) / 400
    expected = [*(1 - within[:3] / rows[:, :3].var(axis=0)), 0]
    np.testing.assert_allclose(parting._shares_between(rows, groups), expected, atol=1e-12)


def test_levels_of_a_category_stay_as_far_apart_however_rare_they_are(rng):
    table = pandas.DataFrame({"kind": np.repeat(["a", "b", "c"], (300, 90, 10)), "size": 50 * rng.normal(size=400)})
    fitting = begin(table, Settings(clusters=2, hidden=(4,), latent_dim=2, precision="float32"))
    rows = views.feature_reader(fitting.model, fitting.data.x)(fitting.data.x)
    assert [len(np.unique(column)) for column in rows.T] == [2, 2, 2, 400]
    np.testing.assert_allclose(np.ptp(rows[:, :3], axis=0), 1, rtol=1e-5)
    np.testing.assert_allclose(rows[:, 3].std(), 1, rtol=1e-4)


def test_three_landmarks_for_each_group_are_enough():
    """Those of a draw are a fifth of the rows, a thousand at most."""
    assert [regions.is_beyond(k, 45) for k in (3, 4)] == [False, True]  # nine landmarks
    assert [regions.is_beyond(k, 10**6) for k in (333, 334)] == [False, True]


def test_ties_fall_off_as_a_gaussian_of_half_the_distance_to_the_next_landmark(rng):
    rows, marks = rng.normal(size=(2, 30, 2))
    apart = np.sort(cdist(rows, marks), axis=1)[:, :4]
    expected = norm.pdf(apart[:, :3], scale=apart[:, 3:] / 2)
    ties = regions.tied(rows, NearestNeighbors(n_neighbors=4).fit(marks))
    found = np.sort(ties.toarray(), axis=1)[:, :-4:-1]
    np.testing.assert_allclose(found, expected / expected.sum(axis=1, keepdims=True), rtol=1e-6)
