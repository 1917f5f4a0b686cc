"""Signals and findings against integrals and planted collapses; remedies by what they do to a model in training."""

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from small_fits import begin, sixty

from vade_tf.errors import DivergedError
from vade_tf.training import health, recipe

numbers = st.floats(-3, 3, allow_nan=False)


@given(numbers, numbers, numbers, numbers)
def test_bhattacharyya_is_the_integral(a, b, log_a, log_b):
    """-log of the integral of sqrt(p q), on a fine grid."""
    distance = health.bhattacharyya([[a], [b]], [[log_a], [log_b]])
    p, q = stats.norm(a, np.exp(log_a / 2)), stats.norm(b, np.exp(log_b / 2))
    z = np.linspace(-60, 60, 200_001)
    overlap = np.trapezoid(np.exp(0.5 * (p.logpdf(z) + q.logpdf(z))), z)
    assert distance[0, 1] == pytest.approx(-np.log(overlap), abs=1e-6, rel=1e-6)


@given(st.floats(0.1, 5), st.floats(-2, 2))
def test_the_limit_of_one_mode_is_where_the_second_mode_appears(sigma, mean):
    """Two equal Gaussians: the density at their middle is a minimum from two standard deviations on."""
    for apart, single in ((1.9, True), (2.1, False)):
        mu = np.array([mean - apart * sigma / 2, mean + apart * sigma / 2])
        z = np.array([-1e-2, 0, 1e-2]) * sigma + mean
        density = stats.norm.pdf(z[:, None], mu, sigma).sum(axis=1)
        assert (density[1] > density[0]) == single
        distance = health.bhattacharyya(mu[:, None], np.full((2, 1), 2 * np.log(sigma)))[0, 1]
        assert (distance < health.ONE_MODE_DISTANCE) == single


def findings(k=4, **more):
    """What is found where a mixture in good use has other signals."""
    good = {"share": np.full(k, 1 / k), "entropy": 0.1, "distance": 10 - 10 * np.eye(k), "activity": np.ones(4)}
    return health.findings(health.Signals(**{**good, **more}))


CHAIN = np.array([[0, 0.3, 9, 9], [0.3, 0, 0.3, 9], [9, 0.3, 0, 9], [9, 9, 9, 0]])


@pytest.mark.parametrize(
    ("signals", "text"),
    [
        ({"share": np.array([0.5, 0.004, 0.25, 0.246])}, "components 1 hold almost no rows, 3 are in use"),
        ({"entropy": 0.91 * np.log(4)}, "nearly the same for every row"),
        ({"distance": CHAIN}, "components 0, 1, 2 overlap"),
        ({"activity": np.array([1, 0.01, 0, 0])}, "the code uses 1 of its 4 dimensions"),
        ({"rate_z": 0.1}, "next to nothing of a row beyond its cluster (rate_z 0.10 nats)"),
    ],
)
def test_each_collapse_is_found_alone(signals, text):
    (sentence,) = findings(**signals)
    assert text in sentence


@pytest.mark.parametrize(
    "signals",
    [{}, {"share": np.array([0.5, 0.006, 0.25, 0.244])}, {"entropy": 0.89 * np.log(4)}, {"rate_z": 0.6},
     {"activity": np.array([1, 0.02, 0, 0])}, {"k": 1, "entropy": 0.0},
     {"distance": CHAIN, "share": np.array([0.5, 0.0, 0.25, 0.25])}],
)  # fmt: skip
def test_nothing_overlaps_or_is_wrong_in_good_use(signals):
    assert [text for text in findings(**signals) if "almost no rows" not in text] == []


def test_signals_are_means_over_rows(small_model, rng):
    model, x = small_model(), rng.uniform(size=(60, 12)).astype("f4")
    found = health.signals(model, x)
    gamma = model.predict(x, verbose=0).astype("f8")
    m, log_s2 = (part.numpy() for part in model.encode(x))
    np.testing.assert_allclose(found.share, gamma.mean(axis=0), rtol=1e-4)
    assert found.entropy == pytest.approx(stats.entropy(gamma, axis=1).mean(), rel=1e-4)
    np.testing.assert_allclose(found.activity, m.var(axis=0) / (m.var(axis=0) + np.exp(log_s2).mean(axis=0)), rtol=1e-4)
    terms = model.elbo_terms(x, np.zeros((60, 3), "f4"))
    assert found.rate_z == pytest.approx(float(np.mean(terms["rate_z"])), rel=0.1)  # by gamma at z = m


class Poison(keras.callbacks.Callback):
    """Makes a weight NaN in some epochs of VaDE; keeps the rate and the weights that each began with."""

    def __init__(self, epochs):
        super().__init__()
        self.epochs, self.rates, self.first = epochs, {}, {}

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch + 1
        self.rates[self.epoch] = float(self.model.optimizer.learning_rate)
        self.first[self.epoch] = self.model.get_weights()

    def on_train_batch_end(self, batch, logs=None):
        if self.epoch in self.epochs:
            self.model.trainable_variables[0].assign(np.full(self.model.trainable_variables[0].shape, np.nan))


def test_nan_goes_back_halves_the_rate_and_goes_on(rng, eager):
    """Epochs 2 and 4 go wrong: each starts over from the arrays its forerunner ended with, at half the rate."""
    poison = Poison({2, 4})
    settings = begin(sixty(rng), epochs=5, guide_epochs=0, schedule="step").settings
    fitted = recipe.fit(sixty(rng), settings, callbacks=[poison])
    assert np.isfinite(fitted.history[-1]["loss"])
    assert [poison.rates[e] / poison.rates[1] for e in (2, 3, 4, 5)] == pytest.approx([1, 0.5, 0.5, 0.25])
    for bad in (2, 4):
        for mine, theirs in zip(poison.first[bad + 1], poison.first[bad], strict=True):
            np.testing.assert_array_equal(mine, theirs)
    assert [text for text in fitted.remedies if "not finite" in text] == [
        f"fit, epoch {bad}: the loss was not finite; back to the weights of epoch {bad - 1}, at half the learning rate"
        for bad in (2, 4)
    ]
    with pytest.raises(DivergedError, match="fit: .* in epoch 5, after 3 steps back .*; .* a lower learning_rate, or"):
        recipe.fit(sixty(rng), settings, callbacks=[Poison({2, 3, 4, 5})])
