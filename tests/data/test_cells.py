"""Genes are found by their names and chosen by their variance, of cells in memory and in files."""

import json

import anndata
import numpy as np
import pandas
import pytest
import scipy.sparse
from small_files import chosen, loaded

from vade_tf import VaDEClusterer, metrics
from vade_tf.data import cells as module
from vade_tf.data.cells import Genes, are_counts, batch_index_of
from vade_tf.data.schema import Schema
from vade_tf.errors import InputError

GENES = [f"gene{j}" for j in range(30)]
TYPES = np.array(["B", "T", "NK"])
SMALL = {"latent_dim": 3, "hidden": (24,), "precision": "float32"}


def cells(n, seed=0):
    """Counts of n cells and their types: (CSR [n, 30], int [n])."""
    r = np.random.default_rng(seed)
    y = np.arange(n) % 3
    gene = np.where(np.arange(30) < 3, 8.0, 1.0)  # the first of each type is seen often
    mean = gene * np.where(np.arange(30) % 3 == y[:, None], 6.0, 0.1) * r.uniform(0.3, 1.5, (n, 1))
    return scipy.sparse.csr_matrix(r.negative_binomial(2.0, 2.0 / (2.0 + mean)).astype("f4")), y


def annotated(n, seed=0, order=slice(None), **layers):
    """The same as an AnnData, its genes in any order."""
    x, y = cells(n, seed)
    obs = pandas.DataFrame({"kind": TYPES[y]}, index=[f"cell{i}" for i in range(n)])
    return anndata.AnnData(x, obs=obs, var=pandas.DataFrame(index=GENES), layers=layers)[:, order].copy()


def test_genes_are_found_by_their_names_wherever_they_stand():
    data, x = annotated(20), cells(20)[0].toarray()
    found = Genes.infer(data)
    assert (found.features, found.layer, found.counted, found.kind) == (GENES, "", True, "counts")
    order = np.random.default_rng(0).permutation(30)
    more = anndata.concat([data[:, order], data[:, :1].to_memory().copy()], axis=1, merge="first")
    more.var_names = [*np.array(GENES)[order], "other"]
    np.testing.assert_array_equal(found.encode(more).toarray(), x)
    with pytest.raises(InputError, match=r"data: expected the 30 genes of the training, got data without 2 of them"):
        found.encode(data[:, :28])
    with pytest.raises(InputError, match=r"expected a layer 'counts', got the layers \[\]"):
        Genes.infer(data, "counts")


def test_a_gene_of_the_training_that_stands_twice_is_refused():
    twice = annotated(30)
    twice.var_names = ["gene0", "gene0", *GENES[2:]]
    for use in (Genes(("gene0", "gene5")).encode, Genes.infer):
        with pytest.raises(InputError, match="^data: expected genes with different names, got 'gene0' twice"):
            use(twice)
    found = Genes(("gene5", "gene2")).encode(twice)
    np.testing.assert_array_equal(found.toarray(), twice.X[:, [5, 2]].toarray())


@pytest.mark.parametrize("form", ["csr", "csc"])
@pytest.mark.parametrize(("part", "number"), [("indices", 30), ("indices", -1), ("indptr", 2**31 - 1)])
def test_a_matrix_with_an_index_beyond_its_end_is_refused(form, part, number):
    data = annotated(30)
    data.X = data.X.asformat(form)
    getattr(data.X, part)[7] = number
    with pytest.raises(ValueError, match="index|indices|indptr"):
        Genes.infer(data)


@pytest.mark.parametrize("damage", [{"names": []}, {"names": ["a", "a"]}, {"counted": 1}])
def test_genes_come_back_from_json_and_damaged_ones_are_refused(damage):
    found = Genes(("a", "b"), "counts", True)
    values = json.loads(json.dumps(found.to_dict()))
    assert Genes.from_dict(values) == found
    older = {name: value for name, value in values.items() if name != "counted"}
    assert Genes.from_dict(older) == Genes(("a", "b"), "counts")
    with pytest.raises(ValueError):  # noqa: PT011  any of them
        Genes.from_dict({**values, **damage})


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_table_of_the_genes_is_read_as_their_cells(tmp_path, kind):
    x = cells(20)[0].toarray()
    schema = Genes.infer(annotated(20, counts=x), "counts")
    table = pandas.DataFrame(x, columns=GENES).iloc[:, np.random.default_rng(0).permutation(30)]
    table = table.assign(note="seen", barcode=[f"cell{i}" for i in range(20)])

    def load(table, **more):
        file = tmp_path / f"new.{kind}"
        table.to_csv(file, index=False) if kind == "csv" else table.to_parquet(file)
        return loaded(str(file), schema=schema, **more)

    found = load(table, labels="note", id="barcode")
    np.testing.assert_array_equal(np.asarray(found.x), x)
    assert found.ids.tolist() == table["barcode"].tolist()
    with pytest.raises(InputError, match="^data: expected the 30 genes of the training, got data without 1 of them"):
        load(table.drop(columns="gene7"))
    with pytest.raises(InputError, match="expected numbers"):
        load(table.assign(gene3="many"))


