"""The rules of a start: when regions win over k-means, how many draws vote, and how often a mixture is fitted."""

import numpy as np
import pytest
from scipy.spatial.distance import pdist
from sklearn.datasets import make_moons
from sklearn.metrics import adjusted_rand_score

from vade_tf.training import landmark_starts, parting, table_starts
from vade_tf.training import start as starts
from vade_tf.training.views import YES_AND_NO


@pytest.mark.parametrize(
    ("borders", "theirs", "regions"),
    [
        (
            0.1,
            0.2,
            True,
        ),  # of groups of 50 and 50, beside such of 90 and 10: at random 0.5 and 0.18
        (0.1, 0.05, True),
        (0.1, 0.03, False),
        (0.0, 0.03, True),  # rings in one another
        (0.0, 0.0, False),
    ],
)
def test_regions_must_have_fewer_borders_than_groups_of_such_sizes_have_at_random(
    borders, theirs, regions, monkeypatch
):
    found, means = np.arange(100) // 50, np.arange(100) // 90
    monkeypatch.setattr(starts.regions, "kmeans", lambda *given: means)
    monkeypatch.setattr(parting, "parted", lambda near, asked, groups: theirs if groups is means else borders)
    taken = table_starts.of_draws(np.arange(100.0)[:, None], [[found] * 3], 2, 0)
    np.testing.assert_array_equal(taken, found if regions else means)


def test_the_borders_at_random_are_those_of_shuffled_groups(rng):
    """Law: rows that lie anywhere are parted from as many neighbours as there are pairs in different groups."""
    rows, groups = rng.normal(size=(4000, 3)), rng.choice(4, 4000, p=[0.7, 0.15, 0.1, 0.05])
    asked = np.arange(4000)
    shown = parting.parted(parting.nearest(rows, asked), asked, groups)
    np.testing.assert_allclose(shown, parting.mixed(groups), rtol=0.03)


def blobs_with_far_rows(rng):
    """Four round groups, and 12 of 600 rows far from all: k-means has these for groups."""
    y = np.arange(600) % 4
    x = np.eye(4)[y] * 6 + rng.normal(size=(600, 4))
    x[:12] = rng.normal(size=(12, 4)) * 300
    return x, y


def stretched(rng):
    """Three long groups side by side, which k-means cuts across."""
    y = np.arange(600) % 3
    return rng.normal(size=(600, 2)) * [1.0, 0.1] + np.outer(y, [0.0, 0.7]), y


@pytest.mark.parametrize("drawn", [blobs_with_far_rows, stretched])
def test_far_rows_and_long_groups_do_not_bring_k_means_back(drawn, rng):
    x, y = drawn(rng)
    rows, k = x / x.std(axis=0), len(set(y))
    assert adjusted_rand_score(y, table_starts.of_table(rows, k, 0)) > 0.9
    assert adjusted_rand_score(y, starts.regions.kmeans(rows, k, 0)) < 0.6


def columns_of_few_values(r, n, which):
    """Columns that tell nothing of the groups, as a start reads them."""
    levels = np.eye(3)[r.integers(3, size=n)]
    answer = r.random((n, 1)) < 0.5
    return {"answer": answer / YES_AND_NO, "category": levels, "levels as answers": levels / YES_AND_NO}[which]


@pytest.mark.parametrize(
    ("shape", "which"),
    [
        *(("moons", each) for each in ("answer", "category", "levels as answers")),
        *(("round", each) for each in ("answer", "levels as answers")),
        ("long", "answer"),
        ("uneven", "answer"),
    ],
)
def test_the_gap_along_a_column_of_few_values_is_no_border_of_groups(shape, which):
    r = np.random.default_rng(3)
    if shape == "moons":
        x, y = make_moons(1000, noise=0.06, random_state=0)
    elif shape == "long":
        y = r.integers(3, size=1000)
        x = r.normal(size=(1000, 2)) * [1, 0.1] + np.outer(y, [0, 0.7])
    else:
        y = r.choice(4, 1500, p=[0.5, 0.3, 0.15, 0.05] if shape == "uneven" else None)
        x, means = r.normal(size=(1500, 6)), r.normal(size=(4, 6))
        x += 4 * means[y] / pdist(means).min()
    rows = np.hstack([x / x.std(axis=0), columns_of_few_values(r, len(x), which)]).astype("f4")
    assert adjusted_rand_score(y, table_starts.of_table(rows, y.max() + 1, 0)) > 0.9


