"""The norm that a subject takes of complex numbers: by part, or of the modulus.

Complex formats are not among the suite's and have no bounds. None is needed to distinguish the two norms: their exact
trajectories are some distance apart. A subject that stays within a quarter of it of one of them is at least three
quarters away from the other. Rounding explains no such distance.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from adamax_conformance.oracles.exact.trajectory import exact_scalars, mpmath_context, precision_for
from adamax_conformance.reference.formula import State, step
from adamax_conformance.reference.hyperparameters import Hyperparameters
from adamax_conformance.reference.rules import DOCUMENTED, Norm, Rule

SETTING: Final = Hyperparameters(lr=0.3, beta1=0.6, beta2=0.7, eps=0.3)
GRADIENTS: Final = (1.5 - 2.0j, -0.75 + 0.5j, 0.25 + 1.0j, -0.0625 - 3.0j)
"""Of parts that differ in size, so that their norms do; numbers of every format."""
_SHARE: Final = 4


@dataclass(frozen=True)
class IdentifiedNorm:
    """The norm of a subject, as it was identified.

    Attributes:
        norm: the norm; None where it is neither.
        separation: the smallest distance, over the steps, between the exact trajectories of the two.
        distance: the largest distance, over the steps, of the subject from the nearest of them.
    """

    norm: Norm | None
    separation: float
    distance: float


def identify_norm(thetas: Sequence[complex], rule: Rule = DOCUMENTED) -> IdentifiedNorm:
    """Find the norm of a subject that was run on `GRADIENTS` with `SETTING`.

    The run starts from a complex parameter at 0.

    Args:
        thetas: the parameter after each step.
        rule: the rule that the subject follows.
    """
    exact = {norm: list(trajectory(norm, rule)) for norm in Norm}
    separation = min(float(abs(a - b)) for a, b in zip(*exact.values(), strict=True))
    distances = {
        norm: max(float(abs(theta - at)) for theta, at in zip(thetas, run, strict=True))
        for norm, run in exact.items()
    }
    nearest = min(distances, key=lambda norm: distances[norm])
    close = distances[nearest] <= separation / _SHARE
    return IdentifiedNorm(nearest if close else None, separation, distances[nearest])


def trajectory(norm: Norm, rule: Rule = DOCUMENTED) -> Iterator[Any]:
    """The exact theta after each step, as complex numbers of mpmath."""
    ctx = mpmath_context(precision_for(len(GRADIENTS)))
    scalars, zero = exact_scalars(ctx, SETTING), ctx.mpf(0)
    split = norm is Norm.PARTS
    states = [State(zero, zero, zero)] * (2 if split else 1)
    for t, g in enumerate(GRADIENTS, start=1):
        numbers = (ctx.mpf(g.real), ctx.mpf(g.imag)) if split else (ctx.mpc(g),)
        states = [step(state, x, t, scalars, rule) for state, x in zip(states, numbers, strict=True)]
        yield ctx.mpc(*(state.theta for state in states)) if split else states[0].theta
