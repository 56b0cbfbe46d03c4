"""Wrong for some layout: strides, transposition, 0-d, tails, blocks, large arrays."""

from __future__ import annotations

import numpy as np
from adamax_conformance.tests.meta.planted.arithmetic import coarsen
from adamax_conformance.tests.meta.planted.base import Adamax


class LayoutBug(Adamax):
    """Right for most arrays."""

    family = "layout"


class ElementsSkipped(LayoutBug):
    """The elements that `skip_mask` names keep theta, m and u."""

    def advance(self, theta, m, u, g, scalars):
        skipped = self.skip_mask(theta.size).reshape(theta.shape)
        news = super().advance(theta, m, u, g, scalars)
        return tuple(np.where(skipped, old, new) for old, new in zip((theta, m, u), news, strict=True))

    def skip_mask(self, size):
        """A mask over the elements in row-major order."""
        raise NotImplementedError


class NonContiguousNotUpdated(LayoutBug):
    """A theta that is not contiguous is updated in a copy, which is lost."""

    def store(self, index, theta, new_theta, m, u):
        super().store(index, theta if theta.flags.c_contiguous else theta.copy(), new_theta, m, u)


class NonContiguousThetaRaises(LayoutBug):
    """A theta that is not contiguous is refused."""

    def visit(self, index, group_index, theta, g):
        if not theta.flags.c_contiguous:
            raise TypeError("theta must be contiguous")
        super().visit(index, group_index, theta, g)


class TransposedGradientReadInMemoryOrder(LayoutBug):
    """The gradient is read in the order of its memory, whatever theta's is."""

    def ascent(self, g, scalars):
        return super().ascent(g.ravel(order="K").reshape(g.shape), scalars)


class TransposedStateMisplaced(LayoutBug):
    """m is stored in the order of theta's memory and read back in row-major order."""

    def store(self, index, theta, new_theta, m, u):
        misplaced = theta.ndim > 1 and theta.flags.f_contiguous and not theta.flags.c_contiguous
        m = np.asarray(m)
        super().store(index, theta, new_theta, m.ravel(order="F").reshape(m.shape) if misplaced else m, u)


class ReversedReadForward(LayoutBug):
    """A negative stride is read as a positive one."""

    def ascent(self, g, scalars):
        return super().ascent(g[::-1] if g.ndim and g.strides[0] < 0 else g, scalars)


class StridedReadDense(LayoutBug):
    """A strided gradient is read as if its elements were neighbours."""

    def ascent(self, g, scalars):
        step = g.strides[-1] // g.itemsize if g.ndim == 1 and g.size > 1 else 1
        if step > 1 and g.base is not None and g.base.ndim == 1:
            g = g.base[: g.size]
        return super().ascent(g, scalars)


class ZeroDimensionalNotUpdated(LayoutBug):
    """A 0-d theta is replaced by a new number, which is lost."""

    def store(self, index, theta, new_theta, m, u):
        super().store(index, theta if theta.ndim else theta.copy(), new_theta, m, u)


class ZeroDimensionalWithoutDecay(LayoutBug):
    """weight_decay spares 0-d parameters."""

    def decayed_gradient(self, theta, g, scalars):
        return super().decayed_gradient(theta, g, scalars) if theta.ndim else g


class VectorsWithoutDecay(LayoutBug):
    """weight_decay spares parameters of one dimension, as if they were biases."""

    def decayed_gradient(self, theta, g, scalars):
        return g if theta.ndim == 1 else super().decayed_gradient(theta, g, scalars)


class MatrixNormOfRows(LayoutBug):
    """In arrays of two and more dimensions, the norm is that of the row."""

    def norm(self, u, g, scalars):
        if g.ndim > 1:
            g = np.broadcast_to(np.max(np.abs(g), axis=-1, keepdims=True, initial=0), g.shape)
        return super().norm(u, g, scalars)


class EmptyRaises(LayoutBug):
    """An array without elements is refused."""

    def visit(self, index, group_index, theta, g):
        if theta.size == 0:
            raise IndexError("index 0 is out of bounds for axis 0 with size 0")
        super().visit(index, group_index, theta, g)


