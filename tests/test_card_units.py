"""Cards by hand: the facts, the bars, what a cluster is called, and fold changes of many rows."""

import numpy as np

from vade_tf.data.genes import Genes
from vade_tf.data.observing import build
from vade_tf.model import networks
from vade_tf.model.counts import Counts
from vade_tf.model.vade import VaDE
from vade_tf.report.contrast import FOLD, Contrast, contrast
from vade_tf.report.expression import expression


def test_a_cluster_is_called_by_what_is_at_least_twice_as_often_in_it():
    effect = np.array([[0.5, 3.0, -8.0, 1.0, 2.0, 1.5], [0.9, 0.2, -5.0, 0.0, 1.0, -9.0]])
    places = np.arange(6)
    counted = Contrast(list("abcdef"), [FOLD] * 6, places, effect, effect, effect)
    assert [counted.name(c) for c in range(2)] == ["b, e, f", "e"]
    assert Contrast(list("abcdef"), ["number"] * 6, places, effect, effect, effect).name(0) == ""


def test_fold_changes_are_of_all_rows_however_many(rng):
    """The decoder is asked of a thousand of them at a time."""
    shape = {"n_features": 4, "latent_dim": 2, "hidden": (16,)}
    model = VaDE(networks.build_encoder(**shape), networks.build_decoder(**shape), 2, Counts(20.0))
    groups = np.arange(2200) % 2
    groups[2048:] = 1 - groups[2048:]  # the other way round than in the thousand before
    x = rng.poisson(np.array([[20, 1, 1, 1], [1, 20, 1, 1]])[groups]).astype("f4")
    data = build(x, None, "cells", "here", likelihood="counts", schema=Genes(tuple("abcd")))
    mean = model.decode(model.encode(x)[0]).numpy().astype("f8")
    mean = 1e4 * mean / mean.sum(axis=1, keepdims=True)
    ratio = (mean[groups == 0].mean(axis=0) + 1) / (mean[groups == 1].mean(axis=0) + 1)
    effect = expression(model, data, groups, 2).effect
    np.testing.assert_allclose(effect, [np.log2(ratio), -np.log2(ratio)], atol=1e-3)


def test_what_sets_clusters_apart_does_not_hang_on_the_unit(rng):
    """In metres or in light years."""
    groups = np.arange(60) % 2
    x = groups[:, None] * np.arange(1.0, 4) + rng.normal(size=(60, 3))
    large, small = (contrast(build(scale * x, None, "x", "memory", "gaussian"), groups, 2) for scale in (1, 1e-9))
    np.testing.assert_allclose(small.effect, large.effect, rtol=1e-4)
    assert (np.abs(large.effect) > 0.1).all()


def test_a_feature_far_from_zero_sets_clusters_apart_as_long_as_float32_tells_its_values(rng):
    """Seconds since 1970, which are 128 apart in float32, of clusters a quarter of an hour apart and of one moment."""
    groups = np.repeat([0, 1], 100)
    x = np.stack([1.7e9 + 900.0 * groups + rng.normal(0, 200, 200), 1.7e9 + 100.0 * groups], axis=1)
    found = contrast(build(x, None, "x", "memory", "gaussian"), groups, 2).effect
    means = x[:, 0].reshape(2, 100).mean(axis=1)
    np.testing.assert_allclose(found[1], [(means[1] - means[0]) / x[:, 0].std(), 0], rtol=0.05)
