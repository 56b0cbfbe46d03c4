r"""The learning rate schedulers of PyTorch and MindSpore: the rate that each documents, over abstract numbers.

The page of Adamax asks for a dynamic learning rate. With lr the initial rate of a group, and k the number of times
that the scheduler moved on (0 at the first step), the documented rates are

    LambdaLR             lr * lambda(k)
    MultiplicativeLR     lr * lambda(1) * ... * lambda(k)
    StepLR               lr * gamma^floor(k / step_size)
    MultiStepLR          lr * gamma^(number of milestones that are at most k)
    ExponentialLR        lr * gamma^k
    ConstantLR           lr * factor while k < total_iters, then lr
    LinearLR             lr * (start_factor + (end_factor - start_factor) * min(k, total_iters) / total_iters)
    PolynomialLR         lr * (1 - min(k, total_iters) / total_iters)^power
    CosineAnnealingLR    eta_min + (lr - eta_min) * (1 + cos(pi * k / T_max)) / 2
    ...WarmRestarts      the same with T_cur / T_i, T_i growing by T_mult at each restart
    CyclicLR             base_lr + (max_lr - base_lr) * height * scale, a triangle over step_size_up + step_size_down
    OneCycleLR           from max_lr / div_factor to max_lr, then down to max_lr / (div_factor * final_div_factor)
    ReduceLROnPlateau    lr * factor^(number of reductions), not below min_lr
    SequentialLR         each part from its milestone on, as if it began there
    ChainedScheduler     the factors of all parts, multiplied

Most are computed from the rate before (`chained`), as both frameworks document ("this change can happen
simultaneously with other changes from outside"); in real arithmetic that is the same.

Sources: the pages of `torch.optim.lr_scheduler` and `mindspore.experimental.optim.lr_scheduler`, which agree;
Loshchilov and Hutter, "SGDR" (ICLR 2017); Smith, "Cyclical learning rates for training neural networks" (WACV
2017); Smith and Topin, "Super-convergence" (2018).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import floor, prod
from typing import Any, Final, Protocol


class Scheduler(Protocol):
    """A scheduler as it is constructed."""

    @property
    def name(self) -> str:
        """Of its class."""

    @property
    def options(self) -> Mapping[str, Any]:
        """Every argument that its form needs; `lr_lambda` is a tuple of factors, one for each k."""

    @property
    def parts(self) -> Sequence[Scheduler]:
        """The schedulers that it combines."""


class Mathematics(Protocol):
    """What the forms ask of an arithmetic, beyond the operators of its numbers."""

    def number(self, value: float) -> Any:
        """A hyperparameter as a number."""

    def power(self, base: Any, exponent: Any) -> Any:
        """The base, at least 0, to an exponent that is a number or an int."""

    def cos_pi(self, x: Any) -> Any:
        """The cosine of pi*x."""


@dataclass(frozen=True)
class Moment:
    """When a rate is asked for, and in which arithmetic.

    Attributes:
        mathematics: the arithmetic.
        lr: the group's initial rate, as a number.
        k: how often the scheduler moved on.
        metrics: what it was told each time, where it wants to know.
    """

    mathematics: Mathematics
    lr: Any
    k: int
    metrics: tuple[float, ...] = ()


class _View:
    """A scheduler's options at a moment: reals as numbers of its arithmetic."""

    def __init__(self, scheduler: Scheduler, moment: Moment) -> None:
        self.options = scheduler.options
        self.parts = scheduler.parts
        self.moment = moment
        self.lr, self.k, self.mathematics = moment.lr, moment.k, moment.mathematics

    def real(self, name: str) -> Any:
        return self.mathematics.number(self.options[name])

    def ratio(self, numerator: int, denominator: int) -> Any:
        return self.mathematics.number(numerator) / denominator

    def factor(self, k: int) -> Any:
        return self.mathematics.number(self.options["lr_lambda"][k])


def closed(scheduler: Scheduler, moment: Moment) -> Any:
    """The documented rate.

    Raises:
        KeyError: for a scheduler of another name, or an option that is missing.
    """
    return _CLOSED[scheduler.name](_View(scheduler, moment))


def chained(scheduler: Scheduler, moment: Moment, previous: Any) -> Any:
    """The documented rate from the one before it, k being at least 1; the closed form where there is no other way."""
    form = _CHAINED.get(scheduler.name)
    return closed(scheduler, moment) if form is None else form(_View(scheduler, moment), previous)


