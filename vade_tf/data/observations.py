"""Raw rows, checked -> `Observations` in the units of their likelihood; with labels and a name a `Dataset`."""

import math
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import fields, replace
from typing import TypedDict, TypeVar

import numpy as np
import scipy.sparse

from vade_tf.data.dataset import KINDS, MAX_ROWS_READ, Coded, Dataset, Observations
from vade_tf.data.rows import FileRows, Rows, SparseRows, is_file
from vade_tf.data.vectors import unpacked
from vade_tf.errors import InputError, whole_number
from vade_tf.finite import finite_range
from vade_tf.machine import spans

AUTO = "auto"
MIN_EMBEDDING_COLUMNS = 16  # rows of fewer numbers may have one length, too
LENGTH_TOLERANCE = 1e-3  # relative difference of the lengths of rows that rounding makes, also of float16
MIN_VARIANCE_OF_DIRECTIONS = 0.01  # of rows of one length over its square; one large mean makes others so long
ROUNDING = 1e-6  # by which white may exceed 1
MAX_DARK, MAX_DARK_BYTE = 0.1, 32  # brightest value of images that are on a scale of their own
COLOURS = 3  # channels of a colour image

R = TypeVar("R", bound=Observations)


class About(TypedDict):
    """What a data set is called, see `Dataset`."""

    name: str
    source: str


def build(x, y, name: str, source: str, likelihood: str = "auto", **how) -> Dataset:
    """A data set of raw rows and, perhaps, their labels.

    Args:
        x: as for `observe`.
        y: labels, as for `number_labels`.
        name, source, likelihood: as in `Dataset`.
        how: kind, image_shape, standardise and schema, as for `observe`; batch_index, notice and ids, as in `Dataset`.

    Raises:
        InputError: as for `observe`, or y is not one label a row.
    """
    beside = {key: how.pop(key) for key in ("batch_index", "notice", "ids") if key in how}
    rows = observe(x, argument=source, **how)
    values: dict = {each.name: getattr(rows, each.name) for each in fields(Observations)}
    values |= beside
    values["likelihood"] = likelihood
    return Dataset(**values, name=name, source=source, y=number_labels(y, len(rows.x), source))


def observe(
    x,
    kind: str = AUTO,
    image_shape=None,
    standardise: bool = True,
    argument: str = "x",
    schema: Coded | None = None,
    transform: str | None = None,
) -> Observations:
    """Check raw rows, and say what they are taken for.

    Args:
        x: features, [n, D], or images, [n, height, width] or [n, height, width, channels]; any number type. A SciPy
            sparse matrix stays sparse, and what a `numpy.memmap` maps stays in its file; a DataFrame is coded by a
            `schema.Schema`.
        kind: one of `KINDS`; "auto" (default): as the values say.
        image_shape: (height, width) of rows that are grey images, (height, width, 3) of colour images, whose channels
            stand together; x of three or four dimensions gives it itself.
        standardise: False leaves Gaussian features, but for pixels, in the units they come in.
        argument: what an error names.
        schema: how x was coded already; x may then hold NaN, in missing cells.
        transform: of a DataFrame: "power" or None, see `schema.Schema.infer`.

    Returns:
        The rows, uint8 left as it is (unless it is all zeros and ones) and all else float32.

    Raises:
        InputError: x is not a matrix of finite numbers, or not of images of this shape, or not of this kind.
    """
    if kind not in (AUTO, *KINDS):
        raise InputError("kind", f"{AUTO} or one of {', '.join(KINDS)}", repr(kind))
    if image_shape and kind not in (AUTO, "images", "counts"):
        raise InputError("image_shape", f"none beside kind {kind}", repr(image_shape), "leave one of them out")
    if _is_frame(x):
        from vade_tf.data.schema import as_frame

        x = as_frame(x)
    x = unpacked(x, argument)
    if schema is None and _is_frame(x) and not image_shape and kind in (AUTO, "table", "counts"):
        from vade_tf.data.schema import coded_frame  # pandas takes a while to load, and arrays do without

        x, schema = coded_frame(x, argument, kind == "counts", transform)
    x, image_shape = _as_matrix(x, kind, image_shape, argument)
    coded = "" if schema is None else schema.kind
    low, high = finite_range(x, argument, holes=coded == "table" and image_shape is None)
    if low > high:
        raise InputError(argument, "rows that hold a value", "only missing cells")
    dtype = np.uint8 if x.dtype == np.uint8 and high > 1 else np.float32  # bytes of 0 and 1 are no grey values
    if x.dtype != dtype:
        x = SparseRows(x.matrix.astype(dtype)) if isinstance(x, SparseRows) else x.astype(dtype)
    return _taken(Observations(x, low, high, kind, image_shape, schema=schema), standardise)


def taken_for(rows: R, kind: str) -> R:
    """The same rows, taken for another kind; "auto": as they are."""
    return rows if kind in (AUTO, rows.kind) else _taken(replace(rows, kind=kind, length=None))


def _is_frame(x) -> bool:
    """Whether x is a table of pandas or Polars."""
    return hasattr(x, "columns") and (hasattr(x, "iloc") or hasattr(x, "to_pandas"))


def _as_matrix(x, kind: str, image_shape, argument: str) -> tuple[Rows, tuple[int, ...] | None]:
    """Rows [n, D] of any type of numbers, not checked yet; and the shape of images, None of other rows."""
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
    if image_shape is not None:
        image_shape = check_shape(image_shape, form)
    elif kind in (AUTO, "images", "counts"):
        image_shape = _shape_of_images(form, argument)
    if kind == "images" and image_shape is None:
        raise InputError("kind", "rows with image_shape, or of three or four dimensions, for images", f"shape {form}")
    if is_file(x):
        return FileRows(x, argument), image_shape
    return (x.reshape(len(x), -1) if isinstance(x, np.ndarray) else x), image_shape


