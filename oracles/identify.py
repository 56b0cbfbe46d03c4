"""Which rule a subject follows, with which form of the moment and which scalar precision.

The subject is run on a few cases that separate every rule of `reference.rules` from every other, in every
format. Each of m, u and theta is then explained on its own, by the tightest habit whose bound holds on all of
the cases; a rule fits when it explains all three. Where m and u are hidden, theta's trajectory decides alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from fractions import Fraction
from functools import lru_cache
from itertools import product
from typing import Final, Protocol

import numpy as np

from ..reference.case import Case, FloatArray, Group, Parameter
from ..reference.hyperparameters import Hyperparameters
from ..reference.rules import DOCUMENTED, Rule, all_rules
from .arithmetic import CORRECTLY_ROUNDED, STRICTEST, Arithmetic, Form, Habits
from .comparison import Snapshot, lockstep, trajectory
from .formats import Format
from .judgement import Assumption, findings
from .verdict import Divergence, Quantity

Run = tuple[Case, Sequence[Snapshot]]

_SCALARS: Final = (Format.BINARY64, Format.BINARY32, Format.BINARY16, Format.BFLOAT16)
"""From the finest to the coarsest; the coarsest is rarely a whole optimizer's choice, and is tried last."""

_SETTINGS: Final = (
    # The most telling first, since a rule is left at the first error. Decay, from a theta that is not 0, while
    # ascending.
    Hyperparameters(lr=0.3, beta1=0.6, beta2=0.7, eps=0.3, weight_decay=0.3, maximize=True),
    # beta1 near 1: 1 - beta1^t cancels, and scalars of a low precision show.
    Hyperparameters(lr=0.01, beta1=0.987, beta2=0.95, eps=0.01),
    # Decay while descending.
    Hyperparameters(lr=0.3, beta1=0.6, beta2=0.7, eps=0.3, weight_decay=0.3),
    # Ascending, without decay: for who has no decay. With beta1 below 1/2 the interpolated form turns round, and
    # g - beta1*(g - m) shows in the first step: see `_lost_going_back`.
    Hyperparameters(lr=0.3, beta1=0.3, beta2=0.7, eps=0.3, maximize=True),
    # Nothing but the moments: betas that show, eps that shows, lr that no binary format holds.
    Hyperparameters(lr=0.3, beta1=0.9, beta2=0.7, eps=0.3),
    # No memory of the gradient: 1 - beta1^t is exactly 1 in any precision, so the step stands bare.
    Hyperparameters(lr=0.3, beta1=0.0, beta2=0.6, eps=0.3),
    # Small beta1: the interpolated form loses what the weighted one keeps.
    Hyperparameters(lr=0.3, beta1=1.1e-3, beta2=0.6, eps=0.01),
)
_STEPS: Final = (4, 12, 4, 4, 4, 4, 4)
"""How long each is run: the one whose bias correction shows longest is long enough to see it end."""
_NEAREST_ONE: Final = Hyperparameters(lr=0.01, beta1=1 - 2.0**-26, beta2=0.95, eps=0.01)
"""A beta1 that is 1 in binary32: so binary32 scalars, which bfloat16 hides elsewhere, are told from binary64 ones."""
_ELEMENTS: Final = 8
_MANY: Final = 12


def cases(format_: Format) -> tuple[Case, ...]:
    """The cases that identify a subject: those that separate the rules, and those that separate the habits."""
    return (*rule_cases(format_), *habit_cases(format_))


@lru_cache
def habit_cases(format_: Format) -> tuple[Case, ...]:
    """A gradient, a zero, and one against what is left of it, under each beta1 that tells two habits."""
    rng = np.random.default_rng(20150104)

    def draw(scale: float = 1.0) -> FloatArray:
        drawn = scale * rng.uniform(0.5, 2.0, _MANY)
        return np.array([format_.round_float(x) for x in drawn.tolist()])

    forgetful, size = _forgetful(format_)
    plain = Hyperparameters(lr=0.3, beta2=0.6, eps=0.01)
    runs = [
        (forgetful, draw(size)),
        (replace(plain, beta1=_BACK), _telling_gradients(_lost_going_back(format_, _BACK), format_, _MANY)),
        (replace(plain, beta1=_ONWARD), _telling_gradients(_lost_going_onward(format_), format_, _MANY)),
        *((replace(plain, beta1=beta1), draw()) for beta1 in _next_to_one(format_)),
    ]
    result = []
    for number, (setting, first) in enumerate(runs, start=1):
        gradients = [first, np.zeros(_MANY), -np.roll(first, 2)]
        parameter = Parameter.of(draw(), gradients)
        result.append(Case(f"identify/habits/{number}", (Group(setting, (parameter,)),)))
    return tuple(result)


