"""Principal components given as features: told by their columns, so that each keeps its share of the variance."""

import numpy as np

from vade_tf.data import checks
from vade_tf.data.sparse import Rows

FEWEST, MOST = 3, 2000  # columns: the one cosine of two is small by chance often enough; more take much memory
CHANCE = 1e-6  # that columns which know nothing of one another are as little correlated as these
ORDERED = 0.9  # rank correlation of the place of a column with its size, the widest first


def are_components(x: Rows) -> bool:
    """Whether the columns of dense rows [n, D] are principal components, of PCA or of a truncated SVD.

    They are orthogonal (about 0, where those of PCA have their mean), so some numbers are below 0, and the widest
    stands first. With r the cosine of two columns that know nothing of one another, the sum of n r^2 over M pairs is
    distributed as chi-squared with M degrees of freedom; that of components is 0, and still far below M where the rows
    are most of those that the components were found on.
    """
    from scipy.stats import chi2, rankdata  # takes half of the time of `vade-tf --help` to load

    n, width = x.shape
    if not FEWEST <= width <= MOST:
        return False
    if not any((rows < 0).any() for rows in checks.blocks(x)):
        return False  # rows that hold one number each are orthogonal, too
    squares = sum(np.einsum("nd,nd->d", rows, rows, dtype=np.float64) for rows in checks.blocks(x))
    place = rankdata(-squares)
    if not np.ptp(place) or np.corrcoef(place, np.arange(width))[0, 1] < ORDERED:
        return False
    products = np.zeros((width, width))
    for rows in checks.blocks(x):
        exact = rows.astype(np.float64)
        products += exact.T @ exact
    there = squares > 0
    size = np.sqrt(squares[there])
    cosines = (products[np.ix_(there, there)] / np.outer(size, size))[np.triu_indices(len(size), 1)]
    return len(size) >= FEWEST and chi2.cdf(n * (cosines**2).sum(), len(cosines)) < CHANCE
