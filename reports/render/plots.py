"""Pictures of measured series, whose lines differ by dash and marker as well."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from ..escape import one_line
from .drawing import BAND, FIRST, INK, SECOND, Picture, draw_svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_WIDE: Final = 20
"""A series whose largest number is so many times its median gets a logarithmic scale."""

_POINTS: Final = 400
"""More points than this are thinned; the largest of each group stays."""

_Point = tuple[int, float, float]


def pictures(measured: Mapping[str, Any], name: str) -> list[Picture]:
    """Draw a verdict's measured series, except those that are not well formed.

    Args:
        measured: `ulp_by_step`: a list of [step, error in ulp, bound in ulp]; `histogram`: `edges`, one more than
            `counts`, and how many are `beyond`; `trajectories`: two lists of numbers by name.
        name: unique in the page; keeps the pictures' inner names apart.
    """
    makers: tuple[tuple[str, Callable[[Any, str], Picture | None]], ...] = (
        ("ulp_by_step", _drift),
        ("histogram", _histogram),
        ("trajectories", _trajectories),
    )
    drawn = []
    for key, make in makers:
        if key in measured:
            try:
                series = measured[key]
                if make is _histogram:
                    series = {"largest": measured.get("largest_ulp"), **series}
                picture = make(series, f"{name}-{key}")
            except (AttributeError, TypeError, ValueError, KeyError, IndexError, OverflowError):
                continue
            if picture is not None:
                drawn.append(picture)
    return drawn


def _drift(series: Any, name: str) -> Picture | None:
    points = [(int(step), float(error), float(bound)) for step, error, bound in series]
    finite = [point for point in points if all(map(math.isfinite, point))]
    if not finite:
        return None
    step, error, bound = max(finite, key=_fraction_of_bound)
    outside = sum(not error <= bound for _, error, bound in points)
    last = points[-1][0]
    if outside:
        text = (
            f"At {outside} of {len(points)} steps up to step {last} an error exceeds its bound; the worst finite one, "
            f"at step {step}, is {error:.3g} ulp where the bound is {bound:.3g} ulp."
        )
    else:
        text = (
            f"At all of {len(points)} steps up to step {last} the error stays within its bound; it comes closest at "
            f"step {step}, with {error:.3g} ulp where the bound is {bound:.3g} ulp."
        )
    shown = _thin(finite, _fraction_of_bound)

    def draw(axes: Axes) -> None:
        from matplotlib.ticker import MaxNLocator

        steps, errors, bounds = zip(*shown, strict=True)
        axes.fill_between(steps, bounds, color=BAND, linewidth=0, label="within the bound")
        axes.plot(steps, bounds, color=SECOND, linestyle="--", label="bound")
        axes.plot(steps, errors, color=FIRST, marker="o" if len(shown) < 60 else "", label="error")
        if beyond := [(step, error) for step, error, bound in shown if error > bound]:
            axes.plot(*zip(*beyond, strict=True), "X", color=INK, markersize=8, label="beyond the bound")
        axes.set(xlabel="step", ylabel="error in ulp")
        axes.margins(x=0.02)
        highest = max(*errors, *bounds)
        axes.set_ylim(0, 1.08 * highest or 1.0)
        if highest > _WIDE * min(sorted(bounds)[len(bounds) // 2], max(errors)):
            axes.set_yscale("symlog", linthresh=1.0)
            axes.yaxis.set_major_formatter("{x:g}")
            axes.set_ylim(0, 2 * highest)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.legend(
            loc="upper center",
            bbox_to_anchor=(0.46, 1.17),
            ncols=4,
            borderaxespad=0,
            columnspacing=1.0,
            handlelength=1.5,
        )

    rows = tuple((str(step), f"{error:.4g}", f"{bound:.4g}") for step, error, bound in shown)
    svg = draw_svg(draw, name) if len(shown) > 1 else None  # one number does not make a picture
    return Picture("Error against the step", text, ("step", "error in ulp", "bound in ulp"), rows, svg)


def _histogram(series: Any, name: str) -> Picture | None:
    edges = [float(edge) for edge in series["edges"]]
    counts = [int(count) for count in series["counts"]]
    if len(edges) != len(counts) + 1 or not counts or not all(map(math.isfinite, edges)):
        return None
    total = sum(counts)
    mode = counts.index(max(counts))
    beyond = int(series.get("beyond", 0))
    used = max((i for i, count in enumerate(counts, start=1) if count), default=len(counts))
    highest = edges[used]  # the bins above it are empty
    largest = series.get("largest")
    if isinstance(largest, int | float) and edges[0] <= largest < highest:
        highest = float(largest)
    text = (
        f"{total} errors from {edges[0]:.3g} to {highest:.3g}; most ({counts[mode]}) lie between "
        f"{edges[mode]:.3g} and {edges[mode + 1]:.3g}."
    )
    if beyond:
        text += f" {beyond} more are larger."

    def draw(axes: Axes) -> None:
        axes.stairs(counts, edges, fill=True, color=BAND)
        axes.stairs(counts, edges, color=FIRST, linewidth=1.4)
        axes.set(xlabel="error in ulp", ylabel="elements")
        axes.grid(visible=False, axis="x")
        if beyond:
            width = (edges[-1] - edges[0]) / 12
            axes.bar(
                edges[-1] + width,
                beyond,
                width,
                facecolor="none",
                edgecolor=SECOND,
                hatch="///",
                label=f"larger than {edges[-1]:g} ulp",
            )
            axes.legend(loc="upper center", bbox_to_anchor=(0.5, 1.17), borderaxespad=0)
        if max(*counts, beyond) > 100 * max(1, min(count for count in counts if count)):
            axes.set_yscale("log")
            axes.yaxis.set_major_formatter("{x:g}")
            axes.set_ylim(bottom=0.5)

    rows = tuple(
        (f"{low:.4g}", f"{high:.4g}", str(count))
        for low, high, count in zip(edges[:-1], edges[1:], counts, strict=True)
    )
    if beyond:
        rows += ((f"{edges[-1]:.4g}", "∞", str(beyond)),)
    return Picture("How large the errors are", text, ("from", "to", "elements"), rows, draw_svg(draw, name))


def _trajectories(series: Any, name: str) -> Picture | None:
    problem = one_line(str(series.get("problem", "")), 200)
    (first, here), (second, there) = (
        (one_line(str(key), 32), [float(x) for x in value])
        for key, value in series.items()
        if key != "problem"
    )
    if len(here) != len(there) or not here:
        return None
    gaps = [abs(a - b) for a, b in zip(here, there, strict=True)]
    widest = max((gap, t) for t, gap in enumerate(gaps, start=1) if math.isfinite(gap))
    text = (
        f"{problem}{': after' if problem else 'After'} {len(here)} steps the {first} rule is at "
        f"{here[-1]:.4g} and {second} at {there[-1]:.4g}; they are furthest apart at step {widest[1]}, "
        f"by {widest[0]:.4g}."
    )
    points = _thin(
        list(zip(range(1, len(here) + 1), here, there, strict=True)), lambda point: abs(point[1] - point[2])
    )

    def draw(axes: Axes) -> None:
        steps, ours, theirs = zip(*points, strict=True)
        axes.plot(steps, ours, color=FIRST, label=first)
        axes.plot(steps, theirs, color=SECOND, linestyle="--", label=second)
        axes.set(xlabel="step", ylabel="theta")
        axes.margins(x=0.02)
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, 1.17), ncols=2, borderaxespad=0)

    rows = tuple((str(step), f"{ours:.6g}", f"{theirs:.6g}") for step, ours, theirs in points)
    return Picture("What it does to training", text, ("step", first, second), rows, draw_svg(draw, name))


def _thin(points: Sequence[_Point], worst: Callable[[_Point], float]) -> list[_Point]:
    size = math.ceil(len(points) / _POINTS)
    bunches = (points[start : start + size] for start in range(0, len(points), size))
    return [max(bunch, key=worst) for bunch in bunches]


def _fraction_of_bound(point: _Point) -> float:
    """An error as a fraction of its bound, the measure of the worst point."""
    _, error, bound = point
    return error / bound if bound else (math.inf if error else 0.0)
