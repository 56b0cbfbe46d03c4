"""Replacing a method of an optimizer that has no hooks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Method = Callable[..., Any]


def replace_method(owner: Any, name: str, make: Callable[[Method], Method]) -> Callable[[], None]:
    """Replace an object's method, and return a function that puts it back.

    Where somebody else has replaced it since, it stays, and calls the original.

    Args:
        owner: the object.
        name: of the method.
        make: makes the new method from the original.
    """
    original, was_own = getattr(owner, name), name in vars(owner)
    replacement, is_on = make(original), True

    def call(*args: Any, **kwargs: Any) -> Any:
        return (replacement if is_on else original)(*args, **kwargs)

    def restore() -> None:
        nonlocal is_on
        is_on = False
        if vars(owner).get(name) is call:
            if was_own:
                setattr(owner, name, original)
            else:
                delattr(owner, name)

    setattr(owner, name, call)
    return restore
