"""The memory of m and u, and the stretches of memory that a step runs over.

A step updates large parameters in place. It gathers small ones into one buffer, updates them together and puts
them back: a call for each of ten thousand arrays would cost many times what their arithmetic does.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, pairwise, repeat
from operator import attrgetter, setitem
from typing import Any, Final

import numpy as np

from ...reference.hyperparameters import Hyperparameters
from .arrays import DTYPES, Array, WrittenMemory
from .kernel import Kernel
from .kernel_numpy import Job
from .step_scalars import StepScalars, step_scalars

_LARGE: Final = 1 << 14
"""Elements from which a parameter is updated in place: there a call costs a tenth of the arithmetic."""

_CHUNK: Final = 1 << 15
"""The elements of a strided array that a step gathers at a time."""

Operands = tuple[Array, Array, Array, Array]
"""Theta, gradient, m and u of one parameter."""

_UPDATED: Final = ["readwrite", "contig", "aligned"]
_READ: Final = ["readonly", "contig", "aligned"]
_FLAGS: Final[Any] = [_UPDATED, _READ, _UPDATED, _UPDATED]  # NumPy's stub has "config" for "contig"


@dataclass(frozen=True, eq=False)
class StoredParameter:
    """A parameter with its state.

    Attributes:
        index: its index among all parameters, and that of its gradient among all gradients.
        theta: the caller's array.
        m: of theta's shape and dtype.
        u: likewise.
    """

    index: int
    theta: Array
    m: Array
    u: Array


class ParameterPack:
    """Small parameters of one dtype, updated together."""

    def __init__(self, thetas: Mapping[int, Array], dtype: np.dtype[Any]) -> None:
        self.dtype = dtype
        self._indices = list(thetas)
        self._thetas = list(thetas.values())
        shapes = [theta.shape for theta in self._thetas]
        ends = list(accumulate((theta.size for theta in self._thetas), initial=0))
        self._theta, self._gradient, self._m, self._u = (np.zeros(ends[-1], dtype) for _ in range(4))

        def cut(flat: Array) -> list[Array]:
            return [flat[i:j].reshape(shape) for (i, j), shape in zip(pairwise(ends), shapes, strict=True)]

        self._updated = cut(self._theta)
        self.parameters = [
            StoredParameter(*each)
            for each in zip(self._indices, self._thetas, cut(self._m), cut(self._u), strict=True)
        ]

    def gather(self, gradients: Sequence[Array], scalars: StepScalars) -> Job:
        """Gather the parameters and gradients in copies, which `scatter` writes back."""
        np.concatenate(self._thetas, axis=None, out=self._theta)
        np.concatenate([gradients[i] for i in self._indices], axis=None, out=self._gradient)
        return Job(self._theta, self._gradient, self._m, self._u, scalars)

    def scatter(self) -> None:
        """Write the updated parameters to the caller's arrays."""
        put: Any = setitem  # its stub does not know arrays
        deque(map(put, self._thetas, repeat(...), self._updated), maxlen=0)


class LargeParameter:
    """One large parameter, updated in place."""

    def __init__(self, index: int, theta: Array) -> None:
        self.parameter = StoredParameter(
            index, theta, np.zeros_like(theta, order="K"), np.zeros_like(theta, order="K")
        )
        self._axes = sorted(range(theta.ndim), key=lambda axis: -abs(theta.strides[axis]))

    def operands(self, gradients: Sequence[Array], written: WrittenMemory) -> Operands:
        """Theta, gradient, m and u, with a copy of a gradient in written memory."""
        gradient = gradients[self.parameter.index]
        if written.overlaps(gradient):
            gradient = gradient.copy(order="K")
        return self.parameter.theta, gradient, self.parameter.m, self.parameter.u

    def flatten(self, arrays: Operands) -> Operands | None:
        """View the arrays in one dimension; None if their order in memory needs a copy."""
        ordered = [array.transpose(self._axes) for array in arrays]
        if not all(array.flags.c_contiguous and array.flags.aligned for array in ordered):
            return None
        theta, gradient, m, u = (array.reshape(-1) for array in ordered)
        return theta, gradient, m, u


@dataclass(frozen=True)
class StepWork:
    """One step of all groups, after reading and before writing.

    All reads come before all writes, so that a gradient may lie in a parameter's memory.

    Attributes:
        jobs: stretches of memory that a kernel runs over in place.
        packs: those to put back afterwards.
        strided: large arrays to gather and put back in chunks, with the scalars of their step.
    """

    jobs: list[Job] = field(default_factory=list)
    packs: list[ParameterPack] = field(default_factory=list)
    strided: list[tuple[Operands, StepScalars]] = field(default_factory=list)

    def take_step(self, run: Kernel) -> None:
        """Take the step with a kernel."""
        run(self.jobs)
        for pack in self.packs:
            pack.scatter()
        for arrays, scalars in self.strided:
            with np.nditer(
                arrays,
                flags=["external_loop", "buffered", "delay_bufalloc"],
                op_flags=_FLAGS,
                order="K",
                buffersize=_CHUNK,
            ) as chunks:
                chunks.reset()
                for theta, gradient, m, u in chunks:
                    run([Job(theta, gradient, m, u, scalars)])


class Storage:
    """The state of one group's parameters."""

    def __init__(self, thetas: Mapping[int, Array]) -> None:
        """Zero state for `thetas`, which are given by their index among all parameters."""
        small = {index: theta for index, theta in thetas.items() if theta.size < _LARGE}
        by_dtype = {
            dtype: {index: theta for index, theta in small.items() if theta.dtype == dtype}
            for dtype in DTYPES
        }
        self._dtypes = {theta.dtype for theta in thetas.values()}
        self._packs = [ParameterPack(members, dtype) for dtype, members in by_dtype.items() if members]
        self._large = [LargeParameter(index, theta) for index, theta in thetas.items() if index not in small]

    def parameters(self) -> list[StoredParameter]:
        """The parameters with their state, in their order."""
        everything = [each for pack in self._packs for each in pack.parameters]
        return sorted(everything + [large.parameter for large in self._large], key=attrgetter("index"))

    def read(
        self,
        gradients: Sequence[Array],
        hyperparameters: Hyperparameters,
        t: int,
        written: WrittenMemory,
        work: StepWork,
    ) -> None:
        """Add this group's step t to `work`."""
        scalars = {dtype: step_scalars(hyperparameters, t, dtype) for dtype in self._dtypes}
        for pack in self._packs:
            work.jobs.append(pack.gather(gradients, scalars[pack.dtype]))
            work.packs.append(pack)
        for large in self._large:
            arrays = large.operands(gradients, written)
            own = scalars[arrays[0].dtype]
            if flat := large.flatten(arrays):
                work.jobs.append(Job(*flat, own))
            else:
                work.strided.append((arrays, own))
