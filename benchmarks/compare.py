"""Every system on one data set: the paper's comparison, each on the same networks, data and metrics.

python benchmarks/compare.py --dataset mnist --seeds 3 --data-dir FOLDER
python benchmarks/compare.py --table    the tables and charts of all that was measured so far, a table of all sets first

The VaDE of a seed is the run --vade/DATASET-robust/seed-N, as benchmarks/seeds.py leaves it, and is trained there if it
is not there; the others start from its autoencoder and lie in --out/DATASET/SYSTEM/seed-N. What is finished is taken as
it is, what was interrupted continues. Rows go to benchmarks/results/compare.csv as they come, in place of older rows of
the same data, system, lengths, flags and seed. Rows of other lengths or flags make another line of the table. Flags of
train.py that are not named here are given after "--", e.g. -- --limit 5000.
"""

import argparse
import json
import shlex
import sys
from pathlib import Path

import frame
import numpy as np

from vade_tf.runs.config import MODELS
from vade_tf.systems import SYSTEMS

COMMAND = "python benchmarks/compare.py --dataset DATASET --seeds N --data-dir FOLDER"
KEY = ("dataset", "rows", "system")
COLUMNS = (
    *KEY, "seed", "acc", "gmvae_acc", "nmi", "ari", "seconds", "pretrain_epochs", "epochs", "source", "device",
    "precision", "tensorflow", "keras", "flags",
)  # fmt: skip
SCORES = {"acc": "acc", "gmvae_acc": "most_confident_acc", "nmi": "nmi", "ari": "ari"}
NAMES = {
    "kmeans": "k-means",
    "gmm": "GMM",
    "ae_kmeans": "AE + k-means",
    "ae_gmm": "AE + GMM",
    "vae_gmm": "VAE + GMM",
    "dec": "DEC",
    "dec_da": "DEC-DA",
    "idec": "IDEC",
    "gmvae": "GMVAE",
    "vade": "VaDE (robust)",
}
JIANG = "Jiang et al. 2017, table 2"
DEC_KERAS = "README of github.com/XifengGuo/DEC-keras, 10 trials"
DEC_DA = "README of github.com/XifengGuo/DEC-DA"
N2D = "McConville et al. 2019"
PUBLISHED = {
    "mnist": {
        "kmeans": ("53", DEC_KERAS),
        "ae_kmeans": ("88", DEC_KERAS),
        "gmm": ("53.73", JIANG),
        "ae_gmm": ("82.18", JIANG),
        "vae_gmm": ("72.94", JIANG),
        "dec": ("84.30", "Xie et al. 2016; " + JIANG),
        "dec_da": ("98.5", DEC_DA),
        "idec": ("88.06", "Guo et al. 2017"),
        "gmvae": ("77.78 ± 5.75", "Dilokthanakul et al. 2016, K = 10, its own rule"),
        "vade": ("94.46", JIANG + ", best run"),
    },
    "fashion_mnist": {
        "kmeans": ("47", DEC_KERAS),
        "ae_kmeans": ("61", DEC_KERAS),
        "dec": ("62", DEC_KERAS),
        "dec_da": ("58.6", DEC_DA),
    },
}
NOT_HERE = {  # published, and no system of this package
    "mnist": [("LDMGI", "84.09", JIANG), ("AAE", "83.48", JIANG), ("N2D", "97.9", N2D)],
    "fashion_mnist": [("N2D", "67.2", N2D)],
}
# Batches and rate of the authors' code for MNIST (github.com/Nat-D/GMVAE, main.lua); the other systems take the run's.
FLAGS = {"gmvae": ["--batch-size", "50", "--learning-rate", "0.0001", "--schedule", "constant"]}


def row_of(path: Path, pretrain_seconds: float) -> dict:
    """A row of the CSV from a finished run; the time of a shared autoencoder counts for each that starts from it."""
    from vade_tf import metrics
    from vade_tf.report import evaluation
    from vade_tf.runs.folder import Run, load
    from vade_tf.runs.rows import load_rows

    run, model = Run.open(path), load(path)
    dataset = load_rows(run.config).dataset
    found = evaluation.findings(model, dataset.x)
    scores = metrics.all_scores(dataset.y, found.groups, found.log_odds)
    kept = json.loads((path / "metrics.json").read_text())
    return {
        "dataset": kept["dataset"],
        "rows": kept["n"],
        "system": run.config.model,
        "seed": kept["seed"],
        **{name: None if scores[key] is None else round(scores[key], 6) for name, key in SCORES.items()},
        "seconds": round(kept["seconds"]["total"] + pretrain_seconds, 1),
        "pretrain_epochs": kept["epochs"]["pretrain"],
        "epochs": kept["epochs"]["fit"],
        "source": Path(kept["source"]).name,
        **{name: kept[name] for name in ("device", "precision")},
        **{name: kept["versions"][name] for name in ("tensorflow", "keras")},
    }


