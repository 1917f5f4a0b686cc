"""Numbers of genes in cells: whether they are counts, what to say where they are none, which genes vary most."""

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import scipy.sparse

from vade_tf.data.dataset import Observations
from vade_tf.errors import InputError, UnitsWarning
from vade_tf.machine import spans

THETA = 100.0  # of the negative binomial that genes are held against
MAX_ROWS_TOGETHER = 2**22
MAX_NUMBERS_DENSE = 2**22  # of cells that are made dense together


def are_counts(numbers: Any, above: float = 1.0) -> bool:
    """Whether numbers [cells, genes], dense or sparse, are whole and from 0 up, some of them above a number."""
    if numbers.dtype.kind not in "biuf":
        return False
    stored, high = numbers.data if scipy.sparse.issparse(numbers) else numbers, -1.0
    for rows in spans(stored.shape[0], stored.shape[1] if len(stored.shape) > 1 else 1, MAX_ROWS_TOGETHER):
        part = np.asarray(stored[rows])
        if not (np.isfinite(part) & (part >= 0) & (part == np.round(part))).all():
            return False
        high = max(high, float(part.max(initial=0)))
    return high > above


def describe_numbers(rows: Observations, layer: str, layers: Mapping[str, Any]) -> list[str]:
    """A sentence where cells are taken for numbers though nothing says that they are: what to do if there are counts.

    Args:
        rows: of the genes that are read.
        layer: name of the layer that is read; "": X.
        layers: all of them, [cells, genes] each.
    """
    scale, offset = rows.grey
    on_and_off = 0 <= rows.low * scale + offset <= rows.high * scale + offset <= 1
    if rows.likelihood != "auto" or rows.kind == "counts" or on_and_off:
        return []
    counted = [name for name in layers if name != layer and are_counts(layers[name])]
    where = f"layer {layer[:40]!r}" if layer else "X"
    todo = "give counts if there are any, or say likelihood='gaussian'"
    if counted:
        todo = f"layer={max(counted, key='counts'.__eq__)!r} reads counts, or say likelihood='gaussian'"
    return [f"{where} holds no counts, so its values are taken for numbers; {todo}"]


def check_alike(x: Any, known: bool | None, argument: str) -> None:
    """Warns where new numbers are counts and those of the training were none, or the other way round.

    Args:
        x: new numbers [cells, genes], as a model reads them.
        known: whether those of the training were counts; None: it is not known.
        argument: what the warning names.
    """
    least = -1.0 if known else 1.0  # of counts a few may be 0 and 1 alone
    if known is not None and are_counts(getattr(x, "matrix", x), least) != known:
        what = "counts, as the model was trained on, got others" if known else "other numbers than counts, got counts"
        warnings.warn(
            f"{argument}: expected {what}; give cells in the units of the training", UnitsWarning, stacklevel=4
        )


def variable(counts: np.ndarray | scipy.sparse.csr_array, number: int) -> np.ndarray:
    """The genes that vary most from cell to cell, against what their mean and the size of each cell explain.

    Ranked by the variance of the Pearson residuals of a negative binomial, r = (x - mu) / sqrt(mu + mu^2 / 100) with
    mu = sum of the cell * share of the gene, cut off at the square root of the number of cells (Lause, Berens & Kobak,
    Genome Biology 2021; scanpy's flavor "pearson_residuals"). A few cells are made dense at a time.

    Args:
        counts: whole numbers from 0 up, [cells, genes].
        number: of genes, at most all.

    Returns:
        Their numbers, ascending.

    Raises:
        InputError: they are no counts.
    """
    n, width = counts.shape
    if not are_counts(counts, -1.0):
        raise InputError("genes", "counts, whole numbers from 0 up, to choose genes by", "others", "name their layer")
    size = np.asarray(counts.sum(axis=1, dtype=np.float64)).ravel()
    share = np.asarray(counts.sum(axis=0, dtype=np.float64)).ravel() / max(size.sum(), 1.0)
    total, square, rows = np.zeros(width), np.zeros(width), max(1, MAX_NUMBERS_DENSE // width)
    for start in range(0, n, rows):
        part = counts[start : start + rows]
        mu = size[start : start + rows, None] * share  # [rows, genes]
        residual = (part if isinstance(part, np.ndarray) else part.toarray()) - mu
        residual /= np.sqrt(np.maximum(mu + mu**2 / THETA, 1e-12))
        np.clip(residual, -np.sqrt(n), np.sqrt(n), out=residual)
        total, square = total + residual.sum(axis=0), square + (residual**2).sum(axis=0)
    variance = square / n - (total / n) ** 2
    return np.sort(np.argsort(-variance, kind="stable")[:number])
