"""How many clusters rows of many columns have: where halves of the columns show groups more clearly, by these."""

from functools import partial

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from vade_tf import Settings, begin
from vade_tf.training import choosing, groups, halves, recipe

K = 3


@pytest.fixture(scope="module")
def samples():
    """Rows whose height differs more than their three groups do, as the protein of samples: [120, 400], [120]."""
    r = np.random.default_rng(2)
    y = np.arange(120) % K
    x = r.normal(size=(120, 400)) + r.normal(0, 0.5, (K, 400))[y] + r.normal(0, 3, (120, 1))
    return x.astype("f4"), y


def fitting(x, **more):
    return begin(x, Settings(clusters=1, hidden=(16,), latent_dim=2, **more))


def starts(groups, tried=(K,)):
    """Six starts on three quarters of the rows each, which all find the same."""
    found = np.tile(groups, (len(tried), choosing.STARTS, 1))
    for number in range(choosing.STARTS):
        found[:, number, number % 4 :: 4] = -1
    return found


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_places_are_those_that_show_what_starts_have_not_found(samples, share):
    x, y = samples
    found = np.where(np.random.default_rng(0).random(120) < share, 0, y)
    (place,) = halves.places(x, starts(found), [K], 0)
    assert (place is not None) == (share > 0)
    if share:
        assert place.shape == (120, halves.WIDTH)
        assert adjusted_rand_score(y, halves.regions.kmeans(place, K, 0)) > 0.95


def test_noise_shows_nothing_that_starts_have_not_found(rng):
    tried = [2, 3, 5]
    x, lots = rng.normal(size=(120, 400)).astype("f4"), starts(rng.integers(0, 2, 120), tried)
    assert halves.places(x, lots, tried, 0) == [None] * 3


def test_as_many_rows_are_tried_as_the_largest_number_of_groups(samples, monkeypatch):
    monkeypatch.setattr(halves, "ASKED", 2)
    assert halves.places(samples[0], starts(samples[1], [2, 5]), [2, 5], 0) == [None] * 2


def test_few_columns_are_not_asked(samples, rng):
    _, y = samples
    for columns, asked in ((19, False), (20, True)):
        (place,) = halves.places(
            9 * rng.normal(size=(K, columns))[y] + rng.normal(size=(120, columns)), starts(rng.permutation(y)), [K], 0
        )
        assert (place is not None) == asked


@pytest.mark.parametrize(("wrong", "clearer"), [([0, 1, 2, 3], True), ([0, 1], False), ([4, 5], False)])
def test_half_of_the_starts_say_what_they_have_not_found(samples, rng, wrong, clearer):
    """One of them may have one group alone, with as many borders as there are."""
    x, y = samples
    found = np.tile(y, (1, choosing.STARTS, 1))
    found[0, wrong] = rng.permutation(y)
    found[0, wrong[0]] = 0
    (place,) = halves.places(x, found, [K], 0)
    assert (place is not None) == clearer


@pytest.mark.parametrize(("share", "clearer"), [(0.75, True), (0.85, False)])
def test_starts_stay_unless_halves_part_clearly_fewer(samples, share, clearer, monkeypatch):
    monkeypatch.setattr(halves._Way, "held_out", lambda *_: 0.5 * share)
    monkeypatch.setattr(halves._Way, "borders", lambda *_: 0.5)
    monkeypatch.setattr(halves._Way, "least_apart", lambda way, k, seed: k - K)
    (place,) = halves.places(samples[0], starts(samples[1]), [K], 0)
    assert (place is not None) == clearer


@pytest.mark.parametrize(
    ("apart", "after", "counts"),
    [
        (0.14, 0.5, True),
        (0.16, 0.9, False),
        (0.1, 0.31, True),
        (0.1, 0.29, False),
        (0.0, 0.0, False),
        (0.1, np.inf, True),
    ],
)
def test_groups_count_if_none_is_a_piece_of_another_and_one_of_the_next_number_is(
    samples, apart, after, counts, monkeypatch
):
    monkeypatch.setattr(halves._Way, "least_apart", lambda way, k, seed: {K: apart, K + 1: after}[k])
    (place,) = halves.places(samples[0], starts(np.arange(120) % 2), [K], 0)
    assert (place is not None) == counts


@pytest.mark.parametrize(("n", "asked"), [(40, True), (60, False)])
def test_few_rows_are_asked_however_surely_their_groups_are_found(n, asked, rng):
    """As a start takes those that halves show of fewer than fifteen for each group."""
    y = np.arange(n) % K
    x = rng.normal(size=(n, 400)) + rng.normal(size=(K, 400))[y]
    (place,) = halves.places(x.astype("f4"), starts(y), [K], 0)
    assert (place is not None) == asked


def way_of(halved):
    return halves._Way(np.arange(len(halved[0][0])), [halved], lambda: None)


def test_the_group_least_apart_counts_with_as_many_neighbours_as_it_has_rows(rng):
    """Five rows far from all others have four neighbours among them; a piece of a cloud has many in the rest of it."""
    far = np.concatenate([rng.normal(size=(60, 2)), 50 + rng.normal(size=(5, 2)), -50 + rng.normal(size=(60, 2))])
    near = halves.parting.nearest(far, np.arange(125))
    both = way_of([(far, near), (far + 0.01 * rng.normal(size=far.shape), near)])
    assert both.least_apart(3, 0) == 0 < both.held_out(3, 0)
    assert both.least_apart(4, 0) > halves.PIECE  # a piece of one of the clouds
    groups = halves.regions.kmeans(far, 4, 0)
    cut = [c for c in range(4) if 5 < np.sum(groups == c) < 60]
    own = max(np.mean(groups[near[groups == c]] != c) / np.mean(groups != c) for c in cut)
    assert both.least_apart(4, 0) == pytest.approx(own, rel=0.1)
    assert both.least_apart(70, 0) == both.held_out(70, 0) == np.inf


