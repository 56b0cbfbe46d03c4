"""What are the documented arguments called elsewhere, and what are their defaults there?"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ..protocol.errors import Skipped
from ..protocol.messages import ARGUMENTS


@dataclass(frozen=True)
class Names:
    """The names that a framework gives to the documented arguments that it has.

    Attributes:
        framework: the framework's name.
        own: the framework's own name of each documented argument, and the two of `betas`.
    """

    framework: str
    own: Mapping[str, str | tuple[str, str]]

    @property
    def arguments(self) -> tuple[str, ...]:
        """The documented arguments that the framework has."""
        return tuple(name for name in ARGUMENTS if name in self.own)

    def translated(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """Documented arguments under the framework's names; a `params` stays.

        Raises:
            Skipped: the framework has no such argument, or what are no two betas cannot be handed to two.
        """
        result: dict[str, Any] = {}
        for name, value in options.items():
            own = name if name == "params" else self.own.get(name)
            match own:
                case None:
                    raise Skipped(f"{self.framework} has no argument {name}")
                case str():
                    result[own] = value
                case (first, second):
                    if not isinstance(value, tuple | list) or len(value) != 2:
                        raise Skipped(
                            f"{self.framework} has {first} and {second}; {value!r} is no two numbers"
                        )
                    result[first], result[second] = value
        return result

    def defaults(self, constructor: Callable[..., Any]) -> dict[str, Any]:
        """The documented arguments' defaults, by the constructor's signature."""
        parameters = inspect.signature(constructor).parameters

        def default(own: str) -> Any:  # noqa: ANN401 - whatever it is
            return parameters[own].default

        found = {
            name: default(own) if isinstance(own, str) else tuple(default(one) for one in own)
            for name, own in self.own.items()
        }
        return {name: value for name, value in found.items() if value is not inspect.Parameter.empty}
