"""The colour of each cluster: one for the whole report, so that a group looks the same in every figure and card.

The ten of Petroff (2021), chosen to be told apart by colour-blind people. A cluster also has a marker, clusters that
share a colour differ in it, and wherever a colour stands for a cluster its number stands beside it. What is no cluster
is grey in figures of one run; the runs of a comparison take the colours in their order.
"""

import matplotlib
import numpy as np
from matplotlib.colors import to_hex, to_rgb

from vade_tf import metrics

COLOURS = matplotlib.color_sequences["petroff10"]
MARKERS = "o^sDvPX<>p"
NEUTRAL = "0.3"  # lines that belong to no cluster


def colour(c: int) -> str:
    """The colour of cluster c, "#rrggbb"."""
    return to_hex(COLOURS[c % len(COLOURS)])


def marker(c: int) -> str:
    """The marker of cluster c; with its colour no other of a hundred clusters has it."""
    return MARKERS[(c + c // len(COLOURS)) % len(MARKERS)]


def ink(c: int) -> str:
    """Black or white, whichever reads better on the colour of cluster c (contrast as WCAG 2 defines it)."""
    linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in to_rgb(colour(c))]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return "#000000" if (luminance + 0.05) / 0.05 >= 1.05 / (luminance + 0.05) else "#ffffff"


def chip(text, c: int) -> None:
    """Give a matplotlib text that names cluster c the colour of c as its ground."""
    text.set_color(ink(c))
    text.set_bbox({"facecolor": colour(c), "edgecolor": "none", "boxstyle": "round,pad=0.2"})


def of_labels(y: np.ndarray, groups: np.ndarray, n_clusters: int) -> dict[int, int]:
    """Label -> the cluster whose colour it takes: the one it is matched with, else a number that no cluster has.

    Args:
        y: labels from 0, [n].
        groups: clusters from 0, [n].
        n_clusters: K.
    """
    of = {int(label): c for c, label in enumerate(metrics.matching(y, groups)) if label >= 0}
    left = [label for label in range(int(y.max()) + 1) if label not in of]
    return of | {label: n_clusters + i for i, label in enumerate(left)}
