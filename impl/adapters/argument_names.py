"""The names and defaults that frameworks give to the documented arguments."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ..protocol.errors import SkippedError
from ..protocol.messages import ARGUMENTS


@dataclass(frozen=True)
class ArgumentNames:
    """The names that a framework gives to the documented arguments that it has.

    Attributes:
        framework: the framework's name.
        native_names: the framework's own name of each documented argument, and the two of `betas`.
    """

    framework: str
    native_names: Mapping[str, str | tuple[str, str]]

    @property
    def arguments(self) -> tuple[str, ...]:
        """The documented arguments that the framework has."""
        return tuple(name for name in ARGUMENTS if name in self.native_names)

    def translate(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """Rename documented arguments to the framework's names; a `params` stays.

        Raises:
            SkippedError: the framework has no such argument, or takes two betas and other than two came.
        """
        result: dict[str, Any] = {}
        for name, value in options.items():
            native_name = name if name == "params" else self.native_names.get(name)
            match native_name:
                case None:
                    raise SkippedError(f"{self.framework} has no argument {name}")
                case str():
                    result[native_name] = value
                case (first, second):
                    if not isinstance(value, tuple | list) or len(value) != 2:
                        raise SkippedError(
                            f"{self.framework} has {first} and {second}; {value!r} is not two numbers"
                        )
                    result[first], result[second] = value
        return result

    def defaults(self, constructor: Callable[..., Any]) -> dict[str, Any]:
        """Read the documented arguments' defaults from the constructor's signature."""
        parameters = inspect.signature(constructor).parameters

        def default(native_name: str) -> Any:
            return parameters[native_name].default

        found = {
            name: default(native) if isinstance(native, str) else tuple(default(one) for one in native)
            for name, native in self.native_names.items()
        }
        return {name: value for name, value in found.items() if value is not inspect.Parameter.empty}
