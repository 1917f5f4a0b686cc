"""The spaces in which a start compares rows: a table's columns, directions of counts, the code and the layer before it.

Each function gives a reader: from raw rows [m, D] to their places, float32 [m, d] each. What the reader needs to know
of the data, such as means or directions, is found on raw rows x [n, D] and the model as it is now.
"""

from collections.abc import Callable

import keras
import numpy as np
import scipy.linalg
from sklearn.neighbors import NearestNeighbors
from sklearn.utils.extmath import randomized_svd

from vade_tf.data import pipeline
from vade_tf.data.rows import Rows, RowsWithBatch, part
from vade_tf.errors import DivergedError
from vade_tf.model.counts import LogCounts
from vade_tf.model.vade import VaDE
from vade_tf.seeding import Stream, generator, subset
from vade_tf.threads import one_thread
from vade_tf.training import embeddings
from vade_tf.training.settings import SAMPLE_ROWS

Reader = Callable[[Rows], list[np.ndarray]]

HIDDEN_DIRECTIONS = 40  # of the last hidden layer; on MNIST they hold nine tenths of its variance
LEVEL_GAP = 0.3  # of columns of two values, for mixtures; by benchmarks/levels.py
COUNT_DIRECTIONS = 50  # of log counts, as in the usual pipelines for cells (Luecken and Theis, 2019)
MAX_ROWS_PAIRED = 3000  # of a batch, and of those that it is compared with: the cost is quadratic
MAX_NUMBERS_SAMPLED = 2**25  # that directions are found on: 128 MB


def columns(model: VaDE, x: Rows) -> Reader:
    """A table's columns: numbers of variance 1, those of two values 0 and 1, a missing cell at its column's mean.

    Where some have two values, as levels of a category do, or miss cells, there is a second space for mixtures. Missing
    cells are NaN there, and two values lie `LEVEL_GAP` apart, since a Gaussian gains without end from a column that its
    cluster settles.
    """
    rows = _scaled(model, x)
    known = ~np.isnan(rows)
    low, high = np.nanmin(rows, axis=0), np.nanmax(rows, axis=0)
    two = ((rows == low) | (rows == high) | ~known).all(axis=0) & (low < high)
    cells = np.maximum(known.sum(axis=0), 1)
    mean = np.where(known, rows, 0).sum(axis=0, dtype=np.float64) / cells
    spread = np.sqrt((np.where(known, rows - mean, 0) ** 2).sum(axis=0) / cells)
    spread[spread < 1e-6] = 1.0  # a constant column
    spread[two] = (high - low)[two]
    special = bool(two.any() or not known.all())

    def read(rows: Rows) -> list[np.ndarray]:
        rows = _scaled(model, rows)
        found = ((rows - mean) / spread).astype(np.float32)
        whole = np.nan_to_num(found)
        return [whole, found * np.where(two, LEVEL_GAP, 1).astype(np.float32)] if special else [whole]

    return read


def _scaled(model: VaDE, x: Rows) -> np.ndarray:
    """Raw rows [n, D] as the model scales them."""
    return np.concatenate([np.asarray(model.scale(block)) for block in pipeline.blocks(x)])


