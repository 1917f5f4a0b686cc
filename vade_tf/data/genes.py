"""Counts of genes in cells: AnnData -> rows, which genes they are of, and which vary most. Imports no anndata.

An AnnData is known by its parts: X or `layers` hold the numbers [cells, genes], `var_names` the names of the genes,
`obs_names` those of the cells, `obs` what else is known of these.
"""

import reprlib
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas
import scipy.sparse
from pandas.api.types import is_numeric_dtype

from vade_tf.data.dataset import Observations
from vade_tf.errors import InputError, UnitsWarning
from vade_tf.machine import spans

THETA = 100.0  # of the negative binomial that genes are held against
MAX_ROWS_TOGETHER = 2**22
MAX_NUMBERS_DENSE = 2**22  # of cells that are made dense together


@dataclass(frozen=True)
class Cells:
    """What is read of an AnnData, where the rows are of another kind of file."""

    X: Any
    var_names: list[str]
    obs_names: list[str] | None = None
    layers: Mapping[str, Any] = field(default_factory=dict)
    obs: pandas.DataFrame = field(default_factory=pandas.DataFrame)


@dataclass(frozen=True)
class Genes:
    """The genes that are read, in the order of their features; found again by their names.

    Attributes:
        names: of the D genes, all different.
        layer: the layer of an AnnData that holds the numbers; "": its X.
        counted: whether the numbers that it was made of are counts, all genes together (`are_counts`);
            None: it is not known.
    """

    names: tuple[str, ...]
    layer: str = ""
    counted: bool | None = None

    @classmethod
    def infer(cls, cells: Any, layer: str | None = None, limit: int | None = None, argument: str = "data") -> "Genes":
        """The genes of an AnnData, in its order.

        Args:
            cells: the AnnData.
            layer: which of its layers holds the numbers; default: its X does.
            limit: keep so many genes, those that vary most (`variable`); default: all.
            argument: what an error names.

        Raises:
            InputError: no such layer, no numbers, two genes of one name, or fewer genes than are to be kept.
        """
        names = np.asarray(cells.var_names).astype(str)
        check_different(names, argument)
        numbers = _numbers(cells, layer or "", argument)
        if limit is not None:
            if not 1 <= limit <= len(names):
                raise InputError("genes", f"a number from 1 to that of the genes, {len(names):,}", str(limit))
            names = names[variable(numbers, limit)]
        return cls(tuple(names.tolist()), layer or "", are_counts(numbers))

    @property
    def features(self) -> list[str]:
        return list(self.names)

    @property
    def blocks(self) -> tuple[tuple[str, int], ...]:
        """(): these rows are an array's, whose values say what they are."""
        return ()

    @property
    def kind(self) -> str:
        """Counts, however many genes are kept, or "": as the values say."""
        return "counts" if self.counted else ""

    def encode(self, cells: Any, argument: str = "data") -> np.ndarray | scipy.sparse.csr_array:
        """The numbers of these genes, [cells, D], sparse where they are; other genes are ignored.

        Raises:
            InputError: a gene or the layer is not there, or a gene stands there twice.
        """
        numbers, names = _numbers(cells, self.layer, argument), pandas.Index(np.asarray(cells.var_names).astype(str))
        if tuple(names) == self.names:
            return numbers
        check_different(names[names.isin(self.names)], argument)
        places = names.get_indexer_for(list(self.names))
        if absent := [name for name, place in zip(self.names, places, strict=True) if place < 0]:
            got = f"data without {len(absent):,} of them: {reprlib.repr(absent)}"
            raise InputError(argument, f"the {len(self.names):,} genes of the training", got)
        return numbers[:, places]

    def of_table(self, table: pandas.DataFrame, argument: str = "data") -> np.ndarray:
        """The numbers of a table with a column for each of these genes, [cells, D]; other columns are ignored.

        Raises:
            InputError: a gene is not there, or its column holds no numbers.
        """
        table = table.set_axis(table.columns.map(str), axis=1)
        table = table.loc[:, table.columns.isin(self.names)]
        if texts := [name for name, kind in table.dtypes.items() if not is_numeric_dtype(kind)]:
            raise InputError(argument, "numbers in the column of each gene", f"others in {texts[0]!r}")
        cells = Cells(table.to_numpy(), list(table.columns))
        return np.asarray(Genes(self.names).encode(cells, argument))

    def describe(self) -> list[str]:
        where = f"layer {self.layer[:40]!r}" if self.layer else "X"
        return [f"{len(self.names):,} genes, from {where}"]

    def to_dict(self) -> dict:
        return {"form": "genes", "names": list(self.names), "layer": self.layer, "counted": self.counted}

    @classmethod
    def from_dict(cls, values: dict) -> "Genes":
        """The genes whose `to_dict` gave these values.

        Raises:
            ValueError: no `Genes` has such values.
        """
        names, layer, counted = values.get("names"), values.get("layer"), values.get("counted")
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names) or not names:
            raise ValueError("expected names of genes")
        if not isinstance(layer, str) or not isinstance(counted, bool | None) or len(set(names)) < len(names):
            raise ValueError("expected a layer, whether its numbers are counts, and each gene once")
        return cls(tuple(names), layer, counted)


