"""The paper's own analysis, figures and CSV from one command: what each part of VaDE does to the bound and to ACC.

python benchmarks/ablations.py --dataset mnist --data-dir FOLDER   all parts
python benchmarks/ablations.py --dataset mnist --pretrained RUN    the autoencoder of a run that is there already
python benchmarks/ablations.py --dataset digits                       a quick look
python benchmarks/ablations.py --part tsne                            one part; the runs it needs, and no more

Runs lie in --out/DATASET/NAME and share one autoencoder; what is finished is taken as it is, what was interrupted
continues. Figures and CSV go to benchmarks/results/ablations. Labels score and colour, nothing else.

Parts: terms, prior, pretraining, clusters, tsne, recipes (docs/ablations.md shows them).
"""

import argparse
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path

import csv_rows
import here
from run_folders import claim

from vade_tf.cli.command import hushed
from vade_tf.cli.terminal import Terminal

with hushed():
    import keras
    import matplotlib
    import numpy as np
    import tensorflow as tf
    from matplotlib.figure import Figure
    from matplotlib.patheffects import withStroke
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    from vade_tf import metrics
    from vade_tf.data.dataset import Dataset
    from vade_tf.errors import InputError
    from vade_tf.report import drawing as colours
    from vade_tf.report import evaluation, figures
    from vade_tf.report.drawing import STYLE, WIDTH
    from vade_tf.report.image_figures import samples
    from vade_tf.runs.config import TrainConfig
    from vade_tf.runs.folder import Run
    from vade_tf.runs.load import load
    from vade_tf.runs.rows import load_rows
    from vade_tf.runs.study import finished
    from vade_tf.runs.sweep import pretrained_codes
    from vade_tf.seeding import subset
    from vade_tf.training import initialization, posterior
    from vade_tf.training.spectral import naming

    tf.constant(0)  # the device speaks up when first used
tf.get_logger().setLevel("ERROR")

RESULTS = here.RESULTS / "ablations"
ROWS = 2000  # rows whose code is kept after every epoch
TERMS = {"distortion": "distortion", "rate_z": "rate_z (code)", "rate_c": "rate_c (cluster)"}
# Settings of each run over those of the command line. All but "unpretrained" take the autoencoder of "robust".
RUNS: dict[str, dict] = {
    "robust": {},
    "paper": {"recipe": "paper"},
    "unpretrained": {"recipe": "paper", "pretrain_epochs": 0},
    "single": {"recipe": "paper", "clusters": 1},
    "k7": {"clusters": 7},
    "k14": {"clusters": 14},
}
TITLES = {
    "robust": "robust recipe",
    "paper": "paper's recipe",
    "unpretrained": "paper's recipe, not pretrained",
    "single": "one Gaussian (VAE)",
}


class KeepCodes(keras.callbacks.Callback):
    """After each epoch of VaDE: code, log variance and groups of the same rows, as codes/epoch-N.npz of the run."""

    def __init__(self, folder: Path, x: np.ndarray):
        super().__init__()
        self.folder = folder / "codes"
        self.x = x

    def on_epoch_end(self, epoch, logs=None):
        if not hasattr(self.model, "prior"):
            return  # the autoencoder
        self.folder.mkdir(exist_ok=True)
        m, log_s2 = self.model.encode(self.x)
        groups = self.model.prior(m).numpy().argmax(axis=1)
        np.savez(self.folder / f"epoch-{epoch + 1}.npz", m=m.numpy(), log_s2=log_s2.numpy(), groups=groups)


@dataclass(frozen=True)
class Study:
    """The runs of one data set: trained when a part asks for them."""

    config: TrainConfig
    folder: Path
    dataset: Dataset
    rows: np.ndarray

    def run(self, name: str) -> Path:
        """The folder of a finished run; the program ends where it was begun with other settings."""
        folder = self.folder / name
        given = {**self.given, "self_train_epochs": 0, **RUNS[name]}  # what its classifier does is no part of these
        if name != "robust":
            first = Run.open(self.run("robust")).config
            for setting in ("epochs", "passes", "hidden", "network"):  # the paper's 300 epochs would take hours
                given[setting] = getattr(first, setting)
            given["pretrained"] = None if name == "unpretrained" else str(self.run("robust"))
        claim(folder, " ".join(f"{setting}={value}" for setting, value in given.items()))
        if (folder / "metrics.json").exists():
            return folder
        keep = KeepCodes(folder, self.dataset.x[self.rows])
        with Terminal() as reporter:
            finished(TrainConfig.create(**given), folder, name, reporter=reporter, extra=[keep], export=False)
        return folder

    @property
    def given(self) -> dict:
        same = ("dataset", "data_dir", "limit", "seed", "pretrained", "pretrain_epochs", "epochs")
        return {name: getattr(self.config, name) for name in same}

    def history(self, name: str) -> list[dict]:
        """The epochs of VaDE of a run."""
        return [row for row in Run.open(self.run(name)).load_rows() if row["phase"] == "fit"]

    def codes(self, name: str, epoch: int) -> dict:
        """m, log_s2 and groups of the kept rows after an epoch; 0: the autoencoder's code and the start's groups."""
        folder = self.run(name)
        if epoch > 0:
            return dict(np.load(folder / "codes" / f"epoch-{epoch}.npz"))
        start = Run.open(folder).load("start")
        assert start is not None
        return {
            "m": pretrained_codes(folder, self.dataset.x[self.rows]),
            "groups": start["P"][self.rows].argmax(axis=1),
        }


