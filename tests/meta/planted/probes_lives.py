"""Probes for planted bugs that show only in some life: one for each family."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable, Iterator
from typing import Any, Final

import numpy as np
from adamax_conformance.tests.meta.planted.probes import draw, group_run, outcome, shaped_run


def numbers(optimizer, thetas) -> bytes:
    """The bytes of theta, and of m and u if they are shown."""
    hidden = optimizer.family == "hidden" if hasattr(optimizer, "family") else False
    arrays = thetas if hidden else (*thetas, *optimizer.m, *optimizer.u)
    return b"".join(np.ascontiguousarray(x).tobytes() for x in arrays)


def steps(optimizer, thetas, gradients) -> Iterator[bytes]:
    """The numbers after each step."""
    for given in gradients:
        optimizer(given)
        yield numbers(optimizer, thetas)


def shape_runs(factory, dtype):
    return [shaped_run(factory, dtype, shape) for shape in ((2, 3, 3, 3), (3, 5), (2, 3, 4), (5, 3))]


def size_runs(factory, dtype):
    result = []
    for size in (192, 1025, 2**15 + 8, 2**17 + 3):
        thetas, gradients = draw(dtype, [(size,)], 2)
        result += steps(factory(thetas, lr=0.1, eps=0.25, weight_decay=0.1), thetas, gradients)
    return result


def number_runs(factory, dtype):
    thetas, gradients = draw(dtype, [(2,)] * 600, 2)
    many = list(steps(factory(thetas, lr=0.1, betas=(0.5, 0.5)), thetas, gradients))
    thetas, gradients = draw(dtype, [(2,)] * 20, 2)
    groups = [{"params": [theta], "lr": 0.1 + index / 100} for index, theta in enumerate(thetas)]
    optimizer = factory(groups)
    first = list(steps(optimizer, thetas, gradients))
    for group in optimizer.param_groups:
        group["lr"] = 0.5
    return many, first, list(steps(optimizer, thetas, gradients))


def counter_runs(factory, dtype):
    result = []
    for count in (4000, 4094, 2**16 - 2):
        thetas, gradients = draw(dtype, [(3,)], 6)
        optimizer = factory(thetas, lr=0.1, betas=(0.8, 0.5))
        list(steps(optimizer, thetas, gradients))
        optimizer.load_state_dict(optimizer.state_dict() | {"step": count})
        result += steps(optimizer, thetas, gradients)
    return result


def memory_runs(factory, dtype):
    thetas, gradients = draw(dtype, [(3, 5), (4,), (4,)], 3)
    gradients[0][0] = np.asfortranarray(gradients[0][0])
    gradients[1][1] = np.broadcast_to(gradients[1][1][:1], (4,))
    gradients[2][2] = gradients[2][1]
    optimizer = factory(thetas, lr=0.1, betas=(0.5, 0.5))
    result = list(steps(optimizer, thetas, gradients))
    optimizer([gradients[0][0], gradients[0][1], thetas[1]])
    wide, gradients = draw(dtype, [(80,)], 3)
    strided = [wide[0][::2]]
    gradients = [[g[:40]] for (g,) in gradients]
    return *result, numbers(optimizer, thetas), *steps(factory(strided, lr=0.1), strided, gradients)


def identity_runs(factory, dtype):
    (arena,), gradients = draw(dtype, [(9,)], 3)
    neighbours = [arena[:3], arena[3:6], arena[6:]]
    apart = [np.ones(3, dtype) for _ in range(3)]
    given = [[g[:3], g[3:6], g[6:]] for (g,) in gradients]
    return (
        list(steps(factory(neighbours, lr=0.1), neighbours, given)),
        list(steps(factory(apart, lr=0.1), apart, given)),
        group_run(factory, dtype),
    )


def input_runs(factory, dtype):
    thetas, gradients = draw(dtype, [(3,), (3,)], 2)
    of_generator = outcome(lambda: list(steps(factory(t for t in thetas), thetas, gradients)))
    dicts = [{"params": [theta], "lr": 0.1} for theta in thetas]
    optimizer = factory(each for each in dicts)
    of_groups = outcome(lambda: list(steps(optimizer, thetas, gradients)))
    factory(dicts)
    mixed = [thetas[0].astype(np.float32), thetas[1].astype(np.float64)]
    gradients = [[a.astype(np.float32), b.astype(np.float64)] for a, b in gradients]
    of_mixed = list(steps(factory(mixed, lr=0.1), mixed, gradients))
    wide = [[g.astype(np.float64) for g in given] for given in gradients]
    of_wide = list(steps(factory(mixed, lr=0.1), mixed, wide))
    three = [thetas[0].astype(each) for each in ("float16", "float32", "float64")]
    optimizer = factory(three, lr=0.1)
    given = [theta.copy() for theta in three]
    optimizer(given)
    optimizer.param_groups[0]["lr"] = 0.5
    optimizer(given)
    of_three = numbers(optimizer, three)
    return of_generator, of_groups, of_mixed, of_wide, of_three, [sorted(each) for each in dicts]


def option_runs(factory, dtype):
    result = []
    for lr in (0.1 * (1 + 2.0**-15), 1e-9, 2, np.array(0.3)):
        thetas, gradients = draw(dtype, [(64,)], 4)
        thetas[0] *= dtype.type(2.0**-10)
        optimizer = factory(thetas, lr=0.1)
        list(steps(optimizer, thetas, gradients))
        optimizer.param_groups[0]["lr"] = lr
        result += [*steps(optimizer, thetas, gradients[:1]), optimizer.options_of(0)["lr"]]
    return result


def checkpoint_runs(factory, dtype):
    thetas, gradients = draw(dtype, [(3,), (3,)], 4)
    optimizer = factory(thetas, lr=0.1, betas=(0.8, 0.5))
    result = list(steps(optimizer, thetas, gradients))
    result.append(outcome(lambda: optimizer(gradients[0][:1])))
    result += steps(optimizer, thetas, gradients)
    saved = optimizer.state_dict()
    for used in (optimizer, copy.deepcopy(optimizer), pickle.loads(pickle.dumps(optimizer))):
        own = [theta for _, theta in used.indexed_parameters()]
        result += steps(used, own, [[4 * g for g in given] for given in gradients])
        used.load_state_dict(saved)
        used.load_state_dict(saved)
        result += steps(used, own, gradients)
    return result, [u.tobytes() for u in saved["exp_inf"]]


def domain_runs(factory, dtype):
    result = []
    options: tuple[dict[str, Any], ...] = (
        {"weight_decay": 2.5},
        {"weight_decay": 2e-5},
        {"eps": 3.0},
        {"betas": (0.9995, 0.9)},
        {"betas": (0.0015, 0.9)},
    )
    for each in options:
        thetas, gradients = draw(dtype, [(8,)], 12)
        thetas[0] *= dtype.type(100)
        result += steps(factory(thetas, lr=0.1, **each), thetas, gradients)
    return result


def context_runs(factory, dtype):
    result = []
    for value in (np.nan, np.inf):
        for options in ({}, {"weight_decay": 0.1}, {"maximize": True}):
            thetas, gradients = draw(dtype, [(3,), (2, 3)], 4)
            gradients[1][1][1, 1] = value
            gradients[3][0][1] = value
            result += steps(factory(thetas, lr=0.1, **options), thetas, gradients)
    for value in (-np.inf, np.finfo(dtype).max / 4):
        thetas, gradients = draw(dtype, [(3,), (30,), (2, 2, 2)], 3)
        for given in gradients[1]:
            given.flat[1] = value
        thetas[1][2] = value
        result += steps(factory(thetas, lr=0.1), thetas, gradients)
    return result


def place_runs(factory, dtype):
    thetas, gradients = draw(dtype, [(5001,)], 3)
    result = list(steps(factory(thetas, lr=0.1), thetas, gradients))
    thetas[0] *= dtype.type(30000)
    return result, list(steps(factory(thetas, lr=1e4), thetas, gradients))


def hidden_runs(factory, dtype):
    thetas, gradients = draw(dtype, [(64,), (64,)], 40)
    for theta in thetas:
        theta[...] = 0
    return [theta.tobytes() for _ in steps(factory(thetas, lr=0.1), thetas, gradients) for theta in thetas]


LIFE_PROBES: Final[dict[str, Callable[[Any, Any], Any]]] = {
    "shape": shape_runs,
    "size": size_runs,
    "number": number_runs,
    "counter": counter_runs,
    "memory": memory_runs,
    "identity": identity_runs,
    "input": input_runs,
    "option": option_runs,
    "checkpoint": checkpoint_runs,
    "domain": domain_runs,
    "context": context_runs,
    "place": place_runs,
    "hidden": hidden_runs,
}
"""The probe of each family."""