def lengths(row: dict) -> tuple[str, ...]:
    """Epochs of the autoencoder and of what follows, where there are any; not of a system that ends by itself."""
    ends = row["system"] in SYSTEMS and SYSTEMS[row["system"]].updates
    return tuple(str(row[name]) for name in ("pretrain_epochs", *(() if ends else ("epochs",))) if row[name])


def line_of(row: dict) -> tuple[str, ...]:
    """What the seeds of a line of the table share."""
    return *(str(row[name]) for name in KEY), row.get("flags") or "", *lengths(row)


def add(file: Path, new: dict) -> list[dict]:
    """Write `new` into the file in place of an older row of the same run; returns all rows."""
    new = {name: "" if new[name] is None else str(new[name]) for name in COLUMNS}
    rows = [dict.fromkeys(COLUMNS, "") | row for row in frame.read(file)]
    rows = [row for row in rows if (line_of(row), row["seed"]) != (line_of(new), new["seed"])]
    order = {name: place for place, name in enumerate(MODELS)}

    def place(row: dict) -> tuple:
        return row["dataset"], int(row["rows"]), order.get(row["system"], len(order)), line_of(row), int(row["seed"])

    rows = sorted([*rows, new], key=place)
    frame.write(rows, file, COLUMNS, COMMAND)
    return rows


def by_line(rows: list[dict], dataset: str) -> dict[str, list[dict]]:
    """Rows of the data set at its largest size, by system and, of several lengths or flags, by these; in order."""
    rows = [row for row in rows if row["dataset"] == dataset]
    largest = max((int(row["rows"]) for row in rows), default=0)
    found = {}
    for system in NAMES:
        lines: dict[tuple[str, ...], list[dict]] = {}
        for row in rows:
            if row["system"] == system and int(row["rows"]) == largest:
                lines.setdefault(line_of(row), []).append(row)
        for own in lines.values():
            flags = own[0].get("flags")
            kind = " ".join(filter(None, (" + ".join(lengths(own[0])), flags and f"`{flags}`")))
            found[NAMES[system] + (f", {kind}" if len(lines) > 1 else "")] = own
    return found


def percent(own: list[dict], column: str) -> str:
    """Mean and, of several, standard deviation (n - 1) of a column, in percent; empty where it was not measured."""
    if any(row[column] == "" for row in own):
        return ""
    values = 100 * np.array([float(row[column]) for row in own])
    return f"{values.mean():.2f}" + (f" ± {values.std(ddof=1):.2f}" if len(values) > 1 else "")


