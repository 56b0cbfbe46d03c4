"""The AdaMax of pytorch_optimizer, compared with a direct call."""

from __future__ import annotations

import numpy as np
import pytest
from adamax_conformance.impl.subject.client import Subject

torch = pytest.importorskip("torch")
pytorch_optimizer = pytest.importorskip("pytorch_optimizer")

THETA = np.array([0.5, -1.25, 2.0])
GRADIENTS = [np.array([1.0, -0.5, 0.0]), np.array([0.5, 0.5, 1.0])]
MODES = {"pytorch_optimizer": False, "pytorch_optimizer[foreach]": True}


@pytest.fixture(scope="module", params=MODES)
def subject(request):
    with Subject.open(request.param) as running:
        yield running


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_every_mode_and_dtype_gives_what_it_gives_alone(subject, dtype):
    handle = subject.construct([({"lr": 0.125, "weight_decay": 0.5}, [THETA])], dtype)
    result = [subject.step(handle, [g]) for g in GRADIENTS][-1]
    theta = torch.tensor(THETA).to(getattr(torch, dtype)).requires_grad_()
    own = pytorch_optimizer.AdaMax([theta], lr=0.125, weight_decay=0.5, foreach=MODES[subject.name])
    for gradient in GRADIENTS:
        theta.grad = torch.tensor(gradient).to(theta.dtype)
        own.step()
    wanted = [theta, own.state[theta]["exp_avg"], own.state[theta]["exp_inf"]]
    assert [x.tolist() for (x,) in (result.theta, result.m, result.u)] == [
        x.detach().double().tolist() for x in wanted
    ]


def test_a_mode_is_an_argument_of_the_optimizer(subject):
    handle = subject.construct([({}, [THETA])], "float32")
    (group,) = subject.read(handle).groups
    assert group["foreach"] is MODES[subject.name]


def test_it_is_told_with_its_own_version_and_torch_s(subject):
    assert subject.info.framework == "pytorch_optimizer"
    assert torch.__version__ in subject.info.runtime
    assert "maximize" not in subject.info.group_options


def test_a_maximize_of_all_groups_is_the_optimizer_s_own(subject):
    groups = [({"lr": 0.5, "maximize": True}, [THETA]), ({"lr": 0.25, "maximize": True}, [THETA])]
    state = subject.step(subject.construct(groups, "float32"), [GRADIENTS[0], GRADIENTS[0]])
    assert all(theta[0] > THETA[0] for theta in state.theta)
