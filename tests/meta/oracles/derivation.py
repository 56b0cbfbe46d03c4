"""The bounds a second time, as BOUNDS.md states them: in rational arithmetic, and with every order of the step in turn.

It shares with `oracles.bounds.radii` the constants of a step, and no code. Nothing here is fast, and nothing is enlarged
by `SLACK`, but for what a divisor may be at least.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from adamax_conformance.oracles.bounds.radii import SLACK, StepConstants
from adamax_conformance.oracles.bounds.scalar_errors import ScalarErrors
from adamax_conformance.tests.meta.oracles.evaluations import TREES, Tree
from adamax_conformance.tests.meta.oracles.rationals import fraction


class Open(Exception):  # noqa: N818 - an outcome, not a failure
    """Nothing is right or wrong: an admissible evaluation overflows, or divides by zero."""


def rational(number: Any) -> Any:
    """A number of the constants as a fraction; infinite ones, and what is no number, as they are."""
    if isinstance(number, ScalarErrors):
        return ScalarErrors(*map(rational, number))
    if isinstance(number, bool) or number is None or number == math.inf:
        return number
    return fraction(number)


def off(*errors: Any) -> Fraction:
    """Relative errors one after the other: (1 + e1)(1 + e2)... - 1."""
    if math.inf in errors:
        raise Open
    return math.prod((1 + error for error in errors), start=Fraction(1)) - 1


def nodes(tree: Tree, *, above: bool = True) -> Iterator[tuple[frozenset[str], bool]]:
    """The operations of an order: the numbers under each, and whether it stands above the fraction bar."""
    if isinstance(tree, str):
        return
    left, sign, right = tree
    yield _leaves(tree), above
    yield from nodes(left, above=above)
    yield from nodes(right, above=above if sign == "*" else not above)


def _leaves(tree: Tree) -> frozenset[str]:
    return frozenset([tree]) if isinstance(tree, str) else _leaves(tree[0]) | _leaves(tree[2])


NODES = frozenset(node for tree in TREES for node in nodes(tree))
"""Every operation of any order."""


@dataclass(frozen=True)
class Number:
    """A number before the step: its exact value, and how far off the subject's may be."""

    value: Fraction
    radius: Fraction = Fraction(0)

    @property
    def most(self) -> Fraction:
        """The largest size that it may have."""
        return abs(self.value) + self.radius


