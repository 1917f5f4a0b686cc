"""Rows of several origins brought together: what one experiment adds to all its rows is taken away before a start.

The same kind of row lies in two origins at places that differ by what the origins add. Pairs of rows that are each
among the other's nearest neighbours in the other origin are taken to be of one kind (Haghverdi et al., Nature
Biotechnology 2018), and their mean difference is that of the origins. It does not ask for all kinds to be in both, as
means of whole origins would. Repeated with the origin moved, until it stays: other pairs become nearest then. All rows
of an origin are moved alike: moving each by the pairs near it mixes what is not of one kind as often as it helps.
"""

import numpy as np
from sklearn.neighbors import NearestNeighbors

from vade_tf.seeding import generator

NEAREST = 20  # rows of the other origin that a pair is looked for among
ASKED = 3000  # rows of an origin at most, and of those that it is held against
TURNS = 40  # at most
STILL = 0.001  # of the root mean square of the rows: an origin that moves less has arrived


def shifts(rows: np.ndarray, origins: np.ndarray, number: int) -> np.ndarray:
    """What to take away from the rows of each origin.

    Args:
        rows: in directions that are compared by Euclidean distance, [n, d].
        origins: of each row, from 0 up, int [n].
        number: of the origins.

    Returns:
        [number, d]; the mean of all rows is not moved. Origins without rows have 0.
    """
    found, rng = np.zeros((number, rows.shape[1])), generator(0)
    parts = {o: rows[rng.permutation(np.flatnonzero(origins == o))[:ASKED]] for o in np.unique(origins)}
    first, *others = sorted(parts, key=lambda o: (-len(parts[o]), o))
    together, limit = [parts[first]], STILL * np.sqrt(np.mean(rows.var(axis=0)) * rows.shape[1])
    for o in others:
        known = np.concatenate(together)
        known = known[rng.permutation(len(known))[:ASKED]]
        for _ in range(TURNS):
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
    """Mean difference of the rows [n, d] and others [m, d] that are mutual neighbours, [d]."""
    near = min(NEAREST, len(rows), len(others))
    to_others = NearestNeighbors(n_neighbors=near).fit(others).kneighbors_graph(rows)  # [n, m]
    to_rows = NearestNeighbors(n_neighbors=near).fit(rows).kneighbors_graph(others)  # [m, n]
    mine, theirs = to_others.multiply(to_rows.T).nonzero()
    return (rows[mine] - others[theirs]).mean(axis=0) if len(mine) else np.zeros(rows.shape[1])
