"""Groups of cells from counts of genes, each system with the same settings for every set: ARI, NMI, ACC and seconds.

python benchmarks/cells.py --folder FOLDER --scvi PYTHON               all files and systems, seeds 0 to 4
python benchmarks/cells.py --folder FOLDER --systems vade --seeds 1
python benchmarks/cells.py --table                                     the tables of all that was measured so far
python benchmarks/cells.py --large                                     100,000 made cells: memory and minutes of a fit

FOLDER holds .h5 files with counts X [cells, genes] and cell types Y. Rows go to benchmarks/results/cells.csv as they
come; what is there already is not measured again. scVI needs --scvi, the Python of an environment that has scvi-tools,
scanpy and leidenalg.

VaDE and scVI are given the counts. k-means (10 starts) and the mixture (full covariance, 3 starts) get 50 principal
components of log(1 + count), each cell brought to the median sum of its set first. K is the number of cell types,
except for Leiden, which has a resolution (1, scanpy's default, on 15 neighbours in scVI's code) and finds its own.
"""

import argparse
import csv
import multiprocessing
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

RESULTS = Path(__file__).parent / "results" / "cells.csv"
COMMAND = "# python benchmarks/cells.py --folder FOLDER --scvi PYTHON"
KEY = ("set", "system", "seed")
COLUMNS = (*KEY, "n", "features", "clusters", "found", "acc", "ari", "nmi", "seconds")
COMPONENTS = 50
LIMIT = 3600  # seconds of a fit; one that takes longer is ended, and its row has no scores
NAMES = {
    "vade": "VaDE",
    "kmeans": "PCA + k-means",
    "gmm": "PCA + GMM, full",
    "scvi_kmeans": "scVI + k-means",
    "scvi_leiden": "scVI + Leiden",
}
LARGE = (100_000, 2000, 20)  # cells, genes and groups of --large
LARGE_RESULTS = RESULTS.with_name("cells_large.csv")


class Set(NamedTuple):
    """Counts, a sparse matrix [cells, genes], cell types int [cells], and their number."""

    x: Any
    y: np.ndarray
    clusters: int


def load(file: Path) -> Set:
    """The counts of a file."""
    import h5py
    import scipy.sparse

    with h5py.File(file) as stored:
        x, y = scipy.sparse.csr_array(stored["X"][()]), np.unique(stored["Y"][()], return_inverse=True)[1]
    return Set(x, y, int(y.max()) + 1)


def components(x, seed: int) -> np.ndarray:
    """50 principal components of log counts, [cells, 50]."""
    import scipy.sparse
    from sklearn.decomposition import PCA

    size = np.asarray(x.sum(axis=1)).ravel()
    logs = (scipy.sparse.diags_array(np.median(size) / np.maximum(size, 1)) @ x).log1p()
    return PCA(COMPONENTS, random_state=seed).fit_transform(logs.toarray())


def vade(data: Set, seed: int, options) -> np.ndarray:
    from vade_tf import VaDEClusterer

    return VaDEClusterer(n_clusters=data.clusters, random_state=seed).fit_predict(data.x)


def kmeans(data: Set, seed: int, options) -> np.ndarray:
    from sklearn.cluster import KMeans

    return KMeans(data.clusters, n_init=10, random_state=seed).fit_predict(components(data.x, seed))


def gmm(data: Set, seed: int, options) -> np.ndarray:
    from sklearn.mixture import GaussianMixture

    rows = components(data.x, seed)
    return GaussianMixture(data.clusters, n_init=3, random_state=seed).fit_predict(rows.astype(np.float64))


