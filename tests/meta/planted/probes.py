"""Probes: runs and calls of an optimizer, to compare bit for bit with another's.

A probe is a function from a factory and a dtype to anything that compares. Probes are coarser than the suite, and
only show that a planted bug is one. They judge nothing, and a faithful variant may well differ in bits.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from adamax_conformance.reference.contract import CLAUSES, Params

SEED = 20150507
"""An arbitrary seed: the day on which Adam's paper was presented."""


def draw(dtype, shapes, steps, scale=1.0, seed=SEED):
    """Parameters and gradients, normally distributed, some gradients zero."""
    rng = np.random.default_rng(seed)
    thetas = [np.array(rng.normal(size=shape), dtype) for shape in shapes]
    gradients = [
        [np.array(scale * rng.normal(size=shape) * (rng.random(shape) < 0.8), dtype) for shape in shapes]
        for _ in range(steps)
    ]
    return thetas, gradients


def snapshot(optimizer, thetas, gradients) -> bytes:
    """The bytes of everything that a caller can see between two steps."""
    groups = [{k: v for k, v in group.items() if k != "params"} for group in optimizer.param_groups]
    arrays = (*thetas, *optimizer.exp_avg, *optimizer.exp_inf, *gradients)
    return repr(groups).encode() + b"".join(np.ascontiguousarray(x).tobytes() for x in arrays)


def outcome(call: Callable[[], Any]) -> Any:
    """The result of a call, or the name of the exception that it raises."""
    try:
        return call()
    except Exception as error:  # noqa: BLE001 - its type is the observation
        return type(error).__name__


def trajectory(factory, params, thetas, gradients, **options) -> list[bytes]:
    """The snapshots after each step."""
    optimizer = factory(params, **options)
    result = []
    for given in gradients:
        optimizer(given)
        result.append(snapshot(optimizer, thetas, given))
    return result


OPTIONS: dict[str, dict[str, Any]] = {
    "defaults": {},
    "visible eps": {"lr": 0.1, "eps": 0.25},
    "decay": {"lr": 0.1, "weight_decay": 0.3},
    "maximize": {"lr": 0.1, "maximize": True},
    "maximize and decay": {"lr": 0.1, "weight_decay": 0.3, "maximize": True, "eps": 0.1},
    "low betas": {"lr": 0.1, "betas": (0.3, 0.2)},
    "large rate": {"lr": 17.0},
    "small decay": {"lr": 0.1, "weight_decay": 5e-4},
    "betas near one": {"lr": 0.1, "betas": (1 - 2.0**-20, 1 - 2.0**-20)},
    "slow moment": {"lr": 0.01, "betas": (0.9999, 0.9)},
}


def plain_run(factory, dtype, options):
    """Three parameters, one without elements, twelve steps."""
    thetas, gradients = draw(dtype, [(5,), (2, 3), (0,)], 12)
    return trajectory(factory, thetas, thetas, gradients, **options)


def long_run(factory, dtype):
    """2100 steps with a slow moment."""
    thetas, gradients = draw(dtype, [(3,)], 2100)
    return trajectory(factory, thetas, thetas, gradients, lr=0.01, betas=(0.999, 0.99))


def late_run(factory, dtype):
    """The first gradient comes at step 1001, with theta at zero."""
    theta = np.zeros(8, dtype)
    gradients = [[np.zeros(8, dtype)]] * 1000 + [[np.linspace(0.1, 1, 8).astype(dtype)]]
    return trajectory(factory, [theta], [theta], gradients, lr=0.1, eps=0.01)[-1]


def from_zero(factory, dtype):
    """A large eps and gradients of both signs on a theta that starts at zero."""
    _, gradients = draw(dtype, [(8,)], 12)
    theta = np.zeros(8, dtype)
    return trajectory(factory, [theta], [theta], gradients, lr=0.1, eps=0.5)


def small_steps(factory, dtype):
    """Steps far below theta."""
    thetas, gradients = draw(dtype, [(64,)], 4)
    rate = float(np.finfo(dtype).eps) * 4
    return trajectory(factory, thetas, thetas, gradients, lr=rate)


def sized_run(factory, dtype, size):
    """One long parameter, three steps."""
    thetas, gradients = draw(dtype, [(size,)], 3)
    return trajectory(factory, thetas, thetas, gradients, lr=0.1, weight_decay=0.1)


def shaped_run(factory, dtype, shape):
    """One parameter of this shape, three steps, with decay."""
    thetas, gradients = draw(dtype, [shape], 3)
    return trajectory(factory, thetas, thetas, gradients, lr=0.1, weight_decay=0.1)


