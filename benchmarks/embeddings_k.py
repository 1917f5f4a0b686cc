"""Which criterion finds the number of groups of embeddings.

python benchmarks/embeddings_k.py --folder FOLDER      four files and eight made sets, seed 0: some minutes
python benchmarks/embeddings_k.py --table              the table of what was measured so far

FOLDER holds .npz files with rows x [n, D] of length 1 and classes y [n]. `weakest` is prediction strength as other
kinds of rows have it, `vade` the choice of the package (`training/n_clusters.py`). `eigengap` takes the K after which
the eigenvalues of the graph of 15 nearest rows fall most (von Luxburg, "A tutorial on spectral clustering", 2007, 8.3).
The made sets are groups on a sphere, `cloud` is noise alone. Rows go to benchmarks/results/embeddings_k.csv as they
come; what is there is not measured again. Seconds of weakest and vade are those of one computation.
"""

import argparse
import functools
import time
from pathlib import Path

import embeddings_start
import frame
import numpy as np
import scipy.sparse
import scipy.sparse.linalg

RESULTS = frame.RESULTS / "embeddings_k.csv"
COMMAND = "python benchmarks/embeddings_k.py --folder FOLDER"
COLUMNS = ("set", "criterion", "n", "features", "clusters", "chosen", "seconds")
LIMIT = 100  # the largest K, as in the package
MADE = {  # arguments of `embeddings_start.made`
    "cloud": (3000, 1, 5.05, 0.0),
    "sphere 5": (3000, 5, 5.05, 0.0),
    "sphere 12": (3000, 12, 5.05, 0.0),
    "shared 12": (3000, 12, 3.3, 1.93),
    "sphere 30": (3000, 30, 3.5, 0.0),
    "sphere 60": (6000, 60, 3.0, 0.0),
    "sphere 89": (9000, 89, 2.5, 0.0),
    "sphere 89, few rows": (6000, 89, 3.0, 0.0),
}


def eigengap(coordinates: np.ndarray, n_neighbours: int = 15) -> int:
    """K from 2 to `LIMIT`, after which the eigenvalues of the symmetric graph of nearest rows [n, d] fall most."""
    from vade_tf.training import embeddings

    n = len(coordinates)
    neighbours = embeddings.neighbourhood(coordinates, n_neighbours, 0).neighbours
    rows = np.repeat(np.arange(n), n_neighbours)
    graph = scipy.sparse.csr_matrix((np.ones(n * n_neighbours), (rows, neighbours.ravel())), (n, n))
    graph = graph.maximum(graph.T)
    scale = scipy.sparse.diags(1 / np.sqrt(np.asarray(graph.sum(axis=1)).ravel()))
    start = np.random.default_rng(0).normal(size=n)
    values = scipy.sparse.linalg.eigsh(scale @ graph @ scale, LIMIT + 1, v0=start, return_eigenvectors=False)
    falls = -np.diff(np.sort(values)[::-1])  # after the K-th value, K = 1, 2, ...
    return int(np.argmax(falls[1:])) + 2


def measured(name: str, folder: Path) -> list[dict]:
    """The rows of the CSV of a set."""
    from vade_tf.training import embeddings, n_clusters

    x, y = embeddings_start.made(*MADE[name], 0) if name in MADE else embeddings_start.load(name, 0, folder)
    coordinates = embeddings.principal_directions(x, 0)(x)
    begun = time.perf_counter()
    tried = n_clusters.numbers_tried(len(x), LIMIT)
    strength = n_clusters.prediction_strength(coordinates, tried, 0, embeddings.average)
    seconds = time.perf_counter() - begun
    found = [
        ("weakest", n_clusters.choose_number(np.array(tried), strength.weakest).n_clusters, seconds),
        ("vade", n_clusters.choose_number(np.array(tried), *strength).n_clusters, seconds),
    ]
    begun = time.perf_counter()
    found.append(("eigengap", eigengap(coordinates), time.perf_counter() - begun))
    known = (*x.shape, len(np.unique(y)))
    return [
        dict(zip(COLUMNS, (name, criterion, *known, chosen, f"{seconds:.1f}"), strict=True))
        for criterion, chosen, seconds in found
    ]


def table(rows: list[dict]) -> str:
    """What each criterion chose, in Markdown."""
    criteria = list(dict.fromkeys(row["criterion"] for row in rows))
    lines = ["| set | groups | " + " | ".join(criteria) + " |", "|---" * (len(criteria) + 2) + "|"]
    for name in dict.fromkeys(row["set"] for row in rows):
        chosen = {row["criterion"]: row["chosen"] for row in rows if row["set"] == name}
        known = next(row["clusters"] for row in rows if row["set"] == name)
        lines.append(f"| {name} | {known} | " + " | ".join(chosen[each] for each in criteria) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, help="of .npz files with x and y (default: made sets alone)")
    parser.add_argument("--table", action="store_true", help="print the table and measure nothing")
    options = parser.parse_args()
    if not options.table:
        files = sorted(file.stem for file in options.folder.glob("*.npz")) if options.folder else []
        jobs = [(functools.partial(measured, name, options.folder), {(name,)}) for name in [*files, *MADE]]
        frame.measure(jobs, frame.measured(RESULTS, ("set",), "chosen"), RESULTS, COLUMNS, COMMAND)
    print(table(frame.read(RESULTS)))


if __name__ == "__main__":
    main()
