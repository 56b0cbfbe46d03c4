"""Features of PyTorch: right calls have no fault, each fault has a sentence."""

from __future__ import annotations

import numpy as np
import pytest
from adamax_conformance.impl.protocol.errors import SkippedError
from adamax_conformance.reference.features import PLAIN_CALL, Call, Closure, Edit, Question, Scaler
from adamax_conformance.reference.life import Memory, Refusal
from adamax_conformance.tests.conformance.cases.framework import CALLS

torch = pytest.importorskip("torch")

OVERFLOW = Call(scaler=Scaler.OVERFLOW)


def adapter(optimizer_class=torch.optim.Adamax):
    from adamax_conformance.impl.adapters.torch import TorchAdapter  # noqa: PLC0415 - needs torch

    return TorchAdapter("cpu", optimizer_class=optimizer_class)


def made(of=None):
    """An adapter, two parameters, their optimizer and gradients."""
    of = of or adapter()
    params = [torch.tensor([0.5, -2.0], requires_grad=True), torch.ones(2, 3, requires_grad=True)]
    return of, params, of.make_optimizer(params, (), {}), [torch.full_like(p, 0.25) for p in params]


@pytest.mark.parametrize("call", [PLAIN_CALL, *CALLS], ids=str)
def test_torch_has_no_fault_and_steps_as_ever_by_any_call(call):
    of, params, optimizer, gradients = made()
    _, expected, other, _ = made()
    for _ in range(2):
        assert of.step_by(optimizer, params, gradients, call) == []
        for p, g in zip(expected, gradients, strict=True):
            p.grad = g.clone()
        other.step()
    assert [p.tolist() for p in params] == [p.tolist() for p in expected]


def test_a_step_that_a_scaler_skips_changes_nothing():
    of, params, optimizer, gradients = made()
    of.step_by(optimizer, params, gradients, PLAIN_CALL)
    before = [p.tolist() for p in params], float(optimizer.state[params[0]]["step"])
    assert of.step_by(optimizer, params, [None, None], OVERFLOW) == []
    assert ([p.tolist() for p in params], float(optimizer.state[params[0]]["step"])) == before


class NeverCalls(torch.optim.Adamax):
    def step(self, closure=None):  # noqa: ARG002 - never called
        return super().step()


class CallsTwice(torch.optim.Adamax):
    def step(self, closure=None):
        if closure is not None:
            closure()
        return super().step(closure)


class Silent(torch.optim.Adamax):
    def step(self, closure=None):
        super().step(closure)


class LeavesGradientsOff(torch.optim.Adamax):
    def step(self, closure=None):
        loss = super().step(closure)
        torch.set_grad_enabled(False)
        return loss


class Forgets(torch.optim.Adamax):
    def step(self, closure=None):
        self.defaults["differentiable"] = self.param_groups[0]["differentiable"] = False
        return super().step(closure)


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (NeverCalls, "called 0 times"),
        (CallsTwice, "called 2 times"),
        (Silent, "returns None"),
        (LeavesGradientsOff, "switched off"),
    ],
)
def test_a_fault_of_a_call_is_named(kind, words):
    of, params, optimizer, gradients = made(adapter(kind))
    faults = of.step_by(optimizer, params, gradients, Call(Closure.POSITIONAL))
    assert torch.is_grad_enabled()
    assert any(words in fault for fault in faults), faults


@pytest.mark.parametrize("question", [q for q in Question if q is not Question.DERIVATIVE], ids=str)
def test_a_question_has_no_fault_and_changes_no_number(question):
    of, params, optimizer, gradients = made()
    of.step_by(optimizer, params, gradients, PLAIN_CALL)
    before = [p.tolist() for p in params]
    assert of.ask(optimizer, params, question) == []
    assert [p.tolist() for p in params] == before


def test_the_derivative_of_a_step_is_found_where_it_is_recorded():
    recorded = adapter().switched({"differentiable": True})
    assert recorded.ask(None, [], Question.DERIVATIVE) == []
    (fault, *_) = adapter(Forgets).switched({"differentiable": True}).ask(None, [], Question.DERIVATIVE)
    assert "derivative" in fault


def test_an_argument_that_the_constructor_lacks_is_not_passed():
    with pytest.raises(SkippedError, match="no argument together"):
        adapter().switched({"together": True})
    assert adapter().switched({"foreach": True}).make_optimizer([torch.ones(1)], (), {}).defaults["foreach"]


@pytest.mark.parametrize(
    "refusal", [Refusal.CLOSURE_RAISES, Refusal.SPARSE_GRADIENT, Refusal.PARAMETER_TWICE, Refusal.NOT_A_LEAF]
)
def test_torch_refuses(refusal):
    of, params, optimizer, _ = made()
    with pytest.raises(Exception):  # noqa: B017, PT011 - of any kind
        of.refuse(optimizer, params, refusal)


def test_an_older_checkpoint_has_plain_counts_and_fewer_options():
    of, params, optimizer, gradients = made()
    of.step_by(optimizer, params, gradients, PLAIN_CALL)
    saved = of.save_live(optimizer)
    assert of.edit_checkpoint(saved, Edit.COUNT_AS_INT, 1)["state"][0]["step"] == 1
    assert "maximize" not in of.edit_checkpoint(saved, Edit.WITHOUT_NEWER_OPTIONS, 1)["param_groups"][0]
    assert "maximize" in saved["param_groups"][0]


@pytest.mark.parametrize(
    "memory", [m for m in Memory if m.is_special and m not in {Memory.COMPLEX, Memory.CONSTANT}]
)
def test_a_special_gradient_has_the_same_numbers(memory):
    of = adapter()
    value = np.array([[1.0, -2.0], [0.0, 0.0], [0.5, 3.0]])
    parameter = of.make_special_parameter(value, "float32", Memory.CONSTANT)
    gradient = of.make_special_gradient(parameter, value, "float32", memory)
    assert of.to_numpy(gradient).tolist() == value.tolist()


def test_complex_numbers_are_pairs_along_the_last_axis():
    value = np.array([[1.0, -2.0, 0.5, 0.25]])
    parameter = adapter().make_special_parameter(value, "float64", Memory.COMPLEX)
    assert parameter.tolist() == [[1 - 2j, 0.5 + 0.25j]]
    assert adapter().to_numpy(parameter).tolist() == value.tolist()
