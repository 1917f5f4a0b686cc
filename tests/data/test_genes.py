"""Genes are found by their names and chosen by their variance, of cells in memory."""

import json
import warnings

import anndata
import numpy as np
import pandas
import pytest
import scipy.sparse
from small_cells import GENES, SMALL, annotated, cells, logged

from vade_tf import VaDEClusterer, metrics
from vade_tf.data import genes
from vade_tf.data.coding import coded
from vade_tf.data.files import load_file
from vade_tf.data.genes import Cells, Genes, are_counts, check_alike, origins_of
from vade_tf.errors import InputError, UnitsWarning
from vade_tf.model.choice import choose

SHORT = {"pretrain_epochs": 0, "epochs": 1, "batch_size": 64, "init": "kmeans", "random_state": 0, **SMALL}


def test_genes_are_found_by_their_names_wherever_they_stand():
    x, _ = cells(20)
    found = Genes.infer(Cells(x, GENES))
    assert (found.features, found.layer, found.counted, found.kind) == (GENES, "", True, "counts")
    order = np.random.default_rng(0).permutation(30)
    more = scipy.sparse.hstack([x[:, order], x[:, :1]], format="csc")
    again = found.encode(Cells(more, [*np.array(GENES)[order], "other"]))
    assert again.format == "csr"
    np.testing.assert_array_equal(again.toarray(), x.toarray())
    with pytest.raises(InputError, match=r"data: expected the 30 genes of the training, got data without 2 of them"):
        found.encode(Cells(x[:, :28], GENES[:28]))
    with pytest.raises(InputError, match=r"expected a layer 'counts', got the layers \['raw'\]"):
        Genes.infer(Cells(x, GENES, layers={"raw": x}), "counts")


def test_a_gene_of_the_training_that_stands_twice_is_refused():
    x, _ = cells(30)
    twice = ["gene0", "gene0", *GENES[2:]]
    with pytest.raises(InputError, match="^data: expected genes with different names, got 'gene0' twice"):
        Genes(("gene0", "gene5")).encode(Cells(x, twice))
    with pytest.raises(InputError, match="^data: expected genes with different names, got 'gene0' twice"):
        Genes.infer(Cells(x, twice))
    np.testing.assert_array_equal(Genes(("gene5", "gene2")).encode(Cells(x, twice)).toarray(), x[:, [5, 2]].toarray())


def test_cells_that_are_still_in_their_file_are_read_as_others(tmp_path):
    annotated(20).write_h5ad(tmp_path / "cells.h5ad")
    backed = anndata.read_h5ad(tmp_path / "cells.h5ad", backed="r")
    found = Genes.infer(backed, limit=12).encode(backed)
    expected = Genes.infer(annotated(20), limit=12).encode(annotated(20))
    np.testing.assert_array_equal(found.toarray(), expected.toarray())
    backed.file.close()


@pytest.mark.parametrize("form", ["csr", "csc"])
@pytest.mark.parametrize(("part", "number"), [("indices", 30), ("indices", -1), ("indptr", 2**31 - 1)])
def test_a_matrix_with_an_index_beyond_its_end_is_refused(form, part, number):
    x = cells(30)[0].asformat(form)
    getattr(x, part)[7] = number
    with pytest.raises(ValueError, match="index|indices|indptr"):
        Genes.infer(Cells(x, GENES))


@pytest.mark.parametrize("damage", [{"names": []}, {"names": ["a", "a"]}, {"names": ["a", 1]}, {"counted": 1}])
def test_genes_come_back_from_json_and_damaged_ones_are_refused(damage):
    found = Genes(("a", "b"), "counts", True)
    values = json.loads(json.dumps(found.to_dict()))
    assert coded(values) == found
    older = {name: value for name, value in values.items() if name != "counted"}
    assert coded(older) == Genes(("a", "b"), "counts")
    with pytest.raises(ValueError):  # noqa: PT011  any of them
        coded({**values, **damage})


def test_a_number_of_genes_is_one_that_there_is():
    with pytest.raises(InputError, match="genes: expected a number from 1 to that of the genes, 30, got 31"):
        Genes.infer(annotated(30), limit=31)


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_table_of_the_genes_is_read_as_their_cells(tmp_path, kind):
    x = cells(20)[0].toarray()
    schema = Genes.infer(Cells(x, GENES, layers={"counts": x}), "counts")
    table = pandas.DataFrame(x, columns=GENES).iloc[:, np.random.default_rng(0).permutation(30)]
    table = table.assign(note="seen", barcode=[f"cell{i}" for i in range(20)])

    def load(table, **more):
        file = tmp_path / f"new.{kind}"
        table.to_csv(file, index=False) if kind == "csv" else table.to_parquet(file)
        return load_file(str(file), schema=schema, plain=True, **more)

    found = load(table, labels="note", id="barcode")
    np.testing.assert_array_equal(np.asarray(found.x), x)
    assert found.ids.tolist() == table["barcode"].tolist()
    with pytest.raises(InputError, match="^data: expected the 30 genes of the training, got data without 1 of them"):
        load(table.drop(columns="gene7"))
    with pytest.raises(InputError, match="^data: expected numbers in the column of each gene, got others in 'gene3'"):
        load(table.assign(gene3="many"))


def test_the_batch_of_a_cell_is_the_place_of_its_value():
    data = annotated(60)
    data.obs["lab"] = ["b", "a", "c"] * 20
    np.testing.assert_array_equal(origins_of(data, "lab"), [1, 0, 2] * 20)
    assert origins_of(data, None) is None
    data.obs["one"], data.obs["each"], data.obs["hole"] = "a", data.obs_names, ["a", None, "b"] * 20
    for column, words in (("one", "1 different"), ("each", "60 different"), ("hole", "20 without"), ("no", "'no'")):
        with pytest.raises(InputError, match=f"^batch: .*{words}"):
            origins_of(data, column)


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


def test_counts_of_a_layer_and_logarithms_in_x(eager):
    data = logged(annotated(90))
    model = VaDEClusterer(3, layer="counts", **SHORT).fit(data)
    assert model.likelihood_ == "counts"
    with pytest.warns(UnitsWarning, match="X holds no counts, .*layer='counts' reads counts"):
        plain = VaDEClusterer(3, **SHORT).fit(data)
    assert plain.likelihood_ == "gaussian"
    with pytest.warns(UnitsWarning, match="^X: expected other numbers than counts, got counts"):
        plain.predict(annotated(90))


def dense_counts(n=60):
    """Counts of which few are 0, one gene far above the others: [n, 30]."""
    x = np.random.default_rng(0).poisson(20.0, (n, 30)).astype("f4")
    x[:, 3] *= 40
    return scipy.sparse.csr_matrix(x)


@pytest.mark.parametrize("form", [np.asarray, scipy.sparse.csr_array])
def test_counts_are_whole_and_some_are_above_1(form, monkeypatch):
    monkeypatch.setattr(genes, "MAX_ROWS_TOGETHER", 7)
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
    monkeypatch.setattr(genes, "MAX_NUMBERS_DENSE", 7 * 30)  # a few cells at a time
    np.testing.assert_array_equal(genes.variable(form(x), 12), expected)
    assert 4 not in expected
    with pytest.raises(InputError, match="genes: expected counts, whole numbers from 0 up"):
        genes.variable(form(x / 2), 12)
