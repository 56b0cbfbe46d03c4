"""How is a learning rate scheduler made? PyTorch and MindSpore name them, and their arguments, alike."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

from ..protocol.errors import Skipped
from ..protocol.messages import Schedule


def names(module: ModuleType) -> tuple[str, ...]:
    """The schedulers of a module: its public classes with a `step` of an optimizer's, but their base."""
    return tuple(
        name
        for name, value in sorted(vars(module).items())
        if inspect.isclass(value)
        and value.__module__ == module.__name__
        and hasattr(value, "step")
        and not name.startswith("_")
        and name not in {"LRScheduler", "Optimizer"}
    )


def build(module: ModuleType, optimizer: object, schedule: Schedule) -> Any:  # noqa: ANN401
    """A scheduler that drives an optimizer.

    Raises:
        Skipped: the module has none of that name.
    """
    if schedule.name not in names(module):
        raise Skipped(f"{module.__name__} has no {schedule.name}; there are {', '.join(names(module))}")
    constructor = getattr(module, schedule.name)
    options = {name: _factors(x) if name == "lr_lambda" else x for name, x in schedule.options.items()}
    if schedule.parts:
        options["schedulers"] = [build(module, optimizer, part) for part in schedule.parts]
    if schedule.name != "ChainedScheduler":  # it knows its optimizer from its parts
        options["optimizer"] = optimizer
    return constructor(**options)


def _factors(table: Sequence[Any]) -> Callable[[Any], Any] | list[Callable[[Any], Any]]:
    """A function of the number of the step, or one for each group: no function can cross a pipe."""
    if isinstance(table, list):
        return [_factor(factors) for factors in table]
    return _factor(table)


def _factor(factors: Sequence[float]) -> Callable[[Any], float]:
    return lambda epoch: factors[int(epoch)]
