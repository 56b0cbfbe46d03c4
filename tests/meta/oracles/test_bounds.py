"""The bounds from both sides: they hold, and they are not wider than needed."""

from __future__ import annotations

import math
import random
import re
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
from adamax_conformance import oracles
from adamax_conformance.oracles.bounds.radii import compound
from adamax_conformance.oracles.comparison import lockstep
from adamax_conformance.oracles.error_model import (
    CORRECTLY_ROUNDED,
    Arithmetic,
    ErrorModel,
    EvaluationScheme,
    Form,
)
from adamax_conformance.oracles.exact.trajectory import exact_scalars, mpmath_context
from adamax_conformance.oracles.formats import Format
from adamax_conformance.oracles.identify.cases import cases as identifying_cases
from adamax_conformance.oracles.judgement import empty_tallies
from adamax_conformance.reference.case import Case, Group, Parameter
from adamax_conformance.reference.hyperparameters import Hyperparameters
from adamax_conformance.reference.rules import DOCUMENTED, BiasCorrection, Decay, Epsilon, Rule
from adamax_conformance.tests.meta.oracles.element_bounds import ElementBounds
from adamax_conformance.tests.meta.oracles.evaluations import (
    TREES,
    Decisions,
    Evaluation,
    Setting,
    draw_number,
    round_to_format,
    round_to_wider,
)
from adamax_conformance.tests.meta.oracles.observation import declared_error_model, observe
from adamax_conformance.tests.meta.oracles.rationals import fraction
from adamax_conformance.tests.meta.oracles.search import QUANTITIES, climb
from adamax_conformance.tests.meta.oracles.tightness import (
    DTYPES,
    Mode,
    largest_fractions,
    modes,
    runs,
    smallest_caught_shift,
)
from adamax_conformance.tests.meta.planted import FAITHFUL
from adamax_conformance.tests.meta.planted.faithful import Plain, WiderThroughout
from adamax_conformance.tests.meta.sampling import crossed

FORMATS = pytest.mark.parametrize("format_", Format, ids=lambda f: f.dtype)

EVERY_QUANTITY = pytest.mark.parametrize("quantity", QUANTITIES, ids=lambda q: q.value)
EVERY_MODE = pytest.mark.parametrize("mode", Mode, ids=lambda m: m.value)

CTX = mpmath_context(200)


def bounds(
    format_, hyperparameters, t=3, rule=DOCUMENTED, scheme=None, arithmetic=CORRECTLY_ROUNDED, number=CTX.mpf
):
    """The bounds of one step."""
    error_model = ErrorModel(format_, rule, scheme or EvaluationScheme(), arithmetic)
    return ElementBounds(exact_scalars(CTX, hyperparameters), t, error_model, number)


# No admissible evaluation exceeds them -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("variant", "format_"), crossed(FAITHFUL, Format), ids=lambda each: getattr(each, "dtype", each.name)
)
def test_a_faithful_optimizer_is_within_every_bound(variant, format_) -> None:
    for mode in modes(variant, format_):
        for quantity, found in largest_fractions(variant, format_, mode).items():
            assert found.fraction <= 1, (mode, quantity)


@EVERY_MODE
@EVERY_QUANTITY
@FORMATS
def test_a_search_over_every_decision_of_an_evaluation_does_not_exceed_a_bound(
    format_, quantity, mode
) -> None:
    rng = random.Random(20150507)
    whole = mode is Mode.TRAJECTORY
    worst = climb(format_, quantity, rng, turns=80 if whole else 200, whole=whole)
    assert worst.fraction <= 1, worst


def test_the_orders_of_the_step_are_twenty_four_and_no_two_the_same() -> None:
    assert len(TREES) == len(set(TREES)) == 24


class Narrow(Decisions):
    """Decisions of an evaluation that rounds every result, in the order that is named."""

    def choose(self, name: str, options: int) -> int:
        """Never wide; the rest is drawn."""
        return 0 if "wide" in name else super().choose(name, options)


