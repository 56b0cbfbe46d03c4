"""The suite as a pytest plugin: its options, subjects, and record of verdicts.

`adamax-conformance check` passes these options on; they can be given to pytest as well:

    pytest --pyargs adamax_conformance.tests.conformance -p adamax_conformance.tests.conformance.plugin \
        --adamax-subject torch --adamax-report divergence-report
"""

from __future__ import annotations

import gc
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from itertools import product
from pathlib import Path
from typing import Any, Final, NoReturn

import numpy as np
import pytest
from adamax_conformance.impl.adapters.registry import SubjectKind, parse_name
from adamax_conformance.impl.protocol.errors import (
    SubjectBrokenError,
    SubjectError,
    SubjectTimeoutError,
    UnknownSubjectError,
)
from adamax_conformance.impl.protocol.messages import SubjectInfo
from adamax_conformance.impl.subject.client import Subject
from adamax_conformance.impl.subject.parts import find_obstacle
from adamax_conformance.impl.subject.transports import Deadlines
from adamax_conformance.oracles.causes.diagnosis import Diagnosis
from adamax_conformance.oracles.verdict import Divergence, Quantity, Status
from adamax_conformance.reports import arithmetic_file, documentation_file, options
from adamax_conformance.reports.cli.checks import (
    ChoiceError,
    matches,
    require_matches,
    require_suite,
    split_globs,
)
from adamax_conformance.reports.escape import one_line, terminal_text
from adamax_conformance.reports.ledger import ledger
from adamax_conformance.reports.ledger.choice import choose
from adamax_conformance.reports.record import verdict_json
from adamax_conformance.reports.record.diagnosis import (
    diagnosis_to_json,
    is_of_arguments,
    undiagnosed_to_json,
)
from adamax_conformance.reports.record.environment import machine, versions
from adamax_conformance.reports.record.exit_codes import ExitCode, outcome
from adamax_conformance.reports.record.folder_lock import FolderLock, FolderLockedError
from adamax_conformance.reports.record.record import FILE_NAME, Header, RecordWriter, verdict_line
from adamax_conformance.reports.record.run_result import RunResult
from adamax_conformance.reports.render.report import FILES, render_recorded
from adamax_conformance.reports.rule.decide import decide
from adamax_conformance.reports.rule.diagnose import diagnose_subject, lacking_options
from adamax_conformance.reports.rule.explain import explained
from adamax_conformance.tests.conformance.harness.catalogue import CHECKS, LAYERS, SOONEST
from adamax_conformance.tests.conformance.harness.check import Check, checks_of
from adamax_conformance.tests.conformance.harness.context import CheckContext
from adamax_conformance.tests.conformance.harness.target import Profile, Settings, Target
from adamax_conformance.tests.conformance.progress import ProgressDisplay
from hypothesis import configuration as hypothesis_settings
from rich.console import Console

_PROPERTY: Final = "adamax-verdict"
_USUAL_DTYPES: Final = ("float32", "float64")
_PATIENCE: Final = 3
"""The number of times a subject may hang; every time costs a whole deadline."""
_NARROWING: Final = (
    "keyword",
    "markexpr",
    "deselect",
    "ignore",
    "ignore_glob",
    "lf",
    "stepwise",
    "collectonly",
)
"""The options of pytest's with which a user runs a part of the suite."""
_SUITE: Final = Path(__file__).parent
_SAFE_PATH: Final = "PYTHONSAFEPATH"
_OURS: Final = "adamax-conformance"
"""The value that says that the variable is not the user's."""
_RULE: Final = "rule/documented"
_YOUNG_OBJECTS: Final = 100_000
"""The new objects after which the garbage collector looks for cycles; by default 700, too few to have one."""
_WIDEST_FIRST: Final = ("float64", "float32", "float16", "bfloat16")
_SEARCH: Final = 3.0
"""Seconds of the search for two causes at once."""
_ASKED_AGAIN: Final = 10.0
"""Seconds in which the divergences are performed again, to see which of them the cause explains."""
_PERFORMANCE: Final = 8.0
"""Seconds in which the lives of the diagnosis are performed; the long ones come last."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the suite's options."""
    group = parser.getgroup("adamax", "Adamax conformance")
    add = group.addoption
    add("--adamax-subject", action="append", default=[], metavar="NAME", help="what is checked (numpy)")
    add("--adamax-report", default=None, metavar="DIR", help="where the record and the report are written")
    options.add_to_pytest(add)
    add("--adamax-progress", action="store_true", help="show the suite's own progress display")


