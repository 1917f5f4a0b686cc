"""VaDE as a Keras model: what fit, evaluate, predict, sample, save and load promise."""

import keras
import numpy as np
import oracles
import pytest
import tensorflow as tf

from vade_tf.errors import InputError
from vade_tf.model import elbo, networks
from vade_tf.model.networks import FusedAdam
from vade_tf.model.vade import VaDE
from vade_tf.systems.gmvae import GMVAE
from vade_tf.training import device


def test_evaluate_gives_the_bound_of_scipy(small_model, rng):
    """The whole model against the oracle, row by row: networks by Keras, everything else in float64."""
    model = small_model()
    model.prior.assign(*_mixture(rng))
    x, noise = rng.uniform(size=(6, 12)).astype("f4"), rng.normal(size=(6, 3)).astype("f4")
    got = model.elbo_terms(x, noise)
    m, log_s2 = (t.numpy().astype("f8") for t in model.encode(x))
    z = m + np.exp(log_s2 / 2) * noise
    log_pi, mu, log_sigma2 = (t.numpy().astype("f8") for t in model.prior.parameters)
    logits = model.decoder(z.astype("f4")).numpy()
    for i in range(len(x)):
        gamma = oracles.responsibilities(z[i], np.exp(log_pi), mu, np.exp(log_sigma2))
        want = {
            "distortion": oracles.bernoulli_distortion(x[i].astype("f8"), logits[i]),
            "rate_z": oracles.rate_z(gamma, m[i], np.exp(log_s2[i]), mu, np.exp(log_sigma2)),
            "rate_c": oracles.rate_c(gamma, np.exp(log_pi)),
        }
        for name, value in want.items():
            np.testing.assert_allclose(got[name][i], value, rtol=1e-5, atol=1e-6, err_msg=name)


def _mixture(rng, k=4, latent=3):
    return rng.dirichlet(np.ones(k)), rng.normal(size=(k, latent)), rng.uniform(0.2, 2, (k, latent))


@pytest.mark.parametrize("likelihood", ["bernoulli", pytest.param("gaussian", marks=pytest.mark.long)])
@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16", "mixed_float16"])
def test_fit_lowers_the_loss_in_every_precision(small_model, rng, likelihood, precision):
    model = small_model(likelihood, precision=precision)
    x = np.repeat(rng.integers(0, 2, (4, 12)), 32, axis=0).astype("f4")
    history = model.fit(x, batch_size=32, epochs=20, verbose=0).history
    assert history["loss"][-1] < 0.8 * history["loss"][0]
    assert all(np.isfinite(values).all() for values in history.values())
    np.testing.assert_allclose(history["elbo"], [-loss for loss in history["loss"]], rtol=1e-6)


def test_hints_pull_known_rows_to_their_component(small_model, rng):
    """Groups that anything could tell apart: which component is whose can only come from the hints."""
    y = np.arange(80, dtype="i4") % 4
    x = np.kron(np.eye(4), np.ones(3))[y].astype("f4")
    hints = np.where(np.arange(80) < 40, y, -1)
    model = small_model(guide_weight=50.0)
    model.fit(x, hints=np.where(hints < 0, hints, 3 - y).astype("i4"), batch_size=20, epochs=40, verbose=0)
    np.testing.assert_array_equal(model.predict(x, verbose=0).argmax(axis=1), 3 - y)


def test_a_view_is_read_by_the_encoder_and_x_is_explained(small_model, rng, eager):
    model = small_model()
    x, view = rng.uniform(size=(2, 8, 12)).astype("f4")
    noise = np.zeros((8, 3), "f4")
    found, of_view = model.elbo_terms(x, noise, view=view), model.elbo_terms(view, noise)
    np.testing.assert_allclose(found["rate_z"], of_view["rate_z"], rtol=1e-6)
    assert np.abs(found["distortion"] - of_view["distortion"]).max() > 0.1
    batches = tf.data.Dataset.from_tensors(((view, x), np.zeros(8, "i4")))
    model.fit(batches, hints=True, verbose=0, shuffle=False)
    model.fit((view, x), hints=np.zeros(8, "i4"), verbose=0)


