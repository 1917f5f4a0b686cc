"""Which likelihood rows get, and whether new rows are in the units of those that a model was trained on."""

import math
from collections.abc import Mapping

import numpy as np

from vade_tf.errors import InputError
from vade_tf.finite import MAX_ROWS_TOGETHER, finite_range
from vade_tf.machine import rows_together, spans
from vade_tf.model.counts import Counts, ZeroInflatedCounts
from vade_tf.model.likelihood import Gaussian, Likelihood, get
from vade_tf.model.mixed import KINDS, Mixed
from vade_tf.model.networks import fills

GREY_CONTRAST = 0.4  # MNIST has 0.78, digits 0.51; TF-IDF of texts 0.18, tables scaled to [0, 1] about 0.1 to 0.3
ROUNDING = 1e-5  # of the range of all values, which a pixel may lie below 0 or above 1
COUNTED_BY = {"auto": Counts, Counts.name: Counts, ZeroInflatedCounts.name: ZeroInflatedCounts}
MAX_ROWS_SAMPLED = 10_000  # rows, at even distances, whose sums and units are looked at


def choose(observations) -> Likelihood:
    """The likelihood that rows ask for; for "auto" that of their kind.

    Counts get a negative binomial, the columns of a table a family each, bytes, images in [0, 1] and what varies as on
    and off do a Bernoulli, all else a Gaussian.

    Args:
        observations: `data.dataset.Observations`.

    Raises:
        InputError: the likelihood is unknown, or cannot be that of these rows.
    """
    if observations.kind == "counts":
        return COUNTED_BY[observations.likelihood](_median_size(observations))
    scale, offset = observations.grey
    low, high = (value * scale + offset for value in (observations.low, observations.high))
    slack = ROUNDING * (high - low)
    low, high = 0.0 if -slack <= low < 0 else low, 1.0 if 1 < high <= 1 + slack else high
    asked = None if observations.likelihood == "auto" else get(observations.likelihood)
    if asked is not None:
        asked.check(low, high, observations.x.dtype)
    if observations.kind == "table" == getattr(observations.schema, "kind", None):
        if asked is None or asked.name in KINDS:
            return Mixed(observations.schema.blocks if asked is None else [(asked.name, observations.x.shape[1])])
        return asked
    if asked is None:
        pixels = observations.x.dtype == np.uint8 or observations.image_shape is not None
        grey = pixels or (0 <= low <= high <= 1 and not observations.texts and _contrasts(observations))
        asked = get("bernoulli" if grey else "gaussian")
    return Gaussian(shared=not observations.standardise) if asked.name == "gaussian" else asked


def _median_size(observations) -> float:
    """The median sum of rows that are counts.

    Raises:
        InputError: one is no whole number from 0 up.
    """
    x, sums, step = observations.x, [], -(-len(observations.x) // MAX_ROWS_SAMPLED)
    for some in spans(len(x), x.shape[1], MAX_ROWS_TOGETHER):
        rows = x.matrix[some] if observations.is_sparse else np.asarray(x[some])
        stored = x.stored(some) if observations.is_sparse else rows
        if not ((stored >= 0) & (stored == np.round(stored))).all():  # NaN is not either
            block = np.asarray(x[some])
            row, column = np.argwhere(~((block >= 0) & (block == np.round(block))))[0]
            name = column if observations.schema is None else repr(observations.schema.features[column])
            got = f"{block[row, column]:g} at row {some.start + row}, column {name}"
            likelihood = COUNTED_BY[observations.likelihood].name
            raise InputError(
                "likelihood", f"whole numbers from 0 up for {likelihood}", got, "give them as they were counted"
            )
        sums.append(np.ravel(rows.sum(axis=1, dtype=np.float64))[-some.start % step :: step].copy())  # no view of all
    return max(float(np.median(np.concatenate(sums))), 1.0)


def _contrasts(observations) -> bool:
    """Whether values in [0, 1] vary nearly as much as on and off do: grey values, answers, marks.

    Shares and weights do not: a Bernoulli of them explains every row by nearly the same probabilities, and the code
    collapses.
    """
    mean, std = observations.moments()
    return float((std**2).sum()) >= GREY_CONTRAST * float((mean * (1 - mean)).sum())


def check_units(model, x, argument: str = "x", names: Mapping[int, str] | None = None) -> None:
    """Check that a fitted model can take new raw rows: finite numbers in the units of those it was trained on.

    Args:
        model: anything with a `likelihood` and a `scale`, such as a `VaDE`.
        x: raw rows, [n, D]: an array, or `data.rows.SparseRows`.
        argument: what an error names.
        names: of the features that are numbers of a table, by their places: these alone are compared, dates go on.

    Raises:
        InputError: a value is not finite, or the rows are in other units.
    """
    encoder = getattr(model, "encoder", None)
    finite_range(x, argument, model.likelihood.takes_missing and (encoder is None or fills(encoder)))
    if not len(x):
        return
    raw = np.asarray(x[:: math.ceil(len(x) / rows_together(x.shape[1], MAX_ROWS_SAMPLED))])
    if names is not None and model.likelihood.takes_missing:
        raw = np.where(np.isin(np.arange(x.shape[1]), list(names)), raw, np.nan)
    model.likelihood.check_units(raw, np.asarray(model.scale(raw)), argument)
