"""Where do m and u lie, and which stretches of memory does a step run over?

Large parameters are updated where they are. Small ones are gathered into one buffer, updated together and put
back: a call for each of ten thousand arrays would cost many times what their arithmetic does.
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
from .arrays import DTYPES, Array, Occupied
from .kernel import Run
from .kernel_numpy import Job
from .step_scalars import StepScalars, step_scalars

_LARGE: Final = 1 << 14
"""Elements from which a parameter is updated in place: there a call costs a tenth of the arithmetic."""

_CHUNK: Final = 1 << 15
"""Elements of a strided array that are gathered at a time."""

Operands = tuple[Array, Array, Array, Array]
"""Theta, gradient, m and u of one parameter."""

_UPDATED: Final = ["readwrite", "contig", "aligned"]
_READ: Final = ["readonly", "contig", "aligned"]
_FLAGS: Final[Any] = [_UPDATED, _READ, _UPDATED, _UPDATED]  # NumPy's stub has "config" for "contig"


@dataclass(frozen=True, eq=False)
class Placed:
    """A parameter with its state.

    Attributes:
        place: its position among all parameters, which is that of its gradient.
        theta: the caller's array.
        m: of theta's shape and dtype.
        u: likewise.
    """

    place: int
    theta: Array
    m: Array
    u: Array


class Pack:
    """Small parameters of one dtype, updated together."""

    def __init__(self, thetas: Mapping[int, Array], dtype: np.dtype[Any]) -> None:
        self.dtype = dtype
        self._places = list(thetas)
        self._thetas = list(thetas.values())
        shapes = [theta.shape for theta in self._thetas]
        ends = list(accumulate((theta.size for theta in self._thetas), initial=0))
        self._theta, self._gradient, self._m, self._u = (np.zeros(ends[-1], dtype) for _ in range(4))

        def cut(flat: Array) -> list[Array]:
            return [flat[i:j].reshape(shape) for (i, j), shape in zip(pairwise(ends), shapes, strict=True)]

        self._updated = cut(self._theta)
        self.placed = [
            Placed(*each) for each in zip(self._places, self._thetas, cut(self._m), cut(self._u), strict=True)
        ]

    def gather(self, gradients: Sequence[Array], scalars: StepScalars) -> Job:
        """Read the parameters and their gradients; the job writes to copies until `scatter`."""
        np.concatenate(self._thetas, axis=None, out=self._theta)
        np.concatenate([gradients[i] for i in self._places], axis=None, out=self._gradient)
        return Job(self._theta, self._gradient, self._m, self._u, scalars)

    def scatter(self) -> None:
        """Write the updated parameters to the caller's arrays."""
        put: Any = setitem  # its stub does not know arrays
        deque(map(put, self._thetas, repeat(...), self._updated), maxlen=0)


class Large:
    """One large parameter, updated where it is."""

    def __init__(self, place: int, theta: Array) -> None:
        self.placed = Placed(place, theta, np.zeros_like(theta, order="K"), np.zeros_like(theta, order="K"))
        self._axes = sorted(range(theta.ndim), key=lambda axis: -abs(theta.strides[axis]))

    def arrays(self, gradients: Sequence[Array], written: Occupied) -> Operands:
        """Theta, gradient, m and u; the gradient copied where it lies in memory that the step writes to."""
        gradient = gradients[self.placed.place]
        if written.meets(gradient):
            gradient = gradient.copy(order="K")
        return self.placed.theta, gradient, self.placed.m, self.placed.u

    def flat(self, arrays: Operands) -> Operands | None:
        """The arrays in one dimension, without a copy; None where their order in memory forbids that."""
        ordered = [array.transpose(self._axes) for array in arrays]
        if not all(array.flags.c_contiguous and array.flags.aligned for array in ordered):
            return None
        theta, gradient, m, u = (array.reshape(-1) for array in ordered)
        return theta, gradient, m, u


@dataclass(frozen=True)
class Work:
    """One step of all groups, read and not yet taken.

    Everything is read before anything is written, so that a gradient may lie in a parameter's memory.

    Attributes:
        jobs: stretches of memory that a kernel runs over as they are.
        packs: to be put back afterwards.
        strided: large arrays that are gathered and put back in chunks, with the scalars of their step.
    """

    jobs: list[Job] = field(default_factory=list)
    packs: list[Pack] = field(default_factory=list)
    strided: list[tuple[Operands, StepScalars]] = field(default_factory=list)

    def take(self, run: Run) -> None:
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
        """Zero state for `thetas`, by their place among all parameters."""
        small = {place: theta for place, theta in thetas.items() if theta.size < _LARGE}
        by_dtype = {
            dtype: {place: theta for place, theta in small.items() if theta.dtype == dtype}
            for dtype in DTYPES
        }
        self._dtypes = {theta.dtype for theta in thetas.values()}
        self._packs = [Pack(members, dtype) for dtype, members in by_dtype.items() if members]
        self._large = [Large(place, theta) for place, theta in thetas.items() if place not in small]

    def placed(self) -> list[Placed]:
        """The parameters with their state, in their order."""
        everything = [each for pack in self._packs for each in pack.placed]
        return sorted(everything + [large.placed for large in self._large], key=attrgetter("place"))

    def read(
        self,
        gradients: Sequence[Array],
        hyperparameters: Hyperparameters,
        t: int,
        written: Occupied,
        work: Work,
    ) -> None:
        """Add this group's step t to `work`."""
        scalars = {dtype: step_scalars(hyperparameters, t, dtype) for dtype in self._dtypes}
        for pack in self._packs:
            work.jobs.append(pack.gather(gradients, scalars[pack.dtype]))
            work.packs.append(pack)
        for large in self._large:
            arrays = large.arrays(gradients, written)
            own = scalars[arrays[0].dtype]
            if flat := large.flat(arrays):
                work.jobs.append(Job(*flat, own))
            else:
                work.strided.append((arrays, own))
