"""Judge the identified rule: the checks `rule/documented` and `rule/scalars`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ...oracles.identify.result import Identification
from ...oracles.verdict import Divergence, Quantity, Status
from ...reference.documentation import Documentation, documentation_of
from ...reference.rules import DOCUMENTED
from .demo import trajectories


@dataclass(frozen=True)
class CheckResult:
    """The result of a check, without the subject, dtype and device of a verdict.

    Attributes:
        check: its id.
        status: the answer.
        reason: why.
        divergence: the evidence.
        measured: figures and facts.
    """

    check: str
    status: Status
    reason: str = ""
    divergence: Divergence | None = None
    measured: Mapping[str, Any] = field(default_factory=dict)


def judge_rule(
    found: Identification, subject: str, documented_by: Documentation | None = None
) -> CheckResult:
    """Judge whether the rule is the documented one.

    Args:
        found: the identification.
        subject: its name, to find its own documentation.
        documented_by: the documentation that it is held to instead of the page.
    """
    own = documented_by or documentation_of(subject)
    check, facts = "rule/documented", _facts(found, own)
    if found.goes_on_from_copy:
        words = (
            "theta is rounded from a more precise copy, which is another state than the one shown: its single "
            "steps are not within their bounds"
        )
        return CheckResult(check, Status.DIVERGES, divergence=_outcome(words, found), measured=facts)
    if documented_by is not None and _states(documented_by, found):
        words = f"implements {found.describe()}{_compare_documentation(own, found)}"
        return CheckResult(check, Status.CONFORMS, words, measured=facts)
    if documented_by is None and found.rule == DOCUMENTED:
        words = found.describe() if found.undetermined else ""
        return CheckResult(check, Status.CONFORMS, words, measured=facts)
    mismatch = next(iter(found.mismatches.values()), None)
    words = f"implements {found.describe()}{_compare_documentation(own, found)}"
    divergence = _outcome(words if mismatch is None else f"{words}: {mismatch.reason}", found)
    if found.rule is not None:
        facts["trajectories"] = trajectories(found.rule)
    return CheckResult(check, Status.DIVERGES, divergence=divergence, measured=facts)


def _outcome(reason: str, found: Identification) -> Divergence:
    """The evidence against a rule, with the first number that it does not give."""
    mismatch = next(iter(found.mismatches.values()), None)
    return Divergence(
        quantity=Quantity.OUTCOME,
        reason=reason,
        expected="the documented rule",
        actual=found.rule.name if found.rule else "no known rule",
        case=mismatch.case if mismatch else None,
        step=mismatch.step if mismatch else None,
        parameter=mismatch.parameter if mismatch else None,
        element=mismatch.element if mismatch else None,
        extra={} if mismatch is None else {"first misfit": mismatch.reason},
    )


def judge_scalars(found: Identification, subject: str) -> CheckResult:
    """Judge whether no scalar is computed below the working precision."""
    check, facts = "rule/scalars", _facts(found, documentation_of(subject))
    if found.admissible:
        weakness = found.scheme.form.weakness if found.rule is not None else ""
        return CheckResult(check, Status.CONFORMS, weakness and f"weak: {weakness}", measured=facts)
    format_ = found.format_
    coarse = {
        q: getattr(found.scheme, q).name.lower()
        for q in ("m", "u", "theta")
        if getattr(found.scheme, q).precision < format_.precision
    }
    words = ", ".join(f"of {q} in {name}" for q, name in coarse.items())
    what = "scalars"
    if found.computes_in is not format_:
        what, words = "numbers", f"all in {found.computes_in.name.lower()}"
    working = format_.name.lower()
    divergence = Divergence(
        quantity=Quantity(next(iter(coarse), "theta")),
        reason=f"{what} are computed below the working precision {working}: {words}",
        expected=f"{what} of {working} or finer",
        actual=words,
    )
    return CheckResult(check, Status.DIVERGES, divergence=divergence, measured=facts)


def _facts(found: Identification, own: Documentation | None) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "rule": found.nearest.name if found.rule else None,
        "also": [rule.name for rule in found.alternatives],
        "open": dict(found.undetermined),
        "computed in": found.computes_in.name.lower(),
        "form": found.scheme.form.value,
        "scalars": {q: getattr(found.scheme, q).name.lower() for q in ("m", "u", "theta")},
        "evidence": list(found.evidence),
    }
    if own is not None:
        facts["own documentation"] = own.source
        facts["documented there"] = own.rule.name if own.rule else "no formula"
    return facts


def _compare_documentation(own: Documentation | None, found: Identification) -> str:
    """Words on whether the framework's documentation states the found formula."""
    if own is None or own.rule is None or found.rule is None:
        return ""
    return f", {'as' if _states(own, found) else 'other than'} {own.title} documents ({own.source})"


def _states(own: Documentation, found: Identification) -> bool:
    """Whether a documentation states the rule that was found, or one that also fits."""
    return found.rule is not None and any(own.states(rule) for rule in (found.rule, *found.alternatives))
