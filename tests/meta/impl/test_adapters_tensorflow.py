"""TensorFlow's operation, compared with a direct call."""

from __future__ import annotations

import numpy as np
import pytest
from adamax_conformance.impl.protocol import errors
from adamax_conformance.impl.subject.client import Subject
from adamax_conformance.reference.case import Layout

tf = pytest.importorskip("tensorflow")

THETA = np.array([[0.5, -1.25, 2.0], [0.0, 8.0, -0.375]])
GRADIENTS = [np.array([[1.0, -0.5, 0.0], [2.0, 0.25, -4.0]]), np.array([[0.5, 0.5, 1.0], [0.0, -1.0, 3.0]])]
DTYPES = ("float16", "float32", "float64")
OPTIONS = {"lr": 0.1, "betas": (0.7, 0.9), "eps": 0.3}


@pytest.fixture(scope="module")
def subject():
    with Subject.open("tensorflow") as running:
        yield running


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_dtype_gives_what_the_operation_gives_alone(subject, dtype):
    handle = subject.construct([(OPTIONS, [THETA])], dtype)
    result = [subject.step(handle, [g]) for g in GRADIENTS][-1]
    var, m, v = (tf.Variable(x, dtype=dtype) for x in (THETA, 0 * THETA, 0 * THETA))
    for t, gradient in enumerate(GRADIENTS, start=1):
        scalars = {"beta1_power": 0.7**t, "lr": 0.1, "beta1": 0.7, "beta2": 0.9, "epsilon": 0.3}
        tf.raw_ops.ResourceApplyAdaMax(
            var=var.handle,
            m=m.handle,
            v=v.handle,
            grad=tf.constant(gradient, dtype=dtype),
            **{name: tf.constant(x, dtype=dtype) for name, x in scalars.items()},
        )
    expected = [x.numpy().astype(np.float64).tolist() for x in (var, m, v)]
    assert [x.tolist() for (x,) in (result.theta, result.m, result.u)] == expected


def test_bfloat16_is_refused_in_its_own_words(subject):
    assert subject.info.dtypes == DTYPES
    with pytest.raises(errors.UnsupportedDtypeError, match="No OpKernel was registered"):
        subject.construct([(OPTIONS, [THETA])], "bfloat16")


def test_it_has_no_defaults_and_neither_decay_nor_ascent(subject):
    assert subject.info.arguments == ("lr", "betas", "eps")
    assert subject.info.defaults is None
    with pytest.raises(errors.SkippedError, match="no default for betas and eps"):
        subject.construct([({"lr": 0.1}, [THETA])], "float32")
    with pytest.raises(errors.SkippedError, match="no argument weight_decay"):
        subject.construct([({**OPTIONS, "weight_decay": 0.1}, [THETA])], "float32")


def test_groups_are_called_with_their_own_arguments(subject):
    handle = subject.construct([(OPTIONS, [THETA]), ({**OPTIONS, "lr": 0.25}, [THETA[0], THETA])], "float32")
    result = subject.step(handle, [GRADIENTS[0], GRADIENTS[0][0], GRADIENTS[0]], lr=[None, 0.125])
    assert result.lr == (0.1, 0.125)
    assert result.u[1].tolist() == [1.0, 0.5, 0.0]


def test_an_operation_saves_nothing(subject):
    assert subject.info.has["save"] is False
    with pytest.raises(errors.SkippedError, match="no state to save"):
        subject.save(subject.construct([(OPTIONS, [THETA])], "float32"))


def test_a_layout_is_skipped(subject):
    with pytest.raises(errors.SkippedError, match="none is strided"):
        subject.construct([(OPTIONS, [THETA])], "float32", layout=Layout.STRIDED)


@pytest.mark.parametrize("device", ["cuda", "mps"])
def test_a_device_that_is_not_there_is_unsupported_in_one_line(subject, device):
    if device in subject.info.devices:
        pytest.skip(f"{device} is there")
    with pytest.raises(errors.UnsupportedDeviceError) as caught:
        Subject.open("tensorflow", device=device)
    assert "\n" not in str(caught.value)
