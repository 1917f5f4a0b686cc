"""Amounts that differ by a factor rather than by a number: those whose logarithm is taken, and its scale.

Every rule reads the values alone, never a label. Knows no file and no table.
"""

import numpy as np

from vade_tf.threads import one_openmp_thread

FEWEST = 10  # cells
HEAVY = 12.0  # kurtosis of a heavy tail: a Gaussian has 3, an exponential distribution 9
SKEWED, CLEARER = 0.15, 0.01  # nats a cell, see `_grows`
POINTS, GROUPS = 512, 3  # quantiles that stand for a column, and parts of the mixture that describes them
FEW_VALUES = 20  # different ones at most: marks and small counts, of which a density says nothing
NARROWEST = 0.02  # standard deviations of the column that a part is wide, at least


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
    with any group far above the others, however wide each is; hence a mixture, which has parts for these, must as well.
    """
    points = np.quantile(v, (np.arange(POINTS) + 0.5) / POINTS) if len(v) > POINTS else v
    if len(np.unique(points)) <= FEW_VALUES:
        return False
    logs = np.log1p(points)
    gain = float(np.log(points.std() / logs.std()) - logs.mean())  # dv = (1 + v) d log(1 + v)
    if gain <= SKEWED:
        return False
    with one_openmp_thread():  # sums over several come in any order, and the same column has to be read the same way
        return gain + _fit(logs) - _fit(points) > CLEARER


def _fit(v: np.ndarray) -> float:
    """The mean log-likelihood of numbers, brought to mean 0 and variance 1, under a mixture of normal distributions."""
    from sklearn.mixture import GaussianMixture  # which takes a while to load

    v = ((v - v.mean()) / v.std())[:, None]
    return float(GaussianMixture(GROUPS, reg_covar=NARROWEST**2, random_state=0).fit(v).score(v))
