"""Anomaly scores on the sets of ADBench: area under the ROC curve of VaDE's density beside four other detectors.

python benchmarks/anomaly.py --folder FOLDER                       all protocols, systems and seeds 0 to 4
python benchmarks/anomaly.py --folder FOLDER --protocols clean --systems vade --seeds 1 --sets decide
python benchmarks/anomaly.py --table [--folder FOLDER]             the tables of all that was measured so far

FOLDER holds .npz files with X [n, D] and y [n], 1 for an anomaly, and may hold published_unsupervised.csv and
published_normals_only.csv, which are printed beside. Rows go to benchmarks/results/anomaly.csv as they come; what is
there already is not measured again, of VaDE if its code has not changed since (`frame.commit`). Settings are the
same for every set.

Protocols. `unsupervised` and `normals_only` are those of Livernoche et al. (ICLR 2024, github.com/vicliv/DTE): fewer
than 1,000 rows are drawn with replacement up to 1,000, more than 50,000 are subsampled to 50,000. Unsupervised: train
on a bootstrap sample, score all rows. Normals only: train on the first half of the normal rows in file order, score the
others and all anomalies. `clean` has no copies: train on a random half of the normal rows, score the rest. Features are
standardised on the training rows. Labels are read by the split and by the final score, by nothing else.
"""

import argparse
import functools
import itertools
import re
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import frame
import numpy as np

RESULTS = frame.RESULTS / "anomaly.csv"
COMMAND = "python benchmarks/anomaly.py --folder FOLDER"
KEY = ("protocol", "set", "system", "score", "seed")
COLUMNS = (*KEY, "train", "test", "features", "auroc", "seconds", "commit")
PROTOCOLS = ("unsupervised", "normals_only", "clean")
MIN_ROWS, MAX_ROWS = 1000, 50_000  # of a set, as the published protocol has them
COMPONENTS = 8  # of the Gaussian mixture and of VaDE
NEIGHBOURS = (5, 32)
# The score and the settings were decided on these alone, every third of the files in the order of their numbers.
DECIDE = (
    "ALOI", "cardio", "donors", "InternetAds", "Lymphography", "optdigits", "satellite", "SpamBase", "vowels", "Wilt",
)  # fmt: skip
NAMES = {"iforest": "IsolationForest", "knn": "kNN", "pca": "PCA", "gmm": "GMM, 8 full", "vade": "VaDE"}
PUBLISHED = {"iforest": "IForest", "knn": "KNN", "pca": "PCA"}  # columns of the published tables


def sets(folder: Path) -> dict[str, Path]:
    """Files by the name of the set, in the order of the number before it."""
    files = sorted(folder.glob("*.npz"), key=lambda file: (int((re.match(r"\d+", file.stem) or ["0"])[0]), file.stem))
    return {re.sub(r"^\d+_", "", file.stem): file for file in files}


