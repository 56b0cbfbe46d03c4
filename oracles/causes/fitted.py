"""Deviations with a number of their own, read off what was observed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np

from ...reference.causes.books import capped, reset_at, restarting
from ...reference.causes.gradient import clipped, clipped_norm, rate_scaled, scaled
from ...reference.causes.machine import Machine
from ...reference.values import FloatArray
from .evaluate import Batch, Unexplained

_SHOWN: Final = 2.0**-10
"""A step that is a smaller part of theta is rounded to few digits."""


def fitted(batch: Batch, found: Unexplained) -> Iterator[type[Machine]]:
    """Deviations by the bound or the step that the wrong numbers suggest.

    Args:
        batch: all lives.
        found: what the documented step leaves unexplained of them.
    """
    steps: dict[str, set[int]] = {"m": set(), "u": set(), "theta": set()}
    for q, name in enumerate(("m", "u", "theta")):
        for k in {int(batch.owner[i]) for i in np.flatnonzero(found.wrong[q])}:
            steps[name].add(int(batch.rows[k].features["step"]))
    for name in ("m", "u"):
        for step in sorted(steps[name])[:1]:
            for every in (0, step - 1, step):
                yield reset_at(name, step, every)
                yield reset_at("m-and-u", step, every)
                yield reset_at("m-and-u", step, every, counts=True)
    for step in sorted(steps["theta"] - {1})[:1]:
        yield capped(step - 1)
        if step.bit_count() > 1:
            yield restarting(step, to_one=False)
        if (step - 1).bit_count() > 1:
            yield restarting(step - 1, to_one=True)
    yield from _clips(batch, found)
    yield from _scalings(batch, found)


def _scalings(batch: Batch, found: Unexplained) -> Iterator[type[Machine]]:
    """The factor of theta, or of the learning rate where theta shows the step."""
    of_theta: list[float] = []
    of_rate: list[float] = []
    for k in sorted({int(batch.owner[i]) for i in np.flatnonzero(found.wrong[2])}):
        row = batch.rows[k]
        after, m, u = row.after
        if m is None or u is None:
            if row.features["step"] != 1:
                continue
            # Hidden moments are known after the first step alone.
            g = (-row.g if row.features["maximize"] else row.g) + row.features["weight_decay"] * row.theta
            m, u = (1 - row.features["beta1"]) * g, np.abs(g) + row.features["eps"]
        correction = 1 - row.features["beta1"] ** row.features["step"]
        with np.errstate(all="ignore"):
            step = row.features["lr"] * m / (correction * u)
            of_theta += _finite(after / (row.theta - step))
            shown = np.abs(step) > np.abs(row.theta) * _SHOWN
            of_rate += _finite(((row.theta - after) / step)[shown])
    digits = [float(f"{x:.6g}") for x in of_theta]
    most = max(digits, key=digits.count, default=1.0)
    if most != 1 and digits.count(most) > len(digits) // 2:
        yield scaled(most)
    # What theta rounds away of a step blurs the last digits: the one in the middle, in ever fewer of them.
    middle = float(np.median(of_rate)) if of_rate else 1.0
    factors = dict.fromkeys(float(f"{middle:.{n}g}") for n in (6, 5, 4, 3))
    yield from (rate_scaled(factor) for factor in factors if factor not in {0.0, 1.0})


def _finite(ratios: FloatArray) -> list[float]:
    """The first ratios that are numbers."""
    return [float(x) for x in ratios[:4] if np.isfinite(x)]


def _clips(batch: Batch, found: Unexplained) -> Iterator[type[Machine]]:
    sizes: list[float] = []
    norms: list[float] = []
    calls: dict[tuple[int, int], list[float]] = {}
    for k in sorted({int(batch.owner[i]) for i in np.flatnonzero(found.wrong[0])}):
        row = batch.rows[k]
        beta1, after = row.features["beta1"], row.after[1]
        if row.m is None or after is None or not 0 < beta1 < 1 or row.features["weight_decay"]:
            continue
        with np.errstate(all="ignore"):
            implied = np.abs((after - beta1 * row.m) / (1 - beta1))
        if not np.isfinite(implied).all() or implied.size != row.features["size"]:
            continue
        sizes.append(float(implied.max()))
        norms.append(float(np.linalg.norm(implied)))
        calls.setdefault((row.life, row.action), []).append(norms[-1])
    for bound in _repeated(sizes):
        yield clipped(bound)
        yield clipped(bound, decayed=True)
    for bound in _repeated(norms):
        yield clipped_norm(bound, "array")
    for bound in _repeated([float(np.linalg.norm(each)) for each in calls.values()]):
        yield clipped_norm(bound, "all")


def _repeated(values: Sequence[float]) -> list[float]:
    """The number that occurs most, to four digits."""
    if not values:
        return []
    digits = [float(f"{value:.4g}") for value in values]
    most = max(digits, key=digits.count)
    return [most] if digits.count(most) > 1 and most > 0 else []
