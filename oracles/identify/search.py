"""Identify a subject's rule, form of the moment and scalar precision.

The subject is run on a few cases that separate every rule of `reference.rules` from every other, in every format. Each
of m, u and theta is then explained on its own, by the tightest evaluation scheme whose bound holds on all of the cases.
A rule fits when it explains all three. Where m and u are hidden, theta's trajectory decides alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields, replace
from functools import cached_property
from itertools import product
from typing import Final, Protocol

import numpy as np

from ...reference.case import FloatArray, Group, Parameter
from ...reference.hyperparameters import Hyperparameters
from ...reference.rules import DOCUMENTED, Rule, all_rules
from ..batch.exact_step import ExactStepJudge
from ..batch.whole_run import StepRows, WholeRun
from ..comparison import Snapshot, gather_rows, lockstep, trajectory
from ..error_model import CORRECTLY_ROUNDED, STRICTEST, Arithmetic, ErrorModel, EvaluationScheme, Form
from ..formats import Format
from ..judgement import empty_tallies
from ..verdict import Divergence, Quantity
from .cases import SCALARS, ObservedRun
from .flushing import flushing_gives
from .reconstruction import ObservedStep, ShownStep, is_rounded_from_copy, reconstructs
from .result import DISTINGUISHES, Identification, Refusal

_PLAIN_FORMS: Final = frozenset({Form.WEIGHTED, Form.INTERPOLATED})


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

    @property
    def maximizes(self) -> bool:
        """Whether any step is one with `maximize`."""

    def mismatch(self, quantity: Quantity, error_model: ErrorModel) -> Divergence | None:
        """The first error of a quantity beyond its bound; None where all are within."""

    def fits(self, quantity: Quantity, error_model: ErrorModel) -> bool:
        """Whether all numbers of a quantity are within their bounds."""

    def steps(self) -> Iterable[ObservedStep]:
        """The steps, with their finite elements; none where m and u are hidden."""

    def follows_copy(self, error_model: ErrorModel) -> bool:
        """Check, if runs are seen, that theta is rounded from a copy.

        No rounding of theta enters the copy.
        """

    def held_by(self, quantity: Quantity, format_: Format) -> bool:
        """Check that every number of a quantity after a step is one of a format."""


def _quantities(observed: Observations) -> tuple[Quantity, ...]:
    """The quantities that are seen of a subject."""
    return (Quantity.THETA,) if observed.hidden else (Quantity.M, Quantity.U, Quantity.THETA)


def observed_step(
    hyperparameters: Hyperparameters, t: int, before: Sequence[FloatArray], after: Sequence[FloatArray]
) -> ObservedStep:
    """The elements of a step with finite numbers, theta after it apart.

    Args:
        hyperparameters: in force.
        t: the number of the step, from 1.
        before: theta, m, u and the gradient before it.
        after: theta, m and u after it.
    """
    columns = zip(*(np.ravel(array).tolist() for array in (*before, *after)), strict=True)
    elements = [((row[0], row[1], row[2], row[3]), (row[4], row[5], row[6])) for row in columns]
    return ObservedStep(
        hyperparameters, t, [each for each in elements if all(map(math.isfinite, (*each[0], *each[1][1:])))]
    )


def _elements(
    group: Group, parameter: Parameter, number: int, observed: Sequence[Snapshot]
) -> Iterator[tuple[float, list[ShownStep]]]:
    """The start of each element of a parameter, and its numbers after each step."""
    shown = [
        [np.ravel(arrays[number]).tolist() for arrays in (s.theta, s.m, s.u) if arrays is not None]
        for s in observed
    ]
    for index, start in enumerate(np.ravel(parameter.theta).tolist()):
        yield (
            start,
            [
                ShownStep(group.at(t), t, *(column[index] for column in columns))
                for t, columns in enumerate(shown, start=1)
            ],
        )


def _exceeds(rows: StepRows, quantity: Quantity, error_model: ErrorModel) -> bool:
    """Whether the first element of a step is beyond its bound."""
    before, after = ([float(numbers[0]) for numbers in each] for each in (rows.before, rows.after))
    found = ExactStepJudge(rows.options, rows.t, error_model).judge(before, after, (quantity,))
    size = found[quantity].error_size if quantity in found else None
    return size is not None and size.over_bound > 1


class _ObservedRuns:
    """A subject's runs of some cases."""

    def __init__(self, runs: Sequence[ObservedRun]) -> None:
        self._runs = runs
        self.hidden = any(s.m is None or s.u is None for _, observed in runs for s in observed)
        steps = sum(case.steps for case, _ in runs)
        sizes = sorted({parameter.theta.size for case, _ in runs for parameter in case.parameters})
        elements = " or ".join(map(str, sizes))
        self.extent = f"{len(runs)} cases, {steps} steps of {elements} elements"
        self.maximizes = any(group.hyperparameters.maximize for case, _ in runs for group in case.groups)

    def mismatch(self, quantity: Quantity, error_model: ErrorModel) -> Divergence | None:
        found = empty_tallies(quantity)
        compare = trajectory if self.hidden else lockstep
        for case, observed in self._runs:
            compare(case, observed, error_model, found, brief=True)
            if found[quantity].exceeded:
                break
        return found[quantity].divergence

    def fits(self, quantity: Quantity, error_model: ErrorModel) -> bool:
        if self.hidden:
            return self.mismatch(quantity, error_model) is None
        # Nearly all that is wrong shows in one element of the first run. Only what is right there is judged as a whole.
        return not (
            any(_exceeds(each, quantity, error_model) for each in self._rows[: self._runs[0][0].steps])
            or WholeRun(self._rows, error_model).exceeds(quantity)
        )

    @cached_property
    def _rows(self) -> list[StepRows]:
        """Every step of all runs."""
        return [row for case, observed in self._runs for row in gather_rows(case, observed)]

    def steps(self) -> Iterator[ObservedStep]:
        for case, observed in self._runs:
            for number, group, parameter in case.indexed_parameters():
                zeros = np.zeros(parameter.theta.shape)
                before = (parameter.theta, zeros, zeros)
                for t, snapshot in enumerate(observed, start=1):
                    if snapshot.m is None or snapshot.u is None:
                        return
                    after = (snapshot.theta[number], snapshot.m[number], snapshot.u[number])
                    yield observed_step(group.at(t), t, (*before, parameter.gradients[t - 1]), after)
                    before = after

    def follows_copy(self, error_model: ErrorModel) -> bool:
        return all(
            is_rounded_from_copy(start, steps, error_model)
            for case, observed in self._runs
            for number, group, parameter in case.indexed_parameters()
            for start, steps in _elements(group, parameter, number, observed)
        )

    def held_by(self, quantity: Quantity, format_: Format) -> bool:
        shown = (getattr(snapshot, quantity.value) for _, observed in self._runs for snapshot in observed)
        return all(
            format_.holds(x)
            for arrays in shown
            if arrays is not None
            for a in arrays
            for x in a.ravel().tolist()
        )


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
        self._copied: set[Rule] = set()
        self._known: dict[tuple[object, ...], EvaluationScheme | None] = {}

    def _model(self, rule: Rule, scheme: EvaluationScheme) -> ErrorModel:
        return ErrorModel(self.format, rule, scheme, self.arithmetic)

    def _candidates(self, quantity: Quantity) -> Iterator[EvaluationScheme]:
        """The schemes to try: admissible ones first, from the tightest bound."""
        forms = tuple(Form) if self.hidden or quantity is Quantity.M else (Form.WEIGHTED,)

        def rank(choice: tuple[Form, Format]) -> tuple[bool, bool]:
            admissible = choice[1].precision >= self.format.precision
            # binary16 lacks the range of bfloat16: what becomes of a small beta1 there is not a matter of rounding.
            return not admissible, admissible and choice[1].emax < self.format.emax

        choices = list(product(forms, SCALARS))
        if self.hidden:
            # In theta, coarse scalars hide which form it is; a form does not hide whether the scalars are fine.
            choices = [(form, scalars) for scalars, form in product(SCALARS, forms)]
        in_order = sorted(choices, key=rank)
        # Coarse scalars are an error whatever the form, and these two say enough of it.
        in_order = [choice for choice in in_order if not rank(choice)[0] or choice[0] in _PLAIN_FORMS]
        for form, scalars in in_order:
            scheme = replace(self.strictest, form=form)
            yield scheme.with_scalars(scalars) if self.hidden else _set_scalars(scheme, quantity, scalars)

    def explain(self, quantity: Quantity, rule: Rule) -> EvaluationScheme | None:
        """The tightest scheme under which the rule explains the quantity on all cases."""
        rule = self._shown(rule)
        parts: tuple[object, ...] = (rule.decay, rule.ascent)
        if quantity is Quantity.U:
            parts = (*parts, rule.epsilon)
        elif quantity is Quantity.THETA:
            parts = (rule,)
        key = (quantity, *parts)
        if key not in self._known:
            self._known[key] = self._find_scheme(quantity, rule)
        return self._known[key]

    def explains_all(self, rule: Rule) -> bool:
        """Whether a rule explains every quantity, under some scheme."""
        return all(self.explain(quantity, rule) is not None for quantity in self.quantities)

    def _shown(self, rule: Rule) -> Rule:
        """The rule without what no step shows: how it ascends, where none maximizes."""
        return rule if self.observed.maximizes else replace(rule, ascent=DOCUMENTED.ascent)

    def goes_on_from_copy(self, rule: Rule) -> bool:
        """Whether theta was found to be rounded from a more precise copy under the rule."""
        return self._shown(rule) in self._copied

    def _find_scheme(self, quantity: Quantity, rule: Rule) -> EvaluationScheme | None:
        for scheme in self._candidates(quantity):
            if not scheme.admissible(self.format) and self._goes_on_from_copy(quantity, rule):
                self._copied.add(rule)
                return self.strictest
            fits = self.observed.fits(quantity, self._model(rule, scheme))
            if fits and self._is_supported(quantity, rule, scheme):
                return scheme
        return None

    def _goes_on_from_copy(self, quantity: Quantity, rule: Rule) -> bool:
        """Check that theta is rounded from a more precise copy.

        This is for a theta whose steps are not within their bounds.
        """
        if self.hidden or quantity is not Quantity.THETA:
            return False
        m, u = self.explain(Quantity.M, rule), self.explain(Quantity.U, rule)
        if m is None or u is None or not (m.admissible(self.format) and u.admissible(self.format)):
            return False
        scheme = replace(self.strictest, form=m.form, m=m.m, u=u.u)
        return self.observed.follows_copy(self._model(rule, scheme))

    def _is_supported(self, quantity: Quantity, rule: Rule, scheme: EvaluationScheme) -> bool:
        """Check that coarse scalars give the numbers, and do not only have a wide bound.

        Of a subject that hides m and u that cannot be seen.
        """
        if scheme.admissible(self.format):
            return True
        return not self.hidden and reconstructs(self.observed.steps(), quantity, self._model(rule, scheme))

    def mismatch(self, quantity: Quantity, rule: Rule) -> Divergence | None:
        """The first error of a quantity beyond the strictest bound of a rule."""
        return self.observed.mismatch(quantity, self._model(rule, self.strictest))

    @property
    def quantities(self) -> tuple[Quantity, ...]:
        """The quantities that are seen of the subject."""
        return _quantities(self.observed)


