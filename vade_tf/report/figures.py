"""Figures of a fitted model and of its evaluation, drawn by matplotlib without a display; knows no training.

A function draws on the axes `ax` and returns them; without `ax` it makes a figure of its own.
"""

from typing import Any, NamedTuple

import keras
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.ticker import MaxNLocator
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE

from vade_tf import metrics
from vade_tf.contrast import FOLD, Contrast, compared
from vade_tf.data.dataset import Dataset
from vade_tf.errors import InputError
from vade_tf.report import drawing
from vade_tf.report.drawing import COLOURS, NEUTRAL, WIDTH, colour, mark, marker, plain, styled
from vade_tf.seeding import subset
from vade_tf.threads import one_thread
from vade_tf.training.n_clusters import MIN_STRENGTH, Choice
from vade_tf.training.posterior import Assignments, Posterior

MAX_CLUSTERS = 20  # in one picture: the largest
MAP_ROWS = 3000  # in the map of the code
METHODS = ("pca", "tsne", "umap")  # of a map; the last is of umap-learn
CAPTIONS = {
    "samples": "New samples of each component of the mixture: p(x|z) with z from N(mu_c, sigma2_c). First column: the "
    "component's mean. At most the 20 largest clusters are shown.",
    "reconstructions": "Rows of the data, and what the decoder makes of their mean code.",
    "outliers": "The rows that the model finds least likely: those with the lowest bound on their log density.",
    "features": "What sets each cluster apart: the mean of its rows minus the mean of all other rows, in standard "
    "deviations over all rows, or for counts the log2 fold change of the decoder's mean, for the features that differ "
    "most. The cards have the same numbers. At most the 20 largest clusters are shown.",
    "code": "A t-SNE map of the mean codes. A number stands in the middle of its cluster. Distances between groups "
    "that lie far apart mean little in such a map. A label has the colour of the cluster that it is matched with.",
    "confusion": "Rows of each cluster by label. The clusters are in the order of the best one-to-one matching, so the "
    "diagonal is what ACC counts.",
    "reliability": "How often an assignment is right, by the probability the model gave it. Below the diagonal the "
    "model is too sure of itself.",
    "choice": "Prediction strength of each number of clusters that was tried, and the number chosen.",
    "history": "The bound in each epoch of VaDE as training sees it, so with augmented rows where it augments, and ACC "
    "after each epoch, where there are labels. Training does not read the labels.",
}


class Map(NamedTuple):
    """Some rows in two dimensions."""

    rows: np.ndarray  # int [m], ascending
    points: np.ndarray  # [m, 2]


@styled()
def draw(
    model: keras.Model, dataset: Dataset, found: Assignments, result: dict, history: list[dict], mapped: Map | None
) -> dict[str, Figure]:
    """The figures that suit a data set, by name; `mapped` of its codes, the others as in `evaluation.Evaluation`."""
    n_clusters, shape, choice = found.log_gamma.shape[1], dataset.image_shape, result.get("choice")
    shown, drawn = largest(found.groups, n_clusters), dict[str, Axes]()
    if shape is None:
        drawn["features"] = features(compared(model, dataset, found.groups, n_clusters), shown)
    elif isinstance(found, Posterior):
        drawn["samples"] = drawing.samples(model, shown, shape)
        drawn["reconstructions"] = drawing.reconstructions(model, dataset.x, shape)
        drawn["outliers"] = drawing.outliers(dataset.x, shape, found)
    if mapped is not None:
        drawn["code"] = code(mapped, found, dataset.y)
    if dataset.y is not None:
        drawn["confusion"] = confusion(dataset.y, found.groups)
        drawn["reliability"] = reliability(result["calibration"])
    if choice is not None:
        drawn["choice"] = strength(Choice(**choice))
    columns = ["elbo", "acc"] if isinstance(found, Posterior) else ["acc"]
    if columns := [column for column in columns if any(column in row for row in history)]:
        axes = Figure((WIDTH, 3.2), layout="constrained").subplots(1, len(columns), squeeze=False)[0]
        for column, ax in zip(columns, axes, strict=True):
            drawn["history"] = curve(history, column, ax)
    figures: dict[str, Any] = {name: ax.figure for name, ax in drawn.items()}
    return figures


