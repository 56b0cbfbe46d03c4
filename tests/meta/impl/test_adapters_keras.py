"""Keras on each backend, compared with a direct call."""

from __future__ import annotations

import importlib.util
import subprocess
import sys

import numpy as np
import pytest
from adamax_conformance.impl.protocol import errors
from adamax_conformance.impl.subject.client import Subject

if importlib.util.find_spec("keras") is None:
    pytest.skip("keras is not installed", allow_module_level=True)

THETA = [[0.5, -1.25, 2.0], [0.0, 8.0, -0.375]]
GRADIENTS = [[[1.0, -0.5, 0.0], [2.0, 0.25, -4.0]], [[0.5, 0.5, 1.0], [0.0, -1.0, 3.0]]]
DTYPES = ("float16", "bfloat16", "float32", "float64")
BACKENDS = [backend for backend in ("tensorflow", "jax", "torch") if importlib.util.find_spec(backend)]

ALONE = f"""
import os, sys
backend, dtype = sys.argv[1:]
os.environ["KERAS_BACKEND"] = backend
if backend == "jax" and dtype == "float64":
    import jax
    jax.config.update("jax_enable_x64", True)
import keras
import numpy as np
theta = keras.Variable(np.array({THETA}, dtype=np.float32), dtype=dtype)
optimizer = keras.optimizers.Adamax(0.1, 0.7, 0.9, 0.3, weight_decay=0.25)
for gradient in {GRADIENTS}:
    optimizer.apply([keras.ops.convert_to_tensor(np.array(gradient, dtype=np.float32), dtype=dtype)], [theta])
for x in (theta, *optimizer.variables[2:]):
    print(np.array(keras.ops.convert_to_numpy(x)).astype(np.float64).tolist())
"""


@pytest.fixture(scope="module", params=BACKENDS)
def subject(request):
    with Subject.open(f"keras[{request.param}]") as running:
        yield running


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_dtype_gives_what_keras_gives_alone(subject, dtype):
    if dtype not in subject.info.dtypes:
        pytest.skip(f"{subject.name} has no {dtype}")
    options = {"lr": 0.1, "betas": (0.7, 0.9), "eps": 0.3, "weight_decay": 0.25}
    handle = subject.construct([(options, [np.array(THETA)])], dtype)
    result = [subject.step(handle, [np.array(g)]) for g in GRADIENTS][-1]
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", ALONE, subject.name[6:-1], dtype],
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    assert [str(x.tolist()) for (x,) in (result.theta, result.m, result.u)] == done.stdout.splitlines()


def test_its_arguments_and_defaults_are_told(subject):
    assert subject.info.arguments == ("lr", "betas", "eps", "weight_decay")
    assert subject.info.defaults == {"lr": 1e-3, "betas": (0.9, 0.999), "eps": 1e-7, "weight_decay": None}
    assert subject.info.mode in subject.info.runtime


def test_a_bare_keras_takes_the_backend_that_is_named_or_the_first_that_is_there(monkeypatch):
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    with Subject.open("keras") as subject:
        assert BACKENDS[0] in subject.info.runtime
        assert subject.name == subject.info.name == f"keras[{BACKENDS[0]}]"
    for backend in BACKENDS:
        monkeypatch.setenv("KERAS_BACKEND", backend)
        with Subject.open("keras") as subject:
            assert backend in subject.info.runtime


@pytest.mark.parametrize("backend", sorted({"tensorflow", "jax", "torch"} - set(BACKENDS)))
def test_a_backend_that_is_not_there_is_unavailable_with_the_command(backend):
    with pytest.raises(
        errors.UnavailableError, match=r"is not here .* get it with: .* -m pip install"
    ) as caught:
        Subject.open(f"keras[{backend}]")
    assert "\n" not in str(caught.value)


def test_there_are_no_groups(subject):
    assert subject.info.has["groups"] is False
    with pytest.raises(errors.SkippedError, match="no parameter groups"):
        subject.construct([({"lr": 0.1}, [np.ones(1)]), ({"lr": 0.2}, [np.ones(1)])], "float32")


def test_the_learning_rate_is_assigned_and_read_back(subject):
    handle = subject.construct([({"lr": 0.5, "betas": (0.5, 0.5), "eps": 0.0}, [np.ones(2)])], "float32")
    result = subject.step(handle, [np.ones(2)], lr=[0.25])
    assert result.lr == (0.25,)
    assert result.theta[0].tolist() == [0.75, 0.75]


def test_a_learning_rate_that_is_no_float_is_refused_in_its_own_words(subject):
    with pytest.raises(errors.RejectedError, match="should be float") as caught:
        subject.construct([({"lr": 1}, [np.ones(2)])], "float32")
    assert caught.value.type == "ValueError"


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_checkpoint_resumes_bit_for_bit(subject, dtype):
    straight, resumed = (subject.construct([({"lr": 0.1}, [np.array(THETA)])], dtype) for _ in range(2))
    for handle in (straight, resumed):
        subject.step(handle, [np.array(GRADIENTS[0])])
    subject.load(resumed, subject.save(resumed))
    left, right = (subject.step(handle, [np.array(GRADIENTS[1])]) for handle in (straight, resumed))
    for quantity in ("theta", "m", "u"):
        assert getattr(left, quantity)[0].tolist() == getattr(right, quantity)[0].tolist()


def test_another_device_is_unsupported():
    with pytest.raises(errors.UnsupportedDeviceError, match="on the cpu"):
        Subject.open(f"keras[{BACKENDS[0]}]", device="cuda")