def is_explained_by_flushing(run: ObservedRun, error_model: ErrorModel) -> bool:
    """Check that a device that flushes subnormals to 0 gives every number of a run.

    Args:
        run: the case, and the subject's state after each step.
        error_model: of a device that does not flush.
    """
    observed = _ObservedRuns([run])
    if observed.hidden:
        case, states = run
        shown = [s.theta[number] for number, _, _ in case.indexed_parameters() for s in states]
        starts = [parameter.theta for _, _, parameter in case.indexed_parameters() for _ in states]
        return all(np.array_equal(a, b) for a, b in zip(shown, starts, strict=True))
    return all(flushing_gives(step, error_model) for step in observed.steps())


def identify(
    runs: Sequence[ObservedRun],
    format_: Format,
    arithmetic: Arithmetic = CORRECTLY_ROUNDED,
    refusals: Sequence[Refusal] = (),
    likely: Rule | None = None,
) -> Identification:
    """Find the rule and the evaluation scheme that explain a subject's runs.

    Args:
        runs: cases of `cases(format_)`, each with the subject's state after each step.
        format_: the working format.
        arithmetic: the declared arithmetic.
        refusals: the other cases, which the subject cannot run, with the reasons.
        likely: a rule that is tried alone. If it fits admissibly, no other is looked for.
    """
    if likely is not None:
        found = _identify_in_format(_ObservedRuns(runs), format_, arithmetic, rules=(likely,))
        if found.rule is not None and found.admissible:
            return found
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
        explainer = _Explainer(observed, coarser, arithmetic, replace(STRICTEST, rounds_operands=True))
        if not any(map(explainer.explains_all, all_rules())):
            continue
        other = _identify(explainer, all_rules())
        if other.admissible and _is_of_format(observed, other, format_, arithmetic):
            return replace(other, format_=format_)
    return found