def test_predict_is_the_mean_of_gamma_over_the_codes_of_a_row(small_model, rng):
    """Eq. 16; with next to no noise in q(z|x) gamma at its mean, by Bayes' rule."""
    model = small_model()
    mixture = _mixture(rng)
    model.prior.assign(*mixture)
    x = rng.uniform(size=(9, 12)).astype("f4")
    m, log_s2 = model.encode(x)
    want = np.exp(elbo.log_assignments(m, log_s2, *model.prior.parameters))
    np.testing.assert_allclose(model.predict(x, verbose=0), want, atol=1e-5)
    np.testing.assert_allclose(want.sum(axis=1), 1, atol=1e-5)
    model.encoder.get_layer("z_log_var").bias.assign(np.full(3, -30.0))
    at_mean = [oracles.responsibilities(code, *mixture) for code in m.numpy()]
    assert np.abs(want - at_mean).max() > 1e-3
    np.testing.assert_allclose(model.predict(x, verbose=0), at_mean, atol=1e-4)


def test_same_seed_same_weights_and_other_seed_other_weights(small_model, rng, eager):
    x = rng.uniform(size=(64, 12)).astype("f4")

    def weights(seed):
        model = small_model(seed=seed)
        model.fit(x, batch_size=16, epochs=1, shuffle=False, verbose=0)
        return model.get_weights()

    first, again, other = weights(5), weights(5), weights(6)
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(first, other, strict=True))


def test_each_step_draws_its_own_noise_and_a_repeated_step_the_same(small_model, rng, eager):
    """At learning rate 0 the loss of the same rows changes from step to step through the noise alone."""
    x = rng.uniform(size=(16, 12)).astype("f4")
    model = small_model(compiled=False)
    model.compile(FusedAdam(0.0))
    losses = model.fit(x, batch_size=16, epochs=4, shuffle=False, verbose=0).history["loss"]
    assert len(set(losses)) == 4
    model.optimizer.iterations.assign(0)
    assert model.fit(x, batch_size=16, epochs=4, shuffle=False, verbose=0).history["loss"] == losses


@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16"])
def test_saved_and_loaded_it_answers_the_same_and_trains_on(small_model, rng, tmp_path, precision, eager):
    model = small_model(precision=precision, scaling=keras.layers.Rescaling(1 / 255))
    x = rng.integers(0, 256, (40, 12)).astype("u1")
    model.fit(x, batch_size=20, verbose=0)
    model.save(tmp_path / "m.keras")
    loaded = keras.models.load_model(tmp_path / "m.keras")
    np.testing.assert_array_equal(loaded.predict(x, verbose=0), model.predict(x, verbose=0))
    for each in (model, loaded):
        each.fit(x, batch_size=20, epochs=1, shuffle=False, verbose=0)
    np.testing.assert_array_equal(loaded.predict(x, verbose=0), model.predict(x, verbose=0))


def test_raw_bytes_are_scaled_inside(small_model, rng):
    raw, noise = rng.integers(0, 256, (10, 12)).astype("u1"), np.zeros((10, 3), "f4")
    plain, scaled, x = small_model(), small_model(scaling=keras.layers.Rescaling(1 / 255)), raw / np.float32(255)
    np.testing.assert_allclose(scaled.predict(raw, verbose=0), plain.predict(x, verbose=0), atol=1e-6)
    terms = [model.elbo_terms(rows, noise)["distortion"] for model, rows in ((scaled, raw), (plain, x))]
    np.testing.assert_allclose(*terms, rtol=1e-5)


def test_samples_come_from_the_chosen_component(small_model):
    model = small_model("gaussian")
    model.prior.assign(np.ones(4), 10.0 * np.eye(4, 3), np.full((4, 3), 1e-6))
    samples = model.sample([2, 2, 0], seed=1)
    want = model.decoder(model.prior.mu.numpy()[[2, 2, 0]])
    np.testing.assert_allclose(samples, want, atol=0.1)
    np.testing.assert_array_equal(samples, model.sample([2, 2, 0], seed=1))
    assert not np.array_equal(samples, model.sample([2, 2, 0], seed=2))


def test_layers_of_the_users_own_are_told_of_training(rng, eager):
    """Batch normalisation moves its averages in fit alone."""
    x = rng.random((64, 12)).astype("f4")
    inputs = keras.Input((12,))
    h = keras.layers.BatchNormalization(name="norm")(inputs)
    h = keras.layers.Dense(8, activation="relu")(h)
    encoder = keras.Model(inputs, [keras.layers.Dense(3)(h), keras.layers.Dense(3)(h)])
    model = VaDE(encoder, networks.build_decoder(12, latent_dim=3, hidden=(8,)), 4)
    model.compile(FusedAdam(1e-3))
    model.evaluate(x, verbose=0)
    average = encoder.get_layer("norm").moving_mean
    np.testing.assert_array_equal(average, np.zeros(12))
    model.fit(x, batch_size=16, epochs=2, verbose=0)
    assert np.all(average.numpy() > 0.01)