_BACK: Final = 29 / 64
_ONWARD: Final = 33 / 64
"""Values of beta1 under which an interpolation rounds most beside the weighted form, going back or onward.

It rounds where that does not: from m = 0 if it goes back from the gradient, which it may for beta1 < 1/2, and to
a gradient of 0 if it goes onward. Here neither beta1 nor 1 - beta1 has an error that widens the weighted bound.
"""


def _forgetful(format_: Format) -> tuple[Hyperparameters, float]:
    """A beta1 so small that the interpolated form loses it in any wider format, and a size for the gradient to show it.

    After one gradient and a zero, the weighted form leaves beta1*m, and the interpolated one what is left of
    m - (1 - beta1)*m, which ordinary numbers hide from who computes in a wider format. In binary16 beta1 is one of
    its numbers, the products of binary32 are what loses it, and m - m*(1 - (1 - beta1)) loses nothing. An eps of a
    like size, and a norm that is forgotten as soon, lets theta show it, too.
    """
    beta1, eps, size = 1.3 * 2.0**-60, 2.0**-60, 1.0
    if format_ is Format.BINARY16:
        beta1, eps, size = 3 * 2.0**-24, 2.0**-8, 2.0**12
    return Hyperparameters(lr=0.3, beta1=beta1, beta2=eps / size, eps=eps), size


