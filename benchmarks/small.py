"""How long do small fits take? The first and the second of a process, beside a Gaussian mixture and ClustPy's VaDE.

python benchmarks/small.py                      minutes
python benchmarks/small.py --clustpy PYTHON     with ClustPy's VaDE, by the Python of an environment that has it

500 x 8: four Gaussian groups. digits: scikit-learn's, as images. Seconds are without imports, ACC is of the second fit,
the mixture is scikit-learn's with its defaults. ClustPy's network has a process a fit. Rows go to results/small.csv.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import frame
import numpy as np
from sklearn.datasets import load_digits, make_blobs
from sklearn.mixture import GaussianMixture

COLUMNS = ("set", "system", "first_seconds", "second_seconds", "acc", "commit")
SETS = ("500 x 8", "digits")
HERE = Path(__file__).resolve().parent


def load(name: str) -> tuple[np.ndarray, np.ndarray, int]:
    """Rows in [0, 1], groups and K."""
    if name == "digits":
        return (digits := load_digits()).images.astype(np.float32) / 16, digits.target, 10
    x, y = make_blobs(500, 8, centers=4, cluster_std=2.0, random_state=0)
    return ((x - x.min()) / np.ptp(x)).astype(np.float32), y, 4


def two_fits(system: str, name: str) -> dict:
    """Seconds of two fits with seeds 0 and 1 in this process, and the accuracy of the second."""
    from vade_tf import VaDEClusterer, metrics

    (x, y, k), seconds, groups = load(name), [], np.zeros(0)
    for seed in (0, 1):
        rows = x if system == "vade" else x.reshape(len(x), -1)
        model = VaDEClusterer(k, random_state=seed) if system == "vade" else GaussianMixture(k, random_state=seed)
        begun = time.perf_counter()
        groups = model.fit_predict(rows)
        seconds.append(time.perf_counter() - begun)
    return {"seconds": seconds, "acc": metrics.accuracy(y, groups)}


def clustpy(python: str, name: str) -> dict:
    from vade_tf import metrics

    (x, y, k), seconds, groups = load(name), [], np.zeros(0)
    with tempfile.TemporaryDirectory() as folder:
        for seed in (0, 1):
            np.savez(rows := f"{folder}/rows.npz", x=x.reshape(len(x), -1), k=k, seed=seed)
            command = [python, str(HERE / "clustpy_elsewhere.py"), "fit", rows, found := f"{folder}/groups.npz"]
            subprocess.run(command, check=True, capture_output=True)
            with np.load(found) as content:
                seconds, groups = [*seconds, float(content["seconds"])], content["groups"]
    return {"seconds": seconds, "acc": metrics.accuracy(y, groups)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clustpy", metavar="PYTHON")
    parser.add_argument("--one", nargs=2, metavar=("SYSTEM", "SET"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(two_fits(*options.one)))
        return
    for name in SETS:
        for system in ("vade", "mixture", *(["clustpy"] if options.clustpy else [])):
            if system == "clustpy":
                found = clustpy(options.clustpy, name)
            else:
                command = [sys.executable, __file__, "--one", system, name]
                found = json.loads(subprocess.check_output(command, text=True).splitlines()[-1])
            values = (
                name,
                system,
                *(f"{each:.2f}" for each in found["seconds"]),
                f"{found['acc']:.4f}",
                frame.commit(),
            )
            row = dict(zip(COLUMNS, values, strict=True))
            frame.append([row], frame.RESULTS / "small.csv", COLUMNS, "python benchmarks/small.py")
            print(*values, flush=True)


if __name__ == "__main__":
    main()
