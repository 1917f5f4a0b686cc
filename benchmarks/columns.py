"""Rows of many columns, made ones with known groups: the start on the code, that in the columns, and the default fit.

A second fit, to two thirds of the rows, gives clusters to the others, which are new to it; a third one does so whose
encoder has read all columns (augment="none").

python benchmarks/columns.py --draws 11                           some fifteen minutes
python benchmarks/columns.py --draws 11 --data-dir FOLDER         and pixels of MNIST in any order, from mnist.npz there
python benchmarks/columns.py --table                              prints what was measured so far

Scores are the adjusted Rand index of groups and classes, which nothing but this table reads; k-means is that of
standardised columns, the better by inertia of ten. Settings are the defaults, with seed 0. Draws 1 to 5 and
11 of these sets, the embeddings of draw 12, and the fits to two thirds of draws 31 and 32 were looked at when the rules
were made. Rows go to benchmarks/results/columns.csv as they come; what is there is not measured again.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import csv_rows
import here
import numpy as np

RESULTS = here.RESULTS / "columns.csv"
COMMAND = "python benchmarks/columns.py --draws 11 --data-dir FOLDER"
COLUMNS = (
    "set",
    "draw",
    "n",
    "features",
    "clusters",
    "code",
    "columns",
    "start",
    "vade",
    "kmeans",
    "new",
    "new_all_read",
    "seconds",
)


def noise(r: np.random.Generator, n: int = 900, features: int = 300, telling: int = 30, apart: float = 0.8, k: int = 6):
    """Normal columns, of which some have other means in each group."""
    y = r.choice(k, n)
    x = r.normal(size=(n, features))
    x[:, :telling] += r.normal(0, apart, (k, telling))[y]
    return x, y


def uneven(r: np.random.Generator):
    """The same, with groups from 60 to 4 % of the rows."""
    y = r.choice(5, 1000, p=[0.6, 0.2, 0.1, 0.06, 0.04])
    x = r.normal(size=(1000, 300))
    x[:, :40] += r.normal(0, 0.9, (5, 40))[y]
    return x, y


def embeddings(r: np.random.Generator, features: int, apart: float):
    """Directions of length 1 around eight centres, with a common part and noise of forty directions."""
    y = r.choice(8, 1000)
    centres = r.normal(size=(8, features))
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    common, mixing = r.normal(size=features), r.normal(size=(features, 40)) / np.sqrt(40)
    x = 0.6 * common / np.linalg.norm(common) + apart * centres[y]
    x += 0.7 / np.sqrt(features) * (r.normal(size=(1000, 40)) @ mixing.T + r.normal(size=(1000, features)))
    return x / np.linalg.norm(x, axis=1, keepdims=True), y


def modules(r: np.random.Generator):
    """Columns that go up and down together in 25 sets of 40, as genes do; more of them than rows."""
    y = r.choice(5, 400, p=r.dirichlet(np.full(5, 4.0)))
    x = r.normal(5, 2, 1500) + r.normal(size=(400, 1500))
    for _ in range(25):
        together, up = r.choice(1500, 40, replace=False), r.normal(size=5) * (r.random(5) < 0.4)
        x[:, together] += (up[y] + r.normal(0, 0.8, 400))[:, None] * r.uniform(0.5, 1.2, 40)
    return x, y


def spectra(r: np.random.Generator):
    """Twelve peaks of heights that differ between groups, each row brighter or darker, on a slope of its own."""
    y, place = r.choice(5, 600), np.arange(300)
    peaks = np.exp(-((place - r.uniform(20, 280, (12, 1))) ** 2) / (2 * r.uniform(6, 20, (12, 1)) ** 2))
    x = (r.gamma(2, 0.5, (5, 12))[y] * r.lognormal(0, 0.35, (600, 12))) @ peaks
    slope = r.normal(0, 0.2, (600, 2)) @ np.stack([np.ones(300), np.linspace(-1, 1, 300)])
    return x * r.lognormal(0, 0.2, (600, 1)) + slope + r.normal(0, 0.05, (600, 300)), y


def expression(r: np.random.Generator):
    """Samples of 2,000 genes, logarithms of one unit; a hundred of them go up in one of four kinds, in 60 % of it."""
    y = r.choice(4, 150, p=[0.4, 0.3, 0.2, 0.1])
    x = r.normal(r.gamma(4, 1.5, 2000), r.gamma(4, 0.15, 2000), (150, 2000))
    up = r.normal(0, 1.5, (4, 100)) * (r.random((4, 100)) < 0.6)
    x[:, :100] += up[y]
    return x, y


def bent(r: np.random.Generator):
    """Groups of eight coordinates, bent by a hidden layer into 400 columns."""
    y = r.choice(5, 1000)
    z = r.normal(0, 1.4, (5, 8))[y] + r.normal(size=(1000, 8)) * np.exp(r.normal(0, 0.5, (5, 8)))[y]
    return np.tanh(z @ r.normal(size=(8, 60)) * 0.6) @ r.normal(size=(60, 400)) + r.normal(0, 1.5, (1000, 400)), y


def pixels(r: np.random.Generator, folder: Path):
    """3,000 images of MNIST, whose pixels stand in any order, with a little noise."""
    with np.load(folder / "mnist.npz") as arrays:
        some, order = r.choice(len(arrays["x_train"]), 3000, replace=False), r.permutation(784)
        x, y = arrays["x_train"][some].reshape(3000, -1)[:, order] / 255, arrays["y_train"][some]
    return x + r.normal(0, 0.1, x.shape), y


SETS: dict[str, Callable[[np.random.Generator], tuple[np.ndarray, np.ndarray]]] = {
    "30 of 300 columns tell": noise,
    "60 of 300 tell a little": lambda r: noise(r, telling=60, apart=0.5),
    "60 of 600 tell, 300 rows": lambda r: noise(r, 300, 600, 60, 1.0, 4),
    "25 groups": lambda r: noise(r, 2000, telling=60, apart=0.9, k=25),
    "uneven groups": uneven,
    "embeddings, 384 columns": lambda r: embeddings(r, 384, 0.32),
    "embeddings, 128 columns": lambda r: embeddings(r, 128, 0.45),
    "modules": modules,
    "spectra": spectra,
    "bent": bent,
    "expression": expression,
}


def measured(x: np.ndarray, y: np.ndarray) -> dict:
    """A row of the table, of rows and their classes."""
    from sklearn.cluster import KMeans
    from sklearn.metrics import adjusted_rand_score
    from sklearn.preprocessing import StandardScaler

    from vade_tf import Settings, VaDEClusterer, begin, fit, pretrain
    from vade_tf.training import groups, landmark_starts, posterior, table_starts

    clusters = len(np.unique(y))
    fitting = begin(x, Settings(clusters=clusters))
    pretrain(fitting)
    *coded, columns = groups.reader(fitting, "init", fitting.data.rows)(fitting.data.rows)
    coded = coded[:2]  # of embeddings the columns stand there in another unit, too
    begun = time.perf_counter()
    fitted = fit(x, Settings(clusters=clusters))
    seconds = time.perf_counter() - begun
    found = {
        "code": landmark_starts.landmark(coded, clusters, 0),
        "columns": table_starts.of_table(columns, clusters, 0),
        "start": groups.found_groups(fitting, "init").groups,
        "vade": posterior.model_groups(fitted.model, fitting.data.rows),
        "kmeans": KMeans(clusters, n_init=10, random_state=0).fit_predict(StandardScaler().fit_transform(x)),
    }
    scores = {name: adjusted_rand_score(y, each) for name, each in found.items()}
    order = np.random.default_rng(0).permutation(len(x))
    trained, new = np.split(order, [2 * len(x) // 3])
    for name, augment in (("new", None), ("new_all_read", "none")):
        part = VaDEClusterer(n_clusters=clusters, augment=augment, random_state=0).fit(x[trained])
        scores[name] = adjusted_rand_score(y[new], part.predict(x[new]))
    rounded = {name: round(float(score), 4) for name, score in scores.items()}
    return {"n": len(x), "features": x.shape[1], "clusters": clusters, **rounded, "seconds": round(seconds, 1)}


def main(argv=None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, nargs="+", default=[11, 12], help="numbers of the draws (default: 11 12)")
    parser.add_argument("--data-dir", type=Path, help="folder that holds mnist.npz")
    parser.add_argument("--table", action="store_true", help="print what was measured so far")
    args = parser.parse_args(argv)
    if args.table:
        print(f"| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}")
        for row in csv_rows.read(RESULTS):
            print(f"| {' | '.join(row.values())} |")
        return
    sets = dict(SETS)
    if args.data_dir is not None:
        sets["pixels in any order"] = lambda r: pixels(r, args.data_dir)
    done = {(row["set"], int(row["draw"])) for row in csv_rows.read(RESULTS)}
    for draw in args.draws:
        for number, (name, drawn) in enumerate(sets.items()):
            if (name, draw) in done:
                continue
            row = {"set": name, "draw": draw, **measured(*drawn(np.random.default_rng([draw, number])))}
            csv_rows.append([row], RESULTS, COLUMNS, COMMAND)
            print(*row.values(), flush=True)


if __name__ == "__main__":
    main()
