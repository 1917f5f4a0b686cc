"""Numbers of genes in cells: whether they are counts, and of which genes these vary most."""

from typing import Any

import numpy as np
import scipy.sparse

from vade_tf.errors import InputError

THETA = 100.0  # of the negative binomial that genes are held against
BLOCK = 2**22  # numbers looked at together


def tail_of(numbers: Any) -> float:
    """The largest of whole numbers from 0 up over the mean of those not 0, 1.0 where all are 0; 0.0: not all are such.

    Of counts it is large, of ranks, marks and copies of genes it is not.

    Args:
        numbers: [cells, genes], dense or CSR.
    """
    if numbers.dtype.kind not in "biuf":
        return 0.0
    largest, total, filled, rows = 0.0, 0.0, 0, max(1, BLOCK // max(numbers.shape[1], 1))
    for start in range(0, numbers.shape[0], rows):
        part = numbers[start : start + rows]
        part = np.asarray(part.data if scipy.sparse.issparse(part) else part)
        if not (np.isfinite(part) & (part >= 0) & (part == np.round(part))).all():
            return 0.0
        largest = max(largest, float(part.max(initial=0)))
        total, filled = total + float(part.sum(dtype=np.float64)), filled + int(np.count_nonzero(part))
    return largest * filled / total if total else 1.0


def variable(counts: np.ndarray | scipy.sparse.csr_array, most: int) -> np.ndarray:
    """The genes that vary most from cell to cell, against what their mean and the size of each cell explain.

    Ranked by the variance of the Pearson residuals of a negative binomial, r = (x - mu) / sqrt(mu + mu^2 / 100) with
    mu = sum of the cell * share of the gene, cut off at the square root of the number of cells (Lause, Berens & Kobak,
    Genome Biology 2021; scanpy's flavor "pearson_residuals"). A few cells are made dense at a time.

    Args:
        counts: whole numbers from 0 up, [cells, genes].
        most: number of genes, at most all.

    Returns:
        Their numbers, ascending.

    Raises:
        InputError: they are no counts.
    """
    n, width = counts.shape
    stored = np.asarray(counts.data if scipy.sparse.issparse(counts) else counts)
    if not np.isfinite(stored).all() or (stored < 0).any() or (stored != np.round(stored)).any():
        raise InputError(
            "genes: expected counts, whole numbers from 0 up, to choose genes by, got others; name the layer that has "
            "them with layer"
        )
    size = np.asarray(counts.sum(axis=1, dtype=np.float64)).ravel()
    share = np.asarray(counts.sum(axis=0, dtype=np.float64)).ravel() / max(size.sum(), 1.0)
    total, square, rows = np.zeros(width), np.zeros(width), max(1, BLOCK // width)
    for start in range(0, n, rows):
        part = counts[start : start + rows]
        mu = size[start : start + rows, None] * share  # [rows, genes]
        residual = (part if isinstance(part, np.ndarray) else part.toarray()) - mu
        residual /= np.sqrt(np.maximum(mu + mu**2 / THETA, 1e-12))
        np.clip(residual, -np.sqrt(n), np.sqrt(n), out=residual)
        total, square = total + residual.sum(axis=0), square + (residual**2).sum(axis=0)
    variance = square / n - (total / n) ** 2
    return np.sort(np.argsort(-variance, kind="stable")[:most])
