"""Starts: groups of codes and the mixture that describes them."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import make_moons

from vade_tf import metrics
from vade_tf.training import consensus, landmark_starts, parting, regions, table_starts
from vade_tf.training import start as starts


@pytest.fixture(scope="module")
def moons():
    """Three curved classes in 4 dimensions that no Gaussian fits: interleaved arcs, [1500, 4], and their labels."""
    r = np.random.default_rng(0)
    y = np.repeat(np.arange(3), 500)
    angle = r.uniform(0, np.pi, 1500)
    side = np.where(y == 1, -1, 1)
    points = np.stack([np.cos(angle) + 1.3 * y, side * np.sin(angle) + 0.3 * (y == 1)], axis=1) * 3
    return np.concatenate([points, np.zeros((1500, 2))], axis=1) + r.normal(0, 0.2, (1500, 4)), y


def test_landmark_follows_the_shape_of_the_classes(moons):
    z, y = moons
    assert metrics.accuracy(y, starts.start(z, 3, "landmark", 0).groups) > 0.95
    assert metrics.accuracy(y, starts.start(z, 3, "kmeans", 0).groups) < 0.9  # the data are hard for a Gaussian


def test_landmark_joins_what_each_view_tells(rng, monkeypatch):
    """Four groups; one view tells 0, 1 from 2, 3 and the other 0, 2 from 1, 3."""
    monkeypatch.setattr(regions, "LANDMARKS", 100)
    y = np.repeat(np.arange(4), 250)
    views = [rng.normal(0, 0.3, (1000, 10)) + 4 * bit[:, None] for bit in (y // 2, y % 2)]
    assert metrics.accuracy(y, landmark_starts.landmark(views, 4, 0)) > 0.99
    assert all(metrics.accuracy(y, landmark_starts.landmark([view], 4, 0)) < 0.8 for view in views)
    assert metrics.accuracy(y, starts.start(views[0], 4, "landmark", 0, views).groups) > 0.9


@pytest.mark.parametrize("method", sorted(starts.METHODS))
def test_every_method_finds_well_separated_groups(rng, method):
    y = np.repeat(np.arange(4), [400, 100, 200, 300])
    centres = 20 * np.eye(4, 6)
    z = centres[y] + rng.normal(size=(1000, 6)) * [1, 2, 1, 1, 0.5, 1]
    start = starts.start(z, 4, method, seed=0)
    assert metrics.accuracy(y, start.groups) == 1.0
    order = [start.groups[y == c][0] for c in range(4)]
    np.testing.assert_allclose(start.pi[order], [0.4, 0.1, 0.2, 0.3], atol=1e-3)
    np.testing.assert_allclose(start.mu[order], centres, atol=0.8)
    np.testing.assert_allclose(start.sigma2[order].mean(axis=0), [1, 4, 1, 1, 0.25, 1], rtol=0.3)


@pytest.mark.parametrize("method", sorted(starts.METHODS))
def test_same_seed_same_start(moons, method):
    first, second = (starts.start(moons[0], 3, method, 7) for _ in range(2))
    for name in ("groups", "pi", "mu", "sigma2"):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))


@given(st.lists(st.integers(0, 4), min_size=5, max_size=40), st.permutations(range(5)))
def test_matched_undoes_a_renaming(reference, names):
    reference = np.array([0, 1, 2, 3, 4, *reference])
    np.testing.assert_array_equal(consensus.matched(np.array(names)[reference], reference), reference)


@st.composite
def starts_with_hints(draw):
    """(start, hints): any partition of up to 30 rows in at most 5 groups, of which any rows have any hint."""
    k, n = draw(st.integers(1, 5)), draw(st.integers(1, 30))
    groups = np.array(draw(st.lists(st.integers(0, k - 1), min_size=n, max_size=n)))
    hints = np.array(draw(st.lists(st.integers(-1, k - 1), min_size=n, max_size=n)))
    r = np.random.default_rng(draw(st.integers(0, 1000)))
    mixture = r.dirichlet(np.ones(k)), r.normal(size=(k, 2)), r.uniform(0.1, 2, (k, 2))
    return starts.Start(groups.astype("i4"), *(part.astype("f4") for part in mixture)), hints


def naming(found, again):
    """New name of each old group, [K], told by the means, which differ; each of them is somebody's."""
    names = np.array([int(np.flatnonzero((again.mu == mean).all(axis=1))[0]) for mean in found.mu])
    assert sorted(names) == list(range(len(found.mu)))
    return names


