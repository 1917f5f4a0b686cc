"""How every figure is drawn: one colour a cluster in the whole report, the look, the PNG, and sheets of images."""

import io
import math
import warnings
from collections.abc import Sequence
from typing import Any

import matplotlib.image
import matplotlib.style
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vade_tf.contrast import members
from vade_tf.data import pipeline
from vade_tf.data.dataset import Dataset
from vade_tf.data.rows import Rows
from vade_tf.model.vade import VaDE
from vade_tf.seeding import subset
from vade_tf.training.posterior import Posterior

COLOURS = (  # of Petroff (2021), which colour-blind people tell apart
    "#3f90da", "#ffa90e", "#bd1f01", "#94a4a2", "#832db6", "#a96b59", "#e76300", "#b9ac70", "#717581", "#92dadd",
)  # fmt: skip
MARKERS = "o^sDvPX<>p"
NEUTRAL = "0.3"  # of lines that belong to no cluster
WIDTH = 7.2  # inches; text of 9 points stays legible on a phone
MAX_LETTERS = 24  # of a name in a figure
STYLE: dict[str, Any] = {
    "font.size": 9.0,
    "axes.titlesize": 10.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "figure.dpi": 150.0,
}
MIN_LINE, MAX_SHEET = 0.1, 30.0  # inches of a line, and of a sheet; longer or flatter images lose their proportions
GREY = matplotlib.colormaps["gray"].with_extremes(bad="white")


def colour(c: int) -> str:
    """The colour of cluster c, "#rrggbb"."""
    return COLOURS[c % len(COLOURS)]


