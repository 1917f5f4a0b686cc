"""DESC on counts, in an environment of its own: called by benchmarks/cells.py.

pip install desc==2.1.1 "pydot<3" "tensorflow==2.13.*" "pandas<2" "scanpy<1.10" "anndata<0.10" "numpy<1.25" \
    "scipy<1.12" "matplotlib<3.8" "setuptools<70"     (Python 3.11; pydot needs the program `dot` of Graphviz)
python benchmarks/desc_cells.py ROWS.npz FOUND.npz K SEED

ROWS.npz is a sparse matrix of counts. They are prepared as the package's documentation does: 10,000 counts a cell,
log1p, each gene standardised and cut off at 3. FOUND.npz gets the groups at its two default resolutions, int [n], and
the seconds of its training. K is not read: DESC finds its own by Louvain's method.
"""

import importlib.metadata
import sys
import tempfile
import time

import anndata
import desc
import numpy as np
import scanpy
import scipy.sparse


def main(rows: str, found: str, clusters: str, seed: str) -> None:
    cells = anndata.AnnData(scipy.sparse.csr_matrix(scipy.sparse.load_npz(rows)).toarray().astype(np.float32))
    scanpy.pp.normalize_total(cells, target_sum=1e4)
    scanpy.pp.log1p(cells)
    scanpy.pp.scale(cells, zero_center=True, max_value=3)
    begun = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        cells = desc.train(cells, save_dir=folder, use_ae_weights=False, random_seed=int(seed), verbose=False)
    seconds = time.perf_counter() - begun
    groups = {f"desc_{name}": cells.obs[f"desc_{name}"].to_numpy().astype(int) for name in ("0.6", "0.8")}
    np.savez(found, **groups, seconds=seconds, version=importlib.metadata.version("desc"))


if __name__ == "__main__":
    main(*sys.argv[1:])
