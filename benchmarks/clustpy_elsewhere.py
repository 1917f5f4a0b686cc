"""ClustPy's VaDE, in an environment of its own: called by benchmarks/rivals.py and benchmarks/speed.py.

pip install clustpy torch
python benchmarks/clustpy_elsewhere.py fit ROWS.npz GROUPS.npz    x [n, D] in [0, 1], k and seed -> groups, seconds
python benchmarks/clustpy_elsewhere.py speed ROWS BATCH           seconds of an epoch of each phase, as JSON

Networks and settings are its defaults: D-500-500-2000-10 and back, float32; its loss (binary cross-entropy) wants
values in [0, 1]. The groups are its `labels_`, a mixture of the codes at the end. It gives no time of an epoch, so
`speed` fits three times: 1 + 1 epochs, 4 + 1 and 1 + 4; a third of a difference is an epoch of the phase.
"""

import json
import sys
import time

import numpy as np
from clustpy.deep import VaDE


def fit(rows: str, groups: str) -> None:
    with np.load(rows) as content:
        x, k, seed = content["x"], int(content["k"]), int(content["seed"])
    begun = time.perf_counter()
    fitted = VaDE(k, random_state=seed).fit(x)
    np.savez(groups, groups=fitted.labels_, seconds=time.perf_counter() - begun)


def speed(rows: str, batch_size: str) -> None:
    x = np.random.default_rng(0).random((int(rows), 784), dtype=np.float32)

    def spent(pretrain_epochs: int, clustering_epochs: int) -> np.ndarray:
        """Wall and processor seconds of a fit."""
        begun = np.array([time.perf_counter(), time.process_time()])
        lengths = {"pretrain_epochs": pretrain_epochs, "clustering_epochs": clustering_epochs}
        VaDE(10, batch_size=int(batch_size), embedding_size=10, random_state=0, **lengths).fit(x)
        return np.array([time.perf_counter(), time.process_time()]) - begun

    least = spent(1, 1)
    phases = {"pretrain": (spent(4, 1) - least) / 3, "fit": (spent(1, 4) - least) / 3}
    print(json.dumps({phase: {"seconds": seconds[0], "cpu": seconds[1]} for phase, seconds in phases.items()}))


if __name__ == "__main__":
    {"fit": fit, "speed": speed}[sys.argv[1]](*sys.argv[2:])
