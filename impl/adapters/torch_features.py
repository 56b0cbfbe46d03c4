"""Features of PyTorch: closures, hooks, scalers, special arrays, checkpoints."""

from __future__ import annotations

import copy
import inspect
import io
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final, Self
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch.optim import optimizer as torch_optimizer

from ...reference.features import Call, Closure, Edit, Loss, Question, Scaler
from ...reference.life import Memory, Refusal
from ..protocol.errors import SkippedError
from ..protocol.messages import FloatArray
from .base import Adapter

NEWER_OPTIONS: Final = ("maximize", "foreach", "differentiable", "capturable", "fused")
"""Options of a group that checkpoints of older versions of PyTorch do not have."""

_SCALE: Final = 2.0**8
_STALE: Final = 3.0
"""The gradients that are there before a closure or a hook makes the right ones."""
_NEAR: Final = 2.0**-20
"""How near a derivative of a few operations in binary64 is: 2^-53 each, times less than 2^20 of cancellation."""


class _RaisedError(Exception):
    """The exception of a closure."""


class _Closure:
    """A closure that notes how it is called.

    Args:
        act: makes the gradients.
        loss: the kind of its value.
        theta: copies the parameters.
    """

    def __init__(self, act: Callable[[], None], loss: Loss, theta: Callable[[], list[torch.Tensor]]) -> None:
        self._act, self._loss, self.theta = act, loss, theta
        self._before = theta()
        self.calls = 0
        self.had_gradients = True
        self.came_first = True
        self.value: Any = None

    def __call__(self) -> Any:
        self.calls += 1
        self.had_gradients &= torch.is_grad_enabled()
        self.came_first &= _equal(self._before, self.theta())
        self._act()
        match self._loss:
            case Loss.TENSOR:
                self.value = torch.tensor(1.5, requires_grad=True) * 0.5
            case Loss.NUMBER:
                self.value = 0.75
            case Loss.ZERO:
                self.value = 0.0
            case Loss.NOTHING:
                self.value = None
        return self.value

    def faults(self, returned: Any) -> Iterator[str]:
        """The faults of the call, and of the value that the step returned."""
        if self.calls != 1:
            yield f"the closure is called {self.calls} times, not once"
            return
        if not self.had_gradients:
            yield "the closure is called with gradients switched off"
        if not self.came_first:
            yield "the closure is called after parameters were stepped"
        if torch.is_tensor(self.value):
            same = torch.is_tensor(returned) and bool(torch.equal(returned.detach(), self.value.detach()))
        else:
            same = returned is self.value or (self.value is not None and returned == self.value)
        if not same:
            yield f"the step returns {returned!r}, and not the value of the closure, {self.value!r}"


class _FalsyClosure(_Closure):
    def __len__(self) -> int:
        return 0


