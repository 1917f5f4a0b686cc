"""Counts of genes in cells: AnnData, in memory or as .h5ad -> rows, and which genes they are of. Imports no anndata.

An AnnData is known by its parts: X or `layers` hold the numbers [cells, genes], `var_names` the names of the genes,
`obs_names` those of the cells, `obs` what else is known of these.
"""

import math
import reprlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas
import scipy.sparse
from pandas.api.types import is_numeric_dtype

from vade_tf.data.gene_counts import are_counts, variable
from vade_tf.errors import InputError, cited
from vade_tf.machine import check_memory, padded
from vade_tf.reading import each, record

MOST_ORIGINS = 1000  # batches of cells


class Named(NamedTuple):
    """What is read of an AnnData, where the rows are of another kind of file."""

    X: Any
    var_names: list[str]
    layers: Mapping[str, Any]
    obs_names: list[str] | None = None


@dataclass(frozen=True)
class Genes:
    """The genes that are read, in the order of their features; found again by their names.

    Attributes:
        names: of the D genes, all different.
        layer: the layer of an AnnData that holds the numbers; "": its X.
        counted: whether the numbers that it was made of are counts, all genes together (`gene_counts.are_counts`);
            None: it is not known.
    """

    names: tuple[str, ...]
    layer: str = ""
    counted: bool | None = None

    @classmethod
    def infer(cls, cells: Any, layer: str | None = None, most: int | None = None, argument: str = "data") -> "Genes":
        """The genes of an AnnData, in its order.

        Args:
            cells: the AnnData.
            layer: which of its layers holds the numbers; default: its X does.
            most: keep so many genes, those that vary most (`variable`); default: all.
            argument: what an error names.

        Raises:
            InputError: no such layer, no numbers, two genes of one name, or fewer genes than are to be kept.
        """
        names = padded(cells.var_names, "var_names")
        check_different(names, argument)
        if "" in names:
            raise InputError(f"{argument}: expected a name for every gene, got none of gene {names.tolist().index('')}")
        numbers = _numbers(cells, layer or "", argument)
        if most is not None:
            if not 1 <= most <= len(names):
                raise InputError(f"genes: expected a number from 1 to that of the genes, {len(names):,}, got {most}")
            names = names[variable(numbers, most)]
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
        numbers, names = _numbers(cells, self.layer, argument), padded(cells.var_names, "var_names")
        if tuple(names.tolist()) == self.names:
            return numbers
        check_different(names[np.isin(names, self.names)], argument)
        place = {name: i for i, name in enumerate(names.tolist())}
        absent = [name for name in self.names if name not in place]
        if absent:
            raise InputError(
                f"{argument}: expected the {len(self.names):,} genes of the training, got data without {len(absent):,} "
                f"of them: {reprlib.repr(absent)}"
            )
        return numbers[:, [place[name] for name in self.names]]

    def of_table(self, table: pandas.DataFrame, argument: str = "data") -> np.ndarray:
        """The numbers of a table with a column for each of these genes, [cells, D]; other columns are ignored.

        Raises:
            InputError: a gene is not there, or its column holds no numbers.
        """
        known = set(self.names)
        table = table.loc[:, [str(name) in known for name in table.columns]]
        if texts := [str(name) for name, kind in table.dtypes.items() if not is_numeric_dtype(kind)]:
            raise InputError(f"{argument}: expected numbers in the column of each gene, got others in {texts[0]!r}")
        numbers = table.to_numpy()
        cells = Named(numbers, [str(name) for name in table.columns], {self.layer: numbers} if self.layer else {})
        return np.asarray(self.encode(cells, argument))

    def describe(self) -> list[str]:
        where = f"layer {self.layer[:40]!r}" if self.layer else "X"
        return [f"{len(self.names):,} genes, from {where}"]

    def to_dict(self) -> dict:
        return {"form": "genes", "names": list(self.names), "layer": self.layer, "counted": self.counted}

    @classmethod
    def from_dict(cls, values: dict) -> "Genes":
        """The genes whose `to_dict` gave these values, which may come from anywhere.

        Raises:
            ValueError: no `Genes` has such values.
        """
        named = each(list, lambda name: isinstance(name, str) and name != "")
        known = {"names": named, "layer": str, "counted": lambda counted: counted in (None, False, True)}
        if not record(known)(values) or not values["names"]:
            raise ValueError("expected names of genes and a layer")
        if len(set(values["names"])) < len(values["names"]):
            raise ValueError("a gene stands there twice")
        return cls(tuple(values["names"]), values["layer"], values.get("counted"))


def check_different(names: np.ndarray, argument: str) -> None:
    """Raises InputError where two genes have one name."""
    different, counts = np.unique(names, return_counts=True)
    if len(different) < len(names):
        raise InputError(
            f"{argument}: expected genes with different names, got {str(different[counts.argmax()])!r} twice; give "
            "each its own, as var_names_make_unique() of an AnnData does"
        )


def is_annotated(x: Any) -> bool:
    """Whether x is an AnnData."""
    return all(hasattr(x, name) for name in ("X", "layers", "obs", "obsm", "obs_names", "var_names"))


