"""The ledger lists exactly what it names, and stale entries are found."""

from __future__ import annotations

import re
from dataclasses import fields, replace

import pytest
from adamax_conformance.oracles.verdict import Status
from adamax_conformance.reports.ledger import ledger
from adamax_conformance.reports.ledger.choice import choose
from adamax_conformance.reports.ledger.ledger import Entry, Ledger, LedgerError
from adamax_conformance.reports.record.exit_codes import ExitCode, outcome
from adamax_conformance.tests.conformance.harness.catalogue import CHECKS
from adamax_conformance.tests.meta.reports.samples import HOSTILE, case, divergence, verdict

ENTRY = Entry("torch-theta", "torch*", "value/lockstep/theta", "it rounds twice")
DIVERGING = verdict(Status.DIVERGES)
TEXT = """
[[divergence]]
id = "torch-theta"
subject = "torch*"
check = "value/lockstep/theta"
reason = "it rounds twice"
"""


@pytest.fixture
def path(tmp_path):
    return tmp_path / "known.toml"


def book(path, *entries):
    return Ledger(path, entries)


def test_an_entry_makes_its_divergence_known_with_the_entry_s_reason(path):
    settled = book(path, ENTRY).apply(DIVERGING, "2.13.0")
    assert settled.status is Status.KNOWN
    assert settled.reason == "it rounds twice"
    assert settled.measured["ledger"] == "torch-theta"
    assert settled.divergence == DIVERGING.divergence


@pytest.mark.parametrize(
    ("changes", "subject", "version", "listed"),
    [
        ({}, "torch", "2.13.0", True),
        ({}, "torch[foreach]", "2.13.0", True),
        ({}, "mindspore", "2.10.0", False),
        ({"subject": "torch"}, "torch[foreach]", "2.13.0", False),
        ({"subject": "torch[foreach]"}, "torch[foreach]", "2.13.0", True),
        ({"subject": "torch[foreach]"}, "torchf", "2.13.0", False),
        ({"subject": "Torch"}, "torch", "2.13.0", False),
        ({"versions": ">=2.4,<3"}, "torch", "2.13.0", True),
        ({"versions": ">=2.4,<3"}, "torch", "2.13.0+cpu", True),
        ({"versions": "==2.13.0"}, "torch", "2.13.0+cpu", True),
        ({"versions": ">=2.4,<3"}, "torch", "2.14.0.dev20260101", True),
        ({"versions": ">=2.4,<3"}, "torch", "3.0", False),
        ({"versions": ">=2.4,<3"}, "torch", "", False),
        ({"versions": ">=2.4,<3"}, "torch", "built here", False),
        ({"versions": ""}, "torch", "built here", True),
        ({"dtypes": ("float32", "float16")}, "torch", "2.13.0", True),
        ({"dtypes": ("float16",)}, "torch", "2.13.0", False),
        ({"devices": ("cpu",)}, "torch", "2.13.0", True),
        ({"devices": ("cuda",)}, "torch", "2.13.0", False),
        ({"case": "pinned"}, "torch", "2.13.0", True),
        ({"case": "another"}, "torch", "2.13.0", False),
        ({"check": "value/lockstep/m"}, "torch", "2.13.0", False),
        ({"check": "value/lockstep"}, "torch", "2.13.0", False),
    ],
)
def test_an_entry_lists_what_it_names_and_nothing_else(path, changes, subject, version, listed):
    entry = replace(ENTRY, **changes)
    matched = book(path, entry).match(replace(DIVERGING, subject=subject), version)
    assert matched == (entry if listed else None)


@pytest.mark.parametrize("status", [status for status in Status if status is not Status.DIVERGES])
def test_only_a_divergence_can_be_known(path, status):
    assert book(path, ENTRY).match(verdict(status), "2.13.0") is None


def test_an_entry_whose_check_conforms_is_stale_and_fails_the_run(path):
    stale = book(path, ENTRY).stale([verdict()], {"torch": "2.13.0"}, {ENTRY.check})
    assert [(one.check, one.status, one.subject) for one in stale] == [
        ("ledger/torch-theta", Status.DIVERGES, "torch")
    ]
    assert "torch-theta" in stale[0].reason
    assert outcome(stale) is ExitCode.DIVERGES