@FORMATS
@pytest.mark.parametrize("lr", [1.0, 0.3])
@pytest.mark.parametrize("beta1", [0.0, 0.9])
def test_every_order_of_the_step_is_within_what_is_counted_for_the_step_alone(format_, lr, beta1) -> None:
    """With m and u exact and theta 0, no other rounding hides one that is not counted."""
    rng = random.Random(20150507)
    setting = Hyperparameters(lr=lr, beta1=beta1)
    step_bounds, zero = bounds(format_, setting, t=1), CTX.mpf(0)
    correction = 1 - Fraction(beta1)
    for order, tree in enumerate(TREES):
        for _ in range(40):
            m, u = draw_number(format_, rng, -1, 1), abs(draw_number(format_, rng, -1, 1)) or 1.0
            step = Setting(format_, Format.BINARY64, Form.WEIGHTED, setting, 1, 0.0, 0.0, 0.0, m)
            taken = Evaluation(step, Narrow(rng, {"order": order})).step(Fraction(m), Fraction(u))
            right = Fraction(lr) * Fraction(m) / (correction * Fraction(u))
            radius = step_bounds.theta_radius(zero, zero, CTX.mpf(m), zero, CTX.mpf(u), zero)
            assert abs(taken - right) <= fraction(radius), (tree, m, u)


@pytest.mark.parametrize(
    ("format_", "g", "eps"),
    [
        (Format.BINARY64, 1.0, 2.0**-53 + 2.0**-65),  # an extended register
        (Format.BINARY16, 1022 * 2.0**-24, 2.0**-25 + 2.0**-40),  # binary32, and a subnormal norm
        (Format.BFLOAT16, 1.0, 2.0**-8 + 2.0**-25),
    ],
)
def test_a_norm_that_is_rounded_twice_is_not_accused(format_, g, eps) -> None:
    """A wider register takes |g| + eps for a tie and rounds it down instead of up."""
    total = Fraction(g) + Fraction(eps)
    stored = round_to_format(format_, round_to_wider(format_, total))
    assert stored != round_to_format(format_, total)
    zero = CTX.mpf(0)
    radius = bounds(format_, Hyperparameters(eps=eps)).norm_radius(zero, zero, CTX.mpf(g), zero, zero)
    assert abs(stored - total) <= fraction(radius)


class MasterWeights(Plain):
    """theta goes on in binary64, and what is shown of it is rounded."""

    def visit(self, index, group_index, theta, g):
        masters = self.__dict__.setdefault("_masters", {})
        wide = masters.setdefault(index, theta.astype(np.float64))
        scalars = self.scalars_at(self.options_of(group_index), self.step_of(index), theta.dtype)
        new, m, u = self.advance(
            wide, *(x.astype(np.float64) for x in (self.m[index], self.u[index], g)), scalars
        )
        masters[index] = new
        self.store(index, theta, new, m, u)


def test_master_weights_are_right_as_a_trajectory_and_not_step_by_step() -> None:
    setting = Hyperparameters(lr=2.0**-12, beta1=0.9, eps=0.25)
    case = Case("master", (Group(setting, (Parameter.of([1.0, -1.5], [[1.0, 0.7]] * 8),)),))
    states = observe(MasterWeights, case, np.float16)
    exceeded = []
    for mode in (Mode.TRAJECTORY, Mode.LOCKSTEP):
        found = empty_tallies(*QUANTITIES)
        mode.compare(case, states, declared_error_model(Plain, Format.BINARY16), found)
        exceeded.append(sum(tally.exceeded for tally in found.values()))
    assert exceeded[0] == 0 < exceeded[1]


# They are not wider than needed ------------------------------------------------------------------------------


@EVERY_QUANTITY
@FORMATS
def test_the_worst_faithful_optimizer_reaches_a_quarter_of_the_lockstep_bound(format_, quantity) -> None:
    mode = Mode.LOCKSTEP
    everyone = (variant for variant in FAITHFUL if mode in modes(variant, format_))
    found = (largest_fractions(each, format_, mode, ordinary=True)[quantity] for each in everyone)
    assert any(each.fraction >= 0.25 for each in found)


@EVERY_MODE
@EVERY_QUANTITY
@FORMATS
def test_a_systematic_error_of_a_few_ulp_is_caught(format_, quantity, mode) -> None:
    smallest = smallest_caught_shift(format_, mode, quantity)
    assert smallest is not None
    assert smallest <= (8 if mode is Mode.LOCKSTEP else 24)


@FORMATS
def test_most_elements_are_judged_rather_than_open(format_) -> None:
    found = largest_fractions(Plain, format_, Mode.LOCKSTEP).values()
    judged, left_open = (sum(getattr(tally, name) for tally in found) for name in ("judged", "open"))
    assert judged > 1000
    assert judged >= 9 * left_open


