"""Signals and findings against integrals and planted collapses; remedies by what they do to a model in training."""

import json

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm
from sklearn.exceptions import ConvergenceWarning

from vade_tf import VaDEClusterer
from vade_tf.errors import DivergedError
from vade_tf.runs import train as training
from vade_tf.runs.config import TrainConfig
from vade_tf.runs.load import load
from vade_tf.training import callbacks, health
from vade_tf.training.fitting import begin, fitted
from vade_tf.training.reporter import Silent
from vade_tf.training.settings import Settings
from vade_tf.training.watch import Watch

laws = settings(deadline=None, max_examples=40)
numbers = st.floats(-3, 3, allow_nan=False)


def mixture(k, latent, seed):
    r = np.random.default_rng(seed)
    return r.normal(size=(k, latent)), r.normal(size=(k, latent))


def healthy(n=400, k=4, latent=3):
    """Rows of k groups, far apart in every dimension, under the mixture that describes them."""
    r = np.random.default_rng(1)
    mu = 10.0 * np.stack([r.permutation(k) for _ in range(latent)], axis=1)
    groups = np.arange(n) % k
    m = mu[groups] + r.normal(size=(n, latent))
    log_gamma = np.log(np.where(np.eye(k, dtype=bool)[groups], 1 - 1e-6 * (k - 1), 1e-6))
    return {
        "log_gamma": log_gamma,
        "m": m,
        "log_s2": np.full((n, latent), -3.0),
        "mu": mu,
        "log_sigma2": np.zeros((k, latent)),
    }


def signals(log_gamma, **rows):
    return health.signals(*health.summed(log_gamma), **rows)


def kinds(rows):
    return [finding.kind for finding in health.findings(signals(**rows))]


@laws
@given(numbers, numbers, numbers, numbers)
def test_bhattacharyya_is_the_integral(a, b, log_a, log_b):
    """-log of the integral of sqrt(p q), on a fine grid."""
    distance = health.bhattacharyya([[a], [b]], [[log_a], [log_b]])
    p, q = norm(a, np.exp(log_a / 2)), norm(b, np.exp(log_b / 2))
    z = np.linspace(-60, 60, 200_001)
    overlap = np.trapezoid(np.exp(0.5 * (p.logpdf(z) + q.logpdf(z))), z)
    assert distance[0, 1] == pytest.approx(-np.log(overlap), abs=1e-6, rel=1e-6)


@laws
@given(st.integers(1, 6), st.integers(1, 4), st.integers(0, 1000), st.floats(1e-3, 1e3), numbers)
def test_bhattacharyya_is_a_distance_that_no_scale_changes(k, latent, seed, scale, shift):
    mu, log_sigma2 = mixture(k, latent, seed)
    distance = health.bhattacharyya(mu, log_sigma2)
    np.testing.assert_allclose(distance, distance.T, atol=1e-12)
    np.testing.assert_allclose(np.diag(distance), 0, atol=1e-12)
    assert np.all(distance >= -1e-12)
    scaled = health.bhattacharyya(scale * mu + shift, log_sigma2 + 2 * np.log(scale))
    np.testing.assert_allclose(scaled, distance, rtol=1e-6, atol=1e-9)


@laws
@given(st.floats(0.1, 5), st.floats(-2, 2))
def test_the_limit_of_one_mode_is_where_the_second_mode_appears(sigma, mean):
    """Two equal Gaussians: the density at their middle is a minimum from two standard deviations on."""
    for apart, single in ((1.9, True), (2.1, False)):
        mu = np.array([mean - apart * sigma / 2, mean + apart * sigma / 2])
        z = np.array([-1e-2, 0, 1e-2]) * sigma + mean
        density = norm.pdf(z[:, None], mu, sigma).sum(axis=1)
        assert (density[1] > density[0]) == single
        distance = health.bhattacharyya(mu[:, None], np.full((2, 1), 2 * np.log(sigma)))[0, 1]
        assert (distance < health.ONE_MODE) == single


@laws
@given(st.integers(1, 50), st.integers(1, 6), st.integers(0, 1000))
def test_entropy_and_share_keep_their_laws(n, k, seed):
    """Shares sum to 1; the mean entropy is between 0 and the entropy of the mean (Jensen)."""
    r = np.random.default_rng(seed)
    logits = 10 * r.normal(size=(n, k))
    log_gamma = logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)
    found = health.signals(*health.summed(log_gamma), *r.normal(size=(2, n, 2)), *mixture(k, 2, seed))
    assert found.share.sum() == pytest.approx(1)
    assert -1e-9 <= found.entropy <= -np.sum(found.share * np.log(np.maximum(found.share, 1e-300))) + 1e-9
    assert np.all((found.activity >= 0) & (found.activity <= 1))
    assert 0 <= found.active_units <= 2


