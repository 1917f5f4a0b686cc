"""The tables that `predict` gives, block by block: what a model says of new rows, these rows without holes, samples.

And AnnData in and out: what it says of the cells of an .h5ad file, written back beside what the file has.
"""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np
import pandas

from vade_tf.data import cells as cell_files
from vade_tf.data.cells import Genes
from vade_tf.data.files import locate
from vade_tf.data.observations import observe
from vade_tf.data.schema import Schema, filled
from vade_tf.errors import InputError, outlier_share, warn_units, whole_number
from vade_tf.model.vade import VaDE
from vade_tf.runs import assignments, incoming
from vade_tf.runs.assignments import MAX_ROWS_TOGETHER, Part, beside, compiled
from vade_tf.runs.folder import Run
from vade_tf.seeding import generator
from vade_tf.storage import whole_path
from vade_tf.training.posterior import outlier_limits
from vade_tf.training.reporter import Silent


class Answer(NamedTuple):
    """A table of n rows that is made as it is read: its blocks, and what writes them into a file."""

    n: int
    blocks: Iterator[pandas.DataFrame]
    write: Callable[[Path, Iterable[pandas.DataFrame]], None] = assignments.write


def predicted(
    run: Run,
    model: keras.Model,
    data: str,
    labels: str | None,
    id: str | None,
    mode: str,
    reporter: Silent,
    outliers: float | None = None,
    top: int = 1,
) -> Answer:
    """What a model says of each row of a file, after what the row is called; or the table with its holes filled.

    Args:
        run, model, data, labels, id: see `incoming.opened`.
        mode: "": cluster and confidence; "encode": the mean code; "score": the log density; "impute": the table that
            came in, each missing cell filled with the mean of p(x | z = mean code), in its column's units.
        reporter: shows progress as the blocks are read.
        outliers: share of the rows trained on; rows that are as rare as these get the cluster -1. Default: the run's.
        top: how many of the likeliest clusters are given, with their probabilities.

    Raises:
        InputError: the system cannot do this, or the rows cannot be read, or do not fit the model.
    """
    if mode in ("score", "impute"):
        _check_density(run, model, mode)
    if mode == "encode" and not assignments.has_code(model):
        raise InputError(mode, "a run with a code", f"one of {run.config.model}")
    schema = run.schema
    if mode == "impute" and not isinstance(schema, Schema):
        raise InputError(mode, "a run on a table", f"{run.path}, whose rows have no missing cells")
    whole_number(top, "top", 1, run.metrics["n_clusters"])
    rows = incoming.opened(run, model, data, labels, id, mode == "impute")
    if mode == "impute":
        if rows.table is None:
            raise InputError(mode, "a table, or a .npy file of its columns", data)
        assert isinstance(schema, Schema)
        means = _asked(rows, model, [lambda x: {"mean": model.decode(model.encode(x)[0])}], reporter)
        full = (filled(table, schema, model.unscale(columns["mean"])) for _, table, columns in means)
        return Answer(len(rows.x), full)
    if mode == "encode":
        part = assignments.codes(model)
    elif mode == "score":
        part = assignments.density(model)
    else:
        part = assignments.likeliest(model, top, limits(run, model, outliers))
    answers = _asked(rows, model, [part], reporter)
    return Answer(len(rows.x), (beside(names, columns) for names, _, columns in answers))


def _asked(rows: incoming.Incoming, model: keras.Model, parts: list[Part], reporter: Silent) -> Iterator[tuple]:
    """Of each block of rows what they are called, the table they were or None, and the columns of the parts."""
    ask = compiled(parts, model.n_features, rows.x.dtype)
    advance = reporter.phase("predict", assignments.blocks(rows.x))
    for names, x, table in rows.blocks():
        yield names, table, ask(x)
        advance(1, "")


def _check_density(run: Run, model: keras.Model, argument: str) -> None:
    if not isinstance(model, VaDE):
        raise InputError(argument, "a run of VaDE, which has a density", f"one of {run.config.model}")


