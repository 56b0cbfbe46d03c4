"""Which rule a subject follows, with which form of the moment and which scalar precision.

The subject is run on a few cases that separate every rule of `reference.rules` from every other, in every
format. Each of m, u and theta is then explained on its own, by the tightest habit whose bound holds on all of
the cases; a rule fits when it explains all three. Where m and u are hidden, theta's trajectory decides alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import fields, replace
from itertools import product
from typing import Protocol

from ...reference.rules import Rule, all_rules
from ..comparison import lockstep, trajectory
from ..error_model import CORRECTLY_ROUNDED, STRICTEST, Arithmetic, Assumption, Form, Habits
from ..formats import Format
from ..judgement import findings
from ..verdict import Divergence, Quantity
from .cases import SCALARS, Run
from .result import TELLING, Identification, Refusal


def _with(habits: Habits, quantity: Quantity, scalars: Format) -> Habits:
    """The habits with the scalars of one quantity in a format."""
    match quantity:
        case Quantity.M:
            return replace(habits, m=scalars)
        case Quantity.U:
            return replace(habits, u=scalars)
        case _:
            return replace(habits, theta=scalars)


class Observed(Protocol):
    """What a subject was seen to do, and can be held against an assumption."""

    @property
    def hidden(self) -> bool:
        """Whether m and u cannot be seen."""

    @property
    def extent(self) -> str:
        """How much was seen, in words that follow `on`."""

    def misfit(self, quantity: Quantity, assumption: Assumption) -> Divergence | None:
        """The first error of a quantity beyond its bound; None where all are within."""


class _ObservedRuns:
    """A subject's runs of some cases."""

    def __init__(self, runs: Sequence[Run]) -> None:
        self._runs = runs
        self.hidden = any(s.m is None or s.u is None for _, observed in runs for s in observed)
        steps = sum(case.steps for case, _ in runs)
        sizes = sorted({parameter.theta.size for case, _ in runs for parameter in case.parameters})
        elements = " or ".join(map(str, sizes))
        self.extent = f"{len(runs)} cases, {steps} steps of {elements} elements"

    def misfit(self, quantity: Quantity, assumption: Assumption) -> Divergence | None:
        found = findings(quantity)
        compare = trajectory if self.hidden else lockstep
        for case, observed in self._runs:
            compare(case, observed, assumption, found, brief=True)
            if found[quantity].exceeded:
                break
        return found[quantity].divergence


class _Explainer:
    """Finds, for each quantity and rule, the tightest habit that explains it; remembers what it found."""

    def __init__(
        self, observed: Observed, format_: Format, arithmetic: Arithmetic, strictest: Habits
    ) -> None:
        self.observed = observed
        self.strictest = strictest
        self.format = format_
        self.arithmetic = arithmetic
        self.hidden = observed.hidden
        self._known: dict[tuple[object, ...], Habits | None] = {}

    def _misfit(self, quantity: Quantity, rule: Rule, habits: Habits) -> Divergence | None:
        """The first error beyond the bound under an assumption."""
        return self.observed.misfit(quantity, Assumption(self.format, rule, habits, self.arithmetic))

    def _candidates(self, quantity: Quantity) -> Iterator[Habits]:
        """The habits to try: the admissible ones first, from the tightest bound to the widest."""
        forms = tuple(Form) if self.hidden or quantity is Quantity.M else (Form.WEIGHTED,)

        def rank(habit: tuple[Form, Format]) -> tuple[bool, bool]:
            admissible = habit[1].precision >= self.format.precision
            # binary16 has not the range of bfloat16: what it makes of a small beta1 is no matter of roundings.
            return not admissible, admissible and habit[1].emax < self.format.emax

        in_order = sorted(product(forms, SCALARS), key=rank)
        for form, scalars in in_order:
            habits = replace(self.strictest, form=form)
            yield habits.with_scalars(scalars) if self.hidden else _with(habits, quantity, scalars)

    def explain(self, quantity: Quantity, rule: Rule) -> Habits | None:
        """The tightest habit under which the rule explains the quantity on all cases."""
        parts: tuple[object, ...] = (rule.decay, rule.ascent)
        if quantity is Quantity.U:
            parts = (*parts, rule.epsilon)
        elif quantity is Quantity.THETA:
            parts = (rule,)
        key = (quantity, *parts)
        if key not in self._known:
            fits = (
                habits
                for habits in self._candidates(quantity)
                if self._misfit(quantity, rule, habits) is None
            )
            self._known[key] = next(fits, None)
        return self._known[key]

    def misfit(self, quantity: Quantity, rule: Rule) -> Divergence | None:
        """The first error of a quantity beyond the strictest bound of a rule."""
        return self._misfit(quantity, rule, self.strictest)

    @property
    def quantities(self) -> tuple[Quantity, ...]:
        """What is seen of the subject."""
        return (Quantity.THETA,) if self.hidden else (Quantity.M, Quantity.U, Quantity.THETA)


