"""The restriction of a case or a life to the arguments that a subject has.

An option without an argument stays at the documented default, and the constructor does not get it. An option
that all groups share is the first group's. Where the subject refuses a beta of 0, which `contract/betas` reports,
0 becomes a small number. A case that loses nothing is returned as it came.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import fields, replace
from typing import Any, Final

from ...reference.case import Case, Group
from ...reference.hyperparameters import DEFAULTS, Hyperparameters
from ...reference.life import Action, AddGroup, Construct, Container, Life, Options, SetOption
from ..protocol.messages import ARGUMENTS, SubjectInfo

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


def restrict_life(
    life: Life,
    arguments: Collection[str],
    *,
    groups: bool = True,
    group_options: Collection[str] = ARGUMENTS,
    defaults: Mapping[str, Any] | None = None,
) -> Life | None:
    """Restrict a life to what a subject has; None where it is about what is missing.

    Args:
        life: any life.
        arguments: of the subject.
        groups: whether it has parameter groups. Without them a single group is a plain list, and its options are the
            constructor's; of a life with several groups nothing is left.
        group_options: the arguments that each group may have for itself; the others are the constructor's.
        defaults: of the subject, if they are known. Where its decay is not the page's, a constructor gets the page's.
    """
    lacking = dict.fromkeys(name for name in _OPTIONS if name not in arguments)
    shared = lacking | dict.fromkeys(name for name in _OPTIONS if groups and name not in group_options)
    stated = _other_defaults(defaults or {}, arguments)
    if groups and not shared and not stated:
        return life
    actions: list[Action] = []
    for action in life.actions:
        match action:
            case Construct():
                own = [replace(group, options=replace(group.options, **shared)) for group in action.groups]
                missing = {name: x for name, x in stated.items() if getattr(action.options, name) is None}
                made = replace(
                    action, groups=tuple(own), options=replace(action.options, **lacking, **missing)
                )
                if not groups:
                    if len(own) > 1:
                        return None
                    made = _as_plain_list(made)
                actions.append(made)
            case AddGroup():
                if not groups:
                    return None
                group = replace(action.group, options=replace(action.group.options, **shared))
                actions.append(replace(action, group=group))
            case SetOption() if action.name in lacking:
                return None
            case _:
                actions.append(action)
    return replace(life, actions=tuple(actions))


def _other_defaults(defaults: Mapping[str, Any], arguments: Collection[str]) -> dict[str, Any]:
    """The page's weight_decay for a subject with another default; a life has the rest."""
    page = DEFAULTS.weight_decay
    differs = "weight_decay" in arguments and (defaults.get("weight_decay") or 0.0) != page
    return {"weight_decay": page} if differs else {}


def _as_plain_list(action: Construct) -> Construct:
    """The same optimizer of one group, from a plain list of its parameters."""
    (group,) = action.groups
    return replace(
        action,
        groups=(replace(group, options=Options()),),
        options=replace(action.options, **group.options.passed()),
        container=action.container if action.container.is_plain else Container.LIST,
    )


_OPTIONS: Final = tuple(each.name for each in fields(Options))


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
