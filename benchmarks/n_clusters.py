"""Which published criterion finds the number of clusters: made sets of which it is known, K from 1 to 12 tried.

python benchmarks/n_clusters.py                     all made sets, draws 0 and 1: some three minutes of one thread
python benchmarks/n_clusters.py --folder FOLDER     real tables as well, once each: classes, that need be no groups
python benchmarks/n_clusters.py --table             the table of what was measured so far

strength k-means, strength tied: prediction strength (Tibshirani & Walther 2005, "Cluster validation by prediction
strength"), the largest K that has 0.8, with k-means and with a mixture of one tied covariance. bic tied, icl tied: of
that mixture (reg_covar 1e-2, 3 starts), Schwarz' criterion and ICL (Biernacki, Celeux & Govaert 2000), the K of the
lowest. Columns are standardised. Rows go to benchmarks/results/n_clusters.csv as they come; what is there is not
measured again. `curve` is the criterion at K = 1, 2, ...
"""

import argparse
import functools
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import calibration
import frame
import numpy as np
import tables
from sklearn.cluster import KMeans
from sklearn.mixture import GaussianMixture
from sklearn.preprocessing import StandardScaler

RESULTS = frame.RESULTS / "n_clusters.csv"
COMMAND = "python benchmarks/n_clusters.py --folder FOLDER"
KEY = ("set", "draw", "criterion")
COLUMNS = (*KEY, "n", "features", "clusters", "chosen", "seconds", "curve")
NUMBERS = tuple(range(1, 13))
REAL = [name for name in calibration.PLAIN if name != "LetterRecognition"]  # which has 26 classes
STRONG = 0.8  # the least prediction strength of groups that are there (Tibshirani & Walther: 0.8 to 0.9)
HALF_ROWS = 2000  # of each of the two halves at most
SPLITS = 5  # into halves, over which the mean is taken
# Kind, rows, columns, groups, accuracy of Bayes' rule, see `calibration.gaussians`; clouds have one group.
KINDS = (
    ("cloud", 1000, 2, 1), ("cloud", 300, 10, 1), ("cloud", 3000, 50, 1), ("stretched cloud", 1000, 6, 1),
    ("uniform", 1000, 2, 1), ("uniform", 2000, 10, 1), ("blobs", 300, 2, 2, 0.99), ("blobs", 1000, 2, 5, 0.98),
    ("blobs", 600, 10, 3, 0.95), ("blobs", 2000, 10, 8, 0.99), ("blobs", 3000, 50, 10, 0.99),
    ("stretched", 500, 4, 2, 0.97), ("stretched", 1000, 6, 3, 0.99), ("stretched", 1500, 10, 6, 0.99),
    ("stretched", 3000, 20, 10, 0.99), ("sizes", 800, 3, 4, 0.98), ("sizes", 1500, 8, 5, 0.97),
    ("sizes", 2000, 20, 7, 0.99), ("widths", 600, 2, 3, 0.98), ("widths", 1000, 10, 4, 0.98),
    ("widths", 2500, 30, 9, 0.99), ("tails", 800, 2, 3, 0.98), ("tails", 2000, 10, 6, 0.98),
    ("skewed", 1000, 4, 4, 0.98), ("skewed", 1500, 20, 5, 0.98),
)  # fmt: skip
SETS = {f"{kind} {d}, K {k}": (kind, n, d, k, *target) for kind, n, d, k, *target in KINDS}

Grouping = Callable[[np.ndarray], np.ndarray]  # rows [n, D] -> their groups, int [n]