class SingleElementWithoutBiasCorrection(LayoutBug):
    """An array of one element goes by a path that forgot the bias correction."""

    def update(self, theta, m, u, scalars):
        if theta.size != 1:
            return super().update(theta, m, u, scalars)
        return theta - np.where(m == 0, m, scalars.lr * (m / u))


class TailSkipped(ElementsSkipped):
    """The elements after the last whole vector of eight are not updated."""

    def skip_mask(self, size):
        return np.arange(size) >= size - size % 8 if size > 8 else np.zeros(size, bool)


class LastElementSkipped(ElementsSkipped):
    """The last element is not updated if the length is not a multiple of 8."""

    def skip_mask(self, size):
        return (np.arange(size) == size - 1) & (size > 1 and size % 8 != 0)


class BeyondBlockSkipped(ElementsSkipped):
    """Only the first 4096 elements are updated."""

    def skip_mask(self, size):
        return np.arange(size) >= 4096


class BlockBoundarySkipped(ElementsSkipped):
    """The first element of every block of 1024 but the first is not updated."""

    def skip_mask(self, size):
        indices = np.arange(size)
        return (indices > 0) & (indices % 1024 == 0)


class LastOfTailCoarse(LayoutBug):
    """The last element steps 16 unit roundoffs too far if 8 does not divide the size."""

    def step(self, m, u, scalars):
        right = np.array(super().step(m, u, scalars))
        if right.size % 8:
            right.flat[-1] = coarsen(right.flat[-1])
        return right


class LargeArraysDropTinyGradients(LayoutBug):
    """Above 4096 elements, a gradient below the root of the smallest counts as zero."""

    def ascent(self, g, scalars):
        right = super().ascent(g, scalars)
        limit = g.dtype.type(float(np.finfo(g.dtype).tiny) ** 0.5)
        return np.where(np.abs(right) < limit, np.zeros_like(right), right) if right.size > 4096 else right


class LargeArraysDropNaN(LayoutBug):
    """In arrays of more than 4096 elements, the maximum drops a NaN."""

    def norm(self, u, g, scalars):
        size = np.abs(g) + scalars.eps
        return (np.fmax if size.size > 4096 else np.maximum)(scalars.beta2 * u, size)


class LargeArraysCoarse(LayoutBug):
    """In arrays above 4096 elements the moment is 16 unit roundoffs off."""

    def first_moment(self, m, g, scalars):
        right = super().first_moment(m, g, scalars)
        return coarsen(right) if right.size > 4096 else right


class LargeArraysWithoutDecayedNorm(LayoutBug):
    """In arrays above 4096 elements the norm does not decay."""

    def norm(self, u, g, scalars):
        return np.maximum(u, np.abs(g) + scalars.eps) if u.size > 4096 else super().norm(u, g, scalars)


class BlocksCarryNorm(LayoutBug):
    """From the second block of 1024 on, an element takes the norm of the block before."""

    def norm(self, u, g, scalars):
        right = super().norm(u, g, scalars)
        if right.size <= 1024:
            return right
        flat = right.ravel()
        return np.concatenate([flat[:1024], flat[:-1024]]).reshape(right.shape)


BUGS = (
    NonContiguousNotUpdated,
    NonContiguousThetaRaises,
    TransposedGradientReadInMemoryOrder,
    TransposedStateMisplaced,
    ReversedReadForward,
    StridedReadDense,
    ZeroDimensionalNotUpdated,
    ZeroDimensionalWithoutDecay,
    VectorsWithoutDecay,
    MatrixNormOfRows,
    EmptyRaises,
    SingleElementWithoutBiasCorrection,
    TailSkipped,
    LastElementSkipped,
    BeyondBlockSkipped,
    BlockBoundarySkipped,
    LastOfTailCoarse,
    LargeArraysDropTinyGradients,
    LargeArraysDropNaN,
    LargeArraysCoarse,
    LargeArraysWithoutDecayedNorm,
    BlocksCarryNorm,
)
