"""A start on several places, the code and the columns or numbers and all columns: whose groups are taken."""

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from vade_tf.training import landmark_starts, parting, table_starts
from vade_tf.training import start as starts


@pytest.mark.parametrize("shown", ["code", "columns"])
def test_of_rows_too_few_for_a_graph_the_clearer_place_says_the_groups(shown, rng):
    y = np.arange(40) % 4
    noise, clear = rng.normal(size=(40, 4)), 20 * np.eye(4)[y] + rng.normal(size=(40, 4))
    code, columns = (clear, noise) if shown == "code" else (noise, clear)
    assert starts.regions.is_beyond(4, 40)
    assert adjusted_rand_score(y, starts.of_either([code, code, columns], 4, 0)) == 1


@pytest.mark.parametrize(
    ("code", "columns", "shown", "taken"),
    [
        (0.9, 0.5, True, "halves"),
        (0.8, 0.9, False, "clearer"),
        (0.4, 0.7, False, "clearer"),
        (0.4, 0.8, False, "columns"),
    ],
)
def test_whose_draws_agree_says_whose_groups_are_taken(code, columns, shown, taken, rng, monkeypatch):
    """Those on the columns, if theirs alone do, else the clearer ones; or what halves show in their place."""
    groups = {name: np.full(60, number) for number, name in enumerate(("columns", "halves", "clearer"))}
    monkeypatch.setattr(starts, "voted", lambda *given: (np.zeros(60, int), code))
    monkeypatch.setattr(starts.regions, "landmark_draws", lambda *given: [])
    monkeypatch.setattr(starts, "alike", lambda draws: columns)
    monkeypatch.setattr(starts, "of_draws", lambda *given: groups["columns"])
    monkeypatch.setattr(parting, "clearer", lambda *given: groups["clearer"])
    found = starts.of_either([np.zeros((60, 2))] * 3, 2, 0, shown=lambda found: groups["halves"] if shown else found)
    np.testing.assert_array_equal(found, groups[taken])


def test_no_two_draws_in_a_place_are_of_one_seed(rng, monkeypatch):
    asked, own = {2: [], 5: []}, starts.regions.landmark_draws

    def noted(views, n_clusters, seeds, *more):
        asked[views[0].shape[1]].extend(seeds)
        return own(views, n_clusters, seeds, *more)

    monkeypatch.setattr(starts.regions, "landmark_draws", noted)
    starts.of_either([*rng.normal(size=(2, 60, 2)), rng.normal(size=(60, 5))], 2, 0)
    assert [len(set(seeds)) for seeds in asked.values()] == [landmark_starts.DRAWS, landmark_starts.DRAWS]


def test_a_table_of_one_group_is_one_group(rng):
    np.testing.assert_array_equal(table_starts.of_table(rng.normal(size=(60, 2)), 1, 0), np.zeros(60))


def test_far_rows_among_the_numbers_do_not_hide_groups_that_all_columns_show(rng, monkeypatch):
    """k-means has one of them for a group, and draws among the numbers differ; those in all columns agree."""
    groups, means = np.arange(100) % 2, (np.arange(100) == 0).astype(int)
    rows = np.column_stack([rng.normal(size=(100, 2)), 3 * groups, 3 * groups])
    monkeypatch.setattr(starts.regions, "kmeans", lambda *given: means)
    differing = list(rng.permuted(np.tile(groups, (8, 1)), axis=1))
    np.testing.assert_array_equal(table_starts.of_draws(rows, [differing, [groups] * 8], 2, 0), groups)


@pytest.mark.parametrize(("agreement", "taken"), [(0.98, "regions"), (0.96, "k-means")])
def test_regions_that_all_draws_find_are_not_given_up_for_fewer_borders(agreement, taken, rng, monkeypatch):
    found, means = np.arange(60) % 2, np.arange(60) // 30
    monkeypatch.setattr(landmark_starts, "alike", lambda draws: agreement)
    monkeypatch.setattr(starts.regions, "landmark_draws", lambda views, k, seeds, *more: [found] * len(seeds))
    monkeypatch.setattr(starts.regions, "kmeans", lambda *given: means)
    monkeypatch.setattr(parting, "are_no_regions", lambda *given: True)
    taken = {"regions": found, "k-means": means}[taken]
    np.testing.assert_array_equal(landmark_starts.landmark([rng.normal(size=(60, 2))], 2, 0), taken)


def test_of_two_answers_both_have_to_show_groups_that_the_numbers_do_not(rng):
    y, other = rng.integers(2, size=(2, 300))
    numbers = rng.normal(size=(300, 2))
    means = (numbers[:, 0] > 0).astype(int)
    assert not parting.are_of_gaps(np.column_stack([numbers, 3 * y, 3 * y]), y, means)
    assert parting.are_of_gaps(np.column_stack([numbers, 3 * y, 3 * other]), y, means)