# What is known exactly has no error -------------------------------------------------------------------------


@FORMATS
def test_a_rate_of_zero_leaves_theta_as_it_is_to_the_bit(format_) -> None:
    step = bounds(format_, Hyperparameters(lr=0.0))
    assert step.stored_theta_radius(CTX.mpf(1), CTX.mpf(2), CTX.mpf(3)) == 0


@FORMATS
def test_a_moment_that_was_never_anything_but_zero_leaves_theta_as_it_is_to_the_bit(format_) -> None:
    step = bounds(format_, Hyperparameters(eps=0.25))
    zero = CTX.mpf(0)
    assert step.moment_radius(zero, zero, zero, CTX.mpf(1), zero) == 0
    assert step.stored_theta_radius(CTX.mpf(1), zero, CTX.mpf(0.25), zero) == 0


@FORMATS
def test_a_moment_that_was_stored_as_zero_may_have_moved_theta(format_) -> None:
    step = bounds(format_, Hyperparameters(eps=0.25))
    assert step.stored_theta_radius(CTX.mpf(0), CTX.mpf(0), CTX.mpf(0.25)) > 0


def test_a_wide_evaluation_that_stores_a_moment_of_zero_is_not_accused() -> None:
    tiny = Format.BINARY16.smallest_subnormal
    setting = Hyperparameters(lr=0.5, beta1=0.9, eps=1.2e-7)
    case = Case("tiny", (Group(setting, (Parameter.of([0.0], [[tiny]]),)),))
    states = observe(WiderThroughout, case, np.float16)
    assert states[0].m[0][0] == 0
    assert states[0].theta[0][0] != 0
    found = empty_tallies(*QUANTITIES)
    lockstep(case, states, declared_error_model(WiderThroughout, Format.BINARY16), found)
    assert not any(tally.exceeded for tally in found.values())


@FORMATS
def test_without_memory_the_weighted_moment_is_the_gradient_to_the_bit(format_) -> None:
    one, zero = CTX.mpf(1), CTX.mpf(0)
    forgetful = Hyperparameters(beta1=0.0)
    assert bounds(format_, forgetful).moment_radius(one, zero, one / 2, one, zero) == 0
    interpolated = bounds(format_, forgetful, scheme=EvaluationScheme(Form.INTERPOLATED))
    assert interpolated.moment_radius(one, zero, one / 2, one, zero) > 0


@FORMATS
def test_a_norm_that_is_its_gradient_alone_has_no_error(format_) -> None:
    one, zero = CTX.mpf(1), CTX.mpf(0)
    step = bounds(format_, Hyperparameters(), rule=Rule(epsilon=Epsilon.NONE))
    assert step.norm_radius(one / 2, zero, one, one, zero) == 0
    assert step.norm_radius(one, zero, one / 2, one, zero) > 0


def test_the_first_step_of_a_float32_counts_seven_roundings_from_zero_and_one_more_elsewhere() -> None:
    lr, beta1 = 0.3, 0.9
    step = bounds(Format.BINARY32, Hyperparameters(lr=lr, beta1=beta1), t=1)
    taken = CTX.mpf(lr) / (1 - CTX.mpf(beta1))
    u = Format.BINARY32.unit_roundoff
    from_zero = step.stored_theta_radius(CTX.mpf(0), CTX.mpf(1), CTX.mpf(1))
    assert 5 * u * taken < from_zero <= 7.004 * u * taken
    elsewhere = step.stored_theta_radius(CTX.mpf(64), CTX.mpf(1), CTX.mpf(1))
    assert from_zero + u * (64 - taken) < elsewhere < from_zero + 1.001 * u * 64


@FORMATS
def test_a_factor_of_one_spares_no_operation_but_a_rule_without_correction_does(format_) -> None:
    for lr, beta1 in ((0.3, 0.9), (1.0, 0.9), (0.3, 0.0), (1.0, 0.0)):
        setting = Hyperparameters(lr=lr, beta1=beta1)
        k = bounds(format_, setting).constants
        assert k.operations == compound(*[k.divide] * 3)
        uncorrected = Rule(bias_correction=BiasCorrection.NONE)
        assert bounds(format_, setting, rule=uncorrected).constants.operations == compound(*[k.divide] * 2)


