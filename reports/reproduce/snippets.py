"""Lines of Python that construct, step and read an Adamax, for each framework."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from ...impl.adapters.registry import SubjectKind, SubjectName
from ...impl.protocol.messages import DTYPES
from ...impl.protocol.validation import DEVICE
from ...oracles.verdict import Quantity
from ...reference.case import Layout


@dataclass(frozen=True)
class Dialect:
    """One framework, as expressions and lines of Python.

    Attributes:
        imports: the lines that come first.
        array: an array of the nested list `values`.
        layouts: the array `{}` in each memory layout that the framework has.
        parameters: a list of parameters, from the list `{}` of their nested lists, by a function `array`.
        optimizer: the optimizer made with the arguments `{}`.
        step: the lines of one step with `gradients[t]`, inside the loop.
        read: for each quantity, the array of the parameter with the index `{}`.
        number: the element `{1}` of the array `{0}`, as a Python float.
        version: the name of the package, with its version.
        set_lr: the line that sets a `group`'s learning rate to `lr`.
        documented_arguments: whether it takes those of the specification; mindspore.nn has `learning_rate`,
            `beta1`, `beta2`, no `maximize`, and groups of another kind.
    """

    imports: tuple[str, ...]
    array: str
    layouts: Mapping[Layout, str]
    parameters: str
    optimizer: str
    step: tuple[str, ...]
    read: Mapping[Quantity, str]
    number: str
    version: str
    set_lr: str = 'group["lr"] = lr'
    documented_arguments: bool = True

    @property
    def callable(self) -> str:
        """The class or function that makes the optimizer."""
        return self.optimizer.partition("(")[0]


_TORCH_MODES: Final = {
    "": ", foreach=False",
    "foreach": ", foreach=True",
    "capturable": ", foreach=False, capturable=True",
    "capturable-foreach": ", foreach=True, capturable=True",
    "tensor-lr": ", foreach=False",
}


def dialect_of(named: SubjectName, dtype: str, device: str) -> Dialect | None:
    """The snippets for a subject; None if a few lines cannot express it."""
    dialect = None
    if dtype not in DTYPES or DEVICE.fullmatch(device) is None:
        return dialect
    match named.kind, named.framework:
        case SubjectKind.FRAMEWORK, "torch" if named.mode in _TORCH_MODES:
            dialect = _torch(dtype, device, f"torch.optim.Adamax({{}}{_TORCH_MODES[named.mode]})")
        case SubjectKind.FRAMEWORK, "pytorch_optimizer":
            foreach = named.mode == "foreach"
            dialect = _torch(
                dtype, device, f"AdaMax({{}}, foreach={foreach})", "from pytorch_optimizer import AdaMax"
            )
        case SubjectKind.FRAMEWORK, "mindspore" if device == "cpu" and named.mode == "nn":
            dialect = _mindspore_nn(dtype)
        case SubjectKind.FRAMEWORK, "mindspore" if device == "cpu":
            dialect = _mindspore(dtype, *_MINDSPORE_MODES[named.mode])
        case SubjectKind.TORCH_CLASS, _ if ".py:" in named.target:
            file, _, name = named.target.rpartition(":")
            found = (
                f"runpy.run_path({file!r})[{name.partition('.')[0]!r}]{name[len(name.partition('.')[0]) :]}"
            )
            dialect = _torch(dtype, device, f"{found}({{}})", "import runpy")
        case SubjectKind.TORCH_CLASS, _:
            module, _, name = named.target.rpartition(".")
            dialect = _torch(dtype, device, f"{name}({{}})", f"from {module} import {name}")
        case SubjectKind.NUMPY, _ if device == "cpu" and dtype != "bfloat16":
            dialect = _arrays(dtype, "Adamax", "from adamax_conformance.impl import Adamax")
        case SubjectKind.FACTORY, _ if device == "cpu" and dtype != "bfloat16":
            dialect = _factory(dtype, *named.target.rsplit(":", 1))
    return dialect


def _factory(dtype: str, module: str, name: str) -> Dialect:
    first = name.partition(".")[0]
    if not module.endswith(".py"):
        return _arrays(dtype, name, f"from {module} import {first}")
    found = f"factory = runpy.run_path({module!r})[{first!r}]{name[len(first) :]}"
    return _arrays(dtype, "factory", "import runpy", found)


_MOMENTS: Final = {Quantity.M: "optimizer.exp_avg[{}]", Quantity.U: "optimizer.exp_inf[{}]"}


def _torch(dtype: str, device: str, optimizer: str, *imports: str) -> Dialect:
    where = "" if device == "cpu" else f", device={device!r}"
    return Dialect(
        imports=("import torch", *imports),
        array=f"torch.tensor(values, dtype=torch.{dtype}{where})",
        layouts={
            Layout.CONTIGUOUS: "{}",
            Layout.STRIDED: "torch.stack(2 * [{}], -1)[..., 0]",
        },
        parameters="[array(x) for x in {}]",
        optimizer=optimizer,
        step=(
            "for parameter, gradient in zip(parameters, gradients[t]):",
            "    parameter.grad = array(gradient)",
            "optimizer.step()",
        ),
        read={
            Quantity.THETA: "parameters[{}]",
            Quantity.M: 'optimizer.state[parameters[{}]]["exp_avg"]',
            Quantity.U: 'optimizer.state[parameters[{}]]["exp_inf"]',
        },
        number="{0}[{1}].item()",
        version='"torch " + torch.__version__',
    )


_MINDSPORE_MODES: Final[Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]]] = {
    "": ((), ()),
    "pynative": (("import os", 'os.environ["MS_JIT"] = "0"  # nothing compiled'), ()),
    "graph": ((), ("mindspore.set_context(mode=mindspore.GRAPH_MODE)",)),
}
"""The lines before and after the imports, by the subject's mode."""


