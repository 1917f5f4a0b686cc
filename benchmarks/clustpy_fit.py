"""ClustPy's VaDE or DEC on a matrix, in an environment of its own: called by benchmarks/rivals.py.

pip install clustpy torch; python benchmarks/clustpy_fit.py VaDE|DEC ROWS.npz GROUPS.npz

ROWS.npz has x [n, D] in [0, 1], which the default loss of its VaDE (binary cross-entropy) wants, k and seed.
GROUPS.npz gets `groups`, int [n], which are its `labels_` (a mixture or a k-means of the codes at the end); `own`, int
[n], the assignments that were trained (`vade_labels_`, `dec_labels_`); seconds of the fit without imports; ClustPy's
version. OMP_NUM_THREADS says how many threads.
"""

import importlib.metadata
import sys
import time

import numpy as np
from clustpy import deep


def main(name: str, rows: str, groups: str) -> None:
    with np.load(rows) as content:
        x, k, seed = content["x"], int(content["k"]), int(content["seed"])
    begun = time.perf_counter()
    fitted = getattr(deep, name)(k, random_state=seed).fit(x)
    seconds = time.perf_counter() - begun
    found, own = fitted.labels_, getattr(fitted, f"{name.lower()}_labels_")
    version = importlib.metadata.version("clustpy")
    np.savez(groups, groups=np.asarray(found), own=np.asarray(own), seconds=seconds, version=version)


if __name__ == "__main__":
    main(*sys.argv[1:])
