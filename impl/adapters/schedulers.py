"""The learning rate schedulers of PyTorch and MindSpore, which are alike."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

from ..protocol.errors import SkippedError
from ..protocol.messages import Schedule


def scheduler_names(module: ModuleType) -> tuple[str, ...]:
    """The schedulers of a module.

    They are its public classes with a `step`, without their base and optimizers.
    """
    return tuple(
        name
        for name, value in sorted(vars(module).items())
        if inspect.isclass(value)
        and value.__module__ == module.__name__
        and hasattr(value, "step")
        and not name.startswith("_")
        and name not in {"LRScheduler", "Optimizer"}
    )


def build_scheduler(module: ModuleType, optimizer: object, schedule: Schedule) -> Any:
    """Build a scheduler that drives an optimizer.

    Raises:
        SkippedError: the module has no scheduler of that name.
    """
    if schedule.name not in scheduler_names(module):
        raise SkippedError(
            f"{module.__name__} has no {schedule.name}; there are {', '.join(scheduler_names(module))}"
        )
    constructor = getattr(module, schedule.name)
    options = {
        name: _factor_functions(x) if name == "lr_lambda" else x for name, x in schedule.options.items()
    }
    if schedule.parts:
        options["schedulers"] = [build_scheduler(module, optimizer, part) for part in schedule.parts]
    if schedule.name != "ChainedScheduler":  # its parts know its optimizer
        options["optimizer"] = optimizer
    return constructor(**options)


def _factor_functions(table: Sequence[Any]) -> Callable[[Any], Any] | list[Callable[[Any], Any]]:
    """Make a function of the step's number, or one for each group, from tables.

    A function cannot cross the pipe.
    """
    if isinstance(table, list):
        return [_factor_function(factors) for factors in table]
    return _factor_function(table)


def _factor_function(factors: Sequence[float]) -> Callable[[Any], float]:
    return lambda epoch: factors[int(epoch)]
