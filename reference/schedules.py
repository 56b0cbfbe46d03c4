r"""The documented rates of the learning rate schedulers of PyTorch and MindSpore.

The page of Adamax provides for a dynamic learning rate. With lr the initial rate of a group, and k the number of
times that the scheduler moved on (0 at the first step), the documented rates over abstract numbers are

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

Most are computed from the rate before (`chained_form_rate`), as both frameworks document ("this change can happen
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
    """A scheduler as its constructor is called."""

    @property
    def name(self) -> str:
        """The name of its class."""

    @property
    def options(self) -> Mapping[str, Any]:
        """The arguments that its form needs; `lr_lambda` is a tuple: a factor for each k."""

    @property
    def parts(self) -> Sequence[Scheduler]:
        """The schedulers that it combines."""


class Mathematics(Protocol):
    """The functions that the forms need, beyond the operators of the numbers."""

    def number(self, value: float) -> Any:
        """A hyperparameter as a number."""

    def power(self, base: Any, exponent: Any) -> Any:
        """The base, at least 0, to an exponent that is a number or an int."""

    def cos_pi(self, x: Any) -> Any:
        """The cosine of pi*x."""


@dataclass(frozen=True)
class SchedulePoint:
    """The point of a schedule at which to evaluate the rate, and the arithmetic.

    Attributes:
        mathematics: the arithmetic.
        lr: the group's initial rate, as a number.
        k: how often the scheduler moved on.
        metrics: the metric that it got each time, if it takes one.
    """

    mathematics: Mathematics
    lr: Any
    k: int
    metrics: tuple[float, ...] = ()


class _SchedulerView:
    """A scheduler's options at a point, as numbers of its arithmetic."""

    def __init__(self, scheduler: Scheduler, point: SchedulePoint) -> None:
        self.options = scheduler.options
        self.parts = scheduler.parts
        self.point = point
        self.lr, self.k, self.mathematics = point.lr, point.k, point.mathematics

    def real(self, name: str) -> Any:
        return self.mathematics.number(self.options[name])

    def ratio(self, numerator: int, denominator: int) -> Any:
        return self.mathematics.number(numerator) / denominator

    def factor(self, k: int) -> Any:
        return self.mathematics.number(self.options["lr_lambda"][k])


def closed_form_rate(scheduler: Scheduler, point: SchedulePoint) -> Any:
    """The documented rate.

    Raises:
        KeyError: for a scheduler of another name, or an option that is missing.
    """
    return _CLOSED[scheduler.name](_SchedulerView(scheduler, point))


def chained_form_rate(scheduler: Scheduler, point: SchedulePoint, previous: Any) -> Any:
    """The documented rate from the one before it, for k of at least 1.

    It is the closed form where there is no other.
    """
    form = _CHAINED.get(scheduler.name)
    return (
        closed_form_rate(scheduler, point)
        if form is None
        else form(_SchedulerView(scheduler, point), previous)
    )


# The rate from k -------------------------------------------------------------------------------------------------


def _lambda(at: _SchedulerView) -> Any:
    return at.lr * at.factor(at.k)


def _multiplicative(at: _SchedulerView) -> Any:
    return prod((at.factor(k) for k in range(1, at.k + 1)), start=at.lr)


