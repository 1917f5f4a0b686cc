"""Whether the clusters of a fit follow one column of its rows, of which the others say nothing. No labels."""

import numpy as np
import pandas

from vade_tf.data.pipeline import together
from vade_tf.seeding import subset
from vade_tf.training.fitting import Fitting
from vade_tf.training.parting import ASKED
from vade_tf.training.posterior import model_groups
from vade_tf.training.remarks import columns_of

FOLLOWED = 0.7  # share of a column's variance that lies between clusters which follow it
LITTLE = 0.25  # share of it in every other column, at most
SHARED = 0.5  # squared correlation with it, from which on a column goes with it
OTHERS = 2  # columns that do not, at least
TOGETHER = 3  # it and those that do, at most: more of them are no accident of one column


def one_column(fitting: Fitting) -> list[str]:
    """What is to be said of clusters that are cut along one column, and what goes with it; a sentence or none.

    As a number of two units or devices does, or a yes or no that lies farther apart than all numbers do.
    """
    data, model = fitting.data, fitting.model
    if data.image_shape is not None or data.is_sparse or not model.likelihood.compares_columns:
        return []
    x = data.x[subset(len(data.x), together(data.x, ASKED), fitting.settings.seed)]
    features = np.asarray(x, np.float64)
    return followed(features, columns_of(data), model_groups(model, x))


def followed(x: np.ndarray, columns: list, groups: np.ndarray) -> list[str]:
    """The sentence, of features [n, D], the column of each, and the clusters, int [n].

    The share of a column's variance that lies between the means of clusters is its correlation ratio; that of a
    category is over all its levels.
    """
    known = ~np.isnan(x)
    mean = np.where(known, x, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    apart = np.where(known, x - mean, 0.0)  # a missing cell is as the mean
    names = list(dict.fromkeys(columns))
    own = pandas.Index(names).get_indexer(columns)  # [D]
    sizes = np.bincount(groups)
    means = np.stack([np.bincount(groups, feature) for feature in apart.T]) / np.maximum(sizes, 1)  # [D, K]
    between = np.bincount(own, means**2 @ sizes)
    total = np.bincount(own, (apart**2).sum(axis=0))
    share = between / np.maximum(total, np.finfo(float).tiny)  # [columns]
    first = int(share.argmax())
    if share[first] < FOLLOWED:
        return []
    unit = apart / np.maximum(np.linalg.norm(apart, axis=0), np.finfo(float).tiny)
    r2 = ((unit[:, own == first].T @ unit) ** 2).max(axis=0)  # [D]
    goes_with = {own[i] for i in np.flatnonzero(r2 >= SHARED)} | {first}
    others = [share[i] for i in range(len(names)) if i not in goes_with]
    if len(goes_with) > TOGETHER or len(others) < OTHERS or max(others) > LITTLE:
        return []
    with_it = " and ".join(repr(names[i]) for i in sorted(goes_with - {first}))
    return [
        f"the clusters follow column {names[first]!r}{f' and, with it, {with_it}' if with_it else ''}: "
        f"{share[first]:.0%} of its variance lies between them, of others at most {max(others):.0%}; if it should not "
        f"decide, leave {'them' if with_it else 'it'} out"
    ]