def terms(study: Study) -> str:
    """ACC and each term of the bound over the epochs of the robust run."""
    history = study.history("robust")
    write("terms", [{name: row.get(name) for name in ("epoch", "elbo", *TERMS, "acc")} for row in history])
    figure = Figure((WIDTH, 5.2), layout="constrained")
    axes = figure.subplots(2, 3).ravel()
    labels = {"acc": "ACC (share of rows)", "elbo": "ELBO (nats a row)"}
    labels |= {name: f"{title}, nats" for name, title in TERMS.items()}
    for axis, (name, label) in zip(axes, labels.items(), strict=False):
        lines(axis, {"robust": history}, name)
        axis.set(title=name.upper() if name in ("acc", "elbo") else name, ylabel=label)
    held = Run.open(study.run("robust")).config.guide_epochs
    for axis in axes[:5]:
        axis.axvline(held + 0.5, color="0.5", linestyle="--", linewidth=1)
    axes[5].set_axis_off()
    axes[5].text(0, 0.5, "dashed: from here on\nthe bound alone,\nno group is held to", va="center")
    figure.suptitle(f"{study.dataset.name}: the terms of the bound, robust recipe")
    save(figure, "terms")
    last = history[-1]
    return f"after epoch {last['epoch']:.0f}: " + ", ".join(
        f"{name} {last[name]:.3f}" for name in ("acc", "elbo", *TERMS)
    )


def prior(study: Study) -> str:
    """The bound with and without the mixture, and what a mixture fitted afterwards finds in each code."""
    y = study.dataset.y
    x = study.dataset.x
    rows = []
    first = pretrained_codes(study.run("robust"), x)
    clusters = load(study.run("robust")).prior.n_components

    def mixture(code: np.ndarray) -> np.ndarray:
        return initialization.partition("gmm", [code], clusters, study.config.seed).argmax(axis=1)

    groups = mixture(first)
    rows.append({"model": "AE + GMM", "acc": metrics.accuracy(y, groups), "elbo": None, **dict.fromkeys(TERMS)})
    for name, title in (("single", "VAE + GMM"), ("paper", "VaDE, paper's recipe"), ("robust", "VaDE, robust recipe")):
        found = evaluation.posterior(load(study.run(name)), x)
        by = mixture(found.m) if name == "single" else found.groups
        bound = {term: float(getattr(found, term).mean(dtype=np.float64)) for term in ("elbo", *TERMS)}
        rows.append({"model": title, "acc": metrics.accuracy(y, by), **bound})
    write("prior", rows)
    figure = Figure((WIDTH, 3.4), layout="constrained")
    score, bound = figure.subplots(1, 2, width_ratios=(1, 1.2))
    names = [row["model"].replace(", ", ",\n") for row in rows]
    drawn = score.barh(names, [row["acc"] for row in rows], color=colours.COLOURS[0])
    score.bar_label(drawn, fmt="%.3f", padding=2)
    score.invert_yaxis()
    score.set(xlabel="ACC (share of rows)", title="Clustering", xlim=(0, 1.25), xticks=[0, 0.5, 1])
    left = np.zeros(3)
    for i, (term, label) in enumerate(TERMS.items()):
        values = np.array([row[term] for row in rows[1:]])
        bound.barh(names[1:], values, left=left, color=colours.COLOURS[i], label=label)
        left += values
    bound.bar_label(bound.containers[-1], labels=[f"{-row['elbo']:.1f}" for row in rows[1:]], padding=2)
    bound.invert_yaxis()
    bound.margins(x=0.15)
    bound.set(xlabel="-ELBO (nats a row)", title="The bound by its terms")
    figure.legend(*bound.get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False)
    figure.suptitle(f"{study.dataset.name}: the prior, one Gaussian or a mixture")
    save(figure, "prior")
    return "; ".join(f"{row['model']}: ACC {row['acc']:.3f}" + elbo_text(row) for row in rows)


