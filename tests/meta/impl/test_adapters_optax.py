"""Optax's optimizers, compared with direct calls."""

from __future__ import annotations

import numpy as np
import pytest
from adamax_conformance.impl.protocol import errors
from adamax_conformance.impl.subject.client import Subject
from adamax_conformance.reference.case import Layout

jax = pytest.importorskip("jax")
optax = pytest.importorskip("optax")

THETA = np.array([[0.5, -1.25, 2.0], [0.0, 8.0, -0.375]])
GRADIENTS = [np.array([[1.0, -0.5, 0.0], [2.0, 0.25, -4.0]]), np.array([[0.5, 0.5, 1.0], [0.0, -1.0, 3.0]])]
DTYPES = ("float16", "bfloat16", "float32", "float64")


@pytest.fixture(scope="module")
def subjects():
    with Subject.open("optax") as plain, Subject.open("optax[adamaxw]") as decayed:
        yield {"optax": plain, "optax[adamaxw]": decayed}


@pytest.fixture
def subject(subjects):
    return subjects["optax"]


def alone(optimizer, dtype):
    """theta, m and u after the steps, by optax without anything of ours."""
    with jax.enable_x64(dtype == "float64"):
        theta = jax.numpy.asarray(THETA, dtype=dtype)
        state = optimizer.init(theta)
        for gradient in GRADIENTS:
            updates, state = optimizer.update(jax.numpy.asarray(gradient, dtype=dtype), state, theta)
            theta = optax.apply_updates(theta, updates)
        return [np.array(x).astype(np.float64).tolist() for x in (theta, state[0].mu, state[0].nu)]


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_dtype_gives_what_a_plain_optax_gives_alone(subject, dtype):
    handle = subject.construct([({"lr": 0.1, "betas": (0.7, 0.9), "eps": 0.3}, [THETA])], dtype)
    result = [subject.step(handle, [g]) for g in GRADIENTS][-1]
    assert [x.tolist() for (x,) in (result.theta, result.m, result.u)] == alone(
        optax.adamax(0.1, 0.7, 0.9, 0.3), dtype
    )


@pytest.mark.parametrize("dtype", DTYPES)
def test_adamaxw_has_the_decay(subjects, dtype):
    subject = subjects["optax[adamaxw]"]
    handle = subject.construct([({"lr": 0.1, "eps": 0.5, "weight_decay": 0.3}, [THETA])], dtype)
    result = [subject.step(handle, [g]) for g in GRADIENTS][-1]
    assert [x.tolist() for (x,) in (result.theta, result.m, result.u)] == alone(
        optax.adamaxw(0.1, eps=0.5, weight_decay=0.3), dtype
    )


def test_what_it_has_no_argument_or_default_for_is_told(subjects):
    assert subjects["optax"].info.arguments == ("lr", "betas", "eps")
    assert subjects["optax"].info.defaults == {"betas": (0.9, 0.999), "eps": 1e-8}
    assert subjects["optax[adamaxw]"].info.arguments == ("lr", "betas", "eps", "weight_decay")
    assert subjects["optax[adamaxw]"].info.defaults["weight_decay"] == 1e-4


@pytest.mark.parametrize("options", [{"weight_decay": 0.1}, {"maximize": True}])
def test_an_argument_that_it_does_not_have_is_skipped(subject, options):
    with pytest.raises(errors.SkippedError, match=r"optax\.adamax has no argument"):
        subject.construct([({"lr": 0.1, **options}, [THETA])], "float32")


def test_betas_that_are_no_two_numbers_are_skipped(subject):
    with pytest.raises(errors.SkippedError, match=r"has b1 and b2; 0\.9 is not two numbers"):
        subject.construct([({"lr": 0.1, "betas": 0.9}, [THETA])], "float32")


def test_a_learning_rate_is_needed(subject):
    with pytest.raises(errors.RejectedError, match="learning_rate"):
        subject.construct([({}, [THETA])], "float32")


def test_each_group_has_its_own_options_and_learning_rate(subject):
    handle = subject.construct(
        [({"lr": 0.5}, [THETA]), ({"lr": 0.25, "eps": 1.0}, [THETA[0], THETA])], "float32"
    )
    gradients = [GRADIENTS[0], GRADIENTS[0][0], GRADIENTS[0]]
    result = subject.step(handle, gradients, lr=[None, 0.125])
    assert result.lr == (0.5, 0.125)
    assert [u.max() for u in result.u] == [4.0, 2.0, 5.0]
    assert subject.step(handle, gradients).lr == (0.5, 0.125)
    first, second = subject.read(handle).groups
    assert (first.get("eps", 1e-8), second["eps"]) == (1e-8, 1.0)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("groups", [1, 2])
def test_a_checkpoint_resumes_bit_for_bit(subject, dtype, groups):
    given = [({"lr": 0.5, "eps": 0.5}, [THETA]), ({"lr": 0.25, "eps": 0.25}, [THETA])][:groups]
    straight, resumed = (subject.construct(given, dtype) for _ in range(2))
    for handle in (straight, resumed):
        subject.step(handle, [GRADIENTS[0]] * groups)
    subject.load(resumed, subject.save(resumed))
    left, right = (subject.step(handle, [GRADIENTS[1]] * groups) for handle in (straight, resumed))
    for quantity in ("theta", "m", "u"):
        assert [x.tolist() for x in getattr(left, quantity)] == [x.tolist() for x in getattr(right, quantity)]


def test_float64_at_one_time_leaves_float32_as_it_is_at_another(subject):
    def run(dtype):
        handle = subject.construct([({"lr": 0.1, "betas": (0.987, 0.9)}, [THETA])], dtype)
        return [subject.step(handle, [g]) for g in GRADIENTS][-1].theta[0].tolist()

    before = run("float32")
    assert run("float64") != before
    assert run("float32") == before


@pytest.mark.parametrize("layout", [layout for layout in Layout if layout is not Layout.CONTIGUOUS])
def test_a_layout_is_skipped(subject, layout):
    with pytest.raises(errors.SkippedError, match=f"none is {layout.value}"):
        subject.construct([({"lr": 0.1}, [THETA])], "float32", layout=layout)


@pytest.mark.parametrize("device", ["cuda", "mps"])
def test_a_device_that_is_not_there_is_unsupported_in_one_line(subject, device):
    if device in subject.info.devices:
        pytest.skip(f"{device} is there")
    with pytest.raises(errors.UnsupportedDeviceError) as caught:
        Subject.open("optax", device=device)
    assert "\n" not in str(caught.value)
