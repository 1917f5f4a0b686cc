"""p(x|z): what the decoder's output means. A likelihood is one class; no other code asks which one it is.

    @register
    class Poisson(Likelihood):
        name = "poisson"

        def distribution(self, parameters):
            return tfd.Independent(tfd.Poisson(log_rate=parameters), 1)

`Settings`, `VaDEClusterer`, `VaDE` and what they saved then know it by its name. x are rows in the likelihood's own
units, float32 [batch, D]; `parameters` are the decoder's output for them, [batch, D * outputs].

A likelihood also answers what a fit asks about it. Each answer is an attribute or a method with a default:

    units, scaling       how raw rows become x
    first_layer          what the encoder reads x with
    start_space          where the start compares rows
    reads_counts         whether the rows are raw counts
    takes_missing        whether a NaN in x is a missing cell
    fitted_to            the likelihood with what it has to know of the rows
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Protocol, Self

import keras
import numpy as np
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from vade_tf.errors import InputError, cited, warn_units
from vade_tf.model import networks
from vade_tf.model.elbo import LOG_2PI

WIDEST_RATIO = 10.0  # scaled values have a size of about 1; those ten times as large are in another unit


class TrainingRows(Protocol):
    """What a likelihood may ask about the rows that are trained on; `data.dataset.Observations` answers it."""

    @property
    def kind(self) -> str:
        """What the rows are taken for: "images", "texts", "embeddings", "counts", "table" or "rows"."""

    @property
    def standardise(self) -> bool:
        """Whether every feature gets mean 0 and variance 1."""

    @property
    def factor(self) -> float:
        """What raw values are multiplied with where they are not standardised."""

    @property
    def offset(self) -> float:
        """What is then added."""

    @property
    def length(self) -> float | None:
        """The Euclidean length that all rows share, or None."""

    @property
    def grey(self) -> tuple[float, float]:
        """(scale, offset) that bring the values of images to [0, 1]."""

    @property
    def on_white(self) -> bool:
        """Whether images have a white background."""

    def moments(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation of every feature without missing cells, float64 [D] each."""

    def blocks(self) -> Iterator[np.ndarray]:
        """All raw rows in their order, dense [m, D], a few at a time."""


