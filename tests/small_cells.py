"""Cells that tests make: counts of three types, ten of thirty genes each."""

import anndata
import numpy as np
import pandas
import scipy.sparse

GENES = [f"gene{j}" for j in range(30)]
TYPES = np.array(["B", "T", "NK"])
SMALL = {"latent_dim": 3, "hidden": (24,), "precision": "float32"}


def cells(n, seed=0):
    """Counts of n cells and their types: (CSR [n, 30], int [n])."""
    r = np.random.default_rng(seed)
    y = np.arange(n) % 3
    gene = np.where(np.arange(30) < 3, 8.0, 1.0)  # the first of each type is seen often
    mean = gene * np.where(np.arange(30) % 3 == y[:, None], 6.0, 0.1) * r.uniform(0.3, 1.5, (n, 1))
    return scipy.sparse.csr_matrix(r.negative_binomial(2.0, 2.0 / (2.0 + mean)).astype("f4")), y


def annotated(n, seed=0, order=slice(None), **layers):
    """The same as an AnnData, its genes in any order."""
    x, y = cells(n, seed)
    obs = pandas.DataFrame({"kind": TYPES[y]}, index=[f"cell{i}" for i in range(n)])
    return anndata.AnnData(x, obs=obs, var=pandas.DataFrame(index=GENES), layers=layers)[:, order].copy()