def _taken(rows: R, standardise: bool = True) -> R:
    """The rows with the units of their kind; of kind "auto" the values say which that is."""
    x, asked = rows.x, rows.kind
    coded = "" if rows.schema is None else rows.schema.kind
    plain = _are_numbers(rows, coded) and asked not in ("images", "counts")
    whole = plain and (x.dtype == np.uint8 or not any((numbers % 1).any() for numbers in _stored(x)))
    length = common_length(x) if plain and not whole else 0.0
    if asked == AUTO:
        rows = replace(rows, kind=_kind_of_values(rows, coded, whole, length))
    if rows.kind == "table" == coded:
        length = 0.0  # each column has a unit of its own
    if rows.kind == "texts" and rows.low < 0:
        raise InputError("kind", "weights of words, which are never below 0, for texts", f"{rows.low:g}")
    if rows.kind == "embeddings":
        check_directions(x)
        length = length or 1.0
    if not standardise:
        return replace(rows, standardise=False)
    if rows.kind == "images":
        factor, offset = grey_units(x, rows.low, rows.high)
        return replace(rows, standardise=False, factor=factor, offset=offset)
    if rows.kind == "texts" and not length:
        length = max(float(lengths.max()) for lengths in _lengths(x)) or 1.0
    if length:  # directions, whose features have one unit: on average each gets the square 1
        known = None if coded == "texts" else length  # weights of `--text` are logarithms already
        return replace(rows, standardise=False, factor=math.sqrt(x.shape[1]) / length, length=known)
    factor = grey_units(x, rows.low, rows.high)[0] if x.dtype == np.uint8 else 1.0
    return replace(rows, standardise=True, factor=factor, offset=0.0)


def _are_numbers(rows: Observations, coded: str) -> bool:
    """Whether rows are no images, and of a table's columns all hold numbers; coded: what their schema says."""
    if coded == "table" and rows.schema is not None:
        return [family for family, _ in rows.schema.blocks] == ["gaussian"]
    return rows.kind != AUTO or rows.image_shape is None


def _kind_of_values(rows: Observations, coded: str, whole: bool, length: float) -> str:
    """The kind of rows of which the caller says none; coded: what their schema says, whole: no value has a fraction."""
    if rows.image_shape is not None:
        return "images"
    if coded not in ("", "table"):
        return coded
    sparse = isinstance(rows.x, SparseRows)
    if length:
        nonzero = 0 if sparse else sum(np.count_nonzero(numbers) for numbers in _stored(rows.x))
        mostly_zero = 2 * nonzero < math.prod(rows.x.shape)  # what a network computes is rarely 0
        if mostly_zero and rows.low >= 0 and not coded:
            return "texts"
        if not mostly_zero and rows.x.shape[1] >= MIN_EMBEDDING_COLUMNS:
            return "embeddings"
    if coded:
        return coded
    if sparse and whole and rows.low >= 0 and rows.high > 1:
        return "counts"
    return rows.kind_of_numbers


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
        hint = "of channels that come first give x.transpose(0, 2, 3, 1); kind rows says that they are no images"
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


def _lengths(x: Rows) -> Iterator[np.ndarray]:
    """The Euclidean length of every row, [m] of a few rows at a time."""
    for rows in spans(len(x), x.shape[1], MAX_ROWS_READ):
        block = x.matrix[rows] if isinstance(x, SparseRows) else x[rows]
        yield np.sqrt((block**2).sum(axis=1, dtype=np.float64))


def common_length(x: Rows) -> float:
    """The Euclidean length that all rows share; 0.0: they have none.

    Rows of zeros, as text vectorizers leave them, are passed over, and so are rows with a missing cell, if these are
    fewer than half. Rows that differ little from their mean, like the years of a table, have nearly one length for that
    reason alone; they count as rows of several lengths.
    """
    low, high, missing = np.inf, 0.0, 0
    for lengths in _lengths(x):
        positive = lengths[lengths > 0]
        missing += int(np.isnan(lengths).sum())
        if positive.size:
            low, high = min(low, float(positive.min())), max(high, float(positive.max()))
        if high and not np.isclose(low, high, rtol=LENGTH_TOLERANCE):
            return 0.0
    if 2 * missing > len(x):
        return 0.0
    total = np.zeros(x.shape[1])
    for rows in spans(len(x), x.shape[1], MAX_ROWS_READ):
        block = x.matrix[rows] if isinstance(x, SparseRows) else x[rows]
        total += block.sum(axis=0, dtype=np.float64) if isinstance(x, SparseRows) else np.nansum(block, 0, np.float64)
    mean = total / len(x)
    return high if mean @ mean < (1 - MIN_VARIANCE_OF_DIRECTIONS) * high**2 else 0.0


def check_directions(x: Rows) -> None:
    """Raises InputError where a row has no direction: it is zeros, or a cell is missing."""
    first = 0
    for lengths in _lengths(x):
        bad = np.flatnonzero(~(lengths > 0))
        if bad.size:
            got = "a missing cell" if np.isnan(lengths[bad[0]]) else "zeros alone"
            expected = "rows with a length above 0 for embeddings"
            raise InputError("kind", expected, f"{got} in row {first + bad[0]} (from 0)", "leave such rows out")
        first += len(lengths)


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
