"""Cells: AnnData in and out, genes by their names and chosen by their variance, groups called by their genes."""

import json
import shutil
from types import SimpleNamespace

import h5py
import keras
import numpy as np
import pandas
import pytest
import scipy.sparse

from vade_tf import VaDEClusterer, metrics
from vade_tf.cli.main import main
from vade_tf.data import gene_counts, genes
from vade_tf.data.coding import coded
from vade_tf.data.files import load_file
from vade_tf.data.genes import Genes
from vade_tf.data.observations import build, observe
from vade_tf.data.schema import Schema
from vade_tf.data.sparse import SparseRows
from vade_tf.errors import InputError
from vade_tf.model import networks
from vade_tf.model.counts import ZeroInflatedCounts
from vade_tf.model.vade import VaDE
from vade_tf.report import card_page, cards
from vade_tf.report.contrast import expression
from vade_tf.report.evaluation import findings
from vade_tf.runs.folder import Run

pytestmark = pytest.mark.usefixtures("loaded_once")

GENES = [f"gene{j}" for j in range(30)]
TYPES = np.array(["B", "T", "NK"])
SMALL = {"latent_dim": 3, "hidden": (24,), "precision": "float32"}


def cells(n, seed=0):
    """Counts of n cells of three types, in ten of 30 genes each; the types: (CSR [n, 30], int [n])."""
    r = np.random.default_rng(seed)
    y = np.arange(n) % 3
    gene = np.where(np.arange(30) < 3, 8.0, 1.0)  # the first of each type is seen often
    mean = gene * np.where(np.arange(30) % 3 == y[:, None], 6.0, 0.1) * r.uniform(0.3, 1.5, (n, 1))
    return scipy.sparse.csr_matrix(r.negative_binomial(2.0, 2.0 / (2.0 + mean)).astype("f4")), y


def annotated(n, seed=0, order=slice(None), **layers):
    """The same as an AnnData, its genes in any order."""
    anndata = pytest.importorskip("anndata")
    x, y = cells(n, seed)
    obs = pandas.DataFrame({"kind": TYPES[y]}, index=[f"cell{i}" for i in range(n)])
    found = anndata.AnnData(x, obs=obs, var=pandas.DataFrame(index=GENES), layers=layers)
    return found[:, order].copy()


def bare(x, names=GENES, **layers):
    """What is read of an AnnData, without anndata."""
    rows = [f"cell{i}" for i in range(x.shape[0])]
    return SimpleNamespace(X=x, layers=layers, obs=None, obsm={}, obs_names=rows, var_names=names)


def test_genes_are_found_by_their_names_wherever_they_stand():
    x, _ = cells(20)
    found = Genes.infer(bare(x))
    assert (found.features, found.layer) == (GENES, "")
    order = np.random.default_rng(0).permutation(30)
    more = scipy.sparse.hstack([x[:, order], x[:, :1]], format="csc")
    again = found.encode(bare(more, [*np.array(GENES)[order], "other"]))
    assert again.format == "csr"
    np.testing.assert_array_equal(again.toarray(), x.toarray())
    with pytest.raises(InputError, match=r"data: expected the 30 genes of the training, got data without 2 of them"):
        found.encode(bare(x[:, :28], GENES[:28]))
    with pytest.raises(InputError, match=r"expected a layer 'counts', got the layers \['raw'\]; name one"):
        Genes.infer(bare(x, raw=x), "counts").encode(bare(x, raw=x))
    with pytest.raises(InputError, match="got 'a' twice; give each its own, as var_names_make_unique"):
        Genes.infer(bare(x[:, :3], ["a", "b", "a"]))


def test_a_gene_may_be_called_by_its_sequence_but_not_by_nothing():
    found = Genes.infer(genes.Named(np.ones((3, 2)), ["ACGT" * 100, "TGCA" * 100], {}))
    assert coded(json.loads(json.dumps(found.to_dict()))) == found
    with pytest.raises(InputError, match="^data: expected a name for every gene, got none of gene 1"):
        Genes.infer(genes.Named(np.ones((3, 2)), ["a", ""], {}))


