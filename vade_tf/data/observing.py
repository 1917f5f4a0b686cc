"""Raw rows, checked -> `Observations` in the units of their likelihood; with labels and a name a `Dataset`."""

import math
from contextlib import suppress
from dataclasses import replace

import numpy as np
import scipy.sparse

from vade_tf.data import checks, greys
from vade_tf.data.components import are_components
from vade_tf.data.dataset import Coded, Dataset, Observations, as_kind
from vade_tf.data.genes import is_annotated
from vade_tf.data.shards import FileRows, is_file
from vade_tf.data.sparse import SparseRows
from vade_tf.errors import InputError, cited, tell
from vade_tf.machine import memory, rows_together

COUNTS = ("counts", "zinb")  # likelihoods of numbers that are to be taken as they are
SUMS = 64  # bytes that are held of each feature together: eight sums in double precision


def build(
    x,
    y,
    name: str,
    source: str,
    likelihood: str = "auto",
    image_shape=None,
    standardise: bool = True,
    schema: Coded | None = None,
    notice: str = "",
    ids: np.ndarray | None = None,
    origins: np.ndarray | None = None,
) -> Dataset:
    """A data set of raw rows and, perhaps, their labels.

    Args:
        x, likelihood, image_shape, standardise, schema: as for `observe`.
        y: labels, [n], of any type, or None.
        name, source, notice, ids, origins: as in `Dataset`.

    Raises:
        InputError: x is not a matrix of finite numbers, or y has another length, or -1 as its only number below 0,
            which says that a label is unknown (-1 and 1 alone are two classes).
    """
    observed = observe(x, likelihood, image_shape, standardise, source, schema)
    n = len(observed.x)
    y = None if y is None else np.asarray(y)
    if y is not None and y.shape == (n, 1):  # as some files have it
        y = y[:, 0]
    if y is not None and y.shape != (n,):
        raise InputError(f"{source}: expected one label a row, got labels of shape {y.shape} for {n} rows")
    if y is not None and y.dtype.kind in "fc" and np.isnan(y).any():
        raise InputError(f"labels: expected one a row, got none in row {int(np.isnan(y).argmax())} of {source}")
    more: dict = {"y": None if y is None else _numbered(y, source), "name": name, "source": source}
    return as_kind(Dataset, replace(observed, origins=origins), notice=notice, ids=ids, **more)


def _numbered(y: np.ndarray, source: str) -> np.ndarray:
    """Labels as int32 from 0 in sorted order, [n]: of texts without spaces around them, by size if all are numbers."""
    levels, codes = np.unique(np.char.strip(y) if y.dtype.kind in "SU" else y, return_inverse=True)
    numbers = np.arange(len(levels))
    if levels.dtype.kind in "ifSU":
        with suppress(ValueError):  # texts
            numbers = levels.astype(np.float64)
    if numbers.min() == -1 and numbers.tolist() != [-1, 1]:
        raise InputError(
            f"labels: expected no -1 as the only number below 0, got it in row {int((numbers == -1)[codes].argmax())} "
            f"of {source}; leave out the rows without a label, or number the classes from 0"
        )
    return numbers.argsort(kind="stable").argsort()[codes].astype(np.int32)


