"""The error model: format, rule, evaluation scheme and arithmetic.

BOUNDS.md, next to this file, says which evaluations are admissible.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from typing import Final

from ..reference.rules import DOCUMENTED, Rule
from .formats import Format


class Form(Enum):
    """The form in which the first moment is computed."""

    WEIGHTED = "weighted"
    """beta1*m + (1 - beta1)*g: the error scales with beta1*|m| + (1 - beta1)*|g|."""
    INTERPOLATED = "interpolated"
    """m + (1 - beta1)*(g - m), or g - (g - m)*beta1: the error scales with |g - m|."""


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
    """

    name: str = "correctly rounded"
    add: float = 1.0
    multiply: float = 1.0
    divide: float = 1.0
    flush_to_zero: bool = False

    def __post_init__(self) -> None:
        for operation in ("add", "multiply", "divide"):
            if not getattr(self, operation) >= 1:
                raise ValueError(
                    f"{operation}={getattr(self, operation)}: the error of an operation is at least 1 unit roundoff"
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
    """

    form: Form = Form.WEIGHTED
    m: Format = Format.BINARY64
    u: Format = Format.BINARY64
    theta: Format = Format.BINARY64
    rounds_operands: bool = False

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
