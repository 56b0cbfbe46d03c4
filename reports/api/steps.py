"""One step: its exact result, and a judgement of somebody's result."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from ...reference.rules import DOCUMENTED, Rule

if TYPE_CHECKING:
    import numpy.typing as npt

    from ...oracles.error_model import ErrorModel
    from ...oracles.judgement import Judgement

_DIGITS: Final = 40
_MORE_BITS: Final = 256
"""Beyond those that the bounds need, so that all digits shown are right even where a subtraction cancels."""
_SHOWN: Final = 10
_NAMES: Final = ("theta", "m", "u")


@dataclass(frozen=True)
class ExactNumbers:
    """The exact values of an array, element by element.

    Attributes:
        decimals: each in decimal, as text, to 40 significant digits.
        nearest: each rounded once to the working format, as float64.
        bound: the largest admissible error of each, rounded up; infinite where nothing can be said, since an admissible
            evaluation overflows or divides by zero.
    """

    decimals: npt.NDArray[Any]
    nearest: npt.NDArray[Any]
    bound: npt.NDArray[Any]


@dataclass(frozen=True)
class ExactStep:
    """The exact state after a step.

    Attributes:
        theta: the parameters. Their bound covers the rounding of m and u in the same step.
        m: their first moments.
        u: their infinity norms.
    """

    theta: ExactNumbers
    m: ExactNumbers
    u: ExactNumbers


@dataclass(frozen=True)
class JudgedNumber:
    """A number that is beyond its bound.

    Attributes:
        quantity: `theta`, `m` or `u`.
        element: its index.
        expected: the exact value, in decimal.
        actual: the number itself.
        error_ulp: the distance in units in the last place of the expected value.
        error_over_bound: the distance as a fraction of the bound; above 1.
    """

    quantity: str
    element: tuple[int, ...]
    expected: str
    actual: float
    error_ulp: float
    error_over_bound: float

    def __str__(self) -> str:
        return (
            f"{self.quantity}{list(self.element)} is {self.actual!r}, the exact value is {self.expected}: off by "
            f"{self.error_ulp:.4g} ulp, {self.error_over_bound:.4g} times the proven bound"
        )


@dataclass(frozen=True)
class StepJudgement:
    """The judgement of one step.

    Attributes:
        judged: how many numbers were compared.
        open: how many have no finite bound, or were not finite before the step; nothing is reported of them.
        wrong: the numbers beyond their bounds, m first, then u and theta.
        largest_over_bound: the largest error as a fraction of its bound.
    """

    judged: int
    open: int
    wrong: tuple[JudgedNumber, ...]
    largest_over_bound: float

    @property
    def ok(self) -> bool:
        """Whether something was compared, and no number is beyond its bound."""
        return self.judged > 0 and not self.wrong

    def __str__(self) -> str:
        if not self.judged:
            return f"nothing was compared: none of {self.open} numbers has a finite bound"
        if self.ok:
            return f"all {self.judged} numbers are within {self.largest_over_bound:.4g} of the proven bound"
        lines = [f"of {self.judged} numbers, {len(self.wrong)} are beyond the proven bound"]
        lines += [f"  {number}" for number in self.wrong[:_SHOWN]]
        if len(self.wrong) > _SHOWN:
            lines.append(f"  and {len(self.wrong) - _SHOWN} more")
        return "\n".join(lines)


def exact_step(
    theta: Any,
    gradient: Any,
    m: Any = None,
    u: Any = None,
    t: int = 1,
    *,
    dtype: str | None = None,
    rule: Rule = DOCUMENTED,
    **options: Any,
) -> ExactStep:
    """Take one step exactly.

    Args:
        theta: the parameters before the step: a number, an array, or a tensor on the CPU.
        gradient: the gradients, of the same shape.
        m: the first moments before the step; zeros if left out.
        u: the infinity norms before the step; likewise.
        t: the number of the step, from 1.
        dtype: the working format: float16, bfloat16, float32 or float64. By default that of theta.
        rule: the update formula; the documented one by default.
        options: `lr`, `betas`, `eps`, `weight_decay` and `maximize`, each by default as documented.

    Returns:
        The exact state after the step, the nearest numbers of the format, and the proven bounds.

    Raises:
        ValueError: an argument has another shape, is not finite, or is not a number of the format.
    """
    import numpy as np

    from ...oracles.bounds.step import StepBounds
    from ...oracles.exact.decimals import scientific
    from ...oracles.exact.trajectory import exact_scalars, mpmath_context, precision_for
    from ...oracles.judgement import advance
    from ...reference.formula import State
    from ...reference.hyperparameters import Hyperparameters

    model, arrays = _read({"theta": theta, "m": m, "u": u, "gradient": gradient}, dtype, rule)
    _require_finite(arrays)
    ctx = mpmath_context(precision_for(t) + _MORE_BITS)
    bounds = StepBounds(ctx, exact_scalars(ctx, Hyperparameters.from_options(options)), t, model)
    shape = arrays["theta"].shape
    made = {name: ExactNumbers(np.empty(shape, object), np.empty(shape), np.empty(shape)) for name in _NAMES}
    for element in np.ndindex(shape):
        before = State(*(ctx.mpf(float(arrays[name][element])) for name in _NAMES))
        after, radii = advance(
            ctx, bounds, rule, before, State(0.0, 0.0, 0.0), float(arrays["gradient"][element]), t
        )
        for name in _NAMES:
            exact, radius = getattr(after, name), getattr(radii, name)
            made[name].decimals[element] = scientific(exact, _DIGITS)
            made[name].nearest[element] = model.format_.round(exact)
            made[name].bound[element] = math.nextafter(float(radius), math.inf)
    return ExactStep(**made)


def judge_step(
    before: Sequence[Any],
    after: Sequence[Any],
    gradient: Any,
    t: int,
    *,
    dtype: str | None = None,
    rule: Rule = DOCUMENTED,
    **options: Any,
) -> StepJudgement:
    """Judge one step of an optimizer from its own state before it.

    Theta is judged from the optimizer's own m and u after the step, so nothing accumulates and the bound is tight.

    Args:
        before: theta, m and u before the step.
        after: theta, m and u after it.
        gradient: the gradients as passed.
        t: the number of the step, from 1.
        dtype: the working format; by default that of theta before the step.
        rule: the update formula; the documented one by default.
        options: `lr`, `betas`, `eps`, `weight_decay` and `maximize` of the step, each by default as documented.

    Raises:
        ValueError: an array has another shape, or a number that is not of the format.
    """
    import numpy as np

    from ...oracles.batch.block import Block
    from ...oracles.batch.lockstep import QUANTITIES, judge_block, judge_element
    from ...reference.hyperparameters import Hyperparameters

    names = ("theta", "m", "u", "gradient", "theta after", "m after", "u after")
    model, arrays = _read(dict(zip(names, (*before, gradient, *after), strict=True)), dtype, rule)
    shape = arrays["theta"].shape
    block = Block(*(np.ascontiguousarray(arrays[name]).reshape(-1) for name in names))
    setting = Hyperparameters.from_options(options)
    tallies = judge_block(block, setting, t, model)
    judged = sum(tallies[q].judged - tallies[q].open for q in QUANTITIES)
    wrong: list[JudgedNumber] = []
    largest = 0.0
    for quantity in QUANTITIES:
        tally = tallies[quantity]
        if tally.largest_over_bound is not None:
            largest = max(largest, tally.largest_over_bound.over_bound)
        if not tally.exceeded:
            continue
        for index in range(block.size):
            found = judge_element(block, index, setting, t, model).get(quantity)
            if found is not None and found.error_size is not None and found.error_size.over_bound > 1:
                element = tuple(int(i) for i in np.unravel_index(index, shape)) if shape else ()
                wrong.append(_judged_number(quantity.value, element, found))
    return StepJudgement(judged, block.size * len(QUANTITIES) - judged, tuple(wrong), largest)


def _judged_number(quantity: str, element: tuple[int, ...], found: Judgement) -> JudgedNumber:
    from ...oracles.exact.decimals import scientific

    assert found.error_size is not None
    size = found.error_size
    return JudgedNumber(
        quantity, element, scientific(found.exact, _DIGITS), found.actual, size.in_ulp, size.over_bound
    )


def _read(
    given: Mapping[str, Any], dtype: str | None, rule: Rule
) -> tuple[ErrorModel, dict[str, npt.NDArray[Any]]]:
    """The error model, and the arrays as float64."""
    import numpy as np

    from ...impl.protocol.messages import DTYPES
    from ...impl.protocol.representable import first_unrepresentable
    from ...oracles.error_model import ErrorModel
    from ...oracles.formats import Format

    dtype = dtype or str(getattr(given["theta"], "dtype", "float64")).removeprefix("torch.")
    if dtype not in DTYPES:
        raise ValueError(f"dtype {dtype!r} is not one of {', '.join(DTYPES)}")
    shape = _to_float64(given["theta"]).shape
    arrays = {}
    for name, value in given.items():
        array = np.zeros(shape) if value is None else _to_float64(value)
        if array.shape != shape:
            raise ValueError(f"{name} has shape {array.shape}; theta has {shape}")
        if (element := first_unrepresentable(array, dtype)) is not None:
            raise ValueError(f"{name} has the element {element!r}, which is not a {dtype}")
        arrays[name] = array
    return ErrorModel(Format.of(dtype), rule), arrays


def _to_float64(value: Any) -> npt.NDArray[Any]:
    """A number, an array, or a tensor of torch as float64."""
    import numpy as np

    if hasattr(value, "detach"):
        value = value.detach().double().cpu().numpy()
    return np.array(value, dtype=np.float64)


def _require_finite(arrays: Mapping[str, npt.NDArray[Any]]) -> None:
    import numpy as np

    for name, array in arrays.items():
        if not np.all(np.isfinite(array)):
            raise ValueError(f"{name} has elements that are not finite; the formula is of finite numbers")
