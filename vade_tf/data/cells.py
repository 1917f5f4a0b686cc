"""Counts of genes in cells: files of AnnData, and AnnData in memory -> rows, the genes they are of, their batches."""

import reprlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas
import scipy.sparse

from vade_tf.data.dataset import Coded, Dataset
from vade_tf.data.observations import About, build
from vade_tf.data.options import FileOptions
from vade_tf.data.schema import Schema
from vade_tf.errors import InputError
from vade_tf.machine import spans

ENDING = ".h5ad"
THETA = 100.0  # of the negative binomial that genes are held against
MAX_NUMBERS_TOGETHER = 2**22  # that are made dense or looked at


@dataclass(frozen=True)
class Genes:
    """The genes that are read, in the order of their features; found again by their names."""

    blocks: ClassVar[tuple] = ()
    names: tuple[str, ...]  # of the D genes, all different
    layer: str = ""  # of an AnnData that holds the numbers; "": its X
    counted: bool | None = None  # whether the numbers of all genes together are counts; None: it is not known

    @classmethod
    def infer(cls, cells: Any, layer: str | None = None, limit: int | None = None, argument: str = "data") -> "Genes":
        """The genes of an AnnData, in its order.

        Args:
            layer: which of its layers holds the numbers; default: its X does.
            limit: keep so many genes, those that vary most (`variable`); default: all.
            argument: what an InputError names: of no such layer, two genes of one name, or too few genes.
        """
        names = pandas.Index(np.asarray(cells.var_names).astype(str))
        _check_different(names, argument)
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
    def kind(self) -> str:
        """Counts, however many genes are kept, or "": as the values say."""
        return "counts" if self.counted else ""

    def encode(self, cells: Any, argument: str = "data") -> np.ndarray | scipy.sparse.csr_array:
        """The numbers of these genes, [cells, D], sparse where they are; other genes are ignored."""
        numbers, names = _numbers(cells, self.layer, argument), pandas.Index(np.asarray(cells.var_names).astype(str))
        return numbers if tuple(names) == self.names else numbers[:, self._places(names, argument)]

    def of_table(self, table: pandas.DataFrame, argument: str = "data") -> np.ndarray:
        """The numbers of a table with a column for each of these genes, [cells, D]; other columns are ignored."""
        return table.iloc[:, self._places(table.columns.map(str), argument)].to_numpy()

    def _places(self, names: pandas.Index, argument: str) -> np.ndarray:
        _check_different(names[names.isin(self.names)], argument)
        places = names.get_indexer_for(list(self.names))
        if absent := [name for name, place in zip(self.names, places, strict=True) if place < 0]:
            got = f"data without {len(absent):,} of them: {reprlib.repr(absent)}"
            raise InputError(argument, f"the {len(self.names):,} genes of the training", got)
        return places

    def describe(self) -> list[str]:
        where = f"layer {self.layer[:40]!r}" if self.layer else "X"
        return [f"{len(self.names):,} genes, from {where}"]

    def to_dict(self) -> dict:
        return {"form": "genes", "names": list(self.names), "layer": self.layer, "counted": self.counted}

    @classmethod
    def from_dict(cls, values: dict) -> "Genes":
        names, counted = [str(name) for name in values["names"]], values.get("counted")
        if not names or len(set(names)) < len(names) or not isinstance(counted, bool | None):
            raise ValueError("expected each gene once, and whether their numbers are counts")
        return cls(tuple(names), str(values["layer"]), counted)


def read(file: Path) -> Any:
    """The AnnData of an .h5ad file; sparse numbers stay sparse."""
    import anndata

    return anndata.read_h5ad(file)


def load(cells: Any, schema: Coded | None, options: FileOptions, about: About) -> Dataset:
    """The cells of a file; genes that are called alike get names of their own. Arguments as of `tables.load`."""
    cells.var_names_make_unique()
    y = None if options.labels is None else _obs_column(cells, options.labels, "labels")
    found = Genes.infer(cells, options.layer, options.genes) if schema is None else schema
    x, notes = encode(cells, options.layer, found, about["source"])
    batch_index = batch_index_of(cells, options.batch)
    if schema is None:
        notes = found.describe()
        notes += [] if batch_index is None else [f"{batch_index.max() + 1} batches, from obs column {options.batch!r}"]
    ids, notice = np.asarray(cells.obs_names).astype(str), "\n".join(notes)
    return build(x, y, kind=options.kind, schema=found, batch_index=batch_index, notice=notice, ids=ids, **about)


