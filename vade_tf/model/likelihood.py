"""p(x|z): what the decoder's output means. A likelihood is one class here; no other code asks which one it is.

    @register
    class Poisson(Likelihood):
        name = "poisson"
        def distribution(self, parameters): ...

is known by its name to `VaDE` and to saved models. x are rows in the likelihood's own units, float32 [batch, D];
`parameters` are the decoder's output for them, of the same shape.
"""

import math
import warnings

import keras
import numpy as np
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from vade_tf.errors import InputError, UnitsWarning
from vade_tf.model.elbo import LOG_2PI

MOST = 1e30  # value of a row; float32 cannot square more
CONTRAST = 0.4  # MNIST has 0.78, digits 0.51; TF-IDF of texts 0.18, tables scaled to [0, 1] about 0.1 to 0.3
LOOKED_AT = 10_000  # rows, at most, whose values are compared with those of the training
FAR = 10.0  # standard deviations
BLOCK = 8192  # rows checked together: keeps the check of a large memory-mapped file small


class Likelihood:
    """A family of p(x|z), independent over the features given z. `distribution` is all that a new one must have."""

    name: str

    def distribution(self, parameters) -> tfd.Distribution:
        """p(x|z) of each row, an event [D]: parameters [batch, D] -> batch of distributions."""
        raise NotImplementedError

    def mean(self, parameters):
        """Mean of p(x|z): parameters [batch, D] -> [batch, D]."""
        return self.distribution(parameters).mean()

    def distortion(self, x, parameters):
        """-log p(x|z): x and parameters [batch, D] -> nats, [batch]."""
        return -self.distribution(parameters).log_prob(x)

    def reconstruction(self, x, parameters):
        """Loss a feature of methods that weigh it against a term of their own (IDEC): [batch]; here nats a feature."""
        return self.distortion(x, parameters) / parameters.shape[-1]

    def check(self, low: float, high: float, dtype, argument: str = "likelihood") -> None:
        """Raises InputError, which names `argument`, where raw values from low to high of this dtype mean nothing."""

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


REGISTRY: dict[str, Likelihood] = {}


def register(cls: type[Likelihood]) -> type[Likelihood]:
    """Class decorator: makes a likelihood known by its name."""
    REGISTRY[cls.name] = cls()
    return cls


@register
class Bernoulli(Likelihood):
    """x in [0, 1], the parameters are logits. Takes values in [0, 1] as they are, and bytes as grey values."""

    name = "bernoulli"

    def distribution(self, parameters):
        return tfd.Independent(tfd.Bernoulli(logits=parameters, dtype=parameters.dtype), reinterpreted_batch_ndims=1)

    def mean(self, parameters):
        return tf.sigmoid(parameters)

    def distortion(self, x, parameters):
        # log(1 + e^l) - x l: one fused kernel
        return tf.reduce_sum(tf.math.softplus(parameters) - x * parameters, axis=-1)

    def check(self, low, high, dtype, argument="likelihood"):
        if dtype != np.uint8 and (low < 0 or high > 1):
            raise InputError(
                f"{argument}: bernoulli expects values in [0, 1] or uint8, got values from {low:g} to {high:g}; scale "
                "them or use likelihood='gaussian'"
            )

    def units(self, observations):
        return (1 / 255 if observations.x.dtype == np.uint8 else 1.0), 0.0

    def check_units(self, rows, low, high, scale, argument):
        constant = np.outer([0.0, 1.0], np.ones(rows.shape[1])).astype(np.float32)
        zero, one = np.asarray(scale(constant), np.float64).mean(axis=1)
        if not one > zero:
            return  # no scale that goes up evenly: nothing is known of its raw values
        begin, end = 0 - zero / (one - zero), (1 - zero) / (one - zero)  # the raw values that become 0 and 1
        slack = 1e-3 * (end - begin)
        too_small = end > 10 and 0 < high <= 1 and not np.issubdtype(rows.dtype, np.integer)
        if begin - slack <= low and high <= end + slack and not too_small:
            return
        advice = "scale them as those it was trained on"
        if too_small and low >= 0:
            advice = f"multiply them by {end:.4g}"
        elif end <= 1 and low >= 0 and high <= 255:
            advice = "divide them by 255"
        raise InputError(
            f"{argument}: expected values from {begin:.4g} to {end:.4g}, as the model was trained on, got {rows.dtype} "
            f"from {low:g} to {high:g}; {advice}"
        )


