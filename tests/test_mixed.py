"""Tables: each kind of column by its own density, missing cells left out, a variance that is learned."""

import warnings
from types import SimpleNamespace

import keras
import numpy as np
import pandas as pd
import pytest
import scipy.stats
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from vade_tf.errors import InputError, UnitsWarning
from vade_tf.model import likelihood as likelihoods
from vade_tf.model import networks
from vade_tf.model.mixed import Mixed
from vade_tf.model.observation import LEAST_NOISE, NOISE_RATE
from vade_tf.model.optimizer import FusedAdam
from vade_tf.model.vade import VaDE
from vade_tf.training import recipe
from vade_tf.training.fitting import begin
from vade_tf.training.settings import Settings

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


@pytest.mark.parametrize("blocks", [[], [("gaussian", 0)], [("poisson", 2)], [("gaussian", 2.5)], [("gaussian", -1)]])
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
    shapes = [tuple(w.shape) for w in networks.build_encoder(3, 2, (4,), first=layer).weights]
    shapes += [tuple(w.shape) for w in networks.build_decoder(3, 2, (4,)).weights]
    assert shapes == networks.shapes(3, 2, (4,), flags=2)


@pytest.mark.parametrize("shared", [False, True])
def test_training_moves_the_variance_to_the_decoders_error(rng, shared):
    """One step: a share NOISE_RATE of the way, for each feature or for all alike; never below LEAST_NOISE."""
    x = (rng.normal(size=(50, 4)) * [3, 1, 0.1, 0]).astype("f4")
    decoder = networks.build_decoder(4, 2, (4,))
    decoder.set_weights([np.zeros_like(w) for w in decoder.get_weights()])  # its mean is 0
    kind = likelihoods.Gaussian(shared=shared)
    model = VaDE(networks.build_encoder(4, 2, (4,)), decoder, 2, kind)
    model.compile(FusedAdam(0.0))
    model.fit(x, batch_size=50, epochs=1, verbose=0)
    error = (x**2).mean(axis=0)
    error = np.full(4, error.mean()) if shared else error
    np.testing.assert_allclose(np.exp(model.log_sigma2_x), 1 + NOISE_RATE * (error - 1), rtol=1e-4)
    for _ in range(600):
        model._learn_variance(x, np.zeros_like(x))
    np.testing.assert_allclose(np.exp(model.log_sigma2_x), np.maximum(error, LEAST_NOISE), rtol=1e-2)
    before = np.array(model.log_sigma2_x)
    model.evaluate(x, verbose=0)
    np.testing.assert_array_equal(before, model.log_sigma2_x)


def test_a_batch_that_knows_nothing_of_a_column_leaves_its_variance(rng):
    kind, encoder = Mixed([("gaussian", 3)]), networks.build_encoder(3, 2, (4,), first=networks.Filled([0, 0, 0], [1]))
    model = VaDE(encoder, networks.build_decoder(3, 2, (4,)), 2, kind)
    model.set_variance([0.2, 0.3, 0.4])
    x = rng.normal(size=(8, 3)).astype("f4")
    x[:, 1] = np.nan
    model.compile(FusedAdam(0.0))
    model.fit(x, batch_size=8, epochs=3, verbose=0)
    sigma2 = np.exp(model.log_sigma2_x.numpy())
    assert sigma2[1] == pytest.approx(0.3)
    assert sigma2[0] != pytest.approx(0.2)
    assert np.all(np.isfinite(sigma2))


def test_the_least_noise_is_a_tenth_and_a_batch_counts_for_a_fiftieth(small_model):
    model = small_model("gaussian")
    model._learn_variance(tf.fill([1, 12], 2.0), tf.zeros((1, 12)))  # a squared error of 4, and 1 before
    np.testing.assert_allclose(np.exp(model.log_sigma2_x), 1.06, rtol=1e-5)
    model.set_variance(np.zeros(12))
    np.testing.assert_allclose(np.exp(0.5 * model.log_sigma2_x.numpy()), 0.1, rtol=1e-5)


def test_devices_learn_the_mean_of_what_each_of_them_knows(small_model, monkeypatch):
    model, mine, theirs = small_model("gaussian"), np.full(12, 3.0, "f4"), np.full(12, 5.0, "f4")
    theirs[[1, 3]] = mine[[2, 3]] = np.nan
    other = np.stack([np.nan_to_num(theirs), ~np.isnan(theirs)]).astype("f4")
    context = SimpleNamespace(num_replicas_in_sync=2, all_reduce=lambda how, both: both + other)
    monkeypatch.setattr(tf.distribute, "get_replica_context", lambda: context)
    monkeypatch.setattr(likelihoods.Gaussian, "variance", lambda *given: tf.constant(mine))
    model.noise_rate = 1.0
    model._learn_variance(tf.zeros((1, 12)), tf.zeros((1, 12)))
    np.testing.assert_allclose(np.exp(model.log_sigma2_x)[:5], [4, 3, 5, 1, 4], rtol=1e-5)


