"""Networks of one's own: which forms are taken, and numbers that would give wrong clusters in silence."""

import keras
import numpy as np
import pytest
from keras import layers

from vade_tf import Settings, VaDEClusterer, fit
from vade_tf.errors import InputError
from vade_tf.model import likelihood, networks, own_networks
from vade_tf.model.vade import VaDE

SETTINGS = {"clusters": 2, "pretrain_epochs": 1, "epochs": 1, "batch_size": 32, "seed": 0}


def pair(first=(), last=(), width=6, outputs=None, dtype=None):
    """An encoder with these layers first, and a decoder with these layers last."""
    x, z = keras.Input((width,), dtype=dtype), keras.Input((2,))
    h = x
    for layer in first:
        h = layer(h)
    heads = [layers.Dense(2)(h), layers.Dense(2)(h)]
    out = layers.Dense(width)(z)
    for layer in last:
        out = layer(out)
    return keras.Model(x, heads if outputs is None else outputs(heads)), keras.Model(z, out)


def adapted(rows):
    layer = layers.Normalization()
    layer.adapt(rows)
    return layer


@pytest.mark.parametrize("outputs", [tuple, list])
def test_two_outputs_in_a_list_or_a_tuple_are_taken(outputs):
    networks.check(*pair(outputs=outputs))


@pytest.mark.parametrize(
    ("outputs", "message"),
    [
        (lambda heads: heads[0], "^encoder: expected one input and a list"),
        (lambda heads: {"m": heads[0], "s": heads[1]}, "^encoder: expected one input and a list"),
        (lambda heads: [heads[0], layers.Dense(3)(heads[1])], "^encoder: expected one input and a list"),
    ],
)
def test_outputs_of_an_encoder_in_another_form_are_refused(outputs, message):
    with pytest.raises(InputError, match=message):
        networks.check(*pair(outputs=outputs))


def test_decoders_that_do_not_fit_are_refused():
    encoder, decoder = pair()
    listed = keras.Model(decoder.inputs, decoder.outputs)
    for wrong, message in (
        (listed, "one output of 6 values a row, by itself"),
        (networks.build_decoder(5, 2, ()), "one output of 6 values"),
        (networks.build_decoder(6, 3, ()), "one input of"),
        ("decoder", "a functional keras.Model"),
    ):
        with pytest.raises(InputError, match=f"^decoder: expected {message}"):
            networks.check(encoder, wrong)


@pytest.mark.parametrize("squash", [layers.Activation("sigmoid"), layers.Softmax(), layers.Dense(6, "hard_sigmoid")])
@pytest.mark.parametrize("kind", ["bernoulli", "gaussian", "counts"])
def test_probabilities_of_a_decoder_are_refused(squash, kind):
    """Also before a layer that only moves them."""
    encoder, decoder = pair(last=[squash, layers.Reshape((6,))])
    with pytest.raises(InputError, match="^decoder: expected .*, got a (sigmoid|softmax|hard_sigmoid) at its end"):
        own_networks.check(encoder, decoder, likelihood.get(kind))
    own_networks.check(*pair(last=[layers.Activation("tanh")]), likelihood.get(kind))


def test_inputs_of_whole_numbers_are_refused():
    with pytest.raises(InputError, match="^encoder: expected an Input of real numbers, got uint8"):
        own_networks.check(*pair(first=[layers.Rescaling(1.0)], dtype="uint8"), likelihood.get("bernoulli"))


@pytest.mark.parametrize("kind", ["bernoulli", "gaussian"])
def test_a_layer_made_for_raw_rows_is_refused_and_one_for_scaled_rows_is_not(kind, rng):
    """Clusters of rows that are scaled twice are wrong, and nothing else shows it."""
    grey = rng.integers(0, 256, (200, 6)).astype("u1")
    settings = Settings(likelihood=kind, **SETTINGS)
    nested = keras.Sequential([keras.Input((6,)), layers.Rescaling(1 / 255), layers.Dense(4)])
    for layer in (layers.Rescaling(1 / 255), adapted(grey.astype("f4")), nested):
        with pytest.raises(InputError, match="^encoder: expected to read rows that are scaled already"):
            fit(grey, settings, networks=pair(first=[layer]))
    for layer in (layers.Rescaling(2.0, -1.0), adapted(grey / 255)):
        fit(grey, settings, networks=pair(first=[layer]))


def test_a_layer_with_weights_in_both_networks_is_refused_and_one_without_is_not():
    networks.check(*pair(first=[shared := layers.ReLU()], last=[shared]))
    with pytest.raises(InputError, match="^decoder: expected no layer of the encoder"):
        networks.check(*pair(first=[shared := layers.Dense(6)], last=[shared]))


def test_missing_cells_go_with_the_networks_that_fill_them(rng):
    x = rng.normal(size=(60, 6)).astype("f4")
    x[::3, 1] = np.nan
    import pandas

    rows = pandas.DataFrame(x).add_prefix("c")
    with pytest.raises(InputError, match="missing cells"):
        fit(rows, Settings(**SETTINGS), networks=pair())
    found = fit(rows, Settings(**SETTINGS), networks=pair(first=[networks.Filled([0.0] * 6)]))
    assert np.isfinite(found.model.predict(x, verbose=0)).all()


def test_a_normalization_goes_on_in_the_fit_and_the_file(rng, tmp_path):
    """Such a layer computes with copies of its weights, which a loaded model has to take up."""
    x = rng.normal(size=(60, 6)).astype("f4")
    encoder, decoder = pair(first=[adapted(x)])
    more = {name: value for name, value in SETTINGS.items() if name not in ("clusters", "seed")}
    model = VaDEClusterer(2, encoder=encoder, decoder=decoder, random_state=0, **more).fit(x)
    model.save(tmp_path / "m.vade")
    np.testing.assert_array_equal(VaDEClusterer.load(tmp_path / "m.vade").predict_proba(x), model.predict_proba(x))


def test_a_layer_that_no_file_gives_back_is_named():
    class Gate(layers.Layer):
        def call(self, x):
            return 2 * x

    for layer in (Gate(name="gate"), layers.Lambda(lambda x: x, name="gate")):
        model = VaDE(*pair(first=[layer]), 2)
        with pytest.raises(InputError, match="^encoder: expected layers that Keras can make again"):
            own_networks.check_layers(model, "no file gives back")


def test_networks_that_several_devices_cannot_train_are_refused(rng):
    """The gradients of float16 are scaled on one device alone, and a device has copies of layers that Keras knows."""
    rows, settings = rng.normal(size=(64, 6)).astype("f4"), Settings(distribute="mirrored", **SETTINGS)
    half = pair(first=[layers.Dense(6, dtype="mixed_float16")])
    for networks_of, message in (
        (half, "^networks: expected float32 or mixed_bfloat16 with distribute"),
        (pair(first=[layers.Lambda(lambda x: x)]), "^encoder: expected layers that Keras can make again"),
    ):
        with pytest.raises(InputError, match=message):
            fit(rows, settings, networks=networks_of)
