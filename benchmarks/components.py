"""Principal components as features: k-means, the default fit, and the same with each component at variance 1.

python benchmarks/components.py --data-dir FOLDER --seeds 3     some minutes on one core; FOLDER holds mnist.npz,
                                                                reuters_r8.tsv and a folder cells/ with its .h5
python benchmarks/components.py --table                         prints what was measured so far

1,800 rows of each set (or all) are drawn; the components are those of two thirds of them, on which everything is
fitted, and the rest are new rows. Texts are TF-IDF and have a truncated SVD. "whitened" is how every component was
treated before they were told from other columns. Scores are adjusted Rand indices; nothing but the scores reads labels.
Rows that are in benchmarks/results/components.csv are not measured again.
"""

import argparse
import warnings
from pathlib import Path

import csv_rows
import here
import numpy as np

RESULTS = here.RESULTS / "components.csv"
COMMAND = "python benchmarks/components.py --data-dir FOLDER --seeds 3"
COLUMNS = ("set", "components", "seed", "kmeans", "kmeans_new", "fit", "fit_new", "whitened", "whitened_new")
ROWS = 1800
CELLS = {
    "PBMC": "10X_PBMC_top2000.h5",
    "human kidney": "human_kidney_counts_top2000.h5",
    "mouse bladder": "mouse_bladder_cell_top2000.h5",
}
SIZES = {"digits": (10, 30, 55), "MNIST": (50, 100), "R8": (20, 100), **dict.fromkeys(CELLS, (10, 20, 50))}


def load(name: str, folder: Path) -> tuple:
    """Rows, sparse of texts, and the class of each."""
    if name == "digits":
        from sklearn.datasets import load_digits

        return load_digits(return_X_y=True)
    if name == "MNIST":
        with np.load(folder / "mnist.npz") as arrays:
            return arrays["x_train"][:ROWS].reshape(-1, 784) / 255, arrays["y_train"][:ROWS]
    if name == "R8":
        from sklearn.feature_extraction.text import TfidfVectorizer

        lines = (folder / "reuters_r8.tsv").read_text(encoding="utf-8").splitlines()
        labels, texts = zip(*(line.split("\t") for line in lines if line), strict=True)
        x = TfidfVectorizer(min_df=3, stop_words="english", sublinear_tf=True).fit_transform(texts)
        return x, np.unique(labels, return_inverse=True)[1]
    import h5py

    with h5py.File(folder / "cells" / CELLS[name]) as file:
        counts, labels = np.asarray(file["X"], np.float64), np.ravel(file["Y"])
    return np.log1p(1e4 * counts / counts.sum(axis=1, keepdims=True)), np.unique(labels, return_inverse=True)[1]


def measured(x, y: np.ndarray, width: int, seed: int) -> dict:
    """Scores of one set of components."""
    import scipy.sparse
    from sklearn.cluster import KMeans
    from sklearn.decomposition import PCA, TruncatedSVD
    from sklearn.metrics import adjusted_rand_score

    from vade_tf import VaDEClusterer

    clusters, n = len(np.unique(y)), 2 * len(y) // 3
    found = (TruncatedSVD if scipy.sparse.issparse(x) else PCA)(width, random_state=0).fit(x[:n])
    rows, new = (found.transform(part).astype(np.float32) for part in (x[:n], x[n:]))
    mean, std = rows.mean(axis=0), rows.std(axis=0)
    means = KMeans(clusters, n_init=10, random_state=seed).fit(rows)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of doubts, which the table is to show
        fit = VaDEClusterer(clusters, random_state=seed).fit(rows)
        white = VaDEClusterer(clusters, random_state=seed).fit((rows - mean) / std)
        theirs = {"kmeans": means.predict, "fit": fit.predict, "whitened": lambda x: white.predict((x - mean) / std)}
        scores = {}
        for name, predict in theirs.items():
            for part, labels, end in ((rows, y[:n], ""), (new, y[n:], "_new")):
                scores[name + end] = round(adjusted_rand_score(labels, predict(part)), 4)
    return {"components": width, "seed": seed, **scores}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", type=Path, default=Path(), help="folder of the data")
    parser.add_argument("--seeds", type=int, default=3, help="seeds 0, 1, ... (default: 3)")
    parser.add_argument("--table", action="store_true", help="print the table and measure nothing")
    options = parser.parse_args()
    if not options.table:
        known = {(row["set"], row["components"], row["seed"]) for row in csv_rows.read(RESULTS)}
        for name, widths in SIZES.items():
            x, y = load(name, options.data_dir)
            some = np.random.default_rng(0).permutation(len(y))[:ROWS]
            for width in widths:
                for seed in range(options.seeds):
                    if (name, str(width), str(seed)) not in known:
                        row = {"set": name, **measured(x[some], y[some], width, seed)}
                        csv_rows.append([row], RESULTS, COLUMNS, COMMAND)
    rows = csv_rows.read(RESULTS)
    print("| set | components | seeds | " + " | ".join(COLUMNS[3:]) + " |")
    for name, width in dict.fromkeys((row["set"], row["components"]) for row in rows):
        own = [row for row in rows if (row["set"], row["components"]) == (name, width)]
        means = [np.mean([float(row[column]) for row in own]) for column in COLUMNS[3:]]
        print(f"| {name} | {width} | {len(own)} | " + " | ".join(f"{mean:.2f}" for mean in means) + " |")


if __name__ == "__main__":
    main()
