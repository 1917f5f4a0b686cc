"""Batch effects: batches are compared one after the other with all that were moved before them."""

import numpy as np

from vade_tf.training import alignment


def test_a_third_origin_is_held_against_the_second_as_it_was_moved(rng):
    """It shares its only cloud with the second alone."""
    centres = np.array([[0.0, 0, 0], [0, 9, 0]])
    y, origins = np.repeat([0, 0, 1, 1], [600, 250, 250, 300]), np.repeat([0, 1, 2], [600, 500, 300])
    moved = np.array([[0, 0, 0], [1, -2, 2.5], [-2, 1, 1.5]])
    rows = centres[y] + rng.normal(size=(1400, 3)) + moved[origins]
    found = alignment.shifts(rows.astype("f4"), origins, 3)
    np.testing.assert_allclose(found - found[0], moved, atol=1)


def test_from_an_origin_without_rows_nothing_is_taken_away_and_the_mean_of_all_rows_stays(rng):
    """A start reads some of many rows, among which a small origin may be missing."""
    origins = np.repeat([0, 2], [300, 100])
    rows = (rng.normal(size=(400, 3)) + np.where(origins == 2, 1.5, 0)[:, None]).astype("f4")
    found = alignment.shifts(rows, origins, 4)
    assert np.abs(found[[0, 2]]).min() > 0.1
    np.testing.assert_array_equal(found[[1, 3]], np.zeros((2, 3)))
    np.testing.assert_allclose((rows - found[origins]).mean(axis=0), rows.mean(axis=0), atol=1e-5)


def test_clouds_that_an_origin_has_moved_come_together_though_it_has_others(rng):
    """Three clouds; the first origin has none of the last, which most of the second are of."""
    centres = np.array([[0.0, 0, 0], [9, 0, 0], [0, 9, 0]])
    y = np.concatenate([rng.choice(3, 900, p=[0.5, 0.5, 0.0]), rng.choice(3, 600, p=[0.1, 0.3, 0.6])])
    origins = np.repeat([0, 1], [900, 600])
    moved = np.array([1.0, -2.0, 2.5])
    rows = centres[y] + rng.normal(size=(1500, 3)) + moved * origins[:, None]
    found = alignment.shifts(rows.astype("f4"), origins, 2)
    np.testing.assert_allclose(found[1] - found[0], moved, atol=0.5)
    centred = rows[origins == 1].mean(axis=0) - rows[origins == 0].mean(axis=0)
    assert np.abs(centred - moved).max() > 2  # what means of whole origins would take away
    np.testing.assert_allclose(900 * found[0] + 600 * found[1], 0, atol=0.1)  # all rows together stay