@laws
@given(st.permutations(range(4)), st.floats(1e-3, 1e3))
def test_findings_follow_the_names_and_no_scale(order, scale):
    """Components renamed and codes measured in another unit: the same findings, about the renamed components."""
    rows = healthy()
    rows["log_gamma"] = np.log(np.array([0.5, 0.5 - 2e-6, 1e-6, 1e-6])) + np.zeros((400, 1))
    rows["mu"][1] = rows["mu"][0]
    before = health.findings(signals(**rows))
    assert [f.kind for f in before] == ["empty", "uniform", "one_mode"]
    renamed = {name: rows[name][order] for name in ("mu", "log_sigma2")}
    renamed = {**rows, **renamed, "log_gamma": rows["log_gamma"][:, order]}
    renamed["mu"], renamed["m"] = renamed["mu"] * scale, renamed["m"] * scale
    renamed["log_s2"] = renamed["log_s2"] + 2 * np.log(scale)
    renamed["log_sigma2"] = renamed["log_sigma2"] + 2 * np.log(scale)
    after = health.findings(signals(**renamed))
    for found, names in ((before, range(4)), (after, order)):
        silent, close = (", ".join(str(c) for c in range(4) if names[c] in old) for old in ((2, 3), (0, 1)))
        assert found[0].text.startswith(f"components {silent} of 4 hold almost no rows")
        assert found[2].text.startswith(f"components {close} overlap")
    assert after[1] == before[1]


def test_nothing_is_found_in_good_use():
    assert kinds(healthy()) == []
    assert kinds(healthy(k=1)) == []


def test_each_collapse_is_found_alone_and_says_what_to_do():
    empty = healthy()
    empty["log_gamma"][:, 3], empty["log_gamma"][3::4, 0] = np.log(1e-6), np.log(1 - 3e-6)
    uniform = {**healthy(), "log_gamma": np.full((400, 4), np.log(0.25)) + 0.01 * healthy()["log_gamma"]}
    uniform["log_gamma"] -= np.logaddexp.reduce(uniform["log_gamma"], axis=1, keepdims=True)
    one_mode = healthy()
    one_mode["mu"][1] = one_mode["mu"][0] + 0.5
    inactive = healthy()
    inactive["m"][:, :2] = 5.0
    want = {
        "empty": (empty, "component 3 of 4 holds"),
        "uniform": (uniform, "or raise guide_epochs"),
        "one_mode": (one_mode, "components 0, 1 overlap; use clusters=3"),
        "inactive": (inactive, "uses 1 of its 3 dimensions"),
    }
    for kind, (rows, text) in want.items():
        (finding,) = health.findings(signals(**rows))
        assert finding.kind == kind
        assert text in finding.text
        assert "\n" not in finding.text


def test_a_small_group_is_not_an_unused_component():
    """Reuters R8 has a class of 0.7 % of its rows, with K = 8."""
    share = np.array([0.51, 0.29, 0.05, 0.04, 0.04, 0.04, 0.0234, 0.0066])
    found = health.Signals(share, 0.1, 10 - 10 * np.eye(8), np.ones(10))
    assert health.findings(found) == []


@laws
@given(st.integers(4, 60), st.integers(1, 6), st.integers(1, 5), st.integers(0, 1000), st.data())
def test_reseed_leaves_a_mixture(n, k, latent, seed, data):
    r = np.random.default_rng(seed)
    pi, (mu, log_sigma2) = r.dirichlet(np.ones(k)), mixture(k, latent, seed)
    empty = data.draw(st.lists(st.integers(0, k - 1), min_size=1, unique=True))
    m, s2 = r.normal(size=(n, latent)), np.exp(r.normal(size=(n, latent)))
    new_pi, new_mu, new_sigma2 = health.reseed(empty, pi, mu, np.exp(log_sigma2), m, s2, r.normal(size=n))
    assert new_pi.sum() == pytest.approx(1)
    assert np.all(new_pi > 0)
    assert np.all(new_sigma2 > 0)
    others = np.setdiff1d(np.arange(k), empty)
    np.testing.assert_array_equal(new_mu[others], mu[others])
    np.testing.assert_allclose(new_pi[others] * pi[others].sum(), pi[others] * new_pi[others].sum())
    moved = np.flatnonzero((new_mu != mu).any(axis=1))
    assert np.all((new_mu[moved] >= m.min(axis=0) - 1e-9) & (new_mu[moved] <= m.max(axis=0) + 1e-9))