def prediction_strength(rows: np.ndarray, numbers: Sequence[int], seed: int, cluster: Callable) -> np.ndarray:
    """Whether groups found in one half of the rows are groups of the other half, for each number of groups.

    The rows are cut into two random halves, of at most `HALF_ROWS` each, and both are clustered. The strength of one
    half is that of its worst group: the share of this group's pairs of rows that the clustering of the other half puts
    together. Both halves count alike, and so do `SPLITS` splits. One group has strength 1. Time is linear in the rows.

    Args:
        rows: [n, D].
        numbers: K to try, each at most n / 2.
        seed: of the splits and of the clusterings.
        cluster: function of (rows, K, seed) to a `Grouping`.

    Returns:
        Mean strength of each number in [0, 1], [len(numbers)].

    Source: Tibshirani & Walther, "Cluster validation by prediction strength", JCGS 2005, eq. 2.1, where the largest
    number with a strength of at least 0.8 to 0.9 is taken.
    """
    found = np.ones((SPLITS, len(numbers)))
    for split in range(SPLITS):
        random = np.random.default_rng([seed, split])
        order = random.permutation(len(rows))[: 2 * HALF_ROWS]
        halves = rows[order[: len(order) // 2]], rows[order[len(order) // 2 :]]
        starts = random.integers(2**31, size=2)
        for place, k in enumerate(numbers):
            if k == 1:
                continue
            groupings = [cluster(half, k, int(start)) for half, start in zip(halves, starts, strict=True)]
            first, second = ([grouping(half) for grouping in groupings] for half in halves)
            found[split, place] = (kept_pairs(first[0], first[1]) + kept_pairs(second[1], second[0])) / 2
    return found.mean(axis=0)


def kept_pairs(groups: np.ndarray, others: np.ndarray) -> float:
    """Of the worst group: the share of its pairs of rows that share a group in `others`, in [0, 1].

    A group of one row has no pairs and counts as lost: else every far row could be a group of its own. Both groupings
    are integers from 0, [n].
    """
    counts = np.zeros((groups.max() + 1, others.max() + 1))
    np.add.at(counts, (groups, others), 1)
    sizes = counts.sum(axis=1)
    pairs = sizes * (sizes - 1)
    return float(np.min((counts * (counts - 1)).sum(axis=1)[sizes > 0] / np.maximum(pairs[sizes > 0], 1)))


def strongest(numbers: Sequence[int], strengths: np.ndarray) -> int:
    """The largest of the ascending numbers that is strong; the first where none is."""
    return max([numbers[0], *(k for k, strength in zip(numbers, strengths, strict=True) if strength >= STRONG)])


def kmeans(rows: np.ndarray, k: int, seed: int) -> Grouping:
    return KMeans(k, n_init=3, random_state=seed).fit(rows).predict


def tied(rows: np.ndarray, k: int, seed: int, starts: int = 1) -> GaussianMixture:
    more = {"covariance_type": "tied", "reg_covar": 1e-2, "n_init": starts, "random_state": seed}
    return GaussianMixture(k, **more).fit(rows)


def information(rows: np.ndarray, numbers: Sequence[int], seed: int) -> tuple[np.ndarray, np.ndarray]:
    """BIC and ICL of the tied mixture for each number of groups; less is better: [len(numbers)] each.

    ICL adds twice the entropy of the assignments to BIC.
    """
    bic, icl = [], []
    for k in numbers:
        mixture = tied(rows, k, seed, starts=3)
        p = mixture.predict_proba(rows)
        bic.append(mixture.bic(rows))
        icl.append(bic[-1] - 2 * np.sum(p * np.log(np.maximum(p, 1e-300))))
    return np.array(bic), np.array(icl)


def load(name: str, draw: int, folder: Path | None) -> tuple[np.ndarray, int]:
    """The rows of one of `SETS`, standardised, or of a real table, at most 4,000 of them, and the number of groups."""
    if name in REAL:
        found = tables.load(name, folder, None)
        return np.random.default_rng(0).permutation(found.x)[: 2 * HALF_ROWS], found.clusters
    kind, n, d, k, *target = SETS[name]
    seed = [draw, 1000 + list(SETS).index(name)]  # no draws of calibration.py
    r = np.random.default_rng(seed)
    if target:
        x, _ = calibration.gaussians(kind, n, d, k, target[0], seed)
    else:
        x = r.random((n, d)) if kind == "uniform" else r.normal(size=(n, d))
        x = x @ r.normal(size=(d, d)) if kind == "stretched cloud" else x
    return StandardScaler().fit_transform(x), k


def measured(name: str, draw: int, folder: Path | None) -> list[dict]:
    """The rows of the CSV of a set."""
    (x, k), found = load(name, draw, folder), []

    for title, cluster in {"k-means": kmeans, "tied": lambda *given: tied(*given).predict}.items():
        begun = time.perf_counter()
        curve = prediction_strength(x, NUMBERS, 0, cluster)
        found.append((f"strength {title}", strongest(NUMBERS, curve), time.perf_counter() - begun, curve))
    begun = time.perf_counter()
    for title, curve in zip(("bic tied", "icl tied"), information(x, NUMBERS, 0), strict=True):
        found.append((title, NUMBERS[int(np.argmin(curve))], time.perf_counter() - begun, curve))
    rows = []
    for criterion, chosen, seconds, curve in found:
        text = " ".join(f"{each:.5g}" for each in curve)
        values = (name, draw, criterion, *x.shape, k, chosen, f"{seconds:.1f}", text)
        rows.append(dict(zip(COLUMNS, values, strict=True)))
    return rows


def table(rows: list[dict]) -> str:
    """What each criterion chose, set by set, and how often it was right, in Markdown."""
    criteria = list(dict.fromkeys(row["criterion"] for row in rows))
    lines = ["| set | K | " + " | ".join(criteria) + " |", "|---|---" + "|---" * len(criteria) + "|"]
    for name in dict.fromkeys(row["set"] for row in rows):
        own = [row for row in rows if row["set"] == name]
        cells = [", ".join(row["chosen"] for row in own if row["criterion"] == each) for each in criteria]
        lines.append(f"| {name} | {own[0]['clusters']} | " + " | ".join(cells) + " |")
    for title, real in (("made", False), ("real", True)):
        wanted = [row for row in rows if (row["set"] in REAL) == real]
        cells = [_counts([row for row in wanted if row["criterion"] == each]) for each in criteria]
        lines += [f"| **{title}: found, within one, median seconds** | | " + " | ".join(cells) + " |"] if wanted else []
    return "\n".join(lines)


def _counts(rows: list[dict]) -> str:
    off = np.array([abs(int(row["chosen"]) - int(row["clusters"])) for row in rows])
    seconds = np.median([float(row["seconds"]) for row in rows])
    return f"{np.sum(off == 0)} of {len(off)}, {np.sum(off <= 1)}, {seconds:.1f} s"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, help="of the tables, see tables.py (default: made sets alone)")
    parser.add_argument("--draws", type=int, default=2, help="draws 0, 1, ... of each made set (default: 2)")
    parser.add_argument("--table", action="store_true", help="print the table and measure nothing")
    options = parser.parse_args()
    wanted = [(name, draw) for draw in range(options.draws) for name in SETS]
    wanted += [(name, 0) for name in REAL if options.folder]
    if not options.table:
        jobs = [(functools.partial(measured, *each, options.folder), {(each[0], str(each[1]))}) for each in wanted]
        done = frame.measured(RESULTS, ("set", "draw"), "chosen")
        frame.measure(jobs, done, RESULTS, COLUMNS, COMMAND)
    print(table(frame.read(RESULTS)))


if __name__ == "__main__":
    main()
