"""What raw rows are, looked at before a fit takes them: finite numbers, images of some shape, rows of one length."""

import math
import reprlib
import warnings
from collections.abc import Iterator, Sequence

import numpy as np

from vade_tf.data.sparse import Rows, SparseRows
from vade_tf.errors import InputError, UnitsWarning, check_form, whole_number
from vade_tf.machine import rows_together, spans

ONE_LENGTH = 1e-3  # relative difference of the lengths of rows that rounding makes, at most, also of float16
TURNED = 0.01  # variance of rows of one length over its square, at least; less, and one large mean makes them so long
BLURRED = 0.05  # standard deviations of a column that a step of float32 may be
FAINT = 1e-30  # standard deviation that float32 cannot divide by, see `likelihood.divisors`
ROUNDED = 1e-12  # of a constant: the standard deviation that rounding may leave
TINY = 1e-6  # that rounding may add to white
COLOURS = 3  # channels of a colour image
CHECK_ROWS = 8192  # rows looked at together, at most: keeps the check of a large memory-mapped file small


def unmasked(x: np.ma.MaskedArray) -> np.ndarray:
    """An array whose masked cells are NaN, if there are any."""
    return np.ma.filled(x.astype(np.float64), np.nan) if np.any(x.mask) else x.data


def shape_of_images(form: tuple[int, ...], argument: str) -> tuple[int, ...] | None:
    """(height, width) of grey images [n, height, width], also with an axis of 1, (height, width, 3) of colour ones.

    None of an array of any other form, with a warning where these may be images of other channels; images of one pixel
    a line are rows.

    Raises:
        InputError: the colours are the first axis of an image.
    """
    if len(form) == 3:
        return None if 1 in form[1:] else tuple(form[1:])
    if len(form) != 4:
        return None
    if form[3] in (1, COLOURS):
        return tuple(form[1:3]) if form[3] == 1 else tuple(form[1:])
    if form[1] == 1:
        return tuple(form[2:])
    if form[1] == COLOURS:
        raise InputError(
            f"{argument}: expected the colours of an image in its last axis, got images of shape {tuple(form[1:])}; "
            "give x.transpose(0, 2, 3, 1)"
        )
    warnings.warn(
        f"{argument}: expected images [n, height, width, channels] of 1 or 3 channels, got {tuple(form[1:])}: they are "
        "taken for plain rows; of images give those channels",
        UnitsWarning,
        stacklevel=4,
    )
    return None


def check_images(form: tuple[int, ...], image_shape: Sequence[int] | None, argument: str) -> None:
    """Raises InputError where the array of a file, of this form, holds other images than were trained on, or one."""
    if image_shape and image_shape[0] > 1 and form == tuple(image_shape):
        raise InputError(f"{argument}: expected several images, got one of shape {form}; save x[None]")
    check_form(form[1:], image_shape, argument)


