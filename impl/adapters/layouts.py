"""Allocation of an array in a given layout, for every library that can slice."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from ...reference.case import Layout

A = TypeVar("A")


def allocate(
    shape: tuple[int, ...],
    layout: Layout,
    empty: Callable[[tuple[int, ...]], A],
    transpose: Callable[[A], A],
) -> A:
    """Allocate an uninitialized array; a 0-d array has only one layout.

    Args:
        shape: of the result.
        layout: of the result.
        empty: the function that makes a contiguous array of a shape.
        transpose: the function that views an array with its axes in the opposite order.
    """
    if not shape:
        return empty(shape)
    match layout:
        case Layout.CONTIGUOUS:
            return empty(shape)
        case Layout.STRIDED:
            return empty((*shape[:-1], 2 * shape[-1]))[..., ::2]  # type: ignore[index,no-any-return]
        case Layout.TRANSPOSED:
            return transpose(empty(shape[::-1]))
        case Layout.REVERSED:
            return empty(shape)[::-1]  # type: ignore[index,no-any-return]
