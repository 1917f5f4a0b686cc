"""What the other systems read: counts as logarithms, rows far away; which of them have a code or another start."""

import json

import anndata
import keras
import numpy as np
import pytest
import scipy.sparse

from vade_tf import Settings
from vade_tf.cli.main import main
from vade_tf.data.observing import observe
from vade_tf.errors import InputError
from vade_tf.model import networks
from vade_tf.runs.config import TrainConfig
from vade_tf.systems import registry
from vade_tf.systems.gmvae import GMVAE
from vade_tf.training.posterior import model_groups

pytestmark = pytest.mark.usefixtures("eager_file")
SMALL = {"clusters": 2, "hidden": (8,), "latent_dim": 2, "pretrain_epochs": 1, "precision": "float32"}


@pytest.mark.parametrize("system", ["kmeans", "gmm"])
def test_counts_are_compared_by_what_is_in_a_row_and_not_by_its_size(system, rng):
    """Else rows of a large size would be a group of their own."""
    y = np.arange(200) % 2
    size = np.where(rng.random(200) < 0.5, 30, 600)
    share = np.where(y[:, None] == [0, 1], 0.9, 0.1)
    x = np.concatenate([rng.poisson(size[:, None] * share), np.zeros((200, 6), int)], axis=1)
    x[:, 2:] = rng.poisson(0.05, (200, 6))
    rows = observe(x.astype("f4"), "counts")
    model = registry.fit(system, rows, Settings(**SMALL)).model
    groups = model_groups(model, rows.x)
    assert max(np.mean(groups == y), np.mean(groups != y)) > 0.95
    with pytest.raises(InputError, match="cannot sample"):
        model.sample([0, 1])


@pytest.mark.parametrize("system", ["kmeans", "gmm", "gmvae"])
def test_a_row_far_away_has_a_cluster(system, rng):
    if system == "gmvae":
        model = GMVAE(networks.build_encoder(5, 4, (8,)), networks.build_decoder(5, 2, (8,)), 3, "gaussian")
    else:
        model = registry.fit(system, observe(rng.normal(size=(60, 5)).astype("f4")), Settings(**SMALL)).model
    assert np.isfinite(model.predict(np.full((2, 5), 1e20, "f4"), verbose=0)).all()


def test_rows_are_no_code_of_themselves(tmp_path, rng, capsys):
    """A code of 20,000 genes a cell would be the whole matrix once more, dense."""
    cells = anndata.AnnData(scipy.sparse.csr_matrix(rng.poisson(1.0, (60, 8)).astype("f4")))
    cells.write_h5ad(tmp_path / "c.h5ad")
    flags = ["--data", str(tmp_path / "c.h5ad"), "--quiet"]
    run = str(tmp_path / "run")
    assert main(["train", *flags, "--clusters", "2", "--model", "kmeans", "--out", run, "--no-export"]) == 0
    assert main(["predict", run, *flags, "--out", str(tmp_path / "named.h5ad")]) == 0
    found = anndata.read_h5ad(tmp_path / "named.h5ad")
    assert "vade_cluster" in found.obs
    assert "X_vade" not in found.obsm
    assert main(["predict", run, *flags, "--encode", "--out", str(tmp_path / "z.csv")]) == 2
    assert "--encode: expected a run with a code, got one of kmeans" in capsys.readouterr().err


def test_a_run_without_an_autoencoder_lends_none(tmp_path, rng):
    from vade_tf.runs import train as training
    from vade_tf.runs.filled import filled
    from vade_tf.runs.rows import load_rows

    np.save(tmp_path / "x.npy", rng.normal(size=(40, 5)).astype("f4"))
    more = {"data": str(tmp_path / "x.npy"), **SMALL}
    training.train(TrainConfig(**{**more, "pretrain_epochs": None}, model="kmeans"), tmp_path / "k", export=False)
    config = TrainConfig(**more, pretrained=str(tmp_path / "k"))
    rows = load_rows(config)
    with pytest.raises(InputError, match="is of kmeans, which trains no autoencoder; name another run"):
        filled(config, rows)
    keras.backend.clear_session()
