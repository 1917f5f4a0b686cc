"""What a finished run says of the cells of an .h5ad file, written back beside what the file has: AnnData in and out."""

from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pandas

from vade_tf.data import cell_files, genes
from vade_tf.data.files import readable
from vade_tf.data.genes import Genes
from vade_tf.data.observing import observe
from vade_tf.data.schema import Schema
from vade_tf.errors import InputError, cited, tell
from vade_tf.runs.assignments import Advance, asked, block, blocks, clusters, codes, has_code
from vade_tf.runs.folder import Run
from vade_tf.runs.incoming import check_rows
from vade_tf.writing import whole_path


def write(run: Run, model: keras.Model, data: str, out: Path, phase: Callable[[int], Advance]) -> int:
    """Write the AnnData of a file with obs["vade_cluster"], obs["vade_confidence"] and obsm["X_vade"] added.

    The cluster is a category of texts, as scanpy colours by; X_vade is the mean code, float32 [cells, latent], of a
    system that has one. All else stays as it is in the file; what had these names is replaced.

    Args:
        run: finished.
        model: that of the run.
        data: an .h5ad file; its genes are found by their names.
        out: the file to write.
        phase: given the number of blocks, what hears of each.

    Returns:
        The number of cells.

    Raises:
        InputError: the file cannot be read, or does not fit the model.
        StorageError: it cannot be written.
    """
    with readable(data) as (file, kind):
        if kind != cell_files.ENDING:
            raise InputError(f"data: expected an .h5ad file to go with out={str(out)!r}, got {data}")
        cell_files.check_kind(run.schema, file)
        cells, schema = genes.read(file, renamed=False), run.schema
        named = cells.var_names
        cells.var_names_make_unique()
        if isinstance(schema, Schema):
            rows, notes = cell_files.by_names(cells, run.config.layer or "", schema)
            tell(notes, 2)
        else:
            rows = (schema if isinstance(schema, Genes) else Genes.infer(cells, run.config.layer)).encode(cells)
        x = observe(rows, argument=f"data: {data}", schema=schema if isinstance(schema, Schema) else None).x
        check_rows(run, model, x, data)
    coded = has_code(model)
    ask = asked([clusters(model), *([codes(model)] if coded else [])], model.n_features, x.dtype)
    advance, said, size = phase(blocks(x)), [], block(x)
    for start in range(0, len(x), size):
        said.append(ask(np.asarray(x[start : start + size])))
        advance(1, "")
    columns = {name: np.concatenate([each[name] for each in said]) for name in said[0]}
    groups, confidence = columns.pop("cluster"), columns.pop("confidence")
    names = [str(c) for c in range(run.metrics["n_clusters"])]
    cells.obs["vade_cluster"] = pandas.Categorical.from_codes(groups, names)
    cells.obs["vade_confidence"] = confidence
    if coded:
        cells.obsm["X_vade"] = np.stack(list(columns.values()), axis=1)
    if cells.obs.index.name in cells.obs:
        cells.obs.index.name = None
    cells.var_names = named
    with whole_path(out) as temporary:
        try:
            cells.write_h5ad(temporary)
        except OSError:
            raise
        except Exception as error:  # what anndata raises has no common base
            raise InputError(f"data: {data} cannot be written again ({cited(error)}); mend it with anndata") from error
    return len(x)
