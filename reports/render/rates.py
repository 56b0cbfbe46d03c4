"""The learning rates of a run, group by group."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self

from .drawing import FIRST, INK, MUTED, SECOND, Picture, draw_svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SHOWN: Final = 4
"""The most curves: groups with the same rates share one."""
_STYLES: Final = ((FIRST, "-"), (SECOND, "--"), (INK, ":"), (MUTED, "-."))
_BARS: Final = "▁▂▃▄▅▆▇█"

Points = tuple[tuple[int, float], ...]


@dataclass(frozen=True)
class RateCurves:
    """The learning rates over the recorded steps.

    Attributes:
        curves: the groups that have the same rates, in words, with the rates: pairs of a step and a rate.
    """

    curves: tuple[tuple[str, Points], ...]

    @classmethod
    def of(cls, rates: Any) -> Self | None:
        """The curves of a record; None where there are none.

        Args:
            rates: a list of pairs of a step and a rate for the index of each group.
        """
        alike: dict[Points, list[str]] = {}
        for group, points in (rates or {}).items():
            own = tuple((int(step), float(rate)) for step, rate in points)
            finite = tuple((step, rate) for step, rate in own if math.isfinite(rate))
            if finite:
                alike.setdefault(finite, []).append(str(int(group)))
        curves = [(_groups(names, len(alike) == 1), points) for points, names in alike.items()]
        return cls(tuple(curves)) if curves else None

    @property
    def sentence(self) -> str:
        """The rates in words."""
        words = []
        for name, points in self.curves[:_SHOWN]:
            (start, first), (end, last) = points[0], points[-1]
            at, highest = max(points, key=lambda point: point[1])
            if all(rate == first for _, rate in points):
                words.append(f"{first:.4g} in every step{name}")
            elif highest in {first, last}:
                words.append(f"from {first:.4g} at step {start} to {last:.4g} at step {end}{name}")
            else:
                words.append(
                    f"from {first:.4g} at step {start} up to {highest:.4g} at step {at}, and to {last:.4g} at step "
                    f"{end}{name}"
                )
        return f"The learning rate is {'; '.join(words)}{'; ...' if len(self.curves) > _SHOWN else ''}."

    def text(self) -> str:
        """The curves in characters, each from 0 to its largest rate."""
        lines = []
        for _, points in self.curves[:_SHOWN]:
            highest = max(rate for _, rate in points) or 1.0
            bars = [_BARS[max(0, min(7, math.ceil(8 * rate / highest) - 1))] for _, rate in points]
            lines.append("".join(bars))
        return "\n".join(lines)

    def picture(self, name: str) -> Picture:
        """The picture with its data.

        Args:
            name: unique in the page.
        """
        rows = tuple(
            (words.removeprefix(" for ") or "all", str(step), f"{rate:.6g}")
            for words, points in self.curves[:_SHOWN]
            for step, rate in points
        )
        many = any(len(points) > 1 for _, points in self.curves)
        svg = draw_svg(self._draw, name, (9.0, 2.4)) if many else None
        return Picture("Learning rate", self.sentence, ("groups", "step", "learning rate"), rows, svg)

    def _draw(self, axes: Axes) -> None:
        from matplotlib.ticker import MaxNLocator

        for (words, points), (colour, line) in zip(self.curves[:_SHOWN], _STYLES, strict=False):
            steps, rates = zip(*points, strict=True)
            axes.plot(steps, rates, color=colour, linestyle=line, label=words.removeprefix(" for ") or "all")
        axes.set(xlabel="recorded step", ylabel="lr")
        axes.set_ylim(bottom=min(0.0, *(rate for _, points in self.curves for _, rate in points)))
        axes.margins(x=0.02)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        if len(self.curves) > 1:
            axes.legend(loc="upper right")


def _groups(names: list[str], is_only: bool) -> str:  # noqa: FBT001 - a private helper
    if is_only:
        return ""
    return f" for group{'s' * (len(names) > 1)} {', '.join(names)}"
