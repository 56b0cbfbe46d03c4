"""A factory in this process, as a subject."""

from __future__ import annotations

import re
import warnings

import numpy as np
import pytest
from adamax_conformance.impl.protocol import errors
from adamax_conformance.impl.protocol.messages import Schedule
from adamax_conformance.impl.subject.client import Subject
from adamax_conformance.reference.case import Case, Group, Layout, Parameter
from adamax_conformance.reference.hyperparameters import Hyperparameters

ONES = np.ones(3)


class Descent:
    """Gradient descent with every optional part.

    m counts the steps, u holds the last gradient.
    """

    def __init__(self, params, lr=2e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, *, maximize=False):
        if lr == "a":
            raise ValueError(f"lr is {lr!r}")
        groups = params if params and isinstance(params[0], dict) else [{"params": params}]
        defaults = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "maximize": maximize}
        self.param_groups = [defaults | group for group in groups]
        self.params = [(p, group) for group in self.param_groups for p in group["params"]]
        self.exp_avg = [np.zeros_like(p) for p, _ in self.params]
        self.exp_inf = [np.zeros_like(p) for p, _ in self.params]

    def __call__(self, gradients):
        for (p, group), g, m, u in zip(self.params, gradients, self.exp_avg, self.exp_inf, strict=True):
            p[...] -= p.dtype.type(group["lr"]) * g
            m[...] += 1
            u[...] = g

    def state_dict(self):
        return {"exp_avg": self.exp_avg}

    def load_state_dict(self, state):
        for mine, other in zip(self.exp_avg, state["exp_avg"], strict=True):
            mine[...] = other


class Bare:
    """The signature and nothing else."""

    def __init__(self, params, lr=2e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, *, maximize=False):
        del betas, eps, weight_decay, maximize
        self.params, self.lr = params, lr

    def __call__(self, gradients):
        for p, g in zip(self.params, gradients, strict=True):
            p[...] -= g


@pytest.fixture
def subject():
    with Subject.in_process(Descent, "descent") as subject:
        yield subject


def test_what_is_known_before_anything_is_made(subject):
    info = subject.info
    assert info.name == "descent"
    assert info.keyword_only_maximize is True
    assert info.defaults == {
        "lr": 2e-3,
        "betas": (0.9, 0.999),
        "eps": 1e-8,
        "weight_decay": 0.0,
        "maximize": False,
    }


def test_a_signature_without_what_is_documented_is_told_as_such():
    info = Subject.in_process(lambda params, **options: Bare(params, **options)).info  # noqa: PLW0108
    assert info.keyword_only_maximize is None
    assert info.defaults is None


def test_one_group_is_passed_as_a_plain_list_with_its_options_as_arguments():
    seen = []

    def factory(params, **options):
        seen.append((params, options))
        return Bare(params)

    Subject.in_process(factory).construct([({"lr": 0.5}, [ONES])], "float32")
    ((params, options),) = seen
    assert [p.dtype for p in params] == [np.float32]
    assert options == {"lr": 0.5}


def test_several_groups_are_passed_as_dicts_with_their_options(subject):
    seen = []

    def factory(params, **options):
        seen.append((params, options))
        return Descent(params, **options)

    subject = Subject.in_process(factory)
    subject.construct([({"lr": 0.5}, [ONES]), ({"eps": 1.0}, [ONES, ONES])], "float64", defaults={"lr": 1.0})
    (((first, second), options),) = seen
    assert first.keys() == {"lr", "params"}
    assert second.keys() == {"eps", "params"}
    assert len(second["params"]) == 2
    assert options == {"lr": 1.0}


def test_a_group_can_lack_its_params(subject):
    with pytest.raises(errors.RejectedError) as caught:
        subject.construct([({"lr": 0.5}, None)], "float64")
    assert caught.value.type == "KeyError"


def test_positional_arguments_come_after_the_params(subject):
    with pytest.raises(errors.RejectedError) as caught:
        subject.construct([({}, [ONES])], "float64", positional=(1, 2, 3, 4, 5))
    assert caught.value.is_a("TypeError")


def test_a_shared_parameter_is_one_object():
    seen = []
    subject = Subject.in_process(lambda params: seen.extend(params) or Bare(params))
    subject.construct([({}, [ONES, ONES])], "float64", share=True)
    assert seen[0] is seen[1]


