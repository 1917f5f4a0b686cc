"""A column of two humps that says nothing of a table's groups: the graph of a start falls apart along it."""

import numpy as np
import pytest
from scipy.spatial.distance import pdist
from sklearn.metrics import adjusted_rand_score

from vade_tf.training import parting, regions, table_starts
from vade_tf.training import start as starts


def blobs(rng, n, k, width, apart):
    """Round groups [n, width] whose centres are so many deviations apart at least, and the group of each row."""
    y, means = rng.integers(k, size=n), rng.normal(size=(k, width))
    return rng.normal(size=(n, width)) + apart * means[y] / pdist(means).min(), y


def of_variance_one(rows):
    return ((rows - rows.mean(axis=0)) / rows.std(axis=0)).astype("f4")


def two_units(x, other):
    """The first column of some rows in another unit, as amounts of a laboratory are after the logarithm."""
    return np.column_stack([x[:, 0] + 6 * x[:, 0].std() * other, x[:, 1:]])


def two_devices(x, other, rng):
    """Two columns more, which say by which device the row was measured."""
    return np.column_stack([x, 8 * other + rng.normal(size=len(x)), rng.normal(size=len(x)) - 6 * other])


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("how", ["units", "devices"])
def test_groups_are_found_though_a_number_has_two_humps_of_its_own(how, seed):
    rng = np.random.default_rng(seed)
    x, y = blobs(rng, 900, 4, 6, 4.0)
    other = rng.random(900) < 0.4
    rows = of_variance_one(two_units(x, other) if how == "units" else two_devices(x, other, rng))
    found = table_starts.of_table(rows, 4, 0)
    agreed = adjusted_rand_score(y, found)
    assert agreed > (0.75 if how == "units" else 0.9)
    assert agreed > adjusted_rand_score(y, regions.kmeans(rows, 4, 0)) + 0.02


def test_groups_that_two_humps_part_are_kept(rng):
    """Four groups, of which one column parts two from two."""
    y = rng.integers(4, size=900)
    rows = rng.normal(size=(900, 6))
    rows[:, 0] += 9 * (y // 2)
    rows[:, 1:] += 5 * rng.normal(size=(4, 5))[y]
    rows = of_variance_one(rows)
    assert parting.beside_one(rows, y) is None
    assert adjusted_rand_score(y, table_starts.of_table(rows, 4, 0)) > 0.9


@pytest.fixture
def humps(rng):
    """Rows whose columns 0 to 3 have two groups y, while 4 and 5 tell which device measured them; y and the device."""
    y, device = rng.integers(2, size=(2, 600))
    rows = rng.normal(size=(600, 6))
    rows[:, :4] += 5 * y[:, None]
    rows[:, 4:] += 8 * device[:, None]
    return of_variance_one(rows), y, device


def test_what_goes_with_the_column_that_groups_follow_is_left_out_with_it(humps):
    rows, _, device = humps
    np.testing.assert_array_equal(parting.beside_one(rows, device), [True] * 4 + [False] * 2)
    assert parting.beside_one(rows[:, :5], device).tolist() == [True] * 4 + [False]


def test_groups_that_most_columns_show_follow_none_of_them(humps):
    rows, y, _ = humps
    assert parting.beside_one(rows, y) is None


@pytest.mark.parametrize("shape", ["round", "skewed", "long", "humps"])
def test_a_cloud_beside_the_humps_is_no_reason_to_leave_them_out(humps, shape, rng):
    rows, _, device = humps
    rest = rng.normal(size=(600, 4))
    shapes = {
        "skewed": np.exp(2 * rest),
        "long": rest + 5 * rest[:, :1],
        "humps": rest + 4 * rng.integers(2, size=(600, 4)),
    }
    rows[:, :4] = of_variance_one(shapes.get(shape, rest))
    assert parting.beside_one(rows, device) is None


def test_two_columns_at_least_and_half_of_them_are_asked_beside_the_humps(humps):
    rows, _, device = humps
    assert parting.beside_one(rows[:, 3:], device) is None
    assert parting.beside_one(rows[:, [0, 4]], device) is None
    more = np.hstack([rows[:, 1:], rows[:, 4:] + 0.1 * rows[:, :2]])  # three columns beside four that go together
    assert parting.beside_one(more, device) is None
    assert parting.beside_one(more[:, :6], device).tolist() == [True] * 3 + [False] * 3


def test_groups_that_follow_no_column_are_left_as_they_are(humps, rng):
    """However many borders they have, and the columns none."""
    for _ in range(5):
        assert parting.beside_one(humps[0], rng.integers(2, size=600)) is None


def test_of_the_columns_that_groups_follow_that_one_is_left_out_without_which_the_borders_are_the_fewest():
    """One of the groups' own columns follows them more than the two humps do."""
    rng = np.random.default_rng(10)
    x, _ = blobs(rng, 900, 5, 5, 3.5)
    rows = of_variance_one(np.column_stack([x, 8 * (rng.random(900) < 0.4) + rng.normal(size=900)]))
    groups = starts.vote(regions.landmark_draws([rows], 5, starts.several(0, 8)), 5)
    assert parting.beside_one(rows, groups).tolist() == [True] * 5 + [False]


def test_regions_that_k_means_finds_in_all_columns_as_well_follow_no_gap(rng, monkeypatch):
    """It is not drawn to gaps as a graph is, so nothing is left out."""
    x, y = blobs(rng, 300, 3, 4, 12.0)
    means = np.where(np.arange(300) < 15, 0, y)  # nearly the same
    monkeypatch.setattr(parting, "beside_one", lambda *_: np.array([True, False, False, False]))
    monkeypatch.setattr(starts.regions, "kmeans", lambda *_: means)
    monkeypatch.setattr(starts.regions, "landmark_draws", lambda *_: [y] * 8)
    np.testing.assert_array_equal(table_starts.of_table(of_variance_one(x), 3, 0), y)