@given(starts_with_hints())
def test_hints_rename_groups_one_to_one_and_the_mixture_goes_along(given_start):
    found, hints = given_start
    again = starts.renamed(found, hints)
    names = naming(found, again)
    np.testing.assert_array_equal(again.groups, names[found.groups])
    for name in ("pi", "mu", "sigma2"):
        np.testing.assert_array_equal(getattr(again, name)[names], getattr(found, name))
    assert again.groups.dtype == np.int32


@given(starts_with_hints())
def test_no_other_naming_agrees_with_more_hints(given_start):
    found, hints = given_start
    agreed = np.sum(starts.renamed(found, hints).groups == hints)
    for names in itertools.permutations(range(len(found.pi))):
        assert np.sum(np.array(names)[found.groups] == hints) <= agreed


@given(starts_with_hints(), st.randoms(), st.data())
def test_one_hint_a_group_is_enough_to_name_them_all(given_start, random, data):
    found, _ = given_start
    k = len(found.pi)
    names = np.array(random.sample(range(k), k))
    hints = np.full(len(found.groups), -1)
    for group in np.unique(found.groups):
        row = data.draw(st.sampled_from(np.flatnonzero(found.groups == group).tolist()))
        hints[row] = names[group]
    np.testing.assert_array_equal(starts.renamed(found, hints).groups, names[found.groups])


@given(st.integers(0, 2**31 - 1), st.integers(3, 9))
def test_the_vote_mends_what_single_draws_get_wrong(seed, n_draws):
    """Draws with names of their own, each wrong on rows that the others get right."""
    r = np.random.default_rng(seed)
    truth = r.permutation(np.repeat(np.arange(4), 25))
    wrong = r.permutation(100)[: 10 * n_draws].reshape(n_draws, 10)
    draws = []
    for rows in wrong:
        draw = truth.copy()
        draw[rows] = (draw[rows] + r.integers(1, 4, 10)) % 4
        draws.append(r.permutation(4)[draw])
    np.testing.assert_array_equal(consensus.matched(consensus.vote(draws, 4), truth), truth)
    place = r.integers(n_draws + 1)
    draws.insert(place, r.permutation(4)[truth])  # agrees best with all others, so it gives the names
    np.testing.assert_array_equal(consensus.vote(draws, 4), draws[place])


@pytest.mark.parametrize(
    ("draws", "found"),
    [  # by the first naming a group is left with no row, or by every one
        ([[0, 0, 0, 1, 2, 0, 1], [2, 1, 0, 0, 1, 0, 0], [1, 2, 1, 0, 0, 1, 1]], 3),
        ([[0, 2, 0, 1, 0, 2], [0, 1, 1, 1, 2, 1], [1, 1, 2, 1, 1, 0]], 3),
    ],
)
def test_a_vote_leaves_no_group_without_rows(draws, found):
    assert len(np.unique(consensus.vote(list(map(np.array, draws)), 3))) == found


def test_rows_that_are_given_back_leave_no_other_group_without_any():
    """The draw that names has groups of 1, 12 and 12; each other joins its first row with two of the second group."""
    names = np.repeat([0, 1, 2], [1, 12, 12])
    draws = [names, names]
    for i in range(5):
        other = np.full(25, 2)
        other[[0, 1 + 2 * i, 2 + 2 * i]], other[13 + i] = 1, 0
        draws.append(other)
    np.testing.assert_array_equal(consensus.vote(draws, 3), names)


def test_where_all_groups_are_to_stay_another_draw_names_them():
    twice = [1, 0, 1, 1, 0, 1, 1, 2]  # agrees best, and its last group is outvoted
    draws = [twice, twice, [1, 2, 0, 1, 2, 0, 1, 2], [2, 0, 0, 1, 2, 1, 1, 1], [1, 0, 2, 1, 0, 2, 2, 0]]
    arrays = [np.array(draw) for draw in draws]
    assert consensus.vote(arrays, 3).tolist() == twice  # without the last group it is [1, 0, 1, 1, 0, 1, 1, 0]
    assert consensus.vote(arrays, 3, keep=0.5).tolist() == [1, 2, 0, 1, 2, 1, 1, 0]


@pytest.mark.parametrize("keep", [0.0, 0.5])
def test_a_group_that_is_outvoted_everywhere_gets_its_rows_back(keep):
    draws = [np.eye(6, dtype=int)[row] for row in range(6)]  # each sets another row apart
    np.testing.assert_array_equal(consensus.vote(draws, 2, keep=keep), draws[0])


