"""The suite as a pytest plugin: its options, its subjects, and the record of its verdicts.

`adamax-conformance check` passes these options on; they can be given to pytest as well:

    pytest --pyargs adamax_conformance.tests.conformance -p adamax_conformance.tests.conformance.plugin \
        --adamax-subject torch --adamax-report divergence-report
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, NoReturn

import numpy as np
import pytest
from adamax_conformance.impl.protocol.errors import SubjectBroken, SubjectError, SubjectHung, UnknownSubject
from adamax_conformance.impl.subject.client import Subject
from adamax_conformance.impl.subject.transports import Deadlines
from adamax_conformance.oracles.verdict import Status, Verdict
from adamax_conformance.reports import arithmetic_file
from adamax_conformance.reports.escape import one_line
from adamax_conformance.reports.ledger import ledger
from adamax_conformance.reports.record import verdict_json
from adamax_conformance.reports.record.environment import machine, versions
from adamax_conformance.reports.record.exit_codes import ExitCode
from adamax_conformance.reports.record.record import FILE_NAME, Header, RecordWriter, read_record
from adamax_conformance.reports.render.report import render
from adamax_conformance.tests.conformance.harness.catalogue import CHECKS, LAYERS, SOONEST, appeared
from adamax_conformance.tests.conformance.harness.context import Bench
from adamax_conformance.tests.conformance.harness.target import Profile, Seat, Settings
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

_PROPERTY: Final = "adamax-verdict"
_USUAL_DTYPES: Final = ("float32", "float64")
_PATIENCE: Final = 3
"""How often a subject may hang before it is not asked any more: each time costs a whole deadline."""
_SUITE: Final = Path(__file__).parent


def pytest_addoption(parser: pytest.Parser) -> None:
    """The suite's options."""
    group = parser.getgroup("adamax", "Adamax conformance")
    add = group.addoption
    add("--adamax-subject", action="append", default=[], metavar="NAME", help="what is checked (numpy)")
    add("--adamax-dtype", action="append", default=[], metavar="DTYPE", help="float32 and float64 by default")
    add("--adamax-device", default="cpu", metavar="DEVICE", help="where it runs (cpu)")
    add("--adamax-profile", choices=[p.label for p in Profile], default="quick", help="how much is drawn")
    add("--adamax-seed", type=int, default=None, metavar="N", help="draw other cases than the usual ones")
    add("--adamax-report", default=None, metavar="DIR", help="where the record and the report are written")
    add("--adamax-known", default=None, metavar="FILE", help="the ledger of known divergences")
    add("--adamax-python", default=None, metavar="PATH", help="the interpreter that subjects run in")
    add(
        "--adamax-timeout",
        type=float,
        default=None,
        metavar="SECONDS",
        help="how long an answer may take (60)",
    )
    add("--adamax-in-process", action="store_true", help="run subjects in this process, unprotected")
    add("--adamax-arithmetic", default=None, metavar="FILE", help="the declared arithmetic of the device")
    add("--adamax-suite", default=None, metavar="VERSION", help="only checks that this version had")
    add("--adamax-check", action="append", default=[], metavar="GLOB", help="only checks with such an id")
    add("--adamax-fail-fast", action="store_true", help="stop at the first divergence, and do not shrink it")
    add("--adamax-progress", action="store_true", help="show the suite's own progress display")


def pytest_configure(config: pytest.Config) -> None:
    """Open what was asked for, and say in one line what cannot be."""
    config.addinivalue_line("markers", "check(*ids): the ids of the checks that a test decides")
    config.pluginmanager.register(_Suite(config), "adamax-conformance-suite")


class Error(pytest.exit.Exception):
    """The run cannot begin; pytest prints the class's name and the message, and exits with the code."""


def _leave(message: str, code: ExitCode) -> NoReturn:
    raise Error(message, returncode=int(code))


