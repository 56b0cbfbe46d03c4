"""Bugs of some sizes only: tails, blocks, and elements far from the first."""

from __future__ import annotations

from adamax_conformance.tests.meta.planted.drawn.bug import Demonstration
from adamax_conformance.tests.meta.planted.drawn.kinds.shape import SINGLE
from adamax_conformance.tests.meta.planted.drawn.registry import context, flat


@context("size", less=(*SINGLE,))
def size_last_vector(r):
    k = 1 << r.randint(2, 7)
    n = k << r.randint(1, 4)

    def applies(e):
        return e.p.size >= 2 * k and e.p.size % k == 0 and flat(e.p.shape, slice(-k, None))

    return (
        f"The last {k} elements of arrays whose size is an exact multiple of {k}",
        applies,
        Demonstration(shapes=((n,), (n + 1,))),
    )


@context("size", less=(*SINGLE,))
def size_tail(r):
    k = 1 << r.randint(2, 6)
    n = r.randint(2, 5)

    def applies(e):
        return e.p.size > k and e.p.size % k != 0 and flat(e.p.shape, slice(e.p.size - e.p.size % k, None))

    return (
        f"Elements past the last multiple of {k} in arrays longer than that",
        applies,
        Demonstration(shapes=((k * n + k // 2 + 1,), (2 * k,))),
    )


@context("size", less=(*SINGLE,))
def size_remainder(r):
    k = 1 << r.randint(3, 6)
    rest = r.randint(1, k - 1)

    def applies(e):
        return e.p.size > k and e.p.size % k == rest and flat(e.p.shape, slice(-1, None))

    return (
        f"The last elements of arrays whose size leaves {rest} after division by {k}",
        applies,
        Demonstration(shapes=((k * 3 + rest,), (2 * k,))),
    )


@context("size")
def size_past(r):
    k = 1 << r.randint(8, 18)
    return (
        f"Elements past index {k}",
        lambda e: e.p.size > k and flat(e.p.shape, slice(k, None)),
        Demonstration(shapes=((k + 9,), (3,)), steps=4),
    )


@context(
    "size", effects=("skip_all", "g_zero", "sign", "m_lost", "u_lost", "wd_off", "g_late", "u_off", "lr_late")
)
def size_far(r):
    k = 1 << r.randint(19, 22)
    return (
        f"Elements past index {k}",
        lambda e: e.p.size > k and flat(e.p.shape, slice(k, None)),
        Demonstration(shapes=((k + 5,),), steps=4),
    )


@context("size")
def size_exact(r):
    k = 1 << r.randint(4, 14)
    return f"Arrays of exactly {k} elements", lambda e: e.p.size == k, Demonstration(shapes=((k,), (k - 1,)))


@context("size")
def size_one_more(r):
    k = 1 << r.randint(4, 14)
    d = r.choice((-1, 1))
    return (
        f"Arrays of exactly {k + d} elements",
        lambda e: e.p.size == k + d,
        Demonstration(shapes=((k + d,), (k,))),
    )


@context("size", less=(*SINGLE,))
def size_block_start(r):
    k = 1 << r.randint(5, 14)

    def applies(e):
        return e.p.size > k and flat(e.p.shape, slice(k, None, k))

    return (
        f"First elements of each block of {k} after the first block",
        applies,
        Demonstration(shapes=((3 * k + 2,), (k,))),
    )


@context("size", less=(*SINGLE,))
def size_block_end(r):
    k = 1 << r.randint(5, 14)

    def applies(e):
        return e.p.size > 2 * k and flat(e.p.shape, slice(k - 1, None, k))

    return (
        f"Last elements of each block of {k} in arrays of more than two blocks",
        applies,
        Demonstration(shapes=((3 * k + 2,), (k,))),
    )


@context("size", less=(*SINGLE,))
def size_threads(r):
    threads = r.choice((3, 4, 6, 8, 12))
    least = r.choice((64, 1000, 4096))

    def applies(e):
        n = e.p.size
        return n >= least and n % threads != 0 and flat(e.p.shape, slice(n // threads * threads, None))

    return (
        f"What {threads} threads leave over, in arrays of {least} or more elements,",
        applies,
        Demonstration(shapes=((least * threads + threads - 1,), (5,))),
    )


@context("size")
def size_mask(r):
    bits = r.choice((8, 8, 12, 16))

    def applies(e):
        return e.p.size >> bits != 0 and flat(e.p.shape, slice(e.p.size & ((1 << bits) - 1), None))

    return (
        f"Elements past the size taken modulo {1 << bits}",
        applies,
        Demonstration(shapes=(((1 << bits) + 40,), (40,))),
    )


@context("size", less=(*SINGLE,))
def size_single(r):
    return "Arrays of one element", lambda e: e.p.size == 1, Demonstration(shapes=((1,), (1, 1), (4,)))


@context("size")
def size_after_empty(r):
    return (
        "Arrays that follow an empty array",
        lambda e: e.i > 0 and e.opt._p[e.i - 1].size == 0,
        Demonstration(shapes=((3,), (0, 4), (5,), (6,))),
    )


@context("size")
def size_two_chunks(r):
    k = r.choice((512, 2048, 65536))
    return (
        f"Second chunks of {k} elements",
        lambda e: e.p.size > k and flat(e.p.shape, slice(k, 2 * k)),
        Demonstration(shapes=((2 * k + 7,), (9,))),
    )
