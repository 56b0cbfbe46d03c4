"""The layouts of arrays in memory, which do not change the bits."""

from __future__ import annotations

import tracemalloc
from itertools import product

import numpy as np
import pytest
from adamax_conformance.impl import Adamax
from adamax_conformance.impl.adamax.arrays import WrittenMemory, memory_span
from adamax_conformance.tests.meta.impl.drawing import both_dtypes, same

SHAPES = {"small": (6, 8), "large": (120, 301), "larger than a chunk": (250, 401)}


def contiguous(values):
    return values.copy()


def strided(values):
    wide = np.zeros((*values.shape[:-1], 2 * values.shape[-1]), values.dtype)
    view = wide[..., ::2]
    view[...] = values
    return view


def transposed(values):
    return np.asfortranarray(values)


def rows_of_a_wider_array(values):
    wide = np.zeros((values.shape[0], values.shape[1] + 3), values.dtype)
    view = wide[:, 1:-2]
    view[...] = values
    return view


def reversed_rows(values):
    return values[::-1].copy()[::-1]


def unaligned(values):
    raw = np.zeros(values.nbytes + 1, np.uint8)[1:]
    view = raw.view(values.dtype).reshape(values.shape)
    view[...] = values
    return view


LAYOUTS = (contiguous, strided, transposed, rows_of_a_wider_array, reversed_rows, unaligned)


def trajectory(values, gradients, layout=contiguous, gradient_layout=contiguous):
    theta = layout(values)
    optimizer = Adamax([theta], lr=0.1, weight_decay=0.01)
    for gradient in gradients:
        optimizer((gradient_layout(gradient),))
    return theta, *optimizer.exp_avg, *optimizer.exp_inf


@both_dtypes
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize(("layout", "gradient_layout"), list(product(LAYOUTS, LAYOUTS)))
def test_the_layout_does_not_change_the_bits(dtype, shape, layout, gradient_layout):
    rng = np.random.default_rng(1)
    values = rng.standard_normal(shape).astype(dtype)
    gradients = rng.standard_normal((2, *shape)).astype(dtype)
    expected = trajectory(values, gradients)
    assert all(map(same, trajectory(values, gradients, layout, gradient_layout), expected))


@both_dtypes
@pytest.mark.parametrize("axes", [(0, 1, 2), (2, 0, 1), (1, 2, 0), (2, 1, 0), (0, 2, 1)])
def test_any_order_of_axes_gives_the_same_bits(dtype, axes):
    rng = np.random.default_rng(2)
    values = rng.standard_normal((30, 1, 700)).astype(dtype)
    gradients = rng.standard_normal((2, 30, 1, 700)).astype(dtype)
    inverse = np.argsort(axes)

    def layout(array):
        return array.transpose(axes).copy().transpose(inverse)

    for gradient_layout in (layout, contiguous):
        assert all(
            map(same, trajectory(values, gradients, layout, gradient_layout), trajectory(values, gradients))
        )


@both_dtypes
def test_splitting_a_parameter_does_not_change_the_bits(dtype):
    rng = np.random.default_rng(3)
    values = rng.standard_normal(60_000).astype(dtype)
    gradients = rng.standard_normal((3, 60_000)).astype(dtype)
    whole, parts = values.copy(), values.copy()
    cuts = [7, 50, 20_000, 20_000, 59_999]
    optimizer, split = Adamax([whole]), Adamax(np.split(parts, cuts))
    for gradient in gradients:
        optimizer((gradient,))
        split(tuple(np.split(gradient, cuts)))
    assert same(whole, parts)


@both_dtypes
def test_0d_and_empty_arrays_and_both_dtypes_are_optimized_together(dtype):
    other = np.dtype(np.float64 if dtype == np.float32 else np.float32)
    thetas = [np.ones((), dtype), np.ones((0, 3), dtype), np.ones(20_000, other), np.ones((2, 2), other)]
    Adamax(thetas, lr=0.5, eps=1e-20)(tuple(np.ones_like(theta) for theta in thetas))
    assert all(np.all(theta == 0.5) for theta in thetas)


def test_a_numpy_scalar_is_the_gradient_of_a_0d_parameter():
    theta = np.ones((), np.float32)
    Adamax([theta], lr=0.5, eps=1e-20)((np.float32(1),))
    assert theta == 0.5


