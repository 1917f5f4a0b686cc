"""Amounts that differ by a factor rather than by a number: those whose logarithm is taken, and its scale.

Every rule reads the values alone, never a label. Knows no file and no table.
"""

import numpy as np

FEWEST = 10  # cells
HEAVY = 12.0  # kurtosis of a heavy tail: a Gaussian has 3, an exponential distribution 9
SKEWED, CLEARER = 0.15, 0.01  # nats a cell, see `_grows`
POINTS, PARTS, CUTS = 512, 4, 128  # quantiles that stand for a column, parts that describe them, and where these end
FEW_VALUES = 20  # different ones at most: marks and small counts, of which a density says nothing
NARROWEST = 0.02  # standard deviations of the cells that a part is wide, at least


def scale_of(v: np.ndarray) -> float | None:
    """The scale of log(1 + v / scale), where this says more than v; None where v is better left as it is.

    It does for amounts, never below 0, whose tail is heavy and with the logarithm much less so: a few cells would be
    all that counts. And for those that spread the more the larger they are, see `_grows`.

    Args:
        v: the cells of a column, finite and far from the largest float.
    """
    if len(v) < FEWEST or v.min() < 0:
        return None
    above = v[v > 0]
    scale = float(np.median(above)) if len(above) else 0.0
    if scale <= np.finfo(np.float32).tiny:
        return None
    before = _kurtosis(v)
    heavy = before > HEAVY and _kurtosis(np.log1p(v / scale)) <= before / 2
    return scale if heavy or _grows(above / scale) else None


def _kurtosis(v: np.ndarray) -> float:
    spread = v / max(np.abs(v).max(), np.finfo(float).tiny)
    spread = spread - spread.mean()
    square = float(np.mean(spread**2))
    return float(np.mean(spread**4)) / square**2 if square**2 > 0 else 0.0


def _grows(v: np.ndarray) -> bool:
    """Whether amounts above 0 spread the more the larger they are, as incomes do, or what a laboratory measures.

    A normal distribution describes their logarithms better than themselves, as Box and Cox compare the two. So it does
    with any group far above the others, however wide each is; hence several, each of a part of the cells, must as well.
    """
    points = np.quantile(v, (np.arange(POINTS) + 0.5) / POINTS) if len(v) > POINTS else v
    if len(np.unique(points)) <= FEW_VALUES:
        return False
    logs = np.log1p(points)
    gain = float(np.log(points.std() / logs.std()) - logs.mean())  # dv = (1 + v) d log(1 + v)
    if gain <= SKEWED:
        return False
    return gain + _fit(logs) - _fit(points) > CLEARER


def _fit(v: np.ndarray) -> float:
    """The mean log-likelihood of numbers [n], brought to mean 0 and variance 1, cut into parts, each of them normal.

    Of at most `PARTS` parts that follow one another the best ones, by dynamic programming over `CUTS` places; a number
    counts for its part alone.
    """
    v = np.sort((v - v.mean()) / v.std())
    ends = np.unique(np.linspace(0, len(v), CUTS + 1).round().astype(int))
    sums, squares = (np.append(0, np.cumsum(power))[ends] for power in (v, v * v))
    first, last = np.triu_indices(len(ends), 1)  # of each part that may be: the places of its ends
    size = ends[last] - ends[first]
    mean = (sums[last] - sums[first]) / size
    sigma2 = np.maximum((squares[last] - squares[first]) / size - mean**2, NARROWEST**2)
    each = np.full((len(ends), len(ends)), -np.inf)
    each[first, last] = size / len(v) * (np.log(size / len(v)) - 0.5 * np.log(2 * np.pi * sigma2) - 0.5)
    up_to = [each[0]]  # the best of so many parts up to each place
    for _ in range(PARTS - 1):
        up_to.append((up_to[-1][:, None] + each).max(axis=0))
    return float(max(best[-1] for best in up_to))
