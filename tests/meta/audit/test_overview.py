"""An audit shows tensors by steps, their ranking and the learning rates."""

from __future__ import annotations

import re

import numpy as np
import pytest
from adamax_conformance.impl import recording
from adamax_conformance.oracles.verdict import Quantity
from adamax_conformance.reports.audit.overview import rate_figures, tensor_figures
from adamax_conformance.reports.audit.tallies import AuditResult, merge_results
from adamax_conformance.reports.audit.tensors import COLUMNS, Columns, TensorErrors
from adamax_conformance.reports.cli.main import cli
from adamax_conformance.tests.meta.audit.auditing import audited, said
from adamax_conformance.tests.meta.audit.runs import ours
from adamax_conformance.tests.meta.audit.wrong import Plain, record_run

STALE_FROM, STALE = 5, 2


class Stale(Plain):
    """The third tensor stays where it is from step 5 on."""

    def after(self, theta, i, t):
        """Theta after the step, or before it."""
        return self.parameters[i].copy() if i == STALE and t >= STALE_FROM else theta


@pytest.fixture(scope="module")
def stale(tmp_path_factory):
    """The report of a run with one wrong tensor, and its record."""
    folder = tmp_path_factory.mktemp("stale")
    record_run(Stale, folder / "recording")
    code, record = audited(folder / "recording", folder / "report")
    assert code == 1
    return folder / "report", record


def test_the_tensor_that_is_off_comes_first_with_the_step_from_which_it_is(stale):
    _, record = stale
    figures = said(record, "audit/lockstep/theta").measured["by_tensor"]
    assert figures["columns"] == list(range(1, 9))
    first, *others = figures["tensors"]
    assert (first["parameter"], first["first"], first["exceeded"]) == (STALE, STALE_FROM, 4 * 24)
    assert all(over <= 1 for over in first["over_bound"][: STALE_FROM - 1])
    assert all(over > 1 for over in first["over_bound"][STALE_FROM - 1 :])
    assert all(each["exceeded"] == 0 and each["first"] is None for each in others)
    assert [(group["group"], group["exceeded"]) for group in figures["groups"]] == [(1, 4 * 24), (0, 0)]


def test_moments_that_are_right_have_no_error_beyond_their_bounds(stale):
    _, record = stale
    for quantity in ("m", "u"):
        figures = said(record, f"audit/lockstep/{quantity}").measured["by_tensor"]
        assert len(figures["tensors"]) == 4
        assert all(each["largest"] <= 1 and not each["exceeded"] for each in figures["tensors"])


class Coarse(Plain):
    """The first moment of one tensor is 2 ulp too large, from step 5 on."""

    def after(self, theta, i, t):
        """Theta after the step, which read the right moment."""
        if i == 1 and t >= STALE_FROM:
            m = self.exp_avg[i]
            m += 2 * np.spacing(m)
        return theta


def test_where_some_elements_of_each_step_are_off_the_place_is_that_of_all_steps(tmp_path):
    rng = np.random.default_rng(8)
    shapes = ((7, 5), (40, 60))
    optimizer = Coarse([rng.standard_normal(shape).astype(np.float32) for shape in shapes], lr=0.01)
    with recording.record(optimizer, tmp_path / "recording"):
        for _ in range(30):
            optimizer([rng.standard_normal(shape).astype(np.float32) for shape in shapes])
    code, record = audited(tmp_path / "recording", tmp_path / "report")
    assert code == 1
    (found,) = record.diagnoses
    assert found["diagnosis"] == "m is off in parameter 1 from step 5 on"


def test_the_learning_rates_are_those_of_the_schedule(stale):
    _, record = stale
    rates = said(record, "audit/recording").measured["rates"]
    assert rates == {group: [[t, 0.1 / t] for t in range(1, 9)] for group in ("0", "1")}


def test_page_and_markdown_show_tensors_by_steps_and_the_worst_elements(stale):
    report, _ = stale
    page, markdown = (report.joinpath(name).read_text("utf-8") for name in ("index.html", "report.md"))
    for words in (
        "Tensors by steps.",
        "Learning rate.",
        "The worst elements",
        "at recorded step 5, in parameter 2",
    ):
        assert words in page
    assert "at recorded step 5, in parameter 2" in markdown
    assert re.search(r"^parameter 2  [▁▃▅▇]{4}✗✗✗✗$", markdown, re.MULTILINE)
    assert "| theta | 5 | parameter 2 |" in markdown


def test_what_conforms_is_two_lines(tmp_path, capsys):
    ours(tmp_path / "recording")
    cli.main(
        ["audit", str(tmp_path / "recording"), "--report", str(tmp_path / "report")], standalone_mode=False
    )
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith(
        "Conforms: 7 checks, nothing diverges. All 468 numbers of theta, m and u in 3 tensors"
    )
    assert second == f"report: {tmp_path / 'report' / 'index.html'}"


@pytest.mark.parametrize(("first", "last"), [(1, 1), (1, 64), (1, 65), (7, 5000), (10, 20)])
def test_a_recording_of_any_length_has_few_columns(first, last):
    numbers = range(first, last + 1)
    columns = Columns.of(numbers)
    starts = sorted({columns.start(number) for number in numbers})
    assert starts[0] == first
    assert len(starts) <= COLUMNS
    assert all(0 <= number - columns.start(number) < columns.width for number in numbers)
    assert set(np.diff(starts)) <= {columns.width}


def test_parts_add_up_in_any_order():
    parts = [
        AuditResult(
            tensors={("float32", k % 2, 1): TensorErrors(k, "w", 0, {"m": k / 4}, *({"m": k},) * 2)},
            rates={(0, 1): (k, 1.0 / k)},
        )
        for k in range(1, 7)
    ]
    whole = merge_results(parts)
    assert merge_results(reversed(parts)) == whole
    assert whole.tensors["float32", 0, 1] == TensorErrors(2, "w", 0, {"m": 1.5}, {"m": 12}, {"m": 2})
    assert rate_figures(whole) == {"0": [[1, 1.0]]}


def test_an_error_just_beyond_its_bound_stays_beyond_it_in_four_digits():
    errors = TensorErrors(1, "w", 0, {"m": 1 + 2**-40})
    figures = tensor_figures(AuditResult(tensors={("float32", 0, 1): errors}), "float32", Quantity.M)
    assert figures["tensors"][0]["over_bound"] == [1.001]
