"""What a few known groups are worth, and what wrong ones cost: accuracy on the rows that had no hint.

python benchmarks/hints.py --data digits mnist5k --seeds 3 --data-dir FOLDER
python benchmarks/hints.py --table                        the table of all that was measured so far

Rows go to benchmarks/results/hints.csv as they come; what is there already is not measured again. A seed's fits share
one autoencoder. Hints are true labels of random rows, for `wrong` of them replaced by another label at random; accuracy
with and without hints is read on the same rows, those without a hint.
"""

import argparse
import time
from collections import defaultdict

import csv_rows
import here
import numpy as np

RESULTS = here.RESULTS / "hints.csv"
COMMAND = "python benchmarks/hints.py --data digits mnist5k --seeds 3 --data-dir FOLDER"
COLUMNS = ("data", "rows", "seed", "hints", "wrong", "acc_others", "acc_others_without", "seconds")
CASES = ((0, 0.0), (10, 0.0), (100, 0.0), (1000, 0.0), (100, 0.1), (1000, 0.1))  # (hints, share of them wrong)


def load(name: str, data_dir: str | None):
    """The data set of a name of this benchmark."""
    from vade_tf.runs.config import TrainConfig
    from vade_tf.runs.rows import load_rows

    if name == "mnist5k":
        return load_rows(TrainConfig(dataset="mnist", data_dir=data_dir, limit=5000, require_full=True)).dataset
    return load_rows(TrainConfig(dataset=name, data_dir=data_dir)).dataset


def hints_of(y: np.ndarray, n_hints: int, wrong: float, seed: int) -> np.ndarray:
    """Hints for random rows, -1 for the others; the share `wrong` of them is another label."""
    r = np.random.default_rng(seed)
    rows = r.choice(len(y), n_hints, replace=False)
    hints = np.full(len(y), -1)
    hints[rows] = y[rows]
    bad = rows[: round(wrong * n_hints)]
    k = y.max() + 1
    hints[bad] = (y[bad] + r.integers(1, k, len(bad))) % k
    return hints


def measure(name: str, seeds: int, data_dir: str | None) -> None:
    """Fit every case that is not in the table yet."""
    from vade_tf import Memory, Settings, fit
    from vade_tf.metrics import accuracy
    from vade_tf.training.posterior import model_groups

    dataset = load(name, data_dir)
    assert dataset.y is not None
    clusters = int(dataset.y.max()) + 1
    for seed in range(seeds):
        done = {(row["data"], row["seed"], row["hints"], row["wrong"]) for row in csv_rows.read(RESULTS)}
        cases = [case for case in CASES if (name, str(seed), str(case[0]), str(case[1])) not in done]
        if not cases:
            continue
        settings = Settings(clusters=clusters, seed=seed, network="dense")  # as all rows of the table
        pretrained = plain = None
        for n_hints, wrong in dict.fromkeys([CASES[0], *cases]):  # what hints are compared with comes first
            hints = hints_of(dataset.y, n_hints, wrong, seed)
            store, begun = Memory(), time.perf_counter()
            if pretrained is not None:
                store.save("pretrained", pretrained)
            model = fit(dataset.observations(), settings, hints if n_hints else None, store).model
            pretrained = store.load("pretrained")
            groups = model_groups(model, dataset.x)
            plain = groups if plain is None else plain
            others = hints < 0
            row = {
                "data": name,
                "rows": len(dataset.x),
                "seed": seed,
                "hints": n_hints,
                "wrong": wrong,
                "acc_others": f"{accuracy(dataset.y[others], groups[others]):.4f}",
                "acc_others_without": f"{accuracy(dataset.y[others], plain[others]):.4f}",
                "seconds": f"{time.perf_counter() - begun:.1f}",
            }
            print(row, flush=True)
            if (n_hints, wrong) in cases:
                csv_rows.append([row], RESULTS, COLUMNS, COMMAND)


def table() -> None:
    """Mean over seeds in Markdown."""
    groups = defaultdict(list)
    for row in csv_rows.read(RESULTS):
        groups[row["data"], int(row["hints"]), float(row["wrong"])].append(row)
    print("| data | hints | wrong | seeds | ACC of the other rows | the same rows without hints | least gain |")
    print("|---|---|---|---|---|---|---|")
    for (data, n_hints, wrong), rows in groups.items():
        pair = np.array([[float(row["acc_others"]), float(row["acc_others_without"])] for row in rows]) * 100
        mean, gain = pair.mean(axis=0), (pair[:, 0] - pair[:, 1]).min()
        print(f"| {data} | {n_hints} | {wrong:.0%} | {len(rows)} | {mean[0]:.2f} | {mean[1]:.2f} | {gain:+.2f} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="+", choices=("digits", "mnist5k"), default=["digits", "mnist5k"])
    parser.add_argument("--seeds", type=int, default=3, help="seeds 0, 1, ... (default: 3)")
    parser.add_argument("--data-dir", metavar="FOLDER", help="where mnist.npz lies")
    parser.add_argument("--table", action="store_true", help="print the table and measure nothing")
    options = parser.parse_args()
    if not options.table:
        for name in options.data:
            measure(name, options.seeds, options.data_dir)
    table()


if __name__ == "__main__":
    main()
