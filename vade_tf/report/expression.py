"""What sets clusters of counted rows apart: the decoder's mean of each feature in a cluster against all other rows.

    log2 fold change of cluster c, feature d  =  log2( (10,000 rho_cd + 1) / (10,000 rho_rest,d + 1) )

rho_cd is the mean over the rows of the cluster of the decoder's share of the feature at the mean code of the row, and
rho_rest,d that over all other rows. The decoder pools what rows alike have in common, so one count more or less in a
row moves it little; 1 in 10,000 is added so that features that hardly occur do not come first.
"""

import numpy as np
import tensorflow as tf

from vade_tf.data import pipeline
from vade_tf.data.dataset import Dataset
from vade_tf.model.counts import Counts
from vade_tf.model.vade import VaDE
from vade_tf.report.contrast import FOLD, Contrast, contrast, feature_names, members

UNIT = 10_000  # counts of a row that means are of


def compared(model, dataset: Dataset, groups: np.ndarray, n_clusters: int) -> Contrast:
    """The clusters of a data set compared as its rows ask for: counts by the decoder of a VaDE, others by `contrast`.

    Args:
        model: a trained VaDE, or another system.
        dataset: rows, [n, D].
        groups: the cluster of each row, int [n].
        n_clusters: K.
    """
    if isinstance(model, VaDE) and isinstance(model.likelihood, Counts):
        return expression(model, dataset, groups, n_clusters)
    return contrast(dataset, groups, n_clusters)


def expression(model: VaDE, dataset: Dataset, groups: np.ndarray, n_clusters: int) -> Contrast:
    """The log2 fold change of each feature in each cluster, with means in counts of 10,000; arguments as `compared`."""
    total, at = np.zeros((n_clusters, dataset.x.shape[1])), 0
    for rows in pipeline.blocks(dataset.x):
        shares = model.x_parameters(model.encode(rows)[0])[:, : model.n_features]  # of zinb not those that are lost
        own = members(groups[at : at + len(rows)], n_clusters)
        total += own @ (UNIT * tf.nn.softmax(shares).numpy())
        at += len(rows)
    sizes = np.bincount(groups, minlength=n_clusters)[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        inside = total / sizes
        outside = (total.sum(axis=0) - total) / (len(groups) - sizes)
    effect = np.log2(inside + 1) - np.log2(outside + 1)
    names = feature_names(dataset)
    kinds, places = [FOLD] * len(names), np.arange(len(names))
    return Contrast(names, kinds, places, inside, outside, np.where(np.isfinite(effect), effect, 0.0))
