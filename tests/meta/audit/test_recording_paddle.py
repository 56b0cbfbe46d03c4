"""Recording PaddlePaddle: schedules, groups, clipping, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from adamax_conformance.impl.recording import record
from adamax_conformance.oracles.verdict import Status
from adamax_conformance.tests.meta.audit.auditing import audited, said

paddle = pytest.importorskip("paddle")

STEPS = 4
WRONG = {Status.DIVERGES, Status.BROKEN}


def plain(parameters, kind=paddle.optimizer.Adamax):
    return kind(0.05, parameters=parameters)


def scheduled(parameters):
    rate = paddle.optimizer.lr.StepDecay(0.1, step_size=2, gamma=0.5)
    return paddle.optimizer.Adamax(rate, parameters=parameters, weight_decay=0.01)


def grouped(parameters):
    groups = [
        {"params": parameters[:1], "weight_decay": 0.01, "learning_rate": 0.5},
        {"params": parameters[1:]},
    ]
    return paddle.optimizer.Adamax(0.05, parameters=groups)


def clipped(parameters):
    clip = paddle.nn.ClipGradByGlobalNorm(0.5)
    return paddle.optimizer.Adamax(0.05, parameters=parameters, grad_clip=clip)


class Forgets(paddle.optimizer.Adamax):
    """Its third step begins from nothing."""

    calls = 0

    def step(self):
        self.calls += 1
        if self.calls == 3:
            for m in self._accumulators["moment"].values():
                m.zero_()
        super().step()


def forgetful(parameters):
    return plain(parameters, Forgets)


def recorded(folder, make, began=0):
    """Record some steps, after others; audit them."""
    rng = np.random.default_rng(8)
    parameters = [
        paddle.create_parameter([6, 4], "float32"),
        paddle.create_parameter([5], "float32"),
    ]
    optimizer = make(parameters)

    def step():
        for parameter in parameters:
            parameter.grad = paddle.to_tensor(rng.standard_normal(parameter.shape).astype("float32"))
        optimizer.step()
        if isinstance(optimizer._learning_rate, paddle.optimizer.lr.LRScheduler):
            optimizer._learning_rate.step()

    with paddle.utils.unique_name.guard():
        for _ in range(began):
            step()
        with record(optimizer, folder / "recording") as recording:
            for _ in range(STEPS):
                step()
    assert recording.recorded == STEPS
    return audited(folder / "recording", folder / "report")


@pytest.mark.parametrize("began", [0, 3])
@pytest.mark.parametrize("make", [plain, scheduled, grouped, clipped])
def test_a_run_is_judged(tmp_path, make, began):
    code, found = recorded(tmp_path, make, began)
    assert [v.check for v in found.verdicts if v.status in WRONG] == []
    assert code == 0
    assert {v.subject for v in found.verdicts} == {"paddle"}
    assert said(found, "audit/lockstep/theta").measured["judged"] == STEPS * 29
    assert said(found, "audit/count").status is Status.CONFORMS
    assert said(found, "audit/outside").status is Status.SKIPPED


def test_what_the_optimizer_does_wrongly_is_named(tmp_path):
    code, found = recorded(tmp_path, forgetful)
    assert code == 1
    assert "step 3" in said(found, "audit/lockstep/m").reason


def test_after_the_block_the_optimizer_is_as_it_was_whoever_has_replaced_its_step(tmp_path):
    theta = paddle.create_parameter([5], "float32")
    optimizer = plain([theta])
    theta.grad = paddle.ones([5])
    with record(optimizer, tmp_path / "one"):
        optimizer.step()
    assert "step" not in vars(optimizer)
    with record(optimizer, tmp_path / "other") as recording:
        own = optimizer.step
        optimizer.step = lambda: own()  # noqa: PLW0108 - another function
        optimizer.step()
    optimizer.step()
    assert recording.recorded == 1


def test_what_cannot_be_judged_is_refused(tmp_path):
    theta = paddle.create_parameter([5], "float32")
    with pytest.raises(ValueError, match="L1Decay; L2Decay can be recorded"):
        record(
            paddle.optimizer.Adamax(parameters=[theta], weight_decay=paddle.regularizer.L1Decay(0.1)),
            tmp_path,
        )
    several = paddle.optimizer.Adamax(parameters=[theta])
    several._multi_precision = True  # as for parameters of float16
    with pytest.raises(ValueError, match="optimizer has multi_precision"):
        record(several, tmp_path)
    with pytest.raises(TypeError, match=r"paddle\.optimizer\.Adamax can be recorded"):
        record(paddle.optimizer.SGD(parameters=[theta]), tmp_path)
