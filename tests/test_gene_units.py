"""What the numbers of cells are: counts or others, however many genes are kept, and the same in new cells."""

import json
import warnings
from types import SimpleNamespace

import numpy as np
import pytest
import scipy.sparse
from test_genes import GENES, SMALL, annotated, bare, cells

from vade_tf import VaDEClusterer
from vade_tf.cli.main import main
from vade_tf.data import gene_counts
from vade_tf.data.coding import coded
from vade_tf.data.files import load_file
from vade_tf.data.gene_counts import are_counts, check_alike
from vade_tf.data.genes import Genes
from vade_tf.errors import InputError, UnitsWarning
from vade_tf.model.choice import choose
from vade_tf.runs.annotated import write

pytestmark = pytest.mark.usefixtures("eager_file", "loaded_once")

SHORT = {"pretrain_epochs": 0, "epochs": 1, "batch_size": 64, "init": "kmeans", "random_state": 0, **SMALL}


def dense_counts(n=60):
    """Counts of which few are 0, one gene far above the others: [n, 30]."""
    x = np.random.default_rng(0).poisson(20.0, (n, 30)).astype("f4")
    x[:, 3] *= 40
    return scipy.sparse.csr_matrix(x)


def logged(data):
    """The same cells with the logarithms of their counts in X, and these in a layer."""
    data.layers["counts"] = data.X.copy()
    data.X = data.X.log1p()
    return data


@pytest.mark.parametrize("form", [np.asarray, scipy.sparse.csr_array, scipy.sparse.csc_array])
def test_counts_are_whole_and_some_are_above_1(form, monkeypatch):
    monkeypatch.setattr(gene_counts, "BLOCK", 7 * 30)  # a few cells at a time
    x = cells(50)[0].toarray()
    rows = form(x) if form is np.asarray else scipy.sparse.csr_array(form(x))
    assert are_counts(rows)
    for other in (0.5 * rows, -1 * rows, np.where(x == x.max(), np.inf, x), 0 * rows, (x > 0).astype("f4")):
        assert not are_counts(other)


@pytest.mark.parametrize("kept", [None, 29, 20, 5, 1])
def test_cells_are_counts_however_few_are_0_and_however_many_genes_are_kept(tmp_path, kept):
    data = annotated(60)
    data.X = dense_counts()
    data.write_h5ad(tmp_path / "cells.h5ad")
    found = load_file(str(tmp_path / "cells.h5ad"), most_genes=kept)
    assert choose(found).name == "counts"
    assert "no counts" not in found.notice


def test_cells_of_an_estimator_are_counts_with_few_genes_too():
    data = annotated(60)
    for kept in (None, 4):
        assert VaDEClusterer(3, genes=kept, **SHORT).fit(data).likelihood_ == "counts"


