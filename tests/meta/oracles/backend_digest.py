"""Print the exact trajectories of a few cases.

The tests run it in a process of its own under each backend of mpmath.

Each line is a value's integer mantissa and its exponent, so that two runs can be compared to the last digit.
"""

from __future__ import annotations

import sys

from adamax_conformance.oracles.exact.trajectory import backend, element_trajectory
from adamax_conformance.oracles.formats import Format
from adamax_conformance.oracles.identify.cases import cases


def lines():
    """The backend, then every theta, m and u of the identifying cases."""
    yield backend()
    for case in cases(Format.BINARY64):
        for element in range(case.parameters[0].theta.size):
            for step in element_trajectory(case, 0, (element,)):
                for value in (step.state.theta, step.state.m, step.state.u):
                    sign, mantissa, exponent, _ = value._mpf_
                    yield f"{-int(mantissa) if sign else int(mantissa)} {int(exponent)}"


if __name__ == "__main__":
    sys.stdout.write("\n".join(lines()))