def pretraining(study: Study) -> str:
    """The paper's recipe with and without pretraining: over-regularisation, in ACC, rate_z and active units."""
    names = ("paper", "unpretrained")
    histories = {name: study.history(name) for name in names}
    for name, history in histories.items():
        for row in history:
            row["active"] = active_units(study.codes(name, int(row["epoch"])))
    columns = {"acc": "ACC (share of rows)", "rate_z": "rate_z (nats a row)", "active": "active units of the code"}
    keep = ("epoch", "elbo", *TERMS, "acc", "active")
    write("pretraining", [{"run": name, **{k: r.get(k) for k in keep}} for name in names for r in histories[name]])
    figure = Figure((WIDTH, 3.2), layout="constrained")
    axes = figure.subplots(1, 3)
    for axis, (name, label) in zip(axes, columns.items(), strict=True):
        lines(axis, histories, name)
        axis.set(ylabel=label, ylim=(0, None))
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2, frameon=False)
    figure.suptitle(f"{study.dataset.name}: pretraining against none (over-regularisation)")
    save(figure, "pretraining")
    text = "{acc:.3f}, rate_z {rate_z:.2f}, rate_c {rate_c:.2f}, {active:.0f} active units, ELBO {elbo:.2f}"
    return "; ".join(f"{TITLES[name]}: ACC " + text.format(**histories[name][-1]) for name in names)


def clusters(study: Study) -> str:
    """K = 7 and K = 14 (the paper's section 4.5): which labels share a component, which are split."""
    said, table = [], []
    for name in ("k7", "k14"):
        model, y = load(study.run(name)), study.dataset.y
        groups = posterior.model_groups(model, study.dataset.x)
        k = model.prior.n_components
        with matplotlib.rc_context(STYLE):
            confusion = figures.confusion(y, groups).figure
            confusion.suptitle(f"{study.dataset.name}: K = {k}")
            save(confusion, name)
            if study.dataset.image_shape is not None:
                save(samples(model, np.arange(k), study.dataset.image_shape).figure, f"{name}-samples", colours=16)
        counts = np.zeros((k, y.max() + 1), int)
        np.add.at(counts, (groups, y), 1)
        table += [
            {"K": k, "component": c, **{f"label_{i}": n for i, n in enumerate(row)}} for c, row in enumerate(counts)
        ]
        shared = [np.flatnonzero(row > 0.2 * row.sum()).tolist() for row in counts if row.any()]
        held = [np.flatnonzero(column > 0.2 * column.sum()).tolist() for column in counts.T]
        merged = [str(labels) for labels in shared if len(labels) > 1]
        split = [f"{i} in {components}" for i, components in enumerate(held) if len(components) > 1]
        said.append(
            f"K = {k}: labels sharing a component {', '.join(merged) or 'none'}; split {', '.join(split) or 'none'}"
        )
    write("clusters", table)
    return "; ".join(said)