def test_coarse_scalars_round_what_a_decoupled_decay_leaves() -> None:
    setting, rule = Hyperparameters(lr=0.01, weight_decay=0.1), Rule(decay=Decay.DECOUPLED)
    coarse = EvaluationScheme(theta=Format.BINARY32)
    fine, rough = (
        bounds(Format.BINARY64, setting, rule=rule, scheme=scheme).stored_theta_radius(
            CTX.mpf(1), CTX.mpf(0), CTX.mpf(1)
        )
        for scheme in (EvaluationScheme(), coarse)
    )
    roundoff = Format.BINARY32.unit_roundoff
    assert fine < 2.0**-50
    assert roundoff < rough < 1.01 * roundoff


# Where nothing is right or wrong ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("setting", "m", "u"),
    [
        ({"lr": 100.0}, 3e38, 3e38),  # lr*m
        ({"lr": 0.0}, 1e30, 1e-10),  # m/u, and 0 times infinity is NaN
        ({"lr": 1e30, "beta1": 1 - 2.0**-40}, 1e-30, 1.0),  # lr/(1 - beta1)
        ({"lr": 0.1}, 1e-30, 1e-39),  # lr/u
        ({"lr": 1e-3}, 1.0, 1e36),  # u/lr
        ({"lr": 0.1}, 0.0, 0.0),  # 0/0
    ],
)
def test_a_step_that_an_admissible_order_overflows_is_open(setting, m, u) -> None:
    step = bounds(Format.BINARY32, Hyperparameters(**setting), t=1)
    assert step.stored_theta_radius(CTX.mpf(1), CTX.mpf(m), CTX.mpf(u)) == math.inf


def test_a_moment_that_an_interpolation_overflows_is_open_only_for_that_form() -> None:
    huge, zero = CTX.mpf(3e38), CTX.mpf(0)
    for form, is_open in ((Form.WEIGHTED, False), (Form.INTERPOLATED, True)):
        step = bounds(Format.BINARY32, Hyperparameters(), scheme=EvaluationScheme(form))
        assert (step.moment_radius(huge, zero, -huge, zero, zero) == math.inf) == is_open


def test_a_decay_that_overflows_opens_m_and_u() -> None:
    step = bounds(Format.BINARY32, Hyperparameters(weight_decay=10.0))
    huge, one, zero = CTX.mpf(1e38), CTX.mpf(1), CTX.mpf(0)
    assert step.moment_radius(one, zero, one, huge, zero) == math.inf
    assert step.norm_radius(one, zero, one, huge, zero) == math.inf


def test_a_quotient_that_may_be_subnormal_counts_for_a_large_norm() -> None:
    # lr/u is subnormal, and so off by more than a rounding, where u is large; m makes the step large again.
    setting = Hyperparameters(lr=0.002, beta1=0.0)
    step = bounds(Format.BINARY32, setting)
    m = u = CTX.mpf(2) ** 118
    off = step.stored_theta_radius(CTX.mpf(0), m, u)
    assert off > 8 * Format.BINARY32.unit_roundoff * 0.002


def test_a_scalar_that_rounds_to_infinity_opens_what_it_enters() -> None:
    setting = Hyperparameters(lr=1e6, eps=1e6)
    one, zero = CTX.mpf(1), CTX.mpf(0)
    step = bounds(Format.BINARY16, setting)
    assert step.moment_radius(one, zero, one, one, zero) < math.inf
    assert step.norm_radius(one, zero, one, one, zero) == math.inf
    assert step.stored_theta_radius(one, one, one) == math.inf


def test_a_beta1_that_rounds_to_one_opens_the_step_only_with_scalars_of_the_working_format() -> None:
    nearest = Hyperparameters(beta1=1 - 2.0**-53)
    one = CTX.mpf(1)
    assert bounds(Format.BINARY32, nearest).stored_theta_radius(one, one / 4, one) < math.inf
    working = EvaluationScheme().with_scalars(Format.BINARY32)
    assert bounds(Format.BINARY32, nearest, scheme=working).stored_theta_radius(one, one / 4, one) == math.inf


# The second branch of an interpolation ----------------------------------------------------------------------


def test_going_back_by_beta1_counts_only_where_it_is_the_shorter_way() -> None:
    one, zero = CTX.mpf(1), CTX.mpf(0)
    u = Format.BINARY32.unit_roundoff

    def radius(beta1):
        step = bounds(
            Format.BINARY32, Hyperparameters(beta1=beta1), scheme=EvaluationScheme(Form.INTERPOLATED)
        )
        return float(step.moment_radius(one, zero, -one, zero, zero)) / u

    # distance 2: onward 3 roundings of (1 - beta1)*2 and one of the result
    assert radius(0.9) <= 3 * 0.2 + 0.8 + 1e-6
    assert radius(0.25) <= 3 * 1.5 + 0.5 + 1e-6


