"""A card of each cluster: what sets it apart, its typical and doubtful rows, its size and how sure the model is.

Plain numbers, lists and dicts for JSON, which report.html shows. Knows no figure and no page.
"""

from collections.abc import Sequence

import keras
import numpy as np

from vade_tf.contrast import Contrast, compared, members, plain_value
from vade_tf.data.dataset import Dataset
from vade_tf.model.vade import VaDE
from vade_tf.training.posterior import Assignments

MAX_ROWS = 5  # typical rows of a card, and doubtful ones
MAX_VALUES = 6  # of such a row
MAX_LETTERS = 200  # of its text


def cards(
    model: keras.Model, dataset: Dataset, found: Assignments, numbers: Sequence[int] | np.ndarray | None = None
) -> list[dict]:
    """A dict for each cluster, as docs/guide/results.md defines it; arguments as `evaluation.evaluate`.

    `features` is empty for images, whose pixels say little one by one.
    """
    pi = np.exp(model.prior.parameters[0].numpy()) if isinstance(model, VaDE) else None
    n_clusters, groups, confidence = found.log_gamma.shape[1], found.groups, found.confidence
    apart = None if dataset.image_shape and dataset.texts is None else compared(model, dataset, groups, n_clusters)
    distance, log_odds = distances(model, found), found.log_odds
    numbers = range(len(groups)) if numbers is None else numbers
    table = []
    for c in range(n_clusters):
        inside = np.flatnonzero(groups == c)
        counts = np.bincount(dataset.y[inside]) if dataset.y is not None and len(inside) else None
        leading = np.zeros(0, int) if apart is None else apart.leading(c)
        typical = inside[distance[inside].argsort(kind="stable")[:MAX_ROWS]]
        unsure = inside[np.isfinite(log_odds[inside])]  # k-means is never in doubt
        doubtful = unsure[log_odds[unsure].argsort(kind="stable")[:MAX_ROWS]]
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
                "features": [] if apart is None else [apart.feature(c, int(j)) for j in leading],
                "typical": [_row(dataset, found, i, numbers[i], apart, leading) for i in typical],
                "doubtful": [_row(dataset, found, i, numbers[i], apart, leading) for i in doubtful],
            }
        )
    return table


def distances(model: keras.Model, found: Assignments) -> np.ndarray:
    """Squared distance of each row's code from the middle of its cluster, [n]: the smallest is the most typical.

    That is the mean of the component, in its standard deviations; of another system than VaDE the mean of the codes.
    """
    m, groups = found.m.astype(np.float64), found.groups
    if isinstance(model, VaDE):
        _, mu, log_sigma2 = (part.numpy() for part in model.prior.parameters)
        return np.sum((m - mu[groups]) ** 2 * np.exp(-log_sigma2[groups]), axis=1)
    own = members(groups, found.log_gamma.shape[1])
    middle = (own @ m) / np.maximum(own.sum(axis=1), 1)[:, None]
    return np.sum((m - middle[groups]) ** 2, axis=1)


def _row(dataset: Dataset, found: Assignments, i: int, number: int, apart: Contrast | None, leading: np.ndarray):
    """A row of a card: its second choice, and its text, its heaviest words, or its values of the cluster's features."""
    log_gamma = found.log_gamma[i]
    second = np.argsort(-log_gamma, kind="stable")[1:2]
    other = [{"cluster": int(c), "confidence": plain_value(np.exp(log_gamma[c]))} for c in second]
    values: dict = {}
    if dataset.texts is not None:
        values = {"text": str(dataset.texts[i])[:MAX_LETTERS]}
    elif apart is not None:
        x = dataset.x[i : i + 1][0]
        if "word" in apart.kinds:
            shown = np.argsort(-x, kind="stable")[:MAX_VALUES]
            shown = shown[x[shown] > 0]
        else:
            shown = leading[np.argsort(-np.abs(apart.effect[found.groups[i], leading]), kind="stable")][:MAX_VALUES]
        values = dict(apart.cell(j, x) for j in shown)
    return {
        "row": int(number),
        "id": None if dataset.ids is None else str(dataset.ids[i]),
        "confidence": plain_value(np.exp(log_gamma.max())),
        "other": other[0] if other else None,
        "values": values,
    }