def test_regions_are_held_against_k_means_of_the_code_which_is_taken_in_their_place(rng):
    y, n = np.arange(400) % 4, 400
    code, hidden = 20 * np.eye(4)[y] + rng.normal(size=(n, 4)), rng.normal(size=(n, 20))
    mostly = np.where(rng.random(n) < 0.7, y, rng.permutation(y))
    assert parting.are_no_regions([code, hidden], mostly, 4, 0)
    assert not parting.are_no_regions([hidden, code], mostly, 4, 0)
    assert not parting.are_no_regions([code, hidden], y, 4, 0)


def test_groups_of_the_columns_are_judged_by_the_layer_before_the_code_as_well(rng):
    """It alone shows all of them, and the columns half of those of the code."""
    n = np.arange(400)
    y, found = n % 4, rng.permutation(n % 4)
    columns = np.where(n[:, None] < 200, 50 * np.eye(4)[found], 0) + rng.normal(size=(400, 4))
    coded = [rng.normal(size=(400, 2)), 50 * np.eye(4)[y] + rng.normal(size=(400, 4))]
    np.testing.assert_array_equal(parting.clearer(coded, columns, found, y, 0), y)
    np.testing.assert_array_equal(parting.clearer(coded[:1], columns, found, y, 0), found)


@pytest.mark.parametrize("shown", ["columns", "code", "both", None])
def test_groups_of_the_columns_stand_out_where_the_code_shows_none_beside_a_cloud(shown, rng):
    """k-means in a cloud has hardly more borders than groups of noise, on a narrow code few in number."""
    y = np.arange(600) % 4
    code, columns = rng.normal(size=(600, 3)), rng.normal(size=(600, 60)) * np.geomspace(3, 0.3, 60)
    if shown in ("columns", "both"):
        columns += 1.2 * rng.normal(size=(4, 60))[y]
    if shown in ("code", "both"):
        code += 6 * np.eye(4)[rng.permutation(y), :3]
    on_code, others = (starts.regions.kmeans(rows, 4, 0) for rows in (code, columns))
    assert parting.stand_out([columns], others, [code], on_code, 0) == (shown == "columns")


@pytest.mark.parametrize(("gap", "apart", "stands_out"), [(0, 0.25, False), (8, 0, True)])
def test_two_groups_stand_out_though_the_gap_between_them_parts_a_cloud_of_their_values_as_well(gap, apart, stands_out):
    """Where they hardly do beside noise they are not taken: these have 0.91 of the borders of a cloud."""
    r = np.random.default_rng(1)
    y, columns, code = np.arange(600) % 2, r.normal(size=(600, 60)), r.normal(size=(600, 3))
    columns += apart * r.normal(size=(2, 60))[y]
    columns[:, 0] += gap * y
    others, on_code = (starts.regions.kmeans(rows, 2, 0) for rows in (columns, code))
    assert parting.stand_out([columns], others, [code], on_code, 0) == stands_out


@pytest.mark.parametrize("k", [2, 3, 4])
def test_few_groups_far_apart_in_both_places_start_as_they_are(k, rng):
    """They part no neighbours, and columns with their gaps between them next to none whatever is drawn."""
    y = np.arange(200) % k
    rows = rng.normal(size=(200, 40)) + 3 * rng.normal(size=(k, 40))[y]
    code = rows[:, :5]
    assert adjusted_rand_score(y, starts.of_either([code, code, rows], k, 0)) == 1
    assert not parting.stand_out([rows], y, [code], y, 0)


@pytest.mark.parametrize(("rows", "k"), [(1, 1), (40, 4), (40, 40), (400, 1)])
def test_nothing_stands_out_among_rows_too_few_for_a_graph_or_in_one_group(rows, k, rng):
    y, columns, code = np.arange(rows) % k, rng.normal(size=(rows, 30)), rng.normal(size=(rows, 1))
    columns += 20 * rng.normal(size=(k, 30))[y]
    assert not parting.stand_out([columns], y, [code], rng.permutation(y), 0)


def test_columns_stand_out_beside_a_code_of_one_dimension(rng):
    y, code = np.arange(400) % 4, rng.normal(size=(400, 1))
    columns = 20 * np.eye(4)[y] + rng.normal(size=(400, 4))
    assert parting.stand_out([columns], y, [code], starts.regions.kmeans(code, 4, 0), 0)


@pytest.mark.parametrize("clear", [True, False])
def test_groups_that_stand_out_in_the_columns_are_taken_though_draws_differ_there_as_well(clear, rng):
    """Each column says little, and the code knows nothing of them."""
    y = np.arange(400) % 4
    columns = 0.3 * clear * rng.normal(size=(4, 100))[y] + rng.normal(size=(400, 100))
    views = [*rng.normal(size=(2, 400, 5)), columns]
    draws = starts.regions.landmark_draws([columns], 4, starts.several(0, landmark_starts.DRAWS))
    assert starts.alike(draws) < table_starts.FOUND_AGAIN
    assert (adjusted_rand_score(y, starts.of_either(views, 4, 0)) > 0.75) == clear
