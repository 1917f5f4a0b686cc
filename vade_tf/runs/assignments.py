"""What a fitted model says of each row, as blocks of a table: cluster and confidence, log density, code.

A function of a block is compiled once and rows are read block by block: a file of any length takes the memory of one.
"""

from collections.abc import Callable, Iterator, Sequence

import keras
import numpy as np
import pandas
import tensorflow as tf

from vade_tf.data import pipeline
from vade_tf.data.rows import Rows
from vade_tf.model.vade import VaDE
from vade_tf.systems.models import Clustering
from vade_tf.training.posterior import outlier_limits

MAX_ROWS_TOGETHER = 4096  # the widest layer of the paper's network then takes 33 MB
Advance = Callable[[int, str], None]


def block_size(x) -> int:
    """How many of these rows [n, D] the model reads at a time."""
    return pipeline.together(x, MAX_ROWS_TOGETHER)


def blocks(x) -> int:
    """How many times that is."""
    return pipeline.steps_per_epoch(len(x), block_size(x))


def clusters(model: keras.Model) -> Callable[[tf.Tensor], dict]:
    """Of rows [n, D] the most probable cluster, int [n] from 0, and its probability [n], by any system."""

    def of_block(rows):
        gamma = model(rows)  # [n, K]
        return {"cluster": tf.argmax(gamma, axis=1), "confidence": tf.reduce_max(gamma, axis=1)}

    return of_block


def likeliest(model: keras.Model, top: int, limits: np.ndarray | None) -> Callable[[tf.Tensor], dict]:
    """`clusters`; of several also cluster_2, confidence_2, ...; -1 where the log density is below the limit.

    Args:
        model: any system; a VaDE where there are limits.
        top: how many clusters, at most K.
        limits: log density of each cluster below which a row is an outlier, nats [K], or None.
    """

    def of_block(rows):
        confidence, cluster = tf.math.top_k(model(rows), top)
        found: dict[str, tf.Tensor] = {}
        for i, (group, share) in enumerate(
            zip(tf.unstack(cluster, axis=1), tf.unstack(confidence, axis=1), strict=True)
        ):
            end = f"_{i + 1}" if i else ""
            found |= {f"cluster{end}": group, f"confidence{end}": share}
        if limits is not None:
            rare = model.elbo(rows) < tf.gather(tf.constant(limits, tf.float32), found["cluster"])
            found["cluster"] = tf.where(rare, -1, found["cluster"])
        return found

    return of_block


def density(model: VaDE) -> Callable[[tf.Tensor], dict]:
    """Of rows [n, D] the evidence lower bound of each, nats in the units of the likelihood, [n]."""
    return lambda rows: {"log_density": model.elbo(rows)}


def has_code(model: keras.Model) -> bool:
    """Whether a system has a code; that of k-means and of a mixture on rows themselves is the rows."""
    return not isinstance(model, Clustering) or model.system not in ("kmeans", "gmm")


def codes(model: keras.Model) -> Callable[[tf.Tensor], dict]:
    """Of rows [n, D] the mean code of each, columns z0, z1, ..., by any system that has one."""

    def of_block(rows):
        code = model.encode(rows)[0] if isinstance(model, VaDE) else model.assignments(rows)[0]
        return {f"z{i}": column for i, column in enumerate(tf.unstack(code, axis=1))}

    return of_block


def compiled(
    parts: list[Callable[[tf.Tensor], dict]], width: int, dtype: np.dtype
) -> Callable[[np.ndarray], dict[str, np.ndarray]]:
    """A function of blocks of raw rows [any number, D], compiled once, that gives the columns of all parts.

    Args:
        parts: functions as `clusters` makes them.
        width: D.
        dtype: of the rows.
    """

    def together(rows):
        return {name: values for part in parts for name, values in part(rows).items()}

    graph = tf.function(together, input_signature=[tf.TensorSpec((None, width), dtype)], autograph=False)
    return lambda block: {name: values.numpy() for name, values in graph(block).items()}


def found(model: keras.Model, x: Rows, advance: Advance = lambda done, text: None) -> list[dict[str, np.ndarray]]:
    """What a model says of each block of rows [n, D]: the columns of `table` that a row has by itself.

    advance: hears of each block, as `phase` of a reporter returns it.
    """
    parts = [clusters(model), density(model)] if isinstance(model, VaDE) else [clusters(model)]
    ask, size, blocks = compiled(parts, model.n_features, x.dtype), block_size(x), []
    for start in range(0, len(x), size):
        columns = ask(np.asarray(x[start : start + size]))
        blocks.append({**columns, "cluster": columns["cluster"].astype(np.int32)})
        advance(1, "")
    return blocks


def mark_outliers(blocks: list[dict[str, np.ndarray]], share: float, n_clusters: int) -> None:
    """Give that share of the rows in blocks of `found` the cluster -1, in place (`posterior.outlier_limits`)."""
    groups, density = (np.concatenate([block[name] for block in blocks]) for name in ("cluster", "log_density"))
    limits = outlier_limits(groups, density, share, n_clusters)
    for block in blocks:
        block["cluster"] = np.where(block["log_density"] < limits[block["cluster"]], -1, block["cluster"])


def table(
    blocks: list[dict[str, np.ndarray]], names: pandas.Series | pandas.Index | None = None
) -> Iterator[pandas.DataFrame]:
    """The table that a run leaves of its rows, in blocks.

    Args:
        blocks: of `found`.
        names: the first column, [n], with its name; default `row`: 0, 1, ...

    Yields:
        DataFrames of names, cluster, confidence; of a VaDE also log_density and typicality_rank: 1 is the row with the
        highest log density, n the most unusual one, and rows of equal density share the lower rank.
    """
    names, start = numbered(range(sum(len(block["cluster"]) for block in blocks))) if names is None else names, 0
    densities = [block["log_density"] for block in blocks if "log_density" in block]
    ascending = np.sort(np.concatenate(densities)) if densities else None
    for columns in blocks:
        if ascending is not None:
            lower = np.searchsorted(ascending, columns["log_density"], side="right")
            columns = {**columns, "typicality_rank": 1 + len(ascending) - lower}
        stop = start + len(columns["cluster"])
        yield beside(names[start:stop], columns)
        start = stop


def numbered(rows: Sequence[int] | np.ndarray) -> pandas.Index:
    """Row numbers as the first column of a table; a range stays one."""
    return pandas.Index(rows, name="row")


def beside(names: pandas.Series | pandas.Index, columns: dict[str, np.ndarray]) -> pandas.DataFrame:
    """A block of a table: what its rows are called, then what was found; a name that is taken becomes id."""
    first = names.name if names.name not in columns else "id"
    return pandas.DataFrame({first: names.array, **columns})  # NumPy has no whole number for a missing one
