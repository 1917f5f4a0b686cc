"""Data set x recipe x seeds: one row a run, and the table of the README.

python benchmarks/seeds.py --dataset mnist --recipe robust --seeds 3 --data-dir FOLDER
python benchmarks/seeds.py --table                     the table of all that was measured so far

Runs lie in --out/DATASET-RECIPE/seed-N; what is finished there is taken as it is, what was interrupted continues. Rows
go to benchmarks/results/seeds.csv as they come, in place of older rows of the same data, recipe, lengths and seed; at
the end each gets its agreement (mean adjusted Rand index with the others), by which one is chosen without labels.
Flags of train.py that are not named here are given after "--", e.g. -- --epochs 20.
"""

import argparse
import json
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import csv_rows
from begun import trained

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

RESULTS = Path(__file__).parent / "results" / "seeds.csv"
COMMAND = "python benchmarks/seeds.py --dataset DATASET --recipe RECIPE --seeds N --data-dir FOLDER"
KEY = ("dataset", "rows", "recipe", "pretrain_epochs", "epochs")
COLUMNS = (
    *KEY, "seed", "acc", "nmi", "ari", "elbo", "agreement", "seconds", "source", "device", "precision",
    "tensorflow", "keras",
)  # fmt: skip
PUBLISHED = {
    ("mnist", "70000"): "94.46 (best run; Jiang et al. 2017)",
    ("fashion_mnist", "70000"): "67.2 (N2D; McConville et al. 2019)",
}


def row_of(metrics: dict) -> dict:
    """A row of the CSV from a run's metrics.json."""
    same = ("dataset", "recipe", "seed", "acc", "nmi", "ari", "elbo", "device", "precision")
    return {
        **{name: metrics[name] for name in same},
        "rows": metrics["n"],
        "agreement": "",
        "pretrain_epochs": metrics["epochs"]["pretrain"],
        "epochs": metrics["epochs"]["fit"],
        "seconds": metrics["seconds"]["total"],
        "source": Path(metrics["source"]).name,
        "tensorflow": metrics["versions"]["tensorflow"],
        "keras": metrics["versions"]["keras"],
    }


def add(rows: list[dict], new: dict) -> list[dict]:
    """rows with `new` in place of an older row of the same run."""
    same = (*KEY, "seed")
    kept = [row for row in rows if any(str(row[name]) != str(new[name]) for name in same)]
    return sorted([*kept, new], key=lambda row: tuple(str(row[name]) for name in same))


def with_agreement(rows: list[dict], runs: list[Path]) -> list[dict]:
    """rows with the mean ARI of each of these finished runs with the others."""
    from vade_tf.runs import study

    for run, ari in zip(runs, study.agreement(runs), strict=True):
        rows = add(rows, {**row_of(json.loads((run / "metrics.json").read_text())), "agreement": f"{ari:.6f}"})
    return rows


def table(rows: list[dict]) -> str:
    """The README's table: mean, spread and extremes of ACC over the seeds, in percent."""
    import numpy as np

    from vade_tf.runs import selection

    lines = [
        "| data | recipe (epochs) | seeds | ACC mean ± std | worst | best | chosen without labels | NMI | published |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for key in dict.fromkeys(tuple(str(row[name]) for name in KEY) for row in rows):
        runs = [row for row in rows if tuple(str(row[name]) for name in KEY) == key]
        acc = 100 * np.array([float(row["acc"]) for row in runs])
        nmi = 100 * np.mean([float(row["nmi"]) for row in runs])
        chosen = ""
        if all(row["agreement"] for row in runs):
            best = selection.most_agreed([{name: float(row[name]) for name in ("agreement", "elbo")} for row in runs])
            chosen = f"{acc[best]:.2f}"
        dataset, n, recipe, pretrain, epochs = key
        std = f" ± {acc.std(ddof=1):.2f}" if len(acc) > 1 else ""
        lines.append(
            f"| {dataset}, {int(n):,} rows | {recipe} ({pretrain} + {epochs}) | {len(acc)} | {acc.mean():.2f}{std} "
            f"| {acc.min():.2f} | {acc.max():.2f} | {chosen} | {nmi:.1f} | {PUBLISHED.get((dataset, n), '')} |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", default="mnist")
    parser.add_argument("--recipe", default="robust")
    parser.add_argument("--seeds", type=int, default=3, help="number of seeds, from 0 up")
    parser.add_argument("--data-dir")
    parser.add_argument("--out", default="runs/seeds", help="folder of the runs")
    parser.add_argument("--table", action="store_true", help="train nothing, print the table")
    parser.add_argument("more", nargs="*", help="further flags of train.py, after --")
    options = parser.parse_args()
    rows = csv_rows.read(RESULTS)
    if not options.table:
        folder = Path(options.out) / f"{options.dataset}-{options.recipe}"
        runs = [folder / f"seed-{seed}" for seed in range(options.seeds)]
        for seed, run in enumerate(runs):
            flags = ["--dataset", options.dataset, "--recipe", options.recipe, "--seed", str(seed)]
            trained(run, flags + (["--data-dir", options.data_dir] if options.data_dir else []) + options.more)
            rows = add(rows, row_of(json.loads((run / "metrics.json").read_text())))
            csv_rows.write(rows, RESULTS, COLUMNS, COMMAND)
        rows = with_agreement(rows, runs)
        csv_rows.write(rows, RESULTS, COLUMNS, COMMAND)
    print(table(rows))


if __name__ == "__main__":
    main()
