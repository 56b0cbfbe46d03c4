"""A life of one feature, joined with the options that are quiet in it.

A bug may need both: a layout of gradients and a learning rate that was just set, or an empty parameter and weight decay.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from adamax_conformance.reference.life import (
    Action,
    AddGroup,
    Construct,
    Copy,
    Life,
    Number,
    Options,
    SetLr,
    Step,
)
from adamax_conformance.tests.conformance.cases.lives import Feature

_RATES: Final = (0.375, 0.0625, 0.5, 0.03125)
_DECAY: Final = 0.25


def combine(life: Life, features: frozenset[Feature]) -> Life:
    """The life with decay, maximized, and with lr set before every step but the first.

    Its steps are taken twice, so that none is only a first one.

    Args:
        life: of one feature; what it says itself stays.
        features: that the subject gets right; of the others nothing is added.
    """
    return replace(life, name=f"{life.name}/combined", actions=tuple(_combined(life.actions, features)))


def _combined(actions: tuple[Action, ...], features: frozenset[Feature]) -> Iterator[Action]:
    last = next((each for each in reversed(actions) if isinstance(each, Step)), None)
    again = [
        each
        for each in actions
        if isinstance(each, Step)
        and last is not None
        and (each.optimizer, len(each.gradients)) == (last.optimizer, len(last.gradients))
    ]
    groups: Counter[int] = Counter()
    steps: Counter[int] = Counter()
    for action in (*actions, *again):
        match action:
            case Construct():
                groups[action.optimizer] = len(action.groups)
                steps[action.optimizer] = 0
                yield replace(action, options=_joined(action.options, features))
                continue
            case AddGroup():
                groups[action.optimizer] += 1
            case Copy():
                groups[action.copy], steps[action.copy] = groups[action.optimizer], steps[action.optimizer]
            case Step():
                count = steps[action.optimizer]
                steps[action.optimizer] += 1
                if count and Feature.SET_LR in features:
                    for group in range(groups[action.optimizer]):
                        rate = _RATES[(count + group) % len(_RATES)]
                        yield SetLr(action.optimizer, group, Number(rate))
        yield action


def _joined(options: Options, features: frozenset[Feature]) -> Options:
    decay, maximize = options.weight_decay, options.maximize
    if decay is None and Feature.DECAY in features:
        decay = _DECAY
    if maximize is None and Feature.MAXIMIZE in features:
        maximize = True
    return replace(options, weight_decay=decay, maximize=maximize)