def lay_out(array, layout):
    """The same numbers in another layout."""
    match layout:
        case "strided":
            wide = np.zeros((2 * array.shape[0], *array.shape[1:]), array.dtype)
            wide[::2] = array
            return wide[::2]
        case "transposed":
            return np.asfortranarray(array)
        case _:
            return array[::-1].copy()[::-1]


def layout_run(factory, dtype, layout):
    """A vector and a matrix in this layout, three steps, with gradients in it or not."""
    results = []
    for gradients_too in (False, True):
        thetas, gradients = draw(dtype, [(6,), (3, 4)], 3)
        thetas = [lay_out(theta, layout) for theta in thetas]
        if gradients_too:
            gradients = [[lay_out(g, layout) for g in given] for given in gradients]
        results += trajectory(factory, thetas, thetas, gradients, lr=0.1)
    return results


def special_run(factory, dtype, kind, size=4):
    """Gradients with special values, repeated over a long array; a theta is subnormal."""
    info = np.finfo(dtype)
    values = {
        "nan": [np.nan, 1.0, -1.0, 0.0],
        "infinite": [np.inf, -np.inf, 1.0, 0.0],
        "huge": [0.9 * float(info.max), -0.5 * float(info.max), 1.0, 0.0],
        "tiny": [float(info.tiny) / 4, -float(info.tiny) / 8, float(info.tiny) * 2, 0.0],
        "zero": [0.0, 0.0, 0.0, 0.0],
    }[kind]
    theta = np.array([1.0, -1.0, float(info.tiny) / 2, 0.5], dtype)
    theta, special = np.resize(theta, size), np.resize(np.array(values, dtype), size)
    gradients = [[g] for g in (np.ones(size, dtype), special, np.full(size, 0.5, dtype), special)]
    eps = float(info.tiny) / 16 if kind == "tiny" else 1e-8
    results = []
    for start in (0, 1):  # the special values as the first gradient, too
        copy = theta.copy()
        with np.errstate(all="ignore"):
            results += trajectory(factory, [copy], [copy], gradients[start:], lr=1e-3, eps=eps)
    return results


def large_theta(factory, dtype):
    """A theta of tens of thousands."""
    theta = np.array([30000.0, -20000.0], dtype)
    return trajectory(factory, [theta], [theta], [[np.ones(2, dtype)]], lr=0.1)


def many_run(factory, dtype):
    """A hundred and thirty parameters of one element each."""
    thetas, gradients = draw(dtype, [(1,)] * 130, 2)
    return trajectory(factory, thetas, thetas, gradients, lr=0.1)


def idle_run(factory, dtype):
    """Gradients that are all zero now and then, the norm decaying meanwhile."""
    thetas, gradients = draw(dtype, [(3,)], 6)
    for given in gradients[1::2]:
        given[0][...] = 0
    return trajectory(factory, thetas, thetas, gradients, lr=0.1, betas=(0.9, 0.5))


GROUPS: tuple[dict[str, Any], ...] = (
    {"lr": 0.1, "betas": (0.8, 0.9), "eps": 0.1, "weight_decay": 0.1, "maximize": True},
    {"lr": 0.2, "betas": (0.5, 0.6), "eps": 0.3, "weight_decay": 0.4},
)


def two_groups(dtype):
    """Two groups of equal shapes, each with its own options."""
    thetas, gradients = draw(dtype, [(3,), (3,), (3,), (3,)], 10)
    groups = [{"params": thetas[2 * index : 2 * index + 2]} | options for index, options in enumerate(GROUPS)]
    return groups, thetas, gradients


def partly_grouped(factory, dtype):
    """Two groups; the second leaves its options to the constructor."""
    groups, thetas, gradients = two_groups(dtype)
    groups[1] = {"params": groups[1]["params"]}
    return trajectory(factory, groups, thetas, gradients)


def group_run(factory, dtype):
    """Two groups."""
    groups, thetas, gradients = two_groups(dtype)
    return trajectory(factory, groups, thetas, gradients)


def schedule_run(factory, dtype):
    """Two groups whose learning rates rise and fall independently."""
    groups, thetas, gradients = two_groups(dtype)
    optimizer = factory(groups)
    result = []
    for t, given in enumerate(gradients):
        optimizer.param_groups[0]["lr"] = 0.1 / (1 + t % 4)
        optimizer.param_groups[1]["lr"] = 0.05 * (1 + t % 3)
        optimizer(given)
        result.append(snapshot(optimizer, thetas, given))
    return result