def scvi(data: Set, seed: int, options) -> tuple[dict, float]:
    """scVI with its defaults, and groups of its code found in two ways: {system: groups} and seconds of a fit."""
    import scipy.sparse

    with tempfile.TemporaryDirectory() as folder:
        rows, found = Path(folder) / "rows.npz", Path(folder) / "found.npz"
        scipy.sparse.save_npz(rows, scipy.sparse.csr_matrix(data.x))
        script = Path(__file__).parent / "scvi_cells.py"
        command = [options.scvi, script, rows, found, str(data.clusters), str(seed)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        with np.load(found) as result:
            return {name: result[name] for name in OF_SCVI}, float(result["seconds"])


SYSTEMS: dict[str, Callable] = {"vade": vade, "kmeans": kmeans, "gmm": gmm, "scvi": scvi}
OF_SCVI = ("scvi_kmeans", "scvi_leiden")


def fit(data: Set, system: str, seed: int, options, pipe) -> None:
    """Fit in a process of its own and send (groups by system, seconds)."""
    begun = time.perf_counter()
    found = SYSTEMS[system](data, seed, options)
    pipe.send(found if isinstance(found, tuple) else ({system: found}, time.perf_counter() - begun))


def measured(data: Set, system: str, seed: int, options) -> list[dict]:
    """Rows of the CSV without set and seed; scores are empty where the fit failed or took longer than `LIMIT`."""
    from vade_tf import metrics

    fork = multiprocessing.get_context("fork")  # this process never loads TensorFlow
    receive, send = fork.Pipe(duplex=False)
    process = fork.Process(target=fit, args=(data, system, seed, options, send))
    begun = time.perf_counter()
    process.start()
    send.close()
    found, seconds = dict.fromkeys(systems_of(system)), 0.0
    try:
        if receive.poll(LIMIT):
            found, seconds = receive.recv()
    except EOFError:
        pass  # it ended with an error, which stands above
    process.kill()
    process.join()
    rows = []
    for name, groups in found.items():
        row = {"system": name, "n": data.x.shape[0], "features": data.x.shape[1], "clusters": data.clusters}
        row["seconds"] = f"{seconds or time.perf_counter() - begun:.1f}"
        if groups is not None:
            groups = np.unique(groups, return_inverse=True)[1]
            scores = metrics.scores(data.y, groups)
            row |= {"found": groups.max() + 1, **{key: f"{value:.4f}" for key, value in scores.items()}}
        rows.append(row)
    return rows


def systems_of(name: str) -> tuple[str, ...]:
    """The systems of the CSV that one of `SYSTEMS` gives."""
    return OF_SCVI if name == "scvi" else (name,)


def read(file: Path = RESULTS) -> list[dict]:
    if not file.exists():
        return []
    with file.open(newline="") as lines:
        return list(csv.DictReader(line for line in lines if not line.startswith("#")))


def append(row: dict, file: Path = RESULTS) -> None:
    new = not file.exists()
    with file.open("a", newline="") as lines:
        writer = csv.DictWriter(lines, COLUMNS, restval="", lineterminator="\n")
        if new:
            lines.write(COMMAND + "\n")
            writer.writeheader()
        writer.writerow(row)


def table(rows: list[dict], column: str) -> str:
    """A line a set in Markdown: mean of the column over the seeds and their number, by system; then their mean.

    The last line is over the sets that every system has.
    """
    found: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        if row[column] != "":
            found[row["set"]][row["system"]].append(float(row[column]))
    systems = [name for name in NAMES if any(row["system"] == name for row in rows)]
    digits = 1 if column == "seconds" else 3
    lines = ["| set | " + " | ".join(NAMES[name] for name in systems) + " |", "|---" * (1 + len(systems)) + "|"]
    for name, own in found.items():
        cells = [f"{np.mean(own[s]):.{digits}f} ({len(own[s])})" if s in own else "" for s in systems]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    shared = [own for own in found.values() if all(system in own for system in systems)]
    if shared:
        cells = [f"{np.mean([np.mean(own[system]) for own in shared]):.{digits}f}" for system in systems]
        lines.append(f"| **mean of {len(shared)} sets** | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def made(n: int, genes: int, groups: int, rare: float = 0.01, seed: int = 0) -> Set:
    """Counts of cells in groups, a sparse matrix made a few rows at a time; the last group has a share `rare` of them.

    A gene's share is log-normal (sigma 1.5); of each group 40 genes are marked, with shares 2 to 8 times as large. A
    cell has 1,000 counts in the median (log-normal, sigma 0.4), negative binomial with dispersion 0.5.
    """
    import scipy.sparse

    r = np.random.default_rng(seed)
    share = np.exp(r.normal(0, 1.5, genes)) * np.ones((groups, 1))
    for own in share:
        own[r.choice(genes, 40, replace=False)] *= r.uniform(2, 8, 40)
    share /= share.sum(axis=1, keepdims=True)
    weight = np.append(np.full(groups - 1, (1 - rare) / (groups - 1)), rare)
    y, parts = r.choice(groups, n, p=weight), []
    for start in range(0, n, 5000):
        mean = (
            np.exp(r.normal(np.log(1000), 0.4, len(y[start : start + 5000])))[:, None] * share[y[start : start + 5000]]
        )
        parts.append(scipy.sparse.csr_array(r.negative_binomial(2.0, 2.0 / (2.0 + mean)).astype(np.float32)))
    return Set(scipy.sparse.vstack(parts, format="csr"), y, groups)


def rare_found(y: np.ndarray, groups: np.ndarray) -> float:
    """F1 of the last type with the group that has most of it."""
    own = y == y.max()
    best = groups == np.bincount(groups[own]).argmax()
    return 2 * float(np.sum(own & best)) / float(np.sum(own) + np.sum(best))


def large(options) -> None:
    """100,000 made cells: peak memory of the process, minutes of the fit, and whether the groups are found."""
    from vade_tf import VaDEClusterer, metrics

    data = made(*LARGE)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    begun = time.perf_counter()
    groups = VaDEClusterer(n_clusters=data.clusters, random_state=0, verbose=1).fit_predict(data.x)
    seconds = time.perf_counter() - begun
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    row = {
        **dict(zip(("n", "features", "clusters"), LARGE, strict=True)),
        "stored_mib": round((data.x.data.nbytes + data.x.indices.nbytes) / 2**20),
        "before_mib": round(before),
        "peak_mib": round(peak),
        "minutes": f"{seconds / 60:.1f}",
        "ari": f"{metrics.scores(data.y, groups)['ari']:.4f}",
        "rare_f1": f"{rare_found(data.y, groups):.4f}",
    }
    with LARGE_RESULTS.open("w", newline="") as lines:
        lines.write("# python benchmarks/cells.py --large\n")
        writer = csv.DictWriter(lines, list(row), lineterminator="\n")
        writer.writeheader()
        writer.writerow(row)
    print(row)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, help="of .h5 files with X and Y")
    parser.add_argument("--scvi", help="Python that has scvi-tools, scanpy and leidenalg")
    parser.add_argument("--systems", nargs="+", choices=SYSTEMS, help="default: all; scvi only with --scvi")
    parser.add_argument("--seeds", type=int, default=5, help="seeds 0, 1, ... (default: 5)")
    parser.add_argument("--table", action="store_true", help="print the tables and measure nothing")
    parser.add_argument("--large", action="store_true", help="one fit of 100,000 made cells instead")
    options = parser.parse_args()
    if options.large:
        return large(options)
    systems = options.systems or [name for name in SYSTEMS if name != "scvi" or options.scvi]
    if not options.table:
        if options.folder is None or not (files := sorted(options.folder.glob("*.h5"))):
            parser.error("--folder: expected a folder of .h5 files, got none")
        if options.scvi is None and "scvi" in systems:
            parser.error("--scvi: expected the Python of an environment with scvi-tools, got none")
        done = {tuple(row[name] for name in KEY) for row in read()}
        for seed in range(options.seeds):
            for system in systems:
                for file in files:
                    name = file.stem
                    if all((name, each, str(seed)) in done for each in systems_of(system)):
                        continue
                    for row in measured(load(file), system, seed, options):
                        row = {"set": name, "seed": seed, **row}
                        append(row)
                        print(*(row.get(column, "") for column in COLUMNS), flush=True)
    rows = read()
    for column in ("ari", "nmi", "acc", "seconds"):
        if rows:
            print(f"\n{column.upper() if column != 'seconds' else 'seconds a fit'}\n\n{table(rows, column)}")


if __name__ == "__main__":
    main()
