"""A recording at an address of fsspec is judged as in a folder."""

from __future__ import annotations

import importlib.util
import uuid

import click
import pytest
from adamax_conformance.reports.audit import location
from adamax_conformance.reports.cli.main import cli
from adamax_conformance.reports.record.exit_codes import ExitCode
from adamax_conformance.tests.meta.audit.auditing import audited, numbers, said
from adamax_conformance.tests.meta.audit.runs import ours

pytest.importorskip("upath")
from upath import UPath


@pytest.fixture
def pair(tmp_path):
    """A recording in a folder, and the same at an address."""
    ours(tmp_path / "recording")
    address = UPath(f"memory://{uuid.uuid4().hex}/recording")
    address.mkdir(parents=True)
    for path in (tmp_path / "recording").iterdir():
        (address / path.name).write_bytes(path.read_bytes())
    yield tmp_path / "recording", address
    address.fs.rm(address.path, recursive=True)


def test_the_answer_is_that_of_the_folder(pair, tmp_path):
    folder, address = pair
    (code, here), (other, there) = (
        audited(at, tmp_path / name) for at, name in ((folder, "here"), (address, "there"))
    )
    assert code == other == 0
    assert numbers(here) == numbers(there)
    assert f"audit {address}" in said(there, "audit/recording").reproduce


def test_damage_at_an_address_is_named(pair, tmp_path):
    _, address = pair
    step = address / "step-00000002.safetensors"
    content = bytearray(step.read_bytes())
    content[-3] ^= 1
    step.write_bytes(bytes(content))
    (address / "step-00000004.safetensors").unlink()
    code, record = audited(address, tmp_path / "report")
    assert code == 1
    reason = said(record, "audit/recording").reason
    assert "step-00000002.safetensors: the elements" in reason
    assert "step-00000004.safetensors: it cannot be read" in reason


def test_a_folder_and_an_address_are_compared(pair, capsys):
    folder, address = pair
    assert cli.main(["audit", str(folder), str(address)], standalone_mode=False) == ExitCode.CONFORMS
    assert "they do not part" in capsys.readouterr().out


def test_several_recordings_at_an_address_are_one_report(pair, tmp_path):
    _, address = pair
    assert (
        cli.main(
            ["audit", str(address.parent), "--report", str(tmp_path / "report"), "--quiet"],
            standalone_mode=False,
        )
        == ExitCode.CONFORMS
    )


@pytest.mark.parametrize(
    ("address", "words"),
    [("nothingknows://x", "cannot be read here"), ("memory://not/there", "cannot be read")],
)
def test_an_address_that_cannot_be_read_is_a_usage_error(address, words, tmp_path):
    with pytest.raises(click.ClickException, match=words):
        audited(address, tmp_path / "report")


def test_without_the_package_one_line_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr(
        location, "find_spec", lambda name: None if name == "upath" else importlib.util.find_spec(name)
    )
    with pytest.raises(location.LocationError, match=r"pip install 'adamax-conformance\[remote\]'"):
        location.locate("s3://bucket/recording")
    assert location.locate("a/folder").name == "folder"
