"""What is said of the rule that was identified? The checks `rule/documented` and `rule/scalars`."""

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
class Decision:
    """What a check says, before it is known of whom.

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


def documented(found: Identification, subject: str) -> Decision:
    """Whether the rule is the documented one.

    Args:
        found: what was identified.
        subject: its name, which tells where its own documentation is.
    """
    check, facts, own = "rule/documented", _facts(found, subject), documentation_of(subject)
    if found.rule == DOCUMENTED:
        words = found.describe() if found.open else ""
        return Decision(check, Status.CONFORMS, words, measured=facts)
    misfit = next(iter(found.misfits.values()), None)
    divergence = Divergence(
        quantity=Quantity.OUTCOME,
        reason=f"implements {found.describe()}{_as_documented(own, found)}",
        expected="the documented rule",
        actual=found.rule.name if found.rule else "no known rule",
        case=misfit.case if misfit else None,
        step=misfit.step if misfit else None,
        parameter=misfit.parameter if misfit else None,
        element=misfit.element if misfit else None,
        extra={} if misfit is None else {"first misfit": misfit.reason},
    )
    if found.rule is not None:
        facts["trajectories"] = trajectories(found.rule)
    return Decision(check, Status.DIVERGES, divergence=divergence, measured=facts)


def scalars(found: Identification, subject: str) -> Decision:
    """Whether no scalar is computed below the working precision."""
    check, facts = "rule/scalars", _facts(found, subject)
    if found.admissible:
        return Decision(check, Status.CONFORMS, measured=facts)
    format_ = found.format_
    coarse = {
        q: getattr(found.habits, q).name.lower()
        for q in ("m", "u", "theta")
        if getattr(found.habits, q).precision < format_.precision
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
    return Decision(check, Status.DIVERGES, divergence=divergence, measured=facts)


def _facts(found: Identification, subject: str) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "rule": found.nearest.name if found.rule else None,
        "also": [rule.name for rule in found.also],
        "open": dict(found.open),
        "computed in": found.computes_in.name.lower(),
        "form": found.habits.form.value,
        "scalars": {q: getattr(found.habits, q).name.lower() for q in ("m", "u", "theta")},
        "evidence": list(found.evidence),
    }
    own = documentation_of(subject)
    if own is not None:
        facts["own documentation"] = own.source
        facts["documented there"] = own.rule.name if own.rule else "no formula"
    return facts


def _as_documented(own: Documentation | None, found: Identification) -> str:
    """Whether the framework's own documentation states the formula that was found."""
    if own is None or own.rule is None or found.rule is None:
        return ""
    agrees = any(own.states(rule) for rule in (found.rule, *found.also))
    return f", {'as' if agrees else 'other than'} {own.title} documents ({own.source})"
