"""Evidence that needs no bound: bits that differ, and a step that is refused."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
from adamax_conformance.impl.protocol.errors import RejectedError
from adamax_conformance.impl.protocol.messages import StepResult
from adamax_conformance.oracles.formats import Format
from adamax_conformance.oracles.verdict import Divergence, Quantity
from adamax_conformance.reference.case import Case, FloatArray

_DIGITS: Final = 12
"""The hexadecimal digits of a digest that a record keeps: 48 bits, so that two runs hardly agree by chance."""


def refusal(error: RejectedError, case: Case | None) -> Divergence:
    """The evidence that the subject raised an exception and should have computed."""
    return Divergence(
        quantity=Quantity.OUTCOME,
        reason=f"the subject raises {error.type} and the page promises a step: {error.message}",
        expected="a step",
        actual=f"{error.type}: {error.message}",
        case=None if case is None else case.to_json(),
    )


def state_arrays(state: StepResult) -> dict[Quantity, Sequence[FloatArray]]:
    """The arrays of a state that the subject shows, by quantity."""
    seen = {Quantity.THETA: state.theta, Quantity.M: state.m, Quantity.U: state.u}
    return {quantity: values for quantity, values in seen.items() if values is not None}


def same_bits(a: FloatArray, b: FloatArray) -> npt.NDArray[np.bool_]:
    """A mask of the elements with the same bits; any NaN equals any other."""
    same: npt.NDArray[np.bool_] = (a.view(np.int64) == b.view(np.int64)) | (np.isnan(a) & np.isnan(b))
    return same


def digest_of(run: Iterable[StepResult]) -> str:
    """A digest of the bits of all that a run shows; any NaN counts as any other."""
    digest = hashlib.sha256()
    for state in run:
        for quantity, values in state_arrays(state).items():
            digest.update(quantity.value.encode())
            for value in values:
                bits = np.where(np.isnan(value), np.nan, value).astype("<f8")
                digest.update(f"{bits.shape}".encode() + bits.tobytes())
    return digest.hexdigest()[:_DIGITS]


def first_difference(
    expected: Iterable[StepResult],
    actual: Iterable[StepResult],
    format_: Format,
    reason: str,
    case: Case,
    *,
    first: int = 1,
) -> Divergence | None:
    """The first element whose bits differ in two runs, which begin at step `first`."""
    for t, (one, other) in enumerate(zip(expected, actual, strict=True), start=first):
        other_arrays = state_arrays(other)
        for quantity, wanted in state_arrays(one).items():
            for index, (a, b) in enumerate(zip(wanted, other_arrays.get(quantity, wanted), strict=True)):
                where = np.argwhere(~same_bits(np.ascontiguousarray(a), np.ascontiguousarray(b)))
                if where.size or (a.ndim == 0 and not same_bits(a, b)):
                    element = tuple(int(i) for i in where[0]) if where.size else ()
                    return difference_at(
                        a[element], b[element], format_, reason, quantity, (t, index, element), case
                    )
    return None


def difference_at(
    expected: float,
    actual: float,
    format_: Format,
    reason: str,
    quantity: Quantity,
    at: tuple[int, int, tuple[int, ...]],
    case: Case,
) -> Divergence:
    """The evidence that two numbers differ, at a step, a parameter and an element."""
    step, index, element = at
    where = f"{quantity.value} of parameter {index}, element {list(element)}"
    expected, actual = float(expected), float(actual)
    near = np.isfinite(expected) and np.isfinite(actual)
    return Divergence(
        quantity=quantity,
        reason=f"{reason}: {where}, differs after step {step}",
        expected=f"{expected:.17g}",
        actual=f"{actual:.17g}",
        expected_hex=expected.hex(),
        actual_hex=actual.hex(),
        error_ulp=abs(expected - actual) / format_.ulp(expected) if near else None,
        step=step,
        parameter=index,
        element=element,
        case=case.to_json(),
    )