def check_different(names, argument: str) -> None:
    """Raises InputError where two genes have one name."""
    names = pandas.Index(names)
    if not names.is_unique:
        twice, todo = names[names.duplicated()][0], "var_names_make_unique() of an AnnData gives each its own"
        raise InputError(argument, "genes with different names", f"{twice!r} twice", todo)


def is_annotated(x: Any) -> bool:
    """Whether x is an AnnData."""
    return all(hasattr(x, name) for name in ("X", "layers", "obs", "obsm", "obs_names", "var_names"))


def origins_of(cells: Any, column: str | None) -> np.ndarray | None:
    """The batch of each cell: the place of its value in a column of `obs` among all, int32 [n]; None: no column.

    Raises:
        InputError: there is no such column, cells without a value, or levels that are one or too many.
    """
    values = obs_column(cells, column, "batch")
    if values is None:
        return None
    levels, origins = np.unique(values, return_inverse=True)
    if not 2 <= len(levels) <= len(origins) // 2:
        got = f"{len(levels):,} different ones for {len(origins):,} cells in {column!r}"
        raise InputError("batch", "a column of few values, as of donors or lanes", got)
    return origins.astype(np.int32)


def obs_column(cells: Any, column: str | None, argument: str) -> np.ndarray | None:
    """A column of `obs` as texts, [cells]; None: no column. An InputError where it is not there, or not complete."""
    if column is None:
        return None
    if column not in cells.obs:
        raise InputError(argument, f"one of the columns {reprlib.repr(list(cells.obs))} of obs", repr(column))
    values = cells.obs[column]
    if (missing := int(values.isna().sum())) > 0:
        raise InputError(argument, f"a value for every cell in {column!r}", f"{missing:,} without")
    return np.asarray(values).astype(str)


def _numbers(cells: Any, layer: str, argument: str) -> np.ndarray | scipy.sparse.csr_array:
    """X or a layer, [cells, genes]: dense, or CSR."""
    cells = cells.to_memory() if getattr(cells, "isbacked", False) else cells
    if layer and layer not in cells.layers:
        hint = f"put the counts where those of the training were: layers[{layer!r}] = X"
        raise InputError(argument, f"a layer {layer!r}", f"the layers {list(cells.layers)}", hint)
    found = cells.layers[layer] if layer else cells.X
    if found is None:
        raise InputError(argument, "a matrix X", "none", f"name a layer, one of {list(cells.layers)}")
    if scipy.sparse.issparse(found):
        if found.format in ("csr", "csc"):
            found.check_format(full_check=True)  # SciPy's own loops take an index beyond the matrix for an address
        found = scipy.sparse.csr_array(found)
    else:
        found = np.asarray(found)
    return found.astype(np.float32) if found.dtype == np.uint8 else found  # counts, no grey values


