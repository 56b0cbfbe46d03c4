"""The bounds of BOUNDS.md once more, in rational arithmetic and every order.

It shares with `oracles.bounds.radii` the constants of a step, and no code. Nothing here is fast, and nothing is enlarged
by `SLACK`, but for what a divisor may be at least, and a scalar that decides between two ways at most.
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


class OpenStepError(Exception):
    """The step is open: an admissible evaluation overflows or divides by zero."""


def rational(number: Any) -> Any:
    """Convert a constant to a fraction; return what is not a finite number as it is."""
    if isinstance(number, ScalarErrors):
        return ScalarErrors(*map(rational, number))
    if isinstance(number, bool) or number is None or number == math.inf:
        return number
    return fraction(number)


def off(*errors: Any) -> Fraction:
    """Relative errors one after the other: (1 + e1)(1 + e2)... - 1."""
    if math.inf in errors:
        raise OpenStepError
    return math.prod((1 + error for error in errors), start=Fraction(1)) - 1


def nodes(tree: Tree, *, above: bool = True) -> Iterator[tuple[frozenset[str], bool]]:
    """The operations of an order: the numbers of each, and its side of the bar."""
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

    def underflow_error(self, most: Fraction) -> Fraction:
        """Absolute error by underflow of a product or quotient of at most this size."""
        if most == 0:
            return Fraction(0)
        if self.k.flushes:
            return self.k.smallest_normal
        return self.k.half_subnormal if most < self.k.smallest_normal else Fraction(0)

    def sum_underflow_error(self, most: Fraction) -> Fraction:
        """Absolute error by underflow of a sum of at most this size."""
        return self.k.smallest_normal if self.k.flushes and most else Fraction(0)

    def check_range(self, *sizes: Fraction) -> None:
        """Raise if a size, 4 unit roundoffs enlarged, is not below the largest number."""
        if any(size * (1 + 4 * self.k.roundoff) >= self.k.largest for size in sizes):
            raise OpenStepError

    def storage_error(self, most: Fraction) -> Fraction:
        """Distance between a number and its stored form of this size."""
        near_zero = self.k.smallest_normal if self.k.flushes else self.k.half_subnormal
        return near_zero if most < self.k.smallest_normal else self.k.roundoff * most

    def read(self, number: Number) -> Number:
        """An operand as it is read."""
        value, radius = number.value, number.radius
        if self.k.rounds_operands and number.most:
            self.check_range(number.most)
            radius += self.storage_error(number.most)
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
        radius += self.underflow_error(term) + as_read
        result = Number(effective, radius)
        self.check_range(term + radius, result.most)
        if g and term:
            radius += self.k.add * result.most
        return Number(effective, radius + self.sum_underflow_error(result.most))

    # The first moment

    def moment(self, m: Number, theta: Number, g: Fraction, effective: Fraction) -> Fraction:
        """Radius of m after the step."""
        k = self.k
        m, fresh = self.read(m), self.gradient(theta, g, effective, k.m_errors)
        carried = k.beta1 * m.radius + k.complement * fresh.radius
        after = abs(k.beta1 * m.value + k.complement * effective) + carried
        ways = [self.weighted(m, fresh)] if k.weighted else []
        if k.unweighted:
            own = self.decremented if k.decremented else self.interpolated
            ways.append((self.from_gradient if k.from_gradient else own)(m, fresh, after))
        return carried + max(ways)

    def weighted(self, m: Number, fresh: Number) -> Fraction:
        """Error that the weighted form adds."""
        k, e = self.k, self.k.m_errors
        if k.beta1 == 0:
            return self.sum_underflow_error(fresh.most)
        add = k.add if m.most and fresh.most else Fraction(0)
        added = k.beta1 * m.most * off(e.beta1, k.multiply, add)
        added += k.complement * fresh.most * off(e.complement, k.multiply, add)
        added += (
            self.underflow_error(k.beta1 * m.most) + self.underflow_error(k.complement * fresh.most)
        ) * (1 + add)
        total = k.beta1 * m.most + k.complement * fresh.most
        added += self.sum_underflow_error(total)
        self.check_range(total + added)
        return added

    def decremented(self, m: Number, g: Number, after: Fraction) -> Fraction:
        """Error that the decremented form adds: of its scalar, two products, two sums."""
        k, share = self.k, self.k.m_errors.complement
        if k.beta1 == 0:
            return self.sum_underflow_error(g.most)
        distance = abs(g.value - m.value) + g.radius + m.radius
        scalar = k.complement * share
        products = [k.complement * (1 + share) * x.most * k.multiply for x in (m, g)]
        lost = [self.underflow_error(k.complement * x.most) for x in (m, g)]
        # What is left of m, by the scalar as it entered, and less what its product was off.
        kept = (k.beta1 + scalar) * m.most + products[0] + lost[0]
        added = scalar * distance + sum(products) + sum(lost) + k.add * kept + self.sum_underflow_error(kept)
        self.check_range(k.complement * m.most, kept + k.complement * g.most + added)
        if m.most and g.most:
            added += k.add * (after + added)
        return added + self.sum_underflow_error(after + added)

    def from_gradient(self, m: Number, g: Number, after: Fraction) -> Fraction:
        """Error that g + beta1*(m - g) adds: difference, scalar, product and sum."""
        k = self.k
        distance = abs(g.value - m.value) + g.radius + m.radius
        self.check_range(distance, m.most, g.most)
        if k.beta1 == 0:
            return self.sum_underflow_error(g.most)
        subtract = k.add if m.most and g.most else Fraction(0)
        product = k.beta1 * distance
        added = product * off(subtract, k.m_errors.beta1, k.multiply) + self.underflow_error(product)
        added += self.sum_underflow_error(distance)
        if g.most:
            added += k.add * (after + added)
        return added + self.sum_underflow_error(after + added)

    def interpolated(self, m: Number, g: Number, after: Fraction) -> Fraction:
        """Error that the interpolated form adds: the larger of its two ways, and the sum."""
        k, e = self.k, self.k.m_errors
        distance = abs(g.value - m.value) + g.radius + m.radius
        self.check_range(distance, m.most, g.most)
        subtract = k.add if m.most and g.most else Fraction(0)
        toward, away = k.complement * distance, k.beta1 * distance
        ways = [toward * off(e.complement, subtract, k.multiply) + self.underflow_error(toward)]
        inexact = bool(m.most)
        if k.complement * (1 + e.complement) * Fraction(SLACK) >= Fraction(1, 2):
            both = 1 + off(subtract, k.multiply)
            scalar = max(away * e.beta1, toward * e.complement)
            ways.append(away * (both - 1) + scalar * both + self.underflow_error(away))
            inexact = True
        added = max(ways) + self.sum_underflow_error(distance)
        if inexact:
            added += k.add * (after + added)
        return added + self.sum_underflow_error(after + added)

    # The infinity norm

    def eps_sum_radius(self, size: Fraction, radius: Fraction, e: ScalarErrors) -> Fraction:
        """Radius of a number plus eps."""
        k = self.k
        if e.eps == math.inf:
            raise OpenStepError
        exact = not (k.eps and size + radius)
        radius += k.eps * e.eps
        total = size + k.eps + radius
        if e.eps and total < k.smallest_normal:
            radius += k.half_subnormal / 2**10
        if not exact:
            radius += k.add * total
        return radius + self.sum_underflow_error(total)

    def norm(
        self, u: Number, theta: Number, g: Fraction, effective: Fraction, branches: tuple[Any, Any]
    ) -> Fraction:
        """Radius of u after the step."""
        k, e = self.k, self.k.u_errors
        if e.eps == math.inf:
            raise OpenStepError
        fresh_off, u = self.gradient(theta, g, effective, e).radius, self.read(u)
        product = k.beta2 * u.most
        decayed_off = k.beta2 * u.radius + product * off(e.beta2, k.multiply) + self.underflow_error(product)
        if k.eps_in_norm:
            fresh_off = self.eps_sum_radius(abs(effective), fresh_off, e)
        if k.eps_on_decayed:
            decayed_off = self.eps_sum_radius(k.beta2 * abs(u.value), decayed_off, e)
        if k.eps_as_floor:
            fresh_off = max(fresh_off, k.eps * e.eps + self.sum_underflow_error(k.eps))
        decayed, fresh = branches
        self.check_range(decayed + decayed_off, fresh + fresh_off)
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
            kept = self.decayed_theta(theta)
            step_off += self.fused_decay_error(step.most, theta.most)
        radius = kept.radius + step_off
        after = abs(kept.value - step.value) + radius
        self.check_range(kept.most, after)
        if kept.most and (step.value or step_off):
            radius += k.add * after
        return radius + self.sum_underflow_error(after)

    def stored_theta_radius(
        self, theta: Fraction, m: Fraction, u: Fraction, formed: tuple[Any, Any]
    ) -> Fraction:
        """Radius of theta after the step, from m and u stored or before; see `formed`.

        Args:
            theta: before the step.
            m: as stored.
            u: as stored.
            formed: how far off m and u were formed.
        """
        entered = (
            Number(x, min(self.storage_error(abs(x)), far)) for x, far in zip((m, u), formed, strict=True)
        )
        return self.theta(Number(theta), *entered)

    def step(self, m: Number, u: Number) -> Number:
        """lr*m/(c*d), in every order."""
        k, e = self.k, self.k.theta_errors
        d, d_off = u.value, u.radius
        if k.eps_in_denominator:
            d, d_off = d + k.eps, self.eps_sum_radius(d, d_off, e)
        least, most = d - d_off * Fraction(SLACK), d + d_off
        if least <= 0 or e.lr == math.inf:
            raise OpenStepError

        def size(node: tuple[frozenset[str], bool], divisor: Fraction) -> Fraction:
            leaves, above = node
            factors = {"lr": k.lr, "m": m.most, "c": 1 / k.correction, "u": 1 / divisor}
            product = math.prod((factors[leaf] for leaf in leaves), start=Fraction(1))
            return product if above else 1 / product

        # With lr = 0 what it divides is infinite, and the step 0 all the same.
        below = [node for node in NODES if not node[1] and (k.lr or "lr" not in node[0])]
        above = [node for node in NODES if node[1]]
        divisor_underflow = [
            max(self.divisor_underflow(size(node, least)) for node in below if len(node[0]) <= most_leaves)
            for most_leaves in (2, 3)
        ]
        s = off(e.correction, k.operations, *divisor_underflow)
        if s >= 1:
            raise OpenStepError
        growth = off(e.lr, s / (1 - s))
        reciprocals = [(frozenset("u"), True), (frozenset("cu"), True)] if k.reciprocal else []
        inverted = max(
            (self.factor_underflow(size(node, least)) for node in reciprocals), default=Fraction(0)
        )
        second, third, fourth = (
            max(self.factor_underflow(size(node, least)) for node in above if len(node[0]) in counts)
            for counts in ((2,), (2, 3), (4,))
        )
        second = max(second, inverted)
        enlarged = 1 + (growth if second == 1 else off(growth, second / (1 - second)))
        self.check_range(*(enlarged * size(node, least) for node in (*above, *reciprocals)))
        self.check_range(*(enlarged * size(node, most) for node in below))
        whole = k.lr / k.correction
        carried = whole * (m.radius + abs(m.value) * d_off / d) / least
        added = whole * m.most / least * off(growth, second, third, inverted, fourth)
        return Number(whole * m.value / d, carried + added)

    def divisor_underflow(self, size: Fraction) -> Fraction:
        """Relative error by underflow of a divisor."""
        if self.k.flushes:
            return Fraction(0) if size >= 2 * self.k.smallest_normal else Fraction(1)
        return self.underflow_error(size) / size

    def factor_underflow(self, size: Fraction) -> Fraction:
        """Relative error by underflow of a factor."""
        return min(Fraction(1), self.underflow_error(size) / size) if size else Fraction(0)

    def decayed_theta(self, theta: Number) -> Number:
        """Theta after a decoupled decay."""
        k, e = self.k, self.k.theta_errors
        share = k.lr * k.weight_decay
        part = share * theta.most
        radius = theta.radius * (1 + share)
        radius += part * off(e.lr, e.weight_decay, k.multiply, k.multiply, k.add)
        radius += self.underflow_error(part) + self.underflow_error(share) * theta.most
        radius += off(k.add, k.multiply, k.coarse_roundoff) * (theta.most + part)
        return Number(theta.value * (1 - share), radius)

    def fused_decay_error(self, step: Fraction, theta: Fraction) -> Fraction:
        """Error that a decay inside the step adds."""
        k = self.k
        decay = k.weight_decay * theta
        if not (k.lr and decay):
            return Fraction(0)
        total = step / k.lr + decay
        self.check_range(total)
        gone = (self.underflow_error(decay) + self.sum_underflow_error(total)) * (
            1 + off(k.theta_errors.lr, k.add, k.multiply)
        )
        return k.add * step + k.lr * gone + self.underflow_error(k.lr * total)