class _Suite:
    """One run of the suite."""

    def __init__(self, config: pytest.Config) -> None:
        option = config.getoption
        self.config = config
        self.is_worker = hasattr(config, "workerinput")
        self.python: str | None = option("--adamax-python")
        self.device: str = option("--adamax-device")
        self.verdicts: list[Verdict] = []
        self.hung: Counter[str] = Counter()
        self.writer: RecordWriter | None = None
        self.bar: _Bar | None = None
        try:
            self.ledger = ledger.load(option("--adamax-known") or ledger.SHIPPED)
            self.ledger.require(CHECKS.keys())
            self.arithmetic = arithmetic_file.load(option("--adamax-arithmetic"))
        except (ledger.LedgerError, arithmetic_file.DeclarationError) as error:
            _leave(str(error), ExitCode.USAGE)
        self.settings = Settings(
            profile=next(p for p in Profile if p.label == option("--adamax-profile")),
            seed=option("--adamax-seed"),
            fail_fast=option("--adamax-fail-fast"),
            arithmetic=self.arithmetic,
            ledger=self.ledger,
            arguments=tuple(self._arguments()),
        )
        self.seats: dict[tuple[str, str], Seat] = {}
        try:
            for name in dict.fromkeys(option("--adamax-subject") or ["numpy"]):
                self._seat(name, option("--adamax-dtype"))
        except UnknownSubject as error:
            _leave(str(error), ExitCode.USAGE)
        except SubjectBroken as error:
            _leave(f"{name} cannot be started: {error}", ExitCode.NOTHING_JUDGED)
        except SubjectError as error:
            _leave(str(error), ExitCode.NOTHING_JUDGED)

    def _arguments(self) -> Iterator[str]:
        """The options that change a verdict, as the command line has them."""
        option = self.config.getoption
        for name in ("device", "profile", "seed", "known", "python", "arithmetic"):
            value = option(f"--adamax-{name}")
            if value not in (None, {"device": "cpu", "profile": "quick"}.get(name)):
                yield from (f"--{name}", str(value))
        if option("--adamax-in-process"):
            yield "--in-process"

    def _seat(self, name: str, dtypes: Sequence[str]) -> None:
        seconds = self.config.getoption("--adamax-timeout")
        subject = Subject.open(
            name,
            device=self.device,
            python=self.python,
            in_process=self.config.getoption("--adamax-in-process"),
            deadlines=None if seconds is None else Deadlines(request=seconds),
        )
        offered = subject.info.dtypes
        asked = dtypes or [d for d in _USUAL_DTYPES if d in offered] or offered
        if not set(asked) & set(offered):
            reasons = [_refused(subject, dtype) for dtype in asked]
            subject.close()
            _leave("; ".join(reasons), ExitCode.NOTHING_JUDGED)
        # Where there is another, the checks of one that is not offered are skipped, in the subject's own words.
        for dtype in asked:
            self.seats[name, dtype] = Seat(subject, dtype, self.settings)

    # Collecting ----------------------------------------------------------------------------------------

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Each check is asked of each subject in each dtype."""
        if "bench" in metafunc.fixturenames:
            keys = list(self.seats)
            metafunc.parametrize("bench", keys, ids=[f"{s}-{d}" for s, d in keys], indirect=True)

    @pytest.fixture
    def bench(self, request: pytest.FixtureRequest) -> Bench:
        """The subject and dtype of this check."""
        return Bench(self.seats[request.param], _ids(request.node))

    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Leave out what `--adamax-check` and `--adamax-suite` leave out."""
        globs, suite = config.getoption("--adamax-check"), config.getoption("--adamax-suite")

        def wanted(item: pytest.Item) -> bool:
            ids = _ids(item)
            named = not globs or any(fnmatchcase(i, glob) for i in ids for glob in globs)
            return not ids or (named and any(appeared(i, suite) for i in ids))

        layers = SOONEST if self.settings.fail_fast else LAYERS
        order = {layer: place for place, layer in enumerate(layers)}
        items.sort(key=lambda item: min((order[i.partition("/")[0]] for i in _ids(item)), default=len(order)))
        left_out = [item for item in items if not wanted(item)]
        if left_out:
            config.hook.pytest_deselected(items=left_out)
            items[:] = [item for item in items if wanted(item)]

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Tell the progress display how much there is."""
        if self.bar is not None and session.items:
            self.bar.expect(len(session.items))

    # Running -------------------------------------------------------------------------------------------

    @pytest.hookimpl(wrapper=True)
    def pytest_pyfunc_call(self, pyfuncitem: pytest.Function) -> Generator[None, object, object]:
        """Decide what a failing subject left undecided, and end the check as pytest knows it."""
        bench = pyfuncitem.funcargs.get("bench")
        if not isinstance(bench, Bench):
            return (yield)
        name = bench.subject.name
        if self.hung[name] >= _PATIENCE:
            bench.failed(SubjectHung(f"not asked, since it hung {_PATIENCE} times before"))
            _keep(pyfuncitem, bench)
            bench.conclude()
        try:
            result = yield
        except SubjectError as error:
            self.hung[name] += isinstance(error, SubjectHung)
            bench.failed(error)
            result = True
        except Exception as error:
            bench.failed(error)
            _keep(pyfuncitem, bench)
            raise
        _keep(pyfuncitem, bench)
        bench.conclude()
        return result

    def pytest_sessionstart(self, session: pytest.Session) -> None:
        """Begin the record."""
        if self.is_worker:
            return
        if directory := session.config.getoption("--adamax-report"):
            try:
                Path(directory).mkdir(parents=True, exist_ok=True)
                self.writer = RecordWriter(Path(directory, FILE_NAME), self._header())
            except OSError as error:
                _leave(
                    f"the report folder {directory} cannot be written to ({error.strerror}); name another with --report",
                    ExitCode.USAGE,
                )
        if session.config.getoption("--adamax-progress"):
            self.bar = _Bar(Console(stderr=True))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Put a finished check's verdicts on the record."""
        if self.is_worker or report.when != "teardown":
            return
        for name, value in report.user_properties:
            if name == _PROPERTY:
                verdict = verdict_json.from_json(json.loads(str(value)))
                self._add(verdict)
        if self.bar is not None:
            self.bar.advance(self.verdicts)

    def _add(self, verdict: Verdict) -> None:
        self.verdicts.append(verdict)
        if self.writer is not None:
            self.writer.append(verdict)

    @pytest.hookimpl(wrapper=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None, None, None]:
        """Add what the ledger says that is no longer so, end the record, and render it."""
        yield
        if self.is_worker:
            return
        versions = {name: seat.subject.info.version for (name, _), seat in self.seats.items()}
        for verdict in self.ledger.stale(self.verdicts, versions, CHECKS.keys()):
            self._add(verdict)
            if session.exitstatus == pytest.ExitCode.OK:
                session.exitstatus = pytest.ExitCode.TESTS_FAILED
        if self.bar is not None:
            self.bar.stop()
        if self.writer is not None:
            self.writer.close()
            directory = session.config.getoption("--adamax-report")
            render(read_record(Path(directory, FILE_NAME)), directory)

    def pytest_unconfigure(self) -> None:
        """End the subjects."""
        for subject in {id(seat.subject): seat.subject for seat in self.seats.values()}.values():
            subject.close()

    def _header(self) -> Header:
        subjects = {name: seat.subject.info for (name, _), seat in self.seats.items()}
        infos = [verdict_json.plain(_facts(info)) for info in subjects.values()]
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


