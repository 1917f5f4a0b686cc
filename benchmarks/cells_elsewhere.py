"""scVI or DESC on counts, in an environment of its own: called by benchmarks/cells.py.

pip install scvi-tools scanpy leidenalg; python benchmarks/cells_elsewhere.py scvi ROWS.npz FOUND.npz K SEED
pip install desc==2.1.1 "pydot<3" "tensorflow==2.13.*" "pandas<2" "scanpy<1.10" "anndata<0.10" "numpy<1.25" \
    "scipy<1.12" "matplotlib<3.8" "setuptools<70"     (Python 3.11; pydot needs the program `dot` of Graphviz)
python benchmarks/cells_elsewhere.py desc ROWS.npz FOUND.npz K SEED

ROWS.npz is a sparse matrix of counts. FOUND.npz gets the groups, int [n] each, and the seconds of the training.
"""

import sys
import tempfile
import time

import anndata
import numpy as np
import scanpy
import scipy.sparse


def scvi(cells: anndata.AnnData, clusters: int, seed: int) -> dict:
    """k-means (10 starts, K) and Leiden (scanpy's defaults) in the code of scVI with its defaults."""
    import scvi
    from sklearn.cluster import KMeans

    scvi.settings.seed = seed
    begun = time.perf_counter()
    scvi.model.SCVI.setup_anndata(cells)
    model = scvi.model.SCVI(cells)
    model.train(accelerator="cpu", enable_progress_bar=False)
    seconds = time.perf_counter() - begun
    cells.obsm["code"] = model.get_latent_representation()
    scanpy.pp.neighbors(cells, use_rep="code", random_state=seed)
    scanpy.tl.leiden(cells, random_state=seed)
    kmeans = KMeans(clusters, n_init=10, random_state=seed).fit_predict(cells.obsm["code"])
    return {"scvi_kmeans": kmeans, "scvi_leiden": cells.obs["leiden"].to_numpy().astype(int), "seconds": seconds}


def desc(cells: anndata.AnnData, clusters: int, seed: int) -> dict:
    """DESC at its two default resolutions, prepared as its documentation does; it finds its own number of groups."""
    import desc

    cells.X = cells.X.toarray()
    scanpy.pp.normalize_total(cells, target_sum=1e4)
    scanpy.pp.log1p(cells)
    scanpy.pp.scale(cells, zero_center=True, max_value=3)
    begun = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        cells = desc.train(cells, save_dir=folder, use_ae_weights=False, random_seed=seed, verbose=False)
    seconds = time.perf_counter() - begun
    groups = {f"desc_{name}": cells.obs[f"desc_{name}"].to_numpy().astype(int) for name in ("0.6", "0.8")}
    return groups | {"seconds": seconds}


def main(system: str, rows: str, found: str, clusters: str, seed: str) -> None:
    counts = scipy.sparse.csr_matrix(scipy.sparse.load_npz(rows)).astype(np.float32)
    fit = {"scvi": scvi, "desc": desc}[system]
    np.savez(found, **fit(anndata.AnnData(counts), int(clusters), int(seed)))


if __name__ == "__main__":
    main(*sys.argv[1:])
