"""The networks: sizes, precision, initial weights and their seeds; scaling; the optimizer takes Keras' Adam's steps."""

import functools
import gc
import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import stats
from tensorflow.python.framework.func_graph import FuncGraph

from vade_tf.model import networks
from vade_tf.model.networks import FusedAdam

SQUARE = {"n_features": 8, "latent_dim": 8, "hidden": (8, 8)}  # every kernel is 8 x 8, so that they can be compared


def dense(network):
    return {layer.name: layer for layer in network.layers if isinstance(layer, keras.layers.Dense)}


def test_a_given_precision_is_that_of_the_wide_layers_alone():
    shape = {**SQUARE, "precision": "mixed_bfloat16"}
    encoder, decoder = networks.build_encoder(**shape), networks.build_decoder(**shape)
    kinds = {name: layer.compute_dtype for net in (encoder, decoder) for name, layer in dense(net).items()}
    wide = {"encoder_0", "encoder_1", "decoder_0", "decoder_1", "x_parameters"}
    assert kinds == {name: "bfloat16" if name in wide else "float32" for name in (*wide, "z_mean", "z_log_var")}
    assert {output.dtype for output in (*encoder.outputs, *decoder.outputs)} == {"float32"}
    assert {weight.dtype for net in (encoder, decoder) for weight in net.weights} == {"float32"}


def test_every_layer_has_its_own_draw_and_a_seed_repeats_it():
    def kernels(seed):
        nets = networks.build_encoder(**SQUARE, seed=seed), networks.build_decoder(**SQUARE, seed=seed)
        return {name: layer.kernel.numpy() for net in nets for name, layer in dense(net).items()}

    first, again, other = kernels(1), kernels(1), kernels(2)
    for name, kernel in first.items():
        np.testing.assert_array_equal(kernel, again[name])
        assert not np.array_equal(kernel, other[name])
    for a, b in itertools.combinations(first.values(), 2):
        assert abs(np.corrcoef(a.ravel(), b.ravel())[0, 1]) < 0.5  # two scales of one draw would give 1


def test_kernels_are_glorot_uniform_and_the_noise_of_a_code_starts_small():
    """Glorot & Bengio (2010), eq. 16; the log-variance head has a tenth of it around -3."""
    encoder, decoder = networks.build_encoder(90, 30, (200,)), networks.build_decoder(90, 30, (200,))
    layers = {**dense(encoder), **dense(decoder)}
    for name, layer in layers.items():
        limit = np.sqrt(6 / sum(layer.kernel.shape)) * (0.1 if name == "z_log_var" else 1)
        drawn = layer.kernel.numpy().ravel()
        assert stats.kstest(drawn, stats.uniform(-limit, 2 * limit).cdf).pvalue > 0.01, name
        np.testing.assert_allclose(layer.bias, -3 if name == "z_log_var" else 0)


@pytest.mark.parametrize(
    ("scale", "offset"),
    [(1.0, 0.0), (2.0, 0.0), (1.0, 3.0), (np.ones(3, "f4"), np.zeros(3, "f4")), (np.array([1.0, 2.0, 1.0]), 0.0),
     (1.0, np.array([0.0, 0.0, 4.0])), (np.full(3, 2.0), np.zeros(3))],
)  # fmt: skip
def test_scaling_is_a_layer_unless_x_is_raw(scale, offset):
    raw = np.array([[1.0, 2.0, 3.0], [-1.0, 0.5, 0.0]], "f4")
    layer, want = networks.build_scaling(scale, offset), raw * scale + offset
    assert (layer is None) == np.array_equal(want, raw)
    if layer is not None:
        np.testing.assert_allclose(layer(raw), want)


@pytest.mark.parametrize("shape", [(28, 28), (8, 8), (32, 32, 3), (9, 5), (30, 17, 3), (4, 4), (1, 7), (96, 40)])
def test_images_of_any_size_come_back_in_their_size(shape, rng):
    nets = networks.build_conv_encoder(shape, 3), networks.build_conv_decoder(shape, 3)
    x = rng.uniform(size=(2, *shape[:2], 3 if len(shape) == 3 else 1)).astype("f4")
    m, log_s2 = nets[0](x)
    assert m.shape == log_s2.shape == (2, 3)
    assert nets[1](m).shape == x.shape


@pytest.mark.parametrize(
    ("shape", "after"),
    [
        ((28, 28), [(28, 28), (14, 14), (7, 7), (4, 4)]),
        ((16, 16), [(16, 16), (16, 16), (8, 8), (4, 4)]),
        ((8, 8, 3), [(8, 8), (8, 8), (8, 8), (4, 4)]),
        ((7, 100), [(7, 100), (7, 100), (7, 100), (4, 50)]),
        ((5, 6), [(5, 6)] * 4),
        ((96, 40), [(96, 40), (48, 20), (24, 10), (12, 5)]),
        ((64, 64), [(64, 64), (32, 32), (16, 16), (8, 8), (4, 4)]),
    ],
)
def test_the_last_layers_halve_an_image_until_its_shorter_side_is_small(shape, after):
    assert networks.sides(shape) == after