@pytest.fixture
def x(rng):
    return rng.uniform(size=(8, 12)).astype("f4")


@pytest.mark.parametrize("latent", [2, 6])
def test_the_bound_of_a_row_is_exact_where_its_terms_are_quadratic_in_the_noise(latent, rng):
    """Oracle: the closed form for a linear decoder and one component, whatever the width of the code."""
    code, x = keras.Input((latent,)), rng.normal(size=(8, 5)).astype("f4")
    decoder = keras.Model(code, keras.layers.Dense(5)(code))
    model = VaDE(networks.build_encoder(5, latent, hidden=(4,)), decoder, 1, "gaussian")
    model.prior.assign([1.0], rng.normal(size=(1, latent)), rng.uniform(0.5, 2, (1, latent)))
    (m, log_s2), (kernel, bias) = (part.numpy().astype("f8") for part in model.encode(x)), decoder.get_weights()
    _, mu, log_sigma2 = (part.numpy().astype("f8") for part in model.prior.parameters)
    s2, var = np.exp(log_s2), np.exp(model.log_sigma2_x.numpy().astype("f8"))
    squared = (x - m @ kernel - bias) ** 2 + s2 @ kernel**2  # E_q of it, [8, 5]
    distortion = 0.5 * (squared / var + np.log(2 * np.pi * var)).sum(axis=1)
    kl = 0.5 * (log_sigma2 - log_s2 + (s2 + (m - mu) ** 2) / np.exp(log_sigma2) - 1).sum(axis=1)
    np.testing.assert_allclose(model.elbo(x), -(distortion + kl), rtol=1e-4)


def test_the_loss_is_the_bound_the_guidance_and_the_penalties(x, eager):
    """Each as Keras reports it, for batches of one size; a penalty counts in the loss alone."""
    inputs = keras.Input((12,))
    heads = [keras.layers.Dense(3, kernel_regularizer=keras.regularizers.L2(0.5))(inputs) for _ in range(2)]
    model = VaDE(keras.Model(inputs, heads), networks.build_decoder(12, 3, ()), 4, guide_weight=3.0)
    model.compile(FusedAdam(0.0))
    found = {name: values[0] for name, values in model.fit(x, hints=np.arange(8) % 4, verbose=0).history.items()}
    penalty = 0.5 * sum(np.sum(np.square(model.encoder.layers[i].kernel)) for i in (1, 2))
    assert found["elbo"] == pytest.approx(-(found["distortion"] + found["rate_z"] + found["rate_c"]), rel=1e-5)
    assert found["loss"] == pytest.approx(-found["elbo"] + 3 * found["guidance"] + penalty, rel=1e-5)
    assert found["guidance"] > 0


def test_weights_of_rows_count_in_the_bound_and_in_its_gradient(small_model, x, eager):
    model, P, weights = small_model(), np.tile(np.eye(4, dtype="f4"), (2, 1)), np.array([2, 2, 0, 3, 1, 0, 0, 0], "f4")
    noise = tf.random.stateless_normal((8, 3), [model.seed, -1])
    terms = {name: np.asarray(term) for name, term in model.elbo_terms(x, noise, hints=P).items()}
    found = model.evaluate(tf.data.Dataset.from_tensors((x, P, weights)), return_dict=True, verbose=0)
    for name, term in (("elbo", elbo.bound(terms)), *terms.items()):
        assert found[name] == pytest.approx(np.average(term, weights=weights), rel=1e-5)
    model.compile(keras.optimizers.SGD(0.1))
    for scale, same in ((0, True), (1, False)):
        before = model.encoder.get_weights()
        model.fit_unseen(tf.data.Dataset.from_tensors((x, P, np.full(8, scale, "f4"))), hints=True, verbose=0)
        pairs = zip(before, model.encoder.get_weights(), strict=True)
        assert all(np.array_equal(*pair) for pair in pairs) == same


