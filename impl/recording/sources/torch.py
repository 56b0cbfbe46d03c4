"""The source of a PyTorch optimizer: its hooks on the step."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any, Final

import torch

from ....reference.hyperparameters import Hyperparameters
from ..step_file import RawTensor
from .base import OptimizerFacts, ParameterInfo, ParameterState

_MODES: Final = ("capturable", "foreach", "differentiable")
_WRAPPED: Final = ("optimizer", "optim", "_optimizer")
"""Where an optimizer that passes its steps on has the one that takes them: Accelerate's, PyTorch's
`ZeroRedundancyOptimizer`, Lightning's."""
_MASTER: Final = "master"
"""A part of the names under which optimizers keep finer copies of their parameters (`master_param`, `master_weight`)."""
_IN_STEP: Final = torch.optim.Optimizer.profile_hook_step.__code__.co_filename
"""The file of the function that calls the hooks of a step."""
_RESUMED: Final = "torch_dynamo_resume_in_"
"""The first part of the names of functions that go on after a compiled part."""
_NOT_COMPILED: Final = "a step that torch.compile compiles as a whole (fullgraph=True) cannot be recorded"


def open_source(optimizer: Any) -> TorchSource:
    """Open a `torch.optim.Optimizer` whose groups have Adamax's options.

    Of one that passes its steps on to another, the other is recorded.

    Raises:
        TypeError: they do not.
    """
    outer = optimizer
    while (found := _find_inner(optimizer)) is not None:
        optimizer = found
    kind = type(optimizer)
    own = f"optimizer is a {kind.__module__}.{kind.__qualname__}"
    if kind.__module__.startswith("torch.optim.") and not isinstance(optimizer, torch.optim.Adamax):
        raise TypeError(f"{own}; torch.optim.Adamax, and one with its options and state, can be recorded")
    for name in ("lr", "betas", "eps"):
        if name not in optimizer.param_groups[0]:
            raise TypeError(
                f"{own}, whose groups have no {name!r}; one with Adamax's options can be recorded"
            )
    return TorchSource(optimizer, outer)


def _find_inner(optimizer: Any) -> Any:
    """The optimizer that takes an optimizer's steps; None where it takes them."""
    found = (vars(optimizer).get(name) for name in _WRAPPED)
    return next((each for each in found if isinstance(each, torch.optim.Optimizer)), None)


class TorchSource:
    """A `torch.optim.Optimizer` with Adamax's options and state.

    The state has `exp_avg` and `exp_inf`, and `step` here or in the group. A sharded optimizer has the parameters, or
    the part of each, that this process updates; its user sets the options of the outer one.
    """

    def __init__(self, optimizer: Any, outer: Any) -> None:
        self._optimizer, self._outer = optimizer, outer

    @property
    def facts(self) -> OptimizerFacts:
        optimizer = self._optimizer
        kind = type(optimizer)
        group = optimizer.param_groups[0]
        name = f"{kind.__module__}.{kind.__qualname__}"
        subject = f"torch:{name}"
        if kind is torch.optim.Adamax:
            mode = "-".join(mode for mode in _MODES if group.get(mode))
            subject = f"torch[{mode}]" if mode else "torch"
        parameters = [p for own in optimizer.param_groups for p in own["params"]]
        device = parameters[0].device.type if parameters else "cpu"
        return OptimizerFacts(subject, "torch", torch.__version__, name, device, _rank())

    def parameters(self) -> Sequence[ParameterInfo]:
        infos: list[ParameterInfo] = []
        for number, group in enumerate(self._optimizer.param_groups):
            names = group.get("param_names") or ()
            for own, parameter in enumerate(group["params"]):
                name = str(names[own]) if own < len(names) else ""
                infos.append(ParameterInfo(name, number, len(infos), parameter))
        return infos

    def options(self) -> Sequence[Hyperparameters]:
        groups = self._optimizer.param_groups
        if self._outer is not self._optimizer:
            owner = {id(p): group for group in self._outer.param_groups for p in group["params"]}
            groups = [owner.get(id(next(iter(group["params"]), None)), group) for group in groups]
        return [
            Hyperparameters(
                lr=float(group["lr"]),
                beta1=float(group["betas"][0]),
                beta2=float(group["betas"][1]),
                eps=float(group["eps"]),
                weight_decay=float(group.get("weight_decay", 0.0)),
                maximize=bool(group.get("maximize", False)),
            )
            for group in groups
        ]

    def count(self, parameter: ParameterInfo) -> int | None:
        state = self._optimizer.state.get(parameter.key, {})
        group = self._optimizer.param_groups[parameter.group]
        own = state.get("step", group.get("step"))
        if own is None:
            return None if state else 0
        return int(own)

    def gradient(self, parameter: ParameterInfo) -> RawTensor | None:
        gradient = parameter.key.grad
        return None if gradient is None else _to_raw(gradient)

    def state(self, parameter: ParameterInfo) -> ParameterState:
        state = self._optimizer.state.get(parameter.key, {})
        m, u = (_to_raw(state[name]) if name in state else None for name in ("exp_avg", "exp_inf"))
        copy = self._find_copy(parameter)
        return _to_raw(parameter.key if copy is None else copy), m, u

    def is_rounded(self, parameter: ParameterInfo) -> bool | None:
        copy = self._find_copy(parameter)
        return None if copy is None else torch.equal(copy.to(parameter.key.dtype), parameter.key.detach())

    def _find_copy(self, parameter: ParameterInfo) -> Any:
        """The finer copy of a parameter that its steps go on from; None for none."""
        own = parameter.key
        for name, value in self._optimizer.state.get(own, {}).items():
            if _MASTER in str(name) and torch.is_tensor(value) and value.shape == own.shape:
                return value.detach()
        return None

    def attach(self, before: Callable[[], None], after: Callable[[], None]) -> Callable[[], None]:
        return _Hooks(self._optimizer, before, after).remove


