"""A headless Chromium without a network, and a page; skipped if there is none."""

from __future__ import annotations

from dataclasses import replace

import pytest
from adamax_conformance.oracles.error_model import ErrorModel
from adamax_conformance.oracles.formats import Format
from adamax_conformance.oracles.verdict import Quantity, Status
from adamax_conformance.oracles.worked import worked_step
from adamax_conformance.reference.hyperparameters import Hyperparameters
from adamax_conformance.reports.cli.diff import compare
from adamax_conformance.reports.record.record import Record
from adamax_conformance.reports.render.report import render
from adamax_conformance.tests.meta.audit.auditing import audited
from adamax_conformance.tests.meta.audit.test_overview import Stale
from adamax_conformance.tests.meta.audit.wrong import record_run
from adamax_conformance.tests.meta.browser.chromium import find_chromium, start_chromium
from adamax_conformance.tests.meta.reports.samples import divergence, header, verdict

SERIES = {
    "ulp_by_step": [[t, 0.4 + 0.001 * t, 1.0 + 0.002 * t] for t in range(1, 200)],
    "histogram": {"edges": [0.0, 0.25, 0.5, 0.75], "counts": [70, 25, 5]},
}
LONG = "/home/somebody/work/optimizers/adamax_variants/src/my_optimizers/adamax.py:AdamaxWithALongName"
WORKED = worked_step(
    (1.0, 0.25, 0.5, 0.125), (0.998, 0.2375, 0.4995), Hyperparameters(), 3, ErrorModel(Format.of("float32"))
)
DIAGNOSIS = {
    "subject": "torch",
    "dtype": "float32",
    "diagnosis": "a learning rate that is set takes effect one step late",
    "causes": [
        {
            "cause": "lr-of-step-before",
            "sentence": "a learning rate that is set takes effect one step late",
            "documented": "a step uses its group's options in force",
            "line": "a step uses the lr of the step before",
        }
    ],
    "conditions": "",
    "lives": 130,
    "diverging_lives": 5,
    "explains": [["value/lockstep/theta", "float32"]],
    "life": None,
}


def records():
    """Two runs with every status, several layers, long series, and many verdicts."""
    values = [
        verdict(
            Status.DIVERGES,
            check="value/lockstep/theta",
            measured=SERIES,
            divergence=divergence(extra=WORKED),
            duration=1.25,
        ),
        verdict(
            Status.DIVERGES,
            check="value/lockstep/u",
            divergence=divergence(error_ulp=9.0, quantity=Quantity.U),
        ),
        verdict(
            Status.DIVERGES,
            check="value/lockstep/u",
            divergence=divergence(error_ulp=9.0, quantity=Quantity.U),
            dtype="float64",
        ),
        verdict(
            Status.DIVERGES,
            check="rule/documented",
            divergence=divergence(
                quantity=Quantity.OUTCOME, expected="documented", actual="no eps", error_ulp=None
            ),
            measured={"rule": "epsilon=in-denominator"},
        ),
        verdict(Status.KNOWN, check="contract/lr/none", divergence=divergence(quantity=Quantity.OUTCOME)),
        verdict(Status.UNSPECIFIED, check="contract/eps/zero"),
        verdict(Status.SKIPPED, check="bookkeeping/resume"),
        verdict(Status.BROKEN, check="special/nan"),
        verdict(check="value/long-run/theta", measured=SERIES),
        *(verdict(check=f"relations/mirror/{n}") for n in range(30)),
    ]
    other = [verdict(check=one.check, subject=LONG, dtype="float16") for one in values[5:]]
    return replace(Record.of(header(), values), diagnoses=(DIAGNOSIS,)), Record.of(
        header(seed=2, subjects=()), other
    )


@pytest.fixture(scope="session")
def page(tmp_path_factory):
    """The address of a report on disk."""
    folder = tmp_path_factory.mktemp("report")
    render(records(), folder)
    return (folder / "index.html").as_uri()


@pytest.fixture(scope="session")
def run(tmp_path_factory):
    """The address of the report of an audited run, one of whose tensors is wrong."""
    folder = tmp_path_factory.mktemp("run")
    record_run(Stale, folder / "recording")
    audited(folder / "recording", folder / "report")
    return (folder / "report" / "index.html").as_uri()


@pytest.fixture(scope="session")
def comparison(tmp_path_factory):
    """The address of a comparison on disk."""
    file = tmp_path_factory.mktemp("comparison") / "diff.html"
    first, second = records()
    later = [verdict(one.status, check=one.check, reason="now") for one in first.verdicts[2:]]
    renamed = Record.of(header(), [verdict(Status.BROKEN, check="special/nan", subject=LONG), *later])
    file.write_text(compare([first, second], [renamed]).to_html(), encoding="utf-8")
    return file.as_uri()


@pytest.fixture(scope="session")
def chromium(tmp_path_factory):
    """A browser for the whole session, with a profile of its own."""
    pytest.importorskip("selenium.webdriver")
    found = find_chromium()
    if found is None:
        pytest.skip("there is no Chromium with its chromedriver here")
    browser = start_chromium(*found, tmp_path_factory.mktemp("profile"))
    yield browser
    browser.quit()


@pytest.fixture
def browser(chromium, page):
    """The browser with the page freshly opened, in light, at a desktop's width."""
    chromium.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    chromium.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    chromium.get("about:blank")
    chromium.get_log("browser")
    chromium.get_log("performance")
    chromium.get(page)
    return chromium
