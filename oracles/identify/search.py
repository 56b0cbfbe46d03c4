"""Identify a subject's rule, form of the moment and scalar precision.

The subject is run on a few cases that separate every rule of `reference.rules` from every other, in every format. Each
of m, u and theta is then explained on its own, by the tightest evaluation scheme whose bound holds on all of the cases.
A rule fits when it explains all three. Where m and u are hidden, theta's trajectory decides alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import fields, replace
from itertools import product
from typing import Protocol

from ...reference.rules import Rule, all_rules
from ..comparison import lockstep, trajectory
from ..error_model import CORRECTLY_ROUNDED, STRICTEST, Arithmetic, ErrorModel, EvaluationScheme, Form
from ..formats import Format
from ..judgement import empty_tallies
from ..verdict import Divergence, Quantity
from .cases import SCALARS, ObservedRun
from .result import DISTINGUISHES, Identification, Refusal


def _set_scalars(scheme: EvaluationScheme, quantity: Quantity, scalars: Format) -> EvaluationScheme:
    """Set the format of the scalars of one quantity."""
    match quantity:
        case Quantity.M:
            return replace(scheme, m=scalars)
        case Quantity.U:
            return replace(scheme, u=scalars)
        case _:
            return replace(scheme, theta=scalars)


class Observations(Protocol):
    """Observations of a subject that an error model can explain, or not."""

    @property
    def hidden(self) -> bool:
        """Tell whether m and u are hidden."""

    @property
    def extent(self) -> str:
        """The extent of the observations, in words that follow `on`."""

    def mismatch(self, quantity: Quantity, error_model: ErrorModel) -> Divergence | None:
        """The first error of a quantity beyond its bound; None where all are within."""


class _ObservedRuns:
    """A subject's runs of some cases."""

    def __init__(self, runs: Sequence[ObservedRun]) -> None:
        self._runs = runs
        self.hidden = any(s.m is None or s.u is None for _, observed in runs for s in observed)
        steps = sum(case.steps for case, _ in runs)
        sizes = sorted({parameter.theta.size for case, _ in runs for parameter in case.parameters})
        elements = " or ".join(map(str, sizes))
        self.extent = f"{len(runs)} cases, {steps} steps of {elements} elements"

    def mismatch(self, quantity: Quantity, error_model: ErrorModel) -> Divergence | None:
        found = empty_tallies(quantity)
        compare = trajectory if self.hidden else lockstep
        for case, observed in self._runs:
            compare(case, observed, error_model, found, brief=True)
            if found[quantity].exceeded:
                break
        return found[quantity].divergence


class _Explainer:
    """Finds and remembers the tightest scheme that explains a quantity under a rule."""

    def __init__(
        self, observed: Observations, format_: Format, arithmetic: Arithmetic, strictest: EvaluationScheme
    ) -> None:
        self.observed = observed
        self.strictest = strictest
        self.format = format_
        self.arithmetic = arithmetic
        self.hidden = observed.hidden
        self._known: dict[tuple[object, ...], EvaluationScheme | None] = {}

    def _mismatch(self, quantity: Quantity, rule: Rule, scheme: EvaluationScheme) -> Divergence | None:
        """The first error beyond the bound under a rule and a scheme."""
        return self.observed.mismatch(quantity, ErrorModel(self.format, rule, scheme, self.arithmetic))

    def _candidates(self, quantity: Quantity) -> Iterator[EvaluationScheme]:
        """The schemes to try: admissible ones first, from the tightest bound."""
        forms = tuple(Form) if self.hidden or quantity is Quantity.M else (Form.WEIGHTED,)

        def rank(choice: tuple[Form, Format]) -> tuple[bool, bool]:
            admissible = choice[1].precision >= self.format.precision
            # binary16 lacks the range of bfloat16: what becomes of a small beta1 there is not a matter of rounding.
            return not admissible, admissible and choice[1].emax < self.format.emax

        in_order = sorted(product(forms, SCALARS), key=rank)
        for form, scalars in in_order:
            scheme = replace(self.strictest, form=form)
            yield scheme.with_scalars(scalars) if self.hidden else _set_scalars(scheme, quantity, scalars)

    def explain(self, quantity: Quantity, rule: Rule) -> EvaluationScheme | None:
        """The tightest scheme under which the rule explains the quantity on all cases."""
        parts: tuple[object, ...] = (rule.decay, rule.ascent)
        if quantity is Quantity.U:
            parts = (*parts, rule.epsilon)
        elif quantity is Quantity.THETA:
            parts = (rule,)
        key = (quantity, *parts)
        if key not in self._known:
            fits = (
                scheme
                for scheme in self._candidates(quantity)
                if self._mismatch(quantity, rule, scheme) is None
            )
            self._known[key] = next(fits, None)
        return self._known[key]

    def mismatch(self, quantity: Quantity, rule: Rule) -> Divergence | None:
        """The first error of a quantity beyond the strictest bound of a rule."""
        return self._mismatch(quantity, rule, self.strictest)

    @property
    def quantities(self) -> tuple[Quantity, ...]:
        """The quantities that are seen of the subject."""
        return (Quantity.THETA,) if self.hidden else (Quantity.M, Quantity.U, Quantity.THETA)


