"""The verdicts of an audit, with the worst elements and their numbers."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np

from ...oracles.batch.lockstep import QUANTITIES
from ...oracles.batch.tally import by_bound
from ...oracles.verdict import Divergence, Quantity, Status, Verdict
from ...oracles.worked import worked_step
from ..ledger.ledger import Ledger
from ..rule import verdicts as rule_verdicts
from ..rule.verdicts import CheckResult
from .books import COUNT, MASTER, NO_GRADIENT, OUTSIDE, judge_books
from .causes import Findings
from .dtypes import of_state, of_theta
from .element_reader import ElementReader, ElementSample, judge_exactly
from .overview import rate_figures, tensor_figures
from .run import AuditReport, DtypeModel
from .sample import element_evidence
from .tallies import ElementIndex, NonFinite, RecordedError, RecordedTally

RECORDING: Final = "audit/recording"
"""Whether the recording is whole, and as it was written."""
UNJUDGED: Final = "audit/unjudged"
"""What is whole, and cannot be judged."""
_LOCKSTEP: Final = "audit/lockstep/"
CHECKS: Final = (
    RECORDING,
    UNJUDGED,
    COUNT,
    OUTSIDE,
    NO_GRADIENT,
    MASTER,
    *(f"{_LOCKSTEP}{quantity.value}" for quantity in QUANTITIES),
    "rule/documented",
    "rule/scalars",
    "rule/subnormals",
    "special/nan-gradient",
)
"""The checks of an audit: its own, and those of the suite that a recording can answer."""

_SINCE: Final = "0.1.0"
_SHOWN: Final = 12
_BINS: Final = 32
_POINTS: Final = 128
_NO_DTYPE: Final = "-"


def verdicts(
    audited: AuditReport, ledger: Ledger | None, arguments: Sequence[str], *, unfinished: bool
) -> list[Verdict]:
    """Every verdict of an audit.

    Args:
        audited: the result of the audit.
        ledger: the known divergences.
        arguments: of the command line, as far as they are needed to reproduce a verdict.
        unfinished: whether a recording without an end is accepted up to its last whole step.
    """
    facts = audited.manifest.facts
    dtypes = sorted(audited.models) or [_NO_DTYPE]
    reproduce = shlex.join(["adamax-conformance", "audit", str(audited.manifest.folder), *arguments])

    def of(dtype: str, result: CheckResult) -> Verdict:
        verdict = Verdict(
            check=result.check,
            status=result.status,
            subject=str(facts["subject"]),
            dtype=of_theta(dtype),
            device=str(facts["device"]),
            reason=result.reason
            or (result.divergence.reason if result.divergence else _state_in_words(dtype, result.check)),
            since=_SINCE,
            divergence=result.divergence,
            reproduce=reproduce,
            measured=result.measured,
        )
        return verdict if ledger is None else ledger.apply_to_recording(verdict, str(facts["version"]))

    all_verdicts = [of(dtypes[0], _recording_result(audited, unfinished=unfinished))]
    books = judge_books(audited.result, audited.manifest.skipped)
    all_verdicts += [of(dtypes[0], result) for result in books]
    if audited.result.unjudged:
        words = _join([str(each) for each in sorted(audited.result.unjudged)])
        all_verdicts.append(of(dtypes[0], CheckResult(UNJUDGED, Status.SKIPPED, words)))
    reader = ElementReader(audited.manifest)
    for dtype, model in sorted(audited.models.items()):
        all_verdicts += [of(dtype, result) for result in _of_dtype(audited, reader, dtype, model)]
    return all_verdicts


def _state_in_words(dtype: str, check: str) -> str:
    """That the state is finer than theta, where something is judged in two formats."""
    if of_theta(dtype) == of_state(dtype) or not check.startswith(_LOCKSTEP):
        return ""
    return f"theta is {of_theta(dtype)}, m and u are {of_state(dtype)}: each is judged in its format"


def diagnoses(audited: AuditReport, judged: Sequence[Verdict]) -> Iterator[dict[str, Any]]:
    """The findings on each dtype, as a record keeps them."""
    subject = str(audited.manifest.facts["subject"])
    for dtype, found in audited.findings.items():
        explains = [
            [v.check, v.dtype]
            for v in judged
            if v.status is Status.DIVERGES
            and v.dtype == of_theta(dtype)
            and v.check not in {RECORDING, UNJUDGED, COUNT, NO_GRADIENT, MASTER}
        ]
        if not explains:
            continue  # the ledger knows all of it
        causes = [
            {"cause": c.slug, "sentence": c.sentence, "documented": c.documented, "line": c.line}
            for c in found.causes
        ]
        yield {
            "subject": subject,
            "dtype": of_theta(dtype),
            "diagnosis": found.sentence,
            "causes": causes,
            "conditions": "" if causes else found.where,
            "seen": f"{found.wrong} of {found.seen} steps of tensors",
            "lives": found.seen,
            "diverging_lives": found.wrong,
            **({"explains": explains} if causes else {}),
        }


def _of_dtype(
    audited: AuditReport, reader: ElementReader, dtype: str, model: DtypeModel
) -> Iterator[CheckResult]:
    subject = str(audited.manifest.facts["subject"])
    tallies = {q: audited.result.tallies.get((dtype, q), RecordedTally()) for q in QUANTITIES}
    finding = audited.findings.get(dtype)
    known = rule_verdicts.judge_rule(model.identification, subject)
    if finding is not None and finding.explains_rule:
        yield _cause_result(reader, finding, model, tallies, known) if finding.causes else known
        words = f"not judged, since something else explains the errors: {finding.sentence}"
        yield CheckResult("rule/scalars", Status.SKIPPED, words)
    else:
        yield known
        yield rule_verdicts.judge_scalars(model.identification, subject)
    if model.arithmetic != audited.declared:
        yield CheckResult(
            "rule/subnormals",
            Status.DIVERGES,
            divergence=Divergence(
                quantity=Quantity.OUTCOME,
                reason="subnormal numbers are flushed to zero: only so are all elements within their bounds",
                expected="subnormal numbers",
                actual="zeros",
            ),
        )
    shown = [tallies[quantity] for quantity in QUANTITIES]
    reader.read_ahead(error.index for tally in shown for error in (*tally.worst, tally.first) if error)
    yield _non_finite_result(reader, audited.result.non_finite.get(dtype, NonFinite()))
    words = "" if finding is None else finding.sentence
    for quantity in QUANTITIES:
        result = _lockstep_result(reader, quantity, model, tallies[quantity], words)
        by_tensor = tensor_figures(audited.result, dtype, quantity)
        yield replace(result, measured={**result.measured, "by_tensor": by_tensor})


def _cause_result(
    reader: ElementReader,
    finding: Findings,
    model: DtypeModel,
    tallies: Mapping[Quantity, RecordedTally],
    known: CheckResult,
) -> CheckResult:
    """The result on the rule where a cause explains what is off.

    The evidence is the first element that shows it.
    """
    shown = ((q, tally.first) for q, tally in tallies.items() if tally.first is not None)
    quantity, error = min(shown, key=lambda each: each[1].index, default=(Quantity.THETA, None))
    if error is None:
        divergence = Divergence(Quantity.OUTCOME, finding.sentence, "the documented rule", finding.sentence)
    else:
        found = _divergence(reader, quantity, model, error)
        divergence = replace(found, reason=f"{finding.sentence}: {found.reason}")
    return CheckResult("rule/documented", Status.DIVERGES, divergence=divergence, measured=known.measured)


def _recording_result(audited: AuditReport, *, unfinished: bool) -> CheckResult:
    """The result on the recording's wholeness; damage neither diverges nor conforms."""
    manifest = audited.manifest
    damages = [str(damage) for damage in sorted(audited.result.damages)]
    whole = "it has no end: the recording was cut off, or is still being written"
    if manifest.stopped:
        whole = f"it stopped before the training did, by {manifest.stopped}"
    is_cut = manifest.ended is None or bool(manifest.stopped)
    if is_cut and not unfinished:
        damages += [f"{whole} (--unfinished accepts that)", *map(str, manifest.remains)]
    measured = {
        "steps": len(manifest.judged),
        "damages": damages[:200],
        "rates": rate_figures(audited.result),
        **_shown_facts(manifest.facts),
    }
    if damages:
        count = (
            f"{len(damages)} of the recording's parts are"
            if len(damages) > 1
            else "a part of the recording is"
        )
        return CheckResult(
            RECORDING, Status.BROKEN, f"{count} not as written: {_join(damages)}", measured=measured
        )
    if not manifest.judged:
        words = f"the recording has no steps{'; all were skipped' if manifest.skipped else ''}"
        return CheckResult(RECORDING, Status.SKIPPED, words, measured=measured)
    notes = []
    if is_cut:
        notes.append(f"{whole}; audited up to the recorded step {max(manifest.steps)}")
    if manifest.dropped:
        notes.append(f"the recorder kept the last steps; {manifest.dropped + 1} before them are not judged")
    if manifest.tensors:
        notes.append(f"only the tensors {', '.join(manifest.tensors)} are judged")
    if manifest.ended:
        notes.append(f"the training was ended by {manifest.ended}")
    return CheckResult(RECORDING, Status.CONFORMS, "; ".join(notes), measured=measured)