def _refused(subject: Subject, dtype: str) -> str:
    """Why a subject has no such dtype, in its own words where it has some."""
    try:
        subject.construct([({}, [np.ones(1)])], dtype)
    except SubjectError as error:
        return one_line(str(error))
    return f"{subject.name} has no {dtype}"


def _facts(info: Any) -> dict[str, Any]:
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


def _ids(node: Any) -> tuple[str, ...]:
    """The checks that a test decides."""
    marker = node.get_closest_marker("check")
    if marker is None:
        return ()
    callspec = getattr(node, "callspec", None)
    params = {} if callspec is None else callspec.params
    return tuple(
        i.format(**{k: getattr(v, "id", getattr(v, "value", v)) for k, v in params.items()})
        for i in marker.args
    )


def _keep(item: pytest.Item, bench: Bench) -> None:
    """Send the verdicts along with pytest's report, which reaches the process that keeps the record."""
    for verdict in bench.verdicts:
        item.user_properties.append((_PROPERTY, json.dumps(verdict_json.to_json(verdict))))


class _Bar:
    """The live progress display; on anything but a terminal, one line for each divergence as it comes."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.shown = 0
        self.progress = Progress(
            TextColumn("checking"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.description}", markup=False),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self.task = self.progress.add_task("", total=None)
        self.progress.start()

    def expect(self, total: int) -> None:
        """How many checks there are."""
        self.progress.update(self.task, total=total)

    def advance(self, verdicts: Sequence[Verdict]) -> None:
        """One check is done."""
        wrong = [v for v in verdicts if v.status in {Status.DIVERGES, Status.BROKEN}]
        for verdict in wrong[self.shown :]:
            line = one_line(
                f"{verdict.status.value}: {verdict.subject} {verdict.dtype} {verdict.check}: {verdict.reason}"
            )
            self.progress.console.print(line, markup=False, highlight=False, soft_wrap=True)
        self.shown = len(wrong)
        self.progress.update(self.task, advance=1, description=f"{len(wrong)} diverge" if wrong else "")

    def stop(self) -> None:
        """Take the display away."""
        self.progress.stop()


def main() -> int:
    """Run the suite with the arguments of the command line, as pytest."""
    return int(pytest.main([str(_SUITE), "-c", str(_SUITE / "pytest.ini"), *sys.argv[1:]]))