def test_the_batch_of_a_cell_is_the_place_of_its_value():
    data = annotated(60)
    data.obs["lab"] = ["b", "a", "c"] * 20
    np.testing.assert_array_equal(batch_index_of(data, "lab"), [1, 0, 2] * 20)
    assert batch_index_of(data, None) is None
    data.obs["one"], data.obs["each"], data.obs["hole"] = "a", data.obs_names, ["a", None, "b"] * 20
    for column, words in (("one", "1 different"), ("each", "60 different"), ("hole", "20 without"), ("no", "'no'")):
        with pytest.raises(InputError, match=f"^batch: .*{words}"):
            batch_index_of(data, column)


def test_the_groups_of_an_annotated_data_set(tmp_path, eager):
    data = annotated(240)
    model = VaDEClusterer(3, pretrain_epochs=15, epochs=15, batch_size=64, random_state=0, genes=24, **SMALL).fit(data)
    assert metrics.accuracy(cells(240)[1], model.labels_) > 0.95
    assert len(model.genes_) == 24
    model.save(tmp_path / "c.vade")
    again = VaDEClusterer.load(tmp_path / "c.vade")
    reordered = annotated(240, order=np.arange(30)[::-1])
    np.testing.assert_array_equal(again.predict(reordered), model.labels_)
    np.testing.assert_array_equal(again.predict(reordered.to_df()), model.labels_)
    with pytest.raises(ValueError, match=r"X: expected the 24 genes of the training, got data without \d+ of them"):
        model.predict(data[:, :20])


def dense_counts(n=60):
    """Counts of which few are 0, one gene far above the others: [n, 30]."""
    x = np.random.default_rng(0).poisson(20.0, (n, 30)).astype("f4")
    x[:, 3] *= 40
    return scipy.sparse.csr_matrix(x)


@pytest.mark.parametrize("form", [np.asarray, scipy.sparse.csr_array])
def test_counts_are_whole_and_some_are_above_1(form, monkeypatch):
    monkeypatch.setattr(module, "MAX_NUMBERS_TOGETHER", 7)
    x = cells(50)[0].toarray()
    assert are_counts(form(x))
    for other in (0.5 * x, -1 * x, np.where(x == x.max(), np.inf, x), 0 * x, (x > 0).astype("f4")):
        assert not are_counts(form(other))


@pytest.mark.parametrize("kept", [None, 20, 1])
def test_cells_are_counts_however_few_are_0_and_however_many_genes_are_kept(tmp_path, kept):
    data = annotated(60)
    data.X = dense_counts()
    data.write_h5ad(tmp_path / "cells.h5ad")
    found = loaded(str(tmp_path / "cells.h5ad"), genes=kept)
    assert chosen(found).name == "counts"


@pytest.mark.parametrize("form", [np.asarray, scipy.sparse.csr_array], ids=["dense", "sparse"])
def test_the_most_variable_genes_by_the_variance_of_pearson_residuals(form, monkeypatch):
    x = cells(50)[0].toarray()
    x[:, 4] = 5.0  # the same in every cell, and 5 is much
    mu = np.outer(x.sum(axis=1), x.sum(axis=0)) / x.sum()
    residual = np.clip((x - mu) / np.sqrt(mu + mu**2 / 100), -np.sqrt(50), np.sqrt(50))
    expected = np.sort(residual.var(axis=0).argsort()[::-1][:12])
    monkeypatch.setattr(module, "MAX_NUMBERS_TOGETHER", 7 * 30)  # a few cells at a time
    np.testing.assert_array_equal(module.variable(form(x), 12), expected)
    assert 4 not in expected
    with pytest.raises(InputError, match="genes: expected counts, whole numbers from 0 up"):
        module.variable(form(x / 2), 12)


@pytest.mark.parametrize("packed", [None, "gzip"])
@pytest.mark.parametrize("form", [scipy.sparse.csr_matrix, scipy.sparse.csc_matrix, scipy.sparse.csr_matrix.toarray])
def test_the_cells_of_an_h5ad(tmp_path, form, packed):
    data, (x, y) = annotated(60), cells(60)
    data.X = form(x)
    data.layers["tens"] = 10 * x
    data.obs["lab"] = ["a", "b"] * 30
    data.write_h5ad(tmp_path / "cells.h5ad", compression=packed)
    found = loaded(str(tmp_path / "cells.h5ad"), "kind", batch="lab")
    np.testing.assert_array_equal(found.x[:], x.toarray())
    np.testing.assert_array_equal(found.y, np.unique(TYPES[y], return_inverse=True)[1])
    np.testing.assert_array_equal(found.batch_index, [0, 1] * 30)
    assert (found.ids.tolist(), found.schema.features) == (data.obs_names.tolist(), GENES)
    assert found.notice.splitlines() == ["30 genes, from X", "2 batches, from obs column 'lab'"]
    few = loaded(str(tmp_path / "cells.h5ad"), layer="tens", genes=5)
    assert (few.x.shape, few.notice) == ((60, 5), "5 genes, from layer 'tens'")
    again = loaded(str(tmp_path / "cells.h5ad"), schema=few.schema)
    np.testing.assert_array_equal(again.x[:], few.x[:])


def test_cells_for_a_run_on_a_table_are_coded_by_the_names_of_its_columns(tmp_path):
    """Whatever the order of the genes, and with further ones."""
    data = annotated(90)
    schema = Schema.infer(data.to_df().iloc[:, :20], "x")
    annotated(90, order=np.arange(30)[::-1]).write_h5ad(tmp_path / "cells.h5ad")
    expected = schema.encode(data.to_df(), "x")[0]
    np.testing.assert_array_equal(loaded(str(tmp_path / "cells.h5ad"), schema=schema).x, expected)
