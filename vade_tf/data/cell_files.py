"""Files of cells: .h5ad, and .h5 with the names of genes -> a data set. New cells are coded as the first."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas

from vade_tf.data import arrays
from vade_tf.data.dataset import Coded, Dataset
from vade_tf.data.genes import Cells, Genes, describe_numbers, obs_column, origins_of
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
    if names is None:
        cells = read(file)
        cells.var_names_make_unique()
        y = obs_column(cells, labels, "labels")
    else:
        x, y = arrays.read_h5(file, labels, scored)
        cells = Cells(x, *names)
    found = Genes.infer(cells, layer, limit) if schema is None else schema
    x, notes = encode(cells, layer, found, file)
    origins, new = origins_of(cells, batch), schema is None and not plain
    if isinstance(found, Genes) and new:
        notes = found.describe()
    if origins is not None and not plain:
        notes = [*notes, f"{origins.max() + 1} batches, from obs column {str(batch)[:40]!r}"]
    ids = None if cells.obs_names is None else np.asarray(cells.obs_names).astype(str)
    coding = found if new else schema
    dataset = build(x, y, file.stem, str(file), likelihood, schema=coding, ids=ids, origins=origins)
    if isinstance(found, Genes) and new:
        notes += describe_numbers(dataset, found.layer, cells.layers)
    return replace(dataset, notice="\n".join(notes))


def encode(cells: Any, layer: str | None, schema: Coded, file: Path) -> tuple[Any, list[str]]:
    """The rows of cells, coded as a schema of genes or of a table with their names says; and notes on them.

    Raises:
        InputError: the schema is of other rows, a gene or the layer is not there, or a number cannot be its column's.
    """
    if isinstance(schema, Genes):
        return schema.encode(cells), []
    if not isinstance(schema, Schema):
        raise InputError("data", f"rows as in training ({schema.describe()[0]})", f"the cells of {file}")
    names = tuple(str(column.name) for column in schema.columns)
    numbers = Genes(names, layer or "").encode(cells)
    dense = numbers if isinstance(numbers, np.ndarray) else numbers.toarray()
    return schema.encode(pandas.DataFrame(dense, columns=list(names)), "data")
