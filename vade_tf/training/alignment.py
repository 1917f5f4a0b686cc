"""Batch effects: what each batch adds to all its rows, found from mutual nearest neighbours and taken away.

Pairs of rows that are each among the other's nearest neighbours in the other batch are taken to be of one kind
(Haghverdi et al., Nature Biotechnology 2018), and their mean difference is that of the batches. Not every kind has to
be in both, as means of whole batches would ask. It is repeated with the batch moved, since other pairs become nearest
then. All rows of a batch are moved alike: moving each by the pairs near it mixes kinds as often as it helps.
"""

import numpy as np
from sklearn.neighbors import NearestNeighbors

from vade_tf.seeding import generator


def shifts(rows: np.ndarray, origins: np.ndarray, number: int) -> np.ndarray:
    """What to take away from the rows [n, d] of each of so many batches (origins, int [n]): [number, d].

    The mean of all rows is not moved. Batches without rows have 0.
    """
    found, rng = np.zeros((number, rows.shape[1])), generator(0)
    most = 3000  # rows of a batch, and of those that it is compared with: the cost is quadratic
    parts = {o: rows[rng.permutation(np.flatnonzero(origins == o))[:most]] for o in np.unique(origins)}
    first, *others = sorted(parts, key=lambda o: (-len(parts[o]), o))
    together, limit = [parts[first]], 0.001 * np.sqrt(np.mean(rows.var(axis=0)) * rows.shape[1])
    for o in others:
        known = np.concatenate(together)
        known = known[rng.permutation(len(known))[:most]]
        for _ in range(40):  # at most; it has arrived where a step is a thousandth of the rows' spread
            step = _difference(parts[o] - found[o], known)
            found[o] += step
            if np.linalg.norm(step) < limit:
                break
        together.append(parts[o] - found[o])
    counts = np.bincount(origins, minlength=number)
    found -= counts @ found / len(rows)
    found[counts == 0] = 0.0
    return found.astype(np.float32)


def _difference(rows: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Mean difference of the rows [n, d] and others [m, d] that are mutual neighbours (of 20, as published), [d]."""
    n_nearest = min(20, len(rows), len(others))
    to_others = NearestNeighbors(n_neighbors=n_nearest).fit(others).kneighbors_graph(rows)  # [n, m]
    to_rows = NearestNeighbors(n_neighbors=n_nearest).fit(rows).kneighbors_graph(others)  # [m, n]
    mine, theirs = to_others.multiply(to_rows.T).nonzero()
    return (rows[mine] - others[theirs]).mean(axis=0) if len(mine) else np.zeros(rows.shape[1])
