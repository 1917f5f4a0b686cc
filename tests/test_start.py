"""Parts of a start by hand: moments, names, floors, the limits of K, and where neighbours are read."""

import warnings

import keras
import numpy as np
import pytest
from scipy.spatial.distance import pdist
from sklearn.metrics import adjusted_rand_score

from vade_tf import metrics
from vade_tf.data import pipeline
from vade_tf.errors import DivergedError
from vade_tf.model import networks
from vade_tf.model.vade import VaDE
from vade_tf.training import consensus, landmark_starts, parting, regions, table_starts, views
from vade_tf.training import start as starts


def test_moments_of_groups_of_two_of_one_and_of_no_row():
    """A single row has the variance of all rows, which two rows have not; an empty group the mean of all too."""
    z = np.array([[0.0, 2.0], [4.0, 2.0], [8.0, 5.0]])
    pi, mu, sigma2 = starts.moments(z, np.array([0, 0, 1]), 3)
    np.testing.assert_allclose(pi, np.array([2, 1, 1]) / 4)
    np.testing.assert_allclose(mu, [[2, 2], [8, 5], [4, 3]])
    np.testing.assert_allclose(sigma2, [[4, 0], z.var(axis=0), z.var(axis=0)])


@pytest.mark.parametrize("method", starts.METHODS)
@pytest.mark.parametrize("k", [1, 6])
def test_a_single_group_and_as_many_as_rows(method, k, rng):
    z = 10 * np.eye(6, 3) + rng.normal(size=(6, 3))
    found = starts.start(z, k, method, 0)
    assert len(np.unique(found.groups)) == k
    assert found.groups.dtype == np.int32
    assert {part.dtype for part in (found.pi, found.mu, found.sigma2)} == {np.dtype("f4")}
    if k == 1:
        np.testing.assert_allclose(found.mu, [z.mean(axis=0)], rtol=1e-5)
        np.testing.assert_allclose(found.sigma2, [z.var(axis=0)], rtol=1e-3)


@pytest.mark.parametrize("method", ["landmark", "kmeans"])
def test_no_variance_is_below_a_ten_thousandth_of_the_mean_one(method):
    """Two groups of equal rows; their dimensions have variances 0, 25 and 225 over all."""
    z = np.repeat([[1.0, 0, 0], [1.0, 10, 30]], 20, axis=0)
    found = starts.start(z, 2, method, 0)
    np.testing.assert_allclose(found.sigma2, np.full((2, 3), 1e-4 * 250 / 3), rtol=1e-5)


def test_rows_that_are_all_equal_have_a_variance_above_zero():
    assert np.all(starts.start(np.ones((9, 2)), 1, "kmeans", 0).sigma2 > 0)


@pytest.mark.parametrize(
    ("groups", "reference", "renamed"),
    [
        ([2, 2, 0, 0, 1], [0, 0, 1, 1, 1], [0, 0, 1, 1, 2]),  # more groups than the reference has
        ([0, 0, 0, 1, 1], [3, 3, 1, 1, 1], [3, 3, 3, 1, 1]),  # fewer
        ([0, 0, 0, 0], [0, 1, 1, 1], [1, 1, 1, 1]),
    ],
)
def test_names_follow_the_rows_shared(groups, reference, renamed):
    for kind in (np.int8, np.int32):  # as many rows have them, or few
        found = consensus.matched(np.array(groups, kind), np.array(reference))
        np.testing.assert_array_equal(found, renamed)
        assert found.dtype == kind


def test_groups_may_be_as_many_as_a_byte_can_number(rng):
    reference = rng.permutation(128).astype("i1")
    np.testing.assert_array_equal(consensus.matched(np.arange(128, dtype="i1"), reference), reference)


def test_a_group_without_rows_does_not_end_a_vote():
    """Each of three draws is wrong about another row, and none has rows in its last group."""
    truth = np.repeat([0, 1], 6)
    draws = [np.where(np.arange(12) == row, 1 - truth, truth) for row in (0, 5, 9)]
    with np.errstate(all="raise"):
        np.testing.assert_array_equal(consensus.vote(draws, 3), truth)


def test_a_tell_for_each_draw_or_one(rng):
    z, told = rng.normal(size=(60, 2)), []
    for method, number in (("landmark", landmark_starts.DRAWS), ("gmm", 1), ("kmeans", 1)):
        told.clear()
        starts.start(z, 2, method, 0, tell=lambda: told.append(1))
        assert len(told) == number


