"""The host's side of lives: each action on a small factory, and what is noticed."""

from __future__ import annotations

import re
import sys
from dataclasses import replace

import numpy as np
import pytest
from adamax_conformance.impl import Adamax
from adamax_conformance.impl.adapters.factory import FactoryAdapter
from adamax_conformance.impl.host.life import LifePerformer
from adamax_conformance.impl.host.watching import describe_change, fingerprint, held_values, replace_count
from adamax_conformance.impl.protocol import codec
from adamax_conformance.impl.protocol.errors import UnavailableError
from adamax_conformance.impl.protocol.validation import ProtocolError
from adamax_conformance.impl.subject.client import Subject
from adamax_conformance.impl.subject.observations import find_misfit
from adamax_conformance.reference.life import (
    AddGroup,
    Construct,
    Container,
    Copy,
    CopyMethod,
    Drop,
    GradientSpec,
    GroupSpec,
    Life,
    Load,
    Memory,
    Number,
    NumberKind,
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

ONES = Values.of([1.0, 1.0])
HALVES = Values.of([0.5, 0.25])
GROUP = GroupSpec((ParameterSpec(ONES), ParameterSpec(ONES)))
START = Construct(0, (GROUP,), Options(Number(0.5)), Container.DICTS)
STEP = Step(0, (GradientSpec(HALVES), GradientSpec(ONES)))


class Descent:
    """Gradient descent that counts its steps in m and keeps the last gradient in u."""

    def __init__(self, params, lr=2e-3, **others):
        params = list(params)
        groups = params if params and isinstance(params[0], dict) else [{"params": params}]
        self.given = params
        self.param_groups, self.exp_avg, self.exp_inf = [], [], []
        self.defaults = {"lr": lr, **others}
        self.t = 0
        for group in groups:
            self.add_param_group(group)

    def add_param_group(self, group):
        if group.get("lr", 0.5) < 0:
            raise ValueError("lr is negative")
        self.param_groups.append({**self.defaults, **group, "params": list(group["params"])})
        self.exp_avg += [np.zeros_like(p) for p in group["params"]]
        self.exp_inf += [np.zeros_like(p) for p in group["params"]]

    def __call__(self, gradients):
        every = [(p, group) for group in self.param_groups for p in group["params"]]
        if [g.shape for g in gradients] != [p.shape for p, _ in every]:
            raise ValueError("one gradient of its shape for each parameter")
        self.t += 1
        for (p, group), g, m, u in zip(every, gradients, self.exp_avg, self.exp_inf, strict=True):
            p[...] -= p.dtype.type(group["lr"]) * g
            m[...] = self.t
            u[...] = g

    def state_dict(self):
        return {"t": self.t, "m": [m.copy() for m in self.exp_avg], "u": [u.copy() for u in self.exp_inf]}

    def load_state_dict(self, state):
        self.t = state["t"]
        for m, saved in zip(self.exp_avg, state["m"], strict=True):
            m[...] = saved
        for u, saved in zip(self.exp_inf, state["u"], strict=True):
            u[...] = saved


def perform(*actions, factory=Descent, dtype="float32"):
    """The observations of some actions on a factory."""
    adapter = FactoryAdapter(factory)
    return LifePerformer(adapter, adapter.describe()).perform(Life("test", dtype, actions))


def numbers(observation, name="theta", optimizer=0):
    """The numbers of all parameters."""
    return [each.expand().tolist() for each in getattr(observation.optimizers[optimizer], name)]


# Actions -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "container", [c for c in Container if c is not Container.NAMED], ids=lambda c: c.name
)
def test_each_container_is_passed_as_what_it_is(container) -> None:
    passed = []

    class Looking(Descent):
        def __init__(self, params, **options):
            passed.append(type(params).__name__)
            super().__init__(params, **options)

    (seen,) = perform(Construct(0, (GROUP,), Options(Number(0.5)), container), factory=Looking)
    assert (seen.outcome, seen.message) == (Outcome.DONE, "")
    assert passed == [
        {"TUPLE": "tuple", "GENERATOR": "generator", "GENERATOR_OF_DICTS": "generator"}.get(
            container.name, "list"
        )
    ]
    assert numbers(seen) == [[1.0, 1.0], [1.0, 1.0]]
    assert numbers(seen, "m") == [[0.0, 0.0], [0.0, 0.0]]
    assert seen.optimizers[0].lr == (0.5,)


