"""The divergences of a run that a cause explains, each performed again."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, MutableMapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from ...impl.protocol.errors import SubjectError
from ...impl.subject.capabilities import restrict_life
from ...impl.subject.client import Subject
from ...oracles.causes.diagnosis import Cause, explains
from ...oracles.formats import Format
from ...oracles.identify.cases import rule_cases
from ...oracles.verdict import Verdict
from ...reference.case import Case, Layout
from ...reference.features import PLAIN_CALL
from ...reference.life import (
    Action,
    AddGroup,
    Construct,
    Copy,
    GradientSpec,
    GroupSpec,
    Life,
    Load,
    Memory,
    Number,
    Options,
    ParameterSpec,
    Refuse,
    Run,
    Save,
    SetCount,
    SetLr,
    SetOption,
    Step,
)
from ...reference.values import FloatArray, Values

_LARGEST: Final = 500_000
"""The numbers of a life, over all its steps, up to which it is performed again."""
_PERIODS: Final = 256
"""The periods of a longer array that are looked for."""
_PATIENCE: Final = 6
"""A machine that does other work takes so many times longer."""
_MEMORY: Final = {
    Layout.CONTIGUOUS: Memory.CONTIGUOUS,
    Layout.STRIDED: Memory.STRIDED,
    Layout.TRANSPOSED: Memory.COLUMN_MAJOR,
    Layout.REVERSED: Memory.REVERSED,
}
_KNOWN: Final = (AddGroup, Construct, Copy, Load, Refuse, Run, Save, SetCount, SetLr, SetOption, Step)


def explained(
    subject: Subject, cause: Cause, verdicts: Iterable[Verdict], seconds: float, *, groups: bool = True
) -> tuple[tuple[str, str], ...]:
    """The divergences that a cause explains, as check and dtype.

    Each case or life that diverged is performed again. The cause explains it if the documented optimizer does not
    give the numbers that are seen, and the cause's model gives all of them.

    Args:
        subject: newly opened where the cause is one of what the optimizers of a process share.
        cause: of the subject.
        verdicts: its divergences.
        seconds: the processor time of this process after which no further one is performed. By the clock it may be
            several times as long.
        groups: whether the subject has parameter groups.
    """
    again = _Again(subject, cause, groups=groups)
    deadline, busy = time.monotonic() + _PATIENCE * seconds, time.process_time() + seconds
    found: list[tuple[str, str]] = []
    for verdict in verdicts:
        if time.monotonic() > deadline or time.process_time() > busy:
            break
        if again.explains(verdict):
            found.append((verdict.check, verdict.dtype))
    return tuple(found)


@dataclass
class _Again:
    """The lives that a subject performed again, each judged by a cause."""

    subject: Subject
    cause: Cause
    groups: bool
    process: MutableMapping[str, Any] = field(default_factory=dict)
    judged: dict[tuple[str, str], list[tuple[Life, bool | None]]] = field(default_factory=dict)

    def explains(self, verdict: Verdict) -> bool:
        """Whether the cause explains a verdict's case or life."""
        if verdict.divergence is not None and "watched" in verdict.divergence.extra:
            return False  # what the caller holds was changed, which no number of a step says
        is_case = verdict.divergence is not None and verdict.divergence.case is not None
        shown = False
        for life in _lives(verdict):
            match self._judge(life, verdict.dtype):
                case True:
                    shown = True
                case False:
                    return False
            if shown and is_case:
                break
        return shown

    def _judge(self, life: Life, dtype: str) -> bool | None:
        """Perform a life again, once; False if the subject fails."""
        known = restrict_life(
            life,
            self.subject.info.arguments,
            groups=self.groups,
            group_options=self.subject.info.group_options,
        )
        if known is None or not _is_traceable(known):
            return None
        judged = self.judged.setdefault((known.name, dtype), [])
        if not self.cause.model.needs_process:
            for life_again, answer in judged:
                if life_again == known:
                    return answer
        try:
            seen = self.subject.live(known)
        except SubjectError:
            return False
        answer = explains(self.cause, (known, seen), Format.of(dtype), self.process)
        judged.append((known, answer))
        return answer


def _lives(verdict: Verdict) -> Iterator[Life]:
    """The lives that ask again what a verdict found; of a case the likeliest first."""
    divergence, format_ = verdict.divergence, Format.of(verdict.dtype)
    if divergence is None:
        return
    if "life" in divergence.extra:
        yield Life.from_json(divergence.extra["life"])
    elif divergence.case is not None:
        case = Case.from_json(divergence.case)
        resumes = [False]
        if verdict.check.startswith(("bookkeeping/", "relations/", "lives/")):
            resumes = [True, False] if verdict.check.startswith("bookkeeping/resume") else [False, True]
        for resumed in resumes:
            yield life_of(case, verdict.dtype, resumed=resumed)
    elif verdict.check.startswith("rule/"):
        for case in rule_cases(format_):
            yield life_of(case, verdict.dtype)


def life_of(case: Case, dtype: str, *, resumed: bool = False) -> Life:
    """A case as a life.

    Args:
        case: the case.
        dtype: of its arrays.
        resumed: whether a new optimizer goes on from a checkpoint halfway.
    """
    memory = _MEMORY[case.layout]
    rates = [group.hyperparameters.lr for group in case.groups]
    groups = tuple(
        GroupSpec(
            tuple(ParameterSpec(_recipe(p.theta), memory) for p in group.parameters),
            Options(
                Number(rates[k]),
                (group.hyperparameters.beta1, group.hyperparameters.beta2),
                group.hyperparameters.eps,
                group.hyperparameters.weight_decay,
                group.hyperparameters.maximize,
            ),
        )
        for k, group in enumerate(case.groups)
    )
    actions: list[Action] = [Construct(0, groups)]
    for t in range(1, case.steps + 1):
        for k, group in enumerate(case.groups):
            if (lr := group.at(t).lr) != rates[k]:
                rates[k] = lr
                actions.append(SetLr(0, k, Number(lr)))
        actions.append(Step(0, tuple(GradientSpec(_recipe(g), memory) for g in case.gradients(t))))
        if resumed and t == (case.steps + 1) // 2:
            actions += [Save(0, 0), Load(0, 0, fresh=True)]
    return Life(case.name, dtype, tuple(actions))


def _recipe(array: FloatArray) -> Values:
    """An array by a recipe, a short one where a long array repeats its first elements."""
    flat = array.reshape(-1)
    for period in np.flatnonzero(flat[1:_PERIODS] == flat[0]) + 1 if flat.size > _PERIODS else ():
        found = Values.folded(array, int(period))
        if len(found.pattern) == period:
            return found
    return Values.of(array)


def _is_traceable(life: Life) -> bool:
    """Whether the judge of causes reads all actions of a life that is not too long."""
    numbers = steps = 0
    for action in life.actions:
        match action:
            case Construct() | AddGroup():
                groups = action.groups if isinstance(action, Construct) else (action.group,)
                specs = [spec for group in groups for spec in group.parameters]
                if any(spec.memory.is_special for spec in specs):
                    return False
                numbers += sum(spec.values.size for spec in specs)
            case Step():
                special = any(g.memory.is_special for g in action.gradients)
                if action.call != PLAIN_CALL or special:
                    return False
                steps += 1
        if not isinstance(action, _KNOWN):
            return False
    return bool(np.prod([numbers, max(steps, 1)], dtype=np.float64) <= _LARGEST) and not life.switches
