"""Adjustments that make one framework follow the trajectory of another.

Two rules that differ in a part give the same trajectory, exactly and in real arithmetic, once the caller of the
one that follows makes up for it. The caller sets another learning rate at each step, changes the gradient, or
shrinks theta before the step. Only for where eps enters there is no remedy: there eps has to be 0, or the
trajectories are a small and known distance apart (`step_difference_bound`).
"""

from __future__ import annotations

from dataclasses import replace
from enum import Enum
from typing import Any, Final, TypeVar

from .formula import Number, Scalars, State, step
from .rules import Ascent, BiasCorrection, Decay, Rule

N = TypeVar("N", bound=Number)


class Adjustment(Enum):
    """An adjustment in the framework that follows; tables show its letter."""

    WITHOUT_EPS = ("E", "eps=0 in both")
    CORRECT_THE_RATE = ("C", "before step t set the learning rate to lr/(1 - beta1^t)")
    UNDO_THE_CORRECTION = ("U", "before step t set the learning rate to lr*(1 - beta1^t)")
    NEGATE_THE_GRADIENT = ("N", "to maximize, negate the gradient that is passed, and leave out maximize")
    DECAY_THE_GRADIENT = (
        "G",
        "leave out weight_decay; add weight_decay*theta to the gradient that is passed",
    )
    SHRINK_THETA = ("T", "leave out weight_decay; multiply theta by 1 - lr*weight_decay before the step")
    LEAVE_OUT_THE_DECAY = ("D", "leave out weight_decay")

    def __init__(self, letter: str, words: str) -> None:
        self.letter = letter
        self.words = words


def adjustments(
    leader: Rule, follower: Rule, *, decays: bool = True, ascends: bool = True
) -> frozenset[Adjustment]:
    """The adjustments that make an optimizer of one rule follow one of another.

    Args:
        leader: the rule whose trajectory is to be followed.
        follower: the rule of the optimizer that follows.
        decays: whether the leader has a weight_decay above 0.
        ascends: whether the leader maximizes.

    Raises:
        ValueError: a rule negates after the decay, which no framework does.
    """
    if Ascent.NEGATE_AFTER_DECAY in (leader.ascent, follower.ascent):
        raise ValueError("nobody negates after the decay, so nobody has to follow it")
    needed = set()
    if leader.epsilon is not follower.epsilon:
        needed.add(Adjustment.WITHOUT_EPS)
    if leader.bias_correction is not follower.bias_correction:
        corrected = leader.bias_correction is BiasCorrection.FIRST_MOMENT
        needed.add(Adjustment.CORRECT_THE_RATE if corrected else Adjustment.UNDO_THE_CORRECTION)
    # A rate that is set would scale a decoupled decay, too.
    rescaled = leader.decay is Decay.DECOUPLED and leader.bias_correction is not follower.bias_correction
    if decays and (rescaled or leader.decay is not follower.decay):
        needed.add(
            {
                Decay.L2: Adjustment.DECAY_THE_GRADIENT,
                Decay.DECOUPLED: Adjustment.SHRINK_THETA,
                Decay.NONE: Adjustment.LEAVE_OUT_THE_DECAY,
            }[leader.decay]
        )
    # A follower that negates what it is passed would negate the decay in it, too.
    negates = follower.ascent is Ascent.NEGATE_GRADIENT and Adjustment.DECAY_THE_GRADIENT not in needed
    if ascends and leader.ascent is Ascent.NEGATE_GRADIENT and not negates:
        needed.add(Adjustment.NEGATE_THE_GRADIENT)
    return frozenset(needed)


def adjusted_step(
    state: State[N], g: N, t: int, scalars: Scalars[N], follower: Rule, needed: frozenset[Adjustment]
) -> State[N]:
    """One step of the optimizer that follows, with its adjustments.

    Args:
        state: of the follower, before the step.
        g: the gradient, as the leader gets it.
        t: the number of the step, from 1.
        scalars: the leader's hyperparameters; eps is 0 where that is an adjustment, and maximize False where
            the leader does not maximize.
        follower: the rule of the optimizer that follows.
        needed: the adjustments.

    Returns:
        The follower's state after the step.
    """
    theta, adjusted, one_less = state.theta, scalars, 1 - scalars.beta1**t
    if Adjustment.NEGATE_THE_GRADIENT in needed:
        g, adjusted = -g, replace(adjusted, maximize=False)
    if Adjustment.DECAY_THE_GRADIENT in needed:
        g = g + scalars.weight_decay * theta
    if Adjustment.SHRINK_THETA in needed:
        theta = theta * (1 - scalars.lr * scalars.weight_decay)
    if needed & _WITHOUT_DECAY:
        adjusted = replace(adjusted, weight_decay=scalars.weight_decay * 0)
    if Adjustment.CORRECT_THE_RATE in needed:
        adjusted = replace(adjusted, lr=scalars.lr / one_less)
    if Adjustment.UNDO_THE_CORRECTION in needed:
        adjusted = replace(adjusted, lr=scalars.lr * one_less)
    return step(State(theta, state.m, state.u), g, t, adjusted, follower)


_WITHOUT_DECAY: Final = frozenset(
    {Adjustment.DECAY_THE_GRADIENT, Adjustment.SHRINK_THETA, Adjustment.LEAVE_OUT_THE_DECAY}
)


def step_difference_bound(step_size: N, u: N, scalars: Scalars[N]) -> Any:
    """A bound on how far one step moves two rules apart that differ in eps only.

    The rules differ in where an eps above 0 enters, and in nothing else.

    Let u be the norm without eps, and nonzero. By induction over max(beta2*u, |g|), the denominators of all
    rules lie between u and u + eps/(1 - beta2), so each step lies between its size without eps and
    u/(u + eps/(1 - beta2)) of that. Without decay the gradients are the same, and the distances add up.

    Args:
        step_size: the size of the step without eps.
        u: the norm after the step without eps.
        scalars: the hyperparameters.
    """
    widest = scalars.eps / (1 - scalars.beta2)
    return step_size * widest / (u + widest)
