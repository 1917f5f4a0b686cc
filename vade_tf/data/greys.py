"""Images -> the units of their likelihood: black is 0 and white 1."""

import math
from dataclasses import replace
from typing import TypeVar

import numpy as np

from vade_tf.data.checks import TINY
from vade_tf.data.dataset import Observations
from vade_tf.data.sparse import Rows

DARK, DARK_BYTES = 0.1, 32  # the brightest value of images, at most, that are on a scale of their own

R = TypeVar("R", bound=Observations)


def asked(rows: R, likelihood: str) -> R:
    """Rows that asked for no likelihood with one that is asked for, and its units."""
    found = replace(rows, likelihood=likelihood)
    return found if rows.image_shape is None or not rows.standardise else as_images(found)


def as_images(rows: R) -> R:
    """Images in the units of their likelihood: as they are if they are bytes or in [0, 1], else brought there.

    Under a Gaussian bytes are brought there, too, for all its pixels have one variance.
    """
    factor, offset = grey_units(rows.x, rows.low, rows.high)
    gaussian = rows.likelihood == "gaussian"
    if gaussian and rows.x.dtype == np.uint8 and factor == 1.0:
        factor = 1 / 255
    standardise = (factor, offset) == (1.0, 0.0) and not gaussian
    return replace(rows, standardise=standardise, factor=factor, offset=offset)


def grey_units(x: Rows, low: float, high: float) -> tuple[float, float]:
    """(factor, offset) of `grey = factor * x + offset`, 0 where images are black and 1 where they are white.

    Black is 0, or the least value where that is below; white is then the largest one. Values from 0 up have scales that
    end at a power of 2, or one before: 16 for values to 16, 255 for values to 200. (1, 0) of values that are in [0, 1]
    already, and of bytes; but where the brightest is nearly black, on neither scale.
    """
    dark = DARK_BYTES if x.dtype == np.uint8 else DARK
    if low == high or (low >= 0 and dark < high and (high <= 1 + TINY or x.dtype == np.uint8)):
        return 1.0, 0.0
    if low < 0:
        return 1 / (high - low), -low / (high - low)
    power = 2.0 ** math.ceil(math.log2(high))
    return 1 / (power if high > (power - 1) * (1 + TINY) else power - 1), 0.0
