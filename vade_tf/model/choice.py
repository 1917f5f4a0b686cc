"""Which likelihood rows get, and whether new rows are in the units of those that a model was trained on."""

import math
import warnings
from collections.abc import Mapping, Sequence

import numpy as np

from vade_tf.amounts import scale_of
from vade_tf.counting import DOUBTED, Tally
from vade_tf.errors import InputError, UnitsWarning, tell
from vade_tf.machine import rows_together, spans
from vade_tf.model.counts import Counts, ZeroInflatedCounts
from vade_tf.model.likelihood import FAR, Bernoulli, Gaussian, Likelihood, get
from vade_tf.model.mixed import Mixed
from vade_tf.model.networks import Directions, Roots, fills

MOST = 1e30  # value of a row; float32 cannot square more
CONTRAST = 0.4  # MNIST has 0.78, digits 0.51; TF-IDF of texts 0.18, tables scaled to [0, 1] about 0.1 to 0.3
ROUNDING = 1e-5  # of the range of all values, which a pixel may lie below 0 or above 1
COUNTED_BY = {"auto": Counts, Counts.name: Counts, ZeroInflatedCounts.name: ZeroInflatedCounts}
DOUBTFUL = (
    "likelihood: rows are taken for numbers, but look like counts, whole numbers from 0 up with a long tail; say "
    "likelihood='counts' if they are, or likelihood='gaussian' if not"
)
AMOUNTS = (
    "x: most columns hold amounts that spread the more the larger they are, as prices do, and arrays get no logarithm; "
    "give a DataFrame (a .csv or .parquet file), whose columns do, or np.log1p(x), or say "
    "likelihood='gaussian' if x is right as it is"
)
COLUMNS = 20  # at even distances, at most, that are looked at for it
LOOKED_AT = 10_000  # rows, at most, whose values are compared with those of the training
SUMS = 100_000  # rows, at even distances, of whose sums the median is taken
SEVERAL, NEARLY = 30, 0.95  # known cells of a column, at least, of which such a share says that it is in other units
ALIKE = 0.01  # of its length, which a row may be longer or shorter than those trained on
BLOCK = 8192  # rows checked together, at most: keeps the check of a large memory-mapped file small


def choose(observations) -> Likelihood:
    """The likelihood of rows: what they ask for; for "auto" Bernoulli for bytes and what is like images in [0, 1].

    Not all values in [0, 1] are probabilities of on and off: TF-IDF weights and other shares lie there, too. A
    Bernoulli of such small values explains every row by nearly the same probabilities, and the code collapses. So their
    variance must be a share CONTRAST of that of on and off, m (1 - m) summed over the features.

    Args:
        observations: `data.dataset.Observations`.

    Raises:
        InputError: the likelihood is unknown, or cannot be that of these rows.
    """
    counted = COUNTED_BY.get(observations.likelihood)
    if counted is not None and (size := _size(observations)) is not None:
        return counted(size)
    if counted is not None and observations.likelihood != "auto":
        raise InputError(
            f"likelihood: {counted.name} expects whole numbers from 0 up, got {_no_count(observations)}; give them as "
            "they were counted"
        )
    scale, offset = observations.grey
    low, high = (value * scale + offset for value in (observations.low, observations.high))
    slack = ROUNDING * (high - low)
    low, high = 0.0 if -slack <= low < 0 else low, 1.0 if 1 < high <= 1 + slack else high
    about = low, high, observations.x.dtype
    families = observations.image_shape is None and observations.schema is not None and observations.schema.blocks
    asked = observations.likelihood == "bernoulli"
    pixels = observations.grey != (1.0, 0.0) and (asked or _contrasts(observations))
    own_units = observations.standardise and not observations.components
    if families and own_units and observations.x.dtype != np.uint8 and not pixels:
        return _of_columns(observations, about)  # of a table; texts have one unit, and pictures are bytes
    if observations.likelihood == "auto":
        try:
            Bernoulli().check(*about)
        except InputError:
            return _gaussian(observations)
        grey = observations.x.dtype == np.uint8 or observations.image_shape is not None
        grey = grey or (not _are_weights(observations) and _contrasts(observations))
        return get("bernoulli") if grey else _gaussian(observations)
    found = get(observations.likelihood)
    found.check(*about)
    return _gaussian(observations) if found.name == "gaussian" else found


