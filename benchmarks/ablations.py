"""The paper's own analysis, figures and CSV from one command: what each part of VaDE does to the bound and to ACC.

python benchmarks/ablations.py --dataset mnist --data-dir FOLDER   all parts
python benchmarks/ablations.py --dataset mnist --pretrained RUN    the autoencoder of a run that is there already
python benchmarks/ablations.py --dataset digits                    a quick look
python benchmarks/ablations.py --part tsne                         one part; the runs it needs, and no more

Runs lie in --out/DATASET/NAME and share one autoencoder; what is finished is taken as it is, what was interrupted
continues. Figures and CSV go to benchmarks/results/ablations. Labels score and colour, nothing else.

Parts: terms, prior, pretraining, clusters, tsne, recipes (docs/evidence/accuracy.md has their figures).
"""

import argparse
import shlex
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import frame
import keras
import numpy as np
from matplotlib.figure import Figure
from sklearn.manifold import TSNE
from sklearn.mixture import GaussianMixture

from vade_tf import TrainConfig, metrics, resume, train
from vade_tf.runs.folder import Run, load
from vade_tf.runs.rows import load_rows
from vade_tf.runs.study import pretrained_codes
from vade_tf.seeding import subset
from vade_tf.training.posterior import model_groups, posterior

RESULTS = frame.RESULTS / "ablations"
CODED_ROWS = 2000  # whose code is kept after every epoch
TERMS = {"distortion": "distortion", "rate_z": "rate_z (code)", "rate_c": "rate_c (cluster)"}
CURVE = ("epoch", "elbo", *TERMS, "acc")
# Settings of each run over those of the command line. All but "unpretrained" take the autoencoder of "robust".
RUNS: dict[str, dict] = {
    "robust": {},
    "paper": {"recipe": "paper"},
    "unpretrained": {"recipe": "paper", "pretrain_epochs": 0},
    "single": {"recipe": "paper", "clusters": 1},
    "k7": {"clusters": 7},
    "k14": {"clusters": 14},
}
TITLES = {"robust": "robust recipe", "paper": "paper's recipe", "unpretrained": "paper's recipe, not pretrained"}


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


@dataclass
class Study:
    """The runs of one data set: trained when a part asks for them."""

    settings: dict
    folder: Path

    @cached_property
    def dataset(self):
        return load_rows(TrainConfig(**self.settings)).dataset

    @cached_property
    def rows(self) -> np.ndarray:
        return subset(len(self.dataset.x), CODED_ROWS, self.settings["seed"])

    def run(self, name: str) -> Path:
        """The folder of a finished run; the program ends where it was begun with other settings."""
        folder = self.folder / self.settings["dataset"] / name
        given = {**self.settings, "self_train_epochs": 0, **RUNS[name]}  # what its classifier does is no part of these
        if name != "robust":
            first = Run.open(self.run("robust")).config
            for setting in ("epochs", "hidden", "network"):  # the paper's 300 epochs would take hours
                given[setting] = getattr(first, setting)
            given["pretrained"] = None if name == "unpretrained" else str(self.run("robust"))
        begun = frame.claim(folder, " ".join(f"{setting}={value}" for setting, value in given.items()))
        if not (folder / "metrics.json").exists():
            more = {"extra": [KeepCodes(folder, self.dataset.x[self.rows])], "export": False}
            resume(folder, **more) if begun else train(TrainConfig(**given), folder, **more)
        return folder

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
        code = pretrained_codes(folder, self.dataset.x[self.rows])
        return {"m": code, "groups": start["P"][self.rows].argmax(axis=1)}


def terms(study: Study) -> None:
    """ACC and each term of the bound over the epochs of the robust run."""
    history = study.history("robust")
    write("terms", [{name: row.get(name) for name in CURVE} for row in history])
    figure = Figure((9, 5.2), layout="constrained")
    labels = {"acc": "ACC (share of rows)", "elbo": "ELBO (nats a row)"}
    labels |= {name: f"{title}, nats" for name, title in TERMS.items()}
    axes = figure.subplots(2, 3).ravel()
    axes[-1].set_axis_off()
    for axis, (name, label) in zip(axes, labels.items(), strict=False):
        lines(axis, {"robust": history}, name)
        axis.set(title=name, ylabel=label)
    save(figure, "terms", f"{study.settings['dataset']}: the terms of the bound, robust recipe")