def _shown_facts(facts: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in facts.items() if name not in {"kind", "chain"}}


def _join(words: Sequence[str]) -> str:
    more = f"; and {len(words) - _SHOWN} more" if len(words) > _SHOWN else ""
    return "; ".join(words[:_SHOWN]) + more


def _non_finite_result(reader: ElementReader, found: NonFinite) -> CheckResult:
    check = "special/nan-gradient"
    measured = {"not finite": found.count, "wrong": found.wrong}
    if not found.count:
        return CheckResult(check, Status.SKIPPED, "every gradient and every state before a step is finite")
    if found.first_wrong is not None:
        where = _where(reader, found.first_wrong)
        reason = f"in {found.wrong} elements a NaN or an infinity is lost in a step, first in {where}"
        divergence = Divergence(
            quantity=Quantity.THETA,
            reason=reason,
            expected="nan",
            actual="another number",
            extra=_numbers_at(reader, found.first_wrong),
        )
        return CheckResult(check, Status.DIVERGES, divergence=divergence, measured=measured)
    assert found.first is not None
    where = _where(reader, found.first)
    words = f"{found.count} elements are NaN or infinite before a step, first {where}; they stay so, and are not judged"
    return CheckResult(check, Status.UNSPECIFIED, words, measured=measured)


def _lockstep_result(
    reader: ElementReader, quantity: Quantity, model: DtypeModel, tally: RecordedTally, finding: str
) -> CheckResult:
    check = f"{_LOCKSTEP}{quantity.value}"
    if not tally.judged:
        return CheckResult(check, Status.SKIPPED, "no element of it could be judged")
    measured = _tally_figures(tally) | {
        "worst": [_element_facts(reader, quantity, model, error) for error in tally.worst]
    }
    if tally.first is None and tally.open >= tally.judged:
        words = "nothing was compared: the bound of every element is infinite, or every learning rate is 0"
        return CheckResult(check, Status.SKIPPED, words, measured=measured)
    if tally.first is None:
        return CheckResult(check, Status.CONFORMS, measured=measured)
    divergence = _divergence(reader, quantity, model, tally.first)
    if finding:
        divergence = replace(divergence, reason=f"{finding}: {divergence.reason}")
    if tally.exceeded > 1:
        more = f"{divergence.reason}; {tally.exceeded - 1} more elements are beyond their bounds"
        divergence = replace(divergence, reason=more)
    return CheckResult(check, Status.DIVERGES, divergence=divergence, measured=measured)


