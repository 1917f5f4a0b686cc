"""What sets each cluster apart, feature by feature: its mean against that of all other rows. Knows no model.

One pass over the rows, a few at a time; a sparse matrix is never made dense.
"""

from dataclasses import dataclass

import numpy as np
import pandas
import scipy.sparse

from vade_tf.data.columns import Column
from vade_tf.data.dataset import Dataset
from vade_tf.data.schema import Schema
from vade_tf.data.sparse import SparseRows
from vade_tf.data.texts import Texts

BLOCK = 2**20  # numbers looked at together: 8 MB of them
KINDS = {"number": "number", "date": "date", "ordered": "rank"}  # of a column -> of its mean; else a share
LEAST = 0.1  # standard deviations: what differs less sets nothing apart
FOLD = "fold"  # kind of a feature that is counted: its effect is a log2 fold change, see `report.expression`
NAMING, NAMES = 1.0, 3  # least log2 fold change, twice as much, of a feature that a cluster is called by; how many


@dataclass(frozen=True)
class Contrast:
    """Clusters against all other rows, in the features that the model reads.

    Attributes:
        names: of the features, [D]: "age", "colour = red", a word; x0, x1, ... where they have none.
        kinds: "number", "date", "rank" of an ordered level, "share" of what is 0 or 1, "word", which is there or not,
            or `FOLD`, [D]. Means of shares and words are shares of rows, those of `FOLD` are of 10,000 counts.
        column: the column of the table that each feature is of, int [D].
        inside: mean over the rows of each cluster, [K, D]; NaN where it has none. Missing cells count nowhere.
        outside: mean over all other rows, [K, D].
        effect: (inside - outside) / standard deviation over all rows, or log2 of a fold change, [K, D]; 0 where one of
            them is not defined.
        table: the columns where the rows are of a table, else ().
    """

    names: list[str]
    kinds: list[str]
    column: np.ndarray
    inside: np.ndarray
    outside: np.ndarray
    effect: np.ndarray
    table: tuple[Column, ...] = ()

    def telling(self, c: int, most: int = 5) -> np.ndarray:
        """The features that set cluster c apart: up to `most` above and `most` below, the largest difference first.

        Of the levels of a category only the one that differs most.
        """
        effect = self.effect[c]
        order = np.argsort(-np.abs(effect), kind="stable")
        order = order[np.abs(effect[order]) >= LEAST]
        order = order[np.sort(np.unique(self.column[order], return_index=True)[1])]
        above, below = order[effect[order] > 0][:most], order[effect[order] < 0][:most]
        return np.concatenate([above, below])

    @property
    def folds(self) -> bool:
        """Whether the features are counted, and the effects log2 fold changes."""
        return FOLD in self.kinds

    def name(self, c: int) -> str:
        """What cluster c is called: the features that are counted at least twice as often in it; "" for none."""
        if not self.folds:
            return ""
        order = np.argsort(-self.effect[c], kind="stable")[:NAMES]
        return ", ".join(self.names[j] for j in order if self.effect[c, j] >= NAMING)

    def in_units(self, j: int, mean: float) -> float | str | None:
        """A mean of feature j in the unit that came in: a date as text, a rank as its level, a share as it is.

        Where columns are transformed (`transform="power"`), the mean is taken of what the model reads.
        """
        if not self.table or self.kinds[j] == "share":
            return plain_value(mean)
        value = self.table[self.column[j]].decode(np.array([[mean]])).iloc[0]
        if isinstance(value, pandas.Timestamp):  # within a few days, the time of day is what sets clusters apart
            days = np.nanmax(self.inside[:, j]) - np.nanmin(self.inside[:, j])
            value = value.round("min").floor("D") if days >= 2 else value
        return plain_value(value)

    def cell(self, j: int, row: np.ndarray) -> tuple[str, float | str | None]:
        """What a row [D] has where feature j belongs: the name of the column, and the value that came in."""
        if not self.table:
            return self.names[j], plain_value(row[j])
        column = self.table[self.column[j]]
        return str(column.name), plain_value(column.decode(row[None, self.column == self.column[j]]).iloc[0])


def plain_value(value) -> float | str | None:
    """A cell as JSON holds it: six digits, or three behind the point; a date as ISO text; None where missing."""
    if pandas.isna(value):
        return None
    if isinstance(value, pandas.Timestamp):
        return value.round("min").isoformat(sep=" ", timespec="minutes").removesuffix(" 00:00")  # from float32 days
    if isinstance(value, (bool, np.bool_, str)):
        return str(value)
    if float(value).is_integer():
        return float(value)
    return float(f"{value:.6g}") if abs(value) < 1e6 else round(float(value), 3)  # large ones may be near one another


