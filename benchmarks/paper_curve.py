"""The paper's recipe at its full length: ACC and bound after each epoch of VaDE, a line a seed.

python benchmarks/seeds.py --dataset mnist --recipe paper --seeds 3 --data-dir FOLDER
python benchmarks/paper_curve.py runs/seeds/mnist-paper/seed-*     adds these runs to the CSV, and draws what is there

Rows go to benchmarks/results/paper_curve.csv, in place of older ones of the same seed; the picture is paper_curve.png
beside it. Labels are read for the curves alone.
"""

import argparse
import json
from pathlib import Path

import csv_rows
import here
import matplotlib
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

RESULTS = here.RESULTS / "paper_curve.csv"
COMMAND = "python benchmarks/paper_curve.py runs/seeds/mnist-paper/seed-*"
COLUMNS = (
    "seed", "phase", "epoch", "learning_rate", "loss", "elbo", "distortion", "rate_z", "rate_c", "acc", "nmi", "ari",
    "components_used",
)  # fmt: skip
PAPER = 94.46  # per cent, the best of its runs (Jiang et al. 2017, table 2)


def rows_of(run: Path) -> list[dict]:
    """The history of a run, numbers in six digits."""
    seed = json.loads((run / "config.json").read_text())["seed"]
    rows = [{**row, "seed": seed} for row in csv_rows.read(run / "metrics.csv")]
    return [{name: shortened(row.get(name, "")) for name in COLUMNS} for row in rows]


def shortened(cell) -> str:
    try:
        return f"{float(cell):.6g}"
    except ValueError:
        return cell


def draw(rows: list[dict]) -> Figure:
    """ACC on the left, the bound on the right."""
    from vade_tf.report.drawing import COLOURS
    from vade_tf.report.drawing import STYLE

    fit = [row for row in rows if row["phase"] == "fit" and row["acc"]]
    with matplotlib.rc_context(STYLE):
        figure = Figure((7.2, 3.0), layout="constrained")
        left, right = figure.subplots(1, 2)
        for number, seed in enumerate(sorted({row["seed"] for row in fit})):
            own = [row for row in fit if row["seed"] == seed]
            epochs = [int(row["epoch"]) for row in own]
            left.plot(epochs, [100 * float(row["acc"]) for row in own], color=COLOURS[number], label=f"seed {seed}")
            right.plot(epochs, [float(row["elbo"]) for row in own], color=COLOURS[number])
        left.axhline(PAPER, color="black", linestyle=":", label="the paper's best run")
        left.set(xlabel="epoch of VaDE", ylabel="ACC, %", ylim=(50, 100), title="Accuracy")
        right.set(xlabel="epoch of VaDE", ylabel="nats a row", title="Bound")
        for axis in (left, right):
            axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        figure.legend(loc="outside lower center", ncols=4, frameon=False)
    return figure


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="*", type=Path, help="finished runs; default: none, draw what is there")
    options = parser.parse_args()
    rows = csv_rows.read(RESULTS)
    for run in options.runs:
        new = rows_of(run)
        rows = [row for row in rows if row["seed"] != new[0]["seed"]] + new
    rows.sort(key=lambda row: int(row["seed"]))  # stable: phases and epochs keep their order
    csv_rows.write(rows, RESULTS, COLUMNS, COMMAND)
    draw(rows).savefig(RESULTS.with_suffix(".png"))


if __name__ == "__main__":
    main()