def test_cells_that_are_still_in_their_file_are_read_as_others(tmp_path):
    import anndata

    annotated(20).write_h5ad(tmp_path / "cells.h5ad")
    backed = anndata.read_h5ad(tmp_path / "cells.h5ad", backed="r")
    assert backed.isbacked
    found = Genes.infer(backed, most=12).encode(backed)
    expected = Genes.infer(annotated(20), most=12).encode(annotated(20))
    np.testing.assert_array_equal(found.toarray(), expected.toarray())
    backed.file.close()


@pytest.mark.parametrize("form", ["csr", "csc"])
@pytest.mark.parametrize(("part", "number"), [("indices", 30), ("indices", -1), ("indptr", 2**31 - 1)])
def test_a_matrix_with_an_index_beyond_its_end_is_refused(form, part, number):
    x = cells(30)[0].asformat(form)
    getattr(x, part)[7] = number
    with pytest.raises(InputError, match="^X: expected a sparse matrix, got a damaged one"):
        Genes.infer(bare(x), argument="X").encode(bare(x), "X")


def test_genes_come_back_from_json_and_damaged_ones_are_refused():
    found = Genes(("a", "b"), "counts", True)
    values = json.loads(json.dumps(found.to_dict()))
    assert coded(values) == found
    for damage in ({"names": []}, {"names": ["a", "a"]}, {"names": ["a", 1]}, {"layer": 3}, {"names": ["a", ""]}):
        with pytest.raises(ValueError):  # noqa: PT011  any of them
            coded({**values, **damage})


@pytest.mark.parametrize("form", [np.asarray, scipy.sparse.csr_array], ids=["dense", "sparse"])
def test_the_most_variable_genes_by_the_variance_of_pearson_residuals(form, monkeypatch):
    x = cells(50)[0].toarray()
    x[:, 4] = 5.0  # the same in every cell, and 5 is much
    mu = np.outer(x.sum(axis=1), x.sum(axis=0)) / x.sum()
    residual = np.clip((x - mu) / np.sqrt(mu + mu**2 / 100), -np.sqrt(50), np.sqrt(50))
    expected = np.sort(residual.var(axis=0).argsort()[::-1][:12])
    monkeypatch.setattr(gene_counts, "BLOCK", 7 * 30)  # a few cells at a time
    np.testing.assert_array_equal(gene_counts.variable(form(x), 12), expected)
    assert 4 not in expected
    with pytest.raises(InputError, match="genes: expected counts, whole numbers from 0 up"):
        gene_counts.variable(form(x / 2), 12)
    with pytest.raises(InputError, match="genes: expected a number from 1 to that of the genes, 30, got 31"):
        Genes.infer(bare(form(x)), most=31)


def test_the_groups_of_an_annotated_data_set(tmp_path):
    data = annotated(240)
    model = VaDEClusterer(3, pretrain_epochs=15, epochs=15, batch_size=64, random_state=0, genes=24, **SMALL).fit(data)
    assert metrics.accuracy(cells(240)[1], model.labels_) > 0.95
    assert len(model.genes_) == 24
    model.save(tmp_path / "c.vade")
    again = VaDEClusterer.load(tmp_path / "c.vade")
    reordered = annotated(240, order=np.arange(30)[::-1])
    np.testing.assert_array_equal(again.predict(reordered), model.labels_)
    with pytest.raises(ValueError, match=r"X: expected the 24 genes of the training, got data without \d+ of them"):
        model.predict(data[:, :20])
    with pytest.raises(ValueError, match="layer, genes and batch: expected an AnnData with them, got ndarray"):
        model.fit(data.X.toarray())


def test_names_of_genes_count_in_a_frame_and_columns_of_a_frame_in_cells(eager):
    """They are the same names; read by place, cells in another order would be other cells."""
    data, small = annotated(90), {"pretrain_epochs": 1, "epochs": 1, "init": "kmeans", **SMALL}
    turned = annotated(90, order=np.arange(30)[::-1])
    model = VaDEClusterer(3, random_state=0, **small).fit(data)
    np.testing.assert_array_equal(model.predict(turned.to_df()), model.labels_)
    with pytest.raises(
        ValueError, match=r"^X: expected the features that were fitted, got none of the name .* missing"
    ):
        model.predict(data.to_df().iloc[:, :20])
    frame = VaDEClusterer(3, random_state=0, **small).fit(data.to_df())
    np.testing.assert_array_equal(frame.predict(turned), frame.labels_)
    with pytest.raises(ValueError, match="^X: expected the 30 genes of the training, got data without 10 of them"):
        frame.predict(turned[:, :20])


