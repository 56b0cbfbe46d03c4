"""The computed bounds are the derived ones: `radii.py` against BOUNDS.md."""

from __future__ import annotations

import functools
import math
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from inspect import isfunction
from types import FunctionType
from typing import Any

import numpy as np
import pytest
from adamax_conformance.oracles.bounds import radii
from adamax_conformance.oracles.bounds.radii import StepConstants
from adamax_conformance.oracles.bounds.step import step_constants
from adamax_conformance.oracles.error_model import (
    CORRECTLY_ROUNDED,
    Arithmetic,
    ErrorModel,
    EvaluationScheme,
    Form,
)
from adamax_conformance.oracles.exact.trajectory import exact_scalars, mpmath_context
from adamax_conformance.oracles.formats import Format
from adamax_conformance.reference.formula import Scalars, effective_gradient, norm_branches
from adamax_conformance.reference.hyperparameters import Hyperparameters
from adamax_conformance.reference.rules import DOCUMENTED, Decay, Epsilon, Rule
from adamax_conformance.tests.meta.oracles.derivation import Derivation, Number, OpenStepError
from adamax_conformance.tests.meta.oracles.mutants import Mutant, mutants
from adamax_conformance.tests.meta.oracles.random_steps import draw_error_model, draw_options
from adamax_conformance.tests.meta.oracles.rationals import fraction

CTX = mpmath_context(400)
FORMATS = pytest.mark.parametrize("format_", Format, ids=lambda f: f.dtype)
QUANTITIES = {
    "m": radii.moment_radius,
    "u": radii.norm_radius,
    "theta": radii.theta_radius,
    "stored theta": radii.stored_theta_radius,
}
"""The function of each radius."""


@dataclass(frozen=True)
class DrawnStep:
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

    def computed_radii(self, quantities: Collection[str]) -> dict[str, Any]:
        """The radii of some quantities that `radii.py` computes."""
        k, (theta, m, u, g) = self.constants, map(CTX.mpf, self.numbers)
        theta_off, m_off, u_off = self.radii
        effective = effective_gradient(theta, g, self.scalars, self.rule)
        branches = norm_branches(u, effective, self.scalars, self.rule)
        arguments = {
            "m": (k, m, m_off, g, effective, theta, theta_off),
            "u": (k, u, u_off, g, effective, branches, theta, theta_off),
            "theta": (k, theta, theta_off, m, m_off, u, u_off),
            "stored theta": (k, theta, m, u, *self.formed),
        }
        return {quantity: QUANTITIES[quantity](*arguments[quantity]) for quantity in quantities}

    def derived_radii(self) -> dict[str, Any]:
        """The radii that the text derives; infinite where the step is open."""
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
            "stored theta": lambda: text.stored_theta_radius(theta, m, u, formed),
        }
        return {quantity: _or_infinite(call) for quantity, call in calls.items()}


def _or_infinite(call) -> Any:
    try:
        return call()
    except OpenStepError:
        return math.inf


def draw_element(rng: np.random.Generator, format_: Format) -> DrawnStep:
    """A step of any error model, with numbers of any size, corner cases among them."""
    error_model = draw_error_model(rng, format_)
    rule, scheme = error_model.rule, error_model.scheme
    if rng.random() < 0.1:
        scheme = replace(scheme, theta=list(Format)[rng.integers(4)])
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

    options = draw_options(rng)
    if rng.random() < 0.3:
        options = replace(options, beta1=float(rng.uniform(0.25, 0.55)))
    if rng.random() < 0.3:
        options = replace(options, lr=abs(number(0)))
    if rng.random() < 0.2:
        options = replace(options, weight_decay=abs(number(0)))
    scalars = exact_scalars(CTX, options)
    t = int(rng.choice([1, 1, 2, 3, 10, 1000]))
    constants = step_constants(scalars, t, replace(error_model, scheme=scheme), CTX.mpf)

    def radius(x: float) -> Any:
        return (
            abs(CTX.mpf(x or format_.smallest_subnormal))
            * format_.unit_roundoff
            * int(rng.choice([0, 0, 1, 40, 1 / format_.unit_roundoff]))
        )

    theta, m, u, g = number(), number(), abs(number()), number()
    if scheme.form is Form.INTERPOLATED and 0.25 < options.beta1 < 0.5 and rng.random() < 0.5:
        # Where the longer way back loses to underflow, and the way onward does not.
        m = float(rng.choice([0.0, 0.0, format_.smallest_subnormal]))
        g = format_.round_float(math.ldexp(float(rng.uniform(1.3, 3.5)), low))
    before = tuple(radius(x) for x in (theta, m, u))
    formed = tuple(radius(x) if rng.random() < 0.5 else math.inf for x in (m, u))
    return DrawnStep(constants, scalars, rule, (theta, m, u, g), before, formed)