def test_counts_are_grouped_as_most_of_their_spaces_say(rng):
    """Of three views one has other groups, and no direction beyond the 50th is read."""
    y, other = np.arange(240) % 4, np.arange(240) // 60

    def view(groups, spread=8.0):
        return np.concatenate([spread * np.eye(4)[groups], np.zeros((240, 46)), 99 * np.eye(4)[other]], axis=1)

    noise, told = rng.normal(size=(3, 240, 54)), []
    views = [view(other) + noise[0], view(y) + noise[1], view(y, 12.0) + noise[2]]
    found = starts.start(noise[0, :, :2], 4, "landmark", 3, views, lambda: told.append(1), "counts").groups
    assert metrics.accuracy(y, found) > 0.98
    assert len(told) == starts.parts("landmark", "counts", 3) == 9
    again = starts.start(noise[0, :, :2], 4, "landmark", 3, views, kind="counts").groups
    np.testing.assert_array_equal(found, again)
    narrow = starts.of_counts([each[:, :4] for each in views[1:]], 4, 0)  # fewer directions than the least width
    assert metrics.accuracy(y, narrow) > 0.98


@pytest.mark.parametrize("more", [{"method": "spectral"}, {"kind": "images"}])
def test_a_start_of_no_known_kind_is_refused(rng, more):
    with pytest.raises(ValueError, match="must be one of"):
        starts.start(rng.normal(size=(9, 2)), 2, **{"method": "kmeans", "seed": 0, **more})


def test_draws_that_agree_are_not_followed_by_more(rng, monkeypatch):
    """Four of four clear groups; all eight of a cloud without any, which every draw cuts in another way."""
    made, own = [], regions.landmark_draw

    def noted(*arguments):
        made.append(arguments[2])
        return own(*arguments)

    monkeypatch.setattr(regions, "landmark_draw", noted)
    y, noise = np.repeat(np.arange(4), 100), rng.normal(size=(400, 3))
    found = landmark_starts.landmark([noise + 20 * np.eye(4, 3)[y]], 4, 0)
    assert len(made) == 4
    assert metrics.accuracy(y, found) == 1.0
    clear, told = set(made), []
    made.clear()
    landmark_starts.landmark([noise], 4, 0, tell=lambda: told.append(1))
    assert len(set(made)) == len(told) == landmark_starts.DRAWS
    assert clear < set(made)


@pytest.mark.parametrize("borders", ["more", "fewer"])
def test_draws_that_find_different_groups_are_given_up_where_their_vote_has_more_borders(rng, monkeypatch, borders):
    z = rng.normal(size=(200, 2))
    if borders == "fewer":
        monkeypatch.setattr(parting, "are_no_regions", lambda *given: False)

    def apart(views, k, seed, *more):
        return np.random.RandomState(seed).randint(k, size=200)

    monkeypatch.setattr(regions, "landmark_draw", apart)
    found = landmark_starts.landmark([z], 3, 5)
    assert (adjusted_rand_score(found, regions.kmeans(z.astype("f4"), 3, 5)) == 1) == (borders == "more")


def test_k_means_is_the_best_of_ten(rng, monkeypatch):
    """scikit-learn's ten from the seed: never worse than the first of them."""
    z, asked = rng.normal(size=(80, 2)), []

    own = regions.KMeans

    def noted(*arguments, **settings):
        asked.append(settings["n_init"])
        return own(*arguments, **settings)

    monkeypatch.setattr(regions, "KMeans", noted)
    groups = regions.kmeans(z, 7, 5)
    np.testing.assert_array_equal(groups, regions.kmeans(z, 7, 5))
    assert asked == [10, 10]

    def inertia(groups):
        return sum(z[groups == c].var(axis=0).sum() * np.sum(groups == c) for c in range(7))

    once = own(7, n_init=1, random_state=5).fit(z).labels_
    assert inertia(groups) <= inertia(once) + 1e-9


@pytest.mark.parametrize(("k", "runs"), [(99, 5), (100, 1)])
def test_a_draw_of_many_regions_runs_k_means_once(rng, monkeypatch, k, runs):
    """Its time grows with the square of their number, and what more runs gain is in the third digit."""
    asked, own = [], regions.KMeans

    def noted(*arguments, **settings):
        asked.append(settings["n_init"])
        return own(*arguments, **{**settings, "n_init": 1})

    monkeypatch.setattr(regions, "KMeans", noted)
    groups = regions.landmark_draw([rng.normal(size=(800, 2)).astype("f4")], k, 0)
    assert (asked, groups.shape) == ([runs], (800,))