def test_cells_for_a_run_on_a_table_are_coded_by_the_names_of_its_columns(tmp_path):
    """Whatever the order of the genes, and with further ones."""
    data = annotated(90)
    schema = Schema.infer(data.to_df().iloc[:, :20], "x")
    expected = schema.encode(data.to_df(), "x")[0]
    annotated(90, order=np.arange(30)[::-1]).write_h5ad(tmp_path / "cells.h5ad")
    np.testing.assert_array_equal(load_file(str(tmp_path / "cells.h5ad"), schema=schema).x, expected)


def test_dense_counts_of_bytes_are_counts(eager):
    x, _ = cells(240)
    few = np.minimum(x.toarray() if scipy.sparse.issparse(x) else x, 255).astype("u1")
    model = VaDEClusterer(3, pretrain_epochs=1, epochs=1, init="kmeans", **SMALL).fit(bare(few))
    assert model.model_.likelihood.name == "counts"


def test_counts_in_a_frame_leave_out_what_only_names_a_row():
    x, _ = cells(240)
    frame = pandas.DataFrame(x.toarray() if scipy.sparse.issparse(x) else x)
    frame.columns = [f"gene {j}" for j in range(frame.shape[1])]
    frame.insert(0, "Unnamed: 0", np.arange(len(frame)))
    found = observe(frame, "counts")
    assert found.x.shape[1] == frame.shape[1] - 1
    assert list(found.schema.dropped) == ["Unnamed: 0"]


def test_a_cell_without_a_label_is_named(tmp_path):
    data = annotated(90)
    data.obs["kind"] = ["a", None, *["b"] * 88]
    data.write_h5ad(tmp_path / "cells.h5ad")
    with pytest.raises(InputError, match=r"^labels: expected a value for every cell in 'kind' of .* 1 without; leave"):
        load_file(str(tmp_path / "cells.h5ad"), "kind")


def test_counts_of_a_layer(eager):
    x, _ = cells(240)
    data = bare(x.log1p(), counts=x)
    model = VaDEClusterer(3, pretrain_epochs=1, epochs=1, init="kmeans", layer="counts", **SMALL).fit(data)
    assert model.model_.likelihood.name == "counts"
    np.testing.assert_array_equal(model.predict(data), model.labels_)
    plain = VaDEClusterer(3, pretrain_epochs=1, epochs=1, init="kmeans", **SMALL).fit(data)
    assert plain.model_.likelihood.name == "gaussian"


@pytest.mark.parametrize("form", ["csr_matrix", "csc_matrix", "dense"])
def test_an_h5_file_with_names_of_genes(tmp_path, form):
    x, y = cells(40)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        if form == "dense":
            file["X"] = x.toarray()
        else:
            parts = x if form == "csr_matrix" else x.tocsc()
            group = file.create_group("X")
            group.attrs["encoding-type"], group.attrs["shape"] = form, x.shape
            for name in ("data", "indices", "indptr"):
                group[name] = getattr(parts, name)
        file["Y"], file["genes"] = y, GENES
    data = load_file(str(tmp_path / "a.h5"))
    assert isinstance(data.x, SparseRows) == (form != "dense")
    np.testing.assert_array_equal(np.asarray(data.x), x.toarray())
    np.testing.assert_array_equal(data.y, y)
    assert data.schema.features == GENES
    some = Genes(tuple(GENES[3:9]))
    np.testing.assert_array_equal(np.asarray(load_file(str(tmp_path / "a.h5"), schema=some).x), x.toarray()[:, 3:9])


