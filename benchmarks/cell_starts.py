"""Groups of cells before any training: the vote that counts start from, beside the ways it was chosen among. ARI.

python benchmarks/cell_starts.py --folder FOLDER         all .h5 files (counts X, cell types Y), seeds 0 to 2
python benchmarks/cell_starts.py --table                 the means of what was measured

"vote" is the start (`training.start.of_counts`): k-means in nine spaces, three views by three widths. "k-means" and
"graph" are a k-means (10 starts) and the regions of a graph (`training.landmark_starts.landmark`) in one of the views
alone: log counts in 50 principal directions, each gene divided by its standard deviation to the power of 0.5, 0.75 or
1; with 0 it is the k-means of benchmarks/cells.py. Rows go to benchmarks/results/cell_starts.csv as they come.
"""

import argparse
from pathlib import Path

import cells
import csv_rows
import here
import numpy as np
import rivals

RESULTS = here.RESULTS / "cell_starts.csv"
COMMAND = "python benchmarks/cell_starts.py --folder FOLDER"
SEEDS = range(3)


def starts(data: cells.Set, seed: int) -> dict[str, np.ndarray]:
    """The groups that each way finds, int [cells]."""
    from vade_tf import Settings, begin
    from vade_tf.training import groups, landmark_starts, regions, start, views

    fitting, k = begin(data.x, Settings(clusters=data.clusters, seed=seed)), data.clusters
    spaces = dict(zip(views.POWERS, groups.reader(fitting, "init", fitting.data.x)(fitting.data.x)[1], strict=True))
    found = {"vote": start.of_counts(list(spaces.values()), k, seed)}
    found["k-means, 0"] = regions.kmeans(cells.components(data.x, seed), k, seed)
    for power, space in spaces.items():
        found[f"k-means, {power:g}"] = regions.kmeans(space, k, seed)
        found[f"graph, {power:g}"] = landmark_starts.landmark([space], k, seed)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, help="of .h5 files with X and Y")
    parser.add_argument("--table", action="store_true", help="print the means and measure nothing")
    options = parser.parse_args()
    if not options.table:
        from sklearn.metrics import adjusted_rand_score

        if options.folder is None or not (files := sorted(options.folder.glob("*.h5"))):
            parser.error("--folder: expected a folder of .h5 files, got none")
        done = {(row["set"], row["seed"]) for row in csv_rows.read(RESULTS)}
        for seed in SEEDS:
            for file in files:
                if (file.stem, str(seed)) in done:
                    continue
                data, rows = cells.load(file), []
                for name, groups in starts(data, seed).items():
                    ari = f"{adjusted_rand_score(data.y, groups):.4f}"
                    rows.append({"set": file.stem, "system": name, "seed": seed, "ari": ari})
                    print(*rows[-1].values(), flush=True)
                csv_rows.append(rows, RESULTS, (*rivals.KEY, "ari"), COMMAND)
    rows = csv_rows.read(RESULTS)
    print(rivals.table(rows, "ari", {row["system"]: row["system"] for row in rows}))


if __name__ == "__main__":
    main()
