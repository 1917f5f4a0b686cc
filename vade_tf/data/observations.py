"""Raw rows, checked -> `Observations` in the units of their likelihood; with labels and a name a `Dataset`."""

import math
from contextlib import suppress
from dataclasses import fields, replace
from typing import TypeVar

import numpy as np
import scipy.sparse

from vade_tf.data.dataset import COUNTS, MAX_ROWS_READ, Coded, Dataset, Observations
from vade_tf.data.rows import FileRows, Rows, SparseRows, is_file
from vade_tf.errors import InputError, whole_number
from vade_tf.finite import finite_range
from vade_tf.machine import spans

LENGTH_TOLERANCE = 1e-3  # relative difference of the lengths of rows that rounding makes, also of float16
MIN_VARIANCE_OF_DIRECTIONS = 0.01  # of rows of one length over its square; one large mean makes others so long
ROUNDING = 1e-6  # by which white may exceed 1
MAX_DARK, MAX_DARK_BYTE = 0.1, 32  # brightest value of images that are on a scale of their own
COLOURS = 3  # channels of a colour image

R = TypeVar("R", bound=Observations)


def build(
    x, y, name: str, source: str, likelihood: str = "auto", image_shape=None, standardise=True, schema=None, **more
) -> Dataset:
    """A data set of raw rows and, perhaps, their labels.

    Args:
        x, likelihood, image_shape, standardise, schema: as for `observe`.
        y: labels, as for `number_labels`.
        more: batch_index, notice and ids; these, name and source as in `Dataset`.

    Raises:
        InputError: as for `observe`, or y is not one label a row.
    """
    rows = observe(x, likelihood, image_shape, standardise, source, schema)
    found = {each.name: getattr(rows, each.name) for each in fields(Observations)}
    return Dataset(**found | more, name=name, source=source, y=number_labels(y, len(rows.x), source))


def observe(
    x,
    likelihood: str = "auto",
    image_shape=None,
    standardise: bool = True,
    argument: str = "x",
    schema: Coded | None = None,
    transform: str | None = None,
) -> Observations:
    """Check raw rows.

    Args:
        x: features, [n, D], or images, [n, height, width] or [n, height, width, channels]; any number type. A SciPy
            sparse matrix stays sparse, and what a `numpy.memmap` maps stays in its file; a DataFrame is coded by a
            `schema.Schema`.
        likelihood: what the rows ask for, see `Observations`.
        image_shape: (height, width) of rows that are grey images, (height, width, 3) of colour images, whose channels
            stand together; x of three or four dimensions gives it itself. () says that rows are no images.
        standardise: False leaves Gaussian features, but for pixels, in the units they come in.
        argument: what an error names.
        schema: how x was coded already; x may then hold NaN, in missing cells.
        transform: of a DataFrame: "power" or None, see `schema.Schema.infer`.

    Returns:
        The rows, uint8 left as it is (unless it is all zeros and ones) and all else float32.

    Raises:
        InputError: x is not a matrix of finite numbers, or not of images of this shape.
    """
    frame = hasattr(x, "columns") and (hasattr(x, "iloc") or hasattr(x, "to_pandas"))
    if schema is None and frame and not image_shape:
        from vade_tf.data.schema import coded_frame  # pandas takes a while to load, and arrays do without

        x, schema = coded_frame(x, argument, likelihood in COUNTS, transform)
    if hasattr(x, "obsm"):  # an AnnData, which NumPy would unroll
        raise InputError(argument, "rows", "an AnnData", "give it to VaDEClusterer, or give its X")
    if scipy.sparse.issparse(x):
        x = SparseRows(x)
    elif not isinstance(x, (np.ndarray, SparseRows, FileRows)):
        x = np.asarray(x)
    if np.ma.is_masked(x):
        raise InputError(argument, "rows without masked cells", "some", "fill them, or give a DataFrame")
    form = (len(x), *x.row_shape) if isinstance(x, FileRows) else x.shape
    if len(form) < 2 or 0 in form:
        raise InputError(argument, "a matrix of n rows and D features", f"shape {form}")
    image_shape = _shape_of_images(form, argument) if image_shape is None else image_shape or None
    if image_shape is not None:
        image_shape = check_shape(image_shape, form)
    if is_file(x):
        x = FileRows(x, argument)
    elif isinstance(x, np.ndarray):
        x = x.reshape(len(x), -1)
    coded = "" if schema is None else schema.kind
    low, high = finite_range(x, argument, holes=coded == "table" and image_shape is None)
    if low > high:
        raise InputError(argument, "rows that hold a value", "only missing cells")
    dtype = np.uint8 if x.dtype == np.uint8 and high > 1 else np.float32  # bytes of 0 and 1 are no grey values
    if x.dtype != dtype:
        x = SparseRows(x.matrix.astype(dtype)) if isinstance(x, SparseRows) else x.astype(dtype)
    plain, sparse = image_shape is None and coded != "table", isinstance(x, SparseRows)
    whole = plain and (dtype == np.uint8 or not any((numbers % 1).any() for numbers in _stored(x)))
    length = common_length(x) if plain and not whole else 0.0
    nonzero = sum(np.count_nonzero(numbers) for numbers in _stored(x)) if length and not sparse else 0
    of_words = length > 0 and low >= 0 and 2 * nonzero < math.prod(x.shape)  # those of a network are rarely 0
    texts, counted = of_words or coded == "texts", sparse and whole and low >= 0 and high > 1
    rows = Observations(x, low, high, image_shape, likelihood, standardise, texts=texts, counted=counted, schema=schema)
    if not standardise:
        return rows
    if image_shape is not None:
        return to_grey_units(rows)
    if length:  # directions, whose features have one unit: on average each gets the square 1
        own = None if coded == "texts" else length  # weights of `--text` are logarithms already
        return replace(rows, standardise=False, factor=math.sqrt(x.shape[1]) / length, length=own)
    return replace(rows, factor=grey_units(x, low, high)[0]) if x.dtype == np.uint8 else rows