class TorchFeatures(Adapter):
    """The features of an optimizer with the interface of `torch.optim.Optimizer`."""

    has_features = True
    device: str
    mode: str
    mode_arguments: Mapping[str, Any]
    optimizer_class: Callable[..., Any]

    def __init__(self) -> None:
        self._scalers: WeakKeyDictionary[Any, Any] = WeakKeyDictionary()
        self._closures: list[_Closure] = []

    def switched(self, switches: Mapping[str, bool | None]) -> Self:
        for name in switches:
            if name not in self._arguments():
                raise SkippedError(f"its constructor has no argument {name}")
        result = copy.copy(self)
        TorchFeatures.__init__(result)
        result.mode_arguments = {**self.mode_arguments, **switches}
        if switches.get("differentiable"):
            result.mode = "differentiable"
            result.is_copied = False
        return result

    # Arrays --------------------------------------------------------------------------------------------------

    def make_special_parameter(self, value: FloatArray, dtype: str, memory: Memory) -> torch.Tensor:
        tensor = torch.tensor(value, dtype=getattr(torch, dtype), device=self.device)
        match memory:
            case Memory.COMPLEX:
                tensor = _complex(tensor)
            case Memory.CHANNELS_LAST:
                tensor = _channels_last(tensor)
        return tensor.requires_grad_(memory is not Memory.CONSTANT)

    def make_special_gradient(
        self, parameter: torch.Tensor, value: FloatArray, dtype: str, memory: Memory
    ) -> torch.Tensor:
        tensor = torch.tensor(value, dtype=getattr(torch, dtype), device=self.device)
        if parameter.is_complex():
            return _complex(tensor)
        return _LAYINGS[memory](tensor) if memory in _LAYINGS and value.ndim and value.size else tensor

    def name_parameters(self, params: Sequence[torch.Tensor]) -> list[tuple[str, torch.Tensor]]:
        names = [f"layer{i % 3}.weight{len(params) - i}" for i in range(len(params))]
        return list(zip(names, params, strict=True))

    def fill_lr(self, optimizer: Any, group: int, lr: float) -> None:
        held = optimizer.param_groups[group]["lr"]
        if not torch.is_tensor(held):
            raise SkippedError("the learning rate of the group is not a tensor")
        held.fill_(lr)

    # Steps ---------------------------------------------------------------------------------------------------

    def step_by(
        self, optimizer: Any, params: Sequence[Any], gradients: Sequence[Any], call: Call
    ) -> list[str]:
        if not isinstance(optimizer, torch.optim.Optimizer) and (
            call.hooks or call.scaler is not Scaler.NONE
        ):
            raise SkippedError("the subject is not a torch.optim.Optimizer")
        earlier = [(closure, closure.calls) for closure in self._closures]
        shown = [_identity(p) for p in params]
        enabled = not call.no_grad
        with torch.set_grad_enabled(enabled):
            faults = list(self._step_by(optimizer, params, gradients, call))
            if torch.is_grad_enabled() is not enabled:
                faults.append(f"the step leaves gradients switched {'off' if enabled else 'on'}")
        for index, (parameter, then) in enumerate(zip(params, shown, strict=True)):
            faults += [
                f"the step gives parameter {index} another {name}"
                for name, value in _identity(parameter).items()
                if value != then[name]
            ]
            if parameter.grad is not None and parameter.grad.requires_grad:
                parameter.grad = None  # nothing that has a graph can be copied
        if any(closure.calls != calls for closure, calls in earlier):
            faults.append("the closure of an earlier step is called again")
        return faults

    def _step_by(
        self, optimizer: Any, params: Sequence[Any], gradients: Sequence[Any], call: Call
    ) -> Iterator[str]:
        def assign() -> None:
            for parameter, gradient in zip(params, gradients, strict=True):
                parameter.grad = gradient

        if call.scaler is not Scaler.NONE:
            with self._hooked(optimizer, params, None, call) as faults:
                self._step_scaled(optimizer, params, gradients, call.scaler)
            yield from faults
            return
        if call.closure is Closure.NONE:
            _prepare(params, gradients, _STALE if call.hooks else None)
            with self._hooked(optimizer, params, assign, call) as faults:
                self.call_step(optimizer)
            yield from faults
            return
        act = assign
        if call.accumulates:
            act = _accumulate(params, gradients)
        else:
            _prepare(params, gradients, _STALE)
        kind = _FalsyClosure if call.is_falsy else _Closure
        closure = kind(act, call.loss, lambda: [p.detach().clone() for p in params])
        self._closures.append(closure)
        with self._hooked(optimizer, params, None, call) as faults:
            if call.closure is Closure.KEYWORD:
                returned = optimizer.step(closure=closure)
            elif call.hooks:
                # A hook may put other arguments in the place of those that were passed.
                decoy = _Closure(act, call.loss, closure.theta)
                handle = optimizer.register_step_pre_hook(lambda *_: ((optimizer, closure), {}))
                returned = optimizer.step(decoy)
                handle.remove()
                if decoy.calls:
                    faults.append("a closure is called that a hook had replaced")
            else:
                returned = optimizer.step(closure)
        yield from closure.faults(returned)
        yield from faults

    @contextmanager
    def _hooked(
        self, optimizer: Any, params: Sequence[Any], act: Callable[[], None] | None, call: Call
    ) -> Iterator[list[str]]:
        """Hooks before and after a step, and the list of their faults at its end."""
        faults: list[str] = []
        if not call.hooks:
            yield faults
            return
        before = [p.detach().clone() for p in params]
        after: list[torch.Tensor] = []
        counts = {"own pre": 0, "own post": 0, "global pre": 0, "global post": 0}

        def note(name: str) -> Callable[..., None]:
            def hook(which: Any, *_: Any) -> None:
                counts[name] += which is optimizer
                now = [p.detach().clone() for p in params]
                if name.endswith("pre"):
                    if not _equal(now, before):
                        faults.append("a hook before the step is called after parameters were stepped")
                    if act is not None:
                        act()
                else:
                    after[:] = now

            return hook

        handles = [
            optimizer.register_step_pre_hook(note("own pre")),
            optimizer.register_step_post_hook(note("own post")),
            torch_optimizer.register_optimizer_step_pre_hook(note("global pre")),
            torch_optimizer.register_optimizer_step_post_hook(note("global post")),
        ]
        try:
            yield faults
        finally:
            for handle in handles:
                handle.remove()
        faults += [f"the {name} hook is called {n} times, not once" for name, n in counts.items() if n != 1]
        if after and not _equal(after, [p.detach() for p in params]):
            faults.append("a hook after the step is called before all parameters were stepped")

    def _step_scaled(
        self, optimizer: Any, params: Sequence[Any], gradients: Sequence[Any], way: Scaler
    ) -> None:
        if optimizer not in self._scalers:
            made = torch.amp.GradScaler(self.device, init_scale=_SCALE, growth_interval=2**30)
            made.scale(torch.ones((), device=self.device))  # it makes its scale at the first use
            self._scalers[optimizer] = made
        scaler = self._scalers[optimizer]
        scale = scaler.get_scale()
        if way is Scaler.OVERFLOW:
            scaled = _overflowing(params)
        else:
            scaled = [None if g is None else g * scale for g in gradients]
            if not _is_exact(gradients, scaled, scale):
                _prepare(params, gradients, None)
                self.call_step(optimizer)
                return
        _prepare(params, scaled, None)
        if way is Scaler.UNSCALED:
            scaler.unscale_(optimizer)
        scaler.step(optimizer)
        scaler.update()

    def refuse(self, optimizer: Any, params: Sequence[Any], refusal: Refusal) -> None:
        match refusal:
            case Refusal.CLOSURE_RAISES:

                def closure() -> None:
                    _prepare(params, [torch.ones_like(p) for p in params], None)
                    raise _RaisedError("the closure's own")

                _prepare(params, [torch.ones_like(p) for p in params], _STALE)
                optimizer.step(closure)
            case Refusal.SPARSE_GRADIENT:
                _prepare(params, [torch.ones_like(p).to_sparse(1) for p in params], None)
                self.call_step(optimizer)
            case Refusal.PARAMETER_TWICE:
                optimizer.add_param_group({"params": [params[0]]})
            case Refusal.NOT_A_LEAF:
                if self.mode == "differentiable":
                    raise SkippedError(
                        "with differentiable=True a parameter may be the result of an operation"
                    )
                leaf = torch.ones(2, dtype=params[0].dtype, device=self.device, requires_grad=True)
                optimizer.add_param_group({"params": [leaf * 2]})

    def call_step(self, optimizer: Any) -> None:
        """Take one step with the gradients in `.grad`."""
        optimizer.step()

    # Questions -----------------------------------------------------------------------------------------------

    def ask(self, optimizer: Any, params: Sequence[Any], question: Question) -> list[str]:
        match question:
            case Question.ZERO_GRAD | Question.ZERO_GRAD_TO_NONE | Question.ZERO_GRAD_IN_PLACE:
                return list(_zero_gradients(optimizer, params, question))
            case Question.CHECKPOINT_HOOKS:
                return list(_hook_checkpoints(optimizer))
            case Question.OPTIONS:
                return list(self._missing_options(optimizer))
            case Question.SWITCHES:
                return [*self._missing_options(optimizer), *self._switches(optimizer)]
            case Question.DERIVATIVE:
                return list(self._derivative())
            case Question.OVERWRITE:
                _overwrite_gradients(params)
            case Question.REBIND:
                for parameter in params:
                    parameter.data = parameter.data.clone()
        return []

    def _missing_options(self, optimizer: Any) -> Iterator[str]:
        """Find arguments of the constructor that are options of some groups alone."""
        for index, group in enumerate(optimizer.param_groups):
            for name in getattr(optimizer, "defaults", {}):
                if name not in group and name in self._arguments():
                    yield f"group {index} lacks the option {name!r}"

    def _arguments(self) -> Collection[str]:
        """The names of the constructor's arguments, if its signature shows them."""
        try:
            return inspect.signature(self.optimizer_class).parameters
        except (TypeError, ValueError):
            return ()

    def _switches(self, optimizer: Any) -> Iterator[str]:
        for index, group in enumerate(optimizer.param_groups):
            for name, value in self.mode_arguments.items():
                if name in group and group[name] is not value:
                    yield f"group {index} has {name}={group[name]!r}; the constructor was passed {value!r}"

    def _derivative(self) -> Iterator[str]:
        """Compare the derivatives of the first step, theta - lr*g/(|g| + eps)."""
        lr, eps = 0.5, 0.25
        leaf = torch.tensor([0.5, -1.25, 2.0], dtype=torch.float64, requires_grad=True)
        g = torch.tensor([1.0, -0.5, 3.0], dtype=torch.float64, requires_grad=True)
        theta = leaf.clone()
        optimizer = self.make_optimizer([theta], (), {"lr": lr, "eps": eps})
        theta.retain_grad()
        theta.grad = g
        self.call_step(optimizer)
        try:
            found = torch.autograd.grad(theta.sum(), [leaf, g], allow_unused=True)
        except RuntimeError as error:
            yield f"with differentiable=True theta has no derivative: {error}"
            return
        wanted = torch.ones_like(leaf), -lr * eps / (g.abs() + eps) ** 2
        for name, came, want in zip(("theta", "the gradient"), found, wanted, strict=True):
            if came is None or not torch.allclose(came, want, rtol=_NEAR, atol=0):
                shown = None if came is None else came.tolist()
                yield f"with differentiable=True the derivative for {name} is {shown}, not {want.tolist()}"

    def edit_checkpoint(self, checkpoint: Any, edit: Edit, steps: int) -> Any:
        edited = copy.deepcopy(checkpoint)
        match edit:
            case Edit.WITHOUT_NEWER_OPTIONS:
                removed = [g.pop(name) for g in edited["param_groups"] for name in NEWER_OPTIONS if name in g]
                if not removed:
                    raise SkippedError("its checkpoint has none of the newer options")
            case Edit.COUNT_AS_INT | Edit.COUNT_AS_FLOAT:
                kind = int if edit is Edit.COUNT_AS_INT else float
                changed = 0
                for state in edited["state"].values():
                    for name, value in state.items():
                        if torch.is_tensor(value) and value.ndim == 0 and float(value) == steps:
                            state[name] = kind(value)
                            changed += 1
                if not changed:
                    raise SkippedError("the counts in its checkpoint are not tensors")
            case Edit.THROUGH_FILE:
                file = io.BytesIO()
                torch.save(edited, file)
                edited = torch.load(io.BytesIO(file.getvalue()), weights_only=False)
        return edited