def test_a_step_shows_theta_m_u_and_the_learning_rates() -> None:
    *_, seen = perform(START, STEP)
    assert numbers(seen) == [[0.75, 0.875], [0.5, 0.5]]
    assert numbers(seen, "m") == [[1.0, 1.0], [1.0, 1.0]]
    assert numbers(seen, "u") == [[0.5, 0.25], [1.0, 1.0]]


def test_a_run_cycles_its_gradients_without_looking() -> None:
    zeros = Values.of([0.0, 0.0])
    *_, seen = perform(START, Run(0, 5, ((HALVES, ONES), (zeros, zeros))))
    assert numbers(seen) == [[0.25, 0.625], [-0.5, -0.5]]
    assert numbers(seen, "m")[0] == [5.0, 5.0]


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (Number(0.25), float),
        (Number(1, NumberKind.INT), int),
        (Number(0.25, NumberKind.ARRAY), np.ndarray),
    ],
    ids=lambda x: getattr(x, "__name__", ""),
)
def test_a_learning_rate_is_passed_by_its_kind_and_takes_effect(number, kind) -> None:
    rates = []

    class Looking(Descent):
        def __call__(self, gradients):
            rates.append(self.param_groups[0]["lr"])
            super().__call__(gradients)

    *_, before, after = perform(START, SetLr(0, 0, number), STEP, factory=Looking)
    assert type(rates[0]) is kind
    assert before.optimizers[0].lr == (number.value,)
    assert numbers(after)[1] == [1 - number.value] * 2


def test_an_option_is_set_in_its_group() -> None:
    groups = (GroupSpec((ParameterSpec(ONES),)), GroupSpec((ParameterSpec(ONES),)))
    *_, seen = perform(Construct(0, groups, Options(Number(0.5))), SetOption(0, 1, "lr", 0.125), STEP)
    assert seen.optimizers[0].lr == (0.5, 0.125)
    assert numbers(seen) == [[0.75, 0.875], [0.875, 0.875]]


def test_a_group_is_added_with_its_own_options() -> None:
    added = AddGroup(0, GroupSpec((ParameterSpec(ONES),), Options(Number(0.25))))
    *_, seen, after = perform(START, STEP, added, Step(0, (*STEP.gradients, GradientSpec(ONES))))
    assert numbers(seen)[2] == [1.0, 1.0]
    assert numbers(after)[2] == [0.75, 0.75]
    assert after.optimizers[0].lr == (0.5, 0.25)


@pytest.mark.parametrize("fresh", [False, True])
def test_a_checkpoint_brings_back_m_and_u_and_leaves_theta(fresh) -> None:
    *_, before, seen, after = perform(START, STEP, Save(0, 0), STEP, Load(0, 0, fresh), STEP)
    assert numbers(seen) == numbers(before)
    assert numbers(seen, "m")[0] == [1.0, 1.0]
    assert numbers(after, "m")[0] == [2.0, 2.0]
    assert seen.changed == after.changed == ()


def test_the_count_in_a_checkpoint_is_set_wherever_it_is() -> None:
    *_, after = perform(START, STEP, STEP, STEP, Save(0, 0), SetCount(0, 1000), Load(0, 0), STEP)
    assert numbers(after, "m")[0] == [1001.0, 1001.0]


def test_an_optimizer_of_several_groups_is_constructed_again_from_dicts() -> None:
    start = Construct(0, (GROUP,), Options(Number(0.5)), Container.LIST)
    added = AddGroup(0, GroupSpec((ParameterSpec(ONES),), Options(Number(0.25))))
    *_, seen = perform(start, added, Save(0, 0), Load(0, 0, fresh=True))
    assert seen.outcome is Outcome.DONE
    assert seen.optimizers[0].lr == (0.5, 0.25)


@pytest.mark.parametrize("method", list(CopyMethod), ids=lambda m: m.name)
def test_a_copy_goes_its_own_way_and_a_dropped_optimizer_is_not_seen(method) -> None:
    *_, copied, stepped, dropped = perform(
        START, STEP, Copy(0, 1, method), Step(1, STEP.gradients), Drop(0), factory=Adamax
    )
    assert copied.optimizers[1].theta == copied.optimizers[0].theta
    assert stepped.optimizers[0] == copied.optimizers[0]
    assert stepped.optimizers[1] != copied.optimizers[1]
    assert set(dropped.optimizers) == {1}