def test_groups_that_categories_show_are_found_beside_numbers_that_say_nothing():
    """These k-means cuts instead."""
    r = np.random.default_rng(11)
    y = r.integers(4, size=1000)
    shares = r.dirichlet(np.full(4, 0.3), (6, 4))  # of the levels of each category in each group
    level = (r.random((6, 1000, 1)) > shares[:, y].cumsum(axis=2)[..., :3]).sum(axis=2)
    rows = np.hstack([r.normal(size=(1000, 3)), *np.eye(4)[level]]).astype("f4")
    assert adjusted_rand_score(y, table_starts.of_table(rows, 4, 0)) > 0.7
    assert adjusted_rand_score(y, starts.regions.kmeans(rows, 4, 0)) < 0.3


def test_a_table_of_numbers_alone_and_one_of_answers_alone_are_read_in_one_place(rng):
    numbers, answers = rng.normal(size=(220, 2)), rng.integers(2, size=(220, 3)) * 1.0
    grades = np.arange(220.0)[:, None] % [10, 22]
    for rows in (numbers, answers):
        assert [place is rows for place in parting.places(rows)] == [True]
    first, every = parting.places(np.hstack([answers, grades, numbers]))
    np.testing.assert_array_equal(first, np.hstack([grades[:, 1:], numbers]))
    assert every.shape == (220, 7)


def test_numbers_of_which_many_are_the_same_are_no_place_of_their_own(rng):
    """As those of missing cells: around their mean the graph has gaps as well."""
    rows = np.hstack([rng.normal(size=(100, 2)), rng.integers(2, size=(100, 1))])
    for same, number in ((5, 2), (6, 1)):
        rows[:same, 0] = 0
        assert len(parting.places(rows)) == number


def gaps(rng):
    """Rows of two numbers that show two groups, beside an answer and a level that tell nothing; groups and answer."""
    y, answer, level = rng.integers(2, size=(3, 300))
    return np.column_stack([rng.normal(4 * y, 1), rng.normal(4 * y, 1), 3 * answer, 0.1 * level]), y, answer


def test_groups_that_follow_an_answer_are_those_of_its_gap(rng):
    rows, y, answer = gaps(rng)
    assert parting.are_of_gaps(rows, answer, y)
    assert not parting.are_of_gaps(rows, y, answer)
    assert parting.are_of_gaps(rows[:, :3], answer, y)
    assert not parting.are_of_gaps(rows[:, :2], answer, y)  # has no such column
    often = np.where(answer, 3 + rng.random(300), 0)  # an amount that half of the rows do not have
    assert parting.are_of_gaps(np.column_stack([rows[:, :2], often]), answer, y)


def test_groups_of_a_gap_are_not_taken_however_few_their_borders(rng, monkeypatch):
    """Draws that agree on the answer in both places, as where the numbers have hardly any regions."""
    rows, y, answer = gaps(rng)
    for of_gaps, expected in ((True, y), (False, answer)):
        monkeypatch.setattr(parting, "are_of_gaps", lambda *_, of_gaps=of_gaps: of_gaps)
        monkeypatch.setattr(starts.regions, "kmeans", lambda *_: y)
        monkeypatch.setattr(parting, "beyond_chance", lambda near, asked, groups: float(groups is not answer))
        monkeypatch.setattr(table_starts, "vote", lambda drawn, k: answer)
        found = table_starts.of_draws(rows, [[answer] * 8], 2, 0)
        np.testing.assert_array_equal(found, expected)


def test_each_group_of_counts_keeps_half_of_its_rows_in_the_vote_of_27(rng, monkeypatch):
    """Three views, three widths of each, three runs on each of these."""
    asked = []

    def vote(draws, n_clusters, keep=0.0):
        asked.append((len(draws), n_clusters, keep))
        return draws[0]

    monkeypatch.setattr(starts, "vote", vote)
    starts.of_counts([rng.normal(size=(60, 8))] * 3, 2, 0)
    assert asked == [(27, 2, 0.5)]


def test_the_papers_mixture_is_the_best_of_three(rng, monkeypatch):
    asked, own = [], starts.GaussianMixture

    def mixture(*given, **more):
        asked.append((given, more))
        return own(*given, **more)

    monkeypatch.setattr(starts, "GaussianMixture", mixture)
    starts.start(rng.normal(size=(40, 2)), 2, "gmm", 5)
    assert asked == [((2,), {"covariance_type": "diag", "n_init": 3, "random_state": 5})]


