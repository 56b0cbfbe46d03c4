"""What is said of a recording: its verdicts, with the worst elements and everything needed to look at them."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np

from ...oracles.batch.lockstep import QUANTITIES
from ...oracles.verdict import Divergence, Quantity, Status, Verdict
from ..ledger.ledger import Ledger
from ..rule import verdicts as following
from ..rule.verdicts import Decision
from .element_reader import Looker, Sampled, judged_exactly
from .run import Audited, Found
from .sample import evidence
from .tallies import NonFinite, Place, Seen, Tally

RECORDING: Final = "audit/recording"
"""Whether the recording is whole, and as it was written."""
UNJUDGED: Final = "audit/unjudged"
"""What is whole, and cannot be judged."""
CHECKS: Final = (
    RECORDING,
    UNJUDGED,
    *(f"audit/lockstep/{quantity.value}" for quantity in QUANTITIES),
    "rule/documented",
    "rule/scalars",
    "rule/subnormals",
    "special/nan-gradient",
)
"""What an audit decides: its own checks, and those of the suite that a recording can answer."""

_SINCE: Final = "0.1.0"
_SHOWN: Final = 12
_BINS: Final = 32
_POINTS: Final = 128
_NO_DTYPE: Final = "-"


def verdicts(
    audited: Audited, ledger: Ledger | None, arguments: Sequence[str], *, unfinished: bool
) -> list[Verdict]:
    """Every verdict of an audit.

    Args:
        audited: what was found.
        ledger: the known divergences.
        arguments: of the command line, as far as they are needed to reproduce a verdict.
        unfinished: whether a recording without an end is accepted up to its last whole step.
    """
    facts = audited.manifest.facts
    dtypes = sorted(audited.found) or [_NO_DTYPE]
    reproduce = shlex.join(["adamax-conformance", "audit", str(audited.manifest.folder), *arguments])

    def of(dtype: str, said: Decision) -> Verdict:
        verdict = Verdict(
            check=said.check,
            status=said.status,
            subject=str(facts["subject"]),
            dtype=dtype,
            device=str(facts["device"]),
            reason=said.reason or (said.divergence.reason if said.divergence else ""),
            since=_SINCE,
            divergence=said.divergence,
            reproduce=reproduce,
            measured=said.measured,
        )
        return verdict if ledger is None else ledger.settle_recorded(verdict, str(facts["version"]))

    result = [of(dtypes[0], _recording(audited, unfinished=unfinished))]
    if audited.result.unjudged:
        words = _listed([str(each) for each in sorted(audited.result.unjudged)])
        result.append(of(dtypes[0], Decision(UNJUDGED, Status.SKIPPED, words)))
    looker = Looker(audited.manifest)
    for dtype, found in sorted(audited.found.items()):
        result += [of(dtype, said) for said in _of_dtype(audited, looker, dtype, found)]
    return result


def _of_dtype(audited: Audited, looker: Looker, dtype: str, found: Found) -> Iterator[Decision]:
    subject = str(audited.manifest.facts["subject"])
    yield following.documented(found.identification, subject)
    yield following.scalars(found.identification, subject)
    if found.arithmetic != audited.declared:
        yield Decision(
            "rule/subnormals",
            Status.DIVERGES,
            divergence=Divergence(
                quantity=Quantity.OUTCOME,
                reason="subnormal numbers are flushed to zero: only so are all elements within their bounds",
                expected="subnormal numbers",
                actual="zeros",
            ),
        )
    yield _special(looker, audited.result.non_finite.get(dtype, NonFinite()))
    for quantity in QUANTITIES:
        yield _lockstep(looker, quantity, found, audited.result.tallies.get((dtype, quantity), Tally()))


def _recording(audited: Audited, *, unfinished: bool) -> Decision:
    """Whether the recording is whole; damage is no divergence, and never passes for conformance."""
    manifest = audited.manifest
    damages = [str(damage) for damage in sorted(audited.result.damages)]
    whole = "it has no end: the recording was cut off, or is still being written"
    if manifest.ended is None and not unfinished:
        damages.append(f"{whole} (--unfinished accepts that)")
    measured = {"steps": len(manifest.steps), "damages": damages[:200], **_plain(manifest.facts)}
    if damages:
        count = (
            f"{len(damages)} of the recording's parts are"
            if len(damages) > 1
            else "a part of the recording is"
        )
        return Decision(
            RECORDING, Status.BROKEN, f"{count} not as written: {_listed(damages)}", measured=measured
        )
    if not manifest.steps:
        return Decision(RECORDING, Status.SKIPPED, "the recording has no steps", measured=measured)
    notes = []
    if manifest.ended is None:
        notes.append(f"{whole}; audited up to the recorded step {max(manifest.steps)}")
    elif manifest.ended:
        notes.append(f"the training was ended by {manifest.ended}")
    return Decision(RECORDING, Status.CONFORMS, "; ".join(notes), measured=measured)


def _plain(facts: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in facts.items() if name not in {"kind", "chain"}}


def _listed(words: Sequence[str]) -> str:
    more = f"; and {len(words) - _SHOWN} more" if len(words) > _SHOWN else ""
    return "; ".join(words[:_SHOWN]) + more


def _special(looker: Looker, found: NonFinite) -> Decision:
    check = "special/nan-gradient"
    measured = {"not finite": found.count, "wrong": found.wrong}
    if not found.count:
        return Decision(check, Status.SKIPPED, "every gradient and every state before a step is finite")
    if found.first_wrong is not None:
        where = _where(looker, found.first_wrong)
        reason = f"in {found.wrong} elements a NaN or an infinity is lost in a step, first in {where}"
        divergence = Divergence(
            quantity=Quantity.THETA,
            reason=reason,
            expected="nan",
            actual="another number",
            extra=_numbers(looker, found.first_wrong),
        )
        return Decision(check, Status.DIVERGES, divergence=divergence, measured=measured)
    assert found.first is not None
    where = _where(looker, found.first)
    words = f"{found.count} elements are NaN or infinite before a step, first {where}; they stay so, and are not judged"
    return Decision(check, Status.UNSPECIFIED, words, measured=measured)


def _lockstep(looker: Looker, quantity: Quantity, found: Found, tally: Tally) -> Decision:
    check = f"audit/lockstep/{quantity.value}"
    if not tally.judged:
        return Decision(check, Status.SKIPPED, "no element of it could be judged")
    measured = _figures(tally) | {
        "worst": [_looked_at(looker, quantity, found, seen) for seen in tally.worst]
    }
    if tally.first is None:
        return Decision(check, Status.CONFORMS, measured=measured)
    divergence = _divergence(looker, quantity, found, tally.first)
    if tally.exceeded > 1:
        more = f"{divergence.reason}; {tally.exceeded - 1} more elements are beyond their bounds"
        divergence = replace(divergence, reason=more)
    return Decision(check, Status.DIVERGES, divergence=divergence, measured=measured)


def _divergence(looker: Looker, quantity: Quantity, found: Found, seen: Seen) -> Divergence:
    """The exact oracle's evidence on an element that the vectorised one has found."""
    sampled = looker.element(seen.place)
    judged = None if sampled is None else evidence(sampled, 0, quantity, found.assumption)
    if judged is None:  # its file was changed since
        return Divergence(
            quantity=quantity,
            reason=f"{quantity.value} of {seen.place} is off by {seen.in_ulp:.4g} ulp; it can no longer be read",
            expected="unknown",
            actual="unknown",
        )
    return replace(judged, extra=_numbers(looker, seen.place))