def prior(study: Study) -> None:
    """The bound with and without the mixture, and what a mixture fitted afterwards finds in each code."""
    x, y, rows = study.dataset.x, study.dataset.y, []

    def mixture(code: np.ndarray) -> float:
        clusters = load(study.run("robust")).prior.n_components
        mixture = GaussianMixture(clusters, covariance_type="diag", n_init=3, random_state=study.settings["seed"])
        return metrics.accuracy(y, mixture.fit_predict(code))

    rows.append({"model": "AE + GMM", "acc": mixture(pretrained_codes(study.run("robust"), x))})
    for name, title in (("single", "VAE + GMM"), ("paper", "VaDE, paper's recipe"), ("robust", "VaDE, robust recipe")):
        found = posterior(load(study.run(name)), x)
        acc = mixture(found.m) if name == "single" else metrics.accuracy(y, found.groups)
        bound = {term: float(getattr(found, term).mean(dtype=np.float64)) for term in ("elbo", *TERMS)}
        rows.append({"model": title, "acc": acc, **bound})
    write("prior", [dict.fromkeys(("model", "acc", "elbo", *TERMS)) | row for row in rows])
    figure = Figure((9, 3.4), layout="constrained")
    score, bound = figure.subplots(1, 2)
    names = [row["model"].replace(", ", ",\n") for row in rows]
    score.bar_label(score.barh(names, [row["acc"] for row in rows]), fmt="%.3f", padding=2)
    score.set(xlabel="ACC (share of rows)", xlim=(0, 1.25), xticks=[0, 0.5, 1])
    left = np.zeros(3)
    for term, label in TERMS.items():
        values = np.array([row[term] for row in rows[1:]])
        bound.barh(names[1:], values, left=left, label=label)
        left += values
    bound.bar_label(bound.containers[-1], labels=[f"{-row['elbo']:.1f}" for row in rows[1:]], padding=2)
    bound.set(xlabel="-ELBO (nats a row)")
    figure.legend(*bound.get_legend_handles_labels(), loc="outside lower right", ncols=3, frameon=False)
    for axis in (score, bound):
        axis.invert_yaxis()
    save(figure, "prior", f"{study.settings['dataset']}: the prior, one Gaussian or a mixture")


def pretraining(study: Study) -> None:
    """The paper's recipe with and without pretraining: over-regularisation, in ACC, rate_z and active units."""
    histories = {name: study.history(name) for name in ("paper", "unpretrained")}
    for name, history in histories.items():
        for row in history:
            row["active"] = active_units(study.codes(name, int(row["epoch"])))
    columns = {"acc": "ACC (share of rows)", "rate_z": "rate_z (nats a row)", "active": "active units of the code"}
    compared("pretraining", histories, columns, (*CURVE, "active"))


def recipes(study: Study) -> None:
    """The paper's recipe beside the robust one, from the same autoencoder."""
    histories = {name: study.history(name) for name in ("robust", "paper")}
    columns = {"acc": "ACC (share of rows)", "elbo": "ELBO (nats a row; robust: of augmented rows)"}
    compared("recipes", histories, columns, (*CURVE, "nmi"))


def clusters(study: Study) -> None:
    """K = 7 and K = 14 (the paper's section 4.5): which labels share a component, which are split."""
    table, y, shape = [], study.dataset.y, study.dataset.image_shape
    for name in ("k7", "k14"):
        model = load(study.run(name))
        groups, k = model_groups(model, study.dataset.x), model.prior.n_components
        counts = np.zeros((k, y.max() + 1), int)
        np.add.at(counts, (groups, y), 1)
        table += [
            {"K": k, "component": c, **{f"label_{i}": n for i, n in enumerate(row)}} for c, row in enumerate(counts)
        ]
        figure = Figure((6, 0.4 * k + 1), layout="constrained")
        axis = figure.subplots()
        axis.imshow(counts, cmap="Blues", aspect="auto")
        for (c, label), n in np.ndenumerate(counts):
            axis.text(label, c, str(n), ha="center", va="center", size=7)
        axis.set(xlabel="label", ylabel="component", xticks=range(counts.shape[1]), yticks=range(k))
        save(figure, name, f"{study.settings['dataset']}: K = {k}, rows by component and label")
        if shape is not None:
            drawn = np.asarray(model.sample(np.repeat(np.arange(k), 10), seed=0)).reshape(k, 10, *shape)
            figure = Figure((5, 0.5 * k), layout="constrained")
            image = drawn.swapaxes(1, 2).reshape(k * shape[0], 10 * shape[1], *shape[2:])
            figure.subplots().imshow(image.squeeze(), cmap="gray")
            figure.axes[0].set_axis_off()
            save(figure, f"{name}-samples", f"K = {k}: a row a component")
    write("clusters", table)


