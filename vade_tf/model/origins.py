"""Offsets of p(x|z) for where a row comes from: the experiment, donor or lane of a cell, a covariate that is known.

What single-cell analysis calls a batch is an origin here, for a batch is what training reads at once. A row that tells
its origin has its number, from 0 up, in one more column after its D features; a row that does not has the mean of all
offsets, which is 0.

    parameters of p(x | z, o) = decoder(z) + b_o - mean_o b_o        of counts: the log shares of the features

The encoder does not read the origin. So rows of an origin that training has not seen get their cluster and code too.
"""

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable("vade_tf")
class Origins(keras.layers.Layer):
    """b: what each of several origins adds to the decoder's parameters, learned from 0.

    Args:
        number: of the origins, at least 1.
        width: of the decoder's parameters, D * outputs.
    """

    def __init__(self, number: int, width: int, **kwargs):
        super().__init__(**{"name": "origins", **kwargs, "dtype": "float32"})
        self.number = number
        self.width = width
        self.offsets = self.add_weight(name="offsets", shape=(number, width), initializer="zeros")
        self.built = True

    def call(self, parameters, origin):
        """Parameters [batch, width] of rows with these origins, float [batch]."""
        centred = self.offsets - keras.ops.mean(self.offsets, axis=0)
        own = tf.one_hot(tf.cast(origin, tf.int32), self.number)
        return parameters + own @ centred

    def get_config(self):
        return {**super().get_config(), "number": self.number, "width": self.width}
