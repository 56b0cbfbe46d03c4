"""Text from elsewhere stays text in terminals and their CI, spreadsheets and TOML."""

from __future__ import annotations

import re
import tomllib

import pytest
import tomli_w
from adamax_conformance.oracles.verdict import Status
from adamax_conformance.reports import escape
from adamax_conformance.reports.ledger import ledger
from adamax_conformance.tests.meta.reports.samples import verdict

_HOSTILE = (
    "::error::x",
    "  ::add-mask::x",
    "a\n::error file=a.py,line=1::x",
    "a\r\n::stop-commands::x",
    "a\u2028::error::x",
    "a\u00a0::error::x",
    "##[error]x",
    "words ##[group]x",
    "\x1b[2J\x9b31m",
    "\u202ecod.exe",
    "\udc80",
)
_COMMAND = re.compile(r"^\s*::|##\[", re.MULTILINE)
"""What GitHub's runner takes for a command: `ActionCommand.TryParseV2` and `TryParse` of its source."""


@pytest.mark.parametrize("text", _HOSTILE)
@pytest.mark.parametrize("write", [escape.terminal_text, escape.terminal_line])
def test_no_text_is_a_command_of_a_ci_or_of_a_terminal(text, write):
    shown = write(text)
    assert not _COMMAND.search(shown)
    assert all(not _COMMAND.search(line) for line in shown.splitlines())
    assert not set(shown) & {"\x1b", "\x9b", "\u202e", "\udc80"}
    assert shown.encode()


def test_the_ids_of_tests_stay_as_they_are():
    assert escape.terminal_line("test_rule.py::test_it[a-b]") == "test_rule.py::test_it[a-b]"


@pytest.mark.parametrize("space", ["", " ", "\u00a0", "\u3000", "\t", "\n", "\r\n", "\u2007", "\u202f"])
@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\uff1d", "\uff20"])
def test_no_cell_of_a_spreadsheet_is_a_formula(space, start):
    shown = escape.csv_cell(f"{space}{start}HYPERLINK(1)")
    assert shown.lstrip()[0] not in {start, "\t", "\r"}
    assert len(shown.splitlines()) == 1


def test_a_line_break_begins_no_cell():
    assert escape.csv_cell("a\n=1+1") == "a =1+1"
    assert escape.csv_cell("-1.5e3") == "-1.5e3"


@pytest.mark.parametrize(
    "text", ["\x85\x9b", "\u202eabc", "\u2028", "\U000e0001", "\ufeff", "\x00", "plain é ✓"]
)
def test_toml_comes_back_as_it_was_and_shows_what_it_hides(text):
    written = escape.toml(tomli_w.dumps({"a": text, text: [text]}))
    assert tomllib.loads(written) == {"a": text, text: [text]}
    assert all(c == "\n" or escape.visible(c) == c for c in written)


@pytest.mark.parametrize("version", ["9" * 5_000, "1." * 3_000 + "1", "\udc80", "", "1.0"])
def test_printed_entries_of_a_hostile_subject_are_read_back(tmp_path, version):
    hostile = verdict(Status.DIVERGES, subject="a\udc80\u202e\x9b::error::", reason="\u202e" * 20_000)
    text = ledger.write_entries([hostile], {hostile.subject: version})
    path = tmp_path / "known.toml"
    path.write_bytes(text.encode())
    (entry,) = ledger.load(path).entries
    assert entry.check == hostile.check
