"""Scores against brute force, and their laws."""

import numpy as np
import oracles
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vade_tf import metrics

labels = st.lists(st.integers(0, 3), min_size=4, max_size=30).map(lambda v: np.array([0, 1, 2, 3, *v]))


@given(labels, st.randoms())
def test_accuracy_equals_trying_every_naming(y, random):
    groups = np.array([random.randrange(4) for _ in y])
    groups[:4] = range(4)
    assert metrics.accuracy(y, groups) == oracles.accuracy(y, groups, 4)


@given(labels, st.permutations(range(4)))
def test_renaming_groups_changes_nothing(y, names):
    assert metrics.scores(y, np.array(names)[y]) == pytest.approx({"acc": 1.0, "nmi": 1.0, "ari": 1.0})


def test_more_groups_than_labels_or_fewer():
    y = np.array([0, 0, 0, 0, 1, 1])
    assert metrics.accuracy(y, np.array([0, 0, 1, 1, 2, 2])) == 4 / 6  # the second half of label 0 has no partner
    assert metrics.accuracy(y, np.zeros(6, int)) == 4 / 6
