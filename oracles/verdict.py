"""What one check says, and the evidence for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any


class Status(Enum):
    """The closed set of answers."""

    CONFORMS = "conforms"
    DIVERGES = "diverges"
    KNOWN = "known"
    """A divergence that the ledger lists."""
    UNSPECIFIED = "unspecified"
    """The page leaves room here; what the subject does is on record."""
    SKIPPED = "skipped"
    """The subject has no such part, or says that it cannot."""
    BROKEN = "broken"
    """No answer came: the subject crashed, hung, or spoke nonsense."""


class Quantity(Enum):
    """What was compared."""

    THETA = "theta"
    M = "m"
    U = "u"
    GRADIENT = "gradient"
    OUTCOME = "outcome"
    """Whether an argument was accepted, or another fact that is not a number."""


@dataclass(frozen=True)
class Divergence:
    """The evidence: where, what was expected, what came, and how far apart they are.

    Attributes:
        quantity: what was compared.
        reason: one sentence that a maintainer can act on.
        expected: in decimal; to 17 significant digits or more where it is a number.
        actual: likewise.
        expected_hex: the expected value rounded once to the working format, as `float.hex` writes it.
        actual_hex: what came, as `float.hex` writes it.
        error_ulp: the distance in units in the last place of the expected value.
        error_over_bound: the distance as a fraction of the proven bound; above 1 is wrong.
        bound: the bound itself, in decimal.
        step: from 1.
        parameter: the parameter's place among all of the case.
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
    """What one check says of one subject in one dtype on one device.

    Attributes:
        check: a stable id such as `value/lockstep/theta`; its first part is the check group.
        status: the answer.
        subject: the subject's name as on the command line.
        dtype: `float16`, `bfloat16`, `float32` or `float64`.
        device: `cpu`, `cuda`, ...
        reason: why, for every status but `conforms`.
        since: the suite version in which the check appeared.
        divergence: the evidence, for `diverges` and `known`.
        reproduce: a command line that shows the same again.
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