# Declared arithmetic ----------------------------------------------------------------------------------------


def test_a_coarser_arithmetic_widens_every_bound() -> None:
    coarse = Arithmetic("coarse", add=2.0, multiply=2.0, divide=4.0)
    one, zero, g = CTX.mpf(1), CTX.mpf(0), CTX.mpf(0.7)
    right, wide = (
        bounds(Format.BINARY32, Hyperparameters(), arithmetic=a) for a in (CORRECTLY_ROUNDED, coarse)
    )
    assert wide.moment_radius(one, zero, g, one, zero) > 1.5 * right.moment_radius(one, zero, g, one, zero)
    assert wide.norm_radius(one, zero, g, one, zero) > 1.3 * right.norm_radius(one, zero, g, one, zero)
    assert wide.stored_theta_radius(zero, one, one) > 1.5 * right.stored_theta_radius(zero, one, one)


class Flushing(Plain):
    """The plain optimizer on a device that has no subnormal numbers."""

    def scalars_at(self, options, t, dtype):
        right = super().scalars_at(options, t, dtype)
        names = ("lr", "beta1", "complement", "beta2", "eps", "weight_decay", "correction", "rate")
        return replace(right, **{name: flush(getattr(right, name)) for name in names})

    def advance(self, theta, m, u, g, scalars):
        theta, m, u, g = (flush(x) for x in (theta, m, u, -g if scalars.maximize else g))
        if scalars.weight_decay:
            g = flush(g + flush(scalars.weight_decay * theta))
        m = flush(flush(scalars.beta1 * m) + flush(scalars.complement * g))
        u = flush(np.maximum(flush(scalars.beta2 * u), flush(np.abs(g) + scalars.eps)))
        step = flush(scalars.rate * flush(m / u))
        return flush(theta - np.where(m == 0, m, step)), m, u


def flush(x):
    """The numbers, with zeros for subnormal ones."""
    return np.where(np.abs(x) < ml_dtypes.finfo(x.dtype).smallest_normal, x * 0, x)


@FORMATS
def test_a_device_that_flushes_is_within_the_bound_that_says_so_and_not_within_the_other(format_) -> None:
    exceeded = {}
    for arithmetic in (CORRECTLY_ROUNDED, Arithmetic("flushes", flush_to_zero=True)):
        found = empty_tallies(*QUANTITIES)
        for case in runs(format_):
            states = observe(Flushing, case, DTYPES[format_])
            for mode in Mode:
                mode.compare(case, states, ErrorModel(format_, arithmetic=arithmetic), found)
        exceeded[arithmetic.flush_to_zero] = sum(tally.exceeded for tally in found.values())
    assert exceeded[False] > 0
    assert exceeded[True] == 0


class ComputedNarrow(Plain):
    """Everything is read as float32, and computed in it, whatever it is stored as."""

    def scalars_at(self, options, t, _dtype):
        return super().scalars_at(options, t, np.float32)

    def advance(self, theta, m, u, g, scalars):
        return super().advance(*(x.astype(np.float32) for x in (theta, m, u, g)), scalars)


@EVERY_MODE
def test_a_subject_that_reads_float64_as_float32_is_within_the_bound_that_says_so(mode) -> None:
    exceeded = []
    for rounds in (True, False):
        error_model = ErrorModel(Format.BINARY32, scheme=EvaluationScheme(rounds_operands=rounds))
        found = empty_tallies(*QUANTITIES)
        for case in runs(Format.BINARY64):
            mode.compare(case, observe(ComputedNarrow, case, np.float64), error_model, found)
        exceeded.append(sum(tally.exceeded for tally in found.values()))
        assert sum(tally.judged - tally.open for tally in found.values()) > 1000
    assert exceeded[0] == 0 < exceeded[1]


# Evaluating a bound -----------------------------------------------------------------------------------------


