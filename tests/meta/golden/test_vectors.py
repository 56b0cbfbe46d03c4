"""`adamax-conformance vectors` writes the same bytes anywhere, and finds errors."""

from __future__ import annotations

import copy
import json
import random

import jsonschema
import pytest
from adamax_conformance.oracles.golden import files
from adamax_conformance.oracles.golden.files import DIGESTS
from adamax_conformance.reference.contract import CLAUSES
from adamax_conformance.reference.golden.cases import GOLDEN_CASES
from adamax_conformance.reports.cli import vectors as command
from adamax_conformance.reports.cli.errors import CommandError
from adamax_conformance.reports.cli.vectors import PUBLISHED, UnreadableError, problems, vectors
from adamax_conformance.tests.meta.sampling import EVERY, some
from click.testing import CliRunner

MOST_BYTES = 10_000_000
FILES = sorted(PUBLISHED.glob("*.json"))


def read(file):
    return json.loads(file.read_text(encoding="utf-8"))


def run(*words):
    return CliRunner().invoke(vectors, [str(word) for word in words], standalone_mode=False)


def run_raising(*words):
    return CliRunner().invoke(
        vectors, [str(word) for word in words], standalone_mode=False, catch_exceptions=False
    )


@pytest.fixture
def small(tmp_path):
    """A file of one short case, and how to write it."""
    cases = [case for case in GOLDEN_CASES if case.family == "maximize"]
    document = files.document("maximize", cases[:1])

    def write(value=document):
        file = tmp_path / "small.json"
        file.write_text(files.document_text(value), encoding="utf-8")
        return file

    return document, write


# Writing ----------------------------------------------------------------------------------------------------


def test_a_published_case_is_the_one_that_is_written_here():
    published = {case["id"]: case for file in FILES for case in read(file).get("cases", ())}
    assert published.keys() == {case.id for case in GOLDEN_CASES}
    for case in some(GOLDEN_CASES, of=5):
        assert json.loads(json.dumps(files.case_to_json(case))) == published[case.id], case.id


@pytest.mark.parametrize(
    "file", [f for f in FILES if not f.name.endswith("schema.json")], ids=lambda file: file.stem
)
def test_a_published_file_is_the_text_of_its_values(file):
    assert files.document_text(read(file)) == file.read_text(encoding="utf-8")


@pytest.mark.skipif(not EVERY, reason="it takes half a minute: tox -m trust")
def test_the_published_files_are_those_that_are_written_here_byte_for_byte():
    made = files.documents(GOLDEN_CASES)
    written = {name: files.document_text(value).encode("ascii") for name, value in made.items()}
    published = {file.name: file.read_bytes() for file in FILES if not file.name.endswith("schema.json")}
    assert published.keys() == written.keys()
    assert [name for name in written if published[name] != written[name]] == []


def test_the_files_are_not_too_many_bytes():
    assert sum(file.stat().st_size for file in FILES) < MOST_BYTES


@pytest.fixture
def few(monkeypatch, tmp_path):
    """Limit the command to a few cases, none of them published; return their files."""
    cases = tuple(case for case in GOLDEN_CASES if case.family == "maximize")
    monkeypatch.setattr(command, "GOLDEN_CASES", cases)
    monkeypatch.setattr(command, "DIGESTED", tmp_path / "nothing")
    return files.documents(cases)


def test_generate_writes_into_a_new_folder(tmp_path, few):
    result = run("generate", "--output", tmp_path / "new")
    assert result.return_value == 0
    for name, value in few.items():
        assert (tmp_path / "new" / name).read_bytes() == files.document_text(value).encode("ascii")


@pytest.mark.parametrize("change", ["another", "gone"])
def test_generate_refuses_to_change_what_is_published(tmp_path, few, change):
    name = "maximize/momentum-0" if change == "another" else "maximize/no-longer-there"
    folder = tmp_path / "published"
    folder.mkdir()
    (folder / DIGESTS).write_text(json.dumps(few[DIGESTS] | {name: "0" * 64}), encoding="utf-8")
    result = run("generate", "--output", folder)
    assert result.return_value == 1
    assert "is published, and would be" in result.stderr
    assert [file.name for file in folder.iterdir()] == [DIGESTS]