def tsne(study: Study) -> str:
    """t-SNE of the code of 2,000 rows at four moments, coloured by label and by cluster."""
    last = int(study.history("robust")[-1]["epoch"])
    moments = sorted({0, 1, last // 2, last})
    figure = Figure((WIDTH, 4.2), layout="constrained")
    axes = figure.subplots(2, len(moments), squeeze=False)
    table, y = [], study.dataset.y[study.rows]
    for column, epoch in zip(axes.T, moments, strict=True):
        codes = study.codes("robust", epoch)
        with threadpool_limits(1):
            points = TSNE(init="pca", random_state=0).fit_transform(codes["m"])
        found = codes["groups"]
        groups = naming(found, y, int(max(found.max(), y.max())) + 1)[
            found
        ]  # colours of clusters and labels agree where they can
        for axis, names in zip(column, (y, groups), strict=True):
            for c in np.unique(names):
                own, colour = points[names == c], colours.COLOURS[c % len(colours.COLOURS)]
                axis.scatter(*own.T, s=3, linewidth=0, color=colour)
                outline = [withStroke(linewidth=2, foreground="white")]
                middle = np.median(own, axis=0)
                axis.text(*middle, str(c), weight="bold", ha="center", va="center", size=8, path_effects=outline)
            axis.set(xticks=[], yticks=[])
        column[0].set_title("autoencoder" if epoch == 0 else f"epoch {epoch}")
        same = zip(study.rows, points, y, groups, strict=True)
        table += [
            {"epoch": epoch, "row": row, "x": f"{p[0]:.2f}", "y": f"{p[1]:.2f}", "label": label, "cluster": g}
            for row, p, label, g in same
        ]
    axes[0, 0].set_ylabel("t-SNE 2 (no unit)\ncoloured by label")
    axes[1, 0].set_ylabel("t-SNE 2 (no unit)\ncoloured by cluster")
    figure.supxlabel("t-SNE 1 (no unit)", fontsize=9)
    figure.suptitle(f"{study.dataset.name}: the code over the epochs of VaDE, {len(study.rows):,} rows")
    write("tsne", table)
    save(figure, "tsne", colours=128)
    return f"epochs {', '.join(map(str, moments))}, {len(study.rows):,} rows"


def recipes(study: Study) -> str:
    """The paper's recipe beside the robust one, from the same autoencoder."""
    histories = {name: study.history(name) for name in ("robust", "paper")}
    keep = ("epoch", "elbo", *TERMS, "acc", "nmi")
    write("recipes", [{"run": name, **{k: r.get(k) for k in keep}} for name, rows in histories.items() for r in rows])
    figure = Figure((WIDTH, 3.2), layout="constrained")
    score, bound = figure.subplots(1, 2)
    lines(score, histories, "acc")
    lines(bound, histories, "elbo")
    score.set(ylabel="ACC (share of rows)", ylim=(0, 1), title="ACC")
    bound.set(ylabel="ELBO (nats a row)", title="Bound (robust: of augmented rows)")
    score.legend(frameon=False)
    figure.suptitle(f"{study.dataset.name}: two recipes, one autoencoder")
    save(figure, "recipes")
    last = {name: rows[-1] for name, rows in histories.items()}
    return "; ".join(f"{TITLES[name]}: ACC {row['acc']:.3f}, ELBO {row['elbo']:.2f}" for name, row in last.items())


PARTS = {part.__name__: part for part in (terms, prior, pretraining, clusters, tsne, recipes)}


def active_units(codes: dict) -> int:
    """Dimensions whose mean code varies over the rows: Var m > 1 % of Var m + mean s2 (after Burda et al. 2016)."""
    varies = codes["m"].var(axis=0)
    return int(np.sum(varies > 0.01 * (varies + np.exp(codes["log_s2"]).mean(axis=0))))


def elbo_text(row: dict) -> str:
    return "" if row["elbo"] is None else f", ELBO {row['elbo']:.2f}"


def lines(axis, histories: dict[str, list[dict]], column: str) -> None:
    """One line a run over the epochs of VaDE."""
    for i, (name, rows) in enumerate(histories.items()):
        colour, marker = colours.COLOURS[i], colours.MARKERS[i]
        points = [(row["epoch"], row[column]) for row in rows if column in row]  # not every short epoch has a score
        axis.plot(*zip(*points, strict=True), color=colour, marker=marker, markersize=4, label=TITLES[name])
    axis.set_xlabel("epoch of VaDE")
    axis.xaxis.get_major_locator().set_params(integer=True)


def write(name: str, rows: list[dict]) -> None:
    """A CSV of the results folder, numbers with six digits."""
    shown = [{k: f"{v:.6g}" if isinstance(v, float) else v for k, v in row.items()} for row in rows]
    command = shlex.join(["python", "benchmarks/ablations.py", *sys.argv[1:]])
    csv_rows.write(shown, RESULTS / f"{name}.csv", rows[0], command)


def save(figure: Figure, name: str, colours: int | None = None) -> None:
    """A PNG of the results folder; with so many colours only, where a picture of many points would be large."""
    file = RESULTS / f"{name}.png"
    figure.savefig(file, dpi=130)
    if colours is not None:
        from PIL import Image

        with Image.open(file) as picture:
            small = picture.convert("RGB").quantize(colours, dither=Image.Dither.NONE)
        small.save(file, optimize=True)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", default="mnist", help="a named data set with labels")
    parser.add_argument("--data-dir")
    parser.add_argument("--limit", type=int, help="rows, for a quick look")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--pretrained", metavar="RUN", help="run folder whose autoencoder to take")
    parser.add_argument("--pretrain-epochs", type=int)
    parser.add_argument("--epochs", type=int, help="epochs of VaDE of every run (default: those of the robust recipe)")
    parser.add_argument("--out", default="runs/ablations", help="folder of the runs")
    parser.add_argument(
        "--part", action="append", choices=sorted(PARTS), help="default: all; may be given several times"
    )
    options = vars(parser.parse_args(argv))
    out, parts = Path(options.pop("out")), options.pop("part") or list(PARTS)
    try:
        study = prepare(TrainConfig.create(**options), out)
        for name in parts:
            with matplotlib.rc_context(STYLE):
                print(f"{name}: {PARTS[name](study)}", flush=True)
    except InputError as error:
        print(f"ablations.py: {error}", file=sys.stderr)
        return 2
    return 0


def prepare(config: TrainConfig, out: Path) -> Study:
    """The study of one data set; the lengths of the phases are the robust recipe's unless they are given."""
    dataset = load_rows(config).dataset
    RESULTS.mkdir(parents=True, exist_ok=True)
    rows = subset(len(dataset.x), ROWS, config.seed)
    return Study(config, out / dataset.name, dataset, rows)


if __name__ == "__main__":
    sys.exit(main())
