"""Cells of two labs that catch genes differently: are they grouped by kind or by lab, with and without --batch? ARI.

python benchmarks/cell_batches.py --folder FOLDER          the starts: all .h5 files (counts X, types Y), seeds 0 to 2
python benchmarks/cell_batches.py --folder FOLDER --fit    whole fits by the defaults, seed 0
python benchmarks/cell_batches.py --table                  the means of what was measured

Every cell is given to one of two labs, at odds that differ from type to type (uniform). A lab keeps each count of a
gene with a probability exp(-s |g|), g drawn for that gene and lab from N(0, 1); s is 1 and 2 (at 2 a third of the
counts is left). "whole" are the same cells with all their counts. "lab" is the ARI of the groups with the labs; it is
not 0 even for the types themselves. Rows go to benchmarks/results/cell_batches.csv as they come.
"""

import argparse
import itertools
from pathlib import Path

import cells
import csv_rows
import here
import numpy as np
import rivals

RESULTS = here.RESULTS / "cell_batches.csv"
COMMAND = "python benchmarks/cell_batches.py --folder FOLDER"
STRENGTHS = (1, 2)
SYSTEMS = ("batch", "no batch", "whole")
KEY = ("what", "strength", *rivals.KEY)


def two_labs(data: cells.Set, strength: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Counts as two labs caught them, float32 [cells, genes], and the lab of each cell, int32 [cells]."""
    rng = np.random.default_rng(seed)
    odds = rng.random(data.clusters)
    labs = (rng.random(len(data.y)) < odds[data.y]).astype(np.int32)
    kept = np.exp(-strength * np.abs(rng.normal(size=(2, data.x.shape[1]))))
    return rng.binomial(data.x.toarray().astype(int), kept[labs]).astype(np.float32), labs


def grouped(data: cells.Set, x, labs: np.ndarray | None, seed: int, fit: bool) -> np.ndarray:
    """The groups of the cells, int [cells]: those of the start, or of a fit."""
    from vade_tf import Settings, begin
    from vade_tf.data.observing import build
    from vade_tf.training import groups, posterior, recipe, start

    rows = build(x, None, "cells", "labs", "counts", origins=labs).observations()
    settings = Settings(clusters=data.clusters, seed=seed)
    if fit:
        return posterior.model_groups(recipe.fit(rows, settings).model, rows.x)
    begun = begin(rows, settings)
    return start.of_counts(groups.reader(begun, "init", rows.rows)(rows.rows)[1], data.clusters, seed)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, help="of .h5 files with X and Y")
    parser.add_argument("--fit", action="store_true", help="whole fits, not starts alone")
    parser.add_argument("--table", action="store_true", help="print the means and measure nothing")
    options = parser.parse_args()
    what = "fit" if options.fit else "start"
    if not options.table:
        from sklearn.metrics import adjusted_rand_score

        if options.folder is None or not (files := sorted(options.folder.glob("*.h5"))):
            parser.error("--folder: expected a folder of .h5 files, got none")
        done = {tuple(row[name] for name in KEY) for row in csv_rows.read(RESULTS)}
        for seed, strength, file in itertools.product(range(1 if options.fit else 3), STRENGTHS, files):
            data = cells.load(file)
            caught, labs = two_labs(data, strength, seed)
            for system in SYSTEMS:
                key = (what, str(strength), file.stem, system, str(seed))
                if key in done:
                    continue
                x = data.x if system == "whole" else caught
                groups = grouped(data, x, labs if system == "batch" else None, seed, options.fit)
                found = {name: f"{adjusted_rand_score(y, groups):.4f}" for name, y in (("ari", data.y), ("lab", labs))}
                print(*key, *found.values(), flush=True)
                csv_rows.append([dict(zip(KEY, key, strict=True)) | found], RESULTS, (*KEY, "ari", "lab"), COMMAND)
    for strength, measure in itertools.product(STRENGTHS, ("ari", "lab")):
        rows = [row for row in csv_rows.read(RESULTS) if (row["what"], row["strength"]) == (what, str(strength))]
        print(f"\n{what}, s = {strength}, {measure}\n{rivals.table(rows, measure, {name: name for name in SYSTEMS})}")


if __name__ == "__main__":
    main()
