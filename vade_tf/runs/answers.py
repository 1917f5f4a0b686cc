"""The tables that `predict` gives, block by block: what a model says of new rows, these rows without holes, samples."""

from collections.abc import Callable, Iterator

import keras
import numpy as np
import pandas
import tensorflow as tf

from vade_tf.data.dataset import Coded
from vade_tf.data.filling import filled
from vade_tf.data.schema import Schema
from vade_tf.errors import whole_number
from vade_tf.model.vade import VaDE
from vade_tf.runs.assignments import BLOCK, Advance, asked, beside, block
from vade_tf.runs.incoming import Incoming
from vade_tf.seeding import generator


def predicted(
    part: Callable[[tf.Tensor], dict], model: keras.Model, rows: Incoming, advance: Advance
) -> Iterator[pandas.DataFrame]:
    """What a function of rows says of each, after what the row is called.

    Args:
        part: `assignments.clusters`, `density` or `codes` of the model.
        model: that of the run.
        rows: as `incoming.opened` gives them.
        advance: hears of each block.
    """
    ask = asked([part], model.n_features, rows.x.dtype)
    for names, x, _ in rows.blocks(block(rows.x)):
        yield beside(names, ask(x))
        advance(1, "")


def imputed(model: VaDE, schema: Schema, rows: Incoming, advance: Advance) -> Iterator[pandas.DataFrame]:
    """The tables that came in, each missing cell filled with the mean of p(x | z = mean code), in its column's units.

    Args:
        model: that of the run.
        schema: of its columns; others stay as they are.
        rows: as `incoming.opened` gives them, of a table.
        advance: hears of each block.
    """
    ask = asked([lambda x: {"mean": model.decode(model.encode(x)[0])}], model.n_features, rows.x.dtype)
    start = 0
    for _, x, table in rows.blocks(block(rows.x)):
        assert table is not None
        means = model.unscale(ask(x)["mean"])
        yield filled(table, schema, means, None if rows.written is None else rows.written[start : start + len(x)])
        start += len(x)
        advance(1, "")


def check_sample(model: VaDE, n: int, cluster: int | None, seed: int) -> None:
    """Raises InputError where `sampled` cannot draw these rows."""
    whole_number(n, "sample", 1, 2**31 - 1)
    whole_number(seed, "seed", 0, 2**31 - 1)
    if cluster is not None:
        whole_number(cluster, "cluster", 0, model.prior.n_components - 1)


def sampled(
    model: VaDE, schema: Coded | None, n: int, cluster: int | None, seed: int, advance: Advance
) -> Iterator[pandas.DataFrame]:
    """New rows in the units and names of those trained on: a cluster by its weight, a code of it, the mean of p(x|z).

    Args:
        model: that of the run.
        schema: of its rows; None: the columns are called x0, x1, ...
        n: how many rows.
        cluster: of this one only; default any.
        seed: same seed, same rows.
        advance: hears of each block.
    """
    share = np.exp(model.prior.parameters[0].numpy().astype(np.float64))
    for number, start in enumerate(range(0, n, BLOCK)):
        random, size = generator(seed, number), min(BLOCK, n - start)
        chosen = random.choice(len(share), size, p=share / share.sum()) if cluster is None else np.full(size, cluster)
        x = model.unscale(model.sample(chosen, seed=int(random.integers(2**31 - 1))))
        names = [f"x{i}" for i in range(x.shape[1])] if schema is None else schema.features
        table = schema.decode(x) if isinstance(schema, Schema) else pandas.DataFrame(x, columns=names)
        yield table
        advance(1, "")
