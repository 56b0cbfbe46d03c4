"""The choice of the kernel that takes an optimizer's steps.

Both kernels give the same bits. Numba's is the faster one. Its import takes part of a second, which small arrays
earn back over many steps only: they take it where the program has imported Numba already, or asks for it.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable, Sequence
from functools import cache
from importlib.util import find_spec
from typing import Final

from . import kernel_numpy

Kernel = Callable[[Sequence[kernel_numpy.Job]], None]
"""A function that takes one step of every job."""

KERNEL_VARIABLE: Final = "ADAMAX_CONFORMANCE_KERNEL"
"""The environment variable that names the kernel to use: `auto` (the default), `numpy` or `numba`."""

_NUMBA_ELEMENTS: Final = 1 << 14
"""Elements of an optimizer from which `auto` imports Numba."""


def choose_kernel(elements: int) -> Kernel:
    """Choose the kernel for an optimizer of so many elements.

    Raises:
        ValueError: the environment variable does not name a kernel.
        ImportError: it names Numba's, which is not installed.
    """
    match os.environ.get(KERNEL_VARIABLE, "auto"):
        case "numpy":
            return kernel_numpy.run_jobs
        case "numba":
            return _import_numba_kernel()
        case "auto":
            worth_it = elements >= _NUMBA_ELEMENTS or sys.modules.get("numba") is not None
            return (_find_numba_kernel() if worth_it else None) or kernel_numpy.run_jobs
        case other:
            raise ValueError(f"{KERNEL_VARIABLE} is {other!r}; it must be 'auto', 'numpy' or 'numba'")


def _import_numba_kernel() -> Kernel:
    try:
        from . import kernel_numba
    except ImportError as error:
        raise ImportError(
            f"Numba cannot be imported ({error}): pip install 'adamax-conformance[fast]'"
        ) from error
    return kernel_numba.run_jobs


@cache
def _find_numba_kernel() -> Kernel | None:
    """Numba's kernel; None if Numba is not installed, or its compiler is switched off."""
    if find_spec("numba") is None or os.environ.get("NUMBA_DISABLE_JIT", "0") != "0":
        return None
    try:
        run = _import_numba_kernel()
    except ImportError as error:
        warnings.warn(f"NumPy alone takes the steps: {error}", RuntimeWarning, stacklevel=2)
        return None
    return run
