"""Seconds of an epoch of ClustPy's VaDE, in an environment of its own: called by benchmarks/speed.py.

pip install clustpy torch; python benchmarks/clustpy_speed.py ROWS BATCH

The package gives no time of an epoch, so it fits three times: 1 + 1 epochs, 4 + 1 and 1 + 4; a third of a difference is
an epoch of the phase. Networks and settings are its defaults: 784-500-500-2000-10 and back, float32. Prints JSON.
"""

import json
import sys
import time

import numpy as np
from clustpy.deep import VaDE


def main(rows: int, batch_size: int) -> None:
    x = np.random.default_rng(0).random((rows, 784), dtype=np.float32)

    def fit(pretrain_epochs: int, clustering_epochs: int) -> np.ndarray:
        """Wall and processor seconds of a fit."""
        begun = np.array([time.perf_counter(), time.process_time()])
        VaDE(
            10,
            batch_size=batch_size,
            pretrain_epochs=pretrain_epochs,
            clustering_epochs=clustering_epochs,
            embedding_size=10,
            random_state=0,
        ).fit(x)
        return np.array([time.perf_counter(), time.process_time()]) - begun

    least = fit(1, 1)
    phases = {"pretrain": (fit(4, 1) - least) / 3, "fit": (fit(1, 4) - least) / 3}
    print(json.dumps({phase: {"seconds": seconds[0], "cpu": seconds[1]} for phase, seconds in phases.items()}))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