def test_the_nearest_landmark_weighs_most():
    """Five places on a line, 20 rows at each: a landmark stands on every one, and the row's own is at distance 0."""
    place = np.repeat([0.0, 1.0, 3.0, 7.0, 15.0], 20)
    z = np.stack([place, np.zeros(100)], axis=1).astype("f4")
    ties = regions.landmark_ties(z, seed=0, n_landmarks=5).toarray()
    landmark = place[ties.argmax(axis=0)]  # where each landmark stands: at the rows that are tied to it most
    assert sorted(landmark) == sorted(set(place))
    np.testing.assert_allclose(ties.sum(axis=1), 1, rtol=1e-6)
    for weights, at in zip(ties, place, strict=True):
        by_distance = weights[np.argsort(np.abs(landmark - at))]
        assert np.all(np.diff(by_distance[:3]) < 0)
        np.testing.assert_array_equal(by_distance[3:], 0)


def test_rows_stand_where_a_random_walk_between_them_leads(moons, monkeypatch):
    """The embedding against the walk's own matrix [n, n], whose leading eigenvectors count by their eigenvalues.

    P = Z D^-1 Z' goes from row to landmark to row. A row's embedding is its eigenvectors times lambda^4.5: the fourth
    power, and the root that comes of reading them off the landmarks. Angles between rows are compared, which no sign
    or rotation changes.
    """
    embedded = []

    class Caught(starts.KMeans):
        def fit(self, x):
            embedded.append(np.asarray(x, np.float64))
            return super().fit(x)

    z = moons[0][::5].astype("f4")
    monkeypatch.setattr(regions, "KMeans", Caught)
    monkeypatch.setattr(regions, "LANDMARKS", 40)
    regions.landmark_draw([z], 3, 7)
    ties = regions.landmark_ties(z, 7, 40).toarray()
    values, vectors = np.linalg.eigh(ties / ties.sum(axis=0) @ ties.T)
    position = vectors[:, -4:] * values[-4:] ** 4.5  # 1.3 K of them
    position /= np.linalg.norm(position, axis=1, keepdims=True)
    (found,) = embedded
    np.testing.assert_allclose(found @ found.T, position @ position.T, atol=1e-4)


def test_few_rows_are_grouped_by_their_code():
    """30 rows are too few for landmarks: the code, which knows the groups, decides, and not the layer before it."""
    r, y = np.random.default_rng(0), np.arange(30) % 5
    z, hidden = 10 * np.eye(5)[y] + r.normal(size=(30, 5)), 100 * np.eye(5)[r.permutation(y)]
    assert metrics.accuracy(y, starts.start(z, 5, "landmark", 0, [z, hidden]).groups) == 1.0


def test_landmark_weighs_the_draws(moons, monkeypatch):
    """Of eight draws three are spoiled; the groups are those of the other five."""
    z, y = moons
    seeds, calls = [], itertools.count()

    def draw(z, n_clusters, seed, *shape):
        seeds.append(seed)
        call = next(calls)
        return np.roll(y, 250) if call % 3 == 0 else (y + call) % 3

    monkeypatch.setattr(regions, "landmark_draw", draw)
    assert metrics.accuracy(y, landmark_starts.landmark([z], 3, 0)) == 1.0
    assert len(set(seeds)) == len(seeds) == 8


@pytest.mark.filterwarnings("ignore:Number of distinct clusters")
@settings(max_examples=20)
@given(n=st.integers(2, 60), k=st.integers(1, 8), kind=st.sampled_from(["normal", "equal", "outlier", "two"]))
def test_hostile_codes_still_give_a_mixture_that_can_be_used(n, k, kind):
    r = np.random.default_rng(n)
    z = {
        "normal": r.normal(size=(n, 3)),
        "equal": np.ones((n, 3)),
        "outlier": np.concatenate([np.full((1, 3), 1e6), r.normal(size=(n - 1, 3))]),
        "two": np.repeat(r.normal(size=(2, 3)), [1, n - 1], axis=0),
    }[kind]
    start = starts.start(z, min(k, n), "landmark", 0)
    assert np.all(start.sigma2 > 0)
    assert np.all(start.pi > 0)
    assert all(np.isfinite(a).all() for a in (start.pi, start.mu, start.sigma2))
    assert start.groups.shape == (n,)


@pytest.mark.parametrize(
    ("k", "method", "message"),
    [
        (0, "gmm", "n_clusters must be from 1 to the number of rows, 9. Received: 0"),
        (10, "gmm", "Received: 10"),
        (2, "dbscan", "method must be one of .* Received: 'dbscan'"),
    ],
)
def test_errors(k, method, message):
    with pytest.raises(ValueError, match=message):
        starts.start(np.zeros((9, 2)), k, method, 0)


