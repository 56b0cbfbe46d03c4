"""Lines of Python that perform the actions of a life, for each framework."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from ...impl.adapters.registry import SubjectKind, SubjectName
from ...reference.life import Memory


@dataclass(frozen=True)
class LifeSyntax:
    """One framework, as lines of Python.

    Attributes:
        array: the expression for the array of the list `values`, of `shape` and `dtype`.
        step: the body of `step(optimizer, parameters, gradients)`.
        memory: the array `{}` as it lies in memory; for those kinds that a script can make.
        broadcast: the one number `{0}` as an array of the shape `{1}`.
        block: the lines that make the arrays of `{0}` neighbours in one block.
        lr_array: the 0-d array of the number `{0}` in the format `{1}`.
        differs: whether the arrays `a` and `b` differ.
        passes_gradients: whether gradients are arguments of the step.
        helpers: functions that a line of `memory` calls, by their names.
    """

    array: str
    step: tuple[str, ...]
    memory: Mapping[Memory, str]
    broadcast: str
    block: tuple[str, ...]
    lr_array: str
    differs: str
    passes_gradients: bool
    helpers: Mapping[str, tuple[str, ...]]


_NUMPY: Final = LifeSyntax(
    array="np.array(values, dtype).reshape(shape)",
    step=("optimizer(tuple(gradients))",),
    memory={
        Memory.CONTIGUOUS: "{}",
        Memory.STRIDED: "np.stack(2 * [{}], -1)[..., 0]",
        Memory.COLUMN_MAJOR: "np.asfortranarray({})",
        Memory.REVERSED: "np.asarray(np.flip(np.flip({}).copy()))",
    },
    broadcast="np.broadcast_to({0}, {1})",
    block=(
        "block = np.concatenate([x.reshape(-1) for x in {0}])",
        "parts = np.split(block, np.cumsum([x.size for x in {0}])[:-1])",
        "{0} = [part.reshape(x.shape) for part, x in zip(parts, {0})]",
    ),
    lr_array="np.array({0}, np.{1})",
    differs="not np.array_equal(a, b, equal_nan=True)",
    passes_gradients=True,
    helpers={},
)

_TORCH: Final = LifeSyntax(
    array="torch.tensor(values, dtype=getattr(torch, dtype){device}).reshape(shape)",
    step=(
        "for parameter, gradient in zip(parameters, gradients):",
        "    parameter.grad = gradient",
        "optimizer.step()",
    ),
    memory={
        Memory.CONTIGUOUS: "{}",
        Memory.STRIDED: "torch.stack(2 * [{}], -1)[..., 0]",
        Memory.COLUMN_MAJOR: "transposed({})",
    },
    broadcast="{0}.expand({1})",
    block=(
        "block = torch.cat([x.reshape(-1) for x in {0}])",
        "parts = torch.split(block, [x.numel() for x in {0}])",
        "{0} = [part.view(x.shape) for part, x in zip(parts, {0})]",
    ),
    lr_array="torch.tensor({0}, dtype=torch.{1})",
    differs="not torch.allclose(a, b, rtol=0, atol=0, equal_nan=True)",
    passes_gradients=False,
    helpers={
        "transposed": (
            "def transposed(x):",
            "    axes = tuple(range(x.ndim))[::-1]",
            "    return x.permute(axes).contiguous().permute(axes)",
        )
    },
)


def life_syntax(named: SubjectName, device: str) -> LifeSyntax | None:
    """The lines for a subject; None if a script cannot perform its lives."""
    match named.kind, named.framework:
        case ((SubjectKind.NUMPY | SubjectKind.FACTORY), _):
            return _NUMPY
        case (SubjectKind.TORCH_CLASS, _) | (SubjectKind.FRAMEWORK, "torch" | "pytorch_optimizer"):
            where = "" if device == "cpu" else f", device={device!r}"
            return LifeSyntax(**{**vars(_TORCH), "array": _TORCH.array.replace("{device}", where)})
    return None