def _looked_at(looker: Looker, quantity: Quantity, found: Found, seen: Seen) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "recorded step": seen.place.number,
        "parameter": seen.place.parameter,
        "index": seen.place.index,
        "error_over_bound": seen.over_bound,
        "error_ulp": seen.in_ulp,
    }
    sampled = looker.element(seen.place)
    if sampled is None:
        return facts
    judgement = judged_exactly(sampled, 0, found.assumption).get(quantity)
    if judgement is not None and judgement.measured is not None:
        facts |= {
            "error_over_bound": judgement.measured.over,
            "error_ulp": judgement.measured.in_ulp,
            "expected": judgement.measured.rounded.hex(),
            "actual": judgement.actual.hex(),
        }
    return facts | _numbers_of(sampled)


def _numbers(looker: Looker, place: Place) -> dict[str, Any]:
    sampled = looker.element(place)
    return {} if sampled is None else _numbers_of(sampled)


def _numbers_of(sampled: Sampled) -> dict[str, Any]:
    """Everything that went into the step of one element."""
    (before, after), unit = sampled.block.element(0), sampled.unit
    piece = unit.pieces[0]
    element = [int(i) for i in np.unravel_index(sampled.places[0].index, piece.shape)]
    names = ("theta before", "m before", "u before", "gradient", "theta after", "m after", "u after")
    numbers = {
        name: f"{value!r} ({value.hex()})" for name, value in zip(names, (*before, *after), strict=True)
    }
    return {
        "name": piece.parameter.name,
        "element": element,
        "t": unit.t,
        **{name: repr(value) for name, value in unit.options.options().items()},
        **numbers,
    }


def _where(looker: Looker, place: Place) -> str:
    sampled = looker.element(place)
    if sampled is None:
        return f"element {place.index} of parameter {place.parameter}, recorded step {place.number}"
    facts = _numbers_of(sampled)
    name = f" ({facts['name']})" if facts["name"] else ""
    return (
        f"element {facts['element']} of parameter {place.parameter}{name} after step {facts['t']} "
        f"(recorded step {place.number}): gradient {facts['gradient']}, theta {facts['theta before']} to "
        f"{facts['theta after']}"
    )


def _figures(tally: Tally) -> dict[str, Any]:
    steps = [tally.by_step[number] for number in sorted(tally.by_step)]
    kept = steps if len(steps) <= _POINTS else steps[:: -(-len(steps) // _POINTS)]
    largest = max((seen.in_ulp for seen in steps), default=0.0)
    return {
        "judged": tally.judged,
        "open": tally.open,
        "exceeded": tally.exceeded,
        "skipped": tally.skipped,
        "largest_over_bound": tally.worst[0].over_bound if tally.worst else 0.0,
        "largest_ulp": largest,
        "ulp_by_step": [
            [seen.place.number, seen.in_ulp, seen.in_ulp / seen.over_bound]
            for seen in kept
            if seen.over_bound
        ],
        "histogram": {
            "edges": [place / 16 for place in range(_BINS + 1)],
            "counts": [tally.sixteenths.get(place, 0) for place in range(_BINS)],
            "beyond": sum(count for place, count in tally.sixteenths.items() if place >= _BINS),
        },
    }