def convolved():
    """A model whose heads read different layers, the first of them of more than two axes."""
    x = keras.Input((12,))
    wide = keras.layers.Reshape((3, 4))(keras.layers.Dense(12, activation="tanh", name="wide")(x))
    flat = keras.layers.Flatten()(wide)
    m = keras.layers.Dense(3, name="m")(flat)
    log_s2 = keras.layers.Dense(3, name="log_s2")(keras.layers.Dense(5, name="other")(flat))
    return VaDE(keras.Model(x, [m, log_s2]), networks.build_decoder(12, 3, ()), 2)


def test_neighbours_are_read_in_the_layer_before_the_mean_code(rng, monkeypatch):
    """Read in blocks of 7, a batch at a time: all rows, in their order."""
    blocks = pipeline.blocks
    monkeypatch.setattr(pipeline, "blocks", lambda rows: blocks(rows, 7))
    model, x = convolved(), rng.uniform(size=(30, 12)).astype("f4")
    z, hidden = views.view_reader(model, x)(x)
    np.testing.assert_allclose(z, model.encode(x)[0], rtol=1e-5, atol=1e-6)
    layer = keras.Model(model.encoder.inputs, model.encoder.get_layer("wide").output).predict(x, verbose=0)
    assert hidden.shape == (30, 12)
    np.testing.assert_allclose(pdist(hidden), pdist(layer), rtol=1e-3, atol=1e-4)


def test_without_a_single_layer_before_it_the_code_alone_is_read(rng):
    x = keras.Input((12,))
    m = keras.layers.Add()([keras.layers.Dense(3)(x), keras.layers.Dense(3)(x)])
    encoder = keras.Model(x, [m, keras.layers.Dense(3)(x)])
    model, rows = VaDE(encoder, networks.build_decoder(12, 3, ()), 2), rng.uniform(size=(9, 12)).astype("f4")
    z, hidden = views.view_reader(model, rows)(rows)
    np.testing.assert_allclose(z, model.encode(rows)[0], rtol=1e-5, atol=1e-6)
    assert hidden is None


def test_directions_are_found_on_a_sample_spread_over_all_rows(rng, monkeypatch):
    """Rows in two halves that vary in different features: a sample of either half alone would miss one of them."""
    monkeypatch.setattr(views, "SAMPLE", 50)
    monkeypatch.setattr(views, "DIRECTIONS", 2)
    x = keras.Input((12,))
    same = keras.layers.Dense(12, kernel_initializer="identity", use_bias=False)(x)
    encoder = keras.Model(x, [keras.layers.Dense(3)(same), keras.layers.Dense(3)(same)])
    model = VaDE(encoder, networks.build_decoder(12, 3, ()), 2, "gaussian")
    rows = 0.01 * rng.normal(size=(200, 12)) + 100
    rows[:100, 4] += 5 * rng.normal(size=100)
    rows[100:, 7] += 3 * rng.normal(size=100)
    _, hidden = views.view_reader(model, rows.astype("f4"))(rows.astype("f4"))
    for column, feature in ((0, 4), (1, 7)):
        assert abs(np.corrcoef(hidden[:, column], rows[:, feature])[0, 1]) > 0.99


@pytest.mark.parametrize(("n", "width"), [(500, 3), (500, 40), (500, 41), (500, 60), (60, 500), (30, 60)])
def test_directions_are_the_leading_ones_of_the_centred_sample(rng, n, width):
    sample = rng.normal(size=(n, width)) * np.geomspace(1, 20, width) - 1e3
    axes = views._leading_directions(sample.astype("f4"))
    _, _, right = np.linalg.svd(sample - sample.mean(axis=0), full_matrices=False)
    assert axes.shape == (width, min(n, width, 40))
    found = min(n - 1, axes.shape[1])  # n centred rows vary in at most n - 1 directions
    np.testing.assert_allclose(np.abs(np.sum(axes * right[: axes.shape[1]].T, axis=0))[:found], 1, atol=0.05)


@pytest.mark.parametrize("far", [1e18, -1e18, 1e19, -1e30, np.inf, np.nan])
def test_a_code_beyond_the_limit_on_either_side_is_refused(far):
    near = np.array([[0.0, 9e17], [-9e17, 1.0]])
    assert views.within_reach(near) is near
    for code in (np.array([[far, 0.0]]), np.array([[0.0, 1.0], [2.0, far]])):
        with pytest.raises(DivergedError, match="^training diverged: the code reaches"):
            views.within_reach(code)


