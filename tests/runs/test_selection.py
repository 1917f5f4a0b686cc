"""Criteria against K: each against an oracle or a law, and the rule that recommends one."""

import numpy as np
import pytest
from scipy import stats

from vade_tf.runs import selection
from vade_tf.training.initialization import Start


def test_bic_against_scipy(rng):
    z = rng.normal(size=(50, 3))
    start = Start(np.zeros((50, 2)), np.array([0.3, 0.7]), rng.normal(size=(2, 3)), rng.uniform(0.5, 2, (2, 3)))
    density = sum(
        pi * stats.multivariate_normal(mu, np.diag(sigma2)).pdf(z)
        for pi, mu, sigma2 in zip(start.pi, start.mu, start.sigma2, strict=True)
    )
    free = 2 * 3 + 2 * 3 + 1  # means, variances, one weight
    assert selection.bic(z, start) == pytest.approx(-2 * np.log(density).sum() + free * np.log(50))


def test_behind_is_paired(rng):
    """A thing that makes a row hard for every K does not count as error."""
    hard = 100 * rng.normal(size=400)
    noise = rng.normal(size=400)
    mean, error = selection.behind(np.stack([hard - 1 + noise, hard]))
    assert mean[1] == error[1] == 0.0
    assert mean[0] == pytest.approx(1 - noise.mean())
    assert error[0] == pytest.approx(stats.sem(noise))


def test_runs_that_collapsed_agree_with_nothing():
    """Not with one another either: three of five would be the ones that others agree with most."""
    one, good = np.zeros(12, int), np.arange(12) % 3
    found = selection.agreement([one, good, one, np.roll(good, 1), one])
    np.testing.assert_allclose(found, [0, 0.25, 0, 0.25, 0])
    np.testing.assert_array_equal(selection.agreement([one, one]), [1, 1])  # where one cluster was asked for


def row(k, behind=1.0, error=0.1, bic=0.0, strength=0.1):
    return {"n_clusters": k, "behind": behind, "behind_se": error, "bic": bic, "strength": strength}


def test_the_largest_strong_k_is_recommended_and_the_other_criteria_are_told():
    rows = [
        row(1, strength=1.0),
        row(4, strength=0.9),
        row(5, behind=0.05, error=0.06),
        row(6, behind=0, error=0, bic=-1),
    ]
    choice = selection.recommend(rows)
    assert choice["named"] == {"held-out bound": 5, "BIC": 6, "prediction strength": 4}
    assert choice["n_clusters"] == 4
    assert choice["why"] == "the largest K with a prediction strength of at least 0.8"
    assert selection.recommend(rows[1:])["why"].endswith("it is at the end of the range: try a wider one")


def test_where_no_k_is_strong_it_is_the_strongest():
    choice = selection.recommend([row(2, strength=0.4), row(3, behind=0, strength=0.5), row(4, strength=0.3)])
    assert choice["n_clusters"] == 3
    assert choice["why"].startswith("no K has a prediction strength of 0.8")
