"""Anyone's arrays are recorded and audited, step by step."""

from __future__ import annotations

import numpy as np
import pytest
from adamax_conformance.impl import Adamax
from adamax_conformance.impl.recording import record_arrays
from adamax_conformance.oracles.verdict import Status
from adamax_conformance.reference.hyperparameters import Hyperparameters
from adamax_conformance.tests.meta.audit.auditing import audited, said

OPTIONS = Hyperparameters(lr=0.1, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0.0, maximize=False)
SHAPES = ((4, 3), (5,))


def copies(optimizer):
    return tuple(
        [a.copy() for a in each] for each in (optimizer.parameters, optimizer.exp_avg, optimizer.exp_inf)
    )


def run(folder, spoil=lambda _t, _state: None, steps=4):
    rng = np.random.default_rng(8)
    optimizer = Adamax([rng.standard_normal(shape).astype(np.float32) for shape in SHAPES], lr=0.1)
    with record_arrays(folder, ["w", "b"], subject="mine") as recording:
        for t in range(1, steps + 1):
            gradients = [rng.standard_normal(shape).astype(np.float32) for shape in SHAPES]
            before = copies(optimizer)
            optimizer(gradients)
            after = copies(optimizer)
            spoil(t, after)
            recording.step(t, gradients, before, after, OPTIONS)
    return recording


def test_arrays_of_a_right_optimizer_are_clean(tmp_path):
    assert run(tmp_path / "recording").recorded == 4
    code, record = audited(tmp_path / "recording", tmp_path / "report")
    assert code == 0
    assert {v.subject for v in record.verdicts} == {"mine"}
    assert said(record, "audit/lockstep/theta").measured["judged"] == 4 * 17
    assert said(record, "audit/outside").status is Status.SKIPPED


def test_arrays_of_a_wrong_one_are_not_and_what_it_does_besides_is_seen(tmp_path):
    def spoil(t, state):
        if t == 3:
            state[0][1][2] *= np.float32(1.001)

    run(tmp_path / "recording", spoil)
    code, record = audited(tmp_path / "recording", tmp_path / "report")
    assert code == 1
    words = "one element of b at step 3 is off: theta of parameter 1 (b), element [2], after step 3"
    assert said(record, "audit/lockstep/theta").reason.startswith(words)
    words = "theta of parameter 1 (b) before recorded step 4"
    assert words in said(record, "audit/outside").reason


def test_a_list_of_another_length_is_refused(tmp_path):
    theta = np.ones(3)
    state = ([theta], [None], [None])
    with record_arrays(tmp_path, ["w", "b"], subject="mine") as recording:
        with pytest.raises(ValueError, match="gradients has 1 entries; there are 2 names"):
            recording.step(1, [theta], state, state, OPTIONS)
        with pytest.raises(ValueError, match=r"before\[0\] has 1 entries"):
            recording.step(1, [theta, theta], state, state, OPTIONS)
        whole = ([theta, theta],) * 3
        recording.step(1, [theta, theta], whole, whole, OPTIONS)


def test_optax_is_recorded_around_its_update_function(tmp_path):
    optax = pytest.importorskip("optax")
    rng = np.random.default_rng(8)
    params = {"w": rng.standard_normal((4, 3)).astype(np.float32), "b": np.zeros(5, np.float32)}
    transform = optax.adamax(0.1)
    state = transform.init(params)
    names = list(params)

    def arrays(params, state):
        return tuple([tree[name] for name in names] for tree in (params, state[0].mu, state[0].nu))

    with record_arrays(
        tmp_path / "recording", names, subject="optax", version=optax.__version__
    ) as recording:
        for _ in range(4):
            gradients = {
                name: rng.standard_normal(value.shape).astype(np.float32) for name, value in params.items()
            }
            updates, new_state = transform.update(gradients, state, params)
            new = optax.apply_updates(params, updates)
            before, after = arrays(params, state), arrays(new, new_state)
            recording.step(
                int(new_state[0].count), [gradients[name] for name in names], before, after, OPTIONS
            )
            params, state = new, new_state
    code, record = audited(tmp_path / "recording", tmp_path / "report")
    assert said(record, "audit/count").status is Status.CONFORMS
    assert said(record, "audit/lockstep/theta").measured["judged"] == 4 * 17
    assert [v.check for v in record.verdicts if v.status in {Status.DIVERGES, Status.BROKEN}] == []
    assert code == 0
