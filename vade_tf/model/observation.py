"""q(z|x) and p(x|z) of raw rows: two networks, a likelihood, and the units of the data; no prior and no bound."""

import math

import keras
import numpy as np
import tensorflow as tf

from vade_tf.errors import InputError, check_form, whole_number
from vade_tf.model import likelihood as likelihoods
from vade_tf.model import networks, units

NOISE_RATE = 0.02  # share that a batch has in the variance that a likelihood learns
MIN_NOISE = 0.01  # of a feature of variance 1: a column explained to the last digit would outweigh all others
MAX_SCALED = 1e9  # size of x as `scale` gives it: its square is finite in float32
MAX_FLOAT16 = 1e3  # size of what a float16 network reads; float16 ends at 65,504
MIN_LOG_S2, MAX_LOG_S2 = -40.0, 10.0  # of q(z|x): far from what it was trained on, an encoder says anything


@keras.saving.register_keras_serializable("vade_tf")
class BatchEffects(keras.layers.Layer):
    """Batch effects of p(x|z): what the experiment or donor of a row, a known covariate, adds to the parameters.

        parameters of p(x | z, b) = decoder(z) + o_b - mean_b o_b        of counts: the log shares of the features

    A row may have the number of its experiment, from 0 up, in one more column after its D features; a row without it
    gets the mean of all offsets, which is 0. The encoder does not read it, so that rows of an experiment that training
    has not seen get their cluster and code too. o [number, width] is learned from 0; the width is D * outputs.
    """

    def __init__(self, number: int, width: int, **kwargs):
        super().__init__(**{"name": "batch_effects", **kwargs, "dtype": "float32"})
        self.number = number
        self.width = width
        self.offsets = self.add_weight(name="offsets", shape=(number, width), initializer="zeros")
        self.built = True

    def call(self, parameters, batch_index):
        """Parameters [batch, width] of rows with these numbers, float [batch]."""
        centred = self.offsets - keras.ops.mean(self.offsets, axis=0)
        own = tf.one_hot(tf.cast(batch_index, tf.int32), self.number)
        return parameters + own @ centred

    def get_config(self):
        return {**super().get_config(), "number": self.number, "width": self.width}


