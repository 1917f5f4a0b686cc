"""Embeddings, rows of length 1: k-means and the default fit, on the rows themselves and on new ones.

python benchmarks/embeddings.py --data-dir FOLDER --draws 6 7 8   some twenty minutes on one core; FOLDER holds
                                                                  reuters_r8.tsv and mnist.npz
python benchmarks/embeddings.py --table                           prints what was measured so far

A draw is 1,500 rows to fit, with seed 0, and 1,500 new ones. "words" are documents of R8 as the mean of their words'
vectors: a word's vector is its row in the leading 300 or 384 directions of the positive pointwise mutual information
of words in documents, and frequent words weigh less. "lsa" are their TF-IDF in 300 or 100 leading directions.
"features" are digits in the last layer of a small network that has learned to tell 0 to 3 alone. Scores are
adjusted Rand indices; nothing but the scores reads the labels of the rows. Rows of benchmarks/results/embeddings.csv
of the same commit are not measured again.
"""

import argparse
import subprocess
import warnings
from pathlib import Path

import csv_rows
import here
import numpy as np

RESULTS = here.RESULTS / "embeddings.csv"
COMMAND = "python benchmarks/embeddings.py --data-dir FOLDER --draws 6 7 8"
SCORES = ("kmeans", "kmeans_new", "fit", "fit_new")
COLUMNS = ("set", "draw", "commit", *SCORES)
SETS = ("words 300", "words 384", "lsa 300", "lsa 100", "features")
ROWS = 1500


def load(name: str, folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Rows of length 1, [n, D], and the class of each."""
    rows, labels = features(folder / "mnist.npz") if name == "features" else documents(name, folder / "reuters_r8.tsv")
    rows = rows[keep := np.linalg.norm(rows, axis=1) > 0]
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype("f4"), labels[keep]


def documents(name: str, file: Path) -> tuple[np.ndarray, np.ndarray]:
    """Documents as vectors, see above."""
    import scipy.sparse
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
    from sklearn.utils.extmath import randomized_svd

    lines = file.read_text(encoding="utf-8").splitlines()
    labels, texts = zip(*(line.split("\t") for line in lines if line), strict=True)
    classes = np.unique(labels, return_inverse=True)[1]
    kind, width = name.split()
    if kind == "lsa":
        weights = TfidfVectorizer(min_df=3, stop_words="english", sublinear_tf=True).fit_transform(texts)
        return TruncatedSVD(int(width), random_state=0).fit_transform(weights), classes
    counts = scipy.sparse.csr_array(CountVectorizer(min_df=5).fit_transform(texts))
    present = (counts > 0).astype(np.float64)
    together = (present.T @ present).tocsr()
    together.setdiag(0)
    total = np.ravel(together.sum(axis=1))
    pairs = together.tocoo()
    information = np.log(np.maximum(pairs.data * total.sum() / (total[pairs.row] * total[pairs.col]), 1))
    left, size, _ = randomized_svd(
        scipy.sparse.csr_array((information, (pairs.row, pairs.col)), together.shape), int(width), random_state=0
    )
    weight = 0.01 / (0.01 + np.ravel(present.mean(axis=0)))  # smooth inverse frequency (Arora et al., ICLR 2017)
    return counts @ (weight[:, None] * left * np.sqrt(size)), classes


def features(file: Path) -> tuple[np.ndarray, np.ndarray]:
    """Digits in the last layer of a network that has learned four of the ten."""
    import keras

    keras.utils.set_random_seed(0)
    with np.load(file) as arrays:
        images, digits = arrays["x_train"][..., None] / np.float32(255), arrays["y_train"]
    layers = [keras.Input((28, 28, 1))]
    for filters in (16, 32):
        layers += [keras.layers.Conv2D(filters, 3, activation="relu", padding="same"), keras.layers.MaxPool2D()]
    layers += [keras.layers.Flatten(), keras.layers.Dense(512)]
    network = keras.Sequential(layers)
    learner = keras.Sequential([network, keras.layers.ReLU(), keras.layers.Dense(4)])
    learner.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    known = np.flatnonzero(digits[:12_000] < 4)
    learner.fit(images[known], digits[known], batch_size=64, epochs=2, verbose=0)
    others = slice(50_000, 60_000)
    return network.predict(images[others], batch_size=500, verbose=0), digits[others]


def measured(x: np.ndarray, y: np.ndarray, draw: int) -> dict:
    """Scores of one draw."""
    from sklearn.cluster import KMeans
    from sklearn.metrics import adjusted_rand_score

    from vade_tf import VaDEClusterer

    order, clusters = np.random.default_rng(draw).permutation(len(y)), len(np.unique(y))
    rows, new = order[:ROWS], order[ROWS : 2 * ROWS]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of doubts, which the table is to show
        found = {
            "kmeans": KMeans(clusters, n_init=10, random_state=0).fit(x[rows]),
            "fit": VaDEClusterer(clusters, random_state=0).fit(x[rows]),
        }
    score = {f"{name}{end}": adjusted_rand_score(y[part], each.predict(x[part])) for name, each in found.items()
             for end, part in (("", rows), ("_new", new))}  # fmt: skip
    return {name: round(score[name], 4) for name in SCORES}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", type=Path, default=Path(), help="folder of the data")
    parser.add_argument("--draws", type=int, nargs="+", default=[6, 7, 8], help="default: 6 7 8")
    parser.add_argument("--table", action="store_true", help="print the table and measure nothing")
    options = parser.parse_args()
    if not options.table:
        root = Path(__file__).resolve().parent
        commit = subprocess.check_output(["git", "rev-parse", "--short", "HEAD"], cwd=root, text=True).strip()
        known = {tuple(row[name] for name in ("set", "draw", "commit")) for row in csv_rows.read(RESULTS)}
        for name in SETS:
            todo = [draw for draw in options.draws if (name, str(draw), commit) not in known]
            x, y = load(name, options.data_dir) if todo else (None, None)
            for draw in todo:
                row = {"set": name, "draw": draw, "commit": commit, **measured(x, y, draw)}
                csv_rows.append([row], RESULTS, COLUMNS, COMMAND)
    rows = csv_rows.read(RESULTS)
    print(f"| set | commit | draws | {' | '.join(SCORES)} |\n|---|---|---|{'---|' * len(SCORES)}")
    for name, commit in dict.fromkeys((row["set"], row["commit"]) for row in rows):
        own = [row for row in rows if (row["set"], row["commit"]) == (name, commit)]
        each = (", ".join(f"{float(row[score]):.2f}" for row in own) for score in SCORES)
        print(f"| {name} | {commit} | {', '.join(row['draw'] for row in own)} | {' | '.join(each)} |")


if __name__ == "__main__":
    main()