def _next_to_one(format_: Format) -> Iterator[float]:
    """Values of beta1 that tell scalars of each finer format, and of the working one, from those of binary64.

    In scalars of p bits, 1 - 2^-(p+2) is 1; and where 1 - beta1 is about 2^-(p/2), its powers have their largest
    error beside what is left of 1.
    """
    for scalars in _SCALARS[1:]:
        if format_.precision <= scalars.precision < -format_.emin:
            yield from (1 - 2.0 ** -(scalars.precision + 2), 1 - 1.37 * 2.0 ** -(scalars.precision // 2))


@lru_cache
def rule_cases(format_: Format) -> tuple[Case, ...]:
    """The cases that separate the rules, with every number in the format."""
    rng = np.random.default_rng(20150102)
    rounded = np.vectorize(format_.round_float, otypes=[np.float64])

    def draw(scale: FloatArray | float = 1.0) -> FloatArray:
        sizes = rng.uniform(0.5, 2.0, _ELEMENTS) * rng.choice([-1.0, 1.0], _ELEMENTS)
        result: FloatArray = rounded(sizes * scale)
        return result

    result = []
    runs = [*zip(_SETTINGS, _STEPS, strict=True)]
    if format_ is Format.BFLOAT16:
        runs.append((_NEAREST_ONE, 4))
    for number, (setting, steps) in enumerate(runs, start=1):
        # Elements 0 to 3 start at 0, where a step shows in full; the odd ones see their gradient fade, so that
        # the decayed norm wins, and m is remembered rather than renewed.
        theta = draw(np.repeat([0.0, 1.0], _ELEMENTS // 2))
        fading = np.tile([1.0, 2.0**-9], _ELEMENTS // 2)
        gradients = [draw(), *(draw(fading) for _ in range(steps - 1))]
        if 0.25 < setting.beta1 < 0.5:
            gradients[0] = _telling_gradients(_lost_going_back(format_, setting.beta1), format_, _ELEMENTS)
        result.append(Case(f"identify/{number}", (Group(setting, (Parameter.of(theta, gradients),)),)))
    return tuple(result)


def _telling_gradients(lost: Callable[[float], Fraction], format_: Format, count: int) -> FloatArray:
    """Of many gradients, those that lose the most, which ordinary numbers may hide."""
    drawn = np.random.default_rng(20150103).uniform(0.5, 2.0, 32 * count)
    telling = sorted({format_.round_float(g) for g in drawn.tolist()}, key=lost)[-count:]
    result: FloatArray = np.array(telling) * np.tile([1.0, -1.0], count // 2)
    return result


def _lost_going_back(format_: Format, beta1: float) -> Callable[[float], Fraction]:
    """How far g - beta1*g, each operation rounded, is from (1 - beta1)*g, which has one rounding: m, from m = 0."""
    held, rounded = format_.round_float(beta1), format_.round_float

    def lost(g: float) -> Fraction:
        exact = (1 - Fraction(beta1)) * Fraction(g)
        return abs(Fraction(rounded(g - rounded(held * g))) - exact) / exact

    return lost


def _lost_going_onward(format_: Format) -> Callable[[float], Fraction]:
    """The same of m - (1 - beta1)*m and beta1*m, where m is (1 - beta1)*g: what a gradient of 0 leaves."""
    rounded = format_.round_float

    def lost(g: float) -> Fraction:
        m = rounded((1 - _ONWARD) * g)
        exact = Fraction(_ONWARD) * Fraction(m)
        return abs(Fraction(rounded(m - rounded((1 - _ONWARD) * m))) - exact) / exact

    return lost


@dataclass(frozen=True, eq=False)
class Refusal:
    """A case that the subject cannot be asked: it has no such argument, or does not take its value.

    Attributes:
        case: the case.
        reason: in the words of the subject, or of its adapter.
    """

    case: Case
    reason: str

    def concerns(self, part: str) -> bool:
        """Whether the case would have told something of a part of the rule."""
        return any(_TELLING[part](group.hyperparameters) for group in self.case.groups)


_TELLING: Final[Mapping[str, Callable[[Hyperparameters], bool]]] = {
    "epsilon": lambda h: h.eps > 0,
    "bias_correction": lambda h: h.beta1 > 0,
    "decay": lambda h: h.weight_decay > 0,
    "ascent": lambda h: h.maximize,
}
"""For each part of a rule, whether it shows under some hyperparameters."""


@dataclass(frozen=True)
class Identification:
    """What a subject was found to be.

    Attributes:
        rule: the rule that explains all quantities, the nearest to the documented one if there are several;
            None if there is none.
        nearest: that rule, or the one that explains the most.
        also: other rules that explain all quantities as well, each different in an `open` part only.
        open: the parts of the rule that could not be told, each with the reason: what of it cannot be asked.
        habits: the form and the scalar precision that go with `nearest`.
        format_: the working format, which the parameters are stored in.
        computes_in: the format that explains the numbers: the working one, or a coarser one that they were
            computed in before they were stored.
        misfits: for each quantity that `nearest` does not explain, the first error beyond the strictest bound.
        evidence: for each quantity, one sentence.
    """

    rule: Rule | None
    nearest: Rule
    also: tuple[Rule, ...]
    habits: Habits
    format_: Format
    computes_in: Format
    open: Mapping[str, str] = field(default_factory=dict)
    misfits: dict[Quantity, Divergence] = field(default_factory=dict)
    evidence: tuple[str, ...] = ()

    @property
    def admissible(self) -> bool:
        """Whether neither its numbers nor its scalars are below the working precision."""
        return self.computes_in is self.format_ and self.habits.admissible(self.format_)

    def describe(self) -> str:
        """One sentence: the rule and the habits, and what of the rule is open."""
        habits = self.habits.describe(self.computes_in)
        if self.computes_in is not self.format_:
            habits = f"computed in {self.computes_in.name.lower()}, {habits}"
        if self.rule is not None:
            what = "the documented rule" if self.rule == DOCUMENTED else "; ".join(self.rule.deviations)
            if self.open:
                parts = " and ".join(part.replace("_", " ") for part in self.open)
                what = f"{what}, as far as it can be asked: its {parts} cannot be told"
            return f"{what} ({habits})"
        missed = ", ".join(quantity.value for quantity in self.misfits)
        return f"no known rule; the nearest is {self.nearest.name}, which does not explain {missed}"


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

        in_order = sorted(product(forms, _SCALARS), key=rank)
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
    telling = {r: sum(r.concerns(other) for other in _TELLING) for r in refusals if r.concerns(part)}
    fewest = min(telling.values(), default=0)
    reasons = dict.fromkeys(r.reason for r, others in telling.items() if others == fewest)
    return "; ".join(reasons) or "the rules that fit give the same numbers in each case"


def _with_format(observed: Observed, format_: Format, arithmetic: Arithmetic) -> Identification:
    """What explains the numbers, in the working format or a coarser one that they were computed in."""
    found = _identify(observed, format_, arithmetic)
    for coarser in _SCALARS:
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