def test_an_entry_is_stale_in_each_dtype_in_which_it_no_longer_diverges(path):
    judged = [DIVERGING, verdict(dtype="float64"), verdict(dtype="float16")]
    stale = book(path, ENTRY).stale(judged, {"torch": "2.13.0"}, {ENTRY.check})
    assert [one.dtype for one in stale] == ["float64", "float16"]


@pytest.mark.parametrize("status", [Status.DIVERGES, Status.KNOWN, Status.SKIPPED, Status.BROKEN])
def test_an_entry_is_not_stale_where_its_check_diverges_or_said_nothing(path, status):
    assert book(path, ENTRY).stale([verdict(status)], {"torch": "2.13.0"}, {ENTRY.check}) == []


def test_an_entry_for_other_versions_is_not_stale(path):
    assert (
        book(path, replace(ENTRY, versions="<2")).stale([verdict()], {"torch": "2.13.0"}, {ENTRY.check}) == []
    )


def test_an_entry_for_any_class_of_torch_is_stale_for_torch_alone(path):
    entry, versions = (
        replace(ENTRY, subject="torch, torch:*"),
        {"torch": "2.13.0", "torch:own.Adamax": "2.13.0"},
    )
    judged = [verdict(), verdict(subject="torch:own.Adamax")]
    assert [each.subject for each in book(path, entry).stale(judged, versions, {ENTRY.check})] == ["torch"]
    assert entry.explains(replace(DIVERGING, subject="torch:own.Adamax"), "2.13.0")


def test_an_entry_of_a_check_that_did_not_run_is_not_stale(path):
    assert book(path, ENTRY).stale([], {}, {ENTRY.check}) == []


def test_an_entry_of_a_check_that_does_not_exist_is_an_error(path):
    with pytest.raises(
        LedgerError, match=r"known\.toml, entry 'torch-theta': .*'value/lockstep/theta' is not the id"
    ):
        book(path, ENTRY).stale([], {}, {"value/lockstep/m"})


def test_a_well_formed_file_is_read(path):
    path.write_text(TEXT)
    assert ledger.load(path) == book(path, ENTRY)


def test_a_table_with_a_list_of_checks_is_an_entry_for_each(path):
    listed = '["special/nan", "special/nan/long"]\ncase = "{check}"'
    path.write_text(TEXT.replace('"value/lockstep/theta"', listed))
    shared = replace(ENTRY, id="torch-theta-nan", check="special/nan", case="special/nan")
    other = replace(ENTRY, id="torch-theta-nan-long", check="special/nan/long", case="special/nan/long")
    assert ledger.load(path) == book(path, shared, other)
    with pytest.raises(LedgerError, match=r"entry 'torch-theta-nan-long': check = 'special/nan/long' is not"):
        ledger.load(path).require({"special/nan"})


def test_an_empty_file_is_a_ledger_without_entries(path):
    path.write_text("")
    assert ledger.load(path).entries == ()


