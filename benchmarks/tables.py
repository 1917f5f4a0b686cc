"""Clusterings of 21 tables, each system with its default settings: ACC, ARI, NMI and seconds.

python benchmarks/tables.py --folder FOLDER --r8 FILE                  all sets and systems, seeds 0 to 4
python benchmarks/tables.py --folder FOLDER --systems vade --seeds 1 --sets wine iris
python benchmarks/tables.py --table                                    the tables of all that was measured so far

FOLDER holds the .csv files of `TABLES` (R package mlbench: raw, factors as text, missing cells as NA), FILE a line a
text, its label and a tab before it. Rows go to benchmarks/results/tables.csv as they come; what is there already is not
measured again, of VaDE if its code has not changed since (`frame.commit`); later rows win. ClustPy's VaDE needs
--clustpy, the Python of an environment that has it. All take as many threads as the environment lets them; our seconds
include imports, ClustPy's do not.

VaDE is given the rows as they are: a DataFrame with text and missing cells, an array, a sparse matrix. The others get
numbers: the median for a missing number, the commonest for a missing text, then standardised and one-hot; digits over
16; of the texts, where a system takes no sparse matrix, 100 components of a truncated SVD. Of the package's other
systems, ae_gmm_table and dec_table get a DataFrame as it is, too; ae_gmm and dec are older and got numbers.
"""

import argparse
import functools
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import frame
import numpy as np
import rivals

RESULTS = frame.RESULTS / "tables.csv"
COMMAND = "python benchmarks/tables.py --folder FOLDER --r8 FILE --clustpy PYTHON"
TABLES = {  # of the folder: column of the label, clusters
    "BreastCancer": ("Class", 2),
    "DNA": ("Class", 3),
    "Glass": ("Type", 6),
    "HouseVotes84": ("Class", 2),
    "Ionosphere": ("Class", 2),
    "LetterRecognition": ("lettr", 26),
    "PimaIndiansDiabetes2": ("diabetes", 2),
    "Shuttle": ("Class", 7),
    "Vehicle": ("Class", 4),
    "Vowel": ("Class", 11),
    "Zoo": ("type", 7),
}
DROP = {"BreastCancer": ["Id"]}
BUNDLED = {"wine": 3, "breast_cancer": 2, "iris": 3, "digits": 10}  # with scikit-learn
SYNTHETIC = {"blobs": 5, "stretched_blobs": 5, "uneven_blobs": 5, "moons": 2, "circles": 2}  # 1,000 rows, see `made`
NAMES = {
    "vade": "VaDE",
    "kmeans": "k-means",
    "gmm": "GMM, full",
    "diagonal": "GMM, diagonal",
    "tied": "GMM, tied",
    "hdbscan": "HDBSCAN",
    "ae_gmm": "AE + GMM",  # no command adds a seed to this and the next
    "dec": "DEC",
    "ae_gmm_table": "AE + GMM of the table",
    "dec_table": "DEC of the table",
    "clustpy": "ClustPy's VaDE",
}


class Set(NamedTuple):
    """Rows as they came, the same as numbers, [n, D] dense or sparse, labels int [n], and the number of clusters."""

    raw: Any
    x: Any
    y: np.ndarray
    clusters: int


def made(name: str) -> tuple[np.ndarray, np.ndarray]:
    """A synthetic set of scikit-learn, 1,000 rows; the same for every seed of the systems."""
    from sklearn import datasets

    if name == "moons":
        return datasets.make_moons(1000, noise=0.05, random_state=0)
    if name == "circles":
        return datasets.make_circles(1000, noise=0.05, factor=0.5, random_state=0)
    spread = [0.5, 1.0, 1.5, 2.0, 3.0] if name == "uneven_blobs" else 1.5
    x, y = datasets.make_blobs(1000, n_features=10, centers=5, cluster_std=spread, center_box=(-4, 4), random_state=0)
    if name == "stretched_blobs":
        x = x @ np.random.RandomState(0).normal(size=(10, 10))
    return x, y


def numbers(frame) -> np.ndarray:
    """A DataFrame as the systems that want numbers get it: imputed, standardised, one-hot."""
    from sklearn.compose import make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    text = [name for name, column in frame.items() if column.dtype.kind not in "iuf"]
    frame = frame.astype(dict.fromkeys(text, object))
    coded = make_column_transformer(
        (
            make_pipeline(SimpleImputer(strategy="median"), StandardScaler()),
            [name for name in frame.columns if name not in text],
        ),
        (make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder(sparse_output=False)), text),
    )
    return coded.fit_transform(frame)


@functools.cache
def load(name: str, folder: Path | None, r8: Path | None) -> Set:
    """A set by its name."""
    import pandas as pd
    from sklearn import datasets
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.preprocessing import StandardScaler

    if name in TABLES:
        label, clusters = TABLES[name]
        assert folder is not None
        raw = pd.read_csv(folder / f"{name}.csv").drop(columns=DROP.get(name, []))
        y = pd.factorize(raw.pop(label))[0]
        return Set(raw, numbers(raw), y, clusters)
    if name == "r8":
        assert r8 is not None
        lines = [line.split("\t", 1) for line in r8.read_text(encoding="utf-8").splitlines()]
        x = TfidfVectorizer().fit_transform([text for _, text in lines])
        y = pd.factorize(np.array([label for label, _ in lines]))[0]
        return Set(x, x, y, int(y.max()) + 1)
    if name in BUNDLED:
        raw, y = getattr(datasets, f"load_{name}")(return_X_y=True)
        x = raw / 16 if name == "digits" else StandardScaler().fit_transform(raw)
        return Set(raw, x, y, BUNDLED[name])
    raw, y = made(name)
    return Set(raw, StandardScaler().fit_transform(raw), y, SYNTHETIC[name])