def _complex(tensor: torch.Tensor) -> torch.Tensor:
    """Pairs along the last axis as complex numbers."""
    if tensor.dtype not in {torch.float32, torch.float64} or not tensor.ndim or tensor.shape[-1] % 2:
        raise SkippedError(
            f"there are no complex numbers of {tensor.dtype} in the shape {list(tensor.shape)}"
        )
    return torch.view_as_complex(tensor.reshape(*tensor.shape[:-1], -1, 2).contiguous()).clone()


def real_view(tensor: torch.Tensor) -> torch.Tensor:
    """The numbers of any tensor: dense, and complex ones as pairs."""
    if tensor.layout is not torch.strided:
        tensor = tensor.to_dense()
    if not tensor.is_complex():
        return tensor
    return torch.view_as_real(tensor.resolve_conj()).flatten(-2)


def _channels_last(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.contiguous(memory_format=torch.channels_last) if tensor.ndim == 4 else tensor


def _expanded(tensor: torch.Tensor) -> torch.Tensor:
    """A tensor whose rows share their memory if they are equal, or whose columns do."""
    if bool((tensor == tensor[:1]).all()):
        return tensor[:1].expand(tensor.shape)
    return tensor[..., :1].expand(tensor.shape) if bool((tensor == tensor[..., :1]).all()) else tensor


def _sparse_twice(tensor: torch.Tensor) -> torch.Tensor:
    """Every row that is not all 0 as the sum of two halves, at the same index."""
    rows = tensor.to_sparse(1).coalesce()
    indices, values = torch.cat([rows.indices()] * 2, 1), torch.cat([rows.values() / 2] * 2)
    return torch.sparse_coo_tensor(indices, values, tensor.shape, check_invariants=True)


_LAYINGS: Final[Mapping[Memory, Callable[[torch.Tensor], torch.Tensor]]] = {
    Memory.CHANNELS_LAST: _channels_last,
    Memory.EXPANDED: _expanded,
    Memory.RECORDED: lambda tensor: tensor.requires_grad_().clone(),
    Memory.SPARSE_ROWS: lambda tensor: tensor.to_sparse(1),
    Memory.SPARSE_ELEMENTS: lambda tensor: tensor.to_sparse(),
    Memory.SPARSE_TWICE: _sparse_twice,
}
"""The gradient of each kind that is made of a contiguous one."""


def _identity(parameter: torch.Tensor) -> dict[str, Any]:
    """The facts of a parameter on which its views and modules rely."""
    return {
        "address in memory": parameter.data_ptr(),
        "order in memory": parameter.stride(),
        "dtype": parameter.dtype,
        "requires_grad": parameter.requires_grad,
    }


def _equal(a: Sequence[torch.Tensor], b: Sequence[torch.Tensor]) -> bool:
    return all(np.array_equal(x.cpu(), y.cpu(), equal_nan=True) for x, y in _as_double(a, b))


def _as_double(
    a: Sequence[torch.Tensor], b: Sequence[torch.Tensor]
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    for x, y in zip(a, b, strict=True):
        yield real_view(x.detach()).double(), real_view(y.detach()).double()


def _prepare(params: Sequence[Any], gradients: Sequence[Any], stale: float | None) -> None:
    """Set the gradients, or stale ones in their place."""
    for parameter, gradient in zip(params, gradients, strict=True):
        if not parameter.is_leaf:
            parameter.retain_grad()
        stand_in = stale is not None and gradient is not None
        parameter.grad = torch.full_like(parameter, stale).detach() if stand_in else gradient


def _accumulate(params: Sequence[Any], gradients: Sequence[Any]) -> Callable[[], None]:
    """Set half of each gradient; the result adds the other, exactly."""
    rest: list[Any] = []
    for parameter, gradient in zip(params, gradients, strict=True):
        whole = None if gradient is None else gradient.detach().to_dense().clone()
        if whole is None or not bool(torch.isfinite(whole).all()):
            parameter.grad = None
            rest.append(whole)
        else:
            parameter.grad = whole / 2
            rest.append(whole - parameter.grad)

    def act() -> None:
        for parameter, other in zip(params, rest, strict=True):
            if other is not None:
                parameter.grad = other if parameter.grad is None else parameter.grad + other

    return act


def _overflowing(params: Sequence[Any]) -> list[Any]:
    """Gradients, the last that can be scaled with an infinite element."""
    plain = [torch.ones(p.shape, dtype=p.dtype, device=p.device) for p in params]
    gradients = [g if _is_scalable(g) else None for g in plain]
    filled = [g for g in gradients if g is not None and g.numel()]
    if not filled:
        raise SkippedError("no parameter can have an infinite gradient that a scaler sees")
    filled[-1].view(-1)[0] = float("inf")
    return gradients


def _is_scalable(tensor: torch.Tensor) -> bool:
    is_wide = tensor.dtype in {torch.float32, torch.float64, torch.bfloat16}
    return is_wide and tensor.layout is torch.strided and tensor.is_contiguous()


def _is_exact(gradients: Sequence[Any], scaled: Sequence[Any], scale: float) -> bool:
    """Whether scaled gradients are finite, and give back the gradients."""
    pairs = [(g, s) for g, s in zip(gradients, scaled, strict=True) if g is not None]
    return bool(pairs) and all(
        _is_scalable(g) and bool(torch.isfinite(s).all()) and torch.equal(s / scale, g) for g, s in pairs
    )


def _overwrite_gradients(params: Sequence[Any]) -> None:
    """Write to the gradients of the last step that have memory of their own."""
    taken = {p.untyped_storage().data_ptr() for p in params}
    for gradient in [p.grad for p in params if p.grad is not None and p.grad.layout is torch.strided]:
        if gradient.is_contiguous() and gradient.untyped_storage().data_ptr() not in taken:
            with torch.no_grad():
                gradient.fill_(_STALE)


def _zero_gradients(optimizer: Any, params: Sequence[Any], question: Question) -> Iterator[str]:
    gradients: list[Any] = [torch.ones_like(p).detach() for p in params]
    if len(params) > 1:
        gradients[0] = None
    if len(params) > 2:
        gradients[-1] = torch.ones_like(params[-1]).detach().requires_grad_().clone()
    _prepare(params, gradients, None)
    to_none = {Question.ZERO_GRAD_TO_NONE: True, Question.ZERO_GRAD_IN_PLACE: False}.get(question)
    optimizer.zero_grad(**({} if to_none is None else {"set_to_none": to_none}))
    for index, (parameter, gradient) in enumerate(zip(params, gradients, strict=True)):
        if fault := _fault_of_zeroed(gradient, parameter.grad, to_none=to_none):
            yield f"after {question.value} {fault} of parameter {index}"
    _prepare(params, [None] * len(params), None)


def _fault_of_zeroed(gradient: Any, left: Any, *, to_none: bool | None) -> str:
    """The fault of a gradient that was cleared; empty if there is none."""
    if gradient is None:
        return "" if left is None else "there is a gradient, where there was none,"
    if left is None:
        return "there is no gradient" if to_none is False else ""
    if to_none:
        return "there is a gradient"
    if bool((left != 0).any()):
        return "there are numbers other than 0 in the gradient"
    return "there is still a graph in the gradient" if left.requires_grad else ""


def _hook_checkpoints(optimizer: Any) -> Iterator[str]:
    names = (
        "register_state_dict_pre_hook",
        "register_state_dict_post_hook",
        "register_load_state_dict_pre_hook",
        "register_load_state_dict_post_hook",
    )
    if not all(hasattr(optimizer, name) for name in names):
        raise SkippedError("the subject has no hooks of its checkpoints")
    counts = dict.fromkeys(names, 0)

    def note(name: str) -> Callable[..., Any]:
        def hook(which: Any, *arguments: Any) -> Any:
            counts[name] += which is optimizer
            if name == "register_state_dict_post_hook":
                return {**arguments[0], "added by a hook": True}
            if name == "register_load_state_dict_pre_hook":
                return {key: x for key, x in arguments[0].items() if key != "added by a hook"}
            return None

        return hook

    handles = [getattr(optimizer, name)(note(name)) for name in names]
    try:
        saved = optimizer.state_dict()
        if "added by a hook" not in saved:
            yield "state_dict returns another dict than the hook after it"
        if counts["register_state_dict_pre_hook"] != 1 or counts["register_state_dict_post_hook"] != 1:
            yield f"hooks of state_dict are called {list(counts.values())[:2]} times, not once"
        optimizer.load_state_dict(copy.deepcopy(saved))
        if list(counts.values())[2:] != [1, 1]:
            yield f"hooks of load_state_dict are called {list(counts.values())[2:]} times, not once"
    finally:
        for handle in handles:
            handle.remove()