def test_a_gradient_may_be_another_one_s_array_or_a_parameter_s_memory() -> None:
    seen_by = []

    class Looking(Descent):
        def __call__(self, gradients):
            params = self.param_groups[0]["params"]
            seen_by.append((gradients[0] is gradients[1], np.shares_memory(gradients[1], params[0])))
            super().__call__(gradients)

    same = Step(0, (GradientSpec(HALVES), GradientSpec(None, same_as=0)))
    memory = Step(0, (GradientSpec(HALVES), GradientSpec(None, parameter=0)))
    perform(START, same, memory, factory=Looking)
    assert seen_by == [(True, False), (False, True)]


@pytest.mark.parametrize(
    ("memory", "strides"),
    [
        (Memory.CONTIGUOUS, (8, 4)),
        (Memory.BROADCAST, (0, 0)),
        (Memory.COLUMN_MAJOR, None),
        (Memory.STRIDED, None),
    ],
    ids=lambda x: getattr(x, "name", ""),
)
def test_a_gradient_lies_in_memory_as_asked_where_the_subject_has_such_arrays(memory, strides) -> None:
    given = []

    class Looking(Descent):
        def __call__(self, gradients):
            given.append(gradients[0].strides)
            super().__call__(gradients)

    flat = Values((2, 2), (0.5,) * 4)
    start = Construct(0, (GroupSpec((ParameterSpec(flat),)),), Options(Number(0.5)))
    *_, seen = perform(start, Step(0, (GradientSpec(flat, memory),)), factory=Looking)
    assert numbers(seen) == [[[0.25, 0.25], [0.25, 0.25]]]
    assert strides is None or given == [strides]


def test_neighbours_share_one_block_and_two_of_one_size_alternate() -> None:
    blocks = []

    class Looking(Descent):
        def __init__(self, params, **options):
            blocks.extend(params)
            super().__init__(params, **options)

    longer = Values.of([1.0, 1.0, 1.0])
    specs = tuple(ParameterSpec(each, Memory.NEIGHBOURS) for each in (ONES, ONES, longer))
    perform(Construct(0, (GroupSpec(specs),), Options(), Container.LIST), factory=Looking)
    first, second, third = blocks
    assert first.base is second.base is third.base
    assert second.ctypes.data - first.ctypes.data == first.itemsize
    assert third.ctypes.data - first.ctypes.data == first.nbytes + second.nbytes


def test_parameters_of_several_dtypes_lie_side_by_side() -> None:
    specs = (ParameterSpec(ONES), ParameterSpec(ONES, dtype="float64"))
    dtypes = []

    class Looking(Descent):
        def __call__(self, gradients):
            dtypes.extend(
                (str(g.dtype), str(p.dtype))
                for g, p in zip(gradients, self.param_groups[0]["params"], strict=True)
            )

    perform(Construct(0, (GroupSpec(specs),)), STEP, factory=Looking)
    assert dtypes == [("float32", "float32"), ("float64", "float64")]


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (None, Outcome.DONE),
        (TypeError, Outcome.UNSUPPORTED),
        (ValueError, Outcome.UNSUPPORTED),
        (KeyError, Outcome.REFUSED),
    ],
)
def test_a_gradient_of_another_dtype_is_passed_and_may_be_refused_but_not_crash(error, outcome) -> None:
    passed = []

    class Looking(Descent):
        def __call__(self, gradients):
            passed.append([g.dtype.name for g in gradients])
            if error is not None:
                raise error("no")
            super().__call__(gradients)

    wide = GradientSpec(Values.of([1.0, 2.0]), dtype="float64")
    step = Step(0, (wide, GradientSpec(Values.of([1.0, 2.0]))))
    *_, seen = perform(Construct(0, (GROUP,)), step, factory=Looking)
    assert seen.outcome is outcome
    assert passed == [["float64", "float32"]]


def test_a_large_array_crosses_as_its_pattern() -> None:
    tiled = Values((1000, 1000), (0.5, 0.25, -1.0))
    start = Construct(0, (GroupSpec((ParameterSpec(tiled),)),), Options(Number(0.5)))
    *_, seen = perform(start, Step(0, (GradientSpec(tiled),)))
    assert seen.optimizers[0].theta == (Values((1000, 1000), (0.25, 0.125, -0.5)),)


