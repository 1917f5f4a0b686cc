"""Origins brought together one after the other: each is held against all that were moved before it."""

import numpy as np
from scipy.spatial.distance import cdist
from test_origins import SMALL, cells, observed

from vade_tf import Settings
from vade_tf.training import alignment, feature_spaces, recipe


def test_a_third_origin_is_held_against_the_second_as_it_was_moved(rng):
    """It shares its only cloud with the second alone."""
    centres = np.array([[0.0, 0, 0], [0, 9, 0]])
    y, origins = np.repeat([0, 0, 1, 1], [600, 250, 250, 300]), np.repeat([0, 1, 2], [600, 500, 300])
    moved = np.array([[0, 0, 0], [1, -2, 2.5], [-2, 1, 1.5]])
    rows = centres[y] + rng.normal(size=(1400, 3)) + moved[origins]
    found = alignment.shifts(rows.astype("f4"), origins, 3)
    np.testing.assert_allclose(found - found[0], moved, atol=1)


def test_the_largest_origin_is_the_one_that_others_are_held_against(rng):
    """Two small ones share no cloud with each other, and each of them one with the largest."""
    centres = np.array([[0.0, 0, 0], [0, 9, 0]])
    y, origins = np.repeat([0, 1, 0, 1], [200, 250, 300, 300]), np.repeat([0, 1, 2], [200, 250, 600])
    moved = np.array([[1, -2, 2.5], [-2, 1, 1.5], [0, 0, 0]])
    rows = centres[y] + rng.normal(size=(1050, 3)) + moved[origins]
    found = alignment.shifts(rows.astype("f4"), origins, 3)
    np.testing.assert_allclose(found - found[2], moved, atol=1)


def test_from_an_origin_without_rows_nothing_is_taken_away_and_the_mean_of_all_rows_stays(rng):
    """A start reads some of many rows, among which a small origin may be missing."""
    origins = np.repeat([0, 2], [300, 100])
    rows = (rng.normal(size=(400, 3)) + np.where(origins == 2, 1.5, 0)[:, None]).astype("f4")
    found = alignment.shifts(rows, origins, 4)
    assert np.abs(found[[0, 2]]).min() > 0.1
    np.testing.assert_array_equal(found[[1, 3]], np.zeros((2, 3)))
    np.testing.assert_allclose((rows - found[origins]).mean(axis=0), rows.mean(axis=0), atol=1e-5)


def test_an_origin_of_few_rows_is_brought_together_too(rng):
    rows, origins = rng.normal(size=(205, 3)).astype("f4"), np.repeat([0, 1], [200, 5])
    assert np.isfinite(alignment.shifts(rows, origins, 2)).all()


def test_of_many_rows_those_asked_come_from_all_of_an_origin_and_from_all_origins_before_it(monkeypatch):
    """A row is its number here: origins follow one another, and so may the kinds of rows in each of them."""
    seen = []

    def difference(rows, others):
        seen.append((rows[:, 0], others[:, 0]))
        return np.zeros(1)

    monkeypatch.setattr(alignment, "_difference", difference)
    monkeypatch.setattr(alignment, "ASKED", 40)
    alignment.shifts(np.arange(300, dtype="f4")[:, None], np.arange(300) // 100, 3)
    (second, first), (third, before) = seen
    for origin, rows in enumerate((first, second, third)):
        assert len(rows) == 40
        assert np.all(rows // 100 == origin)
        assert 5 < np.sum(rows % 100 < 50) < 35
    assert len(before) == 40
    assert before.max() < 200
    assert 5 < np.sum(before < 100) < 35


def test_of_directions_of_counts_what_the_labs_add_is_taken_away():
    _, y, lab = cells(600)
    fitting = recipe.begin(observed(600), Settings(clusters=3, **SMALL))

    def apart(rows):
        """How far the means of the two labs are from one another, for each type: [3]."""
        (found,) = feature_spaces.count_directions(fitting.model, rows)(rows)
        means = [[found[(y == kind) & (lab == o)].mean(axis=0) for o in (0, 1)] for kind in range(3)]
        return np.linalg.norm(np.diff(np.array(means), axis=1)[:, 0], axis=-1)

    assert (apart(fitting.data.rows) < 0.6 * apart(fitting.data.x)).all()


def test_an_origin_has_arrived_where_its_pairs_of_mutual_neighbours_no_longer_differ(rng):
    """Law: with the shifts taken away, their mean difference is a thousandth of the spread of the rows at most."""
    origins = np.repeat([0, 1], [300, 200])
    rows = (rng.normal(size=(500, 3)) + 1.5 * origins[:, None]).astype("f4")
    moved = rows - alignment.shifts(rows, origins, 2)[origins]
    apart = cdist(moved[300:], moved[:300])
    near, back = apart.argsort(axis=1).argsort(axis=1) < 20, apart.argsort(axis=0).argsort(axis=0) < 20
    mine, theirs = np.nonzero(near & back)
    step = (moved[300 + mine] - moved[theirs]).mean(axis=0)
    assert np.linalg.norm(step) < 0.0015 * np.sqrt(rows.var(axis=0).sum())


def test_the_mean_of_all_rows_stays_however_many_rows_an_origin_has(rng):
    origins = np.repeat([0, 1, 2], [300, 150, 50])
    rows = (rng.normal(size=(500, 3)) + np.array([0, 1.5, -1.5])[origins, None]).astype("f4")
    found = alignment.shifts(rows, origins, 3)
    assert np.abs(found).min() > 0.1
    np.testing.assert_allclose((rows - found[origins]).mean(axis=0), rows.mean(axis=0), atol=1e-5)


def test_what_is_taken_away_does_not_hang_on_where_all_rows_lie(rng):
    origins = np.repeat([0, 1], [300, 200])
    rows = rng.normal(size=(500, 3)) + 1.5 * origins[:, None]
    found, far = (alignment.shifts(rows + place, origins, 2) for place in (0.0, 1000.0))
    np.testing.assert_allclose(far, found, atol=1e-4)
