"""A case of two groups, and scripts that are run here."""

from __future__ import annotations

import contextlib
import io

import numpy as np
from adamax_conformance.oracles.exact.trajectory import element_trajectory
from adamax_conformance.oracles.verdict import Status
from adamax_conformance.reference.case import Case, Group, Parameter
from adamax_conformance.reference.hyperparameters import Hyperparameters
from adamax_conformance.tests.meta.reports.samples import divergence, verdict

TWO_GROUPS = Case(
    "groups",
    (
        Group(
            Hyperparameters(lr=0.5, eps=0.1),
            (
                Parameter.of(3.0, [1.0, -0.5]),
                Parameter.of([[1.0, 2.0], [3.0, 4.0]], [np.full((2, 2), 0.25)] * 2),
            ),
            (0.1, 0.2),
        ),
        Group(Hyperparameters(beta1=0.5, maximize=True), (Parameter.of([0.0], [[1.0]] * 2),)),
    ),
)


def output(source):
    """The output of a script that is run in this process.

    A new process would import the framework again.
    """
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(source, "script", "exec"), {"__name__": "__main__"})
    return printed.getvalue()


def diverging(**changes):
    evidence_changes = changes.pop("evidence", {})
    return verdict(Status.DIVERGES, divergence=divergence(**evidence_changes), **changes)


def exactly(run, quantity, parameter, element, bound):
    """A verdict that expects the exact number, so that a faithful subject conforms."""
    *_, end = element_trajectory(run, parameter, element)
    return diverging(
        evidence={
            "case": run.to_json(),
            "quantity": quantity,
            "parameter": parameter,
            "element": element,
            "step": run.steps,
            "expected": repr(float(getattr(end.state, quantity.value))),
            "bound": bound,
        }
    )
