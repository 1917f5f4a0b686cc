"""The number of clusters by prediction strength."""

import numpy as np
import pytest
from sklearn.cluster import KMeans

from vade_tf.seeding import Stream, generator, several
from vade_tf.training.n_clusters import choose_number, numbers_tried, prediction_strength


def blobs(rng, k, n=600):
    return (10 * np.eye(6)[np.arange(n) % k] + rng.normal(size=(n, 6))).astype("f4")


@pytest.mark.parametrize("k", [1, 3, 5])
def test_the_number_of_far_groups_is_found(rng, k):
    tried = range(1, 9)
    strength = prediction_strength(blobs(rng, k), tried, 0).weakest
    assert strength[0] == 1
    assert np.all((strength >= 0) & (strength <= 1))
    choice = choose_number(np.array(tried), strength)
    assert (choice.n_clusters, choice.tried) == (k, list(tried))
    np.testing.assert_allclose(choice.strength, strength, atol=1e-4)
    again = prediction_strength(blobs(np.random.default_rng(0), k), tried, 0)
    np.testing.assert_array_equal(again.weakest, strength)


@pytest.mark.parametrize(
    ("n", "limit", "last"), [(5, 20, 1), (95, 20, 9), (10**6, 20, 20), (600, 100, 56), (10**6, 100, 99)]
)
def test_numbers_are_tried_in_steps_of_at_most_a_tenth_beyond_20(n, limit, last):
    numbers = np.array(numbers_tried(n, limit))
    np.testing.assert_array_equal(numbers[:20], np.arange(1, min(last, 20) + 1))
    assert numbers[-1] == last
    assert np.all(np.diff(numbers) <= np.maximum(1, numbers[:-1] / 10 + 0.5))


def test_of_many_clusters_the_mean_strength_counts_if_it_is_high_and_gives_more():
    tried, strength = np.array([1, 2, 10, 40]), np.array([1, 0.9, 0.3, 0.1])
    for mean, k in (([1, 0.9, 0.8, 0.95], 40), ([1, 0.9, 0.7, 0.6], 2), ([1, 0.5, 0.6, 0.79], 2)):
        assert choose_number(tried, strength, np.array(mean)).n_clusters == k
    choice = choose_number(tried, strength)
    assert (choice.n_clusters, choice.mean) == (2, None)


def test_strength_is_the_paper_s_by_looking_at_every_pair(rng):
    """Tibshirani and Walther, eq. 2: of each test cluster the pairs that the training centres keep together."""
    x, k, weakest, mean = rng.normal(size=(60, 2)).astype("f4"), 4, [], []
    for seed in several(5, 5, Stream.N_CLUSTERS):
        order = generator(seed).permutation(60)
        halves = x[order[::2]], x[order[1::2]]
        fits = [KMeans(k, n_init=5, random_state=seed).fit(half) for half in halves]
        for own, other in ((0, 1), (1, 0)):
            test, assigned = fits[own].labels_, fits[other].predict(halves[own])
            shares = []
            for c in range(k):
                members = np.flatnonzero(test == c)
                pairs = [assigned[i] == assigned[j] for i in members for j in members if i != j]
                shares.append(np.mean(pairs) if pairs else 0)
            weakest.append(min(shares))
            mean.append(np.mean(shares))
    strength = prediction_strength(x, [k], 5)
    assert strength.weakest == pytest.approx(np.mean(weakest))
    assert strength.mean == pytest.approx(np.mean(mean))
    assert 0 < np.mean(weakest) < np.mean(mean) < 1