class Likelihood(ABC):
    """A family of p(x|z), independent over the features given z. `distribution` is all that a new one must have."""

    name: str
    learns_variance = False  # whether `distortion` and `distribution` take log sigma2 [D], which VaDE keeps and learns
    variance_is_error = True  # whether that variance is the squared error of x, which is larger on new rows
    reads_counts = False  # whether rows are raw counts: whole numbers from 0 up
    takes_missing = False  # whether a NaN in x is a missing cell
    start_space: str | None = None  # of the start: "columns", "directions", "code"; None: by the kind of the rows
    compares_columns = True  # whether rows of scaled x are near one another where they are alike
    outputs = 1  # parameters of each feature: the decoder gives [batch, D * outputs], one of all D after the other
    unbounded = ""  # what the parameters are, where each may be any number; "" of those that may have bounds

    @abstractmethod
    def distribution(self, parameters) -> tfd.Distribution:
        """p(x|z) of each row, an event [D]: parameters [batch, D] -> batch of distributions."""

    def mean(self, parameters):
        """Mean of p(x|z): parameters [batch, D] -> [batch, D]."""
        return self.distribution(parameters).mean()

    def distortion(self, x, parameters):
        """-log p(x|z): x and parameters [batch, D] -> nats, [batch]."""
        return -self.distribution(parameters).log_prob(x)

    def variance(self, x, parameters):
        """sigma2 of each feature at which a batch is most probable: x and parameters [batch, D] -> [D].

        Called where `learns_variance`; by default that of a Gaussian, the mean squared error.
        """
        return tf.reduce_mean((x - self.mean(parameters)) ** 2, axis=0)

    def shares(self, parameters):
        """The share of each feature in the mean of a row, [batch, D]: how clusters of counts are compared."""
        mean = self.mean(parameters)
        return mean / tf.reduce_sum(mean, axis=-1, keepdims=True)

    def config(self) -> str | dict:
        """What `get` makes it from again: its name, or the name with the arguments of the class."""
        return self.name

    def fitted_to(self, rows: TrainingRows) -> Self:
        """This likelihood with what it has to know of the rows trained on; by default itself."""
        return self

    def reconstruction(self, x, parameters):
        """Loss a feature of methods that weigh it against a term of their own (IDEC): [batch]; here nats a feature."""
        return self.distortion(x, parameters) / (parameters.shape[-1] // self.outputs)

    def check(self, low: float, high: float, dtype) -> None:
        """Raises InputError where raw values from low to high of this dtype mean nothing; by default none."""
        return

    def units(self, rows: TrainingRows) -> tuple[float | np.ndarray, float | np.ndarray]:
        """(scale, offset), numbers or [D], of `x = raw * scale + offset`; by default raw values as they are."""
        return 1.0, 0.0

    def scaling(self, rows: TrainingRows) -> keras.layers.Layer:
        """The layer that makes x of raw rows; by default that of `units`."""
        return networks.build_scaling(*self.units(rows))

    def first_layer(self, rows: TrainingRows) -> keras.layers.Layer | None:
        """What the encoder reads x [batch, D] with, before its dense layers; None: x as it is, the default."""
        return None

    def check_units(self, raw: np.ndarray, x: np.ndarray, argument: str) -> None:
        """Raises InputError, or warns, where new rows are in other units than those trained on; by default neither.

        Some of the rows are given, [n, D], raw and x as scaled in training, and the `argument` that an error names.
        """
        return


FAMILIES: dict[str, type[Likelihood]] = {}


def register(cls: type[Likelihood]) -> type[Likelihood]:
    """Class decorator: makes a likelihood known by its name and its `config`."""
    FAMILIES[cls.name] = cls
    return cls


def get(likelihood: str | dict | Likelihood) -> Likelihood:
    """The likelihood of a name or of its `config`, else an InputError; a likelihood is given back as it is."""
    if isinstance(likelihood, Likelihood):
        return likelihood
    arguments = dict(likelihood) if isinstance(likelihood, dict) else {"name": likelihood}
    name = arguments.pop("name", None)
    if not isinstance(name, str) or name not in FAMILIES:
        raise InputError("likelihood", f"one of {', '.join(sorted(FAMILIES))}, or a Likelihood", repr(likelihood))
    try:
        return FAMILIES[name](**arguments)
    except (TypeError, ValueError) as error:
        raise InputError("likelihood", f"the arguments of {FAMILIES[name].__name__}", cited(error)) from error


@register
class Bernoulli(Likelihood):
    """x in [0, 1], the parameters are logits. Takes values in [0, 1] as they are, and bytes as grey values."""

    name = "bernoulli"
    unbounded = "logits of p(x|z)"

    def distribution(self, parameters):
        return tfd.Independent(tfd.Bernoulli(logits=parameters, dtype=parameters.dtype), reinterpreted_batch_ndims=1)

    def mean(self, parameters):
        return tf.sigmoid(parameters)

    def distortion(self, x, parameters):
        # log(1 + e^l) - x l: one fused kernel
        return tf.reduce_sum(tf.math.softplus(parameters) - x * parameters, axis=-1)

    def check(self, low, high, dtype):
        if dtype != np.uint8 and (low < 0 or high > 1):
            expected, got = "values in [0, 1] or uint8 for bernoulli", f"values from {low:g} to {high:g}"
            raise InputError("likelihood", expected, got, "scale them or set likelihood to gaussian")

    def units(self, rows):
        return rows.grey

    def first_layer(self, rows):
        """Images on white are read as their negatives: of ones nearly everywhere an encoder finds fewer groups."""
        if rows.kind != "images" or not rows.on_white:
            return None
        return keras.layers.Rescaling(-1.0, 1.0, name="negative", dtype="float32")

    def check_units(self, raw, x, argument):
        low, high = float(x.min()), float(x.max())
        fractions = raw.dtype.kind == "f" and 0 < raw.max() <= 1 and high < 1 / WIDEST_RATIO  # of bytes trained on
        if fractions or max(-low, high) > WIDEST_RATIO:
            got = f"{raw.dtype} from {raw.min():g} to {raw.max():g}"
            raise InputError(argument, "values in the units of the training", got, "scale them as the rows trained on")
        if low < -1e-3 or high > 1 + 1e-3:
            text = f"{argument}: expected values from 0 to 1 once scaled, as in training, got {low:.3g} to {high:.3g}"
            warn_units([text], 4)


@register
class Gaussian(Likelihood):
    """x is a real number, the parameters are means. Takes any finite numbers; standardises them.

    The variance sigma2 is the mean squared error of the decoder (Rybkin et al., ICML 2021), so that the balance of
    distortion and rate does not depend on the unit of x.

    Args:
        shared: whether all features have one variance. Default None: they do where the rows have one unit, as images
            and directions have, and not where each feature is standardised.
    """

    name = "gaussian"
    unbounded = "means of scaled values, which may be any number"
    learns_variance = True

    def __init__(self, shared: bool | None = None):
        self.shared = None if shared is None else bool(shared)

    def config(self):
        return {"name": self.name, "shared": True} if self.shared else self.name

    def fitted_to(self, rows):
        return type(self)(not rows.standardise) if self.shared is None else self

    def distribution(self, parameters, log_sigma2=0.0):
        sigma = tf.exp(0.5 * tf.cast(log_sigma2, parameters.dtype)) * tf.ones_like(parameters)
        return tfd.Independent(tfd.Normal(parameters, sigma), reinterpreted_batch_ndims=1)

    def mean(self, parameters):
        return parameters

    def distortion(self, x, parameters, log_sigma2=0.0):
        log_sigma2 = tf.cast(log_sigma2, parameters.dtype)
        return 0.5 * tf.reduce_sum((x - parameters) ** 2 * tf.exp(-log_sigma2) + log_sigma2 + LOG_2PI, axis=-1)

    def variance(self, x, parameters):
        error = super().variance(x, parameters)
        return tf.reduce_mean(error) * tf.ones_like(error) if self.shared else error

    def reconstruction(self, x, parameters):
        """The squared error a feature, as IDEC was published."""
        return keras.losses.mean_squared_error(x, parameters)

    def units(self, rows):
        """Every feature gets mean 0 and variance 1, see `divisors`; in float64, for scales of 1e6.

        The pixels of images get one scale, of which black is 0, and on average variance 1; white is at most 10.
        """
        if rows.kind == "images":
            scale, offset = rows.grey
            std = rows.moments()[1]
            shared = 1.0 / max(math.sqrt(float(np.mean(std**2))), 0.1 / scale)
            return shared, shared * offset / scale
        if not rows.standardise:
            return rows.factor, rows.offset
        mean, std = rows.moments()
        scale = 1.0 / divisors(mean, std)
        return scale.astype(np.float32), (-mean * scale).astype(np.float32)

    def scaling(self, rows):
        """Rows of one length, and all embeddings, get the length sqrt(D); texts by their square roots."""
        if rows.length is None:
            return super().scaling(rows)
        layers = {"texts": networks.Roots, "embeddings": networks.UnitLength}
        return layers.get(rows.kind, networks.Directions)(rows.length)

    def check_units(self, raw, x, argument):
        if not np.array_equal(raw, x):  # rows that are taken as they are may have any size
            warn_far(x, argument)


def divisors(mean: np.ndarray, std: np.ndarray) -> np.ndarray:
    """What features of these moments are divided by, each [D]: the standard deviation; of a constant 1.

    Of a feature that float32 hardly tells from a constant, which consists of rounding, a hundred of them.
    """
    constant = (std <= 1e-12 * np.abs(mean)) | (std < 1e-30)
    return np.where(constant, 1.0, np.where(std <= 1e-7 * np.abs(mean), 100.0, 1.0) * std)


def warn_far(x: np.ndarray, argument: str) -> None:
    """Warns where most rows of standardised values [n, D] are far larger than 1; NaN and rows without values aside."""
    square = np.square(x, dtype=np.float64)
    known = ~np.isnan(square)
    sizes = np.sqrt(np.where(known, square, 0).sum(axis=1) / np.maximum(known.sum(axis=1), 1))
    if sizes.size and (size := float(np.median(sizes))) > WIDEST_RATIO:
        got = f"rows {size:.3g} times as far from its mean as its own; scale them as the rows trained on"
        warn_units([f"{argument}: expected values in the units of the training, got {got}"], 5)
