"""The flags of golden cases: each is a kind of bug and its effect on training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Flag:
    """One kind of bug.

    Attributes:
        bug: the error of such an implementation.
        effect: its effect on a training run.
    """

    bug: str
    effect: str


FLAGS: Final = {
    "formula": Flag(
        "any part of the update is wrong",
        "every parameter moves otherwise than published results were obtained with",
    ),
    "eps-placement": Flag(
        "eps is added to the decayed norm or to the denominator, or is missing",
        "parameters with small gradients take steps of another size; with a large eps, all do",
    ),
    "eps-size": Flag(
        "eps is rounded, clipped or squared on its way",
        "parameters whose gradients fade move too fast, or stop",
    ),
    "bias-correction": Flag(
        "the first moment is divided by 1 - beta1^(t-1), by 1 - beta1, by nothing, or the norm is divided too",
        "the first steps, when training is most delicate, are too small or too large; a warm-up hides it",
    ),
    "step-count": Flag(
        "the number of steps stops, wraps around, starts anew, or is counted for each parameter or group",
        "the bias correction comes back in the middle of a run, and the loss jumps",
    ),
    "beta-extremes": Flag(
        "a beta of 0 or next to 1 is replaced, or 1 - beta loses its digits",
        "a long memory is not as long as was asked for",
    ),
    "first-moment": Flag(
        "the moment weighs its gradients otherwise, or the betas are exchanged",
        "momentum is too short or too long; the loss oscillates, or is slow",
    ),
    "norm": Flag(
        "the norm is a sum, a square or an average, or does not decay",
        "steps shrink too fast after one large gradient, or not at all",
    ),
    "weight-decay": Flag(
        "the decay is taken from theta, or left out of a moment, or scaled with the learning rate",
        "weights are larger or smaller at the end, and what was tuned for one framework overfits in another",
    ),
    "maximize": Flag(
        "maximizing is ignored, negates the decay too, or negates only one of the moments",
        "an objective that should rise falls; with decay, weights grow without limit",
    ),
    "groups": Flag(
        "one group's options are used for another, or parameters share their state",
        "layers that were to be frozen, slow or free of decay are not",
    ),
    "learning-rate": Flag(
        "a learning rate that was changed is ignored, takes effect late, or for one group only",
        "schedules and warm-ups do nothing, unnoticed",
    ),
    "zero-gradient": Flag(
        "a step without gradient is skipped, not counted, or divides by zero",
        "parameters of unused embeddings or branches become NaN, or lose their momentum",
    ),
    "sparse-gradient": Flag(
        "elements without a gradient are left out of the decay of m or u",
        "rare features are trained with stale moments",
    ),
    "sign": Flag(
        "a sign is lost: of the gradient in the norm, of zero, or where the gradient turns",
        "a parameter runs away in one direction",
    ),
    "range": Flag(
        "an intermediate overflows or underflows, where the formula does not: squares, or products taken too early",
        "large losses make theta infinite, small gradients stop training",
    ),
    "subnormal": Flag(
        "subnormal numbers are taken for zero",
        "parameters with the smallest gradients stop, or divide by zero",
    ),
    "non-finite": Flag(
        "a NaN or an infinity in a gradient is dropped by a maximum or a comparison",
        "a broken batch goes unnoticed and destroys the weights later",
    ),
    "precision": Flag(
        "scalars or intermediates are kept in a narrower format than the parameters",
        "runs in double precision are single precision runs",
    ),
    "long-run": Flag(
        "errors, counters or state go wrong only after hundreds of steps",
        "a run fails after hours, and never in a test",
    ),
    "training": Flag(
        "anything that only the gradients of a real network bring together",
        "the network does not learn what it should",
    ),
}
