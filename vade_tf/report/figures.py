"""Pictures of a fitted model and of its evaluation: matplotlib figures, drawn without a display; knows no training.

Every function returns a `matplotlib.figure.Figure`; `draw` gives those that suit the data, those of images from
`image_figures`. A cluster has its colour from `colours` in all of them.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, partial

import keras
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from sklearn.manifold import TSNE

from vade_tf import metrics
from vade_tf.data.dataset import Dataset
from vade_tf.model.counts import Counts
from vade_tf.model.vade import VaDE
from vade_tf.report.colours import NEUTRAL, chip, colour, marker, of_labels
from vade_tf.report.contrast import Contrast, feature_names
from vade_tf.report.course_figures import drawn_columns, epochs, without_bound
from vade_tf.report.drawing import WIDTH, plain, styled
from vade_tf.report.evaluation import Assignments, Posterior
from vade_tf.report.expression import compared
from vade_tf.report.image_figures import interpolation, members, outliers, reconstructions, samples
from vade_tf.report.sweep_figure import strength
from vade_tf.seeding import subset
from vade_tf.threads import one_thread

MAX_ROWS = 20  # clusters in one picture: the largest
MAP_ROWS = 3000  # rows in the map of the code
CROWDED = 15  # groups in a map whose numbers are smaller, and in their colours, if there are more
LABELLED = 3.6  # inches of height in which the longest label along an axis has room
NAMED = 24  # features that a profile names, at most
LETTER = 0.06  # inches that a letter of the names below a profile takes
CAPTIONS = {
    "samples": "New samples of each component of the mixture: p(x|z) with z from N(mu_c, sigma2_c). First column: the "
    "component's mean.",
    "reconstructions": "Rows of the data, and what the decoder makes of their mean code.",
    "interpolation": "Straight lines in the code from the mean of each component to the nearest other mean, decoded.",
    "members": "The members of each cluster that the model is least and most sure of.",
    "outliers": "The rows that the model finds least likely: those with the lowest bound on their log density.",
    "profiles": "The decoded mean of each component, feature by feature.",
    "features": "What sets each cluster apart: the mean of its rows minus the mean of all other rows, in standard "
    "deviations over all rows, or for counts the log2 fold change of the decoder's mean, for the features that differ "
    "most. The cards have the same numbers.",
    "code": "A t-SNE map of the mean codes. A number stands in the middle of its cluster. Distances between groups "
    "that lie far apart mean little in such a map. A label has the colour of the cluster that it is matched with.",
    "confusion": "Rows of each cluster by label. The clusters are in the order of the best one-to-one matching, so the "
    "diagonal is what ACC counts.",
    "reliability": "How often an assignment is right, by the probability the model gave it. Below the diagonal the "
    "model is too sure of itself.",
    "choice": "Prediction strength of each number of clusters: the largest K at 0.8 or above was chosen.",
    "history": "The bound in each epoch of VaDE as training sees it, so with augmented rows where it augments, and ACC "
    "after it, where there are labels; of augmented images it is that before the mixture is, at the end, set to its "
    "optimum for images without augmentation. Training does not read the labels.",
}
HISTORY_OF_OTHERS = "ACC after each epoch of the system's own phase. Training does not read the labels."

OF_CLUSTERS = ("samples", "interpolation", "members", "profiles", "features")  # a row or a column a cluster


@dataclass(frozen=True)
class Picture:
    """A figure, the name of its file, and the sentences below it."""

    name: str
    caption: str
    figure: Figure


def draw(
    model: keras.Model, dataset: Dataset, found: Assignments, result: dict, history: list[dict]
) -> Iterator[Picture]:
    """The figures that suit a data set, one after the other.

    Args:
        model: a trained VaDE, or another system: what takes a bound or a decoder is left out.
        dataset: the rows it was evaluated on.
        found: `evaluation.findings` of them.
        result: `evaluation.evaluate` of them.
        history: rows of the run's metrics.csv, see `Run.load_rows`.
    """
    n_clusters = found.log_gamma.shape[1]
    shown = largest(found.groups, n_clusters)
    x, y, shape = dataset.x, dataset.y, dataset.image_shape
    apart = cache(lambda: compared(model, dataset, found.groups, n_clusters))
    names = range(n_clusters) if shape is None else ()
    makers: dict[str, Callable[[], Figure]] = {}
    if shape is not None and isinstance(found, Posterior):
        makers["samples"] = lambda: samples(model, shown, shape)
        makers["reconstructions"] = lambda: reconstructions(model, x, shape)
        if n_clusters > 1:
            makers["interpolation"] = lambda: interpolation(model, shown, shape)
        makers["members"] = lambda: members(x, shape, found, shown)
        makers["outliers"] = partial(outliers, x, shape, found)
    elif shape is not None:
        makers["members"] = lambda: members(x, shape, found, shown)
    else:
        if isinstance(found, Posterior):
            makers["profiles"] = lambda: profiles(model, dataset, shown)
        makers["features"] = lambda: features(apart(), shown)
    if len(found.m) > 1:  # a map of one row shows nothing
        makers["code"] = lambda: code(dataset, found, names=[apart().name(c) for c in names])
    if y is not None:
        makers["confusion"] = lambda: confusion(y, found.groups, result["acc"])
        makers["reliability"] = lambda: reliability(result["calibration"])
    if result.get("choice") is not None:
        makers["choice"] = lambda: strength(result["choice"])
    of_vade = isinstance(found, Posterior)
    course = {"": history if of_vade else without_bound(history)}
    if drawn_columns(course):
        makers["history"] = lambda: epochs(course)
    captions = CAPTIONS if of_vade else CAPTIONS | {"history": HISTORY_OF_OTHERS}
    part = "" if len(shown) == n_clusters else f" The {len(shown)} largest clusters are shown."
    for name, make in makers.items():
        with styled():
            figure = make()
        yield Picture(name, captions[name] + (part if name in OF_CLUSTERS else ""), figure)


def largest(groups: np.ndarray, n_clusters: int) -> np.ndarray:
    """The clusters to show, ascending: all, or the MAX_ROWS largest."""
    sizes = np.bincount(groups, minlength=n_clusters)
    return np.sort(sizes.argsort(kind="stable")[::-1][:MAX_ROWS])


def profiles(model: VaDE, dataset: Dataset, shown: np.ndarray) -> Figure:
    """A panel a component: its decoded mean in standard deviations from the mean of all rows."""
    mean, std = dataset.moments()
    std = np.where(std > 0, std, 1.0)
    raw = np.asarray(model.unscale(model.decode(model.prior.parameters[1].numpy()[shown])))
    if isinstance(model.likelihood, Counts):  # decoded for a row of the median size
        raw = raw * (mean.sum() / np.maximum(raw.sum(axis=1, keepdims=True), 1e-30))
    decoded = (raw - mean) / std
    names = [plain(name) for name in feature_names(dataset)] if decoded.shape[1] <= NAMED else []
    columns = 1 if names or len(shown) == 1 else 2  # names stand below the last panel, for all above it
    lines = -(-len(shown) // columns)
    room = LETTER * max(map(len, names), default=0)
    figure = Figure((WIDTH, max(1.0 + 1.25 * lines, LABELLED) + room), layout="constrained")
    axes = figure.subplots(lines, columns, sharex=True, sharey=True, squeeze=False).ravel()
    for axis, c, profile in zip(axes, shown, decoded, strict=False):
        axis.axhline(0, color="0.75", linewidth=0.8)
        axis.plot(profile, color=colour(c), marker="o" if len(profile) <= 40 else "", markersize=3, linewidth=1.2)
        chip(axis.set_title(f"component {c}", loc="left"), c)
    for axis in axes[max(len(shown) - columns, 0) : len(shown)]:
        axis.tick_params(labelbottom=True)
    for axis in axes[len(shown) :]:
        axis.set_axis_off()
    if names:
        for axis in axes:
            axis.set_xticks(range(len(names)), names, rotation=90, fontsize=7)
            axis.grid(axis="x", color="0.92")
    figure.suptitle("Component means")
    figure.supxlabel("feature" if names else "feature (column number from 0)", fontsize=9)
    figure.supylabel("standard deviations from the mean", fontsize=9)
    return figure


def features(apart: Contrast, shown: np.ndarray, each: int = 4, most: int = 24) -> Figure:
    """Heat map, features by clusters: how far a cluster's mean is from that of all other rows, see `Contrast`."""
    effect = apart.effect[shown]
    leading = np.unique(np.abs(effect).argsort(axis=1)[:, ::-1][:, :each])
    leading = np.sort(leading[np.abs(effect[:, leading]).max(axis=0).argsort()[::-1][:most]])
    table = effect[:, leading].round(1) + 0.0  # no "-0.0"
    figure = Figure((WIDTH, max(1.6 + 0.3 * len(leading), LABELLED)), layout="constrained")
    axis = figure.subplots()
    reach = max(np.abs(table).max(), 1e-9)
    image = axis.imshow(table.T, cmap="PuOr_r", vmin=-reach, vmax=reach, aspect="auto")
    _numbers(axis, table.T, "{:+.1f}", np.abs(table.T) > 0.55 * reach, fontsize=8 if len(shown) <= 12 else 6)
    for text, c in zip(axis.set_xticks(range(len(shown)), [str(c) for c in shown]), shown, strict=True):
        chip(text.label1, c)
    axis.set_yticks(range(len(leading)), [plain(apart.names[j]) for j in leading])
    axis.set(xlabel="cluster", ylabel="feature", title="What sets each cluster apart")
    figure.colorbar(image, label="log2 fold change" if apart.folds else "standard deviations from the other rows")
    return figure


