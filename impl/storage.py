"""Where do m and u lie, and which stretches of memory does a step run over?

Large parameters are updated where they are. Small ones are gathered into one buffer, updated together and put
back: a call for each of ten thousand arrays would cost many times what their arithmetic does.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise, repeat
from operator import attrgetter, setitem
from typing import Any, Final

import numpy as np

from .arrays import DTYPES, Array, Occupied
from .kernel_numpy import Job
from .scalars import StepScalars

Run = Callable[[Sequence[Job]], None]
"""A kernel: one step of every job."""

_LARGE: Final = 1 << 14
"""Elements from which a parameter is updated in place: there a call costs a tenth of the arithmetic."""

_CHUNK: Final = 1 << 15
"""Elements of a strided array that are gathered at a time."""


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
        self._thetas = list(thetas.values())
        self._places = list(thetas)
        ends = list(accumulate((theta.size for theta in self._thetas), initial=0))
        self._theta, self._gradient, self._m, self._u = np.zeros((4, ends[-1]), dtype)
        shapes = [theta.shape for theta in self._thetas]

        def cut(flat: Array) -> list[Array]:
            return [flat[i:j].reshape(shape) for (i, j), shape in zip(pairwise(ends), shapes, strict=True)]

        self._updated = cut(self._theta)
        self.placed = [
            Placed(place, theta, m, u)
            for place, theta, m, u in zip(self._places, self._thetas, cut(self._m), cut(self._u), strict=True)
        ]

    def gather(self, gradients: Sequence[Array], scalars: StepScalars) -> Job:
        """Read the parameters and their gradients; nothing else sees what the job writes until `scatter`."""
        np.concatenate(self._thetas, axis=None, out=self._theta)
        np.concatenate([gradients[i] for i in self._places], axis=None, out=self._gradient)
        return Job(self._theta, self._gradient, self._m, self._u, scalars)

    def scatter(self) -> None:
        """Write the updated parameters to the caller's arrays."""
        deque(map(setitem, self._thetas, repeat(...), self._updated), maxlen=0)


class Large:
    """One large parameter, updated where it is."""

    def __init__(self, place: int, theta: Array) -> None:
        self.dtype = theta.dtype
        self.placed = Placed(place, theta, np.zeros_like(theta, order="K"), np.zeros_like(theta, order="K"))
        self._axes = sorted(range(theta.ndim), key=lambda axis: -abs(theta.strides[axis]))

    def read(self, gradients: Sequence[Array], written: Occupied) -> Array:
        """The gradient, or a copy of it where it lies in memory that the step writes to."""
        gradient = gradients[self.placed.place]
        return gradient.copy(order="K") if written.meets(gradient) else gradient

    def run(self, gradient: Array, scalars: StepScalars, run: Run) -> None:
        """One step: over all of it at once where memory order allows that, else in gathered chunks."""
        arrays = (self.placed.theta, gradient, self.placed.m, self.placed.u)
        ordered = [array.transpose(self._axes) for array in arrays]
        if all(array.flags.c_contiguous and array.flags.aligned for array in ordered):
            run([Job(*(array.reshape(-1) for array in ordered), scalars)])
            return
        with np.nditer(
            arrays,
            flags=["external_loop", "buffered", "delay_bufalloc"],
            op_flags=[
                [mode, "contig", "aligned"] for mode in ("readwrite", "readonly", "readwrite", "readwrite")
            ],
            order="K",
            buffersize=_CHUNK,
        ) as chunks:
            chunks.reset()
            for chunk in chunks:
                run([Job(*chunk, scalars)])


class Storage:
    """The state of one group's parameters."""

    def __init__(self, thetas: Mapping[int, Array]) -> None:
        """Zero state for `thetas`, by their place among all parameters."""
        small = {place: theta for place, theta in thetas.items() if theta.size < _LARGE}
        self._large = [Large(place, theta) for place, theta in thetas.items() if place not in small]
        self._packs = [
            Pack({place: theta for place, theta in small.items() if theta.dtype == dtype}, dtype)
            for dtype in DTYPES
            if any(theta.dtype == dtype for theta in small.values())
        ]

    def placed(self) -> list[Placed]:
        """The parameters with their state, in their order."""
        everything = [large.placed for large in self._large]
        for pack in self._packs:
            everything += pack.placed
        return sorted(everything, key=attrgetter("place"))

    def read(
        self, gradients: Sequence[Array], scalars: Mapping[np.dtype[Any], StepScalars], written: Occupied
    ) -> Callable[[Run], None]:
        """Read what a step needs; the function returned takes the step with a kernel.

        All groups are read before any is written, so that a gradient may lie in a parameter's memory.
        """
        packed = [(pack, pack.gather(gradients, scalars[pack.dtype])) for pack in self._packs]
        large = [(each, each.read(gradients, written)) for each in self._large]

        def take(run: Run) -> None:
            run([job for _, job in packed])
            for pack, _ in packed:
                pack.scatter()
            for each, gradient in large:
                each.run(gradient, scalars[each.dtype], run)

        return take
