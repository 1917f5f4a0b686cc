"""p(x|z) of counts: negative binomial, with the size of each row as a known factor (Lopez et al., Nature Methods 2018).

    x_d | z ~ NB(mean l rho_d, variance l rho_d + r_d (l rho_d)^2)        l = sum_d x_d,  rho = softmax of the decoder

l is observed, so the code says what a row consists of and not how much of it there is. r_d, the dispersion of a
feature, is learned as the variance of a Gaussian is, by its moments.
"""

import copy

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp
from tensorflow_probability import distributions as tfd

from vade_tf.errors import InputError
from vade_tf.model.likelihood import Likelihood, TrainingRows, register

MIN_MEAN = 1e-8  # of a mean, so that its logarithm is finite
MAX_ROWS_SAMPLED = 10_000  # rows, at even distances, whose sums are looked at


@register
class Counts(Likelihood):
    """Whole numbers from 0 up, the decoder's parameters are log shares up to a constant. Takes raw counts.

    Args:
        size: what a row adds up to where none is given, as for samples. Default None: a fit takes the median of the
            training rows.
    """

    name = "counts"
    unbounded = "logarithms of shares, up to a constant"
    learns_variance = True
    variance_is_error = False
    reads_counts = True
    compares_columns = False

    def __init__(self, size: float | None = None):
        self.size = None if size is None else float(size)

    def fitted_to(self, rows):
        size = median_size(rows)
        if self.size is not None:
            return self
        fitted = copy.copy(self)
        fitted.size = size
        return fitted

    def first_layer(self, rows):
        return LogCounts.of(rows, self.size)

    def config(self):
        return {"name": self.name, "size": self.size}

    def mean(self, parameters):
        return (self.size or 1.0) * tf.nn.softmax(parameters)

    def shares(self, parameters):
        return tf.nn.softmax(parameters)

    def distribution(self, parameters, log_sigma2=0.0):
        """Of a row of the median size."""
        return tfd.Independent(_negative_binomial(self.mean(parameters), log_sigma2), 1)

    def distortion(self, x, parameters, log_sigma2=0.0):
        return -tf.reduce_sum(_negative_binomial(_means(x, parameters), log_sigma2).log_prob(x), axis=-1)

    def variance(self, x, parameters):
        """r of each feature by the moments of a batch, [D]: that at which squared errors are as large as expected.

        Below 0 where they are smaller: cut off at 0 it would be too large in the mean of many batches.
        """
        mean = _means(x, parameters)
        excess = tf.reduce_mean((x - mean) ** 2 - mean, axis=0)
        return excess / (tf.reduce_mean(mean**2, axis=0) + MIN_MEAN)

    def check_units(self, raw, x, argument):
        if raw.min() < 0 or not np.array_equal(raw, np.round(raw)):
            got = f"{raw.dtype} from {raw.min():g} to {raw.max():g}"
            raise InputError(argument, "counts, whole numbers from 0 up", got, "give them as they were counted")


@register
class ZeroInflatedCounts(Counts):
    """Counts of which some are lost: 0 with a probability phi that the decoder gives, else as `Counts` (scVI's ZINB).

        log p(0) = log( phi + (1 - phi) NB(0) )        log p(x) = log(1 - phi) + log NB(x)   for x > 0

    The decoder's parameters are log shares and, after those of all features, logits of phi: [batch, 2 D].
    """

    name = "zinb"
    outputs = 2

    def mean(self, parameters):
        shares, phi = tf.split(parameters, 2, axis=-1)
        return tf.sigmoid(-phi) * super().mean(shares)

    def shares(self, parameters):
        """Without what is lost."""
        return super().shares(tf.split(parameters, 2, axis=-1)[0])

    def distribution(self, parameters, log_sigma2=0.0):
        shares, phi = tf.split(parameters, 2, axis=-1)
        counted = _negative_binomial(super().mean(shares), log_sigma2)
        return tfd.Independent(tfd.Inflated(counted, inflated_loc_probs=tf.sigmoid(phi)), 1)

    def distortion(self, x, parameters, log_sigma2=0.0):
        shares, phi = tf.split(parameters, 2, axis=-1)
        log_nb = tf.math.log_sigmoid(-phi) + _negative_binomial(_means(x, shares), log_sigma2).log_prob(x)
        lost = tfp.math.log_add_exp(tf.math.log_sigmoid(phi), log_nb)
        return -tf.reduce_sum(tf.where(x == 0, lost, log_nb), axis=-1)

    def variance(self, x, parameters):
        """As `Counts.variance`: E (x - (1 - phi) m)^2 = (1 - phi) (m + m^2 (r + phi)), m the mean of the counted."""
        shares, phi = tf.split(parameters, 2, axis=-1)
        m, phi = _means(x, shares), tf.sigmoid(phi)
        mean = (1 - phi) * m
        excess = tf.reduce_mean((x - mean) ** 2 - mean * (1 + phi * m), axis=0)
        return excess / (tf.reduce_mean(mean * m, axis=0) + MIN_MEAN)