# Outcomes ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "refusal",
    [Refusal.TOO_FEW_GRADIENTS, Refusal.TOO_MANY_GRADIENTS, Refusal.WRONG_SHAPE, Refusal.NEGATIVE_LR],
    ids=lambda refusal: refusal.name,
)
def test_a_refused_call_is_observed_and_the_life_goes_on(refusal) -> None:
    *_, before, refused, after = perform(START, STEP, Refuse(0, refusal), STEP)
    assert (refused.outcome, after.outcome) == (Outcome.REFUSED, Outcome.DONE)
    assert refused.message.startswith("ValueError: ")
    assert refused.optimizers == before.optimizers


def test_a_call_that_is_accepted_against_expectation_is_done() -> None:
    class Careless(Descent):
        def __call__(self, _):
            self.t += 1

    *_, seen = perform(START, Refuse(0, Refusal.TOO_FEW_GRADIENTS), factory=Careless)
    assert seen.outcome is Outcome.DONE


def test_an_exception_of_the_subject_is_an_observation_and_ends_the_life() -> None:
    class Failing(Descent):
        def __call__(self, gradients):
            if self.t:
                sys.exit("enough")
            super().__call__(gradients)

    seen = perform(START, STEP, STEP, STEP, factory=Failing)
    assert len(seen) == 3
    assert (seen[-1].outcome, seen[-1].message) == (Outcome.REFUSED, "SystemExit: enough")
    assert seen[-1].optimizers == seen[-2].optimizers


class Bare:
    """The required parts alone."""

    def __init__(self, params, lr=2e-3):
        self.params, self.lr = params, lr

    def __call__(self, gradients):
        for p, g in zip(self.params, gradients, strict=True):
            p[...] -= self.lr * g


@pytest.mark.parametrize(
    ("action", "message"),
    [
        (SetLr(0, 0, Number(0.5)), "the subject has no param_groups; the learning rate cannot be set"),
        (SetOption(0, 0, "eps", 0.5), "the subject has no param_groups; its options cannot be set"),
        (AddGroup(0, GROUP), "the subject has no add_param_group"),
        (Save(0, 0), "the subject has no state_dict"),
        (Copy(0, 1, CopyMethod.DEEPCOPY), "whether a copy steps its own parameters cannot be seen"),
        (Step(0, (GradientSpec(None), GradientSpec(ONES))), "every parameter of the subject has a gradient"),
    ],
    ids=lambda x: type(x).__name__,
)
def test_a_part_that_the_subject_lacks_ends_the_life_with_the_reason(action, message) -> None:
    start = Construct(0, (GROUP,), Options(Number(0.5)), Container.LIST)
    seen = perform(start, STEP, action, STEP, factory=Bare)
    assert len(seen) == 3
    assert seen[-1].outcome is Outcome.UNSUPPORTED
    assert message in seen[-1].message
    assert seen[-1].optimizers == seen[-2].optimizers
    assert (seen[1].optimizers[0].m, seen[1].optimizers[0].lr) == (None, None)


def test_a_dtype_that_the_subject_lacks_ends_the_life() -> None:
    (seen,) = perform(START, dtype="bfloat16")
    assert (seen.outcome, seen.message) == (Outcome.UNSUPPORTED, "the subject has no bfloat16")


def test_a_count_that_is_in_no_checkpoint_cannot_be_set() -> None:
    class Uncounted(Descent):
        def state_dict(self):
            return {"m": self.exp_avg, "u": self.exp_inf}

    *_, seen = perform(START, STEP, STEP, Save(0, 0), SetCount(0, 1000), factory=Uncounted)
    assert seen.outcome is Outcome.UNSUPPORTED
    assert seen.message == "the number of steps is not found in the subject's checkpoint"


# Watching ----------------------------------------------------------------------------------------------------


def changes(*actions, factory):
    """The changes that are noted after the last action."""
    *_, seen = perform(*actions, factory=factory)
    return [(change.what, change.words) for change in seen.changed]