def test_a_step_shows_state_gradients_and_learning_rate(subject):
    handle = subject.construct([({"lr": 0.5}, [ONES, np.array(2.0)])], "float32")
    result = subject.step(handle, [2 * ONES, np.array(4.0)])
    assert [a.tolist() for a in result.theta] == [[0.0] * 3, 0.0]
    assert [a.tolist() for a in result.m] == [[1.0] * 3, 1.0]
    assert [a.tolist() for a in result.u] == [[2.0] * 3, 4.0]
    assert [a.tolist() for a in result.gradients] == [[2.0] * 3, 4.0]
    assert result.lr == (0.5,)
    assert {a.dtype for a in result.theta} == {np.dtype(np.float64)}


def test_what_was_seen_is_not_changed_by_later_steps(subject):
    handle = subject.construct([({"lr": 0.5}, [ONES])], "float64")
    first = subject.step(handle, [ONES])
    subject.step(handle, [ONES])
    assert first.theta[0].tolist() == [0.5] * 3
    assert first.m[0].tolist() == [1.0] * 3


def test_a_learning_rate_is_set_where_one_is_given_and_stays(subject):
    handle = subject.construct([({"lr": 0.5}, [ONES]), ({"lr": 0.25}, [ONES])], "float64")
    assert subject.step(handle, [ONES, ONES], lr=[None, 2.0]).lr == (0.5, 2.0)
    assert subject.step(handle, [ONES, ONES]).lr == (0.5, 2.0)


def test_a_changed_gradient_is_seen():
    class Spoils(Bare):
        """Writes into the gradients."""

        def __call__(self, gradients):
            gradients[0][...] = 7

    subject = Subject.in_process(Spoils)
    handle = subject.construct([({}, [ONES])], "float64")
    assert subject.step(handle, [ONES]).gradients[0].tolist() == [7.0] * 3


def test_what_the_subject_does_not_have_is_none_or_skipped():
    subject = Subject.in_process(Bare)
    with pytest.raises(errors.SkippedError, match="no learning rate schedulers"):
        subject.construct([({}, [ONES])], "float64", schedule=Schedule("StepLR"))
    handle = subject.construct([({}, [ONES])], "float64")
    result = subject.step(handle, [ONES])
    assert (result.m, result.u, result.lr) == (None, None, None)
    assert subject.read(handle).groups is None
    with pytest.raises(errors.SkippedError, match="param_groups"):
        subject.step(handle, [ONES], lr=[0.1])
    with pytest.raises(errors.SkippedError, match="state_dict"):
        subject.save(handle)


@pytest.mark.parametrize("before", [[], [None], None])
def test_moments_may_appear_at_the_first_step(before):
    class Late(Bare):
        """Makes its state when it first needs it."""

        exp_avg = before
        exp_inf = before

        def __call__(self, gradients):
            self.exp_avg = self.exp_inf = [np.array(g) for g in gradients]

    subject = Subject.in_process(Late)
    handle = subject.construct([({}, [ONES])], "float64")
    assert subject.read(handle).state.m is None
    assert subject.step(handle, [ONES]).m[0].tolist() == [1.0] * 3


def test_the_groups_are_read_as_they_are(subject):
    handle = subject.construct([({"lr": np.float32(0.5)}, [ONES])], "float64")
    (group,) = subject.read(handle).groups
    assert group == {
        "lr": np.float32(0.5),
        "betas": (0.9, 0.999),
        "eps": 1e-8,
        "weight_decay": 0.0,
        "maximize": False,
    }
    assert type(group["lr"]) is np.float32


def test_a_checkpoint_goes_into_an_optimizer_made_anew_from_the_parameters_as_they_are(subject):
    handle = subject.construct([({"lr": 0.5}, [ONES])], "float64")
    subject.step(handle, [ONES])
    checkpoint = subject.save(handle)
    subject.step(handle, [ONES])
    subject.load(handle, checkpoint)
    state = subject.read(handle).state
    assert state.theta[0].tolist() == [0.0] * 3
    assert state.m[0].tolist() == [1.0] * 3
    assert state.u[0].tolist() == [0.0] * 3


def test_a_checkpoint_goes_into_another_optimizer_too(subject):
    handle = subject.construct([({}, [ONES])], "float64")
    subject.step(handle, [ONES])
    other = subject.construct([({}, [ONES])], "float64")
    subject.load(other, subject.save(handle))
    assert subject.read(other).state.m[0].tolist() == [1.0] * 3


