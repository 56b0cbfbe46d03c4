"""The restriction of a case to the arguments that a subject has.

An option without an argument stays at the documented default, and the constructor does not get it. An option
that all groups share is the first group's. Where the subject refuses a beta of 0, which `contract/betas` reports,
0 becomes a small number. A case that loses nothing is returned as it came.
"""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any, Final

from ...reference.case import Case, Group
from ...reference.hyperparameters import DEFAULTS, Hyperparameters
from ..protocol.messages import SubjectInfo

SMALL_BETA: Final = 2.0**-10
"""Instead of 0: no more of a moment is remembered than float16 rounds away twice over."""


def restrict_case(case: Case, info: SubjectInfo, *, zero_betas: bool = True) -> Case:
    """Restrict a case to the arguments that the subject has.

    Args:
        case: any case.
        info: the subject's description.
        zero_betas: whether it takes a beta of 0.

    Returns:
        A case whose groups have only options that the constructor takes.
    """
    first = merge_options(case.groups[0].hyperparameters, DEFAULTS, info.arguments)
    groups = []
    for group in case.groups:
        own = merge_options(group.hyperparameters, DEFAULTS, info.arguments)
        rates = group.learning_rates if "lr" in info.group_options else case.groups[0].learning_rates
        taken = merge_options(own, first, info.group_options)
        groups.append(Group(taken if zero_betas else _replace_zero_betas(taken), group.parameters, rates))
    unchanged = all(
        new.hyperparameters == old.hyperparameters and new.learning_rates == old.learning_rates
        for new, old in zip(groups, case.groups, strict=True)
    )
    return case if unchanged else replace(case, groups=tuple(groups))


def select_options(hyperparameters: Hyperparameters, info: SubjectInfo) -> dict[str, Any]:
    """Select the documented arguments that the subject has, with their values."""
    return {name: x for name, x in hyperparameters.options().items() if name in info.arguments}


def _replace_zero_betas(setting: Hyperparameters) -> Hyperparameters:
    return replace(setting, beta1=setting.beta1 or SMALL_BETA, beta2=setting.beta2 or SMALL_BETA)


def merge_options(
    own: Hyperparameters, other: Hyperparameters, arguments: tuple[str, ...]
) -> Hyperparameters:
    """Take some arguments from `own`, and the rest from `other`."""
    names = {name for argument in arguments for name in _FIELDS.get(argument, (argument,))}
    rest = {f.name: getattr(other, f.name) for f in fields(own) if f.name not in names}
    return replace(own, **rest)


_FIELDS: Final = {"betas": ("beta1", "beta2")}
