"""Which directions, neighbours, rounds of averages and passes find the classes of embeddings: ARI of the start.

python benchmarks/embeddings_start.py --folder FOLDER      four files and two made sets, seeds 0 to 2: half an hour
python benchmarks/embeddings_start.py --table              the tables of what was measured so far

FOLDER holds .npz files with rows x [n, D] of length 1 and classes y [n]; K is their number. Directions are the first 50
or 100, all columns, or those above noise ("noise", at most 100). `ari` is that of k-means on the averages, `ari_shares`
that of the largest share of the 20 nearest rows. A second pass finds groups anew where the first are told apart best.
No network is trained. The made sets (12 groups on a sphere, k-means has about 0.91 and 0.99) are a check: `isotropic`
noise, and noise that is strong in 30 `shared` directions. Rows go to benchmarks/results/embeddings_start.csv as they
come; what is there is not measured again.
"""

import argparse
import functools
from collections.abc import Iterable
from pathlib import Path

import frame
import numpy as np

RESULTS = frame.RESULTS / "embeddings_start.csv"
COMMAND = "python benchmarks/embeddings_start.py --folder FOLDER"
KEY = ("set", "directions", "neighbours", "rounds", "passes", "seed")
COLUMNS = (*KEY, "n", "features", "clusters", "used", "ari", "ari_shares")
MADE = {"isotropic": (3000, 12, 5.05, 0.0), "shared": (3000, 12, 3.3, 1.93)}  # arguments of `made`
DRAWS = 3  # of each made set, by the seed
SETTINGS = [
    *((directions, 30, 3, 1) for directions in ("noise", "50", "100", "all")),
    *(("noise", neighbours, 3, 1) for neighbours in (10, 15, 50)),
    *(("noise", 30, rounds, 1) for rounds in (0, 1, 2, 5, 8)),
    ("noise", 15, 5, 1), ("noise", 50, 2, 1), ("100", 15, 3, 1), ("100", 50, 3, 1), ("50", 50, 3, 1),
    ("noise", 30, 3, 2), ("100", 30, 3, 2), ("50", 30, 3, 2),
]  # fmt: skip


def made(n: int, k: int, everywhere: float, in_shared: float, draw: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows float16 [n, 384] of length 1 in k groups, and the groups int [n]; noise is in all directions and in 30."""
    from vade_tf.training import embeddings

    random, d = np.random.default_rng([draw, 384]), 384
    centres = embeddings.of_length_one(random.normal(size=(k, d)))
    y = random.integers(k, size=n)
    shared = random.normal(size=(30, d)) / d**0.5
    noise = everywhere * random.normal(size=(n, d)) / d**0.5
    noise += in_shared * random.normal(size=(n, 30)) @ shared / 30**0.5
    return embeddings.of_length_one(centres[y] + noise).astype(np.float16), y


@functools.lru_cache(maxsize=1)
def load(name: str, draw: int, folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Rows and their classes from 0; only a made set has several draws."""
    if name in MADE:
        return made(*MADE[name], draw)
    with np.load(folder / f"{name}.npz") as stored:
        return stored["x"], np.unique(stored["y"], return_inverse=True)[1]


@functools.lru_cache(maxsize=1)
def searched(name: str, draw: int, folder: Path, directions: str) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates float32 [n, d] and the 50 nearest rows int [n, 50]."""
    from vade_tf.training import embeddings

    x, _ = load(name, draw, folder)
    if directions == "all":
        coordinates = embeddings.of_length_one(x)
    else:
        n = None if directions == "noise" else int(directions)
        coordinates = embeddings.principal_directions(x, 0, n=n)(x)
    return coordinates, embeddings.neighbourhood(coordinates, 50, 0).neighbours


def measured(
    name: str, directions: str, n_neighbours: int, n_rounds: int, n_passes: int, seed: int, folder: Path
) -> list[dict]:
    """The row of the CSV of a start."""
    from vade_tf import metrics
    from vade_tf.training import embeddings

    draw = seed if name in MADE else 0
    x, y = load(name, draw, folder)
    k = int(y.max()) + 1
    coordinates, nearest = searched(name, draw, folder, directions)
    averaged = embeddings.averages(coordinates, nearest[:, :n_neighbours], n_rounds)
    groups = embeddings.group(averaged, k, seed)
    for _ in range(n_passes - 1):
        again = embeddings.discriminants(coordinates, groups)
        groups = embeddings.group(embeddings.neighbourhood(again, n_neighbours, n_rounds).averaged, k, seed)
    likeliest = embeddings.shares(groups, nearest, k).argmax(axis=1)
    scores = [f"{metrics.scores(y, found)['ari']:.4f}" for found in (groups, likeliest)]
    setting = (directions, n_neighbours, n_rounds, n_passes)
    values = (name, *setting, seed, *x.shape, k, coordinates.shape[1], *scores)
    return [dict(zip(COLUMNS, values, strict=True))]


def tables(rows: list[dict]) -> str:
    """For each score a table in Markdown: a line a setting, the mean over seeds of each set and of those not made."""
    sets = list(dict.fromkeys(row["set"] for row in rows))
    real = [name for name in sets if name not in MADE]
    parts = []
    for column in ("ari", "ari_shares"):
        found: dict[tuple, dict[str, list[float]]] = {}
        for row in rows:
            own = found.setdefault(tuple(row[name] for name in KEY[1:-1]), {})
            own.setdefault(row["set"], []).append(float(row[column]))
        lines = [
            f"\n{column}\n",
            "| directions, neighbours, rounds, passes | " + " | ".join([*sets, "mean of files"]) + " |",
        ]
        lines.append("|---" * (len(sets) + 2) + "|")
        for setting, own in found.items():
            means = {name: np.mean(own[name]) for name in sets if name in own}
            cells = [f"{means[name]:.3f}" if name in means else "" for name in sets]
            whole = [f"{np.mean([means[name] for name in real]):.3f}" if set(real) <= set(means) else ""]
            lines.append(f"| {', '.join(setting)} | " + " | ".join([*cells, *whole]) + " |")
        parts.append("\n".join(lines))
    return "\n".join(parts)


def jobs(options) -> Iterable[tuple]:
    """Each start, and the identity of its row; the settings of one search come one after the other."""
    names = [*sorted(file.stem for file in options.folder.glob("*.npz")), *MADE]
    for name in names:
        draws = range(DRAWS) if name in MADE else (0,)
        for draw in draws:
            for setting in sorted(SETTINGS):
                for seed in (draw,) if name in MADE else range(options.seeds):
                    key = (name, *setting, seed)
                    yield functools.partial(measured, *key, options.folder), {tuple(str(each) for each in key)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, help="of .npz files with x and y")
    parser.add_argument("--seeds", type=int, default=3, help="seeds 0, 1, ... of k-means (default: 3)")
    parser.add_argument("--table", action="store_true", help="print the tables and measure nothing")
    options = parser.parse_args()
    if not options.table:
        if options.folder is None or not list(options.folder.glob("*.npz")):
            parser.error("--folder: expected a folder of .npz files, got none")
        frame.measure(jobs(options), frame.measured(RESULTS, KEY, "ari"), RESULTS, COLUMNS, COMMAND)
    print(tables(frame.read(RESULTS)))


if __name__ == "__main__":
    main()
