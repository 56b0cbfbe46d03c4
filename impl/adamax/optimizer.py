r"""The documented Adamax over NumPy arrays.

    g     <- g + weight_decay*theta                 if weight_decay != 0 (g negated first when maximizing)
    m     <- beta1*m + (1 - beta1)*g
    u     <- max(beta2*u, |g| + eps)
    theta <- theta - lr*m / ((1 - beta1^t)*u)

Source: the documentation of `mindspore.experimental.optim.Adamax`, which is the specification. m and u are zero
before the first step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from os import PathLike
from typing import Any, final

import numpy as np
import numpy.typing as npt

from ...reference.hyperparameters import DEFAULTS, Hyperparameters
from . import checkpoint, kernel, options
from . import state_dict as states
from .arrays import Array, GradientChecker, WrittenMemory, check_parameter, reject_shared_memory
from .options import Schedule
from .storage import StepWork, Storage

StepCallbacks = tuple[Callable[[Sequence[Array], Sequence[Hyperparameters]], None], Callable[[], None]]
"""A function to call before a step, with its gradients and each group's hyperparameters, and one for after."""


@final
class Adamax:
    """Adamax with the documented signature.

    float32 is computed in binary64 and rounded once each for m, u and theta; float64 rounds each operation.
    theta is formed from the stored m and u, with a bias correction that loses nothing. The bits do not depend
    on the kernel, the number of threads, or the layout of the arrays in memory.

    NaN and infinity follow IEEE 754: a NaN in a gradient makes theta, m and u NaN in that element; an
    infinity makes u infinite and theta NaN.

    Example:
        >>> theta = np.array([1.0, -2.0])
        >>> optimizer = Adamax([theta], lr=0.5)
        >>> optimizer((2 * theta,))  # the gradient of the sum of squares
        >>> theta
        array([ 0.5, -1.5])

    Attributes:
        param_groups: a dict for each group: `params` and the options. The next step checks a
            new value, and uses it.
    """

    param_groups: list[dict[str, Any]]

    def __init__(
        self,
        params: Iterable[Array] | Iterable[Mapping[str, Any]],
        lr: float | npt.NDArray[Any] | Schedule = DEFAULTS.lr,
        betas: tuple[float, float] = (DEFAULTS.beta1, DEFAULTS.beta2),
        eps: float = DEFAULTS.eps,
        weight_decay: float = DEFAULTS.weight_decay,
        *,
        maximize: bool = DEFAULTS.maximize,
    ) -> None:
        """Take parameters to optimize; nothing is copied.

        Args:
            params: a list of arrays, or of dicts with the key `params` and any of the options below. Arrays
                of float32 or float64, of any shape and layout, writeable, sharing no memory; they are updated
                in place.
            lr: learning rate, at least 0: an int, a float, a 0-d array, or a callable that returns one for
                the number of the step, from 1.
            betas: decay of the first moment and of the infinity norm, each in [0, 1).
            eps: greater than 0.
            weight_decay: L2 penalty, at least 0.
            maximize: whether the objective is maximized.

        Raises:
            ValueError: an option outside its domain, an lr of a wrong type, an array that cannot be updated.
            TypeError: another argument of a wrong type.
        """
        self._defaults = options.check_options(
            {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "maximize": maximize}
        )
        self.param_groups = []
        self._storages: list[Storage] = []
        self._parameters: list[Array] = []
        self._callbacks: list[StepCallbacks] = []
        self._t = 0
        for group in _split_groups(params):
            self._add_group(group)
        self._prepare()

    @property
    def t(self) -> int:
        """The number of steps taken."""
        return self._t

    @property
    def group_steps(self) -> list[int]:
        """The number of steps that each group has taken."""
        return [storage.t for storage in self._storages]

    @property
    def parameters(self) -> list[Array]:
        """Theta of each parameter, group by group: the caller's arrays."""
        return list(self._parameters)

    @property
    def exp_avg(self) -> list[Array]:
        """The first moment m of each parameter: the live arrays, not copies."""
        return [stored.m for storage in self._storages for stored in storage.parameters()]

    @property
    def exp_inf(self) -> list[Array]:
        """The infinity norm u of each parameter: the live arrays, not copies."""
        return [stored.u for storage in self._storages for stored in storage.parameters()]

    def add_param_group(self, group: Mapping[str, Any]) -> None:
        """Add parameters with options of their own.

        Their m and u start at 0, and their t at the next step.

        Args:
            group: `params`, a list of arrays or one array, and any of the constructor's options.

        Raises:
            ValueError: as by the constructor, or memory shared with a parameter that is there already.
            TypeError: as by the constructor.
        """
        self._add_group(group)
        self._prepare()

    def _add_group(self, group: Mapping[str, Any]) -> None:
        where = f"group {len(self.param_groups)}: "
        if not isinstance(group, Mapping):
            raise TypeError(f"{where}is of type {type(group).__name__}; it must be a dict")
        if "params" not in group:
            raise ValueError(f"{where}has the keys {list(group)}; it must have 'params'")
        own = options.check_options(self._defaults | {k: group[k] for k in group if k != "params"}, where)
        params = group["params"]
        params = [params] if isinstance(params, np.ndarray) else _require_list(params, where)
        added = [check_parameter(array, f"{where}parameter {i}") for i, array in enumerate(params)]
        everything = self._parameters + added
        reject_shared_memory(everything)

        self._storages.append(Storage(dict(enumerate(added, start=len(self._parameters))), where))
        self._parameters = everything
        self.param_groups.append({"params": params, **own})

    def _prepare(self) -> None:
        """Prepare the steps of all groups."""
        self._gradients = GradientChecker(self._parameters)
        self._written = WrittenMemory([*self._parameters, *self.exp_avg, *self.exp_inf])
        self._run = kernel.choose_kernel(sum(array.size for array in self._parameters))

    def __call__(self, gradients: tuple[Array, ...] | list[Array]) -> None:
        """Take one step.

        Args:
            gradients: an array for each parameter, in their order group by group, of its shape and dtype, in
                any layout. They do not change. One may lie in the memory of a parameter or of its state: then
                the step copies it first.

        Raises:
            ValueError: a wrong number or shape of gradients, or an option that was set to a value outside its
                domain. Nothing is changed.
            TypeError: a wrong dtype or type. Nothing is changed.
        """
        checked = self._gradients.check(gradients)
        t = self._t + 1
        for i, group in enumerate(self._groups()):
            self._storages[i].check_options(group, t)
        for before, _ in self._callbacks:
            before(checked, [storage.hyperparameters for storage in self._storages])
        work = StepWork()
        for storage in self._storages:
            storage.read(checked, self._written, work)
        work.take_step(self._run)
        self._t = t
        for storage in self._storages:
            storage.t += 1
        for _, after in self._callbacks:
            after()

    def watch(
        self,
        before: Callable[[Sequence[Array], Sequence[Hyperparameters]], None],
        after: Callable[[], None],
    ) -> Callable[[], None]:
        """Call functions before and after each step.

        Args:
            before: gets the gradients and each group's hyperparameters, which are those of this step.
            after: gets no arguments.

        Returns:
            A function that ends this; `copy` and `pickle` do not copy the functions.
        """
        callbacks = (before, after)
        self._callbacks = [*self._callbacks, callbacks]

        def end() -> None:
            self._callbacks = [other for other in self._callbacks if other is not callbacks]

        return end

    def state_dict(self) -> dict[str, Any]:
        """A copy of everything but theta: later steps do not change it.

        Returns:
            `t`; `param_groups`, each with its options, its own `t` and, as `params`, the indices of its
            parameters; `exp_avg` and `exp_inf`, lists of arrays.
        """
        return {
            "t": self._t,
            "param_groups": [
                {"params": members, "t": t, **options.check_options(own)}
                for members, t, own in zip(self._members(), self.group_steps, self._options(), strict=True)
            ],
            "exp_avg": [m.copy() for m in self.exp_avg],
            "exp_inf": [u.copy() for u in self.exp_inf],
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Load a state; its arrays are copied.

        Args:
            state: the result of `state_dict` of an optimizer over groups of the same shapes and dtypes.

        Raises:
            ValueError: it does not fit. Nothing is changed.
            TypeError: a part has a wrong type. Nothing is changed.
        """
        self._restore(states.check_state(state, self._parameters, self._members()))

    def save(self, path: str | PathLike[str]) -> None:
        """Write the parameters and the state to one safetensors file, as a whole.

        The file does not hold a learning rate that is a callable.

        Raises:
            ImportError: safetensors is not installed.
            OSError: the file cannot be written.
        """
        checkpoint.write_checkpoint(path, self._parameters, self.state_dict())

    def load(self, path: str | PathLike[str]) -> None:
        """Read the parameters, in place, and the state that `save` wrote.

        If the learning rate was a callable, this optimizer's stays.

        Raises:
            ImportError: safetensors is not installed.
            OSError: the file cannot be read.
            ValueError: `save` did not write it, or it does not fit. Nothing is changed.
            TypeError: a parameter has another dtype. Nothing is changed.
        """
        thetas, state = checkpoint.read_checkpoint(
            path, self._parameters, [group["lr"] for group in self._options()]
        )
        self._restore(states.check_state(state, self._parameters, self._members()))
        for theta, saved in zip(self._parameters, thetas, strict=True):
            theta[...] = saved

    def __reduce__(self) -> tuple[Any, ...]:
        """Copy and pickle by construction.

        A plain copy would separate m and u from the memory that they view.
        """
        return _reconstruct, (self._defaults, self.param_groups, self.state_dict())

    def _members(self) -> list[list[int]]:
        """The indices of each group's parameters."""
        return [[stored.index for stored in storage.parameters()] for storage in self._storages]

    def _options(self) -> list[dict[str, Any]]:
        """The options of each group as they stand in `param_groups`."""
        return [{key: group[key] for key in group if key != "params"} for group in self._groups()]

    def _groups(self) -> list[dict[str, Any]]:
        """The groups, which must be those that were added."""
        if len(self.param_groups) != len(self._storages):
            raise ValueError(
                f"param_groups has {len(self.param_groups)} groups where {len(self._storages)} were added; "
                "add one by add_param_group, and remove none"
            )
        return self.param_groups

    def _restore(self, state: states.OptimizerState) -> None:
        for targets, sources in ((self.exp_avg, state.exp_avg), (self.exp_inf, state.exp_inf)):
            for target, source in zip(targets, sources, strict=True):
                target[...] = source
        for group, own in zip(self.param_groups, state.groups, strict=True):
            group.update(own)
        self._t = state.t
        for storage, t in zip(self._storages, state.group_steps, strict=True):
            storage.t = t


def _reconstruct(defaults: dict[str, Any], groups: list[dict[str, Any]], state: dict[str, Any]) -> Adamax:
    optimizer = Adamax(groups, **defaults)
    optimizer.load_state_dict(state)
    return optimizer


def _require_list(params: object, where: str = "") -> list[Any]:
    """Convert the parameters or groups to a list, which must not be empty."""
    if isinstance(params, np.ndarray | Mapping | str | set | frozenset) or not isinstance(params, Iterable):
        name = type(params).__name__
        raise TypeError(f"{where}params is of type {name}; it must be a list of arrays or of dicts")
    values = list(params)
    if not values:
        raise ValueError(f"{where}params is empty; it must hold at least one parameter")
    return values


def _split_groups(params: object) -> list[Mapping[str, Any]]:
    """Convert `params` to parameter groups."""
    values = _require_list(params)
    dicts = [isinstance(value, Mapping) for value in values]
    if all(dicts):
        return values
    if any(dicts):
        raise TypeError("params holds both arrays and dicts; it must be a list of one or the other")
    return [{"params": values}]
