"""The number of clusters chosen on the start: right where groups are clear, unsure where there are none, no labels."""

import numpy as np
import pytest
from scipy.spatial.distance import pdist
from sklearn.metrics import adjusted_rand_score

from vade_tf.errors import InputError
from vade_tf.training import choosing, recipe, regions
from vade_tf.training.settings import Settings
from vade_tf.training.store import Memory
from vade_tf.training.views import YES_AND_NO


def rows(n_groups, n=240, seed=0):
    """Far groups of unequal size: [n, 6] and the group of each."""
    r = np.random.default_rng(seed)
    y = r.choice(n_groups, n, p=r.dirichlet(np.full(n_groups, 20.0)))
    return (8 * np.eye(n_groups, 6)[y] + r.normal(size=(n, 6))).astype("f4"), y


def choice_of(x, method="landmark", views=None, kind="code"):
    tried = choosing.numbers_tried(len(x))
    found = choosing.chosen(tried, *choosing.compared(x, tried, method, 0, views, kind)[:2])
    return choosing.doubted(found, choosing.borders(x, found.n_clusters, method, 0, views, kind))


@pytest.fixture
def fewer(monkeypatch):
    """Fewer numbers are tried, where those beyond ask the same again."""
    monkeypatch.setattr(choosing, "MOST", 10)


@pytest.mark.parametrize(
    ("n_groups", "read"),
    [
        (3, "code"),
        (5, "table"),
        *(pytest.param(*each, marks=pytest.mark.long) for each in ((5, "two views"), (3, "table"), (5, "counts"))),
        (3, "kmeans"),
    ],
)
def test_clear_groups_are_counted(n_groups, read, monkeypatch):
    most = choosing.MOST if read == "code" else 10
    monkeypatch.setattr(choosing, "MOST", most)
    x, _ = rows(n_groups, 160)
    more = {
        "two views": {"views": [x, np.tanh(x @ np.random.default_rng(1).normal(size=(6, 8)) / 9)]},
        "table": {"views": [x], "kind": "table"},
        "counts": {"views": [rows(7, 160, 5)[0], rows(8, 160, 6)[0], x], "kind": "counts"},
    }.get(read, {})
    choice = choice_of(x, "kmeans" if read == "kmeans" else "landmark", **more)
    assert (choice.n_clusters, choice.sure) == (n_groups, "sure")
    assert choice.tried == list(range(2, most + 1))
    assert choice.strength[n_groups - 2] == max(choice.strength[n_groups - 2 :]) >= choosing.STRONG


def test_rows_far_out_are_no_clusters_of_one_row_each(rng, fewer):
    """No start loses a group of one row, so each had been one: seven groups of three and four rows."""
    x, _ = rows(3)
    x[:4] += 60 * abs(rng.normal(size=(4, 6)))
    choice = choice_of(x, views=[x], kind="table")
    assert (choice.n_clusters, choice.sure) == (4, "sure")  # those far out together


def test_an_answer_that_tells_nothing_does_not_double_the_groups_of_a_table():
    r = np.random.default_rng(3)
    y, means = r.integers(4, size=800), r.normal(size=(4, 6))
    x = 4 * means[y] / pdist(means).min() + r.normal(size=(800, 6))
    x = np.hstack([x / x.std(axis=0), (r.random((800, 1)) < 0.5) / YES_AND_NO]).astype("f4")
    tried = [2, 3, 4, 5, 8]
    assert choosing.chosen(tried, *choosing.compared(x, tried, "landmark", 0, [x], "table")[:2]).n_clusters == 4


@pytest.mark.parametrize("table", [False, True])
def test_one_cloud_has_no_number(rng, fewer, table):
    x = rng.normal(size=(300, 6))
    assert choice_of(x, kind="table" if table else "code").sure == "not sure"


@pytest.mark.parametrize("shape", ["long", "square"])
def test_groups_of_a_cloud_that_are_found_again_are_doubted(rng, fewer, shape):
    """Two columns that go together are cut across, a square is quartered: at the same places each time."""
    one, noise = rng.normal(size=(2, 600))
    x = np.stack([one, 0.9 * one + np.sqrt(1 - 0.9**2) * noise], axis=1) if shape == "long" else rng.random((600, 2))
    found = choice_of(x, "kmeans")
    assert found.sure == "not sure"
    assert "so are those of a cloud without groups" in found.why
    assert max(found.strength) >= choosing.STRONG  # by which alone they would be sure


@pytest.mark.parametrize(("own", "sure"), [(0.059, "sure"), (0.061, "not sure")])
def test_groups_may_part_three_fifths_of_the_neighbours_that_those_of_clouds_part(own, sure):
    found = choosing.chosen([2, 3, 4], [0.9, 0.9, 0.5], [0.9, 0.9, 0.5])
    assert choosing.doubted(found, np.array([own, 0.1])).sure == sure