def largest(groups: np.ndarray, n_clusters: int) -> np.ndarray:
    """The clusters to show, ascending: all, or the MAX_CLUSTERS largest."""
    sizes = np.bincount(groups, minlength=n_clusters)
    return np.sort(sizes.argsort(kind="stable")[::-1][:MAX_CLUSTERS])


def features(apart: Contrast, shown: np.ndarray, each: int = 4, limit: int = 24, ax: Axes | None = None) -> Axes:
    """Heat map, features by clusters: how far the mean of a cluster is from that of all other rows.

    Shown are the clusters of these numbers, and of each those features that differ most, `limit` in all.
    """
    effect = apart.effect[shown]
    leading = np.unique(np.abs(effect).argsort(axis=1)[:, ::-1][:, :each])
    leading = np.sort(leading[np.abs(effect[:, leading]).max(axis=0).argsort()[::-1][:limit]])
    table = effect[:, leading].T.round(1) + 0.0  # no "-0.0"
    reach = max(np.abs(table).max(), 1e-9)
    ax = ax or _axes(max(1.6 + 0.3 * len(leading), 3.6))
    image = ax.imshow(table, cmap="PuOr_r", vmin=-reach, vmax=reach, aspect="auto")
    _write_numbers(ax, table, "{:+.1f}", np.abs(table) > 0.55 * reach)
    for text, c in zip(ax.set_xticks(range(len(shown)), [str(c) for c in shown]), shown, strict=True):
        mark(text.label1, c)
    ax.set_yticks(range(len(leading)), [plain(apart.names[j]) for j in leading])
    ax.set(xlabel="cluster", ylabel="feature", title="What sets each cluster apart")
    label = "log2 fold change" if FOLD in apart.kinds else "standard deviations from the other rows"
    ax.figure.colorbar(image, ax=ax, label=label)
    return ax


def map_of_codes(found: Assignments) -> Map | None:
    """t-SNE of the codes of a random subset; None of a single row."""
    rows = subset(len(found.m), MAP_ROWS, seed=0)
    return Map(rows, projected(found.m[rows], "tsne")) if len(rows) > 1 else None


def code(mapped: Map, found: Assignments, y: np.ndarray | None = None) -> Axes:
    """The map of codes by cluster and, where there are labels y, int [n], beside it by label."""
    rows, points, n_clusters = *mapped, found.log_gamma.shape[1]
    panels = [(found.groups, np.arange(n_clusters), f"coloured by cluster, {len(rows):,} rows")]
    if y is not None:
        panels.append((y, colours_of_labels(y, found.groups, n_clusters), "coloured by label"))
    figure = Figure((WIDTH, 6 if y is None else 4.2), layout="constrained")
    axes = figure.subplots(1, len(panels), squeeze=False)[0]
    for ax, (numbers, looks, title) in zip(axes, panels, strict=True):
        scatter(points, numbers[rows], looks, ax, "t-SNE").set(title=title)
    return axes[0]


def projected(z: np.ndarray, method: str) -> np.ndarray:
    """Codes [n, latent] in two dimensions, [n, 2], by one of METHODS; an InputError of another."""
    if method not in METHODS:
        raise InputError("method", f"one of {', '.join(METHODS)}", repr(method))
    z = z if z.shape[1] > 1 else np.repeat(z, 2, axis=1)
    if method == "pca":
        return PCA(2, random_state=0).fit_transform(z)
    if method == "umap":
        from umap import UMAP

        return UMAP(random_state=0).fit_transform(z)
    spread = np.abs(z - z.mean(axis=0)).max()
    init = "pca" if spread > 1e-6 * np.abs(z).max() else "random"  # t-SNE divides by the spread along the first
    with one_thread():  # of 3,000 points: more threads save little
        return TSNE(perplexity=min(30, max(1, (len(z) - 1) / 3)), init=init, random_state=0).fit_transform(z)


