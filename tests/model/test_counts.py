"""Counts: the negative binomial against SciPy, its dispersion, and a fit from end to end."""

import keras
import numpy as np
import pytest
import scipy.sparse
import scipy.special
import scipy.stats
import tensorflow as tf

from vade_tf import VaDEClusterer, metrics
from vade_tf.model import networks
from vade_tf.model.counts import Counts, LogCounts, ZeroInflatedCounts, log_counts
from vade_tf.model.observation import BatchEffects
from vade_tf.model.vade import VaDE


@pytest.fixture
def cells(rng):
    """Counts of 200 rows and 40 features in three groups, with sizes that differ tenfold: (x, y)."""
    y = np.arange(200) % 3
    shares = rng.dirichlet(np.full(40, 0.2), 3)
    mean = rng.uniform(30, 300, 200)[:, None] * shares[y]
    return rng.negative_binomial(2.0, 2.0 / (2.0 + mean)).astype("f4"), y


def test_a_row_without_counts_has_density_one_and_a_finite_gradient():
    out = tf.Variable(tf.zeros((1, 5)))
    with tf.GradientTape() as tape:
        nats = Counts().distortion(tf.zeros((1, 5)), out)
    assert float(nats[0]) == pytest.approx(0, abs=1e-5)
    assert np.isfinite(tape.gradient(nats, out)).all()


def test_the_mean_and_draws_are_of_the_median_size():
    kind = Counts(250.0)
    out = np.array([[0.0, 1.0, -2.0]], "f4")
    np.testing.assert_allclose(kind.mean(out), 250 * scipy.special.softmax(out, axis=1), rtol=1e-5)
    np.testing.assert_allclose(kind.distribution(tf.constant(out), 0.0).mean(), kind.mean(out), rtol=1e-4)


def test_the_dispersion_is_found_by_its_moments(rng):
    """Rows drawn with r = 0.5 and a known mean give about 0.5; Poisson rows 0."""
    shares = np.tile([0.1, 0.2, 0.3, 0.4], (20_000, 1))
    out = np.log(shares).astype("f4")
    drawn = rng.negative_binomial(2.0, 2.0 / (2.0 + 1000 * shares)).astype("f8")
    drawn *= 1000 / drawn.sum(axis=1, keepdims=True)  # to the size that the mean assumes
    found = Counts().variance(tf.constant(drawn.astype("f4")), tf.constant(out)).numpy()
    mean = 1000 * shares[0]
    np.testing.assert_allclose(found, ((drawn - mean) ** 2 - mean).mean(axis=0) / mean**2, rtol=1e-3)
    poisson = rng.multinomial(1000, shares[0], 20_000).astype("f4")
    assert Counts().variance(tf.constant(poisson), tf.constant(out)).numpy().max() < 1e-3


def test_the_encoder_reads_logarithms_of_rows_of_one_size(cells):
    x, _ = cells
    logs = np.log1p(x / x.sum(axis=1, keepdims=True) * 100)
    np.testing.assert_allclose(log_counts(x, 100.0), logs, rtol=1e-5)
    layer = LogCounts(100.0, logs.mean(axis=0), logs.std(axis=0) + 1e-9)
    np.testing.assert_allclose(np.asarray(layer(x)).std(axis=0)[x.any(axis=0)], 1, atol=1e-3)
    np.testing.assert_allclose(layer(7 * x), layer(x), atol=1e-4)  # how much there is in a row is not read
    np.testing.assert_array_equal(log_counts(np.zeros((1, 4), "f4"), 100.0), np.zeros((1, 4)))


EXTREME = np.array([0, 1, 3, 777, 1e5], "f4")


@pytest.mark.parametrize("log_r", [np.log(0.01), 0.0, np.log(50)])
def test_extreme_counts_and_shares_have_the_density_of_scipy_in_float32(log_r):
    """Shares down to 1e-9 of a row, counts up to 1e5, dispersions from the least that is kept to 50."""
    out = np.array([0, -20, -8, 2, 5], "f4")
    for x in (EXTREME, EXTREME[::-1]):
        mean = x.sum() * scipy.special.softmax(out.astype("f8")) + 1e-8
        r = np.exp(log_r)
        expected = -scipy.stats.nbinom.logpmf(x, 1 / r, 1 / (1 + r * mean)).sum()
        dispersion = tf.fill([5], np.float32(log_r))
        found = Counts().distortion(tf.constant(x[None]), tf.constant(out[None]), dispersion)
        np.testing.assert_allclose(found, [expected], rtol=1e-3)
        phi = np.array([-30, -3, 0, 3, 30], "f4")
        share, nb = scipy.special.expit(phi.astype("f8")), scipy.stats.nbinom.pmf(x, 1 / r, 1 / (1 + r * mean))
        with np.errstate(divide="ignore"):
            log_nb = scipy.special.log_expit(-phi.astype("f8")) + scipy.stats.nbinom.logpmf(
                x, 1 / r, 1 / (1 + r * mean)
            )
            expected = -np.where(x == 0, np.log(share + (1 - share) * nb), log_nb).sum()
        both = tf.Variable(np.concatenate([out, phi])[None])
        with tf.GradientTape() as tape:
            found = ZeroInflatedCounts().distortion(tf.constant(x[None]), both, dispersion)
        np.testing.assert_allclose(found, [expected], rtol=1e-3)
        assert np.isfinite(tape.gradient(found, both)).all()


