"""Find where two recorded runs from the same start begin to differ, and why.

`python -m adamax_conformance.tests.meta.examples.lenet.comparing ONE OTHER` prints it.

At each step and for each parameter, the gradients and the states after the step are compared bit for bit. A step
whose state before it and whose gradient are the same in both, and whose state after it is not, differs because of
the optimizers. Where a gradient differs first, from the same theta, the networks' own arithmetic is the cause.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from adamax_conformance.oracles.batch.block import widen
from adamax_conformance.reports.audit.chunks import read_chunk
from adamax_conformance.reports.audit.manifest import Manifest, read_manifest
from adamax_conformance.reports.audit.step_file import StepFile, read_step_file

QUANTITIES = ("gradient", "m", "u", "theta")
"""In the order in which a step computes them."""


@dataclass(frozen=True)
class RunDifference:
    """The difference of two runs in one quantity of one parameter after a step.

    Attributes:
        number: of the recorded step.
        parameter: its name.
        quantity: one of `QUANTITIES`.
        elements: how many differ.
        size: how many there are.
        first: the first element that differs.
        in_ulp: the largest difference, in ulp of the larger number.
    """

    number: int
    parameter: str
    quantity: str
    elements: int
    size: int
    first: tuple[int, ...]
    in_ulp: float


def _arrays(manifest: Manifest, step: StepFile, name: str) -> np.ndarray:
    tensor, chunk = step.tensors[name], manifest.facts["chunk"]
    parts = [read_chunk(manifest.folder, tensor, k, chunk) for k in range(len(tensor.checksums))]
    return widen(np.concatenate(parts)).reshape(tensor.shape)


def differences(one: Path, other: Path) -> Iterator[RunDifference]:
    """Every difference, in the order of the steps, the quantities and the parameters."""
    a, b = read_manifest(one), read_manifest(other)
    for number in sorted(a.steps.keys() & b.steps.keys()):
        steps = [(m, read_step_file(m.folder, m.steps[number], m.facts["chunk"])) for m in (a, b)]
        for quantity in QUANTITIES:
            for parameter in steps[0][1].parameters:
                x, y = (_arrays(m, step, f"{quantity}.{parameter.index}") for m, step in steps)
                apart = x != y
                if apart.any():
                    narrow = np.dtype(steps[0][1].tensors[f"{quantity}.{parameter.index}"].dtype)
                    ulp = np.spacing(np.maximum(abs(x), abs(y)).astype(narrow)).astype(np.float64)
                    first = tuple(int(i) for i in np.argwhere(apart)[0])
                    largest = float((abs(x - y) / ulp).max())
                    yield RunDifference(
                        number, parameter.name, quantity, int(apart.sum()), apart.size, first, largest
                    )


def report(one: Path, other: Path) -> list[str]:
    """The comparison in lines: where the runs first differ, why, and how much."""
    found = list(differences(one, other))
    names = " and ".join(
        f"{m.facts['subject']} {m.facts['version']}" for m in map(read_manifest, (one, other))
    )
    if not found:
        return [f"{names} do not part: every gradient and every state is the same, bit for bit"]
    first = found[0]
    cause = (
        "the networks' own arithmetic: from the same theta, the gradients differ before any optimizer has had a part"
        if first.quantity == "gradient"
        else f"the optimizers: from the same state and the same gradient they form another {first.quantity}"
    )
    lines = [
        f"{names} part at the recorded step {first.number}, in {first.quantity} of {first.parameter}, "
        f"element {list(first.first)}: {first.elements} of {first.size} differ, by up to {first.in_ulp:.3g} ulp",
        f"cause: {cause}",
        "step  " + "".join(f"{quantity:>22}" for quantity in QUANTITIES),
    ]
    for number in sorted({apart.number for apart in found}):
        here = [apart for apart in found if apart.number == number]
        cells = [_cell([apart for apart in here if apart.quantity == quantity]) for quantity in QUANTITIES]
        lines.append(f"{number:>4}  " + "".join(f"{cell:>22}" for cell in cells))
    return lines


def _cell(apart: list[RunDifference]) -> str:
    if not apart:
        return "same"
    return f"{sum(a.elements for a in apart)}, {max(a.in_ulp for a in apart):.3g} ulp"


if __name__ == "__main__":
    print(*report(*map(Path, sys.argv[1:])), sep="\n")
