"""Recording of an optax transformation, around its update function."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from importlib import import_module
from types import TracebackType
from typing import Any, Literal, Self

from ...reference.hyperparameters import Hyperparameters
from .arrays import ArrayRecorder, State, record_arrays


def record_updates(
    transform: Any,
    params: Any,
    directory: str | os.PathLike[str],
    hyperparameters: Hyperparameters | Callable[[int], Hyperparameters],
    *,
    on_error: Literal["raise", "warn"] = "raise",
) -> UpdateRecorder:
    """Record the steps of an optax transformation, as they are computed.

    Theta after a step is what `optax.apply_updates` makes of the parameters and the updates. If something else is made
    of them, the next step finds other parameters, and the audit says that they were changed outside a step.

    Args:
        transform: an `optax.GradientTransformation` whose state has `count`, `mu` and `nu`, as that of `optax.adamax`.
            What comes before it in a chain, as clipping, stays outside: the gradients are recorded as it gets them.
        params: the parameters, a tree of arrays; the name of each is its path.
        directory: the folder of the recording; it is made if need be, and must be empty.
        hyperparameters: in force at all steps, or a function that gives those of step t, from 1.
        on_error: what an update does when it cannot be recorded: `raise` the error, or `warn` and record nothing more.

    Returns:
        A context manager; its `transform` takes the place of the one that was passed, outside of `jax.jit`.

    Raises:
        ValueError: the directory is not empty.
        OSError: the recording cannot be written.
    """
    return UpdateRecorder(transform, params, directory, hyperparameters, on_error)


class UpdateRecorder:
    """A recording in progress, of an optax transformation.

    Attributes:
        transform: the transformation that records its updates.
    """

    def __init__(
        self,
        transform: Any,
        params: Any,
        directory: str | os.PathLike[str],
        hyperparameters: Hyperparameters | Callable[[int], Hyperparameters],
        on_error: Literal["raise", "warn"],
    ) -> None:
        self._jax, self._optax = import_module("jax"), import_module("optax")
        self._own = self._optax.with_extra_args_support(transform)
        self._hyperparameters = hyperparameters
        paths, self._tree = self._jax.tree_util.tree_flatten_with_path(params)
        names = [self._jax.tree_util.keystr(path).strip("[]'\"").replace("']['", ".") for path, _ in paths]
        device = str(self._jax.default_backend())
        self._recorder: ArrayRecorder = record_arrays(
            directory,
            names,
            subject="optax",
            version=self._optax.__version__,
            device={"gpu": "cuda"}.get(device, device),
            on_error=on_error,
        )
        self._is_open = False
        self.transform = self._optax.GradientTransformationExtraArgs(self._own.init, self._update)

    @property
    def recorded(self) -> int:
        """The number of steps on disk."""
        return self._recorder.recorded

    def __enter__(self) -> Self:
        """Begin the recording."""
        self._recorder.__enter__()
        self._is_open = True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Write the recording's end."""
        self._is_open = False
        self._recorder.__exit__(kind, error, traceback)

    def _update(self, gradients: Any, state: Any, params: Any = None, **more: Any) -> tuple[Any, Any]:
        updates, new = self._own.update(gradients, state, params, **more)
        if self._is_open:
            if params is None:
                raise ValueError("update was called without params, which a recorded step needs")
            if any(isinstance(leaf, self._jax.core.Tracer) for leaf in self._jax.tree.leaves(gradients)):
                raise RuntimeError("a step inside of a function that JAX compiles cannot be recorded")
            old_own, new_own = _moments_of(state), _moments_of(new)
            t = int(old_own.count) + 1
            options = self._hyperparameters
            self._recorder.step(
                t,
                self._leaves(gradients),
                self._state(params, old_own),
                self._state(self._optax.apply_updates(params, updates), new_own),
                options if isinstance(options, Hyperparameters) else options(t),
            )
        return updates, new

    def _state(self, params: Any, own: Any) -> State:
        return self._leaves(params), self._leaves(own.mu), self._leaves(own.nu)

    def _leaves(self, tree: Any) -> list[Any]:
        leaves: list[Any] = self._tree.flatten_up_to(tree)
        return leaves


def _moments_of(state: Any) -> Any:
    """The part of a transformation's state that has count, mu and nu."""
    found = next(_parts_with_moments(state), None)
    if found is None:
        raise TypeError(
            f"the state {type(state).__name__} has no part with count, mu and nu; that of optax.adamax has"
        )
    return found


def _parts_with_moments(state: Any) -> Iterator[Any]:
    if all(hasattr(state, name) for name in ("count", "mu", "nu")):
        yield state
    elif isinstance(state, tuple):
        for part in state:
            yield from _parts_with_moments(part)