def test_reseed_goes_to_the_group_that_has_no_component():
    rows = healthy(k=4)
    groups = np.arange(400) % 4
    misfit = np.where(groups == 2, 50.0, 1.0) + np.linspace(0, 1, 400)
    mu = rows["mu"].copy()
    mu[2] = -100.0
    pi, new_mu, sigma2 = health.reseed(
        [2], [0.33, 0.33, 0.01, 0.33], mu, np.ones((4, 3)), rows["m"], np.full((400, 3), 0.25), misfit
    )
    members = rows["m"][groups == 2]
    np.testing.assert_allclose(new_mu[2], members.mean(axis=0), atol=1)
    assert pi[2] == pytest.approx(50 / 400)
    assert np.all((sigma2[2] > 0.25) & (sigma2[2] < 0.25 + members.var(axis=0).max()))


@pytest.fixture
def emptied(small_model, rng):
    """A model one of whose components is out of reach, and rows."""
    model = small_model()
    model.guide_weight.assign(0.0)
    mu = model.prior.mu.numpy()
    mu[1] = 1e3
    model.prior.mu.assign(mu)
    return model, rng.uniform(size=(60, 12)).astype("f4")


def test_an_unused_component_gets_one_new_start(emptied):
    model, x = emptied
    said: list[str] = []
    columns = Watch(x, 4, 0).after_epoch(model, [], False, said.append)
    assert "1" in columns["reseeded"].split()
    assert np.abs(model.prior.mu.numpy()[1]).max() < 100
    model.prior.mu.assign(np.where(np.arange(4)[:, None] == 1, 1e3, model.prior.mu.numpy()))
    again = Watch(x, 4, 0)
    columns = again.after_epoch(model, [{"reseeded": columns["reseeded"]}], False, said.append)
    assert "reseeded" not in columns
    assert model.prior.mu.numpy()[1, 0] == 1e3
    assert sum("almost no rows" in text for text in said) == 1
    again.after_epoch(model, [{"reseeded": "0 1 2 3"}], False, said.append)
    assert sum("almost no rows" in text for text in said) == 1


@pytest.mark.parametrize(("weight", "late"), [(20.0, False), (0.0, True)])
def test_no_new_start_while_guided_or_late(emptied, weight, late):
    model, x = emptied
    model.guide_weight.assign(weight)
    columns = Watch(x, 4, 0).after_epoch(model, [], late, lambda text: None)
    assert "reseeded" not in columns
    assert model.prior.mu.numpy()[1, 0] == 1e3
    assert columns["components_used"] < 4


class Poison(keras.callbacks.Callback):
    """Makes a weight NaN in some epochs of VaDE, and puts component 1 out of reach in others; keeps how each began."""

    def __init__(self, nan=(), far=()):
        super().__init__()
        self.nan, self.far = nan, far
        self.rates, self.begun = {}, {}

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch + 1 if hasattr(self.model, "prior") else 0
        self.rates[self.epoch] = float(self.model.optimizer.learning_rate)
        self.begun[self.epoch] = self.model.get_weights()

    def on_train_batch_end(self, batch, logs=None):
        if self.epoch in self.nan:
            weight = self.model.trainable_variables[0]
            weight.assign(np.full(weight.shape, np.nan))
        if self.epoch in self.far:
            self.model.prior.mu.assign([self.model.prior.mu[0], np.full(10, 1e3)])


SMALL = {
    "pretrain_epochs": 2,
    "epochs": 5,
    "guide_epochs": 0,
    "batch_size": 32,
    "clusters": 2,
    "schedule": "step",
    "hidden": (16, 8),
    "init": "kmeans",
}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    file = tmp_path_factory.mktemp("data") / "x.npy"
    np.save(file, np.random.default_rng(0).normal(size=(64, 5)) + 4 * (np.arange(64) % 2)[:, None])
    return str(file)


class Said(Silent):
    """A reporter that keeps what is said."""

    def __init__(self):
        self.texts: list[str] = []

    def say(self, text):
        self.texts.append(text)


def test_nan_steps_back_halves_the_rate_and_goes_on(data, tmp_path, eager):
    """Epochs 2 and 4 go wrong: each starts over from the arrays its forerunner ended with, at half the rate."""
    poison, said = Poison({2, 4}), Said()
    result = training.train(
        TrainConfig.create(data=data, **SMALL), tmp_path / "run", reporter=said, extra=[poison], export=False
    )
    assert np.isfinite(result["elbo"])
    rate = poison.rates[1]
    assert [poison.rates[e] / rate for e in (2, 3, 4, 5)] == pytest.approx([1, 0.5, 0.5, 0.25])
    for bad in (2, 4):
        for mine, theirs in zip(poison.begun[bad + 1], poison.begun[bad], strict=True):
            np.testing.assert_array_equal(mine, theirs)
    assert result["remedies"] == [
        f"fit, epoch {bad}: the loss was not finite; back to the weights of epoch {bad - 1}, at half the learning rate"
        for bad in (2, 4)
    ]
    assert [text for text in said.texts if "back to" in text] == result["remedies"]
    assert json.loads((tmp_path / "run" / "metrics.json").read_text())["remedies"] == result["remedies"]


