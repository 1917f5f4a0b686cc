"""scVI on counts, in an environment of its own: called by benchmarks/cells.py.

pip install scvi-tools scanpy leidenalg; python benchmarks/scvi_cells.py ROWS.npz FOUND.npz K SEED

ROWS.npz is a sparse matrix of counts. FOUND.npz gets the groups that k-means (10 starts, K) and Leiden (scanpy's
defaults) find in the code of scVI with its defaults, int [n], and the seconds of its training.
"""

import importlib.metadata
import sys
import time

import anndata
import numpy as np
import scanpy
import scipy.sparse
import scvi
from sklearn.cluster import KMeans


def main(rows: str, found: str, clusters: str, seed: str) -> None:
    cells = anndata.AnnData(scipy.sparse.load_npz(rows).astype(np.float32))
    scvi.settings.seed = int(seed)
    begun = time.perf_counter()
    scvi.model.SCVI.setup_anndata(cells)
    model = scvi.model.SCVI(cells)
    model.train(accelerator="cpu", enable_progress_bar=False)
    seconds = time.perf_counter() - begun
    cells.obsm["code"] = model.get_latent_representation()
    scanpy.pp.neighbors(cells, use_rep="code", random_state=int(seed))
    scanpy.tl.leiden(cells, random_state=int(seed))
    kmeans = KMeans(int(clusters), n_init=10, random_state=int(seed)).fit_predict(cells.obsm["code"])
    groups = {"scvi_kmeans": kmeans, "scvi_leiden": cells.obs["leiden"].to_numpy().astype(int)}
    np.savez(found, **groups, seconds=seconds, version=importlib.metadata.version("scvi-tools"))


if __name__ == "__main__":
    main(*sys.argv[1:])