def test_rows_that_a_start_has_not_read_count_neither_as_rows_nor_as_neighbours(samples, rng):
    x, y = samples
    given = np.where(rng.random(120) < 0.3, -1, rng.permutation(y))
    way = next(halves._ways(x, K, 0))
    shares = []
    for one, near in (half for both in way.splits for half in both):
        own = given[way.asked]
        pairs = [(own[i], own[j]) for i in range(len(one)) for j in near[i] if own[i] >= 0 and own[j] >= 0]
        known = own[own >= 0]
        chance = np.mean([a != b for a in known for b in known])
        shares.append(np.mean([a != b for a, b in pairs]) / chance)
    assert way.borders(given) == pytest.approx(np.mean(shares))
    assert way.borders(np.where(given < 0, -1, 0)) == np.inf  # one group parts nothing, whatever it holds


def test_strength_is_that_of_the_groups_in_the_places(rng, monkeypatch):
    """k-means of the rows alone finds other groups on other rows."""
    y = np.arange(240) % K
    place, x, tried = 9 * np.eye(K)[y] + rng.normal(size=(240, K)), rng.normal(size=(240, 2)), [2, 3, 4]

    def shown(pool, found):
        np.testing.assert_array_equal(np.sort(pool), np.arange(240))
        assert found.shape == (3, choosing.STARTS, 240)
        return [place[pool], place[pool], None]

    def kmeans(rows, k, seed):
        seeds.append(seed)
        return means(rows, k, seed)

    seeds, means = [], choosing.regions.kmeans
    alone = choosing.compared(x, tried, "kmeans", 0)
    monkeypatch.setattr(choosing.regions, "kmeans", kmeans)
    ari, strong, places = choosing.compared(x, tried, "kmeans", 0, places=shown)
    assert [at is None for at in places] == [False, False, True]
    assert (ari[1], strong[1]) == (1, 1)
    assert strong[0] > 0  # two groups, neither empty
    assert len(set(seeds)) == choosing.STARTS  # each has its own there as well
    for own, with_places in zip(alone[:2], (ari, strong), strict=True):
        assert (own == with_places).tolist() == [False, False, True]
    assert choosing.chosen(tried, ari, strong).n_clusters == K


def test_borders_are_those_of_the_place(rng, monkeypatch):
    """The rows themselves are one cloud; a place that is one cloud, too, has as many as clouds have."""
    x, y, methods, start = rng.normal(size=(300, 2)), np.arange(300) % K, [], choosing.starting.start
    monkeypatch.setattr(
        choosing.starting,
        "start",
        lambda z, k, method, *more, **kind: methods.append(method) or start(z, k, method, *more, **kind),
    )
    of = partial(choosing.borders, x, K, "landmark", 0, [x, x], "broad")
    own, of_clouds = of(30 * np.eye(K)[y] + rng.normal(size=(300, K)))
    assert own == 0 < of_clouds
    assert set(methods) == {"kmeans"}  # as a start groups them there
    own, of_clouds = of(rng.normal(size=(300, 2)) * [9, 1])
    assert own > choosing.SPARSE * of_clouds


def test_the_number_is_that_of_the_groups_that_halves_show(samples, monkeypatch):
    x, y = samples
    monkeypatch.setattr(choosing, "MOST", 5)
    fit = fitting(x)
    chosen, choice = recipe.choose(fit)
    assert (choice.n_clusters, choice.sure) == (K, "sure")
    assert adjusted_rand_score(y, groups.found_groups(chosen, "init").groups) > 0.95


def test_borders_are_asked_where_the_number_that_is_chosen_was_found(samples, monkeypatch):
    asked, found = [], (np.array([0.5, 0.9, 0.6]), np.array([0.5, 0.9, 0.6]), ["two", "three", "four"])
    monkeypatch.setattr(choosing, "numbers_tried", lambda n: range(2, 5))
    monkeypatch.setattr(choosing, "compared", lambda *_: found)
    monkeypatch.setattr(choosing, "borders", lambda *given: asked.append(given[-1]) or np.array([0.0, 1.0]))
    recipe.choose(fitting(samples[0]))
    assert asked == ["three"]


@pytest.mark.parametrize(
    ("columns", "more", "asked"), [(400, {}, True), (400, {"init": "kmeans"}, False), (30, {}, False)]
)
def test_where_the_start_asks_no_halves_none_are_asked(columns, more, asked, rng):
    assert groups.asks_halves(fitting(rng.normal(size=(60, columns)), **more)) == asked


def test_rows_of_one_length_ask_no_halves(rng):
    """Of these a start does not either, where all draws find the same."""
    x = rng.normal(size=(60, 300))
    fit = fitting(x / np.linalg.norm(x, axis=1, keepdims=True))
    assert fit.data.of_one_length
    assert not groups.asks_halves(fit)


def test_rows_are_asked_as_they_stand_in_the_pool(samples, rng):
    """Else those of the starts are others."""
    x, y = samples
    fit, pool = fitting(x), rng.permutation(120)
    assert groups.shown_by_halves(fit, fit.data.rows, [K], pool, starts(y[pool])) == [None]


def test_texts_ask_no_halves(rng):
    words = np.maximum(rng.normal(-1.5, 1, (90, 300)), 0)
    words /= np.maximum(np.linalg.norm(words, axis=1, keepdims=True), 1e-9)
    assert fitting(words).data.texts
    assert not groups.asks_halves(fitting(words))