def code(dataset: Dataset, found: Assignments, names: Sequence[str] = ()) -> Figure:
    """t-SNE of the codes of a random subset, coloured by cluster, with its name, and, beside it, by label."""
    rows = subset(len(found.m), MAP_ROWS, seed=0)
    perplexity = min(30.0, max(1.0, (len(rows) - 1) / 3))
    z = found.m[rows] if found.m.shape[1] > 1 else np.repeat(found.m[rows], 2, axis=1)
    spread = float(np.abs(z - z.mean(axis=0)).max())
    init = "pca" if spread > 1e-6 * float(np.abs(z).max()) else "random"  # t-SNE divides by the spread along the first
    with one_thread():  # 3,000 points: more threads save little, and wait for each other on a busy machine
        points = TSNE(perplexity=perplexity, init=init, random_state=0).fit_transform(z)
    n_clusters = found.log_gamma.shape[1]
    views = {"coloured by cluster": (found.groups[rows], {c: c for c in range(n_clusters)})}
    if dataset.y is not None:  # a label has the colour of the cluster it is matched with
        views["coloured by label"] = (dataset.y[rows], of_labels(dataset.y, found.groups, n_clusters))
    figure = Figure((WIDTH, 4.2 if len(views) == 2 else 6), layout="constrained")
    axes = figure.subplots(1, len(views), squeeze=False)[0]
    for axis, (title, (parts, looks)) in zip(axes, views.items(), strict=True):
        called = names if title == "coloured by cluster" else ()
        for c in np.unique(parts):
            own, look = points[parts == c], looks[int(c)]
            axis.scatter(*own.T, s=10, linewidth=0, alpha=0.8, color=colour(look), marker=marker(look))
            middle = own[np.linalg.norm(own - np.median(own, axis=0), axis=1).argmin()]
            outline = [withStroke(linewidth=2.5, foreground="white")]
            many = {"fontsize": 7, "color": colour(look)} if len(looks) > CROWDED else {}
            place = {"xy": middle, "xytext": (0, 7 if many else 0), "textcoords": "offset points"}  # beside small ones
            axis.annotate(str(c), **place, weight="bold", ha="center", va="center", path_effects=outline, **many)
            if called and called[c]:
                text = plain(called[c].split(", ")[0])
                axis.annotate(
                    text, **place | {"xytext": (0, -6)}, ha="center", va="top", fontsize=7, path_effects=outline
                )
        axis.set(title=title, xlabel="t-SNE 1 (no unit)", ylabel="t-SNE 2 (no unit)", xticks=[], yticks=[])
    figure.suptitle(f"The code in two dimensions, {len(rows):,} rows")
    return figure


