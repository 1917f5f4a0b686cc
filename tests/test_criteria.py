"""Criteria against K: each against an oracle or a law, and the rule on data whose number of groups is known."""

import itertools

import numpy as np
import oracles
import pytest
from scipy import stats

from vade_tf.runs import selection
from vade_tf.training import choosing
from vade_tf.training import start as starts


def groups_of_codes(n_groups, seed, n=500):
    """Codes of clear Gaussian groups of unequal size and width: [n, 10]."""
    r = np.random.default_rng(seed)
    y = r.choice(n_groups, n, p=r.dirichlet(np.full(n_groups, 20.0)))
    centres = 8 * np.eye(n_groups, 10) + r.normal(size=(n_groups, 10))
    return centres[y] + r.normal(size=(n, 10)) * r.uniform(0.5, 1.2, (n_groups, 10))[y]


def test_bic_against_scipy(rng):
    z = rng.normal(size=(50, 3))
    start = starts.Start(np.zeros(50, int), np.array([0.3, 0.7]), rng.normal(size=(2, 3)), rng.uniform(0.5, 2, (2, 3)))
    density = sum(
        pi * stats.multivariate_normal(mu, np.diag(sigma2)).pdf(z)
        for pi, mu, sigma2 in zip(start.pi, start.mu, start.sigma2, strict=True)
    )
    free = 2 * 3 + 2 * 3 + 1  # means, variances, one weight
    assert selection.bic(z, start) == pytest.approx(-2 * np.log(density).sum() + free * np.log(50))


def test_strength_of_the_worst_group():
    groups = np.array([0, 0, 0, 0, 1, 1, 1, 1])
    assert choosing.strength(groups, np.array([3, 3, 3, 3, 0, 0, 0, 0])) == 1.0  # other names
    assert choosing.strength(groups, np.array([0, 0, 0, 0, 1, 1, 2, 2])) == pytest.approx(1 / 3)  # 2 of 6 pairs
    assert choosing.strength(groups, np.zeros(8, int)) == 1.0  # merged, but every pair is kept ...
    assert choosing.strength(np.zeros(8, int), groups) == pytest.approx(12 / 28)  # ... and the other way round not
    assert choosing.strength(np.arange(8), groups) == 0.0  # no pair at all
    pairs = np.array([0, 0, 1, 1, 2])
    assert choosing.strength(pairs, np.array([0, 0, 1, 2, 3])) == 0.0  # a pair is torn apart
    assert choosing.strength(pairs, np.array([0, 0, 1, 1, 2])) == 0.0  # one row is no group that is found again ...
    assert choosing.strength(2 * pairs[:4], pairs[:4]) == 1.0  # ... and a name without rows no group


def test_pairs_of_starts_are_compared_both_ways_on_the_rows_that_both_have_read(rng):
    found = rng.integers(-1, 3, (6, 40))

    def kept(one, other):
        """Of the worst group: the share of its pairs of rows, looked at one by one, that stay together."""
        pairs = [pair for pair in itertools.combinations(range(len(one)), 2) if len(set(one[list(pair)])) == 1]
        return min(np.mean([other[i] == other[j] for i, j in pairs if one[i] == group]) for group in range(3))

    common = [(a[(a >= 0) & (b >= 0)], b[(a >= 0) & (b >= 0)]) for a, b in itertools.combinations(found, 2)]
    ari = np.mean([oracles.ari(*pair) for pair in common])
    least = np.median([min(kept(a, b), kept(b, a)) for a, b in common])
    assert choosing.pairwise(found, 3) == pytest.approx((ari, least))


def test_behind_is_paired(rng):
    """A thing that makes a row hard for every K does not count as error."""
    hard = 100 * rng.normal(size=400)
    noise = rng.normal(size=400)
    mean, error = selection.behind(np.stack([hard - 1 + noise, hard]))
    assert mean[1] == error[1] == 0.0
    assert mean[0] == pytest.approx(1 - noise.mean())
    assert error[0] == pytest.approx(stats.sem(noise))


@pytest.mark.parametrize("method", ["landmark", "gmm"])
def test_stability_finds_the_number_of_clear_groups(method):
    """On 3 to 6 clear groups: found again up to that number, not beyond."""
    for n_groups in (3, 6) if method == "landmark" else (4, 5):
        z = groups_of_codes(n_groups, seed=n_groups)
        at = dict(zip(("ari", "strength"), choosing.stability(z, n_groups, method, 0), strict=True))
        beyond = choosing.stability(z, n_groups + 1, method, 0)[1]
        assert at["ari"] > 0.99
        assert at["strength"] >= choosing.STRONG > beyond


def test_stability_is_repeatable_and_survives_few_rows():
    z = groups_of_codes(3, seed=0, n=12)
    assert choosing.stability(z, 4, "kmeans", 5) == choosing.stability(z, 4, "kmeans", 5)
    ari, strength = choosing.stability(z, 12, "kmeans", 0)  # as many groups as rows
    assert (ari, strength) == (1.0, 0.0)


def test_each_start_reads_other_rows_and_only_common_ones_are_compared(monkeypatch):
    """A start that puts a row into the same group whatever the others are: all agree on the rows they share."""
    z, read, numbers = np.arange(50.0)[:, None], [], []

    def start(rows, n_clusters, method, seed):
        read.append(set(rows[:, 0].astype(int)))
        numbers.append(seed)
        return starts.Start((rows[:, 0] % n_clusters).astype("i4"), *(None,) * 3)

    monkeypatch.setattr(starts, "start", start)
    assert choosing.stability(z, 3, "kmeans", 0) == (1.0, 1.0)
    assert [len(rows) for rows in read] == [40] * choosing.STARTS
    assert len({frozenset(rows) for rows in read}) == len(set(numbers)) == choosing.STARTS