def are_counts(numbers: Any, above: float = 1.0) -> bool:
    """Whether numbers [cells, genes], dense or sparse, are whole and from 0 up, some of them above a number."""
    if numbers.dtype.kind not in "biuf":
        return False
    stored, high = numbers.data if scipy.sparse.issparse(numbers) else numbers, -1.0
    for rows in spans(stored.shape[0], stored.shape[1] if len(stored.shape) > 1 else 1, MAX_ROWS_TOGETHER):
        part = np.asarray(stored[rows])
        if not (np.isfinite(part) & (part >= 0) & (part == np.round(part))).all():
            return False
        high = max(high, float(part.max(initial=0)))
    return high > above


def describe_numbers(rows: Observations, layer: str, layers: Mapping[str, Any]) -> list[str]:
    """A sentence where `layer` ("": X) holds no counts and nobody asked for numbers; it names a layer that has some."""
    scale, offset = rows.grey
    on_and_off = 0 <= rows.low * scale + offset <= rows.high * scale + offset <= 1
    if rows.likelihood != "auto" or rows.kind == "counts" or on_and_off:
        return []
    counted = [name for name in layers if name != layer and are_counts(layers[name])]
    where = f"layer {layer[:40]!r}" if layer else "X"
    todo = f"layer={counted[0]!r} reads counts" if counted else "give counts if there are any"
    return [f"{where} holds no counts, so its values are taken for numbers; {todo}, or say likelihood='gaussian'"]


def check_alike(x: Any, known: bool | None, argument: str) -> None:
    """Warns where new numbers [cells, genes] are counts and those of the training were none, or the other way round.

    Args:
        x: new numbers, as a model reads them.
        known: whether those of the training were counts; None: it is not known.
        argument: what the warning names.
    """
    least = -1.0 if known else 1.0  # of counts a few may be 0 and 1 alone
    if known is not None and are_counts(getattr(x, "matrix", x), least) != known:
        what = "counts, as the model was trained on, got others" if known else "other numbers than counts, got counts"
        warnings.warn(
            f"{argument}: expected {what}; give cells in the units of the training", UnitsWarning, stacklevel=4
        )


def variable(counts: np.ndarray | scipy.sparse.csr_array, number: int) -> np.ndarray:
    """The genes that vary most from cell to cell, against what their mean and the size of each cell explain.

    Ranked by the variance of the Pearson residuals of a negative binomial, r = (x - mu) / sqrt(mu + mu^2 / 100) with
    mu = sum of the cell * share of the gene, cut off at the square root of the number of cells (Lause, Berens & Kobak,
    Genome Biology 2021; scanpy's flavor "pearson_residuals"). A few cells are made dense at a time.

    Args:
        counts: whole numbers from 0 up, [cells, genes].
        number: of genes, at most all.

    Returns:
        Their numbers, ascending.

    Raises:
        InputError: they are no counts.
    """
    n, width = counts.shape
    if not are_counts(counts, -1.0):
        raise InputError("genes", "counts, whole numbers from 0 up, to choose genes by", "others", "name their layer")
    size = np.asarray(counts.sum(axis=1, dtype=np.float64)).ravel()
    share = np.asarray(counts.sum(axis=0, dtype=np.float64)).ravel() / max(size.sum(), 1.0)
    total, square, rows = np.zeros(width), np.zeros(width), max(1, MAX_NUMBERS_DENSE // width)
    for start in range(0, n, rows):
        part = counts[start : start + rows]
        mu = size[start : start + rows, None] * share  # [rows, genes]
        residual = (part if isinstance(part, np.ndarray) else part.toarray()) - mu
        residual /= np.sqrt(np.maximum(mu + mu**2 / THETA, 1e-12))
        np.clip(residual, -np.sqrt(n), np.sqrt(n), out=residual)
        total, square = total + residual.sum(axis=0), square + (residual**2).sum(axis=0)
    variance = square / n - (total / n) ** 2
    return np.sort(np.argsort(-variance, kind="stable")[:number])