def test_rows_that_are_asked_are_drawn_from_all_of_a_table(monkeypatch):
    """A file may have one group after the other, and of the first alone no border says anything."""
    asked, halves = [], np.arange(400) // 200

    def parted(near, numbers, groups):
        asked.append(numbers)
        return 0.1

    monkeypatch.setattr(starts.regions, "kmeans", lambda *given: np.arange(400) % 2)
    monkeypatch.setattr(parting, "parted", parted)
    table_starts.of_draws(np.arange(400.0)[:, None], [[halves] * 3], 2, 0, 100)
    assert len(asked) == 2
    for numbers in asked:
        assert len(np.unique(numbers)) == 100
        assert 30 < np.sum(numbers < 200) < 70


@pytest.mark.parametrize(("agreement", "kept"), [(0.74, False), (0.76, True)])
def test_draws_have_found_the_same_regions_from_three_quarters_on(agreement, kept, monkeypatch):
    """Where they have not, k-means groups a table, though its borders are worse."""
    found, means = np.repeat([0, 0, 1, 1], 10), np.repeat([0, 1, 0, 1], 10)
    monkeypatch.setattr(table_starts, "alike", lambda draws: agreement)
    monkeypatch.setattr(starts.regions, "kmeans", lambda *given: means)
    monkeypatch.setattr(parting, "parted", lambda near, asked, groups: 0.29 if groups is means else 0.1)
    taken = table_starts.of_draws(np.arange(40.0)[:, None], [[found] * 3], 2, 0)
    np.testing.assert_array_equal(taken, found if kept else means)


@pytest.mark.parametrize(
    ("theirs", "equal", "taken"),
    [(0.31, 5, True), (0.29, 5, False), (0.31, 6, False)],  # of a hundred rows six have the same number
)
def test_of_draws_that_differ_one_counts_whose_borders_are_a_third_of_those_of_k_means(
    theirs, equal, taken, monkeypatch
):
    means, *drawn = np.random.default_rng(0).permuted(np.tile(np.arange(100) % 2, (4, 1)), axis=1)
    clear, rows = drawn[1], np.maximum(np.arange(100.0), equal - 1)[:, None]
    monkeypatch.setattr(starts.regions, "kmeans", lambda *given: means)
    shares = {id(means): theirs, id(clear): 0.1}
    monkeypatch.setattr(parting, "parted", lambda near, asked, groups: shares.get(id(groups), 0.2))
    np.testing.assert_array_equal(table_starts.of_draws(rows, [drawn], 2, 0), clear if taken else means)


@pytest.mark.parametrize(("beside", "seed"), [("nothing", 1), ("a category", 2)])
def test_small_groups_far_from_a_large_one_are_found_though_most_draws_cut_the_large_one(beside, seed):
    r = np.random.default_rng(seed)
    y = r.choice(4, 900, p=[0.9, 0.05, 0.03, 0.02])
    means = r.normal(size=(4, 8))
    x = 7 * (means / np.linalg.norm(means, axis=1, keepdims=True))[y] + r.normal(size=(900, 8))
    numbers = (x / x.std(axis=0)).astype("f4")
    rows = numbers if beside == "nothing" else np.hstack([numbers, np.eye(3, dtype="f4")[r.integers(3, size=900)]])
    draws = starts.regions.landmark_draws([numbers], 4, starts.several(0, landmark_starts.DRAWS))
    assert starts.alike(draws) < 0.75
    assert adjusted_rand_score(y, table_starts.of_table(rows, 4, 0)) > 0.95
    assert adjusted_rand_score(y, starts.regions.kmeans(rows, 4, 0)) < 0.6


@pytest.mark.parametrize(("n", "far"), [(800, 10), (3000, 40)])
def test_a_cloud_that_k_means_has_in_one_group_beside_far_rows_is_not_cut_by_chance(n, far):
    r = np.random.default_rng(0)
    rows, away = r.normal(size=(n, 2)), r.normal(size=(far, 2))
    rows[:far] = 20 * away / np.linalg.norm(away, axis=1, keepdims=True) * r.uniform(0.6, 1.5, (far, 1))
    rows = (rows / rows.std(axis=0)).astype("f4")
    means = starts.regions.kmeans(rows, 4, 0)
    assert np.bincount(means).max() >= n - far
    np.testing.assert_array_equal(table_starts.of_table(rows, 4, 0), means)


