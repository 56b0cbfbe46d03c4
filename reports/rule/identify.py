"""What does a subject implement? It is run on the cases that separate the rules, as far as it takes them."""

from __future__ import annotations

from contextlib import suppress

from ...impl.protocol.errors import Rejected, Skipped, SubjectError
from ...impl.subject.client import Handle, Subject
from ...oracles.error_model import CORRECTLY_ROUNDED, Arithmetic
from ...oracles.formats import Format
from ...oracles.identify.cases import Run, habit_cases, rule_cases
from ...oracles.identify.result import Identification, Refusal
from ...oracles.identify.search import identify
from ...reference.case import Case
from ...reference.hyperparameters import Hyperparameters


def identified(subject: Subject, dtype: str, arithmetic: Arithmetic = CORRECTLY_ROUNDED) -> Identification:
    """What a subject is found to be, in one dtype.

    A case whose options the subject's constructor does not take, or which its adapter cannot express, is left
    out, and what it would have told is said to be open. A case that tells habits, by a beta1 next to 0 or 1, and on
    which the subject raises is left out too: `contract/betas/below-one` judges that.

    Args:
        subject: the subject.
        dtype: one of its dtypes.
        arithmetic: what is declared of its operations.

    Raises:
        SubjectError: it raised in the midst of an ordinary step, gave no answer, or takes no case at all.
    """
    format_ = Format.of(dtype)
    runs: list[Run] = []
    refusals: list[Refusal] = []
    first: SubjectError | None = None
    for case in rule_cases(format_):
        try:
            handle = _constructed(subject, case, dtype)
        except (Rejected, Skipped) as error:
            refusals.append(Refusal(case, str(error)))
            first = first or error
        else:
            runs.append(_stepped(subject, handle, case))
    if not runs and first is not None:
        raise first
    for case in habit_cases(format_):
        with suppress(Rejected, Skipped):
            runs.append(_stepped(subject, _constructed(subject, case, dtype), case))
    return identify(runs, format_, arithmetic, refusals)


def _stepped(subject: Subject, handle: Handle, case: Case) -> Run:
    """A case's steps taken, and the optimizer let go of."""
    states = [subject.step(handle, case.gradients(t)) for t in range(1, case.steps + 1)]
    subject.release(handle)
    return case, states


def _constructed(subject: Subject, case: Case, dtype: str) -> Handle:
    """An optimizer for a case, which is not told what changes nothing where it will not hear of that."""
    known = subject.info.arguments
    lacking = {name for group in case.groups for name in _needed(group.hyperparameters) if name not in known}
    if lacking:
        raise Skipped(f"{subject.info.framework} has no argument {' and '.join(sorted(lacking))}")
    told = subject.groups(case)
    try:
        return subject.construct(told, dtype)
    except (Rejected, Skipped):
        needed = [
            ({name: x for name, x in options.items() if name in _needed(group.hyperparameters)}, params)
            for (options, params), group in zip(told, case.groups, strict=True)
        ]
        if needed == told:
            raise
        return subject.construct(needed, dtype)


def _needed(hyperparameters: Hyperparameters) -> set[str]:
    """The options but those that say that there is no decay, or no ascent."""
    return {
        name
        for name, value in hyperparameters.options().items()
        if value or name not in {"weight_decay", "maximize"}
    }
