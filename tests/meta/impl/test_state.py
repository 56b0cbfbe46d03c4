"""The states and checkpoints of our Adamax."""

from __future__ import annotations

import copy
import json
import pickle
import struct
import sys

import numpy as np
import pytest
from adamax_conformance.impl import Adamax
from adamax_conformance.tests.meta.impl.drawing import both_dtypes, same

SHAPES = [(3,), (), (150, 200), (0,), (2, 5)]


def gradients_of(t: int, dtype) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(t)
    return tuple(np.asarray(rng.standard_normal(shape), dtype) for shape in SHAPES)


def started(dtype, steps: int = 3, **options):
    """Parameters in two groups, and their optimizer after some steps."""
    rng = np.random.default_rng(0)
    thetas = [np.asarray(rng.standard_normal(shape), dtype) for shape in SHAPES]
    groups = [
        {"params": thetas[:2], "lr": 0.25},
        {"params": thetas[2:], "betas": (0.5, 0.75), "maximize": True},
    ]
    optimizer = Adamax(groups, **options)
    for t in range(steps):
        optimizer(gradients_of(t, dtype))
    return thetas, optimizer


def everything(thetas, optimizer) -> list[np.ndarray]:
    return [*thetas, *optimizer.exp_avg, *optimizer.exp_inf]


def assert_goes_on_alike(one, other, dtype):
    """Two optimizers, with their parameters, take the same further steps."""
    for t in range(10, 13):
        one[1](gradients_of(t, dtype))
        other[1](gradients_of(t, dtype))
    assert one[1].t == other[1].t
    assert all(map(same, everything(*one), everything(*other)))


@both_dtypes
def test_a_run_goes_on_from_a_state_dict_as_if_it_had_never_stopped(dtype):
    thetas, optimizer = started(dtype)
    others = [theta.copy() for theta in thetas]
    other = Adamax([{"params": others[:2]}, {"params": others[2:]}])
    other.load_state_dict(optimizer.state_dict())
    assert_goes_on_alike((thetas, optimizer), (others, other), dtype)


def test_a_state_dict_does_not_change_with_later_steps():
    _, optimizer = started(np.float64)
    state = optimizer.state_dict()
    before = copy.deepcopy(state)
    optimizer(gradients_of(9, np.float64))
    optimizer.param_groups[0]["lr"] = 3.0
    assert state["t"] == before["t"]
    assert state["param_groups"] == before["param_groups"]
    assert all(map(same, state["exp_avg"] + state["exp_inf"], before["exp_avg"] + before["exp_inf"]))


def test_a_state_that_was_loaded_does_not_change_with_later_steps():
    _, optimizer = started(np.float64)
    state = optimizer.state_dict()
    before = copy.deepcopy(state)
    optimizer.load_state_dict(state)
    optimizer(gradients_of(9, np.float64))
    assert all(map(same, state["exp_avg"] + state["exp_inf"], before["exp_avg"] + before["exp_inf"]))


def test_loading_brings_back_the_options():
    _, optimizer = started(np.float64)
    state = optimizer.state_dict()
    optimizer.param_groups[0]["lr"] = 3.0
    optimizer.load_state_dict(state)
    assert optimizer.param_groups[0]["lr"] == 0.25
    assert optimizer.param_groups[1]["betas"] == (0.5, 0.75)


def without(key):
    return lambda state: {name: value for name, value in state.items() if name != key}


def changed(**parts):
    return lambda state: state | parts


def with_group(**parts):
    return lambda state: (
        state | {"param_groups": [state["param_groups"][0] | parts, state["param_groups"][1]]}
    )


def with_first(name, value):
    return lambda state: state | {name: [value, *state[name][1:]]}