def test_a_bound_may_be_replaced_and_a_value_may_not(small):
    document, _ = small
    case = document["cases"][0]
    before = files.case_digest(case)
    case["states"][0]["m"][0][0]["bound"]["binary32"][0] = "9.99e9"
    assert files.case_digest(case) == before
    case["states"][0]["m"][0][0]["rounded"]["binary32"] = "0x1p+0"
    assert files.case_digest(case) != before


# Checking ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["golden.schema.json", "contract.schema.json"])
def test_a_schema_is_a_schema(name):
    jsonschema.Draft202012Validator.check_schema(json.loads((PUBLISHED / name).read_text(encoding="utf-8")))


def test_validate_finds_the_files_of_a_folder_right(tmp_path, few):
    folder = tmp_path
    for name, value in few.items():
        (folder / name).write_text(files.document_text(value), encoding="utf-8")
    (folder / "golden.schema.json").write_text("{}", encoding="utf-8")
    result = run("validate", folder)
    assert result.return_value == 0, result.stderr
    assert result.stdout.count(": right") == 3


def test_every_clause_of_the_contract_is_in_its_file():
    assert [clause["id"] for clause in files.contract()["clauses"]] == [clause.id for clause in CLAUSES]


def exact_digit(case):
    value = case["states"][0]["theta"][0][0]
    value["exact"] = value["exact"][:10] + ("1" if value["exact"][10] != "1" else "2") + value["exact"][11:]


def rounding(case):
    case["states"][1]["u"][0][0]["rounded"]["bfloat16"] = "0x1.0000000000000p+0"


def bound(case):
    case["states"][0]["m"][0][1]["bound"]["binary16"][0] = "9.99e-1"


def hyperparameter(case):
    case["groups"][0]["options"]["lr"] = "0x1.8000000000000p-9"


def gradient(case):
    case["groups"][0]["parameters"][0]["gradients"][1][1] = "nan"


def one_state_less(case):
    case["groups"][0]["parameters"][0]["theta"].append("0x1.0000000000000p+0")


def format_left_out(case):
    case["formats"].remove("binary32")


def beta(case):
    case["groups"][0]["options"]["beta1"] = "0x1.0000000000000p+0"


def eps(case):
    case["groups"][0]["options"]["eps"] = "0x0.0p+0"


def beyond(case):
    case["groups"][0]["options"]["lr"] = "0x1.0000000000000p+9999"


def too_long(case):
    case["steps"] = 4096
    case["groups"][0]["parameters"][0]["theta"] *= 5
    case["groups"][0]["parameters"][0]["gradients"] = [["0x1.0000000000000p+0"] * 10]


def falling(case):
    case["states"].reverse()


def unknown_flag(case):
    case["flags"] = ["no-such-flag"]


@pytest.mark.parametrize(
    "wrong",
    [
        exact_digit,
        rounding,
        bound,
        hyperparameter,
        gradient,
        one_state_less,
        format_left_out,
        beta,
        eps,
        beyond,
        too_long,
        falling,
        unknown_flag,
    ],
)
def test_validate_finds_what_is_wrong_with_a_case(small, wrong):
    document, write = small
    wrong(document["cases"][0])
    result = run("validate", write())
    assert result.return_value == 1
    assert result.stderr.count("\n") == 1
    assert "case maximize/momentum-0" in result.stderr


def test_a_case_that_is_there_twice_is_found(small):
    document, write = small
    document["cases"] = document["cases"] * 2
    assert list(problems(write(document))) == ["case maximize/momentum-0 is there twice"]


def test_a_file_or_a_case_that_is_published_and_not_there_is_found(tmp_path, few):
    (tmp_path / DIGESTS).write_text(files.document_text(few[DIGESTS]), encoding="utf-8")
    result = run("validate", tmp_path)
    assert result.return_value == 1
    assert "their file is not there" in result.stderr
    lacking = few["maximize.json"] | {"cases": few["maximize.json"]["cases"][1:]}
    (tmp_path / "maximize.json").write_text(files.document_text(lacking), encoding="utf-8")
    result = run("validate", tmp_path / "maximize.json")
    assert result.return_value == 1
    assert "is published, and is not there" in result.stderr