def scatter(points: np.ndarray, groups: np.ndarray, looks: np.ndarray, ax: Axes, method: str) -> Axes:
    """Points [n, 2] with the number of each group in its middle; group g looks like cluster looks[g], -1 is grey."""
    if (aside := groups < 0).any():
        ax.scatter(points[aside, 0], points[aside, 1], s=10, linewidth=0, color="0.7", marker=".")
    outline = [withStroke(linewidth=2.5, foreground="white")]
    for g in np.unique(groups[groups >= 0]):
        own, look = points[groups == g], int(looks[g])
        ax.scatter(own[:, 0], own[:, 1], s=10, linewidth=0, alpha=0.8, color=colour(look), marker=marker(look))
        middle = own[np.linalg.norm(own - np.median(own, axis=0), axis=1).argmin()]
        ax.annotate(str(g), middle, weight="bold", ha="center", va="center", path_effects=outline)
    ax.set(xlabel=f"{method} 1 (no unit)", ylabel=f"{method} 2 (no unit)", xticks=[], yticks=[])
    return ax


def colours_of_labels(y: np.ndarray, groups: np.ndarray, n_clusters: int) -> np.ndarray:
    """The cluster whose colour each label takes, [labels]: the one it is matched with, else a number of no cluster."""
    looks = n_clusters + np.arange(int(y.max()) + 1)
    for c, label in enumerate(metrics.matching(y, groups)):
        if label >= 0:
            looks[label] = c
    return looks


