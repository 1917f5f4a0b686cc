"""ClustPy's VaDE on a matrix, in an environment of its own: called by benchmarks/rivals.py.

pip install clustpy torch; python benchmarks/clustpy_fit.py ROWS.npz GROUPS.npz

ROWS.npz has x [n, D] in [0, 1], which the default loss of its VaDE (binary cross-entropy) wants, k and seed.
GROUPS.npz gets `groups`, int [n], which are its `labels_` (a mixture of the codes at the end), seconds of the fit
without imports, and ClustPy's version. OMP_NUM_THREADS says how many threads.
"""

import importlib.metadata
import sys
import time

import numpy as np
from clustpy.deep import VaDE


def main(rows: str, groups: str) -> None:
    with np.load(rows) as content:
        x, k, seed = content["x"], int(content["k"]), int(content["seed"])
    begun = time.perf_counter()
    fitted = VaDE(k, random_state=seed).fit(x)
    seconds = time.perf_counter() - begun
    np.savez(groups, groups=fitted.labels_, seconds=seconds, version=importlib.metadata.version("clustpy"))


if __name__ == "__main__":
    main(*sys.argv[1:])
