"""Groups that halves of many columns show of one another: taken where others are less clear, or rows are few."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import adjusted_rand_score

from vade_tf import Settings, begin
from vade_tf.data.observing import observe
from vade_tf.training import groups, halves, regions, start
from vade_tf.training.views import direction_reader


@pytest.fixture(scope="module")
def expressed():
    """Rows of 600 columns of one unit, forty of which vary more, by three groups; and the groups: [90, 600], [90]."""
    r = np.random.default_rng(0)
    y = r.choice(3, 90)
    x = r.normal(5, 0.5, (90, 600))
    x[:, :40] += r.normal(0, 2, (3, 40))[y]
    return x, y


def fitting(x, **more):
    return begin(x, Settings(clusters=3, hidden=(16,), latent_dim=2, **more))


def with_holes(x, share, rng):
    return observe(pd.DataFrame(np.where(rng.random(x.shape) < share, np.nan, x)).add_prefix("gene "))


def shown(fit, given=None, n_clusters=3):
    """The groups that halves show, or those given, one after the other where none are."""
    return halves.shown(fit.data.rows, np.arange(len(fit.data.x)) % 3 if given is None else given, n_clusters, 0)


def test_groups_are_those_of_the_columns_that_vary_most(expressed):
    x, y = expressed
    assert adjusted_rand_score(y, shown(fitting(x))) > 0.95


def test_noise_has_no_groups(rng):
    """Those found in all of its columns part few neighbours there, and in a half that did not know the other all."""
    fit = fitting(rng.normal(size=(90, 600)))
    seen = regions.kmeans(direction_reader(fit.model, fit.data.rows)(fit.data.rows)[:, : halves.WIDTH], 3, 0)
    assert shown(fit, seen) is seen


def test_groups_that_half_of_the_columns_shows_alone_are_not_shown(expressed, rng):
    """One column has three far levels: one half shows these, the other half noise."""
    x = rng.normal(size=(90, 600))
    x[:, 0] += 30 * expressed[1]
    assert shown(fitting(x), expressed[1]) is expressed[1]


@pytest.mark.parametrize(("wrong", "taken"), [(0, False), (9, True)])
def test_those_given_stay_unless_they_part_more_neighbours(expressed, wrong, taken):
    x, y = expressed
    given = np.concatenate([(y[:wrong] + 1) % 3, y[wrong:]])
    found = shown(fitting(x), given)
    assert (found is not given) == taken
    assert adjusted_rand_score(y, found) > 0.95


def test_bent_groups_that_were_found_otherwise_stay():
    """k-means cuts two crescents across, in the one half as in the other, and where each begins it parts neighbours."""
    r = np.random.default_rng(0)
    y, t = np.arange(300) % 2, r.uniform(0, np.pi, 300)
    z = np.stack([np.cos(t + np.pi * y) + y, np.sin(t + np.pi * y) + 0.5 * y], 1) + r.normal(0, 0.05, (300, 2))
    x = z @ r.normal(size=(2, 40)) + r.normal(0, 0.05, (300, 40))
    assert shown(fitting(x), y, 2) is y
    assert adjusted_rand_score(y, shown(fitting(x), np.repeat([0, 1], 150), 2)) < 0.6  # those of k-means


def test_missing_cells_are_like_their_columns(expressed, rng):
    x, y = expressed
    fit = fitting(observe(pd.DataFrame(np.where(rng.random(x.shape) < 0.1, np.nan, x)).add_prefix("gene ")))
    assert np.isnan(fit.data.x).any()
    assert adjusted_rand_score(y, shown(fit)) > 0.95


def test_a_start_takes_them_and_describes_them_on_the_code(expressed):
    x, y = expressed
    fit = fitting(x)
    found = groups.found_groups(fit, "init")
    assert adjusted_rand_score(y, found.groups) > 0.95
    z = fit.model.encode(fit.data.x)[0].numpy()
    for c in range(3):
        members = z[found.groups == c]
        np.testing.assert_allclose(found.pi[c], len(members) / 90, rtol=1e-5)
        np.testing.assert_allclose(found.mu[c], members.mean(axis=0), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(("n", "agreed"), [(60, 0.5), (60, 1.0), (20, 0.5)])
def test_a_start_asks_them_whatever_the_draws_do(n, agreed, rng, monkeypatch):
    views, theirs = [rng.normal(size=(n, 2))] * 3, np.arange(n) % 2
    monkeypatch.setattr(start, "alike", lambda draws: agreed)
    assert np.array_equal(start.of_either(views, 2, 0, shown=lambda _: theirs), theirs)


def test_few_rows_have_the_groups_that_halves_show_however_surely():
    """The autoencoder is untrained; of 40 rows an eighth of the columns tells a little."""
    r = np.random.default_rng(1)
    y = np.arange(40) % 3
    x = r.normal(size=(40, 400))
    x[:, :50] += r.normal(0, 1, (3, 50))[y]
    fit = fitting(x)
    assert adjusted_rand_score(y, groups.found_groups(fit, "init").groups) > 0.95


def test_columns_of_another_unit_do_not_hide_what_most_columns_show(expressed, rng):
    """Twelve have three levels far apart, which either half has as surely."""
    x, y = expressed
    other = 1e3 * (rng.permutation(y)[:, None] + 0.1 * rng.normal(size=(90, 12)))
    fit = fitting(np.column_stack([x, other]))
    assert adjusted_rand_score(y, shown(fit)) > 0.95


def test_the_unit_counts_in_which_halves_agree_more():
    """Sixty columns of a large unit have groups of their own, and lead where columns keep their unit."""
    r = np.random.default_rng(0)
    y, other = r.choice(3, (2, 90))
    x = r.normal(size=(90, 300)) + r.normal(0, 0.7, (3, 300))[y]
    x[:, :60] = 100 * (r.normal(0, 0.6, (3, 60))[other] + r.normal(0, 0.5, (90, 60)))
    fit = fitting(x)
    assert adjusted_rand_score(y, shown(fit)) > 0.95


def test_columns_of_another_unit_do_not_take_the_place_of_clear_groups(rng):
    """They rule the leading directions, where all of one weight show other groups."""
    y = rng.choice(4, 300)
    x = rng.normal(size=(300, 400)) + rng.normal(0, 1, (4, 400))[y]
    size = rng.lognormal(10, 1.2, 300)
    x = np.column_stack([x, size[:, None] * rng.lognormal(0, 0.1, (300, 12))])
    fit = begin(x, Settings(clusters=4, hidden=(16,), latent_dim=2))
    assert adjusted_rand_score(y, groups.found_groups(fit, "init").groups) > 0.95


def test_rows_far_out_are_no_groups(expressed):
    """Each half has them as surely as the other, and they would have a direction each."""
    x, y = expressed[0].copy(), expressed[1]
    x[:2] = 5 + 20 * (x[:2] - 5)
    assert adjusted_rand_score(y, shown(fitting(x))) > 0.95


def test_how_high_a_row_is_does_not_drown_the_groups_among_its_columns(expressed, rng):
    """As a spectrum's brightness or a sample's amount; of known cells, where half are missing in some rows."""
    x, y = expressed
    level = rng.normal(0, 1, (90, 1))
    by_level = np.digitize(level[:, 0], [-0.4, 0.4])
    assert adjusted_rand_score(y, shown(fitting(x + level), by_level)) > 0.95
    holes = with_holes(x + level, rng.choice([0, 0.5], (90, 1)), rng)
    assert adjusted_rand_score(y, shown(fitting(holes), by_level)) > 0.95


def test_profiles_are_the_same_however_high_a_row_is(rng):
    """Of its known cells, half of which or none are missing."""
    x = rng.normal(size=(60, 40)).astype("f4")
    x[rng.random(x.shape) < rng.choice([0, 0.5], (60, 1))] = np.nan
    found, again = (np.abs(halves._directions(rows, True)(rows)) for rows in (x, x + 4 * rng.normal(size=(60, 1))))
    np.testing.assert_allclose(again.astype("f4"), found, atol=1e-3)


def test_rows_most_of_which_have_no_cell_are_compared_by_the_others(rng):
    """As where a form was left out by most; these stand in the middle, and no distance to it is the usual one."""
    x = rng.normal(size=(90, 40)).astype("f4")
    x[30:] = np.nan
    found = halves._directions(x, False)(x)
    np.testing.assert_array_equal(found[30:], 0)
    assert (np.linalg.norm(found[:30], axis=1) > 0.5).all()


@pytest.mark.parametrize(("share", "stay"), [(0.85, True), (0.75, False)])
def test_those_given_stay_unless_halves_part_clearly_fewer(expressed, share, stay, monkeypatch):
    x, y = expressed
    monkeypatch.setattr(halves._Way, "held_out", lambda *_: 0.5 * share)
    monkeypatch.setattr(halves._Way, "borders", lambda *_: 0.5)
    assert (shown(fitting(x), y) is y) == stay


def test_rows_that_are_high_or_low_are_groups_where_nothing_else_tells_them(rng):
    y = np.arange(90) % 3
    x = rng.normal(size=(90, 600)) + 0.8 * y[:, None]
    assert adjusted_rand_score(y, shown(fitting(x), rng.permutation(y))) > 0.95


@pytest.mark.parametrize("unit", [1e20, 1e-20])
def test_groups_are_the_same_in_any_unit(expressed, unit):
    x, y = expressed
    fit = fitting(x * unit)
    assert adjusted_rand_score(y, shown(fit)) > 0.95


@pytest.mark.parametrize("more", [{"init": "kmeans"}, {"init": "gmm"}])
def test_other_starts_do_not_ask_them(expressed, more, monkeypatch):
    monkeypatch.setattr(halves, "shown", lambda *_, **more: pytest.fail("asked"))
    groups.found_groups(fitting(expressed[0], **more), "init")


def test_columns_that_are_the_same_in_all_rows_change_nothing(expressed):
    """Most are, as genes that no cell expresses."""
    x, y = expressed
    fit = fitting(np.column_stack([x, np.full((90, 700), 5.0)]))
    assert adjusted_rand_score(y, shown(fit)) > 0.95


def test_of_few_rows_the_groups_of_halves_are_taken_though_the_code_has_clearer_ones(expressed):
    """Networks know so few by heart, and groups of a code that does are no groups of the rows."""
    x, y = expressed[0][:40], expressed[1][:40]
    given = y.copy()
    found = shown(fitting(x), given)
    assert found is not given
    assert adjusted_rand_score(y, found) > 0.95


@pytest.mark.parametrize(("few", "taken"), [(2, False), (3, True)])
def test_three_rows_are_a_group_and_two_are_rows_far_out(few, taken):
    r = np.random.default_rng(0)
    y = np.repeat([0, 1, 2], [50, 40 - few, few])
    x = r.normal(5, 0.5, (90, 600))
    x[:, :40] += r.normal(0, 4, (3, 40))[y]
    fit = fitting(x)
    assert (adjusted_rand_score(y, shown(fit)) > 0.95) == taken


def test_rows_of_two_kinds_alone_have_no_three_groups(expressed):
    """Either half shows two, and a third without rows."""
    given = np.arange(40) % 3
    assert shown(fitting(np.repeat(expressed[0][:2], 20, axis=0)), given) is given


def test_more_groups_than_rows_that_are_tried_are_not_shown(expressed, monkeypatch):
    monkeypatch.setattr(halves, "ASKED", 2)
    given = np.arange(90) % 3
    assert shown(fitting(expressed[0]), given) is given


def test_columns_fewer_than_two_halves_have_directions_are_not_asked(rng):
    y = np.arange(90) % 3
    x, given = 9 * rng.normal(size=(3, 20))[y] + rng.normal(size=(90, 20)), np.repeat([0, 1, 2], 30)
    for columns, taken in ((19, False), (20, True)):
        assert (shown(fitting(x[:, :columns]), given) is not given) == taken


def test_missing_cells_are_like_their_columns_wherever_these_lie(expressed, rng):
    x, y = expressed
    fit = fitting(with_holes(x + 1000, 0.1, rng))
    assert adjusted_rand_score(y, shown(fit)) > 0.95


@pytest.fixture
def tried(monkeypatch):
    """The rows that each of three splits is tried on, in each way; columns keep their places, no groups are found."""
    seen, half = [], halves._half

    def parted(scaled, profile):
        seen.append(scaled)
        return half(scaled, profile)

    monkeypatch.setattr(halves, "generator", lambda *_: SimpleNamespace(permutation=np.arange))
    monkeypatch.setattr(halves, "_half", parted)
    monkeypatch.setattr(halves._Way, "held_out", lambda *_: np.inf)
    return seen


def test_known_cells_have_variance_1_or_their_unit_up_to_twice_the_usual_one(expressed, rng, tried):
    """However many cells of a column are missing."""
    x = expressed[0] * np.geomspace(1, 30, 600)
    fit = fitting(with_holes(x, np.linspace(0, 0.8, 600), rng))
    shown(fit)
    known = ~np.isnan(fit.data.x)
    scaled = [np.hstack(both) for both in zip(tried[::2], tried[1::2], strict=True)][:: halves.SPLITS]
    each, own = (np.nanstd(np.where(known, rows, np.nan), axis=0) for rows in scaled[::2])  # with their profiles
    np.testing.assert_allclose(each, 1, rtol=1e-3)
    deviation = np.nanstd(fit.data.x, axis=0) / np.median(np.nanstd(fit.data.x, axis=0))
    assert deviation.max() > 2.5
    np.testing.assert_allclose(own / np.median(own), np.minimum(deviation, 2), rtol=1e-2)


def test_of_very_many_columns_as_many_rows_are_tried_as_fit_in_memory(expressed, tried, monkeypatch):
    fit = fitting(expressed[0])
    for numbers, rows in ((600 * 50 + 1, 50), (600, 3)):  # as many as groups at least
        tried.clear()
        monkeypatch.setattr(halves, "SAMPLE_NUMBERS", numbers)
        shown(fit)
        assert {scaled.shape for scaled in tried} == {(rows, 300)}


def test_rows_are_few_by_all_of_them_and_not_by_those_that_are_tried(expressed, monkeypatch):
    """Forty are too few for a graph, and 90 are not: of these clear groups stay."""
    monkeypatch.setattr(halves, "ASKED", 40)
    assert shown(fitting(expressed[0]), expressed[1]) is expressed[1]


def test_eight_groups_are_shown_as_well(rng):
    """Each has columns of its own, so seven directions are as wide as one another."""
    y = np.arange(240) % 8
    x = rng.normal(5, 0.5, (240, 600))
    x[:, :320] += 1.2 * np.repeat(np.eye(8), 40, axis=1)[y]
    fit = fitting(x)
    assert adjusted_rand_score(y, shown(fit, n_clusters=8)) > 0.95


def test_of_noise_the_start_is_doubted_and_of_groups_it_is_not(expressed, rng):
    noise, told = fitting(rng.normal(size=(150, 400))), fitting(expressed[0])
    (told_of_noise,) = groups.doubts(noise, rng.integers(0, 3, 150))
    assert "from draw to draw" in told_of_noise
    assert groups.doubts(told, expressed[1]) == []


@pytest.mark.parametrize(("wrong", "worse"), [(7, False), (90, True)])
def test_groups_found_anew_are_refused_where_the_profiles_show_them_clearly_less(wrong, worse, rng):
    """Columns as they are show the height of a row, by which neither was made; six rows were wrong before."""
    y = np.arange(300) % 3
    x = rng.normal(size=(300, 400)) + rng.normal(0, 0.5, (3, 400))[y] + rng.normal(0, 30, (300, 1))
    before, anew = (np.concatenate([(y[:few] + 1) % 3, y[few:]]) for few in (6, wrong))
    fit = fitting(x)
    assert halves.is_worse(fit.data.rows, anew, before, 3, 0) == worse
    assert not halves.is_worse(fit.data.rows, before, anew, 3, 0)
    assert (groups.accepted(fit, anew, before) is before) == worse
    assert not halves.is_worse(fit.data.rows[:, :19], anew, before, 3, 0)  # fewer columns than halves have directions


@pytest.mark.parametrize(("nothing", "agreed", "doubted"), [(True, 0.69, 1), (True, 0.71, 0), (False, 0.1, 0)])
def test_draws_that_differ_are_doubted_where_halves_show_nothing(nothing, agreed, doubted, rng, monkeypatch):
    """Where each column tells a little, draws differ, and k-means or the code still has the groups."""
    monkeypatch.setattr(halves, "show_nothing", lambda *_: nothing)
    monkeypatch.setattr(groups, "alike", lambda draws: agreed)
    assert len(groups.doubts(fitting(rng.normal(size=(90, 300))), np.arange(90) % 3)) == doubted


def test_groups_that_stand_out_beside_clouds_are_not_doubted_though_halves_show_nothing(rng, monkeypatch):
    monkeypatch.setattr(halves, "show_nothing", lambda *_: True)
    monkeypatch.setattr(groups, "alike", lambda draws: 0.1)
    y = np.arange(300) % 3
    fit = fitting(rng.normal(size=(300, 400)) + rng.normal(0, 0.4, (3, 400))[y])
    assert groups.doubts(fit, y) == []
    assert len(groups.doubts(fit, rng.permutation(y))) == 1
    some = rng.permutation(300)[:150]
    monkeypatch.setattr(groups, "read_by_start", lambda fitting: (fitting.data.rows[some], some))
    assert groups.doubts(fit, y) == []


def test_halves_show_nothing_of_noise_and_something_where_each_column_tells_a_little(rng):
    """Or where they have a few rows alone as groups: nothing is known of the others then."""
    y = np.arange(600) % 3
    noise = rng.normal(size=(600, 300)).astype("f4")
    assert halves.show_nothing(noise, 3, 0)
    assert not halves.show_nothing(noise + rng.normal(0, 0.2, (3, 300))[y].astype("f4"), 3, 0)
    assert not halves.show_nothing(np.repeat(noise[:2], 20, axis=0), 3, 0)


def test_texts_are_not_doubted_by_draws_that_their_start_does_not_make(rng, monkeypatch):
    monkeypatch.setattr(halves, "show_nothing", lambda *_: pytest.fail("asked"))
    words = np.maximum(rng.normal(-1.5, 1, (90, 300)), 0)
    fit = fitting(words / np.maximum(np.linalg.norm(words, axis=1, keepdims=True), 1e-9))
    assert fit.data.texts
    assert groups.doubts(fit, np.arange(90) % 3) == []


@pytest.mark.parametrize("more", [{"init": "kmeans"}, {"clusters": 1}])
def test_where_no_draws_are_made_none_are_doubted(more, rng, monkeypatch):
    monkeypatch.setattr(halves, "show_nothing", lambda *_: pytest.fail("asked"))
    fit = begin(rng.normal(size=(90, 300)), Settings(**{"clusters": 3, "hidden": (16,), "latent_dim": 2, **more}))
    assert groups.doubts(fit, np.zeros(90, int)) == []
