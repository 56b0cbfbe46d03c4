"""The memory of m and u, and the stretches of memory that a step runs over.

A step updates large parameters in place. It gathers small ones into one buffer, updates them together and puts
them back: a call for each of ten thousand arrays would cost many times what their arithmetic does.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise, repeat
from operator import attrgetter, setitem
from typing import Any, Final

import numpy as np

from ...reference.hyperparameters import DEFAULTS
from .arrays import DTYPES, Array, WrittenMemory, memory_span
from .kernel import Kernel
from .kernel_numpy import Job
from .options import CheckedOptions
from .step_scalars import ScalarSequence, StepScalars

_LARGE: Final = 1 << 12
"""Elements from which a parameter is updated in place: there a call costs less than three copies."""

_CHUNK: Final = 1 << 15
"""The elements of a strided array that a step gathers at a time."""

_PAGE: Final = 4096
"""Bytes: addresses that agree modulo this look the same to a processor that orders loads and stores."""

_CACHE_LINE: Final = 64

_APART: Final = 1088
"""Bytes between the beginnings of arrays, modulo a page: about a quarter of one, in whole cache lines."""

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


def _allocate_apart(sizes: Sequence[int], dtype: np.dtype[Any], near: Array | None = None) -> list[Array]:
    """Flat arrays of zeros that begin at different offsets within a page.

    Large arrays all begin at the same offset where the operating system maps each. There a processor takes the
    store to one array for the bytes that it loads next from another, and waits: a step takes four times as long.

    Args:
        sizes: in elements.
        dtype: of all.
        near: an array to keep apart from too.
    """
    arrays = []
    first = 0 if near is None else memory_span(near).start
    for i, size in enumerate(sizes, start=0 if near is None else 1):
        nbytes = size * dtype.itemsize
        memory = np.zeros(nbytes + _PAGE, np.uint8)
        wanted = -(-first // _CACHE_LINE) * _CACHE_LINE + i * _APART
        start = (wanted - memory_span(memory).start) % _PAGE
        arrays.append(memory[start : start + nbytes].view(dtype))
    return arrays


def _require_writeable(stored: StoredParameter) -> None:
    if not stored.theta.flags.writeable:
        raise ValueError(f"parameter {stored.index} is read-only; it was writeable when it was added")


def _is_flat(array: Array) -> bool:
    flags = array.flags
    return flags.c_contiguous and flags.aligned


class ParameterPack:
    """Small parameters of one dtype, updated together.

    Attributes:
        dtype: of all.
        parameters: in their order, with their state.
        in_place: whether there is a single one, which a kernel can update where it is: there is nothing to scatter.
    """

    def __init__(self, thetas: Mapping[int, Array], dtype: np.dtype[Any]) -> None:
        self.dtype = dtype
        self._indices = list(thetas)
        self._thetas = list(thetas.values())
        shapes = [theta.shape for theta in self._thetas]
        ends = list(accumulate((theta.size for theta in self._thetas), initial=0))
        self.in_place = len(self._thetas) == 1 and _is_flat(self._thetas[0])
        number, near = (3, self._thetas[0]) if self.in_place else (4, None)
        self._m, self._u, self._gradient, *gathered = _allocate_apart([ends[-1]] * number, dtype, near)

        def cut(flat: Array) -> list[Array]:
            return [flat[i:j].reshape(shape) for (i, j), shape in zip(pairwise(ends), shapes, strict=True)]

        self._theta = self._thetas[0].reshape(-1) if self.in_place else gathered[0]
        self._shaped_gradients = cut(self._gradient)
        self._updated = cut(self._theta)
        self.parameters = [
            StoredParameter(*each)
            for each in zip(self._indices, self._thetas, cut(self._m), cut(self._u), strict=True)
        ]
        self._job: Job | None = None

    def gather(self, gradients: Sequence[Array], scalars: StepScalars) -> Job:
        """Gather the gradients and, if there are several, the parameters.

        `scatter` writes the parameters back.
        """
        if self.in_place:
            _require_writeable(self.parameters[0])
            self._shaped_gradients[0][...] = gradients[self._indices[0]]
        else:
            np.concatenate(self._thetas, axis=None, out=self._theta)
            np.concatenate([gradients[i] for i in self._indices], axis=None, out=self._gradient)
        if self._job is None or self._job.scalars is not scalars:
            self._job = Job(self._theta, self._gradient, self._m, self._u, scalars)
        return self._job

    def scatter(self) -> None:
        """Write the updated parameters to the caller's arrays."""
        put: Any = setitem  # its stub does not know arrays
        deque(map(put, self._thetas, repeat(...), self._updated), maxlen=0)


