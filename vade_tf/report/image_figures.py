"""Pictures of a fitted model on images: of a VaDE samples, reconstructions and interpolation; rows worth a look.

Each is a sheet with one row of images a cluster (or a line), in the data's own units.
"""

import io
from collections.abc import Iterable, Sequence

import matplotlib
import matplotlib.image
import numpy as np
from matplotlib.figure import Figure

from vade_tf.data.dataset import Dataset
from vade_tf.data.sparse import Rows
from vade_tf.model.vade import VaDE
from vade_tf.mosaic import mosaic
from vade_tf.report.colours import chip
from vade_tf.report.contrast import members as members_of
from vade_tf.report.drawing import WIDTH
from vade_tf.report.evaluation import Assignments, Posterior
from vade_tf.seeding import subset

HIGHEST, LOWEST = 30.0, 0.1  # inches of a sheet, and of a line of it; longer or flatter images lose their proportions
MEAN_ROWS = 1024  # looked at together for the mean images
GREY = matplotlib.colormaps["gray"].with_extremes(bad="white")


def samples(model: VaDE, shown: np.ndarray, image_shape, n: int = 10, seed: int = 0) -> Figure:
    """A row a component: its decoded mean, then n samples (the paper's figure 3)."""
    means = model.unscale(model.decode(model.prior.parameters[1].numpy()[shown]))
    drawn = model.unscale(model.sample(np.repeat(shown, n), seed)).reshape(len(shown), n, -1)
    rows = np.concatenate([means[:, None], drawn], axis=1)
    names = [f"component {c}" for c in shown]
    return _image_rows(
        rows,
        image_shape,
        names,
        "Samples of each component",
        heads={0: "mean", n / 2 + 0.5: "samples"},
        gap_before=1,
        clusters=shown,
    )