@register
class Gaussian(Likelihood):
    """x is a real number of unit variance, the parameters are means. Takes any finite numbers; standardises them."""

    name = "gaussian"

    def distribution(self, parameters):
        return tfd.Independent(tfd.Normal(parameters, tf.ones_like(parameters)), reinterpreted_batch_ndims=1)

    def mean(self, parameters):
        return parameters

    def distortion(self, x, parameters):
        return 0.5 * tf.reduce_sum((x - parameters) ** 2 + LOG_2PI, axis=-1)

    def reconstruction(self, x, parameters):
        """The squared error a feature, as IDEC was published."""
        return keras.losses.mean_squared_error(x, parameters)

    def units(self, observations):
        """Every feature gets mean 0 and variance 1, a constant one mean 0; in float64, for scales of 1e6."""
        if not observations.standardise:
            return observations.factor, 0.0
        mean, std = observations.moments()
        constant = (std <= 1e-7 * np.abs(mean)) | (std < 1e-30)  # up to float32 rounding, and what it can divide by
        scale = 1.0 / np.where(constant, 1.0, std)
        return scale.astype(np.float32), (-mean * scale).astype(np.float32)

    def check_units(self, rows, low, high, scale, argument):
        if not np.any(scale(np.zeros((1, rows.shape[1]), np.float32))):
            return  # not standardised: nothing is known of the spread of its rows
        far = np.mean(np.abs(scale(rows)) > FAR)
        if far > 0.5:
            warnings.warn(
                f"{argument}: {far:.0%} of the values lie more than {FAR:g} standard deviations from the mean of the "
                f"rows trained on, got values from {low:g} to {high:g}; give raw values in the units of the training",
                UnitsWarning,
                stacklevel=4,
            )


def get(likelihood: str | Likelihood) -> Likelihood:
    """The likelihood of a name; a likelihood is given back as it is.

    Raises:
        InputError: no likelihood has this name.
    """
    if isinstance(likelihood, Likelihood):
        return likelihood
    if not isinstance(likelihood, str) or likelihood not in REGISTRY:
        raise InputError(
            f"likelihood: expected one of {', '.join(sorted(REGISTRY))}, or a Likelihood, got {likelihood!r}"
        )
    return REGISTRY[likelihood]


def choose(observations) -> Likelihood:
    """The likelihood of rows: what they ask for; for "auto" Bernoulli for bytes and what is like images in [0, 1].

    Not all values in [0, 1] are probabilities of on and off: TF-IDF weights and other shares lie there, too. A
    Bernoulli of such small values explains every row by nearly the same probabilities, and the code collapses. So their
    variance must be a share CONTRAST of that of on and off, m (1 - m) summed over the features.

    Args:
        observations: `data.dataset.Observations`.

    Raises:
        InputError: the likelihood is unknown, or cannot be that of these rows.
    """
    about = observations.low, observations.high, observations.x.dtype
    if observations.likelihood == "auto":
        try:
            Bernoulli().check(*about)
        except InputError:
            return get("gaussian")
        grey = observations.x.dtype == np.uint8 or observations.image_shape is not None or _contrasts(observations)
        return get("bernoulli" if grey else "gaussian")
    found = get(observations.likelihood)
    found.check(*about)
    return found


def _contrasts(observations) -> bool:
    """Whether values in [0, 1] vary as much as on and off do, or nearly so: grey values of images, answers, marks."""
    mean, std = observations.moments()
    return float((std**2).sum()) >= CONTRAST * float((mean * (1 - mean)).sum())


def check_units(model, x, argument: str = "x") -> None:
    """Check that a fitted model can take new raw rows: finite numbers in the units of those it was trained on.

    Args:
        model: anything with a `likelihood` and a `scale`, such as a `VaDE`.
        x: raw rows, [n, D]: an array, or `data.sparse.SparseRows`.
        argument: what an error names.

    Raises:
        InputError: a value is not finite, or the rows are in other units.
    """
    low, high = math.inf, -math.inf
    for start in range(0, len(x), BLOCK):
        block = np.asarray(x[start : start + BLOCK])
        if block.dtype.kind not in "biuf":
            raise InputError(f"{argument}: expected numbers, got {block.dtype}; encode text and categories first")
        if not (finite := np.isfinite(block) & (np.abs(block) <= MOST)).all():
            row, column = np.argwhere(~finite)[0]
            raise InputError(
                f"{argument}: expected finite numbers below 1e30, got {block[row, column]} at row {start + row}, "
                f"column {column}; drop or impute such rows"
            )
        low, high = min(low, float(block.min())), max(high, float(block.max()))
    if len(x):
        model.likelihood.check_units(x[:: math.ceil(len(x) / LOOKED_AT)], low, high, model.scale, argument)