def limits(run: Run, model: keras.Model, outliers: float | None) -> np.ndarray | None:
    """The log densities, nats [K], below which a row is as rare as this share of those trained on; None: no row is.

    Raises:
        InputError: no share, one below that of the run, which is the default, or a system without a density.
    """
    own = run.config.outliers
    share = own if outliers is None else outlier_share(outliers, "outliers")
    if share is None:
        return None
    _check_density(run, model, "outliers")
    if share < (own or 0.0):
        raise InputError("outliers", f"at least {own}, the share of the run, whose rows are marked", str(share))
    rows = pandas.read_csv(run.path / "assignments.csv", usecols=["cluster", "log_density"])
    return outlier_limits(rows["cluster"].to_numpy(), rows["log_density"].to_numpy(), share, model.prior.n_components)


def sampled(run: Run, model: keras.Model, n: int, cluster: int | None, seed: int, reporter: Silent) -> Answer:
    """New rows in the units and names of those trained on: a cluster by its weight, a code of it, the mean of p(x|z).

    Of one cluster, or by default of any; same seed, same rows.

    Raises:
        InputError: the system has no density, there is no such cluster, or a number is out of range.
    """
    _check_density(run, model, "sample")
    whole_number(n, "sample", 1, 2**31 - 1)
    whole_number(seed, "seed", 0, 2**31 - 1)
    if cluster is not None:
        whole_number(cluster, "cluster", 0, model.prior.n_components - 1)
    schema, pi = run.schema, np.exp(model.prior.parameters[0].numpy().astype(np.float64))

    def blocks() -> Iterator[pandas.DataFrame]:
        advance = reporter.phase("predict", -(-n // MAX_ROWS_TOGETHER))
        for number, start in enumerate(range(0, n, MAX_ROWS_TOGETHER)):
            random, size = generator(seed, number), min(MAX_ROWS_TOGETHER, n - start)
            chosen = random.choice(len(pi), size, p=pi / pi.sum()) if cluster is None else np.full(size, cluster)
            x = model.unscale(model.sample(chosen, seed=int(random.integers(2**31 - 1))))
            names = [f"x{i}" for i in range(x.shape[1])] if schema is None else schema.features
            yield schema.decode(x) if isinstance(schema, Schema) else pandas.DataFrame(x, columns=names)
            advance(1, "")

    return Answer(n, blocks())


def annotated(run: Run, model: keras.Model, data: str, reporter: Silent) -> Answer:
    """The clusters of the cells of a file, which are written as its AnnData with three things added.

    obs["vade_cluster"] is a category of texts, as scanpy colours by; obs["vade_confidence"] is its probability;
    obsm["X_vade"] is the mean code, float32 [cells, latent], of a system that has one. All else stays as it is in the
    file; what had these names is replaced.

    Genes are found by their names.

    Raises:
        InputError: the file is no .h5ad, cannot be read, or does not fit the model.
    """
    file, kind = locate(data)
    if kind != cell_files.ENDING:
        raise InputError("data", "an .h5ad file, as out is one", data)
    cells, schema, layer = cell_files.read(file), run.schema, run.config.layer
    named = cells.var_names
    cells.var_names_make_unique()
    rows, notes = cell_files.encode(cells, layer, schema or Genes.infer(cells, layer), file)
    warn_units(notes, 2)
    x = observe(rows, argument=f"data: {data}", schema=schema if isinstance(schema, Schema) else None).x
    incoming.check_rows(run, model, x, data)
    names = [str(c) for c in range(run.metrics["n_clusters"])]
    parts = [assignments.likeliest(model), *([assignments.codes(model)] if assignments.has_code(model) else [])]

    def write(path: Path, blocks: Iterable[pandas.DataFrame]) -> None:
        table = pandas.concat(blocks)
        cells.obs["vade_cluster"] = pandas.Categorical.from_codes(table.pop("cluster"), names)
        cells.obs["vade_confidence"] = table.pop("confidence").to_numpy()
        if not table.empty:
            cells.obsm["X_vade"] = table.to_numpy()
        cells.var_names = named
        with whole_path(path) as temporary:
            cells.write_h5ad(temporary)

    answers = _asked(incoming.Incoming(x), model, parts, reporter)
    return Answer(len(x), (pandas.DataFrame(columns) for *_, columns in answers), write)