def test_a_gradient_that_a_step_changes_is_noted_with_its_element() -> None:
    class Writing(Descent):
        def __call__(self, gradients):
            super().__call__(gradients)
            gradients[1][1] = 7.0

    assert changes(START, STEP, factory=Writing) == [
        (Watched.GRADIENT, "element [1] of gradient 1 is 7.0, and was passed as 1.0")
    ]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda groups: groups[0].update(eps=1.0), "a group was given 'eps'"),
        (lambda groups: groups[0].pop("params"), "a group has lost 'params'"),
        (lambda groups: groups[0]["params"].pop(), "a group has another 'params'"),
        (lambda groups: groups.append({}), "the list has 2 items, and was passed with 1"),
        (lambda groups: groups.__setitem__(0, dict(groups[0])), "the list has other items than were passed"),
    ],
)
def test_a_change_of_the_caller_s_own_params_is_noted(change, words) -> None:
    class Writing(Descent):
        def __init__(self, params, **options):
            super().__init__(params, **options)
            change(params)

    assert changes(START, factory=Writing) == [
        (Watched.PARAMS, f"of the caller's own params of optimizer 0, {words}")
    ]


def test_a_change_is_noted_once() -> None:
    class Writing(Descent):
        def __init__(self, params, **options):
            super().__init__(params, **options)
            params[0]["eps"] = 1.0

    assert changes(START, STEP, factory=Writing) == []


@pytest.mark.parametrize("copied", [False, True])
def test_a_checkpoint_that_a_step_changes_is_noted_unless_a_copy_is_kept(copied) -> None:
    class Sharing(Descent):
        def state_dict(self):
            return {"t": self.t, "m": self.exp_avg, "u": self.exp_inf}

    found = changes(START, STEP, Save(0, 0, copied), STEP, factory=Sharing)
    assert found == ([] if copied else [(Watched.CHECKPOINT, "checkpoint 0 is not as it was saved")])


def test_params_stand_for_their_identity_and_options_for_their_value() -> None:
    array = np.ones(2)
    held = {"params": [array], "lr": 0.5}
    before = held_values(held)
    array += 1
    assert held_values(held) == before
    held["lr"] = 0.25
    assert describe_change(before, held_values(held)) == "a group has another 'lr'"


def test_a_fingerprint_tells_numbers_names_and_nesting_apart() -> None:
    class Unpicklable:
        def __reduce__(self):
            raise TypeError

    adapter = FactoryAdapter(Descent)
    checkpoints = [
        {"a": np.ones(2)},
        {"b": np.ones(2)},
        {"a": np.zeros(2)},
        {"a": np.ones((2, 1))},
        {"a": [np.ones(2)]},
        {"a": ("x", None, True, 1, 1.5, b"y")},
        {"a": {1, 2}},
        {"a": Unpicklable()},
    ]
    assert len({fingerprint(each, adapter) for each in checkpoints}) == len(checkpoints)
    assert fingerprint(checkpoints[-1], adapter) == fingerprint({"a": Unpicklable()}, adapter)


def test_a_count_is_replaced_in_every_container_and_kind_and_nothing_else_is() -> None:
    array = np.array(3)
    checkpoint = {
        "a": 3,
        "b": [3, 4, True],
        "c": (1, 3),
        "d": array,
        "e": np.int64(3),
        "f": 3.5,
        "params": [3],
    }
    assert replace_count(checkpoint, 3, 9)
    assert checkpoint == {
        "a": 9,
        "b": [9, 4, True],
        "c": (1, 9),
        "d": array,
        "e": np.int64(9),
        "f": 3.5,
        "params": [3],
    }
    assert array == 9
    assert type(checkpoint["e"]) is np.int64
    assert not replace_count({"a": 4, "b": "3"}, 3, 9)


# Over the pipe -----------------------------------------------------------------------------------------------

LIFE = Life(
    "pipe",
    "float32",
    (START, STEP, SetLr(0, 0, Number(0.25)), STEP, Refuse(0, Refusal.WRONG_SHAPE), Save(0, 0)),
)


def test_a_life_crosses_the_pipe_and_comes_back_as_from_this_process() -> None:
    with Subject.open("adamax_conformance.impl:Adamax") as subject:
        assert subject.info.has["lives"] is True
        there = subject.live(LIFE)
        again = subject.live(LIFE)
    here = perform(*LIFE.actions, factory=Adamax)
    assert there == again == list(here)