def marker(c: int) -> str:
    """The marker of cluster c; with its colour no other of a hundred clusters has it."""
    return MARKERS[(c + c // len(COLOURS)) % len(MARKERS)]


def ink(c: int) -> str:
    """Black or white, whichever reads better on the colour of cluster c."""
    return "#ffffff" if c % len(COLOURS) in (2, 4, 5, 8) else "#000000"


def mark(text, c: int) -> None:
    """Give a matplotlib text that names cluster c the colour of c as its background."""
    text.set_color(ink(c))
    text.set_bbox({"facecolor": colour(c), "edgecolor": "none", "boxstyle": "round,pad=0.2"})


def plain(name: str, length: int = MAX_LETTERS) -> str:
    """A name as matplotlib writes it, without mathematics; shortened where it is longer than this."""
    name = name if len(name) <= length else name[: length - 1] + "\u2026"
    return name.replace("$", r"\$").replace("\n", " ")


def styled():
    """A context in which figures have the look of the report, whatever the reader's own matplotlibrc says."""
    return matplotlib.style.context(["default", STYLE])


def png(figure) -> bytes:
    """A figure as the content of a PNG file."""
    content = io.BytesIO()
    with styled(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph")  # a letter that the font lacks; the page has the name
        figure.savefig(content, format="png")
    return content.getvalue()


def samples(model: VaDE, shown: np.ndarray, image_shape, n: int = 10, seed: int = 0, ax: Axes | None = None) -> Axes:
    """A line a component: its decoded mean, then n samples (the paper's figure 3)."""
    means = model.unscale(model.decode(model.prior.parameters[1].numpy()[shown]))
    drawn = model.unscale(model.sample(np.repeat(shown, n), seed)).reshape(len(shown), n, -1)
    ax = _sheet(np.concatenate([means[:, None], drawn], axis=1), image_shape, [f"component {c}" for c in shown], ax)
    for tick, c in zip(ax.yaxis.get_major_ticks(), shown, strict=True):
        mark(tick.label1, c)
    ax.set(title="Mean of each component (first column), and samples")
    return ax


def reconstructions(model: VaDE, x: Rows, image_shape, columns: int = 12) -> Axes:
    """Random rows, and below them the mean of p(x|z) at z = m."""
    rows = subset(len(x), 4 * columns, seed=0)
    columns = min(columns, len(rows))
    x = x[rows[: len(rows) // columns * columns]]
    pairs = np.stack([x, model.unscale(model.decode(model.encode(x)[0]))])  # [2, n, D]
    lines = pairs.reshape(2, -1, columns, x.shape[1]).swapaxes(0, 1).reshape(-1, columns, x.shape[1])
    ax = _sheet(lines, image_shape, ["data", "reconstruction"] * (len(lines) // 2))
    ax.set(title="Random rows and their reconstructions")
    return ax


def outliers(x: Rows, image_shape, found: Posterior, lines: int = 3, columns: int = 12) -> Axes:
    """The rows with the lowest log density, lowest first."""
    order = found.log_density.argsort(kind="stable")[: lines * columns]
    columns = min(columns, len(order))
    order = order[: len(order) // columns * columns]
    ends = found.log_density[order].reshape(-1, columns)
    names = [f"{line[0]:.0f} to {line[-1]:.0f}" for line in ends]
    ax = _sheet(x[order].reshape(-1, columns, x.shape[1]), image_shape, names)
    ax.set(title="Rows of lowest density, lowest first (left: their ELBO in nats)")
    return ax


def card_images(
    dataset: Dataset, groups: np.ndarray, cards: list[dict], numbers: Sequence[int] | np.ndarray
) -> list[dict[str, bytes]] | None:
    """PNGs for each card that has rows: the mean of all, the typical and the doubtful ones; None: these are no images.

    All have one scale, from the smallest to the largest value of the data. `numbers` are as for `cards.cards`.
    """
    x, shape = dataset.x, dataset.image_shape
    if shape is None:
        return None
    total, start = np.zeros((len(cards), x.shape[1])), 0
    for rows in pipeline.blocks(x):
        total += members(groups[start : start + len(rows)], len(cards)) @ rows.astype(np.float64)
        start += len(rows)
    found = []
    for c, card in enumerate(cards):
        sheets = {"mean": total[c : c + 1] / max(card["rows"], 1)}
        for name in ("typical", "doubtful"):
            sheets[name] = x[np.searchsorted(np.asarray(numbers), [row["row"] for row in card[name]])]
        scale = max(dataset.high - dataset.low, 1e-12)
        strips = {name: _strip((sheet - dataset.low) / scale, shape) for name, sheet in sheets.items() if len(sheet)}
        found.append(strips if card["rows"] else {})
    return found


def _strip(images: np.ndarray, shape: tuple[int, ...]) -> bytes:
    """Images [n, D] of values from 0 to 1, side by side as a PNG of a pixel a value."""
    sheet = mosaic(images.reshape(-1, *shape).astype(np.float32), len(images), gap_value=1.0)
    content = io.BytesIO()
    colours = np.clip(sheet if sheet.ndim == 3 else GREY(sheet), 0, 1)
    matplotlib.image.imsave(content, colours, format="png", origin="upper")
    return content.getvalue()


def _sheet(rows: np.ndarray, image_shape: tuple[int, ...], names: Sequence[str], ax: Axes | None = None) -> Axes:
    """A figure of images [lines, columns, D], with a name beside each line."""
    lines, columns, _ = rows.shape
    sheet = mosaic(rows.reshape(-1, *image_shape).astype(np.float32), columns, gap_value=math.nan)
    proportional = 0.82 * WIDTH * sheet.shape[0] / sheet.shape[1]
    height = min(max(proportional, MIN_LINE * lines), MAX_SHEET)
    ax = ax or Figure((WIDTH, 0.7 + height), layout="compressed").subplots()
    low, high = np.nanmin(sheet), np.nanmax(sheet)
    if sheet.ndim == 3:  # colours have no map, so they are brought to [0, 1] and gaps to white
        sheet = np.nan_to_num((sheet - low) / max(high - low, 1e-12), nan=1.0)
    ax.imshow(sheet, cmap=GREY, vmin=low, vmax=high, aspect="equal" if height == proportional else "auto")
    ax.set_yticks((np.arange(lines) + 0.5) * (image_shape[0] + 1) - 1, names)
    ax.set_xticks([])
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    return ax


def mosaic(images: np.ndarray, columns: int, gap_value: float) -> np.ndarray:
    """Images [n, height, width] or with channels, n / `columns` lines of them as one image, a pixel between two."""
    n, height, width, *channels = images.shape
    sheet = np.full((n, height + 1, width + 1, *channels), gap_value, images.dtype)
    sheet[:, :height, :width] = images
    sheet = sheet.reshape(-1, columns, height + 1, width + 1, *channels).swapaxes(1, 2)
    return sheet.reshape(-1, columns * (width + 1), *channels)[:-1, :-1]
