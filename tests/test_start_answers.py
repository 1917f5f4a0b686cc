"""Rows of many answers, yes or no: their start, where some people say yes more often than others, and where not."""

import numpy as np
import pandas
import pytest
from sklearn.metrics import adjusted_rand_score

from vade_tf.training import choosing, groups, parting, regions, start, table_starts, views
from vade_tf.training.recipe import begin
from vade_tf.training.settings import Settings


def people(n=300, columns=60, moods=1.6, seed=1):
    """Answers of three groups of people, who differ in which are yes, and each in how readily one says it."""
    r = np.random.default_rng(seed)
    group = np.arange(n) % 3
    readily = r.normal(-0.5, 1.5, (3, columns))[group] + moods * r.normal(size=(n, 1))
    return (r.random((n, columns)) < 1 / (1 + np.exp(-readily))).astype("f4"), group


def degrees(n=300, columns=60):
    """Answers of three groups that differ in how many are yes, and in nothing else."""
    r = np.random.default_rng(0)
    group = np.arange(n) % 3
    return (r.random((n, columns)) < np.array([0.1, 0.4, 0.75])[group, None]).astype("f4"), group


def begun(x):
    return begin(x, Settings(clusters=3, hidden=(8,), latent_dim=2, seed=0))


def seen(x):
    fitting = begun(x)
    rows, _ = groups.read_by_start(fitting)
    return groups.reader(fitting, "init", rows)(rows)


def raters(n=300, columns=30, levels=5, moods=1.3, seed=0):
    """Ratings from 1 up of three groups of people, each of whom rates higher or lower, whatever it is."""
    r = np.random.default_rng(seed)
    group = np.arange(n) % 3
    liked = 0.7 * r.normal(size=(3, columns))[group] + moods * r.normal(size=(n, 1)) + r.normal(size=(n, columns))
    return np.clip(np.round(liked + (levels + 1) / 2), 1, levels), group


@pytest.mark.parametrize("x", [people(n=40)[0], raters(n=40)[0]], ids=["answers", "ratings"])
def test_two_profiles_are_as_alike_as_their_rows_are_correlated(x):
    own, profiles = seen(x)
    lengths = np.linalg.norm(profiles, axis=1)
    np.testing.assert_allclose(lengths, lengths[0], rtol=1e-4)
    np.testing.assert_allclose(profiles @ profiles.T / lengths[0] ** 2, np.corrcoef(own), atol=1e-4)
    assert profiles.var(axis=0).sum() == pytest.approx(own.var(axis=0).sum(), rel=1e-4)


@pytest.mark.parametrize(("columns", "places"), [(14, 1), (15, 2)])
def test_few_answers_have_no_profile(columns, places):
    assert len(seen(people(columns=columns)[0])) == places


def test_answers_and_ratings_have_a_profile_each_and_other_columns_stay_as_they_are():
    answers, ratings = people()[0], raters()[0]
    r = np.random.default_rng(0)
    frame = pandas.concat(
        [pandas.DataFrame(answers).add_prefix("a"), pandas.DataFrame(ratings).add_prefix("r")], axis=1
    )
    frame = frame.assign(age=r.normal(40, 9, 300), town=np.array(list("xyz"))[r.integers(0, 3, 300)])
    own, profiles = seen(frame)
    np.testing.assert_array_equal(own[:, 90:], profiles[:, 90:])
    for block in (slice(0, 60), slice(60, 90)):
        lengths = np.linalg.norm(profiles[:, block], axis=1)
        np.testing.assert_allclose(lengths, lengths[0], rtol=1e-4)


def test_shares_and_numbers_have_no_profile():
    x = people()[0]
    x[0] = 0.5  # of each column one
    assert len(seen(x)) == 1
    assert len(seen(np.random.default_rng(0).random((300, 30)).astype("f4"))) == 1
    assert len(seen(raters(levels=11)[0])) == 1
    assert len(seen(raters()[0] + 0.5)) == 1