def identify(
    runs: Sequence[ObservedRun],
    format_: Format,
    arithmetic: Arithmetic = CORRECTLY_ROUNDED,
    refusals: Sequence[Refusal] = (),
) -> Identification:
    """Find the rule and the evaluation scheme that explain a subject's runs.

    Args:
        runs: cases of `cases(format_)`, each with the subject's state after each step.
        format_: the working format.
        arithmetic: the declared arithmetic.
        refusals: the other cases, which the subject cannot run, with the reasons.
    """
    return identify_observed(_ObservedRuns(runs), format_, arithmetic, refusals)


def identify_observed(
    observed: Observations,
    format_: Format,
    arithmetic: Arithmetic = CORRECTLY_ROUNDED,
    refusals: Sequence[Refusal] = (),
) -> Identification:
    """Find the rule and the evaluation scheme that explain any observations.

    Numbers that no scalars of the next coarser format explain may have been computed in that format altogether,
    and only stored in the working one: seen on MindSpore, which reads float64 as float32.

    Args:
        observed: the observations.
        format_: the working format.
        arithmetic: the declared arithmetic.
        refusals: the cases that the subject could not run, with the reasons.
    """
    found = _identify_in_any_precision(observed, format_, arithmetic)
    return replace(found, undetermined=_undetermined_parts(found, refusals))


def _undetermined_parts(found: Identification, refusals: Sequence[Refusal]) -> dict[str, str]:
    """The parts in which the rules that fit differ, each with the reason."""
    parts = [
        part.name
        for part in fields(Rule)
        if len({getattr(rule, part.name) for rule in (found.nearest, *found.alternatives)}) > 1
    ]
    return {part: _reason_undetermined(part, refusals) for part in parts}


def _reason_undetermined(part: str, refusals: Sequence[Refusal]) -> str:
    """The reason why a part could not be determined.

    It is that of the refused cases that distinguish the part and the fewest others.
    """
    distinguished = {
        r: sum(r.concerns(other) for other in DISTINGUISHES) for r in refusals if r.concerns(part)
    }
    fewest = min(distinguished.values(), default=0)
    reasons = dict.fromkeys(r.reason for r, others in distinguished.items() if others == fewest)
    return "; ".join(reasons) or "the rules that fit give the same numbers in each case"


def _identify_in_any_precision(
    observed: Observations, format_: Format, arithmetic: Arithmetic
) -> Identification:
    """Identify in the working format, or in a coarser one that explains more."""
    found = _identify_in_format(observed, format_, arithmetic)
    for coarser in SCALARS:
        explained = found.rule is not None and coarser.precision <= _coarsest(found.scheme).precision
        if coarser.precision >= format_.precision or explained:
            continue
        other = _identify_in_format(observed, coarser, arithmetic, replace(STRICTEST, rounds_operands=True))
        if other.rule is not None and other.admissible:
            return replace(other, format_=format_)
    return found


def _coarsest(scheme: EvaluationScheme) -> Format:
    return min((scheme.m, scheme.u, scheme.theta), key=lambda scalars: scalars.precision)


def _identify_in_format(
    observed: Observations, format_: Format, arithmetic: Arithmetic, strictest: EvaluationScheme = STRICTEST
) -> Identification:
    """Identify by the bounds of one format."""
    explainer = _Explainer(observed, format_, arithmetic, strictest)
    quantities = explainer.quantities
    explained = {
        rule: {q: scheme for q in quantities if (scheme := explainer.explain(q, rule)) is not None}
        for rule in all_rules()
    }

    def score(rule: Rule) -> tuple[int, int]:
        return -len(explained[rule]), sum(not h.admissible(format_) for h in explained[rule].values())

    nearest = min(explained, key=score)  # all_rules puts the documented one first, and min keeps the first
    fits = [rule for rule in explained if score(rule) == score(nearest)]
    whole = len(explained[nearest]) == len(quantities)
    scheme = _merge_schemes(explained[nearest], strictest, hidden=explainer.hidden)
    mismatches = {
        q: divergence
        for q in quantities
        if q not in explained[nearest] and (divergence := explainer.mismatch(q, nearest)) is not None
    }
    return Identification(
        rule=nearest if whole else None,
        nearest=nearest,
        alternatives=tuple(rule for rule in fits if rule != nearest) if whole else (),
        scheme=scheme,
        format_=format_,
        computes_in=format_,
        mismatches=mismatches,
        evidence=tuple(_evidence(q, explained[nearest].get(q), observed.extent) for q in quantities),
    )


def _merge_schemes(
    explained: dict[Quantity, EvaluationScheme], strictest: EvaluationScheme, *, hidden: bool
) -> EvaluationScheme:
    if hidden:
        return explained.get(Quantity.THETA, strictest)
    m, u, theta = (explained.get(q, strictest) for q in (Quantity.M, Quantity.U, Quantity.THETA))
    return replace(strictest, form=m.form, m=m.m, u=u.u, theta=theta.theta)


def _evidence(quantity: Quantity, scheme: EvaluationScheme | None, extent: str) -> str:
    if scheme is None:
        return f"{quantity.value}: explained by no form or scalar precision on {extent}"
    scalars: Format = getattr(scheme, quantity.value)
    form = f", {scheme.form.value} form" if quantity is Quantity.M else ""
    return f"{quantity.value}: within the bound on {extent}, scalars of {scalars.name.lower()}{form}"
