"""The number of clusters by prediction strength."""

import numpy as np
import pytest
from sklearn.cluster import KMeans

from vade_tf.seeding import Stream, generator, several
from vade_tf.training.n_clusters import choose_number, prediction_strength


def blobs(rng, k, n=600):
    return (10 * np.eye(6)[np.arange(n) % k] + rng.normal(size=(n, 6))).astype("f4")


@pytest.mark.parametrize("k", [1, 3, 5])
def test_the_number_of_far_groups_is_found(rng, k):
    tried = range(1, 9)
    strength = prediction_strength(blobs(rng, k), tried, 0)
    assert strength[0] == 1
    assert np.all((strength >= 0) & (strength <= 1))
    choice = choose_number(np.array(tried), strength)
    assert (choice.n_clusters, choice.tried) == (k, list(tried))
    np.testing.assert_allclose(choice.strength, strength, atol=1e-4)
    np.testing.assert_array_equal(prediction_strength(blobs(np.random.default_rng(0), k), tried, 0), strength)


def test_strength_is_the_paper_s_by_looking_at_every_pair(rng):
    """Tibshirani and Walther, eq. 2: of each test cluster the pairs that the training centres keep together."""
    x, k, found = rng.normal(size=(60, 2)).astype("f4"), 4, []
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
            found.append(min(shares))
    assert prediction_strength(x, [k], 5)[0] == pytest.approx(np.mean(found))
    assert 0 < np.mean(found) < 1
