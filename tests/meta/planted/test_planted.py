"""Planted bugs are bugs, faithful variants are faithful, and the lists complete."""

from __future__ import annotations

import functools
import inspect

import numpy as np
import pytest
from adamax_conformance.tests.meta.planted import (
    BUGS,
    FAITHFUL,
    bugs_bookkeeping,
    bugs_contract,
    bugs_formula,
    bugs_layout,
    bugs_lives,
    bugs_places,
    bugs_precision,
    bugs_scale,
    bugs_side_effects,
    bugs_special,
    faithful,
)
from adamax_conformance.tests.meta.planted.base import Adamax
from adamax_conformance.tests.meta.planted.exact import Run, excess
from adamax_conformance.tests.meta.planted.probes import OPTIONS, draw, first_difference
from adamax_conformance.tests.meta.planted.probes_lives import LIFE_PROBES
from adamax_conformance.tests.meta.sampling import crossed

MODULES = (
    bugs_formula,
    bugs_precision,
    bugs_special,
    bugs_bookkeeping,
    bugs_layout,
    bugs_side_effects,
    bugs_contract,
    bugs_scale,
    bugs_lives,
    bugs_places,
    faithful,
)
DTYPES = ("float16", "float32", "float64")
USUAL_FAMILIES = {"formula", "precision", "special", "bookkeeping", "layout", "side-effects", "contract"}


def each(classes):
    """The classes as parameters: what holds in every dtype is one test."""
    return [pytest.param(planted, id=planted.name) for planted in classes]


@functools.cache
def runs(dtype):
    """Runs that show a wrong formula or a coarse number: from zero, small steps, late."""
    result = []
    # `excess` counts unit roundoffs. The bounds' own tests cover moments that underflow.
    normal = [o for o in OPTIONS.values() if 1 - o.get("betas", (0.9,))[0] >= np.finfo(dtype).tiny]
    for options in (
        *normal,
        {"lr": 0.7, "betas": (0.7, 0.8), "eps": 0.3, "weight_decay": 0.1},
        {"lr": float(np.finfo(dtype).eps) * 4},
    ):
        thetas, gradients = draw(dtype, [(3,)], 12)
        result.append(Run(thetas[0], [g for (g,) in gradients], options))
        result.append(Run(np.zeros_like(thetas[0]), [g for (g,) in gradients], options))
    thetas, gradients = draw(dtype, [(2,)], 1003)
    late = frozenset({1, 2, 11, 257, 1003})
    result.append(Run(thetas[0], [g for (g,) in gradients], {"lr": 0.5, "betas": (0.999, 0.9)}, late))
    first_gradient = [np.zeros(4, dtype)] * 1000 + [np.array([0.1, 0.4, 0.7, 1], dtype)]
    late_options = ({"lr": 0.1, "eps": 0.01}, {"lr": 0.1, "betas": (0.999, 0.9)})
    result += [Run(np.zeros(4, dtype), first_gradient, o, frozenset({1001})) for o in late_options]
    return result


def listed_classes(module):
    return set(getattr(module, "BUGS", None) or module.FAITHFUL)


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__.rsplit(".", 1)[-1])
def test_every_class_that_nothing_derives_from_is_listed(module):
    classes = {c for _, c in inspect.getmembers(module, inspect.isclass) if c.__module__ == module.__name__}
    derived = {c for c in classes if issubclass(c, Adamax)}
    leaves = {c for c in derived if not any(issubclass(other, c) and other is not c for other in derived)}
    assert leaves <= listed_classes(module)


def test_there_are_enough_of_them_over_every_family():
    assert len(BUGS) >= 60
    assert len(FAITHFUL) >= 20
    assert {bug.family for bug in BUGS} == USUAL_FAMILIES | LIFE_PROBES.keys()


@pytest.mark.parametrize("family", LIFE_PROBES)
def test_each_kind_of_life_has_at_least_three_bugs(family):
    assert sum(bug.family == family and "float32" in bug.dtypes for bug in BUGS) >= 3


def test_names_are_unique_and_each_has_a_docstring_of_its_own():
    planted = (*BUGS, *FAITHFUL)
    assert len({p.name for p in planted}) == len(planted)
    assert all("__doc__" in vars(p) and p.__doc__ and "\n" not in p.__doc__ for p in planted)


@functools.cache
def observe_life(factory, dtype, family):
    with np.errstate(all="ignore"):
        return LIFE_PROBES[family](factory, dtype)


@pytest.mark.parametrize("bug", each(BUGS))
def test_a_bug_differs_from_the_right_optimizer(bug):
    for dtype in map(np.dtype, bug.dtypes):
        if bug.family in LIFE_PROBES:
            right = observe_life(Adamax, dtype, bug.family)
            assert observe_life(bug, dtype, bug.family) != right, dtype
        else:
            assert first_difference(bug, Adamax, dtype) is not None, dtype


@pytest.mark.parametrize("bug", each(bugs_formula.BUGS + bugs_precision.BUGS))
def test_a_wrong_formula_or_precision_is_beyond_what_rounding_explains(bug):
    for dtype in map(np.dtype, bug.dtypes):
        with np.errstate(all="ignore"):
            assert any(excess(bug, run) > 1 for run in runs(dtype)), dtype


def has_overflowing_reciprocal(run):
    """Tell whether 1/((1 - beta1)*u) leaves the format, which BOUNDS.md leaves open."""
    first_norms = np.abs(run.gradients[0].astype(np.float64)) + run.options.get("eps", 1e-8)
    divisor = (1 - run.options.get("betas", (0.9,))[0]) * first_norms.min()
    return divisor * np.finfo(run.theta.dtype).max < 1


@pytest.mark.parametrize(
    ("variant", "dtype"),
    [(variant, dtype) for variant, dtype in crossed(FAITHFUL, DTYPES, of=3) if dtype in variant.dtypes],
    ids=lambda value: getattr(value, "name", value),
)
def test_a_faithful_variant_stays_within_what_rounding_explains(variant, dtype):
    judged = runs(np.dtype(dtype))
    if variant is faithful.ReciprocalOfNorm:
        judged = [run for run in judged if not has_overflowing_reciprocal(run)]
        assert len(judged) > len(runs(np.dtype(dtype))) / 2
    assert max(excess(variant, run, variant.form, variant.scalars) for run in judged) <= 1


@pytest.mark.parametrize("variant", each(FAITHFUL))
def test_a_faithful_variant_makes_a_nan_gradient_show(variant):
    for dtype in DTYPES:
        theta = np.array([1.0, 2.0], dtype)
        optimizer = variant([theta])
        optimizer([np.array([np.nan, 1.0], dtype)])
        state = getattr(optimizer, "_optimizer", optimizer)
        found = [np.isnan(x).tolist() for x in (theta, state.m[0], state.u[0])]
        assert found == [[True, False]] * 3, dtype


@pytest.mark.parametrize("variant", each(FAITHFUL))
def test_a_faithful_variant_leaves_theta_alone_at_a_zero_gradient_from_the_start(variant):
    for dtype in DTYPES:
        theta = np.array([1.0, -0.0, 0.0], dtype)
        before = theta.tobytes()
        variant([theta])([np.zeros(3, dtype)])
        assert theta.tobytes() == before, dtype