def encode(cells: Any, layer: str | None, schema: Coded, file: Path | str) -> tuple[Any, list[str]]:
    """The rows of cells, coded as a schema of genes or of a table with their names says; and notes on them."""
    if isinstance(schema, Genes):
        return schema.encode(cells), []
    if not isinstance(schema, Schema):
        raise InputError("data", f"rows as in training ({schema.describe()[0]})", f"the cells of {file}")
    names = [str(column.name) for column in schema.columns]
    numbers = Genes(tuple(names), layer or "").encode(cells)
    dense = numbers if isinstance(numbers, np.ndarray) else numbers.toarray()
    return schema.encode(pandas.DataFrame(dense, columns=names), "data")


def is_annotated(x: Any) -> bool:
    """Whether x is an AnnData, which is known by its parts, so that the library is not loaded."""
    return all(hasattr(x, name) for name in ("X", "layers", "obs", "obsm", "obs_names", "var_names"))


def batch_index_of(cells: Any, column: str | None) -> np.ndarray | None:
    """The batch of each cell: the place of its value in a column of `obs` among all, int32 [n]; None: no column."""
    if column is None:
        return None
    levels, batch_index = np.unique(_obs_column(cells, column, "batch"), return_inverse=True)
    if not 2 <= len(levels) <= len(batch_index) // 2:
        got = f"{len(levels):,} different ones for {len(batch_index):,} cells in {column!r}"
        raise InputError("batch", "a column of few values, as of donors or lanes", got)
    return batch_index.astype(np.int32)


def _obs_column(cells: Any, column: str, argument: str) -> np.ndarray:
    """A column of `obs` as texts, [cells]; an InputError where it is not there, or not complete."""
    if column not in cells.obs:
        raise InputError(argument, f"one of the columns {reprlib.repr(list(cells.obs))} of obs", repr(column))
    values = cells.obs[column]
    if (missing := int(values.isna().sum())) > 0:
        raise InputError(argument, f"a value for every cell in {column!r}", f"{missing:,} without")
    return np.asarray(values).astype(str)


def _check_different(names: pandas.Index, argument: str) -> None:
    if not names.is_unique:
        raise InputError(argument, "genes with different names", f"{names[names.duplicated()][0]!r} twice")


def _numbers(cells: Any, layer: str, argument: str) -> np.ndarray | scipy.sparse.csr_array:
    """X or a layer, [cells, genes]: dense, or CSR."""
    if layer and layer not in cells.layers:
        raise InputError(argument, f"a layer {layer!r}", f"the layers {list(cells.layers)}")
    found = cells.layers[layer] if layer else cells.X
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
    stored, high = np.ravel(numbers.data if scipy.sparse.issparse(numbers) else numbers), -1.0
    for some in spans(len(stored), 1, MAX_NUMBERS_TOGETHER):
        part = stored[some]
        if not (np.isfinite(part) & (part >= 0) & (part == np.round(part))).all():
            return False
        high = max(high, float(part.max(initial=0)))
    return high > above


def variable(counts: np.ndarray | scipy.sparse.csr_array, number: int) -> np.ndarray:
    """The places, ascending, of the genes that vary most between cells, beyond what mean and size of a cell explain.

    Ranked by the variance of the Pearson residuals of a negative binomial, r = (x - mu) / sqrt(mu + mu^2 / 100) with
    mu = sum of the cell * share of the gene, cut off at the square root of the number of cells (Lause, Berens & Kobak,
    Genome Biology 2021; scanpy's flavor "pearson_residuals"). An InputError where x [cells, genes] are no counts.
    """
    n, width = counts.shape
    if not are_counts(counts, -1.0):
        raise InputError("genes", "counts, whole numbers from 0 up, to choose genes by", "others", "name their layer")
    size = np.asarray(counts.sum(axis=1, dtype=np.float64)).ravel()
    share = np.asarray(counts.sum(axis=0, dtype=np.float64)).ravel() / max(size.sum(), 1.0)
    total, square, rows = np.zeros(width), np.zeros(width), max(1, MAX_NUMBERS_TOGETHER // width)
    for start in range(0, n, rows):
        part = counts[start : start + rows]
        mu = size[start : start + rows, None] * share  # [rows, genes]
        residual = (part if isinstance(part, np.ndarray) else part.toarray()) - mu
        residual /= np.sqrt(np.maximum(mu + mu**2 / THETA, 1e-12))
        np.clip(residual, -np.sqrt(n), np.sqrt(n), out=residual)
        total, square = total + residual.sum(axis=0), square + (residual**2).sum(axis=0)
    variance = square / n - (total / n) ** 2
    return np.sort(np.argsort(-variance, kind="stable")[:number])