def edge_steps(format_: Format) -> Iterator[DrawnStep]:
    """Steps in which one size alone leaves the format's range, or nearly does.

    That size decides whether they are open. In one more step, c*u/lr is the only subnormal divisor. In the last ones, m
    is flushed though its terms are equal, or one is 0, or they cancel; eps and what it is added to are subnormal; and
    beta1 is near 1/2, where a form has two ways.
    """
    largest, high, nought = format_.largest, math.ldexp(1.0, format_.emax), CTX.mpf(0)

    def step(
        options,
        theta=0.0,
        m=0.0,
        u=1.0,
        g=0.0,
        *,
        form=Form.WEIGHTED,
        scalars_of_m=Format.BINARY64,
        arithmetic=CORRECTLY_ROUNDED,
        theta_off=0,
        rule=DOCUMENTED,
    ):
        scalars = exact_scalars(CTX, Hyperparameters(**{"lr": 0.5, "beta1": 0.5, "eps": 0.0} | options))
        error_model = ErrorModel(format_, rule, EvaluationScheme(form, m=scalars_of_m), arithmetic)
        constants = step_constants(scalars, 1, error_model, CTX.mpf)
        radii_ = (theta_off * format_.unit_roundoff * abs(CTX.mpf(theta)), nought, nought)
        return DrawnStep(constants, scalars, rule, (theta, m, u, g), radii_, (math.inf, math.inf))

    for below in range(12):
        near = largest * (1 - 2 * below * format_.unit_roundoff)
        # A decay against the gradient; the two terms of m; a theta that the step makes smaller; lr*m/c.
        yield step({"weight_decay": 2.0}, theta=near / 2, g=-largest / 2)
        yield step({}, m=near, g=near)
        yield step({}, m=near, g=largest, form=Form.DECREMENTED)
        for sign in (1, -1):
            yield step({}, theta=sign * near, m=sign * largest / 4, theta_off=3)
        yield step({"lr": 1.0}, m=near / 2, u=2.0)
    # A gradient that is near m, or m that is near the gradient; (1 - beta1)*m, which m is decremented by.
    yield step({}, m=largest / 2, g=largest, form=Form.INTERPOLATED)
    yield step({}, m=largest, g=largest / 2, form=Form.INTERPOLATED)
    yield step({"beta1": format_.unit_roundoff}, m=largest, form=Form.DECREMENTED)
    # lr/c and lr*m/c, which u makes small again; the step itself, which theta does; c/lr, where u/lr is not so large.
    yield step({"lr": high}, u=4.0)
    half = format_.emax // 2
    yield step({"lr": 2.0**half}, m=2.0 ** (half + 1), u=4.0)
    third = math.ldexp(1.0, (format_.emax + 1) // 3)
    yield step({"lr": third}, theta=high, m=third, u=third * third / high)
    yield step({"lr": 0.25 / high}, m=1.0, u=0.0625)
    c = min((1 - format_.emin) // 3, 50)
    u = (1 - format_.emin - c) // 2
    lr = 1 - format_.emin - c - u
    yield step({"lr": 2.0**lr, "beta1": 1 - 2.0**-c}, m=2.0**-u, u=2.0**-u)
    flushing = Arithmetic(flush_to_zero=True)
    for form in (Form.WEIGHTED, Form.INTERPOLATED, Form.DECREMENTED, Form.FROM_GRADIENT):
        for g in (1.0, 0.0, -1.0):
            yield step({}, m=1.0, g=g, form=form, arithmetic=flushing)
    # An eps that is not a number of the format, added to what is subnormal, or its floor.
    tiny = math.ldexp(1.0, format_.emin)
    for arithmetic in (CORRECTLY_ROUNDED, flushing):
        for epsilon in (Epsilon.IN_NORM, Epsilon.FLOOR):
            for eps in (0.3, 1.3):
                for g in (0.0, format_.round_float(tiny / 8), tiny):
                    yield step({"eps": eps * tiny}, u=0.0, g=g, arithmetic=arithmetic, rule=Rule(epsilon))
    # A theta that a decay of its own makes subnormal, but for its radius.
    below = 2 * tiny * (1 - 2 * format_.unit_roundoff)
    decoupled = Rule(decay=Decay.DECOUPLED)
    yield step({"weight_decay": 0.5}, theta=below, m=tiny, theta_off=3, rule=decoupled)
    # A quarter of an ulp above 1/2, the way back is the longer one, and 1 - beta1 may be farther off than beta1. A bit
    # nearer to 1/2 than to the number below it, beta1 may be rounded to either, and 1 - beta1 to 1/2 alone.
    quarter = format_.unit_roundoff / 4
    inexact = Arithmetic(add=1.5)
    yield step(
        {"beta1": 0.5 + quarter},
        m=1.0,
        g=-1.0,
        form=Form.INTERPOLATED,
        scalars_of_m=format_,
        arithmetic=inexact,
    )
    yield step({"beta1": 0.5 - quarter * (1 - 2.0**-11)}, m=1.0, g=-1.0, form=Form.INTERPOLATED)


def agree(computed_radii: Any, derived_radii: Any) -> bool:
    """Check that a radius is the derived one, enlarged by at most `SLACK`."""
    if math.inf in (computed_radii, derived_radii):
        return computed_radii == derived_radii
    return derived_radii <= fraction(CTX.mpf(computed_radii)) <= derived_radii * (1 + Fraction(1, 2**39))


@functools.cache
def corpus(format_: Format, count: int = 600) -> tuple[tuple[DrawnStep, dict[str, Any]], ...]:
    """Drawn steps and those at the edge of the range, with their derived radii."""
    rng = np.random.default_rng(20150507)
    steps = [*(draw_element(rng, format_) for _ in range(count)), *edge_steps(format_)]
    return tuple((step, step.derived_radii()) for step in steps)


def agrees(step: DrawnStep, wanted: dict[str, Any], quantities: Collection[str] = tuple(QUANTITIES)) -> bool:
    """Whether the computed radii of a step are the derived ones."""
    try:
        computed_radii = step.computed_radii(quantities)
    except (ArithmeticError, TypeError, ValueError):
        return False
    return all(agree(computed_radii[quantity], wanted[quantity]) for quantity in quantities)


@FORMATS
def test_each_radius_is_the_derived_one(format_) -> None:
    assert [step for step, wanted in corpus(format_) if not agrees(step, wanted)] == []


def test_some_steps_are_open_and_most_are_not() -> None:
    derived_radii = [
        radius for format_ in Format for _, wanted in corpus(format_) for radius in wanted.values()
    ]
    assert 0.1 < derived_radii.count(math.inf) / len(derived_radii) < 0.5


# A bug in the bounds is noticed -----------------------------------------------------------------------------

NAMES = {"max": "min", "min": "max", "abs": "float"}
MUTANTS = {mutant.name: mutant for mutant in mutants(radii, NAMES, omitting=True)}


UNNOTICED = {
    "the same for every admissible step": (
        "compound: 0 to 1, occurrence 2",  # the other error times 0
        "divisor_underflow: only the right term, occurrence 1",  # 0 + 1
        "divisor_underflow: 1 to 2, occurrence 1",  # either may vanish
        "factor_underflow: only the right term, occurrence 1",
        # The last sum, which matters if flushed: its error is 0 only where the sum is.
        "decremented_error: only the right term, occurrence 10",
        "from_gradient_error: only the right term, occurrence 4",
        "interpolated_error: only the right term, occurrence 5",
        "norm_radius: abs to float, occurrence 1",  # u is not negative
        "norm_radius: abs to float, occurrence 2",
        "norm_radius: abs to float, occurrence 4",
        "stored_theta_radius: abs to float, occurrence 2",
        "step_and_radius: max without argument 2, occurrence 7",  # over c, at most 1, it is as large
    ),
    "distinguished only by numbers that are equal, or nearly so within roundings or `SLACK`": (
        "overflows: Lt to LtE, occurrence 1",
        # The last sum less its error, which is 0 only where they are equal.
        "decremented_error: Add to Sub, occurrence 11",
        "from_gradient_error: Add to Sub, occurrence 6",
        "interpolated_error: Add to Sub, occurrence 7",
        "interpolated_error: GtE to Gt, occurrence 1",
        "norm_radius: Lt to LtE, occurrence 1",
        "norm_radius: Lt to LtE, occurrence 2",
        "norm_radius: Mult to Div, occurrence 3",
        "norm_radius: Mult to Div, occurrence 5",
        "eps_sum_radius: Lt to LtE, occurrence 1",
        "step_and_radius: Lt to LtE, occurrence 1",
    ),
}
"""What is not noticed, and why; nothing of it makes a finite bound wrong by more than that."""


def reached(function: FunctionType) -> set[str]:
    """The functions of the bounds that one calls, and those that they call."""
    called = [each for name in function.__code__.co_names if isfunction(each := getattr(radii, name, None))]
    return {function.__name__}.union(*map(reached, called))


def notices(mutant: Mutant, steps: list[tuple[DrawnStep, dict[str, Any]]]) -> bool:
    """Whether a mutant of the bounds disagrees with what is derived.

    The step that shows it becomes the first, since it is likely to show the next mutant of the function too.
    """
    function = getattr(radii, mutant.function)
    right = function.__code__
    quantities = [each for each, of in QUANTITIES.items() if mutant.function in reached(of)]
    try:
        function.__code__ = mutant.code()
        found = next((k for k, each in enumerate(steps) if not agrees(*each, quantities)), None)
    finally:
        function.__code__ = right
    if found is not None:
        steps.insert(0, steps.pop(found))
    return found is not None


@pytest.mark.parametrize("function", sorted({mutant.function for mutant in MUTANTS.values()}))
def test_a_mutant_of_the_bounds_is_noticed(function) -> None:
    steps = [each for format_ in Format for each in corpus(format_)]
    unnoticed = {
        name for name, mutant in MUTANTS.items() if mutant.function == function and not notices(mutant, steps)
    }
    assert unnoticed == {
        name for names in UNNOTICED.values() for name in names if name.startswith(f"{function}:")
    }