def test_of_an_older_run_nothing_is_known_of_the_numbers():
    values = Genes(("a", "b"), "", False).to_dict()
    older = coded({name: value for name, value in values.items() if name != "counted"})
    assert older == Genes(("a", "b"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_alike(np.array([[0.0, 90.0]] * 9), older.counted, "x")
    for damage in (-1, "1"):
        with pytest.raises(ValueError, match="names of genes and a layer"):
            coded({**values, "counted": damage})


def told(data, folder, **more):
    """What is said of the numbers of cells, the same of a file as of an AnnData that is fitted."""
    data.write_h5ad(folder / "cells.h5ad")
    notice = load_file(str(folder / "cells.h5ad"), **more).notice
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always", UnitsWarning)
        model = VaDEClusterer(3, **SHORT, **more).fit(data)
    said = [str(each.message) for each in warned if each.filename == __file__ and each.category is UnitsWarning]
    assert notice.splitlines()[1:] == said
    return said, model.likelihood_


def test_layers_with_counts_are_named_where_x_holds_none(tmp_path):
    data = annotated(60)
    data.layers["a"] = data.X.log1p()
    data.layers["b"], data.layers["counts"] = data.X.tocsc(), data.X.toarray()
    data.X = data.X.log1p()
    none = "X holds no counts, so its values are taken for numbers; "
    said = none + "layer='counts' reads counts, or say likelihood='gaussian'"
    assert told(data, tmp_path) == ([said], "gaussian")
    assert told(data, tmp_path, layer="counts") == ([], "counts")
    assert told(data, tmp_path, likelihood="gaussian") == ([], "gaussian")
    del data.layers["counts"]
    assert told(data, tmp_path) == ([said.replace("layer='counts'", "layer='b'")], "gaussian")
    del data.layers["b"]
    said = none + "give counts if there are any, or say likelihood='gaussian'"
    assert told(data, tmp_path) == ([said], "gaussian")
    assert told(data, tmp_path, layer="a") == ([said.replace("X", "layer 'a'")], "gaussian")


def test_cells_that_are_on_or_off_are_not_said_to_be_numbers(tmp_path):
    data = annotated(60)
    data.X = (data.X > 0).astype("f4")
    assert told(data, tmp_path) == ([], "bernoulli")


@pytest.mark.parametrize("counted", [False, True])
def test_new_cells_in_other_units_are_told_and_the_same_are_not(tmp_path, counted, capsys):
    plain, logs = annotated(90), logged(annotated(90))
    old, new = (plain, logs) if counted else (logs, plain)
    for name, data in (("old", old), ("new", new)):
        data.write_h5ad(tmp_path / f"{name}.h5ad")
    model = VaDEClusterer(3, likelihood="gaussian", **SHORT).fit(old)
    model.save(tmp_path / "c.vade")
    run = ["--out", str(tmp_path / "run"), "--clusters", "3", "--likelihood", "gaussian", "--no-export", "--quiet"]
    more = ["--pretrain-epochs", "0", "--epochs", "1", "--hidden", "24", "--latent-dim", "3", "--init", "kmeans"]
    assert main(["train", "--data", str(tmp_path / "old.h5ad"), *run, *more]) == 0
    assert json.loads((tmp_path / "run/schema.json").read_text())["counted"] is counted
    expected = "counts" if counted else "other numbers"
    expected += f", as the model was trained on, got {'others' if counted else 'counts'}; give cells in the units"
    for other in (model, VaDEClusterer.load(tmp_path / "c.vade")):
        with pytest.warns(UnitsWarning, match=f"^X: expected {expected}"):
            other.predict(new)
        with warnings.catch_warnings():
            warnings.simplefilter("error", UnitsWarning)
            other.predict(old)
            for cell in range(3):
                other.predict(old[[cell]])
    for cell in range(90):  # whichever it is, nothing is said of it
        with warnings.catch_warnings():
            warnings.simplefilter("error", UnitsWarning)
            check_alike(old.X[[cell]], counted, "X")
    predict = ["predict", str(tmp_path / "run"), "--quiet", "--data"]
    capsys.readouterr()
    for name, told in (("new", True), ("old", False)):
        for out in ("csv", "h5ad"):
            data = str(tmp_path / f"{name}.h5ad")
            assert main([*predict, data, "--out", str(tmp_path / f"{name}_out.{out}")]) == 0
            assert (f"{name}.h5ad: expected {expected}" in (error := capsys.readouterr().err)) is told, error


def test_counts_in_raw_get_into_a_layer_as_is_said():
    adata = logged(annotated(30))
    counts = adata.layers.pop("counts")
    adata.raw = annotated(30)
    adata = adata[:, :20].copy()
    with pytest.raises(InputError, match=r"^X: expected a layer 'raw', got no layer at all; \.raw is not read") as said:
        Genes.infer(adata, "raw", argument="X")
    exec(str(said.value).partition("put it into one: ")[2], {"adata": adata})
    np.testing.assert_array_equal(Genes.infer(adata, "counts").encode(adata).toarray(), counts[:, :20].toarray())
    with pytest.raises(InputError, match="name one that is there"):
        Genes.infer(adata, "spliced")


def test_batches_of_no_counts_are_told_of_layers():
    data = logged(annotated(60))
    data.obs["lab"] = ["a", "b"] * 30
    with pytest.raises(ValueError, match="^batch: goes with counts, .* name the layer that has counts with layer, say"):
        VaDEClusterer(3, batch="lab", **SHORT).fit(data)


def test_cells_are_no_rows_of_a_run_on_texts(tmp_path):
    """Though they have as many genes as it has words."""
    (tmp_path / "t.txt").write_text("\n".join(f"w{i % 30} w{(i + 1) % 30}" for i in range(60)))
    words = load_file(str(tmp_path / "t.txt"), text="lines").schema
    annotated(12).write_h5ad(tmp_path / "cells.h5ad")
    assert len(words.features) == len(GENES)
    with pytest.raises(
        InputError, match=r"^data: expected rows as in training \(each line is a text: .*\), got the cells of "
    ):
        load_file(str(tmp_path / "cells.h5ad"), schema=words, plain=True)
    with pytest.raises(
        InputError, match=r"^data: expected rows as in training \(each line is a text: .*\), got the cells of "
    ):
        write(SimpleNamespace(schema=words), None, str(tmp_path / "cells.h5ad"), tmp_path / "out.h5ad", len)


def test_a_gene_of_the_training_that_stands_twice_is_refused():
    x, _ = cells(30)
    twice = ["gene0", "gene0", *GENES[2:]]
    with pytest.raises(InputError, match="^data: expected genes with different names, got 'gene0' twice; give each"):
        Genes(("gene0", "gene5")).encode(bare(x, twice))
    np.testing.assert_array_equal(Genes(("gene5", "gene2")).encode(bare(x, twice)).toarray(), x[:, [5, 2]].toarray())
    data = annotated(30)
    model = VaDEClusterer(3, **SHORT).fit(data)
    data.var_names = twice
    for new in (data, data.to_df()):
        with pytest.raises(ValueError, match="^X: expected genes with different names, got 'gene0' twice"):
            model.predict(new)


@pytest.mark.parametrize("known", [None, False, True], ids=["unknown", "others", "counts"])
@pytest.mark.parametrize("given", ["counts", "ranks", "logarithms"])
def test_new_cells_are_doubted_where_one_of_both_is_counts_and_the_other_is_none(known, given):
    x = {"counts": dense_counts(), "ranks": np.arange(60.0).reshape(10, 6), "logarithms": dense_counts().log1p()}[given]
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        check_alike(x, known, "data")
    assert bool(told) == ((known, given) in ((False, "counts"), (False, "ranks"), (True, "logarithms")))
