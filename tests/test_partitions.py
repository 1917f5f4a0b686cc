"""P of many rows from some of them, P on the code as training goes on, and K on the rows that a start reads."""

import dataclasses

import numpy as np
import pytest
from small_fits import begin, sixty

from vade_tf.training import n_clusters, partitions, posterior, recipe
from vade_tf.training.initialization import Start


@pytest.fixture
def far(rng):
    """Three far groups of 400 rows each in two spaces: spaces, and the group of each row."""
    y = np.arange(1200) % 3
    return [10 * np.eye(3, d)[y] + rng.normal(size=(1200, d)) for d in (3, 5)], y


def test_rows_that_were_not_read_get_the_p_of_their_neighbours(far, rng):
    spaces, y = far
    read, others = np.arange(1200) < 400, np.arange(1200) >= 400
    P = 0.85 * np.eye(3)[y] + 0.05  # no group is sure of its rows
    found = partitions.Extension([space[read] for space in spaces], P[read], 0).partition(
        [space[others] for space in spaces]
    )
    np.testing.assert_allclose(found, P[others], atol=1e-6)
    mixed = rng.dirichlet([1, 1, 1], 400)
    spread = partitions.Extension([space[read] for space in spaces], mixed, 0)
    np.testing.assert_allclose(spread.partition([space[others] for space in spaces]).sum(axis=1), 1)


@pytest.mark.parametrize("init", ["auto", "kmeans", "spectral"])
def test_a_start_of_many_rows_reads_some_and_has_p_of_all(rng, monkeypatch, init):
    monkeypatch.setattr(partitions, "READ", 150)
    monkeypatch.setattr(partitions, "BLOCK", 64)
    y = np.arange(400) % 3
    x = (12 * np.eye(3, 9)[y] + rng.normal(size=(400, 9))).astype("f4")
    fitting = begin(x, init=init)
    _, numbers = partitions.read_by_start(fitting)
    assert len(numbers) == 150
    found = partitions.found_start(fitting, "init")
    assert (found.P.shape, found.P.dtype) == ((400, 3), np.float16)
    np.testing.assert_allclose(found.P.sum(axis=1, dtype="f8"), 1, atol=2e-3)
    groups = found.P.argmax(axis=1)
    assert init != "auto" or all(len(np.unique(groups[y == c])) == 1 for c in range(3))
    np.testing.assert_array_equal(partitions.found_start(fitting, "init").P, found.P)


def test_a_given_partition_of_many_rows_is_kept_whole(rng, monkeypatch):
    monkeypatch.setattr(partitions, "READ", 40)
    x, groups = sixty(rng), np.arange(60) % 3
    fitting = dataclasses.replace(begin(x), init=groups)
    np.testing.assert_array_equal(partitions.found_start(fitting, "init").P, np.eye(3)[groups])


def test_a_recomputed_p_keeps_the_names_of_the_components(rng, monkeypatch):
    fitting = begin(sixty(rng))
    present = posterior.model_groups(fitting.model, fitting.data.x)
    present[:3] = [0, 1, 2]
    monkeypatch.setattr(posterior, "model_groups", lambda model, x: present)
    other, name = present.copy(), np.array([2, 0, 1])
    other[:2] = (other[:2] + 1) % 3
    P = np.eye(3, dtype=np.float16)[name[other]]
    monkeypatch.setattr(partitions, "found_start", lambda fitting, phase: Start(P, *(None,) * 3))
    np.testing.assert_array_equal(partitions.regrouped(fitting), np.eye(3)[other])


def test_numbers_of_clusters_are_compared_on_the_rows_that_a_start_reads(rng, monkeypatch):
    """Of all rows, where there are very many, they would not fit in memory."""
    seen = []

    def strength(rows, tried, seed):
        seen.append((len(rows), list(tried)))
        return np.ones(len(tried))

    monkeypatch.setattr(partitions, "READ", 40)
    monkeypatch.setattr(n_clusters, "prediction_strength", strength)
    chosen, choice = recipe.choose(begin(sixty(rng), clusters=1))
    assert seen == [(40, [1, 2, 3, 4, 5, 6])]
    assert choice.n_clusters == chosen.settings.clusters == chosen.model.prior.n_components == 6
