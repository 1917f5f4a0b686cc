"""Networks of the caller's own that are no networks of a VaDE, or that cannot be copied: which of the two, and why."""

import keras
import numpy as np
import pytest
from keras import layers

from vade_tf import VaDEClusterer
from vade_tf.errors import InputError
from vade_tf.model import networks


def encoder(outputs=list, first=()):
    """An encoder of 6 values and a code of 2, whose outputs (m, log s2) stand in a form."""
    x = h = keras.Input((6,))
    for layer in first:
        h = layer(h)
    return keras.Model(x, outputs([layers.Dense(2)(h), layers.Dense(2)(h)]))


def decoder(outputs=lambda out: out, first=()):
    z = h = keras.Input((2,))
    for layer in first:
        h = layer(h)
    return keras.Model(z, outputs(layers.Dense(6)(h)))


def test_outputs_stand_in_a_list_or_a_tuple_and_a_decoders_by_itself():
    for outputs in (list, tuple):
        networks.check(encoder(outputs), decoder())
    networks.check(encoder(), keras.Sequential([keras.Input((2,)), layers.Dense(6)]))


@pytest.mark.parametrize(
    ("outputs", "got"),
    [(lambda both: dict(zip("ms", both, strict=True)), "a dict"), (lambda both: [[both[0]], both[1]], "one inside of")],
)
def test_outputs_of_an_encoder_in_another_form_are_refused(outputs, got):
    """Their shapes are right, and to take them apart fails deep inside of TensorFlow."""
    with pytest.raises(InputError, match=rf"^encoder: expected a list \[m, log s2\] of two outputs, got {got}"):
        networks.check(encoder(outputs), decoder())


@pytest.mark.parametrize("outputs", [lambda out: [out], lambda out: {"x": out}])
def test_an_output_of_a_decoder_in_a_list_is_refused(outputs):
    with pytest.raises(InputError, match="^decoder: expected one output by itself, got a (list|dict) of 1"):
        networks.check(encoder(), decoder(outputs))


def test_models_of_another_keras_are_refused():
    """Those of tf_keras have the names of all parts, and cannot be called on tensors of Keras."""

    class Model:
        inputs, outputs = encoder().inputs, encoder().outputs

    Model.__module__ = "tf_keras.src.engine.functional"
    with pytest.raises(
        InputError, match="^encoder: expected a functional keras.Model.*; make it with keras 3, not tf_"
    ):
        networks.check(Model(), decoder())


def test_a_layer_with_weights_in_both_networks_is_refused_and_one_without_is_not():
    """A copy would train two, and Keras cannot load a file of one."""
    shared = layers.Dense(6, name="shared")
    inside = keras.Sequential([keras.Input((6,)), shared])
    for layer in (shared, inside):
        own = encoder(first=[layer]), decoder(first=[layers.Dense(6), shared])
        with pytest.raises(InputError, match="^encoder and decoder: expected no layer in both, got 'shared'"):
            networks.check(*own)
        with pytest.raises(InputError, match="^encoder and decoder: expected no layer in both, got 'shared'"):
            VaDEClusterer(3, encoder=own[0], decoder=own[1]).fit(np.eye(6))
    both = layers.ReLU()
    networks.check(encoder(first=[both]), decoder(first=[both]))


class Picky(layers.Layer):
    """A layer that takes none of the settings that Keras gives to a copy."""

    def __init__(self, units):
        super().__init__()
        self.units = units

    def call(self, x):
        return self.units * x


class Silent(layers.Layer):
    """A layer that does not say what it was made of."""

    def __init__(self, made_of):
        super().__init__()
        self.made_of = made_of

    def call(self, x):
        return self.made_of(x)


@pytest.mark.filterwarnings("ignore:The object being serialized includes a `lambda`")
@pytest.mark.parametrize(
    ("layer", "why"),
    [
        (lambda: layers.Lambda(lambda x: 2 * x), "`Lambda` layer"),
        (lambda: layers.Dense(4, activation=lambda x: x), "'Dense'"),
        (lambda: Picky(2), "'Picky'"),
        (lambda: Silent(keras.ops.tanh), "Silent"),
    ],
    ids=["lambda", "activation", "settings", "config"],
)
def test_a_network_that_keras_cannot_copy_is_named_with_what_to_do(layer, why):
    """Keras says how to load a file, of which there is none."""
    with pytest.raises(InputError, match=rf"^encoder: expected a network that Keras can copy, .*{why}.*; give") as said:
        VaDEClusterer(3, encoder=encoder(first=[layer()]), decoder=decoder()).fit(np.eye(6))
    assert "safe_mode" not in str(said.value)
    assert "config=" not in str(said.value)
