"""What does a subject implement? It is run on the cases that separate the rules, as far as it takes them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..impl.client import Handle, Subject
from ..impl.failures import Rejected, Skipped, SubjectError
from ..oracles.arithmetic import CORRECTLY_ROUNDED, Arithmetic
from ..oracles.formats import Format
from ..oracles.identify import Identification, Refusal, Run, cases, identify
from ..reference.case import Case
from ..reference.hyperparameters import Hyperparameters


def identified(subject: Subject, dtype: str, arithmetic: Arithmetic = CORRECTLY_ROUNDED) -> Identification:
    """What a subject is found to be, in one dtype.

    A case whose options the subject's constructor does not take, or which its adapter cannot express, is left
    out, and what it would have told is said to be open.

    Args:
        subject: the subject.
        dtype: one of its dtypes.
        arithmetic: what is declared of its operations.

    Raises:
        SubjectError: it raised in the midst of a step, gave no answer, or takes no case at all.
    """
    format_ = Format.of(dtype)
    runs: list[Run] = []
    refusals: list[Refusal] = []
    first: SubjectError | None = None
    for case in cases(format_):
        try:
            handle = _constructed(subject, case, dtype)
        except (Rejected, Skipped) as error:
            refusals.append(Refusal(case, str(error)))
            first = first or error
        else:
            runs.append((case, [subject.step(handle, case.gradients(t)) for t in range(1, case.steps + 1)]))
            subject.release(handle)
    if not runs and first is not None:
        raise first
    return identify(runs, format_, arithmetic, refusals)


def _constructed(subject: Subject, case: Case, dtype: str) -> Handle:
    """An optimizer for a case, which is not told what changes nothing where it will not hear of that."""

    def construct(options: Callable[[Hyperparameters], dict[str, Any]]) -> Handle:
        groups = [(options(g.hyperparameters), [p.theta for p in g.parameters]) for g in case.groups]
        return subject.construct(groups, dtype)

    try:
        return construct(lambda h: h.options())
    except (Rejected, Skipped):
        if all(_needed(g.hyperparameters) == g.hyperparameters.options() for g in case.groups):
            raise
        return construct(_needed)


def _needed(hyperparameters: Hyperparameters) -> dict[str, Any]:
    """The options without those that say that there is no decay, or no ascent."""
    return {
        name: value
        for name, value in hyperparameters.options().items()
        if value or name not in {"weight_decay", "maximize"}
    }
