"""Recording optax around its update function, alone and in a chain."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from adamax_conformance.impl.recording import record_updates
from adamax_conformance.oracles.verdict import Status
from adamax_conformance.reference.hyperparameters import Hyperparameters
from adamax_conformance.tests.meta.audit.auditing import audited, said

optax = pytest.importorskip("optax")
jax = pytest.importorskip("jax")

OPTIONS = Hyperparameters(lr=0.1, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0.0, maximize=False)
STEPS = 5
WRONG = {Status.DIVERGES, Status.BROKEN}


def start():
    rng = np.random.default_rng(8)
    layers = {
        name: {"w": jax.numpy.array(rng.standard_normal((4, 3)), "float32"), "b": jax.numpy.zeros(3)}
        for name in ("first", "second")
    }
    return rng, layers


def trained(folder, transform, options=OPTIONS, wrap=lambda own: own, change=lambda _t, state: state):
    """Record a run of a transformation, which stands inside of another; audit it."""
    rng, params = start()
    with record_updates(transform, params, folder / "recording", options) as recording:
        optimizer = wrap(recording.transform)
        state = optimizer.init(params)
        for t in range(1, STEPS + 1):
            gradients = jax.tree.map(
                lambda p: jax.numpy.array(rng.standard_normal(p.shape), "float32"), params
            )
            updates, state = optimizer.update(gradients, change(t, state), params)
            params = optax.apply_updates(params, updates)
    assert recording.recorded == STEPS
    return audited(folder / "recording", folder / "report")


def halved(t):
    return replace(OPTIONS, lr=0.1 if t <= 2 else 0.05)


@pytest.mark.parametrize(
    ("transform", "options", "wrap"),
    [
        (optax.adamax(0.1), OPTIONS, lambda own: own),
        (optax.adamax(lambda count: jax.numpy.where(count < 2, 0.1, 0.05)), halved, lambda own: own),
        (optax.adamax(0.1), OPTIONS, lambda own: optax.chain(optax.clip_by_global_norm(0.5), own)),
        (optax.inject_hyperparams(optax.adamax)(learning_rate=0.1), OPTIONS, lambda own: own),
    ],
    ids=["alone", "schedule", "after clipping", "injected"],
)
def test_a_run_is_judged(tmp_path, transform, options, wrap):
    code, found = trained(tmp_path, transform, options, wrap)
    assert [v.check for v in found.verdicts if v.status in WRONG] == []
    assert code == 0
    assert said(found, "audit/lockstep/theta").measured["judged"] == STEPS * 30
    assert said(found, "audit/outside").status is Status.SKIPPED


def test_a_schedule_that_is_late_and_a_state_that_is_changed_between_steps_are_named(tmp_path):
    def forget(t, state):
        if t != 4:
            return state
        return (state[0]._replace(mu=jax.tree.map(lambda m: 0 * m, state[0].mu)), *state[1:])

    late = optax.adamax(lambda count: jax.numpy.where(count < 3, 0.1, 0.05))
    code, found = trained(tmp_path, late, halved, change=forget)
    assert code == 1
    assert said(found, "audit/lockstep/m").status is Status.CONFORMS
    theta = said(found, "audit/lockstep/theta").reason
    assert theta.startswith("a learning rate that is set takes effect one step late")
    assert "parameter 0 (first.b)" in theta
    words = "changed outside a step: m of 4 parameters before recorded step 4"
    assert said(found, "audit/outside").reason.startswith(words)


def test_a_state_that_the_transformation_itself_resets_is_named(tmp_path):
    own = optax.adamax(0.1)

    def update(gradients, state, params):
        if int(state[0].count) == 3:
            state = (state[0]._replace(mu=jax.tree.map(lambda m: 0 * m, state[0].mu)), *state[1:])
        return own.update(gradients, state, params)

    code, found = trained(tmp_path, optax.GradientTransformation(own.init, update))
    assert code == 1
    assert said(found, "audit/outside").status is Status.SKIPPED
    assert "m start again at step 4" in said(found, "audit/lockstep/m").reason


def test_a_step_inside_of_a_compiled_function_is_refused(tmp_path):
    _, params = start()
    with (
        pytest.raises(RuntimeError, match="a function that JAX compiles cannot be recorded"),
        record_updates(optax.adamax(0.1), params, tmp_path, OPTIONS) as recording,
    ):
        jax.jit(recording.transform.update)(params, recording.transform.init(params), params)


def test_a_transformation_without_moments_and_an_update_without_parameters_are_refused(tmp_path):
    _, params = start()
    with record_updates(optax.adamax(0.1), params, tmp_path / "a", OPTIONS) as recording:
        state = recording.transform.init(params)
        with pytest.raises(ValueError, match="without params"):
            recording.transform.update(params, state)
        recording.transform.update(params, state, params)
    sgd = record_updates(optax.sgd(0.1), params, tmp_path / "b", OPTIONS)
    with pytest.raises(TypeError, match="no part with count, mu and nu"), sgd as recording:
        recording.transform.update(params, recording.transform.init(params), params)