class Derivation:
    """The bounds of one step.

    Args:
        constants: of the step.
    """

    def __init__(self, constants: StepConstants) -> None:
        self.k = StepConstants(*map(rational, constants))

    # What is assumed

    def lost(self, most: Fraction) -> Fraction:
        """What underflow takes of a product or a quotient of at most this size."""
        if most == 0:
            return Fraction(0)
        if self.k.flushes:
            return self.k.smallest_normal
        return self.k.half_subnormal if most < self.k.smallest_normal else Fraction(0)

    def flushed(self, most: Fraction) -> Fraction:
        """What it takes of a sum."""
        return self.k.smallest_normal if self.k.flushes and most else Fraction(0)

    def fits(self, *sizes: Fraction) -> None:
        """Open where one of these, 4 unit roundoffs enlarged, is not below the largest number."""
        if any(size * (1 + 4 * self.k.roundoff) >= self.k.largest for size in sizes):
            raise Open

    def rounded(self, most: Fraction) -> Fraction:
        """How far a number of this size is from what was rounded to it, or flushed."""
        near_zero = self.k.smallest_normal if self.k.flushes else self.k.half_subnormal
        return near_zero if most < self.k.smallest_normal else self.k.roundoff * most

    def read(self, number: Number) -> Number:
        """An operand as it is read."""
        value, radius = number.value, number.radius
        if self.k.rounds_operands and number.most:
            self.fits(number.most)
            radius += self.rounded(number.most)
        if self.k.flushes and abs(value) - radius < self.k.smallest_normal:
            radius += min(abs(value) + radius, self.k.smallest_normal)
        return Number(value, radius)

    # The gradient

    def gradient(self, theta: Number, g: Fraction, effective: Fraction, e: ScalarErrors) -> Number:
        """The effective gradient."""
        as_read = self.read(Number(g)).radius
        if not self.k.decays_gradient:
            return Number(effective, as_read)
        decay = self.k.weight_decay
        theta = self.read(theta)
        term = decay * theta.most
        radius = decay * theta.radius + term * off(e.weight_decay, self.k.multiply)
        radius += self.lost(term) + as_read
        result = Number(effective, radius)
        self.fits(term + radius, result.most)
        if g and term:
            radius += self.k.add * result.most
        return Number(effective, radius + self.flushed(result.most))

    # The first moment

    def moment(self, m: Number, theta: Number, g: Fraction, effective: Fraction) -> Fraction:
        """Radius of m after the step."""
        k, e = self.k, self.k.moment
        m, fresh = self.read(m), self.gradient(theta, g, effective, k.moment)
        carried = k.beta1 * m.radius + k.complement * fresh.radius
        if k.interpolated:
            after = abs(k.beta1 * m.value + k.complement * effective) + carried
            return carried + self.interpolated(m, fresh, after)
        if k.beta1 == 0:
            return carried + self.flushed(fresh.most)
        add = k.add if m.most and fresh.most else Fraction(0)
        added = k.beta1 * m.most * off(e.beta1, k.multiply, add)
        added += k.complement * fresh.most * off(e.complement, k.multiply, add)
        added += (self.lost(k.beta1 * m.most) + self.lost(k.complement * fresh.most)) * (1 + add)
        total = k.beta1 * m.most + k.complement * fresh.most
        added += self.flushed(total)
        self.fits(total + added)
        return carried + added

    def interpolated(self, m: Number, g: Number, after: Fraction) -> Fraction:
        """What the interpolated form adds: the larger of its two ways, and the sum."""
        k, e = self.k, self.k.moment
        distance = abs(g.value - m.value) + g.radius + m.radius
        self.fits(distance, m.most, g.most)
        subtract = k.add if m.most and g.most else Fraction(0)
        toward, away = k.complement * distance, k.beta1 * distance
        ways = [toward * off(e.complement, subtract, k.multiply) + self.lost(toward)]
        inexact = bool(m.most)
        if k.complement * (1 + e.complement) >= Fraction(1, 2):
            both = 1 + off(subtract, k.multiply)
            scalar = max(away * e.beta1, toward * e.complement)
            ways.append(away * (both - 1) + scalar * both + self.lost(away))
            inexact = True
        added = max(ways) + self.flushed(distance)
        if inexact:
            added += k.add * (after + added)
        return added + self.flushed(after + added)

    # The infinity norm

    def plus_eps(self, size: Fraction, radius: Fraction, e: ScalarErrors) -> Fraction:
        """Radius of a number plus eps."""
        k = self.k
        if e.eps == math.inf:
            raise Open
        exact = not (k.eps and size + radius)
        radius += k.eps * e.eps
        total = size + k.eps + radius
        if e.eps and total < k.smallest_normal:
            radius += k.half_subnormal / 2**10
        if not exact:
            radius += k.add * total
        return radius + self.flushed(total)

    def norm(
        self, u: Number, theta: Number, g: Fraction, effective: Fraction, branches: tuple[Any, Any]
    ) -> Fraction:
        """Radius of u after the step."""
        k, e = self.k, self.k.norm
        if e.eps == math.inf:
            raise Open
        fresh_off, u = self.gradient(theta, g, effective, e).radius, self.read(u)
        product = k.beta2 * u.most
        decayed_off = k.beta2 * u.radius + product * off(e.beta2, k.multiply) + self.lost(product)
        if k.eps_in_norm:
            fresh_off = self.plus_eps(abs(effective), fresh_off, e)
        if k.eps_on_decayed:
            decayed_off = self.plus_eps(k.beta2 * abs(u.value), decayed_off, e)
        decayed, fresh = branches
        self.fits(decayed + decayed_off, fresh + fresh_off)
        if decayed + decayed_off < fresh - fresh_off:
            return fresh_off
        if fresh + fresh_off < decayed - decayed_off:
            return decayed_off
        return max(decayed_off, fresh_off)

    # Theta

    def theta(self, theta: Number, m: Number, u: Number) -> Fraction:
        """Radius of theta after the step."""
        k = self.k
        theta = self.read(theta)
        step = self.step(self.read(m), self.read(u))
        kept, step_off = theta, step.radius
        if k.decays_theta:
            kept = self.retained(theta)
            step_off += self.joined(step.most, theta.most)
        radius = kept.radius + step_off
        after = abs(kept.value - step.value) + radius
        self.fits(kept.most, after)
        if kept.most and (step.value or step_off):
            radius += k.add * after
        return radius + self.flushed(after)

    def stored_theta(self, theta: Fraction, m: Fraction, u: Fraction, formed: tuple[Any, Any]) -> Fraction:
        """The same from m and u as they were stored, or before; `formed` is how far off they were formed."""
        entered = (Number(x, min(self.rounded(abs(x)), far)) for x, far in zip((m, u), formed, strict=True))
        return self.theta(Number(theta), *entered)

    def step(self, m: Number, u: Number) -> Number:
        """lr*m/(c*d), in every order."""
        k, e = self.k, self.k.step
        d, d_off = u.value, u.radius
        if k.eps_in_denominator:
            d, d_off = d + k.eps, self.plus_eps(d, d_off, e)
        least, most = d - d_off * Fraction(SLACK), d + d_off
        if least <= 0 or e.lr == math.inf:
            raise Open

        def size(node: tuple[frozenset[str], bool], divisor: Fraction) -> Fraction:
            leaves, above = node
            factors = {"lr": k.lr, "m": m.most, "c": 1 / k.correction, "u": 1 / divisor}
            product = math.prod((factors[leaf] for leaf in leaves), start=Fraction(1))
            return product if above else 1 / product

        # With lr = 0 what it divides is infinite, and the step 0 all the same.
        below = [node for node in NODES if not node[1] and (k.lr or "lr" not in node[0])]
        above = [node for node in NODES if node[1]]
        shrinks = [
            max(self.shrinks(size(node, least)) for node in below if len(node[0]) <= most_leaves)
            for most_leaves in (2, 3)
        ]
        s = off(e.correction, k.operations, *shrinks)
        if s >= 1:
            raise Open
        growth = off(e.lr, s / (1 - s))
        second, third, fourth = (
            max(self.vanishes(size(node, least)) for node in above if len(node[0]) in counts)
            for counts in ((2,), (2, 3), (4,))
        )
        enlarged = 1 + (growth if second == 1 else off(growth, second / (1 - second)))
        self.fits(*(enlarged * size(node, least) for node in above))
        self.fits(*(enlarged * size(node, most) for node in below))
        whole = k.lr / k.correction
        carried = whole * (m.radius + abs(m.value) * d_off / d) / least
        added = whole * m.most / least * off(growth, second, third, fourth)
        return Number(whole * m.value / d, carried + added)

    def shrinks(self, size: Fraction) -> Fraction:
        """By which fraction underflow may change a divisor."""
        if self.k.flushes:
            return Fraction(0) if size >= 2 * self.k.smallest_normal else Fraction(1)
        return self.lost(size) / size

    def vanishes(self, size: Fraction) -> Fraction:
        """By which fraction of itself a number may vanish."""
        return min(Fraction(1), self.lost(size) / size) if size else Fraction(0)

    def retained(self, theta: Number) -> Number:
        """What a decoupled decay leaves of theta."""
        k, e = self.k, self.k.step
        share = k.lr * k.weight_decay
        part = share * theta.most
        radius = theta.radius * (1 + share)
        radius += part * off(e.lr, e.weight_decay, k.multiply, k.multiply, k.add)
        radius += self.lost(part) + self.lost(share) * theta.most
        radius += off(k.add, k.multiply, k.coarse) * (theta.most + part)
        return Number(theta.value * (1 - share), radius)

    def joined(self, step: Fraction, theta: Fraction) -> Fraction:
        """What a sum of step and decay before the last product adds."""
        k = self.k
        decay = k.weight_decay * theta
        if not (k.lr and decay):
            return Fraction(0)
        total = step / k.lr + decay
        self.fits(total)
        gone = (self.lost(decay) + self.flushed(total)) * (1 + off(k.step.lr, k.add, k.multiply))
        return k.add * step + k.lr * gone + self.lost(k.lr * total)
