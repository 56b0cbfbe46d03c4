"""Runs of `check` with many seeds, which have to end in the same verdicts.

`python -m adamax_conformance.tests.meta.cli.seeds torch --dtype float32 --count 20` runs each seed twice: in one
process, and in two of pytest-xdist's, each with another drawn hash seed of Python's. Both have to give the same
verdicts to the last digit, but for their durations. Over all seeds, each check has to have the same status.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from adamax_conformance.reports.record.record import read_record
from adamax_conformance.reports.record.verdict_json import to_json

Answer = tuple[int, bool, Mapping[str, Mapping[str, Any]]]
"""The exit code, whether the record is complete, and each verdict without its duration."""
_XDIST: Final = ("--", "-n", "2", "-q")
_HASH_SEEDS: Final = 1 << 32
_SHOWN: Final = 5


def run(check: Sequence[str], passed: Sequence[str], hash_seed: int) -> Answer:
    """Run `check` in a process and folder of its own."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("ADAMAX_", "PYTEST_"))}
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, "-m", "adamax_conformance.reports.cli.main", "check", *check, *passed],
            cwd=folder,
            env={**environment, "PYTHONHASHSEED": str(hash_seed)},
            capture_output=True,
            text=True,
            encoding="utf-8",
            check=False,
        )
        try:
            record = read_record(Path(folder, "divergence-report"))
        except OSError as error:
            raise RuntimeError(f"exit code {done.returncode}: {done.stdout}{done.stderr}") from error
    verdicts = {}
    for verdict in record.verdicts:
        values = to_json(verdict)
        del values["duration"]
        verdicts[f"{verdict.subject} {verdict.dtype} {verdict.check}"] = values
    if len(verdicts) != len(record.verdicts):
        raise RuntimeError("a check has two verdicts")
    return done.returncode, record.complete, verdicts


def differences(one: Answer, other: Answer, *, statuses: bool = False) -> list[str]:
    """Each verdict in which two answers differ, or differ in their status."""

    def compared(verdict: Mapping[str, Any] | None) -> object:
        return verdict and verdict["status"] if statuses else verdict

    found = [f"{a} and {b}" for a, b in zip(one[:2], other[:2], strict=True) if a != b]
    for name in sorted({*one[2], *other[2]}):
        first, second = compared(one[2].get(name)), compared(other[2].get(name))
        if first != second:
            found.append(f"{name}: {first} and {second}")
    return found


def try_seeds(check: Sequence[str], seeds: Iterable[int]) -> dict[int, list[str]]:
    """Run each seed in both ways; what differs, by seed."""
    rng = random.Random(0)
    first: Answer | None = None
    found = {}
    for seed in seeds:
        arguments = [*check, "--seed", str(seed)]
        alone = run(arguments, (), rng.randrange(_HASH_SEEDS))
        shared = run(arguments, _XDIST, rng.randrange(_HASH_SEEDS))
        first = first or alone
        differing = differences(alone, shared) + differences(first, alone, statuses=True)
        if alone[0] or not alone[1]:
            differing.append(f"exit code {alone[0]}")
        print(f"seed {seed}: {len(alone[2])} verdicts, {len(differing)} differences", flush=True)
        for line in differing[:_SHOWN]:
            print(f"    {line}", flush=True)
        found[seed] = differing
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Try seeds; what `check` takes besides is passed on."""
    options = argparse.ArgumentParser(description=main.__doc__)
    options.add_argument("--count", type=int, default=20)
    given, check = options.parse_known_args(arguments)
    found = try_seeds(check, range(1, given.count + 1))
    differing = sum(map(bool, found.values()))
    print(f"{' '.join(check)}: {given.count} seeds, {differing} with differences")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
