"""The JSON form of what a life is made of: dataclasses, arrays, numbers."""

from __future__ import annotations

import binascii
import struct
import types
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import cache, partial
from operator import attrgetter
from typing import Any, Final, Union, get_args, get_origin, get_type_hints

from .values import Values

_shortest_text: ContextVar[int] = ContextVar("_shortest_text", default=64)
"""Numbers up to so many are written one by one, for a reader; more as one string of their bits."""
_pool: ContextVar[list[float] | None] = ContextVar("_pool", default=None)
"""The numbers of all arrays of a document, if they are kept together."""


@contextmanager
def _within(variable: ContextVar[Any], value: Any) -> Iterator[None]:
    token = variable.set(value)
    try:
        yield
    finally:
        variable.reset(token)


def compact_numbers() -> AbstractContextManager[None]:
    """Write all numbers as strings of their bits meanwhile: several times faster."""
    return _within(_shortest_text, 1)


def pooled(write: Callable[[], Any]) -> dict[str, Any]:
    """Call a function that writes, with the numbers of all arrays in one string.

    It is faster again by as much.
    """
    numbers: list[float] = []
    with _within(_pool, numbers):
        value = write()
    return {"numbers": _text(numbers), "value": value}


def from_pool(document: Mapping[str, Any], read: Callable[[Any], Any]) -> Any:
    """Call a function that reads, on a document that `pooled` made."""
    with _within(_pool, list(_bits(document["numbers"]))):
        return read(document["value"])


def _encoded_values(values: Values) -> Any:
    pool = _pool.get()
    if pool is None:
        exceptions = [[index, number.hex()] for index, number in values.exceptions]
        return {"shape": list(values.shape), "pattern": _numbers(values.pattern), "exceptions": exceptions}
    start = len(pool)
    pool += values.pattern
    if not values.exceptions:
        return [values.shape, start, len(pool)]
    indices, numbers = zip(*values.exceptions, strict=True)
    pool += numbers
    return [values.shape, start, len(pool) - len(numbers), indices]


def _numbers(pattern: Sequence[float]) -> Any:
    if len(pattern) <= _shortest_text.get():
        return [number.hex() for number in pattern]
    return _text(pattern)


def _text(numbers: Sequence[float]) -> str:
    return binascii.b2a_base64(struct.pack(f"<{len(numbers)}d", *numbers), newline=False).decode("ascii")


_ENCODERS: Final[Mapping[type[Any], Callable[[Any], Any]]] = {
    Enum: attrgetter("value"),
    types.NoneType: lambda value: value,
    int: lambda value: value,
    str: lambda value: value,
    float: float.hex,
    Values: _encoded_values,
}


def encoded(value: Any) -> Any:
    """The JSON form of a value; a dataclass leaves out what has its default.

    Raises:
        TypeError: a value of its type has none.
    """
    kind: Any = type(value)
    return _encoder(kind)(value)


@cache
def _encoder(kind: type[Any]) -> Callable[[Any], Any]:
    """The function that writes the values of a type."""
    for plain, encoder in _ENCODERS.items():
        if issubclass(kind, plain):
            return encoder
    if issubclass(kind, Mapping):
        return lambda value: {str(name): encoded(each) for name, each in value.items()}
    if issubclass(kind, (tuple, list)):
        return lambda value: [encoded(each) for each in value]
    if is_dataclass(kind):
        shown = [(field.name, field.default) for field in fields(kind)]

        def members(value: Any) -> dict[str, Any]:
            each = ((name, getattr(value, name), default) for name, default in shown)
            return {name: encoded(x) for name, x, default in each if x is not default and x != default}

        return members
    raise TypeError(f"a value of the type {kind.__name__} cannot be part of a life")


def _pattern(value: Any) -> tuple[float, ...]:
    if isinstance(value, str):
        return _bits(value)
    return tuple(float.fromhex(number) for number in value)


def _bits(text: str) -> tuple[float, ...]:
    bits = binascii.a2b_base64(text)
    if len(bits) % 8:
        raise ValueError(f"a pattern has {len(bits)} bytes; want 8 for each number")
    return struct.unpack(f"<{len(bits) // 8}d", bits)