@pytest.mark.parametrize(("theirs", "kept"), [(0.079, False), (0.081, True)])
def test_k_means_must_part_a_fifth_fewer_neighbours_in_all_views(theirs, kept, monkeypatch):
    """Of groups whose draws differ; a tenth of the neighbours are parted by these."""
    found, means, widths, nearest = np.repeat([0, 1], 20), np.arange(40) % 2, [], parting.nearest
    monkeypatch.setattr(landmark_starts, "alike", lambda draws: 0.9)
    monkeypatch.setattr(starts.regions, "kmeans", lambda *given: means)
    monkeypatch.setattr(starts.regions, "landmark_draws", lambda views, k, seeds, *more: [found] * len(seeds))

    def noted(rows, asked):
        widths.append(rows.shape[1])
        return nearest(rows, asked)

    monkeypatch.setattr(parting, "nearest", noted)
    monkeypatch.setattr(parting, "parted", lambda near, asked, groups: theirs if groups is means else 0.1)
    views = [np.random.default_rng(0).normal(size=(40, width)) for width in (2, 3)]
    np.testing.assert_array_equal(landmark_starts.landmark(views, 2, 0), found if kept else means)
    assert widths == [5]


@pytest.mark.parametrize(("agreement", "made"), [(0.96, 8), (0.98, 4)])
def test_four_draws_settle_it_where_they_are_all_but_equal_and_all_eight_are_told_of(agreement, made, rng, monkeypatch):
    seeds, told, halves = [], [], np.arange(60) % 2

    def landmark_draws(views, n_clusters, numbers, tell):
        for number in numbers:
            seeds.append(number)
            tell()
        return [halves] * len(numbers)

    monkeypatch.setattr(landmark_starts, "alike", lambda draws: agreement)
    monkeypatch.setattr(parting, "are_no_regions", lambda *given: False)
    monkeypatch.setattr(starts.regions, "landmark_draws", landmark_draws)
    found = landmark_starts.landmark([rng.normal(size=(60, 2))], 2, 0, tell=lambda: told.append(1))
    assert (len(set(seeds)), len(seeds), len(told)) == (made, made, 8)
    np.testing.assert_array_equal(found, halves)


@pytest.mark.parametrize("most", [1000, 5])
def test_k_means_instead_of_regions_is_on_the_code_and_not_on_the_layer_before_it(most, rng, monkeypatch):
    """Where draws find different groups, and where there are more of them than a graph is cut into."""
    code, hidden = rng.normal(size=(2, 60, 2))
    monkeypatch.setattr(starts.regions, "LANDMARKS", most)
    monkeypatch.setattr(landmark_starts, "alike", lambda draws: 0.0)
    monkeypatch.setattr(parting, "are_no_regions", lambda *given: True)
    monkeypatch.setattr(
        starts.regions, "landmark_draws", lambda views, k, seeds, *others: [np.arange(60) % k] * len(seeds)
    )
    monkeypatch.setattr(starts.regions, "kmeans", lambda view, k, seed: view)
    np.testing.assert_array_equal(landmark_starts.landmark([code, hidden], 3, 0), code.astype("f4"))


def two_places(rng, shown):
    """Four groups of 400 rows that one place shows, beside what the other makes of them: a quarter of the distance."""
    y = np.arange(400) % 4
    far, near = (np.eye(4)[y] * size + rng.normal(size=(400, 4)) for size in (8, 2))
    code, columns = (far, near) if shown == "code" else (near, far)
    return y, [code, code @ rng.normal(size=(4, 6)), columns]


@pytest.mark.parametrize("shown", ["code", "columns"])
@pytest.mark.parametrize("kind", starts.COLUMNS)
def test_rows_of_many_columns_get_the_groups_that_the_code_or_the_columns_show(shown, kind, rng):
    y, views = two_places(rng, shown)
    found = starts.start(views[0], 4, "landmark", 0, views, kind=kind).groups
    assert adjusted_rand_score(y, found) > 0.95
    assert (adjusted_rand_score(y, landmark_starts.landmark(views[:2], 4, 0)) > 0.8) == (shown == "code")