def confusion(y: np.ndarray, groups: np.ndarray) -> Axes:
    """Counts of rows by cluster and label, int [n] from 0 each; clusters in the order of their matched labels."""
    counts, partner = metrics.contingency(y, groups), metrics.matching(y, groups)
    order = np.lexsort((np.arange(len(partner)), np.where(partner < 0, counts.shape[1], partner)))
    order = order[counts[order].sum(axis=1) > 0]
    matched = partner[order][partner[order] >= 0]
    labels = [*matched, *np.setdiff1d(np.arange(counts.shape[1]), matched)]  # so that matches are on the diagonal
    table = counts[order][:, labels]
    share = table / table.sum(axis=1, keepdims=True)
    ax = _axes(max(2.5, 1.3 + 0.42 * min(len(order), 24)))
    image = ax.imshow(share, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    if table.size <= 600:
        _write_numbers(ax, table, "{:d}", share > 0.5)
    ax.set_xticks(range(len(labels)), [str(label) for label in labels])
    for tick, c in zip(ax.set_yticks(range(len(order)), [str(c) for c in order]), order, strict=True):
        mark(tick.label1, c)
    accuracy = f"ACC {metrics.accuracy(y, groups):.4f}"
    ax.set(xlabel="label", ylabel="cluster", title=f"Rows by cluster and label ({accuracy})")
    ax.figure.colorbar(image, ax=ax, label="share of the cluster")
    return ax


def reliability(calibration: dict) -> Axes:
    """Share of right assignments against their probability, see `metrics.calibration`; area grows with the rows."""
    bins, ax = calibration["bins"], _axes(4.2, 0.7 * WIDTH)
    confidence, accuracy = ([each[name] for each in bins] for name in ("confidence", "accuracy"))
    count = np.array([each["count"] for each in bins])
    ax.plot([0, 1], [0, 1], color="0.5", linestyle="--", label="perfectly calibrated")
    ax.plot(confidence, accuracy, color=NEUTRAL, label="this model")
    ax.scatter(confidence, accuracy, s=12 + 150 * count / count.sum(), color=NEUTRAL)
    for x, y, n in zip(confidence, accuracy, count, strict=True):
        ax.annotate(f"{n:,}", (x, y), (0, -9), textcoords="offset points", ha="center", va="top", fontsize=7)
    ax.set(xlabel="probability of the assigned cluster", ylabel="share right after matching (numbers: rows)")
    ax.set(xlim=(0, 1.05), ylim=(-0.1, 1.05), title=f"Calibration (expected error {calibration['ece']:.4f})")
    ax.legend(frameon=False, loc="upper left")
    return ax


def curve(history: list[dict], column: str, ax: Axes) -> Axes:
    """One column of metrics.csv over the epochs of the fit."""
    labels = {"elbo": "ELBO (nats a row)", "acc": "ACC (share of rows)"}
    points = [(row["epoch"], row[column]) for row in history if row["phase"] == "fit" and column in row]
    ax.plot(*np.array(points).reshape(-1, 2).T, color=NEUTRAL, marker="o", markersize=4, clip_on=False)
    ax.set(xlabel="epoch", ylabel=labels[column], title=f"{column.upper()} by epoch")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    return ax


def strength(choice: Choice, ax: Axes | None = None) -> Axes:
    """Prediction strength of each number of clusters, and the number chosen."""
    ax, k = ax or _axes(3.2, 0.7 * WIDTH), choice.tried
    ax.plot(k, choice.strength, color=COLOURS[0], marker="o", markersize=4, label="of the weakest cluster")
    if choice.mean is not None:
        ax.plot(k, choice.mean, color=COLOURS[1], marker="o", markersize=4, label="mean over the clusters")
        ax.legend(frameon=False)
    ax.axhline(MIN_STRENGTH, color="0.5", linestyle="--", linewidth=1)
    ax.axvline(choice.n_clusters, color=COLOURS[2], linewidth=6, alpha=0.25, zorder=0)
    ax.set(title="Prediction strength", ylabel="share of pairs\nkept together", ylim=(-0.02, 1.05))
    ax.set(xlabel="number of clusters K", xticks=k if len(k) <= 16 else [each for each in k if each % 5 == 0])
    return ax


@styled()
def comparison(results: dict[str, dict]) -> Figure:
    """Scores and bound of several runs, by name."""
    scores = [s for s in ("acc", "nmi", "ari", "purity", "silhouette") if None not in [r[s] for r in results.values()]]
    bounds = {name: result["elbo"] for name, result in results.items() if result["elbo"] is not None}
    panels = {score: {name: result[score] for name, result in results.items()} for score in scores}
    panels |= {"ELBO (nats a row)": bounds} if bounds else {}
    names = [plain(name, 60) for name in results]
    figure = Figure((WIDTH, 0.5 + len(panels) * (0.8 + 0.22 * len(results))), layout="constrained")
    for i, (title, values) in enumerate(panels.items(), start=1):
        ax = figure.add_subplot(len(panels), 1, i)
        places = [list(results).index(name) for name in values]
        bars = ax.barh(places, list(values.values()), color=[colour(place) for place in places])
        ax.bar_label(bars, fmt="%.3f" if title in scores else "%.2f", padding=2, fontsize=8)
        ax.set_yticks(range(len(names)), names)
        ax.margins(x=0.15)
        ax.invert_yaxis()
        ax.set(title=title)
    return figure


def _axes(height: float, width: float = WIDTH) -> Axes:
    """The axes of a new figure, in inches."""
    return Figure((width, height), layout="constrained").subplots()


def _write_numbers(ax: Axes, table: np.ndarray, form: str, light: np.ndarray) -> None:
    """Write each value of a table into its cell of a heat map, white where `light`."""
    size = 8 if table.shape[1] <= 12 else 6
    for (row, column), value in np.ndenumerate(table):
        color = "white" if light[row, column] else "black"
        ax.text(column, row, form.format(value), ha="center", va="center", color=color, fontsize=size)