def decoded(kind: Any, value: Any) -> Any:
    """The value whose JSON form this is; an array by recipe may be there as it is.

    Args:
        kind: its type, or a hint of it.
        value: the JSON form.

    Raises:
        TypeError, ValueError, LookupError, AttributeError: it is not the form of such a value.
    """
    return _decoder(kind)(value)


@cache
def _decoder(kind: Any) -> Callable[[Any], Any]:
    """The function that reads the values of a type hint."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in {Union, types.UnionType}:
        some = _decoder(next(a for a in arguments if a is not type(None)))
        return lambda value: None if value is None else some(value)
    if origin is tuple and arguments[-1] is ...:
        item = _decoder(arguments[0])
        return lambda value: tuple([item(x) for x in value])
    if origin is tuple:
        items = [_decoder(each) for each in arguments]
        return lambda value: tuple([item(x) for item, x in zip(items, value, strict=True)])
    if origin is not None and issubclass(origin, Mapping):
        of_name, of_value = arguments[0], _decoder(arguments[1])
        return lambda value: {of_name(name): of_value(each) for name, each in value.items()}
    return _plain_decoder(kind)


def _plain_decoder(kind: Any) -> Callable[[Any], Any]:
    """The function that reads the values of a type without types in brackets."""
    if kind in {bool, int, str}:
        return partial(_checked, kind)
    if kind is Values:
        return _decoded_values
    if is_dataclass(kind):
        made: Any = kind
        return lambda value: made(**{name: _member(made, name)(each) for name, each in value.items()})
    if kind is float:
        return lambda value: float.fromhex(value) if isinstance(value, str) else float(value)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return kind
    return _plain if kind is Any else lambda value: value


@cache
def _member(kind: Any, name: str) -> Callable[[Any], Any]:
    """The function that reads a field of a dataclass."""
    return _decoder(get_type_hints(kind)[name])


def _checked(kind: type[Any], value: Any) -> Any:
    if type(value) is not kind:
        raise TypeError(f"{value!r} is not of the type {kind.__name__}")
    return value


def _decoded_values(value: Mapping[str, Any] | Sequence[Any] | Values) -> Values:
    if isinstance(value, Values):
        return value
    shape: tuple[int, ...]
    exceptions: tuple[tuple[int, float], ...]
    if isinstance(value, Mapping):
        shape, pattern = tuple(value["shape"]), _pattern(value["pattern"])
        exceptions = tuple([(index, float.fromhex(x)) for index, x in value["exceptions"]])
    else:
        shape, pattern, exceptions = _from_pool(*value)
    if not _are_counts(shape):
        raise ValueError(f"an array has the shape {shape}; it is of integers from 0 on")
    values = Values(shape, pattern, exceptions)
    if not pattern and values.size:
        raise ValueError(f"an array of the shape {shape} has an empty pattern")
    if exceptions:
        indices = [index for index, _ in exceptions]
        if not _are_counts(indices) or max(indices) >= values.size:
            raise ValueError(f"an array of the shape {shape} has exceptions at {indices}")
    return values


def _are_counts(numbers: Collection[Any]) -> bool:
    """Whether all are integers from 0 on; a bool is none."""
    return not numbers or ({*map(type, numbers)} == {int} and min(numbers) >= 0)


def _from_pool(
    shape: Sequence[int], start: int, end: int, indices: Sequence[int] = ()
) -> tuple[tuple[int, ...], tuple[float, ...], tuple[tuple[int, float], ...]]:
    """The shape, pattern and exceptions of an array whose numbers are in the pool."""
    pool, last = _pool.get(), end + len(indices)
    if pool is None or not 0 <= start <= end <= last <= len(pool):
        raise ValueError(f"an array has the numbers {start} to {last} of {len(pool or ())}")
    exceptions = tuple(zip(indices, pool[end:last], strict=True)) if indices else ()
    return tuple(shape), tuple(pool[start:end]), exceptions


def _plain(value: Any) -> Any:
    """An option's value: a number, a pair of numbers, or a bool."""
    if isinstance(value, list):
        return tuple(_plain(each) for each in value)
    return float.fromhex(value) if isinstance(value, str) else value
