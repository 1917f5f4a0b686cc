"""The networks: precision, initial weights and their seeds, scaling, and what is no network of a VaDE."""

import itertools

import keras
import numpy as np
import pytest
from scipy import stats

from vade_tf.errors import InputError
from vade_tf.model import networks

SQUARE = {"n_features": 8, "latent_dim": 8, "hidden": (8, 8)}  # every kernel is 8 x 8, so that they can be compared


def dense(network):
    return {layer.name: layer for layer in network.layers if isinstance(layer, keras.layers.Dense)}


def test_the_defaults_are_the_papers_widths():
    """Jiang et al., section 4.1: D-500-500-2000-10 and back."""
    assert networks.HIDDEN == (500, 500, 2000)
    assert networks.build_encoder(3, hidden=(4,)).output_shape == [(None, 10), (None, 10)]
    assert networks.build_decoder(3, hidden=(4,)).input_shape == (None, 10)


def assert_wide_layers_alone_are_narrow(encoder, decoder):
    kinds = {name: layer.compute_dtype for net in (encoder, decoder) for name, layer in dense(net).items()}
    wide = {"encoder_0", "encoder_1", "decoder_0", "decoder_1", "x_parameters"}
    assert kinds == {name: "bfloat16" if name in wide else "float32" for name in (*wide, "z_mean", "z_log_var")}
    assert {output.dtype for output in (*encoder.outputs, *decoder.outputs)} == {"float32"}
    assert {weight.dtype for net in (encoder, decoder) for weight in net.weights} == {"float32"}


def test_a_given_precision_is_that_of_the_wide_layers_alone():
    shape = {**SQUARE, "precision": "mixed_bfloat16"}
    assert_wide_layers_alone_are_narrow(networks.build_encoder(**shape), networks.build_decoder(**shape))


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


def heads(*widths):
    x = keras.Input((12,))
    return keras.Model(x, [keras.layers.Dense(width)(x) for width in widths])


def test_an_encoder_of_two_inputs_or_of_a_code_in_two_axes_is_refused():
    x, y = keras.Input((6,)), keras.Input((6,))
    both = keras.layers.Concatenate()([x, y])
    two = keras.Model([x, y], [keras.layers.Dense(3)(both), keras.layers.Dense(3)(both)])
    z = keras.layers.Reshape((3, 1))(keras.layers.Dense(3)(x))
    plane = keras.Model(x, [z, z])
    for encoder in (two, plane, heads(3, 3, 3), heads(3, 4)):
        with pytest.raises(InputError, match="^encoder: expected one input and a list"):
            networks.check(encoder, networks.build_decoder(12, 3, ()))


def test_networks_may_share_a_layer_that_has_no_weights_and_no_other():
    """A copy of an activation is the activation; of a dense layer it would be a second one."""
    for shared, allowed in ((keras.layers.ReLU(), True), (keras.layers.Dense(3), False)):
        x, z = keras.Input((3,)), keras.Input((3,))
        h = shared(x)
        encoder = keras.Model(x, [keras.layers.Dense(3)(h), keras.layers.Dense(3)(h)])
        decoder = keras.Model(z, keras.layers.Dense(3)(shared(z)))
        if allowed:
            networks.check(encoder, decoder)
        else:
            with pytest.raises(InputError, match="^decoder: expected no layer of the encoder"):
                networks.check(encoder, decoder)
