"""The number of clusters that `n_clusters="auto"` chooses, beside the number of classes: on the sets of tables.py.

python benchmarks/clusters.py --folder FOLDER                  all sets but r8; --r8 FILE for that, too
python benchmarks/clusters.py --folder FOLDER --sets wine iris
python benchmarks/clusters.py --table                          the table of what was measured

Default settings, seed 0: the autoencoder is pretrained and K chosen; nothing is trained after it. `seconds` are of
the choice. Classes are compared with at the end: a set's classes need not be groups that lie apart. Beside the sets of
tables.py there are four clouds of 1,000 rows, which have no groups: of one class.
"""

import argparse
import time
from pathlib import Path

import csv_rows
import here
import numpy as np
from tables import BUNDLED, SYNTHETIC, TABLES, load

CLOUDS = ("round", "square", "two_alike", "six_alike")
RESULTS = here.RESULTS / "clusters.csv"
COLUMNS = ("set", "n", "features", "classes", "chosen", "sure", "strength", "seconds")


def cloud(name: str) -> np.ndarray:
    """Rows of one of `CLOUDS`, [1000, D]."""
    draw = np.random.default_rng(0)
    one = draw.normal(size=(1000, 1))
    if name == "square":
        return draw.random((1000, 2))
    if name == "two_alike":  # correlation 0.9
        return np.hstack([one, 0.9 * one + np.sqrt(1 - 0.9**2) * draw.normal(size=(1000, 1))])
    return one + 0.5 * draw.normal(size=(1000, 6)) if name == "six_alike" else draw.normal(size=(1000, 2))


def measure(name: str, folder: Path | None, r8: Path | None) -> dict:
    """The choice for one set."""
    from vade_tf.data.observing import observe
    from vade_tf.training import recipe
    from vade_tf.training.settings import Settings

    raw, classes = (cloud(name), 1) if name in CLOUDS else (load(name, folder, r8)[each] for each in (0, 3))
    data = observe(raw, "auto")
    fitting = recipe.begin(data, Settings(clusters=1))
    recipe.pretrain(fitting)
    begun = time.perf_counter()
    choice = recipe.choose(fitting)[1]
    seconds = round(time.perf_counter() - begun, 1)
    strength = choice.strength[choice.tried.index(choice.n_clusters)]
    figures = (*data.x.shape, classes, choice.n_clusters, choice.sure, round(strength, 2), seconds)
    return dict(zip(COLUMNS, (name, *figures), strict=True))


def table(rows: list[dict]) -> str:
    """The rows as Markdown."""
    lines = [COLUMNS, ["---"] * len(COLUMNS), *([row[name] for name in COLUMNS] for row in rows)]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, help="folder of the .csv files, see tables.py")
    parser.add_argument("--r8", type=Path, help="file of texts, see tables.py")
    parser.add_argument("--sets", nargs="+", help="these alone")
    parser.add_argument("--table", action="store_true", help="print what was measured, and measure nothing")
    given = parser.parse_args()
    rows = csv_rows.read(RESULTS)
    names = [*(TABLES if given.folder else ()), *BUNDLED, *SYNTHETIC, *CLOUDS, *(["r8"] if given.r8 else [])]
    for name in () if given.table else given.sets or names:
        rows = [row for row in rows if row["set"] != name] + [measure(name, given.folder, given.r8)]
        print(rows[-1], flush=True)
        csv_rows.write(rows, RESULTS, COLUMNS, "python benchmarks/clusters.py --folder FOLDER")
    print(table(rows))


if __name__ == "__main__":
    main()