def _size(observations) -> float | None:
    """The median sum of rows that are counts; None where they are none, or are not asked for and do not look like it.

    Counts are whole numbers from 0 up with a long tail, and mostly 0 or all of one kind (`counting.Tally`): so grey
    values, ranks and marks are none. Nor are levels and answers of a table, which are mostly 0 as well, beside a few
    numbers of it, which are a long tail. Of genes of cells their schema says whether they are counts, however many are
    kept, and how few of them are 0.
    """
    x, asked = observations.x, observations.likelihood != "auto"
    counted = getattr(observations.schema, "are_counts", None)
    if counted is not None and not asked:
        if not counted or observations.image_shape is not None:
            return None
        asked = True
    if not asked and getattr(observations.schema, "may_be_counts", False):
        tell([DOUBTFUL], 1)
        return None
    families = () if observations.schema is None else observations.schema.blocks
    if not asked and any(family != "gaussian" for family, _ in families):
        return None
    grey = x.dtype == np.uint8 and not observations.is_sparse  # bytes of a dense array are said to be grey values
    if observations.low < 0 or (grey and not asked):
        return None
    if not asked and (observations.image_shape is not None or x.shape[1] < DOUBTED):
        return None
    sums, tally, step = [], Tally(*x.shape), -(-len(x) // SUMS)
    for some in spans(len(x), x.shape[1], BLOCK):
        rows = x.matrix[some] if observations.is_sparse else np.asarray(x[some])
        numbers = x.stored(some) if observations.is_sparse else rows
        if not np.array_equal(numbers, np.round(numbers)):  # NaN is not equal either
            return None
        sums.append(np.ravel(rows.sum(axis=1, dtype=np.float64))[-some.start % step :: step].copy())  # no view of all
        if not asked:
            tally.add(rows)
    if not asked and not (counted := tally.are_counts()):
        tell([DOUBTFUL] if counted is None else [], 1)
        return None
    return max(float(np.median(np.concatenate(sums))), 1.0)


def _no_count(observations) -> str:
    """The first value that is no count, and where it stands."""
    x = observations.x
    for rows in spans(len(x), x.shape[1], BLOCK):
        block = np.asarray(x[rows])
        for row, column in np.argwhere(~((block >= 0) & (block == np.round(block))))[:1]:
            value = "a missing value" if np.isnan(block[row, column]) else f"{block[row, column]:g}"
            name = column if observations.schema is None else repr(observations.schema.features[column])
            return f"{value} at row {rows.start + row}, column {name}"
    return "others"


def _are_amounts(observations) -> bool:
    """Whether a table would take the logarithm of most columns of an array that holds no images, shares or texts."""
    x, asked = observations.x, observations.likelihood != "auto"
    units = not observations.standardise or observations.image_shape is not None or observations.schema is not None
    if asked or units or observations.is_sparse or x.dtype == np.uint8:
        return False
    if observations.low < 0 or observations.high <= 1 or observations.factor != 1:
        return False
    some = x[:: math.ceil(len(x) / rows_together(x.shape[1], LOOKED_AT))]
    some = np.asarray(some[:, :: math.ceil(x.shape[1] / COLUMNS)], np.float64)
    return sum(scale_of(column) is not None for column in some.T) > some.shape[1] / 2


def _gaussian(observations) -> Gaussian:
    """One variance a feature, or one for all where they have one unit; a warning of amounts that come as an array."""
    tell([AMOUNTS] if _are_amounts(observations) else [], 1)
    return Gaussian(shared=not observations.standardise or observations.components)


def _of_columns(observations, about) -> Mixed:
    """What the columns of a table ask for, block by block, or for every one the kind that the caller asks for."""
    if observations.likelihood == "auto":
        return Mixed(observations.schema.blocks)
    asked = get(observations.likelihood)
    asked.check(*about)
    return Mixed([(asked.name, observations.x.shape[1])])


def _are_weights(observations) -> bool:
    """Whether rows are the weights of words in texts, which are few where a text is short, and then large."""
    x = observations.x
    parts = spans(len(x), x.shape[1], BLOCK)
    numbers = (x.stored(rows) if hasattr(x, "stored") else np.asarray(x[rows]) for rows in parts)
    return observations.texts and any((each % 1 != 0).any() for each in numbers)


def _contrasts(observations) -> bool:
    """Whether values in [0, 1], or brought there, vary nearly as much as on and off do: grey values, answers, marks."""
    (scale, offset), (mean, std) = observations.grey, observations.moments()
    mean = scale * mean + offset
    return float(((scale * std) ** 2).sum()) >= CONTRAST * float((mean * (1 - mean)).sum())


def check_units(model, x, argument: str = "x", names: Mapping[int, str] | None = None) -> None:
    """Check that a fitted model can take new raw rows: finite numbers in the units of those it was trained on.

    Args:
        model: anything with a `likelihood` and a `scale`, such as a `VaDE`.
        x: raw rows, [n, D]: an array, or `data.sparse.SparseRows`.
        argument: what an error names.
        names: of the features that are numbers of a table, by their places: each is looked at by itself, too.

    Raises:
        InputError: a value is not finite, or the rows are in other units.
    """
    low, high = math.inf, -math.inf
    encoder = getattr(model, "encoder", None)
    missing = model.likelihood.takes_missing and (encoder is None or fills(encoder))

    def single(numbers) -> np.ndarray:
        return numbers.astype(np.float32) if numbers.dtype == np.float16 else numbers  # in which 1e30 is a number

    def usable(numbers) -> np.ndarray:
        return (np.abs(numbers) <= MOST) | (missing & np.isnan(numbers))

    for rows in spans(len(x), x.shape[1], BLOCK):
        numbers = x.stored(rows) if hasattr(x, "stored") else np.asarray(x[rows])  # of a sparse matrix those it stores
        if numbers.dtype.kind not in "biuf":
            raise InputError(f"{argument}: expected numbers, got {numbers.dtype}; encode text and categories first")
        if not usable(numbers := single(numbers)).all():
            block = single(np.asarray(x[rows]))
            row, column = np.argwhere(~usable(block))[0]
            value = block[row, column]
            hole = ", or fit a DataFrame that has some (NaN) as well" if np.isnan(value) else ""
            raise InputError(
                f"{argument}: expected finite numbers below 1e30, got {value} at row {rows.start + row}, column "
                f"{column}; drop or impute such rows{hole}"
            )
        known = numbers[~np.isnan(numbers)] if missing else numbers
        if known.size:
            low, high = min(low, float(known.min())), max(high, float(known.max()))
    if len(x):
        some = x[:: math.ceil(len(x) / rows_together(x.shape[1], LOOKED_AT))]
        if isinstance(scaling := getattr(model, "scaling", None), Roots):
            _check_weights(low, argument)
        if isinstance(scaling, Directions):
            _check_lengths(np.asarray(some), scaling, argument)
        table = names is not None and model.likelihood.takes_missing
        compared = some
        if table:  # dates go on, and are compared with none
            compared = np.where(np.isin(np.arange(x.shape[1]), list(names or ())), np.asarray(some), np.nan)
        model.likelihood.check_units(compared, low, high, model.scale, argument)
        if names and table and len(x) >= SEVERAL:
            _check_columns(np.asarray(model.scale(some))[:, list(names)], list(names.values()), argument)
        elif names is None and len(x) >= SEVERAL and model.likelihood.standardises(model.scale, x.shape[1]):
            _check_columns(np.asarray(model.scale(some)), range(x.shape[1]), argument, x.shape[1] // 2)


def _check_weights(low: float, argument: str) -> None:
    """Raises InputError where the least number is below 0, which a model of weights of words would read as 0."""
    if low < 0:
        raise InputError(
            f"{argument}: expected no number below 0, as in the rows trained on, got {low:g}; give such rows as their "
            "vectorizer makes them, neither centred nor standardised"
        )


def _check_lengths(rows: np.ndarray, scaling: Directions, argument: str) -> None:
    """Warns where half of the rows [n, D] are longer or shorter than those trained on, which had one length."""
    lengths = np.linalg.norm(rows.astype(np.float64), axis=1)
    lengths = lengths[lengths > 0]
    if isinstance(scaling, Roots):
        todo = "they are brought to it, so give the values that their vectorizer makes, not counts"
    else:
        todo = "divide each by its length" + (
            "" if abs(scaling.length - 1) <= ALIKE else ", and multiply it by this one"
        )
    others = lengths[np.abs(lengths / scaling.length - 1) > ALIKE]
    if 2 * others.size > lengths.size:
        warnings.warn(
            f"{argument}: expected rows of the length {scaling.length:.4g}, as those trained on, got such as "
            f"{others[0]:.4g}; {todo}",
            UnitsWarning,
            stacklevel=4,
        )


def _check_columns(scaled: np.ndarray, names: Sequence[str | int], argument: str, most: float = math.inf) -> None:
    """Warns where nearly all numbers of a column, standardised [n, columns], are far from the mean of those known.

    Where there are more than `most` such columns nothing is said: it was, of all values.
    """
    known = (~np.isnan(scaled)).sum(axis=0)
    far = (np.abs(scaled) > FAR).sum(axis=0)  # NaN is not
    if 0 < (strange := np.flatnonzero((known >= SEVERAL) & (far >= NEARLY * known))).size <= most:
        others = f" and {strange.size - 1} more" if strange.size > 1 else ""
        warnings.warn(
            f"{argument}: nearly all numbers of column {names[strange[0]]!r}{others} lie more than {FAR:g} standard "
            "deviations from the mean of the rows trained on; give them in the units of the training",
            UnitsWarning,
            stacklevel=4,
        )
