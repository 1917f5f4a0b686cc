"""p(x|z) of a table: each column by its kind, and cells that are missing left out of the bound.

    distortion = - sum_d known_d log p(x_d | z)          HI-VAE: Nazabal et al., Pattern Recognition 2020, eq. 3

The columns stand in blocks: `("gaussian", 9), ("bernoulli", 2), ("categorical", 3)` are nine numbers, two columns of 0
and 1, and one category of three levels, one-hot.
"""

import itertools
import math
from collections.abc import Sequence

import numpy as np
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from vade_tf.errors import InputError
from vade_tf.model import networks
from vade_tf.model.elbo import LOG_2PI
from vade_tf.model.likelihood import Likelihood, divisors, register, warn_far

NO_LEVEL = -1e9  # logit of a level that a category has not
KINDS = ("gaussian", "bernoulli", "categorical")


@register
class Mixed(Likelihood):
    """Numbers, answers of yes and no, and categories side by side; NaN in x is a cell that is not known.

    The decoder's parameters are means for numbers, logits for the others. Numbers are standardised, each with a
    variance of its own that is learned, as for `likelihood.Gaussian`.

    Args:
        blocks: (kind, number of features) one after the other, kinds of `KINDS`; a category is a block of its own.

    Raises:
        InputError: a block of no such kind, or without features.
    """

    name = "mixed"
    unbounded = "means of standardised numbers, and logits"
    learns_variance = True
    takes_missing = True

    def __init__(self, blocks: Sequence[tuple[str, int]]):
        self.blocks = tuple((kind, int(width)) for kind, width in blocks)
        if not self.blocks or any(kind not in KINDS or width < 1 for kind, width in self.blocks):
            raise InputError("blocks", f"pairs (kind, features) with kinds of {', '.join(KINDS)}", repr(blocks))
        ends = list(itertools.accumulate(width for _, width in self.blocks))
        self.spans = [slice(end - width, end) for end, (_, width) in zip(ends, self.blocks, strict=True)]
        self.width = ends[-1]  # D
        of = np.repeat([kind for kind, _ in self.blocks], [width for _, width in self.blocks])
        self.numbers, self.answers = of == "gaussian", of == "bernoulli"  # which of the features are such, bool [D]
        self._categories = self._by_width()
        self._of_kind = {kind: np.flatnonzero(of == kind) for kind in ("gaussian", "bernoulli") if (of == kind).any()}
        self._level = np.arange(self.width)  # where `mean` finds each feature: behind all of them its shares as a level
        at = self.width
        for features, there in self._categories:
            self._level[features[there]] = (at + np.arange(features.size).reshape(features.shape))[there]
            at += features.size

    def _by_width(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """The levels of all categories, those of about one width together: a block each is slow where there are many.

        Pairs of the features of the levels, int [categories, most levels], and which are there, bool of that shape.
        """
        found: dict[int, list[slice]] = {}
        for (kind, width), span in zip(self.blocks, self.spans, strict=True):
            if kind == "categorical":
                found.setdefault((width - 1).bit_length(), []).append(span)
        pairs = []
        for spans in found.values():
            starts, ends = np.array([(span.start, span.stop) for span in spans]).T[:, :, None]
            features = starts + np.arange((ends - starts).max())
            pairs.append((np.minimum(features, ends - 1), features < ends))
        return pairs

    def config(self):
        return {"name": self.name, "blocks": [list(block) for block in self.blocks]}

    def distribution(self, parameters, log_sigma2=0.0):
        log_sigma2 = log_sigma2 * tf.ones_like(parameters)
        parts = []
        for (kind, _), span in zip(self.blocks, self.spans, strict=True):
            out = parameters[..., span]
            if kind == "gaussian":
                part = tfd.Independent(tfd.Normal(out, tf.exp(0.5 * log_sigma2[..., span])), 1)
            elif kind == "bernoulli":
                part = tfd.Independent(tfd.Bernoulli(logits=out, dtype=out.dtype), 1)
            else:
                part = tfd.OneHotCategorical(logits=out, dtype=out.dtype)
            parts.append(part)
        return tfd.Blockwise(parts)

    def mean(self, parameters):
        parts = [tf.where(self.answers, tf.sigmoid(parameters), parameters)]  # of numbers as they are
        for features, there in self._categories:
            out = tf.where(there, tf.gather(parameters, features, axis=-1), NO_LEVEL)  # [..., categories, levels]
            parts.append(tf.reshape(tf.nn.softmax(out), tf.concat([tf.shape(parameters)[:-1], [features.size]], 0)))
        return parts[0] if len(parts) == 1 else tf.gather(tf.concat(parts, -1), self._level, axis=-1)

    def distortion(self, x, parameters, log_sigma2=0.0):
        known = tf.cast(~tf.math.is_nan(x), x.dtype)  # [batch, D]
        x = tf.where(tf.math.is_nan(x), tf.zeros_like(x), x)
        log_sigma2 = log_sigma2 * tf.ones(tf.shape(x)[1:], x.dtype)  # [D]
        total = tf.zeros_like(x[:, 0])
        for kind, places in self._of_kind.items():
            value, out, there = (tf.gather(each, places, axis=1) for each in (x, parameters, known))
            if kind == "gaussian":
                spread = tf.gather(log_sigma2, places)
                nats = 0.5 * ((value - out) ** 2 * tf.exp(-spread) + spread + LOG_2PI)
            else:
                nats = tf.math.softplus(out) - value * out
            total += tf.reduce_sum(there * nats, axis=-1)
        for features, levels in self._categories:
            value = tf.where(levels, tf.gather(x, features, axis=1), 0.0)  # [batch, categories, levels]; 0 if not known
            out = tf.where(levels, tf.gather(parameters, features, axis=1), NO_LEVEL)
            total -= tf.reduce_sum(value * tf.nn.log_softmax(out), axis=(1, 2))
        return total

    def reconstruction(self, x, parameters):
        """The squared error of a number, as IDEC was published, nats of answers and categories; a feature."""
        return self.distortion(x, parameters, -math.log(2.0)) / self.width  # 1 / sigma2 = 2

    def variance(self, x, parameters):
        """sigma2 of each number by a batch, [D]: mean squared error of its known cells, NaN without any; else 1."""
        known = tf.cast(~tf.math.is_nan(x), x.dtype)
        error = tf.reduce_sum(known * (tf.where(tf.math.is_nan(x), parameters, x) - parameters) ** 2, axis=0)
        n = tf.reduce_sum(known, axis=0)
        return tf.where(self.numbers, error / n, 1.0)

    def units(self, rows):
        scale, offset = np.ones(self.width, np.float32), np.zeros(self.width, np.float32)
        mean, std = (part[self.numbers] for part in rows.moments())
        scale[self.numbers] = 1.0 / divisors(mean, std)
        offset[self.numbers] = -mean * scale[self.numbers].astype(np.float64)
        return scale, offset

    def first_layer(self, rows):
        """A missing cell is read as the mean of its column's known ones; a flag tells of it where training has some."""
        scale, offset = self.units(rows)
        mean = rows.moments()[0] * scale + offset
        missing = np.any([np.isnan(block).any(axis=0) for block in rows.blocks()], axis=0)
        return networks.Filled(mean.tolist(), np.flatnonzero(missing).tolist())

    def check_units(self, raw, x, argument):
        if self.numbers.any():
            warn_far(x[:, self.numbers], argument)
