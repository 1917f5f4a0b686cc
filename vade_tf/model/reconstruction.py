"""The loss of an autoencoder made of a VaDE's networks: of a class that Keras knows, so that its file loads."""

import keras
import tensorflow as tf

from vade_tf.model import likelihood as likelihoods
from vade_tf.model.networks import deserialized
from vade_tf.model.observation import scaled


@keras.saving.register_keras_serializable("vade_tf")
class Reconstruction:
    """As a Keras loss: raw target [batch, D], decoder output [batch, D] -> nats [batch].

    Args:
        likelihood: of the VaDE, or its `config`.
        scaling: of the VaDE, a layer or None.
        n_features: D; a target may have one more column, the number of its origin.
    """

    def __init__(self, likelihood, scaling: keras.layers.Layer | None, n_features: int):
        self.likelihood = likelihoods.get(likelihood)
        self.scaling = scaling
        self.n_features = n_features

    def __call__(self, x, out):
        x = scaled(x[:, : self.n_features], self.scaling, self.likelihood)
        return self.likelihood.distortion(x, tf.cast(out, tf.float32))

    def get_config(self):
        scaling = keras.saving.serialize_keras_object(self.scaling)
        return {"likelihood": self.likelihood.config(), "scaling": scaling, "n_features": self.n_features}

    @classmethod
    def from_config(cls, config):
        return cls(**deserialized(config, None, "scaling"))
