"""Write a rule in the notation of the specification.

The formula is written once, over abstract numbers. Here it is evaluated over numbers that are text.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Final

from ...reference import formula
from ...reference.formula import Scalars
from ...reference.rules import DOCUMENTED, Rule


class _Binding(IntEnum):
    """The precedence of a text; a looser one gets parentheses inside a tighter one."""

    SUM = 0
    PRODUCT = 1
    ATOM = 2


@dataclass(frozen=True)
class _Text:
    """A number that is text."""

    text: str
    binding: _Binding = _Binding.ATOM

    def within(self, binding: _Binding) -> str:
        return self.text if self.binding >= binding else f"({self.text})"

    def __add__(self, other: _Text) -> _Text:
        return _Text(f"{self.text} + {other.within(_Binding.SUM)}", _Binding.SUM)

    def __sub__(self, other: _Text) -> _Text:
        return _Text(f"{self.text} − {other.within(_Binding.PRODUCT)}", _Binding.SUM)

    def __rsub__(self, other: int) -> _Text:
        return _Text(str(other)) - self

    def __neg__(self) -> _Text:
        return _Text(f"−{self.within(_Binding.PRODUCT)}", _Binding.SUM)

    def __mul__(self, other: _Text) -> _Text:
        return _Text(f"{self.within(_Binding.PRODUCT)}·{other.within(_Binding.PRODUCT)}", _Binding.PRODUCT)

    def __rmul__(self, other: int) -> _Text:
        return self if other == 1 else _Text(str(other)) * self

    def __truediv__(self, other: _Text) -> _Text:
        return _Text(f"{self.within(_Binding.PRODUCT)} / {other.within(_Binding.ATOM)}", _Binding.PRODUCT)

    def __pow__(self, other: object) -> _Text:
        return _Text(f"{self.within(_Binding.ATOM)}ᵗ")

    def __abs__(self) -> _Text:
        return _Text(f"|{self.text}|")


_THETA, _G, _M, _U = map(_Text, ("θ", "g", "m", "u"))
_SCALARS: Final = Scalars(
    lr=_Text("γ"), beta1=_Text("β₁"), beta2=_Text("β₂"), eps=_Text("ε"), weight_decay=_Text("λ")
)


def lines(rule: Rule = DOCUMENTED) -> tuple[str, ...]:
    """The lines of a step: the gradient, the same if maximizing, m, u, theta.

    γ is lr, λ is weight_decay; t counts from 1.
    """
    ascent = replace(_SCALARS, maximize=True)
    decayed, size = formula.norm_branches(_U, _G, _SCALARS, rule, lambda a, b: _Text(f"{a.text}, {b.text}"))
    t: int = 1  # its text is t for every number
    return (
        f"g ← {formula.effective_gradient(_THETA, _G, _SCALARS, rule).text}",
        f"g ← {formula.effective_gradient(_THETA, _G, ascent, rule).text}  if maximize",
        f"m ← {formula.first_moment(_M, _G, _SCALARS).text}",
        f"u ← max({decayed.text}, {size.text})",
        f"θ ← {formula.update(_THETA, _M, _U, t, _SCALARS, rule).text}",
    )
