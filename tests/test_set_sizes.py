"""Rows of 0 and 1 in many columns, of which some have several times as many ones: that is told, and what to do."""

import re

import numpy as np
import pandas
import pytest
import scipy.sparse

import vade_tf
from vade_tf.training import remarks
from vade_tf.training.fitting import begin
from vade_tf.training.settings import Settings


def said(x, likelihood="auto"):
    settings = Settings(clusters=2, hidden=(4,), latent_dim=2, precision="float32", likelihood=likelihood)
    fitting = begin(x, settings)
    return remarks.unlike_sizes(fitting.data, fitting.model)


def sets(rng, width=300, low=0.02, high=0.4):
    share = np.where(np.arange(120) % 2, low, high)[:, None]
    return (rng.random((120, width)) < share).astype("u1")


@pytest.mark.parametrize("form", [np.asarray, scipy.sparse.csr_array, pandas.DataFrame])
def test_the_sizes_of_the_smallest_and_the_largest_tenth_are_told(form, rng):
    rows = sets(rng)
    (found,) = said(form(rows))
    told = [int(number) for number in re.findall(r"(\d+) (?:ones )?or", found)]
    np.testing.assert_allclose(told, np.quantile(rows.sum(axis=1), (0.1, 0.9)), atol=0.5)


def test_nothing_is_told_of_sets_of_like_size_of_few_columns_or_of_other_rows(rng):
    assert not said(sets(rng, low=0.2))
    assert not said(sets(rng, width=200))
    assert not said(pandas.DataFrame(sets(rng)).assign(size=rng.normal(size=120)))
    assert not said(sets(rng), likelihood="gaussian")
    assert not said(sets(rng, width=400).reshape(120, 20, 20))


def test_the_health_of_a_fit_has_it(rng, eager):
    settings = Settings(
        clusters=2, hidden=(4,), latent_dim=2, precision="float32", init="kmeans", pretrain_epochs=1, epochs=1
    )
    (told,) = (each for each in vade_tf.fit(sets(rng), settings).health if "ones" in each)
    assert told == said(sets(np.random.default_rng(0)))[0]
