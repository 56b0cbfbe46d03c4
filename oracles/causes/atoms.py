"""The single conditions: all that wrong elements may have in common."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from .evaluate import Batch, Mask
from .rows import Array

_BLOCKS: Final = (4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096)
_CONTIGUOUS: Final = frozenset({"contiguous", "neighbours"})


@dataclass(frozen=True, eq=False)
class Atom:
    """One thing that elements may have in common.

    Attributes:
        words: after "only".
        mask: the elements that have it.
        cost: how far-fetched it is; of two that fit alike, the one with the smaller cost is reported.
    """

    words: str
    mask: Mask
    cost: float


def find_atoms(batch: Batch, wrong: Mask) -> Iterator[Atom]:
    """Everything that elements may have in common."""
    rows = _Rows(batch)
    yield from _options(rows)
    yield from _members(rows)
    yield from _arrays(rows)
    yield from _events(rows)
    yield from _elements(batch)
    yield from _indices(batch)
    yield from _numbers(batch, wrong)


class _Rows:
    """The features of all rows."""

    def __init__(self, batch: Batch) -> None:
        self.owner = batch.owner
        self.features = [row.features for row in batch.rows]

    def largest(self, name: str) -> int:
        """The largest value of a feature."""
        return max((int(x[name]) for x in self.features), default=0)

    def atom(self, words: str, holds: list[bool], cost: float = 1.0) -> Atom:
        """A condition on the features of a row."""
        return Atom(words, np.array(holds, bool)[self.owner], cost)


def _options(rows: _Rows) -> Iterator[Atom]:
    yield rows.atom("with weight_decay", [x["weight_decay"] != 0 for x in rows.features])
    yield rows.atom("with maximize", [x["maximize"] for x in rows.features])
    yield rows.atom(
        "with weight_decay and maximize",
        [x["weight_decay"] != 0 and x["maximize"] for x in rows.features],
        1.4,
    )
    for name in ("weight_decay", "beta1", "beta2", "lr"):
        yield rows.atom(f"with {name} = 0", [x[name] == 0 for x in rows.features], 1.05)
    for name in ("lr", "betas", "eps", "weight_decay", "maximize"):
        yield rows.atom(
            f"in a group with an own {name}", [name in x["own options"] for x in rows.features], 1.2
        )
    for kind in sorted({x["lr kind"] for x in rows.features} - {"float"}):
        yield rows.atom(f"with lr given as {kind}", [x["lr kind"] == kind for x in rows.features])


def _members(rows: _Rows) -> Iterator[Atom]:
    for k in range(rows.largest("group") + 1):
        yield rows.atom(f"in group {k + 1}", [x["group"] == k for x in rows.features], 1.0 if k else 1.6)
    for k in range(rows.largest("parameter") + 1):
        yield rows.atom(
            f"for parameter {k + 1}", [x["parameter"] == k for x in rows.features], 1.0 if k else 1.6
        )
    yield rows.atom("in groups after the first", [x["group"] > 0 for x in rows.features], 1.1)
    yield rows.atom("in the last group", [x["last group"] for x in rows.features], 1.1)
    yield rows.atom("for parameters after the first", [x["parameter"] > 0 for x in rows.features], 1.1)
    yield rows.atom("for the last parameter", [x["last parameter"] for x in rows.features], 1.1)
    yield rows.atom("with several parameters", [x["parameters"] > 1 for x in rows.features], 1.4)
    yield rows.atom("with several optimizers", [x["optimizers"] > 1 for x in rows.features], 1.2)


def _arrays(rows: _Rows) -> Iterator[Atom]:
    for k in range(5):
        yield rows.atom(
            f"in arrays of {k} dimensions", [x["dims"] == k for x in rows.features], 1.6 if k == 1 else 1.0
        )
    yield rows.atom("in arrays of 2 or more dimensions", [x["dims"] >= 2 for x in rows.features])
    yield rows.atom("in arrays of 3 or more dimensions", [x["dims"] >= 3 for x in rows.features])
    yield rows.atom(
        "in matrices that are not square", [x["dims"] >= 2 and not x["square"] for x in rows.features], 1.3
    )
    yield rows.atom("in square matrices", [x["dims"] >= 2 and x["square"] for x in rows.features], 1.3)
    yield rows.atom("in arrays of one element", [x["size"] == 1 for x in rows.features], 1.1)
    for which, words in (("memory", "parameters"), ("gradient memory", "gradients")):
        for kind in sorted({x[which] for x in rows.features} - {"contiguous"}):
            yield rows.atom(f"for {kind} {words}", [x[which] == kind for x in rows.features])
        yield rows.atom(
            f"for {words} that are not contiguous",
            [x[which] not in _CONTIGUOUS for x in rows.features],
            1.1,
        )
    for kind in sorted({x["memory"] for x in rows.features} - {"contiguous"}):
        yield rows.atom(
            f"for {kind} parameters or gradients",
            [kind in {x["memory"], x["gradient memory"]} for x in rows.features],
            1.15,
        )
    yield rows.atom(
        "where something is not contiguous",
        [not {x["memory"], x["gradient memory"]} <= _CONTIGUOUS for x in rows.features],
        1.2,
    )
    for kind in sorted({x["dtype"] for x in rows.features}):
        yield rows.atom(f"in {kind}", [x["dtype"] == kind for x in rows.features])
    yield rows.atom("where a gradient is zero everywhere", [x["all zero"] for x in rows.features], 1.1)
    yield rows.atom("where a gradient is passed twice", [x["same gradient"] for x in rows.features], 1.1)


def _events(rows: _Rows) -> Iterator[Atom]:
    for event in sorted({event for x in rows.features for event in x["since"]}):
        yield rows.atom(f"after {event}", [event in x["since"] for x in rows.features])
        yield rows.atom(
            f"in the first step after {event}", [x["since"].get(event) == 0 for x in rows.features], 1.1
        )
    for k in range(2, 17):
        yield rows.atom(_every(k), [x["step"] % k == 0 for x in rows.features], 1.1 + 0.02 * k)
        for rest in range(1, min(k, 4)):
            yield rows.atom(
                f"at steps that are {rest} modulo {k}",
                [x["step"] % k == rest for x in rows.features],
                1.5 + 0.02 * k,
            )
    for k in (20, 25, 32, 50, 64, 100, 128):
        yield rows.atom(_every(k), [x["step"] % k == 0 for x in rows.features], 1.6)
    for k in range(1, 11):
        yield rows.atom(f"at step {k}", [x["step"] == k for x in rows.features], 1.2)


def _every(k: int) -> str:
    return "at even steps" if k == 2 else f"at every {k}th step" if k > 3 else "at every 3rd step"


def _effective(batch: Batch) -> Array:
    """The gradient, negated where the objective is maximized, with the decay."""
    decay = np.array([row.features["weight_decay"] for row in batch.rows])[batch.owner]
    sign = np.array([-1.0 if row.features["maximize"] else 1.0 for row in batch.rows])[batch.owner]
    return np.where(decay != 0, sign * batch.g + decay * batch.theta, sign * batch.g)


def _elements(batch: Batch) -> Iterator[Atom]:
    theta, m = batch.theta, batch.before["m"]
    with np.errstate(all="ignore"):
        for g, name, cost in (
            (_effective(batch), "the gradient", 0.0),
            (batch.g, "the gradient as it is passed", 0.05),
        ):
            yield Atom(f"where {name} is zero", g == 0, 1.0 + cost)
            yield Atom(f"where {name} is negative", g < 0, 1.0 + cost)
            yield Atom(f"where {name} is positive", g > 0, 1.1 + cost)
            yield Atom(f"where {name} has another sign than m", g * m < 0, 1.0 + cost)
            yield Atom(f"where {name} has the sign of m", g * m > 0, 1.3 + cost)
            yield Atom(f"where {name} has the sign of theta", g * theta > 0, 1.3 + cost)
            yield Atom(f"where {name} has another sign than theta", g * theta < 0, 1.3 + cost)
        yield Atom("where theta is negative", theta < 0, 1.0)
        yield Atom("where theta is positive", theta > 0, 1.1)
        yield Atom("where m is negative", m < 0, 1.3)
        yield Atom("where m is positive", m > 0, 1.3)
        yield Atom("where theta changes its sign", _crosses(batch), 1.0)
        yield Atom("where the gradient is NaN", np.isnan(batch.g), 1.0)
        yield Atom("where the gradient is infinite", np.isinf(batch.g), 1.0)
        yield Atom("where the gradient is not finite", ~np.isfinite(batch.g), 1.1)
        lost = np.isnan(batch.before["u"]) & batch.visible[batch.owner]
        yield Atom("where u is NaN before the step", lost, 1.2)


def _indices(batch: Batch) -> Iterator[Atom]:
    index = np.concatenate([row.indices for row in batch.rows]) if batch.rows else np.zeros(0, np.intp)
    size = np.array([row.features["size"] for row in batch.rows])[batch.owner]
    rows = np.array([row.features["rows"] for row in batch.rows])[batch.owner]
    dims = np.array([row.features["dims"] for row in batch.rows])[batch.owner]
    inner = size // np.maximum(rows, 1)
    along = index // np.maximum(inner, 1)
    last_axis = np.array([row.shape[-1] if row.shape else 1 for row in batch.rows])[batch.owner]
    yield Atom("in the first element", index == 0, 1.2)
    yield Atom("in the last element", index == size - 1, 1.2)
    yield Atom("in every element but the first", index > 0, 1.5)
    yield Atom("at odd indices", index % 2 == 1, 1.4)
    yield Atom("at even indices", index % 2 == 0, 1.4)
    yield Atom("in the first row", (dims > 1) & (along == 0), 1.3)
    yield Atom("in the last row", (dims > 1) & (along == rows - 1), 1.2)
    yield Atom("in rows after the first", (dims > 1) & (along > 0), 1.3)
    yield Atom("in the last column", (dims > 1) & (index % last_axis == last_axis - 1), 1.3)
    for k in range(1, 4):
        yield Atom(f"in rows after row {k}", (dims > 1) & (along >= k), 1.35)
    for block in _BLOCKS:
        yield Atom(
            f"in what is left after blocks of {block}", (size > block) & (index >= size - size % block), 1.25
        )
        yield Atom(f"after the first {block} elements", index >= block, 1.2)
        yield Atom(f"in the second block of {block} elements", index // block == 1, 1.3)
    for k in (3, 5, 7, 10, 16, 32, 64, 100, 128, 256, 512, 1000, 1024):
        for rest in (0, k - 1):
            which = f"at every {k}th element" + (" from the first" if rest == 0 else "")
            yield Atom(which, index % k == rest, 1.4 + k / 10000)
    yield Atom("in the second half", index >= size / 2, 1.4)


def _crosses(batch: Batch) -> Mask:
    """The elements whose theta changes its sign, documented or as seen."""
    return np.asarray((_moved(batch) * batch.theta < 0) | (batch.theta_after * batch.theta < 0))


def _moved(batch: Batch) -> Array:
    """Theta after the documented step, from m and u as seen after it."""
    rows = batch.rows
    t = np.array([row.features["step"] for row in rows], np.float64)[batch.owner]
    lr, beta1 = (np.array([row.features[name] for row in rows])[batch.owner] for name in ("lr", "beta1"))
    m, u = batch.after["m"], batch.after["u"]
    return np.asarray(batch.theta - lr * m / ((1 - beta1**t) * u))


def _row_numbers(batch: Batch) -> Array:
    """The number of an element's row in a matrix, from 1; NaN in other arrays."""
    inner = np.array([math.prod(row.shape[1:]) if len(row.shape) > 1 else 0 for row in batch.rows])
    index = np.concatenate([row.indices for row in batch.rows])
    inner = inner[batch.owner]
    return np.where(inner > 0, index // np.maximum(inner, 1) + 1.0, np.nan)


def _numbers(batch: Batch, wrong: Mask) -> Iterator[Atom]:
    rows = batch.rows

    def feature(name: str) -> Array:
        return np.array([float(row.features[name]) for row in rows])[batch.owner]

    with np.errstate(all="ignore"):
        columns: tuple[tuple[str, Array, str, float, bool], ...] = (
            ("from step {}", feature("step"), "up to step {}", 1.0, True),
            (
                "in arrays of {} or more elements",
                feature("size"),
                "in arrays of at most {} elements",
                1.0,
                True,
            ),
            ("with {} or more parameters", feature("parameters"), "", 1.3, True),
            ("where |g| > {}", np.abs(_effective(batch)), "where |g| < {}", 1.05, False),
            ("where g > {}", _effective(batch), "where g < {}", 1.4, False),
            ("where |theta| > {}", np.abs(batch.theta), "where |theta| < {}", 1.05, False),
            ("where theta > {}", batch.theta, "where theta < {}", 1.4, False),
            (
                "where |theta| > {} after the step",
                np.abs(_moved(batch)),
                "where |theta| < {} after the step",
                1.2,
                False,
            ),
            ("in rows from row {}", _row_numbers(batch), "", 1.15, True),
            ("where |m| > {}", np.abs(batch.before["m"]), "where |m| < {}", 1.4, False),
            ("where u > {}", batch.before["u"], "where u < {}", 1.4, False),
            ("with lr > {}", feature("lr"), "with lr < {}", 1.1, False),
            ("with beta1 > {}", feature("beta1"), "with beta1 < {}", 1.1, False),
            ("with beta2 > {}", feature("beta2"), "with beta2 < {}", 1.1, False),
            ("with eps > {}", feature("eps"), "with eps < {}", 1.1, False),
            ("with weight_decay > {}", feature("weight_decay"), "with weight_decay < {}", 1.15, False),
        )
    for above, values, below, cost, whole in columns:
        usable = np.isfinite(values)
        if not usable[wrong].all():
            continue
        low, high = float(values[wrong].min()), float(values[wrong].max())
        under = values[usable & (values < low)]
        over = values[usable & (values > high)]
        if above and under.size:
            words = str(int(low)) if whole else _between(float(under.max()), low)
            yield Atom(above.format(words), usable & (values >= low), cost)
        if below and over.size:
            words = str(int(high)) if whole else _between(high, float(over.min()))
            yield Atom(below.format(words), usable & (values <= high), cost)


def _between(low: float, high: float) -> str:
    """The roundest number between two."""
    if low < 0 or not high > 0:
        return f"{low:.3g}"
    start = math.floor(math.log10(low)) if low > 0 else math.floor(math.log10(high))
    for digits in (1, 2, 3):
        for exponent in range(start - 1, math.floor(math.log10(high)) + 2):
            for mantissa in (1, 5, 2, *range(10 ** (digits - 1), 10**digits)):
                value = mantissa * 10.0 ** (exponent - (digits - 1 if mantissa >= 10 else 0))
                if low <= value <= high:
                    return f"{value:g}"
    return f"{(low + high) / 2:.4g}"
