"""What a fit costs against the number of rows N, of clusters K and of features D, with fitted exponents.

python benchmarks/cost.py                        all points, on 2 cores some 10 minutes
python benchmarks/cost.py --axes k --most 100    a quick look
python benchmarks/cost.py --table                the exponents and the figure of what was measured so far

Every point is a fit in a process of its own, to float32 rows that are normal around the centres of K groups: layers
32-32, batch 1,024, float32. Measured are the second epoch of the autoencoder and of VaDE (the first one compiles), the
start, and the peak of resident memory with Python and TensorFlow in it. While one of the three grows, the others stay:
20,000 rows, 10 clusters, 32 features. Rows go to benchmarks/results/cost.csv as they come; what is there already is
not measured again. The exponent is the slope of log seconds against log N (K, D) over the upper half of the points,
where what every fit costs no longer counts.
"""

import argparse
import json
import subprocess
import sys

import csv_rows
import here
import numpy as np
from peak_memory import peak

RESULTS = here.RESULTS / "cost.csv"
COMMAND = "python benchmarks/cost.py"
STAY = {"n": 20_000, "k": 10, "d": 32}
AXES = {
    "n": (10_000, 30_000, 100_000, 300_000, 1_000_000, 3_000_000, 10_000_000),
    "k": (10, 30, 100, 300, 1000),
    "d": (32, 100, 300, 1000, 3000),
}
NAMES = {"n": "rows N", "k": "clusters K", "d": "features D"}
PHASES = {"pretrain": "an epoch of the autoencoder", "start": "the start", "fit": "an epoch of VaDE"}
COLUMNS = ("axis", "n", "k", "d", *PHASES, "peak_mib")
PART = 100_000


def rows_of(n: int, k: int, d: int) -> np.ndarray:
    """Rows, float32 [n, d], made part by part."""
    random = np.random.default_rng(0)
    centres = 2 * random.standard_normal((k, d), np.float32)
    x = np.empty((n, d), np.float32)
    for start in range(0, n, PART):
        part = x[start : start + PART]
        part[:] = centres[random.integers(0, k, len(part))] + random.standard_normal(part.shape, np.float32)
    return x


def child(n: int, k: int, d: int) -> None:
    """One fit in this process; prints what it took as JSON."""
    from vade_tf import Settings, fit

    lengths = {"pretrain_epochs": 2, "epochs": 2, "guide_epochs": 2, "regroups": 0, "validation_rows": 0}
    settings = Settings(clusters=k, hidden=(32, 32), batch_size=1024, precision="float32", **lengths)
    found = fit(rows_of(n, k, d), settings)
    seconds = {row["phase"]: row["seconds"] for row in found.history}  # of the last epoch of each
    print("\n" + json.dumps({**seconds, "start": found.seconds["init"], "peak_mib": peak()}))


def measured(axis: str, point: dict[str, int]) -> dict:
    """A row of the CSV."""
    words = [sys.executable, __file__, "--child", *map(str, point.values())]
    done = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True)
    found = json.loads(done.stdout.splitlines()[-1])
    row = {"axis": axis, **point, "peak_mib": round(found.pop("peak_mib"))}
    return {**row, **{phase: f"{seconds:.3f}" for phase, seconds in found.items()}}


def exponent(sizes: np.ndarray, seconds: np.ndarray) -> float:
    """Slope of the logarithms over the upper half of the sizes; NaN of fewer than two."""
    upper = slice(len(sizes) // 2, None)
    if len(sizes[upper]) < 2:
        return float("nan")
    return float(np.polyfit(np.log(sizes[upper]), np.log(seconds[upper]), 1)[0])


def table(rows: list[dict]) -> str:
    """Exponents in Markdown, a line an axis, and the memory of the largest point."""
    lines = ["| grows | from | to | " + " | ".join(PHASES.values()) + " | peak MiB |", "|---" * (4 + len(PHASES)) + "|"]
    for axis, own in _by_axis(rows).items():
        sizes = np.array([float(row[axis]) for row in own])
        found = [f"{exponent(sizes, np.array([float(row[phase]) for row in own])):.2f}" for phase in PHASES]
        ends = [f"{int(sizes[i]):,}" for i in (0, -1)]
        lines.append(f"| {NAMES[axis]} | {' | '.join([*ends, *found])} | {int(own[-1]['peak_mib']):,} |")
    return "\n".join(lines)


def figure(rows: list[dict]):
    """Seconds against size, a panel an axis, both logarithmic."""
    import matplotlib
    from matplotlib.figure import Figure

    from vade_tf.report.drawing import STYLE

    parts = _by_axis(rows)
    with matplotlib.rc_context(STYLE):
        drawn = Figure((9, 3.2), layout="constrained")
        panels = np.atleast_1d(drawn.subplots(1, len(parts), sharey=True))
        for panel, (axis, own) in zip(panels, parts.items(), strict=True):
            for phase, name in PHASES.items():
                panel.loglog([float(row[axis]) for row in own], [float(row[phase]) for row in own], "o-", label=name)
            panel.set(xlabel=NAMES[axis])
            panel.grid(alpha=0.3)
        panels[0].set(ylabel="seconds")
        panels[-1].legend(loc="center")
    return drawn


def _by_axis(rows: list[dict]) -> dict[str, list[dict]]:
    found = {axis: [row for row in rows if row["axis"] == axis] for axis in AXES}
    return {axis: sorted(own, key=lambda row: int(row[axis])) for axis, own in found.items() if own}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--axes", nargs="+", choices=AXES, default=list(AXES))
    parser.add_argument("--most", type=int, default=10_000_000, help="leave out what is larger")
    parser.add_argument("--table", action="store_true", help="measure nothing")
    parser.add_argument("--child", nargs=3, type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        return child(*options.child)
    done = {(row["axis"], *(int(row[each]) for each in STAY)) for row in csv_rows.read(RESULTS)}
    for axis in [] if options.table else options.axes:
        for size in AXES[axis]:
            point = {**STAY, axis: size}
            if size <= options.most and (axis, *point.values()) not in done:
                row = measured(axis, point)
                csv_rows.append([row], RESULTS, COLUMNS, COMMAND)
                print(row, flush=True)
    rows = csv_rows.read(RESULTS)
    print(table(rows))
    figure(rows).savefig(RESULTS.with_suffix(".png"), dpi=120)


if __name__ == "__main__":
    main()
