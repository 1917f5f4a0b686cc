"""What a fitted model says of each row, as blocks of a table: cluster and confidence, log density, code.

A function of a block is compiled once and rows are read block by block: a file of any length takes the memory of one.
"""

from collections.abc import Callable, Iterator

import keras
import numpy as np
import pandas
import tensorflow as tf

from vade_tf.data import pipeline
from vade_tf.data.sparse import Rows
from vade_tf.model.vade import VaDE

BLOCK = 4096  # rows; the widest layer of the paper's network then takes 33 MB
Advance = Callable[[int, str], None]


def clusters(model: keras.Model) -> Callable[[tf.Tensor], dict]:
    """Of rows [n, D] the most probable cluster, int [n] from 0, and its probability [n], by any system."""

    def of_block(rows):
        gamma = model(rows)  # [n, K]
        return {"cluster": tf.argmax(gamma, axis=1), "confidence": tf.reduce_max(gamma, axis=1)}

    return of_block


def density(model: VaDE) -> Callable[[tf.Tensor], dict]:
    """Of rows [n, D] the evidence lower bound of each, nats in the units of the likelihood, [n]."""
    return lambda rows: {"log_density": model.elbo(rows)}


def codes(model: keras.Model) -> Callable[[tf.Tensor], dict]:
    """Of rows [n, D] the mean code of each, columns z0, z1, ..., by any system."""

    def of_block(rows):
        code = model.encode(rows)[0] if isinstance(model, VaDE) else model.assignments(rows)[0]
        return {f"z{i}": column for i, column in enumerate(tf.unstack(code, axis=1))}

    return of_block


def table(
    model: keras.Model, x: Rows, names: pandas.Series | None = None, advance: Advance = lambda done, text: None
) -> Iterator[pandas.DataFrame]:
    """The table that a run leaves of its rows, in blocks.

    Args:
        model: a fitted system.
        x: raw rows, [n, D].
        names: the first column, [n], with its name; default `row`: 0, 1, ...
        advance: hears of each block, as `phase` of a reporter returns it.

    Yields:
        DataFrames of names, cluster, confidence; of a VaDE also log_density and typicality_rank: 1 is the row with the
        highest log density, n the most unusual one; of equal ones the first has the lower rank.
    """
    parts = [clusters(model), *([density(model)] if isinstance(model, VaDE) else [])]
    ask = asked(parts, model.n_features, x.dtype)
    found: dict[str, list[np.ndarray]] = {}
    for block in pipeline.blocks(x, BLOCK):
        for name, values in ask(block).items():
            found.setdefault(name, []).append(values)
        advance(1, "")
    columns = {name: np.concatenate(values) for name, values in found.items()}  # 24 bytes a row
    if "log_density" in columns:
        columns["typicality_rank"] = ranks(columns["log_density"])
    names = numbered(range(len(x))) if names is None else names
    for start in range(0, len(x), BLOCK):
        rows = slice(start, start + BLOCK)
        yield beside(names.iloc[rows], {name: values[rows] for name, values in columns.items()})


def numbered(rows) -> pandas.Series:
    """Row numbers as the first column of a table."""
    return pandas.Series(rows, name="row")


def beside(names: pandas.Series, columns: dict[str, np.ndarray]) -> pandas.DataFrame:
    """A block of a table: what its rows are called, then what was found; a name that is taken becomes id."""
    first = names.name if names.name not in columns else "id"
    return pandas.DataFrame({first: names.to_numpy(), **columns})


def ranks(log_density: np.ndarray) -> np.ndarray:
    """1 for the highest log density to n for the lowest, int [n]; of equal ones the first comes first."""
    order = np.argsort(-log_density, kind="stable")
    found = np.empty(len(order), int)
    found[order] = np.arange(1, len(order) + 1)
    return found


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

    compiled = tf.function(together, input_signature=[tf.TensorSpec((None, width), dtype)])
    return lambda block: {name: values.numpy() for name, values in compiled(block).items()}
