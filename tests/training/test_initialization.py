"""The soft partition that a fit starts from: which rule reads what, what it finds, and what its probabilities mean."""

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment
from sklearn.cluster import DBSCAN, AgglomerativeClustering, KMeans
from sklearn.metrics import adjusted_rand_score
from sklearn.mixture import GaussianMixture

from vade_tf.errors import InputError
from vade_tf.training import initialization
from vade_tf.training.initialization import Start, as_partition, partition, rule


@pytest.fixture
def groups(rng):
    """Four far groups of unequal size: rows [300, 5] and the group of each."""
    y = np.repeat(np.arange(4), (120, 90, 60, 30))
    return 12 * np.eye(4, 5)[y] + rng.normal(size=(300, 5)), y


def calibration(P, y):
    """Mean confidence and accuracy of P with its groups matched one to one."""
    found, k = P.argmax(axis=1), P.shape[1]
    counts = np.array([[np.sum((found == i) & (y == j)) for j in range(k)] for i in range(k)])
    return P.max(axis=1).mean(), counts[linear_sum_assignment(-counts)].sum() / len(y)


@pytest.mark.parametrize(("space", "method"), [("columns", "tied"), ("directions", "kmeans"), ("code", "spectral")])
def test_each_space_has_one_rule(space, method):
    assert rule(space, "auto") == (space, method)
    for name in ("gmm", "kmeans", "spectral"):
        assert rule(space, name) == ("code", name)
    clusterer, given = KMeans(), np.zeros(9, int)
    assert rule(space, clusterer) == (space, clusterer)
    assert rule(space, given) == ("given", given)
    assert rule(space, len) == ("given", len)


METHODS = ["tied", "kmeans", "spectral", "gmm", KMeans(), GaussianMixture(2), AgglomerativeClustering(9)]


@pytest.mark.parametrize("method", METHODS, ids=str)
def test_every_method_finds_far_groups_and_the_same_again(groups, method):
    x, y = groups
    P = partition(method, [x.astype("f4")], 4, 0)
    assert P.shape == (300, 4)
    np.testing.assert_allclose(P.sum(axis=1), 1, rtol=1e-6)
    assert adjusted_rand_score(y, P.argmax(axis=1)) > 0.98
    assert P.max(axis=1).mean() > 0.98
    np.testing.assert_array_equal(partition(method, [x.astype("f4")], 4, 0), P)
    np.testing.assert_array_equal(partition(method, [x], 1, 0), np.ones((300, 1)))


def test_a_clusterer_s_noise_is_held_to_nothing_and_too_many_clusters_are_refused(groups):
    x, y = groups
    P = partition(DBSCAN(4.0, min_samples=5), [np.concatenate([x, np.full((1, 5), 99.0)])], 4, 0)
    assert P[-1].sum() == 0
    assert adjusted_rand_score(y, P[:-1].argmax(axis=1)) > 0.98
    with pytest.raises(InputError, match="^init: expected groups from 0 to 2"):
        partition(DBSCAN(4.0, min_samples=5), [x], 3, 0)


@pytest.mark.parametrize("width", [2, 10])
def test_the_tied_mixture_is_as_sure_as_it_is_right(rng, width):
    y = rng.integers(0, 3, 3000)
    x = 2.2 * np.eye(3, width)[y] + rng.normal(size=(3000, width))
    confidence, accuracy = calibration(partition("tied", [x / x.std(axis=0)], 3, 0), y)
    assert 0.6 < accuracy < 0.95
    assert abs(confidence - accuracy) <= 0.03


def test_a_missing_cell_says_nothing_of_its_row_s_group(rng, groups):
    """P of a row is what the mixture of the known columns alone gives; of a row without any, the weights."""
    x, y = groups
    mixture = GaussianMixture(4, covariance_type="tied", random_state=0).fit(x)
    holes = x.copy()
    holes[:50, [1, 3]] = np.nan
    holes[50] = np.nan
    P = initialization.marginal_posterior(mixture, holes)
    np.testing.assert_allclose(P[51:], mixture.predict_proba(x[51:]), atol=1e-8)
    np.testing.assert_allclose(P[50], mixture.weights_)
    part = GaussianMixture(4, covariance_type="tied")
    known = [0, 2, 4]
    part.weights_, part.means_ = mixture.weights_, mixture.means_[:, known]
    part.covariances_ = mixture.covariances_[np.ix_(known, known)]
    part.precisions_cholesky_ = np.linalg.cholesky(np.linalg.inv(part.covariances_))
    np.testing.assert_allclose(P[:50], part.predict_proba(x[:50][:, known]), atol=1e-8)
    found = partition("tied", [x, np.where(rng.random(x.shape) < 0.1, np.nan, x)], 4, 0)
    assert adjusted_rand_score(y, found.argmax(axis=1)) > 0.9