# The rate from k -------------------------------------------------------------------------------------------------


def _lambda(at: _View) -> Any:
    return at.lr * at.factor(at.k)


def _multiplicative(at: _View) -> Any:
    return prod((at.factor(k) for k in range(1, at.k + 1)), start=at.lr)


def _step(at: _View) -> Any:
    return at.lr * at.mathematics.power(at.real("gamma"), at.k // at.options["step_size"])


def _multi_step(at: _View) -> Any:
    return at.lr * at.mathematics.power(at.real("gamma"), bisect_right(at.options["milestones"], at.k))


def _exponential(at: _View) -> Any:
    return at.lr * at.mathematics.power(at.real("gamma"), at.k)


def _constant(at: _View) -> Any:
    return at.lr * at.real("factor") if at.k < at.options["total_iters"] else at.lr


def _linear(at: _View) -> Any:
    start, end, total = at.real("start_factor"), at.real("end_factor"), at.options["total_iters"]
    return at.lr * (start + (end - start) * min(at.k, total) / total)


def _polynomial(at: _View) -> Any:
    total = at.options["total_iters"]
    return at.lr * at.mathematics.power(1 - at.ratio(min(at.k, total), total), at.real("power"))


def _annealed(at: _View, current: int, period: int) -> Any:
    lowest = at.real("eta_min")
    return lowest + (at.lr - lowest) * (1 + at.mathematics.cos_pi(at.ratio(current, period))) / 2


def _cosine(at: _View) -> Any:
    return _annealed(at, at.k, at.options["T_max"])


def _warm_restarts(at: _View) -> Any:
    current, period = at.k, at.options["T_0"]
    while current >= period:
        current -= period
        period *= at.options["T_mult"]
    return _annealed(at, current, period)


def _cyclic(at: _View) -> Any:
    up, down = at.options["step_size_up"], at.options["step_size_down"]
    cycle = 1 + at.k // (up + down)
    x = 1 + at.ratio(at.k, up + down) - cycle
    peak = at.ratio(up, up + down)
    height = x / peak if at.k % (up + down) <= up else (x - 1) / (peak - 1)
    lowest, highest = at.real("base_lr"), at.real("max_lr")
    match at.options["mode"]:
        case "triangular":
            scale = at.mathematics.number(1)
        case "triangular2":
            scale = 1 / at.mathematics.power(at.mathematics.number(2), cycle - 1)
        case "exp_range":
            scale = at.mathematics.power(at.real("gamma"), at.k)
    return lowest + (highest - lowest) * height * scale


def _one_cycle(at: _View) -> Any:
    """Two phases; `pct_start * total_steps` is whole, so that the peak is at a step."""
    total, peak = (
        at.options["total_steps"] - 1,
        floor(at.options["pct_start"] * at.options["total_steps"]) - 1,
    )
    highest = at.real("max_lr")
    first = highest / at.real("div_factor")
    if at.k <= peak:
        start, end, done = first, highest, at.ratio(at.k, peak)
    else:
        start, end, done = highest, first / at.real("final_div_factor"), at.ratio(at.k - peak, total - peak)
    if at.options["anneal_strategy"] == "linear":
        return (end - start) * done + start
    return end + (start - end) / 2 * (at.mathematics.cos_pi(done) + 1)


def _reduces(at: _View) -> list[bool]:
    """Whether the rate is reduced after each of the metrics, the smaller the better, by a relative threshold."""
    best, bad, resting = float("inf"), 0, 0
    result = []
    for metric in at.moment.metrics[: at.k]:
        if metric < best * (1 - at.options["threshold"]):
            best, bad = metric, 0
        else:
            bad += 1
        if resting:
            resting, bad = resting - 1, 0
        result.append(bad > at.options["patience"])
        if result[-1]:
            resting, bad = at.options["cooldown"], 0
    return result


def _reduced(at: _View, rate: Any) -> Any:
    return max(rate * at.real("factor"), at.real("min_lr"))


def _plateau(at: _View) -> Any:
    rate = at.lr
    for _ in range(sum(_reduces(at))):
        rate = _reduced(at, rate)
    return rate


def _part_in_force(at: _View) -> tuple[Scheduler, Moment]:
    milestones = at.options["milestones"]
    place = bisect_right(milestones, at.k)
    return at.parts[place], replace(at.moment, k=at.k - (milestones[place - 1] if place else 0))


def _sequential(at: _View) -> Any:
    return closed(*_part_in_force(at))


def _all(at: _View) -> Any:
    """Each part multiplies what it is given, whatever that is."""
    rate = at.lr
    for part in at.parts:
        rate = closed(part, replace(at.moment, lr=rate))
    return rate


_CLOSED: Final[Mapping[str, Callable[[_View], Any]]] = {
    "LambdaLR": _lambda,
    "MultiplicativeLR": _multiplicative,
    "StepLR": _step,
    "MultiStepLR": _multi_step,
    "ExponentialLR": _exponential,
    "ConstantLR": _constant,
    "LinearLR": _linear,
    "PolynomialLR": _polynomial,
    "CosineAnnealingLR": _cosine,
    "CosineAnnealingWarmRestarts": _warm_restarts,
    "CyclicLR": _cyclic,
    "OneCycleLR": _one_cycle,
    "ReduceLROnPlateau": _plateau,
    "SequentialLR": _sequential,
    "ChainedScheduler": _all,
}

NAMES: Final = tuple(_CLOSED)
"""Every scheduler whose documented rate is known here."""


# The rate from the one before it ---------------------------------------------------------------------------------


def _next_multiplicative(at: _View, previous: Any) -> Any:
    return previous * at.factor(at.k)


def _next_step(at: _View, previous: Any) -> Any:
    return previous if at.k % at.options["step_size"] else previous * at.real("gamma")


def _next_multi_step(at: _View, previous: Any) -> Any:
    times = at.options["milestones"].count(at.k)
    return previous * at.mathematics.power(at.real("gamma"), times) if times else previous


def _next_exponential(at: _View, previous: Any) -> Any:
    return previous * at.real("gamma")


def _next_constant(at: _View, previous: Any) -> Any:
    return previous * (1 / at.real("factor")) if at.k == at.options["total_iters"] else previous


def _next_linear(at: _View, previous: Any) -> Any:
    start, end, total = at.real("start_factor"), at.real("end_factor"), at.options["total_iters"]
    if at.k > total:
        return previous
    return previous * (1 + (end - start) / (total * start + (at.k - 1) * (end - start)))


def _next_polynomial(at: _View, previous: Any) -> Any:
    total = at.options["total_iters"]
    if at.k > total:
        return previous
    shrinks = (1 - at.ratio(at.k, total)) / (1 - at.ratio(at.k - 1, total))
    return previous * at.mathematics.power(shrinks, at.real("power"))


def _next_cosine(at: _View, previous: Any) -> Any:
    """PyTorch's recursion; from the lowest point on, where it would divide by zero, the way up."""
    lowest, period = at.real("eta_min"), at.options["T_max"]
    if (at.k - 1) % (2 * period) == period:
        return previous + (at.lr - lowest) * (1 - at.mathematics.cos_pi(at.ratio(1, period))) / 2
    now, before = (1 + at.mathematics.cos_pi(at.ratio(k, period)) for k in (at.k, at.k - 1))
    return now / before * (previous - lowest) + lowest


def _next_plateau(at: _View, previous: Any) -> Any:
    return _reduced(at, previous) if _reduces(at)[-1] else previous


def _next_sequential(at: _View, previous: Any) -> Any:
    part, moment = _part_in_force(at)
    return chained(part, moment, previous) if moment.k else closed(part, moment)


def _next_all(at: _View, previous: Any) -> Any:
    for part in at.parts:
        previous = chained(part, at.moment, previous)
    return previous


_CHAINED: Final[Mapping[str, Callable[[_View, Any], Any]]] = {
    "MultiplicativeLR": _next_multiplicative,
    "StepLR": _next_step,
    "MultiStepLR": _next_multi_step,
    "ExponentialLR": _next_exponential,
    "ConstantLR": _next_constant,
    "LinearLR": _next_linear,
    "PolynomialLR": _next_polynomial,
    "CosineAnnealingLR": _next_cosine,
    "ReduceLROnPlateau": _next_plateau,
    "SequentialLR": _next_sequential,
    "ChainedScheduler": _next_all,
}