def test_rows_that_are_all_alike_are_no_groups():
    """Every start puts them into one group, and that one is found again each time."""
    with pytest.warns(UserWarning, match="distinct clusters"):  # scikit-learn's
        choice = choice_of(np.ones((30, 3)), "kmeans")
    assert (choice.sure, choice.strength) == ("not sure", [0.0] * 5)


def test_the_rule():
    tried = range(2, 21)

    def of(stability, strength):
        ari, strong = np.full(19, 0.5), np.full(19, 0.3)
        for k, value in stability.items():
            ari[k - 2] = value
        for k, value in strength.items():
            strong[k - 2] = value
        choice = choosing.chosen(tried, ari, strong)
        return choice.n_clusters, choice.sure

    assert of({4: 0.99}, {2: 0.9, 4: 0.8}) == (4, "sure")
    assert of({2: 1.0, 4: 0.985}, {2: 0.9, 4: 0.8}) == (4, "sure")  # as good as the highest
    assert of({2: 1.0, 4: 0.97}, {2: 0.9, 4: 0.8}) == (4, "fairly sure")
    assert of({20: 1.0}, {20: 0.9}) == (20, "fairly sure")  # more might be better
    assert of({7: 0.6}, {9: 0.79}) == (7, "not sure")


def test_the_last_of_a_short_range_is_not_sure():
    found = choosing.chosen(range(2, 11), np.linspace(0.5, 1, 9), np.linspace(0, 0.9, 9))
    assert (found.n_clusters, found.sure) == (10, "fairly sure")
    assert "it is the largest that was tried" in found.why


def test_a_strength_that_is_not_enough_is_not_rounded_up_to_what_would_be():
    found = choosing.chosen([2, 3], np.array([0.9, 0.8]), np.array([0.797, 0.5]))
    assert found.sure == "not sure"
    assert found.why.endswith("(strength 0.79, of at least 0.8)")


def test_one_graph_is_cut_as_a_graph_for_each_number():
    x, y = rows(4)
    groups = regions.landmark_cuts([x], [2, 4, 6], 3, 5)
    assert [len(np.unique(each)) for each in groups] == [2, 4, 6]
    for four in (groups[1], regions.landmark_draw([x], 4, 3)):
        assert adjusted_rand_score(four, y) == 1.0
    few = x[:60]  # 12 landmarks: enough for a graph of 4 groups, not of 12
    four, twelve = regions.landmark_cuts([few], [4, 12], 3, 5)
    np.testing.assert_array_equal(twelve, regions.kmeans(few, 12, 3))
    np.testing.assert_array_equal(four, regions.landmark_cuts([few], [4], 3, 5)[0])


@pytest.mark.parametrize(
    ("kind", "read"), [("counts", [[2]]), ("code", [[0, 1, 2]]), ("wide", [[0, 1], [2]]), ("texts", [[0, 1, 2]])]
)
def test_of_counts_the_last_view_is_cut_and_of_a_code_all(kind, read, monkeypatch):
    """Of many columns the code and the columns, each by itself."""
    seen, views = [], [np.full((60, 2), number, "f4") for number in range(3)]

    def cuts(given, tried, seed, **more):
        seen.append([int(view[0, 0]) for view in given])
        return [np.arange(len(given[0])) % k for k in tried]

    monkeypatch.setattr(regions, "landmark_cuts", cuts)
    choosing.compared(views[0], [2, 3], "landmark", 0, views, kind)
    assert sorted(seen) == sorted(read * (choosing.STARTS * choosing.DRAWS))


@pytest.mark.parametrize(("kind", "steady"), [("broad", True), ("wide", True), ("code", False)])
def test_of_many_columns_groups_that_these_alone_show_are_judged(kind, steady, rng, monkeypatch):
    """Draws on the code differ each time; k-means of the columns finds the same two, which the code shows a little."""
    z, columns = (np.repeat([[0.0, 0.0], [far, far]], 60, axis=0) + rng.normal(size=(120, 2)) for far in (1, 20))
    draw = np.random.default_rng(0)

    def differ(views, tried, *given, **more):
        return [draw.integers(k, size=len(views[0])) for k in tried]

    monkeypatch.setattr(choosing.regions, "landmark_cuts", differ)
    ari, _, _ = choosing.compared(z, [2], "landmark", 0, [z, columns], kind)
    assert bool(ari[0] == 1.0) is steady


@pytest.mark.parametrize("clear", [0, 1])
def test_borders_of_many_columns_are_those_of_the_place_that_shows_the_groups(clear, rng):
    """The other place is one cloud; of it alone the borders are as many as those of clouds."""
    views = [rng.normal(size=(300, 2)) for _ in range(2)]
    views[clear] = np.eye(3)[np.arange(300) % 3] * 30 + rng.normal(size=(300, 3))
    own, of_clouds = choosing.borders(views[0], 3, "landmark", 0, views, "broad")
    assert own == 0.0 < of_clouds