def test_a_folder_without_a_file_is_not_right(tmp_path):
    with pytest.raises(CommandError, match="has no file of golden trajectories"):
        run_raising("validate", tmp_path)


def test_generate_writes_through_no_link(tmp_path, few):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("kept")
    folder = tmp_path / "new"
    folder.mkdir()
    (folder / "maximize.json").symlink_to(elsewhere)
    assert run("generate", "--output", folder).return_value == 0
    assert elsewhere.read_text() == "kept"
    assert (folder / "maximize.json").read_bytes() == files.document_text(few["maximize.json"]).encode()


def test_a_clause_with_another_outcome_is_found(tmp_path):
    contract = files.contract()
    contract["clauses"][0]["outcome"] = "accepted"
    file = tmp_path / "contract.json"
    file.write_text(files.document_text(contract), encoding="utf-8")
    assert list(problems(file)) == ['clause lr/string, outcome is "accepted"; the oracle has "ValueError"']


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is not JSON"),
        (b"\xff\xfe", "is not JSON"),
        (b"[" * 100_000, "nested too deeply"),
        (b"[1]", "want an object"),
        (b"{}", "schema is None"),
        (b'{"schema": "golden.schema.json"}', "is a required property"),
        (b'{"schema": NaN}', "NaN is not JSON"),
        (b'{"schema": 1, "schema": 2}', "a key is there twice"),
        (b'{"schema": ' + b"1" * 5000 + b"}", "is not JSON"),
    ],
)
def test_another_kind_of_file_is_refused_in_one_line(tmp_path, content, words):
    file = tmp_path / "file.json"
    file.write_bytes(content)
    result = run("validate", file)
    assert result.return_value == 2
    assert result.stderr.count("\n") == 1
    assert words in result.stderr


def test_a_missing_file_is_reported(tmp_path):
    result = run("validate", tmp_path / "nowhere.json")
    assert result.return_value == 2
    assert "cannot be read" in result.stderr


# Anything at all --------------------------------------------------------------------------------------------

FUZZED = 1_500 if EVERY else 200


def paths(value, path=()):
    """The path of every member of a JSON value."""
    yield path
    for name, member in (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    ):
        yield from paths(member, (*path, name))


def replace_at(value, path, by):
    """A copy with another value at a path."""
    if not path:
        return by
    result = copy.copy(value)
    result[path[0]] = replace_at(value[path[0]], path[1:], by)
    return result


STRANGE = (
    None,
    True,
    -1,
    10**30,
    0.5,
    "",
    "nan",
    "0x1.8p+1",
    "1.5",
    "\ud800",
    "x" * 2000,
    [],
    [[]],
    {},
    {"exact": 1},
)


def without_words(document):
    """The part of a document that has to be right: all but the comments."""
    return {**document, "cases": [{**case, "comment": ""} for case in document["cases"]]}


def test_no_file_with_a_part_exchanged_is_taken_for_right(small, tmp_path):
    document, _ = small
    everywhere = list(paths(document))
    draw = random.Random(6)
    file = tmp_path / "fuzzed.json"
    for _ in range(FUZZED):
        path, by = draw.choice(everywhere), draw.choice(STRANGE)
        text = json.dumps(replace_at(document, path, by))
        if draw.random() < 0.3:
            at = draw.randrange(len(text))
            text = text[:at] + draw.choice(["", '"', "}", "\\", "\x00", "9", ","]) + text[at + 1 :]
        file.write_text(text, encoding="utf-8")
        try:
            wrong = list(problems(file))
        except UnreadableError as error:
            wrong = [str(error)]
        if not wrong:
            assert without_words(json.loads(text)) == without_words(document), (path, by)
        assert all("\n" not in line and line.isprintable() and len(line) < 600 for line in wrong)
