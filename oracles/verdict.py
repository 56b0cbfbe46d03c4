"""The verdict of a check, and the evidence for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any


class Status(Enum):
    """The status of a verdict: a closed set."""

    CONFORMS = "conforms"
    DIVERGES = "diverges"
    KNOWN = "known"
    """A divergence that the ledger lists."""
    UNSPECIFIED = "unspecified"
    """The specification leaves room here; the record has what the subject does."""
    SKIPPED = "skipped"
    """The subject lacks the part, or reports that it cannot."""
    BROKEN = "broken"
    """No answer came: the subject crashed, hung, or broke the protocol."""


class Quantity(Enum):
    """The quantity that was compared."""

    THETA = "theta"
    M = "m"
    U = "u"
    GRADIENT = "gradient"
    OUTCOME = "outcome"
    """Whether an argument was accepted, or another fact that is not a number."""


@dataclass(frozen=True)
class Divergence:
    """The evidence of a divergence: location, expected and actual value.

    Attributes:
        quantity: what was compared.
        reason: one sentence that a maintainer can act on.
        expected: in decimal; to 17 significant digits or more where it is a number.
        actual: likewise.
        expected_hex: the expected value rounded once to the working format, as `float.hex` writes it.
        actual_hex: the actual value, as `float.hex` writes it.
        error_ulp: the distance in units in the last place of the expected value.
        error_over_bound: the distance as a fraction of the proven bound; above 1 is wrong.
        bound: the bound itself, in decimal.
        step: from 1.
        parameter: the parameter's index among all of the case.
        element: its index, one integer for each dimension.
        case: the case as `reference.case.Case.to_json` writes it.
        extra: more facts, by name.
    """

    quantity: Quantity
    reason: str
    expected: str
    actual: str
    expected_hex: str | None = None
    actual_hex: str | None = None
    error_ulp: float | None = None
    error_over_bound: float | None = None
    bound: str | None = None
    step: int | None = None
    parameter: int | None = None
    element: tuple[int, ...] | None = None
    case: Mapping[str, Any] | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Verdict:
    """The verdict of one check on one subject in one dtype on one device.

    Attributes:
        check: a stable id such as `value/lockstep/theta`; its first part is the check group.
        status: of the verdict.
        subject: the subject's name as on the command line.
        dtype: `float16`, `bfloat16`, `float32` or `float64`.
        device: `cpu`, `cuda`, ...
        reason: why, for every status but `conforms`.
        since: the suite version in which the check appeared.
        divergence: the evidence, for `diverges` and `known`.
        reproduce: a command line that repeats the check.
        measured: figures worth keeping, by name (largest fraction of the bound, elements judged, ...).
        duration: seconds.
    """

    check: str
    status: Status
    subject: str
    dtype: str
    device: str
    reason: str = ""
    since: str = ""
    divergence: Divergence | None = None
    reproduce: str = ""
    measured: Mapping[str, Any] = field(default_factory=dict)
    duration: float = 0.0
