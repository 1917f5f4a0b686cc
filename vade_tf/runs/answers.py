"""The tables that `predict` gives, block by block: what a model says of new rows, these rows without holes, samples."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import pandas

from vade_tf.data.schema import Schema, filled
from vade_tf.errors import InputError, outlier_share, whole_number
from vade_tf.model.vade import VaDE
from vade_tf.runs import assignments, incoming, output
from vade_tf.runs.assignments import MAX_ROWS_TOGETHER, Advance, beside, block_size, compiled
from vade_tf.runs.folder import Run
from vade_tf.seeding import generator
from vade_tf.training.posterior import outlier_limits


@dataclass(frozen=True)
class Answer:
    """A table that is made as it is read.

    Attributes:
        n: number of its rows.
        parts: number of its blocks.
        blocks: given what hears of each block, the blocks.
        write: writes the blocks into a file.
    """

    n: int
    parts: int
    blocks: Callable[[Advance], Iterator[pandas.DataFrame]]
    write: Callable[[Path, Iterable[pandas.DataFrame]], None] = output.write


def predicted(
    run: Run,
    model: keras.Model,
    data: str,
    labels: str | None,
    id: str | None,
    mode: str = "",
    *,
    typed: bool = False,
    outliers: float | None = None,
    top: int = 1,
) -> Answer:
    """What a model says of each row of a file, after what the row is called; or the table with its holes filled.

    Args:
        run, model: finished, and its model.
        data, labels, id, typed: see `incoming.opened`.
        mode: "": cluster and confidence; "encode": the mean code; "score": the log density; "impute": the table that
            came in, each missing cell filled with the mean of p(x | z = mean code), in its column's units.
        outliers: share of the rows trained on; rows that are as rare as these get the cluster -1. Default: the run's.
        top: how many of the likeliest clusters are given, with their probabilities.

    Raises:
        InputError: the system cannot do this, or the rows cannot be read, or do not fit the model.
    """
    if mode in ("score", "impute") and not isinstance(model, VaDE):
        raise InputError(mode, "a run of VaDE, which has a density", f"one of {run.config.model}")
    if mode == "encode" and not assignments.has_code(model):
        raise InputError(mode, "a run with a code", f"one of {run.config.model}")
    if mode == "impute" and not isinstance(run.schema, Schema):
        raise InputError(mode, "a run on a table", f"{run.path}, whose rows have no missing cells")
    if top > (k := run.metrics["n_clusters"]) or top < 1:
        raise InputError("top", f"a whole number from 1 to {k}, the number of clusters", str(top))
    rows = incoming.opened(run, model, data, labels, id, mode == "impute", typed)
    if mode == "impute":
        if rows.table is None:
            raise InputError(mode, "a table, or a .npy file of its columns", data)
        return Answer(
            len(rows.x), assignments.blocks(rows.x), lambda advance: _imputed(run.schema, model, rows, advance)
        )
    parts = {
        "encode": lambda: [assignments.codes(model)],
        "score": lambda: [assignments.density(model)],
        "": lambda: [assignments.likeliest(model, top, limits(run, model, outliers))],
    }[mode]()

    def blocks(advance: Advance) -> Iterator[pandas.DataFrame]:
        ask = compiled(parts, model.n_features, rows.x.dtype)
        for names, x, _ in rows.blocks(block_size(rows.x)):
            yield beside(names, ask(x))
            advance(1, "")

    return Answer(len(rows.x), assignments.blocks(rows.x), blocks)


def limits(run: Run, model: keras.Model, outliers: float | None) -> np.ndarray | None:
    """The log densities, nats [K], below which a row is an outlier, by the rows trained on; None: no row is.

    Args:
        run, model: finished, and its model.
        outliers: the share; default that of the run.

    Raises:
        InputError: no share, one below that of the run, or a system without a density.
    """
    own = run.config.outliers
    share = own if outliers is None else outlier_share(outliers, "outliers")
    if share is None:
        return None
    if not isinstance(model, VaDE):
        raise InputError("outliers", "a run of VaDE, which has a density", f"one of {run.config.model}")
    if share < (own or 0.0):
        raise InputError("outliers", f"at least {own}, the share of the run, whose rows are marked", str(share))
    rows = pandas.read_csv(run.path / "assignments.csv", usecols=["cluster", "log_density"])
    return outlier_limits(rows["cluster"].to_numpy(), rows["log_density"].to_numpy(), share, model.prior.n_components)


def _imputed(schema, model: VaDE, rows: incoming.Incoming, advance: Advance) -> Iterator[pandas.DataFrame]:
    ask = compiled([lambda x: {"mean": model.decode(model.encode(x)[0])}], model.n_features, rows.x.dtype)
    start = 0
    for _, x, table in rows.blocks(block_size(rows.x)):
        means = model.unscale(ask(x)["mean"])
        yield filled(table, schema, means, None if rows.written is None else rows.written[start : start + len(x)])
        start += len(x)
        advance(1, "")


def sampled(run: Run, model: keras.Model, n: int, cluster: int | None = None, seed: int = 0) -> Answer:
    """New rows in the units and names of those trained on: a cluster by its weight, a code of it, the mean of p(x|z).

    Args:
        run, model: finished, and its model.
        n: how many rows.
        cluster: of this one only; default any.
        seed: same seed, same rows.

    Raises:
        InputError: the system has no density, there is no such cluster, or a number is out of range.
    """
    if not isinstance(model, VaDE):
        raise InputError("sample", "a run of VaDE, which has a density", f"one of {run.config.model}")
    whole_number(n, "sample", 1, 2**31 - 1)
    whole_number(seed, "seed", 0, 2**31 - 1)
    if cluster is not None:
        whole_number(cluster, "cluster", 0, model.prior.n_components - 1)
    schema, pi = run.schema, np.exp(model.prior.parameters[0].numpy().astype(np.float64))

    def blocks(advance: Advance) -> Iterator[pandas.DataFrame]:
        for number, start in enumerate(range(0, n, MAX_ROWS_TOGETHER)):
            random, size = generator(seed, number), min(MAX_ROWS_TOGETHER, n - start)
            chosen = random.choice(len(pi), size, p=pi / pi.sum()) if cluster is None else np.full(size, cluster)
            x = model.unscale(model.sample(chosen, seed=int(random.integers(2**31 - 1))))
            names = [f"x{i}" for i in range(x.shape[1])] if schema is None else schema.features
            yield schema.decode(x) if isinstance(schema, Schema) else pandas.DataFrame(x, columns=names)
            advance(1, "")

    return Answer(n, -(-n // MAX_ROWS_TOGETHER), blocks)