def test_the_share_of_a_row_s_nearest_rows_is_p(rng):
    """A line of two groups: far from their border P is 0 or 1, at it the naive share of the 20 nearest."""
    x = np.sort(rng.random(400))[:, None]
    groups = (x[:, 0] > 0.5).astype(int)
    near = np.abs(x - x[:, 0]).argsort(axis=1)[:, :20]
    want = np.stack([(groups[near] == c).mean(axis=1) for c in (0, 1)], axis=1)
    np.testing.assert_allclose(initialization.neighbour_shares([x], groups, 2, 0), want, atol=1e-6)
    both = initialization.neighbour_shares([x, np.zeros((400, 1))], groups, 2, 0)
    np.testing.assert_allclose(both.sum(axis=1), 1)
    assert np.abs(both - want).max() > 0.2


NO_PARTITION = {
    "fewer": np.zeros(299, int), "too many": np.full(300, 4), "below": np.full(300, -2), "floats": np.zeros(300),
    "sums": np.ones((300, 4)), "whole": np.full((300, 4), 0, int), "wide": np.full((300, 5), 0.2),
    "negative": np.tile([1.5, -0.5, 0, 0], (300, 1)), "nan": np.full((300, 4), np.nan), "texts": np.array(["a"] * 300),
}  # fmt: skip


@pytest.mark.parametrize("init", NO_PARTITION.values(), ids=NO_PARTITION)
def test_what_is_no_partition_is_refused(groups, init):
    with pytest.raises(InputError, match="^init: expected groups from 0 to 3") as error:
        as_partition(init, 300, 4)
    assert "\n" not in str(error.value)


def test_a_start_is_the_weighted_moments_of_the_codes(rng):
    """As `np.average` and `np.cov` have them; a group without rows gets those of all rows."""
    z, P = rng.normal(3, 2, (200, 3)), rng.dirichlet([1, 2, 3], 200)
    P = np.concatenate([P, np.zeros((200, 1))], axis=1)
    P[:9] = 0  # rows that are held to nothing have no weight
    found = Start.of(P, z)
    for c in range(3):
        np.testing.assert_allclose(found.mu[c], np.average(z, axis=0, weights=P[:, c]), rtol=1e-4)
        np.testing.assert_allclose(found.sigma2[c], np.cov(z.T, aweights=P[:, c], ddof=0).diagonal(), rtol=1e-4)
    np.testing.assert_allclose(found.pi[:3] / found.pi[:3].sum(), P.sum(axis=0)[:3] / P.sum(), rtol=1e-5)
    np.testing.assert_allclose([found.mu[3], found.sigma2[3]], [z.mean(axis=0), z.var(axis=0)], rtol=1e-5)
    assert 0 < found.pi[3] < 0.01
    assert found.pi.sum() == pytest.approx(1)
    assert (found.P.dtype, np.abs(found.P - P).max() < 1e-3) == (np.float16, True)
    alone = Start.of(np.eye(200), z)  # a group of one row has no variance of its own
    assert alone.sigma2.min() > 0


def test_weights_count_as_rows_that_stand_there_so_often(rng, groups):
    """In the moments exactly; k-means and mixtures are as without where all weights are one, and read no row of 0."""
    z, P, weights = rng.normal(3, 2, (60, 3)), rng.dirichlet([1, 2, 3], 60), rng.integers(0, 4, 60)
    found, repeated = Start.of(P, z, weights), Start.of(np.repeat(P, weights, axis=0), np.repeat(z, weights, axis=0))
    for name in ("pi", "mu", "sigma2"):
        np.testing.assert_allclose(getattr(found, name), getattr(repeated, name), rtol=1e-5)
    x, y = groups
    for method in ("tied", "kmeans", "gmm"):
        whole = partition(method, [x], 4, 0)
        np.testing.assert_array_equal(partition(method, [x], 4, 0, sample_weight=np.ones(300)), whole)
        two = partition(method, [x], 2, 0, sample_weight=(y < 2).astype(float))
        assert adjusted_rand_score(y[y < 2], two[y < 2].argmax(axis=1)) > 0.98


def test_groups_are_named_as_hints_say(rng):
    P, name = rng.dirichlet([0.2] * 4, 300), np.array([2, 0, 3, 1])
    start = Start.of(P, rng.normal(size=(300, 3)))
    found = start.named(np.where(np.arange(300) < 60, name[P.argmax(axis=1)], -1))
    for before, after in ((start.P.T, found.P.T), (start.pi, found.pi), (start.mu, found.mu)):
        np.testing.assert_array_equal(after[name], before)
