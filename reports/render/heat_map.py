"""Tensors by steps: how large a part of its bound each error is."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Final

from .drawing import HEAT, SURFACE, WRONG, Picture, draw_svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_ROWS: Final = 24
"""The most tensors in the picture."""
_TEXT_ROWS: Final = 12
"""The most tensors in the text."""
_LONGEST: Final = 34
"""Characters of a name in the picture."""
_LEVELS: Final = ("to 1/4 of the bound", "to 1/2", "to 3/4", "to the bound", "beyond it")
_SIGNS: Final = "▁▃▅▇✗"
BEYOND: Final = len(_LEVELS) - 1
"""The level of an error that is larger than its bound."""


def level(over_bound: float) -> int:
    """The quarter of the bound that an error is in, from 0; `BEYOND` for a larger one."""
    return max(0, math.ceil(4 * over_bound) - 1) if over_bound <= 1 else BEYOND


@dataclass(frozen=True)
class HeatMap:
    """The largest errors of tensors over a run.

    Attributes:
        steps: the first recorded step of each column.
        rows: the name of each tensor, the worst first, with its errors as fractions of their bounds; None where
            the tensor took no part.
        count: how many tensors there are.
    """

    steps: tuple[int, ...]
    rows: tuple[tuple[str, tuple[float | None, ...]], ...]
    count: int

    @property
    def _width(self) -> int:
        """The recorded steps of a column."""
        return self.steps[1] - self.steps[0] if len(self.steps) > 1 else 1

    @property
    def sentence(self) -> str:
        """The picture in words."""
        shown = self.rows[:_ROWS]
        which = "each recorded step" if self._width == 1 else f"each {self._width} recorded steps"
        off = sum(any(x is not None and level(x) == BEYOND for x in row) for _, row in shown)
        tensors = (
            f"all {len(shown)}" if len(shown) == self.count else f"the worst {len(shown)} of {self.count}"
        )
        verb = "has" if off == 1 else "have"
        found = f"{off} of these {verb} errors beyond it" if off else "none is beyond it"
        return f"Of {which}, the largest error of theta, m or u against its bound, in {tensors} tensors; {found}."

    def text(self) -> str:
        """The picture in characters."""
        shown = self.rows[:_TEXT_ROWS]
        wide = max((len(name) for name, _ in shown), default=0)
        lines = [f"{name:<{wide}}  {''.join(map(_sign, row))}" for name, row in shown]
        legend = "   ".join(f"{sign} {words}" for sign, words in zip(_SIGNS, _LEVELS, strict=True))
        each = "" if self._width == 1 else f", {self._width} to a sign"
        return "\n".join([*lines, f"recorded steps from {self.steps[0]} on{each}; {legend}"])

    def picture(self, name: str) -> Picture:
        """The picture with its data.

        Args:
            name: unique in the page.
        """
        columns = ("tensor", *map(str, self.steps))
        shown = self.rows[:_ROWS]
        data = tuple((tensor, *("" if x is None else f"{x:.3g}" for x in row)) for tensor, row in shown)
        height = 1.3 + 0.22 * len(shown)
        drawn = draw_svg(self._draw, name, (9.0, height)) if shown and self.steps else None
        return Picture("Tensors by steps", self.sentence, columns, data, drawn)

    def _draw(self, axes: Axes) -> None:
        from matplotlib.patches import Patch
        from matplotlib.ticker import MaxNLocator

        shown = self.rows[:_ROWS]
        width = self._width
        for each, colour in enumerate((*HEAT, WRONG)):
            for y, (_, row) in enumerate(shown):
                spans = [(self.steps[i], n * width) for i, n in _spans(row, each)]
                axes.broken_barh(spans, (y - 0.45, 0.9), facecolors=colour, linewidth=0)
                if each == BEYOND:
                    axes.plot(
                        [x + n / 2 for x, n in spans], [y] * len(spans), "x", color=SURFACE, markersize=5
                    )
        axes.set_yticks(range(len(shown)), [_cut(name) for name, _ in shown])
        axes.set_ylim(len(shown) - 0.5, -0.5)
        axes.set_xlim(self.steps[0], self.steps[-1] + width)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_xlabel("recorded step")
        axes.grid(visible=False)
        patches = [
            Patch(facecolor=colour, label=words)
            for colour, words in zip((*HEAT, WRONG), _LEVELS, strict=True)
        ]
        axes.figure.legend(handles=patches, loc="outside upper left", ncols=5)


def _spans(row: Sequence[float | None], wanted: int) -> Iterator[tuple[int, int]]:
    """The runs of columns with a level: the first column and how many there are."""
    at = 0
    for found, run in groupby(row, key=lambda x: None if x is None else level(x)):
        length = len(list(run))
        if found == wanted:
            yield at, length
        at += length


def _sign(over_bound: float | None) -> str:
    return " " if over_bound is None else _SIGNS[level(over_bound)]


def _cut(name: str) -> str:
    """A name without its start, if it is long: the end of a tensor's name says more."""
    return name if len(name) <= _LONGEST else f"…{name[1 - _LONGEST :]}"
