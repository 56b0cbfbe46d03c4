"""Which kernel takes the steps of an optimizer?

Both give the same bits. Numba's is faster from some size on; importing and loading it takes part of a second,
which small arrays never earn back.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Sequence
from functools import cache
from importlib.util import find_spec
from typing import Final

from . import kernel_numpy

Run = Callable[[Sequence[kernel_numpy.Job]], None]
"""A kernel: one step of every job."""

CHOICE: Final = "ADAMAX_CONFORMANCE_KERNEL"
"""The environment variable that names the kernel to use: `auto` (the default), `numpy` or `numba`."""

_WORTHWHILE: Final = 1 << 14
"""Elements of an optimizer from which `auto` takes Numba's kernel."""


def chosen(elements: int) -> Run:
    """The kernel for an optimizer of so many elements.

    Raises:
        ValueError: the environment variable names no kernel.
        ImportError: it names Numba's, which is not installed.
    """
    match os.environ.get(CHOICE, "auto"):
        case "numpy":
            return kernel_numpy.run
        case "numba":
            return _numba()
        case "auto":
            return (_numba_if_it_works() if elements >= _WORTHWHILE else None) or kernel_numpy.run
        case other:
            raise ValueError(f"{CHOICE} is {other!r}; it must be 'auto', 'numpy' or 'numba'")


def _numba() -> Run:
    try:
        from . import kernel_numba  # noqa: PLC0415 - the import takes part of a second
    except ImportError as error:
        raise ImportError(
            f"Numba cannot be imported ({error}): pip install 'adamax-conformance[fast]'"
        ) from error
    return kernel_numba.run


@cache
def _numba_if_it_works() -> Run | None:
    """Numba's kernel, where it is installed and not told to compile nothing."""
    if find_spec("numba") is None or os.environ.get("NUMBA_DISABLE_JIT", "0") != "0":
        return None
    try:
        run = _numba()
    except ImportError as error:
        warnings.warn(f"steps are taken with NumPy alone: {error}", RuntimeWarning, stacklevel=2)
        return None
    return run