def _divergence(
    reader: ElementReader, quantity: Quantity, model: DtypeModel, error: RecordedError
) -> Divergence:
    """The exact oracle's evidence on an element that the vectorised one found."""
    sampled = reader.element(error.index)
    evidence = None if sampled is None else element_evidence(sampled, 0, quantity, model.error_model)
    if evidence is None or sampled is None:  # its file was changed since
        return Divergence(
            quantity=quantity,
            reason=f"{quantity.value} of {error.index} is off by {error.in_ulp:.4g} ulp; it can no longer be read",
            expected="unknown",
            actual="unknown",
        )
    before, after = sampled.block.element(0)
    worked = worked_step(before, after, sampled.batch.options, sampled.batch.t, model.error_model)
    return replace(evidence, extra=_numbers_at(reader, error.index) | worked)


def _element_facts(
    reader: ElementReader, quantity: Quantity, model: DtypeModel, error: RecordedError
) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "recorded step": error.index.number,
        "parameter": error.index.parameter,
        "index": error.index.flat_index,
        "error_over_bound": error.over_bound,
        "error_ulp": error.in_ulp,
    }
    sampled = reader.element(error.index)
    if sampled is None:
        return facts
    judgement = judge_exactly(sampled, 0, model.error_model).get(quantity)
    if judgement is not None and judgement.error_size is not None:
        facts |= {
            "error_over_bound": judgement.error_size.over_bound,
            "error_ulp": judgement.error_size.in_ulp,
            "expected": judgement.error_size.rounded.hex(),
            "actual": judgement.actual.hex(),
        }
    return facts | _numbers_of(sampled)