def read(file: Path, renamed: bool = True) -> Any:
    """The AnnData of an .h5ad file; sparse numbers stay sparse.

    Args:
        file: the file.
        renamed: genes that are called alike get different names.

    Raises:
        InputError: anndata is not installed.
        ValueError: the file claims more memory than this machine has, or far more than it holds, or leads to another.
    """
    try:
        import anndata
    except ImportError as error:
        raise InputError("data: .h5ad needs anndata; pip install anndata brings it") from error

    from vade_tf import hdf5

    total = texts = 0

    def check(name, item) -> None:
        nonlocal total, texts
        hdf5.check_attributes(item, name)
        if hdf5.is_array(item):
            hdf5.check_size(item, name)
            texts = hdf5.check_texts(item, name, texts)
            total += item.nbytes
        elif hdf5.COLUMN_ORDER in item.attrs:
            below: list[str] = []
            item.visit(below.append)  # a name with a "/" in it is a group of what follows
            if math.prod(item.attrs.get_id(hdf5.COLUMN_ORDER).shape) > len(below):
                raise ValueError(f"{name} names more columns than it has")
            if len(set(map(str, order := np.ravel(item.attrs[hdf5.COLUMN_ORDER])))) < len(order):
                raise ValueError(f"{name} names a column twice")

    with hdf5.opened(file) as stored:
        hdf5.check_names(stored)
        check("/", stored)
        stored.visititems(check)
    size = file.stat().st_size
    if total > max(hdf5.LITTLE, hdf5.EXPANDED * size):
        raise ValueError(f"it claims {total:,} bytes and has {size:,}")
    check_memory(total, file.name)
    cells = anndata.read_h5ad(file)
    if renamed and not cells.var_names.is_unique:
        cells.var_names_make_unique()
    return cells


def labels_of(cells: Any, labels: str | None, file: Path) -> np.ndarray | None:
    """A column of what is known of the cells, as texts [cells]; None where none is asked for.

    Raises:
        InputError: there is no such column, or cells without a value.
    """
    if labels is None:
        return None
    if labels not in cells.obs:
        raise InputError(
            f"labels: expected one of the columns {reprlib.repr(list(cells.obs))} of {file}, got {labels!r}"
        )
    if (missing := cells.obs[labels].isna()).any():
        raise InputError(
            f"labels: expected a value for every cell in {labels!r} of {file}, got {int(missing.sum()):,} without; "
            "leave those cells out, or labels"
        )
    return padded(cells.obs[labels], labels)


def origins_of(cells: Any, column: str | None, argument: str = "data") -> np.ndarray | None:
    """The batch of each cell: the place of its value in a column of `obs` among all, int32 [cells]; None: no column.

    Raises:
        InputError: there is no such column, cells without a value, or levels that are one or too many.
    """
    if column is None:
        return None
    if not isinstance(column, str) or column not in cells.obs:
        raise InputError(
            f"batch: expected one of the columns {reprlib.repr(list(cells.obs))} of {argument}, got {column!r}"
        )
    values = cells.obs[column]
    if values.isna().any():
        raise InputError(
            f"batch: expected a value for every cell in {column!r}, got {int(values.isna().sum()):,} without; give "
            "them one, or leave those cells out"
        )
    levels, origins = np.unique(padded(values, column), return_inverse=True)
    if not 2 <= len(levels) <= min(MOST_ORIGINS, len(values) // 2):
        raise InputError(
            f"batch: expected a column of few values, as of donors or lanes, got {len(levels):,} different ones for "
            f"{len(values):,} cells in {column!r}; leave it out"
        )
    return origins.astype(np.int32)


def _numbers(cells: Any, layer: str, argument: str) -> np.ndarray | scipy.sparse.csr_array:
    """X or a layer, [cells, genes]: dense, or CSR."""
    cells = cells.to_memory() if getattr(cells, "isbacked", False) else cells
    if layer and layer not in cells.layers:
        there = f"the layers {reprlib.repr(list(cells.layers))}" if len(cells.layers) else "no layer at all"
        todo = (
            "name one that is there, or put the counts of new cells where those of the training were: "
            f"layers[{layer!r}] = X"
        )
        if layer == "raw" and getattr(cells, "raw", None) is not None:
            todo = ".raw is not read, so put it into one: adata.layers['counts'] = adata.raw[:, adata.var_names].X"
        raise InputError(f"{argument}: expected a layer {layer!r}, got {there}; {todo}")
    found = cells.layers[layer] if layer else cells.X
    if found is None:
        raise InputError(f"{argument}: expected a matrix X, got none; name a layer, one of {list(cells.layers)}")
    if not scipy.sparse.issparse(found):
        dense = np.asarray(found)
        return dense.astype(np.float32) if dense.dtype == np.uint8 else dense  # counts, no grey values
    try:
        if found.format in ("csr", "csc"):
            found.check_format(full_check=True)  # SciPy's own loops take an index beyond the matrix for an address
        found = scipy.sparse.csr_array(found)
        return found.astype(np.float32) if found.dtype == np.uint8 else found
    except ValueError as error:
        raise InputError(f"{argument}: expected a sparse matrix, got a damaged one ({cited(error)})") from error
