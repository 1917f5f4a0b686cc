"""Where rows are compared: the code and the layer before it, a table's own columns, counts in leading directions."""

import math
from collections.abc import Callable

import keras
import numpy as np
import scipy.linalg
from sklearn.utils.extmath import randomized_svd

from vade_tf.data import pipeline
from vade_tf.data.sparse import OriginRows, Rows, part
from vade_tf.errors import DivergedError
from vade_tf.model.counts import LogCounts
from vade_tf.model.likelihood import Bernoulli, Gaussian
from vade_tf.model.mixed import Mixed
from vade_tf.model.vade import VaDE
from vade_tf.seeding import subset
from vade_tf.threads import one_thread
from vade_tf.training import alignment
from vade_tf.training.settings import OWN_FEATURES

YES_AND_NO = 0.5**0.5  # what the column of an answer is divided by: two levels, 0 and 1, are this much farther apart
ANSWERS, LEVELS = 15, 10  # columns from which on how high they are says less than which of them are; levels of a rating
MOST = 0.9  # of the columns that the fullest scale of ratings holds, at least, on the one that is taken
BLURRED = 0.02  # standard deviation of a feature that float32 blurs, at most; see `likelihood.divisors`
DIRECTIONS = 40  # of the last hidden layer; on MNIST they hold nine tenths of its variance
SAMPLE = 10_000  # rows on which they are found
COLUMN_DIRECTIONS = 50  # of rows of many columns; groups in further ones are lost in their noise
COUNT_DIRECTIONS = 50  # of counts, as many as the usual pipelines for cells take
POWERS = (0.5, 0.75, 1.0)  # of the standard deviation of a feature's logarithms, in a view of counts each
CLIPPED = 10.0  # standard deviations from the mean beyond which the logarithm of a count tells nothing more
SAMPLE_NUMBERS = 2**25  # that such directions are found on, at most: 128 MB
STREAM = 7  # of the seed
CODE_LIMIT = 1e18  # beyond, squared distances are infinite in float32


def _sample(x, most: int, seed: int):
    """At most so many rows of x [n, D], drawn by the seed: every tenth row might be of one day, or of one donor."""
    if len(x) <= most:
        return x
    return part(x, subset(len(x), most, seed, STREAM))


def last_hidden(encoder: keras.Model):
    """The input of the layer that makes the mean code, a symbolic tensor; None where no single layer makes it."""
    for layer in encoder.layers:
        if layer.output is encoder.outputs[0] and isinstance(layer.input, keras.KerasTensor):
            return layer.input
    return None


