"""The table of frameworks: adapters, supported versions and installation.

A new framework needs a row here, a file in `adapters/`, an extra in `pyproject.toml` and a factor in `tox.ini`.
"""

from __future__ import annotations

import importlib
import re
import sys
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import Any, Final

from ..protocol.errors import UnavailableError


@dataclass(frozen=True)
class Requirement:
    """A package that a subject needs, in a range of versions.

    Attributes:
        package: the name for pip.
        oldest: the first version that is supported.
        below: the first version that nobody has tried, and whose number allows a difference.
        extra: of the package, as in `mlx[cpu]`.
        others: packages that bring the same under another name.
        module: the module to import; empty for one of the package's name.
    """

    package: str
    oldest: str
    below: str
    extra: str = ""
    others: tuple[str, ...] = ()
    module: str = ""

    def __str__(self) -> str:
        extra = f"[{self.extra}]" if self.extra else ""
        return f"{self.package}{extra}>={self.oldest},<{self.below}"

    def find_problem(self) -> str:
        """The reason why the installation does not do.

        It is empty if the installation does, or its version is unknown.
        """
        module = self.module or self.package
        if find_spec(module) is None:
            return f"{self.package} is not here (No module named {module!r})"
        for package in (self.package, *self.others):
            try:
                installed = version(package)
            except PackageNotFoundError:
                continue
            if _release(installed) < _release(self.oldest):
                return f"{package} {installed} is too old; the oldest supported version is {self.oldest}"
            if _release(installed) >= _release(self.below):
                return f"{package} {installed} is too new; supported versions are below {self.below}"
        return ""


@dataclass(frozen=True)
class Framework:
    """One framework, in its modes with the same adapter and requirements.

    Attributes:
        name: on the command line.
        adapter: the module in `adapters/`, and its class, whose constructor takes a device and a mode.
        requires: the packages that must be installed.
        modes: as in `torch[foreach]`; a bare name means the empty one.
    """

    name: str
    adapter: str
    requires: tuple[Requirement, ...]
    modes: tuple[str, ...] = ("",)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of its subjects."""
        return tuple(f"{self.name}[{mode}]" if mode else self.name for mode in self.modes)

    @property
    def install_command(self) -> str:
        """The command that installs what it needs, for the interpreter that this runs in."""
        return f"{sys.executable} -m pip install " + " ".join(f'"{r}"' for r in self.requires)

    def import_adapter(self) -> Any:
        """Import the class of its adapter, and with it the framework.

        Raises:
            UnavailableError: the framework is missing, too old or too new.
        """
        for requirement in self.requires:
            if problem := requirement.find_problem():
                raise UnavailableError(f"{problem}; get it with: {self.install_command}")
        module, _, name = self.adapter.partition(":")
        try:
            return getattr(importlib.import_module(f".{module}", __package__), name)
        except ImportError as error:
            reason = " ".join(str(error).split())[:300]
            raise UnavailableError(
                f"{self.name} is not here ({reason}); get it with: {self.install_command}"
            ) from None


_TORCH: Final = Requirement("torch", "2.4", "3")
_JAX: Final = Requirement("jax", "0.5", "1")
_KERAS: Final = Requirement("keras", "3.5", "4")
_OPTAX: Final = Requirement("optax", "0.2.5", "1")
_PADDLE: Final = Requirement("paddlepaddle", "3.0", "4", others=("paddlepaddle-gpu",), module="paddle")
_TENSORFLOW: Final = Requirement(
    "tensorflow-cpu", "2.16", "3", others=("tensorflow", "tensorflow-macos"), module="tensorflow"
)
_MINDSPORE: Final = (
    # 2.7.0 ends by SIGSEGV in most lives (seven probes of both dtypes, Linux on x86-64); 2.7.1 does in none of them.
    Requirement("mindspore", "2.7.1", "3"),
    # It is built against NumPy 1. Its metadata admits NumPy 2, and then lr=Tensor(...) crashes.
    Requirement("numpy", "1.26", "2"),
)

FRAMEWORKS: Final = (
    Framework(
        "torch",
        "torch:TorchAdapter",
        (_TORCH,),
        ("", "foreach", "capturable", "capturable-foreach", "differentiable", "tensor-lr"),
    ),
    Framework("torch", "torch_functional:TorchFunctionalAdapter", (_TORCH,), ("functional",)),
    Framework("torch", "torch_compile:TorchCompileAdapter", (_TORCH,), ("compile",)),
    Framework(
        "pytorch_optimizer",
        "pytorch_optimizer:PytorchOptimizerAdapter",
        (Requirement("pytorch_optimizer", "4.0", "5"), _TORCH),
        ("", "foreach"),
    ),
    Framework("mindspore", "mindspore:MindSporeAdapter", _MINDSPORE, ("", "pynative", "graph")),
    Framework("mindspore", "mindspore:MindSporeNNAdapter", _MINDSPORE, ("nn",)),
    # On Linux the bare package has no backend: the extra brings the one for the CPU.
    Framework("mlx", "mlx:MLXAdapter", (Requirement("mlx", "0.26", "1", extra="cpu"),)),
    Framework("optax", "optax:OptaxAdapter", (_OPTAX, _JAX), ("", "adamaxw")),
    Framework("keras", "keras:KerasAdapter", (_KERAS,)),
    Framework("keras", "keras:KerasAdapter", (_KERAS, _JAX), ("jax",)),
    Framework("keras", "keras:KerasAdapter", (_KERAS, _TORCH), ("torch",)),
    Framework("keras", "keras:KerasAdapter", (_KERAS, _TENSORFLOW), ("tensorflow",)),
    Framework("tensorflow", "tensorflow:TensorFlowAdapter", (_TENSORFLOW,)),
    Framework("paddle", "paddle:PaddleAdapter", (_PADDLE,)),
)


def _release(version_: str) -> tuple[int, ...]:
    """The leading numbers of a version, without final zeros: 3.0.0.dev2 is (3,)."""
    found = re.match(r"\d+(\.\d+)*", version_)
    numbers = [int(part) for part in found[0].split(".")] if found else []
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)
