"""Landmark spectral clustering: regions of any form, and what several draws of it agree on."""

import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.datasets import make_circles, make_moons
from sklearn.metrics import adjusted_rand_score

from vade_tf.training import spectral

RINGS = make_circles(800, factor=0.4, noise=0.03, random_state=0)


MOONS = make_moons(800, noise=0.04, random_state=0)


@pytest.mark.parametrize(("x", "y"), [RINGS, MOONS], ids=["rings", "moons"])
def test_regions_are_found_where_k_means_cuts_them(x, y):
    told = []
    found = spectral.spectral_groups([x], 2, 0, lambda: told.append(1))
    assert adjusted_rand_score(y, found) > 0.95
    assert adjusted_rand_score(y, KMeans(2, n_init=5, random_state=0).fit(x).labels_) < 0.6
    assert len(told) == spectral.N_DRAWS
    np.testing.assert_array_equal(spectral.spectral_groups([x], 2, 0), found)


def test_more_groups_than_a_graph_can_tell_are_those_of_k_means(rng):
    found = spectral.spectral_groups([rng.normal(size=(60, 3))], 20, 0)
    assert len(np.unique(found)) == 20


@pytest.mark.parametrize("seed", range(5))
def test_a_vote_hangs_on_no_draw_s_names_and_loses_no_group(seed):
    """Groups of 2 rows, which most draws miss, are outvoted."""
    r = np.random.default_rng(seed)
    y = np.repeat(np.arange(5), (40, 40, 16, 2, 2))
    draws = [np.where(r.random(100) < 0.15, r.integers(0, 5, 100), y) for _ in range(9)]
    draws = [np.concatenate([draw, np.arange(5)]) for draw in draws]
    found = spectral.vote(draws, 5)
    renamed = [r.permutation(5)[draw] for draw in draws]
    assert adjusted_rand_score(found, spectral.vote(renamed, 5)) == 1
    split = [np.where(np.arange(105) % 2, 0, draw) for draw in draws]  # other halves of the small ones each
    for each in (draws, split, [r.permutation(np.arange(20) % 5) for _ in range(4)]):
        np.testing.assert_array_equal(np.unique(spectral.vote(each, 5)), np.arange(5))


def test_a_naming_is_one_to_one_and_undoes_a_renaming(rng):
    groups, name = rng.integers(0, 5, 200), rng.permutation(5)
    np.testing.assert_array_equal(spectral.naming(groups, name[groups], 5), name)
    found = spectral.naming(rng.integers(0, 5, 200), np.zeros(200, int), 5)
    np.testing.assert_array_equal(np.sort(found), np.arange(5))
