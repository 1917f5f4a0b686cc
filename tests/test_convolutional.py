"""Convolutional networks: any size of image, weights of a seed, and a fit that takes them where it is asked to."""

import json
from dataclasses import replace

import keras
import numpy as np
import pytest

from vade_tf import Settings, VaDEClusterer, fit
from vade_tf.errors import InputError
from vade_tf.model import convolutional
from vade_tf.model.vade import VaDE
from vade_tf.runs.config import TrainConfig
from vade_tf.runs.filled import filled
from vade_tf.runs.load import load
from vade_tf.runs.rows import load_rows
from vade_tf.training import arguments
from vade_tf.training.fitting import begin
from vade_tf.training.store import Memory

SHORT = {"pretrain_epochs": 2, "epochs": 2, "batch_size": 16}


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


@pytest.mark.parametrize(("head", "share"), [("z_mean", 1.0), ("z_log_var", 0.1)])
def test_the_heads_begin_with_weights_of_glorot_or_a_tenth_of_them(head, share):
    kernel = convolutional.build_encoder((12, 12)).get_layer(head).kernel.numpy()
    limit = share * np.sqrt(6 / sum(kernel.shape))
    assert 0.99 * limit < np.abs(kernel).max() <= limit


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


def test_the_decoder_can_say_anything_also_of_the_smallest_image(rng):
    """Its last layer has no rectifier: logits and means below zero are possible."""
    for shape in ((4, 4), (8, 8)):
        out = convolutional.build_decoder(shape, 3)(rng.normal(size=(200, 3)).astype("f4")).numpy()
        assert out.min() < -1e-3
        assert out.max() > 1e-3


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


@pytest.fixture
def images(rng):
    """Squares and stripes in two colours, uint8 [60, 8, 8, 3]."""
    x = np.zeros((60, 8, 8, 3), "u1")
    x[:30, 2:6, 2:6, 0] = 200
    x[30:, ::3, :, 2] = 200
    return x + rng.integers(0, 30, x.shape).astype("u1")


@pytest.mark.long
def test_a_fit_of_colour_images_takes_convolutions_where_it_is_asked_to(images, tmp_path):
    found = fit(images, Settings(clusters=2, network="conv", augment="photos", **SHORT))
    assert [layer.__class__.__name__ for layer in found.model.encoder.layers].count("Conv2D") == 3
    assert found.model.encoder.input_shape == (None, 8, 8, 3)
    found.model.save(tmp_path / "model.keras")
    again = load(tmp_path / "model.keras")
    assert isinstance(again, VaDE)
    rows = images.reshape(60, -1)
    np.testing.assert_array_equal(again.predict(rows, verbose=0), found.model.predict(rows, verbose=0))
    assert found.model.sample(np.array([0, 1])).shape == (2, 8 * 8 * 3)


@pytest.mark.parametrize(
    ("side", "asked", "many", "taken"),
    [
        (28, {}, 61, "conv"),
        (12, {}, 61, "conv"),
        (11, {}, 61, "dense"),
        (32, {}, 61, "conv"),
        (33, {}, 61, "dense"),
        (28, {}, 60, "dense"),
        (28, {"hidden": (8,)}, 61, "dense"),
        (28, {"recipe": "paper"}, 61, "dense"),
        (28, {"network": "dense"}, 61, "dense"),
        (15, {"network": "conv"}, 60, "conv"),
    ],
)
def test_few_images_of_middle_size_get_convolutions(side, asked, many, taken, monkeypatch, rng):
    monkeypatch.setattr(arguments, "MANY_ROWS", many)
    fitting = begin(rng.integers(0, 256, (60, side, 30, 3)).astype("u1"), Settings(clusters=2, **asked))
    assert fitting.settings.network == taken
    assert len(fitting.model.encoder.input_shape) == (4 if taken == "conv" else 2)
    assert fitting.settings.batch_size == (128 if taken == "conv" else 100 if "recipe" in asked else 256)


def test_settings_that_were_resolved_before_give_images_convolutions_as_well(rng):
    images = rng.integers(0, 256, (60, 28, 28)).astype("u1")
    for asked, taken in (({}, "conv"), ({"hidden": (8,)}, "dense")):
        resolved = Settings(clusters=2, **asked).resolve(60, 784)
        assert begin(images, resolved).settings.network == taken