def test_the_shipped_ledger_is_well_formed():
    assert ledger.load().path == ledger.SHIPPED


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("not toml", "known.toml: is not TOML"),
        ("\x00", "known.toml: is not TOML"),
        ("known = 1", r"known.toml: has \['known'\]; want only tables \[\[divergence\]\]"),
        ("divergence = 1", r"known.toml: divergence is not an array of tables"),
        ("[divergence]\nid = 'a'", r"known.toml: divergence is not an array of tables"),
        ("[[divergence]]", "entry 1: lacks id, subject, check, reason"),
        ("[[divergence]]\nid = 'a'", "entry 'a': lacks subject, check, reason"),
        (TEXT + TEXT, "entry 'torch-theta': the id is used twice"),
        (TEXT + "why = 'x'", r"entry 'torch-theta': has \['why'\]; want only id, subject"),
        (TEXT + "dtypes = 'float32'", "dtypes = 'float32' is not a list of strings"),
        (
            TEXT + "dtypes = ['float8']",
            "dtypes has 'float8'; want some of float16, bfloat16, float32, float64",
        ),
        (TEXT + "devices = [1]", r"devices = \[1\] is not a list of strings"),
        (TEXT + "versions = '2.x'", "versions = '2.x' is not a specifier of PEP 440"),
        (TEXT + "versions = 2", "versions = 2 is not a string"),
        (TEXT + "evidence = 'javascript:alert(1)'", "evidence = .* is not a URL"),
        (TEXT + "script = '../ledger.py'", "script = '../ledger.py' is not the name of a file"),
        (TEXT + "script = 'absent.py'", "script = 'absent.py' is not the name of a file"),
        (TEXT.replace("it rounds twice", "  "), "reason is empty"),
        (TEXT.replace('"value/lockstep/theta"', "[]"), r"check = \[\] is neither a string nor a list"),
        (TEXT.replace('"value/lockstep/theta"', '["a", 1]'), r"check = \['a', 1\] is neither"),
        (TEXT.replace('"value/lockstep/theta"', '["a", " "]'), "check is empty"),
        (
            TEXT.replace('"value/lockstep/theta"', '["v/a", "v/a"]'),
            "entry 'torch-theta-a': the id is used twice",
        ),
        (TEXT.replace('"torch-theta"', "7"), "entry 1: id = 7 is not a string"),
        (TEXT.replace("torch-theta", "a b/c"), "id = 'a b/c' has other characters"),
    ],
)
def test_a_malformed_file_is_refused_with_what_would_be_right(path, text, message):
    path.write_text(text)
    with pytest.raises(LedgerError) as caught:
        ledger.load(path)
    assert re.search(message, str(caught.value)), caught.value


def test_a_file_that_is_not_there_is_refused(path):
    with pytest.raises(LedgerError, match=r"known\.toml: cannot be read"):
        ledger.load(path)


def test_printed_entries_list_exactly_what_diverges_now(path):
    judged = [
        DIVERGING,
        replace(DIVERGING, dtype="float64"),
        verdict(Status.DIVERGES, check="rule", divergence=divergence(case=case("drawn").to_json())),
        verdict(Status.DIVERGES, check="contract/lr/zero", divergence=divergence(case=None)),
        verdict(check="value/m"),
        verdict(Status.BROKEN, check="value/u"),
    ]
    path.write_text(ledger.write_entries(judged, {"torch": "2.13.0+cpu"}))
    printed = ledger.load(path)
    assert [printed.apply(one, "2.13.0").status for one in judged] == [
        *[Status.KNOWN] * 4,
        Status.CONFORMS,
        Status.BROKEN,
    ]
    assert printed.stale(judged, {"torch": "2.13.0"}, {one.check for one in judged}) == []
    assert [(entry.check, entry.case, entry.dtypes) for entry in printed.entries] == [
        ("value/lockstep/theta", "pinned", ("float32", "float64")),
        ("rule", "", ("float32",)),
        ("contract/lr/zero", "", ("float32",)),
    ]


@pytest.mark.parametrize("text", [text for text in HOSTILE if text.isprintable()])
def test_printed_entries_of_hostile_names_are_read_back(path, text):
    judged = verdict(Status.DIVERGES, subject=text, check=text, divergence=divergence(reason=text))
    path.write_text(ledger.write_entries([judged, replace(judged, device="other")], {}), encoding="utf-8")
    assert ledger.load(path).match(judged, "") is not None


def test_printed_checks_that_differ_in_nothing_else_share_a_table(path):
    kinds = ("string", "none")
    judged = [
        verdict(Status.DIVERGES, check=f"contract/lr/{kind}", divergence=divergence(case=None))
        for kind in kinds
    ]
    text = ledger.write_entries(judged, {})
    path.write_text(text)
    assert text.count("[[divergence]]") == 1
    assert [entry.check for entry in ledger.load(path).entries] == [one.check for one in judged]


def test_nothing_diverging_prints_no_entries():
    assert ledger.write_entries([verdict()], {}) == ""


@pytest.mark.parametrize(
    ("statuses", "code"),
    [
        ([], ExitCode.NOTHING_JUDGED),
        ([Status.SKIPPED], ExitCode.NOTHING_JUDGED),
        ([Status.UNSPECIFIED], ExitCode.NOTHING_JUDGED),
        ([Status.KNOWN], ExitCode.CONFORMS),
        ([Status.CONFORMS, Status.SKIPPED], ExitCode.CONFORMS),
        ([Status.KNOWN, Status.UNSPECIFIED, Status.CONFORMS], ExitCode.CONFORMS),
        ([Status.CONFORMS, Status.DIVERGES], ExitCode.DIVERGES),
        ([Status.CONFORMS, Status.BROKEN], ExitCode.DIVERGES),
        ([Status.SKIPPED, Status.BROKEN], ExitCode.DIVERGES),
    ],
)
def test_the_exit_code_says_what_the_verdicts_say(statuses, code):
    assert outcome([verdict(status) for status in statuses]) is code