def confusion(y: np.ndarray, groups: np.ndarray, acc: float) -> Figure:
    """Counts of rows by cluster and label, clusters in the order of their matched labels."""
    counts = metrics.contingency(y, groups)
    partner = metrics.matching(y, groups)
    order = np.lexsort((np.arange(len(partner)), np.where(partner < 0, counts.shape[1], partner)))
    order = order[counts[order].sum(axis=1) > 0]
    matched = partner[order][partner[order] >= 0]
    labels = [*matched, *np.setdiff1d(np.arange(counts.shape[1]), matched)]  # so that matches are on the diagonal
    table = counts[order][:, labels]
    share = table / table.sum(axis=1, keepdims=True)
    figure = Figure((WIDTH, max(2.5, 1.3 + 0.42 * min(len(order), 24))), layout="constrained")
    axis = figure.subplots()
    image = axis.imshow(share, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    if counted := table.size <= 600:
        _numbers(axis, table, "{:d}", share > 0.5, fontsize=8 if table.shape[1] <= 12 else 6)
    axis.set_xticks(range(len(labels)), [str(label) for label in labels])
    for tick, c in zip(axis.set_yticks(range(len(order)), [str(c) for c in order]), order, strict=True):
        chip(tick.label1, c)
    axis.set(xlabel="label", ylabel="cluster", title=f"Clusters and labels ({'rows; ' * counted}ACC {acc:.4f})")
    figure.colorbar(image, label="share of the cluster")
    return figure


def reliability(calibration: dict) -> Figure:
    """Share of right assignments against their probability, and how many rows there are of each."""
    bins = calibration["bins"]
    figure = Figure((0.7 * WIDTH, 5), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    above.plot([0, 1], [0, 1], color="0.5", linestyle="--", label="perfectly calibrated")
    where = [b["confidence"] for b in bins]
    above.plot(where, [b["accuracy"] for b in bins], "o-", color=NEUTRAL, label="this model")
    above.set(ylabel="share right after matching", xlim=(0, 1.02), ylim=(-0.02, 1.02))
    above.set_title(f"Calibration (expected error {calibration['ece']:.4f})")
    above.legend(frameon=False, loc="upper left")
    middles = [(b["low"] + b["high"]) / 2 for b in bins]
    below.bar(middles, [b["count"] for b in bins], width=0.09, color=NEUTRAL)
    below.set(xlabel="probability of the assigned cluster", ylabel="rows (log)", yscale="log", ylim=(0.8, None))
    return figure


def _numbers(axis, table: np.ndarray, form: str, light: np.ndarray, fontsize: float) -> None:
    """Write each value of a table into its cell of a heat map, white where `light`."""
    for (row, column), value in np.ndenumerate(table):
        colour = "white" if light[row, column] else "black"
        axis.text(column, row, form.format(value), ha="center", va="center", color=colour, fontsize=fontsize)