def test_wide_layers_compute_in_the_precision_and_what_leaves_is_float32():
    nets = [
        build((28, 28), precision="mixed_bfloat16")
        for build in (networks.build_conv_encoder, networks.build_conv_decoder)
    ]
    kinds = {layer.name: layer.compute_dtype for net in nets for layer in net.layers if layer.weights}
    assert {kinds.pop(name) for name in ("z_mean", "z_log_var")} == {"float32"}
    assert set(kinds.values()) == {"bfloat16"}
    assert {tensor.dtype for net in nets for tensor in net.outputs} == {"float32"}


def test_weights_are_a_function_of_the_seed_and_all_layers_differ():
    first, same, other = ([*networks.build_conv_encoder((8, 8), seed=seed).get_weights()] for seed in (3, 3, 4))
    for one, two, three in zip(first, same, other, strict=True):
        np.testing.assert_array_equal(one, two)
        assert one.ndim == 1 or not np.array_equal(one, three)
    down = networks.build_conv_decoder((8, 8), seed=3).get_weights()
    assert len({each.ravel()[:4].tobytes() for each in (*first, *down) if each.ndim > 1}) == 9


@pytest.mark.parametrize("jit", [False, True])
@pytest.mark.parametrize("settings", [{}, {"epsilon": 1e-4, "beta_1": 0.8}, {"clipnorm": 0.1}, {"weight_decay": 0.01}])
def test_equals_keras_adam(rng, jit, settings):
    start = rng.normal(size=(7, 3)).astype("f4")
    gradients = rng.normal(size=(10, 7, 3)).astype("f4")
    ends = []
    for kind in (keras.optimizers.Adam, FusedAdam):
        variable, optimizer = keras.Variable(start), kind(0.05, **settings)
        optimizer.build([variable])
        step = tf.function(functools.partial(_apply, optimizer, variable), jit_compile=jit)
        for gradient in gradients:
            step(tf.constant(gradient))
        ends.append([variable.numpy(), *(v.numpy() for v in optimizer.variables)])
    for ours, keras_own in zip(*reversed(ends), strict=True):
        np.testing.assert_allclose(ours, keras_own, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("dtype", ["float64", "bfloat16"])
def test_variables_of_another_type_are_trained_by_keras(dtype):
    """The kernel reads float32: of others it would end the process."""
    ends = []
    for kind in (keras.optimizers.Adam, FusedAdam):
        variable, optimizer = keras.Variable(np.ones(3), dtype=dtype), kind(0.05, beta_2=0.9)
        optimizer.build([variable])
        for _ in range(3):
            optimizer.apply([tf.ones(3, dtype)], [variable])
        ends.append(tf.cast(variable.value, tf.float32).numpy())
    np.testing.assert_array_equal(*ends)
    assert (ends[0] < 0.99).all()


def _apply(optimizer, variable, gradient):
    optimizer.apply([gradient], [variable])


def test_follows_a_schedule_and_survives_its_config(rng):
    schedule = keras.optimizers.schedules.ExponentialDecay(0.1, 1, 0.5)
    optimizer = FusedAdam.from_config(FusedAdam(schedule).get_config())
    variable = keras.Variable(np.zeros(1, "f4"))
    steps = []
    for _ in range(3):
        before = variable.numpy()
        optimizer.apply([tf.ones(1)], [variable])
        steps.append((before - variable.numpy())[0])
    np.testing.assert_allclose(steps, [0.1, 0.05, 0.025], rtol=1e-3)


def graphs() -> int:
    """Graphs that are held by somebody."""
    gc.collect()
    return sum(issubclass(type(each), FuncGraph) for each in gc.get_objects())


def test_a_model_that_is_gone_leaves_no_graph_of_its_steps(small_model, rng):
    """A search trains hundreds of them in one process; TensorFlow keeps graphs with gradients of somebody's own."""
    x, before = rng.random((40, 12)).astype("f4"), graphs()
    model = small_model()
    model.fit(x, batch_size=20, verbose=0)
    model.predict(x, verbose=0)
    assert graphs() > before
    del model
    assert graphs() <= before


def test_rows_of_one_length_are_read_by_their_roots_and_come_back(small_model, rng):
    """Of length 3, 0 in places; the roots have the square 1 on average, and their angles are Hellinger's."""
    x = np.maximum(rng.normal(size=(8, 12)), 0)
    x[:, 0] += 0.1
    x *= 3 / np.linalg.norm(x, axis=1, keepdims=True)
    model = small_model("gaussian", scaling=networks.Roots(3.0))
    scaled = model.scale(x).numpy()
    np.testing.assert_allclose((scaled**2).mean(axis=1), 1.0, rtol=1e-5)
    shares = x / x.sum(axis=1, keepdims=True)
    cosines = np.sqrt(shares) @ np.sqrt(shares).T  # Bhattacharyya's coefficients
    np.testing.assert_allclose(scaled @ scaled.T / 12, cosines, atol=1e-5)
    np.testing.assert_allclose(model.unscale(scaled), x, atol=1e-5)
    np.testing.assert_array_equal(model.unscale(np.full((1, 12), -0.3)), np.zeros((1, 12)))
    np.testing.assert_array_equal(model.scale(np.zeros((2, 12), "f4")), np.zeros((2, 12)))
