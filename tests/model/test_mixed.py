"""Tables: each kind of column by its own density, missing cells left out."""

import keras
import numpy as np
import pytest
import scipy.stats
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from vade_tf.errors import InputError
from vade_tf.model import likelihood as likelihoods
from vade_tf.model import networks
from vade_tf.model.mixed import Mixed
from vade_tf.model.vade import VaDE

BLOCKS = (("gaussian", 2), ("bernoulli", 2), ("categorical", 3), ("categorical", 2), ("gaussian", 1))
NUMBERS, ANSWERS, COLOUR, SIZE = [0, 1, 9], [2, 3], slice(4, 7), slice(7, 9)


@pytest.fixture
def rows(rng):
    x = rng.normal(size=(40, 10))
    x[:, ANSWERS] = rng.integers(2, size=(40, 2))
    x[:, COLOUR], x[:, SIZE] = np.eye(3)[rng.integers(3, size=40)], np.eye(2)[rng.integers(2, size=40)]
    return x.astype("f4")


def expected(x, out, log_sigma2):
    """-log p of every cell by SciPy, a category's in its first column; NaN where the cell is missing."""
    nats = np.zeros(x.shape)
    nats[:, NUMBERS] = -scipy.stats.norm.logpdf(x[:, NUMBERS], out[:, NUMBERS], np.exp(0.5 * log_sigma2)[NUMBERS])
    for d in ANSWERS:
        nats[:, d] = -scipy.stats.bernoulli.logpmf(np.nan_to_num(x[:, d]), scipy.special.expit(out[:, d]))
    for span in (COLOUR, SIZE):
        share = scipy.special.softmax(out[:, span], axis=1)
        nats[:, span.start] = -np.log(np.where(np.nan_to_num(x[:, span]) == 1, share, 1)).sum(axis=1)
    return np.where(np.isnan(x), np.nan, nats)


@pytest.mark.parametrize("holes", [False, True])
def test_the_distortion_is_the_sum_over_the_known_cells(rows, rng, holes):
    out, log_sigma2 = rng.normal(size=(40, 10)).astype("f4"), rng.normal(size=10).astype("f4")
    if holes:
        rows[rng.random(40) < 0.3, 1] = np.nan
        rows[rng.random(40) < 0.3, 3] = np.nan
        rows[rng.random(40) < 0.3, COLOUR] = np.nan
    kind = Mixed(BLOCKS)
    found = kind.distortion(tf.constant(rows), tf.constant(out), tf.constant(log_sigma2))
    np.testing.assert_allclose(found, np.nansum(expected(rows, out, log_sigma2), axis=1), rtol=1e-4)
    if not holes:
        np.testing.assert_allclose(found, -kind.distribution(out, log_sigma2).log_prob(rows), rtol=1e-4)


@given(st.lists(st.integers(1, 9), min_size=1, max_size=12), st.integers(0, 99))
def test_categories_of_any_widths_in_any_order(widths, seed):
    r = np.random.default_rng(seed)
    x = np.concatenate([np.eye(width)[r.integers(width, size=5)] for width in widths], axis=1).astype("f4")
    out = (30 * r.normal(size=x.shape)).astype("f4")
    parts = np.split(out, np.cumsum(widths)[:-1], axis=1)
    shares = np.concatenate([scipy.special.log_softmax(part, axis=1) for part in parts], axis=1)
    found = Mixed([("categorical", width) for width in widths]).distortion(tf.constant(x), tf.constant(out))
    np.testing.assert_allclose(found, -np.sum(x * shares, axis=1), rtol=1e-4, atol=1e-4)


def test_a_missing_cell_gets_no_gradient(rows):
    rows[:, 1] = np.nan
    out = tf.Variable(tf.zeros((40, 10)))
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(Mixed(BLOCKS).distortion(tf.constant(rows), out))
    gradient = tape.gradient(loss, out).numpy()
    assert np.isfinite(gradient).all()
    assert not gradient[:, 1].any()
    assert gradient[:, 0].all()


