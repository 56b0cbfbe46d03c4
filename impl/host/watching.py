"""The caller's own objects: what params and checkpoints hold, for a comparison."""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Iterator, Mapping, MutableMapping, MutableSequence
from typing import Any, Final

import numpy as np

from ..adapters.base import Adapter


def held_values(container: Any) -> Any:
    """The content of a dict or list of params, as values that stay as they are.

    Keys and numbers stand for themselves, parameters for their identity.
    """
    if isinstance(container, Mapping):
        return {
            name: [id(each) for each in value]
            if name == "params" and isinstance(value, list)
            else repr(value)
            for name, value in container.items()
        }
    return [id(each) for each in container]


def describe_change(then: Any, now: Any) -> str:
    """The difference between two contents, as `held_values` gives them, in words."""
    if isinstance(then, dict):
        added = [name for name in now if name not in then]
        removed = [name for name in then if name not in now]
        other = [name for name in then if name in now and then[name] != now[name]]
        parts = [
            f"{words} {', '.join(map(repr, names))}"
            for words, names in (
                ("a group was given", added),
                ("a group has lost", removed),
                ("a group has another", other),
            )
            if names
        ]
        return "; ".join(parts)
    if len(then) != len(now):
        return f"the list has {len(now)} items, and was passed with {len(then)}"
    return "the list has other items than were passed"


def fingerprint(checkpoint: Any, adapter: Adapter) -> str:
    """A digest of every number of a checkpoint, and of how they are nested."""
    digest = hashlib.sha256()
    for part in _leaves(checkpoint, adapter):
        digest.update(part)
    return digest.hexdigest()


_PLAIN: Final = frozenset({str, bytes, type(None), bool, int, float})


def _leaves(value: Any, adapter: Adapter) -> Iterator[bytes]:
    if type(value) in _PLAIN:
        yield repr(value).encode()
        return
    if isinstance(value, np.ndarray):
        yield _object_bytes(value, adapter)
        return
    match value:
        case Mapping():
            yield b"{"
            for name, each in value.items():
                yield repr(name).encode()
                yield from _leaves(each, adapter)
        case str() | bytes() | None | bool() | int() | float():
            yield repr(value).encode()
        case tuple() | list():
            yield b"["
            for each in value:
                yield from _leaves(each, adapter)
        case _:
            yield _object_bytes(value, adapter)


def _object_bytes(value: Any, adapter: Adapter) -> bytes:
    """An array as bytes; another object as its pickle, or by its type alone."""
    try:
        array = adapter.to_numpy(value)
    except Exception:  # noqa: BLE001 - the subject's own object raises what it will
        try:
            return pickle.dumps(value)
        except Exception:  # noqa: BLE001 - likewise: such an object is not watched
            return type(value).__name__.encode()
    return repr(array.shape).encode() + array.tobytes()


def replace_count(value: Any, count: int, new: int) -> bool:
    """Set every integer of a checkpoint that is `count` to `new`, in place.

    Indices of parameters, which frameworks keep as `params`, stay.

    Returns:
        Whether there was one.
    """
    found = False
    entries: list[tuple[Any, Any]] = []
    if isinstance(value, MutableMapping):
        entries = list(value.items())
    elif isinstance(value, MutableSequence):
        entries = list(enumerate(value))
    for key, each in entries:
        match each:
            case _ if isinstance(each, bool) or key == "params":
                continue
            case int() | np.integer() if each == count:
                value[key] = type(each)(new)
                found = True
            case tuple():
                inner = list(each)
                if replace_count(inner, count, new):
                    value[key] = tuple(inner)
                    found = True
            case MutableMapping() | MutableSequence():
                found |= replace_count(each, count, new)
            case _ if getattr(each, "ndim", None) == 0 and float(each) == count:
                each[...] = new
                found = True
    return found