def _step(at: _SchedulerView) -> Any:
    return at.lr * at.mathematics.power(at.real("gamma"), at.k // at.options["step_size"])


def _multi_step(at: _SchedulerView) -> Any:
    return at.lr * at.mathematics.power(at.real("gamma"), bisect_right(at.options["milestones"], at.k))


def _exponential(at: _SchedulerView) -> Any:
    return at.lr * at.mathematics.power(at.real("gamma"), at.k)


def _constant(at: _SchedulerView) -> Any:
    return at.lr * at.real("factor") if at.k < at.options["total_iters"] else at.lr


def _linear(at: _SchedulerView) -> Any:
    start, end, total = at.real("start_factor"), at.real("end_factor"), at.options["total_iters"]
    return at.lr * (start + (end - start) * min(at.k, total) / total)


def _polynomial(at: _SchedulerView) -> Any:
    total = at.options["total_iters"]
    return at.lr * at.mathematics.power(1 - at.ratio(min(at.k, total), total), at.real("power"))


def _cosine_rate(at: _SchedulerView, current: int, period: int) -> Any:
    lowest = at.real("eta_min")
    return lowest + (at.lr - lowest) * (1 + at.mathematics.cos_pi(at.ratio(current, period))) / 2


def _cosine(at: _SchedulerView) -> Any:
    return _cosine_rate(at, at.k, at.options["T_max"])


def _warm_restarts(at: _SchedulerView) -> Any:
    current, period = at.k, at.options["T_0"]
    while current >= period:
        current -= period
        period *= at.options["T_mult"]
    return _cosine_rate(at, current, period)


def _cyclic(at: _SchedulerView) -> Any:
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


def _one_cycle(at: _SchedulerView) -> Any:
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


def _reductions(at: _SchedulerView) -> list[bool]:
    """For each of the metrics, whether the scheduler reduces the rate after it.

    The smaller a metric, the better, by a relative threshold.
    """
    best, bad, resting = float("inf"), 0, 0
    result = []
    for metric in at.point.metrics[: at.k]:
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


def _reduce_rate(at: _SchedulerView, rate: Any) -> Any:
    return max(rate * at.real("factor"), at.real("min_lr"))


def _plateau(at: _SchedulerView) -> Any:
    rate = at.lr
    for _ in range(sum(_reductions(at))):
        rate = _reduce_rate(at, rate)
    return rate


def _part_in_force(at: _SchedulerView) -> tuple[Scheduler, SchedulePoint]:
    milestones = at.options["milestones"]
    index = bisect_right(milestones, at.k)
    return at.parts[index], replace(at.point, k=at.k - (milestones[index - 1] if index else 0))


def _sequential(at: _SchedulerView) -> Any:
    return closed_form_rate(*_part_in_force(at))


def _chained_scheduler(at: _SchedulerView) -> Any:
    """The rate after each part has multiplied it in turn."""
    rate = at.lr
    for part in at.parts:
        rate = closed_form_rate(part, replace(at.point, lr=rate))
    return rate


_CLOSED: Final[Mapping[str, Callable[[_SchedulerView], Any]]] = {
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
    "ChainedScheduler": _chained_scheduler,
}

NAMES: Final = tuple(_CLOSED)
"""The names of all schedulers whose documented rate is known here."""


# The rate from the one before it ---------------------------------------------------------------------------------


def _next_multiplicative(at: _SchedulerView, previous: Any) -> Any:
    return previous * at.factor(at.k)


def _next_step(at: _SchedulerView, previous: Any) -> Any:
    return previous if at.k % at.options["step_size"] else previous * at.real("gamma")


def _next_multi_step(at: _SchedulerView, previous: Any) -> Any:
    times = at.options["milestones"].count(at.k)
    return previous * at.mathematics.power(at.real("gamma"), times) if times else previous


def _next_exponential(at: _SchedulerView, previous: Any) -> Any:
    return previous * at.real("gamma")


def _next_constant(at: _SchedulerView, previous: Any) -> Any:
    return previous * (1 / at.real("factor")) if at.k == at.options["total_iters"] else previous


def _next_linear(at: _SchedulerView, previous: Any) -> Any:
    start, end, total = at.real("start_factor"), at.real("end_factor"), at.options["total_iters"]
    if at.k > total:
        return previous
    return previous * (1 + (end - start) / (total * start + (at.k - 1) * (end - start)))


def _next_polynomial(at: _SchedulerView, previous: Any) -> Any:
    total = at.options["total_iters"]
    if at.k > total:
        return previous
    ratio = (1 - at.ratio(at.k, total)) / (1 - at.ratio(at.k - 1, total))
    return previous * at.mathematics.power(ratio, at.real("power"))


def _next_cosine(at: _SchedulerView, previous: Any) -> Any:
    """PyTorch's recursion; at the lowest point, where it divides by zero, the way up."""
    lowest, period = at.real("eta_min"), at.options["T_max"]
    if (at.k - 1) % (2 * period) == period:
        return previous + (at.lr - lowest) * (1 - at.mathematics.cos_pi(at.ratio(1, period))) / 2
    now, before = (1 + at.mathematics.cos_pi(at.ratio(k, period)) for k in (at.k, at.k - 1))
    return now / before * (previous - lowest) + lowest


def _next_plateau(at: _SchedulerView, previous: Any) -> Any:
    return _reduce_rate(at, previous) if _reductions(at)[-1] else previous


def _next_sequential(at: _SchedulerView, previous: Any) -> Any:
    part, point = _part_in_force(at)
    return chained_form_rate(part, point, previous) if point.k else closed_form_rate(part, point)


def _next_chained_scheduler(at: _SchedulerView, previous: Any) -> Any:
    for part in at.parts:
        previous = chained_form_rate(part, at.point, previous)
    return previous


_CHAINED: Final[Mapping[str, Callable[[_SchedulerView, Any], Any]]] = {
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
    "ChainedScheduler": _next_chained_scheduler,
}
