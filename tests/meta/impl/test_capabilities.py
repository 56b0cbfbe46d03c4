"""The restriction of a case to the arguments that a subject has."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from adamax_conformance.impl import Adamax
from adamax_conformance.impl.protocol.messages import ARGUMENTS, SubjectInfo
from adamax_conformance.impl.subject.capabilities import SMALL_BETA, restrict_case, select_options
from adamax_conformance.impl.subject.client import Subject
from adamax_conformance.reference.case import Case, Group, Parameter
from adamax_conformance.reference.hyperparameters import DEFAULTS, Hyperparameters

FIRST = Hyperparameters(lr=0.1, beta1=0.5, beta2=0.25, eps=0.3, weight_decay=0.7, maximize=True)
SECOND = Hyperparameters(lr=0.2, beta1=0.6, beta2=0.35, eps=0.4, weight_decay=0.8)
PARAMETER = Parameter.of([1.0], [[0.5], [0.25]])
CASE = Case("two groups", (Group(FIRST, (PARAMETER,)), Group(SECOND, (PARAMETER,), (0.3, 0.4))))
INFO = SubjectInfo("any", "any", "1.0", ("float32",))


def without(*names):
    return tuple(name for name in ARGUMENTS if name not in names)


def settings(info, case=CASE):
    return [group.hyperparameters for group in restrict_case(case, info).groups]


def test_a_case_that_loses_nothing_is_the_very_same():
    assert restrict_case(CASE, INFO) is CASE


@pytest.mark.parametrize(
    ("argument", "names"),
    [("lr", ["lr"]), ("betas", ["beta1", "beta2"]), ("eps", ["eps"]), ("weight_decay", ["weight_decay"])],
)
def test_what_the_subject_has_no_argument_for_is_at_the_documented_default(argument, names):
    left = {name: getattr(DEFAULTS, name) for name in names}
    assert settings(replace(INFO, arguments=without(argument))) == [
        replace(FIRST, **left),
        replace(SECOND, **left),
    ]


def test_what_the_groups_share_is_the_first_group_s():
    found = settings(replace(INFO, group_options=("lr", "weight_decay")))
    assert found == [FIRST, replace(FIRST, lr=SECOND.lr, weight_decay=SECOND.weight_decay)]


def test_a_schedule_is_shared_with_the_learning_rate():
    found = restrict_case(CASE, replace(INFO, group_options=()))
    assert [group.learning_rates for group in found.groups] == [None, None]
    np.testing.assert_array_equal(found.parameters[1].theta, PARAMETER.theta)


def test_a_beta_of_0_becomes_a_small_one_where_it_is_refused():
    case = Case("zero", (Group(Hyperparameters(beta1=0.0, beta2=0.5), (PARAMETER,)),))
    (group,) = restrict_case(case, INFO, zero_betas=False).groups
    assert group.hyperparameters == Hyperparameters(beta1=SMALL_BETA, beta2=0.5)
    assert restrict_case(case, INFO) is case


def test_a_subject_is_asked_whether_it_takes_betas_of_0():
    def strict(params, lr=2e-3, betas=(0.9, 0.999), **_):
        if not all(0 < beta < 1 for beta in betas):
            raise ValueError(f"betas={betas}; want numbers in (0, 1)")
        return Adamax(params, lr, betas)

    with Subject.in_process(strict) as wrong, Subject.open("numpy") as right:
        assert (wrong.accepts_zero_betas("float32"), right.accepts_zero_betas("float32")) == (False, True)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_a_subject_is_asked_whether_it_takes_an_eps_of_0_as_0(dtype):
    class Plain:
        def __init__(self, params, lr=2e-3, betas=(0.9, 0.999), eps=1e-8):
            self.params, self.lr, self.beta, self.eps = params, lr, betas[0], eps

        def __call__(self, gradients):
            (p,), (g,) = self.params, gradients
            m = (1 - self.beta) * g
            p -= (self.lr / (1 - self.beta) * (m / (abs(g) + self.eps))).astype(p.dtype)

    class Defaulting(Plain):
        def __init__(self, params, lr=2e-3, betas=(0.9, 0.999), eps=1e-7):
            super().__init__(params, lr, betas, eps or (1e-7 if dtype != "float16" else 1e-4))

    class Refusing(Plain):
        def __init__(self, params, lr=2e-3, betas=(0.9, 0.999), eps=1e-7):
            if not eps:
                raise ValueError("eps is 0; want more")
            super().__init__(params, lr, betas, eps)

    found = {}
    for kind in (Plain, Defaulting, Refusing):
        with Subject.in_process(kind) as subject:
            found[kind] = subject.accepts_zero_eps(dtype)
    assert found == {Plain: True, Defaulting: False, Refusing: False}


def test_the_constructor_is_told_nothing_that_it_has_no_argument_for():
    info = replace(INFO, arguments=without("maximize", "weight_decay"))
    assert select_options(FIRST, info) == {"lr": 0.1, "betas": (0.5, 0.25), "eps": 0.3}


def test_a_factory_s_arguments_are_those_of_its_signature():
    def without_decay(params, lr=2e-3, betas=(0.9, 0.999), eps=1e-8):
        return Adamax(params, lr, betas, eps)

    def anything(params, **options):
        return Adamax(params, **options)

    with Subject.in_process(without_decay) as less, Subject.in_process(anything) as every:
        assert less.info.arguments == ("lr", "betas", "eps")
        assert every.info.arguments == ARGUMENTS