def split(x: np.ndarray, y: np.ndarray, protocol: str, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Training rows, rows to score and the labels of these: [n, D], [m, D], [m].

    The draws are those of the published code with the same seed, up to the bootstrap sample, which is another one.
    """
    if protocol == "clean":
        random = np.random.default_rng(seed)
        normal = random.permutation(np.flatnonzero(y == 0))
        train, rest = normal[: len(normal) // 2], np.concatenate([normal[len(normal) // 2 :], np.flatnonzero(y)])
        train = train[:MAX_ROWS]
        if len(rest) > MAX_ROWS:
            rest = random.choice(rest, MAX_ROWS, replace=False)
        return x[train], x[rest], y[rest]
    if len(y) < MIN_ROWS:
        drawn = np.random.RandomState(seed).choice(len(y), MIN_ROWS, replace=True)
        x, y = x[drawn], y[drawn]
    if len(y) > MAX_ROWS:
        drawn = np.random.RandomState(seed).choice(len(y), MAX_ROWS, replace=False)
        x, y = x[drawn], y[drawn]
    if protocol == "unsupervised":
        return x[np.random.RandomState(seed + 1000).choice(len(y), len(y), replace=True)], x, y
    normal = np.flatnonzero(y == 0)
    half = round(0.5 * len(normal))
    rest = np.concatenate([normal[half:], np.flatnonzero(y)])
    return x[normal[:half]], x[rest], y[rest]


def prepared(file: Path, protocol: str, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """`split` of a file, standardised on its training rows; a missing value is the mean."""
    from sklearn.preprocessing import StandardScaler

    with np.load(file, allow_pickle=False) as content:
        x, y = content["X"].astype(np.float64), content["y"].ravel().astype(int)
    train, test, labels = split(x, y, protocol, seed)
    scaler = StandardScaler().fit(train)
    return np.nan_to_num(scaler.transform(train)), np.nan_to_num(scaler.transform(test)), labels


def iforest(train: np.ndarray, test: np.ndarray, seed: int) -> dict[str, np.ndarray]:
    """scikit-learn's IsolationForest, 100 trees of 256 rows (its defaults, and pyod's)."""
    from sklearn.ensemble import IsolationForest

    return {"path length": -IsolationForest(random_state=seed).fit(train).score_samples(test)}


def knn(train: np.ndarray, test: np.ndarray, seed: int) -> dict[str, np.ndarray]:
    """Distance to the k-th nearest training row (pyod's KNN, method "largest").

    k = 5 is pyod's default and gives the published column of `normals_only`. That of `unsupervised` agrees with about
    32. That rows of small sets have about seven copies among the training rows may be why; it was not tested.
    """
    from sklearn.neighbors import NearestNeighbors

    k = min(NEIGHBOURS[1], len(train))
    distances = NearestNeighbors(n_neighbors=k).fit(train).kneighbors(test)[0]
    return {f"distance {each}": distances[:, min(each, k) - 1] for each in NEIGHBOURS}


def pca(train: np.ndarray, test: np.ndarray, seed: int) -> dict[str, np.ndarray]:
    """pyod's PCA: all components; sum of distances from a row to each eigenvector, over its share of the variance.

    A component whose share is below 1e-12 is left out: it would decide alone.
    """
    from scipy.spatial.distance import cdist
    from sklearn.decomposition import PCA

    found = PCA(random_state=seed).fit(train)
    kept = found.explained_variance_ratio_ > 1e-12
    weighted = cdist(test, found.components_[kept]) / found.explained_variance_ratio_[kept]
    return {"weighted distance": weighted.sum(axis=1)}


def gmm(train: np.ndarray, test: np.ndarray, seed: int) -> dict[str, np.ndarray]:
    """scikit-learn's GaussianMixture: 8 components (fewer than rows / 4), full covariances, 1e-3 added to variances."""
    from sklearn.mixture import GaussianMixture

    k = max(1, min(COMPONENTS, len(train) // 4))
    return {"density": -GaussianMixture(k, reg_covar=1e-3, random_state=seed).fit(train).score_samples(test)}


def vade(train: np.ndarray, test: np.ndarray, seed: int) -> dict[str, np.ndarray]:
    """The negative bound of VaDE, Gaussian likelihood on `asinh` of the columns, else its defaults; nats."""
    from vade_tf import VaDEClusterer

    train, test = asinh(train, train), asinh(train, test)
    fitted = VaDEClusterer(n_clusters=COMPONENTS, likelihood="gaussian", random_state=seed).fit(train)
    blocks = np.array_split(test.astype(np.float32), max(1, len(test) // 4096))
    return {"bound": -np.concatenate([np.asarray(fitted.score_samples(block)) for block in blocks])}


def asinh(train: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """asinh of columns centred at the median and over the quartiles' distance, standardised on the training rows."""
    low, median, high = np.percentile(train, [25, 50, 75], axis=0)
    scale, deviation = (high - low) / 1.349, train.std(axis=0)
    scale = np.where(scale > 1e-3 * deviation, scale, deviation) + 1e-9
    known, new = np.arcsinh((train - median) / scale), np.arcsinh((rows - median) / scale)
    return (new - known.mean(axis=0)) / (known.std(axis=0) + 1e-6)


SYSTEMS = {"iforest": iforest, "knn": knn, "pca": pca, "gmm": gmm, "vade": vade}  # (train, test, seed) -> scores


def rows_of(file: Path, name: str, protocol: str, system: str, seed: int) -> list[dict]:
    """One row of the CSV for each score of a fit."""
    from sklearn.metrics import roc_auc_score

    train, test, labels = prepared(file, protocol, seed)
    commit, begun = frame.commit(), time.perf_counter()
    found = SYSTEMS[system](train, test, seed)
    seconds = f"{time.perf_counter() - begun:.1f}"
    rows = []
    for score, values in found.items():
        auroc = 100 * roc_auc_score(labels, np.nan_to_num(values.astype(np.float64)))
        counts = {"train": len(train), "test": len(test), "features": train.shape[1]}
        same = {"protocol": protocol, "set": name, "system": system, "score": score, "seed": seed}
        rows.append({**same, **counts, "auroc": f"{auroc:.2f}", "seconds": seconds, "commit": commit})
    return rows


def published(folder: Path | None, protocol: str) -> dict[str, dict[str, float]]:
    """The published figures of a protocol, by the name of the set in small letters; empty where there are none."""
    table = frame.read(folder / f"published_{protocol}.csv") if folder else []
    return {row.pop("dataset").lower(): {name: float(value) for name, value in row.items()} for row in table}


def means(rows: list[dict]) -> dict[tuple[str, str], dict[str, float]]:
    """Mean over the seeds by (system, score) and set."""
    found = defaultdict(lambda: defaultdict(list))
    for row in {tuple(row[name] for name in KEY): row for row in rows}.values():  # the last of several
        if row["system"] == "vade" and row["score"] != "bound":
            continue  # scores of older versions of this command
        found[row["system"], row["score"]][row["set"]].append(float(row["auroc"]))
    order = list(SYSTEMS)
    systems = sorted(found, key=lambda each: order.index(each[0]))
    return {each: {name: float(np.mean(values)) for name, values in found[each].items()} for each in systems}


def summary(rows: list[dict], known: dict[str, dict[str, float]]) -> str:
    """Means over the sets in Markdown: all of them, the ten of the decision, the others, and as published."""
    lines = [
        "| system | score | sets | all | the ten of the decision | the others | published, same sets |",
        "|---|---|---|---|---|---|---|",
    ]

    def mean(values: list[float]) -> str:
        return f"{np.mean(values):.1f}" if values else ""

    for (system, score), own in means(rows).items():
        ten = [value for name, value in own.items() if name in DECIDE]
        others = [value for name, value in own.items() if name not in DECIDE]
        column = PUBLISHED.get(system)
        there = [known[name.lower()][column] for name in own if column and name.lower() in known]
        cells = [mean(list(own.values())), mean(ten), mean(others), mean(there)]
        lines.append(f"| {NAMES[system]} | {score} | {len(own)} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def jobs(options, files: dict[str, Path]) -> Iterator[tuple[Callable, set]]:
    """Each fit, and the identity of its rows."""
    for seed, system, protocol in itertools.product(range(options.seeds), options.systems, options.protocols):
        for name, file in files.items():
            job = functools.partial(rows_of, file, name, protocol, system, seed)
            yield job, {(protocol, name, system, str(seed))}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, help="of .npz files with X and y")
    parser.add_argument("--protocols", nargs="+", choices=PROTOCOLS, default=list(PROTOCOLS))
    parser.add_argument("--systems", nargs="+", choices=SYSTEMS, default=list(SYSTEMS))
    parser.add_argument("--sets", nargs="+", help="names, or decide: the ten of the decision (default: all)")
    parser.add_argument("--seeds", type=int, default=5, help="seeds 0, 1, ... (default: 5)")
    parser.add_argument("--table", action="store_true", help="print the tables and measure nothing")
    options = parser.parse_args()
    if not options.table:
        if options.folder is None or not sets(options.folder):
            parser.error(f"--folder: expected a folder of .npz files with X and y, got {options.folder}")
        files = sets(options.folder)
        wanted = DECIDE if options.sets == ["decide"] else options.sets or tuple(files)
        if unknown := [name for name in wanted if name not in files]:
            parser.error(f"--sets: {', '.join(unknown)}: not in {options.folder}; it has {', '.join(files)}")
        key = ("protocol", "set", "system", "seed")
        done = frame.measured(RESULTS, key, "auroc", frame.commit())
        frame.measure(jobs(options, {name: files[name] for name in wanted}), done, RESULTS, COLUMNS, COMMAND)
    for protocol in options.protocols:
        rows = [row for row in frame.read(RESULTS) if row["protocol"] == protocol]
        if rows:
            print(f"\n{protocol}\n\n{summary(rows, published(options.folder, protocol))}")


if __name__ == "__main__":
    main()
