"""Identification distinguishes all rules, and recognizes every faithful optimizer."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from adamax_conformance.oracles.comparison import lockstep
from adamax_conformance.oracles.error_model import STRICTEST, ErrorModel, EvaluationScheme, Form
from adamax_conformance.oracles.formats import Format
from adamax_conformance.oracles.identify.cases import cases
from adamax_conformance.oracles.identify.result import Identification
from adamax_conformance.oracles.identify.search import identify
from adamax_conformance.oracles.judgement import empty_tallies
from adamax_conformance.oracles.verdict import Quantity
from adamax_conformance.reference.case import Case, Group, Parameter
from adamax_conformance.reference.hyperparameters import Hyperparameters
from adamax_conformance.reference.rules import DOCUMENTED, all_rules
from adamax_conformance.tests.meta.oracles.observation import declared_error_model, observe
from adamax_conformance.tests.meta.oracles.rule_optimizer import make_rule_optimizer
from adamax_conformance.tests.meta.oracles.tightness import DTYPES
from adamax_conformance.tests.meta.planted import FAITHFUL
from adamax_conformance.tests.meta.planted.arithmetic import round_to_bits
from adamax_conformance.tests.meta.planted.faithful import (
    HiddenState,
    Interpolated,
    InterpolatedInRegisters,
    LerpInRegisters,
    Plain,
    TorchLerp,
    WorkingInterpolated,
    WorkingScalars,
)
from adamax_conformance.tests.meta.sampling import crossed

FORMATS = pytest.mark.parametrize("format_", Format, ids=lambda f: f.dtype)


def crossed_with_formats(rules):
    """Parameters: rules, each in one of the formats, or in all."""
    return pytest.mark.parametrize(
        ("rule", "format_"), crossed(rules, Format, of=4), ids=lambda each: getattr(each, "dtype", each.name)
    )


def identify_rule(factory, format_: Format, *, hidden: bool = False) -> Identification:
    """Identify an optimizer."""
    runs = [(case, observe(factory, case, DTYPES[format_])) for case in cases(format_)]
    if hidden:
        runs = [(case, [replace(s, m=None, u=None) for s in states]) for case, states in runs]
    return identify(runs, format_)


@cache
def identify_variant(variant, format_: Format) -> Identification:
    """Identify a faithful optimizer, once."""
    return identify_rule(variant, format_)


@crossed_with_formats(all_rules())
def test_each_rule_is_identified_and_no_other(rule, format_) -> None:
    found = identify_rule(make_rule_optimizer(rule), format_)
    assert (found.rule, found.alternatives, found.mismatches) == (rule, (), {})
    assert found.scheme == STRICTEST
    assert found.admissible


@crossed_with_formats(all_rules()[::4])
def test_each_rule_is_identified_by_theta_alone(rule, format_) -> None:
    found = identify_rule(make_rule_optimizer(rule), format_, hidden=True)
    assert (found.rule, found.alternatives) == (rule, ())


@pytest.mark.parametrize("variant", FAITHFUL, ids=lambda variant: variant.name)
def test_each_faithful_optimizer_is_recognized(variant) -> None:
    found = identify_variant(variant, Format.BINARY32)
    assert (found.rule, found.alternatives) == (DOCUMENTED, ())
    assert found.admissible


@FORMATS
@pytest.mark.parametrize(
    "variant",
    [Plain, Interpolated, TorchLerp, WorkingScalars, WorkingInterpolated, InterpolatedInRegisters],
    ids=lambda variant: variant.name,
)
def test_the_form_and_the_scalars_of_a_faithful_optimizer_are_recognized(variant, format_) -> None:
    found, stated = identify_variant(variant, format_).scheme, declared_error_model(variant, format_).scheme
    assert found.form is stated.form
    # The infinity norm has no scalar that is computed: a hyperparameter is rounded alike either way.
    assert (found.m, found.theta) == (stated.m, stated.theta)
    assert found.u is Format.BINARY64


@pytest.mark.parametrize("format_", [f for f in Format if f is not Format.BINARY16], ids=lambda f: f.dtype)
def test_a_small_beta1_tells_an_interpolation_that_ends_in_a_subtraction_in_a_wider_format(format_) -> None:
    assert identify_variant(LerpInRegisters, format_).scheme.form is Form.INTERPOLATED


@FORMATS
@pytest.mark.parametrize("variant", [InterpolatedInRegisters, LerpInRegisters], ids=lambda v: v.name)
def test_an_interpolation_in_a_wider_format_is_not_accused_of_losing_a_small_beta1(variant, format_) -> None:
    """PyTorch in bfloat16, taken for the weighted form, was 1.7 ulp off, 2.3 bounds."""
    scheme = identify_variant(variant, format_).scheme
    for power in range(5, 64):
        for beta1 in (2.0**-power, 1.05 * 2.0**-power, 1.5 * 2.0**-power):
            setting = Hyperparameters(beta1=beta1, beta2=0.9, eps=0.01)
            first = [format_.round_float(g) for g in (0.63, 1.0, 1.9)]
            parameter = Parameter.of([0.0] * 3, [first, [0.0] * 3, [0.5, 0.0, 0.125]])
            case = Case("small", (Group(setting, (parameter,)),))
            found = empty_tallies(Quantity.M, Quantity.U, Quantity.THETA)
            states = observe(variant, case, DTYPES[format_])
            lockstep(case, states, ErrorModel(format_, scheme=scheme), found)
            assert not any(tally.exceeded for tally in found.values()), beta1


class NarrowScalars(Plain):
    """Scalars of binary16 for parameters of float32."""

    def scalars_at(self, options, t, dtype):
        right = super().scalars_at(options, t, np.float16)
        names = ("lr", "beta1", "complement", "beta2", "eps", "weight_decay", "correction", "rate")
        return replace(right, **{name: dtype.type(getattr(right, name)) for name in names})


def test_scalars_below_the_working_precision_are_named_and_not_admissible() -> None:
    found = identify_rule(NarrowScalars, Format.BINARY32)
    assert found.rule == DOCUMENTED
    assert not found.admissible
    assert found.scheme.u is Format.BINARY16
    assert "binary16" in found.describe()


class SinglePower(Plain):
    """beta1^t and 1 - beta1^t in binary32 for parameters of bfloat16, as in JAX."""

    def scalars_at(self, options, t, dtype):
        right = super().scalars_at(options, t, dtype)
        correction = np.float32(1) - np.float32(options["betas"][0]) ** np.float32(t)
        rate = np.float32(options["lr"]) / correction
        return replace(right, correction=dtype.type(correction), rate=dtype.type(rate))


def test_scalars_between_bfloat16_and_binary64_are_told_and_admissible() -> None:
    found = identify_rule(SinglePower, Format.BFLOAT16)
    assert (found.rule, found.scheme.theta) == (DOCUMENTED, Format.BINARY32)
    assert found.admissible


class SingleRate(Plain):
    """lr as a number of binary32 for parameters of binary64, as in Keras on PyTorch."""

    def scalars_at(self, options, t, dtype):
        right = super().scalars_at(options, t, dtype)
        lr = dtype.type(np.float32(options["lr"]))
        return replace(right, lr=lr, rate=lr / right.correction)


def test_a_learning_rate_alone_may_be_coarse() -> None:
    found = identify_rule(SingleRate, Format.BINARY64)
    assert (found.rule, found.scheme.theta) == (DOCUMENTED, Format.BINARY32)
    assert (found.scheme.m, found.scheme.u) == (Format.BINARY64, Format.BINARY64)
    assert not found.admissible


class MomentOffInOneElement(Plain):
    """m is off by 8 unit roundoffs in its last element."""

    def first_moment(self, m, g, scalars):
        right = super().first_moment(m, g, scalars)
        right[..., -1:] += right[..., -1:] * (4 * np.finfo(right.dtype).eps)
        return right


@pytest.mark.parametrize("format_", [Format.BINARY32, Format.BINARY64], ids=lambda f: f.dtype)
def test_an_error_in_one_element_is_not_said_to_be_a_coarse_format_or_coarse_scalars(format_) -> None:
    found = identify_rule(MomentOffInOneElement, format_)
    assert (found.rule, found.computes_in) == (None, format_)
    assert set(found.mismatches) == {Quantity.M}
    assert found.mismatches[Quantity.M].element == (7,)


class MomentKeptCoarse(Plain):
    """m is kept with 8 bits."""

    def first_moment(self, m, g, scalars):
        return round_to_bits(super().first_moment(m, g, scalars), 8)


def test_a_state_that_is_kept_in_a_coarser_format_is_named_and_followed_by_no_rule() -> None:
    found = identify_rule(MomentKeptCoarse, Format.BINARY16)
    assert (found.rule, found.kept_in) == (None, {Quantity.M: Format.BFLOAT16})
    assert "every m is a number of bfloat16" in found.describe()


class RoundedFromCopy(Plain):
    """Theta goes on in binary64, and is shown rounded."""

    def __init__(self, params, *args, **kwargs):
        super().__init__(params, *args, **kwargs)
        self.copies = [theta.astype(np.float64) for _, theta in self.indexed_parameters()]

    def store(self, index, theta, new_theta, m, u):
        self.copies[index] += np.asarray(new_theta, np.float64) - theta
        super().store(index, theta, self.copies[index], m, u)

    def update(self, theta, m, u, scalars):
        return super().update(theta.astype(np.float64), m, u, scalars)


def test_theta_that_is_rounded_from_a_copy_is_said_to_be_that() -> None:
    found = identify_rule(RoundedFromCopy, Format.BINARY16)
    assert (found.rule, found.computes_in) == (DOCUMENTED, Format.BINARY16)
    assert found.goes_on_from_copy


class NoRule(Plain):
    """The step is halved, which no rule does."""

    def step(self, m, u, scalars):
        return super().step(m, u, scalars) / 2


def test_what_follows_no_rule_is_told_with_the_nearest_and_where_it_breaks() -> None:
    found = identify_rule(NoRule, Format.BINARY32)
    assert found.rule is None
    assert found.nearest == DOCUMENTED
    assert set(found.mismatches) == {Quantity.THETA}
    assert found.mismatches[Quantity.THETA].step == 1
    assert "does not explain theta" in found.describe()


def test_hidden_state_is_judged_by_theta_alone() -> None:
    found = identify_rule(HiddenState, Format.BINARY32)
    assert found.rule == DOCUMENTED
    assert len(found.evidence) == 1


def test_scalars_of_the_same_format_are_not_called_working_in_binary64() -> None:
    scheme = EvaluationScheme(Form.INTERPOLATED).with_scalars(Format.BINARY64)
    assert scheme.describe(Format.BINARY64) == "interpolated form, binary64 scalars"
    working = EvaluationScheme().with_scalars(Format.BINARY32)
    assert working.describe(Format.BINARY32) == "weighted form, working scalars"


@FORMATS
def test_every_number_of_an_identifying_case_is_one_of_the_format(format_) -> None:
    for case in cases(format_):
        for parameter in case.parameters:
            for array in (parameter.theta, *parameter.gradients):
                assert all(format_.holds(float(x)) for x in array.flat)
