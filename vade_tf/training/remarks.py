"""What the rows of a fit say against its groups before any model: shares, copies, numbers for no value, rows far out.

Each is looked for in the columns of a table, and said in a sentence with what to do. No labels.
"""

import math
from collections.abc import Sequence
from numbers import Real

import numpy as np
import pandas

from vade_tf.data.dataset import Observations
from vade_tf.data.schema import Schema
from vade_tf.model.likelihood import Likelihood
from vade_tf.model.vade import VaDE
from vade_tf.seeding import subset
from vade_tf.training.parting import are_many
from vade_tf.training.settings import OWN_FEATURES
from vade_tf.training.views import are_answers

LOOKED_AT, NUMBERS, LEAST = 10_000, 2**22, 100  # rows at most, fewer where these are more numbers, but so many
NAMED = 5  # rows or columns that a sentence names, at most
PARTS = 5  # columns of shares, at least
ROUNDED = 1e-3  # of their sum, that shares may lack or have too much, ...
DIGITS = range(1, 7)  # ... or what they lose where they are printed with so many digits after the point
STEADY = 0.1  # standard deviation of that sum, at most, as a share of what columns that know nothing of each other have
MOST_COLUMNS = 2000  # that are compared with one another; of more of them a copy weighs next to nothing
ROUNDING = 2.0**-20  # of the usual numbers of a column, that float32 may have added to them
SAME = 1e-6  # that the correlation of copies may lack
DEVIATION = 1.349  # interquartile range of a Gaussian, in standard deviations
FAR, FEW = 20.0, 0.1  # robust deviations beyond which a number is far out, and the share of the rows that may have some
MOST = 0.4  # share of the cells of a column that one number for no value may hold
CODES = 3  # numbers of a column, at most, that say why there is no value, such as 97, 98 and 99 of a survey
UNLIKE = 3.0  # times as many ones as another that a set has, which so weighs more than what both hold
SQUASHED = 5.0  # times the standard deviation without these rows: the groups among the others are as much smaller


