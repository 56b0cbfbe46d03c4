"""The arguments that our Adamax accepts and refuses, by the specification."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
from adamax_conformance.impl import Adamax
from adamax_conformance.reference.contract import CLAUSES, Outcome, Params
from adamax_conformance.reference.hyperparameters import DEFAULTS

REFUSED_THOUGH_LEFT_OPEN = {
    "lr/array-1-d": ValueError,
    "lr/array-two": ValueError,
    "lr/bool": ValueError,
    "lr/nan": ValueError,
    "lr/infinite": ValueError,
    "betas/number": TypeError,
    "betas/three": ValueError,
    "betas/one": ValueError,
    "betas/none": TypeError,
    "betas/strings": TypeError,
    "eps/zero": ValueError,
    "eps/nan": ValueError,
    "eps/infinite": ValueError,
    "eps/bool": TypeError,
    "eps/string": TypeError,
    "eps/none": TypeError,
    "weight-decay/nan": ValueError,
    "weight-decay/infinite": ValueError,
    "weight-decay/string": TypeError,
    "weight-decay/none": TypeError,
    "maximize/int": TypeError,
    "maximize/string": TypeError,
    "params/empty": ValueError,
    "params/repeated": ValueError,
    "params/group-without-params": ValueError,
    "params/group-lr": ValueError,
    "params/group-betas": ValueError,
    "params/group-eps": ValueError,
    "params/group-weight-decay": ValueError,
}


GROUP_OPTIONS = {
    Params.GROUP_WITH_BAD_LR: {"lr": -1.0},
    Params.GROUP_WITH_BAD_BETAS: {"betas": (1.0, 0.999)},
    Params.GROUP_WITH_BAD_EPS: {"eps": -1.0},
    Params.GROUP_WITH_BAD_WEIGHT_DECAY: {"weight_decay": -1.0},
}


def params_of(value: Params, theta: np.ndarray) -> list:
    match value:
        case Params.EMPTY:
            return []
        case Params.REPEATED:
            return [theta, theta]
        case Params.GROUP_WITHOUT_PARAMS:
            return [{"lr": 0.1}]
        case _:
            return [{"params": [theta], **GROUP_OPTIONS[value]}]


def construct(clause, theta):
    if clause.argument == "params":
        return Adamax(params_of(clause.value, theta))
    return Adamax([theta], **{clause.argument: clause.value})


def expected_error(clause):
    match clause.outcome:
        case Outcome.REJECT:
            return ValueError
        case Outcome.ACCEPT:
            return None
        case Outcome.OPEN:
            return REFUSED_THOUGH_LEFT_OPEN.get(clause.id)


@pytest.mark.parametrize("clause", CLAUSES, ids=lambda clause: clause.id)
def test_each_clause_of_the_contract_is_kept(clause):
    theta = np.ones(3)
    error = expected_error(clause)
    if error is None:
        construct(clause, theta)((np.ones(3),))
        return
    with pytest.raises(error) as caught:
        construct(clause, theta)
    assert clause.argument in str(caught.value) or clause.argument == "params"
    assert np.array_equal(theta, np.ones(3))


def test_the_signature_is_the_documented_one():
    signature = inspect.signature(Adamax)
    assert list(signature.parameters) == ["params", "lr", "betas", "eps", "weight_decay", "maximize"]
    assert {
        name: p.default for name, p in signature.parameters.items() if name != "params"
    } == DEFAULTS.options()
    assert signature.parameters["maximize"].kind is inspect.Parameter.KEYWORD_ONLY


@pytest.mark.parametrize(
    ("params", "error", "words"),
    [
        (np.ones((2, 3)), TypeError, "must be a list"),
        ({"params": [np.ones(3)]}, TypeError, "must be a list"),
        (None, TypeError, "must be a list"),
        ([[1.0, 2.0]], TypeError, "must be a NumPy array"),
        ([np.ma.masked_array([1.0], mask=[True])], TypeError, "MaskedArray"),
        ([np.ones(3), {"params": [np.ones(3)]}], TypeError, "both arrays and dicts"),
        ([{"params": [np.ones(3)], "momentum": 0.9}], ValueError, r"\['momentum'\] are unknown"),
        ([{"params": []}], ValueError, "at least one"),
        ([np.ones(3, np.float16)], TypeError, "float32 or float64"),
        ([np.ones(3, np.int64)], TypeError, "float32 or float64"),
        ([np.ones(3, ">f4" if np.little_endian else "<f4")], TypeError, "native byte order"),
        ([np.broadcast_to(np.float64(1), (3,))], ValueError, "read-only"),
    ],
)
def test_params_that_cannot_be_optimized_are_refused(params, error, words):
    with pytest.raises(error, match=words):
        Adamax(params)


def overlapping_windows():
    return np.lib.stride_tricks.sliding_window_view(np.ones(5), 3, writeable=True)


def interleaved():
    return np.lib.stride_tricks.as_strided(np.ones(9), shape=(2, 2), strides=(24, 16))


def test_an_array_that_overlaps_itself_is_refused():
    with pytest.raises(ValueError, match="elements that share memory"):
        Adamax([overlapping_windows()])


def test_an_array_whose_axes_interleave_without_overlap_is_taken():
    Adamax([interleaved()])((np.ones((2, 2)),))


def test_parameters_that_share_memory_are_refused():
    base = np.ones(10)
    with pytest.raises(ValueError, match="parameters 0 and 2 share memory"):
        Adamax([base[:6], np.ones(3), base[5:]])


def test_parameters_that_interleave_in_one_base_are_taken():
    base = np.zeros(10)
    optimizer = Adamax([base[::2], base[1::2]], lr=1.0)
    optimizer((np.ones(5), -np.ones(5)))
    assert np.array_equal(np.sign(base), np.tile([-1.0, 1.0], 5))


@pytest.mark.parametrize(
    ("gradients", "error", "words"),
    [
        ((np.ones(3),), ValueError, "1 gradients came for 2 parameters"),
        ((np.ones(3), np.ones((2, 2)), np.ones(1)), ValueError, "3 gradients came"),
        ((np.ones(3), np.ones(4)), ValueError, r"gradient 1 has shape \(4,\)"),
        ((np.ones(3), np.ones((2, 2), np.float32)), TypeError, "gradient 1 has dtype float32"),
        ((np.ones(3), None), TypeError, "gradient 1 is of type NoneType"),
        ((np.ones(3), [[1.0, 2.0], [3.0, 4.0]]), TypeError, "gradient 1 is of type list"),
        (np.ones(3), TypeError, "must be a tuple"),
        (None, TypeError, "must be a tuple"),
    ],
)
def test_gradients_that_do_not_fit_change_nothing(gradients, error, words):
    thetas = [np.ones(3), np.ones((2, 2))]
    optimizer = Adamax(thetas)
    with pytest.raises(error, match=words):
        optimizer(gradients)
    assert optimizer.t == 0
    for array in thetas:
        assert np.all(array == 1)
    for array in optimizer.exp_avg + optimizer.exp_inf:
        assert not array.any()


@pytest.mark.parametrize(
    ("option", "value", "error"),
    [
        ("lr", -1.0, ValueError),
        ("lr", "a", ValueError),
        ("lr", float("nan"), ValueError),
        ("betas", (0.9, 1.0), ValueError),
        ("eps", 0.0, ValueError),
        ("weight_decay", -1.0, ValueError),
        ("maximize", 1, TypeError),
        ("momentum", 0.9, ValueError),
    ],
)
def test_an_option_that_is_set_wrong_is_refused_at_the_next_step(option, value, error):
    thetas = [np.ones(3), np.ones(2)]
    optimizer = Adamax([{"params": [theta]} for theta in thetas])
    optimizer.param_groups[1][option] = value
    with pytest.raises(error, match=f"group 1: .*{option}"):
        optimizer((np.ones(3), np.ones(2)))
    assert all(np.all(theta == 1) for theta in thetas)
    assert optimizer.t == 0


@pytest.mark.parametrize(
    ("change", "lr"),
    [
        (lambda group: group.update(lr=0.25), 0.25),
        (lambda group: group["lr"].fill(0.25), 0.25),
        (lambda group: group.pop("eps"), None),
        (lambda group: (group.pop("eps"), group.update(other=1.0)), None),
        (lambda group: group.update(other=1.0), None),
        (lambda group: group.update(betas=[0.9, 2.0]), None),
    ],
)
def test_an_option_that_changes_after_a_step_is_used_or_refused_at_the_next(change, lr):
    theta = np.ones(1)
    optimizer = Adamax([theta], lr=np.array(0.5), betas=(0.0, 0.0), eps=1e-300)
    for _ in range(2):
        optimizer((np.ones(1),))
    optimizer.param_groups[0]["lr"] = np.array(0.5)
    optimizer((np.ones(1),))
    assert theta[0] == -0.5
    change(optimizer.param_groups[0])
    if lr is None:
        with pytest.raises(ValueError, match="group 0: "):
            optimizer((np.ones(1),))
    else:
        optimizer((np.ones(1),))
    assert theta[0] == -0.5 - (lr or 0)


def test_a_group_that_was_taken_out_of_param_groups_is_missed():
    optimizer = Adamax([{"params": [np.ones(3)]}, {"params": [np.ones(2)]}])
    optimizer.param_groups.pop()
    with pytest.raises(ValueError, match="add_param_group"):
        optimizer((np.ones(3), np.ones(2)))


def test_a_group_that_cannot_be_added_changes_nothing():
    theta = np.ones(3)
    optimizer = Adamax([theta])
    with pytest.raises(ValueError, match="share memory"):
        optimizer.add_param_group({"params": [theta[1:]]})
    assert len(optimizer.param_groups) == len(optimizer.exp_avg) == 1
    optimizer((np.ones(3),))


def test_a_memory_map_is_a_parameter(tmp_path):
    theta = np.memmap(tmp_path / "theta", dtype=np.float32, mode="w+", shape=(4,))
    Adamax([theta], lr=0.5)((np.ones(4, np.float32),))
    assert np.array_equal(theta, np.full(4, -0.5, np.float32))