def contrast(dataset: Dataset, groups: np.ndarray, n_clusters: int) -> Contrast:
    """Compare the clusters of a data set.

    Args:
        dataset: rows, [n, D].
        groups: the cluster of each row, int [n].
        n_clusters: K.
    """
    share, count, total, about, square = _sums(dataset, groups, n_clusters)
    all_count, all_total = count.sum(axis=0), total.sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        inside, outside = total / count, (all_total - total) / (all_count - count)
        variance = square / all_count - (all_total / all_count) ** 2
        middle = about + all_total / all_count  # float32 hardly tells 1e-7 of it from a constant, as in `divisors`
        constant = ~(variance > 1e-14 * middle**2)
        effect = (inside - outside) / np.sqrt(np.where(constant, 1.0, variance))
    effect = np.where(constant | ~np.isfinite(effect), 0.0, effect)
    names, means = feature_names(dataset), (inside + about, outside + about, effect)
    if isinstance(dataset.schema, Schema):
        table = dataset.schema.columns
        kinds = [KINDS.get(column.kind, "share") for column in table for _ in column.features]
        column = np.repeat(np.arange(len(table)), [each.width for each in table])
        return Contrast(names, kinds, column, *means, table)
    kinds = ["word" if are_words(dataset) else "share" if each else "number" for each in share]
    return Contrast(names, kinds, np.arange(len(names)), *means)


def feature_names(dataset: Dataset) -> list[str]:
    """A name for each feature: its column, with the level it stands for; its word; or x0, x1, ..."""
    if dataset.words is not None:  # of a named set
        return list(dataset.words)
    if isinstance(dataset.schema, Schema):
        return [name for column in dataset.schema.columns for name in _names_of(column)]
    return [f"x{j}" for j in range(dataset.x.shape[1])] if dataset.schema is None else dataset.schema.features


def _names_of(column: Column) -> list[str]:
    """The features of a column; where one is 0 or 1, with the level that is 1."""
    if column.kind == "category":
        return [f"{column.name} = {level}" for level in column.levels]
    if column.kind == "boolean" and str(column.levels[1]).lower() not in ("true", "1"):
        return [f"{column.name} = {column.levels[1]}"]
    return [str(column.name)]


def are_words(dataset: Dataset) -> bool:
    """Whether rows are texts, and each feature the weight of a word."""
    return dataset.words is not None or isinstance(dataset.schema, Texts)


def members(groups: np.ndarray, n_clusters: int) -> scipy.sparse.csr_array:
    """Which rows are in which cluster: 1 or 0, [K, n]."""
    n = len(groups)
    return scipy.sparse.csr_array((np.ones(n), (groups, np.arange(n))), shape=(n_clusters, n))


def _sums(dataset: Dataset, groups: np.ndarray, n_clusters: int) -> tuple[np.ndarray, ...]:
    """Share or not [D]; count and sum of each feature by cluster [K, D]; what it is summed about [D]; squares [D]."""
    words = are_words(dataset)
    if isinstance(dataset.x, SparseRows):
        return _sums_of_sparse(dataset.x.matrix, members(groups, n_clusters), words)
    x, width = dataset.x, dataset.x.shape[1]
    rows = max(1, BLOCK // width)
    share, square = np.ones(width, bool), np.zeros(width)
    count, total = np.zeros((n_clusters, width)), np.zeros((n_clusters, width))
    about = np.zeros(width)
    for start in range(0, len(x), rows):
        part = x[start : start + rows].astype(np.float64)
        there = ~np.isnan(part)
        if words:
            part = np.where(there, part > 0, np.nan)
        share &= ((part == 0) | (part == 1) | ~there).all(axis=0)
        if start == 0:  # squares about a value nearby lose no digits, and counts are whole numbers
            middle = np.where(there, part, 0.0).sum(axis=0) / np.maximum(there.sum(axis=0), 1)
            about = np.where(share, 0.0, middle)
        part = np.where(there, part - about, 0.0)
        own = members(groups[start : start + rows], n_clusters)
        count += own @ there.astype(np.float64)
        total += own @ part
        square += np.einsum("nd,nd->d", part, part)
    return share, count, total, about, square


def _sums_of_sparse(matrix, own: scipy.sparse.csr_array, words: bool) -> tuple[np.ndarray, ...]:
    """`_sums` of stored numbers alone: a number that is not stored is 0."""
    width = matrix.shape[1]
    data = (matrix.data > 0 if words else matrix.data).astype(np.float64)
    missing = np.isnan(matrix.data)
    other = np.bincount(matrix.indices[(data != 0) & (data != 1) & ~missing], minlength=width)

    def of(values):
        return scipy.sparse.csr_array((values, matrix.indices, matrix.indptr), shape=matrix.shape)

    values = of(np.where(missing, 0.0, data))
    count = np.repeat(own.sum(axis=1)[:, None], width, axis=1)
    if missing.any():
        count = count - (own @ of(missing.astype(np.float64))).toarray()
    square = np.bincount(matrix.indices, values.data**2, minlength=width)
    return other == 0, count, (own @ values).toarray(), np.zeros(width), square