def test_the_mean_of_each_kind(rng):
    out = rng.normal(size=(5, 10)).astype("f4")
    mean = Mixed(BLOCKS).mean(tf.constant(out)).numpy()
    np.testing.assert_allclose(mean[:, NUMBERS], out[:, NUMBERS])
    np.testing.assert_allclose(mean[:, ANSWERS], scipy.special.expit(out[:, ANSWERS]), rtol=1e-5)
    np.testing.assert_allclose(mean[:, COLOUR], scipy.special.softmax(out[:, COLOUR], axis=1), rtol=1e-5)
    np.testing.assert_allclose(mean[:, SIZE].sum(axis=1), 1, rtol=1e-5)


def test_the_variance_is_that_at_which_rows_are_most_probable(rows, rng):
    """The mean squared error of the known cells: a little more or less makes them less probable. 1 for other kinds."""
    rows[::3, 0] = np.nan
    out = rng.normal(size=(40, 10)).astype("f4")
    kind = Mixed(BLOCKS)
    sigma2 = kind.variance(tf.constant(rows), tf.constant(out)).numpy()
    assert (sigma2[[2, 3, 4, 5, 6, 7, 8]] == 1).all()
    best = float(tf.reduce_sum(kind.distortion(rows, out, np.log(sigma2))))
    for d in NUMBERS:
        for factor in (0.9, 1.1):
            other = np.where(np.arange(10) == d, factor, 1).astype("f4") * sigma2
            assert float(tf.reduce_sum(kind.distortion(rows, out, np.log(other)))) > best
    column = np.nanmean((rows - out)[:, 0] ** 2)
    np.testing.assert_allclose(sigma2[0], column, rtol=1e-5)


@pytest.mark.parametrize("blocks", [[], [("gaussian", 0)], [("poisson", 2)], [("gaussian", -1)]])
def test_blocks_that_are_none(blocks):
    with pytest.raises(InputError, match="blocks: expected"):
        Mixed(blocks)


def test_a_saved_model_has_its_columns_and_its_variance(rows, tmp_path):
    filled = networks.Filled([0.5] * 10, [1, 4])
    parts = networks.build_encoder(10, 3, (8,), first=filled), networks.build_decoder(10, 3, (8,))
    model = VaDE(*parts, 2, Mixed(BLOCKS))
    model.set_variance(np.linspace(0.1, 1, 10))
    model.save(tmp_path / "m.keras")
    again = keras.saving.load_model(tmp_path / "m.keras")
    assert again.likelihood.blocks == BLOCKS
    rows[::2, 1] = np.nan
    np.testing.assert_array_equal(again.elbo(rows), model.elbo(rows))
    assert np.isfinite(model.elbo(rows)).all()
    assert likelihoods.get(likelihoods.Gaussian(shared=True).config()).shared


def test_the_encoder_reads_a_value_and_a_flag_in_place_of_a_missing_cell():
    layer = networks.Filled([7.0, 8.0, 9.0], [0, 2])
    found = layer(np.array([[1, np.nan, np.nan], [4, 5, 6]], "f4")).numpy()
    np.testing.assert_array_equal(found, [[1, 8, 9, 0, 1], [4, 5, 6, 0, 0]])


def test_the_reconstruction_of_a_number_is_its_squared_error_as_in_an_array(rng):
    """Up to a constant, which no gradient knows."""
    x, parameters = (tf.constant(rng.normal(size=(7, 5)).astype("f4")) for _ in range(2))
    as_table = Mixed([("gaussian", 5)]).reconstruction(x, parameters)
    as_array = likelihoods.get("gaussian").reconstruction(x, parameters)
    np.testing.assert_allclose(np.diff(as_table), np.diff(as_array), rtol=1e-4, atol=1e-5)
    answers = tf.cast(x > 0, tf.float32)
    found, expected = (
        kind.reconstruction(answers, parameters) for kind in (Mixed([("bernoulli", 5)]), likelihoods.get("bernoulli"))
    )
    np.testing.assert_allclose(found, expected, rtol=1e-5)