def of_rows(data: Observations, likelihood: Likelihood) -> list[str]:
    """What is to be said of rows whose columns are brought to one variance, a sentence each; none of all others."""
    standardised = data.standardise and likelihood.learns_variance and likelihood.compares_columns
    if data.image_shape is not None or data.is_sparse or not standardised:
        return []
    numbers = subset(len(data.x), max(min(LOOKED_AT, NUMBERS // data.x.shape[1]), LEAST), 0)
    x = np.asarray(data.x[numbers], np.float64)
    schema = data.schema if isinstance(data.schema, Schema) else None
    several = np.flatnonzero(are_many(x) | ~(np.nan_to_num(x) % 1).any(axis=0))
    columns = columns_of(data)
    cells = pandas.DataFrame(x) if schema is None else schema.decode(x)
    names, own = [repr(columns[i]) for i in several], [cells[columns[i]] for i in several]
    deviations, known = _deviations(x[:, several])
    none = _stand_alone(x[:, several], deviations)
    many = are_many(x[:, several]).astype(bool)  # ratings and answers have neither copies worth a word nor rows far out
    others, their_deviations = (np.where(none, np.nan, part)[:, many] for part in (x[:, several], deviations))
    return [
        *shares(cells.select_dtypes("number").to_numpy(np.float64)),
        *copies(deviations[:, many], [name for name, one in zip(names, many, strict=True) if one]),
        *sentinels(none, own, names, len(data.x)),
        *far_out(others, their_deviations, known[many], numbers, len(data.x)),
    ]


def unlike_sizes(data: Observations, model: VaDE) -> list[str]:
    """Of rows of many columns that are all 0 and 1, so sets: whether some have several times as many ones as others."""
    if data.image_shape is not None or data.x.shape[1] <= OWN_FEATURES:
        return []
    x = np.asarray(data.x[subset(len(data.x), max(NUMBERS // data.x.shape[1], LEAST), 0)])
    if not are_answers(model, x).all():
        return []
    few, many = np.quantile(np.nansum(x, axis=1), (0.1, 0.9))
    if many < UNLIKE * max(few, 1):
        return []
    return [
        f"a tenth of the rows have {few:.0f} ones or fewer and a tenth {many:.0f} or more, so clusters may be those of "
        "small and of large sets; divide rows by the root of their number of ones (docs/data.md: sets of unlike size)"
    ]


def columns_of(data: Observations) -> list:
    """The column of each feature: its name, or number, [D]."""
    if isinstance(data.schema, Schema):
        return [column.name for column in data.schema.columns for _ in range(column.width)]
    return list(range(data.x.shape[1]))


def _deviations(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Numbers [n, D] less the median of their column, in robust standard deviations; NaN and 0 as they are.

    Also whether a column has such a deviation, bool [D]: of one that is mostly one number nothing is far out, and its
    others are in units of their own median.
    """
    filled = ~np.isnan(x).all(axis=0)
    quantiles = np.zeros((3, x.shape[1]))
    quantiles[:, filled] = np.nanquantile(x[:, filled], (0.25, 0.5, 0.75), axis=0)
    unit = (quantiles[2] - quantiles[0]) / DEVIATION
    apart = np.abs(x - quantiles[1])
    rounded = ROUNDING * np.abs(quantiles).max(axis=0)  # [D]
    unit[unit <= rounded] = 0.0
    known = unit > 0
    others = np.where(apart <= rounded, np.nan, apart)
    rare = ~known & ~np.isnan(others).all(axis=0)
    unit[rare] = np.nanmedian(others[:, rare], axis=0)
    return (x - quantiles[1]) / np.where(unit > 0, unit, 1.0), known


def shares(x: np.ndarray) -> list[str]:
    """Of rows [n, D] that are shares of a whole: where one grows, all others have to shrink."""
    if x.shape[1] < PARTS or not (x >= 0).all() or not (x % 1).any():
        return []
    sums = x.sum(axis=1)
    whole, apart = np.median(sums), np.sqrt(x.var(axis=0).sum())  # a large number in all rows hides what the others add
    digits = next((k for k in DIGITS if np.allclose(x, np.round(x, k), rtol=0, atol=1e-6 * whole)), math.inf)
    lacking = max(ROUNDED * whole, x.shape[1] * 10.0**-digits / 2)  # each may lack half of its last digit
    if not np.all(np.abs(sums - whole) <= lacking) or sums.std() > STEADY * apart:
        return []
    return [
        f"each row adds up to {whole:.4g}, as shares of a whole do, the largest of which hide the others; give their "
        "centred log-ratios (docs/data.md has the formula)"
    ]


def copies(deviations: np.ndarray, names: list[str]) -> list[str]:
    """Of columns [n, D] that repeat another one, in any unit, or turned round; none is farther out than `FAR`."""
    if not 1 < deviations.shape[1] <= MOST_COLUMNS:
        return []
    near = np.clip(deviations, -FAR, FAR)  # or two columns were one to a row that lies far out in both
    apart = np.where(np.isnan(near), 0.0, near - np.nansum(near, axis=0) / np.maximum((~np.isnan(near)).sum(axis=0), 1))
    apart /= np.maximum(np.linalg.norm(apart, axis=0), np.finfo(float).tiny)
    r = apart.T @ apart
    first = (np.abs(r) >= 1 - SAME).argmax(axis=0)  # of the columns that are the same
    repeated = np.flatnonzero(first < np.arange(len(first)))
    if not len(repeated):
        return []
    told = _listed([f"{names[i]} ({'as' if r[i, first[i]] > 0 else 'minus'} {names[first[i]]})" for i in repeated])
    which = "a column repeats" if len(repeated) == 1 else f"{len(repeated)} columns repeat"
    return [f"{which} the numbers of another, which so weigh more than once: {told}; leave out what repeats"]


def _stand_alone(x: np.ndarray, deviations: np.ndarray) -> np.ndarray:
    """Which cells [n, D] hold the few numbers that are far out in their column: each in several rows, squashing it."""
    found = np.abs(deviations) > FAR  # NaN is not
    for column, far in enumerate(found.T):
        v = x[:, column]
        times = np.unique(v[far], return_counts=True)[1]
        far &= 0 < len(times) <= CODES and times.min() > 1 and np.nanstd(v) > SQUASHED * np.nanstd(v[~far])
        if not far.any():
            far |= _at_an_end(v)
    return found


def _at_an_end(v: np.ndarray) -> np.ndarray:
    """Which cells [n] of a column hold its least or largest number, where that is far out by the others' quartiles.

    If a quarter do, a quartile of all cells is that number itself, and nothing is far out by it.
    """
    for end in () if np.isnan(v).all() else (np.nanmin(v), np.nanmax(v)):
        held = v == end
        others = v[~held & ~np.isnan(v)]
        if FEW < held.sum() / (held.sum() + len(others)) <= MOST:
            low, middle, high = np.quantile(others, (0.25, 0.5, 0.75))
            far = abs(end - middle) > FAR * (high - low) / DEVIATION > 0
            if far and np.nanstd(v) > SQUASHED * others.std():
                return held
    return np.zeros(len(v), bool)


def sentinels(none: np.ndarray, cells: Sequence[pandas.Series], names: list[str], n: int) -> list[str]:
    """Of columns in which a number, as -9999 of a sensor, or a few may say that there is none.

    Args:
        none: whether a cell of some rows holds it, bool [rows, D].
        cells: the columns as they came in, D of them.
        names: of the columns.
        n: all rows.
    """
    found = [
        f"{' and '.join(map(_written, sorted(own[held].unique())))} in {held.sum():,} rows of column {name}"
        for held, own, name in zip(none.T, cells, names, strict=True)
        if held.any()
    ]
    if not found:
        return []
    several = any(" and " in each.split(" in ")[0] for each in found)
    stand = "a few numbers stand" if several else "one number stands"
    return [
        f"{stand} far from all others of the column, as one does that says there is none: {_listed(found)}"
        f"{_looked_at(len(none), n)}; if so, leave these cells empty (NaN, in a DataFrame or a file)"
    ]


def _written(cell) -> str:
    """A number as a file has it, as far as features of seven digits do; of a date the day, for the minutes are lost."""
    if isinstance(cell, pandas.Timestamp):
        return str(cell.round("D").date())
    if not isinstance(cell, Real):
        return str(cell)
    number = float(cell)
    return f"{number:.6g}" if abs(number) < 1e5 else f"about {number:.0f}"


def _looked_at(some: int, n: int) -> str:
    return "" if some == n else f" (of {some:,} rows that were looked at)"


def far_out(x: np.ndarray, deviations: np.ndarray, known: np.ndarray, numbers: np.ndarray, n: int) -> list[str]:
    """Of a few rows so far out, in half of the columns [n, D] or more, that all others look alike beside them.

    Args:
        x: some rows.
        deviations, known: of these, see `_deviations`.
        numbers: theirs, [n].
        n: all rows.
    """
    with np.errstate(invalid="ignore"):  # missing cells
        far = (np.abs(deviations[:, known]) > FAR).any(axis=1)
    if not 0 < far.sum() <= FEW * len(x):
        return []
    both = ((~np.isnan(x[far])).any(axis=0)) & ((~np.isnan(x[~far])).any(axis=0))
    squashed = np.nanstd(x[:, both], axis=0) > SQUASHED * np.nanstd(x[~far][:, both], axis=0)
    if squashed.sum() < x.shape[1] / 2:
        return []
    worst = np.flatnonzero(far)[np.argsort(-np.nansum(np.abs(deviations[far][:, known]), axis=1), kind="stable")]
    share = "" if len(x) == n else f" of {len(x):,} that were looked at"
    found = [str(i) for i in numbers[worst]]
    one, lie = ("row", "lies") if len(found) == 1 else ("rows", "lie")
    return [
        f"{len(found):,} {one}{share} {lie} so far out that all others look alike, and may take clusters: {one} "
        f"{_listed(found)} (counted from 0, of the rows of the fit, the farthest first); correct their numbers, bound "
        f"them, or leave the {one} out"
    ]


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"{', '.join(names[:NAMED])}{more}"