def checked_shape(image_shape, form: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of images that a caller gave, of rows of this form: [n, width], or images [n, ...].

    Raises:
        InputError: it is none, or one of other rows.
    """
    wanted = "(height, width), or (height, width, 3) of colour images"
    if not isinstance(image_shape, (tuple, list)) or len(image_shape) not in (2, 3):
        raise InputError(f"image_shape: expected {wanted}, got {reprlib.repr(image_shape)}")
    found = tuple(whole_number(side, "image_shape", 1, 2**31 - 1) for side in image_shape)
    if found[2:] == (1,):
        found = found[:2]
    width, sides = math.prod(form[1:]), [side for side in form[1:] if side != 1]
    if len(sides) > 1 and sides != [side for side in found if side != 1]:
        raise InputError(f"image_shape: expected {wanted}, of the images of {tuple(form[1:])}, got {found}")
    if math.prod(found) != width or found[2:] not in ((), (COLOURS,)):
        raise InputError(f"image_shape: expected {wanted}, of the {width} values of a row, got {found}")
    return found


def blocks(x: Rows) -> Iterator[np.ndarray]:
    """Dense rows, a few at a time, in their order."""
    return (x[rows] for rows in spans(len(x), x.shape[1], CHECK_ROWS))


def all_alike(x: Rows) -> bool:
    """Whether every row is the same as the first. No more are read than until one is not."""
    first = x[slice(1)]
    return all(np.array_equal(rows, np.broadcast_to(first, rows.shape), equal_nan=True) for rows in blocks(x))


def has_holes(x: Rows) -> bool:
    """Whether dense rows hold NaN."""
    return not isinstance(x, SparseRows) and any(np.isnan(block).any() for block in blocks(x))


def check_apart(x, argument: str) -> None:
    """Warns of columns of x that are constant to float32: their numbers differ by next to nothing, or are blurred.

    Blurred are numbers near one another and far from 0, as times of one day.

    Args:
        x: rows to be fitted, [n, D]; what is no array of such numbers is left alone.
        argument: what the warning names.
    """
    if not isinstance(x, np.ndarray) or x.ndim != 2 or x.dtype.kind not in "iuf" or x.dtype.itemsize < 4:
        return
    some = np.asarray(x[:: -(-len(x) // rows_together(x.shape[1], CHECK_ROWS))], np.float64)
    with np.errstate(all="ignore"):  # what is not finite is told elsewhere
        std, largest = some.std(axis=0), np.abs(some).max(axis=0)
    steps = np.spacing(np.minimum(largest, np.finfo(np.float32).max / 2).astype(np.float32))
    varied = std > ROUNDED * largest
    faint = varied & (std < FAINT)
    blurred = varied & ~faint & (steps > BLURRED * std) & (x.dtype != np.float32)
    for found, why, todo in (
        (
            faint,
            "too little for float32, so that it counts as constant",
            "multiply it, also in new rows, or leave it out",
        ),
        (
            blurred,
            "which float32 does not tell apart",
            "subtract its median, also of new rows, or give a DataFrame (a .csv or .parquet file)",
        ),
    ):
        if found.any():
            column = found.argmax()
            others = f" and {found.sum() - 1} more" if found.sum() > 1 else ""
            warnings.warn(
                f"{argument}: column {column}{others} varies by {std[column]:.3g} beside numbers of "
                f"{largest[column]:.6g}, {why}; {todo}",
                UnitsWarning,
                stacklevel=4,
            )


def are_whole(x: Rows) -> bool:
    """Whether rows hold whole numbers alone."""
    parts = spans(len(x), x.shape[1], CHECK_ROWS)
    return x.dtype.kind != "f" or not any(
        ((x.stored(rows) if isinstance(x, SparseRows) else x[rows]) % 1).any() for rows in parts
    )


def are_mostly_zero(x: Rows) -> bool:
    """Whether more than half of all numbers are 0, as the weights of words in texts: each has few of the words."""
    numbers = (
        x.stored(rows) if isinstance(x, SparseRows) else x[rows] for rows in spans(len(x), x.shape[1], CHECK_ROWS)
    )
    return 2 * sum(np.count_nonzero(part) for part in numbers) < len(x) * x.shape[1]


def common_length(x: Rows) -> float:
    """The Euclidean length that all rows share which are not zero, as text vectorizers leave them; 0.0: they have none.

    Rows that hardly differ beside their mean, like the years of a table, are as good as equally long by that alone.
    """
    low, high, total = np.inf, 0.0, np.zeros(x.shape[1])
    for rows in spans(len(x), x.shape[1], CHECK_ROWS):
        block = x.matrix[rows] if isinstance(x, SparseRows) else x[rows]
        length = np.sqrt((block**2).sum(axis=1, dtype=np.float64))
        if (length := length[length > 0]).size:
            low, high = min(low, float(length.min())), max(high, float(length.max()))
            if not np.isclose(low, high, rtol=ONE_LENGTH):
                return 0.0
        total += block.sum(axis=0, dtype=np.float64)
    mean = total / len(x)
    return high if mean @ mean < (1 - TURNED) * high**2 else 0.0
