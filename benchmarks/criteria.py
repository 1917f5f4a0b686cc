"""Which label-free criterion finds the good runs: each criterion of each run beside its ACC, and rank correlations.

python benchmarks/criteria.py --dataset digits --restarts 24
python benchmarks/criteria.py --dataset reuters_r8 --data-dir FOLDER --restarts 24
python benchmarks/criteria.py --runs runs/seeds/mnist-robust            finished runs of benchmarks/seeds.py instead
python benchmarks/criteria.py                                            table and figure of all that was measured

Restarts lie in --out/DATASET; rows go to benchmarks/results/criteria.csv, the scatter to criteria.png beside it. The
last two parts of its folder name a study, in older rows the last one.
"""

import argparse
import json
from pathlib import Path

import csv_rows
import here
import numpy as np
from begun import trained
from scipy.special import logsumexp
from scipy.stats import spearmanr

RESULTS = here.RESULTS / "criteria.csv"
COMMAND = "python benchmarks/criteria.py --dataset DATASET --restarts N | --runs FOLDER"
CRITERIA = {
    "elbo": "ELBO (nats a row)",
    "held_out_elbo": "ELBO of held-out rows",
    "agreement": "mean ARI with the other runs",
    "start_agreement": "ARI with its own start",
    "mixture": "log p(m) of the codes (nats a row)",
    "silhouette": "silhouette of the codes",
    "confidence": "mean largest gamma",
}
COLUMNS = ("study", "run", "acc", *CRITERIA)
SILHOUETTE_ROWS = 3000  # its cost is quadratic


def measure(study: str, folders: list[Path]) -> list[dict]:
    """A row for each finished run of one data set."""
    from sklearn.metrics import adjusted_rand_score, silhouette_score

    from vade_tf.report import evaluation
    from vade_tf.runs import selection
    from vade_tf.runs.folder import Run
    from vade_tf.runs.load import load
    from vade_tf.runs.rows import load_rows

    rows, partitions = [], []
    cut = load_rows(Run.open(folders[0]).config)
    dataset, aside = cut.dataset, cut.aside
    subset = np.random.default_rng(0).permutation(len(dataset.x))[:SILHOUETTE_ROWS]
    for folder in folders:
        metrics, run, model = json.loads((folder / "metrics.json").read_text()), Run.open(folder), load(folder)
        found = evaluation.posterior(model, dataset.x)
        log_pi, mu, log_sigma2 = (part.numpy().astype(np.float64) for part in model.prior.parameters)
        log_joint = [
            log_pi[c] - 0.5 * np.sum((found.m - mu[c]) ** 2 / np.exp(log_sigma2[c]) + log_sigma2[c], axis=1)
            for c in range(len(log_pi))
        ]  # K of [n], up to a constant
        start = run.load("start")
        assert start is not None  # a finished run has one
        rows.append(
            {
                "study": study,
                "run": folder.name,
                "acc": metrics["acc"],
                "elbo": metrics["elbo"],
                "held_out_elbo": "" if aside is None else evaluation.posterior(model, aside.x).elbo.mean(),
                "start_agreement": adjusted_rand_score(start["groups"], found.groups),
                "mixture": logsumexp(log_joint, axis=0).mean() - 0.5 * mu.shape[1] * np.log(2 * np.pi),
                "silhouette": silhouette_score(found.m[subset], found.groups[subset]),
                "confidence": found.confidence.mean(),
            }
        )
        partitions.append(found.groups)
    for row, ari in zip(rows, selection.agreement(partitions), strict=True):
        row["agreement"] = ari
    return [{name: row[name] if isinstance(row[name], str) else f"{row[name]:.6g}" for name in COLUMNS} for row in rows]


def columns(rows: list[dict], study: str) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """(ACC [R], each criterion that was measured [R]) of a study."""
    rows = [row for row in rows if row["study"] == study]
    found = {name: [row[name] for row in rows] for name in ("acc", *CRITERIA)}
    numbers = {name: np.array(values, float) for name, values in found.items() if "" not in values}
    return numbers.pop("acc"), numbers


def measured(rows: list[dict]) -> dict[str, str]:
    """The criteria that some study has."""
    return {name: label for name, label in CRITERIA.items() if any(row[name] for row in rows)}


def table(rows: list[dict]) -> str:
    """For each study: ACC over its runs, and for each criterion its rank correlation with ACC and the ACC it picks."""
    shown = measured(rows)
    lines = [
        "| runs | ACC mean (worst, best) | " + " | ".join(shown) + " |",
        "|---" * (2 + len(shown)) + "|",
    ]
    for study in dict.fromkeys(row["study"] for row in rows):
        acc, found = columns(rows, study)
        cells = [f"{len(acc)} of {study}", f"{acc.mean():.4f} ({acc.min():.4f}, {acc.max():.4f})"]
        for name in shown:
            if name in found:
                rank = spearmanr(found[name], acc).statistic if np.ptp(found[name]) > 0 else float("nan")
                cells.append(f"{rank:+.2f} → {acc[found[name].argmax()]:.4f}")
            else:
                cells.append("")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def figure(rows: list[dict], path: Path) -> None:
    """A scatter of ACC against each criterion: a row of panels a study."""
    import matplotlib
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    from vade_tf.report.colours import COLOURS
    from vade_tf.report.drawing import STYLE

    studies, shown = list(dict.fromkeys(row["study"] for row in rows)), measured(rows)
    with matplotlib.rc_context(STYLE):
        picture = Figure((2.1 * len(shown), 2.0 * len(studies) + 0.4), layout="constrained")
        panels = picture.subplots(len(studies), len(shown), squeeze=False, sharey="row")
        for study, line in zip(studies, panels, strict=True):
            acc, found = columns(rows, study)
            line[0].set_ylabel(f"{study}\nACC")
            for (name, label), axes in zip(shown.items(), line, strict=True):
                if name not in found:
                    axes.set_axis_off()
                    continue
                kept = found[name].argmax()
                axes.scatter(found[name], acc, s=14, color=COLOURS[0])
                axes.scatter(found[name][kept], acc[kept], s=60, facecolors="none", edgecolors="black")
                axes.set_xlabel(label, fontsize=7)
                axes.tick_params(labelsize=6)
                axes.xaxis.set_major_locator(MaxNLocator(3))
        picture.suptitle("Label-free criteria against ACC, a point a run; ring: the run that the criterion picks")
        picture.savefig(path, dpi=80)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset")
    parser.add_argument("--data-dir")
    parser.add_argument("--restarts", type=int, default=24)
    parser.add_argument("--runs", nargs="+", default=[], help="folders that hold finished runs of one data set each")
    parser.add_argument("--out", default="runs/criteria", help="folder of the restarts")
    parser.add_argument("more", nargs="*", help="further flags of train.py, after --")
    options = parser.parse_args()
    studies = [Path(folder) for folder in options.runs]
    if options.dataset:
        flags = ["--dataset", options.dataset, "--restarts", str(options.restarts)]
        flags += ["--data-dir", options.data_dir] if options.data_dir else []
        studies.append(trained(Path(options.out) / options.dataset, flags + options.more))
    rows = csv_rows.read(RESULTS)
    for folder in studies:
        study = "/".join(folder.absolute().parts[-2:])
        folders = sorted((file.parent for file in folder.glob("*/metrics.json")), key=lambda path: path.name)
        rows = [row for row in rows if row["study"] != study] + measure(study, folders)
        csv_rows.write(rows, RESULTS, COLUMNS, COMMAND)
    print(table(rows))
    figure(rows, RESULTS.with_suffix(".png"))


if __name__ == "__main__":
    main()