def test_counts_of_the_shape_of_images_and_rows_get_dense_ones(rng):
    counts = rng.negative_binomial(0.1, 0.01, (60, 28, 28))
    assert begin(counts, Settings(clusters=2, likelihood="counts")).settings.network == "dense"
    assert begin(rng.normal(size=(60, 784)), Settings(clusters=2)).settings.network == "dense"


def test_other_systems_and_networks_of_the_callers_own_keep_their_batch(rng):
    images = rng.integers(0, 256, (60, 28, 28)).astype("u1")
    of_dec = begin(images, Settings(clusters=2), system="dec", pretrains=True, epochs=1).settings
    own = convolutional.build_encoder((28, 28), 2), convolutional.build_decoder((28, 28), 2)
    of_own = begin(images, Settings(clusters=2), networks=own).settings
    assert (of_dec.network, of_dec.batch_size, of_own.batch_size) == ("conv", 256, 256)


@pytest.mark.long
def test_the_estimator_takes_them_and_finds_two_kinds_of_image(images):
    found = VaDEClusterer(2, network="conv", pretrain_epochs=10, epochs=6, batch_size=16, random_state=0).fit(images)
    assert len(set(found.labels_[:30])) == len(set(found.labels_[30:])) == 1
    assert found.labels_[0] != found.labels_[30]


def test_a_stopped_fit_goes_on_bit_for_bit(images, eager):
    once = {**SHORT, "pretrain_epochs": 1, "init": "kmeans", "guide_epochs": 1, "regroups": 0}
    settings, store = Settings(clusters=2, network="conv", **once), Memory()
    whole = fit(images, settings).model.get_weights()

    class Stopped(Exception):
        pass

    class Stop(Memory):
        def save(self, name, arrays):
            store.save(name, arrays)
            super().save(name, arrays)
            if name == "start":
                raise Stopped

    with pytest.raises(Stopped):
        fit(images, settings, store=Stop())
    for one, other in zip(whole, fit(images, settings, store=store).model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_rows_that_are_no_images_are_told(rng):
    with pytest.raises(
        InputError, match=r"^network: conv expects images, .* got rows of 5 features; use network='dense'"
    ):
        begin(rng.normal(size=(30, 5)), Settings(clusters=2, network="conv"))
    counts = rng.poisson(0.3, (30, 12, 12))
    with pytest.raises(InputError, match=r"^network: conv expects images, got counts"):
        begin(counts, Settings(clusters=2, network="conv", likelihood="counts"))


def test_widths_of_dense_layers_do_not_go_with_convolutions(images, tmp_path):
    """They would be written down and used for nothing; those of the paper's recipe are its own."""
    asked = {"clusters": 2, "network": "conv", "pretrain_epochs": 1, "epochs": 1}
    expected = r"^hidden: goes with dense networks, got \(64, 64\) beside network='conv'"
    with pytest.raises(InputError, match=expected):
        begin(images, Settings(hidden=(64, 64), **asked))
    np.save(tmp_path / "x.npy", images)
    rows = load_rows(TrainConfig(data=str(tmp_path / "x.npy"), hidden=(64, 64), **asked))
    with pytest.raises(InputError, match=expected):
        filled(rows.config, rows)
    begin(images, Settings(recipe="paper", **asked))
    networks = convolutional.build_encoder((8, 8, 3)), convolutional.build_decoder((8, 8, 3))
    with pytest.raises(InputError, match=r"^hidden: goes with dense networks, got \(64,\) beside encoder and decoder"):
        begin(images, Settings(clusters=2, hidden=(64,)), networks=networks)
    whole = filled(replace(rows.config, hidden=None), rows)
    assert (whole.network, whole.hidden) == ("conv", None)
    older = {**json.loads(whole.to_json()), "hidden": [500, 500, 2000]}  # as runs wrote it down
    assert TrainConfig.of(older) == whole


def test_all_convolutions_of_the_encoder_have_a_rectifier(rng):
    """Without them the code would be linear in the pixels."""
    encoder, x = convolutional.build_encoder((12, 12), 3), rng.normal(size=(20, 12, 12, 1)).astype("f4")
    signs = {}
    for layer in encoder.layers:
        if layer.name.startswith("encoder_"):
            out = keras.Model(encoder.input, layer.output)(x).numpy()
            signs[layer.name] = (bool((out < 0).any()), bool((out > 0).any()))
    assert signs == dict.fromkeys(("encoder_0", "encoder_1", "encoder_2"), (False, True))