class ObservationModel(keras.Model):
    """Encoder and decoder that take raw rows, in any number type, as rows [batch, D] or as images.

    Args:
        encoder, decoder, likelihood, scaling, n_batches: as for `vade.VaDE`.
    """

    PARTS: tuple[str, ...] = ("encoder", "decoder", "scaling")  # networks and layers that a config holds

    def __init__(self, encoder, decoder, likelihood, scaling, n_batches=0, **kwargs):
        check_keras()
        super().__init__(**{**kwargs, "dtype": "float32"})  # raw x and the bound, whatever the global policy
        self.likelihood = likelihoods.get(likelihood)
        self.encoder = encoder
        self.decoder = decoder
        self.scaling = scaling
        several = whole_number(n_batches, "n_batches", 0, 2**31 - 1) > 0
        self.batch_effects = BatchEffects(n_batches, self.n_features * self.likelihood.outputs) if several else None
        self.log_sigma2_x = None  # of p(x|z), [D]; a subclass that learns it adds the weight
        self.noise_rate = NOISE_RATE

    @property
    def n_features(self) -> int:
        """D, the number of values a row."""
        return math.prod(self.encoder.input_shape[1:])

    def scale(self, x):
        """Raw features, any number type, [batch, D] or images -> the x of the likelihood, float32 [batch, D]."""
        if self.batch_effects is not None:
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

        x: the raw rows, which may tell their batch; default: none does, and the mean effect, 0, is added.
        """
        out = self.decoder(within_reach(self.decoder, z), training=training)
        width = self.n_features * self.likelihood.outputs
        out = tf.cast(out if len(out.shape) == 2 else keras.ops.reshape(out, (-1, width)), tf.float32)
        if self.batch_effects is None or x is None or x.shape[-1] == self.n_features:
            return out
        batch_index = x[:, -1]
        if x.shape[-1] is None:  # in a function that was traced for rows of both forms; -1 is no batch
            batch_index = tf.where(tf.shape(x)[-1] > self.n_features, tf.cast(batch_index, tf.int32), -1)
        return self.batch_effects(out, batch_index)

    def encoded(self, x, training=False):
        """What the encoder gives for raw x [batch, D]."""
        x = self.scale(x)
        if self.likelihood.compares_columns:  # what reads counts begins in float32
            x = within_reach(self.encoder, x)
        return self.encoder(self.shaped(x), training=training)

    def call(self, x):
        """p(c|x) (eq. 16), by the `assignments` of a subclass: raw x [batch, D] -> [batch, K]."""
        return tf.exp(self.assignments(x)[1])

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
        found = tf.math.log(tf.maximum(tf.cast(sigma2, tf.float32), MIN_NOISE))
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
            raise InputError("scaling", "keras.layers.Rescaling, whose inverse is known", repr(self.scaling))
        return (np.asarray(x) - np.asarray(self.scaling.offset)) / np.asarray(self.scaling.scale)

    def get_config(self):
        parts = {name: keras.saving.serialize_keras_object(getattr(self, name)) for name in self.PARTS}
        return {**super().get_config(), **parts, "likelihood": self.likelihood.config()}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        parts = {name: keras.saving.deserialize_keras_object(config[name], custom_objects) for name in cls.PARTS}
        return cls(**{**config, **parts})


def scaled(x, scaling, likelihood):
    """Raw features, any number type, [batch, D] -> the x of the likelihood, float32 [batch, D].

    x of a likelihood that learns a variance has no end, and is cut off at `MAX_SCALED`.
    """
    x = tf.cast(x if scaling is None else scaling(x), tf.float32)
    return tf.clip_by_value(x, -MAX_SCALED, MAX_SCALED) if likelihood.learns_variance else x


def bounded(log_s2):
    """log s2 of q(z|x) from `MIN_LOG_S2` to `MAX_LOG_S2`; the gradient goes on, or a row beyond would stay there.

    By a difference of 0 that has it: TensorFlow keeps the graph of every `tf.grad_pass_through` for ever.
    """
    finite = tf.clip_by_value(log_s2, log_s2.dtype.min, log_s2.dtype.max)
    return tf.clip_by_value(tf.stop_gradient(log_s2), MIN_LOG_S2, MAX_LOG_S2) + (finite - tf.stop_gradient(finite))


def within_reach(network, x):
    """What a network reads: where layers of it compute in float16, not so far from 0 that sums become infinite."""
    return tf.clip_by_value(x, -MAX_FLOAT16, MAX_FLOAT16) if in_half(network) else x


def in_half(network) -> bool:
    """Whether a layer of a network, or of one within it, computes in float16."""
    return any(getattr(layer, "compute_dtype", "") == "float16" for layer in network._flatten_layers())


def check_keras() -> None:
    """Raises InputError where Keras is set to what this model is not written for."""
    if (backend := keras.config.backend()) != "tensorflow":
        raise InputError("KERAS_BACKEND", "tensorflow", backend, "set it before Keras is imported")
    if (order := keras.config.image_data_format()) != "channels_last":
        raise InputError("image_data_format", "channels_last in Keras' settings", order)


def check_rows(model: ObservationModel, x) -> None:
    """Raises InputError where an array or a pair of arrays has another width or other units, or is not finite.

    Data sets are not looked at.
    """
    width, shape = model.n_features, model.encoder.input_shape[1:]
    for each in x if isinstance(x, (tuple, list)) else (x,):
        other = each is None or isinstance(each, (str, dict, int, float, list)) or np.ma.is_masked(each)
        if other or any(hasattr(each, name) for name in ("iloc", "toarray", "obsm")):
            hint = "use VaDEClusterer, or give schema.encode(x), dense, with vade_tf.load_schema of the run"
            raise InputError("x", f"an array of rows [n, {width}]", f"a {type(each).__name__}", hint)
        if not hasattr(each, "__array__"):
            continue
        rows = np.asarray(each)
        if model.batch_effects is not None and rows.ndim == 2 and rows.shape[1] == width + 1:
            if not np.isin(rows[:, -1], np.arange(model.batch_effects.number)).all():
                got = f"{rows[:, -1].min():g} to {rows[:, -1].max():g}"
                raise InputError(
                    "x", f"batch numbers from 0 to {model.batch_effects.number - 1} in the last column", got
                )
            rows = rows[:, :-1]
        if rows.ndim < 2 or not len(rows) or math.prod(rows.shape[1:]) != width:
            raise InputError("x", f"an array of rows [n, {width}]", f"shape {rows.shape}")
        if sorted(side for side in rows.shape[1:] if side != 1) == sorted(side for side in shape if side != 1):
            check_form(rows.shape[1:], shape, "x")  # images whose sides may stand in another order
        units.check_units(model, rows.reshape(len(rows), width))


@keras.saving.register_keras_serializable("vade_tf")
class Reconstruction:
    """The loss of an autoencoder made of a VaDE's networks: raw target, decoder output [batch, D] -> nats [batch].

    Args:
        likelihood: of the VaDE, or its `config`.
        scaling: of the VaDE, a layer or None.
        n_features: D; a target may have one more column, see `BatchEffects`.
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
        return cls(**{**config, "scaling": keras.saving.deserialize_keras_object(config["scaling"])})
