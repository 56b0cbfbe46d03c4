"""MLX's optimizer, compared with a direct call."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from adamax_conformance.impl.protocol import errors
from adamax_conformance.impl.protocol.messages import Schedule
from adamax_conformance.impl.subject.client import Subject
from adamax_conformance.reference.case import Layout

mx = pytest.importorskip("mlx.core")
optimizers = pytest.importorskip("mlx.optimizers")

THETA = np.array([[0.5, -1.25, 2.0], [0.0, 8.0, -0.375]])
GRADIENTS = [np.array([[1.0, -0.5, 0.0], [2.0, 0.25, -4.0]]), np.array([[0.5, 0.5, 1.0], [0.0, -1.0, 3.0]])]
DTYPES = ("float16", "bfloat16", "float32", "float64")


@pytest.fixture(scope="module")
def subject():
    with Subject.open("mlx") as running:
        yield running


@pytest.mark.parametrize("layout", Layout)
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_dtype_and_layout_gives_what_mlx_gives_alone(subject, dtype, layout):
    handle = subject.construct([({"lr": 0.125, "eps": 0.5}, [THETA])], dtype, layout=layout)
    result = [subject.step(handle, [g]) for g in GRADIENTS][-1]
    with mx.stream(mx.cpu):
        own = optimizers.Adamax(0.125, eps=0.5)
        theta = mx.array(THETA, dtype=getattr(mx, dtype))
        for gradient in GRADIENTS:
            theta = own.apply_gradients({"w": mx.array(gradient, dtype=theta.dtype)}, {"w": theta})["w"]
        expected = [theta, own.state["w"]["m"], own.state["w"]["v"]]
        wanted = [np.array(x.astype(mx.float64)).tolist() for x in expected]
    assert [x.tolist() for (x,) in (result.theta, result.m, result.u)] == wanted


@pytest.mark.parametrize("dtype", DTYPES)
def test_numbers_cross_to_mlx_and_back_as_they_are(subject, dtype):
    smallest = {"float16": 2.0**-24, "bfloat16": 2.0**-133, "float32": 2.0**-149, "float64": 2.0**-1074}[
        dtype
    ]
    theta = np.array([smallest, -3 * smallest, 1.5, -0.0, 0.0])
    handle = subject.construct([({"lr": 0.125}, [theta])], dtype)
    (back,) = subject.read(handle).state.theta
    assert [x.hex() for x in back.tolist()] == [x.hex() for x in theta.tolist()]


def test_what_mlx_has_no_argument_for_is_told(subject):
    assert subject.info.arguments == ("lr", "betas", "eps")
    assert subject.info.defaults == {"betas": (0.9, 0.999), "eps": 1e-8}


def test_each_group_is_an_optimizer_of_its_own(subject):
    handle = subject.construct([({"lr": 0.5}, [THETA]), ({"lr": 0.25, "eps": 1.0}, [THETA])], "float32")
    assert subject.step(handle, [GRADIENTS[0]] * 2, lr=[None, 0.125]).lr == (0.5, 0.125)
    first, second = subject.read(handle).groups
    assert (first["eps"], second["eps"]) == (1e-8, 1.0)


@pytest.mark.parametrize("groups", [1, 2])
def test_a_checkpoint_is_resumed(subject, groups):
    given = [({"lr": 0.5}, [THETA]), ({"lr": 0.25}, [THETA, THETA[0]])][:groups]
    gradients = [[g, g, g[0]][: 2 * groups - 1] for g in GRADIENTS]
    handle = subject.construct(given, "float32")
    subject.step(handle, gradients[0])
    checkpoint = subject.save(handle)
    again = subject.construct(
        [(o, p) for (o, _), p in zip(given, _grouped(subject.read(handle).state.theta), strict=False)],
        "float32",
    )
    subject.load(again, checkpoint)
    through, resumed = subject.step(handle, gradients[1]), subject.step(again, gradients[1])
    assert [x.tolist() for x in through.theta] == [x.tolist() for x in resumed.theta]
    assert [x.tolist() for x in through.u] == [x.tolist() for x in resumed.u]


def _grouped(theta):
    return [theta[:1], theta[1:]]


def test_a_checkpoint_of_float64_is_refused_in_mlx_s_own_words(subject):
    handle = subject.construct([({"lr": 0.5}, [THETA])], "float64")
    subject.step(handle, GRADIENTS[:1])
    with pytest.raises(errors.RejectedError, match="save_safetensors"):
        subject.save(handle)


def test_checkpoints_leave_the_working_directory_as_it_was(subject):
    here = set(Path.cwd().iterdir())
    subject.save(subject.construct([({"lr": 0.5}, [THETA])], "float32"))
    assert set(Path.cwd().iterdir()) == here


def test_its_own_schedule_moves_the_learning_rate(subject):
    schedule = Schedule("StepLR", {"step_size": 2, "gamma": 0.5})
    handle = subject.construct([({"lr": 1.0}, [THETA])], "float32", schedule=schedule)
    assert [subject.step(handle, GRADIENTS[:1]).lr[0] for _ in range(5)] == [1.0, 1.0, 0.5, 0.5, 0.25]
    with pytest.raises(errors.SkippedError, match="MLX has no Nonesuch; the suite uses"):
        subject.construct([({"lr": 1.0}, [THETA])], "float32", schedule=Schedule("Nonesuch"))


def test_an_argument_is_refused_in_mlx_s_own_words(subject):
    with pytest.raises(errors.RejectedError, match=r"beta1 should be in \[0, 1\)") as caught:
        subject.construct([({"lr": 0.5, "betas": (1.5, 0.9)}, [THETA])], "float32")
    assert caught.value.is_a("ValueError")


def test_a_group_without_parameters_means_nothing_to_mlx(subject):
    with pytest.raises(errors.SkippedError, match="takes no parameters"):
        subject.construct([({"lr": 0.5}, None)], "float32", plain=False)