def scheduled_start(factory, dtype):
    """A run whose learning rate is set on the first group only."""
    groups, thetas, gradients = two_groups(dtype)
    optimizer = factory(groups)
    for t, given in enumerate(gradients):
        if t == 3:
            optimizer.param_groups[0]["lr"] = 0.5
        optimizer(given)
    return snapshot(optimizer, thetas, given)


def resumed_run(factory, dtype, start):
    """A run that is saved, goes on, and is resumed in a new optimizer."""
    shapes = [(3,), (3,)]
    thetas, gradients = draw(dtype, shapes, start + 4)
    optimizer = factory(thetas, lr=0.1, betas=(0.9995, 0.9))
    for given in gradients[:start]:
        optimizer(given)
    optimizer.param_groups[0]["lr"] = 0.05
    saved, then = optimizer.state_dict(), [theta.copy() for theta in thetas]
    optimizer(gradients[start])
    resumed = factory(then, lr=0.1, betas=(0.9995, 0.9))
    resumed.load_state_dict(saved)
    result = []
    for given in gradients[start:]:
        resumed(given)
        result.append(snapshot(resumed, then, given))
    return result


def run_twice(factory, dtype):
    """The second of two equal runs."""
    plain_run(factory, dtype, OPTIONS["decay"])
    return plain_run(factory, dtype, OPTIONS["decay"])


def clause(factory, dtype, tried):
    """The outcome of the constructor and a first step for one argument, and theta."""
    theta = np.array([1.5, -0.75], dtype)
    given = [np.array([0.5, -0.25], dtype)]
    made = outcome(lambda: factory([theta], **{tried.argument: tried.value}))
    before = theta.tobytes()
    if isinstance(made, str):
        return made, before
    return outcome(lambda: made(given)), before, theta.tobytes()


def signature(factory, _dtype):
    """The names, kinds and defaults of the constructor's arguments."""
    return str(inspect.signature(factory))


def positional(factory, dtype):
    """The outcome of a sixth positional argument."""
    return type(outcome(lambda: factory([np.ones(2, dtype)], 0.1, (0.9, 0.99), 1e-8, 0.0, True))).__name__


def probes() -> Iterator[tuple[str, Callable[[Any, Any], Any]]]:
    """Every probe by name, the quick ones first."""
    yield "signature", signature
    yield "positional", positional
    for name, options in OPTIONS.items():
        yield f"plain: {name}", lambda factory, dtype, options=options: plain_run(factory, dtype, options)
    for tried in CLAUSES:
        if not isinstance(tried.value, Params):
            yield f"clause: {tried.id}", lambda factory, dtype, tried=tried: clause(factory, dtype, tried)
    yield "from zero", from_zero
    yield "small steps", small_steps
    yield "idle", idle_run
    yield "large theta", large_theta
    yield "many", many_run
    yield "groups", group_run
    yield "partly grouped", partly_grouped
    yield "schedule", schedule_run
    yield "scheduled start", scheduled_start
    yield "run twice", run_twice
    for kind in ("nan", "infinite", "huge", "tiny", "zero"):
        yield f"special: {kind}", lambda factory, dtype, kind=kind: special_run(factory, dtype, kind)
        yield f"long: {kind}", lambda factory, dtype, kind=kind: special_run(factory, dtype, kind, 5001)
    for shape in ((), (1,), (9,), (2, 3, 2), (0, 3)):
        yield f"shape: {shape}", lambda factory, dtype, shape=shape: shaped_run(factory, dtype, shape)
    for layout in ("strided", "transposed", "reversed"):
        yield f"layout: {layout}", lambda factory, dtype, layout=layout: layout_run(factory, dtype, layout)
    for start in (3, 301, 2049):
        yield f"resumed at {start}", lambda factory, dtype, start=start: resumed_run(factory, dtype, start)
    yield "size 5001", lambda factory, dtype: sized_run(factory, dtype, 5001)
    yield "2100 steps", long_run
    yield "late", late_run


PROBES = dict(probes())


@functools.cache
def observe(factory, dtype, name):
    """The result of the probe of this name."""
    return outcome(lambda: PROBES[name](factory, dtype))


def first_difference(bug, right, dtype) -> str | None:
    """The name of the first probe whose results differ."""
    return next((name for name in PROBES if observe(bug, dtype, name) != observe(right, dtype, name)), None)
