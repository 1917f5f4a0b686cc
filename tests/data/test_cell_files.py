"""Files of cells: .h5ad, and .h5 as 10x Genomics and others write it."""

import h5py
import numpy as np
import pytest
import scipy.sparse
from small_cells import GENES, TYPES, annotated, cells

from vade_tf.data.files import load_file
from vade_tf.data.genes import Genes
from vade_tf.data.schema import Schema
from vade_tf.data.sparse import SparseRows
from vade_tf.errors import InputError


@pytest.mark.parametrize("packed", [None, "gzip"])
@pytest.mark.parametrize("form", [scipy.sparse.csr_matrix, scipy.sparse.csc_matrix, scipy.sparse.csr_matrix.toarray])
def test_the_cells_of_an_h5ad(tmp_path, form, packed):
    data, (x, y) = annotated(60), cells(60)
    data.X = form(x)
    data.layers["tens"] = 10 * x
    data.obs["lab"] = ["a", "b"] * 30
    data.write_h5ad(tmp_path / "cells.h5ad", compression=packed)
    found = load_file(str(tmp_path / "cells.h5ad"), "kind", batch="lab")
    np.testing.assert_array_equal(found.x[:], x.toarray())
    np.testing.assert_array_equal(found.y, np.unique(TYPES[y], return_inverse=True)[1])
    np.testing.assert_array_equal(found.origins, [0, 1] * 30)
    assert (found.ids.tolist(), found.schema.features) == (data.obs_names.tolist(), GENES)
    assert found.notice.splitlines() == ["30 genes, from X", "2 batches, from obs column 'lab'"]
    few = load_file(str(tmp_path / "cells.h5ad"), layer="tens", genes=5)
    assert (few.x.shape, few.notice) == ((60, 5), "5 genes, from layer 'tens'")
    again = load_file(str(tmp_path / "cells.h5ad"), schema=few.schema)
    np.testing.assert_array_equal(again.x[:], few.x[:])


def test_labels_are_a_column_that_is_complete(tmp_path):
    data = annotated(90)
    data.obs["holes"] = ["a", None, *["b"] * 88]
    data.write_h5ad(tmp_path / "cells.h5ad")
    for column, words in (("holes", "1 without"), ("none", "'none'")):
        with pytest.raises(InputError, match=f"^labels: expected .*{words}"):
            load_file(str(tmp_path / "cells.h5ad"), column)


def test_of_genes_called_alike_the_first_has_the_name(tmp_path):
    data = annotated(12)
    data.var_names = ["gene0", "gene0", *GENES[2:]]
    data.write_h5ad(tmp_path / "twice.h5ad")
    assert load_file(str(tmp_path / "twice.h5ad")).schema.names[:2] == ("gene0", "gene0-1")


def test_cells_for_a_run_on_a_table_are_coded_by_the_names_of_its_columns(tmp_path):
    """Whatever the order of the genes, and with further ones."""
    data = annotated(90)
    schema = Schema.infer(data.to_df().iloc[:, :20], "x")
    annotated(90, order=np.arange(30)[::-1]).write_h5ad(tmp_path / "cells.h5ad")
    expected = schema.encode(data.to_df(), "x")[0]
    np.testing.assert_array_equal(load_file(str(tmp_path / "cells.h5ad"), schema=schema).x, expected)


def test_cells_are_no_rows_of_a_run_on_texts(tmp_path):
    """Though they have as many genes as it has words."""
    (tmp_path / "t.txt").write_text("\n".join(f"w{i % 30} w{(i + 1) % 30}" for i in range(60)))
    words = load_file(str(tmp_path / "t.txt"), text="lines").schema
    annotated(12).write_h5ad(tmp_path / "cells.h5ad")
    with pytest.raises(InputError, match=r"^data: expected rows as in training \(each line is a text: .*\), got"):
        load_file(str(tmp_path / "cells.h5ad"), schema=words, plain=True)


@pytest.mark.parametrize("form", ["csr_matrix", "csc_matrix", "dense"])
def test_an_h5_file_with_names_of_genes(tmp_path, form):
    x, y = cells(40)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        if form == "dense":
            file.create_dataset("X", data=x.toarray(), compression="lzf", shuffle=True)
        else:
            parts = x if form == "csr_matrix" else x.tocsc()
            group = file.create_group("X")
            group.attrs["encoding-type"], group.attrs["shape"] = form, x.shape
            for name in ("data", "indices", "indptr"):
                group[name] = getattr(parts, name)
        file["Y"], file["genes"] = TYPES[y].astype(object), GENES
    data = load_file(str(tmp_path / "a.h5"))
    assert isinstance(data.x, SparseRows) == (form != "dense")
    np.testing.assert_array_equal(np.asarray(data.x), x.toarray())
    np.testing.assert_array_equal(data.y, np.unique(TYPES[y], return_inverse=True)[1])
    some = Genes(tuple(GENES[3:9]))
    np.testing.assert_array_equal(np.asarray(load_file(str(tmp_path / "a.h5"), schema=some).x), x.toarray()[:, 3:9])
    for option, words in (("layer", "^data: expected a layer 'counts'"), ("batch", "^batch: .* got 'counts'")):
        with pytest.raises(InputError, match=words):
            load_file(str(tmp_path / "a.h5"), **{option: "counts"})


@pytest.mark.parametrize(("group", "name"), [("matrix", "features/name"), ("GRCh38", "gene_names")])
def test_what_cell_ranger_writes(tmp_path, group, name):
    """It has genes by cells, packed by cell, and may call several genes alike."""
    x, _ = cells(40)
    names = ["gene0", "gene0", "gene0", *GENES[3:]]
    with h5py.File(tmp_path / "filtered.h5", "w") as file:
        for part in ("data", "indices", "indptr"):
            file[f"{group}/{part}"] = getattr(x, part)
        file[f"{group}/shape"] = x.shape[::-1]
        file[f"{group}/{name}"] = np.array(names, "S")
        file[f"{group}/barcodes"] = np.array([f"cell{i}" for i in range(40)], "S")
    data = load_file(str(tmp_path / "filtered.h5"))
    np.testing.assert_array_equal(data.x[:], x.toarray())
    assert data.schema.features == ["gene0", "gene0-1", "gene0-2", *GENES[3:]]
    assert data.ids.tolist() == [f"cell{i}" for i in range(40)]


def test_a_sparse_h5_file_with_an_index_beyond_its_columns_is_refused(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        group = file.create_group("X")
        group.attrs["shape"] = (2, 3)
        for name, part in {"data": [1.0, 2.0], "indices": [0, 7], "indptr": [0, 1, 2]}.items():
            group[name] = part
    with pytest.raises(ValueError, match="indices"):
        load_file(str(tmp_path / "a.h5"))
