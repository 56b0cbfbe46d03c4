"""The suite from Python: run it on a subject, and read the report."""

from __future__ import annotations

import contextlib
import inspect
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from ...oracles.verdict import Verdict
    from ..record.record import Record
    from ..render import summary

_SHOWN: Final = 5
_NO_RUN: Final = (2, 3, 130)


class NotJudgedError(Exception):
    """The suite did not run; the message is the one line that the command line prints."""


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, in the words of the report.

    Attributes:
        checks: the ids of the checks that say it.
        where: the subject, its version, the formats and the device.
        cause: one sentence.
        expected: the expected value.
        actual: what came.
        formula: the specification's lines that the finding is about.
        followed: the lines that the subject follows instead of some of these, where its rule was identified.
        script: Python that shows it with the subject's framework alone; None if there is none.
        reproduce: the command that shows it again.
    """

    checks: tuple[str, ...]
    where: str
    cause: str
    expected: str
    actual: str
    formula: tuple[str, ...]
    followed: tuple[str, ...]
    script: str | None
    reproduce: str

    def __str__(self) -> str:
        others = len(self.checks) - 1
        more = f" and {others} other check{'s' if others > 1 else ''}" if others else ""
        lines = [f"{self.checks[0]}{more} ({self.where}): {self.cause}"]
        lines += [f"  expected  {self.expected}", f"  actual    {self.actual}"] if self.expected else []
        lines += [f"  the page  {line}" for line in self.formula]
        lines += [f"  it does   {line}" for line in self.followed]
        lines.append(f"  again     {self.reproduce}")
        if self.script:
            lines += ["  alone:", *(f"    {line}" for line in self.script.rstrip().splitlines())]
        return "\n".join(lines)


@dataclass(frozen=True)
class Report:
    """The report of a run.

    Attributes:
        record: every verdict, and the facts of the run.
    """

    record: Record

    @cached_property
    def _summary(self) -> summary.Summary:
        from ..render.summary import summarize

        return summarize([self.record])

    @property
    def ok(self) -> bool:
        """Whether the subject conforms.

        It does if something was judged, and nothing new diverges or broke.
        """
        return int(self._summary.exit_code) == 0

    @property
    def answer(self) -> str:
        """One sentence."""
        return self._summary.answer

    @property
    def verdicts(self) -> tuple[Verdict, ...]:
        """Every verdict."""
        return tuple(self.record.verdicts)

    @cached_property
    def findings(self) -> tuple[Finding, ...]:
        """The findings: what diverges or gave no answer, the most informative first.

        Equal ones are together.
        """
        from ...oracles.verdict import Status

        return tuple(_finding(found) for found in self._summary.findings(Status.DIVERGES, Status.BROKEN))

    def to_html(self) -> str:
        """The report as one page that needs nothing else."""
        from ..render.html import render

        return render(self._summary)

    def __str__(self) -> str:
        parts = [self.answer, *map(str, self.findings[:_SHOWN])]
        if len(self.findings) > _SHOWN:
            parts.append(f"and {len(self.findings) - _SHOWN} more findings")
        return "\n\n".join(parts)


def _finding(found: summary.Finding) -> Finding:
    from ..render import evidence
    from ..reproduce.script import script

    verdict = found.row.verdict
    divergence = verdict.divergence
    return Finding(
        checks=found.checks,
        where=found.where,
        cause=verdict.reason,
        expected=divergence.expected if divergence else "",
        actual=divergence.actual if divergence else "",
        formula=evidence.statement(verdict),
        followed=_followed(verdict),
        script=script(verdict),
        reproduce=verdict.reproduce,
    )


def _followed(verdict: Verdict) -> tuple[str, ...]:
    """The lines in which the subject's rule differs from the documented one."""
    from ...reference.rules import DOCUMENTED
    from ..rule import notation
    from ..rule.demo import rule_named

    rule = rule_named(verdict.measured.get("rule"))
    if verdict.check != "rule/documented" or rule is None or rule == DOCUMENTED:
        return ()
    pairs = zip(notation.lines(DOCUMENTED), notation.lines(rule), strict=True)
    return tuple(followed for documented, followed in pairs if followed != documented)


