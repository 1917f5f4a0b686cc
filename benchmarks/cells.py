"""Groups of cells from counts of genes, each system with the same settings for every set: ARI, NMI, ACC and seconds.

python benchmarks/cells.py --folder FOLDER --scvi PYTHON --desc PYTHON     all files and systems, seeds 0 to 4
python benchmarks/cells.py --folder FOLDER --systems vade --seeds 1
python benchmarks/cells.py --table                                     the tables of all that was measured so far
python benchmarks/cells.py --large                                     100,000 made cells: memory and minutes of a fit

FOLDER holds .h5 files with counts X [cells, genes] and cell types Y. Rows go to benchmarks/results/cells.csv as they
come; what is there already is not measured again, of VaDE if its code has not changed since (`csv_rows.commit`). scVI
and DESC need the Python of an environment of their own: --scvi and --desc, see scvi_cells.py and desc_cells.py.

VaDE, scVI and DESC are given the counts. k-means (10 starts) and the mixture (full covariance, 3 starts) get 50
principal components of log(1 + count), each cell brought to the median sum of its set first. K is the number of cell
types, except for Leiden (resolution 1, scanpy's default, on 15 neighbours in scVI's code) and DESC (resolutions 0.6 and
0.8, its defaults): they find their own.
"""

import argparse
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import csv_rows
import here
import numpy as np
import rivals
from peak_memory import peak

RESULTS = here.RESULTS / "cells.csv"
COMMAND = "python benchmarks/cells.py --folder FOLDER --scvi PYTHON --desc PYTHON"
COMPONENTS = 50
NAMES = {
    "vade": "VaDE",
    "kmeans": "PCA + k-means",
    "gmm": "PCA + GMM, full",
    "scvi_kmeans": "scVI + k-means",
    "scvi_leiden": "scVI + Leiden",
    "desc_0.6": "DESC, 0.6",
    "desc_0.8": "DESC, 0.8",
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


def elsewhere(system: str) -> Callable:
    """A system in an environment of its own, and the groups that it finds in several ways."""

    def fit(data: Set, seed: int, options) -> tuple[dict, float]:
        """{system: groups} and the seconds of a fit."""
        import scipy.sparse

        with tempfile.TemporaryDirectory() as folder:
            rows, found = Path(folder) / "rows.npz", Path(folder) / "found.npz"
            scipy.sparse.save_npz(rows, scipy.sparse.csr_matrix(data.x))
            script = Path(__file__).parent / f"{system}_cells.py"
            command = [getattr(options, system), script, rows, found, str(data.clusters), str(seed)]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            with np.load(found) as result:
                return {name: result[name] for name in ELSEWHERE[system]}, float(result["seconds"])

    return fit


ELSEWHERE = {"scvi": ("scvi_kmeans", "scvi_leiden"), "desc": ("desc_0.6", "desc_0.8")}
SYSTEMS: dict[str, Callable] = {
    "vade": vade,
    "kmeans": kmeans,
    "gmm": gmm,
    **{name: elsewhere(name) for name in ELSEWHERE},
}


def systems_of(name: str) -> tuple[str, ...]:
    """The systems of the CSV that one of `SYSTEMS` gives."""
    return ELSEWHERE.get(name, (name,))


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
    before = peak()
    begun = time.perf_counter()
    groups = VaDEClusterer(n_clusters=data.clusters, random_state=0, verbose=1).fit_predict(data.x)
    seconds = time.perf_counter() - begun
    after = peak()
    row = {
        **dict(zip(("n", "features", "clusters"), LARGE, strict=True)),
        "stored_mib": round((data.x.data.nbytes + data.x.indices.nbytes) / 2**20),
        "before_mib": round(before),
        "peak_mib": round(after),
        "minutes": f"{seconds / 60:.1f}",
        "ari": f"{metrics.scores(data.y, groups)['ari']:.4f}",
        "rare_f1": f"{rare_found(data.y, groups):.4f}",
    }
    csv_rows.write([row], LARGE_RESULTS, row, "python benchmarks/cells.py --large")
    print(row)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, help="of .h5 files with X and Y")
    parser.add_argument("--scvi", help="Python that has scvi-tools, scanpy and leidenalg")
    parser.add_argument("--desc", help="Python that has desc")
    parser.add_argument("--systems", nargs="+", choices=SYSTEMS, help="default: all that a Python is given for")
    parser.add_argument("--seeds", type=int, default=5, help="seeds 0, 1, ... (default: 5)")
    parser.add_argument("--table", action="store_true", help="print the tables and measure nothing")
    parser.add_argument("--large", action="store_true", help="one fit of 100,000 made cells instead")
    options = parser.parse_args()
    if options.large:
        return large(options)
    given = {name: getattr(options, name) for name in ELSEWHERE}
    systems = options.systems or [name for name in SYSTEMS if given.get(name, True)]
    if not options.table:
        if options.folder is None or not (files := sorted(options.folder.glob("*.h5"))):
            parser.error("--folder: expected a folder of .h5 files, got none")
        for name in systems:
            if given.get(name, True) is None:
                parser.error(f"--{name}: expected the Python of an environment of its own, got none")
        done = rivals.done(csv_rows.read(RESULTS), csv_rows.commit())
        for seed in range(options.seeds):
            for system in systems:
                for file in files:
                    name = file.stem
                    if all((name, each, str(seed)) in done for each in systems_of(system)):
                        continue
                    found = rivals.clustered(SYSTEMS[system], systems_of(system), load(file), seed, options)
                    rows = [{"set": name, "seed": seed, **row} for row in found]
                    csv_rows.append(rows, RESULTS, rivals.COLUMNS, COMMAND)
                    for row in rows:
                        print(*row.values(), flush=True)
    if rows := csv_rows.read(RESULTS):
        print(rivals.tables(rows, NAMES))


if __name__ == "__main__":
    main()