def _is_of_format(
    observed: Observations, coarse: Identification, format_: Format, arithmetic: Arithmetic
) -> bool:
    """Check that a coarse format gives the numbers, beyond having a wide bound.

    All are then stored as numbers of it, or all are what operands that are read in it give in the working format.
    """
    computed_in = coarse.computes_in
    scheme = replace(STRICTEST, form=coarse.scheme.form, rounds_operands=True).with_scalars(computed_in)
    error_model = ErrorModel(format_, coarse.nearest, scheme, arithmetic)
    quantities = _quantities(observed)
    if all(observed.held_by(quantity, computed_in) for quantity in quantities):
        return True
    return not observed.hidden and all(
        reconstructs(observed.steps(), quantity, error_model) for quantity in quantities
    )


def _coarsest(scheme: EvaluationScheme) -> Format:
    return min((scheme.m, scheme.u, scheme.theta), key=lambda scalars: scalars.precision)


def _identify_in_format(
    observed: Observations,
    format_: Format,
    arithmetic: Arithmetic,
    strictest: EvaluationScheme = STRICTEST,
    rules: Sequence[Rule] | None = None,
) -> Identification:
    """Identify by the bounds of one format, among all rules or some."""
    return _identify(_Explainer(observed, format_, arithmetic, strictest), rules or all_rules())


def _identify(explainer: _Explainer, rules: Iterable[Rule]) -> Identification:
    observed, format_, strictest = explainer.observed, explainer.format, explainer.strictest
    quantities = explainer.quantities
    explained = {
        rule: {q: scheme for q in quantities if (scheme := explainer.explain(q, rule)) is not None}
        for rule in rules
    }

    def score(rule: Rule) -> tuple[int, int]:
        flaws = sum(not h.admissible(format_) for h in explained[rule].values())
        return -len(explained[rule]), flaws + explainer.goes_on_from_copy(rule)

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
        kept_in={q: kept for q in mismatches if (kept := _kept_in(observed, q, format_)) is not None},
        goes_on_from_copy=explainer.goes_on_from_copy(nearest),
        evidence=tuple(_evidence(q, explained[nearest].get(q), observed.extent) for q in quantities),
    )


def _kept_in(observed: Observations, quantity: Quantity, format_: Format) -> Format | None:
    """The finest coarser format that has every number of a quantity."""
    coarser = (f for f in SCALARS if f.precision < format_.precision)
    return next((f for f in coarser if observed.held_by(quantity, f)), None)


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
