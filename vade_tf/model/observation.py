"""q(z|x) and p(x|z) of raw rows: two networks, a likelihood, and the units of the data; no prior and no bound."""

import math
import reprlib

import keras
import numpy as np
import tensorflow as tf

from vade_tf.errors import InputError, whole_number
from vade_tf.model import likelihood as likelihoods
from vade_tf.model import networks, tracing
from vade_tf.model.origins import Origins

NOISE_RATE = 0.02  # share that a batch has in the variance that a likelihood learns
LEAST_NOISE = 0.01  # of it, where features have variance 1: a column explained to the last digit would drown the others
FARTHEST = 1e9  # from 0, of x as `scale` gives it: what is farther counts as this far, and its square is finite
REACH = 1e3  # of float16, which ends at 65,504
NARROWEST, WIDEST = -40.0, 10.0  # log variance of q(z|x): far from what it was trained on, an encoder says anything


class ObservationModel(keras.Model):
    """Encoder and decoder that take raw rows, in any number type, as rows [batch, D] or as images.

    Args:
        encoder, decoder, likelihood, scaling, origins: as for `vade.VaDE`.

    Raises:
        ValueError: unknown likelihood, networks that do not fit, a scaling that is no layer, or origins below 0.
    """

    def __init__(self, encoder, decoder, likelihood, scaling, origins, **kwargs):
        check_keras()
        super().__init__(**{**kwargs, "dtype": "float32"})  # raw x and the bound, whatever the global policy
        self.likelihood = likelihoods.get(likelihood)
        networks.check(encoder, decoder, self.likelihood.outputs)
        tracing.check(encoder, "encoder")
        tracing.check(decoder, "decoder")
        self.encoder = encoder
        self.decoder = decoder
        if scaling is not None and not isinstance(scaling, keras.layers.Layer):
            raise InputError(f"scaling: expected a layer of Keras, or None, got {reprlib.repr(scaling)}")
        self.scaling = scaling
        if scaling is not None:
            tracing.check(scaling, "scaling", (None, self.n_features))
        width = self.n_features * self.likelihood.outputs
        self.origins = Origins(origins, width) if whole_number(origins, "origins", 0, 2**31 - 1) else None
        self.log_sigma2_x = None  # of p(x|z), [D]
        self.noise_rate = NOISE_RATE

    def _add_variance(self) -> None:
        """Give the model its variance of p(x|z), where the likelihood learns one: after the weights of a subclass."""
        if self.likelihood.learns_variance:
            self.log_sigma2_x = self.add_weight(
                name="log_sigma2_x",
                shape=(self.n_features,),
                initializer="zeros",
                trainable=False,
                dtype="float32",
                autocast=False,
                aggregation="mean",
            )

    @property
    def n_features(self) -> int:
        """D, the number of values a row."""
        return math.prod(self.encoder.input_shape[1:])

    def scale(self, x):
        """Raw features, any number type, [batch, D] or images -> the x of the likelihood, float32 [batch, D]."""
        if self.origins is not None:
            x = x[:, : self.n_features]
        elif tf.TensorShape(x.shape).rank != 2:  # unknown where `predict` has seen both forms
            x = tf.reshape(x, (-1, self.n_features))
        return scaled(x, self.scaling, self.likelihood)

    def shaped(self, x):
        """Rows [batch, D] as the encoder reads them: the same, or images."""
        shape = self.encoder.input_shape[1:]
        return x if len(shape) == 1 else keras.ops.reshape(x, (-1, *shape))

    def x_parameters(self, z, training=None, x=None):
        """The decoder's parameters of p(x|z), float32 rows: z [batch, latent] -> [batch, D * outputs].

        x: the raw rows, which may tell their origin; default: none does, and p(x|z) is that of the mean origin.
        """
        out = self.decoder(within_reach(self.decoder, z), training=training)
        width = self.n_features * self.likelihood.outputs
        out = tf.cast(out if len(out.shape) == 2 else keras.ops.reshape(out, (-1, width)), tf.float32)
        return self._of_origin(out, x)

    def _of_origin(self, parameters, x):
        """The decoder's parameters of raw rows x, shifted as their origins are, where they tell them."""
        if self.origins is None or x is None or x.shape[-1] == self.n_features:
            return parameters
        if x.shape[-1] is None:  # in a function that was traced for rows of both forms; -1 is no origin
            told = tf.shape(x)[-1] > self.n_features
            return self.origins(parameters, tf.where(told, tf.cast(x[:, -1], tf.int32), -1))
        return self.origins(parameters, x[:, -1])

    def encode(self, x, training=False):
        """(m, log s2) of q(z|x): raw x [batch, D] -> two tensors [batch, latent]."""
        x = self.scale(x)
        if self.likelihood.compares_columns:  # what reads counts begins in float32
            x = within_reach(self.encoder, x)
        m, log_s2 = self.encoder(self.shaped(x), training=training)
        return tf.cast(m, tf.float32), bounded(tf.cast(log_s2, tf.float32))

    def decode(self, z):
        """Mean of p(x|z): z [batch, latent] -> [batch, D] (for Bernoulli, probabilities)."""
        return self.likelihood.mean(self.x_parameters(z))

    def distortion(self, x, parameters):
        """-log p(x|z) in nats, [batch]: x as `scale` gives it, [batch, D], and `x_parameters`."""
        more = () if self.log_sigma2_x is None else (tf.convert_to_tensor(self.log_sigma2_x),)
        return self.likelihood.distortion(x, parameters, *more)

    def set_variance(self, sigma2) -> None:
        """Give p(x|z) a variance: [D], where x is as `scale` gives it; of likelihoods that learn one.

        It stays as it is where NaN is given: nothing is known of these features.
        """
        assert self.log_sigma2_x is not None
        found = tf.math.log(tf.maximum(tf.cast(sigma2, tf.float32), LEAST_NOISE))
        self.log_sigma2_x.assign(tf.where(tf.math.is_nan(found), tf.convert_to_tensor(self.log_sigma2_x), found))

    def _learn_variance(self, x, parameters):
        """Move the variance of p(x|z) a step towards the optimum of this batch, to which no gradient flows."""
        found = self.likelihood.variance(x, tf.stop_gradient(parameters))
        context = tf.distribute.get_replica_context()
        if context.num_replicas_in_sync > 1:
            told = tf.cast(~tf.math.is_nan(found), found.dtype)
            both = tf.stack([tf.where(told > 0, found, 0.0), told])
            total, number = tf.unstack(context.all_reduce(tf.distribute.ReduceOp.SUM, both))
            found = total / number
        sigma2 = tf.exp(tf.convert_to_tensor(self.log_sigma2_x))
        self.set_variance(sigma2 + self.noise_rate * (found - sigma2))

    def unscale(self, x) -> np.ndarray:
        """x of the likelihood -> raw features, the inverse of `scale`: [n, D] -> [n, D].

        Raises:
            InputError: `scaling` is a layer whose inverse is not known.
        """
        if self.scaling is None:
            return np.asarray(x)
        if isinstance(self.scaling, networks.Directions):
            return self.scaling.inverse(x)
        if not isinstance(self.scaling, keras.layers.Rescaling):
            raise InputError(f"scaling: expected keras.layers.Rescaling, whose inverse is known, got {self.scaling}")
        return (np.asarray(x) - np.asarray(self.scaling.offset)) / np.asarray(self.scaling.scale)