def test_groups_are_judged_where_they_were_not_found(rng):
    """Both groupings have no borders where they were found. The other place shows half of the second's groups."""
    y, n = np.arange(400) % 4, np.arange(400)
    code, columns = np.eye(4)[rng.permutation(y)] * 50, np.eye(4)[y] * 50
    found, others = code.argmax(axis=1), columns.argmax(axis=1)
    half = np.where(n[:, None] < 200, columns, code) + rng.normal(size=(400, 4))
    for coded, own, taken in (([half], columns, others), ([code], half, found)):
        np.testing.assert_array_equal(parting.clearer(coded, own, found, others, 0), taken)


def test_groups_are_worse_than_those_before_where_they_have_a_quarter_more_borders_beyond_chance():
    """Two groups along a line: ten neighbours of each of the rows at the border are parted, and nowhere else."""
    line, fewer, more = np.arange(400.0)[:, None], np.arange(400) // 200, (np.arange(400) // 40) % 2
    assert parting.is_worse(line, more, fewer)
    assert not parting.is_worse(line, fewer, more)
    assert not parting.is_worse(line, fewer, fewer)
    assert parting.is_worse(
        line, np.arange(400) // 390, fewer
    )  # one border, of a group that has next to none at random
    assert parting.is_worse(line, np.zeros(400, int), fewer)  # collapsed


@pytest.mark.parametrize(("code", "columns", "taken"), [(0.74, 0.76, 1), (0.76, 0.76, 0), (0.74, 0.74, 0)])
def test_groups_that_the_draws_on_the_columns_alone_find_again_are_taken(code, columns, taken, rng, monkeypatch):
    """Though the code shows nothing of them, where it has lost them."""
    views, halves, others = [rng.normal(size=(60, 2))] * 3, np.arange(60) % 2, np.arange(60) // 30
    agreement = iter([code, code, columns])  # of the first four draws, of all eight, and of those on the columns
    for module in (landmark_starts, starts):
        monkeypatch.setattr(module, "alike", lambda draws: next(agreement))
    monkeypatch.setattr(starts, "of_draws", lambda *given: others)
    monkeypatch.setattr(landmark_starts, "vote", lambda *given: halves)
    monkeypatch.setattr(parting, "are_no_regions", lambda *given: False)
    monkeypatch.setattr(parting, "stand_out", lambda *given: False)
    monkeypatch.setattr(parting, "clearer", lambda coded, columns, found, others, seed: found)
    np.testing.assert_array_equal(starts.of_either(views, 2, 0), others if taken else halves)


def test_far_rows_that_are_not_asked_do_not_make_one_group_of_all_others(rng):
    """Of 20,000 rows 5,000 are asked; none of the three may be among them, and then k-means has no border at all."""
    y = np.arange(20_000) % 4
    rows, means = np.eye(4)[y] * 6 + rng.normal(size=(20_000, 4)), np.zeros(20_000, int)
    for seed in range(3):
        asked = table_starts.generator(seed).permutation(20_000)
        means[:] = 0
        means[asked[-3:]] = 1, 2, 3
        far = rows.copy()
        far[asked[-3:]] += [[1e3], [2e3], [3e3]]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(starts.regions, "kmeans", lambda given, *_: means[: len(given)])
            np.testing.assert_array_equal(table_starts.of_draws(far, [[y] * 3], 4, seed), y)


def test_one_group_for_all_is_not_taken_for_clear_ones(rng):
    y, views = two_places(rng, "columns")
    constant = [np.zeros_like(view) for view in views[:2]]
    found = starts.start(constant[0], 4, "landmark", 0, [*constant, views[2]], kind="broad").groups
    assert adjusted_rand_score(y, found) > 0.95


def test_a_start_on_two_places_tells_of_the_draws_of_both(rng):
    told, (_, views) = [], two_places(rng, "code")
    starts.start(views[0], 4, "landmark", 0, views, lambda: told.append(1), "broad")
    assert len(told) == starts.parts("landmark", "broad", 3) == 2 * landmark_starts.DRAWS


@pytest.mark.parametrize(("n", "k"), [(10, 1), (19, 1), (15, 2), (19, 2)])
def test_rows_too_few_for_the_ties_of_a_graph_are_grouped_by_k_means(n, k, rng):
    """A fifth of them are landmarks: at most three, and a row is tied to three and measured by the fourth."""
    z = rng.normal(size=(n, 2)).astype("f4")
    found = starts.regions.landmark_draw([z], k, 0)
    np.testing.assert_array_equal(found, starts.regions.kmeans(z, k, 0))
