"""Images of classes of very different sizes: the vote of landmark draws, k-means on the code, and what a start takes.

python benchmarks/uneven.py --data-dir FOLDER --seeds 2     some minutes on one core; FOLDER holds mnist.npz
python benchmarks/uneven.py --table                         prints what was measured so far

Rows are drawn from scikit-learn's digits and from MNIST, so many of each class. The dense autoencoder is trained by
default settings, and K is the number of classes. `alike` is the mean adjusted Rand index of pairs of the eight draws;
the others are that of groups and labels, which nothing but this table reads. Rows replace those of
benchmarks/results/uneven.csv.
"""

import argparse
from pathlib import Path

import csv_rows
import here
import numpy as np

RESULTS = here.RESULTS / "uneven.csv"
COMMAND = "python benchmarks/uneven.py --data-dir FOLDER --seeds 2"
COLUMNS = ("set", "seed", "rows", "classes", "alike", "vote", "kmeans", "taken")
SIZES = {  # rows of each class
    "digits": [
        {0: 170, 6: 20, 4: 20, 7: 20},
        {0: 170, 6: 15},
        {3: 170, 0: 30, 6: 15, 4: 15},
        {1: 170, 2: 100, 5: 60, 8: 40, 9: 20},
        {c: max(15, int(170 * 0.75**c)) for c in range(10)},
        dict.fromkeys(range(10), 170),
    ],
    "mnist": [
        {1: 2000, 7: 60, 0: 60},
        {0: 1500, 1: 300, 4: 100, 9: 50},
        {c: max(60, int(900 * 0.75**c)) for c in range(10)},
    ],
}


def load(name: str, folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Images [n, height, width] in [0, 1] and the class of each."""
    if name == "digits":
        from sklearn.datasets import load_digits

        found = load_digits()
        return (found.images / 16).astype(np.float32), found.target
    with np.load(folder / "mnist.npz") as arrays:
        return (arrays["x_train"] / 255).astype(np.float32), arrays["y_train"]


def measured(x: np.ndarray, y: np.ndarray, seed: int) -> dict:
    """A row of the table, of images and their classes."""
    from sklearn.metrics import adjusted_rand_score

    from vade_tf import Settings, begin, pretrain
    from vade_tf.seeding import several
    from vade_tf.training import consensus, groups, landmark_starts, regions

    clusters = len(np.unique(y))
    fitting = begin(x, Settings(clusters=clusters, seed=seed, network="dense"))
    pretrain(fitting)
    views = groups.reader(fitting, "init", fitting.data.rows)(fitting.data.rows)
    draws = regions.landmark_draws(views, clusters, several(seed, landmark_starts.DRAWS))
    found = {
        "vote": consensus.vote(draws, clusters),
        "kmeans": regions.kmeans(np.ascontiguousarray(views[0], np.float32), clusters, seed),
        "taken": landmark_starts.landmark(views, clusters, seed),
    }
    scores = {name: round(adjusted_rand_score(y, each), 4) for name, each in found.items()}
    return {"seed": seed, "rows": len(x), "classes": clusters, "alike": round(consensus.alike(draws), 4), **scores}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", type=Path, default=Path(), help="folder of mnist.npz")
    parser.add_argument("--seeds", type=int, default=2, help="seeds 0, 1, ... (default: 2)")
    parser.add_argument("--table", action="store_true", help="print the table and measure nothing")
    options = parser.parse_args()
    if not options.table:
        csv_rows.write([], RESULTS, COLUMNS, COMMAND)
        for name, several_sizes in SIZES.items():
            x, y = load(name, options.data_dir)
            for number, sizes in enumerate(several_sizes):
                draw = np.random.default_rng(number)
                rows = np.concatenate([draw.choice(np.flatnonzero(y == c), n, replace=False) for c, n in sizes.items()])
                shown = f"{name}, {', '.join(f'{n} of {c}' for c, n in sizes.items())}"
                for seed in range(options.seeds):
                    csv_rows.append([{"set": shown, **measured(x[rows], y[rows], seed)}], RESULTS, COLUMNS)
    print("\n".join(f"| {' | '.join(row)} |" for row in [COLUMNS, *(r.values() for r in csv_rows.read(RESULTS))]))


if __name__ == "__main__":
    main()
