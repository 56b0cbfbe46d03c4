"""Which schedulers are driven, and what each is told: one setting for each whose documented rate is known.

Each passes everything that its form has, its milestones and restarts and lowest point, within `STEPS` steps.
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
class Setting:
    """A scheduler under test.

    Attributes:
        schedule: how it is constructed.
        metrics: what it is told after each step, where it wants to know.
        variant: what is special about it, where its class is tried more than once.
    """

    schedule: Schedule
    metrics: tuple[float, ...] = ()
    variant: str = ""

    @property
    def id(self) -> str:
        """The last parts of the check's id."""
        return "/".join(part for part in (self.schedule.name, self.variant) if part)


_SETTINGS: Final = (
    Setting(Schedule("LambdaLR", {"lr_lambda": _FACTORS})),
    Setting(Schedule("MultiplicativeLR", {"lr_lambda": _FACTORS})),
    Setting(Schedule("StepLR", {"step_size": 3, "gamma": 0.3})),
    Setting(_JUMPS),
    Setting(_DECAYS),
    Setting(_WAITS),
    Setting(Schedule("LinearLR", {"start_factor": 0.3, "end_factor": 0.9, "total_iters": 7})),
    Setting(Schedule("PolynomialLR", {"total_iters": 8, "power": 1.7})),
    Setting(Schedule("CosineAnnealingLR", {"T_max": 4, "eta_min": 0.003})),
    Setting(Schedule("CosineAnnealingWarmRestarts", {"T_0": 3, "T_mult": 2, "eta_min": 0.003})),
    Setting(Schedule("CyclicLR", {**_CYCLE, "mode": "exp_range", "gamma": 0.9})),
    Setting(
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
    Setting(
        Schedule(
            "ReduceLROnPlateau",
            {"factor": 0.3, "patience": 1, "threshold": 1e-3, "cooldown": 1, "min_lr": 0.002},
        ),
        _METRICS,
    ),
    Setting(Schedule("SequentialLR", {"milestones": [4]}, (_WAITS, _DECAYS))),
    Setting(Schedule("SequentialLR", {"milestones": [4]}, (_DECAYS, _JUMPS)), variant="MultiStepLR"),
    Setting(Schedule("ChainedScheduler", {}, (_WAITS, _DECAYS))),
)
SETTINGS: Final = {setting.id: setting for setting in _SETTINGS}