@pytest.mark.parametrize(
    ("lockstep", "code"), [(Status.SKIPPED, ExitCode.NOTHING_JUDGED), (Status.CONFORMS, ExitCode.CONFORMS)]
)
def test_an_audit_that_compared_no_element_judged_nothing(lockstep, code):
    whole = verdict(Status.CONFORMS, check="audit/recording")
    rule = verdict(Status.CONFORMS, check="rule/documented")
    assert outcome([whole, rule, verdict(lockstep, check="audit/lockstep/theta")]) is code


def test_a_run_that_lacks_verdicts_does_not_conform():
    assert outcome([verdict()], complete=False) is ExitCode.NOTHING_JUDGED
    assert outcome([verdict(Status.DIVERGES)], complete=False) is ExitCode.DIVERGES


# Globs, sizes, and ledgers that are added to each other ---------------------------------------------------------


@pytest.mark.parametrize(
    ("check", "named"),
    [("value/*", True), ("*", True), ("value/lockstep/?heta", True), ("value/trajectory/*", False)],
)
def test_a_glob_names_the_checks_that_it_matches(path, check, named):
    assert (book(path, replace(ENTRY, check=check)).match(DIVERGING, "2.13.0") is not None) == named


def test_a_glob_s_case_is_the_one_of_each_check(path):
    entry = replace(ENTRY, check="value/*", case="{check}")
    own = replace(DIVERGING, divergence=divergence(case=case("value/lockstep/theta").to_json()))
    assert book(path, entry).match(own, "") is not None
    assert book(path, entry).match(DIVERGING, "") is None


def test_a_table_takes_globs_in_its_list_and_names_each(path):
    path.write_text(
        TEXT.replace('"value/lockstep/theta"', '["special/nan", "contract/*", "*"]\ncase = "{check}"')
    )
    assert [(entry.id, entry.check, entry.case) for entry in ledger.load(path).entries] == [
        ("torch-theta-nan", "special/nan", "special/nan"),
        ("torch-theta-contract", "contract/*", "{check}"),
        ("torch-theta-all", "*", "{check}"),
    ]


def test_a_glob_is_stale_where_each_of_its_checks_ran_and_none_diverges(path):
    checks = {"value/a", "value/b", "rule"}
    book_ = book(path, replace(ENTRY, check="value/*"))
    fine = [verdict(check=check) for check in sorted(checks)]
    assert [one.check for one in book_.stale(fine, {}, checks)] == ["ledger/torch-theta"]
    assert book_.stale([verdict(Status.KNOWN, check="value/a"), *fine[1:]], {}, checks) == []
    assert book_.stale([verdict(Status.BROKEN, check="value/a"), *fine[1:]], {}, checks) == []
    assert book_.stale(fine[:-1], {}, checks) == []
    skipped = verdict(Status.SKIPPED, check="value/a")
    assert len(book_.stale([skipped, verdict(check="value/b")], {}, checks)) == 1
    assert book_.stale([skipped, replace(skipped, check="value/b")], {}, checks) == []


def test_a_glob_that_matches_no_check_is_an_error(path):
    with pytest.raises(LedgerError, match=r"check = 'vlaue/\*' matches no check"):
        book(path, replace(ENTRY, check="vlaue/*")).require({"value/a"})


@pytest.mark.parametrize(("error", "known"), [(1.5, True), (2.0, True), (2.01, False), (None, False)])
def test_an_error_beyond_the_largest_is_a_divergence_again(path, error, known):
    entry = replace(ENTRY, largest=2.0)
    judged = replace(DIVERGING, divergence=divergence(error_over_bound=error))
    assert (book(path, entry).match(judged, "") is not None) == known
    assert (book(path, entry).apply_to_recording(judged, "").status is Status.KNOWN) == known


