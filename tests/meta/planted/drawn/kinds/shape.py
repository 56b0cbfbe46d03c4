"""Bugs of some shapes only."""

from __future__ import annotations

import numpy as np
from adamax_conformance.tests.meta.planted.drawn.bug import Demonstration
from adamax_conformance.tests.meta.planted.drawn.registry import context

SINGLE = ("g_roll", "g_reversed", "u_shared")


@context("shape", plus=("g_transposed",))
def shape_ndim(r):
    k = r.choice((2, 3, 4, 5, 6))
    return (
        f"Parameters of exactly {k} dimensions",
        lambda e: e.p.ndim == k,
        Demonstration(shapes=((7,), (2, 3, 2, 2, 2, 3)[:k], ())),
    )


@context("shape", less=(*SINGLE, "m_is_theta"))
def shape_scalar(r):
    return "Parameters of 0 dimensions", lambda e: e.p.ndim == 0, Demonstration(shapes=((5,), (), (), (2, 2)))


@context("shape", plus=("g_transposed",))
def shape_deep(r):
    k = r.choice((3, 4, 5))
    return (
        f"Parameters of {k} or more dimensions",
        lambda e: e.p.ndim >= k,
        Demonstration(shapes=((7,), (3, 2, 2, 2, 1, 2), (4, 2))),
    )


@context("shape", plus=("g_transposed",))
def shape_square(r):
    k = r.choice((2, 3, 5, 8))
    return (
        f"Square matrices of side {k} or more",
        lambda e: e.p.ndim == 2 and e.p.shape[0] == e.p.shape[1] >= k,
        Demonstration(shapes=((3, 7), (k + 1, k + 1), (k, k))),
    )


@context("shape", less=SINGLE)
def shape_last_row(r):
    k = r.choice((2, 3, 4))

    def applies(e):
        if e.p.ndim < k or e.p.size == 0:
            return False
        mask = np.zeros(e.p.shape, bool)
        mask[-1] = True
        return mask

    return (
        f"Last slices along the first axis of arrays of {k} or more dimensions",
        applies,
        Demonstration(shapes=((5, 4, 2, 3), (9,))),
    )


@context("shape", less=SINGLE)
def shape_first_column(r):
    j = r.choice((0, 1, 2, -1, -2))

    def applies(e):
        if e.p.ndim != 2 or e.p.shape[1] < 3:
            return False
        mask = np.zeros(e.p.shape, bool)
        mask[:, j] = True
        return mask

    return (
        f"Elements of column {j} of matrices of three or more columns",
        applies,
        Demonstration(shapes=((6, 5), (5,))),
    )


@context("shape", less=SINGLE)
def shape_diagonal(r):
    def applies(e):
        return np.eye(*e.p.shape, dtype=bool) if e.p.ndim == 2 and min(e.p.shape) > 1 else False

    return "Diagonal elements of matrices", applies, Demonstration(shapes=((4, 6), (5,)))


@context("shape")
def shape_column_vector(r):
    k = r.choice((2, 8, 17))
    return (
        f"Arrays (n, 1) with n of {k} or more",
        lambda e: e.p.ndim == 2 and e.p.shape[1] == 1 and len(e.p) >= k,
        Demonstration(shapes=((k + 2, 1), (k,))),
    )


@context("shape")
def shape_row_vector(r):
    k = r.choice((2, 8, 17))
    return (
        f"Arrays (1, n) with n of {k} or more",
        lambda e: e.p.ndim == 2 and e.p.shape[0] == 1 and e.p.shape[1] >= k,
        Demonstration(shapes=((1, k + 2), (k,))),
    )


@context("shape", plus=("g_transposed",))
def shape_inner_one(r):
    return (
        "Arrays of three or more dimensions with a dimension of 1 that is neither first nor last",
        lambda e: 1 in e.p.shape[1:-1],
        Demonstration(shapes=((3, 1, 4), (5, 3))),
    )


@context("shape", plus=("g_transposed",))
def shape_odd_row(r):
    k = r.choice((2, 4, 8))

    def applies(e):
        if e.p.ndim < 2 or e.p.shape[-1] % k == 0 or e.p.size == 0:
            return False
        mask = np.zeros(e.p.shape, bool)
        mask[..., e.p.shape[-1] - e.p.shape[-1] % k :] = True
        return mask

    return (
        f"Ends of rows past the last multiple of {k}, in arrays of two or more dimensions",
        applies,
        Demonstration(shapes=((4, 11), (11,))),
    )


@context("shape", plus=("g_transposed",))
def shape_filter(r):
    k = r.choice((1, 3, 5))
    return (
        f"Filters (a, b, {k}, {k})",
        lambda e: e.p.ndim == 4 and e.p.shape[2:] == (k, k),
        Demonstration(shapes=((2, 3, k, k), (4,), (2, 3, 2, 2))),
    )


@context("shape")
def shape_long(r):
    k = r.choice((4, 16, 64))
    return (
        f"Matrices with more than {k} times as many rows as columns",
        lambda e: e.p.ndim == 2 and e.p.shape[0] > k * e.p.shape[1] > 0,
        Demonstration(shapes=((2 * k + 3, 2), (6, 3))),
    )


@context("shape")
def shape_wide(r):
    k = r.choice((4, 16, 64))
    return (
        f"Matrices with more than {k} times as many columns as rows",
        lambda e: e.p.ndim == 2 and e.p.shape[1] > k * e.p.shape[0] > 0,
        Demonstration(shapes=((2, 2 * k + 3), (6, 3))),
    )
