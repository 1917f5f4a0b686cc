"""By how much does the start's mixture draw two-valued columns together? Chosen on made tables of mixed columns.

python benchmarks/levels.py

A Gaussian mixture gains without end from a column of two values that a cluster settles: its variance there becomes 0.
So levels of categories and truth values, 0 and 1, are multiplied with `feature_spaces.LEVEL_GAP`, beside which the
ridge of 0.01 is a variance. Printed, and written to results/levels.csv, are mean ARI and ECE of the start over 24
tables of 2 to 5 groups that overlap: 1 to 6 numbers, 1 to 3 categories, truth values, a tenth of the cells missing.
"""

import frame
import numpy as np
import pandas
from sklearn.metrics import adjusted_rand_score

from vade_tf import metrics
from vade_tf.data.schema import coded_frame
from vade_tf.training import initialization

GAPS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 1.0)


def made(seed: int) -> tuple[pandas.DataFrame, np.ndarray]:
    """A table of mixed columns and the group of each row."""
    r = np.random.default_rng(seed)
    k, n = int(r.integers(2, 6)), int(r.choice([300, 1000, 2000]))
    y, table = r.integers(0, k, n), {}
    for i in range(r.integers(1, 7)):
        table[f"number {i}"] = r.normal(r.normal(0, 2.5, k)[y], r.uniform(0.5, 1.5, k)[y])
    for i in range(r.integers(1, 4)):
        shares = r.dirichlet(np.full(int(r.integers(2, 6)), 0.7), k)
        table[f"category {i}"] = [f"level {r.choice(len(share), p=share)}" for share in shares[y]]
    for i in range(r.integers(0, 3)):
        table[f"truth {i}"] = np.where(r.random(n) < r.uniform(0.1, 0.9, k)[y], "yes", "no")
    cells = pandas.DataFrame(table)
    return cells.mask(r.random(cells.shape) < 0.1), y


def main() -> None:
    found: dict[float, list] = {gap: [] for gap in GAPS}
    for seed in range(24):
        table, y = made(seed)
        x = coded_frame(table, "x", False, None)[0]
        for gap in GAPS:
            low, high = np.nanmin(x, axis=0), np.nanmax(x, axis=0)
            two = ((x == low) | (x == high) | np.isnan(x)).all(axis=0) & (low < high)
            spread = np.where(two, (high - low) / gap, np.maximum(np.nanstd(x, axis=0), 1e-6))
            columns = (x - np.nanmean(x, axis=0)) / spread
            P = initialization.partition("tied", [columns], y.max() + 1, seed)
            groups = P.argmax(axis=1)
            right = metrics.matching(y, groups)[groups] == y
            found[gap].append((adjusted_rand_score(y, groups), metrics.calibration(right, P.max(axis=1))["ece"]))
    rows = [
        dict(zip(("gap", "ari", "ece"), (gap, *np.mean(scores, axis=0).round(3)), strict=True))
        for gap, scores in found.items()
    ]
    frame.write(rows, frame.RESULTS / "levels.csv", rows[0], "python benchmarks/levels.py")
    for row in rows:
        print(*row.values())


if __name__ == "__main__":
    main()
