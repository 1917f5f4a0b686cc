"""VaDE as a Keras model: what fit, evaluate, predict, sample, save and load promise."""

import keras
import numpy as np
import oracles
import pytest
import tensorflow as tf

from vade_tf.model import elbo, networks
from vade_tf.model.optimizer import FusedAdam
from vade_tf.model.vade import VaDE
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


@pytest.mark.long
def test_compiled_by_xla_is_the_same_step(small_model, rng):
    x = rng.uniform(size=(32, 12)).astype("f4")
    losses = []
    for jit in (False, True):
        model = small_model(compiled=False)
        model.compile(FusedAdam(1e-2), jit_compile=jit)
        model.fit(x, batch_size=16, epochs=5, shuffle=False, verbose=0)
        losses.append(np.mean(tf.add_n([model.elbo_terms(x, np.zeros((32, 3), "f4"))[t] for t in ("distortion",)])))
    assert losses[0] == pytest.approx(losses[1], rel=0.02)  # XLA draws other noise from the same seed


def test_hints_pull_known_rows_to_their_component(small_model, rng):
    """Groups that anything could tell apart: which component is whose can only come from the hints."""
    y = np.arange(80, dtype="i4") % 4
    x = np.kron(np.eye(4), np.ones(3))[y].astype("f4")
    hints = np.where(np.arange(80) < 40, y, -1)
    model = small_model(guide_weight=50.0)
    model.fit(x, hints=np.where(hints < 0, hints, 3 - y).astype("i4"), batch_size=20, epochs=40, verbose=0)
    np.testing.assert_array_equal(model.predict(x, verbose=0).argmax(axis=1), 3 - y)