def test_ratings_are_those_on_the_scale_that_most_columns_have():
    x = np.hstack([raters()[0], raters(columns=3, levels=9)[0], np.arange(300)[:, None] % 2])
    x[:, 4] = np.clip(x[:, 4], 2, 4)  # nobody took the least or the largest
    x[:7, 5] = np.nan
    np.testing.assert_array_equal(views.are_ratings(x.astype("f4")), [True] * 30 + [False] * 4)
    assert not views.are_ratings(np.zeros((9, 4), "f4")).any()
    x[:, :16] = np.clip(x[:, :16], 2, 5)  # nor in most columns
    np.testing.assert_array_equal(views.are_ratings(x.astype("f4")), [True] * 30 + [False] * 4)


def test_people_who_say_yes_more_often_are_no_group():
    x, group = people()
    both = seen(x)
    assert adjusted_rand_score(group, table_starts.of_table(both[0], 3, 0)) < 0.5
    assert adjusted_rand_score(group, start.start(x, 3, "landmark", 0, both, kind="table").groups) > 0.9


def test_people_who_rate_higher_are_no_group():
    x, group = raters()
    both = seen(x)
    assert adjusted_rand_score(group, table_starts.of_table(both[0], 3, 0)) < 0.5
    assert adjusted_rand_score(group, start.start(x, 3, "landmark", 0, both, kind="table").groups) > 0.9


def test_groups_that_differ_in_their_number_of_yes_stay():
    x, group = degrees()
    both = seen(x)
    found = table_starts.of_answers(both, 3, 0)
    np.testing.assert_array_equal(found, table_starts.of_table(both[0], 3, 0))
    assert adjusted_rand_score(group, found) > 0.9


def test_more_groups_than_a_graph_is_cut_into_are_those_of_a_table(monkeypatch):
    both = seen(people()[0])
    monkeypatch.setattr(regions, "landmark_draws", lambda *arguments: pytest.fail("a graph was made"))
    np.testing.assert_array_equal(table_starts.of_answers(both, 25, 0), table_starts.of_table(both[0], 25, 0))


def test_borders_count_in_all_views_together():
    r = np.random.default_rng(0)
    group, other = np.arange(200) % 2, np.arange(200) // 100
    clear, faint = (r.normal(size=(200, 2)) + shift * group[:, None] for shift in (9, 2))
    opposite = r.normal(size=(200, 2)) + 9 * other[:, None]
    for seen, fewer, more in (
        ([clear, faint], group, other),
        ([clear, opposite, faint], group, other),
        ([clear, opposite, opposite], other, group),
    ):
        asked = parting.looked_up(seen, 0)
        assert parting.in_all(fewer, *asked) < parting.in_all(more, *asked)
        alone = [parting.in_all(fewer, *parting.looked_up([view], 0)) for view in seen]
        assert parting.in_all(fewer, *asked) == pytest.approx(sum(alone))


def test_others_are_taken_only_where_they_have_clearly_fewer_borders():
    """Than the first: 0.8 times as many."""
    assert [parting.clearly_fewer([1.0, fewer]) for fewer in (0.79, 0.81, 1.5)] == [1, 0, 0]
    assert parting.clearly_fewer([1.0, 0.7, 0.6]) == 2


def test_the_number_of_groups_is_sought_among_profiles_too():
    x, _ = people(n=450)
    both = seen(x)

    def found(read):
        ari, strong, _ = choosing.compared(x, [2, 3, 4, 5], "landmark", 0, read, "table")
        return choosing.chosen([2, 3, 4, 5], ari, strong)

    assert found(both).n_clusters == 3
    assert found(both).sure != "not sure"
    alone = [choosing.borders(x, 3, "landmark", 0, [view], "table") for view in both]
    clearer = min(alone, key=lambda of: of[0] / of[1])
    for read in (both, both[::-1]):
        np.testing.assert_array_equal(choosing.borders(x, 3, "landmark", 0, read, "table"), clearer)


def test_groups_that_all_draws_find_among_profiles_are_not_doubted():
    x, group = people(n=450)
    assert groups.doubts(begun(x), group) == []
    r = np.random.default_rng(0)
    (told,) = groups.doubts(begun((r.random((450, 60)) < 0.3).astype("f4")), r.integers(0, 3, 450))
    assert "other groups from draw to draw" in told
