"""The answer of `audit ONE OTHER`: where two recordings part, and who is right."""

from __future__ import annotations

import tempfile
from contextlib import closing
from pathlib import Path

from ...oracles.error_model import Arithmetic
from ...oracles.verdict import Quantity
from ..audit.comparison import Comparison, Parting
from ..audit.executors import executor
from ..audit.manifest import Manifest
from ..audit.progress import ProgressFile
from ..audit.run import audit
from ..audit.step_file import DamagedError
from ..record.exit_codes import ExitCode
from .errors import CommandError


def compare_recordings(one: Manifest, other: Manifest, arithmetic: Arithmetic) -> tuple[list[str], ExitCode]:
    """Compare two recordings of one run.

    Args:
        one: the manifest of the first.
        other: that of the second.
        arithmetic: the declared arithmetic.

    Returns:
        The answer in lines, and the exit code: 1 where a step is beyond its bound at the place where they part, 3 where
        none is and one cannot be judged.

    Raises:
        CommandError: they have no recorded step in common, or one that is needed cannot be read.
    """
    compared = Comparison(one, other)
    if not compared.common:
        raise CommandError("the recordings have no recorded step in common", ExitCode.NOTHING_JUDGED)
    try:
        parting = compared.parting()
    except DamagedError as error:
        raise CommandError(str(error)) from error
    steps = f"{len(compared.common):,} recorded steps"
    if parting is None:
        more = [
            f"{manifest.folder} goes on after them, to step {max(manifest.steps)}"
            for manifest in (one, other)
            if len(manifest.steps) > len(compared.common)
        ]
        return [f"they do not part: {steps} are the same, bit for bit", *more], ExitCode.CONFORMS
    lines = [
        parting.sentence,
        f"cause: {parting.cause}",
        f"{parting.steps:,} of {steps} are the same before it",
    ]
    if not parting.is_by_optimizers:
        return lines, ExitCode.CONFORMS
    worst = [(manifest, _largest_over_bound(manifest, parting, arithmetic)) for manifest in (one, other)]
    lines += [
        f"{manifest.folder}: {parting.what} of this step {_in_words(over_bound)}"
        for manifest, over_bound in worst
    ]
    if any(over_bound is not None and over_bound > 1 for _, over_bound in worst):
        return lines, ExitCode.DIVERGES
    unjudged = any(over_bound is None for _, over_bound in worst)
    return lines, ExitCode.NOTHING_JUDGED if unjudged else ExitCode.CONFORMS


def _in_words(over_bound: float | None) -> str:
    if over_bound is None:
        return "cannot be judged"
    place = "beyond its bound" if over_bound > 1 else "within its bound"
    return f"is {place}: at most {over_bound:.4g} times that"


def _largest_over_bound(manifest: Manifest, parting: Parting, arithmetic: Arithmetic) -> float | None:
    """The largest fraction of its bound, in the step where recordings part."""
    with (
        tempfile.TemporaryDirectory() as folder,
        closing(ProgressFile(Path(folder), manifest)) as progress,
        executor(manifest.folder, manifest.facts["chunk"], size=0, workers=1) as judge,
    ):
        audited = audit(manifest, judge, progress, arithmetic=arithmetic, numbers=[parting.number])
    quantity = Quantity(parting.what)
    found = [tally for (_, of), tally in audited.result.tallies.items() if of is quantity and tally.worst]
    return max((tally.worst[0].over_bound for tally in found), default=None)