def _sample(x: Rows, width: int, seed: int) -> Rows:
    """Rows of so many numbers each that directions are found on."""
    size = max(min(SAMPLE_ROWS, MAX_NUMBERS_SAMPLED // width), COUNT_DIRECTIONS)
    return part(x, subset(len(x), size, seed, Stream.SPACES))


def count_directions(model: VaDE, x: Rows) -> Reader:
    """Counts: log(1 + count) of rows of one size, each feature divided by the root of its standard deviation, in PCs.

    The model's encoder begins with `LogCounts`. What batches add to their rows is taken away (`batch_shifts`).
    """
    first = log_counts_of(model)
    assert first is not None

    def logs(rows) -> np.ndarray:  # of variance 1, cut off at ten standard deviations as scanpy's tutorials do
        return np.clip(np.asarray(first(model.scale(rows))), -10.0, 10.0)

    some = _sample(x, x.shape[1], model.seed)
    sample = np.concatenate([logs(block) for block in pipeline.blocks(some)])
    mean, weight = sample.mean(axis=0), np.sqrt(np.asarray(first.std, np.float32))  # std / sqrt(std)
    width = min(COUNT_DIRECTIONS, *sample.shape)
    axes = weight[:, None] * randomized_svd((sample - mean) * weight, width, random_state=0)[2].T  # [D, width]

    def directions(rows: Rows) -> np.ndarray:
        return np.concatenate([(logs(block) - mean) @ axes for block in pipeline.blocks(rows)])

    if model.batch_effects is None or not isinstance(some, RowsWithBatch):
        return lambda rows: [directions(rows)]
    shift = batch_shifts(directions(some), some.batch_index, model.batch_effects.number)  # [batches, width]

    def read(rows: Rows) -> list[np.ndarray]:
        batch_index = np.concatenate([block[:, -1].astype(int) for block in pipeline.blocks(rows)])
        return [directions(rows) - shift[batch_index]]

    return read


def log_counts_of(model: VaDE) -> LogCounts | None:
    """The layer by which the model's encoder reads log counts, if it does."""
    return next((layer for layer in model.encoder.layers if isinstance(layer, LogCounts)), None)


def batch_shifts(rows: np.ndarray, batch_index: np.ndarray, number: int) -> np.ndarray:
    """What to take away from the rows [n, d] of each of so many batches (batch_index, int [n]): [number, d].

    Pairs of rows that are each among the other's nearest neighbours in the other batch are taken to be of one kind
    (Haghverdi et al., Nature Biotechnology 2018), and their mean difference is that of the batches; then anew with the
    batch moved, which has other neighbours. The mean of all rows is not moved. Batches without rows have 0.
    """
    found, rng = np.zeros((number, rows.shape[1])), generator(0)
    parts = {
        o: rows[rng.permutation(np.flatnonzero(batch_index == o))[:MAX_ROWS_PAIRED]] for o in np.unique(batch_index)
    }
    first, *others = sorted(parts, key=lambda o: (-len(parts[o]), o))
    together, limit = [parts[first]], 0.001 * np.sqrt(np.mean(rows.var(axis=0)) * rows.shape[1])
    for o in others:  # in 40 steps at most, of which the last is a thousandth of the rows' spread
        known = np.concatenate(together)
        known = known[rng.permutation(len(known))[:MAX_ROWS_PAIRED]]
        for _ in range(40):
            step = _difference(parts[o] - found[o], known)
            found[o] += step
            if np.linalg.norm(step) < limit:
                break
        together.append(parts[o] - found[o])
    counts = np.bincount(batch_index, minlength=number)
    found -= counts @ found / len(rows)
    found[counts == 0] = 0.0
    return found.astype(np.float32)


def _difference(rows: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Mean difference of the rows [n, d] and others [m, d] that are mutual neighbours, [d]."""
    n_nearest = min(20, len(rows), len(others))  # as published
    to_others = NearestNeighbors(n_neighbors=n_nearest).fit(others).kneighbors_graph(rows)  # [n, m]
    to_rows = NearestNeighbors(n_neighbors=n_nearest).fit(rows).kneighbors_graph(others)  # [m, n]
    mine, theirs = to_others.multiply(to_rows.T).nonzero()
    return (rows[mine] - others[theirs]).mean(axis=0) if len(mine) else np.zeros(rows.shape[1])


def embedding_directions(model: VaDE, x: Rows) -> Reader:
    """Embeddings in their principal directions, of length 1, see `embeddings.principal_directions`."""
    directions = embeddings.principal_directions(x, model.seed, model.prior.n_components)
    return lambda rows: [np.concatenate([directions(block) for block in pipeline.blocks(rows)])]


def code(model: VaDE, x: Rows) -> Reader:
    """The mean code, and where a single layer makes it, the layer before in its principal directions.

    Their neighbours are not quite the same.
    """
    m = model.encoder.outputs[0]
    makers = [layer for layer in model.encoder.layers if layer.output is m]
    hidden = next((layer.input for layer in makers if isinstance(layer.input, keras.KerasTensor)), None)
    if hidden is None:
        return lambda rows: [_outputs(model, m, rows)]
    flat = keras.layers.Flatten(dtype=hidden.dtype)(hidden) if len(hidden.shape) > 2 else hidden
    h = keras.ops.cast(flat, "float32")
    axes = _leading_directions(_outputs(model, h, _sample(x, h.shape[1], model.seed)))
    width, both = m.shape[1], keras.ops.concatenate([m, h @ axes], axis=1)

    def read(rows: Rows) -> list[np.ndarray]:
        found = _outputs(model, both, rows)
        return [found[:, :width].copy(), found[:, width:].copy()]  # whole arrays, or each fit to them makes a copy

    return read


def _outputs(model: VaDE, output, rows: Rows) -> np.ndarray:
    """What a tensor of the encoder is for raw rows, float32 [n, d]."""
    network = keras.Model(model.encoder.inputs, output)
    blocks = (network(model.shaped(model.scale(batch)), training=False) for batch in pipeline.blocks(rows))
    return check_code(np.concatenate([np.asarray(block, np.float32) for block in blocks]))


def _leading_directions(sample: np.ndarray) -> np.ndarray:
    """At most `HIDDEN_DIRECTIONS` principal directions of a sample [n, width], which it centres: [width, axes]."""
    sample -= sample.mean(axis=0)
    sample *= 2.0 ** -int(np.frexp(np.abs(sample).max())[1])  # exact; the squares of a diverging layer overflow
    few = len(sample) < sample.shape[1]  # then the directions are sums of rows, and products between rows say which
    products = sample @ sample.T if few else sample.T @ sample
    leading = max(len(products) - HIDDEN_DIRECTIONS, 0), len(products) - 1
    with one_thread():  # on several threads an eigendecomposition beside other work is far slower
        axes = scipy.linalg.eigh(products, subset_by_index=leading)[1][:, ::-1]
    if few:
        axes = sample.T @ axes
        axes /= np.maximum(np.linalg.norm(axes, axis=0), 1e-30)
    return axes


def check_code(code: np.ndarray) -> np.ndarray:
    """The code itself; a DivergedError unless it and its squared distances are finite in float32."""
    furthest = max(code.max(), -code.min())
    if not furthest < 1e18:  # NaN is not either
        raise DivergedError(
            f"training diverged: the code reaches {furthest:.3g}, too far for a mixture; train anew with a lower "
            "learning_rate, a run into another folder"
        )
    return code


READERS = {"columns": columns, "directions": count_directions, "embeddings": embedding_directions, "code": code}