def view_reader(model: VaDE, x: Rows) -> Callable[[Rows], tuple[np.ndarray, np.ndarray | None]]:
    """How the encoder sees rows in two places: their neighbours there are not quite the same.

    Args:
        model: as it is now.
        x: raw rows, [n, D], from which the directions of the second view are taken.

    Returns:
        Function of raw rows [m, D]: the mean code, [m, latent], and the last hidden layer in its principal directions,
        [m, at most DIRECTIONS]; None for the second where the layer that makes the code cannot be told.
    """
    encoder = model.encoder
    m, before = encoder.outputs[0], last_hidden(encoder)

    def reader(output) -> Callable[[Rows], np.ndarray]:
        network = keras.Model(encoder.inputs, output)

        def read(rows: Rows) -> np.ndarray:
            """One array, filled batch by batch: of many rows this is most of the memory."""
            found = np.empty((len(rows), output.shape[1]), np.float32)
            at = 0
            for batch in pipeline.blocks(rows):
                found[at : at + len(batch)] = network(model.shaped(model.scale(batch)), training=False)
                at += len(batch)
            return within_reach(found)

        return read

    if before is None:
        code = reader(m)
        return lambda rows: (code(rows), None)
    h = keras.ops.cast(keras.layers.Flatten(dtype=before.dtype)(before) if len(before.shape) > 2 else before, "float32")
    most = max(min(SAMPLE, SAMPLE_NUMBERS // h.shape[1]), DIRECTIONS)
    axes = _leading_directions(reader(h)(_sample(x, most, model.seed)))
    width, both = m.shape[1], reader(keras.ops.concatenate([m, h @ axes], axis=1))

    def read(rows: Rows) -> tuple[np.ndarray, np.ndarray]:
        found = both(rows)
        return found[:, :width].copy(), found[:, width:].copy()  # whole arrays, or each fit to them makes its own copy

    return read


def scaled_rows(model: VaDE, x: Rows) -> np.ndarray:
    """Raw rows [n, D] as the model scales them."""
    return np.concatenate([np.asarray(model.scale(block)) for block in pipeline.blocks(x)])


def feature_reader(model: VaDE, x: Rows, one_unit: bool = False) -> Callable[[Rows], np.ndarray]:
    """How rows of a table are compared themselves: function of raw rows [m, D] to float32 [m, D].

    Numbers have variance 1, the levels of a category stay 0 and 1, and an answer of yes and no weighs as much as the
    two levels of one; more answers than a table has columns have variance 1, too. A missing cell has the mean of its
    column. Columns of one unit keep it.

    Args:
        model: scales the rows.
        x: raw rows, [n, D], from which means and variances are taken.
        one_unit: whether columns share a unit, by which the model brings them to variance 1 together.
    """
    rows = scaled_rows(model, x)
    known = ~np.isnan(rows)
    share = known.mean(axis=0, dtype=np.float64)
    answers = are_answers(model, rows)
    rows[~known] = 0
    mean = rows.mean(axis=0, dtype=np.float64) / np.maximum(share, 1e-12)
    squares = (np.where(known, rows - mean, 0) ** 2).mean(axis=0, dtype=np.float64)
    spread = np.sqrt(squares / np.maximum(share, 1e-12))  # of the cells that are known
    spread[spread < (BLURRED if isinstance(model.likelihood, Gaussian) else 1e-12)] = 1.0
    if isinstance(model.likelihood, Mixed):
        spread[model.likelihood.levels] = 1.0
    if x.shape[1] <= OWN_FEATURES:  # of more, the rare ones tell more
        spread[answers] = YES_AND_NO
    if one_unit:
        spread[:] = 1.0

    def read(rows: Rows) -> np.ndarray:
        rows = scaled_rows(model, rows)
        return (np.where(np.isnan(rows), 0, rows - mean) / spread).astype(np.float32)

    return read


def are_answers(model: VaDE, rows: np.ndarray) -> np.ndarray:
    """Which features of scaled rows [n, D] are answers of yes or no, 1 and 0: bool [D]."""
    if isinstance(model.likelihood, Mixed):
        return model.likelihood.answers
    if isinstance(model.likelihood, Bernoulli):
        return ((rows == 0) | (rows == 1)).all(axis=0)
    return np.zeros(rows.shape[1], bool)


def answers_alone(model: VaDE, x: Rows) -> bool:
    """Whether all columns of raw rows [n, D] are answers of yes or no, by some of the rows."""
    some = _sample(x, max(min(SAMPLE, SAMPLE_NUMBERS // x.shape[1]), 1), model.seed)
    return bool(are_answers(model, scaled_rows(model, some)).all())


def profile_reader(model: VaDE, x: Rows, own: Callable[[Rows], np.ndarray]) -> Callable[[Rows], np.ndarray] | None:
    """How rows of many answers are compared by which are higher than others, however high they all are.

    Answers of yes and no, and ratings on one scale, are each less their mean over the row, and of one length: how
    readily somebody says yes, rates highly or buys is not in it. What other columns there are stay as they are.

    Args:
        model: scales the rows.
        x: raw rows, [n, D], by which columns are known.
        own: how they are compared by each column, see `feature_reader`.

    Returns:
        Function of raw rows [m, D] to float32 [m, D]; None where there are fewer than `ANSWERS` of either.
    """
    blocks = [block for block in (are_answers(model, scaled_rows(model, x)), are_ratings(x)) if block.sum() >= ANSWERS]
    if not blocks:
        return None

    def profiles(block: np.ndarray) -> np.ndarray:
        apart = block - block.mean(axis=1, keepdims=True)
        return apart / np.maximum(np.linalg.norm(apart, axis=1, keepdims=True), 1e-12)

    def spread(block: np.ndarray) -> float:
        return math.sqrt(block.var(axis=0, dtype=np.float64).sum())

    rows = own(x)
    weights = [spread(rows[:, block]) / max(spread(profiles(rows[:, block])), 1e-12) for block in blocks]

    def read(rows: Rows) -> np.ndarray:
        found = own(rows)
        for block, weight in zip(blocks, weights, strict=True):
            found[:, block] = weight * profiles(found[:, block])
        return found

    return read


def are_ratings(x: Rows) -> np.ndarray:
    """Which columns of raw rows [n, D] are ratings on one scale, 3 to `LEVELS` whole numbers: bool [D].

    It is the narrowest scale that holds nearly as many such columns as any; where nobody took the least or the largest
    level of one, it still is on it.
    """
    found, ends = np.zeros(x.shape[1], bool), np.zeros((x.shape[1], 2))
    for i, column in enumerate(np.concatenate(list(pipeline.blocks(x))).T):
        levels = np.unique(column[~np.isnan(column)])
        if 3 <= len(levels) <= LEVELS and not (levels % 1).any():
            found[i], ends[i] = True, (levels[0], levels[-1])
    if not found.any():
        return found
    scales = np.unique(ends[found], axis=0)
    on = found & (ends[:, 0] >= scales[:, :1]) & (ends[:, 1] <= scales[:, 1:])  # [scales, D]
    many = np.flatnonzero(on.sum(axis=1) >= MOST * on.sum(axis=1).max())
    return on[many[np.ptp(scales[many], axis=1).argmin()]]


def direction_reader(model: VaDE, x: Rows, one_unit: bool = False) -> Callable[[Rows], np.ndarray]:
    """How rows of many columns are compared themselves: as those of a table, in their principal directions.

    Args:
        model, x, one_unit: as for `feature_reader`.

    Returns:
        Function of raw rows [m, D] to float32 [m, at most COLUMN_DIRECTIONS].
    """
    some = _sample(x, max(min(SAMPLE, SAMPLE_NUMBERS // x.shape[1]), COLUMN_DIRECTIONS), model.seed)
    own = feature_reader(model, some, one_unit)
    sample = own(some)
    axes = randomized_svd(sample, min(COLUMN_DIRECTIONS, *sample.shape), random_state=0)[2].T  # [D, directions]
    return lambda rows: np.concatenate([own(block) @ axes for block in pipeline.blocks(rows)])


def count_reader(model: VaDE, x: Rows) -> Callable[[Rows], list[np.ndarray]]:
    """How counts are compared themselves: function of raw rows [m, D] to views of them, float32 [m, at most 50] each.

    A view is log(1 + count) of rows of one size in its principal directions, each feature divided by a power of its
    standard deviation, one of `POWERS`: with 1, rare features count as much as common ones. Values are cut off at 10
    standard deviations, for a count where hardly any is else lies far out, and would make a direction of its own. Rows
    of several origins are brought together in each view (`alignment`).

    Args:
        model: its encoder begins with `LogCounts`.
        x: raw rows, [n, D], or with their origins in one more column, from which the directions are taken.
    """
    first = next(layer for layer in model.encoder.layers if isinstance(layer, LogCounts))

    def logs(rows) -> np.ndarray:
        return np.clip(np.asarray(first(model.scale(rows))), -CLIPPED, CLIPPED)

    most = max(min(SAMPLE, SAMPLE_NUMBERS // x.shape[1]), COUNT_DIRECTIONS)
    some = _sample(x, most, model.seed)
    sample = np.concatenate([logs(block) for block in pipeline.blocks(some)])
    mean, std = sample.mean(axis=0), np.asarray(first.std, np.float32)
    sample -= mean
    width = min(COUNT_DIRECTIONS, *sample.shape)
    axes = []  # of each view [D, width], by which centred logs are multiplied
    for power in POWERS:
        weight = std ** (1 - power)
        axes.append(weight[:, None] * randomized_svd(sample * weight, width, random_state=0)[2].T)
    every = np.concatenate(axes, axis=1)

    def directions(rows: Rows) -> np.ndarray:
        return np.concatenate([(logs(block) - mean) @ every for block in pipeline.blocks(rows)])

    if model.origins is None or not isinstance(x, OriginRows):
        return lambda rows: np.split(directions(rows), len(POWERS), axis=1)
    number = model.origins.number
    moved = [alignment.shifts(view, some.origins, number) for view in np.split(directions(some), len(POWERS), axis=1)]
    shift = np.concatenate(moved, axis=1)  # [origins, directions of all views]

    def read(rows: Rows) -> list[np.ndarray]:
        origins = np.concatenate([block[:, -1].astype(int) for block in pipeline.blocks(rows)])
        return np.split(directions(rows) - shift[origins], len(POWERS), axis=1)

    return read


def _leading_directions(sample: np.ndarray) -> np.ndarray:
    """At most DIRECTIONS principal directions of a sample [n, width], [width, directions]. Centres the sample."""
    sample -= sample.mean(axis=0)
    sample *= 2.0 ** -int(np.frexp(np.abs(sample).max())[1])  # exact; the squares of a diverging layer overflow
    n, width = sample.shape
    few = n < width  # rows: the directions are sums of rows, and the products between rows say which
    products = sample @ sample.T if few else sample.T @ sample
    leading = max(len(products) - DIRECTIONS, 0), len(products) - 1
    with one_thread():  # on several threads an eigendecomposition beside other work is far slower
        axes = scipy.linalg.eigh(products, subset_by_index=leading)[1][:, ::-1]
    if few:
        axes = sample.T @ axes
        axes /= np.maximum(np.linalg.norm(axes, axis=0), 1e-30)
    return axes


def within_reach(code: np.ndarray) -> np.ndarray:
    """The code itself, if it is finite and its squared distances are."""
    furthest = max(code.max(), -code.min())
    if not furthest < CODE_LIMIT:  # NaN is not either
        raise DivergedError(
            f"training diverged: the code reaches {furthest:.3g}, too far for a mixture; train anew with a lower "
            "learning_rate, a run into another folder"
        )
    return code