def observe(
    x,
    likelihood: str = "auto",
    image_shape=None,
    standardise: bool = True,
    argument: str = "x",
    schema: Coded | None = None,
) -> Observations:
    """Check raw rows.

    Args:
        x: features, [n, D], or images, [n, height, width] or [n, height, width, channels]; any number type. Images of
            other than one or three channels become plain rows, with a warning. A SciPy sparse matrix stays sparse, and
            what a `numpy.memmap` maps stays in its file. The columns of a DataFrame may hold numbers, categories, truth
            values and dates, and empty cells: see `schema.Schema`.
        likelihood: what the rows ask for, see `Observations`.
        image_shape: (height, width) of rows that are grey images, (height, width, 3) of colour images, whose channels
            stand together; x of three or four dimensions gives it itself, unless it holds series
            (`checks.shape_of_images`) or several units, and so does an array of square grey images that stand in rows
            (`greys.recognised`). () says that rows are no images.
        standardise: False leaves Gaussian features, but for pixels, in the units they come in.
        argument: what an error names.
        schema: how x was coded already; x may then hold NaN, in missing cells.

    Returns:
        The rows, uint8 left as it is (unless it is all zeros and ones) and all else float32.

    Raises:
        InputError: x is not a matrix of finite numbers, or not of images of this shape.
    """
    if is_annotated(x):
        raise InputError(f"{argument}: expected rows, got an AnnData; give it to VaDEClusterer, or give its X")
    if hasattr(x, "to_pandas"):
        from vade_tf.data.cells import as_frame  # pandas takes a while to load, and arrays do without

        x = as_frame(x)
    if schema is None and hasattr(x, "iloc") and hasattr(x, "columns") and not image_shape:
        from vade_tf.data.schema import Schema

        more = {} if likelihood in COUNTS else {"images": image_shape is None}
        schema = (Schema.counted if likelihood in COUNTS else Schema.infer)(x, argument, **more)
        try:
            x, notes = schema.encode(x, argument)
        except InputError as error:
            if likelihood not in COUNTS:
                raise
            raise InputError(f"{error}, or give {argument}.drop(columns=...)") from error  # of texts beside counts
        tell([*(f"{argument}: {line}" for line in schema.unread), *notes], 4)
    if scipy.sparse.issparse(x):
        x = SparseRows(x)
    elif not isinstance(x, (np.ndarray, SparseRows, FileRows)):
        try:
            x = np.asarray(x)
        except (TypeError, ValueError) as error:
            raise InputError(f"{argument}: expected a matrix of n rows and D features ({cited(error)})") from error
    if isinstance(x, np.ma.MaskedArray):
        x = checks.unmasked(x)
    form = (len(x), *x.row_shape) if isinstance(x, FileRows) else x.shape
    flat = len(form) == 2 and image_shape is None and standardise
    declared = image_shape is not None
    image_shape = image_shape or None if declared else checks.shape_of_images(form, argument)
    if len(x.shape) < 2 or 0 in x.shape:
        raise InputError(f"{argument}: expected a matrix of n rows and D features, got shape {x.shape}")
    if x.dtype.kind not in "biuf":
        raise InputError(f"{argument}: expected numbers, got {x.dtype}; encode text and categories as numbers first")
    if is_file(x):
        x = FileRows(x, argument)
    elif isinstance(x, np.ndarray):
        x = x.reshape(len(x), -1)
    several = min(len(x), rows_together(x.shape[1], checks.CHECK_ROWS))
    if x.shape[1] * max(4 * several, SUMS) > memory():
        raise InputError(f"{argument}: expected rows that fit in memory, got {x.shape[1]:,} features; choose some")
    if image_shape is not None:
        image_shape = checks.checked_shape(image_shape, form)
    families = () if schema is None else schema.blocks
    table = image_shape is None and likelihood not in COUNTS
    low, high = checks.finite_range(x, argument, holes=bool(families), table=table)
    alike = checks.ALIKE_HALVES if x.dtype == np.float16 else checks.ALIKE
    kind = np.uint8 if x.dtype == np.uint8 and high > 1 else np.float32  # bytes of 0 and 1 are no grey values
    if isinstance(x, np.ndarray) and x.dtype != kind and x.nbytes + x.size * np.dtype(kind).itemsize > memory():
        raise InputError(
            f"{argument}: expected rows that fit in memory with a copy in {np.dtype(kind)}, got {x.nbytes:,} bytes of "
            f"{x.dtype}; save them as that"
        )
    if x.dtype != kind:
        x = SparseRows(x.matrix.astype(kind)) if isinstance(x, SparseRows) else x.astype(kind)
    one_family = not families or {family for family, _ in families} == {"gaussian"}
    whole = not families or not checks.has_holes(x)
    one_unit = image_shape is None and one_family and whole and not _few_columns(schema)
    length = checks.common_length(x, alike) if one_unit else 0.0
    if length and checks.are_answers(x, low, high):
        length = 0.0
    texts = length > 0 and low >= 0 and checks.are_mostly_zero(x)  # features of a network may be above 0, too
    if length and standardise:  # directions, whose features have one unit: on average each gets the square 1
        own = None if texts and schema is not None else length  # weights of `--text` are logarithms already
        factor = math.sqrt(x.shape[1]) / length
        return Observations(x, low, high, image_shape, likelihood, False, factor, 0.0, own, texts, schema)
    rows = Observations(x, low, high, image_shape, likelihood, standardise, texts=texts, schema=schema)
    if image_shape is not None and not whole:
        raise InputError(f"{argument}: expected images without empty cells; fill them, or leave their rows out")
    if not standardise:
        return rows
    if image_shape is not None:
        return greys.as_images(rows, declared)
    if not (one_family and whole):
        return rows
    if flat and not isinstance(x, SparseRows) and (images := greys.recognised(rows)) is not None:
        return images
    if flat and not isinstance(x, SparseRows) and schema is None and (column := greys.but_one(x)) is not None:
        without = f"{argument}[:, 1:]" if column == 0 else f"{argument}[:, :-1]"
        without = without if argument.isidentifier() else "save the file without it"
        tell([f"{argument}: {greys.beside(str(column % x.shape[1]), x.shape[1], without)}"], 4)
    if x.dtype == np.uint8:
        found = replace(rows, factor=checks.grey_units(x, low, high)[0])
        pale = likelihood == "auto" and not isinstance(x, SparseRows) and greys.pale(found)
        return replace(rows, likelihood="gaussian") if pale else found
    if checks.are_pixels(x, low, high):
        return replace(rows, factor=1 / 255)
    return replace(rows, components=table and not isinstance(x, SparseRows) and are_components(x))


def _few_columns(schema: Coded | None) -> bool:
    """Whether rows are those of a table of few columns: a sine and a cosine are no embedding."""
    if schema is None:
        return False
    from vade_tf.data.schema import Schema

    return isinstance(schema, Schema) and len(schema.features) <= checks.FEW_COLUMNS
