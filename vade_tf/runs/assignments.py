"""What a fitted model says of each row: cluster and confidence, log density, code; and tables as files.

A function of a block is compiled once and rows are read block by block: a file of any length takes the memory of one.
"""

from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import IO

import keras
import numpy as np
import pandas
import tensorflow as tf

from vade_tf.data import pipeline
from vade_tf.data.rows import Rows
from vade_tf.model.vade import VaDE
from vade_tf.storage import whole
from vade_tf.systems.models import Clustering

MAX_ROWS_TOGETHER = 4096  # the widest layer of the paper's network then takes 33 MB
Part = Callable[[tf.Tensor], dict]  # of rows [n, D] some columns


def blocks(x) -> int:
    """In how many blocks a model reads rows [n, D]."""
    return pipeline.steps_per_epoch(len(x), pipeline.together(x, MAX_ROWS_TOGETHER))


def likeliest(model: keras.Model, top: int = 1, limits: np.ndarray | None = None) -> Part:
    """Of rows [n, D] the most probable cluster, int [n] from 0, and its probability, by any system.

    Args:
        model: any system; a VaDE where there are limits.
        top: how many clusters, at most K: cluster_2, confidence_2, ... as well.
        limits: see `answers.limits`; a row below that of its cluster gets the cluster -1.
    """

    def of_block(rows):
        confidence, cluster = tf.math.top_k(model(rows), top)
        found: dict[str, tf.Tensor] = {}
        for i in range(top):
            end = f"_{i + 1}" if i else ""
            found |= {f"cluster{end}": cluster[:, i], f"confidence{end}": confidence[:, i]}
        if limits is not None:
            rare = model.elbo(rows) < tf.gather(tf.constant(limits, tf.float32), found["cluster"])
            found["cluster"] = tf.where(rare, -1, found["cluster"])
        return found

    return of_block


def density(model: VaDE) -> Part:
    """Of rows [n, D] the evidence lower bound of each, nats in the units of the likelihood, [n]."""
    return lambda rows: {"log_density": model.elbo(rows)}


def has_code(model: keras.Model) -> bool:
    """Whether a system has a code; that of k-means and of a mixture on rows themselves is the rows."""
    return not isinstance(model, Clustering) or model.system not in ("kmeans", "gmm")


def codes(model: keras.Model) -> Part:
    """Of rows [n, D] the mean code of each, columns z0, z1, ..., by any system that has one."""

    def of_block(rows):
        code = model.encode(rows)[0] if isinstance(model, VaDE) else model.assignments(rows)[0]
        return {f"z{i}": column for i, column in enumerate(tf.unstack(code, axis=1))}

    return of_block


def compiled(parts: list[Part], width: int, dtype: np.dtype) -> Callable[[np.ndarray], dict[str, np.ndarray]]:
    """A function of blocks of raw rows [any number, width], compiled once, that gives the columns of all parts."""

    def together(rows):
        return {name: values for part in parts for name, values in part(rows).items()}

    graph = tf.function(together, input_signature=[tf.TensorSpec((None, width), dtype)], autograph=False)
    return lambda block: {name: values.numpy() for name, values in graph(block).items()}


def found(model: keras.Model, x: Rows, advance: Callable[[int, str], None]) -> pandas.DataFrame:
    """What a model says of raw rows [n, D]: cluster and confidence; of a VaDE also log_density and typicality_rank.

    Rank 1 is the row with the highest log density, n the most unusual one; rows of equal density share the lower rank.
    `advance` hears of each block, as `phase` of a reporter returns it.
    """
    parts = [likeliest(model), *([density(model)] if isinstance(model, VaDE) else [])]
    ask, answers = compiled(parts, model.n_features, x.dtype), []
    for rows in pipeline.blocks(x, MAX_ROWS_TOGETHER):
        answers.append(ask(rows))
        advance(1, "")
    table = pandas.DataFrame({name: np.concatenate([answer[name] for answer in answers]) for name in answers[0]})
    if "log_density" in table:
        ranks = table["log_density"].rank(method="min", ascending=False, na_option="top")
        table["typicality_rank"] = ranks.astype(int)
    return table


def beside(names: pandas.Series | pandas.Index, columns: Mapping) -> pandas.DataFrame:
    """A table: what its rows are called, then these columns; a name that one of them has becomes id."""
    first = names.name if names.name not in columns else "id"
    return pandas.DataFrame({first: names.array, **columns})  # NumPy has no whole number for a missing one


def write(path: Path, blocks: Iterable[pandas.DataFrame]) -> None:
    """Write the blocks of a table into a .parquet or, by any other name, .csv file, which is whole or as before.

    A device or a pipe is written to.
    """
    special = path.exists() and not path.is_file()
    with path.open("wb") if special else whole(path) as file:
        if path.suffix.lower() == ".parquet":
            _write_parquet(file, blocks)
        else:
            write_csv(file, blocks)


def write_csv(file: IO, blocks: Iterable[pandas.DataFrame]) -> None:
    """Write the blocks of a table into a stream; numbers in the fewest digits that give them back."""
    for number, block in enumerate(blocks):
        block.to_csv(file, index=False, header=number == 0, lineterminator="\n")


def _write_parquet(file: IO[bytes], blocks: Iterable[pandas.DataFrame]) -> None:
    """Columns of Python objects, whose blocks may hold other kinds of them, become texts."""
    import pyarrow
    import pyarrow.parquet

    writer = None
    with ExitStack() as stack:
        for block in blocks:
            block = block.astype(dict.fromkeys(block.select_dtypes("object"), "string"))
            found = pyarrow.Table.from_pandas(block, writer and writer.schema, preserve_index=False)
            if writer is None:
                writer = stack.enter_context(pyarrow.parquet.ParquetWriter(file, found.schema))
            writer.write_table(found)
