"""The rules of a start: when regions win over k-means, how many draws vote, and how often a mixture is fitted."""

import numpy as np
import pytest

from vade_tf.training import start as starts


@pytest.mark.parametrize(
    ("borders", "theirs", "compact", "round_", "regions"),
    [
        (0.1, 0.4, 0.2, 0.5, True),  # a quarter of the borders for two fifths of the silhouette
        (0.3, 0.4, 0.2, 0.5, False),
        (0.4, 0.4, 0.5, 0.5, False),
        (0.0, 0.4, -0.1, 0.5, True),  # rings
        (0.0, 0.0, 0.5, 0.5, False),
    ],
)
def test_regions_must_gain_more_borders_than_they_lose_silhouette(
    borders, theirs, compact, round_, regions, monkeypatch
):
    found, means = np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1])

    def of_regions(rows, groups):
        return np.array_equal(groups, found[rows[:, 0].astype(int)])

    monkeypatch.setattr(starts.regions, "kmeans", lambda *given: means)
    monkeypatch.setattr(starts, "parted", lambda rows, asked, g: borders if of_regions(rows, g) else theirs)
    monkeypatch.setattr(starts, "silhouette", lambda rows, g: compact if of_regions(rows, g) else round_)
    taken = starts.of_draws(np.arange(4.0)[:, None], [found] * 3, 2, 0)
    np.testing.assert_array_equal(taken, found if regions else means)


def test_each_group_of_counts_keeps_half_of_its_rows_in_the_vote_of_27(rng, monkeypatch):
    """Three views, three widths of each, three runs on each of these."""
    asked = []

    def vote(draws, n_clusters, keep=0.0):
        asked.append((len(draws), n_clusters, keep))
        return draws[0]

    monkeypatch.setattr(starts, "vote", vote)
    starts.of_counts([rng.normal(size=(60, 8))] * 3, 2, 0)
    assert asked == [(27, 2, 0.5)]


def test_the_papers_mixture_is_the_best_of_three(rng, monkeypatch):
    asked, own = [], starts.GaussianMixture

    def mixture(*given, **more):
        asked.append((given, more))
        return own(*given, **more)

    monkeypatch.setattr(starts, "GaussianMixture", mixture)
    starts.start(rng.normal(size=(40, 2)), 2, "gmm", 5)
    assert asked == [((2,), {"covariance_type": "diag", "n_init": 3, "random_state": 5})]
