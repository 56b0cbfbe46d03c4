"""Recording PyTorch: closures, bfloat16, parameters without a gradient, names."""

from __future__ import annotations

import json

import pytest
from adamax_conformance.impl.recording import record
from adamax_conformance.impl.recording.format import file_name
from adamax_conformance.reports.audit.manifest import read_manifest
from adamax_conformance.tests.meta.audit.auditing import audited
from safetensors import safe_open

torch = pytest.importorskip("torch")


def description(folder, number):
    with safe_open(folder / file_name(number), "pt") as file:
        return json.loads(file.metadata()["step"])


def train(optimizer, parameters, steps, dtype=torch.float32):
    generator = torch.Generator().manual_seed(8)
    for _ in range(steps):
        for parameter in parameters:
            parameter.grad = torch.randn(parameter.shape, generator=generator).to(dtype)
        optimizer.step()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_every_bit_of_every_dtype_is_kept(tmp_path, dtype):
    theta = torch.linspace(-1, 1, 12, dtype=dtype).reshape(3, 4).T.requires_grad_()
    optimizer = torch.optim.Adamax([theta])
    with record(optimizer, tmp_path):
        train(optimizer, [theta], 2, dtype)
    with safe_open(tmp_path / file_name(2), "pt") as file:
        assert torch.equal(file.get_tensor("theta.0"), theta)
        assert torch.equal(file.get_tensor("m.0"), optimizer.state[theta]["exp_avg"])
        assert torch.equal(file.get_tensor("u.0"), optimizer.state[theta]["exp_inf"])
        assert torch.equal(file.get_tensor("gradient.0"), theta.grad)
    assert read_manifest(tmp_path).damages == ()


def test_the_gradients_of_a_closure_are_recorded(tmp_path):
    theta = torch.ones(3, requires_grad=True)
    optimizer = torch.optim.Adamax([theta])

    def closure():
        optimizer.zero_grad()
        loss = (theta**2).sum()
        loss.backward()
        return loss

    with record(optimizer, tmp_path):
        assert optimizer.step(closure).item() == 3
    with safe_open(tmp_path / file_name(1), "pt") as file:
        assert torch.equal(file.get_tensor("gradient.0"), 2 * torch.ones(3))


def test_a_parameter_without_a_gradient_takes_no_part_and_does_not_count(tmp_path):
    one, other = (torch.ones(2, requires_grad=True) for _ in range(2))
    optimizer = torch.optim.Adamax([("one", one), ("other", other)])
    with record(optimizer, tmp_path):
        train(optimizer, [one], 2)
        train(optimizer, [one, other], 1)
    first, last = description(tmp_path, 1), description(tmp_path, 3)
    assert [p["name"] for p in first["parameters"]] == ["one"]
    assert [(p["name"], p["t"]) for p in last["parameters"]] == [("one", 3), ("other", 1)]


def test_parameters_without_a_name_have_that_of_the_model(tmp_path):
    model = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Linear(2, 1))
    optimizer = torch.optim.Adamax(model.parameters())
    with record(optimizer, tmp_path, model=model):
        train(optimizer, list(model.parameters()), 1)
    names = [p["name"] for p in description(tmp_path, 1)["parameters"]]
    assert names == ["0.weight", "0.bias", "1.weight", "1.bias"]


def test_a_recording_that_begins_in_mid_course_knows_the_step(tmp_path):
    theta = torch.ones(3, requires_grad=True)
    optimizer = torch.optim.Adamax([theta])
    train(optimizer, [theta], 5)
    with record(optimizer, tmp_path):
        train(optimizer, [theta], 1)
    assert description(tmp_path, 1)["parameters"][0]["t"] == 6


@pytest.mark.parametrize(("options", "subject"), [({}, "torch"), ({"foreach": True}, "torch[foreach]")])
def test_the_subject_is_named_as_on_the_command_line(tmp_path, options, subject):
    theta = torch.ones(1, requires_grad=True)
    optimizer = torch.optim.Adamax([theta], **options)
    with record(optimizer, tmp_path):
        train(optimizer, [theta], 1)
    assert read_manifest(tmp_path).facts["subject"] == subject


class WithoutBetas(torch.optim.Optimizer):
    """No Adamax."""

    def __init__(self, params):
        super().__init__(params, {"lr": 0.1})


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (WithoutBetas, "no 'betas'"),
        (torch.optim.SGD, "is a torch.optim.sgd.SGD; torch.optim.Adamax"),
        (torch.optim.Adam, "is a torch.optim.adam.Adam; torch.optim.Adamax"),
    ],
)
def test_another_optimizer_is_refused_before_the_training(tmp_path, kind, words):
    with pytest.raises(TypeError, match=words):
        record(kind([torch.ones(1, requires_grad=True)]), tmp_path)


def test_a_model_without_named_parameters_is_refused_before_the_training(tmp_path):
    optimizer = torch.optim.Adamax([torch.ones(1, requires_grad=True)])
    with pytest.raises(TypeError, match="model is a int; it must have named_parameters"):
        record(optimizer, tmp_path, model=3)


class Late(torch.optim.Adamax):
    """A learning rate takes effect one step late."""

    def step(self, closure=None):
        group = self.param_groups[0]
        now = group["lr"]
        group["lr"] = self.__dict__.get("late", now)
        self.late = now
        loss = super().step(closure)
        group["lr"] = now
        return loss


def test_a_learning_rate_that_is_a_step_late_is_named_as_the_cause(tmp_path):
    torch.manual_seed(0)
    weight = torch.nn.Parameter(torch.randn(6, 4))
    optimizer = Late([weight], lr=0.1)
    with record(optimizer, tmp_path / "recording"):
        for t in range(1, 7):
            optimizer.param_groups[0]["lr"] = 0.1 / t
            weight.grad = torch.randn(6, 4)
            optimizer.step()
    _, found = audited(tmp_path / "recording", tmp_path / "report")
    assert [entry["causes"][0]["cause"] for entry in found.diagnoses] == ["lr-of-step-before"]
