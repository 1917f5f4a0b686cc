"""Every kind of file that README names is trained on, and read again by `predict`."""

import io
import json

import anndata
import numpy as np
import pandas
import promised
import pytest
import scipy.sparse
from PIL import Image
from sklearn.metrics import adjusted_rand_score


def csv(folder):
    promised.table().to_csv(folder / "rows.csv", index=False)
    return folder / "rows.csv", ["--labels", "kind", "--drop", "name"]


def parquet(folder):
    promised.table().to_parquet(folder / "rows.parquet")
    return folder / "rows.parquet", ["--labels", "kind", "--columns", "length,width,weight"]


def npy(folder):
    x, y = promised.blobs()
    np.save(folder / "rows.npy", x)
    np.save(folder / "y.npy", y)
    return folder / "rows.npy", ["--labels", folder / "y.npy"]


def npz(folder):
    x, y = promised.blobs()
    np.savez(folder / "rows.npz", x=x, y=y)
    return folder / "rows.npz", []


def sparse(folder):
    """Nine tenths of the cells are 0."""
    x, y = promised.blobs(width=30)
    np.save(folder / "y.npy", y)
    scipy.sparse.save_npz(folder / "rows.npz", scipy.sparse.csr_matrix(np.where(x > 4, x, 0)))
    return folder / "rows.npz", ["--labels", folder / "y.npy"]


def images(folder):
    for number, (image, kind) in enumerate(zip(*promised.pictures(300), strict=True)):
        (folder / "rows" / f"kind {kind}").mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(folder / "rows" / f"kind {kind}" / f"{number:03}.png")
    return folder / "rows", ["--labels", "folders"]


def texts(folder):
    random = np.random.default_rng(0)
    topics = (
        "river water boat fish lake wave",
        "engine wheel road brake gear fuel",
        "flour oven bread salt yeast dough",
    )
    lines = [" ".join(random.choice(topics[i % 3].split(), 8)) for i in range(300)]
    (folder / "rows.txt").write_text("\n".join(lines) + "\n")
    return folder / "rows.txt", ["--text", "lines"]


def cells(folder):
    random = np.random.default_rng(0)
    y = np.arange(300) % 3
    rates = np.exp(random.normal(size=(3, 40)))
    counts = scipy.sparse.csr_matrix(random.poisson(5 * rates[y]).astype("f4"))
    annotated = anndata.AnnData(counts, obs={"type": np.array(["a", "b", "c"])[y]})
    annotated.obs_names = [f"cell {i}" for i in range(300)]
    annotated.var_names = [f"gene {i}" for i in range(40)]
    annotated.write_h5ad(folder / "rows.h5ad")
    return folder / "rows.h5ad", ["--labels", "type"]


@pytest.mark.parametrize("made", [csv, parquet, npy, npz, sparse, images, texts, cells])
def test_a_file_is_trained_on_and_read_again(made, tmp_path):
    file, flags = made(tmp_path)
    run = tmp_path / "run"
    promised.train("--data", file, "--clusters", 3, *flags, "--out", run)
    own, metrics = promised.assignments(run), json.loads((run / "metrics.json").read_text())
    assert (len(own), metrics["n"]) == (300, 300)
    assert own["cluster"].between(0, 2).all()
    if made is not texts:
        assert metrics["ari"] > 0.9
    found = pandas.read_csv(io.StringIO(promised.done("vade_tf", "predict", run, "--data", file)))
    assert found.iloc[:, 0].tolist() == own.iloc[:, 0].tolist()
    assert (found["cluster"] == own["cluster"]).mean() > 0.98
    if made is cells:
        promised.done("vade_tf", "predict", run, "--data", file, "--out", tmp_path / "named.h5ad")
        named = anndata.read_h5ad(tmp_path / "named.h5ad")
        assert adjusted_rand_score(named.obs["vade_cluster"], own["cluster"]) > 0.98
        assert named.obsm["X_vade"].shape == (300, 10)
