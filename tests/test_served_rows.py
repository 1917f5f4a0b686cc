"""What `Served` takes: the texts, cells and sparse rows that a run was trained on, and what it refuses by name."""

import re
import shutil

import exported
import numpy as np
import pandas
import pytest
import scipy.sparse
from exported import build
from test_genes import annotated, bare, cells

from vade_tf.data.files import load_file
from vade_tf.data.genes import Genes
from vade_tf.data.pictures import Pictures
from vade_tf.data.texts import Texts
from vade_tf.errors import InputError, UnitsWarning
from vade_tf.serving.export import export
from vade_tf.serving.signatures import Served

model = pytest.fixture(exported.model, scope="module")
folder = pytest.fixture(exported.folder, scope="module")
served = pytest.fixture(exported.served, scope="module")

TEXTS = [f"{('cat purrs', 'dog barks')[i % 2]} number{i % 4} the the alone{i}" for i in range(20)]


@pytest.fixture(scope="module")
def of_texts(tmp_path_factory):
    schema = Texts.infer(TEXTS, "saying")
    return Served(export(build(len(schema.words)), tmp_path_factory.mktemp("texts"), schema=schema))


@pytest.fixture(scope="module")
def of_genes(tmp_path_factory):
    schema = Genes.infer(bare(cells(20)[0]))
    return Served(export(build(30), tmp_path_factory.mktemp("genes"), schema=schema))


def test_sparse_rows_are_answered_as_dense_ones(served):
    x = np.random.default_rng(0).integers(0, 3, (2000, 12))
    want = served.predict(x)
    for kind in (scipy.sparse.csr_array, scipy.sparse.csc_matrix, scipy.sparse.coo_array):
        np.testing.assert_array_equal(served.predict(kind(x)), want)
    with pytest.raises(InputError, match=r"^x: expected numbers of shape \(n, 12\), got int64 of shape \(2000, 11\)"):
        served.predict(scipy.sparse.csr_array(x[:, 1:]))
    with pytest.raises(InputError, match="^x: expected finite numbers below 1e30"):
        served.predict(scipy.sparse.csr_array(x * 1e300))


def test_texts_are_coded_as_those_of_the_training(of_texts):
    want = of_texts.predict(of_texts.schema.encode(TEXTS).toarray())
    assert want.std(axis=0).max() > 0
    for given in (TEXTS, np.array(TEXTS), pandas.Series(TEXTS), pandas.DataFrame({"n": 1, "saying": TEXTS})):
        np.testing.assert_array_equal(of_texts.predict(given), want)
    with pytest.warns(UnitsWarning, match=r"^2 of 3 texts have none of the 8 words of the training \(row 0, 2\)"):
        of_texts.predict(pandas.Series([None, TEXTS[0], "quux"]))
    with pytest.raises(InputError, match="^x: expected texts, a list or a Series of them, got a table; give its col"):
        of_texts.predict(pandas.DataFrame({"said": TEXTS}))


@pytest.mark.parametrize("cell", [None, np.nan, pandas.NA, pandas.NaT, 7, 2.5, True])
def test_cells_among_texts_are_coded_as_those_of_a_file(of_texts, tmp_path, cell):
    table = pandas.DataFrame({"saying": pandas.Series([TEXTS[0], cell, TEXTS[3]], dtype=object)})
    table.to_parquet(tmp_path / "t.parquet") if pandas.isna(cell) else table.to_csv(tmp_path / "t.csv", index=False)
    coded = load_file(str(next(tmp_path.iterdir())), schema=of_texts.schema).x
    assert (np.asarray(coded).any(axis=1) == [True, False, True]).all()
    want = of_texts.predict(np.asarray(coded))
    for given in (table, table["saying"], list(table["saying"]), table["saying"].to_numpy()):
        with pytest.warns(UnitsWarning, match=r"^1 of 3 texts have none .* \(row 1\)"):
            np.testing.assert_array_equal(of_texts.predict(given), want)


def test_what_holds_no_texts_is_refused_by_name(of_texts):
    for none in ([], (), np.array([]), pandas.Series([], dtype=object), pandas.DataFrame({"saying": []})):
        with pytest.raises(InputError, match="^x: expected texts, got none$"):
            of_texts.predict(none)
    for ragged in ([["cat"], ["dog", "purrs"]], [[1, 2], [3]], ["cat", ["dog"]]):
        with pytest.raises(InputError, match=r"^x: expected numbers of shape \(n, 8\), got rows of different lengths$"):
            of_texts.predict(ragged)
    with pytest.raises(InputError, match=r"^x: expected numbers of shape \(n, 8\), got float64 of shape \(8,\)$"):
        of_texts.predict(np.ones(8))
    assert of_texts.predict(np.zeros((0, 8))).shape[0] == 0


def test_cells_are_found_by_their_genes(of_genes):
    x, order = cells(20)[0], np.random.default_rng(0).permutation(30)
    want = of_genes.predict(x.toarray())
    np.testing.assert_array_equal(of_genes.predict(annotated(20, order=order)), want)
    table = annotated(20, order=order).to_df().assign(note="seen")
    np.testing.assert_array_equal(of_genes.predict(table), want)
    with pytest.raises(InputError, match="^x: expected the 30 genes of the training, got data without 1 of them"):
        of_genes.predict(table.drop(columns="gene3"))
    with pytest.raises(InputError, match="^x: expected numbers in the column of each gene, got others in 'gene3'"):
        of_genes.predict(table.assign(gene3="many"))


def test_rows_that_no_schema_codes_say_what_is_there(served, model, tmp_path):
    bare, table = served, pandas.DataFrame(np.zeros((3, 12)))
    of_images = Served(export(model, tmp_path, schema=Pictures(3, 4, 1)))
    with pytest.raises(InputError, match=r"got a table and no schema; .* export with schema=load_schema\(run\)$"):
        bare.predict(table)
    with pytest.raises(InputError, match="got a table and a schema of the form 'pictures'; give x.to_numpy.. where"):
        of_images.predict(table)
    with pytest.raises(InputError, match="got an AnnData and no schema; give its numbers, x.X$"):
        bare.predict(annotated(20))
    with pytest.raises(InputError, match=r"^x: expected numbers of shape \(n, 12\), got rows of different lengths"):
        bare.predict([[1, 2], [3]])
    with pytest.raises(InputError, match="^x: expected an array, got an AnnData; give vade_tf.load_schema"):
        model.predict(annotated(20))


def test_a_row_with_a_hole_is_named_where_none_was_trained_on(served):
    x = np.zeros((3, 12))
    x[1, 4] = np.nan
    for ask in (served.predict, served.encode, served.score, served.reconstruct):
        with pytest.raises(InputError, match="^x: expected finite numbers, got NaN in row 1; the model was trained w"):
            ask(x)


def test_the_folder_of_a_run_or_of_versions_names_the_version_in_it(model, tmp_path):
    for version in (2, 10):
        export(model, tmp_path / "run" / "export", version=version)
    shutil.copytree(tmp_path / "run" / "export" / "2", tmp_path / "run" / "export" / "old-11")
    for given in (tmp_path / "run", tmp_path / "run" / "export"):
        with pytest.raises(InputError, match=rf"; give {re.escape(str(tmp_path))}/run/export/10$"):
            Served(given)
    with pytest.raises(InputError, match=r"no export of a VaDE \(.*\)$"):
        Served(tmp_path)
