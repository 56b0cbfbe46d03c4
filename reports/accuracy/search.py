"""A search for the largest errors, which climbs from the largest so far."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, Final

import numpy as np

from ...impl.subject.client import Subject
from ...oracles.batch.exact_step import QUANTITIES
from ...oracles.formats import Format
from ...oracles.verdict import Quantity
from ...reference.hyperparameters import Hyperparameters
from .constructed import carried_moment, carried_theta
from .measure import (
    COPIES,
    KnownError,
    Model,
    Numbers,
    Start,
    measure,
    measure_exactly,
    measure_runs,
    restrict_options,
)

STEPS: Final = 3
RUN_STEPS: Final = 50
_ELEMENTS: Final = 2048
_RUNS: Final = 12
_GOALS: Final = 4
"""The errors of m, u and theta, and that of theta where its first step is too long."""
_EXPLORING: Final = 3
"""One round in so many draws everything; the others change what is best so far."""

_Random = np.random.Generator


def search_largest(
    subject: Subject,
    model: Model,
    rounds: int,
    seed: int = 0,
    progress: Callable[[int], None] = lambda _: None,
) -> dict[Quantity, KnownError]:
    """Search the largest error of one step, of m, of u and of theta.

    An error of theta is that from the subject's own m and u after the step. After what is drawn come constructed
    inputs, whose results are rounded up to a power of two.

    Numbers are of ordinary sizes, and there is no weight decay, which may cancel the gradient.

    Args:
        subject: shows m and u.
        model: what it is measured by.
        rounds: of 2,048 elements and three steps each.
        seed: of what is drawn.
        progress: called with the number of rounds that are done.

    Returns:
        For each quantity the largest error, measured by the exact oracle.

    Raises:
        SubjectError: the subject failed.
        HiddenStateError: it does not show m and u.
    """
    rng = np.random.default_rng([20150108, seed])
    format_ = model.error.format_
    best: list[tuple[float, Start] | None] = [None] * _GOALS
    bounds = np.zeros(3)
    for round_ in range(rounds):
        largest = best[round_ % _GOALS]
        if largest is None or (round_ // _GOALS) % _EXPLORING == 0:
            options, theta, gradients = _draw(rng, format_, STEPS, _ELEMENTS)
        else:
            options, theta, gradients = _change(rng, format_, largest[1], STEPS, _ELEMENTS)
        options = restrict_options(subject, options)
        found = measure(subject, model, options, theta, gradients)
        bounds = np.fmax(bounds, np.where(found.bound < np.inf, found.bound, 0.0).max(axis=(0, 2)))
        for goal, errors in enumerate((*found.error.swapaxes(0, 1), found.too_far[None])):
            t, element = divmod(int(np.argmax(errors)), theta.size)
            error, earlier = float(errors[t, element]), best[goal]
            if earlier is None or error > earlier[0]:
                best[goal] = (
                    error,
                    Start(options, float(theta[element]), tuple(gradients[: t + 1, element].tolist())),
                )
        progress(round_ + 1)
    starts = [found[1] for found in best if found is not None]
    known = {q: confirm(subject, model, q, start) for q, start in zip(QUANTITIES, starts, strict=False)}
    for quantity, start in _construct(subject, model, starts[-1]):
        carried = confirm(subject, model, quantity, start)
        known[quantity] = max(known[quantity], carried, key=lambda each: each.error)
    return {
        quantity: replace(
            known[quantity],
            largest_bound=max(float(bound), known[quantity].bound),
            is_for_all=model.wide is not None or quantity in model.everywhere,
        )
        for quantity, bound in zip(QUANTITIES, bounds, strict=True)
    }


def _construct(subject: Subject, model: Model, too_far: Start) -> Iterator[tuple[Quantity, Start]]:
    moment = carried_moment(model.error.format_)
    yield Quantity.M, replace(moment, options=restrict_options(subject, moment.options))
    carried = carried_theta(subject, model, too_far)
    if carried is not None:
        yield Quantity.THETA, carried


def search_run(
    subject: Subject,
    model: Model,
    rounds: int,
    seed: int = 0,
    progress: Callable[[int], None] = lambda _: None,
) -> KnownError:
    """Search the largest error of theta after a run of 50 steps, from the exact run.

    Args:
        subject: may hide m and u.
        model: what it is measured by.
        rounds: of 12 elements each.
        seed: of what is drawn.
        progress: called with the number of rounds that are done.

    Raises:
        SubjectError: the subject failed.
        ValueError: no run can be judged.
    """
    rng = np.random.default_rng([20150109, seed])
    best, largest_bound = None, 0.0
    for round_ in range(rounds):
        if best is None or round_ % _EXPLORING == 0:
            options, theta, gradients = _draw(rng, model.error.format_, RUN_STEPS, _RUNS)
        else:
            options, theta, gradients = _change(rng, model.error.format_, best.start, RUN_STEPS, _RUNS)
        found = measure_runs(subject, model, restrict_options(subject, options), theta, gradients)
        largest_bound = max([largest_bound, *(known.bound for known in found)])
        best = max([*found, *([best] if best else [])], key=lambda known: known.error, default=None)
        progress(round_ + 1)
    if best is None:
        raise ValueError("no run has a finite bound")
    # A run of the one element alone, so that it can be measured again.
    (alone,) = measure_runs(
        subject,
        model,
        best.start.options,
        np.array([best.start.theta]),
        np.array(best.start.gradients)[:, None],
    )
    return replace(alone, largest_bound=max(largest_bound, alone.bound))


def confirm(subject: Subject, model: Model, quantity: Quantity, start: Start) -> KnownError:
    """Measure a start exactly, alone and in many copies; the larger error.

    Raises:
        SubjectError: the subject failed.
        ValueError: nothing can be judged of it.
    """
    few, many = (measure_exactly(subject, model, quantity, start, n) for n in (1, COPIES))
    return max(few, many, key=lambda known: known.error)


def _draw(rng: _Random, format_: Format, steps: int, count: int) -> tuple[Hyperparameters, Numbers, Numbers]:
    options = Hyperparameters(
        lr=float(rng.choice([1.0, 0.1, 1e-3]) * rng.uniform(0.5, 2.0)),
        beta1=float(rng.choice([rng.uniform(0.05, 0.95), 1 - 2.0 ** -rng.uniform(1, 10)])),
        beta2=float(rng.choice([rng.uniform(0.05, 0.95), 1 - 2.0 ** -rng.uniform(1, 10)])),
        eps=float(2.0 ** -rng.uniform(2, 30)),
    )
    theta = _numbers(rng, format_, (count,), 2.0 ** rng.uniform(-8, 4))
    return options, theta, _numbers(rng, format_, (steps, count), 2.0 ** rng.uniform(-6, 6))


def _numbers(rng: _Random, format_: Format, shape: tuple[int, ...], scale: float) -> Numbers:
    sizes = (1 + rng.random(shape)) * np.exp2(np.rint(rng.normal(0, 1.5, shape))) * scale
    return format_.round_array(np.where(rng.random(shape) < 0.5, -sizes, sizes))


def _change(
    rng: _Random, format_: Format, start: Start, steps: int, count: int
) -> tuple[Hyperparameters, Numbers, Numbers]:
    """Draw many neighbours of a start: some numbers differ, or are a few ulp away."""
    options = _change_options(rng, start.options)
    numbers = np.repeat(np.array([start.theta, *start.gradients])[:, None], count, axis=1)
    kind = rng.random(numbers.shape)
    relative = 2.0 ** -(format_.precision - 1) * np.abs(numbers)
    near = numbers + rng.integers(-4, 5, numbers.shape) * relative
    far = numbers * (
        1 + (rng.random(numbers.shape) - 0.5) * 2.0 ** -rng.integers(0, format_.precision, numbers.shape)
    )
    numbers = np.where(kind < 0.4, near, np.where(kind < 0.75, far, numbers))
    numbers[:, 0] = [start.theta, *start.gradients]
    numbers = format_.round_array(numbers)
    more = _numbers(
        rng, format_, (steps - len(start.gradients), count), float(np.abs(numbers[1:]).mean()) or 1.0
    )
    return options, numbers[0], np.concatenate([numbers[1:], more])


def _change_options(rng: _Random, options: Hyperparameters) -> Hyperparameters:
    """Change one of the options a little or much, in every other call."""
    if rng.random() < 0.5:
        return options
    name = str(rng.choice(["lr", "beta1", "beta2", "eps"]))
    value = float(getattr(options, name))
    changed: Any = value * (1 + (rng.random() - 0.5) * 2.0 ** -int(rng.integers(1, 30)))
    if name in {"beta1", "beta2"} and not 0 < changed < 1:
        return options
    return replace(options, **{name: changed})