@pytest.mark.parametrize("number", [2, 3, 4, 5])
def test_rings_in_one_another_are_groups(number):
    """They have no borders, and with four of them no silhouette either: below 0."""
    r = np.random.default_rng(0)
    groups, angle = np.repeat(np.arange(number), 400), r.uniform(0, 2 * np.pi, 400 * number)
    radius = 1.0 + 2 * groups + r.normal(0, 0.05, len(groups))
    rows = (radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)).astype("f4")
    found = table_starts.of_table(rows, number, 0)
    assert adjusted_rand_score(groups, found) > 0.99


def test_a_table_of_one_row_is_one_group_without_a_word():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = starts.start(np.zeros((1, 2)), 1, "landmark", 0, views=[np.zeros((1, 5), "f4")], kind="table")
    np.testing.assert_array_equal(found.groups, [0])


@pytest.mark.parametrize("k", [2, 8])
def test_a_table_of_fewer_rows_than_a_row_has_neighbours_is_grouped(k):
    """Into two clear groups of four, or as many as rows."""
    rows = np.stack([20.0 * (np.arange(8) % 2), np.arange(8)], axis=1).astype("f4")
    found = starts.start(rows, k, "landmark", 0, views=[rows], kind="table")
    assert adjusted_rand_score(np.arange(8) % k, found.groups) == 1


def test_each_view_weighs_as_much_however_many_directions_it_has(rng):
    """Law: squared distances between rows, on average, are the same in each."""
    views = [rng.normal(size=(300, 2)) * [9, 1], 1e-3 * rng.normal(size=(300, 40))]
    some = np.arange(0, 300, 2)
    both = parting.joint(views, some)
    spread = both.var(axis=0)
    np.testing.assert_allclose([spread[:2].sum(), spread[2:].sum()], 1, rtol=1e-4)
    np.testing.assert_allclose(np.corrcoef(both[:, 0], views[0][some, 0])[0, 1], 1, rtol=1e-6)


def test_groups_that_are_shown_alike_are_those_of_the_code(rng):
    z, found = rng.normal(size=(200, 2)), np.arange(200) % 3
    np.testing.assert_array_equal(parting.clearer([z], z, found, 2 - found, 0), found)


@pytest.mark.parametrize(("second", "taken"), [(7, True), (6, False)])
def test_k_means_that_has_cut_off_less_than_a_tenth_of_its_largest_group_stands(second, taken, monkeypatch):
    """Its others are far rows then, and one draw's few borders may be those of a cloud cut by chance."""
    means = np.repeat(np.arange(100), [70, second, *[1] * (30 - second), *[0] * (68 + second)])
    clear, *drawn = np.random.default_rng(0).permuted(np.tile(np.arange(100) % 2, (3, 1)), axis=1)
    monkeypatch.setattr(starts.regions, "kmeans", lambda *given: means)
    monkeypatch.setattr(parting, "beyond_chance", lambda near, asked, groups: 0.01 if groups is clear else 0.5)
    found = table_starts.of_draws(np.arange(100.0)[:, None], [[*drawn, clear]], 2, 0)
    np.testing.assert_array_equal(found, clear if taken else means)


@pytest.mark.parametrize(("most", "runs"), [(500, 3), (1, 1)])
def test_counts_are_grouped_in_fifteen_twenty_five_and_fifty_directions(most, runs, rng, monkeypatch):
    """Of many groups once in each of these."""
    asked, own = [], starts.KMeans.fit

    def fit(kmeans, z):
        asked.append(z.shape[1])
        return own(kmeans, z)

    monkeypatch.setattr(starts.KMeans, "fit", fit)
    monkeypatch.setattr(starts.regions, "MANY", most)
    starts.of_counts([rng.normal(size=(60, 60))], 2, 0)
    assert sorted(asked) == [15] * runs + [25] * runs + [50] * runs


def test_one_graph_is_cut_into_several_numbers_of_groups_as_into_each_alone(rng):
    """Four clouds in two pairs."""
    y = np.arange(400) % 4
    z = (np.column_stack([40.0 * (y // 2), 8.0 * (y % 2)]) + rng.normal(size=(400, 2))).astype("f4")
    two, four = regions.landmark_cuts([z], [2, 4], 0, 3)
    assert adjusted_rand_score(y // 2, two) == adjusted_rand_score(y, four) == 1


@pytest.mark.parametrize("n", [12, 40])
def test_rows_too_few_for_a_graph_are_grouped_by_their_code(n, rng):
    y = np.arange(n) % 4
    code, hidden = (20 * np.eye(4)[y] + rng.normal(size=(n, 4))).astype("f4"), rng.normal(size=(n, 6)).astype("f4")
    (found,) = regions.landmark_cuts([code, hidden], [4 if n == 12 else 8], 0, 1)
    np.testing.assert_array_equal(found, regions.kmeans(code, found.max() + 1, 0))
