"""A format of all computation is distinguished from a format of the scalars alone."""

from __future__ import annotations

import numpy as np
import pytest
from adamax_conformance.impl import Adamax
from adamax_conformance.impl.subject.client import Subject
from adamax_conformance.oracles.formats import Format
from adamax_conformance.oracles.identify.cases import cases
from adamax_conformance.oracles.identify.result import Identification
from adamax_conformance.oracles.identify.search import identify
from adamax_conformance.reference.rules import DOCUMENTED
from adamax_conformance.tests.meta.planted.bugs_precision import NarrowScalars


class ComputesInFloat32:
    """Keeps float64, and computes with copies of it in float32."""

    def __init__(self, params, **options):
        self.params = params
        self.inner = Adamax([theta.astype(np.float32) for theta in params], **options)

    def __call__(self, gradients):
        self.inner(tuple(g.astype(np.float32) for g in gradients))
        for theta, own in zip(self.params, self.inner.param_groups[0]["params"], strict=True):
            theta[...] = own

    @property
    def exp_avg(self):
        return [m.astype(np.float64) for m in self.inner.exp_avg]

    @property
    def exp_inf(self):
        return [u.astype(np.float64) for u in self.inner.exp_inf]


def identify_rule(factory) -> Identification:
    with Subject.in_process(factory) as subject:
        runs = [(case, subject.observe(case, "float64")) for case in cases(Format.BINARY64)]
    return identify(runs, Format.BINARY64)


@pytest.mark.parametrize(
    ("factory", "computes_in", "scalars"),
    [
        (Adamax, Format.BINARY64, Format.BINARY64),
        (NarrowScalars, Format.BINARY64, Format.BINARY32),
        (ComputesInFloat32, Format.BINARY32, None),
    ],
)
def test_the_format_of_the_numbers_and_that_of_the_scalars_are_told_apart(factory, computes_in, scalars):
    found = identify_rule(factory)
    assert found.rule == DOCUMENTED
    assert found.computes_in is computes_in
    assert scalars in {None, found.scheme.theta}
    assert found.admissible is (factory is Adamax)


def test_numbers_of_a_coarser_format_are_said_to_be():
    assert "computed in binary32" in identify_rule(ComputesInFloat32).describe()