def test_numbers_in_other_units_are_warned_of_and_levels_do_not_count(rng):
    """Two numbers of five features: far ones are less than half of all."""
    kind = Mixed([("gaussian", 2), ("categorical", 3)])

    def scale(rows):
        return (rows - [50, 50, 0, 0, 0]) / [5, 5, 1, 1, 1]

    x = np.concatenate([rng.normal(50, 5, (40, 2)), np.eye(3)[np.arange(40) % 3]], axis=1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        kind.check_units(x, x.min(), x.max(), scale, "x")
    far = x * [1000, 1000, 1, 1, 1]
    with pytest.warns(UnitsWarning, match="^x: 100% of the values lie more than 10 standard deviations"):
        kind.check_units(far, far.min(), far.max(), scale, "x")


def test_the_variance_at_the_start_is_that_of_the_known_cells(rng):
    x = rng.normal(size=(5000, 3)).astype("f4")
    x[100:, 2] = np.nan  # known in one of the blocks of rows alone
    x[:, 1] *= 10
    settings = Settings(clusters=2, hidden=(4,), latent_dim=1, precision="float32", validation_rows=0)
    fitting = begin(pd.DataFrame(x, columns=list("abc")), settings)
    model, found = fitting.model, recipe.reconstruction_variance(fitting)
    out = model.x_parameters(model.encode(x)[0]).numpy()
    np.testing.assert_allclose(found, np.nanmean((model.scale(x) - out) ** 2, axis=0), rtol=1e-3)


def test_there_are_no_more_features_than_rows_can_have():
    with pytest.raises(InputError, match="^blocks: expected at most 10,000,000 features, got 2,147,483,647"):
        Mixed([("categorical", 2**31 - 1)])


def test_many_blocks_are_few_operations():
    """Columns of a table may change kind ten thousand times; a step with an operation for each would take minutes."""
    many = Mixed([("gaussian", 1), ("bernoulli", 2), ("categorical", 3)] * 200)
    few = Mixed([("gaussian", 200), ("bernoulli", 400), *[("categorical", 3)] * 200])
    r = np.random.default_rng(0)
    parameters = r.normal(size=(5, many.width)).astype("f4")
    x = np.concatenate(
        [
            np.concatenate([r.normal(size=(5, 1)), r.integers(0, 2, (5, 2)), np.eye(3)[r.integers(0, 3, 5)]], 1)
            for _ in range(200)
        ],
        1,
    )
    order = np.argsort(np.tile([0, 1, 1, 2, 2, 2], 200), kind="stable")
    log_sigma2 = r.normal(size=many.width).astype("f4")
    found = many.distortion(tf.constant(x, tf.float32), tf.constant(parameters), log_sigma2)
    expected = few.distortion(
        tf.constant(x[:, order], tf.float32), tf.constant(parameters[:, order]), log_sigma2[order]
    )
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    np.testing.assert_allclose(many.mean(parameters).numpy()[:, order], few.mean(parameters[:, order]), rtol=1e-5)
    traced = tf.function(lambda x, p: (many.distortion(x, p, log_sigma2), many.mean(p)))
    graph = traced.get_concrete_function(tf.TensorSpec((None, many.width)), tf.TensorSpec((None, many.width))).graph
    assert len(graph.get_operations()) < 150


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


def test_no_row_has_no_distortion():
    kind = Mixed([("gaussian", 2), ("categorical", 3)])
    assert kind.distortion(tf.zeros((0, 5)), tf.zeros((0, 5)), tf.zeros(5)).shape == (0,)


def test_levels_of_narrow_categories_are_not_padded_to_the_widest():
    """A thousand levels beside five hundred answers would be half a million numbers a row."""
    kind = Mixed([("categorical", 1000), *[("categorical", 2 + i % 3) for i in range(500)]])
    assert sum(features.size for features, _ in kind._categories) < 2 * kind.width


def test_ten_million_features_are_the_most():
    with pytest.raises(InputError, match="^blocks: expected at most 10,000,000 features, got 10,000,001"):
        Mixed([("categorical", 10**7 + 1)])