def test_it_gives_up_after_three_steps_back(data, tmp_path, eager):
    with pytest.raises(DivergedError, match="fit: .* in epoch 5, after 3 steps back .*; .* a lower learning_rate, or"):
        training.train(
            TrainConfig.create(data=data, **SMALL), tmp_path / "run", extra=[Poison({2, 3, 4, 5})], export=False
        )


@pytest.mark.long
def test_a_run_killed_after_a_new_start_and_a_step_back_resumes_as_if_it_was_not(data, tmp_path, monkeypatch):
    """Epoch 2 gives a new start, epoch 3 steps back, component 1 empties again in 4, and the process ends in 5."""
    monkeypatch.setattr(callbacks, "SAVE_SECONDS", 0)
    config = TrainConfig.create(data=data, **{**SMALL, "epochs": 10, "batch_size": 64})

    class End(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if hasattr(self.model, "prior") and epoch == 4:
                raise KeyboardInterrupt

    trouble = {"nan": {3}, "far": {2, 4}}
    whole = training.train(config, tmp_path / "whole", extra=[Poison(**trouble)], export=False)
    with pytest.raises(KeyboardInterrupt):
        training.train(config, tmp_path / "run", extra=[Poison(**trouble), End()])
    result = training.resume(tmp_path / "run", export=False)
    mine, theirs = (load(tmp_path / name).get_weights() for name in ("run", "whole"))
    for a, b in zip(mine, theirs, strict=True):
        np.testing.assert_array_equal(a, b)
    assert [text.split(":")[0] for text in whole["remedies"]] == ["fit, epoch 2", "fit, epoch 3"]
    assert (result["remedies"], result["health"]) == (whole["remedies"], whole["health"])
    assert any("component 1 of 2" in text for text in whole["health"])


def test_more_unused_components_than_there_are_rows_for_are_told_as_they_were_moved(small_model, rng):
    model = small_model(n_clusters=20)
    model.guide_weight.assign(0.0)
    mu = model.prior.mu.numpy()
    mu[1:] = 1e3
    model.prior.mu.assign(mu)
    columns = Watch(rng.uniform(size=(30, 12)).astype("f4"), 20, 0).after_epoch(model, [], False, [].append)
    moved = np.flatnonzero((model.prior.mu.numpy() != mu).any(axis=1))
    assert 0 < len(moved) < 19
    np.testing.assert_array_equal([int(c) for c in columns["reseeded"].split()], moved)


def test_a_fit_whose_epochs_were_mostly_lost_says_so():
    good = [{"phase": "fit", "epoch": number, "loss": 1.0} for number in (1, 2, 3, 4)]
    bad = [{"phase": "fit", "epoch": number, "restored_epoch": 1} for number in (2, 3, 4)]
    before = [{"phase": "pretrain", "epoch": 1}]
    assert health.lost([*before, *good]) == health.lost([*before, *good[:3], {**bad[2], "restored_epoch": 3}]) == []
    assert health.lost(before) == []
    (said,) = health.lost([*before, good[0], *bad])
    assert said.startswith("the loss was not finite in 3 of 4 epochs of VaDE")
    assert health.lost([good[0], *bad[:2], good[3]])[0].startswith("the loss was not finite in 2 of 4 epochs")


def test_lost_epochs_stand_in_the_health_of_a_fit(rng):
    fitting = begin(rng.normal(size=(60, 4)), Settings(clusters=2, hidden=(8,), latent_dim=2))
    fitting.rows.append({"phase": "fit", "epoch": 1, "seconds": 0.0, "restored_epoch": 0})
    assert fitted(fitting, fitting.model).health[0].startswith("the loss was not finite in 1 of 1 epochs")


def test_the_estimator_warns_of_what_is_wrong(rng, monkeypatch, eager):
    said, (silent,) = "components 0, 1 overlap", health.silent(0.1)
    monkeypatch.setattr("vade_tf.training.health.lost", lambda rows: [said])
    monkeypatch.setattr("vade_tf.training.health.silent", lambda rate: [silent])
    model = VaDEClusterer(2, hidden=(8,), latent_dim=2, pretrain_epochs=1, epochs=1, init="kmeans", random_state=0)
    with pytest.warns(ConvergenceWarning) as warned:
        model.fit(rng.normal(size=(60, 4)))
    texts = [str(each.message) for each in warned]
    assert {said, silent} <= set(model.health_)
    assert said in texts
    assert silent not in texts  # groups of nothing but noise are like that
    assert model.likelihood_ == "gaussian"
