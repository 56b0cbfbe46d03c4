"""Optimizers over NumPy arrays for each rule, apart from `reference.formula`."""

from __future__ import annotations

import numpy as np
from adamax_conformance.reference.rules import DOCUMENTED, Rule
from adamax_conformance.tests.meta.oracles.plain import Numbers, plain_step
from adamax_conformance.tests.meta.planted.base import Adamax


class RuleOptimizer(Adamax):
    """An optimizer that follows a rule in its plain form; a subclass names the rule."""

    rule: Rule = DOCUMENTED

    def advance(self, theta, m, u, g, scalars):
        s = scalars
        numbers = Numbers(
            s.lr, s.beta1, s.complement, s.beta2, s.eps, s.weight_decay, s.correction, s.maximize
        )
        return plain_step((theta, m, u), g, numbers, self.rule, np.maximum)


def make_rule_optimizer(rule: Rule) -> type[RuleOptimizer]:
    """An optimizer that follows a rule."""
    return type("Following", (RuleOptimizer,), {"rule": rule})