def check(
    subject: str | Callable[..., Any],
    *,
    dtypes: Iterable[str] = (),
    checks: Iterable[str] = (),
    skip: Iterable[str] = (),
    device: str = "cpu",
    profile: str = "quick",
    seed: int | None = None,
    state: tuple[str, str] | None = None,
    known: str | os.PathLike[str] | None = None,
    known_only: str | os.PathLike[str] | None = None,
    documented_by: str | os.PathLike[str] | None = None,
    python: str | None = None,
    timeout: float | None = None,
    report: str | os.PathLike[str] | None = None,
) -> Report:
    """Run the suite on a subject, in a process of its own.

    Args:
        subject: a name as on the command line; or a class or function at the top level of a module: a
            `torch.optim.Optimizer`, or a factory over NumPy arrays.
        dtypes: the formats; float32 and float64 by default.
        checks: globs of the checks to run; all by default.
        skip: globs of the checks to leave out.
        device: where it runs.
        profile: `quick`, or `full` for more cases.
        seed: draws other cases than the usual ones.
        state: the names under which an optimizer of your own keeps m and u.
        known: your own ledger of known divergences, added to the shipped one.
        known_only: a ledger instead of the shipped one.
        documented_by: what the documentation of your own optimizer promises, in a file; it is held to that.
        python: the interpreter that the subject runs in.
        timeout: the seconds that an answer of the subject may take.
        report: a folder to keep the whole report in.

    Raises:
        NotJudgedError: the suite could not begin: a wrong name, a missing framework, a wrong option.
        ValueError: the subject is a class or function that cannot be found again by its name.
    """
    name = subject if isinstance(subject, str) else _name_of(subject)
    words = [f"--dtype={each}" for each in dtypes]
    words += [f"--check={each}" for each in checks]
    words += [f"--skip={each}" for each in skip]
    single: dict[str, Any] = {
        "device": device,
        "profile": profile,
        "seed": seed,
        "known": known,
        "known-only": known_only,
        "documented-by": documented_by,
        "python": python,
    }
    single |= {"timeout": timeout, "state": None if state is None else ",".join(state)}
    words += [f"--{option}={value}" for option, value in single.items() if value is not None]
    with contextlib.ExitStack() as stack:
        if report is None:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="adamax-conformance-"))
        else:
            folder = os.fspath(report)
        return _run([name, *words, f"--report={folder}", "--quiet"], Path(folder), own_path=python is None)


def _run(words: list[str], folder: Path, *, own_path: bool) -> Report:
    """Run the command, and read the record that it wrote."""
    from ..record.record import FILE_NAME, read_record

    environment = dict(os.environ)
    if own_path:
        # Modules that the caller can import, the subject's process can import as well.
        environment["PYTHONPATH"] = os.pathsep.join(path or os.getcwd() for path in sys.path)  # noqa: PTH109
    done = subprocess.run(
        [sys.executable, "-m", "adamax_conformance.reports.cli", "check", *words],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    if done.returncode in _NO_RUN and (not (folder / FILE_NAME).exists() or lines):
        raise NotJudgedError(lines[-1].removeprefix("Error: ") if lines else "nothing was judged")
    if done.returncode not in {0, 1, *_NO_RUN}:
        raise NotJudgedError(f"the suite ended with exit status {done.returncode}: {' '.join(lines[-3:])}")
    return Report(read_record(folder / FILE_NAME))


def _name_of(subject: Callable[..., Any]) -> str:
    """The name that another process finds a class or function under."""
    from ...impl.adapters.registry import is_torch_optimizer

    module, name = getattr(subject, "__module__", ""), getattr(subject, "__qualname__", "")
    if not name or "<" in name:
        raise ValueError(
            f"{subject!r} cannot be found by a name; want a class or function at the top level of a module"
        )
    prefix = "torch:" if is_torch_optimizer(subject) else ""
    if _is_importable(module):
        return f"torch:{module}.{name}" if prefix else f"{module}:{name}"
    return f"{prefix}{inspect.getfile(subject)}:{name}"


def _is_importable(module: str) -> bool:
    from importlib.util import find_spec

    if module == "__main__":
        return False
    with contextlib.suppress(ImportError, ValueError, AttributeError):
        loaded = sys.modules.get(module)
        sys.modules.pop(module, None)
        try:
            return find_spec(module) is not None
        finally:
            if loaded is not None:
                sys.modules[module] = loaded
    return False


def assert_conforms(subject: str | Callable[..., Any], **options: Any) -> Report:
    """Fail with the findings unless a subject conforms.

    Args:
        subject: as for `check`.
        options: likewise.

    Raises:
        AssertionError: it does not conform; the message is the findings with cause, formula and script.
        NotJudgedError: the suite could not begin.
    """
    __tracebackhide__ = True
    report = check(subject, **options)
    if not report.ok:
        raise AssertionError(str(report))
    return report
