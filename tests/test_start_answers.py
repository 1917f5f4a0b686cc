"""Rows of many answers, yes or no: their start, where some people say yes more often than others, and where not."""

import numpy as np
import pandas
import pytest
from sklearn.metrics import adjusted_rand_score

from vade_tf.training import choosing, groups, parting, regions, start, views
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


def test_a_profile_is_as_far_from_another_as_their_correlation_says():
    x = people(n=40, moods=0.5)[0]
    profiles = views.profile_reader(begun(x).model, x)(x)
    apart = ((profiles[:, None] - profiles[None]) ** 2).sum(axis=2)
    np.testing.assert_allclose(apart, 2 - 2 * np.corrcoef(x), atol=1e-5)


def test_a_row_of_one_answer_throughout_has_no_profile_and_a_missing_answer_is_the_mean():
    x = people(n=40, moods=0.5)[0]
    x[0], x[1] = 0, 1
    profiles = views.profile_reader(begun(x).model, x)(x)
    np.testing.assert_allclose(profiles[:2], 0, atol=1e-6)
    answers = pandas.DataFrame(x)
    answers.iloc[5, 7] = np.nan
    fitting = begun(answers)
    filled = x[5].copy()
    filled[7] = np.delete(x[:, 7], 5).mean()
    found = views.profile_reader(fitting.model, fitting.data.x)(fitting.data.x)
    np.testing.assert_allclose(found[5] @ found[6], np.corrcoef(filled, x[6])[0, 1], atol=1e-5)


@pytest.mark.parametrize(("columns", "places"), [(14, 1), (15, 2)])
def test_few_answers_have_no_profile(columns, places):
    assert len(seen(people(columns=columns)[0])) == places


def test_answers_beside_a_number_have_none_nor_have_shares():
    x = people()[0]
    assert len(seen(pandas.DataFrame(x))) == 2
    assert len(seen(pandas.DataFrame(x).assign(age=np.random.default_rng(0).normal(40, 9, len(x))))) == 1
    x[:9, 3] = 0.5
    assert len(seen(x)) == 1


def test_people_who_say_yes_more_often_are_no_group():
    x, group = people()
    both = seen(x)
    assert adjusted_rand_score(group, start.of_table(both[0], 3, 0)) < 0.5
    assert adjusted_rand_score(group, start.start(x, 3, "landmark", 0, both, kind="table").groups) > 0.9


def test_groups_that_differ_in_their_number_of_yes_stay():
    x, group = degrees()
    both = seen(x)
    found = start.of_answers(both, 3, 0)
    np.testing.assert_array_equal(found, start.of_table(both[0], 3, 0))
    assert adjusted_rand_score(group, found) > 0.9


def test_more_groups_than_a_graph_is_cut_into_are_those_of_a_table(monkeypatch):
    both = seen(people()[0])
    monkeypatch.setattr(regions, "landmark_draws", lambda *arguments: pytest.fail("a graph was made"))
    np.testing.assert_array_equal(start.of_answers(both, 25, 0), start.of_table(both[0], 25, 0))


def test_the_fewest_borders_in_all_views_together_decide():
    r = np.random.default_rng(0)
    group, other = np.arange(200) % 2, np.arange(200) // 100
    clear, faint = (r.normal(size=(200, 2)) + shift * group[:, None] for shift in (9, 2))
    assert parting.fewest([clear, faint], (other, group), 0) is group
    assert parting.fewest([clear, faint], (group, other), 0) is group
    opposite = r.normal(size=(200, 2)) + 9 * other[:, None]
    assert parting.fewest([clear, opposite, faint], (other, group), 0) is group
    assert parting.fewest([clear, opposite, opposite], (other, group), 0) is other


def test_the_number_of_groups_is_sought_among_profiles_too():
    x, _ = people(n=450)
    both = seen(x)

    def found(read):
        ari, strong = choosing.compared(x, [2, 3, 4, 5], "landmark", 0, read, "table")
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
