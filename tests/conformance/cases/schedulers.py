"""The settings of the schedulers that the checks drive.

There is one for each scheduler whose documented rate is known. Within `STEPS` steps it passes all that its form
has: milestones, restarts and the lowest point.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from adamax_conformance.impl.protocol.messages import Schedule

STEPS: Final = 11
_FACTORS: Final = (0.3, 0.9, 0.7, 1.1, 0.01, 1.3, 0.6, 0.8, 1.7, 0.4, 0.9, 1.2)
_METRICS: Final = (3.0, 2.0, 2.0, 2.0, 1.9999, 1.0, 1.5, 1.5, 1.5, 1.5, 1.5)
_DECAYS: Final = Schedule("ExponentialLR", {"gamma": 0.9})
_WAITS: Final = Schedule("ConstantLR", {"factor": 0.3, "total_iters": 3})
_JUMPS: Final = Schedule("MultiStepLR", {"milestones": [2, 5, 5, 9], "gamma": 0.3})
_CYCLE: Final = {"base_lr": 0.01, "max_lr": 0.3, "step_size_up": 4, "step_size_down": 2}


@dataclass(frozen=True)
class SchedulerSetting:
    """A scheduler under test.

    Attributes:
        schedule: its class and arguments.
        metrics: the metric that it gets after each step, if it uses one.
        variant: the part of the id that distinguishes settings of one class.
    """

    schedule: Schedule
    metrics: tuple[float, ...] = ()
    variant: str = ""

    @property
    def id(self) -> str:
        """The last parts of the check's id."""
        return "/".join(part for part in (self.schedule.name, self.variant) if part)


_SETTINGS: Final = (
    SchedulerSetting(Schedule("LambdaLR", {"lr_lambda": _FACTORS})),
    SchedulerSetting(Schedule("MultiplicativeLR", {"lr_lambda": _FACTORS})),
    SchedulerSetting(Schedule("StepLR", {"step_size": 3, "gamma": 0.3})),
    SchedulerSetting(_JUMPS),
    SchedulerSetting(_DECAYS),
    SchedulerSetting(_WAITS),
    SchedulerSetting(Schedule("LinearLR", {"start_factor": 0.3, "end_factor": 0.9, "total_iters": 7})),
    SchedulerSetting(Schedule("PolynomialLR", {"total_iters": 8, "power": 1.7})),
    SchedulerSetting(Schedule("CosineAnnealingLR", {"T_max": 4, "eta_min": 0.003})),
    SchedulerSetting(Schedule("CosineAnnealingWarmRestarts", {"T_0": 3, "T_mult": 2, "eta_min": 0.003})),
    SchedulerSetting(Schedule("CyclicLR", {**_CYCLE, "mode": "exp_range", "gamma": 0.9})),
    SchedulerSetting(
        Schedule(
            "OneCycleLR",
            {
                "max_lr": 0.3,
                "total_steps": 12,
                "pct_start": 0.25,
                "anneal_strategy": "cos",
                "div_factor": 25.0,
                "final_div_factor": 1e4,
            },
        )
    ),
    SchedulerSetting(
        Schedule(
            "ReduceLROnPlateau",
            {"factor": 0.3, "patience": 1, "threshold": 1e-3, "cooldown": 1, "min_lr": 0.002},
        ),
        _METRICS,
    ),
    SchedulerSetting(Schedule("SequentialLR", {"milestones": [4]}, (_WAITS, _DECAYS))),
    SchedulerSetting(Schedule("SequentialLR", {"milestones": [4]}, (_DECAYS, _JUMPS)), variant="MultiStepLR"),
    SchedulerSetting(Schedule("ChainedScheduler", {}, (_WAITS, _DECAYS))),
)
SCHEDULER_SETTINGS: Final = {setting.id: setting for setting in _SETTINGS}