def test_a_rejection_has_the_class_and_its_bases(subject):
    with pytest.raises(errors.RejectedError) as caught:
        subject.construct([({"lr": "a"}, [ONES])], "float32")
    assert caught.value.type == "ValueError"
    assert caught.value.is_a("Exception")
    assert caught.value.message == "lr is 'a'"
    assert not caught.value.changed


def test_a_rejection_that_came_too_late_is_told_as_such():
    def factory(params):
        params[0][...] = 7
        raise ValueError("too late")

    with pytest.raises(errors.RejectedError) as caught:
        Subject.in_process(factory).construct([({}, [ONES])], "float32")
    assert caught.value.changed


@pytest.mark.parametrize("error", [RuntimeError("no"), SystemExit(3), AssertionError()])
def test_whatever_a_step_raises_is_a_rejection(error):
    class Raises(Bare):
        """Raises in its step."""

        def __call__(self, _):
            raise error

    subject = Subject.in_process(Raises)
    handle = subject.construct([({}, [ONES])], "float64")
    with pytest.raises(errors.RejectedError) as caught:
        subject.step(handle, [ONES])
    assert caught.value.type == type(error).__name__


def test_warnings_of_a_subject_are_its_own_business(subject):
    def factory(params, **options):
        warnings.warn("careful", stacklevel=1)
        return Descent(params, **options)

    subject = Subject.in_process(factory)
    handle = subject.construct([({"lr": 1e30}, [ONES])], "float32")
    assert subject.step(handle, [np.full(3, 2.0**100)]).theta[0].tolist() == [-np.inf] * 3


@pytest.mark.parametrize("layout", Layout)
def test_arrays_lie_as_the_layout_says(layout):
    seen = []

    class Looks(Bare):
        """Keeps what it is given."""

        def __call__(self, gradients):
            seen.extend([*self.params, *gradients])

    value = np.arange(12.0).reshape(3, 4)
    subject = Subject.in_process(Looks)
    handle = subject.construct([({}, [value])], "float32", layout=layout)
    result = subject.step(handle, [value])
    assert result.theta[0].tolist() == value.tolist()
    strides = {
        Layout.CONTIGUOUS: (16, 4),
        Layout.STRIDED: (32, 8),
        Layout.TRANSPOSED: (4, 12),
        Layout.REVERSED: (-16, 4),
    }
    assert [a.strides for a in seen] == [strides[layout]] * 2


@pytest.mark.parametrize("layout", Layout)
@pytest.mark.parametrize("shape", [(), (0,), (2, 0), (1,)])
def test_small_and_empty_arrays_have_every_layout(layout, shape):
    subject = Subject.in_process(Descent)
    handle = subject.construct([({"lr": 1.0}, [np.ones(shape)])], "float32", layout=layout)
    assert subject.step(handle, [np.ones(shape)]).theta[0].tolist() == np.zeros(shape).tolist()


def test_a_dtype_that_the_subject_lacks_is_said_in_its_words():
    subject = Subject.in_process(Descent, dtypes=("float32",))
    with pytest.raises(errors.UnsupportedDtypeError, match="NumPy has no bfloat16"):
        subject.construct([({}, [ONES])], "bfloat16")
    with pytest.raises(errors.UnsupportedDtypeError, match="known are float32"):
        subject.construct([({}, [ONES])], "float64")


def test_a_factory_may_say_what_it_computes_in():
    class Narrow(Descent):
        """Has one format."""

        dtypes = ("float16",)

    assert Subject.in_process(Narrow).info.dtypes == ("float16",)


@pytest.mark.parametrize(
    ("dtype", "value"),
    [("float32", 0.1), ("float16", 1 + 2.0**-11), ("bfloat16", 1 + 2.0**-8), ("float32", 1e300)],
)
def test_a_number_that_is_none_of_the_format_is_never_passed_on(subject, dtype, value):
    with pytest.raises(ValueError, match=re.escape(f"parameter 0 has the element {value.hex()}")):
        subject.construct([({}, [np.array([1.0, value])])], dtype)


def test_a_gradient_that_is_none_of_the_format_is_never_passed_on(subject):
    handle = subject.construct([({}, [ONES])], "float32")
    with pytest.raises(ValueError, match="gradient 0 has the element"):
        subject.step(handle, [0.1 * ONES])