def test_a_sparse_h5_file_with_wrong_numbers_is_refused(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        group = file.create_group("X")
        group.attrs["shape"] = (2, 3)
        for name, part in {"data": [1.0, 2.0], "indices": [0, 7], "indptr": [0, 1, 2]}.items():
            group[name] = part
    with pytest.raises(InputError, match=r"a.h5 cannot be read as .h5"):
        load_file(str(tmp_path / "a.h5"))


def run_on_cells(folder, epochs):
    """In a folder cells.h5ad (counts in a layer, 240 cells), and a run on it of so many epochs a phase."""
    data = annotated(240)
    data.layers["counts"], data.X = data.X, data.X.log1p()
    data.write_h5ad(folder / "cells.h5ad")
    command = ["train", "--data", str(folder / "cells.h5ad"), "--layer", "counts", "--clusters", "3"]
    command += ["--labels", "kind"]
    command += ["--out", str(folder / "run"), "--hidden", "24", "--latent-dim", "3", "--batch-size", "64", "--quiet"]
    assert main([*command, "--pretrain-epochs", epochs, "--epochs", epochs, "--no-export"]) == 0
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return run_on_cells(tmp_path_factory.mktemp("cells"), "20")


def test_a_run_knows_its_genes_and_its_layer(run):
    schema = Run.open(run / "run").schema
    assert (schema.features, schema.layer) == (GENES, "counts")
    data = load_file(str(run / "cells.h5ad"), "kind", schema=schema)
    assert isinstance(data.x, SparseRows)
    np.testing.assert_array_equal(np.asarray(data.x), cells(240)[0].toarray())


def test_predict_writes_cluster_confidence_and_code_beside_what_is_there(run, capsys):
    import anndata

    new = annotated(60, seed=1, order=np.arange(30)[::-1])
    new.layers["counts"], new.obs["vade_cluster"], new.obs_names.name = new.X, "old", "vade_confidence"
    new.write_h5ad(run / "new.h5ad")
    assert main(["predict", str(run / "run"), "--data", str(run / "new.h5ad"), "--out", str(run / "out.h5ad")]) == 0
    assert "60 rows in" in capsys.readouterr().out
    out = anndata.read_h5ad(run / "out.h5ad")
    assert out.obs["vade_cluster"].dtype == "category"
    assert metrics.accuracy(cells(60)[1], out.obs["vade_cluster"].astype(int).to_numpy()) > 0.9
    assert out.obsm["X_vade"].shape == (60, 3)
    assert out.obs["vade_confidence"].between(1 / 3, 1).all()
    np.testing.assert_array_equal(out.X.toarray(), new.X.toarray())
    assert list(out.obs["kind"]) == list(new.obs["kind"])
    command = ["predict", str(run / "run"), "--data", str(run / "new.h5ad"), "--quiet", "--encode"]
    assert main([*command, "--out", str(run / "out.csv")]) == 0
    table = pandas.read_csv(run / "out.csv")
    np.testing.assert_allclose(table[["z0", "z1", "z2"]], out.obsm["X_vade"], atol=1e-4)
    assert list(table["id"]) == list(out.obs_names)


def test_cells_that_cannot_be_written_are_one_line(run, capsys, monkeypatch):
    import anndata

    def fail(cells, file):
        raise KeyError("a part of the file")

    monkeypatch.setattr(anndata.AnnData, "write_h5ad", fail)
    command = ["predict", str(run / "run"), "--data", str(run / "cells.h5ad"), "--out", str(run / "no.h5ad")]
    assert main([*command, "--quiet"]) == 2
    assert "cells.h5ad cannot be written again ('a part of the file'); mend" in capsys.readouterr().err
    assert not (run / "no.h5ad").exists()


REFUSED = {
    "--score": "--score: does not go with an .h5ad file",
    "--encode": "--encode: does not go with an .h5ad file",
    "--id x": "--id: does not go with an .h5ad file",
}


@pytest.mark.parametrize("more", REFUSED)
def test_what_does_not_go_with_cells_as_output(run, more, capsys):
    command = ["predict", str(run / "run"), "--data", str(run / "cells.h5ad"), "--out", str(run / "no.h5ad")]
    assert main([*command, *more.split()]) == 2
    assert REFUSED[more] in capsys.readouterr().err
    assert not (run / "no.h5ad").exists()


def test_a_number_of_clusters_that_the_model_has_not_is_refused(run, tmp_path, capsys):
    shutil.copytree(run / "run", tmp_path / "run")
    values = json.loads((tmp_path / "run" / "metrics.json").read_text())
    command = ["predict", str(tmp_path / "run"), "--data", str(run / "cells.h5ad"), "--out", str(tmp_path / "o.H5AD")]
    for number in (10**7, 1, -5):
        (tmp_path / "run" / "metrics.json").write_text(json.dumps({**values, "n_clusters": number}))
        assert main(command) == 2
        assert f"metrics.json: expected n_clusters of 3, as model.keras has, got {number}" in capsys.readouterr().err


def test_rows_of_other_files_do_not_become_cells(run, capsys):
    np.save(run / "rows.npy", cells(9)[0].toarray())
    command = ["predict", str(run / "run"), "--data", str(run / "rows.npy"), "--out", str(run / "no.h5ad")]
    assert main(command) == 2
    assert "--data: expected an .h5ad file to go with --out " in capsys.readouterr().err
    assert main([*command[:-1], str(run / "rows.csv"), "--quiet"]) == 0  # columns in the order of the genes


def test_layers_and_genes_go_with_cells(tmp_path, run):
    np.save(tmp_path / "rows.npy", np.eye(4))
    for name, value, also in (("layer", "counts", ","), ("most_genes", 3, ", or an .h5 with the names")):
        with pytest.raises(InputError, match=rf"{name.split('_')[-1]}: goes with an .h5ad file{also}"):
            load_file(str(tmp_path / "rows.npy"), **{name: value})
    data = load_file(str(run / "cells.h5ad"), layer="counts", most_genes=5)
    assert data.x.shape == (240, 5)
    assert data.notice.endswith("5 genes, from layer 'counts'")


def test_a_fold_change_is_none_of_counts_that_are_lost():
    """A decoder that gives all genes one share, and says of some that they are lost in the second cluster."""
    model = VaDE(
        networks.build_encoder(4, latent_dim=1, hidden=(4,)),
        networks.build_decoder(4, latent_dim=1, hidden=(4,), outputs=2),
        2,
        ZeroInflatedCounts(100.0),
    )
    last = [layer for layer in model.decoder.layers if isinstance(layer, keras.layers.Dense)][-1]
    last.kernel.assign(np.zeros((4, 8)) + 50 * (np.arange(8) == 4))  # of the first gene
    x = np.random.default_rng(0).poisson(20, (40, 4)).astype("f4")
    lost = model.decode(model.encode(x)[0]).numpy()[:, 0]
    assert lost.std() > 1
    data = build(x, None, "cells", "here", likelihood="zinb", schema=Genes(tuple("abcd")))
    np.testing.assert_allclose(expression(model, data, (lost > lost.mean()).astype(int), 2).effect, 0, atol=1e-5)


def test_clusters_are_called_by_the_genes_that_the_decoder_gives_them_more_of(run):
    from vade_tf.runs.load import load

    model, (x, y) = load(run / "run"), cells(240)
    data = build(x, y, "cells", "here", schema=Genes(tuple(GENES)))
    found = findings(model, data.x)
    apart = expression(model, data, found.groups, 3)
    mean = model.decode(model.encode(x.toarray())[0]).numpy()
    mean = 1e4 * mean / mean.sum(axis=1, keepdims=True)
    for c in range(3):
        own = found.groups == c
        ratio = (mean[own].mean(axis=0) + 1) / (mean[~own].mean(axis=0) + 1)
        np.testing.assert_allclose(apart.effect[c], np.log2(ratio), atol=1e-3)
        assert set(apart.effect[c].argsort()[-10:] % 3) == {np.bincount(y[own]).argmax()}
    table = cards.cards(model, data, found)
    assert len({card["name"] for card in table}) == 3
    page = card_page.section(table, None)
    assert all(card["name"] in page for card in table)
    assert "log2 fold change" in page


@pytest.mark.parametrize("layer", [None, "counts"])
def test_of_cells_for_a_table_its_columns_alone_are_made_dense(tmp_path, monkeypatch, layer):
    x, _ = cells(40)
    frame = pandas.DataFrame(x.toarray()[:, 3:6], columns=GENES[3:6])
    schema = Schema.infer(frame, "data")
    more = {} if layer is None else {layer: x}
    annotated(40, order=np.arange(30)[::-1], **more).write_h5ad(tmp_path / "a.h5ad")
    shapes = []
    for kind in (scipy.sparse.csr_matrix, scipy.sparse.csr_array):
        own = kind.toarray
        monkeypatch.setattr(kind, "toarray", lambda self, own=own: shapes.append(self.shape) or own(self))
    found = load_file(str(tmp_path / "a.h5ad"), schema=schema, plain=True, layer=layer)
    np.testing.assert_array_equal(found.x, frame)
    assert set(shapes) == {(40, 3)}
