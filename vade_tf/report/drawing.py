"""How every figure is drawn, whatever it shows: its width and look, names as plain text, its PNG. Knows no run."""

import io
from functools import partial
from typing import Any

import matplotlib
import matplotlib.style
from matplotlib.figure import Figure

WIDTH = 7.2  # inches; text of 9 points stays legible on a phone
LONGEST = 24  # letters of a name in a picture
STYLE: Any = {
    "font.size": 9.0,
    "axes.titlesize": 10.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "figure.dpi": 150.0,
}
styled = partial(matplotlib.style.context, ["default", STYLE])  # whatever the reader's own matplotlibrc says


def png(figure: Figure) -> bytes:
    """A figure as the content of a PNG file."""
    buffer = io.BytesIO()
    with styled():
        figure.savefig(buffer, format="png")
    return buffer.getvalue()


def plain(name: str, most: int = LONGEST) -> str:
    """The name of a feature, a file or a run as matplotlib shall write it: no mathematics, as long as there is room."""
    return (name if len(name) <= most else name[: most - 1] + "\u2026").replace("$", r"\$").replace("\n", " ")