def scaled(x, scaling, likelihood):
    """Raw features, any number type, [batch, D] -> the x of the likelihood, float32 [batch, D].

    x of a likelihood that learns a variance has no end, and is cut off at `FARTHEST`.
    """
    x = tf.cast(x if scaling is None else scaling(x), tf.float32)
    return tf.clip_by_value(x, -FARTHEST, FARTHEST) if likelihood.learns_variance else x


def bounded(log_s2):
    """log s2 of q(z|x) from `NARROWEST` to `WIDEST`; the gradient goes on, or a row beyond would stay there.

    By a difference of 0 that has it: TensorFlow keeps the graph of every `tf.grad_pass_through` for ever.
    """
    finite = tf.clip_by_value(log_s2, log_s2.dtype.min, log_s2.dtype.max)
    return tf.clip_by_value(tf.stop_gradient(log_s2), NARROWEST, WIDEST) + (finite - tf.stop_gradient(finite))


def within_reach(network, x):
    """What a network reads: where layers of it compute in float16, not so far from 0 that sums become infinite."""
    return tf.clip_by_value(x, -REACH, REACH) if in_half(network) else x


def in_half(network) -> bool:
    """Whether a layer of a network, or of one within it, computes in float16."""
    return any(getattr(layer, "compute_dtype", "") == "float16" for layer in network._flatten_layers())


def check_keras() -> None:
    """Raises InputError where Keras is set to what this model is not written for."""
    if (backend := keras.config.backend()) != "tensorflow":
        raise InputError(
            f"KERAS_BACKEND: expected tensorflow, got {backend}; set it to tensorflow before Keras is imported"
        )
    if (order := keras.config.image_data_format()) != "channels_last":
        raise InputError(
            f"image_data_format of Keras: expected channels_last, got {order}; call "
            "keras.config.set_image_data_format('channels_last')"
        )