def identify(
    runs: Sequence[Run],
    format_: Format,
    arithmetic: Arithmetic = CORRECTLY_ROUNDED,
    refusals: Sequence[Refusal] = (),
) -> Identification:
    """Find the rule and the habits that explain what a subject did.

    Args:
        runs: cases of `cases(format_)`, each with the subject's state after each step.
        format_: the working format.
        arithmetic: the declared arithmetic.
        refusals: the other cases, with why the subject cannot be asked them.
    """
    return identify_observed(_ObservedRuns(runs), format_, arithmetic, refusals)


def identify_observed(
    observed: Observed,
    format_: Format,
    arithmetic: Arithmetic = CORRECTLY_ROUNDED,
    refusals: Sequence[Refusal] = (),
) -> Identification:
    """Find the rule and the habits that explain what a subject was seen to do, whatever that was.

    Numbers that no scalars of the next coarser format explain may have been computed in that format altogether,
    and only stored in the working one: seen on MindSpore, which reads float64 as float32.

    Args:
        observed: what was seen.
        format_: the working format.
        arithmetic: the declared arithmetic.
        refusals: what could not be asked, with the reason.
    """
    found = _with_format(observed, format_, arithmetic)
    return replace(found, open=_open(found, refusals))


def _open(found: Identification, refusals: Sequence[Refusal]) -> dict[str, str]:
    """In which parts the rules that fit differ, and why these could not be told."""
    parts = [
        part.name
        for part in fields(Rule)
        if len({getattr(rule, part.name) for rule in (found.nearest, *found.also)}) > 1
    ]
    return {part: _why(part, refusals) for part in parts}


def _why(part: str, refusals: Sequence[Refusal]) -> str:
    """Why a part could not be told: what was said of the cases that would have told the least beside it."""
    telling = {r: sum(r.concerns(other) for other in TELLING) for r in refusals if r.concerns(part)}
    fewest = min(telling.values(), default=0)
    reasons = dict.fromkeys(r.reason for r, others in telling.items() if others == fewest)
    return "; ".join(reasons) or "the rules that fit give the same numbers in each case"


def _with_format(observed: Observed, format_: Format, arithmetic: Arithmetic) -> Identification:
    """What explains the numbers, in the working format or a coarser one that they were computed in."""
    found = _identify(observed, format_, arithmetic)
    for coarser in SCALARS:
        explained = found.rule is not None and coarser.precision <= _coarsest(found.habits).precision
        if coarser.precision >= format_.precision or explained:
            continue
        other = _identify(observed, coarser, arithmetic, replace(STRICTEST, rounds_operands=True))
        if other.rule is not None and other.admissible:
            return replace(other, format_=format_)
    return found


def _coarsest(habits: Habits) -> Format:
    return min((habits.m, habits.u, habits.theta), key=lambda scalars: scalars.precision)


def _identify(
    observed: Observed, format_: Format, arithmetic: Arithmetic, strictest: Habits = STRICTEST
) -> Identification:
    """The same, by the bounds of one format."""
    explainer = _Explainer(observed, format_, arithmetic, strictest)
    quantities = explainer.quantities
    explained = {
        rule: {q: habits for q in quantities if (habits := explainer.explain(q, rule)) is not None}
        for rule in all_rules()
    }

    def merit(rule: Rule) -> tuple[int, int]:
        return -len(explained[rule]), sum(not h.admissible(format_) for h in explained[rule].values())

    nearest = min(explained, key=merit)  # all_rules puts the documented one first, and min keeps the first
    fits = [rule for rule in explained if merit(rule) == merit(nearest)]
    whole = len(explained[nearest]) == len(quantities)
    habits = _merged(explained[nearest], strictest, hidden=explainer.hidden)
    misfits = {
        q: divergence
        for q in quantities
        if q not in explained[nearest] and (divergence := explainer.misfit(q, nearest)) is not None
    }
    return Identification(
        rule=nearest if whole else None,
        nearest=nearest,
        also=tuple(rule for rule in fits if rule != nearest) if whole else (),
        habits=habits,
        format_=format_,
        computes_in=format_,
        misfits=misfits,
        evidence=tuple(_evidence(q, explained[nearest].get(q), observed.extent) for q in quantities),
    )


def _merged(explained: dict[Quantity, Habits], strictest: Habits, *, hidden: bool) -> Habits:
    if hidden:
        return explained.get(Quantity.THETA, strictest)
    m, u, theta = (explained.get(q, strictest) for q in (Quantity.M, Quantity.U, Quantity.THETA))
    return replace(strictest, form=m.form, m=m.m, u=u.u, theta=theta.theta)


def _evidence(quantity: Quantity, habits: Habits | None, extent: str) -> str:
    if habits is None:
        return f"{quantity.value}: explained by no form or scalar precision on {extent}"
    scalars: Format = getattr(habits, quantity.value)
    form = f", {habits.form.value} form" if quantity is Quantity.M else ""
    return f"{quantity.value}: within the bound on {extent}, scalars of {scalars.name.lower()}{form}"
