"""The command line turns exactly what the ledger lists into known divergences."""

from __future__ import annotations

import importlib.util
import os
import shutil
from pathlib import Path

import pytest
from adamax_conformance import impl, reference
from adamax_conformance.oracles.verdict import Status
from adamax_conformance.reports.ledger import ledger

FRAMEWORKS = {
    "torch": ("torch[foreach]", ("float16", "bfloat16")),
    "mindspore": ("mindspore", ("float16", "float64")),
}
"""A subject of each framework, in dtypes with different known divergences."""


def options(framework: str) -> list[str]:
    """The options that reach the framework, or a skip."""
    python = os.environ.get("MINDSPORE_PYTHON") if framework == "mindspore" else None
    if python:
        return ["--python", python]
    return [] if importlib.util.find_spec(framework) else pytest.skip(f"{framework} is not installed")


def listed(framework: str) -> set[tuple[str, str]]:
    """The checks, by dtype, that the shipped ledger lists for the framework's subject."""
    subject, dtypes = FRAMEWORKS[framework]
    return {
        (entry.check, dtype)
        for entry in ledger.load().entries
        if subject in [name.strip().replace("[*]", "[foreach]") for name in entry.subject.split(",")]
        for dtype in dtypes
        if not entry.dtypes or dtype in entry.dtypes
    }


def arguments(framework: str, *checks: str) -> list[str]:
    subject, dtypes = FRAMEWORKS[framework]
    checks = checks or tuple({check for check, _ in listed(framework)})
    return [
        "check",
        subject,
        *options(framework),
        *(word for dtype in dtypes for word in ("--dtype", dtype)),
        *(word for check in checks for word in ("--check", check)),
    ]


def found(ran, status):
    return {(v.check, v.dtype) for v in ran.verdicts(status)}


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_what_the_shipped_ledger_lists_is_known_and_is_there(run, framework):
    with_it = run(*arguments(framework))
    assert with_it.code == 0, with_it.out
    assert found(with_it, Status.KNOWN) == listed(framework)
    Path(with_it.folder, "empty.toml").touch()
    without = run(*arguments(framework), "--known-only", "empty.toml")
    assert without.code == 1
    assert found(without, Status.DIVERGES) == listed(framework)


def test_what_is_printed_as_known_is_known_the_next_time(run):
    checks = arguments("torch", "contract/lr/*")
    Path(run("--version").folder, "empty.toml").touch()
    printed = run(*checks, "--print-known", "--known-only", "empty.toml")
    assert printed.code == 1
    Path(printed.folder, "mine.toml").write_text(printed.out, encoding="utf-8")
    again = run(*checks, "--known", "mine.toml")
    assert again.code == 0, again.out
    assert {v.check for v in again.verdicts(Status.KNOWN)} == {
        f"contract/lr/{kind}" for kind in ("string", "none", "list", "complex")
    }


def test_an_entry_for_a_divergence_that_is_not_there_fails_the_run_and_is_named(run):
    stale = """
[[divergence]]
id = "imagined"
subject = "torch[foreach]"
check = "contract/lr/float"
reason = "It never was."
"""
    checks = arguments("torch", "contract/lr/*")
    folder = run("--version").folder
    Path(folder, "stale.toml").write_text(stale, encoding="utf-8")
    ran = run(*checks, "--known", "stale.toml")
    assert ran.code == 1
    assert ran.diverging() == {"ledger/imagined"}
    assert "imagined" in ran.out


def test_a_divergence_that_an_adapter_brings_about_fails_although_others_are_known(run):
    """Run an edited copy of the suite, whose adapter drops the set learning rate."""
    folder = run("--version").folder
    for room in (impl, reference):
        shutil.copytree(Path(room.__file__).parent, folder / "edited" / room.__name__.replace(".", "/"))
    adapter = folder / "edited" / "adamax_conformance" / "impl" / "adapters" / "torch.py"
    text = adapter.read_text(encoding="utf-8")
    line = "super().set_lr(optimizer, group, self._convert_lr(lr))"
    assert line in text
    adapter.write_text(text.replace(line, "self._convert_lr(lr)"), encoding="utf-8")
    path = os.pathsep.join(filter(None, [str(folder / "edited"), os.environ.get("PYTHONPATH")]))
    ran = run(*arguments("torch", "contract/lr/*", "bookkeeping/lr-*"), PYTHONPATH=path)
    assert ran.code == 1
    assert ran.diverging() == {"bookkeeping/lr-schedule", "bookkeeping/lr-read-back"}
    assert {v.check for v in ran.verdicts(Status.KNOWN)} == {
        f"contract/lr/{kind}" for kind in ("string", "none", "list", "complex")
    }


def test_a_dtype_that_the_framework_refuses_is_skipped_in_its_own_words(run):
    words = ["check", "mindspore", *options("mindspore"), "--check", "contract/lr/float"]
    ran = run(*words, "--dtype", "bfloat16", "--dtype", "float32")
    assert ran.code == 0, ran.err
    (skipped,) = ran.verdicts(Status.SKIPPED)
    assert skipped.dtype == "bfloat16"
    assert "Unsupported data type" in skipped.reason
    alone = run(*words, "--dtype", "bfloat16")
    assert alone.code == 3
    assert "Unsupported data type" in alone.err


def test_what_the_framework_cannot_take_is_skipped_in_its_own_words(run):
    ran = run(
        "check", "mindspore", *options("mindspore"), "--dtype", "float32", "--check", "bookkeeping/layout/*"
    )
    said = {v.check.rpartition("/")[2]: v.reason for v in ran.verdicts(Status.SKIPPED)}
    assert set(said) == {"strided", "transposed", "reversed", "empty"}
    assert "must be positive integer" in said["empty"]
    assert "mindspore.Tensor copies" in said["reversed"]


def test_negative_strides_are_skipped_in_the_words_of_torch(run):
    ran = run("check", "torch", *options("torch"), "--dtype", "float32", "--check", "bookkeeping/layout/*")
    (skipped,) = ran.verdicts(Status.SKIPPED)
    assert skipped.check == "bookkeeping/layout/reversed"
    assert "negative" in skipped.reason