def _rank() -> int | None:
    """The rank of this process among several; None if there is one."""
    distributed = torch.distributed
    if not distributed.is_available() or not distributed.is_initialized() or distributed.get_world_size() < 2:
        return None
    return int(distributed.get_rank())


class _Hooks:
    """Hooks on the outermost step, nearer to it than the optimizer's other hooks.

    The step of a class whose `step` calls that of its base class has hooks of its own inside: these do not count.
    """

    def __init__(self, optimizer: Any, before: Callable[[], None], after: Callable[[], None]) -> None:
        self._optimizer, self._before, self._after = optimizer, before, after
        self._step: FrameType | None = None
        self._pre = optimizer.register_step_pre_hook(_uncompiled(self._on_begin))
        self._post = optimizer.register_step_post_hook(_uncompiled(self._on_end))
        optimizer._optimizer_step_post_hooks.move_to_end(self._post.id, last=False)  # noqa: SLF001 - only here is an order
        self._register = optimizer.register_step_pre_hook
        # A hook that is registered later comes before ours all the same.
        optimizer.register_step_pre_hook = self._register_before_ours

    def remove(self) -> None:
        """End it."""
        self._pre.remove()
        self._post.remove()
        if vars(self._optimizer).get("register_step_pre_hook") == self._register_before_ours:
            del self._optimizer.register_step_pre_hook

    def _register_before_ours(self, hook: Any) -> Any:
        handle = self._register(hook)
        hooks = self._optimizer._optimizer_step_pre_hooks  # noqa: SLF001 - as above
        if self._pre.id in hooks:
            hooks.move_to_end(self._pre.id)
        return handle

    def _on_begin(self, _: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        step = _calling_step(sys._getframe(1))  # noqa: SLF001 - the frame that calls hooks lasts as long as the step
        if _is_running(self._step, step):
            return None
        self._step = step
        self._before()
        closure = kwargs.get("closure", args[1] if len(args) > 1 else None)
        if closure is None:
            return None

        def closure_then_before() -> Any:
            loss = closure()
            self._before()
            return loss

        return (args[0], closure_then_before), {k: v for k, v in kwargs.items() if k != "closure"}

    def _on_end(self, *_: Any) -> None:
        if _calling_step(sys._getframe(1)) is self._step:  # noqa: SLF001 - as above
            self._step = None
            self._after()


def _uncompiled(hook: Callable[..., Any]) -> Callable[..., Any]:
    """A hook that `torch.compile` leaves as it is, or refuses with one line."""
    has_reason = "reason" in inspect.signature(torch.compiler.disable).parameters
    words = {"reason": _NOT_COMPILED} if has_reason else {}
    own: Callable[..., Any] = torch.compiler.disable(hook, **words)
    return own


def _calling_step(frame: FrameType | None) -> FrameType | None:
    """The frame of the step that calls a hook, whatever part of it is compiled."""
    while frame is not None and (
        frame.f_code.co_filename != _IN_STEP or frame.f_code.co_name.startswith(_RESUMED)
    ):
        frame = frame.f_back
    return frame


def _is_running(frame: FrameType | None, inside: FrameType | None) -> bool:
    """Whether a frame is that of a function that has not returned yet."""
    while frame is not None and inside is not None:
        if inside is frame:
            return True
        inside = inside.f_back
    return False


def _to_raw(tensor: Any) -> RawTensor:
    """A tensor's numbers, copied from another device if need be.

    Complex numbers are pairs in a last dimension, as torch's optimizers take them. Of a tensor that several processes
    share (`DTensor`), they are those of this process.
    """
    tensor = tensor.detach()
    tensor = (tensor.to_local() if hasattr(tensor, "to_local") else tensor).cpu()
    if tensor.is_complex():
        tensor = torch.view_as_real(tensor.resolve_conj())
    tensor = tensor.contiguous()
    if tensor.dtype is torch.bfloat16:
        return RawTensor.from_array(tensor.view(torch.int16).numpy().view("u2"), "bfloat16")
    return RawTensor.from_array(tensor.numpy())
