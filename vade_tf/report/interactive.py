"""A map of rows that answers the pointer, drawn by Bokeh; its page needs no network."""

import base64
import io
from collections.abc import Mapping, Sequence

import numpy as np
from bokeh import embed, plotting, resources
from bokeh.models import ColumnDataSource, HoverTool, Text
from PIL import Image

from vade_tf.data.dataset import Dataset
from vade_tf.report.drawing import colour

MAX_LETTERS = 300  # of a text
MAX_PIXELS = 48  # of the longer side of a picture
TOOLTIP = '<div style="max-width:24rem"><b>row @row, cluster @cluster, confidence @confidence{0.000}</b>%s</div>'
LINES = {"text": "<br>@text", "picture": '<br><img src="@picture" style="width:5rem;image-rendering:pixelated">'}


def draw(
    points: np.ndarray, groups: np.ndarray, names: Mapping[int, str], known: Mapping[str, Sequence | np.ndarray]
) -> plotting.figure:
    """Points that say under the pointer what they are; a cluster's name stands in its middle.

    Args:
        points: [n, 2].
        groups: the cluster of each, int [n]; -1 is grey.
        names: of each cluster that is named.
        known: of each point, as `about` gives it.
    """
    tooltip = TOOLTIP % "".join(line for name, line in LINES.items() if name in known)
    looks = [colour(c) if c >= 0 else "#b0b0b0" for c in groups]
    source = ColumnDataSource({"x": points[:, 0], "y": points[:, 1], "cluster": groups, "look": looks, **known})
    plot = plotting.figure(
        width=900, height=650, sizing_mode="scale_width", tools="pan,wheel_zoom,box_zoom,reset,save",
        active_scroll="wheel_zoom", output_backend="webgl",
    )  # fmt: skip
    plot.axis.visible, plot.grid.visible, plot.toolbar.logo = False, False, None
    dots = plot.scatter("x", "y", source=source, size=5, color="look", alpha=0.8, line_width=0)
    plot.add_tools(HoverTool(renderers=[dots], tooltips=tooltip, limit=1, point_policy="follow_mouse"))
    label = Text(
        x="x", y="y", text="text", text_align="center", text_baseline="middle", text_font_size="13px",
        text_font_style="bold", background_fill_color="white", background_fill_alpha=0.75,
    )  # fmt: skip
    plot.add_glyph(middles(points, groups, names), label)
    return plot


def about(dataset: Dataset, rows: np.ndarray, numbers: np.ndarray, confidence: np.ndarray) -> dict:
    """What `draw` says of these rows, int [m]: their id or number, [m], confidence, [m], and text or picture."""
    found = {"row": numbers if dataset.ids is None else dataset.ids[rows].astype(str), "confidence": confidence}
    if dataset.texts is not None:
        found["text"] = [str(text)[:MAX_LETTERS] for text in dataset.texts[rows]]
    elif dataset.image_shape is not None:
        scale = max(dataset.high - dataset.low, 1e-12)
        found["picture"] = pictures((dataset.x[rows].reshape(-1, *dataset.image_shape) - dataset.low) / scale)
    return found


def middles(points: np.ndarray, groups: np.ndarray, names: Mapping[int, str]) -> ColumnDataSource:
    """The median of the points of each cluster, with its number and name."""
    clusters = np.unique(groups[groups >= 0])
    places = np.array([np.median(points[groups == c], axis=0) for c in clusters]).reshape(-1, 2)
    texts = [f"{c} {names.get(c, '')}".strip() for c in clusters.tolist()]
    return ColumnDataSource({"x": places[:, 0], "y": places[:, 1], "text": texts})


def html(plot: plotting.figure) -> str:
    """The plot as part of a page, with all that shows it: scripts of 1.5 MB, nothing that is loaded."""
    script, place = embed.components(plot)
    return resources.Resources(mode="inline", components=["bokeh", "bokeh-gl"]).render() + script + place


def pictures(images: np.ndarray) -> list[str]:
    """Images [n, height, width] or with 3 channels, values from 0 to 1, each as the address that holds it."""
    addresses = []
    for image in (np.clip(images, 0, 1) * 255).astype(np.uint8):
        picture, content = Image.fromarray(image), io.BytesIO()
        picture.thumbnail((MAX_PIXELS, MAX_PIXELS))
        picture.save(content, "WEBP")
        addresses.append(f"data:image/webp;base64,{base64.b64encode(content.getvalue()).decode()}")
    return addresses
