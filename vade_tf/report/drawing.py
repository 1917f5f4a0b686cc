"""How every figure is drawn: one colour a cluster in the whole report, the look, and the PNG. Loads no matplotlib.

The colours are the ten of Petroff (2021), which colour-blind people tell apart. Clusters that share a colour have
different markers, and the number of a cluster stands beside its colour.
"""

import io
import warnings
from typing import Any

COLOURS = (
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
    import matplotlib.style

    return matplotlib.style.context(["default", STYLE])


def png(figure) -> bytes:
    """A figure as the content of a PNG file."""
    content = io.BytesIO()
    with styled(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph")  # a letter that the font lacks; the page has the name
        figure.savefig(content, format="png")
    return content.getvalue()