def table(rows: list[dict], dataset: str) -> str:
    """The comparison in Markdown: ACC beside the published figure and its source."""
    lines = [
        "| system | seeds | ACC, % | ACC by GMVAE's rule, % | NMI, % | seconds a run | published ACC, % | source |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, own in by_line(rows, dataset).items():
        figure, source = PUBLISHED.get(dataset, {}).get(own[0]["system"], ("", ""))
        seconds = sum(float(row["seconds"]) for row in own) / len(own)
        figures = " | ".join(percent(own, column) for column in ("acc", "gmvae_acc", "nmi"))
        lines.append(f"| {name} | {len(own)} | {figures} | {seconds:,.0f} | {figure} | {source} |")
    lines += [f"| {name} | | | | | | {figure} | {source} |" for name, figure, source in NOT_HERE.get(dataset, [])]
    return "\n".join(lines)


def overview(rows: list[dict]) -> str:
    """Mean ACC of every system on every data set in Markdown; in brackets, how many seeds. A cell may have several."""
    found = {name: by_line(rows, name) for name in dict.fromkeys(row["dataset"] for row in rows)}
    sizes = [f"{name}, {int(next(iter(own.values()))[0]['rows']):,} rows" for name, own in found.items()]
    lines = ["| ACC, % | " + " | ".join(sizes) + " |", "|---" * (1 + len(sizes)) + "|"]
    for system, title in NAMES.items():
        own = [[line for line in each.values() if line[0]["system"] == system] for each in found.values()]
        cells = ["; ".join(f"{percent(line, 'acc')} ({len(line)})" for line in each) for each in own]
        lines += [f"| {title} | " + " | ".join(cells) + " |"] if any(cells) else []
    return "\n".join(lines)


def chart(rows: list[dict], dataset: str):
    """A bar a system: mean ACC, a dot a seed, and the published figure where there is one."""
    from matplotlib.figure import Figure

    lines = by_line(rows, dataset)
    figure = Figure((7.2, 1.6 + 0.42 * len(lines)), layout="constrained", dpi=120)
    axis = figure.subplots()
    for place, own in enumerate(lines.values()):
        name = own[0]["system"]
        acc = 100 * np.array([float(row["acc"]) for row in own])
        axis.barh(place, acc.mean(), height=0.62, color="tab:orange" if name == "vade" else "tab:blue")
        axis.plot(acc, np.full(len(acc), place), "o", color="black", markersize=3.5, label="one seed", zorder=3)
        axis.text(101.5, place, percent(own, "acc"), va="center", fontsize=8)
        if name in PUBLISHED.get(dataset, {}):
            published = float(PUBLISHED[dataset][name][0].split()[0])
            axis.plot(published, place, "D", color="white", markeredgecolor="black", label="published")
    axis.set_yticks(range(len(lines)), list(lines))
    axis.invert_yaxis()
    n = int(next(iter(lines.values()))[0]["rows"])
    axis.set(xlim=(0, 100), xlabel="ACC, % of rows (best one-to-one match)", title=f"{dataset}, {n:,} rows")
    handles = dict(zip(*reversed(axis.get_legend_handles_labels()), strict=True))
    figure.legend(handles.values(), handles.keys(), loc="outside lower right", ncols=2, frameon=False)
    return figure


def train_all(dataset: str, options, file: Path) -> None:
    """Train what is missing, seed by seed, and write its rows."""
    data = ["--data-dir", options.data_dir] if options.data_dir else []
    for seed in range(options.seeds):
        settings = ["--dataset", dataset, "--recipe", "robust", "--seed", str(seed), *data]  # as seeds.py has them
        vade = Path(options.vade) / f"{dataset}-robust" / f"seed-{seed}"
        frame.trained(vade, [*settings, *options.more])
        source = json.loads((vade / "config.json").read_text())["pretrained"]  # of its autoencoder, if not itself
        pretrain_seconds = json.loads((Path(source or vade) / "metrics.json").read_text())["seconds"]["pretrain"]
        images = json.loads((vade / "data.json").read_text()).get("image_shape") is not None
        for name in options.systems or [name for name in MODELS if name != "dec_da" or images]:
            run, shared = vade, pretrain_seconds if source else 0.0
            if name != "vade":
                flags, shared = [*settings, "--model", name, *FLAGS.get(name, [])], 0.0
                if SYSTEMS[name].pretrains:
                    flags, shared = [*flags, "--pretrained", str(vade)], pretrain_seconds
                run = frame.trained(Path(options.out) / dataset / name / f"seed-{seed}", [*flags, *options.more])
            add(file, row_of(run, shared) | {"flags": shlex.join(options.more)})


def main(argv: list[str] | None = None, results: Path = frame.RESULTS) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", help="named data set (default: mnist; with --table: all that were measured)")
    parser.add_argument("--seeds", type=int, default=3, help="number of seeds, from 0 up")
    parser.add_argument("--systems", nargs="+", choices=MODELS, help="default: all, dec_da of images alone")
    parser.add_argument("--data-dir")
    parser.add_argument("--vade", default="runs/seeds", help="folder of the VaDE runs (default: runs/seeds)")
    parser.add_argument("--out", default="runs/compare", help="folder of the other runs (default: runs/compare)")
    parser.add_argument("--table", action="store_true", help="train nothing")
    parser.add_argument("more", nargs="*", help="further flags of train.py, after --")
    options = parser.parse_args(argv)
    file = results / "compare.csv"
    if not options.table:
        train_all(options.dataset or "mnist", options, file)
    rows = frame.read(file)
    every = options.table and options.dataset is None
    shown = list(dict.fromkeys(row["dataset"] for row in rows)) if every else [options.dataset or "mnist"]
    if not any(by_line(rows, each) for each in shown):
        sys.exit(f"compare.py: nothing was measured on {options.dataset or 'any data set'} yet")
    if len(shown) > 1:
        print(overview(rows))
    for each in shown:
        print(f"\n{each}\n\n{table(rows, each)}")
        chart(rows, each).savefig(results / f"compare-{each}.png")


if __name__ == "__main__":
    main()
