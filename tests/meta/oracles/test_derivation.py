"""The bounds that are computed are those that are derived: `radii.py` against the text, term by term."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from adamax_conformance.oracles.bounds import radii
from adamax_conformance.oracles.bounds.radii import StepConstants
from adamax_conformance.oracles.bounds.step import step_constants
from adamax_conformance.oracles.error_model import CORRECTLY_ROUNDED, Form, Habits
from adamax_conformance.oracles.exact.trajectory import context, exact_scalars
from adamax_conformance.oracles.formats import Format
from adamax_conformance.reference.formula import Scalars, effective_gradient, norm_branches
from adamax_conformance.reference.hyperparameters import Hyperparameters
from adamax_conformance.reference.rules import DOCUMENTED, Rule
from adamax_conformance.tests.meta.oracles.derivation import Derivation, Number, Open
from adamax_conformance.tests.meta.oracles.drawn_steps import drawn_assumption, drawn_options
from adamax_conformance.tests.meta.oracles.mutants import Mutant, mutants
from adamax_conformance.tests.meta.oracles.rationals import fraction

CTX = context(400)
FORMATS = pytest.mark.parametrize("format_", Format, ids=lambda f: f.dtype)
QUANTITIES = ("m", "u", "theta", "stored theta")


@dataclass(frozen=True)
class Drawn:
    """A step and the numbers of one element, all exact.

    Attributes:
        constants: of the step.
        scalars: its hyperparameters.
        rule: its rule.
        numbers: theta, m, u and g.
        radii: of theta, m and u, before the step.
        formed: how far off m and u were formed.
    """

    constants: StepConstants
    scalars: Scalars[Any]
    rule: Rule
    numbers: tuple[float, float, float, float]
    radii: tuple[Any, Any, Any]
    formed: tuple[Any, Any]

    def computed(self) -> dict[str, Any]:
        """The radii that `radii.py` computes."""
        k, (theta, m, u, g) = self.constants, map(CTX.mpf, self.numbers)
        theta_off, m_off, u_off = self.radii
        effective = effective_gradient(theta, g, self.scalars, self.rule)
        branches = norm_branches(u, effective, self.scalars, self.rule)
        return {
            "m": radii.moment(k, m, m_off, g, effective, theta, theta_off),
            "u": radii.norm(k, u, u_off, g, effective, branches, theta, theta_off),
            "theta": radii.theta(k, theta, theta_off, m, m_off, u, u_off),
            "stored theta": radii.stored_theta(k, theta, m, u, *self.formed),
        }

    def derived(self) -> dict[str, Any]:
        """The radii that the text derives; infinite ones where it says that the step is open."""
        text, (theta, m, u, g) = Derivation(self.constants), map(Fraction, self.numbers)
        theta_, m_, u_ = (Number(x, fraction(r)) for x, r in zip((theta, m, u), self.radii, strict=True))
        h = self.scalars
        given = (h.lr, h.beta1, h.beta2, h.eps, h.weight_decay)
        exact = Scalars(*map(fraction, given), h.maximize)
        effective = effective_gradient(theta, g, exact, self.rule)
        branches = norm_branches(u, effective, exact, self.rule)
        formed = tuple(r if r == math.inf else fraction(r) for r in self.formed)
        calls = {
            "m": lambda: text.moment(m_, theta_, g, effective),
            "u": lambda: text.norm(u_, theta_, g, effective, branches),
            "theta": lambda: text.theta(theta_, m_, u_),
            "stored theta": lambda: text.stored_theta(theta, m, u, formed),
        }
        return {quantity: _or_infinite(call) for quantity, call in calls.items()}


def _or_infinite(call) -> Any:
    try:
        return call()
    except Open:
        return math.inf


def drawn(rng: np.random.Generator, format_: Format) -> Drawn:
    """A step of any rule, habits and arithmetic; numbers of any size, those at which a bound changes among them."""
    assumption = drawn_assumption(rng, format_)
    rule, habits, arithmetic = assumption.rule, assumption.habits, assumption.arithmetic
    if rng.random() < 0.1:
        habits = replace(habits, theta=list(Format)[rng.integers(4)])
    low, high = format_.emin, format_.emax
    reach = (low, high) if rng.random() < 0.3 else (-2, 2)
    if rng.random() < 0.2:
        reach = [(low - 3, low + 3), (high - 3, high - 1)][rng.integers(2)]

    def number(corner: float = 0.3) -> float:
        if rng.random() < corner:
            near_largest = format_.largest * (1 - 2 * int(rng.integers(6)) * format_.unit_roundoff)
            at_smallest = [math.ldexp(x, low) for x in (1.0, 1.5, 2 - 2.0**-7, 2.0)]
            sizes = (0.0, *at_smallest, format_.smallest_subnormal, near_largest, near_largest)
            return float(rng.choice(sizes)) * float(rng.choice([-1, 1]))
        size = math.ldexp(float(rng.uniform(1, 2)), int(rng.integers(*reach)))
        return format_.round_float(size * float(rng.choice([-1, 1])))

    options = drawn_options(rng)
    if rng.random() < 0.3:
        options = replace(options, beta1=float(rng.uniform(0.25, 0.55)))
    if rng.random() < 0.3:
        options = replace(options, lr=abs(number(0)))
    if rng.random() < 0.2:
        options = replace(options, weight_decay=abs(number(0)))
    scalars = exact_scalars(CTX, options)
    t = int(rng.choice([1, 1, 2, 3, 10, 1000]))
    constants = step_constants(scalars, t, format_, rule, habits, arithmetic, CTX.mpf)

    def radius(x: float) -> Any:
        return (
            abs(CTX.mpf(x or format_.smallest_subnormal))
            * format_.unit_roundoff
            * int(rng.choice([0, 0, 1, 40, 1 / format_.unit_roundoff]))
        )

    theta, m, u, g = number(), number(), abs(number()), number()
    if habits.form is Form.INTERPOLATED and 0.25 < options.beta1 < 0.5 and rng.random() < 0.5:
        # Where the longer way back loses to underflow, and the way onward does not.
        m = float(rng.choice([0.0, 0.0, format_.smallest_subnormal]))
        g = format_.round_float(math.ldexp(float(rng.uniform(1.3, 3.5)), low))
    before = tuple(radius(x) for x in (theta, m, u))
    formed = tuple(radius(x) if rng.random() < 0.5 else math.inf for x in (m, u))
    return Drawn(constants, scalars, rule, (theta, m, u, g), before, formed)


def edges(format_: Format) -> Iterator[Drawn]:
    """Steps in which one size alone leaves the format's range, or all but does: it is what opens them, or not.

    And one of which c*u/lr alone is subnormal, of all that may divide.
    """
    largest, high, nought = format_.largest, math.ldexp(1.0, format_.emax), CTX.mpf(0)

    def step(options, theta=0.0, m=0.0, u=1.0, g=0.0, *, form=Form.WEIGHTED, theta_off=0):
        scalars = exact_scalars(CTX, Hyperparameters(**{"beta1": 0.5, "eps": 0.0} | options))
        constants = step_constants(scalars, 1, format_, DOCUMENTED, Habits(form), CORRECTLY_ROUNDED, CTX.mpf)
        radii_ = (theta_off * format_.unit_roundoff * abs(CTX.mpf(theta)), nought, nought)
        return Drawn(constants, scalars, DOCUMENTED, (theta, m, u, g), radii_, (math.inf, math.inf))

    for below in range(12):
        near = largest * (1 - 2 * below * format_.unit_roundoff)
        # A decay against the gradient; the two terms of m; a theta that the step makes smaller; lr*m/c.
        yield step({"lr": 0.5, "weight_decay": 2.0}, theta=near / 2, g=-largest / 2)
        yield step({"lr": 0.5}, m=near, g=near)
        for sign in (1, -1):
            yield step({"lr": 0.5}, theta=sign * near, m=sign * largest / 4, theta_off=3)
        yield step({"lr": 1.0}, m=near / 2, u=2.0)
    # A gradient that is near m; the step itself, which theta makes small again; c/lr, where u/lr is not so large.
    yield step({"lr": 0.5}, m=largest / 2, g=largest, form=Form.INTERPOLATED)
    third = math.ldexp(1.0, (format_.emax + 1) // 3)
    yield step({"lr": third}, theta=high, m=third, u=third * third / high)
    yield step({"lr": 0.25 / high}, m=1.0, u=0.0625)
    c = min((1 - format_.emin) // 3, 50)
    u = (1 - format_.emin - c) // 2
    lr = 1 - format_.emin - c - u
    yield step({"lr": 2.0**lr, "beta1": 1 - 2.0**-c}, m=2.0**-u, u=2.0**-u)


def agree(computed: Any, derived: Any) -> bool:
    """Whether a radius is the derived one, enlarged by no more than `SLACK` on its way."""
    if math.inf in (computed, derived):
        return computed == derived
    return derived <= fraction(CTX.mpf(computed)) <= derived * (1 + Fraction(1, 2**39))


@functools.cache
def corpus(format_: Format, count: int = 600) -> tuple[tuple[Drawn, dict[str, Any]], ...]:
    """Drawn steps and those at the edge of the range, with their derived radii."""
    rng = np.random.default_rng(20150507)
    steps = [*(drawn(rng, format_) for _ in range(count)), *edges(format_)]
    return tuple((step, step.derived()) for step in steps)


def disagreement(format_: Format) -> Drawn | None:
    """The first step of which a computed radius is not the derived one."""
    for step, wanted in corpus(format_):
        try:
            computed = step.computed()
        except (ArithmeticError, TypeError, ValueError):
            return step
        if not all(agree(computed[quantity], wanted[quantity]) for quantity in wanted):
            return step
    return None


@FORMATS
def test_each_radius_is_the_derived_one(format_) -> None:
    assert disagreement(format_) is None


def test_some_steps_are_open_and_most_are_not() -> None:
    derived = [radius for format_ in Format for _, wanted in corpus(format_) for radius in wanted.values()]
    assert 0.1 < derived.count(math.inf) / len(derived) < 0.5


# A bug in the bounds is noticed -----------------------------------------------------------------------------

NAMES = {"max": "min", "min": "max", "abs": "float"}
MUTANTS = {mutant.name: mutant for mutant in mutants(radii, NAMES, omitting=True)}


UNNOTICED = {
    "the same for every admissible step": (
        "compound: 0 to 1, place 2",  # the other error times 0
        "shrinks: only the right term, place 1",  # 0 + 1
        "shrinks: 1 to 2, place 1",  # either may vanish
        "vanishes: only the right term, place 1",
        "weighted: Add to Sub, place 4",  # only whether a sum is 0 is asked
        # beta1's rounding is never farther off than that of 1 - beta1, whose spacing is the larger
        "interpolated: max without argument 1, place 1",
        "interpolated: Mult to Div, place 6",
        "interpolated: Add to Sub, place 8",
        "interpolated: only the right term, place 6",
        "norm: abs to float, place 1",  # u is not negative
        "norm: abs to float, place 2",
        "norm: abs to float, place 4",
        "stored_theta: abs to float, place 2",
    ),
    "told apart by numbers that are equal, or as near to each other as roundings or `SLACK`": (
        "overflows: Lt to LtE, place 1",
        "interpolated: GtE to Gt, place 1",
        "interpolated: Mult to Div, place 4",
        "interpolated: Add to Sub, place 5",
        "interpolated: only the left term, place 3",
        "interpolated: Add to Sub, place 9",
        "interpolated: Add to Mult, place 9",
        "interpolated: only the left term, place 7",
        "interpolated: only the right term, place 7",
        "norm: Lt to LtE, place 1",
        "norm: Lt to LtE, place 2",
        "norm: Mult to Div, place 3",
        "norm: Mult to Div, place 5",
        "plus_eps: Lt to LtE, place 1",
        "update: Lt to LtE, place 1",
    ),
}
"""What is not noticed, and why; nothing of it makes a finite bound wrong by more than that."""


def noticed(mutant: Mutant) -> bool:
    """Whether a mutant of the bounds disagrees with what is derived."""
    function = getattr(radii, mutant.function)
    right = function.__code__
    try:
        function.__code__ = mutant.code()
        return any(disagreement(format_) is not None for format_ in Format)
    finally:
        function.__code__ = right


@pytest.mark.parametrize("function", sorted({mutant.function for mutant in MUTANTS.values()}))
def test_a_mutant_of_the_bounds_is_noticed(function) -> None:
    unnoticed = {
        name for name, mutant in MUTANTS.items() if mutant.function == function and not noticed(mutant)
    }
    assert unnoticed == {
        name for names in UNNOTICED.values() for name in names if name.startswith(f"{function}:")
    }
