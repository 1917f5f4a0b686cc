"""How every figure is drawn, whatever it shows: its width and look, names as plain text, its PNG. Knows no run."""

import io
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import matplotlib
import matplotlib.style
from matplotlib.figure import Figure

WIDTH = 7.2  # inches; text of 9 points stays legible on a phone
LONGEST = 24  # letters of a name in a picture
GLYPH = re.compile(r"Glyph (\d+) .*missing from ")  # of matplotlib's warning of a letter
MOST = 5  # names that a warning lists
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


@contextmanager
def unshown(names: Sequence[str], where: str) -> Iterator[None]:
    """One warning of the names that figures cannot show, instead of matplotlib's of each letter their font lacks.

    Args:
        names: of which the figures show some.
        where: what else has these names, as the warning says.
    """
    with warnings.catch_warnings(record=True) as caught:
        yield
    missing = set()
    for each in caught:
        if glyph := GLYPH.match(str(each.message)):
            missing.add(chr(int(glyph[1])))
        else:
            warnings.warn_explicit(each.message, each.category, each.filename, each.lineno)
    if lost := [name for name in names if not missing.isdisjoint(name)]:
        shown = ", ".join(lost[:MOST]) + (f" and {len(lost) - MOST} more" if len(lost) > MOST else "")
        warnings.warn(f"the font of the figures has not all letters of {shown}; {where}", UserWarning, stacklevel=3)


def plain(name: str, most: int = LONGEST) -> str:
    """The name of a feature, a file or a run as matplotlib shall write it: no mathematics, as long as there is room."""
    return (name if len(name) <= most else name[: most - 1] + "\u2026").replace("$", r"\$").replace("\n", " ")