def test_few_rows_try_few_numbers():
    assert choosing.numbers_tried(10) == range(2, 3)
    assert choosing.numbers_tried(37) == range(2, 8)
    assert choosing.numbers_tried(10_000) == range(2, 21)


def test_that_there_are_too_few_rows_is_said_before_an_autoencoder_is_trained(rng, monkeypatch):
    monkeypatch.setattr(recipe, "pretrain", lambda fitting: pytest.fail("of which nothing would be left"))
    with pytest.raises(InputError, match="^clusters: 'auto' needs at least 10 rows, got 9; give a number"):
        recipe.fit(rng.normal(size=(9, 3)), Settings(clusters="auto", hidden=(4,)))


def test_starts_read_rows_from_all_over_a_large_file():
    """Which may have one group after the other. Of a pool of 6,250 rows each start reads 5,000."""
    pool, parts = choosing.resampled(20_000, 3, 0)
    assert len(np.unique(pool)) == len(pool) == 6250
    quarters = np.bincount(pool // 5000, minlength=4)
    assert len(quarters) == 4
    assert np.abs(quarters - 6250 / 4).max() < 200
    assert [len(np.unique(part)) for part in parts] == [5000] * choosing.STARTS
    assert max(part.max() for part in parts) < 6250
    assert len({part.tobytes() for part in parts}) == choosing.STARTS


@pytest.mark.parametrize(
    "compare",
    [choosing.stability, lambda z, k, *how: choosing.compared(z, [k], *how)],
    ids=["one number", "several numbers"],
)
def test_what_a_start_is_given_are_these_rows_and_not_the_first_of_the_file(compare, monkeypatch):
    seen = []

    def start(z, k, method, seed):
        seen.append(z[:, 0].astype(int))
        return choosing.starting.Start(np.arange(len(z)) % k, *(None,) * 3)

    monkeypatch.setattr(choosing, "START_ROWS", 80)
    monkeypatch.setattr(choosing.starting, "start", start)
    compare(np.arange(1000.0)[:, None], 2, "kmeans", 0)
    assert len(seen) == choosing.STARTS
    for rows in seen:
        assert len(np.unique(rows)) == 80
        assert np.bincount(rows // 250, minlength=4).min() > 8  # of each quarter


def test_each_start_has_seeds_of_its_own(rng, monkeypatch):
    """Groups that come again with the same seed alone may be those of chance."""
    seeds = []

    def cuts(views, tried, seed, **more):
        seeds.append(seed)
        return [np.arange(len(views[0])) % k for k in tried]

    monkeypatch.setattr(regions, "landmark_cuts", cuts)
    choosing.compared(rng.normal(size=(60, 2)), [2, 3], "landmark", 0)
    assert len(set(seeds)) == len(seeds) == choosing.STARTS * choosing.DRAWS


@pytest.mark.parametrize("kind", ["table", "code"])
def test_where_draws_find_other_regions_each_time_k_means_groups_a_table_and_not_a_code(kind, monkeypatch):
    """Its groups are the same on any rows here."""

    def cuts(views, tried, seed, **more):
        return [np.random.default_rng(seed).integers(k, size=len(views[0])) for k in tried]

    monkeypatch.setattr(regions, "landmark_cuts", cuts)
    monkeypatch.setattr(regions, "kmeans", lambda rows, k, seed: rows[:, 0].astype(int) % k)
    ari, strength, _ = choosing.compared(np.arange(200.0)[:, None], [2, 3], "landmark", 0, kind=kind)
    if kind == "table":
        assert (ari.tolist(), strength.tolist()) == ([1, 1], [1, 1])
    else:
        assert ari.max() < 0.2


def test_what_was_found_for_other_numbers_is_no_choice():
    """One that was kept by a version that tried others would name the wrong number."""
    store, tried = Memory(), np.arange(2, 7)
    found = {"stability": np.linspace(0.5, 0.9, 5), "strength": np.array([0.9, 0.95, 0.7, 0.6, 0.5])}
    store.save("clusters", {"tried": tried, **found})
    assert choosing.kept_choice(store, 30).n_clusters == 3
    store.save("clusters", {"tried": tried + 1, **found})
    with pytest.raises(InputError, match="^store: clusters is damaged .expected the numbers from 2 to 6.; remove it"):
        choosing.kept_choice(store, 30)


def test_a_table_of_one_column_has_clouds_to_be_compared_with(rng):
    """Two far groups of one column have next to no borders, and a cloud that is cut in two has some."""
    x = (9.0 * (np.arange(200) % 2) + rng.normal(size=200))[:, None]
    own, of_clouds = choosing.borders(x, 2, "kmeans", 0, None, "code")
    assert 0 <= own < 0.01 < of_clouds < 0.2
