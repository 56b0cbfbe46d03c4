"""Identify what a subject implements, on the cases that separate the rules."""

from __future__ import annotations

from contextlib import suppress

from ...impl.protocol.errors import RejectedError, SkippedError, SubjectError
from ...impl.subject.client import Handle, Subject
from ...oracles.error_model import CORRECTLY_ROUNDED, Arithmetic
from ...oracles.formats import Format
from ...oracles.identify.cases import ObservedRun, rule_cases, scheme_cases
from ...oracles.identify.result import Identification, Refusal
from ...oracles.identify.search import identify
from ...reference.case import Case
from ...reference.hyperparameters import Hyperparameters


def identify_rule(subject: Subject, dtype: str, arithmetic: Arithmetic = CORRECTLY_ROUNDED) -> Identification:
    """Identify what a subject implements in one dtype.

    A case is left out if the subject's constructor rejects its options, or its adapter cannot express it; what the
    case would have shown is then undetermined. A case that distinguishes evaluation schemes, by a beta1 next to 0
    or 1, is also left out if the subject raises on it: `contract/betas/below-one` judges that.

    Args:
        subject: the subject.
        dtype: one of its dtypes.
        arithmetic: the declared arithmetic of its device.

    Raises:
        SubjectError: it raised in the midst of an ordinary step, gave no answer, or takes no case at all.
    """
    format_ = Format.of(dtype)
    runs: list[ObservedRun] = []
    refusals: list[Refusal] = []
    first: SubjectError | None = None
    for case in rule_cases(format_):
        try:
            handle = _construct(subject, case, dtype)
        except (RejectedError, SkippedError) as error:
            refusals.append(Refusal(case, str(error)))
            first = first or error
        else:
            runs.append(_run_case(subject, handle, case))
    if not runs and first is not None:
        raise first
    for case in scheme_cases(format_):
        with suppress(RejectedError, SkippedError):
            runs.append(_run_case(subject, _construct(subject, case, dtype), case))
    return identify(runs, format_, arithmetic, refusals)


def _run_case(subject: Subject, handle: Handle, case: Case) -> ObservedRun:
    """Take a case's steps, then release the optimizer."""
    states = [subject.step(handle, case.gradients(t)) for t in range(1, case.steps + 1)]
    subject.release(handle)
    return case, states


def _construct(subject: Subject, case: Case, dtype: str) -> Handle:
    """Construct the optimizer; retry without options that have no effect."""
    known = subject.info.arguments
    lacking = {name for group in case.groups for name in _needed(group.hyperparameters) if name not in known}
    if lacking:
        raise SkippedError(f"{subject.name} has no argument {' and '.join(sorted(lacking))}")
    told = subject.groups(case)
    try:
        return subject.construct(told, dtype)
    except (RejectedError, SkippedError):
        needed = [
            ({name: x for name, x in options.items() if name in _needed(group.hyperparameters)}, params)
            for (options, params), group in zip(told, case.groups, strict=True)
        ]
        if needed == told:
            raise
        return subject.construct(needed, dtype)


def _needed(hyperparameters: Hyperparameters) -> set[str]:
    """The options without those that have no effect: no decay, no ascent."""
    return {
        name
        for name, value in hyperparameters.options().items()
        if value or name not in {"weight_decay", "maximize"}
    }
