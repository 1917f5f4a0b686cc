"""Cells of two labs that catch genes differently: are they grouped by kind or by lab, with and without --batch? ARI.

python benchmarks/cell_batches.py --folder FOLDER        all .h5 files (counts X, cell types Y), seed 0
python benchmarks/cell_batches.py --table                the means of what was measured

Every cell is given to one of two labs, at odds that differ from type to type (uniform), so the types have other shares in
each. A lab keeps each count of a gene with a probability exp(-2 |g|), g drawn for that gene and lab from N(0, 1).
"whole" are the same cells with all their counts. ARI with the types and with the labs, of the start and of the fit by
the defaults. Rows go to benchmarks/results/cell_batches.csv as they come.
"""

import argparse
import os
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(Path(__file__).resolve().parent))
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import cells
import rivals

RESULTS = Path(__file__).parent / "results" / "cell_batches.csv"
COMMAND = "python benchmarks/cell_batches.py --folder FOLDER"
STRENGTH = 2.0
SYSTEMS = ("batch", "no batch", "whole")
MEASURES = ("start_ari", "start_lab_ari", "ari", "lab_ari")


def two_labs(data: cells.Set, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Counts as two labs caught them, float32 [cells, genes], and the lab of each cell, int32 [cells]."""
    rng = np.random.default_rng(seed)
    odds = rng.random(data.clusters)
    labs = (rng.random(len(data.y)) < odds[data.y]).astype(np.int32)
    kept = np.exp(-STRENGTH * np.abs(rng.normal(size=(2, data.x.shape[1]))))
    return rng.binomial(data.x.toarray().astype(int), kept[labs]).astype(np.float32), labs


def fitted(data: cells.Set, x, labs: np.ndarray, system: str, seed: int) -> dict[str, str]:
    """The measures of a fit."""
    from sklearn.metrics import adjusted_rand_score

    from vade_tf import Settings
    from vade_tf.data.dataset import build
    from vade_tf.training import loop, recipe
    from vade_tf.training.store import Memory

    store, told = Memory(), labs if system == "batch" else None
    rows = build(x, None, "cells", system, "counts", origins=told).observations()
    model = recipe.fit(rows, Settings(clusters=data.clusters, seed=seed), store=store).model
    groups = (store.load("start")["groups"], loop.model_groups(model, rows.x))
    found = [adjusted_rand_score(truth, each) for each in groups for truth in (data.y, labs)]
    return dict(zip(MEASURES, (f"{value:.4f}" for value in found), strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, help="of .h5 files with X and Y")
    parser.add_argument("--seeds", type=int, default=1, help="seeds, from 0 up (default: 1)")
    parser.add_argument("--table", action="store_true", help="print the means and measure nothing")
    options = parser.parse_args()
    if not options.table:
        if options.folder is None or not (files := sorted(options.folder.glob("*.h5"))):
            parser.error("--folder: expected a folder of .h5 files, got none")
        done = {(row["set"], row["system"], row["seed"]) for row in rivals.read(RESULTS)}
        for seed in range(options.seeds):
            for file in files:
                data = cells.load(file)
                caught, labs = two_labs(data, seed)
                for system in SYSTEMS:
                    if (file.stem, system, str(seed)) in done:
                        continue
                    x = data.x if system == "whole" else caught
                    found = fitted(data, x, labs, system, seed)
                    row = {"set": file.stem, "system": system, "seed": seed, **found}
                    print(*row.values(), flush=True)
                    rivals.append([row], RESULTS, COMMAND, (*rivals.KEY, *MEASURES))
    rows = rivals.read(RESULTS)
    for measure in MEASURES:
        print(f"\n{measure}\n{rivals.table(rows, measure, {name: name for name in SYSTEMS})}")


if __name__ == "__main__":
    main()