def reconstructions(model: VaDE, x: Rows, image_shape, columns: int = 12) -> Figure:
    """Pairs of rows: the data, and p(x|z)'s mean at z = m."""
    rows = subset(len(x), 4 * columns, seed=0)
    if len(rows) >= columns:
        rows = rows[: len(rows) // columns * columns]
    x = x[rows]
    pairs = np.stack([x, model.unscale(model.decode(model.encode(x)[0]))])  # [2, n, D]
    pairs = pairs.reshape(2, -1, min(columns, len(rows)), x.shape[1]).swapaxes(0, 1)
    names = ["data", "reconstruction"] * len(pairs)
    rows_of_images = pairs.reshape(-1, *pairs.shape[2:])
    return _image_rows(rows_of_images, image_shape, names, "Random rows and their reconstructions")


def interpolation(model: VaDE, shown: np.ndarray, image_shape, steps: int = 11) -> Figure:
    """A row a component: decoded points between its mean and the nearest other mean."""
    mu = model.prior.parameters[1].numpy()
    distance = np.linalg.norm(mu[:, None] - mu, axis=2)
    np.fill_diagonal(distance, np.inf)
    nearest = distance.argmin(axis=1)[shown]
    share = np.linspace(0, 1, steps)[:, None]
    path = mu[shown, None] + share * (mu[nearest] - mu[shown])[:, None]  # [rows, steps, latent]
    images = model.unscale(model.decode(path.reshape(-1, mu.shape[1]))).reshape(len(shown), steps, -1)
    names = [f"{a} to {b}" for a, b in zip(shown, nearest, strict=True)]
    title = "Between the means of neighbouring components"
    heads: dict[float, str] = {column: f"{column / (steps - 1):.1f}" for column in range(0, steps, 2)}
    return _image_rows(images, image_shape, names, title, "share of the way", heads, clusters=shown)


def card_images(
    dataset: Dataset, groups: np.ndarray, cards: list[dict], numbers: Sequence[int] | np.ndarray
) -> list[dict[str, bytes]] | None:
    """For each card of `cards.cards` that has rows PNGs: the mean of all its rows, the typical and the doubtful ones.

    All have one scale, from the smallest to the largest value of the data. None where the rows are no images.

    Args:
        dataset: the rows, [n, D].
        groups: the cluster of each, [n].
        cards: of `cards.cards`.
        numbers: what the cards call each row, ascending, [n].
    """
    x, shape = dataset.x, dataset.image_shape
    if shape is None:
        return None
    total = np.zeros((len(cards), x.shape[1]))
    for start in range(0, len(x), MEAN_ROWS):
        part = slice(start, start + MEAN_ROWS)
        total += members_of(groups[part], len(cards)) @ x[part].astype(np.float64)
    found, numbers = [], np.asarray(numbers)
    for card, sums in zip(cards, total, strict=True):
        sheets = {"mean": sums[None] / max(card["rows"], 1)}
        sheets |= {
            name: x[np.searchsorted(numbers, [row["row"] for row in card[name]])]
            for name in ("typical", "doubtful")
            if card[name]
        }
        scaled = {
            name: (sheet - dataset.low) / max(dataset.high - dataset.low, 1e-12) for name, sheet in sheets.items()
        }
        found.append({name: _strip(sheet, shape) for name, sheet in scaled.items()} if card["rows"] else {})
    return found


def _strip(images: np.ndarray, shape: tuple[int, ...]) -> bytes:
    """Images [n, D] of values from 0 to 1, side by side as a PNG of a pixel a value."""
    sheet = mosaic(images.reshape(-1, *shape).astype(np.float32), len(images))
    content = io.BytesIO()
    colours = np.clip(sheet if sheet.ndim == 3 else GREY(sheet), 0, 1)
    matplotlib.image.imsave(content, colours, format="png", origin="upper")
    return content.getvalue()


def members(x: Rows, image_shape, found: Assignments, shown: np.ndarray, n: int = 6) -> Figure:
    """A row a cluster: its n least confident members, then its n most confident ones."""
    groups, log_odds, confidence = found.groups, found.log_odds, found.confidence
    width = x.shape[1]
    rows, names = np.full((len(shown), 2 * n, width), np.nan), []
    for row, c in zip(rows, shown, strict=True):
        inside = np.flatnonzero(groups == c)
        order = inside[log_odds[inside].argsort(kind="stable")]
        least, most = order[:n], order[::-1][:n]
        row[: len(least)], row[n : n + len(most)] = x[least], x[most]
        names.append(f"cluster {c} ({confidence[order[0]]:.2f})" if len(order) else f"cluster {c} (empty)")
    heads = {(n - 1) / 2: "least confident first", n + (n - 1) / 2: "most confident first"}
    title = "Members of each cluster (in brackets: the lowest probability)"
    return _image_rows(rows, image_shape, names, title, heads=heads, gap_before=n, clusters=shown)


def outliers(x: Rows, image_shape, found: Posterior, rows: int = 3, columns: int = 12) -> Figure:
    """The rows with the lowest log density, lowest first."""
    order = found.log_density.argsort(kind="stable")[: rows * columns]
    order = order[: max(len(order) // columns, 1) * columns]
    columns = min(columns, len(order))
    images = x[order].reshape(-1, columns, x.shape[1])
    ends = found.log_density[order].reshape(-1, columns)
    names = [f"{line[0]:.0f} to {line[-1]:.0f}" for line in ends]
    title = "Points of lowest density, lowest first (left: their ELBO in nats)"
    return _image_rows(images, image_shape, names, title)


def _image_rows(
    rows: np.ndarray,
    image_shape: tuple[int, ...],
    names: Sequence[str],
    title: str,
    label: str = "",
    heads: dict[float, str] | None = None,
    gap_before: int | None = None,
    clusters: Iterable[int] = (),
) -> Figure:
    """A sheet of images.

    Args:
        rows: [lines, columns, D]; an image of NaN is left out.
        image_shape: (height, width), or (height, width, 3).
        names: a name beside each line.
        title, label: above and below the sheet.
        heads: column number (2.5: between the third and the fourth) -> what stands below that column.
        gap_before: a column with a wider gap before it.
        clusters: the cluster of each line, whose colour its name has; default they are of none.
    """
    lines, columns, _ = rows.shape
    height, width = image_shape[:2]
    sheet = mosaic(rows.reshape(-1, *image_shape).astype(np.float32), columns, gap_value=np.nan)
    gap = 0 if gap_before is None else max(width // 4, 2)
    if gap_before is not None:
        sheet = np.insert(sheet, [gap_before * (width + 1)] * gap, np.nan, axis=1)
    high = 0.82 * WIDTH * sheet.shape[0] / sheet.shape[1]
    drawn = min(max(high, LOWEST * lines), HIGHEST)
    figure = Figure((WIDTH, 0.9 + drawn), layout="compressed")
    axis = figure.subplots()
    least, most = np.nanmin(sheet), np.nanmax(sheet)
    if sheet.ndim == 3:  # colours have no map, so they are brought to [0, 1] and what is left out to white
        sheet = np.nan_to_num((sheet - least) / max(most - least, 1e-12), nan=1.0)
    axis.imshow(sheet, cmap=GREY, vmin=least, vmax=most, aspect="equal" if drawn == high else "auto")
    ticks = axis.set_yticks((np.arange(lines) + 0.5) * (height + 1) - 1, names)
    for tick, c in zip(ticks, clusters, strict=False):
        chip(tick.label1, c)
    places = [
        (c + 0.5) * (width + 1) - 1 + (gap if gap_before is not None and c >= gap_before else 0) for c in heads or {}
    ]
    axis.set_xticks(places, list((heads or {}).values()))
    axis.tick_params(length=0)
    axis.spines[:].set_visible(False)
    axis.set(title=title, xlabel=label)
    return figure
