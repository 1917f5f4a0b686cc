"""What is noteworthy about the rows of a fit themselves: copies, constant columns, outliers. No labels."""

import numpy as np

from vade_tf.data import pipeline
from vade_tf.data.dataset import Observations
from vade_tf.data.sparse import part
from vade_tf.model.counts import Counts
from vade_tf.model.likelihood import Likelihood
from vade_tf.seeding import Stream, subset
from vade_tf.training.settings import SAMPLE_ROWS

OUTLIER_RANGES = 20.0  # interquartile ranges from the median: a Gaussian has none beyond 5 in a million rows


def of_rows(data: Observations, likelihood: Likelihood | None = None) -> list[str]:
    """Sentences about the rows, one a finding, or none."""
    x = part(data.x, subset(len(data.x), pipeline.together(data.x, SAMPLE_ROWS), 0, Stream.LOOKED_AT))
    rows, found = np.concatenate(list(pipeline.blocks(x))), []
    if len(rows) > 1 and (rows == rows[0]).all():
        return ["the rows are all the same, and there are no groups to find; look at how they are read"]
    copies = 1 - len(np.unique(rows, axis=0)) / len(rows)
    if copies > 0.5:
        found.append(f"{copies:.0%} of the rows are copies of others: clusters may be the values that are repeated")
    if data.kind != "table" or isinstance(likelihood, Counts):  # whose tails are long
        return found
    constant = np.flatnonzero(np.nanmin(rows, axis=0) == np.nanmax(rows, axis=0))
    if len(constant):
        found.append(f"the same value in every row: {_names(data, constant)}; leave them out")
    low, middle, high = np.nanquantile(rows, (0.25, 0.5, 0.75), axis=0)
    outlying = np.abs(rows - middle) > OUTLIER_RANGES * np.where(high > low, high - low, np.inf)
    number = outlying.any(axis=1).sum()
    if 0 < number <= 0.01 * len(rows):
        found.append(
            f"{number:,} rows lie more than {OUTLIER_RANGES:g} interquartile ranges from the median, in "
            f"{_names(data, np.flatnonzero(outlying.any(axis=0)))}: correct them, or leave these rows out"
        )
    return found


def _names(data: Observations, numbers: np.ndarray) -> str:
    """The first five columns by name."""
    names = [str(i) if data.schema is None else repr(data.schema.features[i]) for i in numbers[:5]]
    more = f" and {len(numbers) - 5} more" if len(numbers) > 5 else ""
    return f"column{'s' if len(numbers) > 1 else ''} {', '.join(names)}{more}"
