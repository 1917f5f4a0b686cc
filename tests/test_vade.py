"""What `VaDE` does with rows, step by step and without a training: forms, units, hints, layers, its own bound."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from vade_tf.errors import InputError
from vade_tf.model import inputs, networks
from vade_tf.model.optimizer import FusedAdam
from vade_tf.model.vade import VaDE
from vade_tf.systems.gmvae import GMVAE


@pytest.fixture
def x(rng):
    return rng.uniform(size=(8, 12)).astype("f4")


@pytest.mark.parametrize("form", [(8, 12), (8, 3, 4), (8, 3, 4, 1), (8, 12, 1)])
def test_rows_of_any_form_are_the_same_rows(small_model, x, form):
    model = small_model(scaling=keras.layers.Rescaling(2.0, 1.0, dtype="float32"))
    np.testing.assert_allclose(model.scale(x.reshape(form)), 2 * x + 1, rtol=1e-6)
    assert model.scale((255 * x).astype("u1").reshape(form)).dtype == tf.float32
    assert model.n_features == 12


def test_numbers_of_any_size_are_read_up_to_a_thousand_million(small_model):
    """Those of a likelihood whose x has no end: the square of what is farther would be infinite."""
    x = np.full((1, 12), 5e8, "f4")
    x[0, :2] = 2e9, -3e30
    np.testing.assert_array_equal(small_model("gaussian").scale(x)[0, :3], np.array([1e9, -1e9, 5e8], "f4"))


def test_units_are_given_back(small_model, x):
    np.testing.assert_array_equal(small_model().unscale(x), x)
    for scaling in (keras.layers.Rescaling(0.5, -3.0), keras.layers.Rescaling(np.arange(1.0, 13), np.arange(12.0))):
        model = small_model(scaling=scaling)
        np.testing.assert_allclose(model.unscale(model.scale(x)), x, rtol=1e-5, atol=1e-5)
    with pytest.raises(InputError, match=r"^scaling: expected keras.layers.Rescaling, whose inverse is known"):
        small_model(scaling=keras.layers.Activation("tanh")).unscale(x)


@pytest.fixture
def with_dropout():
    """A model whose networks drop half of their units in training."""
    inputs, z = keras.Input((12,)), keras.Input((3,))
    h = keras.layers.Dropout(0.5, seed=1)(inputs)
    encoder = keras.Model(inputs, [keras.layers.Dense(3)(h), keras.layers.Dense(3)(h)])
    decoder = keras.Model(z, keras.layers.Dense(12)(keras.layers.Dropout(0.5, seed=2)(z)))
    return VaDE(encoder, decoder, 4)


def test_layers_are_in_training_only_where_it_is_said(with_dropout, x):
    noise = np.zeros((8, 3), "f4")
    for answer in (lambda **more: with_dropout.encode(x, **more)[0],
                   lambda **more: with_dropout.elbo_terms(x, noise, **more)["distortion"]):  # fmt: skip
        np.testing.assert_array_equal(answer(), answer())
        assert not np.array_equal(answer(training=True), answer(training=True))
    np.testing.assert_allclose(with_dropout.encode(x)[0], with_dropout.encoder(x, training=False)[0], rtol=1e-6)
    np.testing.assert_array_equal(with_dropout(x), with_dropout(x))
    np.testing.assert_array_equal(with_dropout.decode(noise), with_dropout.decode(noise))
    np.testing.assert_array_equal(with_dropout.elbo(x), with_dropout.elbo(x))


def test_a_fit_by_hand_traces_its_step_once(small_model, x, monkeypatch):
    traced, loss = [], VaDE._loss
    monkeypatch.setattr(VaDE, "_loss", lambda self, *given, **more: traced.append(1) or loss(self, *given, **more))
    model = small_model()
    model.fit(x, batch_size=4, epochs=2, verbose=0)
    model.fit(x, batch_size=4, epochs=1, verbose=0)
    assert len(traced) == 1


def test_training_drops_units_and_evaluation_does_not(with_dropout, x, eager):
    """At a rate of 0 the loss of a step would be the same again but for the dropped units: the noise is the step's."""
    with_dropout.compile(FusedAdam(0.0))
    losses = []
    for _ in range(2):
        losses.append(with_dropout.fit(x, batch_size=8, verbose=0).history["loss"][0])
        with_dropout.optimizer.iterations.assign(0)
    assert losses[0] != losses[1]
    assert with_dropout.evaluate(x, verbose=0) == with_dropout.evaluate(x, verbose=0)


