"""Raw rows, checked -> `Observations` in the units of their likelihood; with labels and a name a `Dataset`."""

import math
from dataclasses import replace

import numpy as np
import scipy.sparse

from vade_tf.data import checks, greys
from vade_tf.data.dataset import COUNTS, Coded, Dataset, Observations, as_kind
from vade_tf.data.genes import is_annotated
from vade_tf.data.labels import numbered
from vade_tf.data.shards import FileRows, is_file
from vade_tf.data.sparse import SparseRows
from vade_tf.errors import InputError, cited
from vade_tf.finite import finite_range
from vade_tf.machine import memory


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
        y: labels, as for `labels.numbered`.
        name, source, notice, ids, origins: as in `Dataset`.

    Raises:
        InputError: x is not a matrix of finite numbers, or y is not one label a row.
    """
    observed = observe(x, likelihood, image_shape, standardise, source, schema)
    y = numbered(y, len(observed.x), source)
    named = as_kind(Dataset, observed, y=y, name=name, source=source, notice=notice, ids=ids)
    return replace(named, origins=origins)


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
        x: features, [n, D], or images, [n, height, width] or [n, height, width, channels]; any number type. Images of
            other than one or three channels become plain rows, with a warning. A SciPy sparse matrix stays sparse, and
            what a `numpy.memmap` maps stays in its file. The columns of a DataFrame may hold numbers, categories, truth
            values and dates, and empty cells: see `schema.Schema`.
        likelihood: what the rows ask for, see `Observations`.
        image_shape: (height, width) of rows that are grey images, (height, width, 3) of colour images, whose channels
            stand together; x of three or four dimensions gives it itself (`checks.shape_of_images`). () says that rows
            are no images.
        standardise: False leaves Gaussian features, but for pixels, in the units they come in.
        argument: what an error names.
        schema: how x was coded already; x may then hold NaN, in missing cells.
        transform: of a DataFrame: "power" or None, see `schema.Schema.infer`.

    Returns:
        The rows, uint8 left as it is (unless it is all zeros and ones) and all else float32.

    Raises:
        InputError: x is not a matrix of finite numbers, or not of images of this shape.
    """
    if is_annotated(x):
        raise InputError(f"{argument}: expected rows, got an AnnData; give it to VaDEClusterer, or give its X")
    frame = hasattr(x, "columns") and (hasattr(x, "iloc") or hasattr(x, "to_pandas"))
    if schema is None and frame and not image_shape:
        from vade_tf.data.schema import coded_frame  # pandas takes a while to load, and arrays do without

        x, schema = coded_frame(x, argument, likelihood in COUNTS, transform)
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
    image_shape = checks.shape_of_images(form, argument) if image_shape is None else image_shape or None
    if len(x.shape) < 2 or 0 in x.shape:
        raise InputError(f"{argument}: expected a matrix of n rows and D features, got shape {x.shape}")
    if is_file(x):
        x = FileRows(x, argument)
    elif isinstance(x, np.ndarray):
        x = x.reshape(len(x), -1)
    if image_shape is not None:
        image_shape = checks.checked_shape(image_shape, form)
    coded = "" if schema is None else schema.kind
    hint = ", or give a DataFrame (a .csv or .parquet file), in which NaN is a missing cell"
    hint *= image_shape is None and likelihood not in COUNTS
    low, high = finite_range(x, argument, holes=coded == "table", hint=hint)
    if low > high:
        raise InputError(f"{argument}: expected rows that hold a value, got only missing cells")
    kind = np.uint8 if x.dtype == np.uint8 and high > 1 else np.float32  # bytes of 0 and 1 are no grey values
    if x.dtype != kind:
        if isinstance(x, np.ndarray) and x.nbytes + x.size * np.dtype(kind).itemsize > memory():
            raise InputError(
                f"{argument}: expected rows that fit in memory with a copy in {np.dtype(kind)}, got {x.nbytes:,} bytes "
                f"of {x.dtype}; save them as that"
            )
        x = SparseRows(x.matrix.astype(kind)) if isinstance(x, SparseRows) else x.astype(kind)
    if image_shape is not None and coded == "table" and checks.has_holes(x):
        raise InputError(f"{argument}: expected images without empty cells; fill them, or leave their rows out")
    plain, sparse = image_shape is None and coded != "table", isinstance(x, SparseRows)
    whole = plain and checks.are_whole(x)
    length = checks.common_length(x) if plain and not whole else 0.0
    of_words = length > 0 and low >= 0 and (sparse or checks.are_mostly_zero(x))  # those of a network are rarely 0
    texts, counted = of_words or coded == "texts", sparse and whole and low >= 0 and high > 1
    rows = Observations(x, low, high, image_shape, likelihood, standardise, texts=texts, counted=counted, schema=schema)
    if not standardise:
        return rows
    if image_shape is not None:
        return greys.as_images(rows)
    if length:  # directions, whose features have one unit: on average each gets the square 1
        own = None if coded == "texts" else length  # weights of `--text` are logarithms already
        return replace(rows, standardise=False, factor=math.sqrt(x.shape[1]) / length, length=own)
    return replace(rows, factor=greys.grey_units(x, low, high)[0]) if x.dtype == np.uint8 else rows
