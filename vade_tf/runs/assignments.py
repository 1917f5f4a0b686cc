"""What a fitted model says of each row, as blocks of a table: cluster and confidence, log density, code.

A function of a block is compiled once and rows are read block by block: a file of any length takes the memory of one.
"""

import tempfile
from collections.abc import Callable, Iterator, Sequence

import keras
import numpy as np
import pandas
import tensorflow as tf

from vade_tf.data import pipeline
from vade_tf.data.sparse import Rows
from vade_tf.model.vade import VaDE
from vade_tf.systems.models import Clustering
from vade_tf.training import distribute

BLOCK = 4096  # rows, at most; the widest layer of the paper's network then takes 33 MB
IN_MEMORY = 1 << 26  # bytes of columns that wait for their ranks; more of them wait in a file
Advance = Callable[[int, str], None]


def block(x) -> int:
    """How many of these rows [n, D] are asked about at a time."""
    return pipeline.together(x, BLOCK)


def blocks(x) -> int:
    """How many times that is."""
    return pipeline.steps_per_epoch(len(x), block(x))


def clusters(model: keras.Model) -> Callable[[tf.Tensor], dict]:
    """Of rows [n, D] the most probable cluster, int [n] from 0, and its probability [n], by any system."""

    def of_block(rows):
        gamma = model(rows)  # [n, K]
        return {"cluster": tf.argmax(gamma, axis=1), "confidence": tf.reduce_max(gamma, axis=1)}

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


def table(
    model: keras.Model,
    x: Rows,
    names: pandas.Series | pandas.Index | None = None,
    advance: Advance = lambda done, text: None,
    folder: str | None = None,
    strategy: tf.distribute.Strategy | None = None,
) -> Iterator[pandas.DataFrame]:
    """The table that a run leaves of its rows, in blocks.

    Args:
        model: a fitted system.
        x: raw rows, [n, D].
        names: the first column, [n], with its name; default `row`: 0, 1, ...
        advance: hears of each block, as `phase` of a reporter returns it.
        folder: where columns of many rows wait, in a file without a name; default: that of temporary files.
        strategy: of workers that find the columns together, each by `found`; default: this process alone.

    Yields:
        DataFrames of names, cluster, confidence; of a VaDE also log_density and typicality_rank: 1 is the row with the
        highest log density, n the most unusual one, and rows of equal density share the lower rank.
    """
    dense, size = isinstance(model, VaDE), block(x)
    names = numbered(range(len(x))) if names is None else names
    densities = np.empty(len(x) if dense else 0, "f4")  # all that memory holds of every row
    with tempfile.SpooledTemporaryFile(IN_MEMORY, dir=folder) as waiting:
        for start, columns in zip(range(0, len(x), size), found(model, x, strategy), strict=True):
            if dense:
                densities[start : start + size] = _ordered(columns["log_density"])
            for values in columns.values():
                np.save(waiting, values)
            advance(1, "")
        densities.sort()
        waiting.seek(0)
        known = list(columns)
        for start in range(0, len(x), size):
            columns = {name: np.load(waiting) for name in known}
            if dense:
                columns["typicality_rank"] = ranks(columns["log_density"], densities)
            yield beside(names[start : start + size], columns)


def found(
    model: keras.Model, x: Rows, strategy: tf.distribute.Strategy | None = None
) -> Iterator[dict[str, np.ndarray]]:
    """What a model says of each block of rows [n, D]: the columns of `table` that a row has by itself.

    Several workers call this in the same way, with the same model; each finds the columns of some blocks.
    """
    parts = [clusters(model), density(model)] if isinstance(model, VaDE) else [clusters(model)]
    ask, size = asked(parts, model.n_features, x.dtype), block(x)

    def of_block(number: int) -> dict[str, np.ndarray]:
        return ask(np.asarray(x[number * size : (number + 1) * size]))

    return distribute.by_turns(strategy, blocks(x), size, of_block)


def numbered(rows: Sequence[int] | np.ndarray) -> pandas.Index:
    """Row numbers as the first column of a table; a range stays one."""
    return pandas.Index(rows, name="row")


def beside(names: pandas.Series | pandas.Index, columns: dict[str, np.ndarray]) -> pandas.DataFrame:
    """A block of a table: what its rows are called, then what was found; a name that is taken becomes id."""
    first = names.name if names.name not in columns else "id"
    return pandas.DataFrame({first: names.array, **columns})  # NumPy has no whole number for a missing one


def ranks(log_density: np.ndarray, ascending: np.ndarray) -> np.ndarray:
    """1 + the number of rows of higher log density, int, among all rows, whose log densities are given in order."""
    keys, lower = _ordered(log_density), np.empty(len(log_density), np.intp)
    order = np.argsort(keys)  # neighbours are found in the same part of memory: half the time among 10^8
    lower[order] = np.searchsorted(ascending, keys[order], side="right")
    return 1 + len(ascending) - lower


def _ordered(log_density: np.ndarray) -> np.ndarray:
    """With what is no number below all numbers."""
    return np.where(np.isnan(log_density), -np.inf, log_density)


def asked(
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

    compiled = tf.function(together, input_signature=[tf.TensorSpec((None, width), dtype)], autograph=False)
    return lambda block: {name: values.numpy() for name, values in compiled(block).items()}
