"""How much of a case can a subject be asked? Not every optimizer has every documented argument.

What it has no argument for is left at the documented default, which its constructor is not told; what its
groups share is the first group's; where it refuses a beta of 0, which `contract/betas` says, 0 becomes a small
number. A case that loses nothing is returned as it came.
"""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any, Final

from ...reference.case import Case, Group
from ...reference.hyperparameters import DEFAULTS, Hyperparameters
from ..protocol.messages import SubjectInfo

SMALL_BETA: Final = 2.0**-10
"""Instead of 0: no more of a moment is remembered than float16 rounds away twice over."""


def expressible(case: Case, info: SubjectInfo, *, zero_betas: bool = True) -> Case:
    """The case as far as the subject has arguments for it.

    Args:
        case: any case.
        info: what the subject says of itself.
        zero_betas: whether it takes a beta of 0.

    Returns:
        A case of which each group's `options` are what the constructor can be given.
    """
    first = limited(case.groups[0].hyperparameters, DEFAULTS, info.arguments)
    groups = []
    for group in case.groups:
        own = limited(group.hyperparameters, DEFAULTS, info.arguments)
        rates = group.learning_rates if "lr" in info.group_options else case.groups[0].learning_rates
        taken = limited(own, first, info.group_options)
        groups.append(Group(taken if zero_betas else _remembering(taken), group.parameters, rates))
    unchanged = all(
        new.hyperparameters == old.hyperparameters and new.learning_rates == old.learning_rates
        for new, old in zip(groups, case.groups, strict=True)
    )
    return case if unchanged else replace(case, groups=tuple(groups))


def options(hyperparameters: Hyperparameters, info: SubjectInfo) -> dict[str, Any]:
    """The documented arguments that the subject has, with their values."""
    return {name: x for name, x in hyperparameters.options().items() if name in info.arguments}


def _remembering(setting: Hyperparameters) -> Hyperparameters:
    return replace(setting, beta1=setting.beta1 or SMALL_BETA, beta2=setting.beta2 or SMALL_BETA)


def limited(own: Hyperparameters, other: Hyperparameters, arguments: tuple[str, ...]) -> Hyperparameters:
    """The one's values of some arguments, and the other's of the rest."""
    names = {name for argument in arguments for name in _FIELDS.get(argument, (argument,))}
    rest = {f.name: getattr(other, f.name) for f in fields(own) if f.name not in names}
    return replace(own, **rest)


_FIELDS: Final = {"betas": ("beta1", "beta2")}