def with_likelihood(rows: R, likelihood: str) -> R:
    """The same rows, asking for a likelihood, and in its units."""
    found = replace(rows, likelihood=likelihood)
    return found if rows.image_shape is None or not rows.standardise else to_grey_units(found)


def to_grey_units(rows: R) -> R:
    """Images as they are if they are bytes or in [0, 1], else brought there; so are bytes under a Gaussian."""
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
    dark = MAX_DARK_BYTE if x.dtype == np.uint8 else MAX_DARK
    if low == high or (low >= 0 and dark < high and (high <= 1 + ROUNDING or x.dtype == np.uint8)):
        return 1.0, 0.0
    if low < 0:
        return 1 / (high - low), -low / (high - low)
    power = 2.0 ** math.ceil(math.log2(high))
    return 1 / (power if high > (power - 1) * (1 + ROUNDING) else power - 1), 0.0


def _shape_of_images(form: tuple[int, ...], argument: str) -> tuple[int, ...] | None:
    """That of grey or colour images; None of rows, also of one pixel in a line."""
    if len(form) < 3 or (len(form) == 3 and 1 in form[1:]):
        return None
    if len(form) > 4 or form[3:] not in ((), (1,), (COLOURS,)):
        hint = "of channels that come first give x.transpose(0, 2, 3, 1); image_shape=() says that rows are no images"
        raise InputError(argument, "images [n, height, width, channels] of 1 or 3 channels", f"shape {form}", hint)
    return tuple(form[1:]) if form[3:] == (COLOURS,) else tuple(form[1:3])


def check_shape(image_shape, form: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of images that a caller gave, of rows of this form; an InputError where it is none, or of others."""
    given = tuple(image_shape) if isinstance(image_shape, (tuple, list)) else ()
    found = tuple(whole_number(side, "image_shape", 1, 2**31 - 1) for side in given)
    found = found[:2] if found[2:] == (1,) else found
    other = len(form) > 2 and [side for side in form[1:] if side != 1] != [side for side in found if side != 1]
    if other or len(found) < 2 or found[2:] not in ((), (COLOURS,)) or math.prod(found) != math.prod(form[1:]):
        expected = f"(height, width) or (height, width, {COLOURS}) of images of shape {tuple(form[1:])}"
        raise InputError("image_shape", expected, repr(image_shape))
    return found


def _stored(x: Rows):
    """The numbers of rows, some rows at a time; of a sparse matrix those that it stores."""
    for rows in spans(len(x), x.shape[1], MAX_ROWS_READ):
        yield x.matrix[rows].data if isinstance(x, SparseRows) else x[rows]


def common_length(x: Rows) -> float:
    """The Euclidean length that all rows share which are not zero, as text vectorizers leave them; 0.0: they have none.

    Rows that hardly differ beside their mean, like the years of a table, are as good as equally long by that alone.
    """
    low, high, total = np.inf, 0.0, np.zeros(x.shape[1])
    for rows in spans(len(x), x.shape[1], MAX_ROWS_READ):
        block = x.matrix[rows] if isinstance(x, SparseRows) else x[rows]
        length = np.sqrt((block**2).sum(axis=1, dtype=np.float64))
        if (length := length[length > 0]).size:
            low, high = min(low, float(length.min())), max(high, float(length.max()))
            if not np.isclose(low, high, rtol=LENGTH_TOLERANCE):
                return 0.0
        total += block.sum(axis=0, dtype=np.float64)
    mean = total / len(x)
    return high if mean @ mean < (1 - MIN_VARIANCE_OF_DIRECTIONS) * high**2 else 0.0


def number_labels(y, n: int, source: str) -> np.ndarray | None:
    """Labels of any type, [n] or [n, 1] -> int32 [n] from 0: by size if all are numbers, else as texts are sorted."""
    if y is None:
        return None
    y = np.asarray(y)
    y = y[:, 0] if y.shape == (n, 1) else y  # as some files have it
    if y.shape != (n,) or (y.dtype.kind in "fc" and np.isnan(y).any()):
        raise InputError("labels", f"a label for each of {n} rows of {source}", f"shape {y.shape}, or one is missing")
    levels, codes = np.unique(y, return_inverse=True)
    with suppress(ValueError, TypeError):  # texts
        codes = levels.astype(np.float64).argsort(kind="stable").argsort()[codes]
    return codes.astype(np.int32)
