"""p(x|z): what the decoder's output means. A likelihood is one class here; no other code asks which one it is.

    @register
    class Poisson(Likelihood):
        name = "poisson"
        def distribution(self, parameters): ...

is known by its name to `VaDE` and to saved models. x are rows in the likelihood's own units, float32 [batch, D];
`parameters` are the decoder's output for them, of the same shape unless a class says otherwise (`outputs`).
"""

import math
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from vade_tf.errors import InputError, UnitsWarning, cited
from vade_tf.model.elbo import LOG_2PI

FAR = 10.0  # standard deviations
SEVERAL = 30  # images, at least, of which none is bright, that may be bytes
BEYOND = 0.5  # either way, of values that are scaled to [0, 1] and not in it
RARELY = 0.05  # of the rows, so few of which may hold values beyond that; ...
NEAR = 10.0  # ... or, of fewer rows than several, of the columns, or one of more than one, with no value so far out


class Likelihood(ABC):
    """A family of p(x|z), independent over the features given z. `distribution` is all that a new one must have."""

    name: str
    learns_variance = False  # whether `distortion` and `distribution` take log sigma2 [D], which VaDE keeps and learns
    compares_columns = True  # whether rows of scaled x are near one another where they are alike
    outputs = 1  # parameters of each feature: the decoder gives [batch, D * outputs], one of all D after the other
    unbounded = ""  # what the parameters are, where each may be any number; "" of those that may have bounds
    takes_missing = False  # whether a NaN in x is a cell that is not known

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

        Asked of those that learn one. Here that of a Gaussian: the mean squared error.
        """
        return tf.reduce_mean((x - self.mean(parameters)) ** 2, axis=0)

    def config(self) -> str | dict:
        """What `get` makes it again from: its name, or the name with what else it was made of."""
        return self.name

    def reconstruction(self, x, parameters):
        """Loss a feature of methods that weigh it against a term of their own (IDEC): [batch]; here nats a feature."""
        return self.distortion(x, parameters) / (parameters.shape[-1] // self.outputs)

    def check(self, low: float, high: float, dtype) -> None:
        """Raises InputError where raw values from low to high of this dtype mean nothing."""
        return  # here all of them mean something

    def units(self, observations) -> tuple[float | np.ndarray, float | np.ndarray]:
        """(scale, offset), numbers or [D], of `x = raw * scale + offset`; here raw values as they are.

        Args:
            observations: the rows trained on, see `data.dataset.Observations`.
        """
        return 1.0, 0.0

    def check_units(self, rows: np.ndarray, low: float, high: float, scale, argument: str) -> None:
        """Raises InputError, or warns, where new raw rows look to be in other units than those trained on.

        Args:
            rows: some of them, [n, D].
            low, high: smallest and largest value of all.
            scale: function from raw rows to x, of the trained model.
            argument: what the error names.
        """
        return  # here nothing is known of the units

    def standardises(self, scale, width: int) -> bool:
        """Whether each of so many features of an array was brought to a mean and a variance of its own."""
        return False


REGISTRY: dict[str, Likelihood] = {}
FAMILIES: dict[str, Callable[..., Likelihood]] = {}  # what a saved `config` is made from


def register(cls: type[Likelihood]) -> type[Likelihood]:
    """Class decorator: makes a likelihood known by its name."""
    REGISTRY[cls.name] = cls()
    return family(cls)


def family(cls: type[Likelihood]) -> type[Likelihood]:
    """Class decorator: makes a likelihood known by its `config`, for one that is made of more than a name."""
    FAMILIES[cls.name] = cls
    return cls


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
            raise InputError(
                f"likelihood: bernoulli expects values in [0, 1] or uint8, got values from {low:g} to {high:g}; scale "
                "them or use likelihood='gaussian'"
            )

    def units(self, observations):
        return observations.grey

    def check_units(self, rows, low, high, scale, argument):
        constant = np.outer([0.0, 1.0], np.ones(rows.shape[1])).astype(np.float32)
        zero, one = np.asarray(scale(constant), np.float64).mean(axis=1)
        if not one > zero:
            return  # no scale that goes up evenly: nothing is known of its raw values
        begin, end = 0 - zero / (one - zero), (1 - zero) / (one - zero)  # the raw values that become 0 and 1
        known = abs(begin) < 1e-6 and (abs(end - 1) < 0.01 or abs(end - 255) < 1)
        slack = (1e-3 if known else 0.5) * (end - begin)  # other scales end where the values trained on do
        fractions = end > 10 and 0 < high <= 1 and not np.issubdtype(rows.dtype, np.integer)
        bytes_for_words = end > 2550 and 0 < high <= 255
        from_zero = abs(begin) < 1e-6
        too_small = from_zero and (fractions or (bytes_for_words and rows.dtype == np.uint8))
        if from_zero and bytes_for_words and not too_small and len(rows) >= SEVERAL:  # one alone may be dark
            warnings.warn(
                f"{argument}: expected values up to {end:.4g}, which is white, as the model was trained on, got none "
                f"above {high:g}; if they are bytes, multiply them by {end / 255:.4g}",
                UnitsWarning,
                stacklevel=4,
            )
        if begin - slack <= low and high <= end + slack and not too_small:
            return
        out = (rows <= -BEYOND) | (rows >= 1 + BEYOND)
        few = out.any(axis=1).mean() < RARELY  # outliers
        n, width = rows.shape
        if n < SEVERAL and width > 1 and max(-low, high) < NEAR and not np.issubdtype(rows.dtype, np.integer):
            few = few or out.any(axis=0).sum() <= max(1, RARELY * width)  # of so few rows one is many
        if known and end <= 1 and (few or (low > -BEYOND and high < 1 + BEYOND)):  # scaled by others' least and largest
            warnings.warn(
                f"{argument}: expected values from 0 to 1, as the model was trained on, got {low:g} to {high:g}; they "
                "are taken as they are",
                UnitsWarning,
                stacklevel=4,
            )
            return
        advice = "scale them as those it was trained on"
        if fractions and low >= 0:
            advice = f"multiply them by {end:.4g}"
        elif known and end <= 1 and low >= 0 and 127 < high <= 255:
            advice = "divide them by 255"
        raise InputError(
            f"{argument}: expected values from {begin:.4g} to {end:.4g}, as the model was trained on, got {rows.dtype} "
            f"from {low:g} to {high:g}; {advice}"
        )


@register
class Gaussian(Likelihood):
    """x is a real number, the parameters are means. Takes any finite numbers; standardises them.

    The variance sigma2 is the mean squared error of the decoder (Rybkin et al., ICML 2021), so that the balance of
    distortion and rate does not hang on the unit of x: with variance 1, features that the code explains badly leave it
    no reason to say anything. Where rows are directions, whose features have one unit, they share it.

    Args:
        shared: whether all features have one variance.
    """

    name = "gaussian"
    unbounded = "means of scaled values, which may be any number"
    learns_variance = True

    def __init__(self, shared: bool = False):
        self.shared = bool(shared)

    def config(self):
        return {"name": self.name, "shared": True} if self.shared else self.name

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

    def units(self, observations):
        """Every feature gets mean 0 and variance 1, see `divisors`; in float64, for scales of 1e6.

        The pixels of images get one scale, of which black is 0, and on average variance 1; white is at most 10.
        """
        if not observations.standardise and observations.image_shape is None:
            return observations.factor, observations.offset
        mean, std = observations.moments()
        if not observations.standardise:
            shared = 1.0 / max(math.sqrt(float(np.mean(std**2))), 0.1 / observations.factor)
            return shared, shared * observations.offset / observations.factor
        scale = 1.0 / divisors(mean, std)
        return scale.astype(np.float32), (-mean * scale).astype(np.float32)

    def standardises(self, scale, width):
        return not self.shared and self._is_scaled(scale, width)

    def _is_scaled(self, scale, width: int) -> bool:
        """False of rows as they are, or brought to one length each: nothing is known of their spread."""
        zero, one = (np.asarray(scale(np.full((1, width), raw, np.float32))) for raw in (0.0, 1.0))
        return bool(np.any(zero) or not np.allclose(one, 1.0))

    def check_units(self, rows, low, high, scale, argument):
        if not self._is_scaled(scale, rows.shape[1]):
            return
        scaled = np.asarray(scale(rows))
        if far_from(scaled, low, high, argument):
            return
        if self.shared and np.sqrt(np.mean(np.square(scaled, dtype=np.float64))) > 2 * FAR:  # white is 10 at most
            warnings.warn(
                f"{argument}: expected values in the units of the training, got such from {low:g} to {high:g}, far "
                "beyond those; scale them as these were",
                UnitsWarning,
                stacklevel=4,
            )


def divisors(mean: np.ndarray, std: np.ndarray) -> np.ndarray:
    """What features of these moments are divided by, each [D]: the standard deviation.

    Of one that float32 hardly tells from a constant it is a hundred of them, so that rounding, of which it consists,
    counts for little; of a constant, and of what float32 cannot divide by, 1.
    """
    constant = (std <= 1e-12 * np.abs(mean)) | (std < 1e-30)
    return np.where(constant, 1.0, np.where(std <= 1e-7 * np.abs(mean), 100.0, 1.0) * std)


def far_from(scaled: np.ndarray, low: float, high: float, argument: str) -> bool:
    """Warns where most of standardised values, NaN aside, lie far from those trained on; says whether they do."""
    known = scaled[~np.isnan(scaled)]
    far = np.mean(np.abs(known) > FAR) if known.size else 0.0
    if far > 0.5:
        warnings.warn(
            f"{argument}: {far:.0%} of the values lie more than {FAR:g} standard deviations from the mean of the "
            f"rows trained on, got values from {low:g} to {high:g}; give raw values in the units of the training",
            UnitsWarning,
            stacklevel=5,
        )
    return bool(far > 0.5)


def get(likelihood: str | dict | Likelihood) -> Likelihood:
    """The likelihood of a name or of its `config`; a likelihood is given back as it is.

    Raises:
        InputError: no likelihood has this name, or none can be made of this.
    """
    if isinstance(likelihood, Likelihood):
        return likelihood
    if isinstance(likelihood, dict) and likelihood.get("name") in FAMILIES:
        parts = {key: value for key, value in likelihood.items() if key != "name"}
        try:
            return FAMILIES[likelihood["name"]](**parts)
        except (TypeError, ValueError) as error:
            raise InputError(f"likelihood: expected what {likelihood['name']} is made of ({cited(error)})") from error
    if not isinstance(likelihood, str) or likelihood not in REGISTRY:
        raise InputError(
            f"likelihood: expected one of {', '.join(sorted(REGISTRY))}, or a Likelihood, got {likelihood!r}"
        )
    return REGISTRY[likelihood]
