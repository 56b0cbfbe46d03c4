r"""The update formula, written once, over abstract numbers.

For t = 1, 2, ..., with m and u zero before the first step, and g the gradient (negated first when
maximizing), the documented step is

    g     <- g + lambda*theta                       if lambda != 0
    m     <- beta1*m + (1 - beta1)*g
    u     <- max(beta2*u, |g| + eps)
    theta <- theta - lr*m / ((1 - beta1^t)*u)

Source: the page of `mindspore.experimental.optim.Adamax`; `torch.optim.Adamax` documents the same. It is
algorithm 2 of Kingma and Ba, "Adam: a method for stochastic optimization" (ICLR 2015), with eps inside the
maximum and weight decay added to the gradient.

A number is anything with `+`, `-`, `*`, `/`, `**`, `abs` and an order: `mpmath.mpf`, `fractions.Fraction`,
`float`, or an array type when `maximum` is given for it. The functions hold no number of their own but 1,
so the arithmetic, and its precision, are the caller's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from .rules import DOCUMENTED, Ascent, BiasCorrection, Decay, Epsilon, Rule


class Number(Protocol):
    """The operators that the formula needs of a number."""

    def __add__(self, other: Any, /) -> Any: ...
    def __sub__(self, other: Any, /) -> Any: ...
    def __mul__(self, other: Any, /) -> Any: ...
    def __truediv__(self, other: Any, /) -> Any: ...
    def __pow__(self, other: int, /) -> Any: ...
    def __rsub__(self, other: int, /) -> Any: ...
    def __neg__(self) -> Any: ...
    def __abs__(self) -> Any: ...


N = TypeVar("N", bound=Number)


@dataclass(frozen=True)
class Scalars(Generic[N]):
    """The hyperparameters of one step as numbers of the caller's arithmetic.

    Attributes:
        lr: the learning rate in force at this step.
        beta1: decay of the first moment.
        beta2: decay of the infinity norm.
        eps: the term added for numerical stability.
        weight_decay: lambda.
        maximize: whether the objective is maximized.
    """

    lr: N
    beta1: N
    beta2: N
    eps: N
    weight_decay: N
    maximize: bool = False


@dataclass(frozen=True)
class State(Generic[N]):
    """A parameter's state between two steps: theta, first moment m, infinity norm u."""

    theta: N
    m: N
    u: N


def effective_gradient(theta: N, g: N, scalars: Scalars[N], rule: Rule = DOCUMENTED) -> N:
    """The gradient as it enters the moments.

    It is negated when maximizing, and has the decay added where the rule adds it.
    """
    decays = rule.decay is Decay.L2 and scalars.weight_decay != 0
    maximizes = scalars.maximize and rule.ascent is not Ascent.NONE
    if maximizes and rule.ascent is Ascent.NEGATE_GRADIENT:
        g = -g
    if decays:
        g = g + scalars.weight_decay * theta
    if maximizes and rule.ascent is Ascent.NEGATE_AFTER_DECAY:
        g = -g
    return g


def first_moment(m: N, g: N, scalars: Scalars[N]) -> N:
    """The first moment after the step, from m before it and the effective gradient."""
    result: N = scalars.beta1 * m + (1 - scalars.beta1) * g
    return result


def norm_branches(
    u: N,
    g: N,
    scalars: Scalars[N],
    rule: Rule = DOCUMENTED,
    maximum: Callable[[N, N], N] = max,  # type: ignore[assignment]
) -> tuple[N, N]:
    """The two numbers whose maximum is u after the step.

    The first comes from the decayed norm, the second from the gradient; where eps is a floor, it is that of the second.
    """
    decayed: N = scalars.beta2 * u
    size: N = abs(g)
    match rule.epsilon:
        case Epsilon.IN_NORM:
            return decayed, size + scalars.eps
        case Epsilon.ON_DECAYED_NORM:
            return decayed + scalars.eps, size
        case Epsilon.FLOOR:
            return decayed, maximum(size, scalars.eps)
        case Epsilon.IN_DENOMINATOR | Epsilon.NONE:
            return decayed, size


def bias_correction(t: int, scalars: Scalars[N], rule: Rule = DOCUMENTED) -> Any:
    """The divisor of the first moment at step t, counted from 1.

    It is the integer 1 where the rule has no bias correction.
    """
    match rule.bias_correction:
        case BiasCorrection.FIRST_MOMENT:
            return 1 - scalars.beta1**t
        case BiasCorrection.NONE:
            return 1


def denominator(u: N, scalars: Scalars[N], rule: Rule = DOCUMENTED) -> N:
    """The norm as it divides: u itself, or u + eps where the rule adds it there."""
    if rule.epsilon is Epsilon.IN_DENOMINATOR:
        widened: N = u + scalars.eps
        return widened
    return u


def theta_after_decay(theta: N, scalars: Scalars[N], rule: Rule = DOCUMENTED) -> N:
    """Theta less the decoupled decay; theta itself where the rule has none."""
    if rule.decay is Decay.DECOUPLED and scalars.weight_decay != 0:
        kept: N = theta - scalars.lr * scalars.weight_decay * theta
        return kept
    return theta


def update(theta: N, m: N, u: N, t: int, scalars: Scalars[N], rule: Rule = DOCUMENTED) -> N:
    """Theta after step t, from theta before it and from m and u after it."""
    correction = bias_correction(t, scalars, rule)
    result: N = theta_after_decay(theta, scalars, rule) - scalars.lr * m / (
        correction * denominator(u, scalars, rule)
    )
    return result


def step(
    state: State[N],
    g: N,
    t: int,
    scalars: Scalars[N],
    rule: Rule = DOCUMENTED,
    maximum: Callable[[N, N], N] = max,  # type: ignore[assignment]
) -> State[N]:
    """One whole step.

    Args:
        state: theta, m and u before the step.
        g: the gradient as it was passed.
        t: the number of this step, from 1.
        scalars: the hyperparameters in force.
        rule: the update formula; the documented one by default.
        maximum: the larger of two numbers; `max` unless the numbers are arrays.

    Returns:
        theta, m and u after the step.
    """
    effective = effective_gradient(state.theta, g, scalars, rule)
    m = first_moment(state.m, effective, scalars)
    u = maximum(*norm_branches(state.u, effective, scalars, rule, maximum))
    return State(update(state.theta, m, u, t, scalars, rule), m, u)