def test_zero_inflated_draws_have_its_mean_and_its_dispersion(rng):
    """Rows drawn with phi = 0.3 and r = 0.5 around known means give these moments."""
    shares, phi, r, size, n = np.array([0.1, 0.2, 0.3, 0.4]), 0.3, 0.5, 1000.0, 200_000
    kept = rng.uniform(size=(n, 4)) > phi
    mean = size * shares
    drawn = (kept * rng.negative_binomial(1 / r, 1 / (1 + r * mean), (n, 4))).astype("f4")
    parameters = np.concatenate([np.log(shares), np.full(4, np.log(phi / (1 - phi)))]).astype("f4")[None]
    kind = ZeroInflatedCounts(size)
    np.testing.assert_allclose(kind.mean(parameters)[0], drawn.mean(axis=0), rtol=0.02)
    np.testing.assert_allclose(
        kind.distribution(tf.constant(parameters), np.float32(np.log(r))).mean(), kind.mean(parameters), rtol=1e-4
    )
    fixed = ZeroInflatedCounts(size)
    sized = np.concatenate([drawn, np.full((n, 1), 0, "f4")], axis=1)
    sized[:, 4] = 10_000 - drawn.sum(axis=1)  # a feature that brings every row to one size
    out = np.concatenate([mean / 10_000, [1 - mean.sum() / 10_000], np.zeros(5)])
    out = np.concatenate([np.log(out[:5]), np.full(4, np.log(phi / (1 - phi))), [-30.0]]).astype("f4")
    found = fixed.variance(tf.constant(sized), tf.constant(np.repeat(out[None], n, axis=0))).numpy()
    np.testing.assert_allclose(found[:4], r, rtol=0.05)


def test_a_saved_model_has_its_size_and_its_first_layer(cells, tmp_path):
    x, _ = cells
    first = LogCounts(90.0, np.zeros(40), np.ones(40))
    model = VaDE(networks.build_encoder(40, 2, (8,), first=first), networks.build_decoder(40, 2, (8,)), 2, Counts(90.0))
    model.set_variance(np.full(40, 0.3))
    model.save(tmp_path / "m.keras")
    again = keras.saving.load_model(tmp_path / "m.keras")
    assert again.likelihood.size == 90.0
    np.testing.assert_array_equal(again.elbo(x), model.elbo(x))


def test_a_fit_finds_the_groups_and_gives_counts_back(cells):
    x, y = cells
    small = {"latent_dim": 3, "hidden": (24,), "pretrain_epochs": 30, "epochs": 30, "precision": "float32"}
    model = VaDEClusterer(3, likelihood="counts", random_state=0, batch_size=64, **small).fit(x)
    assert model.model_.likelihood.name == "counts"
    assert metrics.accuracy(y, model.labels_) > 0.95
    drawn, cluster = model.sample(90, random_state=0)
    np.testing.assert_allclose(drawn.sum(axis=1), np.median(x.sum(axis=1)), rtol=1e-4)
    assert metrics.accuracy(cluster, model.predict(np.round(drawn))) > 0.9
    with pytest.raises(ValueError, match="X: expected counts, whole numbers from 0 up"):
        model.predict(x / 2)


def test_counts_are_read_in_float32_whatever_the_policy_of_all_layers_is():
    """A count beyond 65,504 is none in half precision. So are offsets, which are added up over an epoch."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        read, effects = LogCounts(1e5, np.zeros(2), np.ones(2)), BatchEffects(2, 3)
        found = read(np.array([[200_000, 100_000]], "f4"))
    finally:
        keras.config.set_dtype_policy(before)
    np.testing.assert_allclose(found, np.log1p([[2e5 / 3, 1e5 / 3]]), rtol=1e-5)
    assert effects.compute_dtype == "float32"
