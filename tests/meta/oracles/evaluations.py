"""Every admissible evaluation of one step, in rational arithmetic.

Order, scalars, and each rounding that an admissible evaluation may or may not have are decisions with names. A search
may turn any of them, or any number, to drive an error towards its bound. It shares no code with `oracles.bounds.step`.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import combinations, product

import mpmath
from adamax_conformance.oracles.error_model import Form
from adamax_conformance.oracles.formats import Format
from adamax_conformance.reference.hyperparameters import Hyperparameters

Tree = str | tuple["Tree", str, "Tree"]
"""A leaf (lr, m, c, u), or two trees and the operation between them."""


class OutOfRangeError(Exception):
    """An intermediate left the format, or was divided by zero."""


def round_to_format(format_: Format, value: Fraction) -> Fraction:
    """A rational number rounded to a format, to nearest, ties to even."""
    result = _nearest(value, format_.precision, format_.emin)
    if abs(result) > Fraction(format_.largest):
        raise OutOfRangeError
    return result


def round_to_wider(format_: Format, value: Fraction) -> Fraction:
    """Round a rational number to the narrowest wider format of intermediates."""
    return _nearest(value, *_WIDER[format_])


_WIDER = {
    Format.BINARY16: (24, -126),
    Format.BFLOAT16: (24, -126),
    Format.BINARY32: (53, -1022),
    Format.BINARY64: (64, -16382),
}
"""Precision and smallest exponent: binary32, binary64, and the extended registers of an x87."""


def _nearest(value: Fraction, precision: int, emin: int) -> Fraction:
    numerator, denominator = abs(value.numerator), value.denominator
    top = numerator.bit_length() - denominator.bit_length()
    if numerator < denominator << top if top >= 0 else numerator << -top < denominator:
        top -= 1
    last = max(top, emin) - precision + 1
    spacing = Fraction(1 << last) if last >= 0 else Fraction(1, 1 << -last)
    return round(value / spacing) * spacing


def neighbours(format_: Format, value: Fraction) -> tuple[Fraction, Fraction]:
    """The two numbers of a format around a value: the results within 1 ulp."""
    nearest = round_to_format(format_, value)
    if nearest == value:
        return value, value
    ulp = Fraction(format_.ulp(float(nearest)))
    other = nearest + ulp if nearest < value else nearest - ulp
    return nearest, round_to_format(format_, other)


@dataclass
class Decisions:
    """The decisions of an evaluation by name; new ones are drawn."""

    rng: random.Random
    made: dict[str, int] = field(default_factory=dict)

    def choose(self, name: str, options: int) -> int:
        """One of 0, ..., options - 1."""
        if name not in self.made:
            self.made[name] = self.rng.randrange(options)
        return self.made[name] % options

    def change_one(self) -> Decisions:
        """A copy with one decision drawn again."""
        made = dict(self.made)
        if made:
            del made[self.rng.choice(list(made))]
        return Decisions(self.rng, made)


@dataclass(frozen=True)
class Setting:
    """One step to be evaluated: the state before it, the gradient, and how.

    Attributes:
        format_: the working format.
        scalars: the format in which the scalars are computed.
        form: the form of the moment.
        hyperparameters: in force.
        t: the number of the step.
        theta: before the step, as is all that follows.
        m: the first moment.
        u: the infinity norm.
        g: the gradient.
    """

    format_: Format
    scalars: Format
    form: Form
    hyperparameters: Hyperparameters
    t: int
    theta: float
    m: float
    u: float
    g: float


def _splits(leaves: frozenset[str]) -> Iterator[tuple[frozenset[str], frozenset[str]]]:
    """Every way to part leaves in two, either part first."""
    for size in range(1, len(leaves)):
        for chosen in combinations(sorted(leaves), size):
            yield frozenset(chosen), leaves - frozenset(chosen)


def above(leaves: frozenset[str]) -> Iterator[Tree]:
    """Every tree for what these leaves are in lr*m/(c*u)."""
    if len(leaves) == 1:
        yield from leaves & {"lr", "m"}
    for left, right in _splits(leaves):
        if min(leaves) in left:  # a product is the same either way
            yield from ((a, "*", b) for a, b in product(above(left), above(right)))
        yield from ((a, "/", b) for a, b in product(above(left), below(right)))


def below(leaves: frozenset[str]) -> Iterator[Tree]:
    """Every tree for one over that, in which m never divides."""
    if "m" in leaves:
        return
    if len(leaves) == 1:
        yield from leaves & {"c", "u"}
    for left, right in _splits(leaves):
        if min(leaves) in left:
            yield from ((a, "*", b) for a, b in product(below(left), below(right)))
        yield from ((a, "/", b) for a, b in product(below(left), above(right)))


TREES = tuple(above(frozenset({"lr", "m", "c", "u"})))
"""Every order of lr*m/(c*u) in three operations."""


class Evaluation:
    """One evaluation of one step, as decided."""

    def __init__(self, setting: Setting, decisions: Decisions) -> None:
        self.setting = setting
        self.format = setting.format_
        self.decide = decisions.choose

    def operation(self, name: str, exact: Fraction) -> Fraction:
        """The result of an operation: rounded, rounded twice, or kept wide."""
        match self.decide(f"{name} is wide", 6):
            case 1:
                return exact
            case 2:
                return round_to_wider(self.format, exact)
            case 3:
                return round_to_format(self.format, round_to_wider(self.format, exact))
        return round_to_format(self.format, exact)

    def enter(self, name: str, value: Fraction) -> Fraction:
        """A scalar as it enters."""
        match self.decide(f"{name} enters wide", 4):
            case 1:
                return value
            case 2:
                return round_to_format(self.format, round_to_wider(self.format, value))
        return round_to_format(self.format, value)

    def enter_hyperparameter(self, name: str, value: float) -> Fraction:
        """A hyperparameter as it enters."""
        return self.enter(name, round_to_format(self.setting.scalars, Fraction(value)))

    def function(self, name: str, exact: Fraction) -> Fraction:
        """The result of a library's function, within 1 ulp of the scalars' format."""
        return neighbours(self.setting.scalars, exact)[self.decide(f"{name} goes up", 2)]

    def complement(self) -> Fraction:
        """1 - beta1."""
        exact = 1 - round_to_format(self.setting.scalars, Fraction(self.setting.hyperparameters.beta1))
        if self.decide("1 - beta1 is wide", 3) != 1:
            exact = round_to_format(self.setting.scalars, exact)
        return self.enter("complement", exact)

    def correction(self) -> Fraction:
        """1 - beta1^t."""
        scalars, t = self.setting.scalars, self.setting.t
        beta1 = round_to_format(scalars, Fraction(self.setting.hyperparameters.beta1))
        if not beta1:
            return Fraction(1)
        match self.decide("correction", 3):
            case 0:
                power = beta1 if t == 1 else self.function("power", beta1**t)
            case 1:
                power = beta1
                for _ in range(t - 1):
                    power = round_to_format(scalars, power * beta1)
            case _:
                complement = round_to_format(scalars, 1 - beta1)
                logarithm = (
                    self.function("log1p", real(mpmath.log1p, -complement)) if complement < 1 else None
                )
                if logarithm is None:
                    return Fraction(1)
                exponent = round_to_format(scalars, t * logarithm)
                return self.enter("correction", -self.function("expm1", real(mpmath.expm1, exponent)))
        return self.enter("correction", round_to_format(scalars, 1 - power))

    def gradient(self, of: str) -> Fraction:
        """The effective gradient, as it enters m or u."""
        h = self.setting.hyperparameters
        g = Fraction(self.setting.g) * (-1 if h.maximize else 1)
        if not h.weight_decay:
            return g
        decay = self.enter_hyperparameter(f"weight_decay of {of}", h.weight_decay)
        term = self.operation(f"decay of {of}", decay * Fraction(self.setting.theta))
        return self.operation(f"gradient of {of}", g + term)

    def moment(self) -> Fraction:
        """The first moment after the step, not yet stored."""
        m, g, h = Fraction(self.setting.m), self.gradient("m"), self.setting.hyperparameters
        weight = self.complement()
        forms = self.setting.form.alternatives_at(weight, Fraction(0))
        form = forms[self.decide("form at 1/2", len(forms)) if len(forms) > 1 else 0]
        if form is Form.WEIGHTED:
            decayed = self.operation("decayed m", self.enter_hyperparameter("beta1", h.beta1) * m)
            fresh = self.operation("fresh m", weight * g)
            return self.operation("m", decayed + fresh)
        if form is Form.DECREMENTED:
            kept = self.operation("kept m", m - self.operation("taken m", weight * m))
            return self.operation("m", kept + self.operation("fresh m", weight * g))
        if form is Form.FROM_GRADIENT:
            beta1 = self.enter_hyperparameter("beta1", h.beta1)
            back = self.operation("back by", beta1 * self.operation("distance", m - g))
            return self.operation("m", g + back)
        distance = self.operation("distance", g - m)
        if weight >= Fraction(1, 2) and self.decide("back", 2):
            beta1 = (
                1 - weight
                if self.decide("from the complement", 2)
                else self.enter_hyperparameter("beta1", h.beta1)
            )
            return self.operation("m", g - self.operation("back by", distance * beta1))
        return self.operation("m", m + self.operation("onward by", weight * distance))

    def norm(self) -> Fraction:
        """The infinity norm after the step, not yet stored."""
        h = self.setting.hyperparameters
        decayed = self.operation(
            "decayed u", self.enter_hyperparameter("beta2", h.beta2) * Fraction(self.setting.u)
        )
        fresh = self.operation("fresh u", abs(self.gradient("u")) + self.enter_hyperparameter("eps", h.eps))
        return max(decayed, fresh)

    def step(self, m: Fraction, u: Fraction) -> Fraction:
        """lr*m / ((1 - beta1^t)*u), in one of the orders."""
        leaves = {"lr": self.enter_hyperparameter("lr", self.setting.hyperparameters.lr), "m": m, "u": u}
        leaves["c"] = self.correction()

        def compute(tree: Tree) -> Fraction:
            if isinstance(tree, str):
                return leaves[tree]
            left, sign, right = tree
            a, b = compute(left), compute(right)
            if sign == "/" and not b:
                raise OutOfRangeError
            return self.operation(f"operation {tree}", a * b if sign == "*" else a / b)

        return compute(TREES[self.decide("order", len(TREES))])

    def result(self) -> tuple[float, float, float]:
        """theta, m and u after the step, as stored."""
        m, u = self.moment(), self.norm()
        stored_m, stored_u = round_to_format(self.format, m), round_to_format(self.format, u)
        entering_m = m if self.decide("m enters unrounded", 2) else stored_m
        entering_u = u if self.decide("u enters unrounded", 2) else stored_u
        step = self.step(entering_m, entering_u)
        theta = round_to_format(self.format, Fraction(self.setting.theta) - step)
        return float(theta), float(stored_m), float(stored_u)


def real(function: Callable, argument: Fraction) -> Fraction:
    """A function of mpmath at a rational argument, to 300 bits."""
    with mpmath.workprec(300):
        sign, mantissa, exponent, _ = function(mpmath.mpf(argument.numerator) / argument.denominator)._mpf_
    return (-1 if sign else 1) * Fraction(int(mantissa)) * Fraction(2) ** int(exponent)


def draw_number(format_: Format, rng: random.Random, low: int, high: int) -> float:
    """A number with an exponent in [low, high], often with few bits set, sometimes 0."""
    if rng.random() < 0.05:
        return 0.0
    mantissa = rng.getrandbits(format_.precision) | 1 << (format_.precision - 1)
    if rng.random() < 0.3:
        mantissa = (1 << (format_.precision - 1)) + rng.randrange(-2, 3)
    top = min(max(rng.randint(low, high), format_.emin), format_.emax - 1)
    exponent = top - format_.precision + 1
    return format_.round_scaled(mantissa * rng.choice((-1, 1)), exponent)


def draw_hyperparameters(rng: random.Random) -> Hyperparameters:
    """Hyperparameters at and near the edges of their domains, and in the middle."""

    def beta() -> float:
        edges = (0.0, 0.9, 0.999, 0.5, 0.1, 1e-3, 0.49, 1 - 2.0**-20, 1 - 2.0**-53)
        return rng.choice(edges) if rng.random() < 0.4 else rng.random()

    return Hyperparameters(
        lr=rng.choice((2e-3, 0.1, 1.0, 17.0, 0.0, rng.random(), 10 ** rng.uniform(-6, 3))),
        beta1=beta(),
        beta2=beta(),
        eps=rng.choice((1e-8, 0.3, 1e-3, rng.random(), 10 ** rng.uniform(-9, 0))),
        weight_decay=rng.choice((0.0, 0.0, 0.01, 1.5, rng.random())),
        maximize=rng.random() < 0.5,
    )


def draw_setting(format_: Format, rng: random.Random) -> Setting:
    """A step with numbers of like size; sometimes far apart, tiny, or huge."""
    reach = rng.choice((1, 1, 1, 4, 12))
    middle = 0
    if rng.random() < 0.25:
        middle = rng.choice((format_.emin, format_.emin + 3, format_.emin // 2, format_.emax - 8))

    def number() -> float:
        return draw_number(format_, rng, middle - reach, middle + reach)

    return Setting(
        format_,
        rng.choice((Format.BINARY64, format_)),
        rng.choice(tuple(Form)),
        draw_hyperparameters(rng),
        rng.choice((1, 1, 2, 3, 7, 30)),
        rng.choice((0.0, number(), number())),
        number(),
        abs(number()),
        number(),
    )


def change_setting(setting: Setting, rng: random.Random) -> Setting:
    """A copy with one number changed: by a few ulp, or drawn again."""
    name = rng.choice(("theta", "m", "u", "g", "g", "m", "u", "t", "hyperparameters"))
    format_ = setting.format_
    if name == "t":
        return replace(setting, t=max(1, setting.t + rng.choice((-1, 1))))
    if name == "hyperparameters":
        h = setting.hyperparameters
        option = rng.choice(("lr", "beta1", "beta2", "eps", "weight_decay"))
        if rng.random() < 0.3:
            fresh = draw_hyperparameters(rng)
            return replace(setting, hyperparameters=replace(h, **{option: getattr(fresh, option)}))
        value = getattr(h, option) * (1 + rng.choice((-1, 1)) * 2.0 ** rng.randint(-53, -2))
        return replace(
            setting,
            hyperparameters=replace(h, **{option: min(value, 1 - 2.0**-53) if "beta" in option else value}),
        )
    value = getattr(setting, name)
    moved = value + rng.choice((-8, -3, -1, 1, 3, 8)) * format_.ulp(value)
    if rng.random() < 0.2:
        moved = value * rng.choice((0.5, 2.0, -1.0))
    moved = format_.round_float(moved)
    if abs(moved) > format_.largest:
        return setting
    return replace(setting, **{name: abs(moved) if name == "u" else moved})
