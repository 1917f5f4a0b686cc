"""`Served`: the arrays, tables, texts and cells that it takes, and what it refuses by name."""

import anndata
import numpy as np
import pandas
import pytest
import scipy.sparse
from exported import assert_same, build, expected

from vade_tf.data.cells import Genes
from vade_tf.data.schema import Schema
from vade_tf.data.texts import Texts
from vade_tf.errors import InputError, UnitsWarning
from vade_tf.model import networks
from vade_tf.serving.client import Served
from vade_tf.serving.export import export

TEXTS = [f"{('cat purrs', 'dog barks')[i % 2]} number{i % 4} the the alone{i}" for i in range(20)]


def test_the_papers_network_is_stored_once_and_answers_the_same(tmp_path):
    model = build(784, 10, 10, networks.HIDDEN)
    served = Served(export(model, tmp_path))
    x = np.random.default_rng(0).integers(0, 256, (1100, 784)).astype("u1")  # more than one call of `Served`
    want = expected(model, x)
    assert_same(served.classify(x), want["serving_default"])
    for got, name in zip(served.encode(x), ("mean", "log_variance"), strict=True):
        np.testing.assert_allclose(got, want["encode"][name], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(served.reconstruct(x), want["reconstruct"]["x"], rtol=1e-5, atol=1e-5)
    size = sum(file.stat().st_size for file in (tmp_path / "1").rglob("*") if file.is_file())
    assert size < 1.05 * 4 * model.count_params()


@pytest.mark.parametrize("form", [scipy.sparse.csr_array, scipy.sparse.coo_array, lambda x: x.reshape(-1, 3, 4)])
def test_sparse_rows_and_images_are_answered_as_rows(served, form):
    x = np.random.default_rng(0).integers(0, 3, (2000, 12))
    np.testing.assert_array_equal(served.predict(form(x)), served.predict(x))


def test_no_rows_get_no_answers(served):
    found = served.classify(np.zeros((0, 12)))
    assert [found[name].shape for name in ("cluster", "probabilities", "density")] == [(0,), (0, 4), (0,)]


def with_hole(x):
    x = x.copy()
    x[1, 4] = np.nan
    return x


OTHERS = {
    "another width": (lambda x: x[:, 1:], "numbers of shape"),
    "an infinite value": (lambda x: x / 0, "finite numbers below 1e30"),
    "a hole": (with_hole, "finite numbers below 1e30, got NaN at row 1, column 4"),
    "a table": (pandas.DataFrame, "an array, as the export has no schema of such rows"),
    "an AnnData": (anndata.AnnData, "an array, as the export has no schema of such rows"),
    "texts": (lambda x: TEXTS, "numbers of shape"),
}


@pytest.mark.filterwarnings("ignore:divide by zero")
@pytest.mark.parametrize(("form", "wanted"), OTHERS.values(), ids=OTHERS.keys())
def test_other_rows_are_refused_by_name(served, form, wanted):
    for ask in (served.predict, served.score):
        with pytest.raises(InputError, match=f"^x: expected {wanted}"):
            ask(form(np.ones((3, 12))))


def test_a_table_is_coded_as_that_of_the_training(tmp_path):
    table = pandas.DataFrame({"a": np.arange(40.0), "b": np.array(["u", "v", "w", "x"])[np.arange(40) % 4]})
    schema = Schema.infer(table, "X")
    served = Served(export(build(len(schema.features)), tmp_path, schema=schema))
    np.testing.assert_array_equal(served.predict(table[["b", "a"]]), served.predict(schema.encode(table)[0]))


def test_texts_are_coded_as_those_of_the_training(tmp_path):
    schema = Texts.infer(TEXTS, "saying")
    served = Served(export(build(len(schema.words)), tmp_path, schema=schema))
    want = served.predict(schema.encode(TEXTS).toarray())
    for given in (TEXTS, np.array(TEXTS), pandas.Series(TEXTS), pandas.DataFrame({"n": 1, "saying": TEXTS})):
        np.testing.assert_array_equal(served.predict(given), want)
    with pytest.warns(UnitsWarning, match="^2 of 3 texts have none"):
        served.predict(pandas.Series([None, TEXTS[0], "quux"]))


def test_cells_are_found_by_their_genes(tmp_path):
    r = np.random.default_rng(0)
    counts = r.poisson(3, (20, 30)).astype("f4")
    cells = anndata.AnnData(counts)
    cells.var_names = [f"gene{i}" for i in range(30)]
    served = Served(export(build(30), tmp_path, schema=Genes.infer(cells)))
    shuffled = cells[:, r.permutation(30)].copy()
    np.testing.assert_array_equal(served.predict(shuffled), served.predict(counts))
    np.testing.assert_array_equal(served.predict(shuffled.to_df().assign(note="seen")), served.predict(counts))


def test_a_folder_without_an_export_is_refused(folder):
    with pytest.raises(InputError, match="^path: expected the folder of an exported version"):
        Served(folder.parent)
