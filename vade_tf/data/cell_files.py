"""Files of cells: .h5ad, and .h5 with the names of genes -> a data set. New cells are coded as the first."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas

from vade_tf.data import arrays
from vade_tf.data.dataset import Coded, Dataset
from vade_tf.data.gene_counts import describe_numbers
from vade_tf.data.genes import Cells, Genes, labels_of, origins_of
from vade_tf.data.observations import build
from vade_tf.data.schema import Schema
from vade_tf.errors import InputError

ENDING = ".h5ad"


def read(file: Path) -> Any:
    """The AnnData of an .h5ad file; sparse numbers stay sparse."""
    import anndata

    return anndata.read_h5ad(file)


def load(
    file: Path,
    labels: str | None,
    likelihood: str,
    schema: Coded | None,
    plain: bool,
    *,
    names: tuple[list[str], list[str] | None] | None,
    layer: str | None,
    limit: int | None,
    batch: str | None,
    scored: bool,
) -> Dataset:
    """The cells of a file.

    Args:
        file, labels, likelihood, schema, plain, layer, batch, scored: as for `files.load_file`.
        names: of the genes and cells of an `.h5`; None: it is an `.h5ad`.
        limit: keep so many genes, those that vary most. Default: all.

    Raises:
        InputError: the file does not hold what is asked for, or its cells cannot be coded as `schema` says.
    """
    check_kind(schema, file)
    if names is None:
        cells = read(file)
        cells.var_names_make_unique()
        y = labels_of(cells, labels)
    else:
        x, y = arrays.read_h5(file, labels, scored)
        cells = Cells(x, *names)
    ids = None if cells.obs_names is None else np.asarray(cells.obs_names).astype(str)
    coding, notes = schema, list[str]()
    if isinstance(schema, Schema):
        x, notes = by_names(cells, layer or "", schema)
    else:
        found = schema if isinstance(schema, Genes) else Genes.infer(cells, layer, limit)
        x = found.encode(cells)
        if schema is None and not plain:
            coding, notes = found, found.describe()
    origins = origins_of(cells, batch)
    if origins is not None and not plain:
        notes = [*notes, f"{origins.max() + 1} batches, from obs column {str(batch)[:40]!r}"]
    dataset = build(x, y, file.stem, str(file), likelihood, schema=coding, ids=ids, origins=origins)
    if schema is None and isinstance(coding, Genes):
        notes += describe_numbers(dataset, coding.layer, cells.layers)
    return replace(dataset, notice="\n".join(notes))


def check_kind(schema: Coded | None, file: Path) -> None:
    """Raises InputError where the cells of a file are to be coded as texts or pictures."""
    if schema is not None and not isinstance(schema, (Genes, Schema)):
        raise InputError("data", f"rows as in training ({schema.describe()[0]})", f"the cells of {file}")


def by_names(cells: Any, layer: str, schema: Schema) -> tuple[np.ndarray, list[str]]:
    """Cells whose genes are called as the columns of a run, coded as these, and what a person has to know of it.

    Raises:
        InputError: a gene or the layer is not there, or a number cannot be that column's.
    """
    names = tuple(str(column.name) for column in schema.columns)
    numbers = Genes(names, layer).encode(cells)
    dense = numbers if isinstance(numbers, np.ndarray) else numbers.toarray()
    return schema.encode(pandas.DataFrame(dense, columns=list(names)), "data")
