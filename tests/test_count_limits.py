"""Counts at the limits: in blocks as at once, of empty rows and features."""

import numpy as np
import pytest
import scipy.sparse

from vade_tf.data import pipeline
from vade_tf.data.observations import observe
from vade_tf.model import choice
from vade_tf.model.counts import LogCounts
from vade_tf.training.fitting import begin
from vade_tf.training.settings import Settings


@pytest.mark.parametrize("form", [np.asarray, scipy.sparse.csr_array], ids=["dense", "sparse"])
def test_blocks_of_rows_are_counts_together_and_their_size_is_of_rows_at_even_distances(rng, monkeypatch, form):
    x = rng.negative_binomial(0.15, 0.05, (200, 40)).astype("f4")
    x[0, 1], x[:, 0] = 400, 5
    x[::3] *= 2
    x[185:, 1:] = np.minimum(x[185:, 1:], 1)
    monkeypatch.setattr(choice, "MAX_ROWS_SAMPLED", 70)
    monkeypatch.setattr(choice, "BLOCK", 37)
    found = choice.choose(observe(form(x), "counts"))
    assert (found.name, found.size) == ("counts", np.median(x[::3].sum(axis=1)))


def test_counts_of_which_most_rows_are_empty_have_the_size_of_one(rng):
    x = np.zeros((200, 30), "f4")
    x[:50] = rng.poisson(3, (50, 30))
    assert choice.choose(observe(x, "counts")).size == 1


def test_a_feature_that_no_row_of_the_training_has_is_read_as_it_is(rng):
    """Its deviation is 0, by which a new row that has it would be divided."""
    x = rng.poisson(1.0, (60, 8)).astype("f4")
    x[:, 3] = 0
    fitting = begin(x, Settings(clusters=2, likelihood="counts", hidden=(4,), latent_dim=2, precision="float32"))
    m, log_s2 = fitting.model.encode(x[:5] + np.eye(8, dtype="f4")[3])
    assert np.isfinite(m).all()
    assert np.isfinite(log_s2).all()


def test_logarithms_of_counts_have_mean_0_and_variance_1_over_all_rows(rng, monkeypatch):
    """They are added up in blocks, of seven rows here."""
    blocks = pipeline.blocks
    monkeypatch.setattr(pipeline, "blocks", lambda rows: blocks(rows, 7))
    x = (rng.poisson(rng.uniform(0.5, 9, 8), (60, 8)) * rng.integers(1, 9, (60, 1))).astype("f4")
    fitting = begin(x, Settings(clusters=2, likelihood="counts", hidden=(4,), latent_dim=2, precision="float32"))
    (layer,) = (each for each in fitting.model.encoder.layers if isinstance(each, LogCounts))
    found = np.asarray(layer(x))
    np.testing.assert_allclose(found.mean(axis=0), 0, atol=1e-4)
    np.testing.assert_allclose(found.std(axis=0), 1, rtol=1e-3)