@both_dtypes
@pytest.mark.parametrize("size", [10, 40_000])
def test_gradients_may_lie_in_the_memory_of_parameters(dtype, size):
    """The gradients of the product of two parameters are the parameters, crosswise."""
    rng = np.random.default_rng(5)
    one, other = (rng.standard_normal(size).astype(dtype) for _ in range(2))
    expected = [one.copy(), other.copy()]
    Adamax(expected, lr=0.1)((other.copy(), one.copy()))
    Adamax([one, other], lr=0.1)((other, one))
    assert same(one, expected[0])
    assert same(other, expected[1])


@both_dtypes
@pytest.mark.parametrize("size", [10, 40_000])
def test_a_gradient_may_lie_in_the_memory_of_the_state(dtype, size):
    values = np.linspace(-1, 1, size).astype(dtype)
    results = []
    for view in (lambda m: m.copy(), lambda m: m):
        theta = values.copy()
        optimizer = Adamax([theta], lr=0.1)
        optimizer((values,))
        optimizer((view(optimizer.exp_avg[0][::-1]),))
        results.append(theta)
    assert same(*results)


@both_dtypes
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("size", [(3, 4), (130, 301)])
def test_gradients_are_left_as_they_came(dtype, layout, size):
    gradient = layout(np.random.default_rng(6).standard_normal(size).astype(dtype))
    gradient.flags.writeable = False
    before = gradient.copy()
    Adamax([np.ones(size, dtype)], weight_decay=0.1, maximize=True)((gradient,))
    assert same(gradient, before)


@pytest.mark.parametrize("layout", [contiguous, transposed, strided])
def test_a_step_allocates_nothing_that_grows_with_the_arrays(layout):
    """Both sizes are above every block and chunk, so that only what grows can differ."""

    def high_water_mark(rows: int) -> int:
        theta = layout(np.ones((rows, 1000)))
        gradient = layout(np.ones((rows, 1000)))
        small = [np.ones(100) for _ in range(10)]
        optimizer = Adamax([theta, *small])
        gradients = (gradient, *(np.ones(100) for _ in range(10)))
        optimizer(gradients)
        tracemalloc.start()
        optimizer(gradients)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    one_row = 1000 * 8
    assert abs(high_water_mark(600) - high_water_mark(200)) < one_row


@both_dtypes
@pytest.mark.parametrize("size", [10, 40_000])
def test_a_gradient_may_lie_in_memory_of_the_parameters_that_numpy_did_not_allocate(dtype, size):
    values = np.linspace(-1, 1, size).astype(dtype)
    results = []
    for share in (False, True):
        memory = bytearray(values.tobytes())
        theta = np.frombuffer(memory, dtype)
        gradient = np.frombuffer(memory if share else bytes(memory), dtype)[::-1]
        optimizer = Adamax([theta], lr=0.1)
        optimizer((gradient,))
        results.append(theta)
    assert same(*results)


@both_dtypes
def test_what_a_step_writes_overlaps_views_of_its_own_arrays_alone(dtype):
    base = np.zeros(1000, dtype)
    other = np.zeros(1000, dtype)
    written = WrittenMemory([base[100:200], np.zeros(5, dtype)])
    overlapping = (base, base[199:], base[:101], base[150:160][::-1], base.reshape(10, 100))
    assert all(map(written.overlaps, overlapping))
    assert not any(map(written.overlaps, (other, other[5:], base[200:], base[:100])))


@both_dtypes
@pytest.mark.parametrize("shape", [(20_000,), (200, 300), (1 << 20,)])
def test_theta_m_and_u_begin_far_apart_within_a_page(dtype, shape):
    theta = np.zeros(shape, dtype)
    optimizer = Adamax([theta])
    arrays = (theta, optimizer.exp_avg[0], optimizer.exp_inf[0])
    starts = sorted(memory_span(array).start % 4096 for array in arrays)
    assert all((b - a) % 4096 > 1000 for a, b in zip(starts, starts[1:] + starts[:1], strict=True))


@both_dtypes
@pytest.mark.parametrize("size", [10, 40_000])
def test_a_parameter_that_became_read_only_is_refused_and_nothing_changes(dtype, size):
    theta = np.ones(size, dtype)
    optimizer = Adamax([theta])
    theta.flags.writeable = False
    with pytest.raises(ValueError, match="parameter 0 is read-only"):
        optimizer((np.ones(size, dtype),))
    assert (optimizer.t, optimizer.group_steps) == (0, [0])
    assert all(np.all(array == 0) for array in optimizer.exp_avg + optimizer.exp_inf)
