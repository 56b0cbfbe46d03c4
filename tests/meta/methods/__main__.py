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

from adamax_conformance.tests.meta.methods.asking import JUDGES, answers, questions
from adamax_conformance.tests.meta.methods.record import append, read, this_run, tidy
from adamax_conformance.tests.meta.methods.table import README, replace_table


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="methods", description=(__doc__ or "").partition("\n")[0])
    add = parser.add_argument
    add("--method", action="append", choices=JUDGES, help="only this method")
    add("--again", action="store_true", help="ask again what the record answers")
    add("--jobs", type=int, default=1, metavar="N", help="the number of processes")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line."""
    given = _arguments(argv)
    known = {} if given.again else read()
    asked = [key for key in questions(given.method or list(JUDGES)) if key not in known]
    if asked:
        append(this_run())
    for answer in answers(asked, given.jobs):
        append(answer)
        print(*answer.key, answer.found or "nothing found", sep=", ", file=sys.stderr)
    tidy(set(questions(list(JUDGES))))
    README.write_text(replace_table(README.read_text(encoding="utf-8"), read()), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
