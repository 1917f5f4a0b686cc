"""Sparse rows through a whole run: the figures of their dense copy, and never a dense whole in memory."""

import tracemalloc
from types import SimpleNamespace

import numpy as np
import pytest
import scipy.sparse

from vade_tf.data import pipeline
from vade_tf.data.observations import observe
from vade_tf.data.sparse import SparseRows
from vade_tf.errors import InputError
from vade_tf.model import choice
from vade_tf.training import health


def test_very_wide_rows_are_made_dense_a_few_at_a_time():
    """Words of texts: 1,000 of them as dense rows of float32 would be 400 MB."""
    n, d = 3000, 100_000
    r = np.random.default_rng(0)
    matrix = scipy.sparse.csr_array((r.integers(1, 5, 20 * n).astype("f8"), r.integers(0, d, 20 * n),
                                     np.arange(n + 1) * 20), (n, d))  # fmt: skip
    matrix.data[7] = 60.0
    tracemalloc.start()
    try:
        data = observe(matrix)
        counts = choice.choose(data)
        model = SimpleNamespace(likelihood=counts, scale=lambda rows: rows)
        choice.check_units(model, data.x)
        sizes = [len(rows) for rows in pipeline.blocks(data.x)]
        looked_at = health.sample(data.x, seed=0)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert counts.name == "counts"
    assert counts.size == np.median(matrix.sum(axis=1))
    assert (max(sizes) * d <= 1 << 24, sum(sizes), looked_at.shape) == (True, n, (3000, d))
    assert peak < 5 * 4 * (1 << 24)
    matrix.data[20 * 2000] = np.inf
    with pytest.raises(InputError, match=rf"got inf at row 2000, column {matrix.indices[20 * 2000]} "):
        choice.check_units(model, SparseRows(matrix))


def test_a_cell_that_is_stored_in_parts_is_their_sum(rng):
    """As CSR allows it: the largest value and the moments are those of the cells."""
    x = rng.integers(4, 9, (40, 6)).astype("f4")
    parts, columns = np.stack([x - 1, np.ones_like(x)], axis=2), np.tile(np.repeat(np.arange(6), 2), 40)
    matrix = scipy.sparse.csr_array((parts.ravel(), columns, np.arange(41) * 12), (40, 6))
    assert matrix.nnz == 2 * x.size
    rows, dense = observe(matrix), observe(x)
    assert rows.high == dense.high
    np.testing.assert_allclose(rows.moments(), dense.moments(), rtol=1e-4)
