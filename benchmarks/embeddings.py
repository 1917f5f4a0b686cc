"""Groups of embeddings: ACC, NMI, ARI, rows left out, groups, calibration and seconds of each system.

python benchmarks/embeddings.py --folder FOLDER --elsewhere PYTHON      all files and systems, seeds 0 to 2
python benchmarks/embeddings.py --folder FOLDER --systems vade --sets stackoverflow --seeds 1
python benchmarks/embeddings.py --table                                 the tables of all that was measured so far

FOLDER holds .npz files with rows x [n, D] of length 1 and classes y [n]; the sets of `MADE` are made. Rows go to
benchmarks/results/embeddings.csv as they come; what is there already is not measured again, of VaDE if its code has not
changed since (`frame.commit`).
UMAP and EVoC need the Python of an environment of their own: --elsewhere, see embeddings_elsewhere.py.

K is the number of classes, but for HDBSCAN and EVoC told nothing, which find their own. k-means (10 starts) gets the
rows, the mixture of one covariance (1e-2 added to its variances, 3 starts) their standardised columns. UMAP makes 5
dimensions (cosine, 15 neighbours, min_dist 0). `averaged` is the start of VaDE alone. Rows that HDBSCAN or EVoC leave
out are one group. `ece` is the expected calibration error of the largest probability, where a system gives any.
Seconds are without imports.
"""

import argparse
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import embeddings_start
import frame
import numpy as np
import rivals

RESULTS = frame.RESULTS / "embeddings.csv"
COMMAND = "python benchmarks/embeddings.py --folder FOLDER --elsewhere PYTHON"
COLUMNS = (
    *rivals.KEY, "n", "features", "clusters", "found", "left_out", "acc", "nmi", "ari", "ece", "seconds", "commit",
)  # fmt: skip
NAMES = {
    "kmeans": "k-means",
    "tied": "GMM, tied",
    "umap_kmeans": "UMAP + k-means",
    "umap_hdbscan": "UMAP + HDBSCAN",
    "evoc_free": "EVoC",
    "evoc_told": "EVoC, told K",
    "averaged": "averaged rows + k-means",
    "vade": "VaDE",
}
MADE = {**embeddings_start.MADE, "many": (6000, 89, 3.0, 0.0)}  # arguments of `embeddings_start.made`


class Set(NamedTuple):
    """Rows as they came, float16 [n, D], classes int [n], and their number."""

    x: np.ndarray
    y: np.ndarray
    clusters: int


def load(name: str, seed: int, folder: Path) -> Set:
    """The rows of a file, or those of a made set, which each seed draws anew."""
    x, y = embeddings_start.made(*MADE[name], seed) if name in MADE else embeddings_start.load(name, 0, folder)
    return Set(x, y, int(y.max()) + 1)


# Each system gives, by name, groups int [n] (-1: left out) or probabilities [n, K], and its seconds.
Found = tuple[dict[str, tuple[np.ndarray, float]], float]


def timed(name: str, function: Callable[[], np.ndarray]) -> Found:
    begun = time.perf_counter()
    found = function()
    seconds = time.perf_counter() - begun
    return {name: (found, seconds)}, seconds


def kmeans(data: Set, seed: int, options) -> Found:
    from sklearn.cluster import KMeans

    return timed("kmeans", lambda: KMeans(data.clusters, n_init=10, random_state=seed).fit_predict(data.x.astype("f4")))


def tied(data: Set, seed: int, options) -> Found:
    from sklearn.mixture import GaussianMixture
    from sklearn.preprocessing import StandardScaler

    mixture = GaussianMixture(data.clusters, covariance_type="tied", reg_covar=1e-2, n_init=3, random_state=seed)
    rows = StandardScaler().fit_transform(data.x.astype(np.float64))
    return timed("tied", lambda: mixture.fit(rows).predict_proba(rows))


def averaged(data: Set, seed: int, options) -> Found:
    from vade_tf.training import embeddings

    def probabilities() -> np.ndarray:
        coordinates = embeddings.principal_directions(data.x, seed, data.clusters)(data.x)
        return embeddings.partition(coordinates, data.clusters, seed)

    return timed("averaged", probabilities)


def vade(data: Set, seed: int, options) -> Found:
    from vade_tf import VaDEClusterer

    return timed(
        "vade", lambda: VaDEClusterer(n_clusters=data.clusters, random_state=seed).fit(data.x).predict_proba(data.x)
    )


