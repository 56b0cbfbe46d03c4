"""Judge every planted bug and faithful variant by every method, in a table.

    python -m adamax_conformance.tests.meta.methods             # what the record lacks
    python -m adamax_conformance.tests.meta.methods --again     # everything, from the start: an hour on one core
    python -m adamax_conformance.tests.meta.methods --again --method one-step

The answers go to `recorded.jsonl`, and the table that they give to README.md.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from adamax_conformance.tests.meta.methods.asking import JUDGES, answers, questions
from adamax_conformance.tests.meta.methods.record import RECORDED, append, read, this_run


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="methods", description=(__doc__ or "").partition("\n")[0])
    add = parser.add_argument
    add("--method", action="append", choices=JUDGES, help="only this method")
    add("--again", action="store_true", help="ask again what the record answers")
    add("--jobs", type=int, default=1, metavar="N", help="the number of processes")
    add("--record", type=Path, default=RECORDED, metavar="FILE", help="the record")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line."""
    given = _arguments(argv)
    known = {} if given.again else read(given.record).answers
    asked = [key for key in questions(given.method or list(JUDGES)) if key not in known]
    if asked:
        append([this_run()], given.record)
        append(answers(asked, given.jobs), given.record)
    return 0


if __name__ == "__main__":
    sys.exit(main())
