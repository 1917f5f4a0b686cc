"""Data set x recipe x seeds: one row a run, and the table of the README.

python benchmarks/seeds.py --dataset mnist --recipe robust --seeds 3 --data-dir FOLDER
python benchmarks/seeds.py --table                     the table of all that was measured so far

Runs lie in --out/DATASET-RECIPE/seed-N; what is finished there, at the same commit, is taken as it is, what was
interrupted continues. Rows go to benchmarks/results/seeds.csv as they come, in place of older rows of the same data,
recipe, lengths, flags and seed. At the end each gets its agreement (mean adjusted Rand index with the others), by which
one is chosen without labels; where older rows of other seeds stand beside new ones none has it, for it would not be of
the same runs. Flags of train.py that are not named here are given after "--", e.g. -- --epochs 20; rows without any may
be of a time when the file did not say them.
"""

import argparse
import json
import shlex
from pathlib import Path

import frame

RESULTS = frame.RESULTS / "seeds.csv"
COMMAND = "python benchmarks/seeds.py --dataset DATASET --recipe RECIPE --seeds N --data-dir FOLDER"
KEY = ("dataset", "rows", "recipe", "pretrain_epochs", "epochs", "flags")  # of a line of the table
COLUMNS = (
    *KEY, "seed", "acc", "nmi", "ari", "elbo", "agreement", "seconds", "source", "device", "precision",
    "tensorflow", "keras", "commit",
)  # fmt: skip
PUBLISHED = {
    ("mnist", "70000"): "94.46 (best run; Jiang et al. 2017)",
    ("fashion_mnist", "70000"): "67.2 (N2D; McConville et al. 2019)",
}


def row_of(run: Path, flags: str, commit: str) -> dict:
    """A row of the CSV from a finished run, begun at a commit."""
    metrics = json.loads((run / "metrics.json").read_text())
    same = ("dataset", "recipe", "seed", "acc", "nmi", "ari", "elbo", "device", "precision")
    row = {
        **{name: metrics[name] for name in same},
        "flags": flags,
        "commit": commit,
        "rows": metrics["n"],
        "agreement": "",
        "pretrain_epochs": metrics["epochs"]["pretrain"],
        "epochs": metrics["epochs"]["fit"],
        "seconds": metrics["seconds"]["total"],
        "source": Path(metrics["source"]).name,
        "tensorflow": metrics["versions"]["tensorflow"],
        "keras": metrics["versions"]["keras"],
    }
    return {name: "" if row[name] is None else str(row[name]) for name in COLUMNS}


def key(row: dict, *more: str) -> tuple[str, ...]:
    return tuple(row[name] for name in (*KEY, *more))


def add(rows: list[dict], new: dict) -> list[dict]:
    """rows with `new` in place of an older row of the same run, unless that says the same and has an agreement."""
    if any(row | {"agreement": ""} == new for row in rows):
        return rows
    kept = [row for row in rows if key(row, "seed") != key(new, "seed")]
    return sorted([*kept, new], key=lambda row: key(row, "seed"))


def with_agreement(rows: list[dict], runs: dict[tuple[str, ...], Path]) -> list[dict]:
    """rows with the mean ARI of each finished run with the others, if these are all rows of their line of the table.

    If they are not, and not all rows of the line have one from before, none has.

    Args:
        rows: of the CSV.
        runs: folders, by the key and the seed of their rows.
    """
    from vade_tf.runs import study

    line = {row[:-1] for row in runs}
    own = [row for row in rows if key(row) in line]
    if len(own) == len(runs):
        found = dict(zip(runs, study.agreement(list(runs.values())), strict=True))
        agreement = {name: f"{ari:.6f}" for name, ari in found.items()}
    elif all(row["agreement"] for row in own):
        return rows
    else:
        agreement = {key(row, "seed"): "" for row in own}
    return [row | {"agreement": agreement.get(key(row, "seed"), row["agreement"])} for row in rows]


def table(rows: list[dict]) -> str:
    """The README's table: mean, spread and extremes of ACC over the seeds, in percent."""
    import numpy as np

    from vade_tf.runs import study

    lines = [
        "| data | recipe (epochs) | seeds | ACC mean ± std | worst | best | chosen without labels | NMI | published |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for line in dict.fromkeys(map(key, rows)):
        runs = [row for row in rows if key(row) == line]
        acc = 100 * np.array([float(row["acc"]) for row in runs])
        nmi = 100 * np.mean([float(row["nmi"]) for row in runs])
        chosen = ""
        if all(row["agreement"] for row in runs):
            best = study.most_agreed([{name: float(row[name]) for name in ("agreement", "elbo")} for row in runs])
            chosen = f"{acc[best]:.2f}"
        dataset, n, recipe, pretrain, epochs, flags = line
        shown = f"{recipe} ({pretrain} + {epochs})" + (f" `{flags}`" if flags else "")
        std = f" ± {acc.std(ddof=1):.2f}" if len(acc) > 1 else ""
        lines.append(
            f"| {dataset}, {int(n):,} rows | {shown} | {len(acc)} | {acc.mean():.2f}{std} "
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
    rows = [dict.fromkeys(COLUMNS, "") | row for row in frame.read(RESULTS)]
    if not options.table:
        folder = Path(options.out) / f"{options.dataset}-{options.recipe}"
        runs, commit = {}, frame.commit()
        for seed in range(options.seeds):
            run = folder / f"seed-{seed}"
            flags = ["--dataset", options.dataset, "--recipe", options.recipe, "--seed", str(seed)]
            frame.trained(
                run, flags + (["--data-dir", options.data_dir] if options.data_dir else []) + options.more, commit
            )
            new = row_of(run, shlex.join(options.more), commit)
            runs[key(new, "seed")] = run
            rows = add(rows, new)
            frame.write(rows, RESULTS, COLUMNS, COMMAND)
        rows = with_agreement(rows, runs)
        frame.write(rows, RESULTS, COLUMNS, COMMAND)
    print(table(rows))


if __name__ == "__main__":
    main()
