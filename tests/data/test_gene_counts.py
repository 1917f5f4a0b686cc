"""What the numbers of cells are: counts or others, however many genes are kept; and which genes vary most."""

import warnings

import numpy as np
import pytest
import scipy.sparse
from small_cells import annotated, cells, logged

from vade_tf.data import gene_counts
from vade_tf.data.files import load_file
from vade_tf.data.gene_counts import are_counts, check_alike
from vade_tf.errors import InputError
from vade_tf.model.choice import choose


def dense_counts(n=60):
    """Counts of which few are 0, one gene far above the others: [n, 30]."""
    x = np.random.default_rng(0).poisson(20.0, (n, 30)).astype("f4")
    x[:, 3] *= 40
    return scipy.sparse.csr_matrix(x)


@pytest.mark.parametrize("form", [np.asarray, scipy.sparse.csr_array])
def test_counts_are_whole_and_some_are_above_1(form, monkeypatch):
    monkeypatch.setattr(gene_counts, "MAX_ROWS_TOGETHER", 7)
    x = cells(50)[0].toarray()
    assert are_counts(form(x))
    for other in (0.5 * x, -1 * x, np.where(x == x.max(), np.inf, x), 0 * x, (x > 0).astype("f4")):
        assert not are_counts(form(other))


@pytest.mark.parametrize("kept", [None, 20, 1])
def test_cells_are_counts_however_few_are_0_and_however_many_genes_are_kept(tmp_path, kept):
    data = annotated(60)
    data.X = dense_counts()
    data.write_h5ad(tmp_path / "cells.h5ad")
    found = load_file(str(tmp_path / "cells.h5ad"), genes=kept)
    assert choose(found).name == "counts"
    assert "no counts" not in found.notice


def test_layers_with_counts_are_named_where_x_holds_none(tmp_path):
    data = logged(annotated(60))

    def notice(**more):
        data.write_h5ad(tmp_path / "cells.h5ad")
        return load_file(str(tmp_path / "cells.h5ad"), **more).notice

    none = "X holds no counts, so its values are taken for numbers; "
    assert notice().endswith(none + "layer='counts' reads counts, or say likelihood='gaussian'")
    assert "no counts" not in notice(layer="counts")
    assert "no counts" not in notice(likelihood="gaussian")
    del data.layers["counts"]
    assert notice().endswith(none + "give counts if there are any, or say likelihood='gaussian'")
    data.X = (data.X > 0).astype("f4")  # genes that are on or off are no numbers
    assert "no counts" not in notice()


@pytest.mark.parametrize("known", [None, False, True], ids=["unknown", "others", "counts"])
@pytest.mark.parametrize("given", ["counts", "one cell", "logarithms"])
def test_new_cells_are_doubted_where_one_of_both_is_counts_and_the_other_is_none(known, given):
    x = {"counts": dense_counts(), "one cell": cells(1)[0], "logarithms": dense_counts().log1p()}[given]
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        check_alike(x, known, "data")
    assert bool(warned) == (known is not None and known != (given != "logarithms"))


@pytest.mark.parametrize("form", [np.asarray, scipy.sparse.csr_array], ids=["dense", "sparse"])
def test_the_most_variable_genes_by_the_variance_of_pearson_residuals(form, monkeypatch):
    x = cells(50)[0].toarray()
    x[:, 4] = 5.0  # the same in every cell, and 5 is much
    mu = np.outer(x.sum(axis=1), x.sum(axis=0)) / x.sum()
    residual = np.clip((x - mu) / np.sqrt(mu + mu**2 / 100), -np.sqrt(50), np.sqrt(50))
    expected = np.sort(residual.var(axis=0).argsort()[::-1][:12])
    monkeypatch.setattr(gene_counts, "MAX_NUMBERS_DENSE", 7 * 30)  # a few cells at a time
    np.testing.assert_array_equal(gene_counts.variable(form(x), 12), expected)
    assert 4 not in expected
    with pytest.raises(InputError, match="genes: expected counts, whole numbers from 0 up"):
        gene_counts.variable(form(x / 2), 12)
