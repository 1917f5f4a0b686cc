"""Convolutional networks: sizes, initial weights, precision."""

import keras
import numpy as np
import pytest

from vade_tf.model import convolutional


@pytest.mark.parametrize("shape", [(28, 28), (8, 8), (32, 32, 3), (9, 5), (30, 17, 3), (4, 4), (1, 7), (96, 40)])
def test_images_of_any_size_come_back_in_their_size(shape, rng):
    nets = convolutional.build_encoder(shape, 3), convolutional.build_decoder(shape, 3)
    assert [tuple(weight.shape) for net in nets for weight in net.weights] == convolutional.shapes(shape, 3)
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
    assert convolutional.sides(shape) == after


def test_the_log_variance_starts_small_and_alike(rng):
    log_s2 = convolutional.build_encoder((12, 12))(rng.uniform(size=(50, 12, 12, 1)).astype("f4"))[1].numpy()
    assert np.abs(log_s2 + 3).max() < 0.3


def test_all_layers_of_the_decoder_but_the_last_have_a_rectifier(rng):
    decoder, z = convolutional.build_decoder((12, 12), 3), rng.normal(size=(20, 3)).astype("f4")
    signs = {}
    for layer in decoder.layers:
        if layer.weights:
            out = keras.Model(decoder.input, layer.output)(z).numpy()
            signs[layer.name] = (bool((out < 0).any()), bool((out > 0).any()))
    assert signs == {
        "decoder_3": (False, True),
        "decoder_2": (False, True),
        "decoder_1": (False, True),
        "decoder_0": (True, True),
    }


def test_wide_layers_compute_in_the_precision_and_what_leaves_is_float32():
    nets = [
        build((28, 28), precision="mixed_bfloat16")
        for build in (convolutional.build_encoder, convolutional.build_decoder)
    ]
    kinds = {layer.name: layer.compute_dtype for net in nets for layer in net.layers if layer.weights}
    assert {kinds.pop(name) for name in ("z_mean", "z_log_var")} == {"float32"}
    assert set(kinds.values()) == {"bfloat16"}
    assert {tensor.dtype for net in nets for tensor in net.outputs} == {"float32"}


def test_weights_are_a_function_of_the_seed_and_all_layers_differ():
    first, same, other = ([*convolutional.build_encoder((8, 8), seed=seed).get_weights()] for seed in (3, 3, 4))
    for one, two, three in zip(first, same, other, strict=True):
        np.testing.assert_array_equal(one, two)
        assert one.ndim == 1 or not np.array_equal(one, three)
    down = convolutional.build_decoder((8, 8), seed=3).get_weights()
    assert len({each.ravel()[:4].tobytes() for each in (*first, *down) if each.ndim > 1}) == 9