def _numbers_at(reader: ElementReader, element: ElementIndex) -> dict[str, Any]:
    sampled = reader.element(element)
    return {} if sampled is None else _numbers_of(sampled)


def _numbers_of(sampled: ElementSample) -> dict[str, Any]:
    """All numbers of the step of one element."""
    (before, after), batch = sampled.block.element(0), sampled.batch
    chunk = batch.chunks[0]
    element = [int(i) for i in np.unravel_index(sampled.elements[0].flat_index, chunk.shape)]
    names = ("theta before", "m before", "u before", "gradient", "theta after", "m after", "u after")
    numbers = {
        name: f"{value!r} ({value.hex()})" for name, value in zip(names, (*before, *after), strict=True)
    }
    return {
        "name": chunk.parameter.name,
        "element": element,
        "t": batch.t,
        **{name: repr(value) for name, value in batch.options.options().items()},
        **numbers,
    }


def _where(reader: ElementReader, element: ElementIndex) -> str:
    sampled = reader.element(element)
    if sampled is None:
        return (
            f"element {element.flat_index} of parameter {element.parameter}, recorded step {element.number}"
        )
    facts = _numbers_of(sampled)
    name = f" ({facts['name']})" if facts["name"] else ""
    return (
        f"element {facts['element']} of parameter {element.parameter}{name} after step {facts['t']} "
        f"(recorded step {element.number}): gradient {facts['gradient']}, theta {facts['theta before']} to "
        f"{facts['theta after']}"
    )


def _tally_figures(tally: RecordedTally) -> dict[str, Any]:
    steps = sorted(tally.nearest.values(), key=lambda error: error.index.number)
    # Of as many steps in a row as make a point, the one with the largest fraction of its bound.
    each = -(-len(steps) // _POINTS) or 1
    kept = [min(steps[start : start + each], key=by_bound) for start in range(0, len(steps), each)]
    largest = max((error.in_ulp for error in tally.by_step.values()), default=0.0)
    return {
        "judged": tally.judged,
        "open": tally.open,
        "exceeded": tally.exceeded,
        "skipped": tally.skipped,
        "largest_over_bound": tally.worst[0].over_bound if tally.worst else 0.0,
        "largest_ulp": largest,
        "ulp_by_step": [
            [error.index.number, error.in_ulp, error.in_ulp / error.over_bound]
            for error in kept
            if error.over_bound
        ],
        "histogram": {
            "edges": [count / 16 for count in range(_BINS + 1)],
            "counts": [tally.sixteenths.get(index, 0) for index in range(_BINS)],
            "beyond": sum(count for index, count in tally.sixteenths.items() if index >= _BINS),
        },
    }
