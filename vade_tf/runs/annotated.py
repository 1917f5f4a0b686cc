"""What a finished run says of the cells of an .h5ad file, written back beside what the file has: AnnData in and out."""

from pathlib import Path

import keras
import numpy as np
import pandas

from vade_tf.data import cells as cell_files
from vade_tf.data.cells import Genes
from vade_tf.data.files import locate
from vade_tf.data.observations import observe
from vade_tf.data.schema import Schema
from vade_tf.errors import InputError, warn_units
from vade_tf.runs import assignments
from vade_tf.runs.answers import Answer
from vade_tf.runs.assignments import block_size, clusters, codes, compiled, has_code
from vade_tf.runs.folder import Run
from vade_tf.runs.incoming import check_rows
from vade_tf.storage import whole_path


def open_cells(run: Run, model: keras.Model, data: str, out: Path) -> Answer:
    """The clusters of the cells of a file, which are written as its AnnData with three things added.

    obs["vade_cluster"] is a category of texts, as scanpy colours by; obs["vade_confidence"] is its probability;
    obsm["X_vade"] is the mean code, float32 [cells, latent], of a system that has one. All else stays as it is in the
    file; what had these names is replaced.

    Args:
        run, model: finished, and its model.
        data: an .h5ad file; its genes are found by their names.
        out: the file that it is to be written into.

    Raises:
        InputError: the file cannot be read, or does not fit the model.
    """
    file, kind = locate(data)
    if kind != cell_files.ENDING:
        raise InputError("data", f"an .h5ad file beside {out}", data)
    cells, schema, layer = cell_files.read(file), run.schema, run.config.layer
    named = cells.var_names
    cells.var_names_make_unique()
    rows, notes = cell_files.encode(cells, layer, schema or Genes.infer(cells, layer), file)
    warn_units(notes, 2)
    x = observe(rows, argument=f"data: {data}", schema=schema if isinstance(schema, Schema) else None).x
    check_rows(run, model, x, data)
    names = [str(c) for c in range(run.metrics["n_clusters"])]

    def blocks(advance):
        ask = compiled([clusters(model), *([codes(model)] if has_code(model) else [])], model.n_features, x.dtype)
        for start in range(0, len(x), block_size(x)):
            yield pandas.DataFrame(ask(np.asarray(x[start : start + block_size(x)])))
            advance(1, "")

    def write(path: Path, found) -> None:
        table = pandas.concat(found)
        cells.obs["vade_cluster"] = pandas.Categorical.from_codes(table.pop("cluster"), names)
        cells.obs["vade_confidence"] = table.pop("confidence").to_numpy()
        if has_code(model):
            cells.obsm["X_vade"] = table.to_numpy()
        if cells.obs.index.name in cells.obs:
            cells.obs.index.name = None
        cells.var_names = named
        with whole_path(path) as temporary:
            cells.write_h5ad(temporary)

    return Answer(len(x), assignments.blocks(x), blocks, write)
