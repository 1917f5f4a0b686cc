"""The pictures of a choice of K: of a sweep each criterion against K, and how much each component holds."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from vade_tf.report.colours import COLOURS
from vade_tf.report.drawing import WIDTH, plain, png, styled
from vade_tf.training.n_clusters import MIN_STRENGTH
from vade_tf.writing import write_whole


@styled()
def draw(summary: dict) -> Figure:
    """Four panels against K: held-out bound, BIC, prediction strength, shares of the components.

    Args:
        summary: what `sweep.train_sweep` returns.
    """
    rows, best = summary["rows"], summary["n_clusters"]
    k = np.array([row["n_clusters"] for row in rows])
    column = {name: np.array([row[name] for row in rows]) for name in ("held_out_elbo", "bic", "strength")}
    figure = Figure((WIDTH, 6.2), layout="constrained")
    (bound, information), (agreement, weights) = figure.subplots(2, 2, sharex=True)
    errors = [row["behind_se"] for row in rows]
    bound.errorbar(k, column["held_out_elbo"], errors, color=COLOURS[0], marker="o", markersize=4, capsize=3)
    bars = "ELBO (nats a row), bars: standard\nerror of the distance to the best"
    bound.set(title="Bound on held-out rows", ylabel=bars)
    information.plot(k, column["bic"] / summary["n"], color=COLOURS[0], marker="o", markersize=4)
    information.set(title="BIC of the starting mixture", ylabel="BIC / n (nats; lower is better)")
    _strength(agreement, k, column["strength"])
    for row in rows:
        weights.plot(np.full(len(row["shares"]), row["n_clusters"]), row["shares"], "o", color=COLOURS[0], markersize=3)
    weights.plot(k, 1 / k, color="0.5", linestyle="--", linewidth=1, label="1 / K")
    weights.set(title="Share of each component", ylabel="mean gamma (share of rows)", ylim=(0, None))
    weights.legend(frameon=False, fontsize=7)
    for axis in (bound, information, agreement, weights):
        axis.axvline(best, color=COLOURS[2], linewidth=6, alpha=0.25, zorder=0)
    for axis in (agreement, weights):
        _numbers(axis, k)
    data = f"{plain(summary['dataset'])}, {summary['n']:,} rows and {summary['n_held_out']:,} held out"
    figure.suptitle(f"How many clusters? {data}; recommended: {best}")
    return figure


def strength(choice: dict) -> Figure:
    """Prediction strength against K, where `clusters="auto"` has chosen it.

    Args:
        choice: of metrics.json, the fields of `training.n_clusters.Choice`.
    """
    k = np.array(choice["tried"])
    figure = Figure((0.7 * WIDTH, 3.2), layout="constrained")
    axis = figure.subplots()
    _strength(axis, k, choice["strength"])
    axis.axvline(choice["n_clusters"], color=COLOURS[2], linewidth=6, alpha=0.25, zorder=0)
    _numbers(axis, k)
    return figure


def _strength(axis, k: np.ndarray, strengths) -> None:
    axis.plot(k, strengths, color=COLOURS[0], marker="o", markersize=4)
    axis.axhline(MIN_STRENGTH, color="0.5", linestyle="--", linewidth=1)
    axis.set(title="Prediction strength", ylabel="pairs kept together\n(of the worst cluster)", ylim=(-0.02, 1.05))


def _numbers(axis, k: np.ndarray) -> None:
    axis.set_xlabel("number of clusters K")
    axis.set_xticks(k if len(k) <= 16 else k[::2])


def write(summary: dict, path: Path) -> None:
    """Draw the picture into a PNG file."""
    write_whole(path, png(draw(summary)))
