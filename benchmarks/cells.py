"""Groups of cells from counts of genes, each system with the same settings for every set: ARI, NMI, ACC and seconds.

python benchmarks/cells.py --folder FOLDER --scvi PYTHON --desc PYTHON     all files and systems, seeds 0 to 4
python benchmarks/cells.py --folder FOLDER --systems vade --seeds 1
python benchmarks/cells.py --table                                     the tables of all that was measured so far

FOLDER holds .h5 files with counts X [cells, genes] and cell types Y. Rows go to benchmarks/results/cells.csv as they
come; what is there already is not measured again, of VaDE if its code has not changed since (`frame.commit`). scVI
and DESC need the Python of an environment of their own: --scvi and --desc, see cells_elsewhere.py.

VaDE, scVI and DESC are given the counts. k-means (10 starts) and the mixture (full covariance, 3 starts) get 50
principal components of log(1 + count), each cell brought to the median sum of its set first. K is the number of cell
types, except for Leiden (resolution 1, scanpy's default, on 15 neighbours in scVI's code) and DESC (resolutions 0.6 and
0.8, its defaults): they find their own.
"""

import argparse
import subprocess
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import frame
import numpy as np
import rivals

RESULTS = frame.RESULTS / "cells.csv"
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
            script = Path(__file__).with_name("cells_elsewhere.py")
            command = [getattr(options, system), script, system, rows, found, str(data.clusters), str(seed)]
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


def jobs(options, systems: list[str], files: list[Path]) -> Iterable[tuple[Callable, set]]:
    """Each fit, and the identities of its rows."""
    for seed in range(options.seeds):
        for system in systems:
            names = ELSEWHERE.get(system, (system,))
            for file in files:

                def job(file=file, system=system, names=names, seed=seed) -> list[dict]:
                    rows = rivals.clustered(SYSTEMS[system], names, load(file), seed, options)
                    return [{"set": file.stem, **row} for row in rows]

                yield job, {(file.stem, name, str(seed)) for name in names}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, help="of .h5 files with X and Y")
    parser.add_argument("--scvi", help="Python that has scvi-tools, scanpy and leidenalg")
    parser.add_argument("--desc", help="Python that has desc")
    parser.add_argument("--systems", nargs="+", choices=SYSTEMS, help="default: all that a Python is given for")
    parser.add_argument("--seeds", type=int, default=5, help="seeds 0, 1, ... (default: 5)")
    parser.add_argument("--table", action="store_true", help="print the tables and measure nothing")
    options = parser.parse_args()
    pythons = {name: getattr(options, name) for name in ELSEWHERE}
    systems = options.systems or [name for name in SYSTEMS if pythons.get(name, True)]
    if not options.table:
        if options.folder is None or not (files := sorted(options.folder.glob("*.h5"))):
            parser.error("--folder: expected a folder of .h5 files, got none")
        if missing := [name for name in systems if pythons.get(name, True) is None]:
            parser.error(f"--{missing[0]}: expected the Python of an environment of its own, got none")
        done = frame.measured(RESULTS, rivals.KEY, "ari", frame.commit())
        frame.measure(jobs(options, systems, files), done, RESULTS, rivals.COLUMNS, COMMAND)
    print(rivals.tables(frame.read(RESULTS), NAMES))


if __name__ == "__main__":
    main()
