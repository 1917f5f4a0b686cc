"""Cells of a run, by its configuration and block by block; what new ones must be to be given groups."""

import warnings
from types import SimpleNamespace

import anndata
import h5py
import numpy as np
import pytest
from test_genes import GENES, annotated, cells, run_on_cells

from vade_tf.cli.main import main
from vade_tf.data.files import load_file
from vade_tf.data.observations import observe
from vade_tf.errors import InputError, UnitsWarning
from vade_tf.model import choice
from vade_tf.runs import assignments
from vade_tf.runs.annotated import write
from vade_tf.runs.config import TrainConfig
from vade_tf.runs.load import load
from vade_tf.runs.rows import load_rows
from vade_tf.training import build
from vade_tf.training.settings import Settings

pytestmark = pytest.mark.usefixtures("eager_file", "loaded_once")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Whose groups nobody looks at."""
    return run_on_cells(tmp_path_factory.mktemp("cells"), "1")


def predict(run, data, out):
    """Exit code of the command that writes groups beside cells."""
    return main(["predict", str(run / "run"), "--data", str(run / data), "--out", str(run / out), "--quiet"])


def test_a_configuration_chooses_the_genes(run):
    config = TrainConfig(data=str(run / "cells.h5ad"), layer="counts", genes=5, clusters=3)
    assert load_rows(config).dataset.x.shape == (240, 5)


def test_cells_in_other_units_get_no_groups(run, capsys):
    new = annotated(60, seed=1)
    new.layers["counts"] = new.X.log1p()
    new.write_h5ad(run / "logs.h5ad")
    assert predict(run, "logs.h5ad", "no.h5ad") == 2
    assert "expected counts, whole numbers from 0 up" in capsys.readouterr().err
    assert not (run / "no.h5ad").exists()


def test_many_cells_come_in_blocks_without_a_seam(run, monkeypatch):
    monkeypatch.setattr(assignments, "BLOCK", 8)
    assert predict(run, "cells.h5ad", "b.h5ad") == 0
    code = load(run / "run").encode(cells(240)[0].toarray())[0]
    np.testing.assert_allclose(anndata.read_h5ad(run / "b.h5ad").obsm["X_vade"], code, atol=0.05)  # of any precision


def test_of_genes_called_alike_the_first_has_the_name(tmp_path):
    data = annotated(12)
    data.var_names = ["gene0", "gene0", *GENES[2:]]
    data.write_h5ad(tmp_path / "twice.h5ad")
    assert load_file(str(tmp_path / "twice.h5ad")).schema.names[:2] == ("gene0", "gene0-1")


def test_genes_are_written_back_by_the_names_that_they_had(run):
    """As one symbol has several genes; those of the run are found by their names, the others are not looked at."""
    new = annotated(30)
    twice = anndata.AnnData(np.zeros((30, 3), "f4"), obs=new.obs)
    twice.var_names = ["MATR3", "MATR3", "TBCE"]
    both = anndata.concat([new, twice], axis=1)
    both.layers["counts"] = both.X
    both.write_h5ad(run / "doubled.h5ad")
    assert predict(run, "doubled.h5ad", "named.h5ad") == 0
    found = anndata.read_h5ad(run / "named.h5ad")
    assert found.var_names.tolist() == [*GENES, "MATR3", "MATR3", "TBCE"]
    assert "vade_cluster" in found.obs


def test_a_column_that_is_named_again_and_again_is_refused(tmp_path):
    """pandas would make as many copies of it."""
    annotated(12).write_h5ad(tmp_path / "cells.h5ad")
    with h5py.File(tmp_path / "cells.h5ad", "r+") as stored:
        stored["obs"]["n"] = np.zeros(12)
        stored["obs"].attrs["column-order"] = np.array([b"n"] * 2)
    with pytest.raises(InputError, match="obs names"):
        load_file(str(tmp_path / "cells.h5ad"))


def test_a_large_file_that_holds_what_it_claims_is_read(tmp_path, monkeypatch):
    annotated(60).write_h5ad(tmp_path / "cells.h5ad")
    monkeypatch.setattr("vade_tf.hdf5.LITTLE", 100)
    np.testing.assert_array_equal(load_file(str(tmp_path / "cells.h5ad")).x[:], cells(60)[0].toarray())


def test_a_value_that_the_table_of_a_run_did_not_have_is_said_to_count_as_missing(tmp_path):
    table = np.sqrt(annotated(60).to_df().iloc[:, :12])  # no counts, among which two values are no answer
    table["gene0"] = np.arange(60, dtype="f4") % 2 + 3
    rows = observe(table)
    settings = Settings(clusters=2, hidden=(4,)).resolve(*rows.x.shape)
    model = build.build_model(rows, choice.choose(rows), settings, "float32")
    trained = {"schema": rows.schema, "data": {"features": rows.x.shape[1]}, "metrics": {"n_clusters": 2}}
    run, told = SimpleNamespace(config=TrainConfig(clusters=2), **trained), []
    for value in (4, 5):
        table.iloc[0, 0] = value
        anndata.AnnData(table).write_h5ad(tmp_path / "new.h5ad")
        with warnings.catch_warnings(record=True) as said:
            write(run, model, str(tmp_path / "new.h5ad"), tmp_path / "out.h5ad", lambda n: lambda *done: None)
        told.append([str(each.message) for each in said if each.category is UnitsWarning])
    assert told[0] == []
    assert "taken as missing" in " ".join(told[1])


def test_cells_whose_names_are_called_as_what_is_added_are_written_too(run):
    """An index that is called like a column of other values is none that anndata writes."""
    new = annotated(30)
    new.layers["counts"] = new.X
    new.obs.index.name = "vade_cluster"
    new.write_h5ad(run / "called.h5ad")
    assert predict(run, "called.h5ad", "added.h5ad") == 0
    found = anndata.read_h5ad(run / "added.h5ad")
    assert found.obs_names.tolist() == new.obs_names.tolist()
    assert set(found.obs["vade_cluster"]) <= {"0", "1", "2"}
