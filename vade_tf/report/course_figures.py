"""Pictures of the course of training, epoch by epoch: of one run, and of several side by side with their scores."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.legend_handler import HandlerTuple
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from vade_tf.report.colours import COLOURS, NEUTRAL, colour, marker
from vade_tf.report.drawing import WIDTH, plain, styled

HATCHES = ("", "////", "....", "xxxx", "----", "oooo")  # of bars, by tens of runs: each ten has the same colours
TALLEST = 400.0  # inches of a picture of several runs; matplotlib draws no more than 2^16 pixels


def epochs(histories: dict[str, list[dict]]) -> Figure:
    """VaDE's bound, and ACC where there are labels, over the epochs: one line a run, by its name."""
    columns = drawn_columns(histories)
    figure = Figure((WIDTH, 3.2), layout="constrained")
    _epoch_lines(figure.subplots(1, len(columns), squeeze=False)[0], columns, histories)
    return figure


@styled()
def comparison(results: dict[str, dict], histories: dict[str, list[dict]]) -> Figure:
    """Several runs, by name: scores and bound of each, and their course over the epochs."""
    scores = [s for s in ("acc", "nmi", "ari", "purity", "silhouette") if None not in [r[s] for r in results.values()]]
    courses = {
        name: rows if results[name]["elbo"] is not None else without_bound(rows) for name, rows in histories.items()
    }
    columns = drawn_columns(courses)
    bars = min(0.5 + 0.24 * (len(results) + 1) * max(len(scores), 1), TALLEST)
    heights = (bars, 3) if columns else (bars,)
    figure = Figure((WIDTH, sum(heights) + 1.2), layout="constrained")
    top, *below = figure.subfigures(len(heights), 1, squeeze=False, height_ratios=heights)[:, 0]
    bounded = any(result["elbo"] is not None for result in results.values())
    left, *right = top.subplots(1, 1 + bounded, width_ratios=(3, 2)[: 1 + bounded], squeeze=False)[0]
    height = 0.84 / len(results)
    looks: list[Any] = []  # pairs of artists, which the legend's handler takes
    for i, result in enumerate(results.values()):
        hatch = HATCHES[i // len(COLOURS) % len(HATCHES)]
        filled: dict[str, Any] = {"facecolor": colour(i), "hatch": hatch, "edgecolor": "white"}
        places, values = np.arange(len(scores)) + height * i, [result[s] for s in scores]
        drawn = left.barh(places, values, 0.9 * height, linewidth=0, **filled)
        looks.append((Patch(linewidth=0, **filled), Line2D([], [], marker=marker(i), color=colour(i))))
        left.bar_label(drawn, fmt="%.3f", padding=2, fontsize=8)
        if result["elbo"] is None:
            continue
        (bound,) = right
        bound.plot(result["elbo"], i, marker=marker(i), color=colour(i), markersize=8)
        bound.annotate(f"{result['elbo']:.2f}", (result["elbo"], i), (0, 7), textcoords="offset points", ha="center")
    left.set_yticks(np.arange(len(scores)) + height * (len(results) - 1) / 2, scores)
    left.invert_yaxis()
    left.margins(x=0.15)
    left.set(xlabel="score (1 is best)", title="Scores")
    for axis in right:
        axis.set_yticks([])
        axis.margins(0.3)
        axis.invert_yaxis()
        axis.set(xlabel="ELBO (nats a row)", title="Bound")
    for bottom in below:
        _epoch_lines(bottom.subplots(1, len(columns), squeeze=False)[0], columns, courses)
    side = {tuple: HandlerTuple(ndivide=None)}  # the look of a run's bars, and beside it that of its lines
    where: dict[str, Any] = {"loc": "outside lower center", "ncols": 2, "frameon": False, "handlelength": 3}
    legend = figure.legend(looks, [""] * len(results), handler_map=side, **where)
    for text, name in zip(legend.get_texts(), results, strict=True):  # a label that begins with _ would be left out
        text.set_text(plain(name, len(name)))
    return figure


def drawn_columns(histories: dict[str, list[dict]]) -> list[str]:
    """Columns of metrics.csv to draw: those that a run has."""
    return [c for c in ("elbo", "acc") if any(c in row for rows in histories.values() for row in rows)]


def without_bound(history: list[dict]) -> list[dict]:
    """The history of another system than VaDE, whose bound is one of another density."""
    return [{name: value for name, value in row.items() if name != "elbo"} for row in history]


def _epoch_lines(axes, columns: list[str], histories: dict[str, list[dict]]) -> None:
    labels = {"elbo": "ELBO (nats a row)", "acc": "ACC (share of rows)"}
    time = "epoch of VaDE" if all(any("elbo" in row for row in rows) for rows in histories.values()) else "epoch"
    for axis, column in zip(axes, columns, strict=True):
        for i, rows in enumerate(histories.values()):
            points = [(row["epoch"], row[column]) for row in rows if row["phase"] == "fit" and column in row]
            look = NEUTRAL if len(histories) == 1 else colour(i)
            axis.plot(*np.array(points).reshape(-1, 2).T, color=look, marker=marker(i), markersize=4, clip_on=False)
        if column == "acc":
            axis.set_ylim(top=min(axis.get_ylim()[1], 1))  # no share is above
        axis.set(xlabel=time, ylabel=labels[column], title=f"{column.upper()} by epoch")
        axis.xaxis.get_major_locator().set_params(integer=True)
