"""Scores against brute force, and their laws."""

import numpy as np
import oracles
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vade_tf import metrics
from vade_tf.errors import InputError

labels = st.lists(st.integers(0, 3), min_size=4, max_size=30).map(lambda v: np.array([0, 1, 2, 3, *v]))


@given(labels, st.randoms())
def test_accuracy_equals_trying_every_naming(y, random):
    groups = np.array([random.randrange(4) for _ in y])
    groups[:4] = range(4)
    assert metrics.accuracy(y, groups) == oracles.accuracy(y, groups, 4)


@given(labels, st.permutations(range(4)))
def test_renaming_groups_changes_nothing(y, names):
    assert metrics.scores(y, np.array(names)[y]) == pytest.approx({"acc": 1.0, "nmi": 1.0, "ari": 1.0})


@given(labels, st.randoms())
def test_nmi_and_ari_are_those_of_their_definitions(y, random):
    """Any groups, mostly bad ones: by entropies and by looking at every pair."""
    groups = np.array([random.choice((label, random.randrange(4))) for label in y])
    groups[:4] = 0, 1, 2, 2
    found = metrics.scores(y, groups)
    assert found["nmi"] == pytest.approx(oracles.nmi(y, groups), abs=1e-9)
    assert found["ari"] == pytest.approx(oracles.ari(y, groups), abs=1e-9)


def by_hand():
    """Nine rows, three groups: (labels, groups, confidence), small enough to count on fingers."""
    y = np.array([0, 0, 0, 0, 1, 1, 1, 2, 2])
    groups = np.array([0, 0, 0, 1, 1, 1, 2, 2, 2])
    confidence = np.array([0.5, 0.6, 0.7, 0.9, 0.8, 0.7, 0.4, 0.9, 0.5])
    return y, groups, confidence


def test_both_accuracy_rules_and_purity_by_hand():
    """Group 0: labels 0 0 0. Group 1: 0 1 1, the surest is the 0. Group 2: 1 2 2, the surest is a 2."""
    y, groups, confidence = by_hand()
    assert metrics.matching(y, groups).tolist() == [0, 1, 2]
    assert metrics.accuracy(y, groups) == 7 / 9
    assert metrics.most_confident_accuracy(y, groups, confidence) == 6 / 9
    assert metrics.purity(y, groups) == 7 / 9
    surer = np.where(np.arange(9) == 4, 0.95, confidence)  # now group 1 is led by a 1
    assert metrics.most_confident_accuracy(y, groups, surer) == 7 / 9


def test_groups_may_share_a_label_in_purity_but_not_in_matching():
    y, groups = np.array([0, 0, 0, 0, 1, 1]), np.array([0, 0, 1, 1, 2, 2])
    assert metrics.purity(y, groups) == 1.0
    assert metrics.most_confident_accuracy(y, groups, np.arange(6)) == 1.0
    assert metrics.most_confident_accuracy(y, groups, np.full(6, np.inf)) is None  # nobody is the surest
    assert sorted(metrics.matching(y, groups)) == [-1, 0, 1]
    assert metrics.accuracy(y, groups) == 4 / 6


@given(labels, st.randoms())
def test_purity_is_no_less_than_accuracy_or_than_any_naming_by_one_member(y, random):
    groups = np.array([random.randrange(4) for _ in y])
    confidence = np.array(random.sample(range(len(y)), len(y)))
    assert metrics.purity(y, groups) >= metrics.accuracy(y, groups)
    assert metrics.purity(y, groups) >= metrics.most_confident_accuracy(y, groups, confidence)


def test_calibration_by_hand():
    """Three bins hold rows: 0.95 and 1.0 (half right), 0.8 (an edge: the bin below; right), 0.31 and 0.39 (wrong)."""
    correct = np.array([True, False, True, False, False])
    confidence = np.array([0.95, 1.0, 0.8, 0.31, 0.39])
    got = metrics.calibration(correct, confidence)
    assert [(b["low"], b["count"], b["accuracy"]) for b in got["bins"]] == [(0.3, 2, 0.0), (0.7, 1, 1.0), (0.9, 2, 0.5)]
    assert [b["confidence"] for b in got["bins"]] == pytest.approx([0.35, 0.8, 0.975])
    assert got["ece"] == pytest.approx(2 / 5 * 0.35 + 1 / 5 * 0.2 + 2 / 5 * 0.475)


def test_the_surest_of_two_equals_is_nobody_and_of_one_that_one():
    assert metrics.most_confident_accuracy(np.array([0, 1]), np.array([0, 0]), np.array([0.7, 0.7])) is None
    assert metrics.most_confident_accuracy(np.array([0, 1]), np.array([0, 0]), np.array([0.7, 0.8])) == 0.5
    assert metrics.most_confident_accuracy(np.array([2]), np.array([0]), np.array([0.7])) == 1.0


def test_all_scores_of_a_perfect_grouping_are_one_whatever_the_names():
    y = np.array([0, 0, 1, 1, 2, 2])
    assert metrics.all_scores(y, 2 - y, np.arange(6)) == pytest.approx(dict.fromkeys(
        ("acc", "nmi", "ari", "purity", "most_confident_acc", "homogeneity", "completeness"), 1.0))  # fmt: skip
    one = metrics.all_scores(y, np.zeros(6, int), np.ones(6))
    assert (one["homogeneity"], one["completeness"]) == (0.0, 1.0)  # one group: complete, and says nothing


@pytest.mark.parametrize(
    ("y", "groups", "expected"),
    [
        ([[0], [1]], [0, 1], r"y: .* got shapes \(2, 1\) and \(2,\)"),
        ([0, 1], [[0], [1]], r"y: .* got shapes \(2,\) and \(2, 1\)"),
        ([0], [0, 1], r"y: .* got shapes \(1,\) and \(2,\)"),
        ([0, -1], [0, 1], "y: expected whole numbers from 0"),
        ([0, 1], [0, 0.5], "groups: expected whole numbers from 0"),
    ],
)
def test_what_is_not_one_number_a_row_is_refused(y, groups, expected):
    """Columns and single numbers were spread over all rows: of five rows a purity of 2."""
    for score in (metrics.accuracy, metrics.purity, metrics.matching, metrics.scores):
        with pytest.raises(InputError, match=f"^{expected}"):
            score(y, groups)
    with pytest.raises(InputError, match=f"^{expected}"):
        metrics.all_scores(y, groups, np.arange(2))