@pytest.mark.parametrize("method", ["landmark", "kmeans"])
def test_a_number_with_empty_groups_is_not_strong(method):
    """400 rows of three different ones have three groups; of five, some are empty in every start."""
    z = np.eye(3)[np.arange(400) % 3]
    assert choosing.stability(z, 3, method, 0) == (1.0, 1.0)
    assert choosing.stability(z, 5, method, 0)[1] == 0.0


def row(k, behind=1.0, error=0.1, bic=0.0, stability=0.5, strength=0.1):
    return {
        "n_clusters": k, "behind": behind, "behind_se": error, "bic": bic, "stability": stability, "strength": strength,
    }  # fmt: skip


def test_the_largest_strong_k_is_recommended():
    rows = [row(3, strength=1.0), row(4, behind=0.0, error=0.0, bic=-1, strength=0.9), row(5), row(6)]
    choice = selection.recommend(rows)
    assert (choice.n_clusters, choice.sure) == (4, "sure")
    assert choice.named == {"held-out bound": 4, "BIC": 4, "stability": 4}
    assert choice.why.endswith("the criteria agree")


def test_the_bound_names_the_smallest_k_within_its_error():
    rows = [row(3), row(4, behind=0.05, error=0.06), row(5, behind=0.0, error=0.0)]
    assert selection.recommend(rows).named["held-out bound"] == 4


def test_one_group_for_all_is_found_again_on_any_rows_and_says_nothing():
    figures = [(1, 1.0), (2, 0.4), (3, 0.5), (4, 0.7), (5, 0.6)]
    rows = [
        {"n_clusters": k, "behind": abs(k - 4), "behind_se": 0.1, "bic": abs(k - 4), "stability": s, "strength": s}
        for k, s in figures
    ]
    choice = selection.recommend(rows)
    assert (choice.n_clusters, choice.sure, choice.named["stability"]) == (4, "not sure", 4)


def test_runs_that_collapsed_agree_with_nothing():
    """Not with one another either: three of five would be the ones that others agree with most."""
    one, good = np.zeros(12, int), np.arange(12) % 3
    found = selection.agreement([one, good, one, np.roll(good, 1), one])
    np.testing.assert_allclose(found, [0, 0.25, 0, 0.25, 0])
    np.testing.assert_array_equal(selection.agreement([one, one]), [1, 1])  # where one cluster was asked for


def test_disagreement_is_said():
    rows = [row(2), row(4, strength=0.9), row(6), row(8, behind=0, bic=-1), row(10)]
    choice = selection.recommend(rows)
    assert (choice.n_clusters, choice.sure) == (4, "fairly sure")
    assert "the criteria disagree: held-out bound names 8, BIC names 8" in choice.why


def test_criteria_on_both_sides_of_the_recommended_number_disagree():
    """Each is a step from it, but they are two steps apart."""
    rows = [row(8), row(9, behind=0), row(10, strength=0.9), row(11, bic=-1), row(12)]
    choice = selection.recommend(rows)
    assert (choice.n_clusters, choice.sure) == (10, "fairly sure")
    assert "the criteria disagree: held-out bound names 9, BIC names 11" in choice.why
    rows = [row(8), row(9, behind=0), row(10, bic=-1, strength=0.9), row(11), row(12)]
    assert selection.recommend(rows).why.endswith("the criteria agree to within 1 step")


def test_without_groups_that_are_found_again_it_is_the_middle_and_unsure():
    rows = [row(5, stability=0.9), row(6), row(7, behind=0), row(8), row(9, bic=-1), row(10)]
    choice = selection.recommend(rows)
    assert choice.named == {"held-out bound": 7, "BIC": 9, "stability": 5}
    assert (choice.n_clusters, choice.sure) == (7, "not sure")
    assert "no K has groups" in choice.why


def test_the_end_of_the_range_is_not_sure():
    rows = [row(2), row(3), row(4, behind=0, bic=-1, strength=1.0)]
    choice = selection.recommend(rows)
    assert (choice.n_clusters, choice.sure) == (4, "fairly sure")
    assert "end of the range" in choice.why


def test_bic_of_many_codes_is_that_of_all_of_them(rng, monkeypatch):
    """They are taken in blocks, of which the last is smaller."""
    monkeypatch.setattr(selection, "BLOCK", 7)
    z, pi = rng.normal(size=(50, 2)), np.array([0.4, 0.6])
    start = starts.Start(np.zeros(50, int), pi, rng.normal(size=(2, 2)), rng.uniform(0.5, 2, (2, 2)))
    density = sum(
        weight * stats.multivariate_normal(mu, np.diag(sigma2)).pdf(z)
        for weight, mu, sigma2 in zip(pi, start.mu, start.sigma2, strict=True)
    )
    free = 2 * 2 + 2 * 2 + 1  # means, variances, one weight
    assert selection.bic(z, start) == pytest.approx(-2 * np.log(density).sum() + free * np.log(50))


def test_the_beginning_of_the_range_is_not_sure_either():
    rows = [row(2, behind=0, bic=-1, strength=1.0), row(3), row(4)]
    choice = selection.recommend(rows)
    assert (choice.n_clusters, choice.sure) == (2, "fairly sure")
    assert "end of the range" in choice.why
