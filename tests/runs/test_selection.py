"""Which run and which K: laws, and the rule that recommends one."""

import numpy as np

from vade_tf.runs import selection


def test_runs_that_collapsed_agree_with_nothing():
    """Not with one another either: three of five would be the ones that others agree with most."""
    one, good = np.zeros(12, int), np.arange(12) % 3
    found = selection.agreement([one, good, one, np.roll(good, 1), one])
    np.testing.assert_allclose(found, [0, 0.25, 0, 0.25, 0])
    np.testing.assert_array_equal(selection.agreement([one, one]), [1, 1])  # where one cluster was asked for


def test_the_largest_strong_k_is_recommended_or_else_the_strongest():
    assert selection.recommend([1, 4, 5, 6], [1.0, 0.9, 0.3, 0.1])[0] == 4
    assert selection.recommend([2, 3, 4], [0.4, 0.5, 0.3])[0] == 3