MISFITS = {
    "not a dict": (lambda _: [1, 2], TypeError, "list"),
    "no t": (without("t"), ValueError, "must have"),
    "an unknown part": (changed(step=3), ValueError, "must have"),
    "t negative": (changed(t=-1), ValueError, "t is -1"),
    "t a bool": (changed(t=True), ValueError, "t is True"),
    "t a float": (changed(t=3.0), ValueError, r"t is 3\.0"),
    "no groups": (changed(param_groups=[]), ValueError, "groups of the parameters"),
    "groups no list": (changed(param_groups=3), TypeError, "list of dicts"),
    "other members": (with_group(params=[0]), ValueError, "groups of the parameters"),
    "an option outside its domain": (with_group(lr=-1.0), ValueError, "group 0: lr"),
    "an unknown option": (with_group(momentum=0.9), ValueError, "momentum"),
    "a group without t": (with_group(t=None), ValueError, "group 0: t"),
    "too few arrays": (changed(exp_avg=[]), ValueError, "exp_avg has 0 arrays for 5"),
    "arrays no list": (changed(exp_inf=None), TypeError, "exp_inf is of type NoneType"),
    "another shape": (with_first("exp_avg", np.zeros(4)), ValueError, r"exp_avg 0 has shape \(4,\)"),
    "another dtype": (
        with_first("exp_inf", np.zeros(3, np.float32)),
        TypeError,
        "exp_inf 0 has dtype float32",
    ),
    "no array": (with_first("exp_inf", [0.0] * 3), TypeError, "exp_inf 0 is of type list"),
}


@pytest.mark.parametrize(("spoil", "error", "words"), MISFITS.values(), ids=MISFITS)
def test_a_state_that_does_not_fit_is_refused_and_changes_nothing(spoil, error, words):
    thetas, optimizer = started(np.float64)
    others, other = started(np.float64)
    with pytest.raises(error, match=words):
        optimizer.load_state_dict(spoil(started(np.float64, steps=5)[1].state_dict()))
    assert_goes_on_alike((thetas, optimizer), (others, other), np.float64)


@both_dtypes
def test_a_deep_copy_goes_on_alike_and_apart(dtype):
    thetas, optimizer = started(dtype)
    others, other = copy.deepcopy((thetas, optimizer))
    assert other.exp_avg[0] is not optimizer.exp_avg[0]
    assert_goes_on_alike((thetas, optimizer), (others, other), dtype)


@both_dtypes
def test_a_pickle_goes_on_alike(dtype):
    thetas, optimizer = started(dtype)
    others, other = pickle.loads(pickle.dumps((thetas, optimizer)))
    assert_goes_on_alike((thetas, optimizer), (others, other), dtype)


def test_a_group_that_is_added_later_starts_at_its_own_first_step():
    theta, added, fresh = np.ones(3), np.ones(2), np.ones(2)
    optimizer = Adamax([theta])
    for _ in range(5):
        optimizer((np.ones(3),))
    optimizer.add_param_group({"params": added, "lr": 0.5})
    optimizer((np.ones(3), np.full(2, 0.25)))
    Adamax([fresh], lr=0.5)((np.full(2, 0.25),))
    assert same(added, fresh)
    assert optimizer.t == 6
    assert [group["t"] for group in optimizer.state_dict()["param_groups"]] == [6, 1]


