"""What sets each cluster apart, feature by feature: its mean against that of all other rows.

Counts are compared by the means of the decoder:

    log2 fold change of cluster c, feature d  =  log2( (10,000 rho_cd + 1) / (10,000 rho_rest,d + 1) )

rho_cd is the mean over the rows of the cluster of the decoder's share of the feature at the mean code of the row, and
rho_rest,d that over all other rows. One count in 10,000 is added so that rare features do not come first.
"""

from dataclasses import dataclass

import numpy as np
import pandas
import scipy.sparse

from vade_tf.data import pipeline
from vade_tf.data.columns import Column
from vade_tf.data.dataset import Dataset
from vade_tf.data.rows import SparseRows
from vade_tf.data.schema import Schema
from vade_tf.data.texts import Texts, in_words
from vade_tf.model.vade import VaDE

KINDS = {"number": "number", "date": "date", "ordered": "rank"}  # of a column -> of its mean; else a share
MIN_EFFECT = 0.1  # standard deviations
MAX_FEATURES = 5  # above and below, of a cluster
FOLD = "fold"  # kind of a counted feature, whose effect is a log2 fold change
FOLD_UNIT = 10_000  # counts of a row
MIN_NAMING_FOLD, MAX_NAMING_FEATURES = 1.0, 3  # a cluster is called by features that are at least twice as frequent


@dataclass(frozen=True)
class Contrast:
    """Clusters against all other rows, in the features that the model reads.

    Attributes:
        names: of the features, [D]: "age", "colour = red", a word; x0, x1, ... where they have none.
        kinds: "number", "date", "rank" (an ordered level), "share" (a level or truth value), "word" or "fold", [D].
        column: the column of the table that each feature is of, int [D].
        inside, outside: mean over the rows of each cluster and over all other rows, without missing cells, [K, D].
        effect: (inside - outside) / standard deviation over all rows, or the log2 fold change, [K, D]; 0: undefined.
        table: the columns, where the rows are of a table.
    """

    names: list[str]
    kinds: list[str]
    column: np.ndarray
    inside: np.ndarray
    outside: np.ndarray
    effect: np.ndarray
    table: tuple[Column, ...] = ()

    def leading(self, c: int, limit: int = MAX_FEATURES) -> np.ndarray:
        """The features that set cluster c apart: up to `limit` above and below, the largest difference first.

        Of the levels of a category only the one that differs most.
        """
        effect = self.effect[c]
        order = np.argsort(-np.abs(effect), kind="stable")
        order = order[np.abs(effect[order]) >= MIN_EFFECT]
        order = order[np.sort(np.unique(self.column[order], return_index=True)[1])]
        return np.concatenate([order[effect[order] > 0][:limit], order[effect[order] < 0][:limit]])

    def name(self, c: int) -> str:
        """The words, or the counted features at least twice as frequent, that set cluster c apart most; or ""."""
        least = {FOLD: MIN_NAMING_FOLD, "word": MIN_EFFECT}.get(self.kinds[0])
        if least is None:
            return ""
        order = np.argsort(-self.effect[c], kind="stable")[:MAX_NAMING_FEATURES]
        return ", ".join(self.names[j] for j in order if self.effect[c, j] >= least)

    def in_units(self, j: int, mean: float) -> float | str | None:
        """A mean of feature j in the unit of the data: a date as text, a rank as its level, a share as it is."""
        if not self.table or self.kinds[j] == "share":
            return plain_value(mean)
        return plain_value(self.table[self.column[j]].decode(np.array([[mean]])).iloc[0])

    def feature(self, c: int, j: int) -> dict:
        """Feature j of the card of cluster c."""
        return {
            "name": self.names[j],
            "kind": self.kinds[j],
            "effect": plain_value(self.effect[c, j]),
            "inside": self.in_units(j, self.inside[c, j]),
            "outside": self.in_units(j, self.outside[c, j]),
        }

    def cell(self, j: int, row: np.ndarray) -> tuple[str, float | str | None]:
        """What a row [D] has in the column of feature j: the name of the column, and the cell."""
        if not self.table:
            return self.names[j], plain_value(row[j])
        column = self.table[self.column[j]]
        return str(column.name), plain_value(column.decode(row[None, self.column == self.column[j]]).iloc[0])