def test_rows_alone_after_hints_and_hints_after_rows(small_model, x, eager):
    """One model, trained in turn on either: the metrics tell which it was."""
    model, hints = small_model(), np.arange(8) % 4
    guided = [
        model.fit(x, verbose=0, **more).history["guidance"][0] > 0
        for more in ({}, {"hints": hints}, {}, {"y": hints, "hints": True}, {"y": np.where(hints == 0, -1, hints)})
    ]
    assert guided == [False, True, False, True, True]


@pytest.mark.parametrize("system", ["vade", "gmvae"])
def test_a_loss_is_scaled_for_an_optimizer_that_unscales_its_gradients(system, rng, eager):
    x, ends = rng.uniform(size=(8, 6)).astype("f4"), []
    for wrap in (lambda plain: plain, keras.optimizers.LossScaleOptimizer):
        code = 4 if system == "gmvae" else 2
        parts = networks.build_encoder(6, code, (8,)), networks.build_decoder(6, 2, (8,))
        model = GMVAE(*parts, 3, "bernoulli") if system == "gmvae" else VaDE(*parts, 3)
        model.compile(wrap(keras.optimizers.SGD(0.1)))
        model.fit(x, batch_size=8, shuffle=False, verbose=0)
        ends.append(model.get_weights())
    for plain, scaled in zip(*ends, strict=True):
        np.testing.assert_allclose(scaled, plain, rtol=1e-3, atol=1e-5)


def within(precision):
    """An encoder whose hidden layer stands in a model within it, in a precision of its own."""
    x = keras.Input((12,))
    h = keras.Sequential([keras.Input((12,)), keras.layers.Dense(8, "relu", dtype=precision)])(x)
    return keras.Model(x, [keras.layers.Dense(3, dtype="float32", name=name)(h) for name in ("m", "s")])


def parts(**more):
    return networks.build_encoder(12, 3, (8,), **more), networks.build_decoder(12, 3, (8,), **more)


@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16", "mixed_float16"])
def test_networks_in_float16_have_their_loss_scaled(precision):
    for encoder in (parts(precision=precision)[0], within(precision)):
        model = VaDE(encoder, parts(precision=precision)[1], 4)
        model.compile("adam")
        scaled = isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer)
        assert scaled == (precision == "mixed_float16")


def test_a_model_without_an_optimizer_is_measured_and_not_trained(x):
    model = VaDE(*parts(), 4)
    model.compile(optimizer=None)
    assert np.isfinite(model.evaluate(x, verbose=0)).all()
    for train in (model.fit, model.train_on_batch):
        with pytest.raises(InputError, match="^optimizer: expected one"):
            train(x)


@pytest.fixture
def half_precision():
    keras.config.set_dtype_policy("mixed_bfloat16")
    yield
    keras.config.set_dtype_policy("float32")


def test_the_global_policy_is_that_of_the_wide_layers_alone(half_precision, small_model, rng):
    """Raw Gaussian rows of 1e4 + noise keep their noise: bfloat16 has eight bits for them."""
    assert device.resolve_precision("auto") == "mixed_bfloat16"
    assert device.resolve_precision("float32") == "float32"
    x = (1e4 + rng.normal(size=(32, 12))).astype("f4")
    scaling = networks.build_scaling(np.ones(12, "f4"), np.full(12, -1e4, "f4"))
    model = small_model("gaussian", precision=None, scaling=scaling)
    kinds = {layer.name: layer.compute_dtype for net in (model.encoder, model.decoder) for layer in net.layers}
    assert {kinds[name] for name in ("encoder_0", "decoder_1", "x_parameters")} == {"bfloat16"}
    assert {kinds[name] for name in ("z_mean", "z_log_var")} == {"float32"}
    np.testing.assert_allclose(model.scale(x), x - 1e4, atol=1e-3)
    np.testing.assert_allclose(model(x), model.predict(x, verbose=0), atol=1e-5)
    np.testing.assert_allclose(model(x), np.exp(model.prior(*model.encode(x))), rtol=1e-5)
    terms = model.elbo_terms(x, np.zeros((32, 3), "f4"))
    assert {term.dtype for term in terms.values()} == {tf.float32}
    model.fit(x, verbose=0)
    keras.config.set_dtype_policy("float32")
    plain = small_model("gaussian", scaling=scaling)
    plain.set_weights(model.get_weights())
    np.testing.assert_allclose(model.predict(x, verbose=0), plain.predict(x, verbose=0), atol=0.05)