def test_a_table_gets_regions_where_there_are_some_and_else_k_means(rng):
    """Two moons have regions; one cloud of normal rows, or answers by chance, have none, and k-means cuts them."""
    moons = make_moons(400, noise=0.05, random_state=0)
    assert metrics.accuracy(moons[1], table_starts.of_table(moons[0].astype("f4"), 2, 0)) == 1.0
    cloud = rng.normal(size=(600, 3)).astype("f4") * [4, 1, 1]
    answers = rng.integers(2, size=(400, 60)).astype("f4")
    for rows in (cloud.astype("f4"), answers):
        np.testing.assert_array_equal(table_starts.of_table(rows, 3, 0), regions.kmeans(rows, 3, 0))


def test_the_neighbours_that_a_border_parts(rng):
    """Two far groups part none; a border through one of them parts those across it."""
    x = np.concatenate([rng.normal(size=(100, 2)), 50 + rng.normal(size=(100, 2))])
    truth, asked = np.arange(200) // 100, np.arange(200)
    near = parting.nearest(x, asked)
    assert parting.parted(near, asked, truth) == 0
    assert parting.parted(near, asked, np.arange(200) % 2) == pytest.approx(0.5, abs=0.05)
    apart = np.linalg.norm(x[:, None] - x[None], axis=2)
    nearest = np.argsort(apart, axis=1)[:, 1 : parting.NEIGHBOURS + 1]
    cut = x[:, 0] > 0
    assert parting.parted(near, asked, cut) == pytest.approx(np.mean(cut[nearest] != cut[:, None]))


def test_more_groups_than_a_graph_is_cut_into_are_those_of_one_k_means(rng, monkeypatch):
    z, told = rng.normal(size=(200, 3)).astype("f4"), []
    monkeypatch.setattr(regions, "LANDMARKS", 10)
    found = landmark_starts.landmark([z, -z], 8, 3, tell=lambda: told.append(1))
    np.testing.assert_array_equal(found, regions.kmeans(z, 8, 3))
    assert told == [1] * landmark_starts.DRAWS  # after the work, as many as a bar waits for
    monkeypatch.setattr(regions, "MANY", 7)
    monkeypatch.setattr(regions, "KMeans", lambda k, **more: pytest.fail(str(more)))
    with pytest.raises(pytest.fail.Exception, match="'n_init': 1"):
        regions.kmeans(z, 8, 3)


@pytest.mark.parametrize("sizes", [(1850, 50, 50, 50), (1700, 100, 100, 100)])
def test_far_groups_of_uneven_sizes_are_found(sizes):
    """A graph has as many leading directions as groups, and cuts the largest one before it finds the smallest."""
    centres = 9.0 * np.array([[0, 0], [1, 0], [0, 1], [1, 1]])
    groups = np.repeat(np.arange(4), sizes)
    z = centres[groups] + np.random.default_rng(0).normal(size=(len(groups), 2))
    assert metrics.accuracy(groups, landmark_starts.landmark([z], 4, 0)) == 1.0


def test_few_rows_have_few_landmarks_and_many_groups_of_them_are_those_of_k_means(rng):
    """A fifth of 300 rows are 60 landmarks: not three for each of 30 groups."""
    z = rng.normal(size=(300, 10)).astype("f4")
    np.testing.assert_array_equal(landmark_starts.landmark([z], 30, 0), regions.kmeans(z, 30, 0))


def test_a_graph_has_some_landmarks_for_each_group():
    assert [regions.is_beyond(k, 5000) for k in (1, 20, 333, 334, 1000)] == [False, False, False, True, True]


def test_a_single_grouping_agrees_with_itself_and_others_by_the_mean_of_their_pairs():
    """Of three, two are equal and the third crosses both: its adjusted Rand index with them is below 0."""
    halves, turns = np.repeat([0, 1], 4), np.arange(8) % 2
    assert consensus.alike([halves]) == 1.0
    crossed = consensus.alike([halves, turns])
    assert crossed < 0
    assert consensus.alike([halves, turns, halves]) == pytest.approx((1 + 2 * crossed) / 3)


@pytest.mark.parametrize("first", range(5))
def test_a_vote_has_the_names_of_the_draw_that_agrees_best_wherever_it_stands(first):
    """Its last group is outvoted and given back, to the rows that it has in this draw and in no other."""
    twice = [1, 0, 1, 1, 0, 1, 1, 2]
    draws = [twice, twice, [1, 2, 0, 1, 2, 0, 1, 2], [2, 0, 0, 1, 2, 1, 1, 1], [1, 0, 2, 1, 0, 2, 2, 0]]
    arrays = [np.array(draw) for draw in (*draws[first:], *draws[:first])]
    assert consensus.vote(arrays, 3).tolist() == twice
