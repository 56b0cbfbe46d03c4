"""Wrong use is one clear line, with the right exit code and no traceback."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

_OPEN = "optimizers.py:Adamax"


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["check", "nunpy"], 2, "'nunpy' is unknown; did you mean numpy?"),
        (["check", "nonsense"], 2, "'nonsense' is unknown; right is one of numpy"),
        (["check", "optimizers.py:Adamaxx"], 3, "has no attribute 'Adamaxx'"),
        (["check", "nowhere.py:Adamax"], 3, "nowhere.py is not there"),
        (["check", "no.such.module:Adamax"], 3, "cannot be imported"),
        (["check", "process:'open"], 2, "is not a command (No closing quotation)"),
        (["check", "process:''"], 3, "cannot be started"),
        (["check", "numpy", "--python", "/nowhere"], 3, "/nowhere cannot be started"),
        (["check", _OPEN, "--dtype", "float8"], 2, "'float8' is not one of"),
        (["check", "numpy", "--dtype", "float16"], 3, "numpy has no float16"),
        (["check", "numpy", "--device", "cuda"], 3, "not on cuda"),
        (["check", "--report", "optimizers.py"], 2, "cannot be written to"),
        (["check", "--known", "missing.toml"], 2, "missing.toml: cannot be read"),
        (["check", "--known", "optimizers.py"], 2, "is not TOML"),
        (["check", "--arithmetic", "missing.toml"], 2, "missing.toml cannot be read"),
        (["check", "--profile", "slow"], 2, "'slow' is not one of"),
        (["check", "--timeout", "0"], 2, "x>0"),
        (["check", "--check", "vlaue/lockstep/m"], 2, "the nearest are value/lockstep/m, "),
        (["check", "--skip", "contract"], 2, "did you mean contract/*?"),
        (["checks", "no such check"], 2, "the groups are contract, rule, "),
        (["check", "--suite", "abc"], 2, "'abc' is not a version; this suite is "),
        (["check", "--suite", "9.9"], 2, "9.9 is later than this suite"),
        (["check", "numpy", "--python", "/nowhere/python"], 3, "/nowhere/python"),
        (["check", "torch.optim"], 2, "'torch.optim' is unknown"),
        (["chekc"], 2, "No such command 'chekc'"),
        (["check", "moved.py:Adamax", "--skip-absent"], 3, "moved.py is not there"),
        (["check", "moved.py:Adamax", "--device", "cuda", "--skip-absent"], 3, "moved.py is not there"),
        (["check", "numpy", "--python", "/nowhere", "--skip-absent"], 3, "/nowhere cannot be started"),
        (["identify", "nunpy"], 2, "'nunpy' is unknown"),
        (["diagnose", "nunpy"], 2, "'nunpy' is unknown"),
        (["diagnose", "optimizers.py:Adamaxx"], 3, "has no attribute 'Adamaxx'"),
        (["audit", "missing"], 2, "missing/recording.jsonl cannot be read"),
        (["audit", "optimizers.py"], 2, "optimizers.py/recording.jsonl cannot be read"),
        (["vectors", "validate", "."], 2, "has no file of golden trajectories"),
        (["report", "missing", "--output", "optimizers.py"], 2, "cannot be read"),
        (["identify", "numpy", "--dtype", "float16"], 3, "numpy has no float16"),
        (["report", "missing", "--output", "merged"], 2, "cannot be read"),
        (["report", "optimizers.py", "--output", "merged"], 2, "optimizers.py, line 1"),
        (["diff", "missing", "optimizers.py"], 2, "cannot be read"),
    ],
)
def test_wrong_use_is_one_line(run, arguments, code, said):
    ran = run(*arguments)
    assert ran.code == code, ran.out + ran.err
    assert said in ran.err
    assert "Traceback" not in ran.err
    assert len([line for line in ran.err.splitlines() if line.startswith("Error")]) == 1


@pytest.mark.parametrize("arguments", [["nunpy"], ["nowhere.py:Adamax"]])
def test_what_is_refused_leaves_an_earlier_report_alone(run, arguments):
    first = run("check", "numpy", "--check", "contract/lr/zero")
    record = first.folder / "divergence-report" / "verdicts.jsonl"
    before = record.read_bytes()
    assert run("check", *arguments).code in {2, 3}
    assert record.read_bytes() == before
    assert [path.name for path in record.parent.glob("*.earlier")] == []


@pytest.mark.parametrize("command", ["check", "identify"])
@pytest.mark.parametrize(
    ("version", "words"), [("2.3.1", "torch 2.3.1 is too old"), ("3.0", "torch 3.0 is too new")]
)
def test_a_framework_of_an_unsupported_version_is_one_line_with_the_command(run, command, version, words):
    folder = run("--version").folder
    (folder / "torch.py").touch()
    (folder / "torch.dist-info").mkdir()
    (folder / "torch.dist-info" / "METADATA").write_text(f"Name: torch\nVersion: {version}\n")
    ran = run(command, "torch", PYTHONPATH=str(folder))
    assert ran.code == 3
    (line,) = [line for line in ran.err.splitlines() if line]
    assert words in line
    assert line.endswith('-m pip install "torch>=2.4,<3"')


def test_a_ledger_that_names_no_check_is_refused(run):
    folder = run("--version").folder
    (folder / "known.toml").write_text(
        '[[divergence]]\nid = "x"\nsubject = "numpy"\ncheck = "no/such/check"\nreason = "none"\n'
    )
    ran = run("check", "--known", "known.toml")
    assert ran.code == 2
    assert "'no/such/check' is not the id of any check" in ran.err


def test_a_ledger_entry_that_is_not_needed_fails_the_run_and_is_named(run):
    folder = run("--version").folder
    (folder / "known.toml").write_text(
        '[[divergence]]\nid = "gone"\nsubject = "numpy"\ncheck = "rule/documented"\nreason = "was fixed"\n'
    )
    ran = run("check", "--known", "known.toml", "--dtype", "float32", "--check", "rule/*")
    assert ran.code == 1
    assert ran.diverging() == {"ledger/gone"}
    assert "gone" in ran.out


def test_a_ledger_is_added_to_the_shipped_one_and_an_entry_for_nobody_is_said(run):
    folder = run("--version").folder
    (folder / "known.toml").write_text(
        '[[divergence]]\nid = "typo"\nsubject = "nunpy"\ncheck = "rule/*"\nreason = "none"\n'
    )
    ran = run("check", "--known", "known.toml", "--dtype", "float32", "--check", "rule/*")
    assert ran.code == 0
    assert "Note: known.toml: the entry 'typo' is for nobody here: subject = 'nunpy'" in ran.err


def test_print_known_writes_a_ledger_that_makes_the_run_conform(run):
    first = run("check", "optimizers.py:WithoutBiasCorrection", "--check", "rule/*", "--print-known")
    assert first.code == 1
    (first.folder / "known.toml").write_text(first.out)
    again = run("check", "optimizers.py:WithoutBiasCorrection", "--check", "rule/*", "--known", "known.toml")
    assert again.code == 0, again.out
    assert "known" in again.out


def test_a_subject_that_is_not_there_is_skipped_when_that_is_asked_for(run):
    ran = run("check", "numpy", "--device", "cuda", "--skip-absent")
    assert ran.code == 0
    assert "skipped" in ran.out
    assert "not on cuda" in ran.err


def test_a_subject_that_raises_in_every_life_is_not_right_and_its_words_are_no_command(run):
    folder = run("--version").folder
    (folder / "raising.py").write_text("def F(params):\n    raise RuntimeError('##[error]x')\n")
    ran = run("diagnose", "raising.py:F")
    assert ran.code == 1
    assert "raises" in ran.out
    assert "##[" not in ran.out + ran.err


def test_an_interpreter_without_any_subject_is_not_green(run):
    ran = run("subjects", "--python", "/nowhere/python")
    assert ran.code == 3
    assert "/nowhere/python cannot be started" in ran.out


def test_identify_names_the_rule_and_its_scalars(run):
    ran = run("identify", "optimizers.py:DecayDecoupled", "--dtype", "float32")
    assert ran.code == 1
    assert "apart from the gradient" in ran.out
    assert run("identify", "numpy").out.count("the documented rule") == 2


def test_records_are_merged_and_compared(run):
    folder = run("check", "--dtype", "float32", "--check", "rule/*").folder
    run(
        "check",
        "optimizers.py:DecayDecoupled",
        "--dtype",
        "float32",
        "--check",
        "rule/*",
        "--report",
        "other/one",
    )
    merged = run("report", "divergence-report", "other", "--output", "merged")
    assert merged.code == 1
    assert (folder / "merged" / "index.html").is_file()
    same = run("diff", "merged", "merged")
    assert same.code == 0


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="a device that is always full")  # noqa: PTH110
def test_an_answer_that_cannot_be_printed_is_one_line_and_no_divergence(tmp_path):
    with open("/dev/full", "w") as full:  # noqa: PTH123
        command = [sys.executable, "-m", "adamax_conformance.reports.cli.main", "checks"]
        done = subprocess.run(
            command, cwd=tmp_path, stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == 3
    assert done.stderr == "Error: No space left on device\n"


@pytest.mark.parametrize("command", [("checks",), ("identify", "numpy", "--dtype", "float32")])
def test_a_reader_that_has_gone_is_no_error_of_ours(command):
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-m", "adamax_conformance.reports.cli.main", *command],
        stdout=writer, stderr=subprocess.PIPE, text=True, check=False, timeout=300,
    )  # fmt: skip
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, "")