def dense(x) -> np.ndarray:
    """Numbers as an array; sparse rows by their first 100 singular vectors."""
    import scipy.sparse
    from sklearn.decomposition import TruncatedSVD

    return TruncatedSVD(100, random_state=0).fit_transform(x) if scipy.sparse.issparse(x) else x


def vade(data: Set, seed: int, options) -> np.ndarray:
    from vade_tf import VaDEClusterer

    return VaDEClusterer(n_clusters=data.clusters, random_state=seed).fit_predict(data.raw)


def kmeans(data: Set, seed: int, options) -> np.ndarray:
    from sklearn.cluster import KMeans

    return KMeans(data.clusters, n_init=10, random_state=seed).fit_predict(data.x)


def gmm(data: Set, seed: int, options, covariances: str = "full") -> np.ndarray:
    """Three starts, else scikit-learn's defaults (reg_covar 1e-6)."""
    from sklearn.mixture import GaussianMixture

    mixture = GaussianMixture(data.clusters, covariance_type=covariances, n_init=3, random_state=seed)
    return mixture.fit_predict(np.asarray(dense(data.x), np.float64))


def diagonal(data: Set, seed: int, options) -> np.ndarray:
    return gmm(data, seed, options, "diag")


def tied(data: Set, seed: int, options) -> np.ndarray:
    """One covariance for all components, 1e-2 added to its variances, 3 starts."""
    from sklearn.mixture import GaussianMixture

    more = {"covariance_type": "tied", "reg_covar": 1e-2, "n_init": 3, "random_state": seed}
    return GaussianMixture(data.clusters, **more).fit_predict(np.asarray(dense(data.x), np.float64))


def hdbscan(data: Set, seed: int, options) -> np.ndarray:
    """scikit-learn's defaults, no number of clusters given; noise counts as a cluster."""
    from sklearn.cluster import HDBSCAN

    return HDBSCAN(copy=True).fit_predict(dense(data.x))


def of_package(name: str) -> Callable:
    """One of the package's own systems, with its defaults."""

    def system(data: Set, seed: int, options) -> np.ndarray:
        from vade_tf import Settings
        from vade_tf.data.observations import observe
        from vade_tf.systems import registry
        from vade_tf.training.posterior import model_groups

        rows = observe(data.raw if hasattr(data.raw, "columns") else data.x)  # of a table what VaDE gets
        fitted = registry.fit(name, rows, Settings(clusters=data.clusters, seed=seed))
        return model_groups(fitted.model, rows.x)

    return system


def clustpy(data: Set, seed: int, options) -> tuple[np.ndarray, float]:
    """ClustPy's VaDE with its defaults on features scaled to [0, 1], which its loss wants; groups and seconds."""
    import scipy.sparse
    from sklearn.preprocessing import minmax_scale

    x = data.x.toarray() if scipy.sparse.issparse(data.x) else data.x
    scaled = np.clip(minmax_scale(x), 0, 1).astype(np.float32)
    return rivals.clustpy(options.clustpy, scaled, data.clusters, seed)


SYSTEMS: dict[str, Callable] = {
    "vade": vade,
    "kmeans": kmeans,
    "gmm": gmm,
    "diagonal": diagonal,
    "tied": tied,
    "hdbscan": hdbscan,
    "ae_gmm_table": of_package("ae_gmm"),
    "dec_table": of_package("dec"),
    "clustpy": clustpy,
}
ONCE = ("hdbscan",)  # draws nothing


def jobs(options, systems: list[str], sets: list[str]) -> Iterable[tuple[Callable, set]]:
    """Each fit, and the identity of its row."""
    for seed in range(options.seeds):
        for name in sets:
            for system in systems:
                if seed == 0 or system not in ONCE:

                    def job(name=name, system=system, seed=seed) -> list[dict]:
                        data = load(name, options.folder, options.r8)
                        rows = rivals.clustered(SYSTEMS[system], (system,), data, seed, options)
                        return [{"set": name, **row} for row in rows]

                    yield job, {(name, system, str(seed))}


def main() -> None:
    sets = [*BUNDLED, *SYNTHETIC, *TABLES, "r8"]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, help="of the tables")
    parser.add_argument("--r8", type=Path, help="file of the texts")
    parser.add_argument("--clustpy", help="Python that has ClustPy")
    parser.add_argument("--systems", nargs="+", choices=SYSTEMS, help="default: all; clustpy only with --clustpy")
    parser.add_argument("--sets", nargs="+", choices=sets, help="default: all whose files were given")
    parser.add_argument("--seeds", type=int, default=5, help="seeds 0, 1, ... (default: 5)")
    parser.add_argument("--table", action="store_true", help="print the tables and measure nothing")
    options = parser.parse_args()
    files = {**dict.fromkeys(TABLES, options.folder), "r8": options.r8}
    systems = options.systems or [name for name in SYSTEMS if name != "clustpy" or options.clustpy]
    wanted = options.sets or [name for name in sets if files.get(name, True)]
    if not options.table:
        if missing := [name for name in wanted if files.get(name, True) is None]:
            parser.error(f"--folder and --r8: expected the files of {', '.join(missing)}")
        if options.clustpy is None and "clustpy" in systems:
            parser.error("--clustpy: expected the Python of an environment with ClustPy, got none")
        done = frame.measured(RESULTS, rivals.KEY, "ari", frame.commit())
        frame.measure(jobs(options, systems, wanted), done, RESULTS, rivals.COLUMNS, COMMAND)
    print(rivals.tables(frame.read(RESULTS), NAMES))


if __name__ == "__main__":
    main()