def without_noise(small_model):
    """A model whose q(z|x) is a point: its bound is the same for every draw."""
    model = small_model()
    head = model.encoder.get_layer("z_log_var")
    head.kernel.assign(np.zeros((8, 3)))
    head.bias.assign(np.full(3, -30.0))
    return model


def test_the_bound_of_a_row_is_the_sum_of_its_terms(small_model, x, rng):
    model = without_noise(small_model)
    model.prior.assign(np.arange(1, 5), rng.normal(size=(4, 3)), rng.uniform(0.2, 2, (4, 3)))
    terms = model.elbo_terms(x, np.zeros((8, 3), "f4"))
    np.testing.assert_allclose(model.elbo(x), -(terms["distortion"] + terms["rate_z"] + terms["rate_c"]), rtol=1e-4)


def test_the_bound_of_a_row_is_a_mean_of_passes_in_which_what_is_linear_cancels(small_model, x, monkeypatch):
    """Draws both ways, the same for every row."""
    model, seen = small_model(), []

    def linear(raw, rows, m, log_s2, noise):
        seen.append(np.array(noise))
        term = tf.reduce_sum(tf.cast(noise, tf.float32) * [1.0, 2.0, 3.0], axis=1) + tf.reduce_sum(rows, axis=1)
        return {"distortion": term, "rate_z": 2 * term, "rate_c": 4 * term}

    monkeypatch.setattr(model, "_terms", linear)
    np.testing.assert_allclose(model.elbo(x), -7 * x.sum(axis=1), rtol=1e-5)
    assert len({draw.tobytes() for draw in seen}) == len(seen) == 6  # passes through the decoder


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


def test_the_weight_of_the_hints_is_a_weight_that_no_step_trains(small_model, x, eager):
    model = small_model(guide_weight=7.0)
    assert float(model.guide_weight.numpy()) == 7.0
    assert not any(weight is model.guide_weight for weight in model.trainable_variables)
    model.fit(x, hints=np.arange(8) % 4, verbose=0)
    assert float(model.guide_weight.numpy()) == 7.0
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(model))
    assert float(again.guide_weight.numpy()) == 7.0


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


@pytest.mark.parametrize("hints", [[0, 1, 2, 3], [-1, -1, -1, -1], [2, 2, 2, 2], [-1, 3, -1, 0]])
def test_hints_from_minus_one_to_the_last_component_are_taken(small_model, hints):
    found = inputs.known_groups(np.array(hints), small_model().prior.n_components)
    np.testing.assert_array_equal(found, hints)


@pytest.mark.parametrize("hints", [[0, 4], [-2, 0], [-2, 4], [4, 4], [-2, -2]])
def test_hints_beyond_are_named(small_model, x, hints):
    with pytest.raises(InputError, match=f"got {min(hints)} to {max(hints)}$"):
        small_model().fit(x[:2], hints=np.array(hints), verbose=0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"y": np.arange(8) % 4}, "^y: expected no labels"),
        ({"y": np.arange(8) % 4, "hints": False}, "^y: expected no labels"),
        ({"y": np.arange(8) % 4, "hints": np.arange(8) % 4}, "^hints: expected hints or y, got both"),
        ({"hints": np.array(["a"] * 8)}, "^hints: expected whole numbers"),
    ],
)
def test_labels_and_hints_that_cannot_be_used(small_model, x, arguments, message):
    with pytest.raises(InputError, match=message):
        small_model().fit(x, verbose=0, **arguments)


def test_rows_alone_after_hints_and_hints_after_rows(small_model, x, eager):
    """One model, trained in turn on either: the metrics tell which it was."""
    model, hints = small_model(), np.arange(8) % 4
    guided = [
        model.fit(x, verbose=0, **more).history["guidance"][0] > 0
        for more in ({}, {"hints": hints}, {}, {"y": hints, "hints": True}, {"y": np.where(hints == 0, -1, hints)})
    ]
    assert guided == [False, True, False, True, True]


def test_every_verb_looks_at_its_rows(small_model, x, eager):
    model = small_model()
    for verb in (model.fit, model.evaluate, model.predict):
        with pytest.raises(InputError, match=r"^x: expected rows of 12 values, got shape \(8, 11\)"):
            verb(x[:, 1:], verbose=0)
    assert model.predict(x, verbose=0).shape == (8, 4)
    assert len(model.evaluate(x, verbose=0)) == 6