def pytest_configure(config: pytest.Config) -> None:
    """Open the subjects, or end the run with a message of one line."""
    config.addinivalue_line("markers", "check(*checks): the checks that a test decides")
    config.pluginmanager.register(_Suite(config), "adamax-conformance-suite")


def _exit(message: str, code: ExitCode) -> NoReturn:
    """End pytest before it runs a test; it prints `Error: ` and the message."""
    # pytest prints the name of the exception's class.
    error = type("Error", (pytest.exit.Exception,), {})
    raise error(terminal_text(message), returncode=int(code))


class _Suite:
    """One run of the suite."""

    def __init__(self, config: pytest.Config) -> None:
        option = config.getoption
        self.config = config
        self.is_worker = hasattr(config, "workerinput")
        self.workers: int = getattr(config, "workerinput", {}).get("workercount", 0)
        self.python: str | None = option("--adamax-python")
        self.device: str = option("--adamax-device")
        self.hung: Counter[str] = Counter()
        self.collection = gc.get_threshold()
        self.lock: FolderLock | None = None
        self.writer: RecordWriter  # of the process that keeps the record, from the session's start
        self.result: RunResult | None = None
        """What the run found, from its end on; the exit code comes from it, and not from a file."""
        self.collected: dict[str, int] = {}
        """The ids of the tests that have to give verdicts, and their places in the order of the tests."""
        self.origins: list[str] = []
        """The id of the test that gave each verdict of the record."""
        self.concluded: set[str] = set()
        self.bar: ProgressDisplay | None = None
        self._show_folder()
        try:
            require_matches(
                [glob for name in ("check", "skip") for glob in split_globs(option(f"--adamax-{name}"))],
                CHECKS,
            )
            require_suite(option("--adamax-suite"))
            self.ledgers = choose(option("--adamax-known"), option("--adamax-known-only"), CHECKS)
            self.arithmetic = arithmetic_file.load(option("--adamax-arithmetic"))
            self.documented_by = documentation_file.load(option("--adamax-documented-by"))
        except (
            ledger.LedgerError,
            arithmetic_file.DeclarationError,
            documentation_file.DocumentationError,
            ChoiceError,
        ) as error:
            _exit(str(error), ExitCode.USAGE)
        # Hypothesis keeps files even where it has no database; none is left with the user.
        self.hypothesis_home = tempfile.TemporaryDirectory(prefix="adamax-conformance-")
        hypothesis_settings.set_hypothesis_home_dir(self.hypothesis_home.name)
        self.settings = Settings(
            profile=next(p for p in Profile if p.label == option("--adamax-profile")),
            seed=option("--adamax-seed"),
            fail_fast=option("--adamax-fail-fast"),
            arithmetic=self.arithmetic,
            ledger=self.ledgers.used,
            documented_by=self.documented_by,
            arguments=tuple(options.reproducing_arguments(option)),
        )
        self.targets: dict[tuple[str, str], Target] = {}
        self.reporters: dict[int, str] = {}  # by target, the test that reports that theta never moves
        try:
            for name in dict.fromkeys(option("--adamax-subject") or ["numpy"]):
                self._open_targets(name, option("--adamax-dtype"))
        except UnknownSubjectError as error:
            _exit(str(error), ExitCode.USAGE)
        except SubjectBrokenError as error:
            _exit(f"{name} cannot be started: {error}", ExitCode.NOTHING_JUDGED)
        except SubjectError as error:
            _exit(str(error), ExitCode.NOTHING_JUDGED)

    def _open(self, name: str) -> Subject:
        seconds = self.config.getoption("--adamax-timeout")
        return Subject.open(
            name,
            device=self.device,
            python=self.python,
            in_process=self.config.getoption("--adamax-in-process"),
            state=self.config.getoption("--adamax-state"),
            deadlines=None if seconds is None else Deadlines(request=seconds),
        )

    def _open_targets(self, name: str, dtypes: Sequence[str]) -> None:
        if self.documented_by is not None and parse_name(name).is_builtin:
            _exit(f"--documented-by is for an optimizer of your own, and {name} is none", ExitCode.USAGE)
        subject = self._open(name)
        offered = subject.info.dtypes
        wanted = dtypes or [d for d in _USUAL_DTYPES if d in offered] or offered
        if not set(wanted) & set(offered):
            reasons = [_refusal_reason(subject, dtype) for dtype in wanted]
            subject.close()
            _exit("; ".join(reasons), ExitCode.NOTHING_JUDGED)
        dtype = next(dtype for dtype in wanted if dtype in offered)
        if not parse_name(name).is_builtin and (problem := find_obstacle(subject, dtype)):
            subject.close()
            _exit(f"{name} cannot be constructed: {problem}", ExitCode.USAGE)
        # If the subject has one of them, the checks of the others are skipped, in the subject's own words.
        first = Target(subject, wanted[0], self.settings)
        for dtype in wanted:
            self.targets[name, dtype] = first.in_dtype(dtype)

    # Collecting ----------------------------------------------------------------------------------------

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Run each test for each subject in each dtype."""
        if "context" in metafunc.fixturenames:
            keys = list(self.targets)
            metafunc.parametrize("context", keys, ids=[f"{s}-{d}" for s, d in keys], indirect=True)

    @pytest.fixture
    def context(self, request: pytest.FixtureRequest) -> CheckContext:
        """The context of this call: a subject, a dtype and the checks."""
        return CheckContext(self.targets[request.param], checks_of(request.node))

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_collection_modifyitems(
        self, config: pytest.Config, items: list[pytest.Item]
    ) -> Generator[None, object, object]:
        """Sort the tests by layer, and leave out those that the options exclude.

        The rule is always judged, since all other verdicts depend on what it is identified as: also where an option of
        pytest's (`-k`) leaves its test out.
        """

        def is_selected(item: pytest.Item) -> bool:
            checks = checks_of(item)
            return not checks or any(self._selects(check) for check in checks)

        layers = SOONEST if self.settings.fail_fast else LAYERS
        order = {layer: i for i, layer in enumerate(layers)}
        items.sort(
            key=lambda item: min((order[check.layer] for check in checks_of(item)), default=len(order))
        )
        left_out = [item for item in items if not is_selected(item)]
        if left_out:
            config.hook.pytest_deselected(items=left_out)
            items[:] = [item for item in items if is_selected(item)]
        for item in items:
            self._assign_worker(item)
        rules = [item for item in items if any(check.id == _RULE for check in checks_of(item))]
        result = yield
        judged = {_context_of(item) for item in items}
        items[:0] = [item for item in rules if item not in items and _context_of(item) in judged]
        return result

    def _assign_worker(self, item: pytest.Item) -> None:
        """Keep a subject in a dtype in one worker of pytest-xdist: identified once.

        Where there are more workers than that, lives are apart: they take half of the time.
        """
        if self.workers and (key := _context_of(item)) is not None:
            group = "-".join(key)
            if self.workers > len(self.targets) and any(check.layer == "lives" for check in checks_of(item)):
                group += "-lives"
            item.add_marker(pytest.mark.xdist_group(group))

    def _selects(self, check: Check) -> bool:
        """Whether the options leave a check in."""
        option = self.config.getoption
        globs, left = (split_globs(option(f"--adamax-{name}")) for name in ("check", "skip"))
        named = (not globs or matches(check.id, globs)) and not matches(check.id, left)
        return check.belongs_to(option("--adamax-suite")) and (check.layer == "rule" or named)

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Note which tests have to give verdicts, and which one reports for many."""
        for item in session.items:
            if (key := _context_of(item)) is not None:
                target = id(self.targets[key])
                if any(check.id == _RULE for check in checks_of(item)):
                    self.reporters[target] = item.nodeid
                self.reporters.setdefault(target, item.nodeid)
        self._expect(item.nodeid for item in session.items)

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_setupnodes(self) -> None:
        """Keep a json.py of the user's out of the processes that start now."""
        os.environ.setdefault(_SAFE_PATH, _OURS)

    def pytest_collection(self) -> None:
        """Let subjects find the user's folder, now that these processes run."""
        self._show_folder()

    def _show_folder(self) -> None:
        if os.environ.get(_SAFE_PATH) == _OURS:
            del os.environ[_SAFE_PATH]

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: Sequence[str]) -> None:
        """Note which tests the workers of pytest-xdist have collected."""
        self._expect(ids)

    def _expect(self, ids: Iterable[str]) -> None:
        for each in ids:
            self.collected.setdefault(each, len(self.collected))
        if self.bar is not None and self.collected:
            self.bar.expect(len(self.collected))

    # Running -------------------------------------------------------------------------------------------

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self) -> None:
        """Keep the garbage collector off what lives as long as the run: modules and tests."""
        gc.freeze()
        gc.set_threshold(_YOUNG_OBJECTS, *self.collection[1:])

    @pytest.hookimpl(wrapper=True)
    def pytest_pyfunc_call(self, pyfuncitem: pytest.Function) -> Generator[None, object, object]:
        """Decide the checks that an error left undecided, and fail or skip the test."""
        context = pyfuncitem.funcargs.get("context")
        if not isinstance(context, CheckContext):
            return (yield)
        name = context.subject.name
        if self.hung[name] >= _PATIENCE:
            context.decide_failure(
                SubjectTimeoutError(f"not run, since the subject hung {_PATIENCE} times before")
            )
            _attach_verdicts(pyfuncitem, context)
            context.conclude()
        if sentence := context.target.stillness():
            self._decide_still(context, pyfuncitem, sentence)
            _attach_verdicts(pyfuncitem, context)
            context.conclude()
        try:
            result = yield
        except SubjectError as error:
            self.hung[name] += isinstance(error, SubjectTimeoutError)
            context.decide_failure(error)
            result = True
        except Exception as error:
            context.decide_failure(error)
            _attach_verdicts(pyfuncitem, context)
            raise
        _attach_verdicts(pyfuncitem, context)
        context.conclude()
        return result

    def _decide_still(self, context: CheckContext, item: pytest.Function, sentence: str) -> None:
        """Report once that theta never moves; every other check is skipped."""
        first, *rest = context.checks
        if self.reporters[id(context.target)] == item.nodeid:
            found = Divergence(Quantity.THETA, sentence, expected="theta moves", actual="it does not")
            context.decide(Status.DIVERGES, divergence=found, check=first.id)
        else:
            rest = [first, *rest]
        for check in rest:
            context.decide(Status.SKIPPED, "theta never moves, which is reported once", check=check.id)

    def pytest_sessionstart(self, session: pytest.Session) -> None:
        """Begin the record and the progress display."""
        if self.is_worker:
            return
        directory = session.config.getoption("--adamax-report")
        try:
            if directory:
                self._take_folder(Path(directory))
            self.writer = RecordWriter(Path(directory, FILE_NAME) if directory else None, self._header())
        except FolderLockedError as error:
            _exit(str(error), ExitCode.USAGE)
        except OSError as error:
            _exit(
                f"the report folder {directory} cannot be written to ({error.strerror}); name another with --report",
                ExitCode.USAGE,
            )
        if session.config.getoption("--adamax-progress"):
            self.bar = ProgressDisplay(Console(stderr=True))

    def _take_folder(self, folder: Path) -> None:
        """Lock the report's folder, and remove an earlier report.

        That one must not pass for this one.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self.lock = FolderLock(folder)
        for name in FILES:
            (folder / name).unlink(missing_ok=True)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Add the verdicts of a finished test to the record."""
        if self.is_worker or report.when != "teardown":
            return
        for name, value in report.user_properties:
            if name == _PROPERTY:
                self.concluded.add(report.nodeid)
                self.writer.append_line(str(value).encode())
                self.origins.append(report.nodeid)
        if self.bar is not None:
            self.bar.advance(self.writer.verdicts)

    @pytest.hookimpl(wrapper=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None, None, None]:
        """Report stale entries of the ledger, write the record, and render it."""
        yield
        if self.is_worker:
            return
        places = [self.collected[origin] for origin in self.origins]
        self.writer.arrange(sorted(range(len(places)), key=places.__getitem__))
        versions = {name: target.subject.info.version for (name, _), target in self.targets.items()}
        for verdict in self.ledgers.used.stale(self.writer.verdicts, versions, CHECKS.keys()):
            self.writer.append(verdict)
            if session.exitstatus == pytest.ExitCode.OK:
                session.exitstatus = pytest.ExitCode.TESTS_FAILED
        if self.bar is not None:
            self.bar.stop()
        missing = tuple(self._missing())
        interrupted = session.exitstatus == pytest.ExitCode.INTERRUPTED
        if not interrupted:
            self._diagnose()
        failed = self._has_failed(session.exitstatus)
        complete = not (missing or interrupted or failed)
        unwritten = ""
        directory = session.config.getoption("--adamax-report")
        try:
            record = self.writer.close(complete=complete)
            if directory:
                render_recorded([record], Path(directory))
        except OSError as error:
            record = self.writer.record(complete=complete)
            unwritten = f"the report cannot be written to {directory} ({error.strerror})"
        notes = (*self.ledgers.notes(versions), *self._hidden(), *self._printed())
        self.result = RunResult(record, missing, interrupted, failed, unwritten, notes)
        if session.exitstatus == pytest.ExitCode.OK and self.result.problem:
            session.exitstatus = self.result.exit_code

    def _hidden(self) -> Iterator[str]:
        """The user's own optimizers whose m and u were not seen, and how to name them."""
        kinds = {SubjectKind.FACTORY, SubjectKind.TORCH_CLASS}
        hidden = {name for (name, _), target in self.targets.items() if target.hides_state}
        names = self.config.getoption("--adamax-state")
        for name in sorted(name for name in hidden if parse_name(name).kind in kinds):
            if names is None:
                yield (
                    f"m and u of {name} were not seen, and theta alone was judged: if it keeps them under other "
                    "names, say which with --state M,U"
                )
            else:
                yield f"{name} has no m and u under the names {','.join(names)}, and theta alone was judged"

    def _has_failed(self, status: int | pytest.ExitCode) -> bool:
        """Whether a test or pytest failed, and no verdict says so."""
        told = outcome(self.writer.verdicts) is not ExitCode.CONFORMS
        return status == pytest.ExitCode.INTERNAL_ERROR or (
            status == pytest.ExitCode.TESTS_FAILED and not told
        )

    def _printed(self) -> Iterator[str]:
        """The last line that each of the user's own optimizers printed."""
        for name, subject in {name: target.subject for (name, _), target in self.targets.items()}.items():
            lines = [line for line in subject.printed.splitlines() if line.strip()]
            if lines and not parse_name(name).is_builtin:
                yield f"{name} printed, as its last line: {lines[-1]}"

    def _diagnose(self) -> None:
        """Find the cause of what diverges, for each subject that does.

        It is searched in the widest dtype that diverges.
        """
        opened = {target.subject.name: name for (name, _), target in self.targets.items()}
        for subject, name in opened.items():
            wrong = {
                v.dtype
                for v in self.writer.verdicts
                if v.status is Status.DIVERGES
                and v.subject == subject
                and not v.check.startswith("contract/")
            }
            if dtype := next((each for each in _WIDEST_FIRST if each in wrong), None):
                self._diagnose_in(subject, name, dtype)

    def _diagnose_in(self, subject: str, name: str, dtype: str) -> None:
        """Diagnose a subject in a process of its own.

        No check has made an optimizer there.
        """
        try:
            with self._open(name) as renewed:
                groups = self.targets[name, dtype].has("groups")
                found = diagnose_subject(renewed, dtype, _SEARCH, _PERFORMANCE, groups=groups)
                lacking = lacking_options(renewed)
                if not self.config.getoption("--adamax-in-process"):
                    found = decide(found, partial(self._open, name), groups=groups)
                asked = self._explained(renewed, subject, name, found, groups=groups)
            self.writer.diagnoses.append(diagnosis_to_json(found, subject, lacking, asked))
        except SubjectError as error:
            self.writer.diagnoses.append(undiagnosed_to_json(subject, dtype, one_line(str(error))))

    def _explained(
        self, diagnosed: Subject, subject: str, name: str, found: Diagnosis, *, groups: bool
    ) -> tuple[tuple[str, str], ...] | None:
        """The divergences that the cause explains, asked again.

        That is in another process where the cause is one of what its optimizers share.
        """
        if not found.causes:
            return None
        wrong = [
            v
            for v in self.writer.verdicts
            if v.status is Status.DIVERGES and v.subject == subject and not is_of_arguments(v)
        ]
        again = partial(explained, cause=found.causes[0], verdicts=wrong, seconds=_ASKED_AGAIN, groups=groups)
        if not found.causes[0].model.needs_process:
            return again(diagnosed)
        with self._open(name) as renewed:
            return again(renewed)

    def _missing(self) -> Iterator[str]:
        """The verdicts that this run had to give and did not, by name."""
        judged = {(v.subject, v.dtype, v.check) for v in self.writer.verdicts}
        lacking = [
            f"{check} of {subject} in {dtype}"
            for (subject, dtype), check in product(self.targets, self._required_checks())
            if (subject, dtype, check) not in judged
        ]
        yield from lacking or sorted(self.collected.keys() - self.concluded)

    def _required_checks(self) -> list[str]:
        """The checks that every subject needs a verdict on.

        There are none if pytest's own options leave some out.
        """
        option = self.config.getoption
        if any(option(name, None) for name in _NARROWING) or any("::" in a for a in self.config.args):
            return []
        return [check.id for check in CHECKS.values() if self._selects(check)]

    def pytest_unconfigure(self) -> None:
        """Close the subjects, and release the report's folder."""
        gc.set_threshold(*self.collection)
        gc.unfreeze()
        hypothesis_settings.set_hypothesis_home_dir(None)
        self.hypothesis_home.cleanup()
        if self.lock is not None:
            self.lock.close()
        for subject in {id(target.subject): target.subject for target in self.targets.values()}.values():
            subject.close()

    def _header(self) -> Header:
        subjects = {name: target.subject.info for (name, _), target in self.targets.items()}
        infos = [verdict_json.plain(_subject_facts(info)) for info in subjects.values()]
        return Header(
            suite_version=version("adamax-conformance"),
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            seed=self.settings.seed,
            profile=self.settings.profile.label,
            platform=machine(),
            versions=versions("hypothesis", "pytest", "numba", "gmpy2"),
            subjects=infos,
            arithmetic=None
            if self.config.getoption("--adamax-arithmetic") is None
            else asdict(self.arithmetic),
        )


