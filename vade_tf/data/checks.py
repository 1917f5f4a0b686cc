"""What raw rows are, looked at before a fit takes them: finite numbers, images of some shape, rows of one length."""

import math
import reprlib
import warnings
from collections.abc import Iterator, Sequence

import numpy as np

from vade_tf.data.sparse import Rows, SparseRows
from vade_tf.errors import InputError, UnitsWarning, check_form, whole_number
from vade_tf.machine import rows_together, spans

FEW_COLUMNS = 30  # of a table, which may have one length by the way they are made: sines and cosines of times
ALIKE, ALIKE_HALVES = 1e-4, 4e-3  # relative difference of squared lengths that rounding makes, also of float16
BLURRED = 0.05  # standard deviations of a column that a step of float32 may be
FAINT = 1e-30  # standard deviation that float32 cannot divide by, see `likelihood.divisors`
ROUNDED = 1e-12  # of a constant: the standard deviation that rounding may leave
TURNED = 0.01  # variance of rows of one length over its square, at least; less, and one large mean makes them so long
DARK, DARK_BYTES = 0.1, 32  # the brightest value of images, at most, that are on a scale of their own
SIDES = range(8, 129)  # of images that are known by their pixels
SEEN_IMAGES, FEWEST = 2000, 50  # rows that are looked at for it, and at least needed
LIKE = 0.2  # correlation; MNIST has 0.75 beside and below, 0.11 half a side away, digits of 8 x 8 0.30, 0.50 and 0.09
GREYS = 16  # levels of whole numbers, at least: marks and ratings have fewer
TINY = 1e-6  # that rounding may add to white
PIXELS = 64  # of a row at least, that is taken for an image though nothing says so
COLOURS = 3  # channels of a colour image
NARROWEST = 4  # pixels of the shorter side of an image that is so many times as long
CHECK_ROWS = 8192  # rows looked at together, at most: keeps the check of a large memory-mapped file small


def unmasked(x: np.ma.MaskedArray) -> np.ndarray:
    """An array whose masked cells are NaN, if there are any."""
    return np.ma.filled(x.astype(np.float64), np.nan) if np.any(x.mask) else x.data


def shape_of_images(form: tuple[int, ...], argument: str) -> tuple[int, ...] | None:
    """(height, width) of grey images [n, height, width], also with an axis of 1, (height, width, 3) of colour ones.

    None of an array of any other form, with a warning where these may be images of other channels, and of a few numbers
    at each of many times: what is narrower than `NARROWEST` pixels and so many times as long is a series of them, and
    no image.

    Raises:
        InputError: the colours are the first axis of an image.
    """
    if len(form) == 4 and form[1] == COLOURS and form[3] not in (1, COLOURS) and min(form[2:]) >= NARROWEST:
        raise InputError(
            f"{argument}: expected the colours of an image in its last axis, got images of shape {tuple(form[1:])}; "
            "give x.transpose(0, 2, 3, 1)"
        )
    if len(form) == 4 and form[3] == COLOURS:
        return tuple(form[1:])
    if len(form) == 4 and form[1] == 1 < form[3]:
        return tuple(form[2:])
    if len(form) == 3 and NARROWEST * min(form[1:]) <= max(form[1:]) and min(form[1:]) < NARROWEST:
        return None
    few = len(form) == 4 and form[2] >= SIDES.start and form[1] <= COLOURS + 1 < form[3]
    first = few or (len(form) == 4 and form[1] != form[2] == form[3] >= NARROWEST)  # as PyTorch has channels
    volume = len(set(form[1:])) == 1
    if first or (len(form) == 4 and form[3] != 1 and min(form[1:3]) >= NARROWEST and not volume):
        channels, moved = (form[1], ".transpose(0, 2, 3, 1)") if first else (form[3], "")
        laid = ", laid on white where the fourth is a transparency" if channels == 4 else ""
        warnings.warn(
            f"{argument}: expected images of 1 or 3 channels, got {channels}, in {tuple(form[1:])}: they are taken for "
            f"plain rows; of images give x{moved}[..., :{3 if channels > 3 else 1}]{laid}",
            UnitsWarning,
            stacklevel=4,
        )
    return tuple(form[1:3]) if len(form) == 3 or (len(form) == 4 and form[3] == 1) else None


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


