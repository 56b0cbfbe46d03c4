"""The facts of this machine and its versions, for a record's header."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np

from ...oracles.exact.trajectory import backend


def machine() -> dict[str, Any]:
    """The system, its release, the machine's kind, and its cores."""
    return {
        "system": platform.system(),
        "release": platform.release(),
        "machine": platform.machine(),
        "cores": os.cpu_count(),
    }


def versions(*names: str) -> dict[str, str]:
    """The versions of Python, NumPy, the exact oracle, and some packages."""
    found = {"python": platform.python_version(), "numpy": np.__version__, "oracle": backend()}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
