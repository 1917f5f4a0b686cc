"""What sets clusters apart: means and effects against pandas, fold changes against the decoder, names and units."""

from dataclasses import replace

import numpy as np
import pandas
import pytest
import scipy.sparse

from vade_tf.contrast import FOLD, Contrast, contrast, expression
from vade_tf.data.cells import Genes
from vade_tf.data.observations import build
from vade_tf.model import networks
from vade_tf.model.counts import Counts
from vade_tf.model.vade import VaDE


def oracle(frame, groups, c):
    """Standardised differences of the means of one cluster and of all other rows, by pandas."""
    inside, outside = frame[groups == c].mean(), frame[groups != c].mean()
    return inside, outside, (inside - outside) / frame.std(ddof=0)


@pytest.mark.parametrize("kind", ["dense", "sparse", "bytes"])
def test_effects_are_those_of_pandas(rng, kind):
    """Of 3,000 rows, which are read in several blocks."""
    groups = rng.integers(0, 3, 3000)
    x = rng.poisson(1.0, (3000, 5)) * rng.integers(1, 90, (3000, 5))
    x[:, 4] = 7  # constant
    values = {"dense": x + 1e4 + 0.5, "sparse": scipy.sparse.csr_array(x * 1.0), "bytes": x.astype("u1")}[kind]
    data = build(values, None, "x", "memory", "gaussian")
    apart = contrast(data, groups, 4)  # nobody is in the last one
    frame = pandas.DataFrame(np.asarray(data.x), dtype=float)
    for c in range(3):
        inside, outside, effect = oracle(frame, groups, c)
        np.testing.assert_allclose(apart.inside[c], inside, rtol=1e-6)
        np.testing.assert_allclose(apart.outside[c], outside, rtol=1e-6)
        np.testing.assert_allclose(apart.effect[c, :4], effect[:4], rtol=1e-4, atol=1e-6)
    assert not apart.effect[:, 4].any()
    assert not apart.effect[3].any()
    assert apart.names == [f"x{j}" for j in range(5)]


def test_missing_cells_count_nowhere(rng):
    groups = np.repeat([0, 1], 50)
    x = rng.normal(3, 1, (100, 4)).astype("f4")
    x[rng.uniform(size=x.shape) < 0.3] = np.nan
    x[:50, 3] = np.nan  # a cluster without a value
    frame = pandas.DataFrame(x, columns=list("abcd"))
    apart = contrast(build(frame, None, "x", "memory"), groups, 2)
    for c in range(2):
        inside, outside, effect = oracle(frame.astype(float), groups, c)
        np.testing.assert_allclose(apart.inside[c], inside, rtol=1e-6)
        np.testing.assert_allclose(apart.outside[c], outside, rtol=1e-6)
        np.testing.assert_allclose(apart.effect[c, :3], effect[:3], rtol=1e-5)
        assert apart.effect[c, 3] == 0


def test_effects_do_not_depend_on_the_unit(rng):
    groups = np.arange(60) % 2
    x = groups[:, None] * np.arange(1.0, 4) + rng.normal(size=(60, 3))
    large, small = (contrast(build(scale * x, None, "x", "memory", "gaussian"), groups, 2) for scale in (1, 1e-9))
    np.testing.assert_allclose(small.effect, large.effect, rtol=1e-4)


def test_leading_features_are_the_largest_differences_up_and_down():
    effect = np.array([[0.5, -3.0, 0.05, 2.0, -0.2, 0.7, 0.5, -0.09, 1.0]])
    apart = Contrast([""] * 9, ["number"] * 9, np.arange(9), effect, effect, effect)
    assert apart.leading(0, limit=3).tolist() == [3, 8, 5, 1, 4]
    levels = replace(apart, column=np.array([0, 1, 2, 1, 4, 5, 6, 7, 8]))  # 1 and 3 are levels of one category
    assert levels.leading(0, limit=3).tolist() == [8, 5, 0, 1, 4]


def test_a_cluster_is_called_by_what_is_at_least_twice_as_frequent_in_it():
    effect = np.array([[0.5, 3.0, -8.0, 1.0, 2.0, 1.5], [0.9, 0.2, -5.0, 0.0, 1.0, -9.0]])
    counted = Contrast(list("abcdef"), [FOLD] * 6, np.arange(6), effect, effect, effect)
    assert [counted.name(c) for c in range(2)] == ["b, e, f", "e"]
    assert replace(counted, kinds=["number"] * 6).name(0) == ""
    assert replace(counted, kinds=["word"] * 6).name(1).split(", ")[0] == "e"


def test_fold_changes_are_those_of_the_decoder(rng):
    shape = {"n_features": 4, "latent_dim": 2, "hidden": (16,)}
    model = VaDE(networks.build_encoder(**shape), networks.build_decoder(**shape), 2, Counts(20.0))
    groups = np.arange(2200) % 2
    groups[2048:] = 1 - groups[2048:]  # the other way round than in the blocks before
    x = rng.poisson(np.array([[20, 1, 1, 1], [1, 20, 1, 1]])[groups]).astype("f4")
    data = build(x, None, "cells", "here", likelihood="counts", schema=Genes(tuple("abcd")))
    mean = model.decode(model.encode(x)[0]).numpy().astype("f8")
    mean = 1e4 * mean / mean.sum(axis=1, keepdims=True)
    ratio = (mean[groups == 0].mean(axis=0) + 1) / (mean[groups == 1].mean(axis=0) + 1)
    effect = expression(model, data, groups, 2).effect
    np.testing.assert_allclose(effect, [np.log2(ratio), -np.log2(ratio)], atol=1e-3)
