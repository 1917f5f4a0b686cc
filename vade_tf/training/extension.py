"""A start on many rows: groups are found on some of them, and the others get theirs through landmarks.

Time is linear in the rows, and memory that of the codes of a block: labels spread over an anchor graph (Liu et al.,
ICML 2010). A row's group is that of the landmarks it is tied to, each of which counts with the groups of the rows it
stands for:

    group_i = argmax_c sum_views sum_l tie_il share_lc,      share_lc = sum_j tie_jl [group_j = c] / sum_j tie_jl
"""

from collections.abc import Sequence

import numpy as np
import scipy.sparse
from sklearn.neighbors import NearestNeighbors

from vade_tf.seeding import subset
from vade_tf.training import regions

READ = 100_000  # rows that a start reads; more than these get their groups from those
EACH = 4  # landmarks for each group at least


def read_rows(n: int, seed: int) -> np.ndarray | None:
    """The numbers of the rows, ascending, that a start of n rows reads; None: all of them."""
    return None if n <= READ else subset(n, READ, seed, 4)


class Extension:
    """The groups of some rows, for others.

    Args:
        views: the rows that have groups, in one or more spaces: [n, d] each.
        groups: theirs, int [n].
        n_clusters: K.
        seed: of the landmarks.
    """

    def __init__(self, views: Sequence[np.ndarray], groups: np.ndarray, n_clusters: int, seed: int):
        n = len(groups)
        own = scipy.sparse.csr_matrix((np.ones(n), groups, np.arange(n + 1)), (n, n_clusters))
        most = min(max(regions.LANDMARKS, EACH * n_clusters), n // 5)
        self.nearest, self.share = [], []
        for view in views:
            rows = np.ascontiguousarray(view, np.float32)
            search = NearestNeighbors(n_neighbors=min(regions.NEAREST + 1, most), algorithm="brute")
            self.nearest.append(search.fit(regions.landmarks(rows, seed, most)))
            ties = regions.tied(rows, self.nearest[-1])
            self.share.append((ties.T @ own).toarray() / np.maximum(ties.sum(axis=0).T, 1e-12))  # [M, K]

    def groups(self, views: Sequence[np.ndarray]) -> np.ndarray:
        """The groups of other rows, in the same spaces: int32 [n]."""
        found = [
            regions.tied(np.ascontiguousarray(view, np.float32), nearest) @ share
            for view, nearest, share in zip(views, self.nearest, self.share, strict=True)
        ]
        return np.asarray(sum(found)).argmax(axis=1).astype(np.int32)