@pytest.mark.parametrize("largest", ["0", "-1.0", "inf", "nan", "true", "'2'"])
def test_a_largest_error_that_is_none_is_refused(path, largest):
    path.write_text(f"{TEXT}largest = {largest}\n")
    with pytest.raises(LedgerError, match="is not a positive number"):
        ledger.load(path)


@pytest.mark.parametrize("errors", [(1.2341, 7.0), (1e-300, 3.14159e300), (1.0000001,), (float("inf"), 2.0)])
def test_printed_entries_of_drawn_cases_state_the_largest_error_and_no_larger_one_is_known(path, errors):
    judged = [
        replace(
            DIVERGING,
            dtype=dtype,
            divergence=divergence(case=case("drawn").to_json(), error_over_bound=error),
        )
        for dtype, error in zip(("float32", "float64"), errors, strict=False)
    ]
    path.write_text(ledger.write_entries(judged, {}))
    (entry,) = ledger.load(path).entries
    assert all(entry.explains(one, "") for one in judged)
    if max(errors) < float("inf"):
        assert max(errors) <= entry.largest <= 1.01 * max(errors)
        larger = divergence(case=case("drawn").to_json(), error_over_bound=1.02 * max(errors))
        assert not entry.explains(replace(DIVERGING, divergence=larger), "")
    else:
        assert entry.largest is None


@pytest.mark.parametrize(
    ("version", "written", "later"),
    [
        ("2.13.0+cpu", ">=2.13", "2.13.1"),
        ("2.14.0.dev20260101", ">=2.14.0.dev20260101", "2.14.1"),
        ("3", ">=3.0", "3.0.1"),
        ("built here", "", "built there"),
    ],
)
def test_a_patch_of_the_framework_does_not_void_a_printed_entry(path, version, written, later):
    path.write_text(ledger.write_entries([DIVERGING], {"torch": version}))
    (entry,) = ledger.load(path).entries
    assert entry.versions == written
    assert entry.explains(DIVERGING, version)
    assert entry.explains(DIVERGING, later)


def test_one_s_own_ledger_is_added_to_the_shipped_one_or_replaces_it(path):
    first = ledger.load().entries[0]
    path.write_text(TEXT + TEXT.replace("torch-theta", first.id))
    added = choose(path, None).used.entries
    assert [entry.id for entry in added[:2]] == ["torch-theta", first.id]
    assert added[1] != first
    assert len(added) == len(ledger.load().entries) + 1
    assert [entry.id for entry in choose(None, path).used.entries] == ["torch-theta", first.id]
    assert choose(None, None).used == ledger.load()


def test_a_ledger_is_refused_by_its_own_name_whichever_it_is_added_to(path, tmp_path):
    path.write_text(TEXT)
    empty = tmp_path / "empty.toml"
    empty.touch()
    with pytest.raises(LedgerError, match=r"known\.toml, entry 'torch-theta'"):
        choose(path, empty, {"value/lockstep/m"})


def test_entries_of_one_s_own_that_are_for_nobody_are_said(path):
    path.write_text(
        TEXT.replace('"torch*"', '"torhc"') + TEXT.replace("torch-theta", "old") + "versions = '<2'\n"
    )
    notes = choose(path, None).notes({"torch": "2.13.0"})
    assert notes == [
        f"{path}: the entry 'torch-theta' is for nobody here: subject = 'torhc', and the run has 'torch'",
        f"{path}: the entry 'old' is for nobody here: versions = '<2', and the run has torch 2.13.0",
    ]
    assert choose(None, None).notes({"nobody": ""}) == []
    many = "".join(TEXT.replace("torch", f"other{i}") for i in range(12))
    path.write_text(many)
    assert choose(path, None).notes({"torch": ""})[10:] == ["and 2 more entries are for nobody here"]


def test_the_documented_example_is_a_ledger_and_every_field_is_documented(path):
    page = (ledger.SHIPPED.parent / "README.md").read_text(encoding="utf-8")
    path.write_text(page.partition("```toml\n")[2].partition("```")[0])
    example = ledger.load(path)
    example.require(CHECKS)
    assert [entry.largest for entry in example.entries] == [None, None, 1.75]
    for field in fields(Entry):
        assert re.search(rf"^\|.*`{field.name}`.* \|", page, re.MULTILINE), field.name
