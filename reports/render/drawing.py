"""Draw pictures that work in light, in dark and without colours.

Pictures are SVG inside the page, drawn by Matplotlib if it is installed (extra `plots`). Every colour is a
variable of the page's style sheet, so that a picture follows light and dark. Each picture comes with its text
equivalent, which stands alone if Matplotlib is missing.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from matplotlib.axes import Axes

VARIABLES: Final = {
    "#010101": "var(--ink)",
    "#020202": "var(--muted)",
    "#030303": "var(--line)",
    "#040404": "var(--plot-first)",
    "#050505": "var(--plot-second)",
    "#060606": "var(--plot-band)",
    "#070707": "var(--surface)",
    "#080808": "var(--heat-1)",
    "#090909": "var(--heat-2)",
    "#0a0a0a": "var(--heat-3)",
    "#0b0b0b": "var(--heat-4)",
    "#0c0c0c": "var(--diverges)",
}
INK, MUTED, LINE, FIRST, SECOND, BAND, SURFACE, *HEAT, WRONG = VARIABLES
"""Stand-ins, since Matplotlib wants colours; they become the page's variables."""

_RC: Final[dict[Any, Any]] = {
    "svg.fonttype": "none",
    "font.size": 11,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": MUTED,
    "axes.facecolor": "none",
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": LINE,
    "grid.linewidth": 0.8,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
    "lines.linewidth": 1.8,
    "lines.markersize": 4.5,
    "path.simplify": True,
    "text.parse_math": False,
    "axes.unicode_minus": True,
}
_OWN: Final = re.compile(r"<style.*?</style>|(?<=<g) id=\"[^\"]*\"", re.DOTALL)
"""Matplotlib's style for the whole document, and names of parts that are the same in every drawing."""


@dataclass(frozen=True)
class Picture:
    """One picture, and the same in words and numbers.

    Attributes:
        title: of the picture.
        text: what it shows, in a sentence.
        columns: the headings of its data.
        rows: its data.
        svg: the drawing; None if Matplotlib is missing.
    """

    title: str
    text: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    svg: str | None


def draw_svg(draw: Callable[[Axes], None], name: str, size: tuple[float, float] | None = None) -> str | None:
    """Draw a picture as SVG; None without Matplotlib.

    Args:
        draw: draws it.
        name: unique in the page; keeps the picture's inner names apart.
        size: its width and height in inches, for one whose labels take room that must be measured.
    """
    if find_spec("matplotlib") is None:
        return None
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    with mpl.rc_context({**_RC, "svg.hashsalt": name}), warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", UserWarning
        )  # a name in letters that the font lacks is the reader's font's
        figure = Figure(figsize=size or (6.4, 3.2), layout=None if size is None else "constrained")
        if size is None:
            # Numbers of eight characters and a legend above fit. Measuring them takes as long as drawing.
            figure.subplots_adjust(left=0.14, right=0.985, bottom=0.16, top=0.85)
        FigureCanvasSVG(figure)
        figure.patch.set_visible(False)
        draw(figure.add_subplot())
        file = io.StringIO()
        figure.savefig(file, format="svg", metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
    return _inline_svg(file.getvalue())


def _inline_svg(document: str) -> str:
    """The drawing as an element of the page, without the parts of a file."""
    body = document[document.index("<svg") :]
    body = _OWN.sub("", body)
    body = re.sub(r'<svg[^>]*?(viewBox="[^"]*")[^>]*>', r'<svg \1 aria-hidden="true">', body, count=1)
    for stand_in, variable in VARIABLES.items():
        body = body.replace(stand_in, variable)
    return re.sub(r"\s*\n\s*", " ", body).strip().replace("> <", "><")
