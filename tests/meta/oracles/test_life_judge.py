"""The judge of a life: it finds nothing of a right one, and names wrong numbers."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from adamax_conformance.impl import Adamax
from adamax_conformance.impl.adapters.factory import FactoryAdapter
from adamax_conformance.impl.host.life import LifePerformer
from adamax_conformance.oracles.error_model import ErrorModel, EvaluationScheme, Form
from adamax_conformance.oracles.formats import Format
from adamax_conformance.oracles.life.batch import LifeBatch
from adamax_conformance.oracles.life.findings import Aspect
from adamax_conformance.oracles.life.judge import LifeJudge
from adamax_conformance.oracles.life.wording import describe
from adamax_conformance.oracles.verdict import Quantity
from adamax_conformance.reference.features import Edit, Question
from adamax_conformance.reference.life import (
    ACTIONS,
    AddGroup,
    Ask,
    Change,
    Construct,
    Container,
    Copy,
    CopyMethod,
    Drop,
    EditCheckpoint,
    GradientSpec,
    GroupSpec,
    Life,
    Load,
    Number,
    Observation,
    Options,
    Outcome,
    ParameterSpec,
    Refusal,
    Refuse,
    Run,
    Save,
    SetCount,
    SetLr,
    SetOption,
    Step,
    Watched,
)
from adamax_conformance.reference.values import Values
from adamax_conformance.tests.conformance.cases.lives import Feature, Scope, Theme, draw_life
from adamax_conformance.tests.conformance.cases.probes import PROBES
from adamax_conformance.tests.conformance.cases.scale_lives import counters, hidden, sizes
from adamax_conformance.tests.conformance.cases.special_lives import special

THETA = Values.of([1.0, -2.0, 0.5])
G = Values.of([0.5, 0.25, -0.75])
GROUP = GroupSpec((ParameterSpec(THETA), ParameterSpec(THETA)))
OPTIONS = Options(Number(0.1), (0.8, 0.7), 0.01, 0.25)
START = Construct(0, (GROUP,), OPTIONS, Container.DICTS)
STEP = Step(0, (GradientSpec(G), GradientSpec(G)))


def error_model(dtype: str) -> ErrorModel:
    """The model of our own Adamax."""
    format_ = Format.of(dtype)
    return ErrorModel(format_, scheme=EvaluationScheme(Form.WEIGHTED))


def life_of(*actions, dtype="float32") -> Life:
    """A life of one optimizer of two parameters."""
    return Life("test", dtype, actions)


def perform(life: Life, factory=Adamax):
    """The observations of a life of a factory."""
    adapter = FactoryAdapter(factory)
    return list(LifePerformer(adapter, adapter.describe()).perform(life))


def judge(life: Life, observations, watched=tuple(Watched)):
    """The findings of a life."""
    return LifeJudge(life, error_model, watched).judge(observations)


def altered(observation: Observation, name: str, parameter: int, element: int, change, optimizer: int = 0):
    """An observation in which one number is another one."""
    state = observation.optimizers[optimizer]
    arrays = list(getattr(state, name))
    numbers = list(arrays[parameter].pattern)
    numbers[element] = change(numbers[element])
    arrays[parameter] = replace(arrays[parameter], pattern=tuple(numbers))
    changed = replace(state, **{name: tuple(arrays)})
    return replace(observation, optimizers={**observation.optimizers, optimizer: changed})


def counted(state, t: int):
    """A checkpoint of our Adamax with another number of steps."""
    return {**state, "t": t, "param_groups": [{**group, "t": t} for group in state["param_groups"]]}


def hide(observations, *names: str):
    """Observations in which some quantities are hidden."""
    return [
        replace(
            each,
            optimizers={
                number: replace(state, **dict.fromkeys(names)) for number, state in each.optimizers.items()
            },
        )
        for each in observations
    ]


def only_finding(life: Life, observations, aspect: Aspect):
    """The divergence of a life that goes wrong in one thing."""
    found = judge(life, observations)
    assert [finding.aspect for finding in found.findings] == [aspect]
    return found.findings[0].divergence


# Right lives -------------------------------------------------------------------------------------------------

EVERYTHING = (
    START,
    STEP,
    SetLr(0, 0, Number(0.5)),
    STEP,
    Save(0, 0),
    Run(0, 3, ((G, G), (THETA, G))),
    STEP,
    Load(0, 0),
    STEP,
    SetCount(0, 1000),
    Load(0, 0, fresh=True),
    STEP,
    Copy(0, 1, CopyMethod.DEEPCOPY),
    Step(1, STEP.gradients),
    STEP,
    Drop(1),
    Refuse(0, Refusal.TOO_FEW_GRADIENTS),
    STEP,
)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_nothing_is_found_of_a_right_life_with_every_action(dtype) -> None:
    life = life_of(*EVERYTHING, dtype=dtype)
    found = judge(life, perform(life))
    assert (found.findings, found.unsupported, found.unrefused) == ([], "", "")
    # Nine steps that are looked at, of two parameters of three elements, three quantities each.
    assert (found.judged, found.open) == (8 * 2 * 3 * 3, 0)
    assert 0 < found.largest_over_bound <= 1


@pytest.mark.parametrize("probe", PROBES, ids=lambda probe: probe.id)
@pytest.mark.parametrize("format_", [Format.BINARY32, Format.BINARY64], ids=lambda f: f.dtype)
def test_nothing_is_found_of_our_adamax_by_any_probe(probe, format_) -> None:
    for life in probe.make(format_):
        found = judge(life, perform(life), probe.watched)
        assert found.findings == []


def test_nothing_is_found_of_hidden_m_and_u_of_a_right_life() -> None:
    for life in hidden(Scope(Format.BINARY32, frozenset()), full=False):
        observations = hide(perform(life), "m", "u")
        found = judge(life, observations)
        assert found.findings == []
        assert found.judged > 0
        assert found.open == 0


class _Late(Adamax):
    """An element is off where the pattern repeats, at the index of a special one."""

    def __call__(self, gradients):
        super().__call__(gradients)
        for theta in self.parameters:
            if theta.size > LONG:
                theta.reshape(-1)[LONG - 1] *= theta.dtype.type(1.5)


VALUES = (0.5, -1.0, 2.0, -0.25, 0.75, 1.5, -3.0)
LONG = 4096
"""More elements than are carried whole."""


@pytest.mark.parametrize(("factory", "element"), [(Adamax, None), (_Late, LONG - 1)])
def test_special_elements_of_a_hidden_array_are_not_taken_for_those_that_repeat_the_pattern(
    factory, element
) -> None:
    scope = Scope(Format.BINARY32, frozenset({Feature.EPS, Feature.BETAS, Feature.NAN, Feature.INFINITY}))
    assert (LONG - 1) % 7 == 0  # the pattern of these lives has 7 elements, and the first is special
    for life in special(scope, full=False):
        found = judge(life, hide(perform(life, factory), "m", "u"))
        assert {f.divergence.element for f in found.findings} == ({(element,)} if element else set())
        assert found.judged > 0


@pytest.mark.parametrize("steps_before", [0, 2])
@pytest.mark.parametrize(("factory", "elements"), [(Adamax, set()), (_Late, {(LONG - 1,)})])
def test_what_a_special_gradient_made_of_theta_stays_when_hidden_m_and_u_are_loaded(
    factory, elements, steps_before
) -> None:
    theta, g = (Values((LONG + 900,), (*VALUES,) * 2, special) for special in ((), ((LONG + 500, math.inf),)))
    group = GroupSpec((ParameterSpec(theta),))
    step = Step(0, (GradientSpec(replace(g, exceptions=())),))
    special, start = Step(0, (GradientSpec(g),)), Construct(0, (group,), OPTIONS, Container.DICTS)
    life = life_of(start, *[step] * steps_before, Save(0, 0), special, Load(0, 0), step, step)
    found = judge(life, hide(perform(life, factory), "m", "u"))
    assert {f.divergence.element for f in found.findings} == elements
    assert found.judged > 0


def test_large_arrays_are_judged_by_their_pattern_and_counters_by_their_ends() -> None:
    for life in (
        *sizes(Scope(Format.BINARY32, frozenset()), full=False)[:2],
        *counters(Scope(Format.BINARY32, frozenset()), full=False),
    ):
        found = judge(life, perform(life))
        assert found.findings == []
        assert found.judged > 0


# Wrong numbers -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "aspect"), [("theta", Aspect.THETA), ("m", Aspect.M), ("u", Aspect.U)])
def test_a_number_that_is_off_after_a_step_is_named(name, aspect) -> None:
    life = life_of(START, STEP, SetLr(0, 0, Number(0.5)), STEP)
    observations = perform(life)
    observations[3] = altered(
        observations[3], name, 1, 2, lambda x: x + 16 * float(np.spacing(np.float32(x)))
    )
    findings = judge(life, observations).findings
    divergence = next(f.divergence for f in findings if f.aspect is aspect)
    assert divergence.quantity.value == name
    assert (divergence.step, divergence.parameter, divergence.element) == (2, 1, (2,))
    assert divergence.error_over_bound > 1
    assert divergence.reason.startswith(f"{name} of element [2], parameter 1 is off by ")
    assert divergence.reason.endswith(
        "times the proven bound, after action 4, a step of optimizer 0 right after "
        "setting lr of group 0 of optimizer 0 to 0.5 (float)"
    )
    assert Life.from_json(divergence.extra["life"]) == life
    assert (divergence.extra["action"], divergence.extra["optimizer"]) == (4, 0)


def test_a_number_that_is_not_finite_without_a_cause_is_off() -> None:
    life = life_of(START, STEP)
    observations = perform(life)
    observations[1] = altered(observations[1], "theta", 0, 1, lambda _: math.nan)
    divergence = only_finding(life, observations, Aspect.THETA)
    assert "theta of element [1], parameter 0 is nan, and must be finite, after action 2" in divergence.reason


def test_a_group_and_an_optimizer_are_named_where_there_are_several() -> None:
    groups = (GroupSpec((ParameterSpec(THETA),)), GroupSpec((ParameterSpec(THETA),)))
    life = life_of(replace(START, groups=groups), replace(START, optimizer=1), STEP, Step(1, STEP.gradients))
    observations = perform(life)
    wrong = altered(observations[2], "u", 1, 0, lambda x: 2 * x)
    found = judge(life, [*observations[:2], wrong])
    reason = next(f.divergence.reason for f in found.findings if f.aspect is Aspect.U)
    assert reason.startswith("u of element [0], parameter 1, group 1, optimizer 0 is off by")


def test_only_the_first_number_of_each_quantity_of_a_step_is_reported() -> None:
    life = life_of(START, STEP)
    observations = perform(life)
    for parameter in range(2):
        for element in range(3):
            observations[1] = altered(observations[1], "m", parameter, element, lambda x: x + 1)
    found = judge(life, observations)
    assert sorted(f.aspect.value for f in found.findings) == ["m", "theta"]
    assert all(f.divergence.element == (0,) for f in found.findings)


def test_an_error_among_the_repetitions_of_a_pattern_is_found_at_its_index() -> None:
    theta = Values((7, 100), (1.0, -2.0, 0.5))
    gradient = Values((7, 100), (0.5, 0.25, -0.75))
    life = life_of(
        Construct(0, (GroupSpec((ParameterSpec(theta),)),), OPTIONS, Container.LIST),
        Step(0, (GradientSpec(gradient),)),
    )
    observations = perform(life)
    state = observations[1].optimizers[0]
    assert len(state.theta[0].pattern) == 3
    wrong = replace(state.theta[0], exceptions=((321, 0.0),))
    observations[1] = replace(observations[1], optimizers={0: replace(state, theta=(wrong,))})
    divergence = only_finding(life, observations, Aspect.THETA)
    assert divergence.element == (3, 21)
    assert divergence.reason.startswith("theta of element [3, 21], parameter 0 of shape [7, 100] is off by")


def test_a_step_that_was_not_counted_is_noticed_at_the_next_one() -> None:
    class Forgetful(Adamax):
        def __call__(self, gradients) -> None:
            super().__call__(gradients)
            self.load_state_dict(counted(self.state_dict(), 1))

    life = life_of(START, STEP, STEP, STEP)
    findings = judge(life, perform(life, Forgetful)).findings
    assert {(finding.aspect, finding.action) for finding in findings} == {(Aspect.THETA, 3)}


# Special numbers ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "special", "came", "words"),
    [
        ("theta", math.nan, 0.5, "must be nan"),
        ("m", math.nan, math.inf, "must be nan"),
        ("u", math.nan, 1.0, "must be nan"),
        ("m", math.inf, 3.0, "must be infinite or nan"),
        ("u", -math.inf, 3.0, "must be infinite or nan"),
        ("m", math.inf, -math.inf, "must be inf or nan"),
        ("m", -math.inf, math.inf, "must be -inf or nan"),
        ("u", math.inf, -math.inf, "must be inf or nan"),
    ],
)
def test_a_number_that_is_not_finite_must_spread_to_what_it_enters(name, special, came, words) -> None:
    pierced = Values((3,), (0.5, special, 0.25))
    life = life_of(START, STEP, Step(0, (GradientSpec(pierced), GradientSpec(G))))
    observations = perform(life)
    assert judge(life, observations).findings == []
    observations[2] = altered(observations[2], name, 0, 1, lambda _: came)
    divergence = judge(life, observations).findings[0].divergence
    assert divergence.reason.startswith(f"{name} of element [1], parameter 0 is {came!r} after action 3")
    assert words in divergence.reason
    assert divergence.reason.endswith(f"and the gradient {special!r}")
    assert (divergence.parameter, divergence.element) == (0, (1,))


# What has to be left alone -----------------------------------------------------------------------------------

BETWEEN = [
    SetLr(0, 0, Number(0.5)),
    SetOption(0, 0, "eps", 0.5),
    AddGroup(0, GroupSpec((ParameterSpec(THETA),))),
    Save(0, 0),
    Ask(0, Question.ZERO_GRAD),
]


@pytest.mark.parametrize("action", BETWEEN, ids=lambda action: type(action).__name__)
@pytest.mark.parametrize("name", ["theta", "m", "u"])
def test_an_action_that_is_not_a_step_changes_no_number(action, name) -> None:
    life = life_of(START, STEP, action)
    before = perform(life_of(START, STEP))
    after = altered(before[1], name, 1, 0, lambda x: x + 1)
    divergence = only_finding(life, [*before, after], Aspect.UNTOUCHED)
    then, now = float(divergence.expected), float(divergence.actual)
    assert now == then + 1
    group = ", group 0" if isinstance(action, AddGroup) else ""
    whose = f"{name} of element [0], parameter 1{group}"
    assert divergence.reason == f"action 3, {describe(action)}, changed {whose} from {then!r} to {now!r}"
    assert divergence.quantity is Quantity(name)


def test_a_step_leaves_other_optimizers_alone() -> None:
    life = life_of(START, replace(START, optimizer=1), STEP)
    observations = perform(life)
    observations[2] = altered(observations[2], "theta", 0, 0, lambda x: -x, optimizer=1)
    divergence = only_finding(life, observations, Aspect.UNTOUCHED)
    assert divergence.extra["optimizer"] == 1
    assert "action 3, a step of optimizer 0, changed theta of element [0], parameter 0, optimizer 1" in (
        divergence.reason
    )


def test_a_parameter_without_a_gradient_is_left_alone_and_takes_no_step() -> None:
    life = life_of(START, Step(0, (GradientSpec(None), GradientSpec(G))))
    observations = perform(life_of(START, STEP))
    found = judge(life, observations)
    assert {finding.aspect for finding in found.findings} == {Aspect.UNTOUCHED}
    assert all(finding.divergence.parameter == 0 for finding in found.findings)
    assert "the parameter has no gradient there" in found.findings[0].divergence.reason


@pytest.mark.parametrize("what", list(Watched), ids=lambda what: what.name)
def test_a_change_of_what_the_caller_holds_is_reported_if_it_is_watched(what) -> None:
    life = life_of(START)
    observed = [replace(perform(life)[0], changed=(Change(what, "something is another thing"),))]
    divergence = only_finding(life, observed, Aspect.UNTOUCHED)
    assert divergence.reason == (
        "after action 1, constructing optimizer 0 from a list of dicts, something is another thing"
    )
    assert judge(life, observed, watched=()).findings == []


def test_a_refused_call_leaves_no_trace() -> None:
    life = life_of(START, STEP, Refuse(0, Refusal.TOO_FEW_GRADIENTS), STEP)
    observations = perform(life)
    assert observations[2].outcome is Outcome.REFUSED
    assert judge(life, observations).findings == []
    observations[2] = altered(observations[2], "m", 0, 0, lambda x: x / 2)
    found = judge(life, observations[:3]).findings
    assert [finding.aspect for finding in found] == [Aspect.REFUSED]
    assert "that has to be refused" in found[0].divergence.reason


def test_a_shape_that_is_refused_half_way_is_noted_and_ends_the_life() -> None:
    life = life_of(START, STEP, Refuse(0, Refusal.WRONG_SHAPE), STEP)
    observations = perform(life)
    assert judge(life, observations).unrefused == ""
    observations[2] = altered(observations[2], "theta", 0, 0, lambda x: x / 2)
    found = judge(life, observations)
    assert found.findings == []
    assert found.unrefused.endswith("and the call was refused half-way")


def test_a_call_that_is_accepted_where_a_refusal_is_expected_is_noted_and_ends_the_life() -> None:
    life = life_of(START, Refuse(0, Refusal.TOO_MANY_GRADIENTS), STEP)
    observations = perform(life_of(START, STEP))
    found = judge(life, [*observations, observations[0]])
    assert found.findings == []
    assert found.unrefused == "there is one gradient too many, and the call was accepted"


def test_a_right_call_that_is_refused_is_reported_with_the_exception() -> None:
    life = life_of(START, STEP, STEP)
    observations = perform(life_of(START, STEP))
    refused = Observation(Outcome.REFUSED, "ValueError: no", observations[1].optimizers)
    divergence = only_finding(life, [*observations, refused], Aspect.REFUSED)
    assert divergence.reason == "action 3, a step of optimizer 0, is allowed, and raised ValueError: no"
    assert (divergence.expected, divergence.actual) == ("no exception", "ValueError: no")


def test_an_action_that_is_not_supported_ends_the_life_and_is_named() -> None:
    life = life_of(START, STEP, Copy(0, 1, CopyMethod.PICKLE), STEP)
    observations = perform(life_of(START, STEP))
    unsupported = Observation(Outcome.UNSUPPORTED, "no pickle here", observations[1].optimizers)
    found = judge(life, [*observations, unsupported])
    assert found.findings == []
    assert found.unsupported == "Copy: no pickle here"


# Checkpoints and copies --------------------------------------------------------------------------------------


@pytest.mark.parametrize("fresh", [False, True])
@pytest.mark.parametrize(
    ("name", "whose"),
    [("theta", "the parameters had"), ("m", "the checkpoint has"), ("u", "the checkpoint has")],
)
def test_a_load_brings_back_the_checkpoint_s_m_and_u_and_leaves_theta_alone(fresh, name, whose) -> None:
    life = life_of(START, STEP, Save(0, 0), STEP, Load(0, 0, fresh))
    observations = perform(life)
    assert judge(life, observations).findings == []
    observations[4] = altered(observations[4], name, 0, 1, lambda x: x + 1)
    divergence = only_finding(life, observations, Aspect.CHECKPOINT)
    assert f"{name} of element [1], parameter 0 is {divergence.actual}; {whose} {divergence.expected}" in (
        divergence.reason
    )


def test_a_load_that_does_nothing_is_noticed() -> None:
    life = life_of(START, STEP, Save(0, 0), STEP, Load(0, 0))
    observations = perform(life)
    observations[4] = replace(observations[3], outcome=Outcome.DONE)
    assert {f.aspect for f in judge(life, observations).findings} == {Aspect.CHECKPOINT}


def test_a_load_that_forgets_the_count_is_noticed_at_the_next_step() -> None:
    class Forgetful(Adamax):
        def load_state_dict(self, state) -> None:
            super().load_state_dict(counted(state, 5))

    life = life_of(START, STEP, Save(0, 0), Load(0, 0), STEP)
    found = judge(life, perform(life, Forgetful))
    assert {f.aspect for f in found.findings} == {Aspect.THETA}
    reason = found.findings[0].divergence.reason
    assert reason.endswith("right after loading checkpoint 0 into optimizer 0 in use")


@pytest.mark.parametrize("fresh", [False, True])
def test_a_learning_rate_may_be_the_checkpoint_s_or_the_optimizer_s_own_and_no_other(fresh) -> None:
    life = life_of(START, STEP, Save(0, 0), SetLr(0, 0, Number(0.5)), Load(0, 0, fresh))
    observations = perform(life)
    assert judge(life, observations).findings == []

    def showing(lr: float):
        state = observations[4].optimizers[0]
        last = replace(observations[4], optimizers={0: replace(state, lr=(lr,))})
        return judge(life, [*observations[:4], last]).findings

    for format_ in Format:
        assert showing(0.5) == showing(format_.round_float(0.1)) == []
    (finding,) = showing(0.25)
    assert finding.aspect is Aspect.CHECKPOINT
    assert "lr of group 0 is shown as 0.25; the checkpoint has 0.1" in finding.divergence.reason


def test_a_copy_has_the_numbers_of_its_original() -> None:
    life = life_of(START, STEP, Copy(0, 1, CopyMethod.DEEPCOPY))
    observations = perform(life)
    observations[2] = altered(observations[2], "u", 0, 0, lambda x: 2 * x, optimizer=1)
    divergence = only_finding(life, observations, Aspect.CHECKPOINT)
    assert (
        "copying optimizer 0 by copy.deepcopy as optimizer 1, u of element [0], parameter 0, optimizer 1 is"
        in (divergence.reason)
    )


@pytest.mark.parametrize(("steps_before", "aspects"), [(0, set()), (2, set()), (1, {Aspect.THETA})])
def test_a_later_group_counts_from_1_or_with_the_optimizer_and_not_otherwise(steps_before, aspects) -> None:
    class Counting(Adamax):
        def add_param_group(self, group) -> None:
            super().add_param_group(group)
            state = self.state_dict()
            if len(self.param_groups) > 1:
                state["param_groups"][-1]["t"] = steps_before
                self.load_state_dict(state)

    life = life_of(START, STEP, STEP, AddGroup(0, GROUP), Step(0, STEP.gradients * 2))
    found = judge(life, perform(life, Counting)).findings
    assert {finding.aspect for finding in found} == aspects
    assert {finding.divergence.parameter for finding in found} <= {2, 3}


# Hidden m and u ----------------------------------------------------------------------------------------------

SHARP = Options(Number(2.0**-10), (0.5, 0.5), 2.0**-10)


def test_an_error_of_hidden_m_or_u_shows_in_theta() -> None:
    start = replace(START, options=SHARP)
    sharp = Step(0, (GradientSpec(Values.of(np.float32([0.1, 0.7, -0.3]))), GradientSpec(G)))
    grown = [action for t in range(3) for action in (SetLr(0, 0, Number(2.0 ** (10 * t))), sharp)]

    class Coarse(Adamax):
        """Loses half of the bits of m."""

        def __call__(self, gradients) -> None:
            super().__call__(gradients)
            for m in self.exp_avg:
                m[...] = m.astype(np.float16)

    life = life_of(start, *grown)
    assert judge(life, hide(perform(life), "m", "u")).findings == []
    found = judge(life, hide(perform(life, Coarse), "m", "u")).findings
    assert {finding.aspect for finding in found} == {Aspect.THETA}
    divergence = found[0].divergence
    assert divergence.reason.endswith("(m and u are hidden)")
    assert divergence.error_over_bound > 1
    assert float(divergence.expected) != float(divergence.actual)


def test_hidden_m_and_u_go_back_with_a_checkpoint_and_along_with_a_copy() -> None:
    life = life_of(
        replace(START, options=SHARP),
        STEP,
        Save(0, 0),
        STEP,
        Load(0, 0),
        STEP,
        Copy(0, 1, CopyMethod.DEEPCOPY),
        Step(1, STEP.gradients),
        STEP,
    )
    observations = hide(perform(life), "m", "u")
    found = judge(life, observations)
    assert found.findings == []
    # Five steps that are looked at, of two parameters of three elements.
    assert (found.judged, found.open) == (5 * 6, 0)
    wrong = altered(observations[7], "theta", 0, 0, lambda x: x * (1 + 2.0**-15), optimizer=1)
    assert [f.action for f in judge(life, [*observations[:7], wrong]).findings] == [7]


def test_after_a_run_that_was_not_looked_at_hidden_numbers_are_not_judged() -> None:
    life = life_of(START, STEP, Run(0, 2, ((G, G),)), STEP)
    found = judge(life, hide(perform(life), "m", "u"))
    assert (found.findings, found.judged) == ([], 6)


def long_life(*gradients: Values) -> Life:
    """Steps of one parameter of 5000 elements, which are carried by their pattern."""
    theta = Values((5000,), (1.0, -2.0, 0.5))
    start = Construct(0, (GroupSpec((ParameterSpec(theta),)),), SHARP, Container.LIST)
    return life_of(start, *(Step(0, (GradientSpec(each),)) for each in gradients))


def test_of_a_long_array_an_element_that_leaves_the_pattern_is_found_by_itself() -> None:
    plain = Values((5000,), G.pattern)
    life = long_life(plain, plain)
    observations = hide(perform(life), "m", "u")
    assert judge(life, observations).findings == []
    state = observations[2].optimizers[0]
    wrong = replace(state.theta[0], exceptions=((4321, 0.125),))
    observations[2] = replace(observations[2], optimizers={0: replace(state, theta=(wrong,))})
    assert only_finding(life, observations, Aspect.THETA).element == (4321,)


def test_of_a_long_array_an_element_whose_gradient_was_another_is_not_compared_with_the_pattern() -> None:
    plain = Values((5000,), G.pattern)
    pierced = replace(plain, exceptions=((4321, 0.125),))
    life = long_life(pierced, plain)
    observations = hide(perform(life), "m", "u")
    assert observations[2].optimizers[0].theta[0].exceptions
    assert judge(life, observations).findings == []


# Words -------------------------------------------------------------------------------------------------------


def test_every_action_has_words_and_is_applied() -> None:
    actions = [*EVERYTHING, *BETWEEN, EditCheckpoint(0, Edit.COUNT_AS_INT)]
    assert {type(action) for action in actions} == set(ACTIONS.values())
    assert len({describe(action) for action in actions}) >= len(ACTIONS)
    handled = vars(LifeJudge)["_apply"].dispatcher
    for kind in set(ACTIONS.values()) - {Refuse}:
        assert handled.dispatch(kind) is not handled.dispatch(object), kind


def test_what_is_not_an_action_is_refused() -> None:
    with pytest.raises(TypeError, match="is not an action of a life"):
        describe("step")
    with pytest.raises(TypeError, match="is not of a life"):
        judge(life_of("step"), [Observation(Outcome.DONE)])


def batch_of(lives, factory):
    """The batch of lives of a factory."""
    batch = LifeBatch(error_model, tuple(Watched))
    for life in lives:
        batch.add(life, perform(life, factory))
    return batch


def drawn_lives(count: int):
    scope = Scope(Format.BINARY32, frozenset({Feature.GROUPS, Feature.SET_LR, Feature.EPS, Feature.BETAS}))
    return [draw_life(scope, Theme.OPTIONS, seed) for seed in range(count)]


def test_lives_that_are_judged_together_are_judged_as_each_alone() -> None:
    lives = drawn_lives(6)
    batch = batch_of(lives, Adamax)
    alone = [judge(life, perform(life)) for life in lives]
    found = batch.judge()
    assert [each.findings for each in found] == [each.findings for each in alone] == [[]] * 6
    assert sum(each.judged for each in found) == sum(each.judged for each in alone) > 0
    assert batch.rows > 0
    assert max(each.largest_over_bound for each in found) == max(each.largest_over_bound for each in alone)


class _LateOnce(Adamax):
    """The third optimizer of the class that takes a step is wrong."""

    made = 0

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        type(self).made += 1
        self.number = type(self).made

    def __call__(self, gradients):
        super().__call__(gradients)
        if self.number >= 3:
            for theta in self.parameters:
                theta[...] *= theta.dtype.type(1.5)


def test_a_batch_ends_with_the_first_life_that_is_wrong() -> None:
    lives = [replace(life, actions=life.actions[:2]) for life in drawn_lives(6)]
    found = batch_of(lives, _LateOnce).judge()
    wrong = next(i for i, each in enumerate(found) if each.findings)
    assert wrong == len(found) - 1 > 0
    assert all(each.judged > 0 for each in found)
    assert {finding.aspect for finding in found[wrong].findings} == {Aspect.THETA}


def test_an_empty_batch_has_no_findings() -> None:
    assert LifeBatch(error_model, ()).judge() == []