class TestFile:
    """Saving to one file and loading from it."""

    @pytest.fixture(autouse=True)
    def _needs_safetensors(self):
        pytest.importorskip("safetensors")

    @both_dtypes
    def test_a_run_goes_on_from_a_file_as_if_it_had_never_stopped(self, dtype, tmp_path):
        thetas, optimizer = started(dtype, weight_decay=0.1)
        optimizer.save(tmp_path / "run.safetensors")
        others, other = started(dtype, steps=0)
        other.load(tmp_path / "run.safetensors")
        assert_goes_on_alike((thetas, optimizer), (others, other), dtype)

    def test_options_keep_every_bit(self, tmp_path):
        theta = np.ones(3)
        Adamax([theta], lr=0.1 + 0.2, betas=(1 - 2.0**-53, 5e-324), eps=5e-324).save(tmp_path / "run")
        other = Adamax([theta])
        other.load(tmp_path / "run")
        group = other.param_groups[0]
        assert (group["lr"], group["betas"], group["eps"]) == (0.1 + 0.2, (1 - 2.0**-53, 5e-324), 5e-324)

    def test_strided_parameters_are_saved_and_loaded_in_place(self, tmp_path):
        base, other_base = np.arange(12.0), np.zeros(12)
        Adamax([base[::-2], base[::2].reshape(2, 3).T]).save(tmp_path / "run")
        Adamax([other_base[::-2], other_base[::2].reshape(2, 3).T]).load(tmp_path / "run")
        assert same(other_base, base)

    def test_special_values_survive(self, tmp_path):
        theta, other = np.array([np.nan, -np.inf, -0.0, 5e-324]), np.zeros(4)
        Adamax([theta]).save(tmp_path / "run")
        Adamax([other]).load(tmp_path / "run")
        assert same(other, theta)

    def test_a_schedule_is_not_written_and_stays_what_it_is(self, tmp_path):
        theta = np.ones(3)
        Adamax([theta], lr=lambda t: 1 / t).save(tmp_path / "run")
        other = Adamax([theta], lr=schedule)
        other.load(tmp_path / "run")
        assert other.param_groups[0]["lr"] is schedule

    def test_nothing_is_left_beside_the_file(self, tmp_path):
        for _ in range(2):
            started(np.float64)[1].save(tmp_path / "run")
        assert [path.name for path in tmp_path.iterdir()] == ["run"]

    def test_a_file_that_cannot_be_written_leaves_the_old_one(self, tmp_path, monkeypatch):
        _, optimizer = started(np.float64)
        optimizer.save(tmp_path / "run")
        before = (tmp_path / "run").read_bytes()

        def fails(_tensors, path, **_):
            path.write_bytes(b"half")
            raise OSError("disk full")

        monkeypatch.setattr("safetensors.numpy.save_file", fails)
        with pytest.raises(OSError, match="disk full"):
            optimizer.save(tmp_path / "run")
        assert (tmp_path / "run").read_bytes() == before
        assert [path.name for path in tmp_path.iterdir()] == ["run"]

    def test_another_file_is_refused(self, tmp_path):
        (tmp_path / "text").write_text("no tensors here, but long enough to have a header")
        _, optimizer = started(np.float64)
        with pytest.raises(ValueError, match="is not a safetensors file"):
            optimizer.load(tmp_path / "text")

    def test_another_programs_safetensors_are_refused(self, tmp_path):
        pytest.importorskip("safetensors.numpy").save_file({"weight": np.ones(3)}, tmp_path / "weights")
        with pytest.raises(ValueError, match="has the format None"):
            started(np.float64)[1].load(tmp_path / "weights")

    def test_damaged_metadata_is_refused(self, tmp_path):
        _, optimizer = started(np.float64)
        optimizer.save(tmp_path / "run")
        content = (tmp_path / "run").read_bytes()
        (length,) = struct.unpack("<Q", content[:8])
        header = json.loads(content[8 : 8 + length])
        header["__metadata__"]["state"] = "{}"
        damaged = json.dumps(header).encode()
        (tmp_path / "run").write_bytes(struct.pack("<Q", len(damaged)) + damaged + content[8 + length :])
        with pytest.raises(ValueError, match="damaged metadata"):
            optimizer.load(tmp_path / "run")

    @pytest.mark.parametrize(
        ("theta", "error", "words"),
        [
            ([np.ones(4)], ValueError, r"theta 0 has shape \(3,\)"),
            ([np.ones(3, np.float32)], TypeError, "theta 0 has dtype float64"),
            ([np.ones(3), np.ones(3)], ValueError, "has 1 parameters; this optimizer has 2"),
        ],
    )
    def test_a_file_of_other_parameters_changes_nothing(self, theta, error, words, tmp_path):
        Adamax([np.zeros(3)]).save(tmp_path / "run")
        optimizer = Adamax(theta)
        with pytest.raises(error, match=words):
            optimizer.load(tmp_path / "run")
        assert all(np.all(array == 1) for array in theta)

    def test_a_file_that_is_missing_is_an_oserror(self, tmp_path):
        with pytest.raises(FileNotFoundError):
            started(np.float64)[1].load(tmp_path / "none")


@pytest.mark.parametrize("method", ["save", "load"])
def test_without_safetensors_the_error_names_the_extra(monkeypatch, tmp_path, method):
    monkeypatch.setitem(sys.modules, "safetensors", None)
    monkeypatch.setitem(sys.modules, "safetensors.numpy", None)
    with pytest.raises(ImportError, match=r"adamax-conformance\[checkpoint\]"):
        getattr(Adamax([np.ones(3)]), method)(tmp_path / "run")


def schedule(t: int) -> float:
    return 0.5 / t
