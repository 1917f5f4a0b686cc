"""Which likelihood rows get, and whether new rows are in the units of those that a model was trained on."""

import numpy as np

from vade_tf.errors import InputError
from vade_tf.finite import MAX_ROWS_TOGETHER, finite_range
from vade_tf.machine import rows_together, spans
from vade_tf.model.counts import Counts
from vade_tf.model.likelihood import Gaussian, Likelihood, get
from vade_tf.model.mixed import KINDS, Mixed
from vade_tf.model.networks import fills

GREY_CONTRAST = 0.4  # of 1, that of on and off; MNIST has 0.78, digits 0.51, TF-IDF 0.18, scaled tables 0.1 to 0.3
ROUNDING = 1e-5  # of the range of all values, which a pixel may lie below 0 or above 1
MAX_ROWS_SAMPLED = 10_000  # rows, at even distances, whose sums and units are looked at


def choose(observations) -> Likelihood:
    """The likelihood that `data.dataset.Observations` ask for, else an InputError; for "auto" that of their kind.

    Counts get a negative binomial, the columns of a table a family each, bytes, images in [0, 1] and what varies as on
    and off do a Bernoulli, all else a Gaussian.
    """
    rows, asked = observations, None if observations.likelihood == "auto" else get(observations.likelihood)
    if rows.kind == "counts":
        return get({"name": Counts.name if asked is None else asked.name, "size": _median_size(rows)})
    low, high = (value * rows.grey[0] + rows.grey[1] for value in (rows.low, rows.high))
    slack = ROUNDING * (high - low)
    low, high = 0.0 if -slack <= low < 0 else low, 1.0 if 1 < high <= 1 + slack else high
    if asked is not None:
        asked.check(low, high, rows.x.dtype)
    blocks = () if rows.kind != "table" or rows.schema is None else rows.schema.blocks
    if blocks and (asked is None or asked.name in KINDS):
        return Mixed(blocks if asked is None else [(asked.name, rows.x.shape[1])])
    if asked is None:
        grey = rows.x.dtype == np.uint8 or rows.image_shape is not None
        if not grey and 0 <= low <= high <= 1 and not rows.texts:
            mean, std = rows.moments()
            grey = bool((std**2).sum() >= GREY_CONTRAST * (mean * (1 - mean)).sum())
        asked = get("bernoulli" if grey else "gaussian")
    return Gaussian(shared=not rows.standardise) if asked.name == "gaussian" else asked


def _median_size(observations) -> float:
    """The median sum of rows that are counts; InputError where one is no whole number from 0 up."""
    x, sums = observations.x, []
    for some in spans(len(x), x.shape[1], MAX_ROWS_TOGETHER):
        rows = x.matrix[some] if observations.is_sparse else np.asarray(x[some])
        stored = x.stored(some) if observations.is_sparse else rows
        wrong = ~((stored >= 0) & (stored == np.round(stored)))  # NaN, too
        if wrong.any():
            raise InputError("likelihood", "counts, whole numbers from 0 up", f"{stored[wrong][0]:g}")
        sums.append(np.ravel(rows.sum(axis=1, dtype=np.float64)))
    return max(float(np.median(np.concatenate(sums)[:: -(-len(x) // MAX_ROWS_SAMPLED)])), 1.0)


def check_units(model, x, argument: str = "x", names: dict[int, str] | None = None) -> None:
    """Raises InputError, or warns, where new raw rows are not finite or not in the units that a model was trained on.

    Args:
        model: a `VaDE` or another system.
        x: raw rows, [n, D]: an array, or `data.rows.SparseRows`.
        argument: what an error names.
        names: of the features that are numbers of a table, by their places: these alone are compared, dates go on.
    """
    finite_range(x, argument, model.likelihood.takes_missing and fills(model.encoder))
    if len(x):
        raw = np.asarray(x[:: -(-len(x) // rows_together(x.shape[1], MAX_ROWS_SAMPLED))])
        if names is not None and model.likelihood.takes_missing:
            raw = np.where(np.isin(np.arange(x.shape[1]), list(names)), raw, np.nan)
        model.likelihood.check_units(raw, np.asarray(model.scale(raw)), argument)