def test_hints_of_weight_0_change_nothing(small_model, rng, eager):
    x, y = rng.random((80, 12)).astype("f4"), np.arange(80, dtype="i4") % 4
    unguided = small_model(guide_weight=0.0)
    unguided.fit(x, y, hints=True, batch_size=40, epochs=3, shuffle=False, verbose=0)
    without = small_model()
    without.fit(x, batch_size=40, epochs=3, shuffle=False, verbose=0)
    for a, b in zip(unguided.trainable_weights, without.trainable_weights, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


def test_a_view_is_read_by_the_encoder_and_x_is_explained(small_model, rng, eager):
    model = small_model()
    x, view = rng.uniform(size=(2, 8, 12)).astype("f4")
    noise = np.zeros((8, 3), "f4")
    np.testing.assert_allclose(
        model.elbo_terms(x, noise, view=view)["rate_z"], model.elbo_terms(view, noise)["rate_z"], rtol=1e-6
    )
    assert (
        np.abs(model.elbo_terms(x, noise, view=view)["distortion"] - model.elbo_terms(view, noise)["distortion"]).max()
        > 0.1
    )
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


def test_evaluate_is_repeatable(small_model, rng):
    model = small_model()
    x = rng.uniform(size=(50, 12)).astype("f4")
    first, second = (model.evaluate(x, verbose=0, return_dict=True) for _ in range(2))
    assert first == second
    assert first["elbo"] == pytest.approx(-(first["distortion"] + first["rate_z"] + first["rate_c"]), rel=1e-5)


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
    raw = rng.integers(0, 256, (10, 12)).astype("u1")
    plain = small_model()
    scaled = small_model(scaling=keras.layers.Rescaling(1 / 255))
    np.testing.assert_allclose(
        scaled.predict(raw, verbose=0), plain.predict(raw / np.float32(255), verbose=0), atol=1e-6
    )
    noise = np.zeros((10, 3), "f4")
    np.testing.assert_allclose(
        scaled.elbo_terms(raw, noise)["distortion"],
        plain.elbo_terms(raw / np.float32(255), noise)["distortion"],
        rtol=1e-5,
    )


def test_samples_come_from_the_chosen_component(small_model):
    model = small_model("gaussian")
    model.prior.assign(np.ones(4), 10.0 * np.eye(4, 3), np.full((4, 3), 1e-6))
    samples = model.sample([2, 2, 0], seed=1)
    want = model.decoder(model.prior.mu.numpy()[[2, 2, 0]])
    np.testing.assert_allclose(samples, want, atol=0.1)
    np.testing.assert_array_equal(samples, model.sample([2, 2, 0], seed=1))
    assert not np.array_equal(samples, model.sample([2, 2, 0], seed=2))


def test_layers_of_the_users_own_are_told_of_training_and_their_penalties_count(rng, eager):
    """Batch normalisation moves its averages in fit alone; weight decay is in the loss and not in the bound."""
    x = rng.random((64, 12)).astype("f4")
    inputs = keras.Input((12,))
    h = keras.layers.BatchNormalization(name="norm")(inputs)
    h = keras.layers.Dense(8, activation="relu", kernel_regularizer=keras.regularizers.L2(10.0))(h)
    encoder = keras.Model(inputs, [keras.layers.Dense(3)(h), keras.layers.Dense(3)(h)])
    model = VaDE(encoder, networks.build_decoder(12, latent_dim=3, hidden=(8,)), 4)
    model.compile(FusedAdam(1e-3))
    result = model.evaluate(x, verbose=0, return_dict=True)
    assert float(tf.add_n(model.losses)) > 1
    assert result["loss"] == pytest.approx(-result["elbo"] + float(tf.add_n(model.losses)), rel=1e-5)
    average = encoder.get_layer("norm").moving_mean
    np.testing.assert_array_equal(average, np.zeros(12))
    model.fit(x, batch_size=16, epochs=2, verbose=0)
    assert np.all(average.numpy() > 0.01)


def test_paper_network_has_the_paper_shape():
    widths = [layer.units for layer in networks.build_encoder(784).layers if isinstance(layer, keras.layers.Dense)]
    assert widths == [500, 500, 2000, 10, 10]
    widths = [layer.units for layer in networks.build_decoder(784).layers if isinstance(layer, keras.layers.Dense)]
    assert widths == [2000, 500, 500, 784]
    x = np.random.default_rng(0).uniform(size=(50, 784)).astype("f4")
    _, log_s2 = networks.build_encoder(784, seed=3)(x)
    np.testing.assert_allclose(log_s2, -3, atol=0.3)  # the head that does not wreck a pretrained code
    a, b, c = (networks.build_encoder(20, seed=s).get_weights() for s in (1, 1, 2))
    assert np.array_equal(a[0], b[0])
    assert not np.array_equal(a[0], c[0])
    assert not np.array_equal(a[2][:20], a[4][:20, :500])  # each layer its own draw


@pytest.mark.long
def test_two_replicas_take_the_same_step_as_one():
    """MirroredStrategy over two logical CPUs, in a fresh process: gradients are summed, noise differs by replica."""
    import subprocess
    import sys

    code = """
import keras, numpy as np, tensorflow as tf
two = [tf.config.LogicalDeviceConfiguration()] * 2
tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], two)
from vade_tf.training import device
from vade_tf.model import networks
from vade_tf.model.vade import VaDE
x = np.random.default_rng(0).uniform(size=(64, 12)).astype("f4")
data = tf.data.Dataset.from_tensor_slices(x).batch(32)
def made(strategy):
    with strategy.scope():
        shape = dict(n_features=12, latent_dim=3, hidden=(16, 8))
        model = VaDE(networks.build_encoder(**shape), networks.build_decoder(**shape), 4)
        model.compile(keras.optimizers.SGD(1e-3))  # unlike Adam it sees the scale of a gradient
    return model
def moved(model):
    before = model.get_weights()
    model.fit(data, epochs=5, shuffle=False, verbose=0)
    return np.concatenate([(a - b).ravel() for a, b in zip(model.get_weights(), before)])
mirrored = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
model = made(mirrored)
one, two = moved(made(tf.distribute.get_strategy())), moved(model)
assert np.linalg.norm(two - one) < 0.1 * np.linalg.norm(one), (np.linalg.norm(one), np.linalg.norm(two))
same_rows = tf.function(lambda: mirrored.run(lambda: model._loss(x[:32], step=tf.constant(0))))
a, b = mirrored.experimental_local_results(same_rows())
assert float(a) != float(b), "both replicas drew the same noise"
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, done.stderr[-2000:]


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


def test_a_subclass_may_have_layers_of_its_own(rng):
    class More(VaDE):
        def __init__(self, *arguments, **settings):
            super().__init__(*arguments, **settings)
            self.read = keras.layers.Dense(2)

    shape = {"n_features": 12, "latent_dim": 3, "hidden": (8,)}
    model = More(networks.build_encoder(**shape), networks.build_decoder(**shape), 4)
    model.compile(FusedAdam(1e-2))
    model.fit(rng.random((8, 12)).astype("f4"), verbose=0)
