"""Where a row's neighbours are read: the code, and the hidden layer before it."""

import keras
import numpy as np
import scipy.linalg
from sklearn.utils.extmath import randomized_svd

from vade_tf.data import pipeline
from vade_tf.data.sparse import Rows, SparseRows
from vade_tf.errors import DivergedError
from vade_tf.model.counts import LogCounts
from vade_tf.model.mixed import Mixed
from vade_tf.model.vade import VaDE

OWN_FEATURES = 200  # of a table at most; more than that, and distances between its rows are all alike
DIRECTIONS = 40  # of the last hidden layer; on MNIST they hold nine tenths of its variance
SAMPLE = 10_000  # rows on which they are found
COUNT_DIRECTIONS = 50  # of counts, as many as the usual pipelines for cells take
CLIPPED = 10.0  # standard deviations from the mean beyond which the logarithm of a count tells nothing more
SAMPLE_NUMBERS = 2**25  # that such directions are found on, at most: 128 MB
CODE_LIMIT = 1e18  # beyond, squared distances are infinite in float32


def last_hidden(encoder: keras.Model):
    """The input of the layer that makes the mean code, a symbolic tensor; None where no single layer makes it."""
    for layer in encoder.layers:
        if layer.output is encoder.outputs[0] and isinstance(layer.input, keras.KerasTensor):
            return layer.input
    return None


def row_views(model: VaDE, x: Rows) -> tuple[np.ndarray, np.ndarray | None]:
    """Raw rows x [n, D] as the encoder sees them in two places: their neighbours there are not quite the same.

    Returns:
        The mean code, [n, latent], and the last hidden layer in its principal directions, [n, at most DIRECTIONS];
        None for the second where the layer that makes the code cannot be told.
    """
    encoder = model.encoder
    m, before = encoder.outputs[0], last_hidden(encoder)

    def read(output, rows: Rows) -> np.ndarray:
        """One array, filled batch by batch: of many rows this is most of the memory."""
        network = keras.Model(encoder.inputs, output)
        found = np.empty((len(rows), output.shape[1]), np.float32)
        at = 0
        for batch in pipeline.blocks(rows):
            found[at : at + len(batch)] = network(model.shaped(model.scale(batch)), training=False)
            at += len(batch)
        return within_reach(found)

    if before is None:
        return read(m, x), None
    h = keras.ops.cast(keras.layers.Flatten()(before) if len(before.shape) > 2 else before, "float32")
    every = -(-len(x) // SAMPLE)
    axes = _leading_directions(read(h, x.part(slice(None, None, every)) if isinstance(x, SparseRows) else x[::every]))
    both = read(keras.ops.concatenate([m, h @ axes], axis=1), x)
    width = m.shape[1]
    return both[:, :width].copy(), both[:, width:].copy()  # whole arrays, or each fit to them makes its own copy


def own_features(model: VaDE, x: Rows) -> np.ndarray:
    """Raw rows x [n, D] of a table as they are compared themselves, float32 [n, D].

    Numbers and answers of yes and no have variance 1, the levels of a category stay 0 and 1. A missing cell has the
    mean of its column.
    """
    rows = np.concatenate([np.asarray(model.scale(part)) for part in pipeline.blocks(x)])
    known = ~np.isnan(rows)
    share = known.mean(axis=0, dtype=np.float64)
    rows[~known] = 0
    mean = rows.mean(axis=0, dtype=np.float64) / np.maximum(share, 1e-12)
    rows = np.where(known, rows - mean, 0)
    spread = rows.std(axis=0, dtype=np.float64)
    spread[spread < 1e-12] = 1.0
    if isinstance(model.likelihood, Mixed):
        spread[model.likelihood.levels] = 1.0
    return (rows / spread).astype(np.float32)


def count_directions(model: VaDE, x: Rows) -> np.ndarray:
    """Raw counts x [n, D] as the encoder reads them, in their principal directions: float32 [n, at most 50].

    That is log(1 + count) of rows of one size, each feature with mean 0 and variance 1, cut off at 10 standard
    deviations: a count where hardly any is else lies far out, and would make a direction of its own.
    """
    first = next(layer for layer in model.encoder.layers if isinstance(layer, LogCounts))

    def read(rows) -> np.ndarray:
        return np.clip(np.asarray(first(np.asarray(rows, np.float32))), -CLIPPED, CLIPPED)

    n, width = len(x), x.shape[1]
    every = -(-n // max(min(SAMPLE, SAMPLE_NUMBERS // width), COUNT_DIRECTIONS))
    sample = read(x[::every])
    mean = sample.mean(axis=0)
    leading = min(COUNT_DIRECTIONS, *sample.shape)
    axes = randomized_svd(sample - mean, leading, random_state=0)[2].T  # [D, leading]
    return np.concatenate([(read(rows) - mean) @ axes for rows in pipeline.blocks(x)])


def _leading_directions(sample: np.ndarray) -> np.ndarray:
    """At most DIRECTIONS principal directions of a sample [n, width], [width, directions]. Centres the sample."""
    sample -= sample.mean(axis=0)
    sample *= 2.0 ** -int(np.frexp(np.abs(sample).max())[1])  # exact; the squares of a diverging layer overflow
    width = sample.shape[1]
    leading = max(width - DIRECTIONS, 0), width - 1
    return scipy.linalg.eigh(sample.T @ sample, subset_by_index=leading)[1][:, ::-1]


def within_reach(code: np.ndarray) -> np.ndarray:
    """The code itself, if it is finite and its squared distances are."""
    furthest = max(code.max(), -code.min())
    if not furthest < CODE_LIMIT:  # NaN is not either
        raise DivergedError(f"init: the code reaches {furthest:.3g}, too far for a mixture; lower learning_rate")
    return code
