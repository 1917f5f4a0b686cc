"""A card of each cluster: what sets it apart, its typical and its doubtful rows, its size and how sure the model is.

Plain numbers, lists and dicts for JSON; `card_page` makes HTML of them. Knows no figure and no page.
"""

from collections.abc import Sequence

import keras
import numpy as np

from vade_tf.data.dataset import Dataset
from vade_tf.model.vade import VaDE
from vade_tf.report.contrast import Contrast, members, plain_value
from vade_tf.report.expression import compared
from vade_tf.training.posterior import Assignments

ROWS = 5  # named as typical, and as doubtful
VALUES = 6  # of such a row


def cards(
    model: keras.Model, dataset: Dataset, found: Assignments, numbers: Sequence[int] | np.ndarray | None = None
) -> list[dict]:
    """A dict for each cluster, in their order.

    Args:
        model: a trained VaDE, or another system.
        dataset: the rows, [n, D], with labels or without.
        found: what the model says about them.
        numbers: what each row is called, [n]; default 0, 1, ...

    Returns:
        For each cluster: cluster; name (the features that are counted most above the other clusters, "" where none is
        counted); rows and share (how many, and of all); pi (weight of the component, None for a
        system that is no VaDE); confidence (mean probability, None without rows); label and purity (the commonest
        label and its share, None without labels); features (dicts of name, kind, effect, inside and outside: see
        `Contrast`; none for images, whose pixels tell nothing one by one); typical and doubtful (dicts of row, id,
        confidence, other, values: `other` is the second choice, `values` what the row has where the cluster differs
        most). Typical rows lie nearest the middle of the cluster, see `distances`; of the doubtful ones the model is
        least sure.
    """
    pi = np.exp(model.prior.parameters[0].numpy()) if isinstance(model, VaDE) else None
    images = dataset.image_shape is not None
    apart = None if images else compared(model, dataset, found.groups, found.log_gamma.shape[1])
    groups, confidence, distance = found.groups, found.confidence, distances(model, found)
    log_odds = found.log_odds
    numbers = range(len(groups)) if numbers is None else numbers
    table = []
    for c in range(found.log_gamma.shape[1]):
        inside = np.flatnonzero(groups == c)
        counts = np.bincount(dataset.y[inside]) if dataset.y is not None and len(inside) else None
        telling = np.zeros(0, int) if apart is None else apart.telling(c)
        doubtful = inside[np.isfinite(log_odds[inside])]  # k-means is never in doubt
        doubtful = doubtful[log_odds[doubtful].argsort(kind="stable")[:ROWS]]
        typical = inside[distance[inside].argsort(kind="stable")[:ROWS]]
        table.append(
            {
                "cluster": c,
                "name": "" if apart is None else apart.name(c),
                "rows": len(inside),
                "share": len(inside) / len(groups),
                "pi": None if pi is None else float(pi[c]),
                "confidence": float(confidence[inside].mean(dtype=np.float64)) if len(inside) else None,
                "label": None if counts is None else int(counts.argmax()),
                "purity": None if counts is None else float(counts.max() / len(inside)),
                "features": [_feature(apart, c, j) for j in telling] if apart is not None else [],
                "typical": [{"row": int(numbers[i])} | _row(dataset, found, i, apart, telling) for i in typical],
                "doubtful": [{"row": int(numbers[i])} | _row(dataset, found, i, apart, telling) for i in doubtful],
            }
        )
    return table


def distances(model: keras.Model, found: Assignments) -> np.ndarray:
    """How far the code of each row lies from the middle of its cluster, squared, [n]: the least is the most typical.

    The middle is the mean of the component, and the unit its standard deviation in each dimension; for a system that
    is no VaDE the middle is the mean code of the cluster's rows.
    """
    m, groups = found.m.astype(np.float64), found.groups
    if isinstance(model, VaDE):
        _, mu, log_sigma2 = (part.numpy() for part in model.prior.parameters)
        return np.sum((m - mu[groups]) ** 2 * np.exp(-log_sigma2[groups]), axis=1)
    own = members(groups, found.log_gamma.shape[1])
    middle = (own @ m) / np.maximum(own.sum(axis=1), 1)[:, None]
    return np.sum((m - middle[groups]) ** 2, axis=1)


def _feature(apart: Contrast, c: int, j: int) -> dict:
    return {
        "name": apart.names[j],
        "kind": apart.kinds[j],
        "effect": plain_value(apart.effect[c, j]),
        "inside": apart.in_units(j, apart.inside[c, j]),
        "outside": apart.in_units(j, apart.outside[c, j]),
    }


def _row(dataset: Dataset, found: Assignments, i: int, apart: Contrast | None, telling: np.ndarray) -> dict:
    """What is said of row i: its second choice, and its values of the features that set its cluster apart.

    A text says what its own heaviest words are: of the cluster's words it may have none.
    """
    log_gamma = found.log_gamma[i]
    second = np.argsort(-log_gamma, kind="stable")[1] if len(log_gamma) > 1 else None
    other = None if second is None else {"cluster": int(second), "confidence": plain_value(np.exp(log_gamma[second]))}
    values: dict = {}
    if apart is not None:
        x = dataset.x[i : i + 1][0]
        if "word" in apart.kinds:
            telling = np.argsort(-x, kind="stable")[:VALUES]
            telling = telling[x[telling] > 0]
        else:
            effect = np.abs(apart.effect[found.groups[i], telling])
            telling = telling[np.argsort(-effect, kind="stable")][:VALUES]
        values = dict(apart.cell(j, x) for j in telling)
    name = None if dataset.ids is None else str(dataset.ids[i])
    confidence = plain_value(np.exp(log_gamma.max()))
    return {"id": name, "confidence": confidence, "other": other, "values": values}
