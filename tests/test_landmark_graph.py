"""The eigenvectors of a graph of landmarks are those of its dense matrix, by whatever way they are found."""

import numpy as np
import pytest
import scipy.sparse
from sklearn.metrics import adjusted_rand_score

from vade_tf.training import regions


def graph(rng, parts=1, each=240, without_rows=0):
    """Landmarks [M, M] as `landmark_cuts` ties them; a row belongs to three neighbours in a ring of them."""
    blocks = []
    for _ in range(parts):
        rows = np.repeat(np.arange(5 * each), 3)
        columns = (rows // 5 + rng.integers(0, 12, len(rows))) % each
        ties = scipy.sparse.csr_matrix((rng.uniform(0.2, 1, len(rows)), (rows, columns)), (5 * each, each))
        blocks.append(scipy.sparse.diags_array(1 / np.ravel(ties.sum(axis=1))) @ ties)
    ties = scipy.sparse.block_diag([*blocks, *[scipy.sparse.csr_matrix((0, 1))] * without_rows], format="csr")
    ties = ties @ scipy.sparse.diags_array(1 / np.sqrt(np.maximum(np.ravel(ties.sum(axis=0)), 1e-12)))
    return (ties.T @ ties).tocsr()


@pytest.mark.parametrize(("parts", "m"), [(1, 8), (1, 40), (12, 15), (12, 4)])
@pytest.mark.parametrize("without_rows", [0, 7])
def test_they_are_the_largest_ones_of_the_dense_matrix(rng, parts, m, without_rows):
    between = graph(rng, parts, 240 // parts, without_rows)
    values, vectors = regions.largest(between, m, 0, 1)
    dense = between.toarray()
    np.testing.assert_allclose(values, np.linalg.eigvalsh(dense)[-m:], atol=1e-12)
    np.testing.assert_allclose(dense @ vectors, vectors * values, atol=1e-12)
    np.testing.assert_allclose(vectors.T @ vectors, np.eye(m), atol=1e-12)
    np.testing.assert_allclose(values[-1], 1)


@pytest.mark.parametrize(("parts", "m", "dense"), [(1, 8, False), (1, 40, True), (12, 8, True)])
@pytest.mark.parametrize("without_rows", [0, 7])
def test_a_graph_in_one_piece_of_which_few_are_asked_is_not_made_dense(rng, monkeypatch, parts, m, dense, without_rows):
    between, made = graph(rng, parts, 240 // parts, without_rows), []
    to_dense = scipy.linalg.eigh
    monkeypatch.setattr(scipy.linalg, "eigh", lambda *given, **more: made.append(1) or to_dense(*given, **more))
    regions.largest(between, m, 0, 1)
    assert bool(made) == dense


def test_a_view_in_parts_beside_one_that_ties_all_is_solved_whole(rng):
    """All rows are one in that view, so the graph is in one piece; the parts of the other still have equal values."""
    groups = np.arange(1200) % 12
    parted = (40 * np.eye(12)[groups] + rng.normal(size=(1200, 12))).astype("f4")
    found = regions.landmark_draw([parted, np.zeros((1200, 3), "f4")], 12, 0)
    assert adjusted_rand_score(groups, found) == 1
