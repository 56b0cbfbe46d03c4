"""PyTorch's Adamax with a compiled step."""

from __future__ import annotations

import os

import numpy as np
import pytest
from adamax_conformance.impl.protocol import errors
from adamax_conformance.impl.subject.client import Subject
from adamax_conformance.impl.subject.transports import Deadlines

torch = pytest.importorskip("torch")

THETA = np.array([0.5, -1.25, 2.0])
GRADIENT = np.array([1.0, -0.5, 0.25])


@pytest.fixture(scope="module")
def subject():
    try:
        running = Subject.open("torch[compile]", deadlines=Deadlines(start=600, request=300))
    except errors.UnavailableError as error:
        pytest.skip(str(error))
    with running:
        yield running


def test_the_step_is_compiled_and_goes_the_documented_way(subject):
    handle = subject.construct([({"lr": 0.125, "betas": (0.5, 0.5), "eps": 0.25}, [THETA])], "float32")
    state = subject.step(handle, [GRADIENT])
    np.testing.assert_allclose(
        state.theta[0], THETA - 0.125 * GRADIENT / (np.abs(GRADIENT) + 0.25), rtol=1e-6
    )
    assert state.m[0].tolist() == (GRADIENT / 2).tolist()
    (group,) = subject.read(handle).groups
    assert isinstance(group["lr"], np.ndarray)


def test_a_learning_rate_that_is_set_is_used_without_compiling_anew(subject):
    options = {"lr": 0.125, "betas": (0.0, 0.0), "eps": 1.0}
    handle = subject.construct([(options, [np.zeros(1)])], "float32")
    taken = [float(subject.step(handle, [np.ones(1)], lr=[lr]).theta[0][0]) for lr in (0.5, 0.25, 0.125)]
    assert taken == [-0.25, -0.375, -0.4375]


def test_without_a_compiler_it_is_unavailable(monkeypatch):
    monkeypatch.setitem(os.environ, "CXX", "/nonexistent")
    with pytest.raises(errors.UnavailableError, match=r"torch\[compile\] cannot compile here") as caught:
        Subject.open("torch[compile]", deadlines=Deadlines(start=600, request=300))
    assert "\n" not in str(caught.value)
