"""Identify what a subject implements, on the cases that separate the rules."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from ...impl.protocol.errors import RejectedError, SkippedError, SubjectError
from ...impl.subject.client import Handle, Subject
from ...oracles.error_model import CORRECTLY_ROUNDED, Arithmetic
from ...oracles.formats import Format
from ...oracles.identify.cases import ObservedRun, rule_cases, scheme_cases
from ...oracles.identify.result import Identification, Refusal
from ...oracles.identify.search import identify
from ...reference.case import Case, Group, Parameter
from ...reference.hyperparameters import DEFAULTS, Hyperparameters
from ...reference.rules import Rule


def identify_rule(
    subject: Subject, dtype: str, arithmetic: Arithmetic = CORRECTLY_ROUNDED, likely: Rule | None = None
) -> Identification:
    """Identify what a subject implements in one dtype.

    A case is left out if the subject's constructor rejects its options, or its adapter cannot express it; what the
    case would have shown is then undetermined. A case that distinguishes evaluation schemes, by a beta1 next to 0
    or 1, is also left out if the subject raises on it: `contract/betas/below-one` judges that.

    Args:
        subject: the subject.
        dtype: one of its dtypes.
        arithmetic: the declared arithmetic of its device.
        likely: a rule that is tried alone. If it fits admissibly, no other is looked for.

    Raises:
        SubjectError: it raised in the midst of an ordinary step, gave no answer, or takes no case at all.
    """
    format_ = Format.of(dtype)
    runs: list[ObservedRun] = []
    refusals: list[Refusal] = []
    first: SubjectError | None = None
    fixed = "eps" not in subject.info.arguments
    cases = (
        (*map(_with_default_eps, rule_cases(format_)), _tiny_gradients(format_))
        if fixed
        else rule_cases(format_)
    )
    for case in cases:
        try:
            handle = _construct(subject, case, dtype)
        except (RejectedError, SkippedError) as error:
            refusals.append(Refusal(case, str(error)))
            first = first or error
        else:
            runs.append(_run_case(subject, handle, case))
    if not runs and first is not None:
        raise first
    schemes = scheme_cases(format_)
    for case in map(_with_default_eps, schemes) if fixed else schemes:
        with suppress(RejectedError, SkippedError):
            runs.append(_run_case(subject, _construct(subject, case, dtype), case))
    return identify(runs, format_, arithmetic, refusals, likely)


def _with_default_eps(case: Case) -> Case:
    """The case with the eps that a subject without that argument may have."""
    groups = (
        replace(group, hyperparameters=replace(group.hyperparameters, eps=DEFAULTS.eps))
        for group in case.groups
    )
    return replace(case, groups=tuple(groups))


def _tiny_gradients(format_: Format) -> Case:
    """A case with gradients of the size of the default eps, so that its place shows."""
    sizes = [format_.round_float(k * DEFAULTS.eps) for k in (1.0, -0.75, 3.0, -2.5)]
    gradients = [[scale * size for size in sizes] for scale in (1.0, 2.0, 0.5)]
    setting = Hyperparameters(lr=0.3, beta1=0.6, beta2=0.7, eps=DEFAULTS.eps)
    return Case("identify/eps", (Group(setting, (Parameter.of([1.0, -2.0, 0.5, 4.0], gradients),)),))


def _run_case(subject: Subject, handle: Handle, case: Case) -> ObservedRun:
    """Take a case's steps, then release the optimizer."""
    states = [subject.step(handle, case.gradients(t)) for t in range(1, case.steps + 1)]
    subject.release(handle)
    return case, states


def _construct(subject: Subject, case: Case, dtype: str) -> Handle:
    """Construct the optimizer; retry without options that have no effect."""
    known = subject.info.arguments
    lacking = {name for group in case.groups for name in _needed(group.hyperparameters) if name not in known}
    lacking.discard("eps")  # the default is in force, or there is none
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