def _means(x, parameters):
    """l rho of each row and feature, [batch, D]."""
    return tf.reduce_sum(x, axis=-1, keepdims=True) * tf.nn.softmax(parameters) + MIN_MEAN


def _negative_binomial(mean, log_dispersion) -> tfd.NegativeBinomial:
    """In log space: total_count 1 / r and the logits of a success, log(r mean)."""
    log_dispersion = tf.cast(log_dispersion, mean.dtype)
    return tfd.NegativeBinomial(
        tf.exp(-log_dispersion) * tf.ones_like(mean),
        logits=tf.math.log(mean) + log_dispersion,
        require_integer_total_count=False,
    )


@keras.saving.register_keras_serializable("vade_tf")
class LogCounts(keras.layers.Layer):
    """What an encoder reads of counts [batch, D]: log(1 + x size / sum x), each feature with mean 0 and variance 1.

    Args:
        size: as for `Counts`.
        mean, std: of each feature after the logarithm, [D], on the training rows.
    """

    def __init__(self, size: float, mean, std, **kwargs):
        super().__init__(**{**kwargs, "dtype": "float32"})
        self.size = float(size)
        self.mean = [float(value) for value in mean]
        self.std = [float(value) for value in std]

    @classmethod
    def of(cls, rows: TrainingRows, size: float | None = None) -> "LogCounts":
        """The layer for rows that are counts; size: default their median."""
        size = median_size(rows) if size is None else size
        total, squares, n = 0.0, 0.0, 0
        for block in rows.blocks():
            logs = np.asarray(log_counts(block.astype(np.float32), size), np.float64)
            total, squares, n = total + logs.sum(axis=0), squares + (logs**2).sum(axis=0), n + len(logs)
        mean = total / n
        std = np.sqrt(np.maximum(squares / n - mean**2, 0))
        return cls(size, mean, np.where(std < 1e-6, 1.0, std))

    def call(self, x):
        return (log_counts(x, self.size) - np.asarray(self.mean, np.float32)) / np.asarray(self.std, np.float32)

    def get_config(self):
        return {**super().get_config(), "size": self.size, "mean": self.mean, "std": self.std}


def median_size(rows: TrainingRows) -> float:
    """The median of what rows add up to, at least 1; InputError where a number is no count.

    Of many rows it is that of some, at even distances.
    """
    sums = []
    for block in rows.blocks():
        is_count = (block >= 0) & (block == np.round(block))  # NaN is none
        if not is_count.all():
            raise InputError("likelihood", "counts, whole numbers from 0 up", f"{block[~is_count][0]:g}")
        sums.append(block.sum(axis=1, dtype=np.float64))
    sizes = np.concatenate(sums)
    return max(float(np.median(sizes[:: -(-len(sizes) // MAX_ROWS_SAMPLED)])), 1.0)


def log_counts(x, size: float):
    """log(1 + x size / sum x): counts [batch, D] -> [batch, D]; a row without any stays 0."""
    total = keras.ops.sum(x, axis=-1, keepdims=True)
    return keras.ops.log1p(x * size / keras.ops.maximum(total, 1.0))
