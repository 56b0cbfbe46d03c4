"""The suite on drawn bugs: the share that it catches, by kind.

    python -m adamax_conformance.tests.meta.planted.drawn
    python -m adamax_conformance.tests.meta.planted.drawn --kinds memory identity --numbers 100 --seeds 20
    python -m adamax_conformance.tests.meta.planted.drawn --right    # right variants, it must accuse none

The bugs and the right variants were written without the suite in view, so the share also says something of bugs that
nobody planted. It exits with 1 if the suite catches fewer than 95 of 100 bugs of a kind, or accuses a right variant.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from adamax_conformance.tests.conformance.harness.catalogue import SOONEST
from adamax_conformance.tests.conformance.harness.target import Profile, Settings
from adamax_conformance.tests.meta.planted.drawn import right_ways
from adamax_conformance.tests.meta.planted.drawn.drawing import draw_bug, recipes
from adamax_conformance.tests.meta.planted.drawn.registry import KINDS
from adamax_conformance.tests.meta.planted.drawn.right_numbers import VARIANTS
from adamax_conformance.tests.meta.planted.trial import Trial, run_trials, suite

assert right_ways  # importing it adds its variants
LAYERS: Final = ("lives", *(layer for layer in SOONEST if layer != "lives"))
WANTED: Final = 0.95
"""The least share of a kind that the suite has to catch."""


@dataclass(frozen=True)
class KindShare:
    """The verdicts on the bugs of one kind.

    Attributes:
        kind: of the bugs.
        trials: one for each bug and seed.
    """

    kind: str
    trials: tuple[Trial, ...]

    @property
    def caught(self) -> int:
        """The number of trials that ended with a divergence."""
        return sum(bool(trial.caught) for trial in self.trials)

    @property
    def share(self) -> float:
        """The caught ones as a fraction."""
        return self.caught / len(self.trials)

    def line(self) -> str:
        """A row of the table."""
        seconds = sum(trial.seconds for trial in self.trials) / len(self.trials)
        return f"| {self.kind} | {self.caught} of {len(self.trials)} | {self.share:.1%} | {seconds:.1f} |"


def spread(kind: str, count: int) -> list[int]:
    """Numbers of bugs of a kind, spread over its recipes."""
    recipe_count = len(recipes(kind))
    return sorted({index * recipe_count // count for index in range(count)})


def _try(planted: type[Any], dtype: str, settings: Sequence[Settings], sentence: str) -> list[Trial]:
    trials = run_trials(planted, dtype, settings, until_caught=True, calls=suite(LAYERS))
    for trial in trials:
        what = f"{trial.first}: {trial.caught[trial.first]}" if trial.first else f"SURVIVES: {sentence}"
        print(f"{trial.seconds:6.1f} s  {planted.name} {trial.seed}: {what}", file=sys.stderr, flush=True)
    return trials


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="drawn", description=(__doc__ or "").partition("\n")[0])
    add = parser.add_argument
    add("--kinds", nargs="+", choices=KINDS, default=KINDS, metavar="KIND", help=f"of {', '.join(KINDS)}")
    add("--numbers", type=int, default=25, metavar="N", help="so many bugs of each kind, over its recipes")
    add("--seeds", type=int, default=1, metavar="N", help="try each with the seeds 1 to N")
    add("--dtype", default="float32", help="of the parameters")
    add("--profile", choices=[p.label for p in Profile], default="quick", help="how many cases are drawn")
    add("--right", action="store_true", help="try the right variants instead")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return 1 on a poor share, or on an accusation."""
    asked = _arguments(argv)
    profile = next(p for p in Profile if p.label == asked.profile)
    settings = [Settings(profile, seed, shrink=False) for seed in range(1, asked.seeds + 1)]
    if asked.right:
        tried = [t for each in VARIANTS for t in _try(each, asked.dtype, settings, "as it should")]
        accused = [trial for trial in tried if trial.caught]
        print(f"{len(VARIANTS)} right variants, {len(accused)} of {len(tried)} trials accuse one")
        return 1 if accused else 0
    shares = []
    for kind in asked.kinds:
        trials: list[Trial] = []
        for number in spread(kind, asked.numbers):
            bug = draw_bug(number, kind)
            trials += _try(bug, asked.dtype, settings, bug.sentence)
        shares.append(KindShare(kind, tuple(trials)))
    print("| kind | caught | share | seconds each |\n| --- | --- | --- | --- |")
    for each in shares:
        print(each.line())
    return 0 if all(each.share >= WANTED for each in shares) else 1


if __name__ == "__main__":
    sys.exit(main())
