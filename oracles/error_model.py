"""The error model: format, rule, evaluation scheme and arithmetic.

BOUNDS.md, next to this file, says which evaluations are admissible.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from typing import Any, Final

from ..reference.rules import DOCUMENTED, Rule
from .formats import Format


class Form(Enum):
    """The form in which the first moment is computed."""

    WEIGHTED = "weighted"
    """beta1*m + (1 - beta1)*g: the error scales with beta1*|m| + (1 - beta1)*|g|."""
    INTERPOLATED = "interpolated"
    """m + (1 - beta1)*(g - m), or g - (g - m)*beta1 where beta1 is at most 1/2: the error scales with |g - m|."""
    INTERPOLATED_BELOW_HALF = "interpolated-below-half"
    """Interpolated where beta1 is below 1/2, and weighted from there on."""
    WEIGHTED_BELOW_HALF = "weighted-below-half"
    """Weighted where beta1 is below 1/2, and interpolated from there on."""
    DECREMENTED = "decremented"
    """(m - (1 - beta1)*m) + (1 - beta1)*g, each product fused or not: (1 - beta1)*|m| is rounded, and comes off again.
    CUDA's compilers make it of an interpolation: fma(w, g, fma(-w, m, m))."""
    FROM_GRADIENT = "from-gradient"
    """g + beta1*(m - g) for every beta1: the error scales with beta1*|g - m|, also where beta1 is near 1."""

    @property
    def weakness(self) -> str:
        """The words on a form that loses digits the others keep; empty for the others."""
        if self is not Form.FROM_GRADIENT:
            return ""
        return "m is g + beta1*(m - g), which loses the digits of g that m takes of it where beta1 is near 1"

    def alternatives_at(self, complement: Any, error: Any) -> tuple[Form, ...]:
        """The forms in which a step may be evaluated.

        Args:
            complement: 1 - beta1.
            error: its relative error as it enters.
        """
        match self:
            case Form.INTERPOLATED_BELOW_HALF:
                below, above = Form.INTERPOLATED, Form.WEIGHTED
            case Form.WEIGHTED_BELOW_HALF:
                below, above = Form.WEIGHTED, Form.INTERPOLATED
            case _:
                return (self,)
        if complement * (1 - error) > 0.5:
            return (below,)
        return (above,) if complement * (1 + error) < 0.5 else (below, above)


@dataclass(frozen=True)
class Arithmetic:
    """The declared arithmetic of a device.

    Attributes:
        name: as the report shows it.
        add: the largest relative error of an addition or a subtraction, in unit roundoffs of the working
            format; 1 (and somewhat less) is correct rounding to nearest.
        multiply: the same of a multiplication.
        divide: the same of a division.
        flush_to_zero: whether subnormal operands and results are replaced by zero.
        power_ulp: the largest error of the power function, which forms 1 - beta1^t, in ulp of its result; 1 if
            nothing is declared.
    """

    name: str = "correctly rounded"
    add: float = 1.0
    multiply: float = 1.0
    divide: float = 1.0
    flush_to_zero: bool = False
    power_ulp: float = 1.0

    def __post_init__(self) -> None:
        for operation in ("add", "multiply", "divide"):
            if not getattr(self, operation) >= 1:
                raise ValueError(
                    f"{operation}={getattr(self, operation)}: the error of an operation is at least 1 unit roundoff"
                )
        if not self.power_ulp >= 1:
            raise ValueError(
                f"power_ulp={self.power_ulp}: a power function is declared to be right within 1 ulp or more"
            )


CORRECTLY_ROUNDED: Final = Arithmetic()


@dataclass(frozen=True)
class EvaluationScheme:
    """The choices in evaluating the formula that change which error is admissible.

    Attributes:
        form: how the first moment is formed.
        m: the format in which the scalars of the first moment (beta1, 1 - beta1, weight_decay) are computed.
        u: the same for the infinity norm (beta2, eps, weight_decay).
        theta: the same for the step (lr, beta1^t, 1 - beta1^t).
        rounds_operands: whether the subject rounds numbers of a finer format as it reads them.
        reciprocal: whether the step is a product with 1/u or 1/(c*u) instead of a quotient.
    """

    form: Form = Form.WEIGHTED
    m: Format = Format.BINARY64
    u: Format = Format.BINARY64
    theta: Format = Format.BINARY64
    rounds_operands: bool = False
    reciprocal: bool = False

    def admissible(self, format_: Format) -> bool:
        """Check that no scalar is below the working precision."""
        return all(scalars.precision >= format_.precision for scalars in (self.m, self.u, self.theta))

    def with_scalars(self, scalars: Format) -> EvaluationScheme:
        """The same form with all scalars computed in one format."""
        return replace(self, m=scalars, u=scalars, theta=scalars)

    def describe(self, format_: Format) -> str:
        """One phrase: the form, and the scalar precision of m, u and theta."""

        def word(scalars: Format) -> str:
            return "working" if scalars is format_ is not Format.BINARY64 else scalars.name.lower()

        words = [word(s) for s in (self.m, self.u, self.theta)]
        if len(set(words)) == 1:
            return f"{self.form.value} form, {words[0]} scalars"
        return f"{self.form.value} form, scalars of m {words[0]}, of u {words[1]}, of theta {words[2]}"


STRICTEST: Final = EvaluationScheme()


@dataclass(frozen=True)
class ErrorModel:
    """The assumptions under which a subject is judged.

    Attributes:
        format_: the working format.
        rule: the update formula.
        scheme: the form of the first moment and the precision of the scalars.
        arithmetic: the declared arithmetic.
    """

    format_: Format
    rule: Rule = DOCUMENTED
    scheme: EvaluationScheme = STRICTEST
    arithmetic: Arithmetic = CORRECTLY_ROUNDED
