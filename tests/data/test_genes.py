"""Genes are found by their names and chosen by their variance, of cells in memory."""

import json

import anndata
import numpy as np
import pandas
import pytest
import scipy.sparse
from small_cells import GENES, SMALL, annotated, cells, logged

from vade_tf import VaDEClusterer, metrics
from vade_tf.data.coding import coded
from vade_tf.data.files import load_file
from vade_tf.data.genes import Cells, Genes, origins_of
from vade_tf.errors import InputError, UnitsWarning

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
