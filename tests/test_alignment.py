"""Origins brought together one after the other: each is held against all that were moved before it."""

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