def elsewhere(system: str) -> Callable:
    """A system in an environment of its own."""

    def fit(data: Set, seed: int, options) -> Found:
        with tempfile.TemporaryDirectory() as folder:
            rows, found = Path(folder) / "rows.npz", Path(folder) / "found.npz"
            np.savez(rows, x=data.x)
            script = Path(__file__).with_name("embeddings_elsewhere.py")
            command = [options.elsewhere, script, system, rows, found, str(data.clusters), str(seed)]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            with np.load(found) as result:
                own = {name: (result[name], float(result[f"{name}_seconds"])) for name in ELSEWHERE[system]}
        return own, sum(seconds for _, seconds in own.values())

    return fit


ELSEWHERE = {"umap": ("umap_kmeans", "umap_hdbscan"), "evoc": ("evoc_free", "evoc_told")}
SYSTEMS: dict[str, Callable] = {
    "kmeans": kmeans,
    "tied": tied,
    **{name: elsewhere(name) for name in ELSEWHERE},
    "averaged": averaged,
    "vade": vade,
}


def measured(system: str, names: Iterable[str], data: Set, seed: int, options) -> list[dict]:
    """Rows of the CSV without the set; scores are empty where the fit failed or took longer than the limit."""
    commit = frame.commit()  # before the fit
    found, seconds = rivals.in_process(SYSTEMS[system], data, seed, options)
    rows = []
    for name in names:
        row: dict[str, Any] = {"system": name, "seed": seed, "n": len(data.x), "features": data.x.shape[1]}
        row |= {"clusters": data.clusters, "seconds": f"{seconds:.1f}", "commit": commit}
        if found is not None:
            result, seconds = found[name]
            row |= {**scores(data, result), "seconds": f"{seconds:.1f}"}
        rows.append(row)
    return rows


def scores(data: Set, result: np.ndarray) -> dict[str, Any]:
    """Groups, the share of rows left out, acc, nmi, ari, and of probabilities the ece."""
    from vade_tf import metrics

    groups = result if result.ndim == 1 else result.argmax(axis=1)
    numbered = np.unique(groups, return_inverse=True)[1]
    row: dict[str, Any] = {"found": len(np.unique(groups[groups >= 0])), "left_out": f"{np.mean(groups < 0):.4f}"}
    row |= {key: f"{value:.4f}" for key, value in metrics.scores(data.y, numbered).items()}
    if result.ndim == 2:
        correct = metrics.matching(data.y, groups)[groups] == data.y
        row["ece"] = f"{metrics.calibration(correct, result.max(axis=1))['ece']:.4f}"
    return row


def jobs(options, systems: list[str], names: list[str]) -> Iterable[tuple[Callable, set]]:
    """Each fit, and the identities of its rows."""
    for seed in range(options.seeds):
        for name in names:
            for system in systems:
                columns = ELSEWHERE.get(system, (system,))

                def job(name=name, system=system, columns=columns, seed=seed) -> list[dict]:
                    data = load(name, seed, options.folder)
                    return [{"set": name, **row} for row in measured(system, columns, data, seed, options)]

                yield job, {(name, each, str(seed)) for each in columns}


def tables(rows: list[dict]) -> str:
    """A table in Markdown of each column, of the files and of the made sets."""
    files = [row for row in rows if row["set"] not in MADE]
    made = [row for row in rows if row["set"] in MADE]
    columns = ("ari", "acc", "nmi", "left_out", "found", "ece", "seconds")
    return "\n".join(
        f"\n{column}\n\n{rivals.table(some, column, NAMES)}" for column in columns for some in (files, made)
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, help="of .npz files with x and y")
    parser.add_argument("--elsewhere", metavar="PYTHON", help="that has umap-learn and evoc")
    parser.add_argument("--systems", nargs="+", choices=SYSTEMS, help="default: all that a Python is given for")
    parser.add_argument("--sets", nargs="+", help="files without their ending, or made sets (default: all)")
    parser.add_argument("--seeds", type=int, default=3, help="seeds 0, 1, ... (default: 3)")
    parser.add_argument("--table", action="store_true", help="print the tables and measure nothing")
    options = parser.parse_args()
    systems = options.systems or [name for name in SYSTEMS if name not in ELSEWHERE or options.elsewhere]
    if not options.table:
        if options.folder is None or not list(options.folder.glob("*.npz")):
            parser.error("--folder: expected a folder of .npz files, got none")
        sets = options.sets or [*sorted(file.stem for file in options.folder.glob("*.npz")), *MADE]
        if options.elsewhere is None and set(systems) & set(ELSEWHERE):
            parser.error("--elsewhere: expected the Python of an environment with umap-learn and evoc, got none")
        done = frame.measured(RESULTS, rivals.KEY, "ari", frame.commit())
        frame.measure(jobs(options, systems, sets), done, RESULTS, COLUMNS, COMMAND)
    print(tables(frame.read(RESULTS)))


if __name__ == "__main__":
    main()
