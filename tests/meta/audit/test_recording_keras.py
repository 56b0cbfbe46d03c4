"""Recording Keras: gradients, clipping, decay, and what is compiled."""

from __future__ import annotations

import os
from importlib.util import find_spec

import numpy as np
import pytest
from adamax_conformance.impl.recording import record
from adamax_conformance.impl.recording.step_file import StepFile
from adamax_conformance.oracles.verdict import Status
from adamax_conformance.tests.meta.audit.auditing import audited, said

if find_spec("keras") is None:
    pytest.skip("keras is not installed", allow_module_level=True)
backend = next((name for name in ("jax", "tensorflow", "torch") if find_spec(name) is not None), None)
os.environ.setdefault("KERAS_BACKEND", str(backend))
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
keras = pytest.importorskip("keras")

# Of TensorFlow itself, next to NumPy 2.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
STEPS = 4
WRONG = {Status.DIVERGES, Status.BROKEN}


def recorded(folder, kind=keras.optimizers.Adamax, began=0, **options):
    """Record some steps, after others; audit them."""
    rng = np.random.default_rng(8)
    variables = [
        keras.Variable(rng.standard_normal(shape).astype("float32"), name=name)
        for name, shape in (("weight", (6, 4)), ("bias", (5,)))
    ]
    optimizer = kind(learning_rate=0.05, **options)
    optimizer.exclude_from_weight_decay(var_names=["bias"])

    def step():
        gradients = [rng.standard_normal(v.shape).astype("float32") for v in variables]
        optimizer.apply([keras.ops.convert_to_tensor(g) for g in gradients], variables)

    for _ in range(began):
        step()
    with record(optimizer, folder / "recording") as recording:
        for _ in range(STEPS):
            step()
    assert recording.recorded == STEPS
    return audited(folder / "recording", folder / "report")


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"clipvalue": 0.2},
        {"global_clipnorm": 0.5},
        {"weight_decay": 0.1},
        {"loss_scale_factor": 8.0},
        {"began": 3},
    ],
    ids=str,
)
def test_a_run_is_judged(tmp_path, options):
    code, found = recorded(tmp_path, **options)
    assert [v.check for v in found.verdicts if v.status in WRONG] == []
    assert code == 0
    assert {v.subject for v in found.verdicts} == {f"keras[{keras.backend.backend()}]"}
    assert said(found, "rule/documented").status is Status.KNOWN
    assert said(found, "audit/lockstep/theta").measured["judged"] == STEPS * 29
    assert said(found, "audit/count").status is Status.CONFORMS
    assert said(found, "audit/outside").status is Status.SKIPPED


class Forgets(keras.optimizers.Adamax):
    """Its third step begins from nothing."""

    def _backend_update_step(self, grads, variables, learning_rate):
        if int(self.iterations) == 2:
            self._m[0].assign(self._m[0] * 0)
        super()._backend_update_step(grads, variables, learning_rate)


def test_what_the_optimizer_does_wrongly_is_named(tmp_path):
    code, found = recorded(tmp_path, Forgets)
    assert code == 1
    assert "step 3" in said(found, "audit/lockstep/m").reason
    assert "weight" in said(found, "audit/lockstep/m").reason


@pytest.mark.parametrize(
    "options", [{"gradient_accumulation_steps": 2}, {"use_ema": True, "ema_overwrite_frequency": 2}]
)
def test_an_option_with_which_a_step_is_not_the_formula_s_is_refused(tmp_path, options):
    with pytest.raises(ValueError, match="with which it cannot be recorded"):
        record(keras.optimizers.Adamax(**options), tmp_path)


def test_an_error_of_the_recorder_comes_out_once_the_step_is_over(tmp_path, monkeypatch):
    variable = keras.Variable(np.ones(3, "float32"))
    optimizer = keras.optimizers.Adamax(0.05)

    def fail(*_):
        raise OSError("No space left on device")

    monkeypatch.setattr(StepFile, "finish", fail)
    with record(optimizer, tmp_path):
        with pytest.raises(OSError, match="No space left"):
            optimizer.apply([keras.ops.ones(3)], [variable])
        optimizer.apply([keras.ops.ones(3)], [variable])  # no longer recorded
    assert int(keras.ops.convert_to_numpy(keras.ops.convert_to_tensor(optimizer.iterations))) == 2


def test_another_optimizer_of_keras_is_refused(tmp_path):
    with pytest.raises(TypeError, match=r"keras\.optimizers\.Adamax can be recorded"):
        record(keras.optimizers.SGD(), tmp_path)


@pytest.mark.skipif(keras.backend.backend() == "torch", reason="the torch backend compiles nothing by itself")
def test_steps_of_a_model_that_is_compiled_are_refused_and_eager_ones_recorded(tmp_path):
    rng = np.random.default_rng(8)
    x, y = rng.standard_normal((8, 3)).astype("float32"), rng.standard_normal((8, 1)).astype("float32")

    def compiled(**options):
        model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
        model.compile(keras.optimizers.Adamax(0.05), "mse", **options)
        return model

    model = compiled()
    words = "a step inside of a compiled function cannot be recorded"
    with pytest.raises(RuntimeError, match=words), record(model.optimizer, tmp_path / "compiled"):
        model.fit(x, y, verbose=0)
    model = compiled(run_eagerly=True)
    with record(model.optimizer, tmp_path / "eager") as recording:
        model.fit(x, y, batch_size=4, epochs=2, verbose=0)
    assert recording.recorded == 4
    code, found = audited(tmp_path / "eager", tmp_path / "report")
    assert (code, [v.check for v in found.verdicts if v.status in WRONG]) == (0, [])
