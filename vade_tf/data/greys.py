"""Images -> the units of their likelihood: black is 0 and white 1, or each pixel has a mean and a variance."""

import math
from dataclasses import replace
from typing import TypeVar

import numpy as np

from vade_tf.data import checks
from vade_tf.data.dataset import Observations
from vade_tf.data.shards import FileRows
from vade_tf.data.sparse import Stored
from vade_tf.machine import rows_together

LEAST_CONTRAST = 0.1  # of most pixels, as in `contrast`; less where one hot pixel makes the scale
FEW = 0.05  # share of pixels with such a contrast from which on bytes and fractions are no pale images
UNITS_APART, MANY_APART = 10.0, 0.05  # standard deviations from the middle, and share of pixels, of no images

R = TypeVar("R", bound=Observations)


def asked(rows: R, likelihood: str) -> R:
    """Rows that asked for no likelihood with one that is asked for, and its units."""
    found = replace(rows, likelihood=likelihood)
    return found if rows.image_shape is None or not rows.standardise else as_images(found)


def as_images(rows: R, declared: bool = True) -> R:
    """Images in the units of their likelihood; a Gaussian takes bytes and fractions as they are, unless it is told.

    Those of little contrast, as pale ones, are standardised: each pixel has a mean and a variance. Where nobody said
    that they are images, black and white are not known, and many pixels lie far from the others in all of them, these
    are numbers in several units, and no images.
    """
    known = checks.grey_units(rows.x, rows.low, rows.high) == (1.0, 0.0)
    if known and rows.likelihood != "gaussian" and not pale(rows):
        return rows
    if (found := grey(rows)) is not None:
        return found
    found = rows if rows.likelihood != "auto" else replace(rows, likelihood="gaussian")
    return found if declared or known or not _of_several_units(rows.x) else replace(found, image_shape=None)


def grey(images: R) -> R | None:
    """Images with the units that make black 0 and white 1; None where nearly all pixels have one grey then."""
    factor, offset = checks.grey_units(images.x, images.low, images.high)
    gaussian = images.likelihood == "gaussian"
    if gaussian and images.x.dtype == np.uint8 and factor == 1.0:
        factor = 1 / 255
    standardise = (factor, offset) == (1.0, 0.0) and not gaussian
    found = replace(images, standardise=standardise, factor=factor, offset=offset)
    return found if _contrast(found, 0.5) >= LEAST_CONTRAST else None


def pale(images: Observations) -> bool:
    """Whether pixels, or bytes of any kind, differ, but next to none of them as black and white do."""
    return 0.0 < _contrast(images, FEW) < LEAST_CONTRAST


def _contrast(images: R, share: float) -> float:
    """The contrast that such a share of the pixels that differ from image to image have at least; 0 if none differs."""
    contrast = images.part(np.arange(0, len(images.x), -(-len(images.x) // checks.SEEN_IMAGES))).contrast()
    return float(np.quantile(contrast[contrast > 0], 1 - share)) if contrast.any() else 0.0


def recognised(rows: R) -> R | None:
    """Rows of an array as the square images that they look like, in any unit; None where they look like none.

    They have to differ as black and white do: a thermal map, and waves of an EEG at places side by side, hardly do.
    """
    side = checks.side_of_images(rows.x, rows.low, rows.high)
    found = grey(replace(rows, image_shape=(side, side))) if side else None
    return None if found is None else replace(found, recognised=True)


def but_one(x: np.ndarray | FileRows) -> int | None:
    """Which column of rows [n, D] stands beside square images, as labels do: the first, the last (-1), or none.

    Images that lack their first pixel look like images, too: it is the column that is less like the one beside it.
    """
    if side_beside(x.shape[1]) is None:
        return None
    step = -(-len(x) // rows_together(x.shape[1], checks.SEEN_IMAGES))
    some = np.asarray(x[np.arange(0, len(x), step)], np.float64)
    for column, _ in sorted(((0, 1), (-1, -2)), key=lambda pair: _alike(*some[:, pair].T)):
        others = np.delete(some, column, axis=1).astype(np.float32)
        if np.isfinite(others).all() and recognised(Observations(others, others.min(), others.max())) is not None:
            return column
    return None


def side_beside(width: int) -> int | None:
    """The side of square images that all but one of so many columns may be, or None."""
    side = math.isqrt(max(width - 1, 0))
    return side if side**2 == width - 1 and side in checks.SIDES else None


def _alike(one: np.ndarray, other: np.ndarray) -> float:
    """Squared correlation of two columns [n]; 1 of a constant one where the other has its value, too, as pixels do."""
    if not (np.isfinite(one).all() and np.isfinite(other).all()):
        return 0.0
    if one.std() > 0 < other.std():
        return float(np.corrcoef(one, other)[0, 1] ** 2)
    return float(one.std() == 0 and (other == one[0]).any())


def beside(column: str, width: int, without: str) -> str:
    """What is said of such a column, by its name: without it the rows are images."""
    side = side_beside(width)
    return (
        f"all columns but {column} look like grey images of {side} x {side} pixels, which are plain numbers beside it; "
        f"leave it out ({without})"
    )


def _of_several_units(x: Stored) -> bool:
    """Whether many features lie far from the others in all rows."""
    some = np.asarray(x[:: -(-len(x) // rows_together(x.shape[1], checks.SEEN_IMAGES))], np.float64)
    apart = np.abs(some.mean(axis=0) - np.median(some)) > UNITS_APART * math.sqrt(some.var(axis=0).mean())
    return bool(apart.mean() > MANY_APART)