def _refusal_reason(subject: Subject, dtype: str) -> str:
    """The reason that a subject lacks a dtype, in its own words if it gives any."""
    try:
        subject.construct([({}, [np.ones(1)])], dtype)
    except SubjectError as error:
        return one_line(str(error))
    return f"{subject.name} has no {dtype}"


def _subject_facts(info: SubjectInfo) -> dict[str, Any]:
    return {
        "name": info.name,
        "framework": info.framework,
        "version": info.version,
        "mode": info.mode,
        "language": info.language,
        "runtime": info.runtime,
        "dtypes": list(info.dtypes),
        "device": info.device,
    }


def _attach_verdicts(item: pytest.Item, context: CheckContext) -> None:
    """Attach the verdicts to pytest's report, which the recording process receives."""
    for verdict in context.verdicts:
        item.user_properties.append((_PROPERTY, verdict_line(verdict).decode()))


def _context_of(item: pytest.Item) -> tuple[str, str] | None:
    """The subject and dtype that a test is for; None for a test of no subject."""
    if not (isinstance(item, pytest.Function) and "context" in item.fixturenames):
        return None
    key: Any = item.callspec.params["context"]
    subject, dtype = key
    return str(subject), str(dtype)


def main() -> int:
    """Run pytest on the suite, with the arguments of the command line."""
    return int(pytest.main([str(_SUITE), "-c", str(_SUITE / "pytest.ini"), *sys.argv[1:]]))
