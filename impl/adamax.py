r"""The documented Adamax over NumPy arrays.

    g     <- g + weight_decay*theta                 if weight_decay != 0 (g negated first when maximizing)
    m     <- beta1*m + (1 - beta1)*g
    u     <- max(beta2*u, |g| + eps)
    theta <- theta - lr*m / ((1 - beta1^t)*u)

Source: the page of `mindspore.experimental.optim.Adamax`. m and u are zero before the first step.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, final

import numpy as np

from ..reference.hyperparameters import DEFAULTS
from . import kernel_numpy, options
from .arrays import DTYPES, Array, Gradients, Occupied, checked_parameter, reject_shared_memory
from .scalars import step_scalars
from .storage import Storage

_STATE_KEYS: Final = ("t", "param_groups", "exp_avg", "exp_inf")


@final
class Adamax:
    """Adamax with the documented signature.

    m and u come out as the nearest number of the parameter's dtype for float32; float64 rounds each operation
    once. theta is formed from the stored m and u in binary64, with a bias correction that loses nothing.

    NaN and infinity follow IEEE 754: a NaN in a gradient makes theta, m and u NaN in that element; an infinity
    makes u infinite and theta NaN.

    Attributes:
        param_groups: one dict for each group: `params` and the options. An option set here is in force from the
            next step, and checked there.
    """

    param_groups: list[dict[str, Any]]

    def __init__(
        self,
        params: Iterable[Any],
        lr: Any = DEFAULTS.lr,
        betas: tuple[float, float] = (DEFAULTS.beta1, DEFAULTS.beta2),
        eps: float = DEFAULTS.eps,
        weight_decay: float = DEFAULTS.weight_decay,
        *,
        maximize: bool = DEFAULTS.maximize,
    ) -> None:
        """Take parameters to optimize; nothing is copied.

        Args:
            params: a list of arrays, or of dicts with the key `params` and any of the options below. Arrays of
                float32 or float64, of any shape and layout, writeable, sharing no memory. Updated in place.
            lr: learning rate, at least 0: an int, a float, a 0-d array, or a callable of the number of the step
                (from 1) that returns one.
            betas: decay of the first moment and of the infinity norm, each in [0, 1).
            eps: greater than 0.
            weight_decay: L2 penalty, at least 0.
            maximize: whether the objective is maximized.

        Raises:
            ValueError: an option outside its domain, an lr of a wrong type, a parameter that cannot be updated.
            TypeError: another argument of a wrong type.
        """
        self._defaults = options.checked(
            {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "maximize": maximize}
        )
        self.param_groups = []
        self._storages: list[Storage] = []
        self._group_steps: list[int] = []
        self._parameters: list[Array] = []
        self._t = 0
        for group in _groups(params):
            self.add_param_group(group)

    @property
    def t(self) -> int:
        """How many steps were taken."""
        return self._t

    @property
    def exp_avg(self) -> list[Array]:
        """The first moment m of each parameter: the live arrays, not copies."""
        return [placed.m for storage in self._storages for placed in storage.placed()]

    @property
    def exp_inf(self) -> list[Array]:
        """The infinity norm u of each parameter: the live arrays, not copies."""
        return [placed.u for storage in self._storages for placed in storage.placed()]

    def add_param_group(self, group: Mapping[str, Any]) -> None:
        """Add parameters with options of their own; their m and u start at zero, and their t at the next step.

        Args:
            group: `params`, a list of arrays or one array, and any of the constructor's options.

        Raises:
            ValueError: as by the constructor, or memory shared with a parameter that is there already.
            TypeError: as by the constructor.
        """
        where = f"group {len(self.param_groups)}: "
        if not isinstance(group, Mapping):
            raise TypeError(
                f"{where}is of type {type(group).__name__}; it must be a dict with the key 'params'"
            )
        if "params" not in group:
            raise ValueError(f"{where}has no 'params'; its keys are {list(group)}")
        own = {name: value for name, value in group.items() if name != "params"}
        values = options.checked(self._defaults | own, where)
        params = group["params"]
        if isinstance(params, np.ndarray):
            params = [params]
        first = len(self._parameters)
        thetas = [
            checked_parameter(array, f"{where}parameter {i}")
            for i, array in enumerate(_sequence(params, where))
        ]
        everything = self._parameters + thetas
        reject_shared_memory(everything)
        storage = Storage(dict(enumerate(thetas, start=first)))

        self._parameters = everything
        self._storages.append(storage)
        self._group_steps.append(0)
        self.param_groups.append({"params": list(params), **values})
        self._gradients = Gradients(everything)
        self._written = Occupied([*everything, *self.exp_avg, *self.exp_inf])

    def __call__(self, gradients: tuple[Array, ...] | list[Array]) -> None:
        """Take one step.

        Args:
            gradients: one array for each parameter, in their order group by group, of its shape and dtype, in any
                layout. They are left as they are.

        Raises:
            ValueError: a wrong number or shape of gradients, or an option that was set to a value outside its
                domain. Nothing is changed.
            TypeError: a wrong dtype or type. Nothing is changed.
        """
        checked = self._gradients.checked(gradients)
        steps = []
        for storage, group, t in zip(self._storages, self._options(), self._group_steps, strict=True):
            hyperparameters = options.in_force(group, self._t + 1, f"group {len(steps)}: ")
            scalars = {dtype: step_scalars(hyperparameters, t + 1, dtype) for dtype in DTYPES}
            steps.append(storage.read(checked, scalars, self._written))
        for take in steps:
            take(kernel_numpy.run)
        self._t += 1
        self._group_steps = [t + 1 for t in self._group_steps]

    def state_dict(self) -> dict[str, Any]:
        """A copy of everything but theta: later steps do not change it.

        Returns:
            `t`; `param_groups`, each with its options, its own `t` and, as `params`, the places of its
            parameters; `exp_avg` and `exp_inf`, lists of arrays.
        """
        groups = []
        place = 0
        for storage, group, t in zip(self._storages, self._options(), self._group_steps, strict=True):
            count = len(storage.placed())
            groups.append({"params": list(range(place, place + count)), "t": t, **group})
            place += count
        return {
            "t": self._t,
            "param_groups": groups,
            "exp_avg": [m.copy() for m in self.exp_avg],
            "exp_inf": [u.copy() for u in self.exp_inf],
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over a state; its arrays are copied.

        Args:
            state: what `state_dict` of an optimizer over parameters of the same groups, shapes and dtypes returned.

        Raises:
            ValueError: it does not fit. Nothing is changed.
            TypeError: a part has a wrong type. Nothing is changed.
        """
        t, groups, steps = self._checked_state(state)
        for name, targets in (("exp_avg", self.exp_avg), ("exp_inf", self.exp_inf)):
            for target, source in zip(targets, [np.array(a) for a in state[name]], strict=True):
                target[...] = source
        for own, values in zip(self.param_groups, groups, strict=True):
            own.update(values)
        self._t, self._group_steps = t, steps

    def _options(self) -> list[dict[str, Any]]:
        """The options of each group as they stand in `param_groups`."""
        if len(self.param_groups) != len(self._storages):
            raise ValueError(
                f"param_groups has {len(self.param_groups)} groups where {len(self._storages)} were added; "
                "add one by add_param_group, and remove none"
            )
        return [
            {key: value for key, value in group.items() if key != "params"} for group in self.param_groups
        ]

    def _checked_state(self, state: Mapping[str, Any]) -> tuple[int, list[dict[str, Any]], list[int]]:
        """The steps taken, and each group's options and own steps, of a state that fits."""
        if not isinstance(state, Mapping):
            raise TypeError(f"state is of type {type(state).__name__}; it must be what state_dict returned")
        if sorted(state) != sorted(_STATE_KEYS):
            raise ValueError(f"state has the keys {sorted(state)}; it must have {sorted(_STATE_KEYS)}")
        expected = self.state_dict()["param_groups"]
        groups = state["param_groups"]
        if [group.get("params") for group in groups] != [group["params"] for group in expected]:
            raise ValueError(
                f"state has groups of the parameters {[group.get('params') for group in groups]}; "
                f"this optimizer has {[group['params'] for group in expected]}"
            )
        values, steps = [], []
        for i, group in enumerate(groups):
            own = {key: value for key, value in group.items() if key not in {"params", "t"}}
            values.append(options.checked(own, f"state of group {i}: "))
            steps.append(_count(group.get("t"), f"state of group {i}: t"))
        for name in ("exp_avg", "exp_inf"):
            arrays = state[name]
            if len(arrays) != len(self._parameters):
                raise ValueError(
                    f"state has {len(arrays)} arrays in {name} for {len(self._parameters)} parameters"
                )
            for i, (array, theta) in enumerate(zip(arrays, self._parameters, strict=True)):
                if not isinstance(array, np.ndarray):
                    raise TypeError(
                        f"{name}[{i}] is of type {type(array).__name__}; it must be a NumPy array"
                    )
                if (array.shape, array.dtype) != (theta.shape, theta.dtype):
                    raise ValueError(
                        f"{name}[{i}] has shape {array.shape} and dtype {array.dtype}; "
                        f"its parameter has {theta.shape} and {theta.dtype}"
                    )
        return _count(state["t"], "state: t"), values, steps


def _count(value: Any, name: str) -> int:
    """A number of steps."""
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(f"{name} is {value!r}; it must be an int of at least 0")
    return value


def _sequence(params: Any, where: str = "") -> list[Any]:
    """The parameters or groups as a list that is not empty."""
    if isinstance(params, np.ndarray | Mapping | str | set | frozenset) or not isinstance(params, Iterable):
        raise TypeError(
            f"{where}params is of type {type(params).__name__}; it must be a list of arrays or of dicts"
        )
    values = list(params)
    if not values:
        raise ValueError(f"{where}params is empty; it must hold at least one parameter")
    return values


def _groups(params: Any) -> list[Mapping[str, Any]]:
    """The parameter groups that `params` stands for."""
    values = _sequence(params)
    dicts = [isinstance(value, Mapping) for value in values]
    if all(dicts):
        return values
    if any(dicts):
        raise TypeError("params holds both arrays and dicts; it must be a list of one or the other")
    return [{"params": values}]