class LargeParameter:
    """One large parameter, updated in place."""

    def __init__(self, index: int, theta: Array) -> None:
        self._axes = sorted(range(theta.ndim), key=lambda axis: -abs(theta.strides[axis]))
        shape = [theta.shape[axis] for axis in self._axes]
        back = sorted(range(theta.ndim), key=self._axes.__getitem__)
        state = _allocate_apart([theta.size] * 2, theta.dtype, near=theta)
        m, u = (flat.reshape(shape).transpose(back) for flat in state)
        self.parameter = StoredParameter(index, theta, m, u)
        self._in_order = self._axes == back == list(range(theta.ndim))
        flat = self._flatten(theta)
        self._updated = None if flat is None else (flat, *state)

    def add_to(
        self, work: StepWork, gradients: Sequence[Array], scalars: StepScalars, written: WrittenMemory
    ) -> None:
        """Add a step of this parameter, with a copy of a gradient in written memory."""
        stored = self.parameter
        _require_writeable(stored)
        gradient = gradients[stored.index]
        if written.overlaps(gradient):
            gradient = gradient.copy(order="K")
        flat = None if self._updated is None else self._flatten(gradient)
        if self._updated is None or flat is None:
            work.strided.append(((stored.theta, gradient, stored.m, stored.u), scalars))
        else:
            theta, m, u = self._updated
            work.jobs.append(Job(theta, flat, m, u, scalars))

    def _flatten(self, array: Array) -> Array | None:
        """View an array in one dimension; None if its order in memory needs a copy."""
        if not self._in_order:
            array = array.transpose(self._axes)
        if not _is_flat(array):
            return None
        return array if array.ndim == 1 else array.reshape(-1)


class StepWork:
    """One step of all groups, after reading and before writing.

    All reads come before all writes, so that a gradient may lie in a parameter's memory.

    Attributes:
        jobs: stretches of memory that a kernel runs over in place.
        packs: those to put back afterwards.
        strided: large arrays to gather and put back in chunks, with the scalars of their step.
    """

    def __init__(self) -> None:
        self.jobs: list[Job] = []
        self.packs: list[ParameterPack] = []
        self.strided: list[tuple[Operands, StepScalars]] = []

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
    """The state of one group's parameters.

    Attributes:
        t: the number of steps taken.
        hyperparameters: as they were checked last.
    """

    def __init__(self, thetas: Mapping[int, Array], where: str) -> None:
        """Zero state for `thetas`, which are given by their index among all parameters.

        `where` begins messages about the options.
        """
        self.t = 0
        self._options = CheckedOptions(where)
        self.hyperparameters = DEFAULTS
        small = {index: theta for index, theta in thetas.items() if theta.size < _LARGE}
        by_dtype = {
            dtype: {index: theta for index, theta in small.items() if theta.dtype == dtype}
            for dtype in DTYPES
        }
        self._scalars = ScalarSequence({theta.dtype for theta in thetas.values()})
        self._packs = [ParameterPack(members, dtype) for dtype, members in by_dtype.items() if members]
        self._large = [LargeParameter(index, theta) for index, theta in thetas.items() if index not in small]

    def parameters(self) -> list[StoredParameter]:
        """The parameters with their state, in their order."""
        everything = [each for pack in self._packs for each in pack.parameters]
        return sorted(everything + [large.parameter for large in self._large], key=attrgetter("index"))

    def check_options(self, group: Mapping[str, Any], t: int) -> None:
        """Check the options of the optimizer's step t.

        Raises:
            ValueError: as `options.hyperparameters_at`.
            TypeError: as `options.hyperparameters_at`.
        """
        self.hyperparameters = self._options.at(group, t)

    def read(
        self,
        gradients: Sequence[Array],
        written: WrittenMemory,
        work: StepWork,
    ) -> None:
        """Add this group's next step, with the hyperparameters checked last, to `work`."""
        scalars = self._scalars.at(self.hyperparameters, self.t + 1)
        for pack in self._packs:
            work.jobs.append(pack.gather(gradients, scalars[pack.dtype]))
            if not pack.in_place:
                work.packs.append(pack)
        for large in self._large:
            large.add_to(work, gradients, scalars[large.parameter.theta.dtype], written)