def tsne(study: Study) -> None:
    """t-SNE of the code of 2,000 rows at four moments, coloured by label and by cluster."""
    last, y, table = int(study.history("robust")[-1]["epoch"]), study.dataset.y[study.rows], []
    moments = sorted({0, 1, last // 2, last})
    figure = Figure((9, 4.6), layout="constrained")
    for column, epoch in zip(figure.subplots(2, len(moments), squeeze=False).T, moments, strict=True):
        codes = study.codes("robust", epoch)
        points = TSNE(init="pca", random_state=0).fit_transform(codes["m"])
        groups = metrics.matching(y, codes["groups"])[codes["groups"]]  # colours agree where they can
        for axis, names in zip(column, (y, groups), strict=True):
            axis.scatter(*points.T, s=3, linewidth=0, c=names, cmap="tab20")
            for c in np.unique(names):
                axis.text(*np.median(points[names == c], axis=0), str(c), weight="bold", ha="center", va="center")
            axis.set(xticks=[], yticks=[])
        column[0].set_title("autoencoder" if epoch == 0 else f"epoch {epoch}")
        for row, (a, b), label, group in zip(study.rows, points, y, groups, strict=True):
            table.append(
                {"epoch": epoch, "row": row, "x": f"{a:.2f}", "y": f"{b:.2f}", "label": label, "cluster": group}
            )
    write("tsne", table)
    save(figure, "tsne", f"{study.settings['dataset']}: t-SNE of the code; above by label, below by cluster")


PARTS = {part.__name__: part for part in (terms, prior, pretraining, clusters, tsne, recipes)}


def active_units(codes: dict) -> int:
    """Dimensions whose mean code varies over the rows: Var m > 1 % of Var m + mean s2 (after Burda et al. 2016)."""
    varies = codes["m"].var(axis=0)
    return int(np.sum(varies > 0.01 * (varies + np.exp(codes["log_s2"]).mean(axis=0))))


def compared(part: str, histories: dict[str, list[dict]], columns: dict[str, str], kept: tuple[str, ...]) -> None:
    """CSV and figure of two runs over the epochs of VaDE."""
    rows = [{"run": name, **{k: row.get(k) for k in kept}} for name, history in histories.items() for row in history]
    write(part, rows)
    figure = Figure((9, 3.2), layout="constrained")
    for axis, (name, label) in zip(figure.subplots(1, len(columns)), columns.items(), strict=True):
        lines(axis, histories, name)
        axis.set(ylabel=label)
    figure.axes[0].legend(frameon=False)
    save(figure, part, " and ".join(TITLES[name] for name in histories))


def lines(axis, histories: dict[str, list[dict]], column: str) -> None:
    """One line a run over the epochs of VaDE."""
    for name, rows in histories.items():
        points = [(row["epoch"], row[column]) for row in rows if column in row]  # not every short epoch has a score
        axis.plot(*zip(*points, strict=True), marker="o", markersize=4, label=TITLES[name])
    axis.set_xlabel("epoch of VaDE")
    axis.xaxis.get_major_locator().set_params(integer=True)


def write(name: str, rows: list[dict]) -> None:
    """A CSV of the results folder, numbers with six digits; the last row is printed."""
    shown = [{k: f"{v:.6g}" if isinstance(v, float) else v for k, v in row.items()} for row in rows]
    command = shlex.join(["python", "benchmarks/ablations.py", *sys.argv[1:]])
    frame.write(shown, RESULTS / f"{name}.csv", rows[0], command)
    print(name, shown[-1], flush=True)


def save(figure: Figure, name: str, title: str) -> None:
    figure.suptitle(title)
    figure.savefig(RESULTS / f"{name}.png", dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", default="mnist", help="a named data set with labels")
    parser.add_argument("--data-dir")
    parser.add_argument("--limit", type=int, help="rows, for a quick look")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--pretrained", metavar="RUN", help="run folder whose autoencoder to take")
    parser.add_argument("--pretrain-epochs", type=int)
    parser.add_argument("--epochs", type=int, help="epochs of VaDE of every run (default: those of the robust recipe)")
    parser.add_argument("--out", default="runs/ablations", help="folder of the runs")
    parser.add_argument("--part", nargs="+", choices=sorted(PARTS), default=list(PARTS), help="default: all")
    options = vars(parser.parse_args())
    study = Study(folder=Path(options.pop("out")), settings=options)
    for name in options.pop("part"):
        PARTS[name](study)


if __name__ == "__main__":
    main()
