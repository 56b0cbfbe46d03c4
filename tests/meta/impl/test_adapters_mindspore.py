"""MindSpore's optimizers, used as their users use them.

MindSpore wants an environment of its own: `MINDSPORE_PYTHON` names its interpreter, which needs nothing of
ours.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from adamax_conformance.impl.protocol import errors
from adamax_conformance.impl.protocol.messages import Schedule
from adamax_conformance.impl.subject.client import Subject
from adamax_conformance.reference.case import Case, Group, Layout, Parameter
from adamax_conformance.reference.hyperparameters import Hyperparameters

THETA = np.array([1.0, -2.0])
GRADIENT = np.array([0.5, 0.25])
NAMES = ("mindspore", "mindspore[pynative]", "mindspore[graph]", "mindspore[nn]")


@pytest.fixture(scope="module")
def subjects():
    """One process for each name, started when it is needed."""
    running = {}
    python = os.environ.get("MINDSPORE_PYTHON")
    try:
        running["mindspore"] = Subject.open("mindspore", python=python)
    except errors.UnavailableError as error:
        pytest.skip(str(error))

    def get(name="mindspore"):
        if name not in running:
            running[name] = Subject.open(name, python=python)
        return running[name]

    yield get
    for subject in running.values():
        subject.close()


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("name", NAMES)
def test_a_step_moves_each_parameter_by_the_learning_rate_at_first(subjects, name, dtype):
    subject = subjects(name)
    handle = subject.construct([({"lr": 0.5, "eps": 1e-30, "betas": (0.5, 0.5)}, [THETA])], dtype)
    result = subject.step(handle, [GRADIENT])
    assert result.theta[0].tolist() == [0.5, -2.5]
    assert result.m[0].tolist() == [0.25, 0.125]
    assert result.u[0].tolist() == [0.5, 0.25]
    assert result.gradients[0].tolist() == GRADIENT.tolist()


@pytest.mark.parametrize("name", NAMES)
def test_the_learning_rate_is_set_as_schedulers_set_it(subjects, name):
    subject = subjects(name)
    handle = subject.construct([({"lr": 0.5, "eps": 1e-30, "betas": (0.5, 0.5)}, [THETA])], "float32")
    result = subject.step(handle, [GRADIENT], lr=[0.25])
    assert result.lr == (0.25,)
    assert result.theta[0].tolist() == [0.75, -2.25]


@pytest.mark.parametrize("name", NAMES)
def test_a_checkpoint_file_resumes_bit_for_bit(subjects, name):
    subject = subjects(name)
    straight, resumed = (subject.construct([({"lr": 0.1}, [THETA])], "float32") for _ in range(2))
    for handle in (straight, resumed):
        subject.step(handle, [GRADIENT])
    subject.load(resumed, subject.save(resumed))
    left, right = (subject.step(handle, [GRADIENT]) for handle in (straight, resumed))
    for quantity in ("theta", "m", "u"):
        assert getattr(left, quantity)[0].tolist() == getattr(right, quantity)[0].tolist()


def test_groups_with_their_own_options_and_schedules_are_observed(subjects):
    case = Case(
        "groups",
        (
            Group(
                Hyperparameters(lr=0.5, beta1=0.5, maximize=True),
                (Parameter.of([1.0], [[1.0], [1.0]]), Parameter.of(2.0, [1.0, 1.0])),
                (0.5, 0.25),
            ),
            Group(Hyperparameters(lr=1.0, weight_decay=0.5), (Parameter.of([4.0], [[0.0], [0.0]]),)),
        ),
    )
    first, second = subjects().observe(case, "float32")
    assert first.lr == (0.5, 1.0)
    assert second.lr == (0.25, 1.0)
    assert second.theta[0][0] > first.theta[0][0] > 1.0
    assert first.m[2][0] > 0


@pytest.mark.parametrize("value", [0.25, 1, np.array(0.25)])
def test_a_learning_rate_may_be_a_float_an_int_or_a_tensor(subjects, value):
    subject = subjects()
    handle = subject.construct([({"lr": value}, [THETA])], "float32")
    (group,) = subject.read(handle).groups
    assert group["lr"] == np.float32(value)


def test_what_it_refuses_is_told_with_its_class(subjects):
    with pytest.raises(errors.RejectedError, match="the lr must be greater than") as caught:
        subjects().construct([({"lr": -1.0}, [THETA])], "float32")
    assert caught.value.type == "ValueError"


def test_bfloat16_is_refused_in_its_own_words(subjects):
    subject = subjects()
    assert "bfloat16" not in subject.info.dtypes
    with pytest.raises(errors.UnsupportedDtypeError, match="Unsupported data type"):
        subject.construct([({}, [THETA])], "bfloat16")


def test_a_parameter_without_elements_is_skipped_in_its_own_words(subjects):
    with pytest.raises(errors.SkippedError, match="must be positive integer, but got"):
        subjects().construct([({}, [np.ones(0)])], "float32")


def test_a_layout_that_it_does_not_have_is_skipped(subjects):
    subject = subjects()
    assert subject.info.layouts == (Layout.CONTIGUOUS,)
    with pytest.raises(errors.SkippedError, match="so none is strided"):
        subject.construct([({}, [THETA])], "float32", layout=Layout.STRIDED)


@pytest.mark.parametrize("device", ["cuda", "npu", "mps"])
def test_a_device_that_is_not_there_is_unsupported_in_one_line(subjects, device):
    if device in subjects().info.devices:
        pytest.skip(f"{device} is there")
    with pytest.raises(errors.UnsupportedDeviceError) as caught:
        Subject.open("mindspore", device=device, python=os.environ.get("MINDSPORE_PYTHON"))
    assert "\n" not in str(caught.value)


def test_what_it_leaves_behind_goes_with_it(subjects):
    here = set(Path.cwd().iterdir())
    subject = subjects()
    subject.save(subject.construct([({}, [THETA])], "float32"))
    assert set(Path.cwd().iterdir()) == here


def test_nn_shares_what_its_groups_do_not_have(subjects):
    subject = subjects("mindspore[nn]")
    handle = subject.construct(
        [({"lr": 0.5, "eps": 1e-3}, [THETA]), ({"lr": 0.25, "eps": 1e-3}, [THETA])], "float32"
    )
    assert subject.step(handle, [GRADIENT, GRADIENT]).lr == (0.5, 0.25)
    with pytest.raises(errors.SkippedError, match="share eps"):
        subject.construct([({"eps": 1e-3}, [THETA]), ({"eps": 1e-4}, [THETA])], "float32")


@pytest.mark.parametrize(
    ("schedule", "rates"),
    [
        (Schedule("StepLR", {"step_size": 1, "gamma": 0.5}), (1.0, 0.5, 0.25)),
        (Schedule("LambdaLR", {"lr_lambda": (0.5, 1.0, 0.25, 1.0)}), (0.5, 1.0, 0.25)),
        (Schedule("ReduceLROnPlateau", {"patience": 0, "factor": 0.5}), (1.0, 1.0, 0.5)),
        (
            Schedule(
                "SequentialLR",
                {"milestones": [1]},
                (
                    Schedule("ConstantLR", {"factor": 0.5, "total_iters": 1}),
                    Schedule("ExponentialLR", {"gamma": 0.5}),
                ),
            ),
            (0.5, 1.0, 0.5),
        ),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_a_scheduler_of_its_own_drives_the_optimizer(subjects, schedule, rates):
    subject = subjects("mindspore")
    assert schedule.name in subject.info.schedulers
    handle = subject.construct([({"lr": 1.0}, [THETA])], "float32", schedule=schedule)
    metric = 1.0 if schedule.name == "ReduceLROnPlateau" else None
    assert tuple(subject.step(handle, [GRADIENT], metric=metric).lr[0] for _ in rates) == rates


def test_a_scheduler_that_is_not_there_is_skipped(subjects):
    with pytest.raises(errors.SkippedError, match="has no Nonesuch; there are"):
        subjects("mindspore").construct([({}, [THETA])], "float32", schedule=Schedule("Nonesuch"))
