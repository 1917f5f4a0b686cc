"""What training leaves of the caller's own networks, and what it says of them."""

import keras
import numpy as np
import pytest
from keras import layers

from vade_tf import Settings, fit
from vade_tf.training.fitting import begin
from vade_tf.training.recipe import pretrain

SMALL = {"pretrain_epochs": 1, "epochs": 1, "regroups": 0, "init": "kmeans", "batch_size": 32, "precision": "float32"}
SMALL |= {"clusters": 3}


@pytest.fixture
def rows(rng):
    return (rng.normal(size=(60, 6)) + 6 * np.eye(6)[np.arange(60) % 3]).astype("f4")


def pair():
    x, z = keras.Input((6,)), keras.Input((2,))
    return keras.Model(x, [layers.Dense(2)(x), layers.Dense(2)(x)]), keras.Model(z, layers.Dense(6)(z))


@pytest.mark.usefixtures("eager_file")
@pytest.mark.parametrize("frozen", ["encoder", "head", "nothing"])
def test_frozen_weights_stay_as_they_were(rows, frozen):
    """The head of log s2 is shrunk where it is wide, as a usual initialisation is, but not against the caller."""
    encoder, decoder = pair()
    part = {"encoder": encoder, "head": encoder.layers[-1], "nothing": layers.ReLU()}[frozen]
    part.trainable = False
    before = [weight.numpy() for weight in encoder.layers[-1].weights]
    fit(rows, Settings(**SMALL), networks=(encoder, decoder))
    stays = all(np.array_equal(*both) for both in zip(encoder.layers[-1].weights, before, strict=True))
    assert stays == (frozen != "nothing")


def test_the_log_variance_of_a_model_in_the_encoder_has_no_gradient_yet_and_that_is_no_fault(rows, recwarn):
    """Keras asks if a loss was forgotten; a warning of that is an error in these tests."""
    inside, decoder = pair()
    x = keras.Input((6,))
    fitting = begin(rows, Settings(**SMALL), networks=(keras.Model(x, inside(x)), decoder))
    before = inside.get_weights()
    pretrain(fitting)
    assert not [each for each in recwarn if "Gradients do not exist" in str(each.message)]
    changed = [not np.array_equal(*both) for both in zip(inside.get_weights(), before, strict=True)]
    assert changed == [True, True, False, False]  # m alone is trained
