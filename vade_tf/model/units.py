"""Whether new rows are in the units of those that a model was trained on."""

import numpy as np

from vade_tf.finite import finite_range
from vade_tf.machine import rows_together
from vade_tf.model.networks import fills

MAX_ROWS_SAMPLED = 10_000  # rows, at even distances, whose units are looked at


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