@FORMATS
@pytest.mark.parametrize("form", Form, ids=lambda form: form.value)
def test_a_bound_is_the_same_in_binary64_as_in_many_digits(format_, form) -> None:
    rng = random.Random(20150507)
    for t in (1, 2, 50):
        setting = Hyperparameters(lr=0.3, beta1=0.9, beta2=0.7, eps=0.01, weight_decay=0.3)
        scheme = EvaluationScheme(form)
        exact, fast = (bounds(format_, setting, t, scheme=scheme, number=n) for n in (CTX.mpf, float))
        for _ in range(50):
            theta, m, u, g = (format_.round_float(rng.uniform(-2, 2)) for _ in range(4))
            radii = [abs(x) * format_.unit_roundoff * rng.randrange(3) for x in (theta, m, u)]
            u = abs(u)
            near = [CTX.mpf(x) for x in (theta, m, u, g, *radii)]
            results = [
                (
                    b.moment_radius(m_, rm, g_, th, rt),
                    b.norm_radius(u_, ru, g_, th, rt),
                    b.theta_radius(th, rt, m_, rm, u_, ru),
                )
                for b, (th, m_, u_, g_, rt, rm, ru) in ((exact, near), (fast, (theta, m, u, g, *radii)))
            ]
            for right, quick in zip(*results, strict=True):
                assert abs(right - quick) <= 2.0**-41 * right


def test_errors_multiply_without_losing_their_second_order() -> None:
    assert compound(0.5, 0.5) == 1.25
    assert compound(2.0**-60, 2.0**-60) == 2.0**-59 + 2.0**-120


class Decoupled(Plain):
    """Theta is decayed by itself."""

    def decayed_gradient(self, _theta, g, _scalars):
        return g

    def update(self, theta, m, u, s):
        kept = theta - s.lr * s.weight_decay * theta if s.weight_decay else theta
        return kept - np.where(m == 0, m, self.step(m, u, s))


class DecoupledByAFactor(Decoupled):
    """Theta is multiplied by what stays of it, as in PyTorch's AdamW."""

    def update(self, theta, m, u, s):
        return theta * (1 - s.lr * s.weight_decay) - self.step(m, u, s)


class DecoupledBeforeTheRate(Decoupled):
    """The learning rate multiplies the sum of step and decay, as in Optax."""

    def update(self, theta, m, u, s):
        return theta - s.lr * (m / s.correction / u + s.weight_decay * theta)


@FORMATS
@pytest.mark.parametrize("way", [Decoupled, DecoupledByAFactor, DecoupledBeforeTheRate])
def test_the_bound_of_another_rule_holds_for_each_way_to_decouple_the_decay(format_, way) -> None:
    rule = Rule(decay=Decay.DECOUPLED)
    for case in identifying_cases(format_):
        found = empty_tallies(*QUANTITIES)
        states = observe(way, case, DTYPES[format_])
        for mode in Mode:
            mode.compare(case, states, ErrorModel(format_, rule), found)
        assert not any(tally.exceeded for tally in found.values())


@FORMATS
def test_a_sum_of_step_and_decay_before_the_rate_is_one_rounding_more_of_each(format_) -> None:
    setting = Hyperparameters(lr=0.5, beta1=0.5, weight_decay=2.0)  # held by every format
    coupled, apart = (
        bounds(format_, setting, t=1, rule=Rule(decay=decay)) for decay in (Decay.NONE, Decay.DECOUPLED)
    )
    u, tiny, one = format_.unit_roundoff, CTX.mpf(2) ** -12, CTX.mpf(1)
    more = apart.stored_theta_radius(tiny, one, one) - coupled.stored_theta_radius(tiny, one, one)
    assert u * 0.999 < more < u * 1.1
    at_rest = [step.stored_theta_radius(CTX.mpf(0), one, one) for step in (coupled, apart)]
    assert at_rest[0] == at_rest[1]


def test_an_arithmetic_better_than_correct_rounding_is_refused() -> None:
    with pytest.raises(ValueError, match=r"divide=0\.5"):
        Arithmetic("too good", divide=0.5)


def test_every_section_that_a_docstring_names_is_in_the_derivation() -> None:
    folder = Path(oracles.__file__).parent
    headings = set(re.findall(r"^## (.+)$", (folder / "BOUNDS.md").read_text("utf-8"), re.MULTILINE))
    sources = [source.read_text("utf-8") for source in folder.rglob("*.py")]
    named = {title for text in sources for title in re.findall(r'BOUNDS\.md,\s+"([^"]+)"', text)}
    assert {"Scalars", "The gradient", "The first moment", "The infinity norm", "Theta"} <= named
    assert named <= headings