def _mindspore(dtype: str, before: tuple[str, ...], after: tuple[str, ...]) -> Dialect:
    return Dialect(
        imports=(*before, "import mindspore", "from mindspore.experimental.optim import Adamax", *after),
        array=f"mindspore.Tensor(values, mindspore.{dtype})",
        layouts={Layout.CONTIGUOUS: "{}"},
        parameters='[mindspore.Parameter(array(x), name=f"p{{i}}") for i, x in enumerate({})]',
        optimizer="Adamax({})",
        step=("optimizer(tuple(array(g) for g in gradients[t]))",),
        read={Quantity.THETA: "parameters[{}]", **_MOMENTS},
        number="float({0}.asnumpy()[{1}])",
        version='"mindspore " + mindspore.__version__',
        set_lr='mindspore.ops.assign(group["lr"], lr)',
    )


def _mindspore_nn(dtype: str) -> Dialect:
    return replace(
        _mindspore(dtype, (), ()),
        imports=("import mindspore",),
        optimizer="mindspore.nn.AdaMax({})",
        read={
            Quantity.THETA: "parameters[{}]",
            Quantity.M: "optimizer.moment1[{}]",
            Quantity.U: "optimizer.moment2[{}]",
        },
        documented_arguments=False,
    )


def _arrays(dtype: str, factory: str, *imports: str) -> Dialect:
    return Dialect(
        imports=(*imports[:1], "import numpy as np", *imports[1:]),
        array=f"np.array(values, dtype=np.{dtype})",
        layouts={
            Layout.CONTIGUOUS: "{}",
            Layout.STRIDED: "np.stack(2 * [{}], -1)[..., 0]",
            Layout.TRANSPOSED: "np.asfortranarray({})",
            Layout.REVERSED: "np.asarray(np.flip(np.flip({}).copy()))",
        },
        parameters="[array(x) for x in {}]",
        optimizer=f"{factory}({{}})",
        step=("optimizer(tuple(array(g) for g in gradients[t]))",),
        read={Quantity.THETA: "parameters[{}]", **_MOMENTS},
        number="float({0}[{1}])",
        version='"numpy " + np.__version__',
    )
