"""Recording MindSpore: both of its optimizers, and what is compiled as a whole."""

from __future__ import annotations

import os

import numpy as np
import pytest
from adamax_conformance.impl.recording import record
from adamax_conformance.oracles.verdict import Status
from adamax_conformance.tests.meta.audit.auditing import audited, said

os.environ.setdefault("GLOG_v", "4")
ms = pytest.importorskip("mindspore")

STEPS = 4
WRONG = {Status.DIVERGES, Status.BROKEN}


def experimental(parameters):
    return ms.experimental.optim.Adamax(parameters, lr=0.05)


def plain(parameters):
    return ms.nn.AdaMax(parameters, learning_rate=0.05, weight_decay=0.01)


def scheduled(parameters):
    return ms.nn.AdaMax(parameters, learning_rate=[0.1, 0.05, 0.025, 0.0125])


def grouped(parameters):
    groups = [{"params": parameters[:1], "weight_decay": 0.01, "lr": 0.02}, {"params": parameters[1:]}]
    return ms.nn.AdaMax(groups, learning_rate=0.05)


class Forgets(ms.nn.AdaMax):
    """A formula of its own, whose third step begins from nothing."""

    def construct(self, gradients):
        ms.ops.assign(self.global_step, self.global_step + 1)
        t = int(self.global_step.asnumpy()[0])
        for theta, m, u, g in zip(self.parameters, self.moment1, self.moment2, gradients, strict=True):
            ms.ops.assign(m, m * (0.0 if t == 3 else 0.9) + g * (1 - 0.9))
            ms.ops.assign(u, ms.ops.maximum(u * 0.999, g.abs()))
            ms.ops.assign(theta, theta - 0.05 / (1 - 0.9**t) * m / (u + 1e-8))


def forgetful(parameters):
    return Forgets(parameters, learning_rate=0.05)


def training(make, dtype=ms.float32):
    """An optimizer, and a function that takes a step with given gradients."""
    rng = np.random.default_rng(8)
    parameters = [
        ms.Parameter(ms.Tensor(rng.standard_normal(shape).astype(np.float32)), name=name)
        for name, shape in (("weight", (6, 4)), ("norm.gamma", (5,)))
    ]
    optimizer = make(parameters)

    def gradients():
        return tuple(ms.Tensor(rng.standard_normal(p.shape).astype(np.float32), dtype) for p in parameters)

    return optimizer, gradients


def recorded(folder, make, dtype=ms.float32):
    optimizer, gradients = training(make, dtype)
    with record(optimizer, folder / "recording") as recording:
        for _ in range(STEPS):
            optimizer(gradients())
    assert recording.recorded == STEPS
    return audited(folder / "recording", folder / "report")


@pytest.mark.parametrize("make", [experimental, plain, scheduled, grouped])
def test_a_run_of_either_optimizer_is_judged(tmp_path, make):
    code, found = recorded(tmp_path, make)
    assert [v.check for v in found.verdicts if v.status in WRONG] == []
    assert code == 0
    assert {v.subject for v in found.verdicts} == {"mindspore" if make is experimental else "mindspore[nn]"}
    assert said(found, "audit/lockstep/theta").measured["judged"] == STEPS * 29
    assert said(found, "audit/count").status is Status.CONFORMS
    assert said(found, "audit/outside").status is Status.SKIPPED


def test_terms_of_a_float16_gradient_that_are_rounded_to_float16_are_found_and_named(tmp_path):
    code, found = recorded(tmp_path, experimental, ms.float16)
    assert code == 1
    assert "audit/lockstep/m" in [v.check for v in found.verdicts if v.status in WRONG]
    assert found.diagnoses[0]["causes"][0]["cause"] == "gradient-terms-in-float16"


def test_a_gradient_of_float16_that_is_widened_first_is_judged_as_the_number_that_it_is(tmp_path):
    code, found = recorded(tmp_path, scheduled, ms.float16)
    assert (code, [v.check for v in found.verdicts if v.status in WRONG]) == (0, [])
    assert said(found, "audit/lockstep/theta").measured["judged"] == STEPS * 29


def test_what_an_optimizer_of_mindspore_nn_does_wrongly_is_named(tmp_path):
    code, found = recorded(tmp_path, forgetful)
    assert code == 1
    words = "eps is added where u divides, and is not in the maximum; and m start again at step 3"
    assert said(found, "audit/lockstep/m").reason.startswith(words)


@pytest.mark.parametrize("make", [experimental, plain])
@pytest.mark.parametrize("before", [True, False], ids=["compiled before", "compiled inside"])
def test_a_step_inside_of_a_compiled_function_is_refused_before_it_is_taken(tmp_path, make, before):
    optimizer, gradients = training(make)

    @ms.jit
    def step(g):
        return optimizer(g)

    if before:
        step(gradients())
    theta = optimizer.parameters[0].asnumpy()
    words = "a step inside of a function that mindspore.jit compiles cannot be recorded"
    with pytest.raises(RuntimeError, match=words), record(optimizer, tmp_path):
        step(gradients())
    np.testing.assert_array_equal(optimizer.parameters[0].asnumpy(), theta)


def test_an_optimizer_that_changes_the_gradients_itself_is_refused(tmp_path):
    optimizer, _ = training(lambda parameters: ms.nn.AdaMax(parameters, loss_scale=8.0))
    with pytest.raises(ValueError, match=r"optimizer has loss_scale=8\.0"):
        record(optimizer, tmp_path)


def test_another_optimizer_of_mindspore_is_refused(tmp_path):
    optimizer, _ = training(lambda parameters: ms.nn.Momentum(parameters, 0.1, 0.9))
    with pytest.raises(TypeError, match="which has neither exp_avg"):
        record(optimizer, tmp_path)