def plain_value(value) -> float | str | None:
    """A cell as JSON holds it: the digits of float32, a date as ISO text, None where it is missing."""
    if pandas.isna(value):
        return None
    if isinstance(value, pandas.Timestamp):
        return value.round("min").isoformat(sep=" ", timespec="minutes").removesuffix(" 00:00")
    if isinstance(value, (bool, np.bool_, str)):
        return str(value)
    return float(f"{value:.7g}")


def compared(model, dataset: Dataset, groups: np.ndarray, n_clusters: int) -> Contrast:
    """The standardised difference of each feature in each cluster; `expression` of counts, by the decoder of a VaDE.

    `groups` are the cluster of each row, int [n]. Rows that have a text are compared in its words.
    """
    if dataset.texts is not None:
        dataset = in_words(dataset)
    elif isinstance(model, VaDE) and model.likelihood.reads_counts:
        return expression(model, dataset, groups, n_clusters)
    x, words = dataset.x, dataset.words is not None or isinstance(dataset.schema, Texts)
    if isinstance(x, SparseRows):
        matrix = (x.matrix > 0 if words else x.matrix).astype(np.float64)
        total = (members(groups, n_clusters) @ matrix).toarray()
        count = np.bincount(groups, minlength=n_clusters)[:, None].astype(np.float64)
    else:
        total, count, start = np.zeros((n_clusters, x.shape[1])), np.zeros((n_clusters, x.shape[1])), 0
        for rows in pipeline.blocks(x):
            own = members(groups[start : start + len(rows)], n_clusters)
            known = ~np.isnan(rows)
            total += own @ np.where(known, rows > 0 if words else rows, 0).astype(np.float64)
            count += own @ known.astype(np.float64)
            start += len(rows)
    all_total, all_count = total.sum(axis=0), count.sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        inside, outside = total / count, (all_total - total) / (all_count - count)
        mean = all_total / all_count
        std = np.sqrt(mean * (1 - mean)) if words else dataset.moments()[1]
        effect = (inside - outside) / std
    constant = std <= 1e-7 * np.abs(mean)  # float32 does not tell its values apart
    effect = np.where(constant | ~np.isfinite(effect), 0.0, effect)
    names = feature_names(dataset)
    if isinstance(dataset.schema, Schema):
        table = dataset.schema.columns
        kinds = [KINDS.get(column.kind, "share") for column in table for _ in column.features]
        column = np.repeat(np.arange(len(table)), [len(each.features) for each in table])
        return Contrast(names, kinds, column, inside, outside, effect, table)
    return Contrast(names, ["word" if words else "number"] * len(names), np.arange(len(names)), inside, outside, effect)


def expression(model: VaDE, dataset: Dataset, groups: np.ndarray, n_clusters: int) -> Contrast:
    """The log2 fold change of each feature in each cluster, with means in counts of 10,000."""
    total, start = np.zeros((n_clusters, dataset.x.shape[1])), 0
    for rows in pipeline.blocks(dataset.x):
        shares = model.likelihood.shares(model.x_parameters(model.encode(rows)[0])).numpy()  # [m, D]
        total += members(groups[start : start + len(rows)], n_clusters) @ (FOLD_UNIT * shares)
        start += len(rows)
    sizes = np.bincount(groups, minlength=n_clusters)[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        inside, outside = total / sizes, (total.sum(axis=0) - total) / (len(groups) - sizes)
    effect = np.nan_to_num(np.log2(inside + 1) - np.log2(outside + 1))
    names = feature_names(dataset)
    return Contrast(names, [FOLD] * len(names), np.arange(len(names)), inside, outside, effect)


def feature_names(dataset: Dataset) -> list[str]:
    """A name for each feature: its column, with the level that is 1 where it is 0 or 1; its word; or x0, x1, ..."""
    if dataset.words is not None:  # of a named set
        return list(dataset.words)
    if not isinstance(dataset.schema, Schema):
        return [f"x{j}" for j in range(dataset.x.shape[1])] if dataset.schema is None else dataset.schema.features
    found: list[str] = []
    for column in dataset.schema.columns:
        levels = column.levels if column.kind == "category" else ()
        if column.kind == "boolean" and str(column.levels[1]).lower() not in ("true", "1"):
            levels = column.levels[1:]
        found += [f"{column.name} = {level}" for level in levels] or [str(column.name)]
    return found


def members(groups: np.ndarray, n_clusters: int) -> scipy.sparse.csr_array:
    """Which rows are in which cluster: 1 or 0, [K, n]."""
    n = len(groups)
    return scipy.sparse.csr_array((np.ones(n), (groups, np.arange(n))), shape=(n_clusters, n))