def test_special_numbers_are_of_every_format(subject):
    handle = subject.construct([({}, [np.array([np.nan, np.inf, -np.inf, -0.0])])], "float16")
    assert np.signbit(subject.read(handle).state.theta[0]).tolist() == [False, False, True, True]


def test_moments_of_another_shape_are_garbled():
    class Flat(Descent):
        """Shows m flattened."""

        @property
        def exp_avg(self):
            return [np.zeros(p.size) for p, _ in self.params]

        @exp_avg.setter
        def exp_avg(self, value):
            pass

    subject = Subject.in_process(Flat)
    handle = subject.construct([({}, [np.ones((2, 2))])], "float64")
    with pytest.raises(errors.InvalidAnswerError, match=r"m has shapes \[\(4,\)\]"):
        subject.read(handle)


def test_a_handle_is_of_no_use_after_its_release(subject):
    handle = subject.construct([({}, [ONES])], "float64")
    subject.release(handle)
    with pytest.raises(errors.RequestRefusedError, match="unknown"):
        subject.step(handle, [ONES])


def test_wrong_gradients_are_refused_before_the_subject_sees_them(subject):
    handle = subject.construct([({}, [ONES])], "float64")
    with pytest.raises(errors.RequestRefusedError, match="one gradient of its shape"):
        subject.step(handle, [np.ones(2)])


def test_a_whole_case_is_observed_with_its_learning_rates(subject):
    case = Case(
        "two-groups",
        (
            Group(Hyperparameters(lr=1.0), (Parameter.of([8.0], [[1.0], [1.0]]),), (1.0, 0.5)),
            Group(Hyperparameters(lr=2.0), (Parameter.of(4.0, [1.0, 0.5]),)),
        ),
    )
    first, second = subject.observe(case, "float32")
    assert [a.tolist() for a in first.theta] == [[7.0], 2.0]
    assert [a.tolist() for a in second.theta] == [[6.5], 1.0]
    assert second.lr == (0.5, 2.0)


def one_by_one(subject, case):
    """The same, with a request for each step."""
    handle = subject.construct(subject.groups(case), "float32", layout=case.layout)
    rates = [
        [group.learning_rates and group.learning_rates[t] for group in case.groups] for t in range(case.steps)
    ]
    return [subject.step(handle, case.gradients(t), lr) for t, lr in enumerate(rates, start=1)]


def as_lists(results):
    return [
        [
            None if arrays is None else [(array.shape, array.tolist()) for array in arrays]
            for arrays in (result.theta, result.m, result.u, result.gradients)
        ]
        + [result.lr]
        for result in results
    ]


class Late(Descent):
    """Its moments are shown from the second step on."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.moments, self.exp_avg = self.exp_avg, None

    def __call__(self, gradients):
        shown, self.exp_avg = self.exp_avg, self.moments
        super().__call__(gradients)
        self.exp_avg = self.moments if self.moments[0].ravel()[0] > 1 else shown


@pytest.mark.parametrize("steps", [1, 3, 200])
@pytest.mark.parametrize("factory", [Descent, Bare, Late])
@pytest.mark.parametrize("layout", Layout)
def test_steps_of_one_request_are_those_of_many(steps, factory, layout):
    drawn = np.random.default_rng(steps)
    groups = tuple(
        Group(
            Hyperparameters(lr=0.25),
            tuple(
                Parameter(np.ones(shape), drawn.integers(-8, 8, (steps, *shape)).astype(float))
                for shape in shapes
            ),
            rates,
        )
        for shapes, rates in (([(2, 3), ()], None), ([(0, 2), (4,)], tuple(2.0**-t for t in range(steps))))
    )
    case = Case("run", groups if factory is not Bare else groups[:1], layout)
    with Subject.in_process(factory) as subject:
        assert as_lists(subject.observe(case, "float32")) == as_lists(one_by_one(subject, case))


class Third(Descent):
    """The third step is refused."""

    def __call__(self, gradients):
        super().__call__(gradients)
        if self.exp_avg[0][0] == 3:
            raise FloatingPointError("no third step")


def test_a_step_that_fails_among_several_is_told_as_it_is_alone():
    case = Case("run", (Group(Hyperparameters(), (Parameter(ONES, np.ones((4, 3))),)),))
    with (
        Subject.in_process(Third) as subject,
        pytest.raises(errors.RejectedError, match="no third step") as raised,
    ):
        subject.observe(case, "float32")
    assert raised.value.type == "FloatingPointError"