def side_of_images(x: Rows, low: float, high: float) -> int | None:
    """The side of square grey images that stand in rows, their lines one after the other; None where rows are none.

    A pixel is like the one beside it and like the one below it, a whole side away; it is less like one that is half a
    side away, and the end of a line is less like the begin of the next: measures again and again, and years of months,
    are no images. Nor are a few whole numbers, unless they are but two.
    """
    side, size = math.isqrt(x.shape[1]), min(len(x), rows_together(x.shape[1], SEEN_IMAGES))
    if side**2 != x.shape[1] or side not in SIDES or size < FEWEST:
        return None
    rows = np.asarray(x[:: -(-len(x) // size)], np.float64)
    if high - low < GREYS - 1 and not (rows % 1).any() and ((low < rows) & (rows < high)).any():
        return None
    rows = rows - rows.mean(axis=0)
    std = rows.std(axis=0)

    def alike(lag: int, first=slice(None)) -> tuple[float, float]:
        """Mean correlation of numbers so far apart, weighted by their standard deviations, and the sum of these."""
        one, other = (each[..., first] for each in (np.arange(side**2 - lag), np.arange(lag, side**2)))
        weight = float(std[one] @ std[other])
        return np.einsum("nd,nd->", rows[:, one], rows[:, other]) / len(rows) / max(weight, 1e-30), weight

    (beside, whole), (below, _), (apart, _) = alike(1), alike(side), alike(side // 2)
    ends, weight = alike(1, slice(side - 1, None, side))
    if min(beside, below) < LIKE + max(apart, 0):
        return None
    return None if weight * side > LIKE * whole and ends + LIKE > beside else side


def are_pixels(x: Rows, low: float, high: float) -> bool:
    """Whether rows look like flattened images that are no bytes: many whole numbers from 0 to 255, both there."""
    wide = x.shape[1] >= PIXELS and (low, high) == (0, 255)
    return wide and not any((block % 1 != 0).any() for block in blocks(x))


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


def are_answers(x: Rows, low: float, high: float) -> bool:
    """Whether rows consist of 0 and 1, as categories that are written as one 1 among 0s: these have a length, too."""
    if (low, high) != (0, 1):
        return False
    if isinstance(x, SparseRows):
        return not (x.matrix.data % 1).any()
    return not any((block % 1).any() for block in blocks(x))


def are_mostly_zero(x: Rows) -> bool:
    """Whether more than half of all numbers are 0, as the weights of words in texts: each has few of the words."""
    numbers = (
        x.stored(rows) if isinstance(x, SparseRows) else x[rows] for rows in spans(len(x), x.shape[1], CHECK_ROWS)
    )
    return 2 * sum(np.count_nonzero(part) for part in numbers) < len(x) * x.shape[1]


def common_length(x: Rows, alike: float) -> float:
    """The Euclidean length that all rows share which are not zero, as text vectorizers leave them; 0.0: they have none.

    Rows that hardly differ beside their mean, like the years of a table, are as good as equally long by that alone.
    """
    low, high, total = np.inf, 0.0, np.zeros(x.shape[1])
    for rows in spans(len(x), x.shape[1], CHECK_ROWS):
        if isinstance(x, SparseRows):
            matrix = x.matrix[rows]
            square = matrix.power(2, dtype=np.float64).sum(axis=1)
        else:
            matrix = x[rows]
            square = np.einsum("nd,nd->n", matrix, matrix, dtype=np.float64)
        if (found := square[square > 0]).size:
            low, high = min(low, float(found.min())), max(high, float(found.max()))
            if low < (1 - alike) * high:
                return 0.0
        total += matrix.sum(axis=0, dtype=np.float64)
    mean = total / len(x)
    return math.sqrt(high) if high > 0 and mean @ mean <= (1 - TURNED) * high else 0.0


def finite_range(x: Rows, argument: str, holes: bool, table: bool = True) -> tuple[float, float]:
    """Smallest and largest value; an error that names the first place where a value is not a finite float32.

    Args:
        x, argument: as for `observing.observe`.
        holes: whether NaN is a missing cell.
        table: whether such rows may have missing cells where they come as a table.
    """
    low, high = np.inf, -np.inf
    for rows in spans(len(x), x.shape[1], CHECK_ROWS):
        part = x.stored(rows) if isinstance(x, SparseRows) else x[rows]
        if holes:
            part = part[~np.isnan(part)]
        if (unusable := _unusable(part)).any():
            block = x[rows]
            row, column = np.argwhere(_unusable(block) & ~(np.isnan(block) & holes))[0]
            hole = table and not holes and bool(np.isnan(block[row, column]))
            more = ", or give a DataFrame (a .csv or .parquet file), in which NaN is a missing cell" if hole else ""
            raise InputError(
                f"{argument}: expected finite numbers below 1e30, got {block[row, column]} at row {rows.start + row}, "
                f"column {column} ({int(unusable.sum())} such values nearby); drop or impute these rows{more}"
            )
        if part.size:
            low, high = min(low, float(part.min())), max(high, float(part.max()))
    if low > high:
        raise InputError(f"{argument}: expected rows that hold a value, got only missing cells")
    return low, high


def _unusable(x: np.ndarray) -> np.ndarray:
    """Where x holds no number that float32 can square."""
    wide = np.issubdtype(x.dtype, np.floating) and x.dtype.itemsize > 2  # float16 has no such numbers
    return ~np.isfinite(x) | (np.abs(x) > 1e30 if wide else False)