def other(seen, **changes):
    """An observation whose only optimizer is another one."""
    return replace(seen, optimizers={0: replace(seen.optimizers[0], **changes)})


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda seen: seen[:-1], "there are 5 observations of 6 actions"),
        (lambda seen: [*seen, seen[-1]], "there are 7 observations of 6 actions"),
        (
            lambda seen: [replace(seen[0], optimizers={}), *seen[1:]],
            r"it has the optimizers \[\]; there are \[0\]",
        ),
        (
            lambda seen: [seen[0], replace(seen[1], outcome=Outcome.REFUSED), *seen[2:]],
            "observation 1 is 'refused' and ends the life; others follow",
        ),
        (
            lambda seen: [other(seen[0], theta=seen[0].optimizers[0].theta[:1]), *seen[1:]],
            r"theta has the shapes \[\(2,\)\]; the parameters have \[\(2,\), \(2,\)\]",
        ),
        (
            lambda seen: [other(seen[0], u=(Values.of([0.0]), None)), *seen[1:]],
            r"u has the shapes \[\(1,\), None\]",
        ),
        (
            lambda seen: [other(seen[0], theta=(ONES, Values((2,), (1.0,), ((1, 0.1),)))), *seen[1:]],
            "theta 1 has the element 0x1.999999999999ap-4, which is not a float32",
        ),
    ],
)
def test_observations_that_do_not_fit_the_life_are_refused_by_name(spoil, message) -> None:
    right = list(perform(*LIFE.actions, factory=Adamax))
    assert find_misfit(LIFE, right) is None
    assert re.search(message, find_misfit(LIFE, spoil(right)))


def test_observations_may_end_with_an_action_that_the_subject_does_not_do() -> None:
    seen = list(perform(*LIFE.actions, factory=Adamax))
    for outcome in (Outcome.UNSUPPORTED, Outcome.REFUSED):
        assert find_misfit(LIFE, [seen[0], replace(seen[1], outcome=outcome)]) is None


def test_the_check_of_observations_follows_every_optimizer_and_checkpoint() -> None:
    actions = (
        START,
        STEP,
        Save(0, 0),
        AddGroup(0, GROUP),
        Copy(0, 1, CopyMethod.DEEPCOPY),
        Load(0, 0, fresh=True),
        Drop(1),
        STEP,
    )
    seen = perform(*actions, factory=Adamax)
    assert [each.outcome for each in seen] == [Outcome.DONE] * len(actions)
    assert find_misfit(Life("all", "float32", actions), seen) is None


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda life: life.pop("dtype"), "'dtype'"),
        (lambda life: life["actions"][0].update(action="Fly"), "'Fly'"),
        (lambda life: life["actions"][0].update(optimizer="0"), "'0' is not of the type int"),
        (lambda life: life["actions"][0].update(container="box"), "'box' is not a valid Container"),
        (lambda life: values_of(life).update(shape=[-2]), "an array has the shape"),
        (lambda life: values_of(life).update(pattern=[]), "has an empty pattern"),
        (lambda life: values_of(life).update(pattern="AAA"), "padding"),
        (lambda life: values_of(life).update(pattern=["0x1p9999"]), "too large"),
        (lambda life: values_of(life).update(exceptions=[[2, "0x1p0"]]), r"has exceptions at \[2\]"),
    ],
)
def test_a_life_that_is_not_well_formed_is_refused_in_one_line(spoil, message) -> None:
    value = LIFE.to_json()
    spoil(value)
    with pytest.raises(ProtocolError, match=message) as raised:
        codec.decode_request({"id": 1, "op": "live", "life": value})
    assert "\n" not in str(raised.value)


def values_of(life):
    """The JSON of the first parameter's values."""
    return life["actions"][0]["groups"][0]["parameters"][0]["values"]


def test_a_subject_that_dies_in_a_life_is_unavailable_and_starts_again_for_the_next(tmp_path) -> None:
    (tmp_path / "dying.py").write_text(
        "import os\n"
        "from adamax_conformance.impl import Adamax as Right\n"
        "class Adamax(Right):\n"
        "    def __call__(self, gradients):\n"
        "        if gradients[0][0] == 0.5:\n"
        "            os._exit(3)\n"
        "        super().__call__(gradients)\n"
    )
    gentle = Life("gentle", "float32", (START, Step(0, (GradientSpec(ONES), GradientSpec(ONES)))))
    with Subject.open(f"{tmp_path / 'dying.py'}:Adamax") as subject:
        with pytest.raises(Exception, match="exit") as raised:
            subject.live(LIFE)
        assert not isinstance(raised.value, UnavailableError)
        assert [seen.outcome for seen in subject.live(gentle)] == [Outcome.DONE, Outcome.DONE]