def test_a_loaded_model_goes_on_with_its_optimizer(small_model, x, tmp_path, eager):
    """Its moments and its count of steps are those that were saved."""
    model = small_model()
    model.fit(x, epochs=2, verbose=0)
    model.save(tmp_path / "m.keras")
    loaded = keras.saving.load_model(tmp_path / "m.keras")
    assert int(loaded.optimizer.iterations) == 2
    for mine, theirs in zip(loaded.optimizer.variables, model.optimizer.variables, strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_a_model_keeps_the_seed_of_its_noise(small_model):
    model = small_model(seed=7)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(model))
    again.set_weights(model.get_weights())
    noise = tf.random.stateless_normal((2, 3), [7, 3])
    for each in (model, again):
        expected = model.decode(model.prior.draw([0, 1], noise))
        np.testing.assert_allclose(each.sample([0, 1], seed=3), expected, rtol=1e-5)


def test_codes_are_those_without_dropout_unless_one_trains(x):
    inputs = keras.Input((12,))
    h = keras.layers.Dropout(0.5, seed=0)(inputs)
    encoder = keras.Model(inputs, [keras.layers.Dense(3)(h), keras.layers.Dense(3)(h)])
    model = VaDE(encoder, networks.build_decoder(12, 3, (8,)), 2)
    for found, expected in zip(model.encode(x), encoder(x, training=False), strict=True):
        np.testing.assert_array_equal(found, expected)
    assert not np.array_equal(model.encode(x, training=True)[0], model.encode(x)[0])


def test_a_decoder_is_told_of_training_too(x):
    z = keras.Input((3,))
    decoder = keras.Model(z, keras.layers.Dense(12)(keras.layers.Dropout(0.5, seed=2)(z)))
    model, noise = VaDE(networks.build_encoder(12, 3, (8,)), decoder, 4), np.ones((8, 3), "f4")
    once, again = (model.elbo_terms(x, noise, training=True)["distortion"] for _ in range(2))
    assert not np.array_equal(once, again)


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


@pytest.mark.parametrize("precision", ["float32", "mixed_float16"])
def test_a_row_far_away_has_a_cluster_and_a_low_score_in_any_precision(small_model, rng, precision):
    """Half precision ends at 65,504: sums of what is farther would be infinite, and their differences NaN."""
    model, x = small_model("gaussian", precision=precision), rng.normal(size=(3, 12)).astype("f4")
    x[1] = 1e6
    gamma, bound = model.predict(x, verbose=0), model.elbo(x).numpy()
    assert np.isfinite(gamma).all()
    assert np.isfinite(bound).all()
    assert bound.argmin() == 1
    assert np.isfinite(model.decode(np.full((1, 3), 1e6, "f4"))).all()


def test_the_loss_of_a_pair_is_of_a_view_that_is_read_and_of_rows_that_are_explained(small_model, rng):
    """The encoder reads the first of the two, the decoder explains the second."""
    model = small_model()
    view, x = rng.uniform(size=(2, 8, 12)).astype("f4")
    model._loss(((view, x),), tf.constant(-1))
    found = {each.name: float(each.result()) for each in model.metrics}
    noise = tf.random.stateless_normal((8, 3), [0, -1])
    for name, term in model.elbo_terms(x, noise, view=view).items():
        assert found[name] == pytest.approx(float(tf.reduce_mean(term)), rel=1e-5, abs=1e-6), name


def test_hints_of_an_evaluation_count_though_the_model_was_trained_without(small_model, x, eager):
    model = small_model()
    model.fit(x, verbose=0)
    found = model.evaluate(x, np.arange(8) % 4, verbose=0, return_dict=True)
    assert found["guidance"] > 0
    assert found["loss"] == pytest.approx(-found["elbo"] + 20 * found["guidance"], rel=1e-5)


def test_a_row_whose_variance_ran_away_finds_back(small_model, x):
    """The bound of it is one that steps can be made from, and its gradient says which way."""
    model = small_model()
    head = model.encoder.get_layer("z_log_var")
    head.bias.assign(np.full(head.bias.shape, 41.0))
    with tf.GradientTape() as tape:
        terms = model.elbo_terms(x, np.ones((len(x), 3), "f4"))
        loss = tf.reduce_mean(terms["distortion"] + terms["rate_z"] + terms["rate_c"])
    assert float(loss) < 1e6
    assert np.all(tape.gradient(loss, head.bias).numpy() > 0)
    head.bias.assign(np.full(head.bias.shape, -3.0))
    log_s2 = model.encode(x)[1]
    np.testing.assert_array_equal(log_s2, model.encoder(x)[1])  # what is within reach stays as it is
    head.bias.assign(np.full(head.bias.shape, np.inf))
    assert np.all(np.isfinite(model.encode(x)[1]))
